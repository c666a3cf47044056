# SPDX-License-Identifier: GPL-2.0-or-later
"""A TDVF image of 64 KiB whose only code stands at the reset vector: a launch of it takes
milliseconds."""

import os
import struct
import tempfile
import uuid

import vmm

SIZE = 0x10000
BASE = (1 << 32) - SIZE
UD2 = b"\x0f\x0b"  # with no interrupt table: a triple fault
ENDED = "warning: vCPU 0: the TD ended by a triple fault; a kernel that was not built for TDs"
SPIN = b"\xeb\xfe"
BFV, TD_HOB, TEMP_MEM = 0, 2, 3
EXTEND = 1
TDVF_METADATA = "e47a6535-984a-4798-865e-4685a7bf8ec2"
FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d"

# data offset, raw size, address, memory size, type, attributes
SECTIONS = [
    (0, SIZE, BASE, SIZE, BFV, EXTEND),
    (0, 0, 0x809000, 0x2000, TD_HOB, 0),
    (0, 0, 0x810000, 0x4000, TEMP_MEM, 0),
]
PAGES = sum(section[3] for section in SECTIONS) // 4096


def image(code=UD2):
    body = b"TDVF" + struct.pack("<III", 16 + 32 * len(SECTIONS), 1, len(SECTIONS))
    for section in SECTIONS:
        body += struct.pack("<IIQQII", *section)
    # The table of GUIDs ends 32 bytes before the end of the file; an entry is data, length, GUID.
    table = struct.pack("<IH", 0x20 + 18 + 22 + len(body), 22) + uuid.UUID(TDVF_METADATA).bytes_le
    table += struct.pack("<H", len(table) + 18) + uuid.UUID(FOOTER).bytes_le
    end = body + table + bytes(16) + code.ljust(16, b"\xf4")
    return bytes(SIZE - len(end)) + end


def write(directory, code=UD2):
    path = os.path.join(directory, f"tiny-{code.hex()}.fd")
    with open(path, "wb") as f:
        f.write(image(code))
    return path


class Firmware:
    """with tiny.Firmware() as path: ..."""

    def __init__(self, code=UD2):
        self.directory = tempfile.TemporaryDirectory()
        self.path = write(self.directory.name, code)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.directory.cleanup()


def td(firmware, extra=()):
    """The VMM's arguments."""
    return vmm.td_arguments(firmware=firmware, memory="16M", extra=["-no-reboot", *extra])
