#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two deterministic boots of OVMF to its shell have equal traces; two vCPUs. Each is ended at its
prompt, so one trace begins the other."""

import os
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def boot(trace):
    host = [vmm.program("swtdx"), "run", "--deterministic", "--trace", trace, "--"]
    console = vmm.Console(host + vmm.td_arguments(extra=["-smp", "2"]))
    try:
        console.expect(r"Shell> ", 600 * SLOW)
    finally:
        console.close()


def test_boot():
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    with tempfile.TemporaryDirectory() as directory:
        one, two = (os.path.join(directory, name) for name in ("one", "two"))
        boot(one)
        boot(two)
        with open(one, encoding="ascii") as a, open(two, encoding="ascii") as b:
            count = 0
            for count, (left, right) in enumerate(zip(a, b), 1):
                assert left == right or not (left.endswith("\n") and right.endswith("\n")), \
                    f"line {count}: {left!r} {right!r}"
        assert count > 1000000, count
    return None


if __name__ == "__main__":
    vmm.tap([("/deterministic/boot", test_boot)])
