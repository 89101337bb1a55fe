//! Drawings of a plan: steps as clusters, resources inside, colour and sign by action.
//!
//! Arrows point from what must be there first to what needs it. All drawings but JSON leave out
//! edges that a longer way shows already.

mod dot;
mod html;
mod inside;
mod json;
mod layered;
mod mermaid;
mod model;
mod notes;
mod order;
mod place;
mod svg;
mod text;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::plan::Plan;
pub use crate::plan::TextStyle;
pub use html::Follow;
pub use notes::{Amount, Cost, Costs, Notes};
pub use text::text;

/// What a drawing is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Graphviz.
    Dot,
    /// A Mermaid flow chart.
    Mermaid,
    /// A picture that needs nothing beside it.
    Svg,
    /// Data, every edge included: `{pipeline, existing: [{name, kind, ids, found}], steps: [{name, uses, depends_on}],
    /// resources: [{address, step, kind, name, action, changes, depends_on}]}`. `existing` is absent where nothing is looked
    /// up. `uses` is null for a step
    /// that the file has no longer.
    Json,
    /// The picture on a page where each resource can be looked into.
    Html,
}

impl Format {
    /// The format that a file's ending asks for.
    pub fn of_path(path: &Path) -> Result<Self, DrawError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("dot") => Ok(Self::Dot),
            Some("mmd") => Ok(Self::Mermaid),
            Some("svg") => Ok(Self::Svg),
            Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            _ => Err(DrawError::Ending(path.to_owned())),
        }
    }
}

/// Why nothing can be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// The file's ending names no format.
    #[error(
        "cannot choose the graph's format from the name '{}'; use a name that ends in .html, .svg, .dot, .mmd or .json",
        .0.display()
    )]
    Ending(PathBuf),
}

/// Draws a plan on a page that shows a run of it: states, logs, failures and a timeline.
pub fn run_page(plan: &Plan, notes: &Notes, follow: Follow<'_>) -> String {
    html::draw(&model::Drawing::new(plan), notes, Some(follow))
}

/// Draws a plan. The notes are for a page alone.
pub fn draw(plan: &Plan, notes: &Notes, format: Format) -> String {
    if format == Format::Json {
        return json::draw(plan);
    }
    let drawing = model::Drawing::new(plan);
    match format {
        Format::Dot => dot::draw(&drawing),
        Format::Mermaid => mermaid::draw(&drawing),
        Format::Svg => svg::draw(&drawing),
        Format::Html => html::draw(&drawing, notes, None),
        Format::Json => unreachable!("drawn above, from the plan itself"),
    }
}
