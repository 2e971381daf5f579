#!/usr/bin/env bash
# The scheduled restart: never while staging or draining, never on two machines at once, never on the last healthy one.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
UNIT=seekstack-engine.service
DRAIN_SECONDS=300
POLL_SECONDS=5
node=$(node_id)

skip() {
  say "skipped: $*"
  exit 0
}

put_lock() { aws ssm put-parameter --name "$LOCK" --type String --value "$1" "$2" --query Version --output text; }

# A parameter `holder until`, longer than one restart can take (clocks of EC2 machines differ by less than a second).
# Creating it is atomic. Taking over one that has ended is, too: versions count up by one,
# so of all who saw version n only the one that wrote n + 1 has it. It is never deleted, or versions would start again.
acquire() {
  local now version holder until written
  now=$(date +%s)
  held_until=$((now + LOCK_SECONDS))
  if put_lock "$node $held_until" --no-overwrite >/dev/null 2>&1; then return 0; fi
  read -r version holder until < <(aws ssm get-parameter --name "$LOCK" --query 'Parameter.[Version,Value]' \
    --output text) || fail "the restart lock $LOCK cannot be read"
  [ "$until" -le "$now" ] || skip "$holder restarts until $(date --utc --date="@$until" +%FT%TZ)"
  written=$(put_lock "$node $held_until" --overwrite) || skip "another machine took the restart lock"
  [ "$written" -eq $((version + 1)) ] || skip "another machine took the restart lock"
}

# Past its time the lock may be another machine's, which a release would take away.
release() {
  if [ -z "${LOCK:-}" ] || [ "$(date +%s)" -ge "$held_until" ]; then return 0; fi
  put_lock "$node 0" --overwrite >/dev/null || say "the restart lock ends by itself"
}

others_are_healthy() {
  local states state
  states=$(aws elbv2 describe-target-health --target-group-arn "$TARGET_GROUP" --output text \
    --query "TargetHealthDescriptions[?Target.Id!='$node'].TargetHealth.State") || return 1
  for state in $states; do [ "$state" = healthy ] || return 1; done
}

# Requests that the engine works on, by the metric of vLLM, SGLang or llama.cpp; 0 where it tells none.
running_requests() {
  curl --silent --max-time 10 "http://127.0.0.1:$PORT/metrics" |
    awk '/^(vllm:num_requests_running|sglang:num_running_reqs|llamacpp:requests_processing)[{ ]/ { sum += $NF }
      END { printf "%d\n", sum }' || echo 0
}

wait_until() {
  local limit=$1 waited
  shift
  for ((waited = 0; waited < limit; waited += POLL_SECONDS)); do
    "$@" && return
    sleep "$POLL_SECONDS"
  done
  return 1
}

is_idle() { [ "$(running_requests)" -eq 0 ]; }

[ ! -e "$SEEKSTACK_RUN/draining" ] || skip "draining"
[ -e "$WEIGHTS/$SNAPSHOT/.complete" ] || skip "staging"
systemctl is-active --quiet "$UNIT" || skip "the engine does not run"
healthy || skip "the engine is loading, or the watchdog's to judge"
if [ -n "${LOCK:-}" ]; then acquire; fi
if [ -n "${TARGET_GROUP:-}" ] && ! others_are_healthy; then
  release
  skip "another machine is not healthy"
fi
wait_until "$DRAIN_SECONDS" is_idle || say "requests still run after $DRAIN_SECONDS s"
systemctl restart "$UNIT"
# Without an answer the lock stays until it ends: no other machine restarts meanwhile.
wait_until "$STARTUP_BUDGET_SECONDS" healthy || fail "no answer $STARTUP_BUDGET_SECONDS s after the restart"
release
say "restarted"
