#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Quotes, from inside a guest: Debian's Linux asks for one by configfs, the VMM for it at a
service, and every way of saying where.

What needs Linux needs the kernel and modules that scripts/get-kernel and scripts/get-kernel
--modules download; without them it is skipped."""

import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import time

import qgs
import qmp
import tiny
import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


class Guest:
    """A booted Linux with a shell."""

    def __init__(self, directory, service):
        initrd = os.path.join(directory, "initrd")
        subprocess.run(["scripts/make-initramfs", initrd, "tdx-guest"], check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        self.warnings = os.path.join(directory, "stderr")  # not on the console, whose lines they would cut in two
        arguments = vmm.td_arguments(extra=["-no-reboot", "-kernel", vmm.cached("path"),
                                            "-initrd", initrd,
                                            "-append", "console=ttyS0 quiet"])
        if not vmm.OTHER:
            arguments += ["-d", "tdvmcall", "-D", os.path.join(directory, "log")]
        arguments[arguments.index("-object") + 1] = json.dumps({
            "qom-type": "tdx-guest", "id": "tdx0",
            "quote-generation-socket": {"type": "unix", "path": service}})
        with open(self.warnings, "wb") as stderr:
            self.console = vmm.Console(vmm.tdx_host() + arguments, stderr)
        self.console.expect(r"initramfs: this is a TDX guest", 400 * SLOW)
        self.console.expect(r"# ", 60 * SLOW)
        self.run("mkdir -p /sys/kernel/config; mount -t configfs none /sys/kernel/config; mkdir "
                 "/sys/kernel/config/tsm/report/a")

    def run(self, command):
        self.console.send(command + "; echo do''ne $?\r")
        start = self.console.seen
        match = self.console.expect(r"done (\d+)\s", 120 * SLOW)
        return int(match.group(1)), self.console.text[start:match.start()]

    def quote(self, data):
        """(exit status of reading it, its size, its sha256)"""
        # Shells cannot write NULs: all of its bytes are letters
        self.run(f"echo -n {data} > /sys/kernel/config/tsm/report/a/inblob")
        status, _ = self.run("cat /sys/kernel/config/tsm/report/a/outblob > /quote")
        _, text = self.run("wc -c < /quote; sha256sum < /quote")
        return status, int(re.search(r"\n(\d+)\s", text).group(1)), re.search(r"\n([0-9a-f]{64}) ", text).group(1)

    def end(self):
        self.console.send("poweroff -f\r")
        assert self.console.wait(60 * SLOW) == 0


def needs_linux():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not vmm.cached("path") or not vmm.cached("modules-path"):
        return "no kernel with modules: run scripts/get-kernel and scripts/get-kernel --modules"
    return None


def test_linux():
    if needs_linux():
        return needs_linux()
    with tempfile.TemporaryDirectory() as directory:
        service = qgs.FakeQgs(directory)
        guest = Guest(directory, service.path)
        try:
            data = "0123456789abcdef" * 4
            status, size, digest = guest.quote(data)
            report = service.reports[0]
            quote = service.quote(report)
            assert (status, size, digest) == (0, len(quote), hashlib.sha256(quote).hexdigest()), \
                (status, size)
            assert report[0] == 0x81 and report[128:192] == data.encode(), report[:192]
            assert hashlib.sha384(report[512:1024]).digest() == report[80:128]

            # the guest's kernel has no word for why; older ones read nothing
            service.mode = "error"
            status, size, _ = guest.quote("x" * 64)
            assert size == 0 and len(service.reports) == 2, (status, size)

            service.close()
            os.unlink(service.path)
            status, size, _ = guest.quote("y" * 64)
            assert size == 0, (status, size)
            with open(guest.warnings, encoding="utf-8") as f:
                warnings = f.read()
            for what in (r"request 2 to unix:\S+: the service answered error 0x12001 QGS_MSG_ERROR_UNEXPECTED",
                         r"request 3 to unix:\S+: Failed to connect to '\S+': No such file or directory"):
                assert re.search(what, warnings), (what, warnings)
            with open(os.path.join(directory, "log"), encoding="utf-8") as f:
                assert f"{len(quote)} bytes after" in f.read()
            # built: a quote with everything in it
            if vmm.run([vmm.program("swtdx"), "qgs", "--help"])[0] == 0:
                with subprocess.Popen([vmm.program("swtdx"), "qgs", "--socket", service.path],
                                      stderr=subprocess.PIPE) as real:
                    assert b"they prove nothing" in real.stderr.readline()
                    status, size, _ = guest.quote("z" * 64)
                    real.terminate()
                    assert status == 0, size
                    assert f"quote of {size} bytes made" in real.stderr.read().decode(), size
            guest.end()
        finally:
            guest.console.close()
    return None


def launch(argv, until=r"launch: start vCPU threads: done"):
    """All that a VMM says until then, and when it is told to end."""
    console = vmm.Console(argv)
    try:
        console.expect(until, 60 * SLOW)
        console.send("\x01x")
        assert console.wait(30 * SLOW) == 0, console.text
        return console.text
    finally:
        console.close()


def test_early_warning():
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "none")
        text = launch(vmm.tdx_host() +
                      vmm.td_arguments(guest=f",quote-generation-socket=unix:{path}", extra=["-S"]),
                      "Does the quote generation service run")
        assert (f"warning: tdx0: TDX quotes cannot be had at the moment from unix:{path}: Failed "
                f"to connect to '{path}': "
                "No such file or directory\r\nDoes the quote generation service run") in text, text
    return None


def test_forms():
    """The same address in each form; no warning, because somebody listens."""
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    with tempfile.TemporaryDirectory() as directory:
        service = qgs.FakeQgs(directory)
        address = {"type": "unix", "path": service.path}
        for form in (f"tdx-guest,id=tdx0,quote-generation-socket=unix:{service.path}",
                     f"tdx-guest,id=tdx0,quote-generation-socket.type=unix,quote-generation-socket.path={service.path}",
                     json.dumps({"qom-type": "tdx-guest", "id": "tdx0",
                                 "quote-generation-socket": address})):
            argv = vmm.tdx_host() + vmm.td_arguments(extra=["-S", "-d", "tdx"])
            argv[argv.index("tdx-guest,id=tdx0")] = form
            text = launch(argv)
            assert "warning" not in text, text
        service.close()
    return None


def small_guest():
    """Firmware that gets a quote with a few instructions."""
    with open(os.path.join(vmm.BUILD, "tests/functional/quote-guest.bin"), "rb") as f:
        guest = f.read()
    jump = b"\xe9" + struct.pack("<i", tiny.BASE - 0xfffffff5)
    return guest + tiny.image(jump)[len(guest):]


def small_td(directory, service, extra=()):
    """The VMM's arguments; what the guest says goes to the file serial."""
    path = os.path.join(directory, "firmware.fd")
    with open(path, "wb") as f:
        f.write(small_guest())
    argv = vmm.td_arguments(firmware=path, memory="16M",
                            guest=f",quote-generation-socket=unix:{service.path}", extra=extra)
    argv[argv.index("mon:stdio")] = "file:" + os.path.join(directory, "serial")
    return vmm.tdx_host() + argv


