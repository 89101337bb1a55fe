#!/usr/bin/env bash
# Puts the WIT that a plugin needs into one folder, as the other languages' tools want it:
# wit.sh FOLDER WORLD.wit
set -euo pipefail
wit="$(cd "$(dirname "${BASH_SOURCE[0]}")/../../wit" && pwd)"
rm -rf "$1"
mkdir -p "$1/deps"
cp "$2" "$1/world.wit"
cp -R "$wit/plugin/0.1.0" "$1/deps/plugin"
cp -R "$wit/aws/0.1.0" "$1/deps/aws"
cp -R "$wit/kubernetes/0.1.0" "$1/deps/kubernetes"
cp -R "$wit/inference/0.1.0" "$1/deps/inference"
