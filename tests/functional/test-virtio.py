#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD's Linux uses the small virtio devices: a console on hvc0, a named port, a source of random
bytes.

Needs what test-disk.py needs, without e2fsprogs."""

import concurrent.futures
import os
import socket
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))


def command(console, text, timeout=60):
    """Types a command; the text that it prints."""
    start = console.seen
    console.send(f"{text}; echo STATUS''=$?\r")
    match = console.expect(r"STATUS=(\d+)", timeout * SLOW)
    output = console.text[start:match.start()]
    console.expect(r"# ", 30 * SLOW)
    assert match.group(1) == "0", f"{text}: status {match.group(1)}\n{output}"
    return output


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {len(data)} bytes"
        data += piece
    return data


def check_guest(console, path, log):
    console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
    console.expect(r"# ", 60 * SLOW)
    assert "org.example.port.0" in command(console, "cat /sys/class/virtio-ports/vport*/name")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60 * SLOW)
    connection.connect(path)
    expected = "".join(f"{n}\n" for n in range(1, 20001)).encode()
    with concurrent.futures.ThreadPoolExecutor() as pool: # the guest waits for its reader
        answer = pool.submit(receive, connection, len(expected))
        command(console, "seq 1 20000 >/dev/vport0p3")
        assert answer.result() == expected
    connection.sendall(b"x" * 10000 + b"\n")
    assert "10001" in command(console, "dd if=/dev/vport0p3 bs=1 count=10001 | wc -c")
    connection.close()
    command(console, "echo from-the-guest >/dev/hvc0")
    command(console, "dd if=/dev/hwrng of=/tmp-random bs=64 count=16")
    assert "virtio_rng" in command(console, "cat /sys/class/misc/hw_random/rng_current")
    with open(log, encoding="utf-8") as f:
        text = f.read()
    assert "from-the-guest" in text and "Run /init" in text, text[-500:]


def test_small_devices():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not vmm.cached("path") or not vmm.cached("modules-path"):
        return "no kernel: run scripts/get-kernel and scripts/get-kernel --modules"
    with tempfile.TemporaryDirectory() as directory:
        initrd, path, log = (os.path.join(directory, name) for name in ("initrd", "port", "hvc0"))
        subprocess.run(["scripts/make-initramfs", initrd, "virtio-rng"], check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=[
            "-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
            "-append", "console=hvc0 console=ttyS0",
            "-chardev", f"file,id=log,path={log}",
            "-chardev", f"socket,id=port,path={path},server=on,wait=off",
            "-device", "virtio-serial-pci,id=serial0", "-device", "virtconsole,chardev=log",
            "-device", "virtserialport,bus=serial0.0,nr=3,chardev=port,name=org.example.port.0",
            "-object", "rng-random,id=rng0,filename=/dev/urandom",
            "-device", "virtio-rng-pci,rng=rng0"]))
        try:
            check_guest(console, path, log)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    return None


def test_refusals():
    for device, text in (("virtio-balloon-pci", "a TD's memory is private"),
                         ("virtio-blk-pci", "drive"),
                         ("virtserialport", "No 'virtio-serial-bus' bus found"),
                         ("virtio-rng-pci,disable-modern=on", "only those of Virtio 1"),
                         ("virtio-rng-pci,bus=pcie.0,addr=0", "in use"),
                         ("virtio-rng-pci,rng=none", "rng"),
                         ("virtio-rng-pci,romfile=x.rom", "option ROMs are not available"),
                         ("virtio-rng-pci,rombar=2", "0 or 1"),
                         ("virtio-rng-pci,ats=on", "ats=on is not available"),
                         ("virtio-rng-pci,page-per-vq=on", "page-per-vq=on is not available"),
                         ("pcie-root-port,slot=9000", "at most 8191")):
        status, _, err = vmm.run([vmm.program("qemu-system-x86_64"), "-accel", "qtest",
                                  "-nodefaults", "-display", "none",
                                  "-qtest", "stdio", "-device", device])
        assert status == 1 and text in err, f"{device}: {status}: {err}"


class Qtest:
    """A machine that stands still, and its ports."""

    def __init__(self, arguments):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([vmm.program("qemu-system-x86_64"), "-accel", "qtest",
                                         "-nodefaults", "-display", "none",
                                         "-qtest", "stdio", "-qtest-log", "none", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def fw_cfg(self, key, size):
        self.ask(f"outw 0x510 {key:#x}")
        return bytes(int(self.ask("inb 0x511")[1], 16) for _ in range(size))

    def fw_cfg_file(self, name):
        """The file's bytes; None: there is none."""
        count = int.from_bytes(self.fw_cfg(0x19, 4), "big")
        directory = self.fw_cfg(0x19, 4 + 64 * count)[4:]
        for at in range(0, len(directory), 64):
            entry = directory[at:at + 64]
            if entry[8:].split(b"\0")[0].decode() == name:
                return self.fw_cfg(int.from_bytes(entry[4:6], "big"),
                                   int.from_bytes(entry[:4], "big"))
        return None

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def test_boot_order():
    with tempfile.TemporaryDirectory() as directory:
        disks = []
        for name in "ab":
            path = os.path.join(directory, name)
            with open(path, "wb") as f:
                f.truncate(1 << 20)
            disks += ["-drive", f"file={path},format=raw,if=none,id={name}"]
        ports = ["-device", "pcie-root-port,id=p0,addr=1,multifunction=on",
                 "-device", "pcie-root-port,id=p1,addr=1.2"]
        for arguments, order in (
                (["-device", "virtio-rng-pci,romfile=,rombar=0,ats=off,page-per-vq=off,packed=off"],
                 None),
                (["-device", "virtio-blk-pci,drive=a,bus=p1,bootindex=2",
                  "-device", "virtio-blk-pci,drive=b,addr=3,bootindex=1"],
                 b"/pci@i0cf8/scsi@3/disk@0,0\n/pci@i0cf8/pci-bridge@1,2/scsi@0/disk@0,0\0"),
                (["-boot", "strict=on",
                  "-device", '{"driver":"virtio-blk-pci","drive":"a","addr":"0x4","bootindex":0}'],
                 b"/pci@i0cf8/scsi@4/disk@0,0\nHALT\0"),
                (["-device", "virtio-scsi,id=s,addr=5",
                  "-device", "scsi-hd,drive=a,scsi-id=2,lun=3,bootindex=1"],
                 b"/pci@i0cf8/scsi@5/channel@0/disk@2,3\0")):
            machine = Qtest(disks + ports + arguments)
            try:
                assert machine.fw_cfg_file("bootorder") == order, arguments
            finally:
                machine.close()
        status, _, err = vmm.run([vmm.program("qemu-system-x86_64"), "-accel", "qtest",
                                  "-nodefaults", "-qtest", "stdio", *disks,
                                  "-device", "virtio-blk-pci,drive=a,bootindex=1",
                                  "-device", "virtio-blk-pci,drive=b,bootindex=1"])
        assert status == 1 and "The bootindex 1 has already been used" in err, err


if __name__ == "__main__":
    vmm.tap([("/virtio/refusals", test_refusals), ("/virtio/boot-order", test_boot_order),
             ("/virtio/small-devices", test_small_devices)])
