//! A graph that is changed in memory before ONNX Runtime opens it.
//!
//! The file is read once, node by node, and stays what it is; weights are copied over as they are, and those in files
//! beside it are still found there. [`Editor`](editor::Editor) knows how to change any graph; `positions` is what is changed:
//! logits are computed where they are wanted, and not for every token of a prompt; and `likeliest`: the few tokens that
//! most requests choose from are found there; `projections`: products of one value become one product. `trial` shows by runs that
//! answers are the same.

mod editor;
mod likeliest;
mod message;
mod outline;
mod positions;
mod projections;
mod tail;
#[cfg(test)]
mod tests;
mod trial;

use std::path::Path;

use editor::Editor;
use likeliest::find_likeliest;
pub(crate) use positions::POSITIONS;
use positions::{Depth, at_positions};
use projections::join_projections;
pub(crate) use trial::asked;
use trial::trial;

use super::config::ModelConfig;
use super::graph::Graph;
use super::layout::{DecoderLayout, Layout};
use crate::runtime::{OpenError, Opened};

/// What is changed beside the positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Whether the graph finds the likeliest tokens.
    pub(super) likeliest: bool,
    /// Whether products of one value are joined.
    pub(super) joins: bool,
}

impl Wanted {
    /// From all that is wanted to nothing of it: what one graph does not take may be one of two changes.
    fn attempts(self) -> impl Iterator<Item = Self> {
        let all = [(true, true), (false, true), (true, false), (false, false)];
        let all = all.map(|(likeliest, joins)| Self { likeliest, joins });
        all.into_iter().filter(move |one| (self.likeliest || !one.likeliest) && (self.joins || !one.joins))
    }
}

/// Opens a language model so that it takes positions, with the other changes that are wanted, where it then answers as it
/// does unchanged. Else nothing, and the log has the reason.
pub(super) fn open_at_positions(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    wanted: Wanted,
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Option<(Opened, DecoderLayout)> {
    for wanted in wanted.attempts() {
        for depth in [Depth::Layer, Depth::Head] {
            match attempt(path, (graph, config), (depth, wanted), open) {
                Ok(opened) => return Some(opened),
                Err(reason) => {
                    tracing::debug!(?depth, ?wanted, reason, "the graph gives logits of every token that it reads");
                }
            }
        }
    }
    None
}

fn attempt(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    (depth, wanted): (Depth, Wanted),
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Result<(Opened, DecoderLayout), String> {
    let mut editor = Editor::read(path)?;
    at_positions(&mut editor, depth)?;
    if wanted.likeliest {
        find_likeliest(&mut editor)?;
    }
    if wanted.joins {
        let joined = join_projections(&mut editor)?;
        if joined == 0 {
            // The attempt without this change is the same one: the model is not opened for both.
            return Err("it has no products to join".to_owned());
        }
        tracing::debug!(joined, "products of the same value are one");
    }
    let mut opened = open(&editor.write()?).map_err(|error| format!("changed, it does not open: {error:?}"))?;
    let layout = Layout::of(&opened.session, graph, config, None, path, true).map_err(|error| error.to_string())?;
    let Layout::Decoder(mut layout) = layout else { return Err("changed, it is no language model".to_owned()) };
    layout.positions = Some(trial(&mut opened.session, &layout)?);
    Ok((opened, layout))
}
