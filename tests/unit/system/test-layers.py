#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No layer uses a symbol that only a layer above it defines. Arguments: the archives, lowest layer
first."""

import os
import re
import subprocess
import sys


def symbols(archive):
    """(defined, undefined) names of an archive's objects."""
    text = subprocess.run(["nm", "-P", archive], capture_output=True, check=True, text=True).stdout
    defined, undefined = set(), set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 2 and not line.endswith(":"):
            (undefined if fields[1] == "U" else defined if re.match("[TDBRCVW]", fields[1])
             else set()).add(fields[0])
    return defined, undefined - defined


def main():
    archives = sys.argv[1:]
    layers = [(os.path.basename(a), *symbols(a)) for a in archives]
    print(f"1..{len(layers)}")
    failed = False
    for number, (name, _, undefined) in enumerate(layers, 1):
        up = [(symbol, above) for above, defined, _ in layers[number:]
              for symbol in sorted(undefined & defined)]
        for symbol, above in up:
            print(f"# {name} uses {symbol} of {above}, which stands above it")
        print(f"{'not ok' if up else 'ok'} {number} /layers/{name}")
        failed |= bool(up)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
