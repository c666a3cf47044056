#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A TD steered by QMP: negotiation, errors, states, reset, end. Nothing here waits for the guest to
get anywhere."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile

import vmm
from qmp import Qmp

FIRMWARE = os.environ.get("FIRMWARE", vmm.OVMF)


class Machine:
    """A VMM with a monitor at a socket; its standard error in .errors() when it has ended."""

    def __init__(self, directory, *extra, monitor=None, pass_fds=(), smp="1"):
        self.path = os.path.join(directory, "qmp")
        monitor = monitor or ["-qmp", f"unix:{self.path},server=on,wait=off"]
        # pylint: disable=consider-using-with
        self.stderr = open(os.path.join(directory, "stderr"), "w+b")
        arguments = [vmm.program("qemu-system-x86_64"), "-accel", "kvm", "-cpu", "host",
                     "-m", "256M", "-smp", smp,
                     "-object",
                     '{"qom-type": "tdx-guest", "id": "lsec0", "attributes": 268435456, "mrowner": '
                     '"' + "B" * 64 + '"}',
                     "-machine", "q35,confidential-guest-support=lsec0", "-bios", FIRMWARE,
                     "-nodefaults", "-nographic",
                     "-serial", "null", *monitor, *extra]
        self.process = subprocess.Popen(vmm.tdx_host() + arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL,
                                        stderr=self.stderr, pass_fds=pass_fds)

    def connect(self):
        qmp = Qmp(self.path)
        qmp.command("qmp_capabilities")
        return qmp

    def errors(self):
        self.stderr.seek(0)
        return self.stderr.read().decode()

    def wait(self, status=0):
        assert self.process.wait(30) == status, self.errors()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stderr.close()


@contextlib.contextmanager
def machine(*extra, **options):
    with tempfile.TemporaryDirectory() as directory:
        m = Machine(directory, *extra, **options)
        try:
            yield m
        except Exception as e:
            raise AssertionError(f"{type(e).__name__}: {e}\nstandard error of the "
                                 f"VMM:\n{m.errors()}") from e
        finally:
            m.close()


def needs_firmware(test):
    def check():
        if not os.path.exists(FIRMWARE):
            return f"{FIRMWARE} is missing: install the package ovmf"
        test()
        return None
    return check


@needs_firmware
def test_negotiation():
    with machine("-S") as m:
        qmp = Qmp(m.path)
        version = qmp.greeting["QMP"]["version"]
        assert version["qemu"]["major"] == 11 and version["qemu"]["minor"] == 1, version
        assert qmp.greeting["QMP"]["capabilities"] == ["oob"]
        assert qmp.error("query-status") == \
            ("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'")
        assert qmp.error("qmp_capabilities", enable=["bandwidth"])[0] == "GenericError"
        assert qmp.ask('{"execute": "qmp_capabilities", "id": {"a": [1, null]}}') == \
            {"return": {}, "id": {"a": [1, None]}}
        assert qmp.error("qmp_capabilities") == \
            ("CommandNotFound", "Capabilities negotiation is already complete, command ignored")
        assert qmp.command("query-version") == version
        # Another client waits until this one has gone, and then starts anew.
        qmp.close()
        qmp = Qmp(m.path)
        assert qmp.error("query-status")[0] == "CommandNotFound"
        qmp.command("qmp_capabilities")
        qmp.command("quit")
        m.wait()
        assert not os.path.exists(m.path)


