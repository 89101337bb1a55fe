"""A BERT-like encoder for embeddings.

Inputs   input_ids, attention_mask, token_type_ids [B, S]
Outputs  last_hidden_state [B, S, hidden]
"""

from dataclasses import dataclass

import numpy as np

from export.graph import FLOAT, INT64, Graph


@dataclass(frozen=True)
class Shape:
    layers: int
    hidden: int
    inner: int
    heads: int
    epsilon: float


def build(shape, weight):
    """The model; `weight(name)` gives a tensor by its Hugging Face name."""
    graph = Graph()
    const = lambda name: graph.const(name, weight(name))  # noqa: E731

    def norm(x, name):
        return graph.op("LayerNormalization", [x, const(f"{name}.weight"), const(f"{name}.bias")], f"/{name}", axis=-1, epsilon=shape.epsilon)

    def linear(x, name):
        return graph.linear(x, weight(f"{name}.weight"), name, bias=weight(f"{name}.bias"))

    def heads(x, name, perm):
        split = graph.op("Reshape", [x, graph.ints("heads", 0, 0, shape.heads, shape.hidden // shape.heads)], f"{name}/split")
        return graph.op("Transpose", [split], f"{name}/heads", perm=perm)

    at = "embeddings"
    words = graph.op("Gather", [const(f"{at}.word_embeddings.weight"), "input_ids"], "/words")
    types = graph.op("Gather", [const(f"{at}.token_type_embeddings.weight"), "token_type_ids"], "/types")
    zero = graph.const("zero", np.array(0, np.int64))
    length = graph.op("Shape", ["input_ids"], "/length", start=1, end=2)
    table = const(f"{at}.position_embeddings.weight")
    positions = graph.op("Slice", [table, graph.ints("first", 0), length], "/positions")
    x = norm(graph.op("Add", [graph.op("Add", [words, types], "/sum"), positions], "/embedded"), f"{at}.LayerNorm")

    absent = graph.op("Equal", ["attention_mask", zero], "/mask/absent")
    absent = graph.op("Unsqueeze", [absent, graph.ints("one_two", 1, 2)], "/mask/heads")
    lowest, nothing = graph.const("lowest", np.array(-1e9, np.float32)), graph.const("nothing", np.array(0, np.float32))
    mask = graph.op("Where", [absent, lowest, nothing], "/mask/bias")
    scale = graph.const("scale", np.array((shape.hidden // shape.heads) ** -0.5, np.float32))
    for layer in range(shape.layers):
        name = f"encoder.layer.{layer}"
        q, k, v = (linear(x, f"{name}.attention.self.{of}") for of in ("query", "key", "value"))
        q, k, v = heads(q, f"/{name}/q", [0, 2, 1, 3]), heads(k, f"/{name}/k", [0, 2, 3, 1]), heads(v, f"/{name}/v", [0, 2, 1, 3])
        scores = graph.op("MatMul", [graph.op("Mul", [q, scale], f"/{name}/scaled"), k], f"/{name}/scores")
        shares = graph.op("Softmax", [graph.op("Add", [scores, mask], f"/{name}/masked")], f"/{name}/softmax", axis=-1)
        mixed = graph.op("Transpose", [graph.op("MatMul", [shares, v], f"/{name}/mixed")], f"/{name}/turned", perm=[0, 2, 1, 3])
        mixed = graph.op("Reshape", [mixed, graph.ints("hidden", 0, 0, shape.hidden)], f"/{name}/joined")
        x = norm(graph.op("Add", [linear(mixed, f"{name}.attention.output.dense"), x], f"/{name}/first"), f"{name}.attention.output.LayerNorm")
        inner = graph.op("Gelu", [linear(x, f"{name}.intermediate.dense")], f"/{name}/gelu")
        x = norm(graph.op("Add", [linear(inner, f"{name}.output.dense"), x], f"/{name}/second"), f"{name}.output.LayerNorm")
    graph.op("Identity", [x], "/last", ["last_hidden_state"])
    tokens = ["batch_size", "sequence_length"]
    inputs = [(name, INT64, tokens) for name in ("input_ids", "attention_mask", "token_type_ids")]
    return graph.model(inputs, [("last_hidden_state", FLOAT, [*tokens, shape.hidden])])
