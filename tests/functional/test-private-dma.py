#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fw_cfg's DMA in a TD reaches what the guest shares, and nothing that is private: the guest sees
the error bit, the user one warning."""

import os
import struct
import tempfile

import tiny
import tiny64
import vmm

MAP_GPA, SHARED = 0x10001, 1 << 51
DESCRIPTOR = 0x820000  # a page that is converted
PRIVATE = 0x810000     # one that the firmware's metadata has accepted
WINDOW = 0x200000      # the shared half of the first is mapped this much higher
SIGNATURE = 0
READ, SELECT = 2, 8


def swapped(value):
    return int.from_bytes(struct.pack("<I", value), "big")


def put(where, *words):
    """Big-endian words into the shared page."""
    code = tiny64.load(tiny64.RBX, where + WINDOW)
    for number, word in enumerate(words):
        code += tiny64.load(tiny64.RAX, swapped(word))
        code += b"\x89\x43" + bytes([4 * number])  # mov [rbx + 4n], eax
    return code


def dma(length, where, at=DESCRIPTOR):
    return (put(DESCRIPTOR, SIGNATURE << 16 | SELECT | READ, length, 0, where)
            + tiny64.vmcall(tiny64.IO, 4, 1, 0x518, swapped(at)))


def tell(where, plus=0):
    """The byte there to the debug console."""
    code = tiny64.load(tiny64.RBX, where + WINDOW)
    for register, value in ((tiny64.R10, 0), (tiny64.R11, tiny64.IO), (tiny64.R12, 1),
                            (tiny64.R13, 1),
                            (tiny64.R14, 0x402), (tiny64.RCX, 0xfc00), (tiny64.RAX, 0)):
        code += tiny64.load(register, value)
    # movzx r15d, byte [rbx]; add r15d, plus
    return code + b"\x44\x0f\xb6\x3b\x41\x83\xc7" + bytes([plus]) + tiny64.TDCALL


ERROR_BYTE = DESCRIPTOR + 3
PROGRAM = (
    tiny64.vmcall(MAP_GPA, DESCRIPTOR | SHARED, 0x1000)
    + dma(4, DESCRIPTOR + 0x100) + tell(ERROR_BYTE, ord("0")) + tell(DESCRIPTOR + 0x101)
    + dma(4, PRIVATE) + tell(ERROR_BYTE, ord("0"))
    # Into the private page behind it:
    + dma(0x1001, DESCRIPTOR) + tell(ERROR_BYTE, ord("0"))
    # A command that is private is not carried out: the shared half still has READ and SELECT.
    + dma(4, DESCRIPTOR + 0x100, at=PRIVATE) + tell(ERROR_BYTE, ord("0"))
    + tiny64.STOP
)


def test_private_dma():
    with tempfile.TemporaryDirectory() as directory:
        path, log = os.path.join(directory, "firmware.fd"), os.path.join(directory, "log")
        pages = bytearray(tiny64.image(PROGRAM, has_log=False))
        struct.pack_into("<Q", pages, 0x3000 + 8 * 5, 0x800083 | SHARED)
        with open(path, "wb") as f:
            f.write(pages)
        extra = ["-chardev", f"file,id=log,path={log}",
                 "-device", "isa-debugcon,iobase=0x402,chardev=log"]
        status, _, err = vmm.run([*vmm.tdx_host(), *tiny.td(path, extra)])
        with open(log, "rb") as f:
            told = f.read()
        assert status == 0 and told == b"0E11:", (status, told, err)
        warnings = [line for line in err.splitlines() if "fw_cfg" in line]
        assert len(warnings) == 1, err
        assert "fw_cfg: the DMA of 0x4 bytes at 0x810000 is not in one piece of RAM" in \
            warnings[0], err


vmm.tap([("/private-dma/fw-cfg", test_private_dma)])
