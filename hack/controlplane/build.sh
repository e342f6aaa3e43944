#!/usr/bin/env bash
# Compiles the control plane of tests and demo (etcd, kube-apiserver, kubectl)
# from the modules hack/controlplane and hack/etcd, once, into
# $AIRFLOW_OAM_CACHE/controlplane (default: .cache/controlplane).
#
# Where KUBEBUILDER_ASSETS is set, that folder is used and nothing is compiled.
# The folder to use is printed on standard output, all else on standard error:
#
#   export KUBEBUILDER_ASSETS="$(hack/controlplane/build.sh)"
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/compile.sh
source "$root/hack/compile.sh"
out="$cache/controlplane"

if [[ -n "${KUBEBUILDER_ASSETS:-}" && "$KUBEBUILDER_ASSETS" != "$out" ]]; then
  for name in etcd kube-apiserver kubectl; do
    if [[ ! -x "$KUBEBUILDER_ASSETS/$name" ]]; then
      say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $name: add it, or unset the variable to compile one"
      exit 1
    fi
  done
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

lock_folder "$out"
kubernetes="$(version_of controlplane k8s.io/kubernetes)"
etcd="$(version_of etcd go.etcd.io/etcd/server/v3)"

# Kubernetes reports the version it was linked with: without these it says v0.0.0.
number="${kubernetes#v}"
minor="${number#*.}"
stamp=""
for path in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  stamp+=" -X $path.gitVersion=$kubernetes -X $path.gitMajor=${number%%.*} -X $path.gitMinor=${minor%%.*}"
  stamp+=" -X $path.gitTreeState=clean"
done

compile "$out/etcd" "$etcd" etcd go.etcd.io/etcd/server/v3
compile "$out/kube-apiserver" "$kubernetes" controlplane k8s.io/kubernetes/cmd/kube-apiserver "$stamp"
compile "$out/kubectl" "$kubernetes" controlplane k8s.io/kubernetes/cmd/kubectl "$stamp"
echo "$out"
