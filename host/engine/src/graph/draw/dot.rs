//! Graphviz.

use std::fmt::Write;

use super::model::{Drawing, Resource};
use crate::plan::words::plain;

pub(super) fn draw(drawing: &Drawing<'_>) -> String {
    let mut out = String::new();
    _ = write_to(&mut out, drawing);
    out
}

fn write_to(out: &mut String, drawing: &Drawing<'_>) -> std::fmt::Result {
    writeln!(out, "digraph {} {{", quoted(&drawing.plan.pipeline))?;
    out.push_str(concat!(
        "  graph [rankdir=LR, compound=true, nodesep=0.18, ranksep=0.7, fontname=\"Helvetica,Arial,sans-serif\"];\n",
        "  node [shape=box, style=\"filled,rounded\", penwidth=1.3, margin=\"0.14,0.06\", fontsize=11, ",
        "fontname=\"Helvetica,Arial,sans-serif\"];\n",
        "  edge [color=\"#7c8794\", arrowsize=0.6];\n",
    ));
    for (number, step) in drawing.steps.iter().enumerate() {
        let title = format!("{} ({})", step.name, Drawing::uses(step));
        writeln!(out, "  subgraph cluster_s{number} {{")?;
        writeln!(
            out,
            "    graph [label={}, labeljust=l, style=\"{}\", color=\"#c3cad2\", fillcolor=\"#f6f8fa\", fontsize=14];",
            quoted(&title),
            if step.exists { "rounded,dashed" } else { "filled,rounded" }
        )?;
        if step.resources.is_empty() {
            // A cluster with nothing in it is not drawn, and nothing could point to it.
            writeln!(out, "    s{number} [label={}, style=\"rounded\", color=\"#c3cad2\"];", quoted(step.empty()))?;
        }
        for &resource in &step.resources {
            node(out, resource, &drawing.resources[resource])?;
        }
        out.push_str("  }\n");
    }
    for (from, to) in &drawing.edges {
        writeln!(out, "  r{from} -> r{to};")?;
    }
    for &(from, to) in &drawing.step_edges {
        let [tail, head] = [anchor(drawing, from, true), anchor(drawing, to, false)];
        writeln!(out, "  {tail} -> {head} [ltail=cluster_s{from}, lhead=cluster_s{to}, style=dashed];")?;
    }
    out.push_str("}\n");
    Ok(())
}

fn node(out: &mut String, number: usize, resource: &Resource<'_>) -> std::fmt::Result {
    let mark = resource.mark();
    let (line, fill) = match mark.class {
        "create" => ("#007a5a", "#e3f4ee"),
        "update" => ("#a86f00", "#fff3d6"),
        "replace" => ("#c04a00", "#fde6d8"),
        "delete" => ("#8a4650", "#f3e8e9"),
        _ => ("#8a939e", "#ffffff"),
    };
    let style = if mark.class == "delete" { ", style=\"filled,rounded,dashed\"" } else { "" };
    let (name, kind) = (quoted(resource.address.name()), quoted(resource.address.kind()));
    // Both are quoted: the label joins their insides.
    let label = format!("\"{} {}\\n{}\"", mark.sign, &name[1..name.len() - 1], &kind[1..kind.len() - 1]);
    let tip = quoted(&format!("{}: {}", resource.address, mark.word));
    writeln!(out, "    r{number} [label={label}, tooltip={tip}, color=\"{line}\", fillcolor=\"{fill}\"{style}];")
}

/// The node of a step that an edge between steps starts or ends at, before it is cut at the
/// cluster's border: one near that border.
fn anchor(drawing: &Drawing<'_>, step: usize, last: bool) -> String {
    let resources = &drawing.steps[step].resources;
    match if last { resources.last() } else { resources.first() } {
        Some(resource) => format!("r{resource}"),
        None => format!("s{step}"),
    }
}

/// A quoted string. Graphviz reads `\` escapes and HTML entities in labels.
fn quoted(text: &str) -> String {
    let text = plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
