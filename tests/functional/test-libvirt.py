#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The conversations that libvirt's QEMU driver has with an emulator: the probe of a binary, and a
domain's start, the reconnection of a restarted daemon, and the end. Commands, their order and the
members that libvirt cannot do without are those of libvirt 12.8."""

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

if vmm.SANITIZED:
    # The search for leaks attaches to the process like a debugger, and libvirt's -sandbox forbids
    # that.
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


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
    """The process that answers questions: in the background, with a monitor that listens when the
    command has ended."""
    with tempfile.TemporaryDirectory() as directory:
        path, pidfile = os.path.join(directory, "qmp.monitor"), os.path.join(directory, "qmp.pid")
        done = subprocess.run([*host, VMM, "-S", "-no-user-config", "-nodefaults", "-nographic",
                               "-machine", f"none,accel={accel}",
                               "-qmp", f"unix:{path},server=on,wait=off", "-pidfile", pidfile,
                               "-daemonize"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
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
    static = monitor.ok("query-cpu-model-expansion", type="static",
                        model={"name": "host", "props": {"migratable": False}})["model"]
    monitor.ok("query-cpu-model-expansion", type="full", model=static)
    host = monitor.ok("query-cpu-model-expansion", type="full",
                      model={"name": "host",
                             "props": {"migratable": False, "hv-passthrough": True}})["model"]
    assert host["name"] == "host" and host["props"]["vendor"] == "GenuineIntel", host
    named = monitor.ok("query-cpu-model-expansion", type="full",
                       model={"name": "Skylake-Server", "props": {"avx2": False}})["model"]
    assert named["props"]["avx2"] is False and named["props"]["avx"] is True, named


def test_probe():
    with probe([vmm.program("swtdx"), "run", "--"]) as (monitor, pid):
        assert not is_child(pid)
        version = monitor.ok("query-version")
        assert (version["qemu"]["major"],
                version["qemu"]["minor"]) == (11, 1) and "micro" in version["qemu"], version
        assert isinstance(version["package"], str)
        assert monitor.ok("query-target")["arch"] == "x86_64"
        schema = monitor.ok("query-qmp-schema")
        assert entries(schema, "query-accelerators")
        assert entries(schema, "query-cpu-model-expansion")
        assert monitor.ok("query-accelerators") == {"enabled": "kvm", "present": ["kvm", "qtest"]}
        assert monitor.ok("query-kvm") == {"enabled": True, "present": True}
        types = {t["name"] for t in monitor.ok("qom-list-types")}
        assert "tdx-guest" in types, types
        assert not {"tcg-accel", "sev-guest", "sgx-epc", "s390-pv-guest"} & types, types
        machines = {m["name"]: m for m in monitor.ok("query-machines")}
        assert machines["pc-q35-11.1"]["alias"] == "q35", machines
        assert machines["pc-q35-11.1"]["acpi"] is True, machines
        assert machines["pc-q35-11.1"]["cpu-max"] >= 256 and "none" in machines
        # names that management software stored when they were new
        assert all("alias" not in machines[f"pc-q35-{v}"] and
                   machines[f"pc-q35-{v}"]["default-ram-id"] == "pc.ram"
                   for v in ("10.0", "10.1", "10.2", "11.0")), machines
        options = {o["option"]: [p["name"] for p in o["parameters"]]
                   for o in monitor.ok("query-command-line-options")}
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
        monitor.fails("query-cpu-model-expansion", "GenericError", type="full",
                      model={"name": "host"})
        monitor.fails("query-tdx-capabilities", "GenericError")
        monitor.close()
    return None


def test_probe_fails():
    with tempfile.TemporaryDirectory() as directory:
        pidfile = os.path.join(directory, "pid")
        status, _, errors = vmm.run([VMM, "-S", "-nodefaults", "-machine", "none",
                                     "-pidfile", pidfile, "-daemonize", "-msg", "timestamp=on",
                                     "-qmp", "unix:/nonexistent/qmp,server=on,wait=off"])
        assert status == 1 and "Failed to listen on '/nonexistent/qmp'" in errors, (status, errors)
        assert errors[:2] == "20" and errors[10] == "T", errors
        assert "Z qemu-system-x86_64: " in errors, errors
        assert not os.path.exists(pidfile)


def listed(option):
    """The names in the help of -object or -device."""
    status, out, errors = vmm.run([VMM, option, "help"])
    assert status == 0, errors
    return set(out.replace('"', " ").replace(",", " ").split())


class Domain:
    """A TD as libvirt starts it: the monitor is a listening socket that is passed by number, stdin
    is /dev/null, and the object tdx-guest comes after the devices. Devices are those that the
    binary lists, as libvirt's capabilities have it."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "monitor.sock")
        objects, devices = listed("-object"), listed("-device")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(1)
        fd = listener.fileno()
        # pylint: disable=consider-using-with
        self.log = open(os.path.join(directory, "log"), "w+b")
        arguments = ["-name", "guest=N,debug-threads=on", "-S"]
        if "secret" in objects:
            key = os.path.join(directory, "master-key.aes")
            with open(key, "wb") as f:
                f.write(os.urandom(32))
            arguments += ["-object", json.dumps({"qom-type": "secret", "id": "masterKey0",
                                                 "format": "raw", "file": key})]
        arguments += ["-machine",
                      "pc-q35-11.1,usb=off,smm=off,kernel_irqchip=split,dump-guest-core=off,memory-backend=pc.ram,"
                      "confidential-guest-support=lsec0,acpi=on", "-accel", "kvm",
                      "-cpu", "host,migratable=on,pmu=off",
                      "-bios", FIRMWARE, "-m", "size=262144k",
                      "-object",
                      json.dumps({"qom-type": "memory-backend-ram", "id": "pc.ram",
                                  "size": 256 << 20}),
                      "-overcommit", "mem-lock=off", "-smp", "2,sockets=1,cores=2,threads=1",
                      "-uuid", "12345678-90ab-cdef-1234-567890abcdef", "-display", "none",
                      "-no-user-config", "-nodefaults",
                      "-chardev", f"socket,id=charmonitor,fd={fd},server=on,wait=off"]
        if "monitor-qmp" in objects:
            arguments += ["-object", json.dumps({"qom-type": "monitor-qmp", "id": "monitor",
                                                 "chardev": "charmonitor"})]
        else:
            arguments += ["-mon", "chardev=charmonitor,id=monitor,mode=control"]
        arguments += ["-rtc", "base=utc", "-no-shutdown", "-boot", "strict=on"]
        if "pcie-root-port" in devices:
            arguments += ["-device", json.dumps({"driver": "pcie-root-port", "port": 8,
                                                 "chassis": 1, "id": "pci.1", "bus": "pcie.0",
                                                 "multifunction": True, "addr": "0x1"}),
                          "-device",
                          json.dumps({"driver": "pcie-root-port", "port": 9, "chassis": 2,
                                      "id": "pci.2", "bus": "pcie.0",
                                                 "addr": "0x1.0x1"})]
        self.has_serial = "isa-serial" in devices
        if self.has_serial:
            arguments += ["-chardev", "pty,id=charserial0", "-device",
                          json.dumps({"driver": "isa-serial", "chardev": "charserial0",
                                      "id": "serial0", "index": 0})]
        arguments += ["-audiodev", '{"id":"audio1","driver":"none"}',
                      "-global", "ICH9-LPC.noreboot=off", "-watchdog-action", "reset",
                      "-object",
                      json.dumps({"qom-type": "tdx-guest", "id": "lsec0", "attributes": 268435456,
                                             "mrconfigid": "A" * 64, "mrowner": "B" * 64,
                                  "mrownerconfig": "C" * 64}),
                      "-sandbox",
                      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                      "-msg", "timestamp=on"]
        self.process = subprocess.Popen([*vmm.tdx_host(), VMM, *arguments],
                                        stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, pass_fds=[fd])
        listener.close()

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def domain():
    with tempfile.TemporaryDirectory() as directory:
        d = Domain(directory)
        try:
            yield d
        except Exception as e:
            raise AssertionError(f"{type(e).__name__}: {e}\nlog of the domain:\n{d.text()}") from e
        finally:
            d.close()


