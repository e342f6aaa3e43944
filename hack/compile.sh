# Sourced by the scripts that compile programs of side modules into the cache.
# Expects $root (the repository) and sets $cache.
# shellcheck shell=bash

cache="${AIRFLOW_OAM_CACHE:-$root/.cache}"
[[ "$cache" == /* ]] || cache="$PWD/$cache"
export GOWORK=off CGO_ENABLED=0
compiling="" # process id
messages=""  # file

say() { printf '%s\n' "$*" >&2; }

# clean_up runs at the script's end, also when it is interrupted.
clean_up() {
  if [[ -n "$compiling" ]]; then kill "$compiling" 2>/dev/null || true; fi
  if [[ -n "$messages" ]]; then rm -f "$messages"; fi
}
trap clean_up EXIT

# version_of prints the version at which a side module requires a module.
version_of() { # folder below hack, module path
  (cd "$root/hack/$1" && go list -mod=readonly -m -f '{{.Version}}' "$2")
}

# lock_folder makes a second target wait for the first.
lock_folder() { # folder
  mkdir -p "$1"
  if command -v flock >/dev/null; then
    exec 9>"$1/.lock"
    flock 9
  fi
}

# compile makes one program, unless it is there and was made in the same way. A
# line every 20 s tells how far it is: compiled packages and seconds.
compile() { # target file, version, folder below hack, package, linker flags
  local target="$1" version="$2" folder="$3" package="$4" flags="-s -w ${5:-}"
  local name wanted record started told=0
  name="$(basename "$target")"
  record="$(dirname "$target")/.$name.version"
  wanted="$version $(go env GOVERSION GOOS GOARCH | paste -sd' ' -) $flags"
  if [[ -x "$target" && "$(cat "$record" 2>/dev/null || true)" == "$wanted" ]]; then
    return
  fi
  say "compile $name $version (once)"
  started=$SECONDS
  messages="$(mktemp "$(dirname "$target")/.$name.log.XXXXXX")"
  (cd "$root/hack/$folder" && exec go build -mod=readonly -v -ldflags "$flags" -o "$target.new" "$package") >"$messages" 2>&1 9>&- &
  compiling=$!
  while kill -0 "$compiling" 2>/dev/null; do
    sleep 1
    if ((SECONDS - started >= told + 20)); then
      told=$((SECONDS - started))
      say "  $name: $(grep -cvE '^go: ' "$messages" || true) packages, $told s"
    fi
  done
  if ! wait "$compiling"; then
    grep -vE '^[A-Za-z0-9./_~-]+$' "$messages" >&2 || true
    say "$name was not compiled: see the messages above"
    exit 1
  fi
  rm -f "$messages"
  compiling="" messages=""
  mv "$target.new" "$target"
  printf '%s\n' "$wanted" >"$record"
  say "$name is ready after $((SECONDS - started)) s"
}
