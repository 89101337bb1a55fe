#!/usr/bin/env bash
# Builds the plugin: build.sh OUT.wasm. Does nothing where OUT.wasm is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
if [ -f "$out" ] && [ -z "$(find "$here" "$here/../../../wit" -newer "$out" -type f -print -quit)" ]; then
    exit 0
fi
work="$(dirname "$out")/python"
mkdir -p "$work"
cp "$here/plugin.py" "$work/plugin.py"
bash "$here/../wit.sh" "$work/wit" "$here/world.wit"
cd "$work"
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
# --stub-wasi: whatever of WASI the Python runtime wants is answered inside the component.
venv/bin/componentize-py -d wit -w bucket componentize plugin --stub-wasi -o "$out.new" >/dev/null
mv "$out.new" "$out"
