#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken hosts are told apart, each with its cause and a remedy; hosts with later kernels launch
TDs."""

import json
import os
import re
import subprocess
import sys
import tempfile

import tiny
import vmm

HERE = os.path.dirname(os.path.abspath(__file__))
SWTDX = vmm.program("swtdx")
LAUNCH = vmm.program("tests/unit/swtdx-kvm/swtdx-launch")

# What the message of each cause says, and no other message does.
CAUSES = {
    "firmware": r"the host's firmware did not enable TDX$",
    "not-requested": r"kvm_intel was loaded without tdx=1",
    "absent": r"the host has no TDX module: its firmware did not load one$",
    "failed": r"the host's kernel could not initialize the TDX module$",
    "old-module": r"the host's TDX module is older than KVM permits$",
    # A program that may not read the kernel's log sees the same of all three.
    "module": r"the firmware loaded no TDX module, or the module is too old, or its initialization failed",
    "old-kernel": r"kernel is too old",
    "vendor": r"older vendor's interface",
    "not-intel": r"processor is not Intel's",
    "hibernation": r"supports hibernation, which switches TDX off",
    "no-kvm": r"Could not access KVM kernel module: No such file or directory",
    "denied": r"Could not access KVM kernel module: Permission denied",
    "keyids": r"KVM_TDX_INIT_VM failed.*No space left on device",
    "cgroup": r"KVM_TDX_INIT_VM failed.*Device or resource busy",
}

# profile, cause, more of the message
BROKEN = [
    ("tdx-off-bios", "firmware", ["tdx_host_platform absent", "Enable TDX in the host's firmware"]),
    ("tdx-not-requested", "not-requested",
     ["kvm_intel.tdx=N", "Add kvm_intel.tdx=1 to the kernel's command line"]),
    ("module-missing", "absent",
     ["log: virt/tdx: BIOS enabled", "virt/tdx: module not loaded", "Enable the SEAM loader"]),
    ("module-init-failed", "failed",
     ["virt/tdx: module initialization failed (-12)", "-12 is memory"]),
    ("module-1.5.01", "old-module",
     ["clobber bug present", "Update the host's firmware or its TDX module"]),
    ("kernel-6.12", "old-kernel", ["kernel 6.12.48-swtdx", "Boot Linux 6.16 or later"]),
    ("vendor-abi", "vendor",
     ["kernel 6.8.0-1028-intel", "kvm_intel.tdx=Y", "boot Linux 6.16 or later"]),
    ("not-intel", "not-intel", ["processor AuthenticAMD", "needs an Intel Xeon processor"]),
    ("hibernation", "hibernation", ["Add nohibernate to the kernel's command line"]),
    ("no-dev-kvm", "no-kvm", ["load kvm_intel", "in a container, /dev/kvm must be passed in"]),
    ("dev-kvm-denied", "denied", ["add it to the group that owns the device"]),
    ("no-keyid", "keyids",
     ["No free TDX private KeyID: 31 of 31 are in use", "Stop another TD",
      "step: initialise the TD"]),
    ("cgroup-limit", "cgroup",
     ["/sys/fs/cgroup/guests allows 0 TDs", "Raise misc.max there", "step: initialise the TD"]),
]

KERNELS = [("spr-1.5", 6, 16), ("spr-1.5-linux-6.18", 6, 18), ("spr-1.5-linux-6.19", 6, 19),
           ("spr-1.5-linux-7.1", 7, 1),
           ("spr-1.5-linux-7.3", 7, 3)]

# Hosts composed of parts, and the widest guest physical address that the VMM plans there.
COMPOSED = [("gnr/2.0.08/7.3", 52), ("emr/1.5.34/6.19", 52), ("srf/2.0.08/6.18", 52),
            ("cwf/1.5.05/7.1", 52), ("7.1/spr/1.5.34", 52),
            ("2.0.08", 52), ("ept4", 48), ("gnr/ept4/1.5.34", 48), ("strict/2.0.08", 52)]

# A broken part breaks any host.
BROKEN_PARTS = [("gnr/2.0.08/7.3/tdx-off-bios", "firmware", []),
                ("srf/6.12", "old-kernel", ["kernel 6.12.48-swtdx"]),
                ("emr/1.5.01", "old-module", []), ("cwf/7.3/no-keyid", "keyids", []),
                ("gnr/2.0.08/no-dev-kvm", "no-kvm", [])]

# Names that make no host, and what is said.
NO_HOSTS = [("7.3/6.18", "'7.3' and '6.18' are both a kernel"),
            ("spr/1.5.05/cpu-gnr", "'spr' and 'cpu-gnr' are both a cpu"),
            ("1.5.34/2.0.08", "are both a module"), ("spr/2.0.09", "no host profile '2.0.09'"),
            ("spr//7.3", "no host profile ''"),
            ("gnr/", "no host profile ''"), ("dir/mine.json", "dir/mine.json"),
            ("./gnr", "No such file"),
            ("spr-1.5-linux-7.3/accept-2m/strict/ept4", "name is too long")]


def under(profile, argv):
    return vmm.run([SWTDX, "run", "--host", profile, "--", *argv])


def broken(firmware, profile, cause, more):
    def check():
        status, out, err = under(profile, tiny.td(firmware))
        assert status == 1 and out == "", f"status {status}: {out!r} {err!r}"
        message = [line for line in err.splitlines() if line.startswith("qemu-system-x86_64: ")]
        assert len(message) == 1, f"{len(message)} messages: {err!r}"
        said = [name for name, text in CAUSES.items() if re.search(text, message[0])]
        assert said == [cause], f"causes {said}: {err!r}"
        for text in more:
            assert text in err, f"{text!r} is not in {err!r}"
    return check


def check_listed():
    """Each profile is listed with one line, and each broken one is in the table above."""
    status, out, err = vmm.run([SWTDX, "profiles"])
    assert status == 0 and err == "", err
    listed = dict(line.split(None, 1) for line in out.splitlines())
    assert {name for name, text in listed.items() if text.startswith("broken: ")} == \
        {row[0] for row in BROKEN}, out
    assert {row[0] for row in KERNELS} <= set(listed), out
    assert "(default)" in listed["spr-1.5"], out


def check_shown():
    for profile in [row[0] for row in BROKEN + KERNELS]:
        status, out, err = vmm.run([SWTDX, "profiles", profile])
        assert status == 0 and err == "" and out.startswith(profile + ": "), (profile, err)
    for part in ["cpu-gnr", "module-1.5.34", "kernel-7.1", "accept-2m"]:
        status, out, err = vmm.run([SWTDX, "profiles", part])
        assert status == 0 and err == "" and out.startswith(part + ": "), (part, err)


def check_composed_shown():
    for profile, _ in COMPOSED:
        status, out, err = vmm.run([SWTDX, "profiles", profile])
        assert status == 0 and err == "", (profile, err)
        assert ("CPUs" in out) and ("known: " in out) and ("assumed: " in out), out
    status, out, err = vmm.run([SWTDX, "profiles", "gnr/2.0.08/7.3"])
    assert "  module   2.0.08, at most 576 vCPUs per TD (assumed)\n" in out, out
    assert "  kernel   7.3.0-swtdx (behaves as 7.3), TDX on\n" in out, out
    assert "TSC 2000000 kHz (assumed)" in out, out
    assert "  cpuid    0x1: 000a06d1 00100800 7ffefbff bfebfbff (assumed)\n" in out, out
    assert "  cpuid    0x80000008: 00003934 00000200 00000000 00000000\n" in out, out
    assert "  file     /sys/devices/faux/tdx_host/version: 2.0.08\n" in out, out


def check_no_hosts():
    for profile, text in NO_HOSTS:
        status, out, err = under(profile, ["true"])
        assert status == 126 and out == "" and text in err, (profile, status, err)
        assert err.count("\n") == 1, (profile, status, err)


def gpaw(firmware, profile, width):
    """The plan has the widest address that the host offers, and the TD comes up with it."""
    def check():
        status, out, err = under(profile,
                                 [vmm.program("qemu-tdx-plan"), "--json", "-cpu", "host",
                                  *tiny.td(firmware)[1:]])
        assert status == 0, err
        value = json.loads(out)
        assert value["gpaw"] == width and value["cpuid"]["settled"] is True, value["gpaw"]
        assert value["warnings"] == [], value["gpaw"]
    return check


def no_log(firmware, profile):
    """Most users may not read the kernel's log: the message then says which causes look alike, and
    where to look."""
    def check():
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "nolog.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"name": "nolog", "description": "no log", "base": profile,
                           "files": [{"path": "/dev/kmsg", "text": "", "error": 1}]}, f)
            broken(firmware, path, "module",
                   ["dmesg | grep -i tdx tells which", "'module not loaded'",
                    "'initialization failed'"])()
    return check


# How many vCPUs TDG.VP.INFO says the TD may have, and what becomes of two ACCEPTs of 2 MiB, one
# over a shared page.
ANSWERS = [("accept-2m", "1al", ["is told how many it has"], []),
           ("strict", "@ll", [], ["is told how many it has"]),
           ("strict/accept-2m/gnr", "@al", [], ["is told how many it has"])]


def raw_answers(profile, answers, said, unsaid):
    """Leniencies change what the guest sees, and are told once."""
    def check():
        if not os.path.exists(LAUNCH):
            return "swtdx-launch is not built with sanitizers"
        status, out, err = under(profile, [LAUNCH, answers])
        assert status == 0 and out == "ok\n", f"status {status}: {out!r} {err!r}"
        assert all(err.count(text) == 1 for text in said), err
        assert not any(text in err for text in unsaid), err
        return None
    return check


def raw_launch(profile):
    def check():
        if not os.path.exists(LAUNCH):
            return "swtdx-launch is not built with sanitizers"
        status, out, err = under(profile, [LAUNCH])
        assert status == 0 and out == "ok\n", f"status {status}: {out!r} {err!r}"
        return None
    return check


def td_launch(firmware, profile):
    def check():
        status, _, err = under(profile, tiny.td(firmware))
        assert status == 0 and "triple fault" in err, f"status {status}: {err!r}"
        told = [line for line in err.splitlines() if line.startswith("qemu-system-x86_64: ")]
        assert len(told) == 1 and tiny.ENDED in told[0], f"status {status}: {err!r}"
    return check


def mrtd(profile, firmware):
    status, out, err = under(profile, [vmm.program("qemu-tdx-plan"), *tiny.td(firmware)[1:]])
    assert status == 0, f"{profile}: status {status}: {err!r}"
    assert "no TDX host" not in err, err
    return re.search(r"[0-9a-f]{96}", out).group(0)


def plan(firmware, profile):
    """The host's kernel has no part in the measurement."""
    def check():
        assert mrtd(profile, firmware) == mrtd("spr-1.5", firmware)
    return check


