"""The part of `cargo xtask matrix` for which no torch is needed: the example models, and what exporters make of them.

Usage: quick.py PROGRAMS FOLDER PLAIN ENCODER OTHER…; PROGRAMS is xtask/python, PLAIN a decoder in standard operators.
Prints {"prompts", "count", "decoders": [{"model", "answers", "margins"}, …], "encoder"}.
"""

import json
import logging
import shutil
import sys
from pathlib import Path

programs, folder, plain, encoder, *others = sys.argv[1:]
sys.path.insert(0, programs)
logging.disable(logging.CRITICAL)

from matrix import loop
from matrix.precisions import write
from matrix.tokens import ANSWER, prompts

# tiny-longrope reads a text of so many tokens anew, with its other factors.
AGAIN = 33


def in_precision(of, precision, name):
    """A folder as transformers.js has it."""
    place = Path(folder, f"{name}-{precision}")
    shutil.copytree(of, place, ignore=shutil.ignore_patterns("*.onnx", "manifest.json"))
    (place / "onnx").mkdir()
    graph = place / "onnx" / ("model_quantized.onnx" if precision == "q8" else f"model_{precision}.onnx")
    write(Path(of) / "model.onnx", graph, precision)
    return graph


graphs = [Path(one) / "model.onnx" for one in [plain, *others]]
graphs += [in_precision(plain, precision, "plain") for precision in ["q8", "fp16"]]
decoders = [{"model": str(graph), **loop.answers(graph, prompts(), ANSWER, AGAIN if "longrope" in str(graph) else 0)} for graph in graphs]
json.dump({"prompts": prompts(), "count": ANSWER, "decoders": decoders, "encoder": str(in_precision(encoder, "q8", "encoder"))}, sys.stdout)
