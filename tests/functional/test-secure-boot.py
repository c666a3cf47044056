#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's boot chain in TDs: firmware's boot manager, shim, GRUB, kernel; with and without Secure
Boot, and what it measures.

Needs what scripts/get-kernel, scripts/get-kernel --modules, scripts/get-grub and scripts/get-firmware forky download."""

import base64
import hashlib
import os
import re
import struct
import subprocess
import tempfile

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx")
FIRMWARE = os.path.join(CACHE, "firmware/forky/usr/share/ovmf")
REPORT = os.path.join(vmm.BUILD, "guest", "td-report")
EV_NO_ACTION = 3


def missing():
    for path in ("/bin/busybox", "/usr/bin/mcopy"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not vmm.cached("path") or not vmm.cached("modules-path"):
        return "no kernel with modules: run scripts/get-kernel and scripts/get-kernel --modules"
    if not os.path.exists(os.path.join(CACHE, "grub")):
        return "no boot loaders: run scripts/get-grub"
    if not os.path.exists(os.path.join(FIRMWARE, "OVMF.inteltdx.ms.fd")):
        return "no firmware that measures: run scripts/get-firmware forky"
    return None


def make_disk(directory, kernel):
    disk, initrd = os.path.join(directory, "disk.img"), os.path.join(directory, "initrd")
    report = REPORT if os.path.exists(REPORT) else ""
    subprocess.run(["scripts/make-initramfs", "--greeting", report, initrd, "tdx-guest"],
                   env={**os.environ, "MODULES": vmm.cached("modules-path")}, check=True)
    subprocess.run(["scripts/make-disk", "--grub", disk, kernel, initrd, "console=ttyS0 quiet"],
                   check=True)
    return ["-blockdev", f'{{"driver":"raw","node-name":"d0","file":{{"driver":"file","filename":"{disk}"}}}}']


def td(firmware, extra):
    return vmm.td_arguments(firmware=os.path.join(FIRMWARE, firmware), memory="1G", extra=extra)


def replayed(log):
    """The RTMRs that an event log of the TCG's second format tells of (section 10.2 of its PC
    client profile)."""
    registers, at, digest_sizes = [bytes(48)] * 4, 0, None
    while at < len(log) and log[at:at + 4] != b"\xff" * 4:
        index, kind = struct.unpack_from("<II", log, at)
        if digest_sizes is None:  # the first entry is of the first format: SHA-1, then its data
            size = struct.unpack_from("<I", log, at + 28)[0]
            data = log[at + 32:at + 32 + size]
            assert data[:16] == b"Spec ID Event03\0", data
            count, = struct.unpack_from("<I", data, 24)
            digest_sizes = dict(struct.iter_unpack("<HH", data[28:28 + 4 * count]))
            at += 32 + size
            continue
        digests, at = struct.unpack_from("<I", log, at + 8)[0], at + 12
        for _ in range(digests):
            algorithm = struct.unpack_from("<H", log, at)[0]
            digest, at = log[at + 2:at + 2 + digest_sizes[algorithm]], at + 2 + digest_sizes[algorithm]
            if kind != EV_NO_ACTION:
                assert algorithm == 0xc, f"a digest that is not SHA-384: {algorithm:#x}"
                registers[index - 1] = hashlib.sha384(registers[index - 1] + digest).digest()
        at += 4 + struct.unpack_from("<I", log, at)[0]
    return [register.hex() for register in registers]


def predicted(arguments):
    """MRTD and RTMRs, as qemu-tdx-plan and swtdx measure tell them."""
    plan = [vmm.program("qemu-tdx-plan"), "--run", *arguments[1:]]
    answers = []
    for program in (plan, [vmm.program("swtdx"), "measure", "--", *arguments]):
        status, out, err = vmm.run(program, 300 * SLOW)
        assert status == 0, err
        answers.append(dict(re.findall(r"^(MRTD|RTMR\d) +([0-9a-f]{96})$", out, re.M)))
        assert "grub_cmd: linux /linux console=ttyS0 quiet" in out, "GRUB measures nothing:\n" + out
    assert answers[0] == answers[1] and len(answers[0]) == 5, answers
    return answers[0]


def measured(console):
    """What the TD says of itself once it runs: TDREPORT, and the firmware's event log replayed."""
    report = dict(re.findall(r"(MRTD|RTMR\d) +([0-9a-f]{96})", console.text))
    assert not os.path.exists(REPORT) or len(report) == 5, console.text[-3000:]
    # What lies behind the log is not printed: 0xff bytes give a run of slashes.
    console.send("base64 /sys/firmware/acpi/tables/data/CCEL | grep -v '^/*$'; echo lo''g ends\r")
    console.expect("log ends", 60 * SLOW)
    lines = re.findall(r"^[A-Za-z0-9+/]{76}$", console.text.replace("\r", ""), re.M)
    assert lines, console.text[-3000:]
    try:
        return report, replayed(base64.b64decode("".join(lines)))
    except (ValueError, struct.error, KeyError) as e:
        raise AssertionError(f"the log cannot be read: {e}\n{console.text[-3000:]}") from e


def boot(firmware, device, secure):
    why = missing()
    if why:
        return why
    with tempfile.TemporaryDirectory() as directory:
        arguments = td(firmware, make_disk(directory, vmm.cached("path")) + device)
        expected = predicted(arguments)
        console = vmm.Console(vmm.tdx_host() + arguments)
        try:
            console.expect(r"Booting `Linux'", 200 * SLOW)
            console.expect(r"TDX        detected", 200 * SLOW)
            console.expect(r"# ", 60 * SLOW)
            console.send("dmesg | grep 'secureboot:'\r")
            console.expect("Secure boot " + ("enabled" if secure else "disabled"), 60 * SLOW)
            report, log = measured(console)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
    assert log == [expected[f"RTMR{i}"] for i in range(4)], f"log {log}, predicted {expected}"
    assert not report or report == expected, f"TDREPORT {report}, predicted {expected}"
    return None


def test_blk():
    return boot("OVMF.inteltdx.ms.fd", ["-device", "virtio-blk-pci,drive=d0"], secure=True)


def test_scsi():
    return boot("OVMF.fd",
                ["-device", "virtio-scsi-pci,id=s0", "-device", "scsi-hd,drive=d0,bus=s0.0"],
                secure=False)


def test_tampered():
    """With Secure Boot, a kernel with one other byte does not start."""
    why = missing()
    if why:
        return why
    with tempfile.TemporaryDirectory() as directory:
        with open(vmm.cached("path"), "rb") as f:
            kernel = bytearray(f.read())
        kernel[len(kernel) // 2] ^= 1
        path = os.path.join(directory, "linux")
        with open(path, "wb") as f:
            f.write(kernel)
        console = vmm.Console(vmm.tdx_host() +
                              td("OVMF.inteltdx.ms.fd", make_disk(directory, path) +
                                                  ["-device", "virtio-blk-pci,drive=d0"]))
        try:
            console.expect(r"bad shim (loader )?signature", 200 * SLOW)
        finally:
            console.close()
    return None


if __name__ == "__main__":
    vmm.tap([("/secure-boot/virtio-blk", test_blk), ("/secure-boot/virtio-scsi-without", test_scsi),
             ("/secure-boot/tampered", test_tampered)])
