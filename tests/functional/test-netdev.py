#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Netdevs that come and go, connections that end and begin again, and a passt that is played.
Frames come from announce-self."""

import os
import socket
import stat
import time

import vmm
from monitors import QMP, QTEST, negotiated, program

MAC = bytes.fromhex("525400123456")
PORT = ["-device", "pcie-root-port,id=p0"]
CARD = ["-device", "virtio-net-pci,netdev=n0,id=card"]


def is_announcement(frame):
    return len(frame) == 60 and frame[:6] == b"\xff" * 6 and frame[6:12] == MAC and frame[12:14] == b"\x80\x35"


def announce(qmp, **arguments):
    qmp.command("announce-self", **{"initial": 1, "max": 1, "rounds": 1, "step": 0, **arguments})


def receive_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the connection ended"
        data += more
    return data


def frame_of_stream(connection):
    return receive_exactly(connection, int.from_bytes(receive_exactly(connection, 4), "big"))


def listener(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(1)
    s.settimeout(30)
    return s


def accept(s):
    connection, _ = s.accept()
    connection.settimeout(30)
    return connection


def test_stream():
    """The other side may come late, go and come back; management software is told."""
    stream = '{"type": "stream", "id": "n0", "server": false, "reconnect-ms": 20, "addr": {"type": "unix", "path": "DIR/net"}}'
    with program(*QTEST, *QMP, "-netdev", stream, *CARD) as (p, directory):
        qmp, path = negotiated(os.path.join(directory, "qmp")), os.path.join(directory, "net")
        announce(qmp)  # to nobody
        for _ in range(3):
            with listener(path) as s, accept(s) as connection:
                assert qmp.event("NETDEV_STREAM_CONNECTED") == \
                    {"netdev-id": "n0", "addr": {"type": "unix", "path": path}}
                announce(qmp)
                assert is_announcement(frame_of_stream(connection))
                os.unlink(path)
            assert qmp.event("NETDEV_STREAM_DISCONNECTED") == {"netdev-id": "n0"}
        # A length that no frame has ends the connection.
        with listener(path) as s, accept(s) as connection:
            connection.sendall(b"\xff\xff\xff\xff")
            assert connection.recv(1) == b""
        qmp.event("NETDEV_STREAM_DISCONNECTED")
        qmp.command("quit")
        p.wait()


def test_silent_host():
    """One that never answers does not stop the machine while it is tried again and again."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        port = s.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue of connections is full: a further one hangs
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with program("-machine", "none", *QMP) as (p, directory):
            qmp = negotiated(os.path.join(directory, "qmp"))
            addr = {"type": "inet", "host": "127.0.0.1", "port": str(port)}
            before = time.monotonic()
            qmp.command("netdev_add", type="stream", id="a", **{"reconnect-ms": 1, "addr": addr})
            for _ in range(100):
                qmp.command("query-status")
                time.sleep(0.01)
            assert time.monotonic() - before < 9, "a connection that hangs stops the machine"
            qmp.command("netdev_del", id="a")
            qmp.command("quit")
            p.wait()
        for filler in fillers:
            filler.close()


