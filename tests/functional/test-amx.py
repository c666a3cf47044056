#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""AMX in a TD's Linux: a program asks for leave to use tiles, multiplies in several processes and in
signal handlers.

Needs the kernel that scripts/get-kernel downloads; without it, or a static libc, the test is skipped.
"""

import os
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx", "kernel", "path")


def kernel():
    try:
        with open(CACHE, encoding="utf-8") as f:
            path = f.read().strip()
    except OSError:
        return None
    return path if os.path.exists(path) else None


def initramfs(directory, program):
    """make-initramfs' archive with the program behind it: Linux unpacks one after the other."""
    initrd = os.path.join(directory, "initrd")
    subprocess.run(["scripts/make-initramfs", initrd], check=True)
    tree = os.path.join(directory, "tree")
    os.mkdir(tree)
    subprocess.run(["install", "-m", "755", program, os.path.join(tree, "amx")], check=True)
    with open(initrd, "ab") as f:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                       input=b"amx\n", stdout=f, check=True)
    return initrd


def test_amx():
    program = os.path.join(os.environ["BUILD_ROOT"], "tests", "functional", "amx-program")
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not os.path.exists(program):
        return "no static libc to link amx-program with"
    if not kernel():
        return "no kernel: run scripts/get-kernel"
    with tempfile.TemporaryDirectory() as directory:
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=[
            "-no-reboot", "-kernel", kernel(), "-initrd", initramfs(directory, program),
            "-append", "console=ttyS0"]))
        try:
            console.expect(r"Supporting XSAVE feature 0x40000: 'AMX Tile data'", 240 * SLOW)
            console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("/amx\r")
            console.expect(r"amx: 120 products in 3 processes are right", 120 * SLOW)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


if __name__ == "__main__":
    vmm.tap([("/amx/linux", test_amx)])
