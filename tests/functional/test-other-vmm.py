#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that are not of this project under swtdx: what CPUID shows them, and QEMU's boot of OVMF
as a TD.

SWTDX_QEMU names QEMU 10.1 or newer, as scripts/get-qemu prints it. """

import os
import shutil
import subprocess
import sys
import tempfile

import vmm

QEMU = os.environ.get("SWTDX_QEMU")


def swtdx(argv, *options):
    return [vmm.program("swtdx"), "run", *options, "--", *argv]


def test_cpuid():
    status, out, err = vmm.run(swtdx([vmm.program("tests/functional/cpuid-probe")]))
    assert status == 0, (status, out, err)
    # spr-1.5: Sapphire Rapids, family 6 model 0x8f.
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines] == ["plain", "ignored", "handled", "blocked", "thread"], out
    for _, vendor, signature, *features in lines:
        assert vendor == "GenuineIntel", out
        assert int(signature, 16) & 0x0fff0ff0 == 0x000806f0, out
        # whatever this machine has: VMMs ask for it before they open /dev/kvm
        assert features == ["vmx"], out


# What kvmtool and the like do first, for which a TDX host has an answer and this one has none.
ORDINARY = """
import fcntl, os
kvm = os.open("/dev/kvm", os.O_RDWR)
vm = fcntl.ioctl(kvm, 0xae01, 0)
for name, request, argument in (("pit", 0x4040ae77, bytes(64)), ("vcpu", 0xae41, 0)):
    try:
        fcntl.ioctl(vm, request, argument)
        print(name, "ok")
    except OSError as e:
        print(name, e.strerror)
"""


def test_ordinary():
    """A VMM that makes an ordinary VM is told by swtdx that it cannot be had here, at the first
    call that would matter."""
    status, out, err = vmm.run(swtdx([sys.executable, "-c", ORDINARY]), env=vmm.NO_LEAK_CHECK)
    assert status == 0, (status, out, err)
    assert out == "pit No such file or directory\nvcpu Operation not supported\n", out
    for name in ("KVM_CREATE_PIT2", "KVM_CREATE_VCPU"):
        assert f"swtdx: {name}: this host executes TDX guests only (VM type 5), not ordinary VMs" in err, err


# ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_GUEST_PERM, ARCH_REQ_XCOMP_GUEST_PERM of asm/prctl.h; and
# other system calls by number.
GUEST_STATE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def ask(option, *component):
    mask = ctypes.c_uint64()
    r = libc.syscall(ctypes.c_long(158), ctypes.c_long(option), *(component or [ctypes.byref(mask)]))
    return os.strerror(ctypes.get_errno()) if r else hex(mask.value & 0x60000)
print(ask(0x1021), ask(0x1024), sep=", ")
print(ask(0x1025, ctypes.c_long(2)), ask(0x1025, ctypes.c_long(99)), ask(0x1025, ctypes.c_long(18)), sep=", ")
print(ask(0x1024), libc.arch_prctl(0x1024, ctypes.byref(ctypes.c_uint64())), sep=", ")
data = b"four arguments, and six"
libc.syscall(ctypes.c_long(18), ctypes.c_long(-1), data, ctypes.c_long(1), ctypes.c_long(0))
print(os.strerror(ctypes.get_errno()), libc.syscall(ctypes.c_long(39)) == os.getpid(),
      libc.syscall(ctypes.c_long(326), ctypes.c_long(os.memfd_create("a")), None, ctypes.c_long(os.memfd_create("b")), None,
                   ctypes.c_long(0), ctypes.c_long(1)), os.strerror(ctypes.get_errno()), sep=", ")
"""


def test_guest_state():
    """AMX is asked for by arch_prctl(), which programs call by number; the kernel below may know no
    AMX."""
    status, out, err = vmm.run(swtdx([sys.executable, "-c", GUEST_STATE]), env=vmm.NO_LEAK_CHECK)
    assert status == 0, (status, out, err)
    assert out == ("0x60000, 0x20000\nOperation not supported, Invalid argument, 0x0\n0x60000, 0\n"
                   "Bad file descriptor, True, -1, Invalid argument\n"), out


