"""Makes the files beside this one: python make.py FOLDER-WITH-A-TOKENIZER

A random Phi-3 with two sets of rotary factors, written by onnxruntime-genai's builder, and greedy answers of transformers (the
whole text for each token) and of onnxruntime-genai. Made with onnxruntime-genai 0.18, transformers 5.24 and torch. The end of a
text is never chosen. Where an answer comes to the 33rd token genai keeps the keys of the other side: it reads a text again
only at 4,097 tokens, the threshold of the published models.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime_genai as genai
import torch
from transformers import Phi3Config, Phi3ForCausalLM

PROMPTS, COUNT, END = [1, 5, 15, 16, 17, 31, 32, 33, 47, 64, 100, 200, 290], 24, 2


def tokens(seed, count):
    """As in common/mod.rs."""
    state, drawn = (seed * 2654435761 + 12345) % 2**32, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        drawn.append(3 + (state >> 16) % 250)
    return drawn


def by_genai(model, prompt):
    settings = genai.GeneratorParams(model)
    settings.set_search_options(max_length=len(prompt) + COUNT, min_length=len(prompt) + COUNT, do_sample=False)
    generator = genai.Generator(model, settings)
    generator.append_tokens(np.array([prompt], np.int32))
    answer = []
    while len(answer) < COUNT:
        generator.generate_next_token()
        answer.append(int(generator.get_next_tokens()[0]))
    return answer


@torch.no_grad()
def by_transformers(model, prompt):
    text = list(prompt)
    for _ in range(COUNT):
        logits = model(torch.tensor([text]), use_cache=False).logits[0, -1].clone()
        logits[END] = -1e9
        text.append(int(logits.argmax()))
    return text[len(prompt) :]


here = Path(__file__).parent
torch.manual_seed(3)
scaling = {"type": "longrope", "rope_type": "longrope", "rope_theta": 10000.0}
scaling |= {"short_factor": [1 + 0.05 * at for at in range(8)], "long_factor": [1 + 0.9 * at for at in range(8)]}
sizes = {"vocab_size": 384, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
limits = {"max_position_embeddings": 320, "original_max_position_embeddings": 32, "sliding_window": None}
config = Phi3Config(**sizes, **limits, rope_theta=10000.0, rope_scaling=scaling, pad_token_id=0, bos_token_id=1, eos_token_id=END)
model = Phi3ForCausalLM(config).eval()
for name, weight in model.named_parameters():
    if "norm" not in name:
        weight.data.normal_(0, 0.3 if "embed" in name else 3 * weight.shape[-1] ** -0.5)
with tempfile.TemporaryDirectory() as scratch:
    source, made = Path(scratch, "source"), Path(scratch, "made")
    model.save_pretrained(source)
    model = Phi3ForCausalLM.from_pretrained(source).eval()
    for file in Path(sys.argv[1]).glob("tokenizer*.json"):
        shutil.copy(file, source)
    builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", made, "-p", "fp32", "-e", "cpu", "-c", scratch]
    subprocess.run(builder, check=True)
    for name in ("model.onnx", "model.onnx.data", "genai_config.json"):
        shutil.copy(made / name, here)
    exported = genai.Model(str(made))
    answers = []
    for seed, length in enumerate(PROMPTS):
        prompt = tokens(seed, length)
        answers.append({"prompt": length, "transformers": by_transformers(model, prompt), "genai": by_genai(exported, prompt)})
(here / "answers.json").write_text("[\n" + ",\n".join(map(json.dumps, answers)) + "\n]\n")