def check_chardevs(monitor, d):
    chardevs = {c["label"]: c["filename"] for c in monitor.ok("query-chardev")}
    assert "charmonitor" in chardevs, chardevs
    if d.has_serial:
        assert chardevs["charserial0"].startswith("pty:/dev/pts/"), chardevs


def check_cpus(monitor, d):
    tasks = {int(t) for t in os.listdir(f"/proc/{d.process.pid}/task")}
    cpus = monitor.ok("query-cpus-fast")
    assert len(cpus) == 2 and {c["thread-id"] for c in cpus} <= tasks, cpus
    for number, cpu in enumerate(cpus):
        with open(f"/proc/{d.process.pid}/task/{cpu['thread-id']}/comm", encoding="ascii") as f:
            assert f.read() == f"CPU {number}/KVM\n"


def started(d):
    """The conversation of a start, up to cont."""
    monitor = Libvirt(d.path)
    monitor.ok("query-migrate-capabilities")
    monitor.ok("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    check_chardevs(monitor, d)
    check_cpus(monitor, d)
    assert monitor.ok("query-iothreads") == []
    monitor.ok("query-named-block-nodes", flat=True)
    monitor.ok("set-action", panic="pause")
    names = {entry["name"] for entry in monitor.ok("qom-list", path="/machine/peripheral")}
    assert {"pci.1", "pci.2"} <= names or "pcie-root-port" not in listed("-device"), names
    monitor.ok("query-block", flat=True)
    monitor.ok("cont")
    monitor.event("RESUME")
    return monitor


def test_start():
    if not os.path.exists(FIRMWARE):
        return f"{FIRMWARE} is missing: install the package ovmf"
    with domain() as d:
        monitor = started(d)
        assert monitor.ok("query-status")["status"] == "running"
        monitor.ok("stop")
        monitor.event("STOP")
        monitor.ok("cont")
        monitor.event("RESUME")
        monitor.ok("query-blockstats")
        monitor.fails("query-balloon", "DeviceNotActive")
        monitor.fails("migrate", "GenericError", uri="fd:migrate")
        monitor.ok("human-monitor-command", **{"command-line": "info status"})
        # The daemon is restarted: the domain goes on, and the new one finds it at the same socket.
        monitor.close()
        monitor = Libvirt(d.path)
        monitor.ok("query-migrate-capabilities")
        assert monitor.ok("query-status") == {"status": "running", "running": True}
        assert monitor.ok("query-target")["arch"] == "x86_64"
        assert [m for m in monitor.ok("query-machines") if m.get("alias") == "q35"]
        check_cpus(monitor, d)
        monitor.ok("query-iothreads")
        monitor.ok("query-block", flat=True)
        check_chardevs(monitor, d)
        assert monitor.ok("query-jobs") == []
        monitor.ok("qom-list", path="/machine/peripheral")
        d.process.terminate()
        assert monitor.event("SHUTDOWN") == {"guest": False, "reason": "host-signal"}
        assert d.process.wait(10) == 0
        assert os.path.exists(d.path), "the socket is libvirt's"
        text = d.text()
        assert "Z qemu-system-x86_64: terminating on signal 15" in text, text
    return None


def test_start_fails():
    """What goes wrong before the monitor answers stands on standard error, and the status is 1."""
    status, _, errors = vmm.run([*vmm.tdx_host(), VMM, "-S", "-nodefaults", "-display", "none",
                                 "-machine",
                                 "q35,confidential-guest-support=lsec0", "-bios", "/nonexistent",
                                 "-msg", "timestamp=on",
                                 "-object", json.dumps({"qom-type": "tdx-guest", "id": "lsec0"})])
    assert status == 1 and "could not load PC BIOS '/nonexistent'" in errors, errors


if __name__ == "__main__":
    vmm.tap([("/libvirt/probe", test_probe), ("/libvirt/probe-without-kvm", test_probe_without_kvm),
             ("/libvirt/probe-fails", test_probe_fails), ("/libvirt/start", test_start),
             ("/libvirt/start-fails", test_start_fails)])
