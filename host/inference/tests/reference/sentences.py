"""Vectors of texts by ONNX Runtime and NumPy alone: one text at a time, so that nothing is padded.

Usage: sentences.py; a JSON task on standard input, the vectors on standard output.
{"folder", "modes": ["mean", …], "normalise", "inputs": [text or tokens, …]}
"""

import json
import sys

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def pooled(rows, mode):
    """rows: [tokens, size]."""
    if mode == "cls":
        return rows[0]
    if mode == "lasttoken":
        return rows[-1]
    if mode == "max":
        return rows.max(axis=0)
    if mode == "mean":
        return rows.mean(axis=0)
    if mode == "mean_sqrt_len_tokens":
        return rows.sum(axis=0) / np.sqrt(len(rows))
    if mode == "weightedmean":
        return np.average(rows, axis=0, weights=np.arange(1, len(rows) + 1))
    raise SystemExit(f"no mode {mode}")


def main():
    task = json.load(sys.stdin)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(f"{task['folder']}/model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{task['folder']}/tokenizer.json")
    # Some files carry the settings of a training.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    vectors = []
    for given in task["inputs"]:
        ids = np.array([tokenizer.encode(given).ids if isinstance(given, str) else given], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        rows = session.run(["last_hidden_state"], feed)[0][0].astype(np.float64)
        vector = np.concatenate([pooled(rows, mode) for mode in task["modes"]])
        vectors.append((vector / np.linalg.norm(vector) if task["normalise"] else vector).tolist())
    json.dump(vectors, sys.stdout)


main()
