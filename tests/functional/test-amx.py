#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""AMX in a TD's Linux: a program asks for leave to use tiles, multiplies in several processes and
in signal handlers. Without the kernel, or a static libc, the test is skipped."""

import linux_program
import vmm
from linux_program import SLOW


def multiply(console):
    console.send("/amx\r")
    console.expect(r"amx: 120 products in 3 processes are right", 120 * SLOW)


def test_amx():
    return linux_program.run("amx", vmm.tdx_host(), [],
                             r"Supporting XSAVE feature 0x40000: 'AMX Tile data'", multiply)


if __name__ == "__main__":
    vmm.tap([("/amx/linux", test_amx)])
