"""What Hugging Face's transformers and a plain onnxruntime loop make of a model's folder.

Usage: reference.py; one JSON task on standard input, its answer on standard output.
{"tokens": {"folder", "texts"}}                    -> [{"ids", "text"}, …], special tokens included
{"chats": {"folder", "templates", "conversations"}} -> [[prompt, …] of each template]; null is the model's
{"greedy": {"folder", "prompts", "count"}}          -> [{"ids", "answer", "margins", "noise"}, …]
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"

import numpy as np
import onnxruntime
from transformers import AutoTokenizer


def tokens(folder, texts):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    every = [tokenizer(text, truncation=False)["input_ids"] for text in texts]
    return [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True)} for ids in every]


def chats(folder, templates, conversations):
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def prompt(template, messages):
        return tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )

    return [[prompt(template, messages) for messages in conversations] for template in templates]


def greedy(folder, prompts, count):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    with open(f"{folder}/generation_config.json") as file:
        ends = json.load(file)["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    answers = []
    for prompt in prompts:
        messages = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        answer, margins, noise = loop(session, ids, count, ends)
        answers.append({"ids": ids, "answer": answer, "margins": margins, "noise": noise})
    return answers


class Row:
    """One conversation with the graph, in so many equal rows."""

    def __init__(self, session, rows):
        self.session, self.rows = session, rows
        empty = {one.name: one.shape for one in session.get_inputs() if one.name.startswith("past")}
        self.past = {name: np.zeros((rows, shape[1], 0, shape[3]), np.float32) for name, shape in empty.items()}
        self.names = [one.name for one in session.get_outputs()]
        self.held = 0

    def step(self, new):
        """The logits after these tokens, of the first row."""
        self.held += len(new)
        mask = np.ones((self.rows, self.held), np.int64)
        feed = {"input_ids": np.array([new] * self.rows, np.int64), "attention_mask": mask, **self.past}
        out = dict(zip(self.names, self.session.run(None, feed), strict=True))
        self.past = {name: out[name.replace("past_key_values", "present")] for name in self.past}
        return out["logits"][0, -1]


def loop(session, ids, count, ends):
    """The likeliest token each time, by how much it is ahead of the next, and how much the runtime itself computes otherwise
    for two rows than for one: its kernels for one row may be others, by what the processor has."""
    alone, company = Row(session, 1), Row(session, 2)
    new, answer, margins, noise = ids, [], [], []
    while len(answer) < count:
        logits = alone.step(new)
        spread = float(np.abs(logits - company.step(new)).max())
        best = int(logits.argmax())
        if best in ends:
            break
        second, first = np.partition(logits, -2)[-2:]
        margins.append(float(first - second))
        noise.append(spread)
        answer.append(best)
        new = [best]
    return answer, margins, noise


(task, given), = json.load(sys.stdin).items()
json.dump({"tokens": tokens, "chats": chats, "greedy": greedy}[task](**given), sys.stdout)
