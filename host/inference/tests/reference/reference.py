"""What Hugging Face's transformers and a plain onnxruntime loop make of a model's folder.

Usage: reference.py; one JSON task on standard input, its answer on standard output.
{"tokens": {"folder", "texts"}}                    -> [{"ids", "text"}, …], special tokens included
{"chats": {"folder", "templates", "conversations"}} -> [[prompt, …] of each template]; null is the model's
{"greedy": {"folder", "prompts", "count"}}          -> [{"ids", "answer", "margins"}, …]
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
        answer, margins = loop(session, ids, count, ends)
        answers.append({"ids": ids, "answer": answer, "margins": margins})
    return answers


def loop(session, ids, count, ends):
    """The likeliest token each time, and by how much it is ahead of the next."""
    empty = {one.name: one.shape for one in session.get_inputs() if one.name.startswith("past")}
    past = {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in empty.items()}
    names = [one.name for one in session.get_outputs()]
    new, held, answer, margins = ids, 0, [], []
    while len(answer) < count:
        held += len(new)
        feed = {"input_ids": np.array([new], np.int64), "attention_mask": np.ones((1, held), np.int64), **past}
        out = dict(zip(names, session.run(None, feed), strict=True))
        logits = out["logits"][0, -1]
        past = {name: out[name.replace("past_key_values", "present")] for name in past}
        best = int(logits.argmax())
        if best in ends:
            break
        second, first = np.partition(logits, -2)[-2:]
        margins.append(float(first - second))
        answer.append(best)
        new = [best]
    return answer, margins


(task, given), = json.load(sys.stdin).items()
json.dump({"tokens": tokens, "chats": chats, "greedy": greedy}[task](**given), sys.stdout)
