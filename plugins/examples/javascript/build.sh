#!/usr/bin/env bash
# Builds the plugin, or another in JavaScript or TypeScript: build.sh OUT.wasm [PLUGIN]. Does nothing where OUT.wasm is newer than its
# sources. Outside of this repository, with the package beside package.json, it is
#     npm install && npx llmhost-build plugin.js -o logs.wasm
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$(realpath -m "$1")"
plugin="$(realpath "${2:-$here/plugin.js}")"
work="$(dirname "$out")/javascript"
packages="${CARGO_TARGET_DIR:-$here/../../../target}/sdks"
mkdir -p "$work"
bash "$here/../../sdk/javascript/pack.sh" "$packages"
package="$(echo "$packages"/llmhost-plugin-*.tgz)"
if [ -f "$out" ] && [ -z "$(find "$here" "$plugin" "$package" -newer "$out" -type f -print -quit)" ]; then
    exit 0
fi
# One at a time: they share what is installed.
exec 9>"$work/lock"
flock 9
# The same name and version may be another package by now.
if ! cmp --silent "$package" "$work/installed.tgz" || ! cmp --silent "$here/package.json" "$work/package.json"; then
    rm -rf "$work/node_modules"
    cp "$here/package.json" "$package" "$work"
    (cd "$work" && npm install --silent --no-audit --no-fund --no-package-lock)
    cp "$package" "$work/installed.tgz"
fi
cp "$plugin" "$work"
cd "$work"
npx --no-install llmhost-build "$(basename "$plugin")" -o "$out"
