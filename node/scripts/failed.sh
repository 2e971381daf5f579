#!/usr/bin/env bash
# A part of the node failed for good: leave the reason where people look, and let the Auto Scaling group know.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
mkdir -p "$SEEKSTACK_RUN"
[ -s "$SEEKSTACK_RUN/failed" ] || printf '%s: see journalctl -u %s\n' "$1" "$1" >"$SEEKSTACK_RUN/failed"
complete_lifecycle ABANDON
