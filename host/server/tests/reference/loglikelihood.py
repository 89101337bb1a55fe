"""How likely a continuation is after a context, by Llama's arithmetic in 64-bit floats, written out in numpy.

Usage: loglikelihood.py; {"folder", "pairs": [[context, continuation], …]} on standard input, on standard output
[{"ids", "context", "logprobs", "greedy"}, …]: tokens by Hugging Face's tokenizer, how many of them are the context's, the
log-probability of each token after it, and whether each is the likeliest.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"

import numpy as np
import onnx
from transformers import AutoTokenizer


class Llama:
    def __init__(self, folder):
        with open(f"{folder}/config.json") as file:
            self.config = json.load(file)
        graph = onnx.load(f"{folder}/model.onnx").graph
        self.weights = {one.name: onnx.numpy_helper.to_array(one).astype(np.float64) for one in graph.initializer}

    def norm(self, x, name):
        scale = np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"])
        return x / scale * self.weights[f"{name}.weight"]

    def linear(self, x, name):
        return x @ self.weights[f"{name}/MatMul.weight"]

    def heads(self, x, count):
        return x.reshape(len(x), count, -1).transpose(1, 0, 2)

    def turned(self, x):
        """The two halves of each head as one complex number, turned by its place."""
        half = x.shape[-1] // 2
        angles = np.outer(np.arange(x.shape[1]), self.config["rope_theta"] ** (-np.arange(half) / half))
        left, right = x[..., :half], x[..., half:]
        cos, sin = np.cos(angles), np.sin(angles)
        return np.concatenate([left * cos - right * sin, right * cos + left * sin], -1)

    def attention(self, x, name):
        queries, keys = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        q = self.turned(self.heads(self.linear(x, f"{name}/q_proj"), queries))
        k = self.turned(self.heads(self.linear(x, f"{name}/k_proj"), keys)).repeat(queries // keys, 0)
        v = self.heads(self.linear(x, f"{name}/v_proj"), keys).repeat(queries // keys, 0)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        scores += np.triu(np.full(scores.shape[1:], -np.inf), 1)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = shares / shares.sum(-1, keepdims=True) @ v
        return self.linear(mixed.transpose(1, 0, 2).reshape(len(x), -1), f"{name}/o_proj")

    def logprobs(self, ids):
        """Of every token of the vocabulary, after each of these."""
        x = self.weights["model.embed_tokens.weight"][ids]
        for at in range(self.config["num_hidden_layers"]):
            x = x + self.attention(self.norm(x, f"model.layers.{at}.input_layernorm"), f"/model/layers.{at}/attn")
            normed = self.norm(x, f"model.layers.{at}.post_attention_layernorm")
            gate, up = (self.linear(normed, f"/model/layers.{at}/mlp/{of}_proj") for of in ("gate", "up"))
            x = x + self.linear(gate / (1 + np.exp(-gate)) * up, f"/model/layers.{at}/mlp/down_proj")
        logits = self.linear(self.norm(x, "model.norm"), "/lm_head")
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def main():
    task = json.load(sys.stdin)
    tokenizer = AutoTokenizer.from_pretrained(task["folder"])
    model = Llama(task["folder"])
    answers = []
    for context, continuation in task["pairs"]:
        ids = tokenizer(context + continuation)["input_ids"]
        before = len(tokenizer(context)["input_ids"])
        rows = model.logprobs(ids)[before - 1 : -1]
        found = [float(row[token]) for row, token in zip(rows, ids[before:], strict=True)]
        greedy = all(int(row.argmax()) == token for row, token in zip(rows, ids[before:], strict=True))
        answers.append({"ids": ids, "context": before, "logprobs": found, "greedy": greedy})
    json.dump(answers, sys.stdout)


main()
