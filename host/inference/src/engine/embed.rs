//! Texts to vectors.
//!
//! The texts of all waiting requests are sorted by length and run in batches of neighbours, so that
//! a short text is not computed at the length of a long one.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use tokio::sync::oneshot;

use super::counters::Counters;
use super::error::RequestError;
use super::pool::{normalise, pool};
use crate::model::{EncoderLayout, PoolingKind, numbers_of};

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// One a text, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts.
    pub tokens: usize,
}

/// A text, or a pair of texts, as the graph takes it.
#[derive(Debug)]
pub(super) struct TextTokens {
    pub(super) ids: Vec<u32>,
    /// Which text of a pair each token is of; empty for a text alone.
    pub(super) types: Vec<u32>,
}

impl TextTokens {
    /// A text alone.
    pub(super) fn of(ids: Vec<u32>) -> Self {
        Self { ids, types: Vec::new() }
    }
}

/// A request for vectors.
#[derive(Debug)]
pub(super) struct EmbedJob {
    /// Each text, or pair of texts.
    pub(super) texts: Vec<TextTokens>,
    pub(super) answer: oneshot::Sender<Result<Embeddings, RequestError>>,
}

/// Tokens of a batch, padding included: more does not run quicker per token.
const BATCH_TOKENS: usize = 2048;
/// How much shorter the shortest text of a batch may be than the longest.
const SHORTEST: f64 = 0.8;

/// An encoder.
pub(super) struct Embedder {
    pub(super) session: Session,
    pub(super) layout: EncoderLayout,
    /// What a text's vector is made of, where the graph gives one a token.
    pub(super) pooling: Vec<PoolingKind>,
    /// Whether vectors get the length one.
    pub(super) normalise: bool,
    pub(super) pad: u32,
    pub(super) counters: Arc<Counters>,
}

/// One text of one job.
struct Item {
    job: usize,
    place: usize,
    text: TextTokens,
}

impl Item {
    fn length(&self) -> usize {
        self.text.ids.len()
    }
}

impl Embedder {
    /// Runs all jobs together.
    pub(super) fn run(&mut self, jobs: Vec<EmbedJob>) {
        let mut results: Vec<Result<Embeddings, RequestError>> = Vec::new();
        let (mut items, mut answers) = (Vec::new(), Vec::new());
        for (job, EmbedJob { texts, answer }) in jobs.into_iter().enumerate() {
            let tokens = texts.iter().map(|text| text.ids.len()).sum();
            results.push(Ok(Embeddings { vectors: vec![Vec::new(); texts.len()], tokens }));
            items.extend(texts.into_iter().enumerate().map(|(place, text)| Item { job, place, text }));
            answers.push(answer);
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.length()));
        let mut rest = items.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(if self.layout.alone { 1 } else { batch_size(rest) });
            rest = after;
            // A caller who went away wants nothing computed.
            let wanted: Vec<&Item> = batch.iter().filter(|item| !answers[item.job].is_closed()).collect();
            if wanted.is_empty() {
                continue;
            }
            for (item, result) in wanted.iter().zip(self.batch_or_each(&wanted)) {
                match (result, &mut results[item.job]) {
                    (Ok(vector), Ok(embeddings)) => embeddings.vectors[item.place] = vector,
                    (Err(error), result) => *result = Err(error),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
        self.counters.embedded_texts.fetch_add(items.len() as u64, Relaxed);
        for (answer, result) in answers.into_iter().zip(results) {
            let counter = if result.is_ok() { &self.counters.finished } else { &self.counters.failed };
            counter.fetch_add(1, Relaxed);
            self.counters.jobs.fetch_sub(1, Relaxed);
            // The caller may be gone.
            let _ = answer.send(result);
        }
    }

    /// A vector for each item. Where a batch fails, its items run one by one, so that a text on which
    /// the model fails takes nobody else's request with it.
    fn batch_or_each(&mut self, items: &[&Item]) -> Vec<Result<Vec<f32>, RequestError>> {
        match self.batch(items) {
            Ok(vectors) => vectors.into_iter().map(Ok).collect(),
            Err(error) if items.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::warn!(%error, texts = items.len(), "a batch failed; its texts run one by one");
                let alone = |item: &&Item| {
                    let mut vectors = self.batch(&[*item])?;
                    Ok(vectors.pop().expect("a vector for one text"))
                };
                items.iter().map(alone).collect()
            }
        }
    }