def test_dgram():
    with program(*QTEST, *QMP,
                 "-netdev",
                 "dgram,id=n0,local.type=unix,local.path=DIR/a,remote.type=unix,remote.path=DIR/b",
                 *CARD, *PORT) as (p, directory):
        qmp = negotiated(os.path.join(directory, "qmp"))
        announce(qmp)  # to nobody
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.settimeout(30)
            peer.bind(os.path.join(directory, "b"))
            announce(qmp)
            assert is_announcement(peer.recv(2000))
            peer.sendto(b"x" * 70000, os.path.join(directory, "a"))  # more than a frame
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.settimeout(30)
            peer.bind(("127.0.0.1", 0))
            address = {"type": "inet", "host": "127.0.0.1"}
            qmp.command("netdev_add", type="dgram", id="n1", local={**address, "port": "0"},
                        remote={**address, "port": str(peer.getsockname()[1])})
            qmp.command("device_add", driver="virtio-net-pci", netdev="n1", id="card1", bus="p0",
                        mac="52:54:00:12:34:56")
            announce(qmp, interfaces=["card1"], rounds=3)
            for _ in range(3):
                assert is_announcement(peer.recv(2000))
        for arguments, text in (
                ({}, "dgram requires remote="),
                ({"local": {**address, "port": "1"}}, "dgram requires remote="),
                ({"remote": {**address, "port": "1"}}, "needs local= of the same type"),
                ({"remote": {"type": "vsock", "cid": "1", "port": "1"}},
                 "dgram takes addresses of type inet and unix"),
                ({"local": {"type": "fd", "str": "zz"}}, "zz"),
                ({"remote": {"type": "unix", "path": "x" * 200}}, "is too long"),
                ({"local": {"type": "unix", "path": "/nonexistent/a"},
                  "remote": {"type": "unix", "path": "/b"}}, "can't bind")):
            assert text in qmp.error("netdev_add", type="dgram", id="bad", **arguments)[1], \
                arguments
        for kind, text in ((socket.SOCK_STREAM, "descriptor 'given' is no datagram socket"),
                           (socket.SOCK_SEQPACKET, "descriptor 'given' is no datagram socket")):
            near, far = socket.socketpair(socket.AF_UNIX, kind)
            with near, far:
                socket.send_fds(qmp.socket, [b'{"execute": "getfd", "arguments": '
                                             b'{"fdname": "given"}}'], [far.fileno()])
                assert qmp.answer() == {"return": {}}
                assert text in qmp.error("netdev_add", type="dgram", id="bad",
                                         local={"type": "fd", "str": "given"})[1]
        qmp.command("quit")
        p.wait()
        assert not os.path.exists(os.path.join(directory, "a"))


def test_several_queues():
    """Of an interface with several queues the first is used, and no frame waits in another."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
    numbers = [theirs.fileno() for _, theirs in pairs]
    tap = f"tap,id=n0,fds={':'.join(map(str, numbers))}"
    with program(*QTEST, *QMP, "-netdev", tap, "-device",
                 f"virtio-net-pci,netdev=n0,mq=on,vectors=8,mac={MAC.hex(':')}",
                 pass_fds=numbers) as (p, directory):
        for _, theirs in pairs:
            theirs.close()
        qmp = negotiated(os.path.join(directory, "qmp"))
        assert "netdev 'n0' uses one queue of those that it is given" in p.errors()
        for ours, _ in pairs:
            ours.settimeout(30)
        for ours, _ in pairs[1:]:
            assert ours.recv(1) == b"", "a queue that nobody reads is open"
        announce(qmp)
        assert is_announcement(pairs[0][0].recv(2000))
        qmp.command("quit")
        p.wait()
    for ours, _ in pairs:
        ours.close()


def test_named_descriptor():
    """A tap's descriptor that comes over the monitor, as when a card is plugged into a running
    machine."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with program(*QTEST, *QMP, *PORT) as (p, directory), ours:
        qmp = negotiated(os.path.join(directory, "qmp"))
        ours.settimeout(30)
        socket.send_fds(qmp.socket, [b'{"execute": "getfd", "arguments": {"fdname": "fd-net0"}}'],
                        [theirs.fileno()])
        assert "return" in qmp.answer()
        theirs.close()
        assert "or the name of one" in \
            qmp.error("netdev_add", type="tap", id="bad", fd="fd-net1")[1]
        assert "could not open /dev/vhost-net" in qmp.error("netdev_add", type="tap", id="bad",
                                                            fd="fd-net0", vhostforce=True)[1] or \
            os.path.exists("/dev/vhost-net")
        assert "Parameter 'vhostfd' expects" in \
            qmp.error("netdev_add", type="tap", id="bad", fd="fd-net0", vhost=True, vhostfd="zz")[1]
        qmp.command("netdev_add", type="tap", id="n0", fd="fd-net0")
        qmp.command("device_add", driver="virtio-net-pci", netdev="n0", id="card", bus="p0")
        announce(qmp)
        assert is_announcement(ours.recv(2000))
        assert "return" in \
            qmp.ask('{"execute": "set_link", "arguments": {"name": "card", "up": false}}')
        announce(qmp)  # into a cable that is pulled out
        assert "return" in \
            qmp.ask('{"execute": "set_link", "arguments": {"name": "n0", "up": true}}')
        announce(qmp)
        assert is_announcement(ours.recv(2000))
        ours.setblocking(False)
        try:
            assert not ours.recv(2000), "a frame of the time without a cable"
        except BlockingIOError:
            pass
        for name, arguments in (("rounds", {"rounds": 0}), ("rounds", {"rounds": 1 << 40}),
                                ("initial", {"initial": -1})):
            assert f"Parameter '{name}' expects a value between" in qmp.error("announce-self", **{
                "initial": 1, "max": 1, "rounds": 1, "step": 0, **arguments})[1]
        qmp.command("quit")
        p.wait()


