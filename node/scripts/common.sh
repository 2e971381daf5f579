# shellcheck shell=bash
# What the other scripts share: where state lies, and how a failure is told.
: "${SEEKSTACK_RUN:=/run/seekstack}" "${SEEKSTACK_ETC:=/etc/seekstack}" "${SEEKSTACK_LIB:=/var/lib/seekstack}"
umask 022
part=$(basename "$0" .sh)

say() { printf '%s: %s\n' "$part" "$*"; }

# One line in the journal at priority "err", and the same in a file for people; the watchdog removes it once all is well.
fail() {
  mkdir -p "$SEEKSTACK_RUN"
  printf '%s: %s\n' "$part" "$*" >"$SEEKSTACK_RUN/failed"
  printf '<3>%s: FAILED: %s\n' "$part" "$*" >&2
  exit 1
}

# cloud-init writes its instance id on every platform: i-… on EC2, which spares a call to the metadata service.
node_id() { cat "${INSTANCE_ID_FILE:-/var/lib/cloud/data/instance-id}" 2>/dev/null || uname -n; }

healthy() { [ "$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$PORT/health")" = 200 ]; }

# CONTINUE or ABANDON, once a boot. A hook that is gone or past its time is no failure of this machine.
complete_lifecycle() {
  [ -n "${LIFECYCLE_HOOK:-}" ] && [ ! -e "$SEEKSTACK_RUN/lifecycle" ] || return 0
  if aws autoscaling complete-lifecycle-action --lifecycle-hook-name "${LIFECYCLE_HOOK%@*}" \
    --auto-scaling-group-name "${LIFECYCLE_HOOK#*@}" --instance-id "$(node_id)" --lifecycle-action-result "$1"; then
    printf '%s\n' "$1" >"$SEEKSTACK_RUN/lifecycle"
  else
    say "the Auto Scaling group did not take $1"
  fi
}
