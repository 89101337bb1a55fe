#!/usr/bin/env bash
# Writes the comment in the file $1 on pull request $NUMBER, over the comment of the last plan of $PIPELINE where there is one.
set -euo pipefail
comment="${1:?the file of the comment}"
: "${NUMBER:?the number of the pull request}" "${PIPELINE:?}" "${GITHUB_REPOSITORY:?}"
mark="<!-- llmhost plan $PIPELINE -->"
before="$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments" \
    --jq ".[] | select(.body | startswith($(jq --null-input --arg mark "$mark" '$mark'))) | .id" | head --lines 1)"
if [ -n "$before" ]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$before" --field "body=@$comment" > /dev/null
else
    gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments" --field "body=@$comment" > /dev/null
fi
