"""How fast onnxruntime-genai runs a model folder, in the figures of `llmhost bench --json`.

Usage: genai.py FOLDER THREADS PROMPT-TOKENS ANSWER-TOKENS BATCH…
"""

import json
import os
import sys
import tempfile
import time

import onnxruntime_genai as og


def with_threads(folder, threads, to):
    """The folder by links, with as many threads in its configuration."""
    for name in os.listdir(folder):
        if name != "genai_config.json":
            os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(to, name))
    with open(os.path.join(folder, "genai_config.json")) as file:
        config = json.load(file)
    config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
    with open(os.path.join(to, "genai_config.json"), "w") as file:
        json.dump(config, file)


def measured(model, prompt, batch, answer):
    params = og.GeneratorParams(model)
    length = len(prompt) + answer
    params.set_search_options(max_length=length, min_length=length, batch_size=batch, do_sample=False)
    generator = og.Generator(model, params)
    began = time.perf_counter()
    generator.append_tokens([prompt] * batch if batch > 1 else prompt)
    generator.generate_next_token()
    first = time.perf_counter()
    steps = 0
    while not generator.is_done() and steps < answer - 1:
        generator.generate_next_token()
        steps += 1
    ended = time.perf_counter()
    return {
        "batch": batch,
        "prefill_tokens_per_second": batch * len(prompt) / (first - began),
        "decode_tokens_per_second": batch * steps / (ended - first),
    }


def main():
    folder, (threads, prompt, answer, *batches) = sys.argv[1], map(int, sys.argv[2:])
    with tempfile.TemporaryDirectory() as copy:
        with_threads(folder, threads, copy)
        model = og.Model(copy)
        tokens = [3 + at * 7919 % 250 for at in range(prompt)]
        measured(model, tokens, 1, min(answer, 8))
        print(json.dumps({"rows": [measured(model, tokens, batch, answer) for batch in batches]}))


main()
