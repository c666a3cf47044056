#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors for people and for programs on every kind of chardev, and clients that misbehave. The
machine is one under qtest, or none at all: no guest is needed for any of it."""

import array
import json
import os
import pty
import resource
import select
import signal
import socket
import subprocess
import tempfile
import time

import vmm
from monitors import HMP, QMP, QTEST, Lines, Qtest, connect, negotiated, none, program
from qmp import Qmp

PEOPLE = [
    ("info status", "VM status: paused (prelaunch)\n"),
    ("  info   status  ", "VM status: paused (prelaunch)\n"),
    ("info stat", "VM status: paused (prelaunch)\n"),
    ("inf ver", "11.1.0 (qemu-tdx)\n"),
    ("info name", "one\n"),
    ("info uuid", "00000000-0000-0000-0000-000000000000\n"),
    ("info cpus", ""),
    ("info block", ""),
    ("info network", ""),
    ("info tdx", "this machine is no TD\n"),
    ("", ""),
    ("zz", "unknown command: 'zz'\n"),
    ("info zz", "unknown command: 'info zz'\n"),
    ("system", "ambiguous command: 'system'\n"),
    ("help stop", "stop|s -- stop emulation\n"),
    ("? q", "quit|q -- quit the emulator\n"),
    ("help info stat", "info status -- show the current VM status\n"),
    ("help zz", "unknown command: 'zz'\n"),
    ("object_add rng-builtin,id=r0", ""),
    ("object_add rng-builtin,id=r0",
     "Error: attempt to add duplicate property 'r0' to object (type 'container')\n"),
    ("object_add rng-builtin", "Error: Parameter 'id' is missing\n"),
    ("object_add", "Error: Parameter 'qom-type' is missing\n"),
    ("object_add rng-bultin,id=a",
     "Error: Parameter 'qom-type' does not accept value 'rng-bultin'\nDid you mean 'rng-builtin'?\n"),
    ("qom-get /objects/r0 type", '"rng-builtin"\n'),
    ("qom-get /objects/r0", "Error: 'property' is missing\n"),
    ("qom-get /objects/r1 type", "Error: Device '/objects/r1' not found\n"),
    ("qom-set /objects/r0 typ x", "Error: Property 'rng-builtin.typ' not found\n"),
    ("qom-list /objects/r0", "type (string)\n"),
    ("object_del r0", ""),
    ("object_del r0", "Error: object 'r0' not found\n"),
    ("object_del", "Error: 'id' is missing\n"),
    ("device_del x", "Error: Device 'x' not found\n"),
    ("device_add ,=", "Error: Expected parameter before '='\n"),
    ("set_link x maybe", "Error: Parameter 'up' expects 'on' or 'off'\n"),
    ("sendkey a", "Error: there is no display and no keyboard; use the guest's serial console\n"),
    ("eject", "Error: 'device' is missing\n"),
    ("eject x", "Error: Device 'x' not found\n"),
    ("eject -f x y", "Error: too many arguments: 'y'\n"),
    ("change x", "Error: 'filename' is missing\n"),
    ("change x y raw read-only", "Error: Device 'x' not found\n"),
    ("log tdx", "Error: what is logged is chosen at the start: -d tdx,tdvmcall -D FILE\n"),
    ("hostfwd_add tcp::1-:2", "Error: there is no -netdev user\n"),
    ("hostfwd_add net9 tcp::1-:2", "Error: there is no -netdev user with the id 'net9'\n"),
    ("netdev_add user,id=net0", ""),
    ("netdev_add user,id=net0", "Error: Duplicate ID 'net0' for netdev\n"),
    ("netdev_add", "Error: Parameter 'type' is missing\n"),
    ("netdev_add usr,id=a",
     "Error: Parameter 'type' does not accept value 'usr'\nDid you mean 'user'?\n"),
    ("info network", "net0: index=0,type=user,net=10.0.2.0,restrict=off\n"),
    ("hostfwd_remove tcp:127.0.0.1:1",
     "Error: host forwarding rule for tcp:127.0.0.1:1 not found\n"),
    ("netdev_del net0", ""),
    ("chardev-add null,id=c0", ""),
    ("chardev-add null,id=c0", "Error: Duplicate ID 'c0' for chardev\n"),
    ("chardev-add null", "Error: Parameter 'id' is missing\n"),
    ("chardev-add vc,id=c1",
     "Error: 'vc' is not a valid char driver name\nThere is no display to show it on: "
     "use stdio, pty, or socket and a terminal program\n"),
    ("chardev-add socket,id=c1,path=/nonexistent/x,server=on",
     "Error: chardev 'c1': waiting for a client would stop the machine; "
     "use wait=off\n"),
    ("chardev-change c0 ringbuf,size=16", ""),
    ("ringbuf_write c0 hello", ""),
    ("ringbuf_read c0 3", "hel\n"),
    ("ringbuf_read c0 x", "Error: 'size' expects a number, not 'x'\n"),
    ("ringbuf_read c0", "Error: 'size' is missing\n"),
    ("chardev-change c0", "Error: 'backend' is missing\n"),
    ("chardev-send-break c0", ""),
    ("chardev-remove c0", ""),
    ("chardev-remove c0", "Error: Chardev 'c0' not found\n"),
    ("announce_self", ""),
    ("closefd x", "Error: File descriptor named 'x' not found\n"),
    ("getfd x", "Error: No file descriptor supplied via SCM_RIGHTS\n"),
    ("block_resize x 1", "Error: Cannot find device='' nor node-name='x'\n"),
    ("info pci", "PCI not supported\n"),
    ("info irq", "Error: this machine has no interrupt controller\n"),
    ("info numa", "0 nodes\n"),
    ("info usb", "Error: USB support not enabled\n"),
    ("info mice", "No mouse devices connected\n"),
    ("info block-jobs", "No active jobs\n"),
    ("balloon 1", "Error: there is no balloon: a TD's memory cannot be taken back\n"),
    ("c", ""),
    ("info status", "VM status: running\n"),
    ("s", ""),
    ("info status", "VM status: paused\n"),
]

# The commands of QEMU 11.1's monitor: each does something here or says why not.
QEMU_COMMANDS = """
? announce_self balloon block_job_cancel block_job_complete block_job_pause block_job_resume
block_job_set_speed block_resize block_set_io_throttle block_stream boot_set c calc_dirty_rate
cancel_vcpu_dirty_limit change chardev-add chardev-change chardev-remove chardev-send-break
clear client_migrate_info closefd commit cont cpu delvm device_add device_del drive_backup
drive_del drive_mirror dump-guest-memory dumpdtb eject exit_preconfig expire_password gdbserver
getfd gpa2hpa gpa2hva gva2gpa help hostfwd_add hostfwd_remove i loadvm log logfile mce memsave
migrate migrate_cancel migrate_continue migrate_incoming migrate_pause migrate_recover
migrate_set_capability migrate_set_parameter migrate_start_postcopy mouse_button mouse_move
mouse_set nbd_server_add nbd_server_remove nbd_server_start nbd_server_stop netdev_add
netdev_del nmi o object_add object_del one-insn-per-tb p pcie_aer_inject_error pmemsave print q
qemu-io qom-get qom-list qom-set quit replay_break replay_delete_break replay_seek ringbuf_read
ringbuf_write s savevm screendump sendkey set_link set_password set_vcpu_dirty_limit
snapshot_blkdev snapshot_blkdev_internal snapshot_delete_blkdev_internal stop stopcapture sum
sync-profile system_powerdown system_reset system_wakeup trace-event watchdog_action wavcapture
x x_colo_lost_heartbeat xen-event-inject xen-event-list xp
""".split()
QEMU_INFOS = """
accel accelerators balloon block block-jobs blockstats capture chardev cpus cryptodev dirty_rate
dump firmware-log history hotpluggable-cpus iothreads irq jit kvm lapic mem memdev
memory-devices memory_size_summary mice migrate migrate_capabilities migrate_parameters mtree
name network numa pci pic qdm qom-tree qtree ramblock registers replay rocker
rocker-of-dpa-flows rocker-of-dpa-groups rocker-ports roms sev sgx snapshots spice stats status
sync-profile tlb tpm trace-events usb usbhost usernet uuid vcpu_dirty_limit version via virtio
virtio-queue-element virtio-queue-status virtio-status virtio-vhost-queue-status
vm-generation-id vnc
""".split()


def test_people():
    with none("-S", "-name", "one", *HMP) as (p, directory):
        hmp = Lines(connect(os.path.join(directory, "hmp")))
        assert hmp.banner == "QEMU 11.1.0 monitor - type 'help' for more information\r\n(qemu) ", \
            hmp.banner
        for line, expected in PEOPLE:
            assert hmp.ask(line) == expected, (line, expected)
        for line, expected in (("info chardev", "compat_monitor0: filename=unix:"),
                               ("info registers", "Error: "),
                               ("migrate tcp:x", "Error: "), ("x/4 0", "Error: a TD's memory"),
                               ("gdbserver", "Error: "),
                               ("help", "system_reset -- "), ("info", "info mtree -- "),
                               ("info accelerators", "kvm"), ("info qdm", 'name "virtio-net-pci"'),
                               ("help x", "x -- refused: "),
                               ("help info lapic", "info lapic -- refused: ")):
            assert expected in hmp.ask(line), line
        for name in QEMU_COMMANDS + [f"info {n}" for n in QEMU_INFOS]:
            if name not in ("q", "quit"):
                assert " command: '" not in hmp.ask(name), name
        hmp.socket.sendall(b"q\n")
        p.wait()


def test_board():
    """What people see of a board under qtest."""
    with program(*QTEST, *HMP, "-serial", "null", "-netdev", "user,id=n0", "-netdev", "user,id=n1",
                 "-device", "pcie-root-port,id=p0,addr=2",
                 "-device", "virtio-net-pci,netdev=n0,bus=p0,id=card",
                 "-device", "virtio-net-pci,netdev=n1,addr=3",
                 "-netdev", "user,id=n2,restrict=on",
                 "-device", "virtio-rng-pci,id=rng") as (p, directory):
        hmp = Lines(connect(os.path.join(directory, "hmp")))
        pci = hmp.ask("info pci")
        assert "  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:29c0\n" in \
            pci, pci
        assert "    Ethernet controller: PCI device 1af4:1041\n" in pci, pci
        assert '      id "card"\n' in pci, pci
        assert "      BUS 0.\n      secondary bus 0.\n      subordinate bus 0.\n      IO range [0x0000, 0x0fff]\n" in pci, pci
        assert "memory (not mapped)\n" in pci and '      id ""\n' in pci, pci
        assert hmp.ask("info network") == (
            "card: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\n"
            " \\ n0: index=0,type=user,net=10.0.2.0,restrict=off\n"
            "virtio-net-pci.1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:57\n"
            " \\ n1: index=0,type=user,net=10.0.2.0,restrict=off\nn2: "
            "index=0,type=user,net=10.0.2.0,restrict=on\n"), \
            hmp.ask("info network")
        assert "ioapic0: ver=0x20 id=0x00 sel=0x00\n  pin 0  0x0000000000010000 dest=0 vec=0   edge  masked" in hmp.ask("info pic")
        assert hmp.ask("info irq") == "IRQ statistics for ioapic:\n"
        qtest = Qtest(os.path.join(directory, "qtest"))
        qtest.ask("writel 0xfec00000 0x18", "writel 0xfec00010 0x21", "outb 0x3fc 8",
                  "outb 0x3f9 2")
        assert hmp.ask("info irq") == "IRQ statistics for ioapic:\n 4: 1\n", \
            "the serial port's transmitter is empty"
        assert 'fw=etc/acpi/tables size=0x' in hmp.ask("info roms")
        assert "/machine/peripheral/card/virtio-backend [virtio-net-pci]\n" in \
            hmp.ask("info virtio")
        assert hmp.ask("info numa") == \
            "1 nodes\nnode 0 cpus: 0\nnode 0 size: 128 MB\nnode 0 plugged: 0 MB\n"
        assert "  rw\n" in hmp.ask("info ramblock")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        assert hmp.ask(f"hostfwd_add n1 tcp:127.0.0.1:{port}-:22") == ""
        assert "  TCP[HOST_FORWARD]" in hmp.ask("info usernet")
        assert str(port) in hmp.ask("info usernet")
        socket.create_connection(("127.0.0.1", port), 10).close()
        assert "Could not set up" in hmp.ask(f"hostfwd_add tcp:127.0.0.1:{port}-:22")
        assert hmp.ask(f"hostfwd_remove n1 tcp:127.0.0.1:{port}") == ""
        assert hmp.ask("announce_self card,other") == ""
        hmp.socket.sendall(b"q\n")
        p.wait()


def test_line_editing():
    with none("-S", *HMP) as (p, directory):
        hmp = Lines(connect(os.path.join(directory, "hmp")))
        keys = {"backspace": b"infox\x7f status\n", "middle": b"info sttus\x1b[D\x1b[D\x1b[Da\n",
                "home": b"o status\x01inf\n",
                "kill": b"zz zz\x15info status\n", "word": b"info zz\x17status\n",
                "delete": b"xinfo status\x01\x1b[3~\n",
                "history": b"\x1b[A\n", "completion": b"info stat\t\n",
                "return": b"info status\r\n", "interrupt": b"zz\x03info status\n"}
        for name, sent in keys.items():
            hmp.socket.sendall(sent)
            text = hmp.until(b"VM status: paused (prelaunch)\r\n(qemu) ")
            assert "unknown" not in text, (name, text)
        hmp.socket.sendall(b"info \t")
        assert "mtree" in hmp.until(b"(qemu) info \x1b[K"), "names that continue the line"
        hmp.socket.sendall(b"\x15" + b"z" * 10000 + b"\n")
        assert "unknown command" in hmp.until_prompt()
        hmp.socket.sendall(b"\x1b[99999999999999999999~\x1bO\x1b[Cquit\n")
        p.wait()


def test_several():
    """Monitors of both kinds at once; each client of QMP is told the events."""
    with none("-S", *QMP, *HMP,
              "-qmp-pretty", "unix:DIR/pretty,server=on,wait=off") as (p, directory):
        qmp = negotiated(os.path.join(directory, "qmp"))
        hmp = Lines(connect(os.path.join(directory, "hmp")))
        pretty = connect(os.path.join(directory, "pretty"))
        pretty.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-name", "id": "a{,\\"]"}')
        text = b""
        while b'"id"' not in text:
            text += pretty.recv(4096)
        assert b'\r\n    "QMP": {\r\n' in text, text
        assert b'"return": {},\r\n    "id": "a{,\\"]"\r\n}\r\n' in text, text
        assert hmp.ask("cont") == ""
        qmp.event("RESUME")
        while b"RESUME" not in text:
            text += pretty.recv(4096)
        chardevs = {c["label"]: c for c in qmp.command("query-chardev")}
        assert len(chardevs) == 3 and all(c["frontend-open"] for c in chardevs.values()), chardevs
        assert chardevs["compat_monitor1"]["filename"] == f"unix:{directory}/hmp,server=on", \
            chardevs
        hmp.socket.close()
        qmp.command("quit")
        assert qmp.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}
        p.wait()


def test_network():
    """TCP and telnet, and a monitor that connects to its client."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.settimeout(30)
        with none("-S", "-qmp", f"tcp:127.0.0.1:{listener.getsockname()[1]}", "-monitor",
                  "telnet:127.0.0.1:0,server=on,wait=off") as (p, _):
            client, _ = listener.accept()
            stream = client.makefile("rb")
            assert b"QMP" in stream.readline()
            client.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-chardev"}')
            stream.readline()
            name = next(c["filename"] for c in json.loads(stream.readline())["return"]
                        if c["label"] == "compat_monitor1")
            assert name.startswith("disconnected:telnet:127.0.0.1:"), name
            assert name.endswith(",server=on"), name
            port = int(name.split(",")[0].rsplit(":", 1)[1])
            telnet = socket.create_connection(("127.0.0.1", port), 30)
            text = b""
            while not text.endswith(b"(qemu) "):
                text += telnet.recv(4096)
            assert text.startswith(b"\xff\xfb\x01\xff\xfb\x03"), text
            # options between the keys
            telnet.sendall(b"\xff\xfd\x01\xff\xfa\x18\x00q\xff\xf0in\xff\xfb\x00fo status\r\n")
            text = b""
            while not text.endswith(b"(qemu) "):
                text += telnet.recv(4096)
            assert b"VM status" in text and b"unknown" not in text, text
            client.sendall(b'{"execute": "quit"}')
            p.wait()


