#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""swtdx run --deterministic: the same TD twice gives the same trace, byte for byte, whatever the
machine does meanwhile."""

import os
import re
import subprocess
import tempfile

import tiny64
import vmm

SWTDX = os.path.abspath(vmm.program("swtdx"))
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")
SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
DATA = 0xa000
PM_TIMER = 0x608
ROUNDS = 12
MOV_R15_RAX = b"\x49\x89\xc7"


def out_r15(port):
    return (tiny64.load(tiny64.R10, 0) + tiny64.load(tiny64.R11, tiny64.IO) +
            tiny64.load(tiny64.R12, 4) + tiny64.load(tiny64.R13, 1)
            + tiny64.load(tiny64.R14, port) + tiny64.load(tiny64.RCX, 0xfc00) +
            tiny64.load(tiny64.RAX, 0) + tiny64.TDCALL)


def read_port(port):
    """What the VMM answers stands in R11."""
    return tiny64.vmcall(tiny64.IO, 4, 0, port) + b"\x4d\x89\xdf"


def write_port(port, value):
    return tiny64.load(tiny64.R15, value) + out_r15(port)


# The ICH9's PMBASE and ACPI_CNTL, 0:1f.0 registers 40h and 44h (its data sheet, 13.1.13 and
# 13.1.14).
ENABLE_PM = b"".join(write_port(port, value) for port, value in (
    (0xcf8, 0x8000f840), (0xcfc, 0x601), (0xcf8, 0x8000f844), (0xcfc, 0x80)))


def guest(cpus):
    """All vCPUs count in one word, tell of time, chance and a device's clock, and the first one
    ends the TD when all are done."""
    body = (b"\xf0\xff\x03"                                   # lock inc dword [rbx]
            + b"\x0f\x31" + MOV_R15_RAX + out_r15(0x80)       # rdtsc
            + b"\x48\x0f\xc7\xf0" + MOV_R15_RAX + out_r15(0x80)  # rdrand rax
            + b"\x48\x0f\xc7\xf8" + MOV_R15_RAX + out_r15(0x80)  # rdseed rax
            + read_port(PM_TIMER) + out_r15(0x80)
            + b"\x44\x8b\x3b" + out_r15(0x80)                 # mov r15d, [rbx]
            # mov eax, n; dec eax; jnz
            + b"\xb8" + (30000).to_bytes(4, "little") + b"\xff\xc8\x75\xfc"
            + b"\xff\xcf")                                    # dec edi
    loop = body + b"\x0f\x85" + (-(len(body) + 6)).to_bytes(4, "little", signed=True)
    # pause; cmp dword [rbx + 4], n; jne
    first = b"\xf3\x90\x83\x7b\x04" + bytes([cpus]) + b"\x75\xf8"
    return (b"\x48\x89\xf5" + ENABLE_PM + tiny64.load(tiny64.RBX, tiny64.address(DATA)) + b"\xbf" +
            ROUNDS.to_bytes(4, "little") + loop
            # lock inc dword [rbx + 4]; test ebp, ebp; jz; pause; jmp
            + b"\xf0\xff\x43\x04\x85\xed\x74\x04" + b"\xf3\x90\xeb\xfc"
            + first + b"\x44\x8b\x3b" + out_r15(0x80) + tiny64.STOP)


def trace_of(firmware, cpus, *options):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "trace")
        argv = [SWTDX, "run", *options, "--trace", path,
                "--", *vmm.td_arguments(firmware, extra=["-smp", str(cpus), "-no-reboot"])]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=100 * SLOW, check=False, env=ENV)
        with open(path, encoding="ascii") as f:
            return f.read(), done


def lines_of_ports(trace):
    return [line.split(" ", 1)[1] for line in trace.splitlines() if " tdvmcall " in line]


def same_twice(cpus):
    with tiny64.Firmware(guest(cpus)) as firmware:
        one, done = trace_of(firmware, cpus, "--deterministic")
        two, _ = trace_of(firmware, cpus, "--deterministic")
        interpreted, _ = trace_of(firmware, cpus, "--deterministic", "--interpret")
        real, _ = trace_of(firmware, cpus)
    told = lines_of_ports(one)
    assert len(told) >= cpus * ROUNDS * 6 + 1, (len(told), done.stderr[-1000:])
    assert told[-1].endswith(f"port=0x80 size=4 value={cpus * ROUNDS:#x}"), told[-1]
    ticks = re.findall(r"tdvmcall-return vcpu=0 r11=(0x[0-9a-f]+)", one)
    ticks = sorted({int(tick, 16) for tick in ticks} - {tiny64.IO, 0xffffffff})
    assert len(ticks) >= ROUNDS - 2 and ticks[-1] < 3579545, ticks
    for label, other in (("again", two), ("interpreted", interpreted)):
        for number, (a, b) in enumerate(zip(one.splitlines(), other.splitlines()), 1):
            assert a == b, (label, number, a, b)
        assert one == other, (label, len(one), len(other))
    assert lines_of_ports(real) != told, "time and chance are virtual only with --deterministic"


def test_one():
    same_twice(1)


def test_two():
    same_twice(2)


if __name__ == "__main__":
    vmm.tap([("/deterministic/one-vcpu", test_one), ("/deterministic/two-vcpus", test_two)])
