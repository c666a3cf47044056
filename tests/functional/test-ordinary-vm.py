#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine as an ordinary VM, where this host has a KVM that may be used."""

import os
import sys

import vmm

FIRMWARE = os.path.join(vmm.BUILD, "tests", "functional", "ordinary-firmware.bin")


def arguments(*extra):
    return [vmm.program("qemu-system-x86_64"), "-accel", "kvm", "-m", "64M", "-bios", FIRMWARE,
            "-nodefaults", "-display", "none",
            "-serial", "stdio", *extra]


def no_kvm():
    return None if os.access("/dev/kvm", os.R_OK | os.W_OK) else "/dev/kvm cannot be used here"


def test_life():
    """Serial port, interrupt, two resets, read-only firmware, power-off: for one vCPU and for
    more."""
    if no_kvm():
        return no_kvm()
    for cpus in (1, 4):
        status, out, err = vmm.run(arguments("-smp", str(cpus)))
        assert status == 0, err
        assert err == "", err
        assert out == 3 * "hello\ninterrupted\n" + "off\n", repr(out)
    return None


def test_no_reboot():
    if no_kvm():
        return no_kvm()
    status, out, err = vmm.run(arguments("-no-reboot"))
    assert (status, err) == (0, ""), err
    assert out == "hello\ninterrupted\n", repr(out)
    return None


def test_enforce():
    """A feature that no KVM has: a warning, and with enforce the end."""
    if no_kvm():
        return no_kvm()
    status, _, err = vmm.run(arguments("-no-reboot", "-cpu", "host,+ia64"))
    assert status == 0 and err.count("\n") == 1, err
    assert "warning: host doesn't support requested feature: CPUID.01H:EDX.ia64 [bit 30]" in err, \
        err
    status, _, err = vmm.run(arguments("-no-reboot", "-cpu", "host,+ia64,enforce"))
    assert status == 1 and "CPUID.01H:EDX.ia64 [bit 30]" in err, err
    return None


def test_refused():
    """Needs no KVM: what an ordinary VM cannot have."""
    for extra, says in ((["-machine", "kernel-irqchip=split"], "kernel-irqchip"),
                        (["-machine", "smm=on"], "smm=on"),
                        (["-accel", "tcg"], "invalid accelerator tcg"),
                        (["-qtest", "stdio"], "-accel qtest")):
        status, _, err = vmm.run(arguments(*extra))
        assert status == 1 and says in err, (extra, err)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/ordinary/life", test_life), ("/ordinary/no-reboot", test_no_reboot),
             ("/ordinary/enforce", test_enforce),
             ("/ordinary/refused", test_refused)])