def test_out_of_band():
    with none("-S", *QMP) as (p, directory):
        qmp = Qmp(os.path.join(directory, "qmp"))
        qmp.command("qmp_capabilities", enable=["oob"])
        requests = "".join(json.dumps({"execute": "query-qmp-schema", "id": i}) for i in range(20))
        qmp.send(requests + '{"exec-oob": "query-status", "id": "first"}')
        order = []
        while len(order) < 21:
            message = qmp.receive()
            order.append(message["id"])
        assert [i for i in order if i != "first"] == list(range(20)), order
        assert order.index("first") < 20, order
        assert qmp.ask('{"exec-oob": "stop"}')["error"]["desc"] == \
            "The command stop does not support OOB"
        assert qmp.ask('{"exec-oob": "query-status", "execute": "stop"}')["error"]["desc"] == \
            "QMP input member 'exec-oob' clashes with 'execute'"
        assert "return" in qmp.ask('{"exec-oob": "query-version"}')
        qmp.send('{"exec-oob": "quit"}')
        p.wait()


def send_fd(qmp, text, *fds):
    qmp.socket.sendmsg([text.encode()],
                       [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
    return qmp.answer()


def open_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_descriptors():
    with none("-S", *QMP) as (p, directory), open(os.path.join(directory, "file"), "w+b") as file:
        qmp = negotiated(os.path.join(directory, "qmp"))
        before = open_fds(p.process.pid)
        fd = file.fileno()
        assert "return" in send_fd(qmp, '{"execute": "getfd", "arguments": {"fdname": "a"}}', fd)
        assert "return" in send_fd(qmp, '{"execute": "getfd", "arguments": {"fdname": "a"}}', fd)
        assert open_fds(p.process.pid) == before + 1
        assert "not starting with a digit" in \
            send_fd(qmp, '{"execute": "getfd", "arguments": {"fdname": "1"}}', fd)["error"]["desc"]
        assert qmp.error("getfd", fdname="b")[1] == "No file descriptor supplied via SCM_RIGHTS"
        qmp.command("closefd", fdname="a")
        assert qmp.error("closefd", fdname="a")[1] == "File descriptor named 'a' not found"
        first = send_fd(qmp, '{"execute": "add-fd", "arguments": {"opaque": "one"}}', fd)["return"]
        assert send_fd(qmp, '{"execute": "add-fd", "arguments": {"fdset-id": 0}}',
                       fd)["return"]["fdset-id"] == first["fdset-id"] == 0
        assert "error" in send_fd(qmp, '{"execute": "add-fd", "arguments": {"fdset-id": -2}}', fd)
        sets = qmp.command("query-fdsets")
        assert len(sets) == 1 and [f.get("opaque") for f in sets[0]["fds"]] == ["one", None], sets
        qmp.command("remove-fd", **{"fdset-id": 0, "fd": first["fd"]})
        qmp.command("remove-fd", **{"fdset-id": 0})
        assert "not found" in qmp.error("remove-fd", **{"fdset-id": 0})[1]
        # More than anybody asks for is closed again, and what a client leaves behind goes with it.
        qmp.socket.sendmsg([b" "],
                           [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 30))])
        qmp.command("query-status")
        assert open_fds(p.process.pid) <= before + 16
        qmp.close()
        qmp = negotiated(os.path.join(directory, "qmp"))
        assert open_fds(p.process.pid) == before
        qmp.command("quit")
        p.wait()


