#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD's Linux with devices that other programs serve: qcow2 images through qemu-storage-daemon,
one that was started and one that is started for it, and a directory through virtiofsd.

Needs the kernel and the modules that scripts/get-kernel downloads, qemu-storage-daemon and qemu-img
(package qemu-utils), and virtiofsd (package virtiofsd, or qemu-system-common in Debian 12); what is
missing is skipped. QEMU_STORAGE_DAEMON, QEMU_IMG and VIRTIOFSD name programs elsewhere."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
TOOLS = os.environ.get("PATH", "") + ":/sbin:/usr/sbin:/usr/libexec:/usr/lib/qemu"
RAM = ["-object", "memory-backend-memfd,id=ram0,size=1G,share=on",
       "-machine", "memory-backend=ram0", "-m", "1G"]


def program(variable, name):
    return os.environ.get(variable) or shutil.which(name, path=TOOLS)


STORAGE_DAEMON = program("QEMU_STORAGE_DAEMON", "qemu-storage-daemon")
IMG = program("QEMU_IMG", "qemu-img")
VIRTIOFSD = program("VIRTIOFSD", "virtiofsd")


def missing():
    for path in (vmm.OVMF, "/bin/busybox", "/usr/bin/cpio"):
        if not os.path.exists(path):
            return f"{path} is missing: run scripts/install-deps"
    if not STORAGE_DAEMON or not IMG:
        return ("qemu-storage-daemon and qemu-img are missing: install the packages qemu-utils and "
                "qemu-system-common")
    if not vmm.cached("path") or not vmm.cached("modules-path"):
        return "no kernel or no modules: run scripts/get-kernel --modules"
    return None


def command(console, text, timeout=60):
    """Types a command; the text that it prints."""
    start = console.seen
    console.send(f"{text}; echo STATUS''=$?\r")
    match = console.expect(r"STATUS=(\d+)", timeout * SLOW)
    output = console.text[start:match.start()]
    console.expect(r"# ", 30 * SLOW)
    assert match.group(1) == "0", f"{text}: status {match.group(1)}\n{output}"
    return output


def await_socket(path, process):
    for _ in range(int(100 * SLOW)):
        if os.path.exists(path):
            return
        assert process.poll() is None, f"{process.args[0]} ended: {process.returncode}"
        time.sleep(0.1)
    raise AssertionError(f"{path} does not appear")


def storage_daemon(image, socket):
    process = subprocess.Popen([
        STORAGE_DAEMON, "--blockdev", f"driver=file,node-name=file,filename={image}",
        "--blockdev", "driver=qcow2,node-name=image,file=file",
        "--export",
        f"type=vhost-user-blk,id=export,node-name=image,writable=on,addr.type=unix,addr.path={socket}"])
    await_socket(socket, process)
    return process


def stop(process):
    if process:
        process.terminate()
        process.wait(30 * SLOW)


def check_guest(console, files):
    console.expect(r"initramfs: this is a TDX guest", 300 * SLOW)
    console.expect(r"# ", 60 * SLOW)
    size = len("".join(f"{n}\n" for n in range(1, 200001)))
    command(console, "seq 1 200000 >/numbers")
    for disk in ("/dev/vda", "/dev/vdb"):
        command(console, f"dd if=/numbers of={disk} bs=64k conv=fsync")
        command(console,
                f"echo 3 >/proc/sys/vm/drop_caches; head -c {size} {disk} | cmp - /numbers")
    if files:
        command(console, "mkdir -p /mnt && mount -t virtiofs data /mnt")
        assert "from the host" in command(console, "cat /mnt/greeting")
        command(console, "cp /numbers /mnt/numbers && sync && umount /mnt")


def check_host(directory, images, files):
    numbers = "".join(f"{n}\n" for n in range(1, 200001)).encode()
    raw = os.path.join(directory, "raw")
    for image in images:
        subprocess.run([IMG, "check", "-q", image], check=True)
        subprocess.run([IMG, "convert", "-f", "qcow2", "-O", "raw", image, raw], check=True)
        with open(raw, "rb") as f:
            assert f.read(len(numbers)) == numbers
    if files:
        with open(os.path.join(directory, "data", "numbers"), "rb") as f:
            assert hashlib.sha256(f.read()).digest() == hashlib.sha256(numbers).digest()


def start_virtiofsd(directory):
    """None: there is none, or it cannot run here (it wants to change its root)."""
    os.mkdir(os.path.join(directory, "data"))
    with open(os.path.join(directory, "data", "greeting"), "w", encoding="utf-8") as f:
        f.write("from the host\n")
    if not VIRTIOFSD:
        return None, None
    socket = os.path.join(directory, "fs")
    text = subprocess.run([VIRTIOFSD, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False).stdout.decode()
    shared = ["-o", f"source={directory}/data",
              "-o", "sandbox=chroot"] if "-o source=" in text else \
        [f"--shared-dir={directory}/data", "--sandbox=none"]
    process = subprocess.Popen([VIRTIOFSD, f"--socket-path={socket}", *shared])
    time.sleep(0.5)
    if process.poll() is not None:
        return None, None
    await_socket(socket, process)
    return process, socket


def test_td():
    why = missing()
    if why:
        return why
    with tempfile.TemporaryDirectory() as directory:
        initrd, image, second, socket = (os.path.join(directory, name) for name in ("initrd",
                                                                                    "image.qcow2",
                                                                                    "second.qcow2",
                                                                                    "blk"))
        subprocess.run(["scripts/make-initramfs", initrd, "virtio_blk", "virtiofs"], check=True,
                       env={**os.environ, "MODULES": vmm.cached("modules-path")})
        for name in (image, second):
            subprocess.run([IMG, "create", "-q", "-f", "qcow2", name, "64M"], check=True)
        os.environ["PATH"] += ":" + os.path.dirname(os.path.abspath(STORAGE_DAEMON))
        daemon = storage_daemon(image, socket)
        fs, fs_socket = start_virtiofsd(directory)
        console = vmm.Console(vmm.tdx_host() + vmm.td_arguments(extra=[
            *RAM, "-no-reboot", "-kernel", vmm.cached("path"), "-initrd", initrd,
            "-append", "console=ttyS0",
            "-chardev", f"socket,id=blk,path={socket}", "-device", "vhost-user-blk-pci,chardev=blk",
            "-drive", f"file={second},format=qcow2,discard=unmap"] + ([
                "-chardev", f"socket,id=fs,path={fs_socket}",
                "-device", "vhost-user-fs-pci,chardev=fs,tag=data"] if fs else [])))
        try:
            check_guest(console, fs)
            console.send("poweroff -f\r")
            assert console.wait(60 * SLOW) == 0
        finally:
            console.close()
            stop(daemon)
            stop(fs)
        check_host(directory, (image, second), fs)
    return None


if __name__ == "__main__":
    vmm.tap([("/vhost-user/td", test_td)])