    fn batch(&mut self, items: &[&Item]) -> Result<Vec<Vec<f32>>, RequestError> {
        let (count, width) = (items.len(), items.iter().map(|item| item.length()).max().unwrap_or(0));
        let mut ids = vec![i64::from(self.pad); count * width];
        let mut mask = vec![0i64; count * width];
        let mut types = vec![0i64; count * width];
        for (row, item) in items.iter().enumerate() {
            for (place, token) in item.text.ids.iter().enumerate() {
                ids[row * width + place] = i64::from(*token);
                mask[row * width + place] = 1;
            }
            for (place, kind) in item.text.types.iter().enumerate() {
                types[row * width + place] = i64::from(*kind);
            }
        }
        let shape = [count, width];
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            vec![("input_ids".into(), Tensor::from_array((shape, ids))?.into())];
        if self.layout.attention_mask {
            inputs.push(("attention_mask".into(), Tensor::from_array((shape, mask))?.into()));
        }
        if self.layout.token_types {
            inputs.push(("token_type_ids".into(), Tensor::from_array((shape, types))?.into()));
        }
        if let Some(first) = self.layout.first_position {
            let positions = |_| (first..first + width).map(|place| i64::try_from(place).expect("positions are small"));
            let positions: Vec<i64> = (0..count).flat_map(positions).collect();
            inputs.push(("position_ids".into(), Tensor::from_array((shape, positions))?.into()));
        }
        let begun = Instant::now();
        let outputs = self.session.run(inputs)?;
        self.counters.ran(begun.elapsed());
        self.counters.prompt_tokens.fetch_add(items.iter().map(|item| item.length() as u64).sum(), Relaxed);
        let output = outputs
            .get(&self.layout.output)
            .ok_or_else(|| RequestError::Failed(format!("the model gave no output '{}'", self.layout.output)))?;
        let numbers = numbers_of(output, self.layout.output_type)?;
        let rows = if self.layout.pooled { count } else { count * width };
        if rows == 0 || !numbers.len().is_multiple_of(rows) {
            return Err(RequestError::Failed(format!("the output has {} numbers for {rows} rows", numbers.len())));
        }
        let size = numbers.len() / rows;
        let vector = |(row, item): (usize, &&Item)| {
            let mut vector = match self.layout.pooled {
                true => numbers[row * size..][..size].to_vec(),
                false => pool(&self.pooling, &numbers[row * width * size..][..item.length() * size], size),
            };
            if self.normalise {
                normalise(&mut vector);
            }
            vector
        };
        Ok(items.iter().enumerate().map(vector).collect())
    }
}

/// How many of the sorted items go together.
fn batch_size(items: &[Item]) -> usize {
    let longest = items.first().map_or(1, |item| item.length().max(1));
    let most = (BATCH_TOKENS / longest).max(1);
    let alike = items.iter().take_while(|item| item.length() as f64 >= longest as f64 * SHORTEST).count();
    alike.clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_texts_of_like_length() {
        let items = |lengths: &[usize]| -> Vec<Item> {
            lengths.iter().map(|length| Item { job: 0, place: 0, text: TextTokens::of(vec![0; *length]) }).collect()
        };
        assert_eq!(batch_size(&items(&[100, 90, 85, 50, 10])), 3);
        assert_eq!(batch_size(&items(&[1024, 1024, 1024])), 2);
        assert_eq!(batch_size(&items(&[5000, 5000])), 1);
    }
}
