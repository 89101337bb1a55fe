"""A Llama-like decoder with a key/value cache, in two layouts.

grouped   com.microsoft GroupQueryAttention: past and present may be one buffer [B, KV, MAX, D]
plain     standard operators only: position_ids, and the past concatenated in each step

Inputs   input_ids [B, S], attention_mask [B, T], (position_ids [B, S]), past_key_values.N.key|value [B, KV, P, D]
Outputs  logits [B, S, V], present.N.key|value [B, KV, T, D]
"""

from dataclasses import dataclass

import numpy as np

from export.graph import CONTRIB, INT32, INT64, Graph, constants


@dataclass(frozen=True)
class Shape:
    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int
    theta: float
    epsilon: float
    # Where a run's longest row has more tokens, positions are turned by other factors (longrope).
    switch: int | None = None

    @property
    def head(self):
        return self.hidden // self.heads


def build(shape, weight, bits=None, layout="grouped", floats="fp32"):
    """The model; `weight(name)` gives a weight [outputs, inputs] by its GGUF name.

    GPUs have kernels for GroupQueryAttention in 16 bits alone; the plain layout's mask does not fit into fp16.
    """
    graph = Graph(floats)
    attend = _grouped(graph, shape) if layout == "grouped" else _plain(graph, shape)
    scaled = _fused_norm if layout == "grouped" else _plain_norm
    norm = lambda x, weight, name: scaled(graph, shape, x, graph.const(f"{name.strip('/').replace('/', '.')}.weight", weight), name)  # noqa: E731
    embedding = weight("token_embd")
    x = graph.op("Gather", [graph.const("model.embed_tokens.weight", embedding), "input_ids"], "/model/embed_tokens")
    for at in range(shape.layers):
        here, block = f"/model/layers.{at}", f"blk.{at}"
        linear = lambda x, of, name: graph.linear(x, weight(f"{block}.{of}"), f"{here}/{name}/MatMul", bits)  # noqa: E731
        normed = norm(x, weight(f"{block}.attn_norm"), f"{here}/input_layernorm")
        q, k, v = (linear(normed, f"attn_{of}", f"attn/{of}_proj") for of in "qkv")
        attended = linear(attend(at, q, k, v), "attn_output", "attn/o_proj")
        x = graph.op("Add", [x, attended], f"{here}/attn/residual")
        normed = norm(x, weight(f"{block}.ffn_norm"), f"{here}/post_attention_layernorm")
        gate, up = (linear(normed, f"ffn_{of}", f"mlp/{of}_proj") for of in ("gate", "up"))
        silu = graph.op("Mul", [gate, graph.op("Sigmoid", [gate], f"{here}/mlp/sigmoid")], f"{here}/mlp/silu")
        down = linear(graph.op("Mul", [silu, up], f"{here}/mlp/product"), "ffn_down", "mlp/down_proj")
        x = graph.op("Add", [x, down], f"{here}/mlp/residual")
    x = norm(x, weight("output_norm"), "/model/norm")
    # The embedding is the head, too; four bits are too few for what decides between 49,152 words.
    graph.linear(x, embedding, "/lm_head/MatMul", bits and 8, output="logits")
    cache = [(at, side) for at in range(shape.layers) for side in ("key", "value")]
    past = [(f"past_key_values.{at}.{side}", graph.float, ["batch_size", shape.kv_heads, "past_sequence_length", shape.head]) for at, side in cache]
    present = [(f"present.{at}.{side}", graph.float, ["batch_size", shape.kv_heads, "total_sequence_length", shape.head]) for at, side in cache]
    tokens = ["batch_size", "sequence_length"]
    positions = [("position_ids", INT64, tokens)] if layout == "plain" else []
    inputs = [("input_ids", INT64, tokens), ("attention_mask", INT64, ["batch_size", "total_sequence_length"]), *positions, *past]
    return graph.model(inputs, [("logits", graph.float, [*tokens, shape.vocabulary]), *present])