ERRORS = [
    ('{"execute": "nosuch"}', "The command nosuch has not been found"),
    ('{"execute": "stop", "arguments": {"x": 1}}', "Parameter 'x' is unexpected"),
    ('{"execute": "qom-list"}', "Parameter 'path' is missing"),
    ('{"execute": "qom-list", "arguments": {"path": 1}}',
     "Invalid parameter type for 'path', expected: string"),
    ('{"execute": "set-action", "arguments": {"panic": "maybe"}}',
     "Parameter 'panic' does not accept value 'maybe'"),
    ('{"execute": "stop", "foo": 1}', "QMP input member 'foo' is unexpected"),
    ('{"exec-oob": "stop"}', "QMP input member 'exec-oob' is unexpected"),
    ('{}', "QMP input lacks member 'execute'"),
    ('[]', "QMP input must be a JSON object"),
    ('{"execute": foo}', "JSON parse error"),
    ('}\n', "JSON parse error"),
    ('{"execute": "stop"\x01', "JSON parse error"),
    ('{"execute": "qom-get", "arguments": {"path": "/objects/lsec0", "property": "zz"}}',
     "Property 'tdx-guest.zz' not found"),
    ('{"execute": "qom-get", "arguments": {"path": "/nowhere", "property": "zz"}}',
     "Device '/nowhere' not found"),
    ('{"execute": "object-add", "arguments": {"qom-type": "tdx-guest", "id": "a"}}',
     "comes too late"),
    ('{"execute": "object-add", "arguments": {"qom-type": "tdx-guest", "id": "a", "z": 1}}',
     "Parameter 'z' is unexpected"),
    ('{"execute": "object-add", "arguments": {"qom-type": "bogus", "id": "a"}}',
     "Parameter 'qom-type' does not accept value 'bogus'"),
    ('{"execute": "object-del", "arguments": {"id": "lsec0"}}',
     "object 'lsec0' is in use, can not be deleted"),
    ('{"execute": "object-del", "arguments": {"id": "b"}}', "object 'b' not found"),
]


@needs_firmware
def test_errors():
    with machine("-S") as m:
        qmp = m.connect()
        for request, expected in ERRORS:
            answer = qmp.ask(request)
            assert expected in answer["error"]["desc"], (request, answer)
        assert "launched" in \
            qmp.error("qom-set", path="/objects/lsec0", property="attributes", value=0)[1]
        qmp.command("quit")
        m.wait()


