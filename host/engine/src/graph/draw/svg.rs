//! A picture that stands alone: no script, no font and nothing else from outside, light or dark
//! as the reader's system is.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::model::Drawing;
use super::place::{End, HEADING, PADDING, Rect, Scene, place, text_width};
use crate::plan::Summary;
use crate::plan::words::{MARKS, Mark, plain, shorten};

/// Where the steps start, below title and legend.
const TOP: f64 = 92.0;
const MOST_LABEL: usize = 30;

pub(super) fn draw(drawing: &Drawing<'_>) -> String {
    let scene = place(drawing, TOP);
    let mut out = String::with_capacity(4096 + 700 * (drawing.resources.len() + drawing.steps.len()));
    _ = write_to(&mut out, drawing, &scene);
    out
}

/// What stands in a resource's box.
pub(super) fn label(text: &str) -> String {
    shorten(&plain(text), MOST_LABEL).into_owned()
}

/// What stands beside a step's name.
pub(super) fn heading_note(uses: &str) -> String {
    shorten(&plain(uses), 40).into_owned()
}

fn write_to(out: &mut String, drawing: &Drawing<'_>, scene: &Scene) -> fmt::Result {
    let summary = drawing.plan.summary();
    let title = format!("Plan of {}", plain(&drawing.plan.pipeline));
    let shown_title = shorten(&title, 60);
    let width = scene.width.max(legend_width(&summary) + 2.0 * PADDING).max(text_width(&shown_title, 21.0) + 40.0);
    let height = scene.height;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
    )?;
    writeln!(out, "<title>{}</title>", xml(&title))?;
    writeln!(out, "<style>\n{}</style>", include_str!("svg.css"))?;
    out.push_str(
        "<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7.2\" refY=\"4\" markerWidth=\"9\" markerHeight=\"9\" \
         markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head\" d=\"M0 0.6L7.6 4L0 7.4z\"/></marker></defs>\n",
    );
    writeln!(out, "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>")?;
    writeln!(out, "<text class=\"title\" x=\"{PADDING}\" y=\"36\">{}</text>", xml(&shown_title))?;
    legend(out, &summary)?;
    for (step, rect) in scene.steps.iter().enumerate() {
        frame(out, drawing, step, *rect)?;
    }
    out.push_str("<g class=\"wires\">\n");
    for wire in &scene.wires {
        let class = if wire.between_steps { "wire steps" } else { "wire" };
        let head = if matches!(wire.to, End::Lane(_)) { "" } else { " marker-end=\"url(#head)\"" };
        let (from, to) = (name_of(wire.from), name_of(wire.to));
        writeln!(out, "<path class=\"{class}\" data-a=\"{from}\" data-b=\"{to}\" d=\"{}\"{head}/>", wire.path)?;
    }
    out.push_str("</g>\n");
    for (number, rect) in scene.resources.iter().enumerate() {
        resource(out, drawing, number, *rect)?;
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn name_of(end: End) -> String {
    match end {
        End::Resource(number) => format!("r{number}"),
        End::Step(number) => format!("s{number}"),
        End::Lane(number) => format!("l{number}"),
    }
}

fn frame(out: &mut String, drawing: &Drawing<'_>, number: usize, rect: Rect) -> fmt::Result {
    let step = &drawing.steps[number];
    let Rect { x, y, width, height } = rect;
    let name = step.name.as_str();
    let class = match (step.uses.is_none(), step.exists) {
        (true, _) => "step gone",
        (_, true) => "step exists",
        _ => "step",
    };
    writeln!(out, "<g class=\"{class}\" id=\"s{number}\">")?;
    writeln!(
        out,
        "<title>{}</title>",
        xml(&plain(&format!("{}{name} ({})", if step.exists { "" } else { "step " }, Drawing::uses(step))))
    )?;
    writeln!(
        out,
        "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"12\"/>"
    )?;
    let (text_x, text_y, right) = (x + PADDING, y + 28.0, x + width - PADDING);
    let uses = heading_note(Drawing::uses(step));
    writeln!(
        out,
        "<text x=\"{text_x:.1}\" y=\"{text_y:.1}\"><tspan class=\"name\">{name}</tspan>\
         <tspan class=\"uses\" dx=\"9\">{}</tspan></text>",
        xml(&uses)
    )?;
    write!(out, "<text class=\"counts\" x=\"{right:.1}\" y=\"{text_y:.1}\">")?;
    for (at, (mark, count)) in counts(drawing, number).into_iter().enumerate() {
        let gap = if at > 0 { " dx=\"9\"" } else { "" };
        write!(out, "<tspan class=\"count {}\"{gap}>{}{count}</tspan>", mark.class, shown_sign(mark))?;
    }
    out.push_str("</text>\n");
    debug_assert!(height >= HEADING, "a step has room for its heading");
    out.push_str("</g>\n");
    Ok(())
}

fn resource(out: &mut String, drawing: &Drawing<'_>, number: usize, rect: Rect) -> fmt::Result {
    let resource = &drawing.resources[number];
    let (mark, address) = (resource.mark(), resource.address);
    let Rect { x, y, width, height } = rect;
    let (badge, middle) = (x + 20.0, y + height / 2.0);
    writeln!(out, "<g class=\"resource {}\" id=\"r{number}\">", mark.class)?;
    let changed: Vec<_> = resource.planned.changes.iter().take(12).map(|change| change.path.as_str()).collect();
    let what = if changed.is_empty() { String::new() } else { format!(": {}", changed.join(", ")) };
    writeln!(out, "<title>{}</title>", xml(&plain(&format!("{address} ({}{what})", mark.word))))?;
    writeln!(
        out,
        "<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>"
    )?;
    writeln!(out, "<circle class=\"badge\" cx=\"{badge:.1}\" cy=\"{middle:.1}\" r=\"9.5\"/>")?;
    writeln!(out, "<text class=\"sign\" x=\"{badge:.1}\" y=\"{:.1}\">{}</text>", middle + 4.8, shown_sign(mark))?;
    let text_x = x + 38.0;
    let name = label(address.name());
    writeln!(out, "<text class=\"name\" x=\"{text_x:.1}\" y=\"{:.1}\">{}</text>", y + 18.5, xml(&name))?;
    let kind = label(address.kind());
    writeln!(out, "<text class=\"kind\" x=\"{text_x:.1}\" y=\"{:.1}\">{}</text>", y + 33.0, xml(&kind))?;
    out.push_str("</g>\n");
    Ok(())
}

/// A true minus is as wide as the plus beside it.
fn shown_sign(mark: &Mark) -> &'static str {
    if mark.sign == "-" { "−" } else { mark.sign }
}

