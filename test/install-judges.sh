#!/usr/bin/env bash
# Installs what the tests judge by: qemu-utils 10.x, nbdkit, libnbd's tools, libyal's readers, chromium, firefox, zstd, dmg2img.
# On Debian 12 qemu 10 comes from bookworm-backports, by the mirror that the machine's own apt sources name.
set -euo pipefail

packages=(nbdkit libnbd-bin chromium firefox-esr zstd e2fsprogs libvhdi-utils libvmdk-utils libqcow-utils bzip2 dmg2img)
qemu=(qemu-utils)

have() { command -v "$1" >/dev/null 2>&1; }
qemu_major() { qemu-img --version 2>/dev/null | sed -nE '1s/.*version ([0-9]+)\..*/\1/p'; }

if have qemu-img && [ "$(qemu_major)" -ge 10 ] && have nbdkit && have nbdinfo && have chromium && have firefox-esr && have zstd && have mkfs.ext4 && have vhdiinfo && have vmdkinfo && have qcowinfo && have dmg2img; then
  exit 0
fi
if ! have apt-get; then
  echo "these tests need qemu-utils 10.x, ${packages[*]}; this machine has no apt-get to install them with" >&2
  exit 1
fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
. /etc/os-release
suite=${VERSION_CODENAME}-backports

as_root apt-get update -qq
if ! apt-cache policy qemu-utils | grep -qE 'Candidate: 1:1[0-9]' && ! apt-cache policy | grep -q "a=$suite\|n=$suite"; then
  # Either of the two places may be missing, which grep tells by its exit code.
  mirror=$({ grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true; } |
    grep -v -e snapshot -e security | head -n 1 | sed 's# *$##; s#/$##')
  echo "deb $mirror $suite main" | as_root tee /etc/apt/sources.list.d/diskloom-backports.list >/dev/null
  as_root apt-get update -qq
fi
export DEBIAN_FRONTEND=noninteractive
if apt-cache policy | grep -q "$suite"; then
  as_root apt-get install -y -qq --no-install-recommends -t "$suite" "${qemu[@]}"
else
  as_root apt-get install -y -qq --no-install-recommends "${qemu[@]}"
fi
as_root apt-get install -y -qq --no-install-recommends "${packages[@]}"
