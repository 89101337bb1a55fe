//! The graph for a terminal: a tree for each step, each resource once, beneath the last of the
//! resources that must come before it; `<-` names the others.

use anstyle::Style;

use super::model::{Drawing, Resource};
use super::order::{layers, predecessors, topological};
use crate::plan::words::{MARKS, TextStyle, plain, shorten};
use crate::plan::{Plan, Summary};

/// Deeper than this, resources are listed side by side: lines must stay in the terminal.
const DEEPEST: usize = 7;

/// Draws a plan for a terminal.
pub fn text(plan: &Plan, style: TextStyle) -> String {
    let drawing = Drawing::new(plan);
    let tree = Tree::new(&drawing);
    let mut out = format!("{}  {}\n", style.paint(Style::new().bold(), &plain(&plan.pipeline)), totals(plan, style));
    let before = predecessors(drawing.steps.len(), &drawing.step_edges);
    for (number, step) in drawing.steps.iter().enumerate() {
        out.push('\n');
        let mut line = Line::new(style);
        line.push(Style::new().bold(), step.name.as_str());
        line.push(Style::new().dimmed(), &format!("  {}", plain(Drawing::uses(step))));
        let names: Vec<_> = before[number].iter().map(|&other| drawing.steps[other].name.to_string()).collect();
        line.hints(&names);
        line.end(&mut out);
        tree.write(&drawing, number, style, &mut out);
    }
    out
}

fn totals(plan: &Plan, style: TextStyle) -> String {
    let Summary { create, update, replace, delete, keep, moved } = plan.summary();
    let update = update + moved;
    let parts = MARKS.iter().zip([create, update, replace, delete, keep]).filter(|(_, count)| *count > 0);
    parts.map(|(mark, count)| format!("{}{count}", style.sign(mark))).collect::<Vec<_>>().join(" ")
}

/// Who stands beneath whom.
struct Tree {
    /// Of each resource, in order.
    children: Vec<Vec<usize>>,
    /// Of each step, those beneath no other.
    roots: Vec<Vec<usize>>,
    /// What must come before each resource beside the one that it stands beneath.
    hints: Vec<Vec<usize>>,
}

impl Tree {
    fn new(drawing: &Drawing<'_>) -> Self {
        let count = drawing.resources.len();
        let before = predecessors(count, &drawing.edges);
        let layer = layers(count, &drawing.edges);
        let mut tree = Self {
            children: vec![Vec::new(); count],
            roots: vec![Vec::new(); drawing.steps.len()],
            hints: vec![Vec::new(); count],
        };
        let mut parent = vec![None; count];
        let mut depth = vec![0; count];
        let mut done = vec![false; count];
        for node in topological(count, &drawing.edges) {
            let step = drawing.resources[node].step;
            let near =
                before[node].iter().copied().filter(|&other| drawing.resources[other].step == step && done[other]);
            let nearest = near.max_by_key(|&other| (layer[other], std::cmp::Reverse(other)));
            parent[node] = match nearest {
                Some(other) if depth[other] >= DEEPEST => parent[other],
                other => other,
            };
            match parent[node] {
                Some(other) => {
                    depth[node] = depth[other] + 1;
                    tree.children[other].push(node);
                }
                None => tree.roots[step].push(node),
            }
            done[node] = true;
            tree.hints[node] = before[node].iter().copied().filter(|&other| Some(other) != parent[node]).collect();
        }
        tree
    }

    fn write(&self, drawing: &Drawing<'_>, step: usize, style: TextStyle, out: &mut String) {
        let [tee, elbow, bar] = [style.pick("├─ ", "|- "), style.pick("└─ ", "`- "), style.pick("│  ", "|  ")];
        let list = |nodes: &[usize], indent: &str, open: &mut Vec<(usize, String, bool)>| {
            let last = nodes.len().saturating_sub(1);
            open.extend(nodes.iter().enumerate().rev().map(|(at, &node)| (node, indent.to_owned(), at == last)));
        };
        let mut open = Vec::new();
        list(&self.roots[step], "", &mut open);
        while let Some((node, indent, last)) = open.pop() {
            let resource = &drawing.resources[node];
            let mut line = Line::new(style);
            line.push(Style::new().dimmed(), &format!("{indent}{}", if last { elbow } else { tee }));
            let sign = style.sign(resource.mark());
            line.push(resource.planned.action.style(), &format!("{sign} {}", name(resource)));
            let hints: Vec<_> =
                self.hints[node].iter().map(|&other| hint(&drawing.resources[other], resource.step)).collect();
            line.hints(&hints);
            line.end(out);
            list(&self.children[node], &format!("{indent}{}", if last { "   " } else { bar }), &mut open);
        }
    }
}

fn name(resource: &Resource<'_>) -> String {
    format!("{}/{}", plain(resource.address.kind()), resource.address.name())
}

/// What is in the same step goes without its name.
fn hint(resource: &Resource<'_>, step: usize) -> String {
    if resource.step == step { name(resource) } else { plain(&resource.address.to_string()).into_owned() }
}

/// One line, no wider than the terminal.
struct Line {
    style: TextStyle,
    text: String,
    room: usize,
}

impl Line {
    fn new(style: TextStyle) -> Self {
        Self { style, text: String::new(), room: style.width.max(40) }
    }

    fn push(&mut self, style: Style, text: &str) {
        let text = self.style.shorten(text, self.room);
        self.room -= text.chars().count();
        self.text.push_str(&self.style.paint(style, &text));
    }

    /// As many names as there is room for, and how many more there are.
    fn hints(&mut self, names: &[String]) {
        let arrow = "  <- ";
        let mut shown = String::new();
        for (at, name) in names.iter().enumerate() {
            let lead = if at == 0 { arrow } else { ", " };
            let left = names.len() - at - 1;
            let more = if left > 0 { format!(", +{left}").len() } else { 0 };
            let taken = shown.chars().count() + lead.chars().count();
            if taken + name.chars().count() + more <= self.room {
                shown.push_str(lead);
                shown.push_str(name);
            } else {
                // Half a name is told where there is room for no whole one.
                let rest = if at == 0 { format!("{arrow}{}", names.len()) } else { format!(", +{}", left + 1) };
                let half = self.room.saturating_sub(arrow.len() + more);
                if at == 0 && half >= 16 {
                    shown = format!("{arrow}{}", shorten(name, half));
                    if left > 0 {
                        shown.push_str(&format!(", +{left}"));
                    }
                } else if shown.chars().count() + rest.chars().count() <= self.room {
                    shown.push_str(&rest);
                }
                break;
            }
        }
        self.push(Style::new().dimmed(), &shown);
    }

    fn end(self, out: &mut String) {
        out.push_str(self.text.trim_end());
        out.push('\n');
    }
}
