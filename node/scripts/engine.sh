#!/usr/bin/env bash
# The engine in the foreground: its output goes to the journal, its end is seen by systemd.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"

# First line the program, then one argument a line: no shell ever reads them.
mapfile -t words <"$SEEKSTACK_ETC/engine.args"
options=(
  --rm --init --name seekstack-engine
  --user 2000:2000 --cap-drop ALL --security-opt no-new-privileges --read-only
  --memory "$HOST_MEMORY_BYTES" --memory-swap "$HOST_MEMORY_BYTES" --shm-size "$SHARED_MEMORY_BYTES"
  --pids-limit 16384 --ulimit memlock=-1
  --publish "$PORT:$PORT"
  --volume "$WEIGHTS/$SNAPSHOT:/weights:ro"
  --volume "$SEEKSTACK_LIB/scratch:/scratch" --volume "$SEEKSTACK_LIB/scratch:/tmp"
  # PyTorch asks for the user's name on import.
  --env USER=vllm --env HOME=/scratch --env HF_HUB_OFFLINE=1 --env VLLM_NO_USAGE_STATS=1
)
if [ "$GPUS" -gt 0 ]; then options+=(--gpus "$GPUS"); fi
if [ -n "${API_KEY_SECRET:-}" ]; then
  options+=(--volume "$SEEKSTACK_RUN/secrets/api-key:/run/secrets/api-key:ro")
  case $KEY_FILE in
    config) words+=(--config /run/secrets/api-key) ;;
    lines) words+=(--api-key-file /run/secrets/api-key) ;;
  esac
fi
if [ -n "${LOG_GROUP:-}" ]; then
  options+=(--log-driver awslogs --log-opt "awslogs-region=$AWS_DEFAULT_REGION" --log-opt "awslogs-group=$LOG_GROUP"
    --log-opt "awslogs-stream=$(node_id)")
else
  options+=(--log-driver none) # the journal has it: docker run is attached
fi
exec docker run "${options[@]}" --entrypoint "${words[0]}" "$IMAGE" "${words[@]:1}"
