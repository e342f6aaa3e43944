#!/usr/bin/env bash
# Brings the control plane of tests and demo (etcd, kube-apiserver, kubectl) into
# $AIRFLOW_OAM_CACHE/controlplane (default: .cache/controlplane), once, in the
# first of these ways that works:
#
# 1. KUBEBUILDER_ASSETS is set: that folder is used as it is.
# 2. The programs were compiled here before.
# 3. setup-envtest downloads the release of the version that hack/controlplane
#    requires, in seconds, and compares it with the checksum of its index.
# 4. They are compiled from the modules hack/controlplane and hack/etcd, in 5 to
#    10 minutes.
#
# AIRFLOW_OAM_CONTROLPLANE=compile leaves the third way out. The folder to use is
# printed on standard output, all else on standard error:
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
  say "control plane: the programs in KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS"
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

lock_folder "$out"
kubernetes="$(version_of controlplane k8s.io/kubernetes)"
etcd="$(version_of etcd go.etcd.io/etcd/server/v3)"

# made says whether the programs were compiled here before.
made() {
  local name
  for name in etcd kube-apiserver kubectl; do
    [[ -f "$out/.$name.version" ]] || return 1 # see compile
  done
}

# download links the released programs into the folder. It fails where they cannot
# be fetched, and says why.
download() {
  local tool messages folder name
  tool="$("$root/hack/tools/build.sh" setup-envtest 9>&-)"
  messages="$(mktemp "$out/.download.XXXXXX")"
  if folder="$(timeout 300 "$tool" use "${kubernetes#v}" --bin-dir "$out/released" --print path \
    ${AIRFLOW_OAM_ENVTEST_INDEX:+--index "$AIRFLOW_OAM_ENVTEST_INDEX"} 2>"$messages" 9>&-)"; then
    rm -f "$messages"
    for name in etcd kube-apiserver kubectl; do
      ln -sfn "$folder/$name" "$out/$name"
    done
    return
  fi
  say "control plane: no download of $kubernetes: $(grep -v '^$' "$messages" | tail -n 1 | cut -c 1-300)"
  rm -f "$messages"
  return 1
}

if ! made && [[ "${AIRFLOW_OAM_CONTROLPLANE:-}" != compile ]] && download; then
  say "control plane: $kubernetes as released by setup-envtest, in $out"
  echo "$out"
  exit 0
fi

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
say "control plane: $kubernetes and etcd $etcd, compiled from source, in $out"
echo "$out"