@needs_firmware
def test_queries():
    with machine("-S", "-name", "guest=one,debug-threads=on",
                 "-uuid", "12345678-90AB-cdef-1234-567890abcdef", smp="2") as m:
        qmp = m.connect()
        names = {c["name"] for c in qmp.command("query-commands")}
        schema = qmp.command("query-qmp-schema")
        assert names == {e["name"] for e in schema if e["meta-type"] == "command"}
        types = {e["name"] for e in schema if e["meta-type"] not in ("command", "event")}
        for entry in schema:
            used = [entry[k] for k in ("arg-type", "ret-type", "element-type") if k in entry]
            used += [x["type"] for k in ("members", "variants") for x in entry.get(k, [])
                     if "type" in x]
            assert set(used) <= types, entry
        assert qmp.command("query-name") == {"name": "one"}
        assert qmp.command("query-uuid") == {"UUID": "12345678-90ab-cdef-1234-567890abcdef"}
        assert qmp.command("query-kvm") == {"enabled": True, "present": True}
        cpus = qmp.command("query-cpus-fast")
        threads = {int(t) for t in os.listdir(f"/proc/{m.process.pid}/task")}
        assert [c["cpu-index"] for c in cpus] == [0, 1], (cpus, threads)
        assert {c["thread-id"] for c in cpus} <= threads, (cpus, threads)
        assert qmp.command("query-current-machine") == {"wakeup-suspend-support": False}
        assert "q35" in [x.get("alias") for x in qmp.command("query-machines")]
        assert "tdx-guest" in [x["name"] for x in qmp.command("qom-list-types")]
        machine_option = qmp.command("query-command-line-options", option="machine")[0]
        assert {"name": "confidential-guest-support", "type": "string"} in \
            machine_option["parameters"], machine_option
        assert qmp.error("query-command-line-options", option="zz") == \
            ("GenericError", "invalid option name: zz")
        places = qmp.command("query-hotpluggable-cpus")
        assert [c["props"] for c in places] == [c["props"] for c in cpus], (places, cpus)
        assert cpus[1]["props"]["core-id"] == 1, (places, cpus)
        assert qmp.command("query-memory-size-summary") == \
            {"base-memory": 256 << 20, "plugged-memory": 0}
        for name in ("query-block", "query-named-block-nodes", "query-blockstats", "query-jobs",
                     "query-iothreads",
                     "query-rx-filter"):
            assert qmp.command(name) == [], name
        assert qmp.error("query-balloon") == \
            ("DeviceNotActive", "No balloon device has been activated")
        qmp.command("migrate-set-capabilities",
                    capabilities=[{"capability": "events", "state": True}])
        assert qmp.command("query-migrate-capabilities") == \
            [{"capability": "events", "state": True}]
        for name, arguments, reason in (("migrate", {"uri": "tcp:x:1"}, "cannot be migrated"),
                                        ("inject-nmi", {}, "no NMI"),
                                        ("pmemsave", {"val": 0, "size": 4096, "filename": "/x"},
                                         "cannot be read from outside")):
            assert reason in qmp.error(name, **arguments)[1], name
        properties = [p["name"] for p in qmp.command("qom-list", path="/objects/lsec0")]
        assert set(properties) == {"type", "attributes", "sept-ve-disable", "mrconfigid", "mrowner",
                                   "mrownerconfig",
                                   "quote-generation-socket"}
        assert qmp.error("qom-get", path="/objects/lsec0",
                         property="quote-generation-socket")[1] == "quote-generation-socket is not set"
        values = {p: qmp.command("qom-get", path="/objects/lsec0",
                                 property=p) for p in properties if p != "quote-generation-socket"}
        assert values["attributes"] == 1 << 28 and values["mrowner"] == "B" * 64, values
        assert values["sept-ve-disable"] is True, values
        cpu = {p["name"]: p
               for p in qmp.command("qom-list-get", paths=[cpus[1]["qom-path"]])[0]["properties"]}
        assert cpu["type"]["value"] == "host-x86_64-cpu" and cpu["realized"]["value"] is True, cpu
        assert cpu["core-id"]["value"] == 1, cpu
        assert cpu["sse2"]["value"] is True and cpu["x2apic"]["value"] is True, cpu
        assert cpu["svm"]["value"] is False, cpu
        assert cpu["unavailable-features"] == \
            {"name": "unavailable-features", "type": "strList", "value": []}, cpu
        words = qmp.command("qom-get", path=cpus[0]["qom-path"], property="feature-words")
        assert words[0]["cpuid-register"] == "EDX" and words[0]["cpuid-input-eax"] == 1, words
        assert words[0]["features"] & 1 << 26, words
        assert "launched" in \
            qmp.error("qom-set", path=cpus[0]["qom-path"], property="avx2", value=False)[1]
        listed = {p["name"] for p in qmp.command("qom-list-properties", typename="max-x86_64-cpu")}
        assert {"migratable", "unavailable-features", "sse4.1", "avx2"} <= listed, listed
        board = {p["name"]: p["type"] for p in qmp.command("qom-list", path="/machine")}
        assert board["peripheral"] == "child<container>" and board["acpi"] == "OnOffAuto", board
        assert qmp.command("qom-get", path="/machine", property="confidential-guest-support") == \
            "/objects/lsec0"
        assert "pcie.0" in qmp.command("human-monitor-command", **{"command-line": "info qtree"})
        assert qmp.error("device-list-properties", typename="nosuch")[0] == "DeviceNotFound"
        assert {"chassis", "port"} <= \
            {p["name"] for p in qmp.command("device-list-properties", typename="pcie-root-port")}
        tdx = qmp.command("query-tdx")
        assert tdx["state"] == "finalized" and tdx["attributes"] & 1 << 28, tdx
        assert tdx["mrowner"] == "041041" * 16, tdx
        assert re.fullmatch("[0-9a-f]{96}", tdx["mrtd"]), tdx
        assert set(tdx["vmcalls"].values()) == {0}, tdx
        memory = tdx["memory"]
        assert memory["private"] + memory["shared"] >= 256 << 20 and memory["private"] > 0, memory
        assert tdx["quotes"]["requests"] == 0 and "fatal-error" not in tdx, tdx
        capabilities = qmp.command("query-tdx-capabilities")
        assert tdx["xfam"] & ~capabilities["xfam"] == 0, capabilities
        assert capabilities["configurable-cpuid"] > 0, capabilities
        assert "VM status: paused (prelaunch)\r\n" == \
            qmp.command("human-monitor-command", **{"command-line": "info status"})
        assert tdx["mrtd"] in qmp.command("human-monitor-command", **{"command-line": "info tdx"})
        assert "unknown command" in \
            qmp.command("human-monitor-command", **{"command-line": "info zz"})
        qmp.command("quit")
        m.wait()


