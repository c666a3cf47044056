#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD boots from a CD, and its Linux reads CDs, locks their trays and hears of changes."""

import os
import subprocess
import sys
import tempfile

import iso
import qmp
import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
MODULES = ["virtio_pci", "virtio_scsi", "sr_mod", "isofs"]
MIB = 1 << 20


def boot_image(directory):
    """A FAT file system with a boot loader, Linux and its initramfs; or None and why there is
    none."""
    kernel, modules = vmm.cached("path"), vmm.cached("modules-path")
    for path in (vmm.OVMF, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "/bin/busybox",
                 "/usr/bin/mcopy"):
        if not os.path.exists(path):
            return None, f"{path} is missing: run scripts/install-deps"
    if not kernel or not modules:
        return None, "no kernel: run scripts/get-kernel --modules"
    disk, initrd = os.path.join(directory, "disk"), os.path.join(directory, "initrd")
    subprocess.run(["scripts/make-initramfs", initrd, *MODULES], check=True,
                   env=dict(os.environ, MODULES=modules))
    subprocess.run(["scripts/make-disk", disk, kernel, initrd, "console=ttyS0 quiet"], check=True)
    with open(disk, "rb") as f:
        f.seek(MIB)
        return f.read(os.path.getsize(disk) - 2 * MIB), None


def command(console, line, answer):
    console.send(line + "\r")
    console.expect(answer, 60 * SLOW)
    console.expect(r"/ # ", 60 * SLOW)


def hmp(monitor, line):
    return monitor.command("human-monitor-command", **{"command-line": line})


def test_boot():
    with tempfile.TemporaryDirectory() as directory:
        efi, missing = boot_image(directory)
        if missing:
            return missing
        boot, seed, other = (os.path.join(directory, name)
                             for name in ("boot.iso", "seed.iso", "other.iso"))
        iso.make(boot, "BOOT", [("HELLO.TXT", b"from the first CD\n")], efi)
        # What cloud-init looks for: a volume of this name with these files.
        iso.make(seed, "CIDATA",
                 [("META-DATA", b"instance-id: i-1\n"), ("USER-DATA", b"#cloud-config\n")])
        iso.make(other, "OTHER", [("OTHER.TXT", b"from another CD\n")])
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(memory="1G", extra=[
            "-cdrom", boot, "-device", "virtio-scsi-pci,id=scsi0",
            "-drive", f"file={seed},if=none,id=seed,media=cdrom",
            "-device", "scsi-cd,drive=seed,bus=scsi0.0,id=second",
            "-qmp", f"unix:{directory}/qmp,server=on,wait=off"]))
        try:
            console.expect(r"initramfs: this is a TDX guest", 400 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            # Which drive is sr0 depends on the order of the controllers; their labels tell.
            command(console,
                    "mkdir /a /b; for n in 0 1; do mount -r -t iso9660 /dev/sr$n /a; [ -e /a/user-data ] && cd=$n;"
                             " cat /a/*; umount /a; done; echo is$cd", r"is\d")
            assert "from the first CD" in console.text and "instance-id: i-1" in console.text, \
                console.text[-2000:]
            command(console,
                    "cat /sys/block/sr$cd/ro /sys/block/sr$cd/queue/logical_block_size /sys/block/sr$cd/device/model",
                    r"2048\s+QEMU CD-ROM")
            # Another medium, which Linux hears of when it opens the drive.
            monitor = qmp.Qmp(os.path.join(directory, "qmp"))
            monitor.command("qmp_capabilities")
            hmp(monitor, f"change second {other}")
            command(console, "mount -r -t iso9660 /dev/sr$cd /b; cat /b/*", r"from another CD")
            # It is mounted, so Linux has locked the tray.
            refusal = hmp(monitor, "eject second")
            assert "is locked and force was not specified" in refusal, refusal
            command(console, "umount /b; echo status $?", r"status 0")
            hmp(monitor, "eject second")
            blocks = hmp(monitor, "info block")
            assert "tray open" in blocks, blocks
            command(console, "cat /dev/sr$cd", r"No medium found")
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/cd/boot", test_boot)])
