#!/usr/bin/env bash
# Makes .venv with the locked dependencies and the command installed. Run by `make setup`; quick when done.
# `setup.sh browser` sees to the browser that tests and benchmarks drive, which nothing else needs. Run by `make test` and `make bench`.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# System packages: as root they are installed, else it is said which are missing.
need() { # program, Debian package
  command -v "$1" >/dev/null 2>&1 && return 0
  missing+=("$2")
}
install() { # Debian packages
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
  else
    say "please install: $*"
    exit 1
  fi
}
missing=()

if [ "${1:-}" = browser ]; then
  need chromium chromium
  [ ${#missing[@]} = 0 ] || install "${missing[@]}"
  exit 0
fi

need java openjdk-17-jre-headless
need mvn maven
python=""
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
  [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || missing+=(python3)
[ -z "$python" ] || "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ] && [ -z "${RMM_SCRUB_KAFKA:-}" -o "${missing[*]}" != "openjdk-17-jre-headless maven" ]; then
  install "${missing[@]}"
  python=${python:-python3}
fi
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  say "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON="
  exit 1
}

[ -x .venv/bin/python ] || "$python" -m venv .venv
say "installing the locked dependencies"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
