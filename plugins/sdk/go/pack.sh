#!/usr/bin/env bash
# Packs the module: pack.sh FOLDER writes llmhost-plugin-go-VERSION.tar.gz. Does nothing where it is newer than its sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
version=0.1.0
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
root="$(cd "$here/../../.." && pwd)"
command -v go >/dev/null || { echo "this module is made with Go 1.24 or newer; install golang" >&2; exit 1; }
# One at a time: they share what is built.
exec 9>"$folder/go.lock"
flock 9
packed="$folder/llmhost-plugin-go-$version.tar.gz"
if [ -f "$packed" ] && [ -z "$(find "$here" "$root/wit" "$root/host/authoring/src/bindings" -newer "$packed" -type f -not -path '*/test/*' -not -name '*_test.go' -print -quit)" ]; then
    exit 0
fi
rm -f "$folder"/llmhost-plugin-go-*.tar.gz
work="$folder/work/go"
name="llmhost-plugin-go-$version"
rm -rf "${work:?}/$name"
mkdir -p "$work/$name"
cp -R "$here"/{go.mod,README.md,aws,http,internal,llmhost-build,provider,resource} "$here"/{names,plugin,tags}.go "$root/LICENSE" "$work/$name"
find "$work/$name" -name '*_test.go' -delete
cargo run --quiet --locked --manifest-path "$root/Cargo.toml" --package llmhost-authoring --example interfaces -- go "$work/$name"
gofmt -w "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$packed.new" "$name"
mv "$packed.new" "$packed"
