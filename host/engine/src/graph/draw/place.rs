//! Places every step, resource and line of a picture: steps in columns from left to right, each
//! with its own resources in columns inside.

use std::collections::{BTreeMap, HashSet};

use super::inside::{Inside, insides};
use super::layered::{Item, Layout, Link, arrange};
use super::model::Drawing;
use super::order::{Edge, layers, successors};

/// A rectangle.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    fn right(&self) -> f64 {
        self.x + self.width
    }

    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// What a line starts or ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    Resource(usize),
    Step(usize),
    /// A place on the way, numbered through the whole picture.
    Lane(usize),
}

/// A piece of a line.
pub(super) struct Wire {
    pub(super) from: End,
    pub(super) to: End,
    /// As in an SVG path.
    pub(super) path: String,
    /// Whether it shows the order of two steps, not of two resources.
    pub(super) between_steps: bool,
}

/// A picture.
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) steps: Vec<Rect>,
    pub(super) resources: Vec<Rect>,
    pub(super) wires: Vec<Wire>,
}

/// Height of a step's heading.
pub(super) const HEADING: f64 = 46.0;
pub(super) const PADDING: f64 = 18.0;
const STEP_GAP: f64 = 28.0;

/// How wide a text is at most in the usual sans-serif faces of this size; they differ by a tenth.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let share = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '\'' | '|' | '!' => 0.33,
        'f' | 't' | 'r' | '-' | '/' | '(' | ')' | ' ' => 0.41,
        'm' | 'w' | 'M' | 'W' | '@' => 0.95,
        'A'..='Z' => 0.72,
        c if c.is_ascii() => 0.63,
        _ => 1.0,
    };
    text.chars().map(share).sum::<f64>() * size
}

/// Places the drawing below `top`.
pub(super) fn place(drawing: &Drawing<'_>, top: f64) -> Scene {
    let links = step_links(drawing);
    let pairs: Vec<Edge> = links.iter().map(|link| (link.from, link.to)).collect();
    let mut columns = layers(drawing.steps.len(), &pairs);
    pull_right(&mut columns, &pairs);
    let mut insides = insides(drawing, &columns, &links);
    let steps: Vec<_> = insides.iter().map(|inside| (inside.width, inside.height)).collect();
    wrap(&mut columns, &steps.iter().map(|size| size.1 + STEP_GAP).collect::<Vec<_>>(), most_height(&steps));
    let (forward, back): (Vec<Link>, Vec<Link>) = links.iter().partition(|link| columns[link.from] < columns[link.to]);
    let items: Vec<Item> = columns.iter().zip(&steps).map(|(&column, size)| Item { column, height: size.1 }).collect();
    let outer = arrange(&items, &forward, STEP_GAP);
    let grid = Grid::new(&outer, steps.iter().map(|size| size.0), PADDING, 64.0);

    let mut scene = Scene {
        width: grid.end + PADDING,
        height: top + outer.height + PADDING,
        steps: Vec::new(),
        resources: vec![Rect::default(); drawing.resources.len()],
        wires: Vec::new(),
    };
    let mut lanes = 0;
    for (number, inside) in insides.iter_mut().enumerate() {
        let rect = Rect {
            x: grid.start[columns[number]],
            y: top + outer.y[number] - inside.height / 2.0,
            width: inside.width,
            height: inside.height,
        };
        inside.put(rect, &drawing.steps[number].resources, &mut scene, &mut lanes);
        scene.steps.push(rect);
    }
    outer_wires(drawing, &mut scene, &Outer { layout: &outer, grid: &grid, insides: &insides, top, lanes });
    let back: HashSet<Edge> = back.iter().map(|link| (link.from, link.to)).collect();
    back_wires(drawing, &mut scene, &insides, &back);
    scene
}

