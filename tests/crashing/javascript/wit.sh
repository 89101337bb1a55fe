#!/usr/bin/env bash
# Puts the WIT that a plugin needs into one folder, as the other languages' tools want it:
# wit.sh FOLDER WORLD.wit
set -euo pipefail
wit="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../wit" && pwd)"
rm -rf "$1"
mkdir -p "$1/deps"
cp "$2" "$1/world.wit"
# Each package as its newest version has it. `aws` was one package until its services got one each.
for package in "$wit"/*/; do
    [ "$(basename "$package")" != aws ] || continue
    newest="$(printf '%s\n' "$package"*/ | sort -V | tail -n 1)"
    cp -R "$newest" "$1/deps/$(basename "$package")"
done
