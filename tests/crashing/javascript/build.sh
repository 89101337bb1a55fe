#!/usr/bin/env bash
# Builds the plugin, or another with the same imports, with ComponentizeJS and its own bindings: build.sh OUT.wasm [PLUGIN.js]. Does
# nothing where OUT.wasm is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
plugin="$(realpath "${2:-$here/plugin.js}")"
if [ -f "$out" ] && [ -z "$(find "$here" "$plugin" "$here/../../../wit" -newer "$out" -type f -not -path '*/node_modules/*' -print -quit)" ]; then
    exit 0
fi
command -v npm >/dev/null || { echo "this plugin is built with Node.js; install nodejs and npm" >&2; exit 1; }
work="$(dirname "$out")/componentize-js"
mkdir -p "$work"
# One at a time: they share what is installed.
exec 9>"$work/lock"
flock 9
cp "$here"/{entry.js,build.mjs,package.json,package-lock.json} "$work"
cp "$plugin" "$work/plugin.js"
bash "$here/wit.sh" "$work/wit" "$here/world.wit"
cd "$work"
# Not `npm ci`: it refuses a lock file without download addresses.
npm install --silent --no-audit --no-fund
node build.mjs wit "$out.new"
mv "$out.new" "$out"