@needs_firmware
def test_life():
    with machine("-S") as m:
        qmp = m.connect()
        assert qmp.command("query-status") == {"running": False, "status": "prelaunch"}
        mrtd = qmp.command("query-tdx")["mrtd"]
        qmp.command("cont")
        assert qmp.event("RESUME") is None
        assert qmp.command("query-status") == {"running": True, "status": "running"}
        assert qmp.command("query-tdx")["state"] == "runnable"
        qmp.command("stop")
        qmp.event("STOP")
        assert qmp.command("query-status") == {"running": False, "status": "paused"}
        qmp.command("system_reset")
        assert qmp.event("RESET") == {"guest": False, "reason": "host-qmp-system-reset"}
        assert qmp.command("query-status")["status"] == "prelaunch"
        assert qmp.command("query-tdx")["mrtd"] == mrtd
        qmp.command("cont")
        qmp.command("system_reset")
        qmp.event("RESET")
        assert qmp.command("query-status")["status"] == "running"
        assert qmp.command("query-tdx")["mrtd"] == mrtd
        qmp.command("system_powerdown")
        qmp.event("POWERDOWN")
        qmp.command("quit")
        assert qmp.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}
        m.wait()


@needs_firmware
def test_no_reboot():
    with machine("-S", "-no-reboot", "-no-shutdown") as m:
        qmp = m.connect()
        qmp.command("cont")
        qmp.command("system_reset")
        assert qmp.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-system-reset"}
        qmp.event("STOP")
        assert qmp.command("query-status")["status"] == "shutdown"
        assert qmp.error("cont") == ("GenericError", "Resetting the Virtual Machine is required")
        qmp.command("set-action", reboot="reset")
        qmp.command("system_reset")
        qmp.event("RESET")
        qmp.command("cont")
        m.process.terminate()
        assert qmp.event("SHUTDOWN") == {"guest": False, "reason": "host-signal"}
        m.wait()


@needs_firmware
def test_given_socket():
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path, pidfile = os.path.join(directory, "given"), os.path.join(directory, "pid")
        listener.bind(path)
        listener.listen(1)
        fd = listener.fileno()
        monitor = ["-chardev", f"socket,id=charmonitor,fd={fd},server=on,wait=off",
                   "-mon", "chardev=charmonitor,id=monitor,mode=control"]
        with machine("-S", "-pidfile", pidfile, monitor=monitor, pass_fds=[fd]) as m:
            qmp = Qmp(path)
            qmp.command("qmp_capabilities")
            with open(pidfile, encoding="ascii") as f:
                assert f.read() == f"{m.process.pid}\n"
            qmp.command("quit")
            m.wait()
            assert os.path.exists(path) and not os.path.exists(pidfile)


