#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of Debian 12 in a TD give what they give on the host; stress-ng finds nothing wrong.

Of the suite "soak", for it takes minutes. Needs what scripts/get-kernel, scripts/get-kernel
--modules and scripts/get-userland download, mke2fs and debugfs (package e2fsprogs), and user
namespaces for the run on the host; without them the test is skipped."""

import os
import re
import shutil
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx")
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "userland.sh")
TOOLS = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"}
# Each for a few seconds, with its own checks of what it computes.
STRESSORS = ["--cpu 4 --cpu-method all", "--vecmath 4", "--vecwide 2", "--fp 2", "--matrix 2",
             "--atomic 4", "--mcontend 4", "--futex 4", "--mutex 4", "--switch 4", "--signal 2",
             "--sigsegv 2", "--sigfpe 2", "--context 2", "--icache 2", "--mremap 2", "--clone 2",
             "--vm 2 --vm-bytes 128m --vm-method all", "--fork 2", "--rseq 2", "--hrtimers 2",
             "--longjmp 2"]
BAD = (r"BUG:|WARNING:|Call Trace:|rcu: INFO|Marking clocksource|general protection|unchecked MSR|"
       r"soft lockup")
INIT = """#!/bin/sh
export PATH=/usr/bin:/bin:/usr/sbin:/sbin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp
exec >/dev/ttyS0 2>&1
sh /userland.sh
cd /tmp
%s
echo "userland: the end"
busybox poweroff -f
"""
STRESS = """status=0; stress-ng %s --verify -t 3 >stress.log 2>&1 || status=$?
echo "stress: %s: $status"; [ $status = 0 ] || cat stress.log"""


def missing():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    for tool in ("mke2fs", "debugfs"):
        if not shutil.which(tool, path=TOOLS["PATH"]):
            return f"{tool} is missing: install the package e2fsprogs"
    if not vmm.cached("path") or not vmm.cached("modules-path"):
        return "no kernel with modules: run scripts/get-kernel and scripts/get-kernel --modules"
    if not os.path.exists(os.path.join(CACHE, "userland", "complete")):
        return "no programs: run scripts/get-userland"
    if vmm.run(["unshare", "--map-root-user", "--mount", "true"])[0] != 0:
        return "no user namespaces here: the programs can't be run on the host"
    return None


def make_disk(directory, tree):
    disk = os.path.join(directory, "disk.img")
    with open(os.path.join(directory, "init"), "w", encoding="ascii") as f:
        f.write(INIT % "\n".join(STRESS % (s, s) for s in STRESSORS))
    with open(disk, "wb") as f:
        f.truncate(2 << 30)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, disk], env=TOOLS, check=True)
    commands = (f"write {directory}/init init\nset_inode_field init mode 0100755\n"
                f"write {SCRIPT} userland.sh\n")
    subprocess.run(["debugfs", "-w", "-f", "-", disk], input=commands.encode(), env=TOOLS,
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return disk


def results(text):
    return dict(re.findall(r"^result: (\S+) (\d+ \S+)", text.replace("\r", ""), re.M))


def on_host(directory, tree):
    """In a copy, for the script writes to /tmp."""
    copy = os.path.join(directory, "tree")
    subprocess.run(["cp", "-a", "--reflink=auto", tree, copy], check=True)
    shutil.copy(SCRIPT, os.path.join(copy, "userland.sh"))
    status, out, err = vmm.run([
        "unshare", "--map-root-user", "--mount", "sh", "-ec",
        f"mount --rbind /dev '{copy}/dev'; exec chroot '{copy}' /bin/sh /userland.sh"], 600 * SLOW)
    assert status == 0, err
    return results(out)


def test_userland():
    why = missing()
    if why:
        return why
    tree = os.path.join(CACHE, "userland", "tree")
    with tempfile.TemporaryDirectory() as directory:
        expected = on_host(directory, tree)
        assert len(expected) == 9, expected
        assert all(r.startswith("0 ") for r in expected.values()), expected
        disk = make_disk(directory, tree)
        initrd = os.path.join(directory, "initrd")
        subprocess.run(["scripts/make-initramfs", "--root", "/dev/vda", initrd, "virtio_blk",
                        "ext4"], check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(memory="2G", extra=[
            "-smp", "4", "-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
            "-append", "console=ttyS0", "-drive", f"file={disk},format=raw,if=virtio"]))
        try:
            console.expect(r"userland: the end", 1800 * SLOW)
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    got = results(console.text)
    assert got == expected, f"in the TD {got}, on the host {expected}"
    for name, status in re.findall(r"stress: (.*): (\d+)", console.text):
        assert status == "0", f"stress-ng {name}: status {status}\n{console.text[-6000:]}"
    assert len(re.findall(r"stress: ", console.text)) == len(STRESSORS), console.text[-6000:]
    bad = re.search(rf".*({BAD}).*", console.text)
    assert not bad, bad.group(0)
    return None


if __name__ == "__main__":
    vmm.tap([("/userland/debian", test_userland)])
