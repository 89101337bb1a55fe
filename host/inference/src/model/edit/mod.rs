//! A graph that is changed in memory before ONNX Runtime opens it.
//!
//! The file is read once, node by node, and stays what it is; weights are copied over as they are, and those in files
//! beside it are still found there. [`Editor`](editor::Editor) knows how to change any graph; `positions` is what is changed:
//! logits are computed where they are wanted, and not for every token of a prompt; and `likeliest`: the few tokens that
//! most requests choose from are found there. `trial` shows by runs that
//! answers are the same.

mod editor;
mod likeliest;
mod message;
mod outline;
mod positions;
mod tail;
#[cfg(test)]
mod tests;
mod trial;

use std::path::Path;

use editor::Editor;
use likeliest::find_likeliest;
pub(crate) use positions::POSITIONS;
use positions::{Depth, at_positions};
pub(crate) use trial::asked;
use trial::trial;

use super::config::ModelConfig;
use super::graph::Graph;
use super::layout::{DecoderLayout, Layout};
use crate::runtime::{OpenError, Opened};

/// Opens a language model so that it takes positions, and finds the likeliest tokens at them where that is wanted, where it then answers as it does unchanged. Else nothing, and the log
/// has the reason.
pub(super) fn open_at_positions(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    likeliest: bool,
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Option<(Opened, DecoderLayout)> {
    for likeliest in [true, false].into_iter().filter(|wanted| likeliest || !wanted) {
        for depth in [Depth::Layer, Depth::Head] {
            match attempt(path, (graph, config), (depth, likeliest), open) {
                Ok(opened) => return Some(opened),
                Err(reason) => {
                    tracing::debug!(?depth, likeliest, reason, "the graph gives logits of every token that it reads");
                }
            }
        }
    }
    None
}

fn attempt(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    (depth, likeliest): (Depth, bool),
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Result<(Opened, DecoderLayout), String> {
    let mut editor = Editor::read(path)?;
    at_positions(&mut editor, depth)?;
    if likeliest {
        find_likeliest(&mut editor)?;
    }
    let mut opened = open(&editor.write()?).map_err(|error| format!("changed, it does not open: {error:?}"))?;
    let layout = Layout::of(&opened.session, graph, config, None, path, true).map_err(|error| error.to_string())?;
    let Layout::Decoder(mut layout) = layout else { return Err("changed, it is no language model".to_owned()) };
    layout.positions = Some(trial(&mut opened.session, &layout)?);
    Ok((opened, layout))
}
