#!/usr/bin/env bash
# Builds the plugin, or another in Go: build.sh OUT.wasm [MAIN.go]. Does nothing where OUT.wasm is newer than its sources. Outside of
# this repository, with the unpacked module beside go.mod, it is
#     go tool llmhost-build -o logs.wasm
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
plugin="$(realpath "${2:-$here/main.go}")"
work="$(dirname "$out")/go"
packages="${CARGO_TARGET_DIR:-$here/../../../target}/sdks"
mkdir -p "$work"
bash "$here/../../sdk/go/pack.sh" "$packages"
package="$(echo "$packages"/llmhost-plugin-go-*.tar.gz)"
if [ -f "$out" ] && [ -z "$(find "$here" "$plugin" "$package" -newer "$out" -type f -print -quit)" ]; then
    exit 0
fi
# One at a time: they share what is unpacked.
exec 9>"$work/lock"
flock 9
rm -rf "$work"/llmhost-plugin-go-*
tar -xzf "$package" -C "$work"
cp "$here/go.mod" "$work"
cp "$plugin" "$work/main.go"
cd "$work"
go tool llmhost-build -o "$out"
