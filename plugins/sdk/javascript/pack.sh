#!/usr/bin/env bash
# Packs the package: pack.sh FOLDER writes llmhost-plugin-VERSION.tgz. Does nothing where it is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
root="$(cd "$here/../../.." && pwd)"
wit="$root/wit"
command -v npm >/dev/null || { echo "this package is made with Node.js; install nodejs and npm" >&2; exit 1; }
# One at a time: they share what is installed.
exec 9>"$folder/javascript.lock"
flock 9
packed="$(find "$folder" -maxdepth 1 -name 'llmhost-plugin-*.tgz' -print -quit)"
if [ -n "$packed" ] && [ -z "$(find "$here" "$wit" "$root/host/authoring/src/bindings" -newer "$packed" -type f -not -path '*/test/*' -print -quit)" ]; then
    exit 0
fi
rm -f "$folder"/llmhost-plugin-*.tgz
work="$folder/work/javascript"
rm -rf "$work/package"
mkdir -p "$work/package"
cp -R "$here"/{package.json,tsconfig.json,README.md,src,build} "$root/LICENSE" "$work/package"
mkdir "$work/package/wit"
for package in "$wit"/*/0.2.0; do
    cp -R "$package" "$work/package/wit/$(basename "$(dirname "$package")")"
done
cargo run --quiet --locked --manifest-path "$root/Cargo.toml" --package llmhost-authoring --example interfaces -- javascript "$work/package"
(cd "$work/package" && npm pack --silent --pack-destination "$folder" >/dev/null)
