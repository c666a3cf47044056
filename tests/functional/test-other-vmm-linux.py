#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU in the VMM's place: the tests of a TD's Linux that know no VMM, so that what they find is
swtdx's doing, or Linux'.

Of the suite "soak", for it takes minutes. SWTDX_QEMU names QEMU 10.1 or newer, as scripts/get-qemu prints it.
"""

import importlib
import os
import subprocess
import tempfile

import vmm

QEMU = os.environ.get("SWTDX_QEMU")


def test_quote():
    """By the service that comes with swtdx, which knows the report's key."""
    quote = importlib.import_module("test-quote")
    if quote.needs_linux():
        return quote.needs_linux()
    if vmm.run([vmm.program("swtdx"), "qgs", "--help"])[0]:
        return "swtdx was built without qgs"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qgs")
        with subprocess.Popen([vmm.program("swtdx"), "qgs", "--socket", path], stderr=subprocess.PIPE) as service:
            assert b"they prove nothing" in service.stderr.readline()
            guest = quote.Guest(directory, path)
            try:
                status, size, _ = guest.quote("z" * 64)
                assert status == 0 and size > 1020, (status, size)
                guest.end()
            finally:
                guest.console.close()
                service.terminate()
            assert f"quote of {size} bytes made" in service.stderr.read().decode(), size
    return None


def other(test):
    def run():
        if not QEMU:
            return "SWTDX_QEMU is not set: scripts/get-qemu fetches a QEMU and prints its path"
        vmm.OTHER = QEMU
        return test()
    return run


TESTS = [("boot-linux", "test_linux"), ("virtio", "test_small_devices"), ("disk", "test_disk"),
         ("network", "test_network"),
         ("amx", "test_amx"), ("cet", "test_cet")]

if __name__ == "__main__":
    vmm.tap([(f"/other-vmm-linux/{module}/{test[5:]}",
              other(getattr(importlib.import_module("test-" + module), test)))
             for module, test in TESTS] +
            [("/other-vmm-linux/quote/qgs", other(test_quote))])
