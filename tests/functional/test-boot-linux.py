#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's Linux runs as a TD by direct boot: it sees a TDX guest, its console has an interrupt,
and it powers off by ACPI.

Needs the kernel that scripts/get-kernel downloads; without it the test is skipped."""

import os
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def test_linux():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not vmm.cached("path"):
        return "no kernel: run scripts/get-kernel"
    with tempfile.TemporaryDirectory() as directory:
        initrd = os.path.join(directory, "initrd")
        subprocess.run(["scripts/make-initramfs", initrd], check=True)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(
            extra=["-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
                   "-append", "console=ttyS0"]))
        try:
            console.expect(r"tdx: Guest detected", 120 * SLOW)
            console.expect(r"IOAPIC\[0\]: .*GSI 0-23", 120 * SLOW)
            console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("grep ttyS0 /proc/interrupts\r")
            console.expect(r"IO-APIC +4-edge +ttyS0", 60 * SLOW)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


if __name__ == "__main__":
    vmm.tap([("/boot/linux", test_linux)])
