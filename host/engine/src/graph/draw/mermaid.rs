//! A Mermaid flow chart. (Mermaid itself draws at most 500 edges unless its page allows more.)

use std::fmt::Write;

use super::model::Drawing;
use crate::plan::words::plain;

pub(super) fn draw(drawing: &Drawing<'_>) -> String {
    let mut out = String::from("flowchart LR\n");
    _ = write_to(&mut out, drawing);
    out
}

fn write_to(out: &mut String, drawing: &Drawing<'_>) -> std::fmt::Result {
    for (number, step) in drawing.steps.iter().enumerate() {
        let title = format!("{} ({})", step.name, Drawing::uses(step));
        writeln!(out, "  subgraph s{number}[\"{}\"]", escaped(&title))?;
        // Subgraphs that no edge leaves would turn to run from top to bottom.
        writeln!(out, "    direction LR")?;
        if step.resources.is_empty() {
            writeln!(out, "    e{number}[\"{}\"]:::keep", escaped(step.empty()))?;
        }
        for &at in &step.resources {
            let resource = &drawing.resources[at];
            let (mark, address) = (resource.mark(), resource.address);
            let (name, kind) = (escaped(address.name()), escaped(address.kind()));
            // A sign followed by a space at the start of a label would be read as a list.
            let sign = escaped(mark.sign);
            writeln!(out, "    r{at}[\"{sign} {name}<br/>{kind}\"]:::{}", mark.class)?;
        }
        out.push_str("  end\n");
    }
    for (from, to) in &drawing.edges {
        writeln!(out, "  r{from} --> r{to}")?;
    }
    for (from, to) in &drawing.step_edges {
        writeln!(out, "  s{from} -.-> s{to}")?;
    }
    out.push_str(concat!(
        "  classDef create fill:#e3f4ee,stroke:#007a5a,color:#10251e\n",
        "  classDef update fill:#fff3d6,stroke:#a86f00,color:#2b1e00\n",
        "  classDef replace fill:#fde6d8,stroke:#c04a00,color:#301200,stroke-width:2px\n",
        "  classDef delete fill:#f3e8e9,stroke:#8a4650,color:#3a1c20,stroke-dasharray:5 3\n",
        "  classDef keep fill:#ffffff,stroke:#8a939e,color:#2b3138\n",
        "  classDef step fill:#f5f7f9,stroke:#cfd6dd,color:#1b2128\n",
    ));
    if !drawing.steps.is_empty() {
        let steps: Vec<_> = (0..drawing.steps.len()).map(|number| format!("s{number}")).collect();
        writeln!(out, "  class {} step", steps.join(","))?;
    }
    Ok(())
}

/// Text for inside a quoted label: whatever is not a letter, digit or harmless sign becomes one
/// of Mermaid's own entities, so that neither its grammar nor its Markdown or HTML sees it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if c.is_alphanumeric()
            || matches!(c, ' ' | '.' | '_' | '/' | '(' | ')' | ':' | ',' | '=' | '@')
            || is_inner_dash(c, &out)
        {
            out.push(c);
        } else {
            _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

fn is_inner_dash(c: char, before: &str) -> bool {
    c == '-' && before.ends_with(char::is_alphanumeric)
}
