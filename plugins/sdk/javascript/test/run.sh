#!/usr/bin/env bash
# Tests the packed package in a project of its own: run.sh FOLDER, where pack.sh put it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="$(cd "$1" && pwd)"
work="$folder/work/javascript/test"
exec 9>"$folder/javascript.lock"
flock 9
mkdir -p "$work"
cd "$work"
cp "$folder"/llmhost-plugin-*.tgz llmhost-plugin.tgz
cp "$here"/{host.js,sdk.test.js,provider.test.js} .
cat >package.json <<'END'
{
  "private": true,
  "type": "module",
  "dependencies": { "llmhost-plugin": "file:llmhost-plugin.tgz", "typescript": "7.0.2", "zod": "4.6.7" }
}
END
# The same name and version may be another package by now.
if ! cmp --silent llmhost-plugin.tgz installed.tgz; then
    rm -rf node_modules
    npm install --silent --no-audit --no-fund --no-package-lock
    cp llmhost-plugin.tgz installed.tgz
fi
NAMES="$here/../../names.json" node --import ./host.js --test --test-reporter=spec sdk.test.js provider.test.js
