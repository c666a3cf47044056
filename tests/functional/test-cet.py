#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Control-flow enforcement in a TD's Linux: the kernel tracks its indirect branches, and a program
has a shadow stack: calls, signals, children and changes of stacks work, a smashed return is
SIGSEGV. Without the kernel, or a static libc, the test is skipped."""

import linux_program
import vmm
from linux_program import SLOW

HOST = "spr-1.5-linux-6.18"  # the first KVM that gives TDs CET


def smash(console):
    console.send("dmesg -n 1\r")  # no message in the middle of what is looked for
    console.expect(r"# ", 60 * SLOW)
    console.send("grep -o -w -E 'user_shstk|ibt' /proc/cpuinfo | sort -u | tr '\\n' ' '\r")
    console.expect(r"ibt user_shstk", 60 * SLOW)
    console.send("/cet\r")
    console.expect(r"cet: smashed return: SIGSEGV with si_code 10\b", 60 * SLOW)
    console.expect(r"cet: shadow stacks are right", 60 * SLOW)


def test_cet():
    host = [vmm.program("swtdx"), "run", "--host", HOST, "--"]
    return linux_program.run("cet", host, ["-smp", "2"],
                             r"CET detected: Indirect Branch Tracking enabled", smash)


if __name__ == "__main__":
    vmm.tap([("/cet/linux", test_cet)])
