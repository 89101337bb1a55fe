"""Usage: python -m templates FOLDER

Writes the chat templates that two packages carry into FOLDER: PACKAGE.NAME.jinja each.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

# Name and version, the SHA-256 of the file, and where the templates are in it.
PACKAGES = [
    ("axolotl", "0.19.0", "f28eb3ad3709975eec4adfe13307dd980c7e7917cc43cb03f2c6f26c007135cc", "axolotl/utils/chat_templates/templates"),
    (
        "llama-cpp-python",
        "0.3.36",
        "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
        "llama_cpp_python-0.3.36/vendor/llama.cpp/models/templates",
    ),
]


def fetch(name, version, sha256, to):
    """The package's file. pip checks the sum before it opens the file."""
    wanted = Path(to) / "wanted.txt"
    wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--dest", to, "--requirement", wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"cannot fetch the package {name}; check the connection to the package index: {done.stderr.strip()[-500:]}")
    return next(path for path in Path(to).iterdir() if path != wanted)


def members(path):
    """Name and content of each template in the file."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.endswith(".jinja"):
                    yield PurePosixPath(name), wheel.read(name)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".jinja"):
                yield PurePosixPath(member.name), archive.extractfile(member).read()


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, version, sha256, where in PACKAGES:
        with tempfile.TemporaryDirectory() as to:
            for path, content in members(fetch(name, version, sha256, to)):
                if path.parent == PurePosixPath(where):
                    (folder / f"{name}.{path.name}").write_bytes(content)


main()
