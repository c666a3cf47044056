#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the corpus of fuzz-tdvf: ends of small firmware files, as hexadecimal text. Usage:
make-tdvf-corpus.py DIRECTORY"""
import pathlib
import struct
import sys
import uuid

SIZE = 0x10000
BASE = (1 << 32) - SIZE
METADATA = "e47a6535-984a-4798-865e-4685a7bf8ec2"
FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d"
OTHER = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"

# data offset, raw size, address, memory size, type, attributes
GOOD = [
    (0x4000, 0xC000, BASE + 0x4000, 0xC000, 0, 1),
    (0, 0x4000, BASE, 0x4000, 1, 0),
    (0, 0, 0x810000, 0x10000, 3, 0),
    (0, 0, 0x809000, 0x2000, 2, 0),
]


def image(sections, entries=((OTHER, b"\1\2\3\4"),), signature=b"TDVF", version=1, length=None,
          count=None):
    count = len(sections) if count is None else count
    length = 16 + 32 * len(sections) if length is None else length
    body = signature + struct.pack("<III", length, version, count)
    for section in sections:
        body += struct.pack("<IIQQII", *section)
    body += bytes(-len(body) % 16)
    table = b""
    for guid, data in entries:
        table += data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le
    distance = 22 + len(table) + 18 + 0x20 + len(body)
    table = struct.pack("<IH", distance, 22) + uuid.UUID(METADATA).bytes_le + table
    table += struct.pack("<H", len(table) + 18) + uuid.UUID(FOOTER).bytes_le
    return body + table + bytes(0x20)


CORPUS = {
    "good": image(GOOD),
    "no-other-entry": image(GOOD, entries=()),
    "perm-mem": image(GOOD + [(0, 0, 0x1000000, 0x200000, 4, 2), (0x100, 0x100, 0, 0, 7, 0)]),
    "payload": image(GOOD + [(0, 0, 0x2000000, 0x1000, 5, 0)]),
    "temp-mem-in-window": image([(0x8000, 0x8000, BASE + 0x8000, 0x8000, 0, 1),
                                 (0, 0, BASE, 0x1000, 3, 0), GOOD[3]]),
    "overlap": image(GOOD + [(0, 0, 0x80A000, 0x1000, 3, 0)]),
    "many": image(GOOD + [(0, 0, 0x1000000 + 0x2000 * i, 0x1000, 3, 0) for i in range(60)]),
    "count-overflow": image(GOOD, count=0x8000000),
    "length-overflow": image(GOOD, length=0xFFFFFFFF),
    "version-2": image(GOOD, version=2),
    "entry-of-length-0": image(GOOD).replace(struct.pack("<H", 22) + uuid.UUID(METADATA).bytes_le,
                                             struct.pack("<H", 0) + uuid.UUID(METADATA).bytes_le),
    "wrapping-memory": image(GOOD[:2] + [(0, 0, 0x810000, 0xFFFFFFFFFFFFF000, 3, 0), GOOD[3]]),
}


def main():
    directory = pathlib.Path(sys.argv[1])
    for name, data in CORPUS.items():
        text = data.hex()
        lines = [text[i:i + 96] for i in range(0, len(text), 96)]
        (directory / (name + ".hex")).write_text("# " + name + "\n" + "\n".join(lines) + "\n")


main()
