"""Decoders of public architectures, with few and small layers."""

from dataclasses import dataclass, field

import torch
import transformers

from matrix.tokens import VOCABULARY

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=1024,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
OLDER = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2)
GEMMA = dict(head_dim=16, sliding_window=48, query_pre_attn_scalar=16)
# Factors for a head of 16 numbers; the long ones hold from 128 tokens on.
LONGROPE = dict(type="longrope", short_factor=[1.0 + at / 16 for at in range(8)], long_factor=[2.0 + at for at in range(8)])
LLAMA_31 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=128)


@dataclass
class Architecture:
    """A class of transformers' configurations, and the values that differ from its defaults."""

    config: str
    values: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=lambda: SIZES)
    # Length of a text at which all of it is read with other factors: transformers' `generate` drops its cache there.
    again: int = 0


ARCHITECTURES = {
    "llama": Architecture("Llama"),
    "llama-3.1": Architecture("Llama", dict(rope_scaling=LLAMA_31, tie_word_embeddings=True)),
    "qwen2": Architecture("Qwen2"),
    "qwen3": Architecture("Qwen3", dict(head_dim=16)),
    "mistral": Architecture("Mistral", dict(sliding_window=None)),
    "mistral-window": Architecture("Mistral", dict(sliding_window=48)),
    "phi": Architecture("Phi", dict(num_attention_heads=2, num_key_value_heads=2, partial_rotary_factor=0.5)),
    "phi3": Architecture("Phi3", dict(original_max_position_embeddings=1024, sliding_window=None)),
    "phi3-longrope": Architecture("Phi3", dict(original_max_position_embeddings=128, rope_scaling=LONGROPE, sliding_window=None), again=129),
    "gemma": Architecture("Gemma", dict(head_dim=16)),
    "gemma2": Architecture("Gemma2", GEMMA),
    "gemma2-wide-window": Architecture("Gemma2", {**GEMMA, "sliding_window": 700}),
    "gemma3": Architecture("Gemma3Text", {**GEMMA, "sliding_window_pattern": 2}),
    "granite": Architecture("Granite", dict(embedding_multiplier=6.0, attention_multiplier=0.25, residual_multiplier=0.5, logits_scaling=4.0)),
    "smollm3": Architecture("SmolLM3", dict(no_rope_layer_interval=2)),
    "olmo": Architecture("Olmo"),
    "olmo2": Architecture("Olmo2"),
    "stablelm": Architecture("StableLm", dict(partial_rotary_factor=0.25)),
    "cohere": Architecture("Cohere"),
    "helium": Architecture("Helium", dict(head_dim=16)),
    "nemotron": Architecture("Nemotron", dict(num_attention_heads=2, num_key_value_heads=1)),
    "gpt2": Architecture("GPT2", dict(n_embd=64, n_layer=3, n_head=4, n_positions=1024), OLDER),
    "gpt-neo": Architecture("GPTNeo", dict(hidden_size=64, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=48, max_position_embeddings=1024), OLDER),
    "gpt-neox": Architecture("GPTNeoX", dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=1024), OLDER),
    "gptj": Architecture("GPTJ", dict(n_embd=64, n_layer=3, n_head=4, rotary_dim=8, n_positions=1024), OLDER),
    "opt": Architecture("OPT", dict(hidden_size=64, ffn_dim=128, num_hidden_layers=3, num_attention_heads=4, word_embed_proj_dim=64, max_position_embeddings=1024, pad_token_id=0), OLDER),
    "bloom": Architecture("Bloom", dict(hidden_size=64, n_layer=3, n_head=4), OLDER),
    "falcon": Architecture("Falcon", dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, new_decoder_architecture=False), OLDER),
    "starcoder": Architecture("GPTBigCode", dict(n_embd=64, n_layer=3, n_head=4, n_positions=1024), OLDER),
}  # fmt: skip


def model(name):
    """The model with random weights, wide enough that each layer changes what comes next."""
    found = ARCHITECTURES[name]
    config = getattr(transformers, f"{found.config}Config")(**{**found.sizes, **found.values})
    torch.manual_seed(list(ARCHITECTURES).index(name) + 1)
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, 2.0 * weight.shape[-1] ** -0.5)
            else:
                weight.add_(torch.randn_like(weight) * 0.05)
    return made
