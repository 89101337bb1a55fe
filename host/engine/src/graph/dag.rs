//! A directed graph without cycles. Knows vertices and edges, not what stands at them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeRef, Reversed, Walker};

/// Vertices numbered from 0, and what each needs.
#[derive(Debug, Clone)]
pub struct Dag {
    graph: DiGraph<(), ()>,
    order: Vec<usize>,
}

/// Vertices that need each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle(pub Vec<usize>);

impl Dag {
    /// Builds the graph. `needs[n]` are the vertices that `n` needs.
    pub fn new(needs: &[Vec<usize>]) -> Result<Self, Circle> {
        let mut graph = DiGraph::with_capacity(needs.len(), needs.len());
        (0..needs.len()).for_each(|_| _ = graph.add_node(()));
        for (vertex, needs) in needs.iter().enumerate() {
            for &need in needs {
                graph.update_edge(NodeIndex::new(need), NodeIndex::new(vertex), ());
            }
        }
        let order = topological(&graph);
        if order.len() < needs.len() {
            let groups = petgraph::algo::tarjan_scc(&graph);
            let group = groups.into_iter().find(|group| group.len() > 1 || graph.contains_edge(group[0], group[0]));
            return Err(Circle(group.unwrap_or_default().into_iter().map(NodeIndex::index).collect()));
        }
        Ok(Self { graph, order })
    }

    /// How many vertices there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All vertices, each after those it needs, smaller numbers first where there is a choice.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What `vertex` needs, smaller numbers first.
    pub fn needs(&self, vertex: usize) -> Vec<usize> {
        self.neighbours(vertex, petgraph::Incoming)
    }

    /// What needs `vertex`, smaller numbers first.
    pub fn needed_by(&self, vertex: usize) -> Vec<usize> {
        self.neighbours(vertex, petgraph::Outgoing)
    }

    /// Whether `later` is `earlier` or needs it, directly or through others.
    pub fn reaches(&self, earlier: usize, later: usize) -> bool {
        let (from, to) = (NodeIndex::new(earlier), NodeIndex::new(later));
        from == to
            || self.graph.contains_edge(from, to)
            || Dfs::new(Reversed(&self.graph), to).iter(Reversed(&self.graph)).any(|vertex| vertex == from)
    }

    fn neighbours(&self, vertex: usize, direction: petgraph::Direction) -> Vec<usize> {
        let near = self.graph.neighbors_directed(NodeIndex::new(vertex), direction);
        let mut found: Vec<_> = near.map(NodeIndex::index).collect();
        found.sort_unstable();
        found
    }
}

/// Kahn's algorithm with the smallest number first, so that the order is the caller's own
/// wherever the edges leave a choice. Shorter than the graph where there is a cycle.
fn topological(graph: &DiGraph<(), ()>) -> Vec<usize> {
    let mut waiting = vec![0_usize; graph.node_count()];
    for edge in graph.edge_references() {
        waiting[edge.target().index()] += 1;
    }
    let free = (0..graph.node_count()).filter(|&vertex| waiting[vertex] == 0);
    let mut ready: BinaryHeap<_> = free.map(Reverse).collect();
    let mut order = Vec::with_capacity(graph.node_count());
    while let Some(Reverse(vertex)) = ready.pop() {
        order.push(vertex);
        for next in graph.neighbors(NodeIndex::new(vertex)) {
            waiting[next.index()] -= 1;
            if waiting[next.index()] == 0 {
                ready.push(Reverse(next.index()));
            }
        }
    }
    order
}