def test_fd_set():
    """-add-fd, and a chardev that writes to the set's file."""
    with tempfile.TemporaryFile() as file:
        fd = os.open(f"/proc/self/fd/{file.fileno()}", os.O_WRONLY)
        with none("-S", *QMP, "-add-fd", f"fd={fd},set=7,opaque=log",
                  "-chardev", "file,id=a,path=/dev/fdset/7,append=on",
                  "-mon", "chardev=a,mode=control", pass_fds=[fd]) as (p, directory):
            qmp = negotiated(os.path.join(directory, "qmp"))
            sets = qmp.command("query-fdsets")
            assert sets[0]["fdset-id"] == 7 and sets[0]["fds"][0]["opaque"] == "log", sets
            qmp.command("quit")
            p.wait()
        os.close(fd)
        file.seek(0)
        assert b'"QMP"' in file.read()


def test_wait():
    """A program that waits for its first client ends at a signal and leaves nothing behind."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with none("-qmp", "unix:DIR/qmp,server=on", "-pidfile", "DIR/pid") as (p, directory):
            while "waiting for a client" not in p.errors():
                time.sleep(0.01)
            assert os.path.exists(os.path.join(directory, "qmp"))
            assert os.path.exists(os.path.join(directory, "pid"))
            p.process.send_signal(number)
            p.wait()
            assert not os.path.exists(os.path.join(directory, "qmp"))
            assert not os.path.exists(os.path.join(directory, "pid"))
    with none("-qmp", "unix:DIR/qmp,server=on", "-S") as (p, directory):
        qmp = negotiated(os.path.join(directory, "qmp"))
        qmp.command("quit")
        p.wait()


def test_no_descriptors():
    """A connection for which there is no descriptor waits; the program does not spin meanwhile."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with none("-S", *QMP, "-monitor", "unix:DIR/hmp,server=on,wait=off",
              preexec_fn=few) as (p, directory):
        qmp = negotiated(os.path.join(directory, "qmp"))
        with open(os.devnull, "rb") as null:
            for i in range(64):  # names keep descriptors open until there are none left
                send_fd(qmp, json.dumps({"execute": "getfd", "arguments": {"fdname": f"f{i}"}}),
                        null.fileno())
        client = connect(os.path.join(directory, "hmp"))
        before = p.cpu_seconds()
        time.sleep(1)
        assert p.cpu_seconds() - before < 0.3, "the program spins"
        for i in range(8):
            qmp.command("closefd", fdname=f"f{i}")
        Lines(client)
        qmp.command("quit")
        p.wait()


