#!/usr/bin/env bash
# Tests the packed package in an environment of its own: run.sh FOLDER, where pack.sh put it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$(cd "$1" && pwd)"
work="$folder/work/python/test"
exec 9>"$folder/python.lock"
flock 9
mkdir -p "$work"
cd "$work"
wheel="$(find "$folder" -maxdepth 1 -name 'llmhost_plugin-*.whl' -print -quit)"
# The same name and version may be another package by now.
if ! cmp --silent "$wheel" installed.whl; then
    rm -rf venv bindings
    python3 -m venv venv
    venv/bin/pip install --quiet --disable-pip-version-check "$wheel"
    venv/bin/python -c 'from pathlib import Path; from llmhost_plugin_build import write_world; from llmhost_plugin_build.interfaces import INTERFACES
write_world(Path("wit"), ["step", "provider"], INTERFACES.values())'
    venv/bin/componentize-py -d wit -w plugin bindings bindings >/dev/null
    rm -rf wit
    cp "$wheel" installed.whl
fi
export NAMES="$here/../../names.json" PYTHONPATH=bindings PYTHONDONTWRITEBYTECODE=1
venv/bin/python "$here/test_sdk.py"
venv/bin/python "$here/test_provider.py"
