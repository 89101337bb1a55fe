"""Rewrites a graph into the layout of another exporter, in place.

Usage: rewrite.py FILE keep                 num_logits_to_keep, as transformers.js has it
       rewrite.py FILE branch               use_cache_branch, as Optimum's merged decoders have it
       rewrite.py FILE branch-of-one-token  the same, traced for one token behind the past: a mask that hides no later tokens
       rewrite.py FILE positions-of-mask    a decoder that counts positions by the mask
       rewrite.py FILE positions-of-past    a decoder that counts positions by the width of the past
       rewrite.py FILE positions            an encoder that takes position_ids
       rewrite.py FILE bf16                 past, present and logits in bfloat16, around the same 32-bit floats
       rewrite.py FILE bf16-inside          the same numbers, handed in and out as 32-bit floats
       rewrite.py FILE input NAME           an input that nobody knows
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INT64 = TensorProto.INT64


def constant(graph, name, value):
    graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))


def keep(graph):
    """Logits of the last positions: the head reads the end of what comes before it."""
    graph.input.append(helper.make_tensor_value_info("num_logits_to_keep", INT64, []))
    constant(graph, "keep_axis", [1]), constant(graph, "keep_end", [2**62]), constant(graph, "keep_one", [1])
    head = next(node for node in graph.node if "logits" in node.output)
    nodes = [
        helper.make_node("Neg", ["num_logits_to_keep"], ["keep_negative"]),
        helper.make_node("Reshape", ["keep_negative", "keep_one"], ["keep_start"]),
        helper.make_node("Slice", [head.input[0], "keep_start", "keep_end", "keep_axis"], ["kept"]),
    ]
    head.input[0] = "kept"
    at = list(graph.node).index(head)
    rest = list(graph.node)[at:]
    del graph.node[at:]
    graph.node.extend(nodes + rest)


def branch(graph, of_one_token=False):
    """One branch with the past, one without; the weights lie outside of both."""
    outputs = list(graph.output)
    past = [one for one in graph.input if one.name.startswith("past_key_values")]

    def subgraph(name, without_past):
        renamed = {one.name: f"{name}_{one.name}" for one in outputs}
        nodes = []
        if without_past:
            constant(graph, "first_index", [0]), constant(graph, "one_index", [1]), constant(graph, "row_axis", [0])
            nodes = [helper.make_node("Shape", ["input_ids"], ["ids_shape"]), helper.make_node("Slice", ["ids_shape", "first_index", "one_index", "row_axis"], ["ids_rows"])]
            for one in past:
                _, heads, _, size = (part.dim_value for part in one.type.tensor_type.shape.dim)
                constant(graph, f"empty_{one.name}", [heads, 0, size])
                renamed[one.name] = f"no_{one.name}"
                nodes.append(helper.make_node("Concat", ["ids_rows", f"empty_{one.name}"], [f"shape_{one.name}"], axis=0))
                nodes.append(helper.make_node("ConstantOfShape", [f"shape_{one.name}"], [f"no_{one.name}"]))
        for node in graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [renamed.get(one, one) for one in node.input]
            copy.output[:] = [renamed.get(one, one) for one in node.output]
            if of_one_token and not without_past and node.name == "/mask/hidden":
                copy.input[0] = copy.input[1]
            nodes.append(copy)
        ends = [helper.make_tensor_value_info(f"{name}_{one.name}", one.type.tensor_type.elem_type, None) for one in outputs]
        return helper.make_graph(nodes, name, [], ends)

    branches = {"then_branch": subgraph("with", False), "else_branch": subgraph("without", True)}
    graph.input.append(helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]))
    del graph.node[:]
    graph.node.append(helper.make_node("If", ["use_cache_branch"], [one.name for one in outputs], "either", **branches))


def own_positions(graph, nodes):
    """Takes position_ids away; the nodes compute them."""
    constant(graph, "one_position", [1]), constant(graph, "zero_position", [0]), constant(graph, "axis_1", 1), constant(graph, "no_end", [2**62])
    kept = [one for one in graph.input if one.name != "position_ids"]
    del graph.input[:]
    graph.input.extend(kept)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([helper.make_node("Shape", ["input_ids"], ["step_width"], start=1, end=2), *nodes, *rest])


def positions_of_mask(graph):
    own_positions(graph, [
        helper.make_node("CumSum", ["attention_mask", "axis_1"], ["counted"]),
        helper.make_node("Sub", ["counted", "one_position"], ["every_position"]),
        helper.make_node("Neg", ["step_width"], ["step_start"]),
        helper.make_node("Slice", ["every_position", "step_start", "no_end", "one_position"], ["position_ids"]),
    ])  # fmt: skip


def positions_of_past(graph):
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "scalar_zero"))
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "scalar_one"))
    own_positions(graph, [
        helper.make_node("Shape", ["past_key_values.0.key"], ["past_width"], start=2, end=3),
        helper.make_node("Squeeze", ["step_width"], ["step_scalar"]),
        helper.make_node("Range", ["scalar_zero", "step_scalar", "scalar_one"], ["offsets"]),
        helper.make_node("Add", ["offsets", "past_width"], ["places"]),
        helper.make_node("Unsqueeze", ["places", "zero_position"], ["position_ids"]),
    ])  # fmt: skip


def positions(graph):
    node = next(node for node in graph.node if node.name == "/positions")
    node.CopyFrom(helper.make_node("Gather", [node.input[0], "position_ids"], list(node.output), node.name))
    graph.input.append(helper.make_tensor_value_info("position_ids", INT64, ["batch_size", "sequence_length"]))


def unknown(graph, name):
    graph.input.append(helper.make_tensor_value_info(name, INT64, ["batch_size"]))


def rounded(graph, outside):
    """What goes in or comes out is rounded to bfloat16; `outside` says whether it is handed over so."""
    cast = lambda source, to, kind: helper.make_node("Cast", [source], [to], to=kind)  # noqa: E731
    before, after = [], []
    for one in [*graph.input, *graph.output]:
        if one.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        comes_in, name = one in graph.input, one.name
        for node in graph.node:
            for ends in (node.input, node.output):
                ends[:] = [f"{name}_full" if end == name else end for end in ends]
        nodes = before if comes_in else after
        path = [name, f"{name}_full"] if comes_in else [f"{name}_full", name]
        if outside:
            one.type.tensor_type.elem_type = TensorProto.BFLOAT16
            nodes.append(cast(*path, TensorProto.FLOAT if comes_in else TensorProto.BFLOAT16))
        else:
            nodes.append(cast(path[0], f"{name}_rounded", TensorProto.BFLOAT16))
            nodes.append(cast(f"{name}_rounded", path[1], TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *rest, *after])


path, how = sys.argv[1:3]
model = onnx.load(path)
made = {"keep": keep, "branch": branch, "branch-of-one-token": lambda graph: branch(graph, True), "positions": positions, "positions-of-mask": positions_of_mask, "positions-of-past": positions_of_past, "bf16": lambda graph: rounded(graph, True), "bf16-inside": lambda graph: rounded(graph, False), "input": lambda graph: unknown(graph, sys.argv[3])}
made[how](model.graph)
onnx.save(model, path)
