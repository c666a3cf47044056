#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole machine at once, kernel by kernel and firmware by firmware: a TD with four vCPUs whose
root is ext4 on a virtio disk, with a network both ways and two consoles; it reboots five times and
powers off, and the host finds on the disk what was written.

Of the suite "soak". Needs the kernels with their modules and the firmware that scripts/get-kernel
and scripts/get-firmware fetch."""

import hashlib
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import qmp
import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx")
TOOLS = os.environ.get("PATH", "") + ":/sbin:/usr/sbin"
KERNELS = {"6.12": "kernel", "7.2": "kernel-forky"}
FIRMWARE = {"bookworm": vmm.OVMF,
            "trixie": os.path.join(CACHE, "firmware/trixie/usr/share/ovmf/OVMF.fd"),
            "forky": os.path.join(CACHE, "firmware/forky/usr/share/ovmf/OVMF.fd")}
REBOOTS = 5
CONTENT = bytes(range(251)) * 4000

INIT = """#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox --install -s /bin
count=$(($(cat /count 2>/dev/null || echo 0) + 1))
echo $count >/count
sync
ifconfig eth0 up
udhcpc -i eth0 -n -q -s /udhcpc.script >/dev/null 2>&1
wget -q -O /fetched http://10.0.2.2:PORT/x
sha256sum /fetched >/sum
sync
echo "on hvc0: boot $count" >/dev/hvc0
echo "boot $count: $(grep -c ^processor /proc/cpuinfo) CPUs, $(grep -cw tdx_guest /proc/cpuinfo) with tdx_guest, $(uname -r)"
echo "fetched $(cut -c1-64 /sum)"
[ $count -gt REBOOTS ] || reboot -f
nc -l -p 7 </sum
echo served
sync
until mount -o remount,ro /; do sleep 1; done
poweroff -f
"""


def cached(directory, name):
    try:
        with open(os.path.join(CACHE, directory, name), encoding="utf-8") as f:
            path = f.read().strip()
    except OSError:
        return None
    return path if os.path.exists(path) else None


class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def make_root(directory, port):
    tree, image = os.path.join(directory, "root"), os.path.join(directory, "root.img")
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
        os.makedirs(os.path.join(tree, name))
    shutil.copy("/bin/busybox", os.path.join(tree, "bin"))
    shutil.copy("guest/udhcpc.script", tree)
    os.chmod(os.path.join(tree, "udhcpc.script"), 0o755)
    os.symlink("busybox", os.path.join(tree, "bin", "sh"))
    with open(os.path.join(tree, "init"), "w", encoding="utf-8") as f:
        f.write(INIT.replace("PORT", str(port)).replace("REBOOTS", str(REBOOTS)))
    os.chmod(os.path.join(tree, "init"), 0o755)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, image, "64M"], check=True,
                   env={**os.environ, "PATH": TOOLS}, stdout=subprocess.DEVNULL)
    return image


def make_initrd(directory, modules):
    """Loads the disk's driver and goes over to the root on it."""
    initrd = os.path.join(directory, "initrd")
    subprocess.run(["scripts/make-initramfs", "--root", "/dev/vda", initrd, "virtio_blk",
                    "virtio_net", "ext4"], check=True,
                   env={**os.environ, "MODULES": modules})
    return initrd


def ask(port):
    """What the guest serves there. The port is open on the host before anybody listens in the
    guest."""
    end = time.monotonic() + 60 * SLOW
    got = ""
    while not got and time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=60 * SLOW) as s:
            try:
                got = s.recv(64).decode()
            except ConnectionResetError:
                pass
        time.sleep(0.2)
    return got


def boot(kernel, firmware):
    path, modules = cached(KERNELS[kernel], "path"), cached(KERNELS[kernel], "modules-path")
    if not path or not modules:
        return f"no kernel {kernel} with modules: run scripts/get-kernel and scripts/get-kernel --modules"
    if not os.path.exists(FIRMWARE[firmware]):
        return f"no firmware of {firmware}: run scripts/get-firmware"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        forwarded = s.getsockname()[1]
    digest = hashlib.sha256(CONTENT).hexdigest()
    with tempfile.TemporaryDirectory() as directory:
        image, initrd = make_root(directory, server.server_port), make_initrd(directory, modules)
        hvc0, control = os.path.join(directory, "hvc0"), os.path.join(directory, "qmp")
        argv = vmm.tdx_host() + vmm.td_arguments(firmware=FIRMWARE[firmware], memory="1G", extra=[
            "-smp", "4", "-kernel", path, "-initrd", initrd, "-append", "console=ttyS0 quiet",
            "-device", "pcie-root-port,id=p1,chassis=1,addr=2,multifunction=on",
            "-device", "pcie-root-port,id=p2,chassis=2,addr=2.1",
            "-device", "pcie-root-port,id=p3,chassis=3,addr=2.2",
            "-drive", f"file={image},format=raw,if=none,id=d0",
            "-device", "virtio-blk-pci,drive=d0,bus=p1",
            "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{forwarded}-:7",
            "-device", "virtio-net-pci,netdev=n0,bus=p2",
            "-chardev", f"file,id=c0,path={hvc0}", "-device", "virtio-serial-pci,bus=p3",
            "-device", "virtconsole,chardev=c0",
            "-qmp", f"unix:{control},server=on,wait=off"])
        with open(os.path.join(directory, "stderr"), "wb") as stderr:
            console = vmm.Console(argv, stderr)
        try:
            mrtds = set()
            client = qmp.Qmp(control)
            client.command("qmp_capabilities")
            for n in range(1, REBOOTS + 2):
                console.expect(rf"boot {n}: 4 CPUs, 4 with tdx_guest, {kernel}", 300 * SLOW)
                console.expect(f"fetched {digest}", 60 * SLOW)
                mrtds.add(client.command("query-tdx")["mrtd"])
            assert len(mrtds) == 1, mrtds
            for _ in range(REBOOTS):
                assert client.event("RESET")["guest"] is True, \
                    "a reset that the guest did not ask for"
            got = ask(forwarded)
            assert got == digest, repr(got)
            console.expect(r"served", 60 * SLOW)
            status = console.wait(60 * SLOW)
            assert status == 0, f"exit status {status}"
        finally:
            console.close()
            server.shutdown()
        with open(hvc0, encoding="utf-8") as f:
            # newer firmware uses the console, too
            said = re.findall(r"on hvc0: boot (\d+)", f.read())
        assert said == [str(n) for n in range(1, REBOOTS + 2)], said
        fetched = subprocess.run(["debugfs", "-R", "cat /fetched", image],
                                 env={**os.environ, "PATH": TOOLS}, capture_output=True,
                                 check=True).stdout
        assert fetched == CONTENT, len(fetched)
        clean = subprocess.run(["fsck.ext4", "-fn", image], env={**os.environ, "PATH": TOOLS},
                               capture_output=True, check=False)
        assert clean.returncode == 0, \
            f"fsck: {clean.returncode}: {clean.stdout.decode()}{clean.stderr.decode()}"
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    if not shutil.which("mkfs.ext4", path=TOOLS):
        print("1..0 # SKIP mkfs.ext4 is missing: install the package e2fsprogs")
        sys.exit(0)
    only = sys.argv[1:]  # rows, as KERNEL/FIRMWARE; all of them otherwise
    vmm.tap([(f"/machine/{kernel}/{firmware}",
              lambda k=kernel, f=firmware: boot(k, f)) for kernel in KERNELS
             for firmware in FIRMWARE
             if not only or f"{kernel}/{firmware}" in only])
