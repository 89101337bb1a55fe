#!/usr/bin/env bash
# Builds the plugin, or another with the same imports: build.sh OUT.wasm [PLUGIN.py]. Does nothing where OUT.wasm is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
plugin="$(realpath "${2:-$here/plugin.py}")"
if [ -f "$out" ] && [ -z "$(find "$here" "$plugin" "$here/../../../wit" -newer "$out" -type f -print -quit)" ]; then
    exit 0
fi
work="$(dirname "$out")/python"
mkdir -p "$work"
# One at a time: they share what is installed.
exec 9>"$work/lock"
flock 9
cp "$plugin" "$work/plugin.py"
bash "$here/../wit.sh" "$work/wit" "$here/world.wit"
cd "$work"
[ -x venv/bin/python ] || python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
# Not with --stub-wasi: then it has no standard error, where it says why it crashed.
venv/bin/componentize-py -d wit -w bucket componentize plugin -o "$out.new" >/dev/null
mv "$out.new" "$out"
