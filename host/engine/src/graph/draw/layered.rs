//! Orders and heights for a picture in columns (Sugiyama's method).
//!
//! An edge over several columns runs through a lane in each one between, so that no line crosses
//! a box. Edges with one key share their lanes.

use std::collections::HashMap;

use super::order::Edge;

/// Something in a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) column: usize,
    pub(super) height: f64,
}

/// An edge between items; those of one key leave from one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) key: usize,
}

/// Where everything is. Lanes are numbered on from the items.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Items and lanes, in place.
    pub(super) items: Vec<Item>,
    /// The middle of each, from the top.
    pub(super) y: Vec<f64>,
    /// Pieces of edges, each from one column to the next.
    pub(super) pieces: Vec<Link>,
    pub(super) height: f64,
}

const LANE: f64 = 8.0;
/// Room beyond which long edges are drawn straight: a picture with more lanes shows nothing.
const MOST_LANES: usize = 50_000;
const SWEEPS: usize = 12;
/// Up to this size, pairs are also tried the other way round.
const MOST_SWAPPED: usize = 400;

/// Arranges items whose columns are given. Links must point to a later column.
pub(super) fn arrange(items: &[Item], links: &[Link], gap: f64) -> Layout {
    let mut layout = Layout { items: items.to_vec(), ..Layout::default() };
    cut_into_pieces(&mut layout, links);
    let mut columns = vec![Vec::new(); layout.items.iter().map(|item| item.column + 1).max().unwrap_or(0)];
    for (node, item) in layout.items.iter().enumerate() {
        columns[item.column].push(node);
    }
    let next = |edge: &Edge| layout.items[edge.0].column + 1 == layout.items[edge.1].column;
    let edges: Vec<Edge> = layout.pieces.iter().map(|piece| (piece.from, piece.to)).filter(next).collect();
    let before = super::order::predecessors(layout.items.len(), &edges);
    let after = super::order::successors(layout.items.len(), &edges);
    untangle(&mut columns, &before, &after);
    set_heights(&mut layout, &columns, &before, &after, items.len(), gap);
    layout
}

fn cut_into_pieces(layout: &mut Layout, links: &[Link]) {
    let mut lanes: HashMap<(usize, usize), usize> = HashMap::new();
    let mut reach: HashMap<usize, usize> = HashMap::new();
    for link in links {
        let span = layout.items[link.to].column - layout.items[link.from].column;
        let reach = reach.entry(link.key).or_default();
        *reach = span.max(*reach);
    }
    let few = reach.values().sum::<usize>() <= MOST_LANES;
    for link in links {
        let mut from = link.from;
        let between = layout.items[link.from].column + 1..layout.items[link.to].column;
        for column in between.filter(|_| few) {
            let lane = *lanes.entry((link.key, column)).or_insert_with(|| {
                let lane = layout.items.len();
                layout.items.push(Item { column, height: LANE });
                layout.pieces.push(Link { from, to: lane, key: link.key });
                lane
            });
            from = lane;
        }
        layout.pieces.push(Link { from, to: link.to, key: link.key });
    }
}

/// Sorts each column by where its neighbours stand, to and fro, and keeps the best order found.
fn untangle(columns: &mut Vec<Vec<usize>>, before: &[Vec<usize>], after: &[Vec<usize>]) {
    let mut place = vec![0.0; before.len()];
    columns.iter().for_each(|column| note_places(column, &mut place));
    let mut best = (crossings(columns, after), columns.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        let forward = sweep % 2 == 0;
        let neighbours = if forward { before } else { after };
        for at in 0..columns.len() {
            let at = if forward { at } else { columns.len() - 1 - at };
            let mut wanted: Vec<(f64, usize)> = columns[at]
                .iter()
                .map(|&node| (mean(&neighbours[node], &place).unwrap_or(place[node]), node))
                .collect();
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[at] = wanted.into_iter().map(|(_, node)| node).collect();
            note_places(&columns[at], &mut place);
        }
        if before.len() <= MOST_SWAPPED {
            swap_neighbours(columns, before, after, &mut place);
        }
        let found = crossings(columns, after);
        if found < best.0 {
            best = (found, columns.clone());
        }
    }
    *columns = best.1;
}

/// Swaps those that stand one below the other where fewer lines cross then.
fn swap_neighbours(columns: &mut [Vec<usize>], before: &[Vec<usize>], after: &[Vec<usize>], place: &mut [f64]) {
    let crossed = |above: &[usize], below: &[usize], place: &[f64]| {
        above.iter().map(|&a| below.iter().filter(|&&b| place[b] < place[a]).count()).sum::<usize>()
    };
    for _ in 0..8 {
        let mut better = false;
        for column in columns.iter_mut() {
            for at in 1..column.len() {
                let (above, below) = (column[at - 1], column[at]);
                let cost = |one: usize, two: usize| {
                    crossed(&before[one], &before[two], place) + crossed(&after[one], &after[two], place)
                };
                if cost(below, above) < cost(above, below) {
                    column.swap(at - 1, at);
                    place.swap(above, below);
                    better = true;
                }
            }
        }
        if !better {
            break;
        }
    }
}

/// Places are shares of a column, so that short and long columns compare.
#[allow(clippy::cast_precision_loss)]
fn note_places(column: &[usize], place: &mut [f64]) {
    for (at, &node) in column.iter().enumerate() {
        place[node] = (at as f64 + 0.5) / column.len() as f64;
    }
}

#[allow(clippy::cast_precision_loss)]
fn mean(nodes: &[usize], of: &[f64]) -> Option<f64> {
    let sum: f64 = nodes.iter().map(|&node| of[node]).sum();
    (!nodes.is_empty()).then(|| sum / nodes.len() as f64)
}

