"""Building ONNX graphs: nodes and weights by name."""

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from export.quantize import blocks

CONTRIB = "com.microsoft"
FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
# What numbers with a fraction are, by the name of their precision.
FLOATS = {"fp32": (FLOAT, np.float32), "fp16": (TensorProto.FLOAT16, np.float16), "bf16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16)}


def constants(name, tables):
    """A graph that takes nothing and gives these."""
    nodes = [helper.make_node("Constant", [], [of], value=numpy_helper.from_array(table, of)) for of, table in tables.items()]
    about = [helper.make_tensor_value_info(of, FLOAT, table.shape) for of, table in tables.items()]
    return helper.make_graph(nodes, name, [], about)


class Graph:
    def __init__(self, floats="fp32"):
        """`floats` is the precision of every number with a fraction."""
        self.float, self.number = FLOATS[floats]
        self.nodes, self.weights, self.names = [], [], set()

    def const(self, name, array):
        if name not in self.names:
            self.names.add(name)
            if array.dtype == np.float32:
                array = array.astype(self.number)
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, name, *values):
        return self.const(name, np.array(values, np.int64))

    def op(self, kind, inputs, name, outputs=1, domain="", **attributes):
        """Adds a node; gives the name of its output, or of each."""
        names = outputs if isinstance(outputs, list) else [f"{name}/output_{at}" for at in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name, domain=domain, **attributes))
        return names[0] if len(names) == 1 else names

    def linear(self, x, weight, name, bits=None, bias=None, output=None):
        """x @ weight.T + bias; the weight is [outputs, inputs], in blocks of 4 or 8 bits where asked."""
        outputs = [output] if output and bias is None else 1
        if bits is None:
            y = self.op("MatMul", [x, self.const(f"{name}.weight", weight.T)], name, outputs)
        else:
            packed, scales, zeros = blocks(weight, bits)
            inputs = [x, self.const(f"{name}.qweight", packed), self.const(f"{name}.scales", scales), self.const(f"{name}.qzeros", zeros)]
            # Level 4: activations are rounded to 8 bits, which is what makes it fast on CPUs.
            y = self.op("MatMulNBits", inputs, name, outputs, CONTRIB, K=weight.shape[1], N=weight.shape[0], bits=bits, block_size=32, accuracy_level=4)
        if bias is None:
            return y
        return self.op("Add", [y, self.const(f"{name}.bias", bias)], f"{name}/bias", [output] if output else 1)

    def model(self, inputs, outputs):
        """The whole; inputs and outputs are (name, type, shape)."""
        about = lambda all: [helper.make_tensor_value_info(*one) for one in all]  # noqa: E731
        graph = helper.make_graph(self.nodes, "main_graph", about(inputs), about(outputs), self.weights)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="llmhost")