@needs_firmware
def test_silent_client():
    """A client that asks much and reads nothing stops nobody, and answers to it are not kept
    without bound."""
    with machine("-S") as m:
        qmp = m.connect()
        qmp.socket.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 20000:
                qmp.socket.send(b'{"execute": "query-qmp-schema"}\n' * 100)
                sent += 100
        with open(f"/proc/{m.process.pid}/stat", encoding="ascii") as f:
            assert f.read().split()[2] in "SR"
        m.process.terminate()
        m.wait()


@needs_firmware
def test_standard_io():
    arguments = vmm.tdx_host() + vmm.td_arguments(firmware=FIRMWARE, memory="256M")[:-3] + \
        ["-serial", "null", "-qmp", "stdio", "-S"]
    requests = b"{'execute': 'qmp_capabilities'}{'execute': 'query-status', 'id': 1}\n{'execute': 'quit'}\n"
    done = subprocess.run(arguments, input=requests, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split(b"\r\n")
    assert b'"QMP"' in lines[0] and lines[1] == b'{"return": {}}', lines
    assert b'"prelaunch"' in lines[2] and b'"id": 1' in lines[2], lines
    assert any(b'"SHUTDOWN"' in line for line in lines), lines


BLOCK_ERRORS = [
    ("blockdev-add", {"driver": "file", "node-name": "b0"}, "Parameter 'filename' is missing"),
    ("blockdev-add", {"driver": "file", "node-name": "b0", "filename": "/nowhere"},
     "Could not open '/nowhere'"),
    ("blockdev-add", {"driver": "raw", "node-name": "b0", "file": "nobody"}, "node-name='nobody'"),
    ("blockdev-add", {"driver": "raw", "node-name": "b0", "file": {"driver": "file"}},
     "Parameter 'filename' is missing"),
    ("blockdev-add", {"driver": "file", "node-name": "b0", "filename": 7},
     "Invalid parameter type for 'filename', expected: string"),
    ("blockdev-add", {"driver": "file", "node-name": "b0", "filename": ""},
     "Parameter 'filename' expects a path"),
    ("blockdev-add",
     {"driver": "file", "node-name": "b0", "filename": "DISK", "auto-read-only": "on"},
     "Invalid parameter type for 'auto-read-only', expected: boolean"),
    ("blockdev-add", {"driver": ["file"], "node-name": "b0"}, "driver"),
    ("blockdev-add", {"driver": "file", "filename": "/dev/null"}, "node-name"),
    ("blockdev-add", {"driver": "file", "node-name": "b0", "filename": "DISK", "colour": "red"},
     "Parameter 'colour' is unexpected"),
    ("blockdev-add", {"driver": "file", "node-name": "d0", "filename": "DISK"}, "d0"),
    ("blockdev-del", {"node-name": "d0"}, "Node d0 is in use"),
    ("blockdev-del", {"node-name": "file0"}, "Node file0 is in use"),
    ("blockdev-del", {"node-name": "zz"}, "Failed to find node with node-name='zz'"),
    ("block_resize", {"node-name": "zz", "size": 512}, "node-name='zz'"),
    ("block_resize", {"device": "zz", "size": 512}, "device='zz'"),
    ("block_resize", {"size": 512}, "give one of"),
    ("block_resize", {"device": "disk0", "node-name": "d0", "size": 512}, "give one of"),
    ("block_resize", {"node-name": "d0", "size": 513}, "not a multiple of 512"),
    ("block_resize", {"node-name": "d0", "size": -512}, "size"),
]


@needs_firmware
def test_block():
    with tempfile.TemporaryDirectory() as directory:
        disk = os.path.join(directory, "disk")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        with machine("-S", "-blockdev", f"driver=file,node-name=file0,filename={disk}",
                     "-blockdev", "driver=raw,node-name=d0,file=file0",
                     "-device", "pcie-root-port,id=p1",
                     "-device", "virtio-blk-pci,drive=d0,id=disk0") as m:
            qmp = m.connect()
            assert {n["node-name"]: n["drv"] for n in qmp.command("query-named-block-nodes")} == \
                {"file0": "file", "d0": "raw"}
            inserted, = qmp.command("query-block", flat=True)
            assert inserted["qdev"] == "/machine/peripheral/disk0/virtio-backend", inserted
            assert not inserted["removable"], inserted
            assert inserted["inserted"]["file"] == disk, inserted
            assert inserted["inserted"]["image"]["virtual-size"] == 1 << 20, inserted
            stats, = qmp.command("query-blockstats")
            assert stats["node-name"] == "d0" and stats["stats"].pop("account_failed") and stats["stats"].pop("account_invalid"), stats
            assert not any(stats["stats"].values()), stats
            assert len(qmp.command("query-blockstats", **{"query-nodes": True})) == 2
            for name, arguments, text in BLOCK_ERRORS:
                arguments = {k: disk if v == "DISK" else v for k, v in arguments.items()}
                assert text in qmp.error(name, **arguments)[1], \
                    (name, arguments, qmp.error(name, **arguments))
            assert len(qmp.command("query-named-block-nodes")) == 2
            qmp.command("block_resize", device="disk0", size=2 << 20)
            assert os.stat(disk).st_size == 2 << 20
            assert f"d0: {disk} (raw)" in \
                qmp.command("human-monitor-command", **{"command-line": "info block"})
            assert "rd_operations=0" in \
                qmp.command("human-monitor-command", **{"command-line": "info blockstats"})
            # One that comes, with its file in place, and goes.
            second = os.path.join(directory, "second")
            with open(second, "wb") as f:
                f.truncate(4096)
            qmp.command("blockdev-add", driver="raw", file={"driver": "file", "filename": second},
                        **{"node-name": "d1"})
            qmp.command("blockdev-add", driver="raw", file="d1-file",
                        **{"node-name": "d2", "read-only": True})
            assert "in use" in qmp.error("blockdev-del", **{"node-name": "d1-file"})[1]
            qmp.command("device_add", driver="virtio-blk-pci", id="disk1", drive="d1", bus="p1")
            assert "in use" in qmp.error("blockdev-del", **{"node-name": "d1"})[1]
            assert [d["inserted"]["node-name"] for d in qmp.command("query-block")] == ["d0", "d1"]
            qmp.command("blockdev-del", **{"node-name": "d2"})
            qmp.command("quit")
            m.wait()


@needs_firmware
def test_quit_order():
    """As QEMU has it: the event, then the answer."""
    with machine("-S") as m:
        qmp = m.connect()
        qmp.send('{"execute": "quit", "id": 7}')
        first, second = qmp.receive(), qmp.receive()
        assert first["event"] == "SHUTDOWN" and first["data"] == {"guest": False, "reason": "host-qmp-quit"}, first
        assert second == {"return": {}, "id": 7}, second
        m.wait()


@needs_firmware
def test_memdev():
    with machine("-S", "-object", "memory-backend-memfd,id=m0,size=256M,share=on,merge=off", "-machine", "memory-backend=m0") as m:
        qmp = m.connect()
        assert qmp.command("query-memdev") == [{"id": "m0", "size": 256 << 20, "share": True,
                                                "prealloc": False, "merge": False,
                                                "dump": True, "reserve": False, "host-nodes": [],
                                                "policy": "default"}]
        qmp.command("quit")
        m.wait()


if __name__ == "__main__":
    vmm.tap([("/qmp/negotiation", test_negotiation), ("/qmp/errors", test_errors),
             ("/qmp/queries", test_queries), ("/qmp/block", test_block),
             ("/qmp/memdev", test_memdev), ("/qmp/quit-order", test_quit_order),
             ("/qmp/life", test_life), ("/qmp/no-reboot", test_no_reboot),
             ("/qmp/given-socket", test_given_socket),
             ("/qmp/silent-client", test_silent_client), ("/qmp/standard-io", test_standard_io)])