def test_floods():
    """Big ids, deep nesting, endless text, many clients: answered or refused, and the program goes
    on."""
    with none("-S", *QMP) as (p, directory):
        path = os.path.join(directory, "qmp")
        qmp = negotiated(path)
        big = "x" * 1000000
        assert qmp.ask(json.dumps({"execute": "query-status", "id": big}))["id"] == big
        assert "error" in \
            qmp.ask('{"execute": "query-status", "id": ' + "[" * 100 + "]" * 100 + "}\n")
        assert "error" in qmp.ask('{"id": "' + "y" * (5 << 20) + '"}\n')
        qmp.close()
        for _ in range(100):
            client = connect(path)
            client.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-qmp-schema"}' * 3)
            client.close()
        qmp = negotiated(path)
        assert open_fds(p.process.pid) < 32
        qmp.command("quit")
        p.wait()


def test_stalled_reader():
    """A serial port whose reader has stopped reading finds THR full; nothing waits for it, and
    nothing is lost when it goes on."""
    with program(*QTEST, *QMP, "-serial", "unix:DIR/serial,server=on,wait=off") as (p, directory):
        serial = connect(os.path.join(directory, "serial"))
        qmp = negotiated(os.path.join(directory, "qmp"))
        qtest, sent = Qtest(os.path.join(directory, "qtest")), 0
        while qtest.line_status() & 0x60:
            qtest.ask(*["outb 0x3f8 0x61"] * 64)
            sent += 64
            assert sent < 1 << 22, "the port takes everything"
        assert qtest.line_status() & 0x60 == 0
        qmp.command("stop")
        qmp.command("query-status")
        received, end = 0, time.monotonic() + 30
        while not qtest.line_status() & 0x20:
            received += len(serial.recv(1 << 20))
            assert time.monotonic() < end
        qtest.ask("outb 0x3f8 0x7a")
        last = b""
        while not last.endswith(b"z"):
            last = serial.recv(1 << 20)
            received += len(last)
        assert received > sent - 64, (received, sent)
        while qtest.line_status() & 0x60:
            qtest.ask(*["outb 0x3f8 0x61"] * 64)
        qmp.command("quit")
        p.wait()


