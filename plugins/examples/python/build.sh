#!/usr/bin/env bash
# Builds the plugin, or another in Python: build.sh OUT.wasm [PLUGIN.py]. Does nothing where OUT.wasm is newer than its sources. Outside
# of this repository, in an environment of Python's own, it is
#     pip install llmhost_plugin-0.1.0-py3-none-any.whl && llmhost-build plugin.py -o logs.wasm
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
plugin="$(realpath "${2:-$here/plugin.py}")"
work="$(dirname "$out")/python"
packages="${CARGO_TARGET_DIR:-$here/../../../target}/sdks"
mkdir -p "$work"
bash "$here/../../sdk/python/pack.sh" "$packages"
package="$(echo "$packages"/llmhost_plugin-*.whl)"
if [ -f "$out" ] && [ -z "$(find "$here" "$plugin" "$package" -newer "$out" -type f -not -path '*/__pycache__/*' -print -quit)" ]; then
    exit 0
fi
# One at a time: they share what is installed.
exec 9>"$work/lock"
flock 9
# The same name and version may be another package by now.
if ! cmp --silent "$package" "$work/installed.whl"; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$package"
    cp "$package" "$work/installed.whl"
fi
"$work/venv/bin/llmhost-build" "$plugin" -o "$out"
