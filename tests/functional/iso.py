# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of CDs: ISO 9660 (ECMA-119) with a few files, and an EFI boot image as El Torito 1.0 and
UEFI 2.10, 13.3.2 have it."""

import struct

BLOCK = 2048
FIRST = 16        # blocks before the volume descriptors
EFI_PLATFORM = 0xef


def both(value, size):
    """A number in both byte orders: ECMA-119, 7.2.3 and 7.3.3."""
    return value.to_bytes(size, "little") + value.to_bytes(size, "big")


def pad(data, size=BLOCK):
    return data + bytes(-len(data) % size)


def record(name, block, size, is_directory):
    """ECMA-119, 9.1"""
    body = struct.pack("<B", 0) + both(block, 4) + both(size, 4) + bytes([100, 1, 1, 0, 0, 0, 0])
    body += bytes([2 if is_directory else 0, 0, 0]) + both(1, 2) + bytes([len(name)]) + name
    body += bytes(1 - len(name) % 2)
    return bytes([len(body) + 1]) + body


def primary(label, blocks, table, root):
    """ECMA-119, 8.4"""
    volume = b"\x01CD001\x01\x00" + b" " * 32 + label.encode().ljust(32) + bytes(8)
    volume += both(blocks, 4) + bytes(32)
    volume += both(1, 2) + both(1, 2) + both(BLOCK, 2) + both(10, 4)
    volume += struct.pack("<II", table, 0) + struct.pack(">II", table + 1, 0) + root
    volume += b" " * 128 * 4 + b" " * 37 * 3 + (b"0" * 16 + b"\0") * 4 + b"\x01\0"
    return pad(volume)


def boot_catalog(block):
    """El Torito, 2: a validation entry, and a default entry without emulation, up to the end of the
    medium."""
    head = struct.pack("<BBH24sHBB", 1, EFI_PLATFORM, 0, b"", 0, 0x55, 0xaa)
    check = -sum(struct.unpack("<16H", head)) & 0xffff
    head = head[:28] + struct.pack("<H", check) + head[30:]
    return pad(head + struct.pack("<BBHBBHI20s", 0x88, 0, 0, 0, 0, 0, block, b""))


def make(path, label, files=(), efi=None):
    """files: (name, bytes) pairs, names in ISO 9660's upper case; efi: an image of a FAT file
    system to boot from."""
    # volume descriptors, then path tables, root directory, boot catalog
    start = FIRST + (3 if efi else 2)
    table, root_block, catalog = start, start + 2, start + 3
    block = start + 4
    root = [record(b"\0", root_block, BLOCK, True), record(b"\1", root_block, BLOCK, True)]
    contents = b""
    for name, data in files:
        root.append(record(name.encode() + b";1", block, len(data), False))
        contents += pad(data)
        block += len(pad(data)) // BLOCK
    total = block + (len(pad(efi)) // BLOCK if efi else 0)
    with open(path, "wb") as f:
        f.write(bytes(FIRST * BLOCK) +
                primary(label, total, table, record(b"\0", root_block, BLOCK, True)))
        if efi:
            f.write(pad(b"\0CD001\x01" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") +
                        struct.pack("<I", catalog)))
        f.write(pad(b"\xffCD001\x01"))
        f.write(pad(struct.pack("<BBIH2s", 1, 0, root_block, 1, b"\0\0")) +
                pad(struct.pack(">BBIH2s", 1, 0, root_block, 1, b"\0\0")))
        f.write(pad(b"".join(root)) + (boot_catalog(block) if efi else bytes(BLOCK)) + contents +
                (pad(efi) if efi else b""))
