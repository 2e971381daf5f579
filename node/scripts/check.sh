#!/usr/bin/env bash
# Whether this machine can run the engine at all: driver, GPUs, container toolkit. Asked before anything is staged or
# pulled; a mismatch needs another machine image, so nothing is tried again.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

check_driver() {
  local found drivers
  command -v nvidia-smi >/dev/null || fail "no nvidia-smi: the machine image has no NVIDIA driver"
  found=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1) || fail "nvidia-smi: ${found//$'\n'/ }"
  mapfile -t drivers <<<"$found"
  [ "${#drivers[@]}" -ge "$GPUS" ] || fail "${#drivers[@]} GPUs answer, the plan needs $GPUS"
  at_least "${drivers[0]}" "$MIN_DRIVER" || fail "NVIDIA driver ${drivers[0]}, the engine needs $MIN_DRIVER or newer"
}

check_toolkit() {
  local found
  command -v nvidia-ctk >/dev/null || fail "no nvidia-ctk: the machine image has no NVIDIA container toolkit"
  found=$(nvidia-ctk --version | grep --only-matching --extended-regexp '[0-9]+(\.[0-9]+)+' | head -n 1) || true
  at_least "${found:-0}" "$MIN_TOOLKIT" ||
    fail "NVIDIA container toolkit ${found:-unknown}, the engine needs $MIN_TOOLKIT or newer"
}

command -v docker >/dev/null || fail "no docker: the machine image has no container engine"
if [ "$GPUS" -gt 0 ]; then
  check_driver
  check_toolkit
fi
