"""Encoders as sentence-transformers saves them, with the vectors and scores that it computes."""

import json
import shutil
import sys
from dataclasses import dataclass, field

import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

from matrix.export import last_line, quiet
from matrix.tokens import CORPUS, VOCABULARY, tokenizer

# The one but last is longer than any model's limit. None begins or ends with a space: sentence-transformers took those
# away before version 6, and takes none away since.
TEXTS = [*CORPUS, "a", "Hello World", "What is a node?", "The queue is EMPTY.", " ".join(CORPUS), "emoji 🙂 and 日本語"]
PAIRS = [("What is a node?", text) for text in TEXTS if len(text) < 90] + [("", "a"), ("a  b", " c ")]
PROMPTS = {"query": "Instruct: find\nQuery: ", "passage": "passage: "}
SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
# Models of RoBERTa's kind count positions from the padding token.
AFTER_PAD = {**SIZES, "max_position_embeddings": 130}
# Those that tell a pair's first text from its second by more than its place.
TYPED = ["Bert", "Albert", "Electra"]


@dataclass
class Encoder:
    """A class of transformers' configurations, and the modules behind the transformer."""

    config: str
    # One of Pooling's modes, or several joined by a plus sign.
    pooling: str
    normalize: bool = False
    dense: bool = False
    whole: bool = False
    limit: int = 128
    lower_case: bool = False
    prompts: dict = field(default_factory=dict)
    default: str | None = None
    sizes: dict = field(default_factory=lambda: SIZES)


ENCODERS = {
    "bert-cls": Encoder("Bert", "cls"),
    "bert-mean": Encoder("Bert", "mean", normalize=True),
    "bert-max": Encoder("Bert", "max"),
    "bert-mean-sqrt": Encoder("Bert", "mean_sqrt_len_tokens"),
    "bert-weightedmean": Encoder("Bert", "weightedmean", normalize=True),
    "bert-last": Encoder("Bert", "lasttoken"),
    "bert-cls-and-mean": Encoder("Bert", "cls_token+mean_tokens", normalize=True),
    "bert-lower-case": Encoder("Bert", "mean", lower_case=True),
    "bert-32-tokens": Encoder("Bert", "mean", limit=32),
    "bert-dense": Encoder("Bert", "mean", dense=True, normalize=True),
    "bert-dense-in-graph": Encoder("Bert", "mean", dense=True, normalize=True, whole=True),
    "roberta": Encoder("Roberta", "mean", sizes=AFTER_PAD),
    "mpnet": Encoder("MPNet", "mean", normalize=True, sizes=AFTER_PAD),
    "distilbert": Encoder("DistilBert", "cls", normalize=True, sizes=dict(vocab_size=VOCABULARY, dim=32, hidden_dim=64, n_layers=2, n_heads=4, max_position_embeddings=128, pad_token_id=0)),
    "modernbert": Encoder("ModernBert", "cls", sizes={**SIZES, "num_hidden_layers": 4, "local_attention": 32, "global_attn_every_n_layers": 2, "cls_token_id": 1, "sep_token_id": 2}),
    "xlm-roberta": Encoder("XLMRoberta", "cls", normalize=True, prompts=PROMPTS, default="passage", sizes=AFTER_PAD),
    "albert": Encoder("Albert", "mean", sizes={**SIZES, "embedding_size": 16}),
    "electra": Encoder("Electra", "mean", sizes={**SIZES, "embedding_size": 16}),
    "qwen3-embedding": Encoder("Qwen3", "lasttoken", normalize=True, prompts=PROMPTS, sizes={**SIZES, "num_key_value_heads": 2, "head_dim": 8}),
}  # fmt: skip
CROSS = {"cross-bert": ("Bert", SIZES), "cross-roberta": ("Roberta", AFTER_PAD), "cross-distilbert": ("DistilBert", ENCODERS["distilbert"].sizes)}


def random(made, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(0.0, 1.5 * weight.shape[-1] ** -0.5) if weight.dim() > 1 else weight.add_(torch.randn_like(weight) * 0.05)
    return made.eval()


def sentences(name, folder):
    """Saves a model, and gives what is expected of it."""
    from optimum.exporters.onnx import main_export

    one = ENCODERS[name]
    config = getattr(transformers, f"{one.config}Config")(**one.sizes)
    body = folder / "body"
    random(transformers.AutoModel.from_config(config), list(ENCODERS).index(name)).save_pretrained(body)
    tokenizer(one.limit, types=one.config in TYPED).save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=one.limit, do_lower_case=one.lower_case)
    joined = {f"pooling_mode_{mode}": True for mode in one.pooling.split("+")} if "+" in one.pooling else {"pooling_mode": one.pooling}
    modules = [transformer, Pooling(transformer.get_word_embedding_dimension(), **joined)]
    if one.dense:
        modules.append(random(Dense(modules[-1].get_sentence_embedding_dimension(), 24), 99))
    modules += [Normalize()] if one.normalize else []
    model = SentenceTransformer(modules=modules, prompts=one.prompts, default_prompt_name=one.default, device="cpu")
    model.save(str(folder))
    shutil.rmtree(body)
    if one.whole:
        main_export(str(folder), folder, task="feature-extraction", do_validation=False, library_name="sentence_transformers")
    else:
        main_export(str(folder), folder, task="feature-extraction", do_validation=False, library_name="transformers")
    cases = [{"prompt": prompt, "vectors": model.encode(TEXTS, prompt_name=prompt).tolist()} for prompt in [None, *one.prompts]]
    return {"texts": TEXTS, "cases": cases}


def pairs(name, folder):
    from optimum.exporters.onnx import main_export

    kind, sizes = CROSS[name]
    config = getattr(transformers, f"{kind}Config")(**sizes, num_labels=1)
    random(transformers.AutoModelForSequenceClassification.from_config(config), 7).save_pretrained(folder)
    tokenizer(128, types=kind in TYPED).save_pretrained(folder)
    model = CrossEncoder(str(folder), device="cpu")
    model.save_pretrained(str(folder))
    main_export(str(folder), folder, task="text-classification", do_validation=False, library_name="transformers")
    return {"pairs": PAIRS, "scores": model.predict(PAIRS).tolist()}


def encoders(out, wanted):
    for make, names in [(sentences, ENCODERS), (pairs, CROSS)]:
        for name in filter(wanted, names):
            folder = out / "encoders" / name
            if (folder / "expected.json").is_file():
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                with quiet():
                    told = make(name, folder)
            except Exception as error:
                told = {"no_folder": last_line(error)}
            (folder / "expected.json").write_text(json.dumps(told))
            print(name, told.get("no_folder", "made"), file=sys.stderr, flush=True)
