"""A cross-encoder out of the tiny encoder, and its scores by ONNX Runtime and NumPy alone.

Usage: cross_encoder.py; a JSON task on standard input.
{"make": {"folder", "labels"}}   puts a head on the folder's graph; the encoder stays beside it
{"score": {"folder", "pairs"}}   the logits of the first label, of one pair at a time, on standard output
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from tokenizers import Tokenizer

ENCODER = "encoder.onnx"


def head(labels):
    """Weights [size, labels] and bias [labels]."""
    draw = np.random.default_rng(3)
    return draw.standard_normal((32, labels)).astype(np.float32), draw.standard_normal(labels).astype(np.float32)


def make(folder, labels):
    model = onnx.load(f"{folder}/model.onnx")
    onnx.save(model, f"{folder}/{ENCODER}")
    graph = model.graph
    for name, array in zip(["head_weight", "head_bias", "head_place"], [*head(labels), np.array(0, np.int64)]):
        graph.initializer.append(numpy_helper.from_array(array, name))
    graph.node.append(helper.make_node("Gather", ["last_hidden_state", "head_place"], ["first_token"], axis=1))
    graph.node.append(helper.make_node("Gemm", ["first_token", "head_weight", "head_bias"], ["logits"]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch_size", labels]))
    onnx.save(model, f"{folder}/model.onnx")


def score(folder, pairs):
    session = onnxruntime.InferenceSession(f"{folder}/{ENCODER}", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    # Some files carry the settings of a training.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    weight, bias = head(1)
    logits = []
    for one, other in pairs:
        encoding = tokenizer.encode(one, other)
        ids, types = np.array([encoding.ids], np.int64), np.array([encoding.type_ids], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        first = session.run(["last_hidden_state"], feed)[0][0, 0]
        logits.append(float(first @ weight[:, 0] + bias[0]))
    json.dump(logits, sys.stdout)


(task, given), = json.load(sys.stdin).items()
{"make": make, "score": score}[task](**given)
