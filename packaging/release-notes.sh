#!/usr/bin/env bash
# Prints the section of CHANGELOG.md for a version.
set -euo pipefail
version="${1:?such as 0.1.0}"
notes="$(awk -v head="## $version" '
    $0 == head || index($0, head " ") == 1 { inside = 1; next }
    /^## / { inside = 0 }
    inside' "$(dirname "$0")/../CHANGELOG.md")"
if [ -z "${notes//[[:space:]]/}" ]; then
    echo "CHANGELOG.md has no section '## $version'" >&2
    exit 1
fi
printf '%s\n' "$notes"
