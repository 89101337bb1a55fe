"""A model's folder: what is written, and what says that it is whole."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import onnx
from onnx.external_data_helper import convert_model_to_external_data

MANIFEST = "manifest.json"


def write(folder, files, model, external=False):
    """Writes the model and `files` (a text, or something that becomes JSON, by its path); the manifest last."""
    folder = Path(folder)
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    if external:
        # Beside the graph, so that they can be mapped into memory.
        convert_model_to_external_data(model, location="model.onnx.data", size_threshold=1024)
    onnx.save(model, str(draft / "model.onnx"))
    for name, content in files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    listed = [described(draft, path) for path in sorted(draft.rglob("*")) if path.is_file()]
    (draft / MANIFEST).write_text(json.dumps({"files": listed}, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(draft, folder)


def described(folder, path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": digest}


def is_whole(folder):
    """Whether the files that the manifest names are there, in their sizes."""
    try:
        listed = json.loads((Path(folder) / MANIFEST).read_text())["files"]
        return all((Path(folder) / one["path"]).stat().st_size == one["size"] for one in listed)
    except (OSError, ValueError, KeyError):
        return False