def _fused_norm(graph, shape, x, weight, name):
    return graph.op("SimplifiedLayerNormalization", [x, weight], name, axis=-1, epsilon=shape.epsilon, stash_type=1)


def _plain_norm(graph, shape, x, weight, name):
    mean = graph.op("ReduceMean", [graph.op("Mul", [x, x], f"{name}/square"), graph.ints("last", -1)], f"{name}/mean")
    mean = graph.op("Add", [mean, graph.const("epsilon", np.array(shape.epsilon, np.float32))], f"{name}/above_zero")
    return graph.op("Mul", [graph.op("Div", [x, graph.op("Sqrt", [mean], f"{name}/root")], f"{name}/normed"), weight], name)


def _rotations(shape, factors=1.0):
    angles = np.outer(np.arange(shape.context), shape.theta ** (-np.arange(0, shape.head, 2) / shape.head) / factors)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _grouped(graph, shape):
    """What GroupQueryAttention wants instead of a mask: the length of each row, less one, and the longest."""
    lengths = graph.op("ReduceSum", ["attention_mask", graph.ints("one", 1)], "/mask/sum", keepdims=0)
    lengths = graph.op("Cast", [graph.op("Sub", [lengths, graph.ints("one", 1)], "/mask/less_one")], "/mask/lengths", to=INT32)
    width = graph.op("Gather", [graph.op("Shape", ["attention_mask"], "/mask/shape"), graph.const("second", np.array(1, np.int64))], "/mask/width")
    total = graph.op("Cast", [width], "/mask/total", to=INT32)
    if shape.switch is None:
        cos, sin = _rotations(shape)
        cos, sin = graph.const("cos_cache", cos), graph.const("sin_cache", sin)
    else:
        cos, sin = _switched(graph, shape, width)

    def attend(at, q, k, v):
        inputs = [q, k, v, f"past_key_values.{at}.key", f"past_key_values.{at}.value", lengths, total, cos, sin]
        outputs = [f"/model/layers.{at}/attn/output_0", f"present.{at}.key", f"present.{at}.value"]
        graph.op(
            "GroupQueryAttention", inputs, f"/model/layers.{at}/attn/GroupQueryAttention", outputs, CONTRIB,
            num_heads=shape.heads, kv_num_heads=shape.kv_heads, scale=shape.head**-0.5, do_rotary=1, rotary_interleaved=0, local_window_size=-1,
        )  # fmt: skip
        return outputs[0]

    return attend


