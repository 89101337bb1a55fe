"""How fast transformers on torch runs a model of a folder's sizes, in the figures of `llmhost bench --json`.

Usage: transformers_bench.py FOLDER THREADS DEVICE batches PROMPT-TOKENS ANSWER-TOKENS BATCH…
DEVICE is cpu or cuda. The precision is what the folder's name ends with: fp32, fp16 or bf16. The weights are random
ones of the sizes in config.json: they take the same time.
"""

import json
import sys
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.cache_utils import DynamicCache

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}


def batch_of_equals(model, device, batch, prompt, answer):
    ids = torch.tensor([[3 + at * 7919 % 250 for at in range(prompt)]] * batch, device=device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    cache = DynamicCache()
    wait()
    began = time.perf_counter()

    def step(ids):
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        return logits[:, -1].argmax(-1, keepdim=True)

    token = step(ids)
    token.tolist()
    first = time.perf_counter()
    for _ in range(answer - 1):
        token = step(token)
        # As an engine does, which has to see whether the answer ends.
        token.tolist()
    ended = time.perf_counter()
    return {
        "batch": batch,
        "prefill_tokens_per_second": batch * prompt / (first - began),
        "decode_tokens_per_second": batch * (answer - 1) / (ended - first),
    }


def main():
    folder, threads, device, _, prompt, answer, *batches = sys.argv[1:]
    torch.set_num_threads(int(threads))
    precision = PRECISIONS.get(folder.rstrip("/").rsplit("-", 1)[-1], torch.float32)
    config = AutoConfig.from_pretrained(folder)
    with torch.inference_mode():
        model = AutoModelForCausalLM.from_config(config, dtype=precision, attn_implementation="sdpa").to(device).eval()
        batch_of_equals(model, device, 1, int(prompt), 8)
        rows = [batch_of_equals(model, device, int(batch), int(prompt), int(answer)) for batch in batches]
    print(json.dumps({"rows": rows}))


main()
