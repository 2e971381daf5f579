#!/usr/bin/env bash
# Debian packages that CI wants, in one place. `make` never calls this: nothing in the project needs a package beyond
# Python, git, make and, to build from source, Go. Does nothing where apt or the rights are missing, or all is installed.
set -euo pipefail

# package: what for
PACKAGES=(
  ca-certificates # TLS to the package indexes
  git             # tests list the committed files with it
  make
  python3
  # What reads or runs the files of a GPU node (tests/integration/node):
  cloud-init # its schema judges the user data
  e2fsprogs  # ext4
  fdisk      # sfdisk: a disk with partitions must not be formatted
  mount
  shellcheck
  systemd    # systemd-analyze
  util-linux # losetup, findmnt, blkid, lsblk
  xfsprogs
)

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || exit 0
missing=()
for package in "${PACKAGES[@]}"; do
  # A program on PATH from elsewhere (pyenv, a container image) counts as well.
  command -v "$package" >/dev/null || dpkg-query --show "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  printf 'apt-packages: missing %s; install them as root: apt-get install %s\n' "${missing[*]}" "${missing[*]}" >&2
  exit 0
fi
# cloud-init is wanted for its schema alone: without this file it would configure the machine anew at the next boot.
case " ${missing[*]} " in *" cloud-init "*) mkdir -p /etc/cloud && touch /etc/cloud/cloud-init.disabled ;; esac
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
