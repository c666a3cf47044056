#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI tables as iasl reads them: no complaints, and the text that lies in acpi/.
UPDATE_GOLDEN=1 writes that text anew.

Usage: test-acpi-text.py PROGRAM GOLDEN-DIRECTORY (PROGRAM is test-acpi, which writes the tables
with --dump)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

CONFIGS = ["small", "large"]
TABLES = ["facs", "dsdt", "facp", "apic", "mcfg", "xsdt"]
# Four vCPUs; the tables of the numbers behind are the same, but for the processors.
FEW, MANY = "4", [255, 256]
TABLES_OF_PROCESSORS = ["dsdt", "apic"]


def run(directory, *argv):
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def body(path):
    """The disassembly without its heading, which names program version, date and file."""
    with open(path, encoding="utf-8") as f:
        return re.sub(r"\A/\*.*?\*/\s*", "", f.read(), flags=re.S)


def same_words(text):
    """A table of data as any iasl writes it: sizes of fields in decimal or as 004h, blanks, and
    capitals in a table's name differ."""
    lines = (re.sub(r"^(\[\w+h \d+) +(\w+?)(h?)\] +",
                    lambda m: f"{m[1]} {int(m[2], 16 if m[3] else 10):3}] ", line)
             for line in text.strip().splitlines())
    return re.sub(r"\[[A-Z].*\]$", lambda m: m[0].lower(), "\n".join(lines), flags=re.M)


def disassemble(directory, program, config, table):
    """The text of a table, about which iasl has nothing to remark; it can be compiled again."""
    status, out = run(directory, program, "--dump", config, directory)
    assert status == 0, out
    status, out = run(directory, "iasl", "-d", f"{table}.dat")
    assert status == 0 and not re.search(r"(?i)warning|error|remark|invalid|unknown", out), out
    text = body(os.path.join(directory, f"{table}.dsl"))
    if table == "dsdt":
        status, out = run(directory, "iasl", "dsdt.dsl")
        assert status == 0 and "0 Errors, 0 Warnings, 0 Remarks" in out, out
    return text


def check(program, golden, config, table):
    with tempfile.TemporaryDirectory() as directory:
        text = disassemble(directory, program, config, table)
        path = os.path.join(golden, f"{config}-{table}.txt")
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            assert same_words(text) == same_words(f.read()), \
                f"{config} {table} differs from {path}:\n{text}"


def take_processors(table, text):
    """The text without its processors; those, as (UID, APIC id)."""
    if table == "dsdt":
        block = r"\n +Device \(C[0-9A-F]{3}\)\n +\{\n +Name \(_HID, \"ACPI0007\".*?_UID, (\w+)\).*?\n +\}\n"
        uids = [0 if uid == "Zero" else 1 if uid == "One" else int(uid, 16)
                for uid in re.findall(block, text, flags=re.S)]
        return re.sub(block, "", text, flags=re.S), [(uid, None) for uid in uids]
    text = re.sub(r"\[.*?\]|Raw Table Data.*", "", text, flags=re.S)  # offsets; bytes
    text = re.sub(r"(Table Length|Checksum) : \w+", r"\1", text)
    local = re.findall(r"Subtable Type : 00.*?Processor ID : (\w+).*?Local Apic ID : (\w+)", text,
                       flags=re.S)
    wide = re.findall(r"Subtable Type : 09.*?x2Apic ID : (\w+).*?Processor UID : (\w+)", text,
                      flags=re.S)
    text = re.sub(r"\s*Subtable Type : (00|09).*?(?=\n\s*Subtable|\Z)", "", text, flags=re.S)
    ids = [*local, *((u, a) for a, u in wide)]
    return text, [(int(u, 16), int(a, 16)) for u, a in ids]


def check_many(program, golden, count, table):
    with tempfile.TemporaryDirectory() as directory:
        rest, processors = take_processors(table,
                                           same_words(disassemble(directory, program, str(count),
                                                                  table)))
    with open(os.path.join(golden, f"{FEW}-{table}.txt"), encoding="utf-8") as f:
        expected, few = take_processors(table, same_words(f.read()))
    assert rest == expected, f"{count} {table}:\n{rest}"
    assert few == [(n, None if table == "dsdt" else n) for n in range(4)], few
    assert processors == [(n, None if table == "dsdt" else n) for n in range(count)], processors


def main():
    program, golden = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    cases = ([(check, c, t) for c in CONFIGS for t in TABLES] +
             [(check, FEW, t) for t in TABLES_OF_PROCESSORS] +
             [(check_many, n, t) for n in MANY for t in TABLES_OF_PROCESSORS])
    if not shutil.which("iasl"):
        print("1..0 # SKIP iasl is missing: install the package acpica-tools")
        return
    print(f"1..{len(cases)}")
    failed = 0
    for number, (function, config, table) in enumerate(cases, 1):
        try:
            function(program, golden, config, table)
            print(f"ok {number} /acpi-text/{config}/{table}", flush=True)
        except (AssertionError, OSError) as e:
            failed += 1
            for line in str(e).splitlines():
                print(f"# {line}")
            print(f"not ok {number} /acpi-text/{config}/{table}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
