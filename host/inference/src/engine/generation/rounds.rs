//! Rows that may share a run.

use crate::engine::decoder::Row;
use crate::model::Lengths;

/// Splits the rows of a step into runs. `lengths` are the cached tokens of every slot: slots between
/// the rows of a run take part in it, and their length counts.
pub(super) fn rounds(graph: &Lengths, rows: Vec<Row>, lengths: &[usize]) -> Vec<Vec<Row>> {
    let is_long = |slot: usize| graph.is_long(lengths[slot] + 1);
    match graph {
        Lengths::Any => vec![rows].into_iter().filter(|rows| !rows.is_empty()).collect(),
        Lengths::Unknown(_) => rows.into_iter().map(|row| vec![row]).collect(),
        Lengths::Threshold(_) => {
            let (long, short): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| is_long(row.slot));
            let mut rounds: Vec<Vec<Row>> = Vec::new();
            for row in short {
                match rounds.last_mut() {
                    Some(round) if !(round[round.len() - 1].slot..row.slot).any(is_long) => round.push(row),
                    _ => rounds.push(vec![row]),
                }
            }
            rounds.extend(Some(long).filter(|long| !long.is_empty()));
            rounds
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(graph: &Lengths, lengths: &[usize], rows: &[usize]) -> Vec<Vec<usize>> {
        let rows = rows.iter().map(|slot| Row { slot: *slot, cached: lengths[*slot], token: 0 }).collect();
        let rounds = rounds(graph, rows, lengths);
        rounds.iter().map(|round| round.iter().map(|row| row.slot).collect()).collect()
    }

    #[test]
    fn rows_share_a_run_where_the_graph_computes_them_alike() {
        let lengths = [3, 40, 5, 31, 32, 7];
        let all = [0, 1, 2, 3, 4, 5];
        assert_eq!(slots(&Lengths::Any, &lengths, &all), [all.to_vec()]);
        assert!(slots(&Lengths::Any, &lengths, &[]).is_empty());
        let threshold = Lengths::Threshold(32);
        // A row of 32 gets its 33rd token.
        assert_eq!(slots(&threshold, &lengths, &all), [vec![0], vec![2, 3], vec![5], vec![1, 4]]);
        // A long slot between short ones counts, whether it answers or not.
        assert_eq!(slots(&threshold, &lengths, &[0, 2, 5]), [vec![0], vec![2], vec![5]]);
        assert_eq!(slots(&threshold, &lengths, &[1, 4]), [vec![1, 4]]);
        assert_eq!(slots(&Lengths::Unknown(String::new()), &lengths, &[1, 2]), [vec![1], vec![2]]);
    }
}
