#!/usr/bin/env bash
# The weights, staged before the engine starts. systemd runs it again after a failure; what is fetched stays.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
stager=$SEEKSTACK_LIB/stager.pyz
folder=$WEIGHTS/$SNAPSHOT

is_stager() { printf '%s  %s\n' "$STAGER_SHA256" "$1" | sha256sum --check --status 2>/dev/null; }

if [ -e "$folder/.complete" ]; then
  say "$SNAPSHOT is complete"
  exit 0
fi
findmnt --mountpoint "$WEIGHTS" >/dev/null || fail "$WEIGHTS is not mounted: the root disk is too small for weights"
if ! is_stager "$stager"; then
  aws s3 cp --no-progress "$STAGER_URI" "$stager.new"
  is_stager "$stager.new" || fail "$STAGER_URI is not the file with sha256 $STAGER_SHA256"
  mv "$stager.new" "$stager"
fi
mkdir -p "$folder"
python3 "$stager" fetch "$WEIGHT_SOURCE" --revision "$WEIGHT_REVISION" --into "$folder"
[ -e "$folder/.complete" ] || fail "the stager ended without $folder/.complete"
