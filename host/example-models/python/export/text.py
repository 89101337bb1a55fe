"""Tokenizers and the files around them."""

import string

# As the Instruct models of this family have it.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "The quick brown fox jumps over the lazy dog. What is the capital of France? Paris is.",
    "fn main() { println!(\"{}\", 1 + 2); } for i in range(10): print(i) # code",
    "Grüße aus München, ça va? 日本語のテキスト 你好，世界 🙂🎉 👩‍👩‍👧‍👦",
    string.ascii_letters + string.digits + string.punctuation,
]


def byte_level(tokens, merges, special, digits=True):
    """tokenizer.json of a byte-level BPE, as GPT-2 has it."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    steps = [{"type": "Digits", "individual_digits": True}, level] if digits else [level]
    added = [
        {"id": at, "content": tokens[at], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for at in special
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: at for at, token in enumerate(tokens)},
            "merges": [merge.split(" ") if isinstance(merge, str) else list(merge) for merge in merges],
        },
    }


def beside(shape, tokens, begin, end, template, name):
    """config.json and the other files that say how a decoder is to be used."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "_name_or_path": name,
        "bos_token_id": begin,
        "eos_token_id": end,
        "pad_token_id": end,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "tie_word_embeddings": True,
        "vocab_size": shape.vocabulary,
        "torch_dtype": "float32",
    }
    tokenizer = {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": tokens[begin],
        "eos_token": tokens[end],
        "pad_token": tokens[end],
        "model_max_length": shape.context,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": template,
    }
    return {
        "config.json": config,
        "generation_config.json": {"_from_model_config": True, "bos_token_id": begin, "eos_token_id": end, "pad_token_id": end},
        "tokenizer_config.json": tokenizer,
        "genai_config.json": genai(shape, begin, end),
    }


def genai(shape, begin, end):
    """For onnxruntime-genai, which reads the same folder."""
    decoder = {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": "model.onnx",
        "head_size": shape.head,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "inputs": {
            "input_ids": "input_ids",
            "attention_mask": "attention_mask",
            "past_key_names": "past_key_values.%d.key",
            "past_value_names": "past_key_values.%d.value",
        },
        "outputs": {"logits": "logits", "present_key_names": "present.%d.key", "present_value_names": "present.%d.value"},
    }
    model = {
        "type": "llama",
        "bos_token_id": begin,
        "eos_token_id": end,
        "pad_token_id": end,
        "context_length": shape.context,
        "vocab_size": shape.vocabulary,
        "decoder": decoder,
    }
    search = {
        "do_sample": False,
        "max_length": shape.context,
        "min_length": 0,
        "num_beams": 1,
        "num_return_sequences": 1,
        "past_present_share_buffer": True,
        "temperature": 1.0,
        "top_k": 1,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "length_penalty": 1.0,
        "early_stopping": True,
        "diversity_penalty": 0.0,
        "no_repeat_ngram_size": 0,
    }
    return {"model": model, "search": search}
