#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD's firmware finds a disk's boot loader by itself: GPT, EFI system partition, systemd-boot,
Linux."""

import os
import subprocess
import sys
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"


def make_disk(directory, command_line, name="disk.img"):
    """The image's path, or why there is none."""
    kernel = vmm.cached("path")
    for path in (vmm.OVMF, LOADER, "/bin/busybox", "/usr/bin/mcopy"):
        if not os.path.exists(path):
            return None, f"{path} is missing: run scripts/install-deps"
    if not kernel:
        return None, "no kernel: run scripts/get-kernel"
    disk, initrd = os.path.join(directory, name), os.path.join(directory, "initrd")
    subprocess.run(["scripts/make-initramfs", initrd], check=True)
    subprocess.run(["scripts/make-disk", disk, kernel, initrd, command_line], check=True)
    return disk, None


def test_boot():
    with tempfile.TemporaryDirectory() as directory:
        disk, missing = make_disk(directory, "console=ttyS0 quiet")
        if missing:
            return missing
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(memory="1G", extra=[
            "-smp", "2", "-device", "pcie-root-port,id=port0,chassis=1", "-blockdev",
            f'{{"driver":"raw","node-name":"d0","file":{{"driver":"file","filename":"{disk}"}}}}',
            "-device", "virtio-blk-pci,drive=d0,bus=port0"]))
        try:
            console.expect(r"initramfs: Linux .*, 2 CPU", 400 * SLOW)
            console.expect(r"initramfs: this is a TDX guest", 60 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


def test_order():
    """Of two disks with a boot loader, firmware takes the one that bootindex= puts first, in
    whichever slot it is."""
    with tempfile.TemporaryDirectory() as directory:
        drives = []
        for name, place in (("one", "addr=4,bootindex=2"), ("two", "addr=5,bootindex=1")):
            disk, missing = make_disk(directory, f"console=ttyS0 quiet disk={name}", name)
            if missing:
                return missing
            drives += ["-drive", f"file={disk},format=raw,if=none,id={name}",
                       "-device", f"virtio-blk-pci,drive={name},{place}"]
        console = vmm.Console(vmm.tdx_host() +
                              vmm.td_arguments(memory="1G", extra=["-boot", "strict=on", *drives]))
        try:
            console.expect(r"initramfs: this is a TDX guest", 400 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("cat /proc/cmdline\r")
            assert console.expect(r"disk=(one|two)", 60 * SLOW).group(1) == "two"
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/disk-boot/gpt", test_boot), ("/disk-boot/order", test_order)])
