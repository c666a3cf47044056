#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Control-flow enforcement in a TD's Linux: the kernel tracks its indirect branches, and a program
has a shadow stack: calls, signals, children and changes of stacks work, a smashed return is SIGSEGV.

Needs the kernel that scripts/get-kernel downloads; without it, or a static libc, it is skipped."""

import os
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx", "kernel", "path")
HOST = "spr-1.5-linux-6.18"  # the first KVM that gives TDs CET


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
    subprocess.run(["install", "-m", "755", program, os.path.join(tree, "cet")], check=True)
    with open(initrd, "ab") as f:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                       input=b"cet\n", stdout=f, check=True)
    return initrd


def test_cet():
    program = os.path.join(os.environ["BUILD_ROOT"], "tests", "functional", "cet-program")
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not os.path.exists(program):
        return "no static libc to link cet-program with"
    if not kernel():
        return "no kernel: run scripts/get-kernel"
    with tempfile.TemporaryDirectory() as directory:
        host = [vmm.program("swtdx"), "run", "--host", HOST, "--"]
        initrd = initramfs(directory, program)
        console = vmm.Console(host + vmm.td_arguments(
            extra=["-no-reboot", "-smp", "2", "-kernel", kernel(), "-initrd", initrd,
                   "-append", "console=ttyS0"]))
        try:
            console.expect(r"CET detected: Indirect Branch Tracking enabled", 240 * SLOW)
            console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("dmesg -n 1\r")  # no message in the middle of what is looked for
            console.expect(r"# ", 60 * SLOW)
            console.send("grep -o -w -E 'user_shstk|ibt' /proc/cpuinfo | sort -u | tr '\\n' ' '\r")
            console.expect(r"ibt user_shstk", 60 * SLOW)
            console.send("/cet\r")
            console.expect(r"cet: smashed return: SIGSEGV with si_code 10\b", 60 * SLOW)
            console.expect(r"cet: shadow stacks are right", 60 * SLOW)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


if __name__ == "__main__":
    vmm.tap([("/cet/linux", test_cet)])
