//! Models whose cache and logits are bfloat16.

mod common;

use common::{answer, copied, folder, options, request, run_python, tokens};
use llmhost_inference::engine::{Generated, Options};
use llmhost_inference::sampling::SamplingParams;
use llmhost_inference::{Device, Engine};

fn rewritten(name: &str, how: &str) -> tempfile::TempDir {
    let folder = copied(name);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/rewrite.py");
    run_python(&[program, &folder.path().join("model.onnx").display().to_string(), how], "");
    folder
}

/// Greedy answers with the numbers of their tokens, each alone: of eight bits one may change with who runs beside it.
fn answers(engine: &Engine) -> Vec<(Vec<u32>, Vec<f32>)> {
    let ask = |length: u32| {
        let sampling = SamplingParams { logprobs: Some(2), ..SamplingParams::default() };
        llmhost_inference::engine::Request { sampling, ..request(tokens(length, length as usize), 24) }
    };
    let seen = |found: Generated| -> (Vec<u32>, Vec<f32>) {
        let logprobs = found.logprobs.iter().flat_map(|of| of.top.iter().map(|(_, number)| *number)).collect();
        (found.tokens, logprobs)
    };
    let all = [1, 2, 15, 17, 50].map(|length| seen(answer(engine, ask(length)))).into();
    let streams: Vec<_> = [3, 30, 9].map(|length| engine.generate(ask(length)).expect("accepted")).into();
    for stream in streams {
        assert_eq!(stream.collect_blocking().expect("answered").tokens.len(), 24, "in company");
    }
    all
}

#[test]
fn caches_and_logits_of_bfloat16_are_read_and_written() {
    for name in ["tiny", "tiny-plain"] {
        let load = |how| {
            let folder = rewritten(name, how);
            Engine::load(folder.path(), &Options { chunk: 16, ..options() }).expect(how)
        };
        let (short, full) = (load("bf16"), load("bf16-inside"));
        let (found, expected) = (answers(&short), answers(&full));
        assert_eq!(found, expected, "{name}: the same numbers, whatever they are handed over as");
        assert!(found.iter().all(|(tokens, numbers)| tokens.len() == 24 && numbers.len() == 48), "{name}");
        // Half of the memory of 32-bit floats.
        let bytes = |engine: &Engine| engine.stats().cache_bytes / engine.stats().cache_tokens;
        assert_eq!(bytes(&short) * 2, bytes(&full), "{name}");
    }
}

#[test]
fn a_graph_of_bfloat16_runs_on_a_gpu_and_is_refused_by_a_processor_with_what_to_export() {
    let loaded = Engine::load(&folder("tiny-bf16"), &options());
    if options().device == Device::Cuda {
        let engine = loaded.expect("the GPU has bfloat16");
        assert_eq!(answer(&engine, request(tokens(1, 20), 30)).tokens.len(), 30);
        return;
    }
    let error = loaded.expect_err("no kernel").to_string();
    for part in ["its numbers are bfloat16", "no kernels", "export the model in float32", "compute capability 8.0"] {
        assert!(error.contains(part), "{error}");
    }
}
