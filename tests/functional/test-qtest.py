#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-accel qtest: a program drives the machine's devices over a socket, started as libqtest starts
it."""

import os
import re
import shutil
import socket
import struct
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
        self.process = subprocess.Popen([vmm.program("qemu-system-x86_64"), "-machine", "q35",
                                         "-accel", "qtest", "-qtest", channel,
                                         "-qtest-log", "none", "-display", "none", *extra],
                                        stdin=subprocess.DEVNULL)
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
        # the I/O APIC's register select
        assert m.ask("readl 0xfec00000") == "OK 0x0000000000000000"
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


def test_clock_base():
    """-rtc base=: what the clock shows at the start, in its BCD registers; century, year, month,
    day, hours."""
    for base, shown in (("2006-06-17T16:01:21", "2006061716"), ("2000-02-29", "2000022900"),
                        ("utc", "1970010100")):
        with tempfile.TemporaryDirectory() as directory:
            m = Machine(directory, "-rtc", f"base={base},clock=host")
            read = ""
            for register in ("0x32", "9", "8", "7", "4"):
                assert m.ask(f"outb 0x70 {register}") == "OK"
                read += m.ask("inb 0x71")[-2:]
            assert read == shown, (base, read)
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
        for port, value in ((0xcf8, 0x8000f840), (0xcfc, 0x601), (0xcf8, 0x8000f844),
                            (0xcfc, 0x80)):
            assert m.ask(f"outl {port:#x} {value:#x}") == "OK"
        before = int(m.ask("inl 0x608")[3:], 16)
        assert m.ask("clock_step 1000000000") == "OK 1000000000"
        after = int(m.ask("inl 0x608")[3:], 16)
        assert (after - before) % (1 << 24) in (3579545, 3579544), (before, after)
        assert m.end() == 0


def fw_cfg_dma(m, control, size, address):
    """A transfer by DMA, whose command lies at 0x8000."""
    assert m.ask("write 0x8000 16 0x" + struct.pack(">IIQ", control, size, address).hex()) == "OK"
    for port, value in ((0x514, 0), (0x518, int.from_bytes(struct.pack(">I", 0x8000), "little"))):
        assert m.ask(f"outl {port:#x} {value:#x}") == "OK"
    assert m.ask("readl 0x8000") == "OK 0x0000000000000000"


def fw_cfg_file(m, name):
    fw_cfg_dma(m, 0x19 << 16 | 8 | 2, 4, 0x10000)
    count = struct.unpack(">I", bytes.fromhex(m.ask("read 0x10000 4")[5:]))[0]
    fw_cfg_dma(m, 2, 64 * count, 0x10000)
    directory = bytes.fromhex(m.ask(f"read 0x10000 {64 * count}")[5:])
    for i in range(count):
        size, key, entry = struct.unpack_from(">IHxx56s", directory, 64 * i)
        if entry.rstrip(b"\0").decode() == name:
            fw_cfg_dma(m, key << 16 | 8 | 2, size, 0x20000)
            return bytes.fromhex(m.ask(f"read 0x20000 {size}")[5:])
    raise AssertionError(f"no file {name}")


def acpi_tables(*arguments):
    """The bytes of the three files that firmware gets."""
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory, "-m", "64M", "-nodefaults", *arguments)
        files = [fw_cfg_file(m, name) for name in ("etc/acpi/tables", "etc/acpi/rsdp",
                                                   "etc/table-loader")]
        assert m.end() == 0
    return files


def disassemble(tables):
    """iasl has nothing to remark about the tables that need no addresses put in; the signatures of
    all."""
    seen, offset = [], 0
    with tempfile.TemporaryDirectory() as directory:
        while offset < len(tables) and tables[offset:offset + 4].strip(b"\0"):
            name = tables[offset:offset + 4].decode()
            size = struct.unpack_from("<I", tables, offset + 4)[0]
            seen.append(name)
            if name in ("DSDT", "APIC", "MCFG"): # the others hold addresses that firmware puts in
                table = bytearray(tables[offset:offset + size])
                table[9] = 0
                table[9] = -sum(table) & 0xff # as firmware fills it in
                with open(os.path.join(directory, name), "wb") as f:
                    f.write(table)
                done = subprocess.run(["iasl", "-d", name], cwd=directory, capture_output=True,
                                      text=True, check=True)
                assert not re.search(r"(?i)warning|error|remark|invalid",
                                     done.stdout + done.stderr), done.stdout + done.stderr
            offset += size
            # padding in front of the next
            offset += next((i for i, b in enumerate(tables[offset:]) if b), 0)
    return seen


def test_acpi():
    """The same configuration gives the same tables, with devices or without: they are found by PCI,
    and measured."""
    devices = ["-device", "pcie-root-port,id=port1,chassis=1,addr=2,multifunction=on",
               "-device", "pcie-root-port,id=port2,chassis=2,addr=2.1",
               "-device", "virtio-rng-pci,bus=port1", "-device", "virtio-serial-pci",
               "-device", "virtio-net-pci"]
    first, second, plain = acpi_tables(*devices), acpi_tables(*devices), acpi_tables()
    assert first == second and first == plain
    assert acpi_tables("-smp", "2") != first and acpi_tables("-serial", "null") != first
    for arguments in (["-smp", "4", "-serial", "null", "-serial", "null"], ["-smp", "255"],
                      ["-smp", "256", *4 * ["-serial", "null"]],
                      ["-smp", "240,sockets=3,dies=2,cores=20,threads=2"],
                      ["-smp", "12,sockets=1,cores=12,threads=1"]):
        first = acpi_tables(*arguments, *devices)
        assert first == acpi_tables(*arguments, *devices) == acpi_tables(*arguments), arguments
        assert first != plain, arguments
        if shutil.which("iasl"):
            assert {"DSDT", "FACP", "APIC"} <= set(disassemble(first[0])), arguments
    if shutil.which("iasl"):
        assert {"DSDT", "FACP", "APIC"} <= set(disassemble(plain[0]))


def test_refused():
    base = [vmm.program("qemu-system-x86_64"), "-accel", "qtest"]
    td = ["-object", "tdx-guest,id=tdx0", "-machine", "q35,confidential-guest-support=tdx0",
          "-bios", vmm.OVMF]
    for extra, says in ((td, "cannot set up private guest memory for tdx-guest: KVM required"),
                        (["-qtest", "unix:/nonexistent/x"], "-qtest unix:/nonexistent/x"),
                        (["-qtest", "bogus"], "-qtest bogus"),
                        (["-qtest", "stdio", "-qtest-log", "/nonexistent/x"], "/nonexistent/x")):
        status, _, err = vmm.run(base + extra)
        assert status == 1 and says in err, (extra, err)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/qtest/devices", test_devices), ("/qtest/serial-interrupt", test_serial_interrupt),
             ("/qtest/clock-base", test_clock_base), ("/qtest/listening", test_listening),
             ("/qtest/clock", test_clock), ("/qtest/acpi", test_acpi),
             ("/qtest/refused", test_refused)])
