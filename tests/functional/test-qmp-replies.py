#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the queries of QMP answer: it fits the schema that query-qmp-schema tells, and has the
members that typed clients of QEMU always expect."""

import contextlib
import os
import subprocess
import tempfile

import vmm
from qmp import Qmp

# Members that are not optional in QEMU's schema, for where they are left out most easily.
INNER = {
    "query-block": {"inserted": {
        "active", "backing_file_depth", "bps", "bps_rd", "bps_wr", "cache", "children",
        "detect_zeroes", "drv", "encrypted", "file",
        "image", "iops", "iops_rd", "iops_wr", "node-name", "ro", "write_threshold"}},
    "query-blockstats": {"stats": {
        "account_failed", "account_invalid", "failed_flush_operations", "failed_rd_operations",
        "failed_unmap_operations",
        "failed_wr_operations", "failed_zone_append_operations", "flush_operations",
        "flush_total_time_ns", "invalid_flush_operations",
        "invalid_rd_operations", "invalid_unmap_operations", "invalid_wr_operations",
        "invalid_zone_append_operations", "rd_bytes",
        "rd_merged", "rd_operations", "rd_total_time_ns", "timed_stats", "unmap_bytes",
        "unmap_merged", "unmap_operations",
        "unmap_total_time_ns", "wr_bytes", "wr_highest_offset", "wr_merged", "wr_operations",
        "wr_total_time_ns", "zone_append_bytes",
        "zone_append_merged", "zone_append_operations", "zone_append_total_time_ns"}},
}
MEMBERS = {
    "query-memdev": {"dump", "host-nodes", "merge", "policy", "prealloc", "share", "size"},
    "query-iothreads": {"aio-max-batch", "id", "poll-grow", "poll-max-ns", "poll-shrink",
                        "poll-weight", "thread-id"},
    "query-pci": {"bus", "devices"},
}
NOT_HERE = {"query-cpu-model-expansion",  # needs arguments, and KVM
            "query-balloon", "query-tdx", "query-tdx-capabilities", "query-sev-capabilities",
            "query-sgx", "query-sgx-capabilities",
            "query-cpus-fast", "query-cpu-definitions"}  # what they need is not there under qtest


class Schema:
    def __init__(self, entries):
        self.entries = {e["name"]: e for e in entries}

    def misfit(self, name, value, path):
        """Where the value is not of the type: a text; None: it is."""
        entry = self.entries[name]
        return getattr(self, entry["meta-type"])(entry, value, path)

    @staticmethod
    def builtin(entry, value, path):
        kinds = {"string": str, "boolean": bool, "int": int, "number": (int, float),
                 "null": type(None), "value": object}
        fits = isinstance(value, kinds[entry["json-type"]]) and \
            (entry["json-type"] in ("boolean", "value") or not isinstance(value, bool))
        return None if fits else f"{path}: {value!r} is no {entry['json-type']}"

    @staticmethod
    def enum(entry, value, path):
        if value in [m["name"] for m in entry["members"]]:
            return None
        return f"{path}: {value!r} is not in {entry['name']}"

    def array(self, entry, value, path):
        if not isinstance(value, list):
            return f"{path}: no list"
        return next((m for i, v in enumerate(value) if (m := self.misfit(entry["element-type"], v, f"{path}[{i}]"))), None)

    def alternate(self, entry, value, path):
        if any(not self.misfit(m["type"], value, path) for m in entry["members"]):
            return None
        return f"{path}: fits no alternative"

    def object(self, entry, value, path):
        if not isinstance(value, dict):
            return f"{path}: no object"
        members = {m["name"]: m for m in entry["members"]}
        for variant in entry.get("variants", []):
            if variant["case"] == value.get(entry.get("tag")):
                members.update({m["name"]: m for m in self.entries[variant["type"]]["members"]})
        missing = [n for n, m in members.items() if "default" not in m and n not in value]
        extra = [n for n in value if n not in members]
        if missing or extra:
            return f"{path}: missing {missing}, not in the schema {extra}"
        return next((m for n, v in value.items() if (m := self.misfit(members[n]["type"], v, f"{path}.{n}"))), None)


def disk_and_more(directory):
    disk = os.path.join(directory, "disk")
    with open(disk, "wb") as f:
        f.truncate(1 << 20)
    return ["-accel", "qtest", "-nodefaults", "-display", "none", "-m", "64M", "-smp", "2",
            "-device", "pcie-root-port,id=p1", "-device", "pcie-root-port,id=p2",
            "-blockdev", f"driver=file,node-name=file0,filename={disk}",
            "-blockdev", "driver=raw,node-name=d0,file=file0",
            "-device", "virtio-blk-pci,drive=d0,id=disk0,bus=p1", "-object", "iothread,id=io0",
            "-object", "memory-backend-memfd,id=m0,size=1M",
            "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=net0",
            "-chardev", "ringbuf,id=c0", "-serial", "chardev:c0",
            "-uuid", "00112233-4455-6677-8899-aabbccddeeff", "-name", "replies"]


@contextlib.contextmanager
def machine():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "qmp")
        arguments = [vmm.program("qemu-system-x86_64"), *disk_and_more(directory),
                     "-qmp", f"unix:{path},server=on,wait=off"]
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL) as process:
            monitor = Qmp(path)
            try:
                monitor.command("qmp_capabilities")
                yield monitor
                monitor.command("quit")
                assert process.wait(30) == 0
            finally:
                process.kill()
                monitor.close()


def test_schema():
    with machine() as monitor:
        schema = Schema(monitor.command("query-qmp-schema"))
        queries = [e for e in schema.entries.values() if e["meta-type"] == "command" and
                   e["name"].startswith("query-")]
        asked = [q for q in queries if q["name"] not in NOT_HERE]
        assert len(asked) > 25, [q["name"] for q in asked]
        for query in asked:
            wrong = schema.misfit(query["ret-type"], monitor.command(query["name"]), query["name"])
            assert not wrong, wrong


def test_members():
    with machine() as monitor:
        for name, inner in INNER.items():
            for member, expected in inner.items():
                entry, = monitor.command(name)
                assert expected <= set(entry[member]), (name, expected - set(entry[member]))
        for name, expected in MEMBERS.items():
            entry = monitor.command(name)[0]
            assert expected <= set(entry), (name, expected - set(entry))
        disk = monitor.command("query-block")[0]["inserted"]
        assert disk["children"] == [{"child": "file", "node-name": "file0"}], disk
        assert disk["cache"] == {"writeback": True, "direct": False, "no-flush": False}, disk


def test_pci():
    with machine() as monitor:
        root, = monitor.command("query-pci")
        by_id = {d["qdev_id"]: d for d in root["devices"] if d["qdev_id"]}
        assert set(by_id) == {"p1", "p2", "net0"} and root["bus"] == 0, by_id
        assert by_id["p2"]["pci_bridge"]["devices"] == [] and by_id["p1"]["class_info"] == {"desc": "PCI bridge", "class": 0x604}, by_id
        disk, = by_id["p1"]["pci_bridge"]["devices"]
        assert (disk["qdev_id"], disk["slot"], disk["id"]["vendor"]) == ("disk0", 0, 0x1af4), disk
        assert [r["address"] for r in disk["regions"]] == [-1] * len(disk["regions"]), disk
        host = root["devices"][0]
        assert (host["slot"], host["id"]["vendor"], host["id"]["device"]) == (0, 0x8086, 0x29c0), \
            host


def test_others():
    with machine() as monitor:
        assert {"name": "socket"} in monitor.command("query-chardev-backends")
        assert monitor.command("query-memory-devices") == []
        assert monitor.command("query-sev")["enabled"] is False
        for name in ("query-sev-capabilities", "query-sgx", "query-sgx-capabilities"):
            assert monitor.error(name)[0] == "GenericError", name
        creatable = {t["name"]
                     for t in monitor.command("qom-list-types", implements="user-creatable")}
        assert {"tdx-guest", "iothread", "memory-backend-ram"} <= creatable and "virtio-blk-pci" not in creatable, creatable
        places = monitor.command("query-hotpluggable-cpus")
        assert [p["props"] for p in places] == [{"socket-id": 0, "core-id": i, "thread-id": 0} for i in range(2)], places


if __name__ == "__main__":
    vmm.tap([("/qmp-replies/schema", test_schema), ("/qmp-replies/members", test_members),
             ("/qmp-replies/pci", test_pci),
             ("/qmp-replies/others", test_others)])