def test_ringbuf():
    with program(*QTEST, *QMP, "-chardev", "ringbuf,id=ring,size=8",
                 "-serial", "chardev:ring") as (p, directory):
        qmp = negotiated(os.path.join(directory, "qmp"))
        qtest = Qtest(os.path.join(directory, "qtest"))
        qtest.ask(*[f"outb 0x3f8 {ord(c)}" for c in "0123456789"])
        assert qmp.command("ringbuf-read", device="ring", size=3) == "234"
        assert qmp.command("ringbuf-read", device="ring", size=100, format="base64") == "NTY3ODk="
        qmp.command("ringbuf-write", device="ring", data="YWI=", format="base64")
        assert qmp.command("ringbuf-read", device="ring", size=100) == "ab"
        assert "size must be" in qmp.error("ringbuf-read", device="ring", size=-1)[1]
        assert "not a ringbuf" in qmp.error("ringbuf-read", device="compat_monitor0", size=1)[1]
        assert qmp.error("ringbuf-read", device="zz", size=1)[1] == "Device 'zz' not found"
        qmp.command("quit")
        p.wait()


def test_pty():
    with program(*QTEST, *QMP, "-serial", "pty", stdout=subprocess.PIPE) as (p, directory):
        line = p.process.stdout.readline().decode()
        name = line.split()[4]
        assert line == f"char device redirected to {name} (label serial0)\n", line
        assert os.path.exists(name), line
        qmp = negotiated(os.path.join(directory, "qmp"))
        qtest = Qtest(os.path.join(directory, "qtest"))
        assert {"label": "serial0", "filename": f"pty:{name}", "frontend-open": True} in \
            qmp.command("query-chardev")
        # nobody has opened it: the words are lost, the port goes on
        qtest.ask(*["outb 0x3f8 0x61"] * 10000)
        assert qtest.line_status() & 0x60 == 0x60
        for _ in range(2):
            terminal = os.open(name, os.O_RDWR | os.O_NOCTTY)
            os.write(terminal, b"k")
            end = time.monotonic() + 30
            while not qtest.line_status() & 1:
                assert time.monotonic() < end, "no key"
            assert qtest.ask("inb 0x3f8") == "OK 0x006b"
            qtest.ask("outb 0x3f8 0x7a")
            assert os.read(terminal, 10) == b"z"
            os.close(terminal)
            before = p.cpu_seconds()
            time.sleep(0.5)
            assert p.cpu_seconds() - before < 0.2, "the program spins"
        qmp.command("quit")
        p.wait()


