#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The conversations that libvirt's QEMU driver has with an emulator: the probe of a binary, and a domain's start, the
reconnection of a restarted daemon, and the end. Commands, their order and the members that libvirt cannot do without are those
of libvirt 12.8."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

import vmm
from qmp import Qmp

VMM = vmm.program("qemu-system-x86_64")
FIRMWARE = os.environ.get("FIRMWARE", vmm.OVMF)


class Libvirt(Qmp):
    """Requests with libvirt's ids, one outstanding at a time."""

    def __init__(self, path):
        super().__init__(path)
        self.count = 0
        assert "QMP" in self.greeting, self.greeting
        self.ok("qmp_capabilities")

    def reply(self, name, **arguments):
        self.count += 1
        request = {"execute": name, "id": f"libvirt-{self.count}"}
        if arguments:
            request["arguments"] = arguments
        answer = self.ask(json.dumps(request) + "\r\n")
        assert answer.get("id") == request["id"], answer
        return answer

    def ok(self, name, **arguments):
        answer = self.reply(name, **arguments)
        assert "return" in answer, (name, answer)
        return answer["return"]

    def fails(self, name, error_class, **arguments):
        answer = self.reply(name, **arguments)
        assert answer.get("error", {}).get("class") == error_class, (name, answer)


def gone(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def probe(host, accel="kvm:mshv:tcg"):
    """The process that answers questions: in the background, with a monitor that listens when the command has ended."""
    with tempfile.TemporaryDirectory() as directory:
        path, pidfile = os.path.join(directory, "qmp.monitor"), os.path.join(directory, "qmp.pid")
        done = subprocess.run([*host, VMM, "-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", f"none,accel={accel}",
                               "-qmp", f"unix:{path},server=on,wait=off", "-pidfile", pidfile, "-daemonize"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        assert done.returncode == 0, done.stdout
        with open(pidfile, encoding="ascii") as f:
            text = f.read()
        assert text.endswith("\n") and text.strip().isdigit(), text
        pid = int(text)
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)  # at once: it listens already
        client.close()
        try:
            yield Libvirt(path), pid
            os.kill(pid, signal.SIGTERM)
            assert gone(pid, 10), "SIGTERM did not end the process"
            assert not os.path.exists(path) and not os.path.exists(pidfile)
        finally:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def is_child(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1]) == os.getpid()


def entries(schema, name):
    return [entry for entry in schema if entry["name"] == name]


def check_models(monitor):
    definitions = monitor.ok("query-cpu-definitions")
    assert {"host", "max", "SapphireRapids"} <= {d["name"] for d in definitions}, definitions
    static = monitor.ok("query-cpu-model-expansion", type="static", model={"name": "host"})["model"]
    full = monitor.ok("query-cpu-model-expansion", type="full", model=static)["model"]
    assert full["props"]["sse2"] is True and full["props"]["cx16"] is True, full
    static = monitor.ok("query-cpu-model-expansion", type="static", model={"name": "host", "props": {"migratable": False}})["model"]
    monitor.ok("query-cpu-model-expansion", type="full", model=static)
    host = monitor.ok("query-cpu-model-expansion", type="full",
                      model={"name": "host", "props": {"migratable": False, "hv-passthrough": True}})["model"]
    assert host["name"] == "host" and host["props"]["vendor"] == "GenuineIntel", host
    named = monitor.ok("query-cpu-model-expansion", type="full",
                       model={"name": "Skylake-Server", "props": {"avx2": False}})["model"]
    assert named["props"]["avx2"] is False and named["props"]["avx"] is True, named


def test_probe():
    with probe([vmm.program("swtdx"), "run", "--"]) as (monitor, pid):
        assert not is_child(pid)
        version = monitor.ok("query-version")
        assert (version["qemu"]["major"], version["qemu"]["minor"]) == (11, 1) and "micro" in version["qemu"], version
        assert isinstance(version["package"], str)
        assert monitor.ok("query-target")["arch"] == "x86_64"
        schema = monitor.ok("query-qmp-schema")
        assert entries(schema, "query-accelerators") and entries(schema, "query-cpu-model-expansion")
        assert monitor.ok("query-accelerators") == {"enabled": "kvm", "present": ["kvm", "qtest"]}
        assert monitor.ok("query-kvm") == {"enabled": True, "present": True}
        types = {t["name"] for t in monitor.ok("qom-list-types")}
        assert "tdx-guest" in types and not {"tcg-accel", "sev-guest", "sgx-epc", "s390-pv-guest"} & types, types
        machines = {m["name"]: m for m in monitor.ok("query-machines")}
        assert machines["pc-q35-11.1"]["alias"] == "q35" and machines["pc-q35-11.1"]["acpi"] is True, machines
        assert machines["pc-q35-11.1"]["cpu-max"] >= 256 and "none" in machines
        options = {o["option"]: [p["name"] for p in o["parameters"]] for o in monitor.ok("query-command-line-options")}
        assert "hpet" in options["machine"] and "sandbox" in options, options
        check_models(monitor)
        capabilities = monitor.ok("query-tdx-capabilities")
        assert capabilities["attributes"] and capabilities["xfam"] & 3 == 3, capabilities
        monitor.fails("query-tdx", "GenericError")
        assert monitor.ok("query-cpus-fast") == []
        assert monitor.ok("query-status")["running"] is False
        monitor.ok("system_powerdown")
        monitor.ok("system_reset")
        monitor.close()


def test_probe_without_kvm():
    if not vmm.tdx_host():
        return "this host has TDX"
    with probe([vmm.program("swtdx"), "run", "--host", "no-dev-kvm", "--"]) as (monitor, _):
        assert monitor.ok("query-accelerators") == {"enabled": "none", "present": ["kvm", "qtest"]}
        assert monitor.ok("query-kvm") == {"enabled": False, "present": True}
        monitor.ok("query-cpu-definitions")
        monitor.fails("query-cpu-model-expansion", "GenericError", type="full", model={"name": "host"})
        monitor.fails("query-tdx-capabilities", "GenericError")
        monitor.close()
    return None


def test_probe_fails():
    with tempfile.TemporaryDirectory() as directory:
        pidfile = os.path.join(directory, "pid")
        status, _, errors = vmm.run([VMM, "-S", "-nodefaults", "-machine", "none", "-pidfile", pidfile, "-daemonize", "-msg", "timestamp=on",
                                     "-qmp", "unix:/nonexistent/qmp,server=on,wait=off"])
        assert status == 1 and "Failed to listen on '/nonexistent/qmp'" in errors, (status, errors)
        assert errors[:2] == "20" and errors[10] == "T" and "Z qemu-system-x86_64: " in errors, errors
        assert not os.path.exists(pidfile)


if __name__ == "__main__":
    vmm.tap([("/libvirt/probe", test_probe), ("/libvirt/probe-without-kvm", test_probe_without_kvm),
             ("/libvirt/probe-fails", test_probe_fails)])
