#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# devices.sh DEVICES [OPTIONS] PROGRAM: the costs of PROGRAM's devices beside those of the QEMU that
# scripts/get-qemu keeps, or $SWTDX_QEMU names.
set -eu
other=${SWTDX_QEMU:-${XDG_CACHE_HOME:-$(dirname "$0")/../../.cache}/qemu-tdx/qemu-forky/qemu-system-x86_64}
if [ ! -x "$other" ]; then
    echo "no QEMU to compare with: run scripts/get-qemu, or name one in SWTDX_QEMU" >&2
    exec "$@"
fi
# The accelerator qtest is a module, which a QEMU in a tree of its own looks for elsewhere.
modules=$(dirname "$other")/tree/usr/lib/x86_64-linux-gnu/qemu
[ ! -d "$modules" ] || export QEMU_MODULE_DIR="$modules"
exec "$@" "$other"
