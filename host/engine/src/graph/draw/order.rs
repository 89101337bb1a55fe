//! Orders over small directed graphs given as `(before, after)` pairs of node numbers.
//!
//! A plan's edges form no cycle, but a state file that was edited by hand may: every function
//! here ends on cycles too, and treats the edge that closes one as not there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// One edge: the first must come before the second.
pub(super) type Edge = (usize, usize);

/// The nodes so that edges point forward, else in the order of their numbers.
pub(super) fn topological(nodes: usize, edges: &[Edge]) -> Vec<usize> {
    let after = successors(nodes, edges);
    let mut waits = vec![0_usize; nodes];
    for &(_, to) in edges {
        waits[to] += 1;
    }
    let mut ready: BinaryHeap<_> = (0..nodes).filter(|&node| waits[node] == 0).map(Reverse).collect();
    let mut placed = vec![false; nodes];
    let mut order = Vec::with_capacity(nodes);
    let mut first_left = 0;
    while order.len() < nodes {
        let node = match ready.pop() {
            Some(Reverse(node)) => node,
            None => {
                // A cycle: its first node goes ahead of what it waits for.
                while placed[first_left] {
                    first_left += 1;
                }
                first_left
            }
        };
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        order.push(node);
        for &next in &after[node] {
            waits[next] -= 1;
            if waits[next] == 0 && !placed[next] {
                ready.push(Reverse(next));
            }
        }
    }
    order
}

/// Each node's layer: the longest way to it from a node that waits for nothing.
pub(super) fn layers(nodes: usize, edges: &[Edge]) -> Vec<usize> {
    let before = predecessors(nodes, edges);
    let order = topological(nodes, edges);
    let position = positions(&order);
    let mut layer = vec![0; nodes];
    for &node in &order {
        let earlier = before[node].iter().filter(|&&other| position[other] < position[node]);
        layer[node] = earlier.map(|&other| layer[other] + 1).max().unwrap_or(0);
    }
    layer
}

/// The transitive reduction: without edges that a longer way shows already.
///
/// Takes a set of bits for each node, so graphs beyond some 10,000 nodes, or 20 million steps of
/// work, come back as they are: nobody reads their edges one by one.
pub(super) fn reduce(nodes: usize, edges: &[Edge]) -> Vec<Edge> {
    let words = nodes.div_ceil(64);
    if nodes > 10_000 || words.saturating_mul(edges.len() + nodes) > 20_000_000 {
        return edges.to_vec();
    }
    let order = topological(nodes, edges);
    let position = positions(&order);
    let mut before = predecessors(nodes, edges);
    let mut reached = vec![0_u64; nodes * words];
    let mut own = vec![0_u64; words];
    let mut keep = std::collections::HashSet::new();
    for &node in &order {
        own.fill(0);
        // The nearest first: what they reach needs no edge of its own.
        before[node].sort_unstable_by_key(|&other| Reverse(position[other]));
        for &other in &before[node] {
            let forward = position[other] < position[node];
            if forward && own[other / 64] >> (other % 64) & 1 == 1 {
                continue;
            }
            keep.insert((other, node));
            if forward {
                for (own, through) in own.iter_mut().zip(&reached[other * words..][..words]) {
                    *own |= through;
                }
                own[other / 64] |= 1 << (other % 64);
            }
        }
        reached[node * words..][..words].copy_from_slice(&own);
    }
    edges.iter().copied().filter(|edge| keep.contains(edge)).collect()
}

/// For each node, those right after it.
pub(super) fn successors(nodes: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut after = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        after[from].push(to);
    }
    after
}

/// For each node, those right before it.
pub(super) fn predecessors(nodes: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        before[to].push(from);
    }
    before
}

/// Where each node stands in an order.
pub(super) fn positions(order: &[usize]) -> Vec<usize> {
    let mut position = vec![0; order.len()];
    for (at, &node) in order.iter().enumerate() {
        position[node] = at;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_a_longer_way_shows_are_left_out() {
        let edges = [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (0, 4)];
        assert_eq!(reduce(5, &edges), [(0, 1), (1, 2), (2, 3), (0, 4)]);
    }

    #[test]
    fn layers_are_the_longest_way() {
        assert_eq!(layers(5, &[(0, 1), (1, 2), (0, 2), (4, 2)]), [0, 1, 2, 0, 0]);
    }

    #[test]
    fn cycles_end_in_some_order_with_every_node_once() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (4, 4)];
        let mut order = topological(5, &edges);
        assert_eq!(reduce(5, &edges).len(), edges.len());
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn graphs_too_large_to_reduce_come_back_as_they_are() {
        let edges: Vec<Edge> = (0..20_000).map(|n| (n, n + 1)).chain([(0, 20_000)]).collect();
        assert_eq!(reduce(20_001, &edges), edges);
    }
}
