#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD with four vCPUs reboots five times: each time a new TD of the same MRTD, and nothing of the
old ones is left."""

import os
import subprocess
import sys
import tempfile

import qmp
import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
REBOOTS = 5


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def mappings(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return sum(1 for _ in f)


def test_reboots():
    kernel = subprocess.run(["scripts/get-kernel"], capture_output=True, text=True, check=False)
    if kernel.returncode or not os.path.exists(vmm.OVMF):
        return "no kernel or no firmware"
    with tempfile.TemporaryDirectory() as directory:
        initrd, socket = os.path.join(directory, "initrd"), os.path.join(directory, "qmp")
        subprocess.run(["scripts/make-initramfs", initrd, "virtio_net", "virtio_blk"], check=True)
        disk = os.path.join(directory, "disk")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(memory="1G", extra=[
            "-smp", "4", "-qmp", f"unix:{socket},server=on,wait=off",
            "-kernel", kernel.stdout.strip(), "-initrd", initrd,
            "-append", "console=ttyS0 quiet", "-netdev", "user,id=n0",
            "-device", "virtio-net-pci,netdev=n0",
            "-drive", f"file={disk},format=raw,if=virtio"]))
        try:
            seen = []
            for _ in range(REBOOTS + 1):
                console.expect(r"initramfs: Linux .*, 4 CPU", 400 * SLOW)
                console.expect(r"# ", 60 * SLOW)
                if not seen:
                    client = qmp.Qmp(socket)
                    client.command("qmp_capabilities")
                mrtd = client.command("query-tdx")["mrtd"]
                pid = console.process.pid  # the launcher becomes the VMM
                seen.append((mrtd, open_files(pid), mappings(pid)))
                console.send("poweroff -f\r" if len(seen) > REBOOTS else "reboot -f\r")
            assert console.wait(60 * SLOW) == 0
            assert len({mrtd for mrtd, _, _ in seen}) == 1, seen
            # The first TD has not yet opened all that its devices keep.
            assert max(files for _, files, _ in seen[1:]) <= seen[1][1] + 2, seen
            assert max(maps for _, _, maps in seen[1:]) <= seen[1][2] + 20, seen
        finally:
            console.close()
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/reboot/five-times", test_reboots)])
