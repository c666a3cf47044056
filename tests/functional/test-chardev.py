#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Character devices of every kind behind a serial port, and those that come, change and go while
the machine runs."""

import os
import socket
import time

import vmm
from monitors import QMP, QTEST, Qtest, negotiated, program

SERIAL = ["-serial", "chardev:a"]


def say(qtest, text):
    qtest.ask(*[f"outb 0x3f8 {c}" for c in text.encode()])


def hear(qtest, count):
    """What the guest reads from its serial port."""
    text, end = b"", time.monotonic() + 30
    while len(text) < count:
        if qtest.line_status() & 1:
            text += bytes([int(qtest.ask("inb 0x3f8").split()[1], 16)])
        assert time.monotonic() < end, text
    return text


def contents(path, count):
    end = time.monotonic() + 30
    while True:
        with open(path, "rb") as f:
            text = f.read()
        if len(text) >= count:
            return text
        assert time.monotonic() < end, text
        time.sleep(0.01)


def test_file():
    with program(*QTEST, *QMP, "-chardev", "file,id=a,path=DIR/out,input-path=/dev/null",
                 *SERIAL) as (p, directory):
        qtest = Qtest(os.path.join(directory, "qtest"))
        qmp = negotiated(os.path.join(directory, "qmp"))
        say(qtest, "to a file")
        assert contents(os.path.join(directory, "out"), 9) == b"to a file"
        with open(os.path.join(directory, "in"), "wb") as f:
            f.write(b"from a file")
        qmp.command("chardev-change", id="a", backend={"type": "file", "data": {
            "in": os.path.join(directory, "in"), "out": os.path.join(directory, "out"),
            "append": True}})
        assert hear(qtest, 11) == b"from a file"
        say(qtest, "!")
        assert contents(os.path.join(directory, "out"), 10) == b"to a file!"
        qmp.command("quit")
        p.wait()


def test_log():
    """logfile= has what the chardev was given, whether somebody reads it or not."""
    with program(*QTEST, *QMP,
                 "-chardev", "socket,id=a,path=DIR/a,server=on,wait=off,logfile=DIR/log",
                 *SERIAL) as (p, directory):
        qtest = Qtest(os.path.join(directory, "qtest"))
        qmp = negotiated(os.path.join(directory, "qmp"))
        say(qtest, "one")
        assert contents(os.path.join(directory, "log"), 3) == b"one"
        qmp.command("chardev-change", id="a", backend={"type": "null", "data": {
            "logfile": os.path.join(directory, "log"), "logappend": True}})
        say(qtest, "two")
        assert contents(os.path.join(directory, "log"), 6) == b"onetwo"
        assert not os.path.exists(os.path.join(directory, "a")), "the former socket is gone"
        qmp.command("quit")
        p.wait()


def test_pipe():
    for one in (False, True):
        with program(*QTEST, *QMP, "-chardev", "null,id=a", *SERIAL) as (p, directory):
            qtest = Qtest(os.path.join(directory, "qtest"))
            qmp = negotiated(os.path.join(directory, "qmp"))
            path = os.path.join(directory, "pipe")
            error = qmp.error("chardev-change", id="a",
                              backend={"type": "pipe", "data": {"device": path}})[1]
            assert error.startswith(f"Failed to open chardev pipe '{path}': No such file or "
                                    "directory\nMake the pipes before"), error
            for name in ("",) if one else (".in", ".out"):
                os.mkfifo(path + name)
            qmp.command("chardev-change", id="a",
                        backend={"type": "pipe", "data": {"device": path}})
            if not one:
                with open(path + ".in", "wb", buffering=0) as f:
                    f.write(b"keys")
                assert hear(qtest, 4) == b"keys"
                say(qtest, "words")
                with open(path + ".out", "rb", buffering=0) as f:
                    assert f.read(5) == b"words"
            qmp.command("quit")
            p.wait()


def test_udp():
    with socket.socket(type=socket.SOCK_DGRAM) as peer:
        peer.settimeout(30)
        peer.bind(("127.0.0.1", 0))
        port = peer.getsockname()[1]
        with program(*QTEST, *QMP,
                     "-serial", f"udp:127.0.0.1:{port}@127.0.0.1:0") as (p, directory):
            qtest = Qtest(os.path.join(directory, "qtest"))
            qmp = negotiated(os.path.join(directory, "qmp"))
            say(qtest, "x")
            word, address = peer.recvfrom(100)
            assert word == b"x"
            peer.sendto(b"", address)  # an empty datagram is no end
            peer.sendto(b"k" * 2000, address)
            assert hear(qtest, 2000) == b"k" * 2000
            assert {"label": "serial0", "filename": "udp", "frontend-open": True} in \
                qmp.command("query-chardev")
            qmp.command("quit")
            p.wait()
    # Nobody listens: what is said is lost, and the port goes on.
    with program(*QTEST, *QMP, "-chardev", f"udp,id=a,host=127.0.0.1,port={port},ipv4=on",
                 *SERIAL) as (p, directory):
        qtest = Qtest(os.path.join(directory, "qtest"))
        qmp = negotiated(os.path.join(directory, "qmp"))
        for _ in range(5):
            say(qtest, "xxxx")
            assert qtest.line_status() & 0x60 == 0x60
        qmp.command("quit")
        p.wait()


def unix(path, **more):
    return {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": path}}, **more}}


def test_add():
    """chardev-add of each kind, and what it refuses."""
    with program("-machine", "none", "-S", *QMP) as (p, directory):
        qmp, path = negotiated(os.path.join(directory, "qmp")), os.path.join(directory, "x")
        local = {"type": "inet", "data": {"host": "127.0.0.1", "port": "0"}}
        kinds = {
            "null": {"type": "null", "data": {}},
            "ring": {"type": "ringbuf", "data": {"size": 16}},
            "memory": {"type": "memory", "data": {}},
            "file": {"type": "file", "data": {"out": path}},
            "tcp": {"type": "socket",
                    "data": {"addr": local, "wait": False, "telnet": True, "nodelay": True}},
            "later": unix(path + "-nobody", server=False, **{"reconnect-ms": 1000}),
            "udp": {"type": "udp",
                    "data": {"remote": {"type": "inet", "data": {"host": "127.0.0.1", "port": "9"}},
                             "local": local}},
        }
        for name, backend in kinds.items():
            assert qmp.command("chardev-add", id=name, backend=backend) == {}, name
        terminal = qmp.command("chardev-add", id="pty",
                               backend={"type": "pty", "data": {"path": path + "-pty"}})["pty"]
        assert os.readlink(path + "-pty") == terminal and os.path.exists(terminal)
        for backend, text in (
                ({"type": "vc", "data": {}}, "Parameter 'backend.type' does not accept value 'vc'"),
                ({"type": "null"}, "Parameter 'backend.data' is missing"),
                ({"type": "null", "data": {"x": 1}}, "Parameter 'backend.data.x' is unexpected"),
                ({"type": "file", "data": {"out": "/nonexistent/x"}},
                 "cannot open '/nonexistent/x'"),
                ({"type": "file", "data": {"out": ""}}, "a file needs its path"),
                ({"type": "null", "data": {"logfile": "/nonexistent/x"}},
                 "cannot open '/nonexistent/x'"),
                ({"type": "ringbuf", "data": {"size": 3}},
                 "size of ringbuf chardev must be power of two"),
                ({"type": "ringbuf", "data": {"size": -4}},
                 "size of ringbuf chardev must be power of two"),
                (unix(path + "-nobody", server=False), "Failed to connect to"),
                (unix(path + "-s", wait=True), "waiting for a client would stop the machine"),
                (unix(path + "-s", **{"reconnect-ms": 1}),
                 "incompatible with socket in server listen mode"),
                (unix(path + "-s", server=False, **{"reconnect-ms": -1}),
                 "Parameter 'reconnect-ms' expects a number"),
                ({"type": "udp", "data": {"remote": {"type": "unix", "data": {"path": "x"}}}},
                 "UDP needs addresses of type inet"),
                ({"type": "pty", "data": {"path": path + "-pty"}}, "Failed to create PTY symlink")):
            error = qmp.error("chardev-add", id="bad", backend=backend)[1]
            assert text in error, (backend, error)
        assert qmp.error("chardev-add", id="null", backend=kinds["null"])[1] == \
            "Duplicate ID 'null' for chardev"
        assert "expects an identifier" in qmp.error("chardev-add", id="1", backend=kinds["null"])[1]
        names = {c["label"] for c in qmp.command("query-chardev")}
        assert names == {*kinds, "pty", "compat_monitor0"}, names
        for name in (*kinds, "pty"):
            qmp.command("chardev-remove", id=name)
        assert not os.path.exists(path + "-pty")
        assert qmp.error("chardev-remove", id="null")[1] == "Chardev 'null' not found"
        assert qmp.error("chardev-remove", id="compat_monitor0")[1] == \
            "Chardev 'compat_monitor0' is busy"
        assert qmp.error("chardev-send-break", id="null")[1] == "Chardev 'null' not found"
        assert qmp.error("chardev-change", id="null", backend=kinds["null"])[1] == \
            "Chardev 'null' not found"
        assert qmp.error("chardev-change", id="compat_monitor0", backend=kinds["null"])[1] == \
            "Chardev user does not support chardev hotswap"
        qmp.command("quit")
        p.wait()


def test_change():
    """A serial port goes over from one back end to another; one that can't be opened changes
    nothing."""
    with program(*QTEST, *QMP, "-chardev", "ringbuf,id=a", *SERIAL,
                 "-chardev", "null,id=m,mux=on") as (p, directory):
        qtest = Qtest(os.path.join(directory, "qtest"))
        qmp = negotiated(os.path.join(directory, "qmp"))
        say(qtest, "one")
        assert qmp.command("ringbuf-read", device="a", size=10) == "one"
        assert "Failed" in \
            qmp.error("chardev-change", id="a", backend=unix("/nonexistent/x", server=False))[1]
        say(qtest, "two")
        assert qmp.command("ringbuf-read", device="a", size=10) == "two"
        path = os.path.join(directory, "a")
        qmp.command("chardev-change", id="a", backend=unix(path))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(path)
            client.sendall(b"k")
            assert hear(qtest, 1) == b"k"
            say(qtest, "three")
            assert client.recv(5, socket.MSG_WAITALL) == b"three"
            assert qmp.error("chardev-remove", id="a")[1] == "Chardev 'a' is busy"
            qmp.command("chardev-send-break", id="a")
            assert qtest.line_status() & 0x10, "a break"
        assert qmp.error("chardev-change", id="m", backend={"type": "null", "data": {}})[1] == \
            "Mux device hotswap not supported yet"
        qmp.command("quit")
        p.wait()


if __name__ == "__main__":
    vmm.tap([("/chardev/file", test_file), ("/chardev/log", test_log), ("/chardev/pipe", test_pipe),
             ("/chardev/udp", test_udp),
             ("/chardev/add", test_add), ("/chardev/change", test_change)])
