#!/usr/bin/env bash
# Fails when something generated, formatted or required is not what the sources
# say. It compares before and after, so changes that are not committed yet are
# no difference by themselves.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=()

# fingerprint prints the name and hash of every file that git would keep.
fingerprint() {
  git ls-files --cached --others --exclude-standard -- api config charts docs | sort -u |
    while read -r file; do
      if [[ -f "$file" ]]; then printf '%s %s\n' "$(git hash-object -- "$file")" "$file"; fi
    done
}

echo "verify: formatting"
unformatted="$(git ls-files --cached --others --exclude-standard -- '*.go' | while read -r file; do
  if [[ -f "$file" ]]; then printf '%s\0' "$file"; fi
done | xargs -0 gofmt -l)"
if [[ -n "$unformatted" ]]; then
  printf 'not formatted:\n%s\n' "$unformatted"
  failed+=("run: make format")
fi

echo "verify: generated files"
before="$(fingerprint)"
hack/generate.sh
after="$(fingerprint)"
if ! changed="$(diff <(echo "$before") <(echo "$after"))"; then
  printf 'these files were not as generated, and are now:\n%s\n' "$changed"
  git --no-pager diff --stat -- api config charts docs
  failed+=("run: make generate, and commit the result")
fi
if [[ ! -d hack/chart && -f charts/airflow-oam/Chart.yaml ]]; then
  failed+=("the chart is there, but not hack/chart, which generates parts of it")
fi
if [[ -n "${CI:-}" ]] && ! git diff --exit-code; then
  failed+=("the checkout of CI was changed by generating")
fi

for module in $(hack/modules.sh all); do
  echo "verify: required modules of $module"
  if ! (cd "$module" && go mod tidy -diff); then
    failed+=("run: make tidy, and commit the result")
  fi
done

for module in $(hack/modules.sh code); do
  echo "verify: go vet of $module"
  if ! go -C "$module" vet ./...; then
    failed+=("mend what go vet reports")
  fi
done

for script in .ci/run $(git ls-files --cached --others --exclude-standard -- '*.sh'); do
  if ! bash -n "$script"; then
    failed+=("mend the script $script")
  fi
done

if ((${#failed[@]})); then
  printf 'verify failed:\n'
  printf '  %s\n' "${failed[@]}"
  exit 1
fi
echo "verify: all is as it should be"