def _switched(graph, shape, width):
    """Two sets of factors, as onnxruntime-genai's builder writes them: chosen by the longest row of the run."""
    index = np.arange(shape.head // 2)
    sides = {"large": _rotations(shape, 1 + 0.9 * index), "small": _rotations(shape, 1 + 0.05 * index)}
    branch = lambda side: constants(f"{side}_rotemb_caches_graph", {f"{of}_cache_{side}": table for of, table in zip(("cos", "sin"), sides[side], strict=True)})  # noqa: E731
    longer = graph.op("Greater", [width, graph.const("switch", np.array(shape.switch, np.int64))], "/model/rope_caches_subgraph/Greater")
    graph.op("If", [longer], "/model/rope_caches_subgraph/If", ["cos_cache", "sin_cache"], then_branch=branch("large"), else_branch=branch("small"))
    return "cos_cache", "sin_cache"


def _plain(graph, shape):
    """Rotation by gathered tables, a mask that is added, and the past concatenated."""
    cos, sin = _rotations(shape)
    table = lambda name, half: graph.const(name, np.concatenate([half, half], -1))  # noqa: E731
    turn = {name: graph.op("Unsqueeze", [graph.op("Gather", [table(f"{name}_table", half), "position_ids"], f"/rotary/{name}"), graph.ints("one", 1)], f"/rotary/{name}_heads") for name, half in (("cos", cos), ("sin", sin))}
    # Row i of the step sees column j where j is not masked and not later than itself.
    total = graph.op("Shape", ["attention_mask"], "/mask/total", start=1, end=2)
    step = graph.op("Shape", ["input_ids"], "/mask/step", start=1, end=2)
    scalar = lambda x, name: graph.op("Squeeze", [x], name)  # noqa: E731
    zero, one = graph.const("zero_scalar", np.array(0, np.int64)), graph.const("one_scalar", np.array(1, np.int64))
    columns = graph.op("Range", [zero, scalar(total, "/mask/total_scalar"), one], "/mask/columns")
    first = graph.op("Sub", [total, step], "/mask/first")
    rows = graph.op("Add", [graph.op("Range", [zero, scalar(step, "/mask/step_scalar"), one], "/mask/offsets"), first], "/mask/rows")
    late = graph.op("Greater", [columns, graph.op("Unsqueeze", [rows, graph.ints("one", 1)], "/mask/rows_column")], "/mask/late")
    absent = graph.op("Equal", ["attention_mask", graph.ints("zero", 0)], "/mask/absent")
    absent = graph.op("Unsqueeze", [absent, graph.ints("one_two", 1, 2)], "/mask/absent_heads")
    hidden = graph.op("Or", [late, absent], "/mask/hidden")
    bias = graph.op("Where", [hidden, graph.const("lowest", np.array(-1e9, np.float32)), graph.const("nothing", np.array(0, np.float32))], "/mask/bias")

    def heads(x, count, name):
        split = graph.op("Reshape", [x, graph.ints(f"heads_{count}", 0, 0, count, shape.head)], f"{name}/split")
        return graph.op("Transpose", [split], f"{name}/heads", perm=[0, 2, 1, 3])

    def rotated(x, name):
        left, right = graph.op("Split", [x], f"{name}/halves", 2, axis=-1, num_outputs=2)
        other = graph.op("Concat", [graph.op("Neg", [right], f"{name}/negative"), left], f"{name}/other", axis=-1)
        straight = graph.op("Mul", [x, turn["cos"]], f"{name}/straight")
        return graph.op("Add", [straight, graph.op("Mul", [other, turn["sin"]], f"{name}/across")], f"{name}/rotated")

    def repeated(x, name):
        """Each key/value head for as many query heads as share it."""
        each = shape.heads // shape.kv_heads
        wide = graph.op("Unsqueeze", [x, graph.ints("two", 2)], f"{name}/group")
        wide = graph.op("Expand", [wide, graph.ints("groups", 1, 1, each, 1, 1)], f"{name}/wide")
        return graph.op("Reshape", [wide, graph.ints("all_heads", 0, shape.heads, -1, shape.head)], f"{name}/repeated")

    def attend(at, q, k, v):
        here = f"/model/layers.{at}/attn"
        q, k = rotated(heads(q, shape.heads, f"{here}/q"), f"{here}/q"), rotated(heads(k, shape.kv_heads, f"{here}/k"), f"{here}/k")
        v = heads(v, shape.kv_heads, f"{here}/v")
        k = graph.op("Concat", [f"past_key_values.{at}.key", k], f"{here}/k/all", [f"present.{at}.key"], axis=2)
        v = graph.op("Concat", [f"past_key_values.{at}.value", v], f"{here}/v/all", [f"present.{at}.value"], axis=2)
        k = graph.op("Transpose", [repeated(k, f"{here}/k")], f"{here}/k/turned", perm=[0, 1, 3, 2])
        scaled = graph.op("Mul", [q, graph.const("scale", np.array(shape.head**-0.5, np.float32))], f"{here}/scaled")
        scores = graph.op("Add", [graph.op("MatMul", [scaled, k], f"{here}/scores"), bias], f"{here}/masked")
        mixed = graph.op("MatMul", [graph.op("Softmax", [scores], f"{here}/softmax", axis=-1), repeated(v, f"{here}/v")], f"{here}/mixed")
        joined = graph.op("Transpose", [mixed], f"{here}/joined", perm=[0, 2, 1, 3])
        return graph.op("Reshape", [joined, graph.ints("hidden", 0, 0, shape.hidden)], f"{here}/output")

    return attend
