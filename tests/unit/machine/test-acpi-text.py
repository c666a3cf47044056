#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI tables as iasl reads them: no complaints, and the text that lies in acpi/. UPDATE_GOLDEN=1 writes that text anew.

Usage: test-acpi-text.py PROGRAM GOLDEN-DIRECTORY (PROGRAM is test-acpi, which writes the tables with --dump)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

CONFIGS = ["small", "large"]
TABLES = ["facs", "dsdt", "facp", "apic", "mcfg", "xsdt"]


def run(directory, *argv):
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def body(path):
    """The disassembly without its heading, which names program version, date and file."""
    with open(path, encoding="utf-8") as f:
        return re.sub(r"\A/\*.*?\*/\s*", "", f.read(), flags=re.S)


def check(program, golden, config, table):
    with tempfile.TemporaryDirectory() as directory:
        status, out = run(directory, program, "--dump", config, directory)
        assert status == 0, out
        status, out = run(directory, "iasl", "-d", f"{table}.dat")
        assert status == 0 and not re.search(r"(?i)warning|error|remark|invalid|unknown", out), out
        text = body(os.path.join(directory, f"{table}.dsl"))
        path = os.path.join(golden, f"{config}-{table}.txt")
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            assert text == f.read(), f"{config} {table} differs from {path}:\n{text}"
        if table == "dsdt":
            status, out = run(directory, "iasl", "dsdt.dsl")
            assert status == 0 and "0 Errors, 0 Warnings, 0 Remarks" in out, out


def main():
    program, golden = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    cases = [(c, t) for c in CONFIGS for t in TABLES]
    if not shutil.which("iasl"):
        print("1..0 # SKIP iasl is missing: install the package acpica-tools")
        return
    print(f"1..{len(cases)}")
    failed = 0
    for number, (config, table) in enumerate(cases, 1):
        try:
            check(program, golden, config, table)
            print(f"ok {number} /acpi-text/{config}/{table}", flush=True)
        except (AssertionError, OSError) as e:
            failed += 1
            for line in str(e).splitlines():
                print(f"# {line}")
            print(f"not ok {number} /acpi-text/{config}/{table}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
