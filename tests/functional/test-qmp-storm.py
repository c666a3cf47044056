#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of QMP commands in an order that no client has: every command of the schema, with
arguments that fit it, with such as do the most (devices, disks, chardevs, netdevs and objects that
come and go under a few names, media that are changed), and with wrong ones. Each is answered, and
the program ends as it should. The order comes from a number: STORM_SEED=N gives another one,
STORM_COUNT=N so many commands."""

import json
import os
import random
import tempfile

import monitors
import vmm

SEED = int(os.environ.get("STORM_SEED", "1"))
COUNT = int(os.environ.get("STORM_COUNT", "1500"))
# They end the machine or the connection, or let others do so. Of netdevs only those are made that
# touch nothing of the machine's network.
LEFT_OUT = {"quit", "qmp_capabilities", "query-qmp-schema", "set-action", "netdev_add"}

NEW = ["new0", "new1", "new2", "new3"]
IMAGES = ["a.img", "b.img", "c.iso", "no-such.img"]
OLD = ["fa", "ra", "fb", "rp0", "rp1", "scsi0", "cd0", "vs0", "cn", "cr", "n0", "net0", "rng0",
       "io0"]
ODD = ["", "/", "/machine", "/machine/peripheral/cd0", "/objects", "pcie.0", "true", "-1", "a,b=c",
       "%s%n", "a" * 300, "\u00fc\u20ac", "\x01\x7f", "18446744073709551616"]
NUMBERS = [0, 1, 2, 3, -1, 64, 512, 4096, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32,
           (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63)]
WRONG = [None, [], {}, "", 0, 1.5, True, [[[]]]]
MACHINE = ["-machine", "q35", "-accel", "qtest", "-qtest-log", "none", "-smp", "2", "-m", "64M",
           "-blockdev", "file,node-name=fa,filename=a.img",
           "-blockdev", "raw,node-name=ra,file=fa",
           "-blockdev", "file,node-name=fb,filename=b.img,read-only=on",
           "-device", "pcie-root-port,id=rp0,slot=1", "-device", "pcie-root-port,id=rp1,slot=2",
           "-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-cd,id=cd0,drive=fb",
           "-device", "virtio-serial-pci,id=vs0", "-chardev", "null,id=cn",
           "-chardev", "ringbuf,id=cr,size=64", "-serial", "chardev:cn",
           "-netdev", "stream,id=n0,server=on,addr.type=unix,addr.path=s5",
           "-device", "virtio-net-pci,netdev=n0,id=net0",
           "-device", "virtio-rng-pci,id=rng0", "-object", "iothread,id=io0"]
HMP_WORDS = ["info qtree", "info block", "info chardev", "info network", "info pci", "info mtree",
             "info qom-tree", "info blockstats", "info cpus", "info numa", "info ramblock",
             "info memdev", "info virtio", "info iothreads", "info qdm", "info tdx", "eject -f cd0",
             "change cd0 c.iso", "block_resize fa 1M", "ringbuf_write cr abc", "ringbuf_read cr 9",
             "set_link net0 off", "xp /10x 0", "help", "info", "?", "announce_self", "log all"]


class Storm:
    def __init__(self, seed, schema):
        self.random = random.Random(seed)
        self.schema = {entry["name"]: entry for entry in schema}
        self.commands = sorted(name for name, entry in self.schema.items()
                               if entry["meta-type"] == "command" and name not in LEFT_OUT)

    def one(self, *choices):
        return self.random.choice(choices)

    # ---- What does the most ----

    def device(self):
        name, drive = self.one(*NEW), self.one("ra", "fb", *NEW)
        port = self.one("rp0", "rp1", "pcie.0")
        return dict(self.one(
            {"driver": "virtio-net-pci", "bus": port, "netdev": self.one("n0", *NEW)},
            {"driver": "virtio-blk-pci", "bus": port, "drive": drive,
             "share-rw": self.one(True, False), "acpi-index": self.random.randrange(4)},
            {"driver": "virtio-blk-pci", "bus": port, "drive": drive, "iothread": "io0"},
            {"driver": "scsi-hd", "bus": "scsi0.0", "drive": drive, "share-rw": True,
             "scsi-id": self.random.randrange(4), "lun": self.random.randrange(3)},
            {"driver": "scsi-cd", "bus": "scsi0.0", "drive": drive}, {"driver": "scsi-cd"},
            {"driver": "virtserialport", "bus": "vs0.0", "chardev": self.one("cn", "cr", *NEW)},
            {"driver": "virtconsole", "bus": "vs0.0", "nr": self.random.randrange(33)},
            {"driver": "virtio-rng-pci", "bus": port, "rng": self.one(*NEW)},
            {"driver": "virtio-scsi-pci", "bus": port, "iothread": self.one("io0", *NEW)},
            {"driver": "virtio-serial-pci", "bus": port}, {"driver": "pvpanic-pci", "bus": port},
            {"driver": "pcie-root-port"}, {"driver": "isa-debug-exit"}), id=name)

    def disk(self):
        file = {"driver": "file", "filename": self.one(*IMAGES)}
        return dict(self.one(
            dict(file, **{"read-only": self.one(True, False)}),
            dict(file, aio=self.one("threads", "io_uring", "native"),
                 cache={"direct": self.one(True, False)}),
            {"driver": "raw", "file": self.one("fa", "fb", *NEW)},
            {"driver": "raw", "file": file, "offset": self.one(0, 512, 1 << 19),
             "size": self.one(512, 1 << 18, 1 << 30)},
            {"driver": "null-co"}), **{"node-name": self.one(*NEW)})

    def backend(self):
        address = {"type": "unix", "data": {"path": self.one("s1", "s2")}}
        return self.one(
            {"type": "null", "data": {}},
            {"type": "ringbuf", "data": {"size": self.one(1, 64, 65)}},
            {"type": "socket", "data": {"addr": address, "server": True, "wait": False}},
            {"type": "socket", "data": {"addr": address, "server": False, "reconnect-ms": 10}},
            {"type": "file", "data": {"out": "out.log"}}, {"type": "pty", "data": {}},
            {"type": "mux", "data": {"chardev": self.one("cr", *NEW)}})

    def netdev(self):
        address = {"type": "unix", "path": self.one("s3", "s4")}
        return dict(self.one({"type": "user"}, {"type": "stream", "addr": address, "server": True},
                             {"type": "stream", "addr": address, "reconnect-ms": 10}),
                    id=self.one(*NEW))

    def object(self):
        return dict(self.one({"qom-type": "iothread"}, {"qom-type": "rng-builtin"},
                             {"qom-type": "memory-backend-ram", "size": 8192},
                             {"qom-type": "secret", "data": "x"}), id=self.one(*NEW))

    def chosen(self):
        """A command that finds something to do more often than not."""
        cd, id_ = self.one("cd0", "cd0", *NEW), {"id": self.one(*NEW)}
        node, force = {"node-name": self.one("ra", "fb", *NEW)}, {"force": self.one(True, False)}
        return self.one(
            ("device_add", self.device()), ("blockdev-add", self.disk()),
            ("chardev-add", dict(id_, backend=self.backend())), ("netdev_add", self.netdev()),
            ("object-add", self.object()), ("device_del", id_), ("chardev-remove", id_),
            ("netdev_del", id_), ("object-del", id_), ("blockdev-del", node),
            ("device_del", {"id": self.one(*OLD)}), ("eject", dict(force, id=cd)),
            ("chardev-change", {"id": self.one("cr", *NEW), "backend": self.backend()}),
            ("blockdev-change-medium", dict(force, id=cd, filename=self.one(*IMAGES))),
            ("blockdev-open-tray", dict(force, id=cd)), ("blockdev-close-tray", {"id": cd}),
            ("blockdev-insert-medium", dict(node, id=cd)), ("blockdev-remove-medium", {"id": cd}),
            ("block_resize", dict(node, size=512 * self.one(0, 1, 2048, 4096))),
            ("set_link", {"name": self.one("net0", "n0", *NEW), "up": self.one(True, False)}),
            ("qom-list", {"path": "/machine/peripheral/" + self.one("cd0", *NEW)}),
            ("human-monitor-command", {"command-line": self.one(*HMP_WORDS)}),
            ("system_reset", {}), ("stop", {}), ("cont", {}))

    # ---- What the schema allows ----

    def value(self, name, depth):
        entry = self.schema[name]
        if self.random.random() < 0.02:
            return self.one(*WRONG)
        return getattr(self, "some_" + entry["meta-type"])(entry, depth)

    def some_builtin(self, entry, _):
        return {"string": self.one(*OLD, *NEW, *ODD), "int": self.one(*NUMBERS), "null": None,
                "boolean": self.one(True, False), "number": self.one(*NUMBERS, 1.5, 1e308),
                "value": self.one(*WRONG), "object": {}}[entry["json-type"]]

    def some_enum(self, entry, _):
        return self.one(*entry["members"])["name"]

    def some_array(self, entry, depth):
        count = self.one(0, 1, 2) if depth < 5 else 0
        return [self.value(entry["element-type"], depth + 1) for _ in range(count)]

    def some_alternate(self, entry, depth):
        return self.value(self.one(*entry["members"])["type"], depth + 1)

    def some_object(self, entry, depth):
        result = {}
        for member in entry["members"]:
            if "default" not in member or (depth < 5 and self.random.random() < 0.4):
                result[member["name"]] = self.value(member["type"], depth + 1)
        case = result.get(entry.get("tag"))
        for variant in entry.get("variants", []):
            if variant["case"] == case:
                result.update(self.some_object(self.schema[variant["type"]], depth + 1))
        return result

    def command(self):
        if self.random.random() < 0.7:
            return self.chosen()
        name = self.one(*self.commands)
        arguments = self.value(self.schema[name]["arg-type"], 0)
        return name, self.tame(arguments, "")

    def tame(self, value, key):
        """Files are of the test's directory, hosts are this one, memory is little."""
        if isinstance(value, dict):
            return {k: self.tame(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.tame(v, key) for v in value]
        if key in ("filename", "file", "mem-path", "out", "in", "logfile", "device", "path", "dir",
                   "command-line", "str") and isinstance(value, str):
            return "no-such" if key != "device" else self.one("cd0", *NEW)
        if key == "host" and isinstance(value, str):
            return "127.0.0.1"
        return min(value, 1 << 20) if key == "size" and type(value) is int else value


def storm(machine, seed):
    def run():
        with monitors.program(*machine, *monitors.QMP) as (p, directory):
            qmp = monitors.negotiated(f"{directory}/qmp")
            qmp.socket.settimeout(300)
            weather = Storm(seed, qmp.command("query-qmp-schema"))
            last = []
            for _ in range(COUNT):
                name, arguments = weather.command()
                last = last[-9:] + [json.dumps({"execute": name, "arguments": arguments})]
                try:
                    answer = qmp.ask(last[-1])
                except (EOFError, OSError) as e:
                    raise AssertionError(f"{e} after\n" + "\n".join(last)) from e
                assert "return" in answer or "error" in answer, answer
            qmp.command("quit")
            p.wait()
    return run


def in_directory(test):
    """Relative names are of a directory that goes."""
    def run():
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as directory:
            os.chdir(directory)
            try:
                for image in IMAGES[:3]:
                    with open(image, "wb") as f:
                        f.truncate(1 << 20)
                test()
            finally:
                os.chdir(before)
    return run


if __name__ == "__main__":
    monitors.VMM = os.path.abspath(monitors.VMM)
    vmm.tap([("/qmp-storm/q35", in_directory(storm(MACHINE, SEED))),
             ("/qmp-storm/paused", in_directory(storm([*MACHINE, "-S"], SEED + 1))),
             ("/qmp-storm/none", in_directory(storm(["-machine", "none"], SEED + 2)))])
