#!/usr/bin/env bash
# Runs the Go tests of all modules of the repository, and prints the ten slowest
# packages at the end:
#
#   hack/test.sh KINDS [arguments of go test]
#
# KINDS are one or more, with commas between:
#   unit   what needs Go alone; a package that did not change is not run again
#   kube   what needs a real API server (KUBEBUILDER_ASSETS)
#   real   what starts a real Airflow
# The last two depend on what Go does not know of, so that they are always run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
kinds=",$1,"
shift
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
failed=0

# kind_of prints what the tests of a package need.
kind_of() { # import path
  case "$1/" in
  */test/airflow/* | */test/signon/* | */hack/airflow/*) echo real ;;
  */controllers/ | */test/* | */hack/bench/*) echo kube ;;
  *) echo unit ;;
  esac
}

# run_tests runs packages of one module, two at a time: they share the machine
# with API servers and Airflows.
run_tests() { # folder of the module, arguments of go test
  go -C "$1" test -p 2 -timeout 40m "${@:2}" | tee -a "$log" || failed=1
}

for module in $(hack/modules.sh code); do
  unit=() outside=()
  packages="$(go -C "$module" list ./...)"
  for package in $packages; do
    kind="$(kind_of "$package")"
    if [[ "$kinds" != *",$kind,"* ]]; then continue; fi
    case "$kind" in
    unit) unit+=("$package") ;;
    *) outside+=("$package") ;;
    esac
  done
  if ((${#unit[@]})); then run_tests "$module" "$@" "${unit[@]}"; fi
  if ((${#outside[@]})); then run_tests "$module" -count=1 "$@" "${outside[@]}"; fi
done

echo "slowest packages ($(grep -c '(cached)' "$log" || true) did not change and were not run again):"
awk '($1 == "ok" || $1 == "FAIL") && $3 ~ /^[0-9.]+s$/ { printf "%8.1f s  %s\n", $3, $2 }' "$log" | sort -rn | sed -n '1,10p'
exit "$failed"
