"""Tiny random models, for tests: the same graphs as the real ones, in a few hundred kilobytes."""

import json

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from export import decoder, encoder, folder, text

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = 384


def random_weights(seed, shapes):
    """Weights by name: drawn from the seed and the name, whatever the order they are asked for."""

    def weight(name):
        sizes = shapes(name)
        if name.endswith("norm") or "LayerNorm.weight" in name:
            return np.ones(sizes, np.float32)
        draw = np.random.default_rng([seed, *name.encode()])
        # Wide enough that each layer changes what comes next: a model that repeats itself tests little.
        spread = 0.3 if "embd" in name or "embeddings" in name else 3 * sizes[-1] ** -0.5
        return (draw.standard_normal(sizes) * spread).astype(np.float32)

    return weight


def tokenizer():
    """A byte-level BPE with few merges, so that characters are split over several tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(text.CORPUS * 4, trainer)
    read = json.loads(made.to_str())
    tokens = [token for token, _ in sorted(read["model"]["vocab"].items(), key=lambda one: one[1])]
    return tokens, text.byte_level(tokens, read["model"]["merges"], range(len(SPECIAL)))


def write_decoder(to, layout, seed=7, floats="fp32", switch=None, wide=False):
    tokens, made = tokenizer()
    # Wide: a token takes 4 KiB of the cache, so that a few thousand are seen in the memory that a process has.
    sizes = {"layers": 1, "hidden": 512, "kv_heads": 4, "context": 4096} if wide else {"layers": 2, "hidden": 64, "kv_heads": 2, "context": 512}
    shape = decoder.Shape(inner=128, heads=4, vocabulary=len(tokens), theta=10000.0, epsilon=1e-5, switch=switch, **sizes)
    hidden, narrow = shape.hidden, shape.head * shape.kv_heads
    rows = {"attn_q": hidden, "attn_k": narrow, "attn_v": narrow, "attn_output": hidden, "ffn_gate": 128, "ffn_up": 128, "ffn_down": hidden}

    def shapes(name):
        kind = name.split(".")[-1]
        if kind.endswith("norm"):
            return (hidden,)
        return (len(tokens), hidden) if kind == "token_embd" else (rows[kind], 128 if kind == "ffn_down" else hidden)

    model = decoder.build(shape, random_weights(seed, shapes), layout=layout, floats=floats)
    template = text.CHAT_TEMPLATE
    files = {"tokenizer.json": made, **text.beside(shape, tokens, 1, 2, template, f"tiny-{layout}")}
    folder.write(to, files, model)


def write_encoder(to, seed=11):
    tokens, made = tokenizer()
    shape = encoder.Shape(layers=2, hidden=32, inner=64, heads=4, epsilon=1e-12)

    def shapes(name):
        if name.endswith(("LayerNorm.weight", "LayerNorm.bias")):
            return (32,)
        if "embeddings" in name:
            return {"word": (len(tokens), 32), "position": (128, 32), "token": (2, 32)}[name.split(".")[1].split("_")[0]]
        wide = "intermediate" in name
        if name.endswith("bias"):
            return (64 if wide else 32,)
        return (64, 32) if wide else (32, 64 if name.split(".")[3] == "output" else 32)

    config = {"model_type": "bert", "hidden_size": 32, "max_position_embeddings": 128, "vocab_size": len(tokens), "pad_token_id": 0}
    pooling = {"word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    files = {"tokenizer.json": made, "config.json": config, "1_Pooling/config.json": pooling, "modules.json": MODULES}
    folder.write(to, files, encoder.build(shape, random_weights(seed, shapes)))


MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
