//! Pasts of several slots in one tensor for each layer and side, so that their answers share a step.
//!
//! Rows end together: shorter ones have padding before them, which the mask hides. As long as the
//! same slots step together, a step's present is the next step's past, and nothing is copied here.

use ort::memory::Allocator;
use ort::value::DynTensor;

use crate::model::DecoderLayout;

/// Slots that step together.
#[derive(Default)]
pub(super) struct Group {
    /// Each row's slot, and the tokens that it holds; `None` for a row that went elsewhere.
    pub(super) rows: Vec<Option<(usize, usize)>>,
    /// `[rows, heads, width, size]`.
    pub(super) tensors: Vec<DynTensor>,
    pub(super) width: usize,
}

/// Where the tokens of one row are: its place in a tensor of that width, at the end.
#[derive(Clone, Copy)]
struct Span {
    row: usize,
    width: usize,
    tokens: usize,
}

impl Group {
    pub(super) fn row_of(&self, slot: usize) -> Option<usize> {
        self.rows.iter().position(|row| row.is_some_and(|(member, _)| member == slot))
    }

    /// The slots, where no row went elsewhere.
    pub(super) fn slots(&self) -> Option<Vec<usize>> {
        self.rows.iter().map(|row| row.map(|(slot, _)| slot)).collect()
    }

    /// The first tokens of a row as tensors of its own.
    pub(super) fn extract(&self, layout: &DecoderLayout, row: usize, tokens: usize) -> ort::Result<Vec<DynTensor>> {
        let held = self.rows[row].map_or(0, |(_, held)| held);
        let take = |tensor| copied(layout, tensor, Span { row, width: self.width, tokens: held }, tokens);
        self.tensors.iter().map(take).collect()
    }
}

/// The first tokens of a tensor of one row, as a tensor of its own.
pub(super) fn beginning(layout: &DecoderLayout, source: &DynTensor, tokens: usize) -> ort::Result<DynTensor> {
    let held = tokens_of(source);
    copied(layout, source, Span { row: 0, width: held, tokens: held }, tokens)
}

/// Tokens of a tensor `[rows, heads, tokens, size]`.
pub(super) fn tokens_of(tensor: &DynTensor) -> usize {
    tensor.shape().get(2).map_or(0, |tokens| usize::try_from(*tokens).unwrap_or(0))
}

/// A cache tensor; what it holds is not defined.
pub(super) fn tensor(layout: &DecoderLayout, rows: usize, tokens: usize) -> ort::Result<DynTensor> {
    let shape = [rows, layout.heads, tokens, layout.head_size];
    DynTensor::new(&Allocator::default(), layout.cache_type.element(), shape)
}

fn copied(layout: &DecoderLayout, source: &DynTensor, from: Span, tokens: usize) -> ort::Result<DynTensor> {
    let mut target = tensor(layout, 1, tokens)?;
    copy(layout, source, from, &mut target, Span { row: 0, width: tokens, tokens });
    Ok(target)
}

/// One tensor of several rows out of one of each; `of(row)` gives a row's tensor, and its place there.
pub(super) fn gathered<'a>(
    layout: &DecoderLayout,
    lengths: &[usize],
    of: impl Fn(usize) -> (&'a DynTensor, usize),
) -> ort::Result<DynTensor> {
    let width = lengths.iter().copied().max().unwrap_or(0);
    let mut target = tensor(layout, lengths.len(), width)?;
    for (row, tokens) in lengths.iter().copied().enumerate() {
        let (source, place) = of(row);
        let from = Span { row: place, width: tokens_of(source), tokens };
        copy(layout, source, from, &mut target, Span { row, width, tokens });
    }
    Ok(target)
}

/// Copies the first tokens of a row to the end of a row of another tensor, with zeros before them: a
/// mask hides numbers, and not what is none.
fn copy(layout: &DecoderLayout, source: &DynTensor, from: Span, target: &mut DynTensor, to: Span) {
    let token = layout.head_size * layout.cache_type.bytes();
    let (source, target) = (source.data_ptr().cast::<u8>(), target.data_ptr_mut().cast::<u8>());
    assert!(to.tokens <= from.tokens && from.tokens <= from.width && to.tokens <= to.width, "tokens that are there");
    let padding = to.width - to.tokens;
    for head in 0..layout.heads {
        // SAFETY: both are tensors on the host, of these widths and with these rows and heads.
        unsafe {
            let read = source.add(((from.row * layout.heads + head) * from.width + from.width - from.tokens) * token);
            let write = target.add((to.row * layout.heads + head) * to.width * token);
            std::ptr::write_bytes(write, 0, padding * token);
            std::ptr::copy_nonoverlapping(read, write.add(padding * token), to.tokens * token);
        }
    }
}

/// Which rows, given by their lengths, step together: a short row costs as much as the longest of its group.
pub(super) fn partition(lengths: &[usize]) -> Vec<Vec<usize>> {
    /// Padding that costs less than a step of its own.
    const CHEAP: usize = 128;
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|row| std::cmp::Reverse(lengths[*row]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match groups.last_mut() {
            Some(group) if lengths[group[0]] <= 2 * lengths[row] + CHEAP => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_like_length_step_together() {
        assert_eq!(partition(&[10, 90, 5, 120]), [vec![0, 1, 2, 3]]);
        assert_eq!(partition(&[10, 4000, 5, 3000, 500]), [vec![1, 3], vec![4], vec![0, 2]]);
        assert_eq!(partition(&[7]), [vec![0]]);
    }
}
