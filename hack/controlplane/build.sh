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
out="${AIRFLOW_OAM_CACHE:-$root/.cache}/controlplane"

say() { printf 'controlplane: %s\n' "$*" >&2; }

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

mkdir -p "$out"
if command -v flock >/dev/null; then # two targets at a time: the second waits for the first
  exec 9>"$out/.lock"
  flock 9
fi

version_of() { # module folder, module path
  (cd "$root/hack/$1" && go list -m -f '{{.Version}}' "$2")
}
export GOWORK=off GOFLAGS="${GOFLAGS:-} -mod=readonly" CGO_ENABLED=0
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

# build compiles one program unless this version of it is already there. A line
# every 20 s tells how far it is: compiled packages and seconds.
build() { # name, version, module folder, package, more linker flags
  local name="$1" version="$2" folder="$3" package="$4" flags="-s -w${5:-}"
  local wanted got started log pid told=0
  wanted="$version $(go env GOVERSION GOOS GOARCH | paste -sd' ' -) $flags"
  got="$(cat "$out/.$name.version" 2>/dev/null || true)"
  if [[ -x "$out/$name" && "$got" == "$wanted" ]]; then
    return
  fi
  say "compiling $name $version (once)"
  started=$SECONDS
  log="$(mktemp "$out/.$name.log.XXXXXX")"
  (cd "$root/hack/$folder" && exec go build -v -ldflags "$flags" -o "$out/.$name.new" "$package") >"$log" 2>&1 9>&- &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || true; rm -f "$log"' EXIT
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if ((SECONDS - started >= told + 20)); then
      told=$((SECONDS - started))
      say "  $name: $(wc -l <"$log" | tr -d ' ') packages, ${told} s"
    fi
  done
  if ! wait "$pid"; then
    grep -vE '^[a-z0-9./_~-]+$' "$log" >&2 || true
    say "$name was not compiled: see the messages above"
    exit 1
  fi
  rm -f "$log"
  trap - EXIT
  mv "$out/.$name.new" "$out/$name"
  printf '%s\n' "$wanted" >"$out/.$name.version"
  say "$name is ready after $((SECONDS - started)) s"
}

build etcd "$etcd" etcd go.etcd.io/etcd/server/v3
build kube-apiserver "$kubernetes" controlplane k8s.io/kubernetes/cmd/kube-apiserver "$stamp"
build kubectl "$kubernetes" controlplane k8s.io/kubernetes/cmd/kubectl "$stamp"
echo "$out"
