#!/usr/bin/env bash
# Packs the crate: pack.sh FOLDER writes llmhost-plugin-VERSION.crate. Does nothing where it is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
exec 9>"$folder/rust.lock"
flock 9
packed="$(find "$folder" -maxdepth 1 -name 'llmhost-plugin-*.crate' -print -quit)"
if [ -n "$packed" ] && [ -z "$(find -L "$here" "$here/../../Cargo.toml" "$here/../../Cargo.lock" -newer "$packed" -type f -print -quit)" ]; then
    exit 0
fi
rm -f "$folder"/llmhost-plugin-*.crate
work="$folder/work/rust"
# The tests build a plugin with what was packed; building it here too would take a minute.
cargo package --quiet --no-verify --allow-dirty --locked --manifest-path "$here/Cargo.toml" --target-dir "$work"
cp "$work"/package/llmhost-plugin-*.crate "$folder"
