#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every OVMF image of Debian 12 to 14: those made for TDs start as one, the others are refused and
called by what they are.

Needs the packages that scripts/get-firmware downloads; without them the test is skipped. The MRTD
each launch prints is compared with one computed here from the file alone (TDX module specification:
TDH.MEM.PAGE.ADD, TDH.MR.EXTEND; TDVF design guide)."""

import hashlib
import json
import os
import struct
import tempfile
import time
import uuid

import vmm

SLOW = float(os.environ.get("MESON_TEST_TIMEOUT_FACTOR", "1"))
CACHE = os.path.abspath(os.path.join(os.environ.get("XDG_CACHE_HOME", ".cache"), "qemu-tdx",
                                     "firmware"))

METADATA_GUID = uuid.UUID("e47a6535-984a-4798-865e-4685a7bf8ec2").bytes_le
FOOTER_GUID = uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
PAGE, CHUNK = 4096, 256
MR_EXTEND, PAGE_AUG = 1, 2
TD_INFO = 7

# How far an image comes: the first words on the console; or, with None, that the firmware itself
# ends the TD. This is the case of ovmf-amdsev: it has TDX metadata, but before it has accepted any
# memory it clears the page at 0x807000, which its metadata don't list. The TDX module does not let
# a TD with SEPT_VE_DISABLE go on from there.
SHELL, BOOT_MANAGER = "UEFI Interactive Shell", "BdsDxe: "
LAUNCHES = {
    ("bookworm", "OVMF.fd"): SHELL,
    ("trixie", "OVMF.fd"): SHELL,
    ("forky", "OVMF.fd"): BOOT_MANAGER,
    ("forky", "OVMF.inteltdx.ms.fd"): BOOT_MANAGER,
    ("forky", "OVMF.amdsev.fd"): None,
}

CODE_HALF, VARIABLES = "this is the code half of a flash image", "this is a variable store"
NO_METADATA = "no TDX metadata: GUID e47a6535-984a-4798-865e-4685a7bf8ec2 is missing"
CODE_2M = {"OVMF_CODE.fd": CODE_HALF, "OVMF_CODE.ms.fd": CODE_HALF,
           "OVMF_CODE.secboot.fd": CODE_HALF}
CODE_4M = ["OVMF_CODE_4M.fd", "OVMF_CODE_4M.ms.fd", "OVMF_CODE_4M.secboot.fd",
           "OVMF_CODE_4M.snakeoil.fd"]
VARS_2M = {"OVMF_VARS.fd": VARIABLES, "OVMF_VARS.ms.fd": VARIABLES}
VARS_4M = {"OVMF_VARS_4M.fd": VARIABLES, "OVMF_VARS_4M.ms.fd": VARIABLES,
           "OVMF_VARS_4M.snakeoil.fd": VARIABLES}
NEW = {**dict.fromkeys(CODE_4M + ["OVMF_CODE_4M.secboot.strictnx.fd"], CODE_HALF), **VARS_4M}
REFUSALS = {
    "bookworm": {**CODE_2M, **dict.fromkeys(CODE_4M, NO_METADATA), **VARS_2M, **VARS_4M},
    "trixie": NEW,
    "forky": NEW,
}
JOINED = {
    "bookworm": ("OVMF_VARS.fd", "OVMF_CODE.fd"),
    "trixie": ("OVMF_VARS_4M.fd", "OVMF_CODE_4M.fd"),
    "forky": ("OVMF_VARS_4M.fd", "OVMF_CODE_4M.fd"),
}


def sections(image):
    """(file offset, raw size, address, memory size, type, attributes) of each section, in the order
    of the file."""
    end = len(image) - 0x20
    assert image[end - 16:end] == FOOTER_GUID
    at = end - 18
    start = end - struct.unpack_from("<H", image, at)[0]
    while at > start:
        length = struct.unpack_from("<H", image, at - 18)[0]
        if image[at - 16:at] == METADATA_GUID:
            descriptor = len(image) - struct.unpack_from("<I", image, at - length)[0]
            break
        at -= length
    else:
        raise AssertionError("no TDX metadata")
    signature, _, version, count = struct.unpack_from("<4sIII", image, descriptor)
    assert signature == b"TDVF" and version == 1
    return [struct.unpack_from("<IIQQII", image, descriptor + 16 + 32 * i) for i in range(count)]


def record(name, address):
    return struct.pack("<16sQ104x", name, address)


def compute_mrtd(image):
    digest = hashlib.sha384()
    for offset, raw, address, size, kind, attributes in sections(image):
        if kind == TD_INFO or attributes & PAGE_AUG:
            continue
        data = image[offset:offset + raw].ljust(size, b"\0")
        for page in range(0, size, PAGE):
            digest.update(record(b"MEM.PAGE.ADD", address + page))
            if not attributes & MR_EXTEND:
                continue
            for chunk in range(page, page + PAGE, CHUNK):
                digest.update(record(b"MR.EXTEND", address + chunk))
                digest.update(data[chunk:chunk + CHUNK])
    return digest.hexdigest()


def directory(suite, *names):
    return os.path.join(CACHE, suite, "usr/share", *names)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def missing(suite):
    return None if os.path.isdir(directory(suite)) else f"no firmware of {suite}: run scripts/get-firmware"


def check_known_mrtd():
    """The computation itself, by values that other programs got: a page at 0x80b000 alone, and
    Debian 12's OVMF.fd."""
    assert hashlib.sha384(record(b"MEM.PAGE.ADD", 0x80b000)).hexdigest().startswith("33607e8dc7a490632a61f01592a35b33")
    if missing("bookworm"):
        return missing("bookworm")
    image = read(directory("bookworm", "ovmf/OVMF.fd"))
    if hashlib.sha256(image).hexdigest().startswith("7b456907dd0786d4"):
        assert compute_mrtd(image).startswith("4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057")
    return None


