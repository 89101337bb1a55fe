//! Walks a graph: each vertex once all it needs is done, so many at a time. What is done there is
//! the caller's business.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;

use futures::stream::{FuturesUnordered, StreamExt};

use super::Dag;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T, E> {
    /// It did its work.
    Done(T),
    /// It failed.
    Failed(E),
    /// It never ran, because this step, which it needs, failed or never ran.
    NotRun {
        /// The step that is missing.
        because: usize,
    },
}

/// Runs `work` for every step, at most `parallelism` at a time. A step that fails stops those that
/// need it, and nobody else. Outcomes are numbered as the steps.
pub async fn walk<T, E, F, R>(graph: &Dag, parallelism: usize, work: F) -> Vec<Outcome<T, E>>
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<T, E>>,
{
    // Among the steps that are ready, the one that comes first in the order goes first.
    let mut rank = vec![0; graph.len()];
    for (at, &step) in graph.order().iter().enumerate() {
        rank[step] = at;
    }
    let mut waiting: Vec<usize> = (0..graph.len()).map(|step| graph.needs(step).len()).collect();
    let mut missing: Vec<Option<usize>> = vec![None; graph.len()];
    let mut outcomes: Vec<Option<Outcome<T, E>>> = (0..graph.len()).map(|_| None).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..graph.len()).filter(|&step| waiting[step] == 0).map(|step| Reverse(rank[step])).collect();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < parallelism.max(1)
            && let Some(Reverse(at)) = ready.pop()
        {
            let step = graph.order()[at];
            let work = missing[step].is_none().then(|| work(step));
            let because = missing[step];
            running.push(async move {
                let outcome = match (work, because) {
                    (Some(work), _) => match work.await {
                        Ok(done) => Outcome::Done(done),
                        Err(error) => Outcome::Failed(error),
                    },
                    (None, because) => Outcome::NotRun { because: because.unwrap_or(step) },
                };
                (step, outcome)
            });
        }
        let Some((step, outcome)) = running.next().await else { break };
        let failed = !matches!(outcome, Outcome::Done(_));
        outcomes[step] = Some(outcome);
        for next in graph.needed_by(step) {
            if failed {
                missing[next].get_or_insert(step);
            }
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(rank[next]));
            }
        }
    }
    outcomes.into_iter().map(|outcome| outcome.expect("a graph without cycles is walked to its end")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn graph(needs: &[Vec<usize>]) -> Dag {
        Dag::new(needs).expect("no cycle")
    }

    #[tokio::test]
    async fn a_failed_step_stops_its_dependents_and_nobody_else() {
        let graph = graph(&[vec![], vec![0], vec![1], vec![]]);
        let outcomes = walk(&graph, 4, async |step| if step == 0 { Err("no") } else { Ok(step) }).await;
        assert_eq!(
            outcomes,
            [Outcome::Failed("no"), Outcome::NotRun { because: 0 }, Outcome::NotRun { because: 1 }, Outcome::Done(3)]
        );
    }

    #[tokio::test]
    async fn never_more_steps_at_a_time_than_allowed_and_as_many_as_allowed() {
        let graph = graph(&vec![vec![]; 20]);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let outcomes: Vec<Outcome<(), ()>> = walk(&graph, 3, async |_| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done(())));
    }
}
