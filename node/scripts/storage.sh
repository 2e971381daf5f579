#!/usr/bin/env bash
# The disk of the weights, mounted. Run at every boot; only a device that carries nothing at all is ever formatted.
set -euo pipefail
# shellcheck source=node/scripts/common.sh
. "$(dirname "$0")/common.sh"
: "${ARRAY:=/dev/md/seekstack}" "${VOLUME_DISKS:=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol*}"
LABEL=seekstack
OPTIONS=noatime,nodev,nosuid,noexec
EDGE=1048576 # bytes at either end that must be zero: data without a signature (plain dm-crypt) is still data
ATTEMPTS=300 # of 2 s: the volume is attached after the machine runs

is_whole() { [ "$(lsblk --noheadings --raw --output NAME "$1" | wc -l)" -eq 1 ]; }

tag() { blkid --probe --output value --match-tag "$2" "$1" 2>/dev/null || true; }

is_ours() {
  [ "$(tag "$1" LABEL)" = "$LABEL" ] || return 1
  case $(tag "$1" TYPE) in ext4 | xfs) return 0 ;; *) return 1 ;; esac
}

is_blank() {
  local device=$1 size status=0
  is_whole "$device" || return 1
  blkid --probe "$device" >/dev/null 2>&1 || status=$?
  [ "$status" -eq 2 ] || return 1 # 2: nothing found; 8: several things at once
  size=$(blockdev --getsize64 "$device")
  [ "$size" -gt "$EDGE" ] && cmp --silent --bytes="$EDGE" "$device" /dev/zero &&
    cmp --silent --bytes="$EDGE" --ignore-initial="$((size - EDGE)):0" "$device" /dev/zero
}

# AWS's udev rules link /dev/sdf to the NVMe device, older hypervisors say /dev/xvdf. Elsewhere (Ubuntu on Nitro) it is
# the one EBS disk without partitions: the root disk has some.
volume_device() {
  local path found=()
  for path in "$WEIGHT_DEVICE" "${WEIGHT_DEVICE/#\/dev\/sd//dev/xvd}"; do
    if [ -b "$path" ]; then readlink --canonicalize "$path" && return; fi
  done
  for path in $VOLUME_DISKS; do
    case $path in *-part* | *_[0-9]) continue ;; esac
    if [ -b "$path" ] && is_whole "$path"; then found+=("$(readlink --canonicalize "$path")"); fi
  done
  [ "${#found[@]}" -eq 1 ] && printf '%s\n' "${found[0]}"
}

wait_for_volume() {
  local attempt
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    volume_device && return
    sleep 2
  done
  fail "no volume at $WEIGHT_DEVICE: is it attached to this machine?"
}

local_disks() {
  local path
  for path in $LOCAL_DISKS; do
    if [ -b "$path" ]; then readlink --canonicalize "$path"; fi
  done | sort --unique
}

array_on() { lsblk --noheadings --raw --paths --output NAME,TYPE "$1" | awk '$2 ~ /^raid/ { print $1; exit }'; }

# One disk is used as it is. Several become RAID 0; after a reboot the array is there or is assembled again.
local_device() {
  local disks disk found
  mapfile -t disks < <(local_disks)
  [ "${#disks[@]}" -gt 0 ] || fail "no disk matches $LOCAL_DISKS: does the instance type have local disks?"
  if [ "${#disks[@]}" -eq 1 ]; then
    printf '%s\n' "${disks[0]}"
    return
  fi
  [ -b "$ARRAY" ] || mdadm --assemble --scan >&2 || true
  found=$(array_on "${disks[0]}")
  if [ -z "$found" ] && [ ! -b "$ARRAY" ]; then
    for disk in "${disks[@]}"; do
      is_blank "$disk" || fail "$disk carries data that is not an array of seekstack: it is not overwritten"
    done
    mdadm --create "$ARRAY" --run --level=0 --raid-devices="${#disks[@]}" "${disks[@]}" >&2 ||
      fail "mdadm could not make RAID 0 of ${disks[*]}"
  fi
  printf '%s\n' "${found:-$ARRAY}"
}

format() {
  say "formatting $1, which is blank, as $FILE_SYSTEM"
  case $FILE_SYSTEM in
    xfs) mkfs.xfs -q -L "$LABEL" "$1" ;;
    ext4) mkfs.ext4 -q -m 0 -L "$LABEL" "$1" ;; # -m 0: nothing but weights lives here
    *) fail "no such file system: $FILE_SYSTEM" ;;
  esac
}

# Both do nothing where the file system fills its device already.
grow() {
  case $(findmnt --noheadings --output FSTYPE --mountpoint "$WEIGHTS") in
    xfs) xfs_growfs -d "$WEIGHTS" >/dev/null ;;
    ext4) resize2fs "$(findmnt --noheadings --output SOURCE --mountpoint "$WEIGHTS")" >/dev/null ;;
    *) fail "$WEIGHTS is mounted from something that is not ours" ;;
  esac || fail "the file system at $WEIGHTS could not be grown"
}

mkdir -p "$WEIGHTS"
if ! findmnt --mountpoint "$WEIGHTS" >/dev/null; then
  case $STORE in
    volume) device=$(wait_for_volume) ;;
    instance-store) device=$(local_device) ;;
    *) fail "no such store: $STORE" ;;
  esac
  if is_blank "$device"; then
    format "$device" || fail "$device could not be formatted"
  fi
  is_ours "$device" || fail "$device carries data without the label $LABEL: it is neither mounted nor overwritten"
  mount --options "$OPTIONS" "$device" "$WEIGHTS" || fail "$device could not be mounted"
fi
grow
say "$(findmnt --noheadings --output SOURCE,FSTYPE,SIZE,AVAIL --mountpoint "$WEIGHTS")"