def test_cpuid_in_libraries():
    """In one that the program is linked with, and one that it loads by path."""
    late = os.path.abspath(vmm.program("tests/functional/libcpuid-loaded.so"))
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copy(late, os.path.join(directory, "copy.so"))
        status, out, err = vmm.run(swtdx([vmm.program("tests/functional/cpuid-libraries"), late,
                                          copy]))
        assert status == 0, (status, out, err)
        lines = [line.split() for line in out.splitlines()]
        assert [line[0] for line in lines] == ["linked"] + ["loaded"] * 4, out
        for _, vendor, signature in lines:
            assert vendor == "GenuineIntel" and int(signature, 16) & 0x0fff0ff0 == 0x000806f0, out


def test_search_path():
    """The loader finds by the program's search path what it finds without swtdx."""
    if vmm.SANITIZED:
        return "the sanitizer's own dlopen() finds nothing by the program's search path"
    status, out, err = vmm.run(swtdx([vmm.program("tests/functional/cpuid-libraries"),
                                      "libcpuid-loaded.so"]))
    assert status == 0 and len(out.splitlines()) == 3, (status, out, err)
    return None


# A new user is every thread's, swtdx's own too: the C library asks each of them, and waits.
NEW_USER = """
import fcntl, os
vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xae01, 5)
os.setgid(os.getgid())
os.setuid(os.getuid())
print(fcntl.ioctl(vm, 0xae03, 0x0f))
"""


def test_new_user():
    status, out, err = vmm.run(swtdx([sys.executable, "-c", NEW_USER]), timeout=30,
                               env=vmm.NO_LEAK_CHECK)
    assert status == 0 and int(out) > 0, (status, out, err)


def test_qemu():
    if not QEMU:
        return "SWTDX_QEMU is not set: scripts/get-qemu fetches a QEMU and prints its path"
    if not os.path.exists(vmm.OVMF):
        return f"{vmm.OVMF} is missing: install the package ovmf"
    console = vmm.Console(swtdx([QEMU, *vmm.td_arguments()[1:]]), env=vmm.NO_LEAK_CHECK)
    try:
        console.expect(r"UEFI Interactive Shell", 300)
        console.expect(r"Shell> ", 120)
        console.send("echo one-two-three\r")
        console.expect(r"echo one-two-three\s+one-two-three", 60)
        console.expect(r"Shell> ", 60)
        console.send("reset -s\r")
        assert console.wait(60) == 0
    finally:
        console.close()
    return None


def test_qemu_new_user():
    """QEMU of a newer C library, which leaves it to each thread whether it can be asked; without
    root it ends at the question."""
    if not QEMU or not os.path.exists(vmm.OVMF):
        return "SWTDX_QEMU is not set, or there is no firmware"
    arguments = [*vmm.td_arguments()[1:-2], "-S", "-serial", "none", "-qmp", "stdio",
                 "-run-with", "user=nobody"]
    done = subprocess.run(swtdx([QEMU, *arguments]),
                          input=b'{"execute": "qmp_capabilities"} {"execute": "quit"}', timeout=60,
                          capture_output=True, check=False, env=vmm.NO_LEAK_CHECK)
    assert done.returncode == (0 if os.getuid() == 0 else 1), done
    return None


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    vmm.tap([("/other-vmm/cpuid", test_cpuid),
             ("/other-vmm/cpuid-libraries", test_cpuid_in_libraries),
              ("/other-vmm/search-path", test_search_path), ("/other-vmm/ordinary", test_ordinary),
              ("/other-vmm/guest-state", test_guest_state),
              ("/other-vmm/new-user", test_new_user), ("/other-vmm/qemu", test_qemu),
              ("/other-vmm/qemu-new-user", test_qemu_new_user)])
