#!/usr/bin/env bash
# Packs the package: pack.sh FOLDER writes llmhost_plugin-VERSION-py3-none-any.whl. Does nothing where it is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
wit="$(cd "$here/../../../wit" && pwd)"
# One at a time: they share what is installed.
exec 9>"$folder/python.lock"
flock 9
packed="$(find "$folder" -maxdepth 1 -name 'llmhost_plugin-*.whl' -print -quit)"
if [ -n "$packed" ] && [ -z "$(find "$here" "$wit" -newer "$packed" -type f -not -path '*/test/*' -not -path '*/__pycache__/*' -print -quit)" ]; then
    exit 0
fi
rm -f "$folder"/llmhost_plugin-*.whl
work="$folder/work/python"
mkdir -p "$work"
tools="$work/tools"
[ -x "$tools/bin/python" ] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/tools.txt"
rm -rf "$work/package"
mkdir "$work/package"
cp -R "$here"/{pyproject.toml,README.md,llmhost_plugin,llmhost_plugin_build} "$here/../../../LICENSE" "$work/package"
find "$work/package" -name __pycache__ -prune -exec rm -rf {} +
mkdir "$work/package/llmhost_plugin_build/wit"
for package in "$wit"/*/0.2.0; do
    cp -R "$package" "$work/package/llmhost_plugin_build/wit/$(basename "$(dirname "$package")")"
done
(cd "$work/package" && "$tools/bin/python" -B -c 'from pathlib import Path; from llmhost_plugin_build import interfaces
interfaces.write_all(Path("llmhost_plugin"))')
"$tools/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$folder" "$work/package"
chmod a+r "$folder"/llmhost_plugin-*.whl