# $1 is the VMM; the others its arguments. A TD holds the only KeyID while a second is tried, and is
# killed.
SHARED_POOL = """
vmm=$1; shift
$vmm "$@" -S & first=$!
tries=0
until grep -q "tdx 1" /sys/fs/cgroup/misc.current; do
    tries=$((tries + 1)); test $tries -lt 400 || exit 9; sleep 0.02
done
$vmm "$@"; echo "second $?"
kill -9 $first; wait $first
cat /sys/fs/cgroup/misc.current
$vmm "$@"; echo "third $?"
"""


def shared_keyids(firmware, member, cause):
    """The processes of one swtdx run share the host's KeyIDs; one that is killed gives its own
    back; another run has its own."""
    def check():
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "one.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"name": "one", "description": "one TD", "base": "spr-1.5", **member}, f)
            status, out, err = under(path, ["sh", "-c", SHARED_POOL, "sh", *tiny.td(firmware)])
        assert status == 0 and out == "second 1\ntdx 0\nthird 0\n", (status, out, err)
        assert re.search(CAUSES[cause],
                         [line for line in err.splitlines()
                          if line.startswith("qemu-system-x86_64: ")][0]), err
    return check


def probe(profile, major, minor):
    def check():
        done = subprocess.run([SWTDX, "run", "--host", profile, "--", sys.executable,
                               os.path.join(HERE, "probe-kernel.py")],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              check=False, env=vmm.NO_LEAK_CHECK, text=True)
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)
        release = answers.pop("release")
        assert release.startswith(f"{major}.{minor}.0"), release
        at_least = lambda *version: (major, minor) >= version
        expected = {
            "disable-exits": 0x1f if at_least(6, 17) else 0xf,
            "plain-guest-memfd": 1 if at_least(6, 18) else 0,
            "guest-memfd-flags": [3, 1] if at_least(6, 18) else [0, 0],
            "x2apic-api": [0xf, 0xb, 0xf] if at_least(6, 19) else [3, 3, 3],
            "create-irqchip": "ENOTTY" if at_least(6, 18) else 0,
            "no-pmu": "EINVAL" if at_least(7, 2) else 0,
            "split-irqchip": 0,
        }
        assert answers == expected, \
            {k: (answers.get(k), v) for k, v in expected.items() if answers.get(k) != v}
    return check


