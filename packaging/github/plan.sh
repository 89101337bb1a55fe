#!/usr/bin/env bash
# Plans $PIPELINE and writes the text of the comment. Outputs for the action go to $GITHUB_OUTPUT.
set -euo pipefail
: "${PIPELINE:?the pipeline file}"
folder="${RUNNER_TEMP:-$(mktemp -d)}/llmhost"
mkdir -p "$folder"
plan="$folder/plan.bin" shown="$folder/plan.txt" graph="$folder/plan.mmd" comment="$folder/comment.md"
rm -f "$plan" "$graph"

status=0
# The arguments are words; quotes in them are not read.
# shellcheck disable=SC2086
NO_COLOR=1 llmhost run "$PIPELINE" --dry-run --exit-code --out "$plan" --graph "$graph" ${ARGUMENTS:-} \
    > "$shown" 2>&1 || status=$?
cat "$shown"

# GitHub takes 65,536 characters in a comment; its pictures of graphs take fewer.
most_text=40000 most_graph=15000
cut_to() { # FILE MOST
    head --bytes "$2" "$1"
    if [ "$(wc --bytes < "$1")" -gt "$2" ]; then printf '\n… (shortened; the log of the job has the whole plan)\n'; fi
}
{
    printf '<!-- llmhost plan %s -->\n' "$PIPELINE"
    case $status in
        0) printf '### llmhost: no changes in `%s`\n' "$PIPELINE" ;;
        3) printf '### llmhost: plan for `%s`\n\n' "$PIPELINE"
           grep --max-count 1 '^Plan:' "$shown" || true ;;
        *) printf '### llmhost: planning `%s` failed\n' "$PIPELINE" ;;
    esac
    if [ "$status" = 3 ] && [ -s "$graph" ] && [ "$(wc --bytes < "$graph")" -le "$most_graph" ]; then
        printf '\n```mermaid\n'; cat "$graph"; printf '\n```\n'
    fi
    printf '\n<details%s><summary>Output</summary>\n\n```text\n' "$([ "$status" = 0 ] || [ "$status" = 3 ] || echo ' open')"
    cut_to "$shown" "$most_text" | sed 's/```/` ` `/g'
    printf '```\n\n</details>\n'
} > "$comment"

{
    echo "comment=$comment"
    echo "plan=$plan"
    echo "changes=$([ "$status" = 3 ] && echo true || echo false)"
} >> "${GITHUB_OUTPUT:-/dev/null}"
case $status in 0 | 3) ;; *) exit "$status" ;; esac
