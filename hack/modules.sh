#!/usr/bin/env bash
# Prints the folders of the Go modules of the repository, one a line:
#
#   hack/modules.sh all    every module
#   hack/modules.sh code   those with Go code: the repository's own, and side
#                          modules for what needs more libraries than the operator
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
git ls-files --cached --others --exclude-standard -- go.mod '*/go.mod' | while read -r file; do
  if [[ ! -f "$file" ]]; then continue; fi # deleted, and not committed yet
  folder="$(dirname "$file")"
  if [[ "$1" == code && -z "$(git ls-files --cached --others --exclude-standard -- "$folder/*.go")" ]]; then continue; fi
  echo "$folder"
done
