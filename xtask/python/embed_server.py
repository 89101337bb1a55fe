"""Embeddings by HTTP as one writes it with FastAPI: each request is a run of its own.

Usage: embed_server.py FOLDER THREADS; it says its address on standard error.
"""

import socket
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer


class Request(BaseModel):
    input: str | list[str]


def application(folder, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    app = FastAPI()

    @app.post("/v1/embeddings")
    def embeddings(request: Request):
        texts = [request.input] if isinstance(request.input, str) else request.input
        encoded = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        (hidden,) = session.run(
            ["last_hidden_state"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )
        weights = mask[..., None].astype(np.float32)
        vectors = (hidden * weights).sum(1) / weights.sum(1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        data = [{"object": "embedding", "index": at, "embedding": one.tolist()} for at, one in enumerate(vectors)]
        used = int(mask.sum())
        return {"object": "list", "data": data, "model": "peer", "usage": {"prompt_tokens": used, "total_tokens": used}}

    return app


def main():
    folder, threads = sys.argv[1:]
    server = socket.create_server(("127.0.0.1", 0))
    print(f"serving at http://127.0.0.1:{server.getsockname()[1]} now", file=sys.stderr, flush=True)
    uvicorn.run(application(folder, int(threads)), fd=server.fileno(), log_level="error")


main()
