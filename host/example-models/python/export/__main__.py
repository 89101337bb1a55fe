"""Usage: python -m export FOLDER CACHE MODEL…

Makes FOLDER/MODEL for each MODEL that is not there yet. CACHE keeps the packages that are fetched.
"""

import sys
from pathlib import Path

from export import folder, minilm, smollm2, tiny

MODELS = {
    "tiny": lambda to, _: tiny.write_decoder(to, "grouped"),
    "tiny-plain": lambda to, _: tiny.write_decoder(to, "plain"),
    "tiny-fp16": lambda to, _: tiny.write_decoder(to, "grouped", floats="fp16"),
    "tiny-bf16": lambda to, _: tiny.write_decoder(to, "grouped", floats="bf16"),
    "tiny-longrope": lambda to, _: tiny.write_decoder(to, "grouped", switch=32),
    "tiny-wide": lambda to, _: tiny.write_decoder(to, "grouped", wide=True),
    "tiny-embeddings": lambda to, _: tiny.write_encoder(to),
    "smollm2-135m-instruct-fp32": lambda to, cache: smollm2.write(to, cache),
    "smollm2-135m-instruct-fp16": lambda to, cache: smollm2.write(to, cache, floats="fp16"),
    "smollm2-135m-instruct-bf16": lambda to, cache: smollm2.write(to, cache, floats="bf16"),
    "smollm2-135m-instruct-int4": lambda to, cache: smollm2.write(to, cache, 4),
    "all-minilm-l6-v2": minilm.write,
}


def main():
    if len(sys.argv) < 4 or not set(sys.argv[3:]) <= set(MODELS):
        raise SystemExit(f"{__doc__}\nThe models are {', '.join(MODELS)}.")
    to, cache = map(Path, sys.argv[1:3])
    for name in sys.argv[3:]:
        if not folder.is_whole(to / name):
            MODELS[name](to / name, cache)
        print(to / name, flush=True)


main()
