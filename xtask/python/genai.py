#!/usr/bin/env python3
"""Decode and prefill speed of onnxruntime-genai on a model folder, for comparison with `cargo run --example speed`.

  genai.py MODEL_FOLDER [--threads 2] [--prompt 64] [--tokens 128] [--batch 1 4 8] [--repeat 3]

Prints one line a batch size; the figure is the best of the repeats.
"""
import argparse
import json
import os
import shutil
import tempfile
import time

import onnxruntime_genai as og


def with_threads(folder, threads):
    """A copy of the folder (links) whose genai_config.json asks for so many threads."""
    copy = tempfile.mkdtemp(prefix="genai-")
    for name in os.listdir(folder):
        if name != "genai_config.json":
            os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(copy, name))
    with open(os.path.join(folder, "genai_config.json")) as file:
        config = json.load(file)
    config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
    with open(os.path.join(copy, "genai_config.json"), "w") as file:
        json.dump(config, file)
    return copy


def once(model, prompt, batch, tokens):
    params = og.GeneratorParams(model)
    params.set_search_options(max_length=len(prompt) + tokens, min_length=len(prompt) + tokens, batch_size=batch, do_sample=False)
    generator = og.Generator(model, params)
    begun = time.perf_counter()
    generator.append_tokens([prompt] * batch if batch > 1 else prompt)
    generator.generate_next_token()
    first = time.perf_counter()
    steps = 0
    while not generator.is_done() and steps < tokens - 1:
        generator.generate_next_token()
        steps += 1
    ended = time.perf_counter()
    return batch * len(prompt) / (first - begun), batch * steps / (ended - first), steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=64, help="prompt tokens")
    parser.add_argument("--tokens", type=int, default=128, help="generated tokens a sequence")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    copy = with_threads(args.folder, args.threads)
    try:
        model = og.Model(copy)
        prompt = [(17 + 7 * i) % 20000 + 100 for i in range(args.prompt)]
        print(f"onnxruntime-genai {og.__version__}, {args.threads} threads, prompt {args.prompt}, {args.tokens} tokens")
        for batch in args.batch:
            runs = [once(model, prompt, batch, args.tokens) for _ in range(args.repeat)]
            prefill, decode = max(r[0] for r in runs), max(r[1] for r in runs)
            print(f"batch {batch}: prefill {prefill:.1f} tokens/s, decode {decode:.1f} tokens/s ({runs[0][2]} steps)", flush=True)
    finally:
        shutil.rmtree(copy)


if __name__ == "__main__":
    main()
