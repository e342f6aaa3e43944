#!/usr/bin/env bash
# Compiles pinned tools of hack/tools, once per version, into
# $AIRFLOW_OAM_CACHE/bin (default: .cache/bin), and prints the path of each:
#
#   hack/tools/build.sh controller-gen
#   hack/tools/build.sh golangci-lint crd-ref-docs
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/compile.sh
source "$root/hack/compile.sh"

lock_folder "$cache/bin"
for name in "$@"; do
  stamp=""
  case "$name" in
  controller-gen)
    module=sigs.k8s.io/controller-tools package=$module/cmd/controller-gen
    version="$(version_of tools "$module")"
    # CRDs carry the generator's version.
    stamp="-X $module/pkg/version.version=$version"
    ;;
  crd-ref-docs)
    module=github.com/elastic/crd-ref-docs package=$module
    version="$(version_of tools "$module")"
    ;;
  golangci-lint)
    module=github.com/golangci/golangci-lint/v2 package=$module/cmd/golangci-lint
    version="$(version_of tools "$module")"
    stamp="-X main.version=${version#v}"
    ;;
  setup-envtest)
    module=sigs.k8s.io/controller-runtime/tools/setup-envtest package=$module
    version="$(version_of tools "$module")"
    ;;
  *)
    say "no tool $name: there are controller-gen, crd-ref-docs, golangci-lint, setup-envtest"
    exit 1
    ;;
  esac
  compile "$cache/bin/$name-$version" "$version" tools "$package" "$stamp"
  echo "$cache/bin/$name-$version"
done