/// Counts the pieces that cross, by inversions in a Fenwick tree.
fn crossings(columns: &[Vec<usize>], after: &[Vec<usize>]) -> usize {
    let mut at = vec![0; after.len()];
    for column in columns {
        column.iter().enumerate().for_each(|(place, &node)| at[node] = place);
    }
    let mut crossed = 0;
    for pair in columns.windows(2) {
        let mut tree = vec![0_usize; pair[1].len() + 1];
        let mut seen = 0;
        for &node in &pair[0] {
            let mut ends: Vec<usize> = after[node].iter().map(|&to| at[to]).collect();
            ends.sort_unstable();
            for &end in &ends {
                let (mut not_after, mut index) = (0, end + 1);
                while index > 0 {
                    not_after += tree[index];
                    index &= index - 1;
                }
                crossed += seen - not_after;
            }
            for end in ends {
                seen += 1;
                let mut index = end + 1;
                while index < tree.len() {
                    tree[index] += 1;
                    index += index & index.wrapping_neg();
                }
            }
        }
    }
    crossed
}

/// Moves everything towards its neighbours as far as the order and the gaps allow.
fn set_heights(
    layout: &mut Layout,
    columns: &[Vec<usize>],
    before: &[Vec<usize>],
    after: &[Vec<usize>],
    real: usize,
    gap: f64,
) {
    let room = |node: usize| layout.items[node].height + if node < real { gap } else { 4.0 };
    let mut y = vec![0.0; layout.items.len()];
    for column in columns {
        let mut top = 0.0;
        for &node in column {
            y[node] = top + room(node) / 2.0;
            top += room(node);
        }
    }
    for sweep in 0..SWEEPS {
        for at in 0..columns.len() {
            let at = if sweep % 2 == 0 { at } else { columns.len() - 1 - at };
            let wanted: Vec<(f64, f64)> = columns[at]
                .iter()
                .map(|&node| {
                    let sides = [mean(&before[node], &y), mean(&after[node], &y)];
                    let near = if sweep % 2 == 0 { sides } else { [sides[1], sides[0]] };
                    // Lanes pull hardest, to run straight; what has no neighbour hardly holds on.
                    match (near[0].or(near[1]), node < real) {
                        (Some(wanted), true) => (wanted, 1.0),
                        (Some(wanted), false) => (wanted, 4.0),
                        (None, _) => (y[node], 0.1),
                    }
                })
                .collect();
            settle(&columns[at], &wanted, &room, &mut y);
        }
    }
    let edge = |node: usize, side: f64| y[node] + side * layout.items[node].height / 2.0;
    let top = (0..y.len()).map(|node| edge(node, -1.0)).fold(f64::INFINITY, f64::min);
    let bottom = (0..y.len()).map(|node| edge(node, 1.0)).fold(f64::NEG_INFINITY, f64::max);
    if top.is_finite() {
        layout.height = bottom - top;
        y.iter_mut().for_each(|y| *y -= top);
    }
    layout.y = y;
}

/// Least squares under "each below the one before": pools neighbours that want past each other.
fn settle(column: &[usize], wanted: &[(f64, f64)], room: &impl Fn(usize) -> f64, y: &mut [f64]) {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    // Blocks of (sum of weighted wishes, weight, members), wishes less their offsets.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (at, &node) in column.iter().enumerate() {
        if at > 0 {
            offset += (room(column[at - 1]) + room(node)) / 2.0;
        }
        offsets.push(offset);
        let (wish, weight) = wanted[at];
        let mut block = ((wish - offset) * weight, weight, 1);
        while let Some(last) = blocks.pop_if(|last| last.0 / last.1 > block.0 / block.1) {
            block = (last.0 + block.0, last.1 + block.1, last.2 + block.2);
        }
        blocks.push(block);
    }
    let mut at = 0;
    for (sum, weight, members) in blocks {
        for _ in 0..members {
            y[column[at]] = sum / weight + offsets[at];
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(columns: &[usize]) -> Vec<Item> {
        columns.iter().map(|&column| Item { column, height: 40.0 }).collect()
    }

    fn links(edges: &[Edge]) -> Vec<Link> {
        edges.iter().map(|&(from, to)| Link { from, to, key: from }).collect()
    }

    #[test]
    fn crossed_edges_are_untangled() {
        let layout = arrange(&items(&[0, 0, 1, 1]), &links(&[(0, 3), (1, 2)]), 10.0);
        assert!((layout.y[0] < layout.y[1]) == (layout.y[3] < layout.y[2]), "{:?}", layout.y);
    }

    #[test]
    fn nothing_in_a_column_overlaps() {
        let columns = [0, 1, 1, 1, 1, 2, 2, 3];
        let edges = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (2, 6), (0, 7), (5, 7)];
        let layout = arrange(&items(&columns), &links(&edges), 10.0);
        for a in 0..layout.items.len() {
            for b in 0..a {
                if layout.items[a].column == layout.items[b].column {
                    let apart = (layout.y[a] - layout.y[b]).abs();
                    assert!(apart + 1e-6 >= (layout.items[a].height + layout.items[b].height) / 2.0, "{a} over {b}");
                }
            }
        }
    }

    #[test]
    fn long_edges_of_one_key_share_their_lanes() {
        let layout = arrange(&items(&[0, 3, 3]), &links(&[(0, 1), (0, 2)]), 10.0);
        assert_eq!(layout.items.len(), 5);
        assert_eq!(layout.pieces.len(), 4);
    }
}