def test_shared_terminal():
    """-serial mon:stdio: C-a c switches between console and monitor."""
    master, slave = pty.openpty()
    with program(*QTEST, "-serial", "mon:stdio", stdin=slave, stdout=slave) as (p, directory):
        qtest, seen = Qtest(os.path.join(directory, "qtest")), b""

        def until(text):
            nonlocal seen
            end = time.monotonic() + 30
            while text not in seen:
                assert time.monotonic() < end, seen
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 4096)
            seen = seen.split(text, 1)[1]

        qtest.ask(*[f"outb 0x3f8 {ord(c)}" for c in "login:"])
        until(b"login:")
        os.write(master, b"\x01cinfo sta")
        until(b"(qemu) info sta")
        os.write(master, b"tus\r")
        until(b"VM status: running")
        until(b"(qemu) ")
        os.write(master, b"\x01c\x01\x01k")
        end = time.monotonic() + 30
        while not qtest.line_status() & 1:
            assert time.monotonic() < end
        assert qtest.ask("inb 0x3f8") == "OK 0x0001"
        os.write(master, b"\x01b")
        while not qtest.line_status() & 0x10:
            assert time.monotonic() < end
        os.write(master, b"\x01h")
        until(b"C-a c")
        os.write(master, b"\x01x")
        until(b"Terminated")
        p.wait()
    os.close(master)
    os.close(slave)


if __name__ == "__main__":
    vmm.tap([("/monitor/people", test_people), ("/monitor/board", test_board),
             ("/monitor/line-editing", test_line_editing), ("/monitor/several", test_several),
             ("/monitor/network", test_network), ("/monitor/out-of-band", test_out_of_band),
             ("/monitor/descriptors", test_descriptors), ("/monitor/fd-set", test_fd_set),
             ("/monitor/wait", test_wait),
             ("/monitor/no-descriptors", test_no_descriptors), ("/monitor/floods", test_floods),
             ("/monitor/stalled-reader", test_stalled_reader), ("/monitor/ringbuf", test_ringbuf),
             ("/monitor/pty", test_pty),
             ("/monitor/shared-terminal", test_shared_terminal)])