def test_vhost_user():
    """Its chardev and the netdev come while the machine runs."""
    with program("-machine", "none", *QMP) as (p, directory):
        qmp, path = negotiated(os.path.join(directory, "qmp")), os.path.join(directory, "net")
        assert "Property 'netdev-vhost-user.chardev' can't find value 'zz'" in \
            qmp.error("netdev_add", type="vhost-user", id="n0", chardev="zz")[1]
        with listener(path) as s:
            qmp.command("chardev-add", id="c0", backend={"type": "socket", "data": {
                "addr": {"type": "unix", "data": {"path": path}}, "server": False}})
            with accept(s):
                qmp.command("netdev_add", type="vhost-user", id="n0", chardev="c0")
                assert qmp.error("chardev-remove", id="c0")[1] == "Chardev 'c0' is busy"
                assert "queues=2" in \
                    qmp.error("netdev_add", type="vhost-user", id="n1", chardev="c0", queues=2)[1]
                qmp.command("netdev_del", id="n0")
                assert qmp.error("netdev_del", id="n0") == \
                    ("DeviceNotFound", "Device 'n0' not found")
                qmp.command("chardev-remove", id="c0")
        qmp.command("quit")
        p.wait()


PASST = """#!/usr/bin/env python3
import os, socket, sys
with open(os.path.join(os.path.dirname(sys.argv[0]), "arguments"), "w") as f:
    f.write(" ".join(sys.argv[1:]))
s = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
with open(os.path.join(os.path.dirname(sys.argv[0]), "frame"), "wb") as f:
    f.write(s.recv(100))
"""


def test_passt():
    """A program in passt's place: it gets its options and a connection, and its end is told."""
    with program("-machine", "none", *QMP) as (p, directory):
        qmp, path = negotiated(os.path.join(directory, "qmp")), os.path.join(directory, "passt")
        assert "passt cannot be started" in \
            qmp.error("netdev_add", type="passt", id="n0", path="/nonexistent/passt")[1]
        assert "vhost-user=on is not available" in \
            qmp.error("netdev_add", type="passt", id="n0", **{"vhost-user": True})[1]
        qmp.command("quit")
        p.wait()
    with program(*QTEST, *QMP, *PORT) as (p, directory):
        qmp, path = negotiated(os.path.join(directory, "qmp")), os.path.join(directory, "passt")
        with open(path, "w", encoding="ascii") as f:
            f.write(PASST)
        os.chmod(path, stat.S_IRWXU)
        qmp.command("netdev_add", type="passt", id="n0", path=path, address="10.1.2.3", tcp=False,
                    udp=True, freebind=True, ipv6=False,
                    param=[{"str": "--log-file"}, {"str": "/dev/null"}], **{"tcp-ports": "2222:22"})
        qmp.command("device_add", driver="virtio-net-pci", netdev="n0", id="card", bus="p0")
        announce(qmp)
        assert qmp.event("NETDEV_STREAM_DISCONNECTED") == {"netdev-id": "n0"}
        with open(os.path.join(directory, "arguments"), encoding="ascii") as f:
            given = f.read()
        assert given == ("--foreground --quiet --fd 3 --address 10.1.2.3 --tcp-ports 2222:22 "
                         "--no-tcp --freebind --ipv4-only "
                         "--log-file /dev/null"), given
        with open(os.path.join(directory, "frame"), "rb") as f:
            frame = f.read()
        assert frame[:4] == b"\0\0\0\x3c" and is_announcement(frame[4:]), frame
        assert "passt has ended" in p.errors()
        qmp.command("quit")
        p.wait()


if __name__ == "__main__":
    vmm.tap([("/netdev/stream", test_stream), ("/netdev/silent-host", test_silent_host),
             ("/netdev/dgram", test_dgram),
             ("/netdev/several-queues", test_several_queues),
             ("/netdev/named-descriptor", test_named_descriptor),
             ("/netdev/vhost-user", test_vhost_user),
             ("/netdev/passt", test_passt)])