/// Links between steps. The key is the resource that a line comes from, or past the resources
/// the step that it comes from.
fn step_links(drawing: &Drawing<'_>) -> Vec<Link> {
    let mut seen = HashSet::new();
    let mut links = Vec::new();
    for &(from, to) in &drawing.edges {
        let [a, b] = [from, to].map(|resource| drawing.resources[resource].step);
        if a != b && seen.insert((from, b)) {
            links.push(Link { from: a, to: b, key: from });
        }
    }
    let own = drawing.resources.len();
    links.extend(drawing.step_edges.iter().map(|&(from, to)| Link { from, to, key: own + from }));
    links
}

/// Moves what waits for nothing next to the first thing that waits for it.
pub(super) fn pull_right(columns: &mut [usize], edges: &[Edge]) {
    let mut waits = vec![false; columns.len()];
    edges.iter().for_each(|&(_, to)| waits[to] = true);
    for (node, after) in successors(columns.len(), edges).into_iter().enumerate() {
        if let (false, Some(first)) = (waits[node], after.iter().map(|&other| columns[other]).min()) {
            columns[node] = columns[node].max(first.saturating_sub(1));
        }
    }
}

/// Spreads columns that are too high over several. Order between columns stays as it was.
pub(super) fn wrap(columns: &mut [usize], heights: &[f64], most: f64) {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, &column) in columns.iter().enumerate() {
        members.entry(column).or_default().push(node);
    }
    let mut next = 0;
    for nodes in members.into_values() {
        let total: f64 = nodes.iter().map(|&node| heights[node]).sum();
        // As even as can be, so that the last column is not a single straggler.
        let share = total / (total / most).ceil().max(1.0);
        let mut filled = 0.0;
        for node in nodes {
            if filled > 0.0 && filled + heights[node] / 2.0 > share {
                next += 1;
                filled = 0.0;
            }
            columns[node] = next;
            filled += heights[node];
        }
        next += 1;
    }
}

/// How high a column of steps may get: such that the whole is wider than high.
fn most_height(steps: &[(f64, f64)]) -> f64 {
    let area: f64 = steps.iter().map(|(width, height)| (width + 64.0) * (height + STEP_GAP)).sum();
    let highest = steps.iter().map(|size| size.1).fold(0.0, f64::max);
    (area * 0.6).sqrt().max(highest).max(700.0)
}

/// From where to where each column goes, left to right.
pub(super) struct Grid {
    pub(super) start: Vec<f64>,
    pub(super) stop: Vec<f64>,
    pub(super) end: f64,
}

impl Grid {
    /// `widths` are those of the real items; lanes have none.
    pub(super) fn new(layout: &Layout, widths: impl Iterator<Item = f64>, left: f64, gap: f64) -> Self {
        let count = layout.items.iter().map(|item| item.column + 1).max().unwrap_or(0);
        let mut column_widths = vec![0.0_f64; count];
        for (item, width) in layout.items.iter().zip(widths) {
            column_widths[item.column] = column_widths[item.column].max(width);
        }
        let mut climbs = vec![0.0_f64; count];
        for piece in &layout.pieces {
            let far = (layout.y[piece.from] - layout.y[piece.to]).abs();
            // Long climbs want room to stay readable.
            climbs[layout.items[piece.from].column] =
                climbs[layout.items[piece.from].column].max((far / 9.0).min(60.0));
        }
        let mut grid = Self { start: Vec::new(), stop: Vec::new(), end: left };
        for (at, width) in column_widths.iter().enumerate() {
            grid.start.push(grid.end);
            grid.stop.push(grid.end + width);
            grid.end += width + if at + 1 < count { gap + climbs[at] } else { 0.0 };
        }
        grid
    }
}

