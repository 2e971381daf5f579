#!/usr/bin/env bash
# Unattended upgrades leave the NVIDIA driver alone: a new user-space library beside the loaded module ends every engine
# ("driver/library version mismatch") until the next reboot.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
: "${DNF_CONFIG:=/etc/dnf/dnf.conf}"
PATTERNS='nvidia* kmod-nvidia* libnvidia* cuda-drivers*'

if command -v apt-mark >/dev/null; then
  # shellcheck disable=SC2086 # each pattern is a word of its own
  mapfile -t packages < <(dpkg-query --show --showformat '${db:Status-Abbrev} ${Package}\n' $PATTERNS 2>/dev/null |
    awk '$1 == "ii" { print $2 }')
  if [ "${#packages[@]}" -gt 0 ]; then apt-mark hold "${packages[@]}"; fi
elif command -v dnf >/dev/null; then
  # dnf's own setting: the versionlock plugin is not on every image.
  grep -qs '^excludepkgs=.*nvidia' "$DNF_CONFIG" || printf 'excludepkgs=%s\n' "${PATTERNS// /,}" >>"$DNF_CONFIG"
fi
