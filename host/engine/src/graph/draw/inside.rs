//! One step's inside: its resources in columns, and doors where lines cross its border.

use std::collections::{HashMap, HashSet};

use super::layered::{Item, Layout, Link, arrange};
use super::model::{Drawing, Resource};
use super::order::{Edge, layers};
use super::place::{End, Grid, HEADING, PADDING, Rect, Scene, Wire, curve, pull_right, text_width, wrap};
use super::svg;

const BOX_HEIGHT: f64 = 42.0;
const ROW_GAP: f64 = 12.0;
/// How much wider bold text is.
const BOLD: f64 = 1.1;

/// A step's inside, placed in itself; `put` moves it to its place in the picture.
pub(super) struct Inside {
    pub(super) layout: Layout,
    grid: Grid,
    /// Number of its resources: items beyond them are doors, then lanes.
    resources: usize,
    /// Where lines from a resource of another step come in.
    pub(super) doors_in: HashMap<usize, usize>,
    /// Where lines of a resource go out.
    pub(super) doors_out: HashMap<usize, usize>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Names of all items and lanes in the picture, once it is put.
    ends: Vec<End>,
    pub(super) at: Rect,
}

/// The inside of every step. `columns` are those of the steps.
pub(super) fn insides(drawing: &Drawing<'_>, columns: &[usize], links: &[Link]) -> Vec<Inside> {
    let count = drawing.steps.len();
    let mut own: Vec<Vec<Edge>> = vec![Vec::new(); count];
    let mut coming: Vec<Vec<Edge>> = vec![Vec::new(); count];
    for &(from, to) in &drawing.edges {
        let [a, b] = [from, to].map(|resource| drawing.resources[resource].step);
        match () {
            () if a == b => own[a].push((from, to)),
            () if columns[a] < columns[b] => coming[b].push((from, to)),
            () => {}
        }
    }
    let mut going: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut gone = HashSet::new();
    for link in links {
        let forward = link.key < drawing.resources.len() && columns[link.from] < columns[link.to];
        if forward && gone.insert(link.key) {
            going[link.from].push(link.key);
        }
    }
    (0..count).map(|step| Inside::new(drawing, step, &own[step], &coming[step], &going[step])).collect()
}

impl Inside {
    fn new(drawing: &Drawing<'_>, step: usize, own: &[Edge], coming: &[Edge], going: &[usize]) -> Self {
        let resources = &drawing.steps[step].resources;
        let local: HashMap<usize, usize> = resources.iter().enumerate().map(|(at, &resource)| (resource, at)).collect();
        let edges: Vec<Edge> = own.iter().map(|(from, to)| (local[from], local[to])).collect();
        let mut columns = layers(resources.len(), &edges);
        pull_right(&mut columns, &edges);
        wrap(&mut columns, &vec![1.0; resources.len()], most_rows(resources.len()));
        let last = columns.iter().map(|column| column + 2).max().unwrap_or(1);
        let mut items: Vec<Item> =
            columns.iter().map(|column| Item { column: column + 1, height: BOX_HEIGHT }).collect();
        let mut links: Vec<Link> = edges
            .iter()
            .filter(|(from, to)| columns[*from] < columns[*to])
            .map(|&(from, to)| Link { from, to, key: from })
            .collect();
        let mut doors_in = HashMap::new();
        for (from, to) in coming {
            let door = *doors_in.entry(*from).or_insert_with(|| {
                items.push(Item { column: 0, height: 6.0 });
                items.len() - 1
            });
            links.push(Link { from: door, to: local[to], key: door });
        }
        let mut doors_out = HashMap::new();
        for from in going {
            items.push(Item { column: last, height: 6.0 });
            doors_out.insert(*from, items.len() - 1);
            links.push(Link { from: local[from], to: items.len() - 1, key: local[from] });
        }
        let layout = arrange(&items, &links, ROW_GAP);
        let widths = resources.iter().map(|&resource| box_width(&drawing.resources[resource]));
        let mut grid = Grid::new(&layout, widths, 0.0, 46.0);
        grid.trim(doors_in.is_empty(), last);
        let heading = text_width(drawing.steps[step].name.as_str(), BOLD * 15.0)
            + text_width(&svg::heading_note(Drawing::uses(&drawing.steps[step])), 12.0)
            + svg::counts_width(drawing, step)
            + 3.0 * PADDING;
        let width = grid.end.max(heading).max(150.0);
        grid.start[last..].iter_mut().chain(&mut grid.stop[last..]).for_each(|x| *x = width);
        let inner = if resources.is_empty() { 8.0 } else { layout.height + PADDING };
        let ends = Vec::new();
        let height = HEADING + inner;
        Self { layout, grid, resources: resources.len(), doors_in, doors_out, width, height, ends, at: Rect::default() }
    }

    pub(super) fn put(&mut self, at: Rect, resources: &[usize], scene: &mut Scene, lanes: &mut usize) {
        self.at = at;
        for (node, &resource) in resources.iter().enumerate() {
            let column = self.layout.items[node].column;
            let x = at.x + self.grid.start[column];
            let width = self.grid.stop[column] - self.grid.start[column];
            let y = self.y(node) - BOX_HEIGHT / 2.0;
            scene.resources[resource] = Rect { x, y, width, height: BOX_HEIGHT };
            self.ends.push(End::Resource(resource));
        }
        self.ends.extend((self.resources..self.layout.items.len()).map(|_| {
            *lanes += 1;
            End::Lane(*lanes - 1)
        }));
        for piece in &self.layout.pieces {
            let [from, to] = [piece.from, piece.to].map(|node| self.layout.items[node].column);
            let start = (at.x + self.lane_start(piece.from, from), self.y(piece.from));
            let end = (at.x + self.grid.start[to], self.y(piece.to));
            let path = curve(start, at.x + self.grid.stop[from], end);
            scene.wires.push(Wire { from: self.ends[piece.from], to: self.ends[piece.to], path, between_steps: false });
        }
    }

    /// Lines leave a box on its right, and run on through a lane from its left.
    fn lane_start(&self, node: usize, column: usize) -> f64 {
        if node < self.resources { self.grid.stop[column] } else { self.grid.start[column] }
    }

    fn y(&self, node: usize) -> f64 {
        self.at.y + HEADING + self.layout.y[node]
    }

    /// Where lines of a key cross the border.
    pub(super) fn door(&self, doors: &HashMap<usize, usize>, key: usize) -> (f64, Option<End>) {
        match doors.get(&key) {
            Some(&door) => (self.y(door), Some(self.ends[door])),
            None => (self.at.y + HEADING / 2.0, None),
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn most_rows(resources: usize) -> f64 {
    ((resources as f64).sqrt() * 1.7).ceil().max(14.0)
}

fn box_width(resource: &Resource<'_>) -> f64 {
    let name = text_width(&svg::label(resource.address.name()), BOLD * 13.0);
    let kind = text_width(&svg::label(resource.address.kind()), 11.0);
    (name.max(kind) + 50.0).max(118.0)
}
