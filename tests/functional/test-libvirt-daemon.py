#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt itself, as a user's own daemon: it probes the emulator, and a TDX domain lives through
all that virsh does with it.

Both run on the software host: the daemon, which asks /dev/kvm for TDX itself, and the emulator, in a script. SWTDX_QEMU names QEMU
10.1 or newer, as scripts/get-qemu prints it, for a domain of that.
"""

import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import time

import vmm

QEMU = os.environ.get("SWTDX_QEMU")
PRELOAD = vmm.program("tests/functional/libvirt-tree.so")

DOMAIN = """<domain type='kvm'>
  <name>td</name>
  <memory unit='MiB'>512</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><loader type='rom'>{firmware}</loader></os>
  <features><acpi/><ioapic driver='qemu'/></features>
  <cpu mode='host-passthrough'/>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>{emulator}</emulator>
    <disk type='file'>
      <driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
      <serial>first</serial>
      <boot order='1'/>
    </disk>
    {network}
    <controller type='usb' model='none'/>
    <serial type='pty'><target type='isa-serial' port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
  <launchSecurity type='tdx'><policy>0x10000000</policy></launchSecurity>
</domain>
"""
NETWORK = "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>"


def as_user():
    """libvirt's daemon is a user's own if it does not run as root: as root, another user in a name
    space of its own."""
    if os.geteuid():
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def missing():
    if vmm.SANITIZED:
        return "with sanitizers, leaks of programs that are killed would be reported"
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    if not os.path.exists(PRELOAD):
        return "libvirt-tree.so was not built"
    if subprocess.run([*as_user(), "true"], check=False).returncode:
        return "root needs user name spaces here to be an ordinary user"
    return None


class Libvirt:
    """A daemon with directories of its own, and virsh."""

    def __init__(self, tree, directory):
        self.tree, self.home = tree, pathlib.Path(directory)
        self.environment = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C",
                            "LIBVIRT_TREE": tree,
                            "LIBVIRT_DRIVER_DIR": f"{tree}/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"}
        for name in ("RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME"):
            path = self.home / name.lower()
            (path / "libvirt").mkdir(parents=True)
            self.environment[f"XDG_{name}"] = str(path)
        (self.home / "config_home/libvirt/qemu.conf").write_text('stdio_handler = "file"\n',
                                                                 encoding="ascii")
        (self.home / "config_home/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n',
                                                                     encoding="ascii")
        libraries = f"{tree}/usr/lib/x86_64-linux-gnu"
        self.loader = [f"{tree}/usr/lib64/ld-linux-x86-64.so.2",
                       "--library-path", f"{libraries}:{libraries}/systemd"]
        self.log = open(self.home / "libvirtd.log", "ab")  # pylint: disable=consider-using-with
        self.daemon = None

    def start(self):
        self.daemon = subprocess.Popen([*as_user(), *vmm.tdx_host(), *self.loader,
                                        "--preload", PRELOAD, f"{self.tree}/usr/sbin/libvirtd"],
                                       env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log)
        socket = self.home / "runtime_dir/libvirt/libvirt-sock"
        end = time.monotonic() + 60
        while not socket.exists() or self.run("uri")[0]:
            assert self.daemon.poll() is None and time.monotonic() < end, self.text()
            time.sleep(0.2)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def run(self, *arguments):
        done = subprocess.run([*as_user(), *self.loader, f"{self.tree}/usr/bin/virsh", "-q",
                               "-c", "qemu:///session", *arguments],
                              env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=120, check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    def virsh(self, *arguments):
        status, output = self.run(*arguments)
        assert status == 0, f"virsh {' '.join(arguments)}: {output}\n{self.text()}"
        return output.strip()

    def becomes(self, state, seconds=60):
        end = time.monotonic() + seconds
        while self.virsh("domstate", "td") != state:
            assert time.monotonic() < end, f"not {state}: {self.text()}"
            time.sleep(0.2)

    def text(self):
        texts = [path.read_text(errors="replace")[-4000:]
                 for path in sorted(self.home.rglob("*.log"))]
        return "\n".join(texts)

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.run("destroy", "td")
            self.daemon.terminate()
            self.daemon.wait(timeout=60)
        self.log.close()


@contextlib.contextmanager
def libvirt():
    tree = subprocess.run(["scripts/get-libvirt"], stdout=subprocess.PIPE, text=True,
                          check=False).stdout.strip()
    if not tree:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        daemon = Libvirt(tree, directory)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.close()


def define(daemon, program):
    emulator, disk, copy = daemon.home / "emulator", daemon.home / "disk.img", daemon.home / "OVMF.fd"
    emulator.write_text(f'#!/bin/sh\nexec {" ".join(vmm.tdx_host())} {program} "$@"\n',
                        encoding="ascii")
    emulator.chmod(0o755)
    with open(disk, "wb") as f:
        f.truncate(16 << 20)
    shutil.copy(vmm.OVMF, copy)
    domain = daemon.home / "domain.xml"
    users = subprocess.run([vmm.program("qemu-system-x86_64"), "-netdev", "help"],
                           stdout=subprocess.PIPE, text=True, check=True)
    domain.write_text(DOMAIN.format(firmware=copy, emulator=emulator, disk=disk,
                                    network=NETWORK if "user" in users.stdout.split() else ""),
                      encoding="ascii")
    features = daemon.virsh("domcapabilities", "--emulatorbin", str(emulator), "--machine", "q35",
                            "--virttype", "kvm")
    assert "<tdx supported='yes'/>" in features and "<value>tdx</value>" in features, features
    daemon.virsh("define", str(domain))


def check_host(daemon):
    """libvirt's own opinion of the host."""
    done = subprocess.run([*vmm.tdx_host(), *daemon.loader, f"{daemon.tree}/usr/bin/virt-host-validate", "qemu"], env=daemon.environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=False,
                          text=True)
    assert re.search(r"secure guest support +: PASS\s+\(TDX\)", done.stdout), done


