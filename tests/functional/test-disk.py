#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD's Linux writes to disks, virtio's and SCSI, behind PCI Express root ports, and the host
finds there what it wrote.

Needs the kernel and the modules that scripts/get-kernel downloads, and mkfs.ext4 and debugfs
(package e2fsprogs); without them the test is skipped."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import qmp
import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
TOOLS = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"
SIZE = 64 << 20
RAW_OFFSET = 48 << 20  # of the second disk


def missing():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    for tool in ("mkfs.ext4", "debugfs"):
        if not shutil.which(tool, path=TOOLS):
            return f"{tool} is missing: install the package e2fsprogs"
    if not vmm.cached("path"):
        return "no kernel: run scripts/get-kernel"
    if not vmm.cached("modules-path"):
        return "no kernel modules: run scripts/get-kernel --modules"
    return None


def make_disk(path):
    with open(path, "wb") as f:
        f.truncate(SIZE)


def command(console, text, timeout=60):
    """Types a command; the text that it prints."""
    start = console.seen
    console.send(f"{text}; echo STATUS''=$?\r")
    match = console.expect(r"STATUS=(\d+)", timeout * SLOW)
    output = console.text[start:match.start()]
    console.expect(r"# ", 30 * SLOW)
    assert match.group(1) == "0", f"{text}: status {match.group(1)}\n{output}"
    return output


def check_guest(console):
    console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
    console.expect(r"# ", 60 * SLOW)
    for disk in ("vda", "sda"):
        features = command(console,
                           f"cat $(readlink -f /sys/block/{disk} | sed "
                           f"'s,\\(/virtio[0-9]*\\)/.*,\\1,')/features")
        assert re.search("^[01]{34}1", features, re.M), features # VIRTIO_F_RING_PACKED
    command(console, "mkdir -p /mnt && mount -t ext4 /dev/vda /mnt")
    command(console, "seq 1 200000 >/mnt/numbers && sync")
    digest = command(console, "sha256sum /mnt/numbers").split("sha256sum")[-1]
    command(console, "umount /mnt")
    command(console,
            "mount -t ext4 -o discard /dev/sda /mnt && seq 1 200000 >/mnt/numbers && sync && "
            "umount /mnt")
    assert "SCSI-SERIAL" in command(console, "cat /sys/block/sda/device/vpd_pg80; echo")
    assert "write back" in command(console, "cat /sys/class/scsi_disk/*/cache_type")
    command(console, "seq 1 9999 | dd of=/dev/vdb bs=1M seek=48 conv=notrunc,fsync", 60)
    assert "DISK-SERIAL" in command(console, "cat /sys/block/vdb/serial; echo")
    assert "PCI-MSIX" in command(console, "grep virtio0-req /proc/interrupts")
    return digest


def check_host(digest, first, second, third):
    numbers = "".join(f"{n}\n" for n in range(1, 200001)).encode()
    assert hashlib.sha256(numbers).hexdigest() in digest, digest
    for disk in (first, third):
        written = subprocess.run(["debugfs", "-R", "cat /numbers", disk],
                                 env={**os.environ, "PATH": TOOLS},
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 check=True).stdout
        assert hashlib.sha256(written).hexdigest() == hashlib.sha256(numbers).hexdigest()
        clean = subprocess.run(["fsck.ext4", "-fn", disk], env={**os.environ, "PATH": TOOLS},
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, check=False)
        assert clean.returncode == 0, clean.stdout.decode()
    raw = "".join(f"{n}\n" for n in range(1, 10000)).encode()
    with open(second, "rb") as f:
        f.seek(RAW_OFFSET)
        assert f.read(len(raw)) == raw


def test_disk():
    why = missing()
    if why:
        return why
    with tempfile.TemporaryDirectory() as directory:
        initrd, first, second, third = (os.path.join(directory, name) for name in ("initrd",
                                                                                   "first.img",
                                                                                   "second.img",
                                                                                   "third.img"))
        subprocess.run(["scripts/make-initramfs", initrd, "virtio_blk", "virtio_scsi", "sd_mod",
                        "ext4"], check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        make_disk(first)
        make_disk(second)
        make_disk(third)
        for disk in (first, third):
            subprocess.run(["mkfs.ext4", "-q", "-F", disk], env={**os.environ, "PATH": TOOLS},
                           check=True)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=[
            "-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
            "-append", "console=ttyS0",
            "-device", "pcie-root-port,id=port1,chassis=1,addr=1,multifunction=on",
            "-device", "pcie-root-port,id=port2,chassis=2,addr=1.1",
            "-drive", f"file={first},format=raw,if=none,id=disk0",
            "-object", "iothread,id=io0",
            "-device", "virtio-blk-pci,drive=disk0,bus=port1,iothread=io0,packed=on",
            "-blockdev", f'{{"driver":"file","filename":"{second}","node-name":"disk1"}}',
            "-device",
            '{"driver":"virtio-blk-pci-non-transitional","drive":"disk1","serial":"DISK-SERIAL","bus":"port2"}',
            "-device", "virtio-scsi-pci,id=scsi0,iothread=io0,packed=on",
            "-drive", f"file={third},format=raw,if=none,id=disk2,discard=unmap",
            "-device",
            "scsi-hd,drive=disk2,bus=scsi0.0,channel=0,scsi-id=3,lun=0,serial=SCSI-SERIAL"]))
        try:
            digest = check_guest(console)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
        check_host(digest, first, second, third)
    return None