fn counts(drawing: &Drawing<'_>, step: usize) -> Vec<(&'static Mark, usize)> {
    let own = &drawing.steps[step].resources;
    let of = |mark: &Mark| own.iter().filter(|&&r| drawing.resources[r].mark().class == mark.class).count();
    MARKS.iter().map(|mark| (mark, of(mark))).filter(|(_, count)| *count > 0).collect()
}

/// Room for a step's counts in its heading.
pub(super) fn counts_width(drawing: &Drawing<'_>, step: usize) -> f64 {
    counts(drawing, step).iter().map(|(mark, count)| text_width(&format!("{}{count}", mark.sign), 12.0) + 12.0).sum()
}

fn legend_entries(summary: &Summary) -> [(&'static Mark, String); 5] {
    let Summary { create, update, replace, delete, keep, moved } = *summary;
    let update = update + moved;
    let counts = [create, update, replace, delete, keep];
    std::array::from_fn(|at| (&MARKS[at], format!("{} {}", counts[at], MARKS[at].word)))
}

const ARROW_NOTE: &str = "comes before";

fn legend_width(summary: &Summary) -> f64 {
    let entries: f64 = legend_entries(summary).iter().map(|(_, text)| text_width(text, 12.5) + 46.0).sum();
    entries + 34.0 + text_width(ARROW_NOTE, 12.5)
}

fn legend(out: &mut String, summary: &Summary) -> fmt::Result {
    let (mut x, y) = (PADDING, 64.0);
    out.push_str("<g class=\"legend\">\n");
    for (mark, text) in legend_entries(summary) {
        writeln!(out, "<g class=\"{}\">", mark.class)?;
        writeln!(out, "<circle class=\"badge\" cx=\"{:.1}\" cy=\"{y}\" r=\"8.5\"/>", x + 8.5)?;
        writeln!(out, "<text class=\"sign\" x=\"{:.1}\" y=\"{}\">{}</text>", x + 8.5, y + 4.8, shown_sign(mark))?;
        writeln!(out, "<text x=\"{:.1}\" y=\"{}\">{text}</text></g>", x + 23.0, y + 4.5)?;
        x += text_width(&text, 12.5) + 46.0;
    }
    writeln!(out, "<path class=\"wire\" d=\"M{x:.1} {y}h26\" marker-end=\"url(#head)\"/>")?;
    writeln!(out, "<text class=\"muted\" x=\"{:.1}\" y=\"{}\">{ARROW_NOTE}</text>\n</g>", x + 34.0, y + 4.5)
}

/// Text for inside an element or a quoted attribute. [`plain`] has taken out what XML forbids.
pub(super) fn xml(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}
