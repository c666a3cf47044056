#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-accel qtest: a program drives the machine's devices over a socket, started as libqtest starts it."""

import os
import socket
import subprocess
import sys
import tempfile

import vmm


class Machine:
    """A machine under qtest; the test listens, as libqtest does."""

    def __init__(self, directory, *extra, server=False):
        self.path = os.path.join(directory, "qtest")
        listener = None if server else socket.socket(socket.AF_UNIX)
        if listener:
            listener.bind(self.path)
            listener.listen(1)
        channel = f"unix:{self.path}" + (",server=on,wait=off" if server else "")
        self.process = subprocess.Popen([vmm.program("qemu-system-x86_64"), "-machine", "q35", "-accel", "qtest", "-qtest", channel,
                                         "-qtest-log", "none", "-display", "none", *extra], stdin=subprocess.DEVNULL)
        if listener:
            listener.settimeout(30)
            connection, _ = listener.accept()
            listener.close()
        else:
            connection = socket.socket(socket.AF_UNIX)
            while True:
                try:
                    connection.connect(self.path)
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    assert self.process.poll() is None
        self.connection = connection
        self.file = connection.makefile("rw", newline="\n")

    def ask(self, command):
        self.file.write(command + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")

    def end(self):
        self.file.close()
        self.connection.close()
        return self.process.wait(30)


def test_devices():
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory, "-m", "64M")
        assert m.ask("outl 0xcf8 0x80000000") == "OK"
        assert m.ask("inl 0xcfc") == "OK 0x29c08086"          # the host bridge
        assert m.ask("outw 0x510 0") == "OK"                   # fw_cfg: the signature
        assert "".join(chr(int(m.ask("inb 0x511")[3:], 16)) for _ in range(4)) == "QEMU"
        assert m.ask("write 0x100000 4 0x01020304") == "OK"
        assert m.ask("readl 0x100000") == "OK 0x0000000004030201"
        assert m.ask("readl 0xfec00000") == "OK 0x0000000000000000"  # the I/O APIC's register select
        assert m.ask("nonsense") == "FAIL Unknown command 'nonsense'"
        assert m.end() == 0


def test_serial_interrupt():
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory, "-serial", "null")
        assert m.ask("irq_intercept_in ioapic") == "OK"
        m.file.write("outb 0x3fc 8\noutb 0x3f9 2\n")
        m.file.flush()
        lines = sorted(m.file.readline().rstrip("\n") for _ in range(3))
        assert lines == ["IRQ raise 4", "OK", "OK"], lines
        assert m.end() == 0


def test_listening():
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory, server=True)
        assert m.ask("endianness") == "OK little"
        assert m.end() == 0


def test_clock():
    """The power management timer counts a test's time: 3.579545 MHz."""
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory)
        for port, value in ((0xcf8, 0x8000f840), (0xcfc, 0x601), (0xcf8, 0x8000f844), (0xcfc, 0x80)):
            assert m.ask(f"outl {port:#x} {value:#x}") == "OK"
        before = int(m.ask("inl 0x608")[3:], 16)
        assert m.ask("clock_step 1000000000") == "OK 1000000000"
        after = int(m.ask("inl 0x608")[3:], 16)
        assert (after - before) % (1 << 24) in (3579545, 3579544), (before, after)
        assert m.end() == 0


def test_refused():
    base = [vmm.program("qemu-system-x86_64"), "-accel", "qtest"]
    td = ["-object", "tdx-guest,id=tdx0", "-machine", "q35,confidential-guest-support=tdx0", "-bios", vmm.OVMF]
    for extra, says in ((td, "cannot set up private guest memory for tdx-guest: KVM required"),
                        (["-qtest", "unix:/nonexistent/x"], "-qtest unix:/nonexistent/x"), (["-qtest", "bogus"], "-qtest bogus"),
                        (["-qtest", "stdio", "-qtest-log", "/nonexistent/x"], "/nonexistent/x")):
        status, _, err = vmm.run(base + extra)
        assert status == 1 and says in err, (extra, err)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/qtest/devices", test_devices), ("/qtest/serial-interrupt", test_serial_interrupt), ("/qtest/listening", test_listening),
             ("/qtest/clock", test_clock), ("/qtest/refused", test_refused)])
