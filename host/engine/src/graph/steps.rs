//! The graph of steps: which step needs which.

use std::collections::HashMap;
use std::ops::Deref;

use super::Dag;
use crate::names::StepName;

/// Steps and their dependencies, numbered as in the file.
#[derive(Debug, Clone)]
pub struct StepGraph {
    dag: Dag,
    names: Vec<StepName>,
    by_name: HashMap<StepName, usize>,
}

/// Steps that wait for each other, in the order that closes the circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these steps depend on each other: {}", .0.iter().map(StepName::as_str).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle(pub Vec<StepName>);

impl StepGraph {
    /// Builds the graph. `dependencies[n]` are the steps that step `n` needs, by number.
    pub fn new(names: &[StepName], dependencies: &[Vec<usize>]) -> Result<Self, Cycle> {
        let dag = Dag::new(dependencies)
            .map_err(|circle| Cycle(circle.0.into_iter().map(|step| names[step].clone()).collect()))?;
        let by_name = names.iter().cloned().enumerate().map(|(step, name)| (name, step)).collect();
        Ok(Self { dag, names: names.to_vec(), by_name })
    }

    /// The name of a step.
    pub fn name(&self, step: usize) -> &StepName {
        &self.names[step]
    }

    /// Whether `later` is `earlier` or needs it, directly or through others.
    pub fn comes_after(&self, later: &StepName, earlier: &StepName) -> bool {
        match (self.by_name.get(later), self.by_name.get(earlier)) {
            (Some(&later), Some(&earlier)) => self.dag.reaches(earlier, later),
            _ => false,
        }
    }
}

impl Deref for StepGraph {
    type Target = Dag;

    fn deref(&self) -> &Dag {
        &self.dag
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
