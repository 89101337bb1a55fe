//! Steps with tensors of their own, as a GPU needs them to record steps.

use llmhost_example_models::{Example, onnxruntime};

use super::*;
use crate::model::{Layout, Model};
use crate::runtime::{Runtime, Search, SessionSettings};

const CONTEXT: usize = 512;

fn decoder(example: Example, own_tensors: bool) -> SharedDecoder {
    let search = Search { library: Some(onnxruntime().expect("there")), ..Search::default() };
    let runtime = Runtime::load(&search).expect("it loads");
    let folder = example.folder().expect("made");
    let (model, opened) =
        Model::open(&folder, None, &runtime, &SessionSettings::for_a_test(), false).expect("it opens");
    let Layout::Decoder(layout) = model.layout else { panic!("a decoder") };
    let size = CacheSize { slots: 6, context: CONTEXT, chunk: 16, tiers: Some(Tiers::new(CONTEXT)), own_tensors };
    SharedDecoder::new(opened.session, layout, Provider::Cpu, 0, size).expect("it starts")
}

#[test]
fn steps_with_tensors_of_their_own_give_what_others_give() {
    for example in [Example::Tiny, Example::TinyFp16] {
        let (mut own, mut other) = (decoder(example, true), decoder(example, false));
        assert!(own.steps.is_some(), "{example:?}: they were tried, and gave the same");
        let tokens: Vec<u32> = (0..400).map(|place| 3 + place * 7 % 250).collect();
        let mut held = [0usize; 6];
        let prompts = [(0, 5), (3, 300), (1, 17), (5, 40)];
        for decoder in [&mut own, &mut other] {
            for (slot, length) in prompts {
                for start in (0..length).step_by(16) {
                    decoder.prefill(slot, start, &tokens[start..length.min(start + 16)], true).expect("read");
                }
                held[slot] = length;
            }
        }
        // More rows, fewer, others: what was shown of one is hidden of the next.
        for slots in [&[0, 1, 3, 5][..], &[0, 1, 3, 5], &[3], &[0, 5], &[1, 3, 5], &[0, 1, 3, 5], &[5]] {
            let row = |slot: &usize| Row { slot: *slot, cached: held[*slot], token: tokens[held[*slot]] };
            let rows: Vec<Row> = slots.iter().map(row).collect();
            own.decode(&rows, &held).expect("stepped");
            other.decode(&rows, &held).expect("stepped");
            for row in 0..rows.len() {
                assert_eq!(own.logits(row), other.logits(row), "{example:?}, {slots:?}, row {row}");
            }
            slots.iter().for_each(|slot| held[*slot] += 1);
        }
        let span = Span { tier: 0, first: 0, count: 4 };
        assert!(own.steps.as_ref().is_some_and(|steps| steps.has(span)) && !own.bindings.contains_key(&span));
        assert!(other.bindings.contains_key(&span));
    }
}
