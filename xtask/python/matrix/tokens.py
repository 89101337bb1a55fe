"""A tokenizer with few tokens, and the prompts."""

import string

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
VOCABULARY = 320
CORPUS = [
    "The quick brown fox jumps over the lazy dog. What is the capital of France? Paris is.",
    "A cluster has nodes, a node runs pods, and a pod holds containers. The queue is empty.",
    "Grüße aus München, ça va? 日本語のテキスト 你好，世界 🙂🎉",
    string.ascii_letters + string.digits + string.punctuation,
]
# Around the lengths at which graphs and engines change their ways: one, a block, a chunk, a window, a limit.
LENGTHS = [1, 2, 3, 7, 15, 16, 17, 40, 64, 100, 128, 200, 300]
ANSWER = 24


def tokenizer(limit, around=True, types=False):
    """A byte-level BPE; `around` puts <s> and </s> around texts and pairs, as encoders have it; `types` numbers a pair's texts."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        CORPUS * 4,
        trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    if around:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    names = dict(pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>", mask_token="<mask>")
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if types else ["input_ids", "attention_mask"]
    settings = dict(cls_token="<s>", sep_token="</s>", model_max_length=limit, padding_side="right", model_input_names=inputs)
    return PreTrainedTokenizerFast(tokenizer_object=made, **settings, **names)


def prompts():
    """Lists of tokens, none of them special, each of another length."""
    state, all_of_them = 12345, []
    for length in LENGTHS:
        prompt = []
        for _ in range(length):
            state = (state * 1_664_525 + 1_013_904_223) % 2**32
            prompt.append(5 + (state >> 16) % 300)
        all_of_them.append(prompt)
    return all_of_them