def check_hotplug(console, socket):
    console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
    console.expect(r"# ", 60 * SLOW)
    monitor = qmp.Qmp(socket, 60 * SLOW)
    monitor.command("qmp_capabilities")
    for turn in range(2):
        own_thread = {"iothread": "io0"} if turn == 0 else {}
        monitor.command("device_add", driver="virtio-blk-pci", drive="disk0", bus="port2",
                        id="hot0", **own_thread)
        console.expect(r"pciehp: Slot\(0-1\): Card present", 60 * SLOW)
        console.expect(r"virtio_blk virtio\d+: \[vda\]", 60 * SLOW)
        command(console, "dd if=/dev/vda of=/dev/null bs=1M")
        if own_thread:
            assert "is in use" in monitor.error("object-del", id="io0")[1]
            monitor.command("stop")
            monitor.command("cont")
        size = SIZE + (turn + 1 << 20)
        monitor.command("block_resize", **{"node-name": "disk0", "size": size})
        command(console, f"until grep -qx {size // 512} /sys/block/vda/size; do sleep 0.1; done")
        command(console, f"yes | dd of=/dev/vda bs=1M seek={SIZE >> 20} count=1 conv=notrunc,fsync")
        command(console, f"busybox blkdiscard -o {SIZE - (1 << 20)} -l {1 << 20} /dev/vda")
        monitor.command("device_del", id="hot0")
        assert "unplug" in monitor.error("device_del", id="hot0")[1]
        assert monitor.event("DEVICE_DELETED")["device"] == "hot0"
        assert "vda" not in command(console, "echo; cat /proc/partitions").split("partitions")[-1]
    monitor.command("device_add", driver="scsi-hd", drive="disk1", bus="scsi0.0", id="hot1",
                    **{"scsi-id": 2, "lun": 1})
    console.expect(r"sd 0:0:2:1: \[sda\] Attached SCSI disk", 60 * SLOW)
    monitor.command("block_resize", **{"node-name": "disk1", "size": 3 << 20})
    command(console, f"until grep -qx {(3 << 20) // 512} /sys/block/sda/size; do sleep 0.1; done")
    monitor.command("device_del", id="hot1")
    assert monitor.event("DEVICE_DELETED")["device"] == "hot1"
    command(console, "while grep -q sda /proc/partitions; do sleep 0.1; done")
    error = monitor.error("device_add", driver="virtio-blk-pci", drive="disk0", bus="pcie.0")[1]
    assert error.startswith("Bus 'pcie.0' does not support hotplugging\n"), error
    monitor.close()


def test_hotplug():
    why = missing()
    if why:
        return why
    with tempfile.TemporaryDirectory() as directory:
        initrd, disk, small, socket = (os.path.join(directory, name)
                                       for name in ("initrd", "disk.img", "small.img", "qmp"))
        subprocess.run(["scripts/make-initramfs", initrd, "virtio_blk", "virtio_scsi", "sd_mod"],
                       check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        with open(disk, "wb") as f:
            f.write(b"x" * SIZE)
        with open(small, "wb") as f:
            f.truncate(1 << 20)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=[
            "-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
            "-append", "console=ttyS0",
            "-qmp", f"unix:{socket},server=on,wait=off",
            "-drive", f"file={disk},format=raw,if=none,id=disk0,discard=unmap",
            "-object", "iothread,id=io0", "-device", "virtio-scsi-pci,id=scsi0",
            "-drive", f"file={small},format=raw,if=none,id=disk1",
            "-device", "pcie-root-port,id=port1,chassis=1,addr=1,multifunction=on",
            "-device", "pcie-root-port,id=port2,chassis=2,addr=1.1"]))
        try:
            check_hotplug(console, socket)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
        # what was written where there was no disk at first, and what was given back
        with open(disk, "rb") as f:
            assert f.seek(0, os.SEEK_END) == SIZE + (2 << 20)
            f.seek(SIZE - (1 << 20) - 1)
            assert f.read(2) == b"x\0"
            f.seek(SIZE - 1)
            assert f.read(3) == b"\0y\n"
        assert os.stat(disk).st_blocks * 512 <= SIZE + (1 << 20)
    return None


if __name__ == "__main__":
    vmm.tap([("/disk/td", test_disk), ("/disk/hotplug", test_hotplug)])