def console(daemon, pattern, seconds):
    """What the guest prints on its serial port until there is the pattern."""
    path = daemon.virsh("ttyconsole", "td")
    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    text, end = "", time.monotonic() + seconds
    try:
        while not re.search(pattern, text):
            assert time.monotonic() < end, \
                f"no {pattern!r} on {path}: {text[-2000:]!r}\n{daemon.text()}"
            if select.select([terminal], [], [], 0.5)[0]:
                text += os.read(terminal, 65536).decode(errors="replace")
    finally:
        os.close(terminal)


def check_life(daemon):
    daemon.virsh("start", "td")
    assert daemon.virsh("domstate", "td") == "running"
    console(daemon, r"UEFI Interactive Shell|BdsDxe|PXE", 120)
    daemon.virsh("suspend", "td")
    assert daemon.virsh("domstate", "td") == "paused"
    daemon.virsh("resume", "td")
    assert daemon.virsh("domstate", "td") == "running"
    stats = daemon.virsh("domstats", "td")
    assert "vcpu.current=2" in stats and "block.0.name=vda" in stats, stats


def check_own(daemon):
    assert "MRTD: " in daemon.virsh("qemu-monitor-command", "td", "--hmp", "info tdx")
    status, output = daemon.run("save", "td", str(daemon.home / "state"))
    assert status and "a TD cannot be migrated" in output, output
    assert daemon.virsh("domstate", "td") == "running"


def check_queries(daemon):
    assert "rd_req" in daemon.virsh("domblkstat", "td", "vda")
    assert daemon.virsh("domblkinfo", "td", "vda").split()[1] == str(16 << 20)
    assert daemon.virsh("vcpuinfo", "td").count("running") == 2


def check_disks(daemon):
    """A disk that comes is seen in libvirt's list; what the guest, which is firmware, does not let
    go stays."""
    disk = daemon.home / "second.img"
    with open(disk, "wb") as f:
        f.truncate(8 << 20)
    daemon.virsh("attach-disk", "td", str(disk), "vdb", "--driver", "qemu", "--subdriver", "raw")
    assert "vdb" in daemon.virsh("domblklist", "td")
    daemon.virsh("blockresize", "td", "vdb", "32M")
    assert disk.stat().st_size == 32 << 20


def check_restart(daemon):
    """The daemon dies and comes back: the domain goes on, under the same process."""
    number = daemon.virsh("domid", "td")
    daemon.kill()
    daemon.start()
    assert daemon.virsh("domid", "td") == number
    assert daemon.virsh("domstate", "td") == "running"
    daemon.virsh("suspend", "td")
    daemon.virsh("resume", "td")


def check_end(daemon):
    """libvirt resets a TDX domain by a new process; then it ends it."""
    daemon.virsh("reset", "td")
    daemon.becomes("running")
    console(daemon, r"UEFI Interactive Shell|BdsDxe|PXE", 120)
    daemon.virsh("destroy", "td")
    assert daemon.virsh("domstate", "td") == "shut off"
    daemon.virsh("undefine", "td")


def live(program, checks):
    reason = missing()
    if reason:
        return reason
    with libvirt() as daemon:
        if not daemon:
            return "libvirt could not be had: scripts/get-libvirt tells why"
        check_host(daemon)
        define(daemon, program)
        for check in checks:
            check(daemon)
    return None


def test_domain():
    return live(vmm.program("qemu-system-x86_64"),
                (check_life, check_own, check_queries, check_disks, check_restart, check_end))


def test_other_vmm():
    if not QEMU:
        return "SWTDX_QEMU is not set: scripts/get-qemu fetches a QEMU and prints its path"
    return live(QEMU, (check_life, check_queries, check_disks, check_restart, check_end))


if __name__ == "__main__":
    vmm.tap([("/libvirt-daemon/domain", test_domain),
             ("/libvirt-daemon/other-vmm", test_other_vmm)])
