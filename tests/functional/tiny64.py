# SPDX-License-Identifier: GPL-2.0-or-later
"""A TDVF image whose code runs in 64-bit mode, puts together from TDCALLs, with an event log in it.
Like tiny.py's, it starts in milliseconds.

In the image, from its first byte: page tables (PML4, PDPT, PD of the last GiB, PD of the first),
code, data. The last 2 MiB below 4 GiB, where the image is, and those at 8 MiB, where the TD HOB and
some accepted pages are, are mapped to themselves. """

import hashlib
import os
import struct
import tempfile

import tiny

CODE, LOG, CCEL, DIGESTS = 0x4000, 0x6000, 0x8000, 0x9000
VP_INFO, RTMR_EXTEND, VEINFO_GET = 1, 2, 3
HLT, IO, MMIO = 12, 30, 48
TDCALL = b"\x66\x0f\x01\xcc"
STOP = b"\x0f\x0b"          # no interrupt table: a triple fault
SPIN = b"\xeb\xfe"


def load(register, value):
    """MOV r32, imm32 (r64, imm64 for what does not fit); register: the number of its encoding."""
    rex = 0x41 if register >= 8 else 0
    if value >> 32:
        return bytes([0x48 | (register >= 8), 0xb8 | register & 7]) + struct.pack("<Q", value)
    return bytes([rex] if rex else []) + bytes([0xb8 | register & 7]) + struct.pack("<I", value)


RAX, RCX, RDX, RBX, R8, R10, R11, R12, R13, R14, R15 = 0, 1, 2, 3, 8, 10, 11, 12, 13, 14, 15


def tdcall(leaf, rcx=0, rdx=0):
    return load(RCX, rcx) + load(RDX, rdx) + load(RAX, leaf) + TDCALL


def vmcall(leaf, *arguments):
    code = load(R10, 0) + load(R11, leaf)
    for number, value in enumerate(arguments):
        code += load(R12 + number, value)
    return code + load(RCX, 0xfc00) + load(RAX, 0) + TDCALL


def out(port, value):
    return vmcall(IO, 1, 1, port, value)


def address(offset):
    return tiny.BASE + offset


def extend(index, number):
    """TDG.MR.RTMR.EXTEND with the n-th digest of the image."""
    return tdcall(RTMR_EXTEND, address(DIGESTS + 64 * number), index)


def digest(text):
    return hashlib.sha384(text).digest()


def event(register, kind, data, measured=None):
    """An entry of the log and the digest that goes with it."""
    value = digest(data if measured is None else measured)
    return struct.pack("<IIIH", register + 1, kind, 1, 12) + value + struct.pack("<I", len(data)) + data, value


def log(entries):
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 12, 48, 0)
    return struct.pack("<II20xI", 1, 3, len(spec)) + spec + b"".join(entry for entry, _ in entries)


def ccel(where, size):
    table = b"CCEL" + struct.pack("<IBB6s8sI4sI", 56, 1, 0, b"TINY  ", b"TINY    ", 1, b"TINY", 1)
    table += struct.pack("<BBHQQ", 2, 0, 0, size, where)
    return table[:9] + bytes([-sum(table) & 0xff]) + table[10:]


def image(code, entries=(), table=True, has_log=True):
    pages = bytearray(tiny.image(b"\xe9" + struct.pack("<i", address(CODE) - (0xfffffff0 + 5))))

    def put(offset, data):
        assert not any(pages[offset:offset + len(data)]), hex(offset)
        pages[offset:offset + len(data)] = data
    put(0, struct.pack("<Q", address(0x1000) | 3))
    put(0x1000, struct.pack("<QQQQ", address(0x3000) | 3, 0, 0, address(0x2000) | 3))
    put(0x2000 + 8 * 511, struct.pack("<Q", 0xffe00083))
    put(0x3000 + 8 * 4, struct.pack("<Q", 0x800083))
    # To 64-bit mode: CR3, CR4.PAE, CR0.PG (EFER.LME is set when a TD starts), a GDT, a far jump.
    gdt = address(CODE + 0x80)
    enter = (load(RAX, address(0)) +
             b"\x0f\x22\xd8\x0f\x20\xe0\x83\xc8\x20\x0f\x22\xe0\x0f\x20\xc0\x0d\x00\x00\x00\x80\x0f\x22\xc0"
             + b"\x0f\x01\x15" + struct.pack("<I", gdt + 24) + b"\xea" +
             struct.pack("<IH", address(CODE + 0x100), 8))
    put(CODE, enter)
    put(CODE + 0x80, struct.pack("<QQQHI", 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 23, gdt))
    put(CODE + 0x100, code)
    if has_log:
        text = log(entries)
        put(LOG, text + b"\xff" * (0x1000 - len(text)))
        if table:
            put(CCEL + 0x10, ccel(address(LOG), 0x1000))
    for number, (_, value) in enumerate(entries):
        put(DIGESTS + 64 * number, value)
    return bytes(pages)


class Firmware:
    """with tiny64.Firmware(code, entries) as path: ..."""

    def __init__(self, code, entries=(), **kind):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "tiny64.fd")
        with open(self.path, "wb") as f:
            f.write(image(code, entries, **kind))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.directory.cleanup()
