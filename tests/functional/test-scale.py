#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Large TDs are launched up to their first instruction: vCPUs and memory cost the process little
until the guest uses them."""

import functools
import os
import subprocess
import tempfile

import vmm
from qmp import Qmp

# vCPUs, memory, and MiB that VMM and software host may take together with firmware and page tables.
SHAPES = [("1", "128M", 40), ("1", "1T", 40), ("33", "2G", 80), ("255", "3G", 300),
          ("256", "1T", 300),
          ("240,sockets=3,dies=2,cores=20,threads=2", "16G", 300)]
REFUSED = [(["-smp", "257"], "257"), (["-smp", "4097"], "4097"), (["-m", "16777216T"], "-m")]


def arguments(cpus, memory, extra=()):
    swtdx = [vmm.program("swtdx"), "run", "--host", "large", "--"]
    return swtdx + vmm.td_arguments(memory=memory, extra=["-S", "-smp", cpus, *extra])


def test_shape(cpus, memory, limit):
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    with tempfile.TemporaryDirectory() as directory, open(os.path.join(directory, "stderr"), "w+",
                                                          encoding="utf-8") as log:
        path = os.path.join(directory, "qmp")
        process = subprocess.Popen(arguments(cpus, memory,
                                             ["-qmp", f"unix:{path},server=on,wait=off"]),
                                   stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=log)
        try:
            qmp = Qmp(path)
            qmp.command("qmp_capabilities")
            count = int(cpus.split(",", maxsplit=1)[0])
            vcpus = qmp.command("query-cpus-fast")
            threads = {int(t) for t in os.listdir(f"/proc/{process.pid}/task")}
            assert len(vcpus) == count and {c["thread-id"] for c in vcpus} <= threads, vcpus
            assert len({tuple(sorted(c["props"].items())) for c in vcpus}) == count, vcpus
            tdx = qmp.command("query-tdx")
            assert tdx["state"] == "finalized", tdx
            with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
                peak = next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))
            # sanitizers keep shadows of all memory
            assert vmm.SANITIZED or peak <= limit, f"{peak} MiB"
            qmp.command("quit")
            assert process.wait(60) == 0
        except Exception as e:
            log.seek(0)
            raise AssertionError(f"{type(e).__name__}: {e}\n{log.read()}") from e
        finally:
            process.kill()
            process.wait()
    return None


def test_refused():
    for extra, text in REFUSED:
        status, _, err = vmm.run(arguments("1", "128M", extra))
        assert status == 1 and text in err, (extra, status, err)


if __name__ == "__main__":
    vmm.tap([(f"/scale/{cpus}/{memory}",
              functools.partial(test_shape, cpus, memory, limit))
             for cpus, memory, limit in SHAPES] +
            [("/scale/refused", test_refused)])