def test_interrupt():
    """The guest waits for the interrupt at the quote's arrival; a slow service makes it wait."""
    for mode, letters in (("quote", "000IQL23"), ("slow", "000IQL23"), ("error", "000IEl23"),
                          ("close", "000IEl23")):
        with tempfile.TemporaryDirectory() as directory:
            service = qgs.FakeQgs(directory, mode)
            status, _, err = vmm.run(small_td(directory, service, ["-no-reboot"]),
                                     timeout=60 * SLOW)
            with open(os.path.join(directory, "serial"), encoding="ascii") as f:
                seen = f.read()
            assert status == 0 and seen == letters + "\n", (mode, status, seen, err)
            assert len(service.reports) == 1
            service.close()


def test_end_in_flight():
    """Neither the end of the VMM nor a reset waits for a service that does not answer; the new TD
    asks anew."""
    with tempfile.TemporaryDirectory() as directory:
        service = qgs.FakeQgs(directory, "silent")
        console = vmm.Console(small_td(directory, service,
                                       ["-chardev",
                                        f"socket,id=q,path={directory}/qmp,server=on,wait=off",
                                                            "-mon", "chardev=q,mode=control"]))
        try:
            for asked in (1, 2):
                end = time.monotonic() + 60 * SLOW
                while len(service.reports) < asked:
                    console.read(0.05)
                    assert console.process.poll() is None and time.monotonic() < end, console.text
                if asked == 1:
                    client = qmp.Qmp(f"{directory}/qmp")
                    client.command("qmp_capabilities")
                    client.command("system_reset")
                    client.close()
            console.process.send_signal(signal.SIGTERM)
            start = time.monotonic()
            assert console.wait(60 * SLOW) == 0
            assert time.monotonic() - start < 5 * SLOW
        finally:
            console.close()
        service.close()


if __name__ == "__main__":
    vmm.tap([("/quote/early-warning", test_early_warning), ("/quote/forms", test_forms),
              ("/quote/interrupt", test_interrupt), ("/quote/end-in-flight", test_end_in_flight),
             ("/quote/linux", test_linux)])
