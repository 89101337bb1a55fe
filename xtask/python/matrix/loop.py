"""Greedy answers by a plain loop over the graph: one row, its whole text and then a token at a time."""

import json

import numpy as np
import onnx
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

ROOM = 1024


class Graph:
    """A decoder's graph with its cache."""

    def __init__(self, path):
        told = path.parent / "genai_config.json"
        # Layers whose cache is a ring want a buffer with room for all, as the runtime that they are made for gives them.
        graph = onnx.load(str(path), load_external_data=False).graph
        ring = any(one.name == "sliding_window_cache" and one.i for node in graph.node for one in node.attribute)
        self.room = ROOM if ring else 0
        self.decoder = json.loads(told.read_text())["model"]["decoder"] if told.is_file() else {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {one.name: one for one in self.session.get_inputs()}
        self.outputs = [one.name for one in self.session.get_outputs()]

    def empty(self, name):
        _, heads, _, size = self.inputs[name].shape
        # Newer graphs of the builder name the dimension.
        size = self.decoder["head_size"] if isinstance(size, str) else size
        return np.zeros((1, heads, self.room, size), TYPES[self.inputs[name].type])

    def answer(self, prompt, count, again):
        """The likeliest tokens, and by how much each was ahead of the next. A text of `again` tokens is read anew."""
        nothing = {name: self.empty(name) for name in self.inputs if name.startswith("past")}
        new, held, past, answer, margins = prompt, 0, nothing, [], []
        while len(answer) < count:
            if len(prompt) + len(answer) == again:
                new, held, past = prompt + answer, 0, nothing
            held += len(new)
            feed = {"input_ids": np.array([new], np.int64), "attention_mask": np.ones((1, held), np.int64)}
            feed["position_ids"] = np.arange(held - len(new), held, dtype=np.int64)[None]
            feed["use_cache_branch"] = np.array([held > len(new)])
            feed["num_logits_to_keep"] = np.array(1, np.int64)
            feed = {name: value for name, value in feed.items() if name in self.inputs}
            out = dict(zip(self.outputs, self.session.run(None, {**feed, **past}), strict=True))
            past = {name: out[name.replace("past_key_values", "present")] for name in past}
            logits = out["logits"][0, -1].astype(np.float32)
            second, first = np.partition(logits, -2)[-2:]
            margins.append(float(first - second))
            answer.append(int(logits.argmax()))
            new = [answer[-1]]
        return answer, margins


def answers(path, prompts, count, again):
    """Of each prompt."""
    graph = Graph(path)
    both = [graph.answer(prompt, count, again) for prompt in prompts]
    return {"answers": [one for one, _ in both], "margins": [one for _, one in both]}
