#!/usr/bin/env bash
# Installs the release $VERSION of llmhost for this machine, after checking its digest.
set -euo pipefail
: "${VERSION:?such as v0.1.0}"
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) target=x86_64-unknown-linux-gnu ;;
    Linux-aarch64) target=aarch64-unknown-linux-gnu ;;
    *) echo "there is no release of llmhost for $(uname -s) on $(uname -m); build it from source" >&2; exit 1 ;;
esac
repository="${LLMHOST_REPOSITORY:-${GITHUB_ACTION_REPOSITORY:?the repository with the releases}}"
name="llmhost-${VERSION#v}-$target.tar.gz"
base="${LLMHOST_RELEASES:-https://github.com/$repository/releases/download}/$VERSION"
folder="$(mktemp -d)"
for file in "$name" "$name.sha256"; do
    curl --fail --silent --show-error --location --retry 3 --output "$folder/$file" "$base/$file"
done
(cd "$folder" && sha256sum --check --quiet "$name.sha256")
into="${LLMHOST_INTO:-$HOME/.local/bin}"
mkdir -p "$into"
tar --extract --gzip --file "$folder/$name" --directory "$folder"
install -m 755 "$folder/${name%.tar.gz}/llmhost" "$into/llmhost"
echo "$into" >> "${GITHUB_PATH:-/dev/null}"
"$into/llmhost" --version