impl Grid {
    /// The outer columns hold doors only: without them they need no more than the padding.
    pub(super) fn trim(&mut self, no_doors: bool, last: usize) {
        let first = self.start.get(1).copied().unwrap_or(0.0);
        let shift = if no_doors { first - PADDING } else { 0.0 };
        self.start.iter_mut().chain(&mut self.stop).skip(1).for_each(|x| *x -= shift);
        self.stop.iter_mut().take(1).for_each(|x| *x = 0.0);
        let right = self.stop.iter().take(last).copied().fold(0.0, f64::max);
        self.end = right + PADDING;
        while self.start.len() <= last {
            self.start.push(self.end);
            self.stop.push(self.end);
        }
    }
}

/// Level to `level`, then in a curve to the end.
pub(super) fn curve((x, y): (f64, f64), level: f64, (to_x, to_y): (f64, f64)) -> String {
    let level_part = if level > x { format!("H{level:.1}") } else { String::new() };
    let from = level.max(x);
    let half = (to_x - from) / 2.0;
    if (y - to_y).abs() < 0.5 {
        return format!("M{x:.1} {y:.1}H{to_x:.1}");
    }
    format!("M{x:.1} {y:.1}{level_part}C{:.1} {y:.1} {:.1} {to_y:.1} {to_x:.1} {to_y:.1}", from + half, to_x - half)
}

struct Outer<'a> {
    layout: &'a Layout,
    grid: &'a Grid,
    insides: &'a [Inside],
    top: f64,
    lanes: usize,
}

fn outer_wires(drawing: &Drawing<'_>, scene: &mut Scene, outer: &Outer<'_>) {
    let steps = drawing.steps.len();
    for piece in &outer.layout.pieces {
        let [from, to] = [piece.from, piece.to].map(|node| outer.layout.items[node].column);
        let lane = |node: usize| (outer.top + outer.layout.y[node], End::Lane(outer.lanes + node));
        let (start, a) = if piece.from < steps {
            let inside = &outer.insides[piece.from];
            let (y, end) = inside.door(&inside.doors_out, piece.key);
            ((inside.at.right(), y), end.unwrap_or(End::Step(piece.from)))
        } else {
            let (y, end) = lane(piece.from);
            ((outer.grid.start[from], y), end)
        };
        let (y, b) = if piece.to < steps {
            let inside = &outer.insides[piece.to];
            let (y, end) = inside.door(&inside.doors_in, piece.key);
            (y, end.unwrap_or(End::Step(piece.to)))
        } else {
            lane(piece.to)
        };
        let path = curve(start, outer.grid.stop[from], (outer.grid.start[to], y));
        let between_steps = piece.key >= drawing.resources.len();
        scene.wires.push(Wire { from: a, to: b, path, between_steps });
    }
}

/// Edges that close a cycle, in loops: rare enough not to be led around anything.
fn back_wires(drawing: &Drawing<'_>, scene: &mut Scene, insides: &[Inside], back: &HashSet<Edge>) {
    let looped = |from: Rect, to: Rect| {
        let (x, y, to_x, to_y) = (from.right(), from.middle(), to.x, to.middle());
        format!("M{x:.1} {y:.1}C{:.1} {y:.1} {:.1} {to_y:.1} {to_x:.1} {to_y:.1}", x + 60.0, to_x - 60.0)
    };
    let column = |resource: usize, step: usize| {
        let at = drawing.steps[step].resources.binary_search(&resource);
        at.map_or(0, |at| insides[step].layout.items[at].column)
    };
    for &(from, to) in &drawing.edges {
        let [a, b] = [from, to].map(|resource| drawing.resources[resource].step);
        if (a == b && column(from, a) >= column(to, b)) || back.contains(&(a, b)) {
            let path = looped(scene.resources[from], scene.resources[to]);
            scene.wires.push(Wire { from: End::Resource(from), to: End::Resource(to), path, between_steps: false });
        }
    }
    for &(from, to) in drawing.step_edges.iter().filter(|edge| back.contains(edge)) {
        let path = looped(scene.steps[from], scene.steps[to]);
        scene.wires.push(Wire { from: End::Step(from), to: End::Step(to), path, between_steps: true });
    }
}