def main():
    with tiny.Firmware() as firmware:
        vmm.tap([("/hosts/broken/" + name,
                  broken(firmware, name, cause, more)) for name, cause, more in BROKEN] +
                [("/hosts/no-log/" + name,
                  no_log(firmware, name)) for name in ("module-missing", "module-init-failed",
                                                       "module-1.5.01")] +
                [("/hosts/listed", check_listed), ("/hosts/shown", check_shown)] +
                [("/hosts/broken-part/" + name,
                  broken(firmware, name, cause, more)) for name, cause, more in BROKEN_PARTS] +
                [("/hosts/composed-shown", check_composed_shown),
                 ("/hosts/no-host", check_no_hosts)] +
                [("/hosts/gpaw/" + name, gpaw(firmware, name, width)) for name, width in COMPOSED] +
                [("/hosts/composed-launch/" + name,
                  td_launch(firmware, name)) for name, _ in COMPOSED] +
                [("/hosts/raw-launch/" + row[0],
                  raw_launch(row[0])) for row in COMPOSED if "strict" not in row[0]] +
                [("/hosts/raw-answers/" + row[0], raw_answers(*row)) for row in ANSWERS] +
                [("/hosts/raw-launch/" + row[0], raw_launch(row[0])) for row in KERNELS] +
                [("/hosts/launch/" + row[0], td_launch(firmware, row[0])) for row in KERNELS] +
                [("/hosts/plan/" + row[0], plan(firmware, row[0])) for row in KERNELS] +
                [("/hosts/shared-keyids", shared_keyids(firmware, {"keyids": 1}, "keyids")),
                 ("/hosts/shared-cgroup", shared_keyids(firmware, {"cgroup_max": 1}, "cgroup"))] +
                [("/hosts/kernel/" + row[0], probe(*row)) for row in KERNELS])


main()
