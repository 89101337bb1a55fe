//! The graph of steps: which step needs which. Knows vertices and edges, not what a step does.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed, Walker};

use crate::names::StepName;

/// Steps and their dependencies; has no cycle. Vertices are numbered as in the file.
#[derive(Debug, Clone)]
pub struct StepGraph {
    graph: DiGraph<StepName, ()>,
    by_name: HashMap<StepName, NodeIndex>,
    order: Vec<usize>,
}

/// Steps that wait for each other, in the order that closes the circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these steps wait for each other: {}", .0.iter().map(StepName::as_str).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle(pub Vec<StepName>);

impl StepGraph {
    /// Builds the graph. `dependencies[n]` are the steps that step `n` needs, by number.
    pub fn new(names: &[StepName], dependencies: &[Vec<usize>]) -> Result<Self, Cycle> {
        let mut graph = DiGraph::with_capacity(names.len(), names.len());
        let nodes: Vec<_> = names.iter().map(|name| graph.add_node(name.clone())).collect();
        for (step, needs) in dependencies.iter().enumerate() {
            for &need in needs {
                graph.update_edge(nodes[need], nodes[step], ());
            }
        }
        let by_name = names.iter().cloned().zip(nodes).collect();
        let mut built = Self { graph, by_name, order: Vec::new() };
        built.order = built.topological();
        if built.order.len() < names.len() {
            let stuck = petgraph::algo::tarjan_scc(&built.graph).into_iter().find(|group| group.len() > 1);
            let names = stuck.unwrap_or_default().into_iter().map(|node| built.graph[node].clone());
            return Err(Cycle(names.collect()));
        }
        Ok(built)
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of a step.
    pub fn name(&self, step: usize) -> &StepName {
        &self.graph[NodeIndex::new(step)]
    }

    /// All steps, each after those it needs, otherwise as in the file.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The steps that `step` needs, as in the file.
    pub fn needs(&self, step: usize) -> Vec<usize> {
        self.neighbours(step, petgraph::Incoming)
    }

    /// The steps that need `step`, as in the file.
    pub fn needed_by(&self, step: usize) -> Vec<usize> {
        self.neighbours(step, petgraph::Outgoing)
    }

    /// Whether `later` is `earlier` or needs it, directly or through others.
    pub fn comes_after(&self, later: &StepName, earlier: &StepName) -> bool {
        let (Some(&later), Some(&earlier)) = (self.by_name.get(later), self.by_name.get(earlier)) else { return false };
        later == earlier
            || self.graph.find_edge(earlier, later).is_some()
            || petgraph::visit::Dfs::new(Reversed(&self.graph), later)
                .iter(Reversed(&self.graph))
                .any(|node| node == earlier)
    }

    fn neighbours(&self, step: usize, direction: petgraph::Direction) -> Vec<usize> {
        let node = NodeIndex::new(step);
        let mut found: Vec<_> = self.graph.neighbors_directed(node, direction).map(NodeIndex::index).collect();
        found.sort_unstable();
        found
    }

    /// Kahn's algorithm with the smallest number first, so that the order is the file's own
    /// wherever the edges leave a choice.
    fn topological(&self) -> Vec<usize> {
        use std::cmp::Reverse;
        use std::collections::BinaryHeap;
        let mut waiting: Vec<usize> = vec![0; self.len()];
        for edge in self.graph.edge_references() {
            waiting[edge.target().index()] += 1;
        }
        let mut ready: BinaryHeap<_> = (0..self.len()).filter(|&step| waiting[step] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(step)) = ready.pop() {
            order.push(step);
            for next in self.graph.neighbors(NodeIndex::new(step)) {
                waiting[next.index()] -= 1;
                if waiting[next.index()] == 0 {
                    ready.push(Reverse(next.index()));
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<StepName> {
        names.iter().map(|name| name.parse().expect("a name")).collect()
    }

    #[test]
    fn steps_come_after_what_they_need_and_otherwise_as_in_the_file() {
        let graph =
            StepGraph::new(&names(&["c", "a", "b", "d"]), &[vec![2], vec![], vec![], vec![0, 1]]).expect("no cycle");
        assert_eq!(graph.order(), [1, 2, 0, 3]);
        assert_eq!((graph.needs(3), graph.needed_by(2)), (vec![0, 1], vec![0]));
        let [c, a, b, d] = ["c", "a", "b", "d"].map(|name| name.parse::<StepName>().expect("a name"));
        assert!(graph.comes_after(&d, &b) && graph.comes_after(&d, &d));
        assert!(!graph.comes_after(&b, &d) && !graph.comes_after(&c, &a));
    }

    #[test]
    fn a_cycle_is_named() {
        let Err(Cycle(steps)) = StepGraph::new(&names(&["a", "b", "c"]), &[vec![1], vec![0], vec![]]) else {
            panic!("a cycle went unseen")
        };
        assert_eq!(steps.len(), 2);
    }
}