def follow(console, goal):
    """Waits for what the firmware prints first; then the TD still runs, and ends when told to."""
    if goal is None:
        assert console.wait(60 * SLOW) == 1
        assert "The kernel has given this VM up" in console.text, console.text[-3000:]
        if vmm.tdx_host():
            assert "swtdx: Guest access before accepting 0x807000 on vCPU 0" in console.text, \
                console.text[-3000:]
        return
    console.expect(goal, 300 * SLOW)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert console.read(0.1), console.text[-3000:]
    assert console.process.poll() is None, console.text[-3000:]
    assert "given this VM up" not in console.text, console.text[-3000:]
    console.send("\x01x")
    assert console.wait(30 * SLOW) == 0


def launch(suite, name, goal):
    def check():
        if missing(suite):
            return missing(suite)
        path = directory(suite, "ovmf", name)
        console = vmm.Console(vmm.tdx_host() +
                              vmm.td_arguments(firmware=path, extra=["-no-reboot", "-d", "tdx"]))
        try:
            mrtd = console.expect(r"MRTD ([0-9a-f]{96})", 60 * SLOW).group(1)
            assert mrtd == compute_mrtd(read(path)), mrtd
            console.expect(r"launch: start vCPU threads: done", 60 * SLOW)
            follow(console, goal)
        finally:
            console.close()
        return None
    return check


def plan(path):
    return vmm.run([vmm.program("qemu-tdx-plan"), "--json", *vmm.td_arguments(firmware=path)[1:]])


def check_plans(suite):
    """The plan of each image that starts, by all its names, has the MRTD of the launch."""
    def check():
        if missing(suite):
            return missing(suite)
        for path in [directory(suite, "ovmf", n) for s, n in LAUNCHES
                     if s == suite] + [directory(suite, "qemu/OVMF.fd")]:
            status, out, err = plan(path)
            assert status == 0, err
            assert json.loads(out)["mrtd"] == compute_mrtd(read(path)), path
        return None
    return check


def refusal(suite, name, cause):
    def check():
        if missing(suite):
            return missing(suite)
        path = directory(suite, "OVMF", name)
        status, out, err = plan(path)
        assert status == 1 and f"firmware '{path}': {cause}" in err and not out, f"{status}: {err}"
        status, out, err = vmm.run(vmm.tdx_host() + vmm.td_arguments(firmware=path))
        assert status == 1 and f"firmware '{path}': {cause}" in err, f"{status}: {err}"
        assert "MRTD" not in out + err, f"{status}: {err}"
        return None
    return check


def check_joined(suite):
    """What the message about code halves recommends: both halves in one file are firmware again."""
    def check():
        if missing(suite):
            return missing(suite)
        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "OVMF.fd")
            with open(path, "wb") as f:
                for half in JOINED[suite]:
                    f.write(read(directory(suite, "OVMF", half)))
            status, out, err = plan(path)
            assert status == 0, err
            assert json.loads(out)["mrtd"] == compute_mrtd(read(path))
        return None
    return check


def check_all_known(suite):
    """No image of the packages is left out of the tables above."""
    def check():
        if missing(suite):
            return missing(suite)
        there = {f for _, _, files in os.walk(directory(suite)) for f in files if f.endswith(".fd")}
        assert there == {n for s, n in LAUNCHES if s == suite} | set(REFUSALS[suite]), there
        return None
    return check


def tests():
    yield "/firmware/mrtd", check_known_mrtd
    for suite, refused in REFUSALS.items():
        yield f"/firmware/{suite}/all-known", check_all_known(suite)
        yield f"/firmware/{suite}/plans", check_plans(suite)
        yield f"/firmware/{suite}/joined", check_joined(suite)
        for name, cause in refused.items():
            yield f"/firmware/{suite}/refused/{name}", refusal(suite, name, cause)
    for (suite, name), goal in LAUNCHES.items():
        yield f"/firmware/{suite}/launch/{name}", launch(suite, name, goal)


if __name__ == "__main__":
    vmm.tap(list(tests()))
