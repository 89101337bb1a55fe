#!/usr/bin/env bash
# Builds the plugin: build.sh OUT.wasm. Does nothing where OUT.wasm is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
if [ -f "$out" ] && [ -z "$(find "$here" "$here/../../../wit" -newer "$out" -type f -not -path '*/node_modules/*' -print -quit)" ]; then
    exit 0
fi
command -v npm >/dev/null || { echo "this example is built with Node.js; install nodejs and npm" >&2; exit 1; }
work="$(dirname "$out")/javascript"
mkdir -p "$work"
cp "$here"/{plugin.js,build.mjs,package.json,package-lock.json} "$work"
bash "$here/../wit.sh" "$work/wit" "$here/world.wit"
cd "$work"
# Not `npm ci`: it refuses a lock file without download addresses.
npm install --silent --no-audit --no-fund
node build.mjs wit "$out.new"
mv "$out.new" "$out"
