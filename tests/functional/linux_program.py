# SPDX-License-Identifier: GPL-2.0-or-later
"""A static program of the tests' own in a TD's Linux: the kernel that scripts/get-kernel downloads,
and make-initramfs' archive with the program behind it."""

import os
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def initramfs(directory, program, name):
    """Linux unpacks one archive after the other."""
    initrd = os.path.join(directory, "initrd")
    subprocess.run(["scripts/make-initramfs", initrd], check=True)
    tree = os.path.join(directory, "tree")
    os.mkdir(tree)
    subprocess.run(["install", "-m", "755", program, os.path.join(tree, name)], check=True)
    with open(initrd, "ab") as f:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                       input=f"{name}\n".encode(), stdout=f, check=True)
    return initrd


def run(name, host, arguments, boots_with, conversation):
    """Boots with NAME-program as /NAME; conversation(console) at the prompt. None, or why not."""
    program = os.path.join(os.environ["BUILD_ROOT"], "tests", "functional", f"{name}-program")
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not os.path.exists(program):
        return f"no static libc to link {name}-program with"
    if not vmm.cached("path"):
        return "no kernel: run scripts/get-kernel"
    with tempfile.TemporaryDirectory() as directory:
        console = vmm.Console(host + vmm.td_arguments(extra=[
            "-no-reboot", "-kernel", vmm.cached("path"),
            "-initrd", initramfs(directory, program, name),
            "-append", "console=ttyS0", *arguments]))
        try:
            console.expect(boots_with, 240 * SLOW)
            console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            conversation(console)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None
