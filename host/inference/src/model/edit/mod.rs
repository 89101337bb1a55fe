//! A graph that is changed in memory before ONNX Runtime opens it.
//!
//! The file is read once, node by node, and stays what it is; weights are copied over as they are, and those in files
//! beside it are still found there. [`Editor`](editor::Editor) knows how to change any graph; `positions` is what is changed:
//! logits are computed where they are wanted, and not for every token of a prompt. `trial` shows by runs that
//! answers are the same.

mod editor;
mod message;
mod outline;
mod positions;
mod tail;
#[cfg(test)]
mod tests;
mod trial;

use std::path::Path;

use editor::Editor;
pub(crate) use positions::POSITIONS;
use positions::{Depth, at_positions};
pub(crate) use trial::asked;
use trial::trial;

use super::config::ModelConfig;
use super::graph::Graph;
use super::layout::{DecoderLayout, Layout};
use crate::runtime::{OpenError, Opened};

/// Opens a language model so that it takes positions, where it then answers as it does unchanged. Else nothing, and the log
/// has the reason.
pub(super) fn open_at_positions(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Option<(Opened, DecoderLayout)> {
    for depth in [Depth::Layer, Depth::Head] {
        match attempt(path, (graph, config), depth, open) {
            Ok(opened) => return Some(opened),
            Err(reason) => tracing::debug!(?depth, reason, "the graph gives logits of every token that it reads"),
        }
    }
    None
}

fn attempt(
    path: &Path,
    (graph, config): (&Graph, &ModelConfig),
    depth: Depth,
    open: &dyn Fn(&[u8]) -> Result<Opened, OpenError>,
) -> Result<(Opened, DecoderLayout), String> {
    let mut editor = Editor::read(path)?;
    at_positions(&mut editor, depth)?;
    let mut opened = open(&editor.write()?).map_err(|error| format!("changed, it does not open: {error:?}"))?;
    let layout = Layout::of(&opened.session, graph, config, None, path, true).map_err(|error| error.to_string())?;
    let Layout::Decoder(mut layout) = layout else { return Err("changed, it is no language model".to_owned()) };
    layout.positions = Some(trial(&mut opened.session, &layout)?);
    Ok((opened, layout))
}
