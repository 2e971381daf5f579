#!/usr/bin/env bash
# Sets up .venv from uv.lock. Needs Python 3.11+ and the package index; uv is taken from PATH when it is new enough,
# else installed into .tools/uv. Writes only to the project folder and to the cache folder ($SEEKSTACK_CACHE).
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
UV_FLOOR=0.13.0 # the release that writes uv.lock in its present form

# A relative XDG_CACHE_HOME is to be ignored, by the XDG specification; ~ is the home folder also where HOME is unset.
case ${XDG_CACHE_HOME:-} in /*) base=$XDG_CACHE_HOME ;; *) base=~/.cache ;; esac
cache=${SEEKSTACK_CACHE:-$base/seekstack}
export UV_CACHE_DIR=${UV_CACHE_DIR:-$cache/uv}
export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv
# The certificates that the system trusts: behind a company's proxy its own authority is among them.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
unset VIRTUAL_ENV

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# Prints the path of the first Python 3.11+; $PYTHON comes first.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python; do
    "$candidate" -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' 2>/dev/null && return
  done
  fail "Python 3.11 or newer is needed; python3 here is: $(python3 --version 2>/dev/null || echo missing)" \
    "fix: install it (Debian, Ubuntu: apt install python3; macOS: brew install python), or name one: make PYTHON=/path/to/python3.12"
}

# Whether the program $1 is a uv of at least the floor version.
is_new_enough() {
  "$1" --version 2>/dev/null | "$python" -c '
import re, sys
found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", sys.stdin.read())
sys.exit(not found or tuple(map(int, found.groups())) < tuple(map(int, sys.argv[1].split("."))))' "$UV_FLOOR"
}

# Prints a Python that has pip: this one, or an environment made for it in .tools/pip, since nothing is written to the
# user's own folders. Debian ships Python without pip and without ensurepip, which are then packages of their own.
python_with_pip() {
  if "$python" -m pip --version >/dev/null 2>&1; then
    printf '%s\n' "$python"
  elif "$python" -m venv --clear .tools/pip >/dev/null 2>&1; then
    printf '%s\n' .tools/pip/bin/python
  else
    fail "$python has no pip and cannot make an environment with one, and uv is not on PATH" \
      "fix: install one of them (Debian, Ubuntu: apt install python3-pip; or uv: https://docs.astral.sh/uv/)"
  fi
}

install_uv() {
  printf 'setup: installing uv %s into .tools/uv\n' "$UV_VERSION"
  rm -rf .tools/uv
  local pip_python
  pip_python=$(python_with_pip)
  "$pip_python" -m pip install --quiet --no-input --cache-dir "$cache/pip" --target .tools/uv "uv==$UV_VERSION" || fail \
    "uv $UV_VERSION could not be installed from the package index" \
    "fix: behind a proxy set HTTPS_PROXY, with an own authority SSL_CERT_FILE and PIP_CERT, with a mirror PIP_INDEX_URL; or install uv yourself: https://docs.astral.sh/uv/"
}

find_uv() {
  if is_new_enough .tools/uv/bin/uv; then
    uv=.tools/uv/bin/uv
  elif is_new_enough uv; then
    uv=uv
  else
    install_uv
    uv=.tools/uv/bin/uv
  fi
}

# Before anything is removed: a checkout of somebody else, or on a read-only disk, stays as it is.
for folder in . .venv .tools "$cache"; do
  [ ! -e "$folder" ] || [ -w "$folder" ] || fail \
    "the folder $folder cannot be written ($(pwd -P), as $(id -un))" \
    "fix: take a checkout of your own (git clone), or the rights to this one; the cache folder is chosen by SEEKSTACK_CACHE"
done
python=$(find_python)
find_uv
# Scripts in .venv hold its absolute path: a copied or moved checkout gets a new one.
[ ! -f .venv/.seekstack-setup ] || [ "$(cat .venv/.seekstack-setup)" = "$(pwd -P)" ] || rm -rf .venv
printf 'setup: %s, %s\n' "$("$python" --version)" "$("$uv" --version)"
"$uv" sync --locked --extra sandbox --python "$python" || fail \
  "uv sync failed" \
  "fix: the lines above name the cause; behind a proxy set HTTPS_PROXY, with an own certificate authority SSL_CERT_FILE, then: make setup"
pwd -P >.venv/.seekstack-setup
