#!/usr/bin/env bash
# Tests the packed module: run.sh FOLDER, where pack.sh put it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$(cd "$1" && pwd)"
work="$folder/work/go/test"
exec 9>"$folder/go.lock"
flock 9
rm -rf "$work"
mkdir -p "$work"
tar -xzf "$folder"/llmhost-plugin-go-*.tar.gz -C "$work" --strip-components 1
(cd "$here/.." && find . -name '*_test.go' -exec cp --parents {} "$work" ';')
cd "$work"
# The bindings make addresses of the host's numbers, which vet warns of.
NAMES="$here/../../names.json" GOFLAGS=-mod=mod go test -vet=off ./...
