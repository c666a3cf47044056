#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's OVMF.fd runs as a TD to the UEFI shell, and the shell can be used by keyboard."""

import hashlib
import os
import sys

import vmm

# MRTD of /usr/share/ovmf/OVMF.fd of Debian 12 (ovmf 2022.11-6+deb12u2), computed from the file by
# an independent program.
KNOWN_SHA256 = "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773"
KNOWN_MRTD = "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5a" \
             "a9c4999a08de4057fb887fed0744d5631a212967fb231c47"
SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def firmware_is_known():
    with open(vmm.OVMF, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest() == KNOWN_SHA256


def test_shell():
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=["-d", "tdx"]))
    try:
        mrtd = console.expect(r"MRTD ([0-9a-f]{96})", 60).group(1)
        if firmware_is_known():
            assert mrtd == KNOWN_MRTD, mrtd
        console.expect(r"UEFI Interactive Shell", 300 * SLOW)
        console.expect(r"Shell> ", 120 * SLOW)
        console.send("echo one-two-three\r")
        console.expect(r"echo one-two-three\s+one-two-three", 60 * SLOW)
        console.expect(r"Shell> ", 60 * SLOW)
        console.send("memmap\r")
        console.expect(r"Total Memory: *5", 120 * SLOW)
        console.send("\x01x")
        assert console.wait(30 * SLOW) == 0
    finally:
        console.close()
    return None


def test_power_off():
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    console = vmm.Console(vmm.tdx_host() + vmm.td_arguments())
    try:
        console.expect(r"Shell> ", 400 * SLOW)
        console.send("reset -s\r")
        assert console.wait(60 * SLOW) == 0
    finally:
        console.close()
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/boot/shell", test_shell), ("/boot/power-off", test_power_off)])
