"""A plain greedy loop over a decoder: what `session.run` takes, and next to nothing else.

Usage: loop.py FOLDER THREADS; for each line {"prompt": TEXT, "answer": TOKENS} it prints
{"ms": …}, from the text to the last token.
"""

import json
import sys
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def main():
    folder, threads = sys.argv[1:]
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        greedy(session, config, tokenizer.encode(asked["prompt"]).ids, asked["answer"])
        print(json.dumps({"ms": (time.perf_counter() - began) * 1e3}), flush=True)


def greedy(session, config, prompt, answer):
    """The tokens of the answer. Past and present are one buffer."""
    heads, width = config["num_key_value_heads"], config["head_dim"]
    room = len(prompt) + answer
    binding = session.io_binding()
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    for layer in range(config["num_hidden_layers"]):
        for side in ("key", "value"):
            held = value(np.zeros((1, heads, room, width), np.float32))
            binding.bind_ortvalue_input(f"past_key_values.{layer}.{side}", held)
            binding.bind_ortvalue_output(f"present.{layer}.{side}", held)
    new, past, made = list(prompt), 0, []
    while len(made) < answer:
        past += len(new)
        logits = np.empty((1, len(new), config["vocab_size"]), np.float32)
        binding.bind_cpu_input("input_ids", np.array([new], np.int64))
        binding.bind_cpu_input("attention_mask", np.ones((1, past), np.int64))
        binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        session.run_with_iobinding(binding)
        new = [int(logits[0, -1].argmax())]
        made += new
    return made


main()
