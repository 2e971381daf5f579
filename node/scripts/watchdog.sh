#!/usr/bin/env bash
# Restarts an engine that no longer answers. One that is loading or only busy is left alone.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
UNIT=seekstack-engine.service
MISSED=3       # checks in a row without an answer, 30 s apart
MISSED_BUSY=20 # as long as its GPUs work: 10 minutes. A hung collective also shows 100 %, so patience ends.
count_file=$SEEKSTACK_RUN/missed

engine_seconds() {
  local started now
  started=$(systemctl show --property ActiveEnterTimestampMonotonic --value "$UNIT")
  now=$(cut -d . -f 1 "${UPTIME_FILE:-/proc/uptime}")
  printf '%s\n' "$((now - started / 1000000))"
}

gpus_work() {
  [ "$GPUS" -gt 0 ] && nvidia-smi --query-gpu=utilization.gpu --format=csv,noheader,nounits 2>/dev/null |
    awk '$1 > 0 { busy = 1 } END { exit !busy }'
}

# 000: no answer. Refused connections and answers other than 200 (vLLM: 503 once its core is dead) are no sign of work.
answer() {
  curl --silent --max-time 10 --output /dev/null --write-out '%{http_code} %{errormsg}' \
    "http://127.0.0.1:$PORT/health" || true
}

systemctl is-active --quiet "$UNIT" || exit 0 # systemd starts it, or has given up and said so
[ ! -e "$SEEKSTACK_RUN/draining" ] || exit 0
seconds=$(engine_seconds)
if healthy; then
  rm -f "$count_file" "$SEEKSTACK_RUN/failed"
  complete_lifecycle CONTINUE
  # Back-off and start limit begin anew once it has served for longer than it takes to load.
  if [ "$seconds" -gt "$STARTUP_BUDGET_SECONDS" ]; then systemctl reset-failed "$UNIT"; fi
  exit 0
fi
[ "$seconds" -gt "$STARTUP_BUDGET_SECONDS" ] || exit 0
missed=$(($(cat "$count_file" 2>/dev/null || echo 0) + 1))
printf '%s\n' "$missed" >"$count_file"
told=$(answer)
limit=$MISSED
case $told in 000*[Tt]"imed out"* | 000*[Tt]imeout*) if gpus_work; then limit=$MISSED_BUSY; fi ;; esac
say "no healthy answer, $missed of $limit: $told"
[ "$missed" -ge "$limit" ] || exit 0
rm -f "$count_file"
systemctl restart --no-block "$UNIT"
