#!/usr/bin/env bash
# Before each start of the engine: back-off, the image, and the API key in memory.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
export DOCKER_CONFIG=$SEEKSTACK_RUN/docker # what a login leaves behind is gone with the next boot
ENGINE_USER=2000                            # `vllm` in vllm/vllm-openai (vllm pull request 40275)

# systemd's own RestartSteps= comes with 254; Amazon Linux 2023 and Debian 12 have 252.
back_off() {
  local failures seconds
  failures=$(systemctl show --property NRestarts --value seekstack-engine.service)
  seconds=$((failures > 5 ? 300 : failures > 0 ? 5 * 2 ** failures : 0))
  if [ "$seconds" -gt 0 ]; then
    say "start $((failures + 1)) in a row: waiting $seconds s"
    sleep "$seconds"
  fi
}

pull_image() {
  if docker image inspect "$IMAGE" >/dev/null 2>&1; then return; fi
  case $IMAGE in
    *.dkr.ecr.*.amazonaws.com*)
      aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE%%/*}"
      ;;
  esac
  docker pull --quiet "$IMAGE"
}

# The key is read from a file by the engine: arguments are in every process list, the environment in docker inspect.
fetch_api_key() {
  local key file=$SEEKSTACK_RUN/secrets/api-key
  [ -n "${API_KEY_SECRET:-}" ] || return 0
  key=$(aws secretsmanager get-secret-value --secret-id "$API_KEY_SECRET" --query SecretString --output text)
  # What RFC 6750 lets a bearer token be; anything else no client could send.
  [[ $key =~ ^[A-Za-z0-9._~+/-]+=*$ ]] || fail "the API key in $API_KEY_SECRET is no bearer token (RFC 6750)"
  install --directory --mode=0700 "$SEEKSTACK_RUN/secrets"
  install --mode=0400 --owner="$ENGINE_USER" /dev/null "$file"
  case $KEY_FILE in
    config) printf 'api-key: "%s"\n' "$key" >"$file" ;;
    lines) printf '%s\n' "$key" >"$file" ;;
    *) fail "no such form of a key file: $KEY_FILE" ;;
  esac
}

back_off
install --directory --mode=0700 --owner="$ENGINE_USER" "$SEEKSTACK_LIB/scratch"
pull_image
fetch_api_key
docker rm --force seekstack-engine >/dev/null 2>&1 || true
rm -f "$SEEKSTACK_RUN/missed"
