#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that fail while a TD runs: conversions, interrupts of devices, eventfds of their queues.
The TD goes on wherever it can, the user is told once, and what the guest has to know it is told."""

import mmap
import os
import re
import select
import socket
import struct
import subprocess
import tempfile
import threading

import tiny
import tiny64
import vmm
from tiny64 import IO, MMIO, R10, R11, R12, R13, R14, R15, RAX, RBX, RCX, load, vmcall

MAP_GPA, SHARED = 0x10001, 1 << 51
RINGS, WINDOW = 0x820000, 0x200000  # a page that is converted; it is mapped this much higher
DEVICE, TABLE, BAR = 4 << 11, 0xe0000000, 0xe0010000
DESCRIPTORS, AVAILABLE, USED, BUFFER = RINGS, RINGS + 0x100, RINGS + 0x200, RINGS + 0x800
NOTIFY = 0x3000


# ---- The guest ----

def out32(port, value):
    return vmcall(IO, 4, 1, port, value)


def config(offset, value):
    return out32(0xcf8, 1 << 31 | DEVICE | offset) + out32(0xcfc, value)


def write(size, address, value):
    return vmcall(MMIO, size, 1, address | SHARED, value)


def put(address, data):
    """Bytes, in words, into the shared page."""
    code = load(RBX, address + WINDOW)
    for at in range(0, len(data), 4):
        # mov [rbx + at], eax
        code += load(RAX, struct.unpack_from("<I", data, at)[0])
        code += b"\x89\x83" + struct.pack("<I", at)
    return code


def tell(text):
    return b"".join(tiny64.out(0x402, ord(c)) for c in text)


def tell_status():
    """What the last call answered: 0 or not."""
    # test r10, r10; jz over the load
    code = b"\x4d\x85\xd2" + load(R15, ord("0")) + b"\x74\x06" + load(R15, ord("1"))
    for register, value in ((R10, 0), (R11, IO), (R12, 1), (R13, 1), (R14, 0x402), (RCX, 0xfc00),
                            (RAX, 0)):
        code += load(register, value)
    return code + tiny64.TDCALL


def await_used(count):
    # cmp word [rbx + 2], count; jne back
    return load(RBX, USED + WINDOW) + b"\x66\x83\x7b\x02" + bytes([count]) + b"\x75\xf9"


def capability(wanted):
    """Offset of a capability of the device, which the same device in a machine without a guest
    tells."""
    argv = [vmm.program("qemu-system-x86_64"), "-accel", "qtest", "-qtest", "stdio",
            "-qtest-log", "none", "-display", "none",
            "-nodefaults", "-device", "virtio-rng-pci,addr=4"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          bufsize=1) as process:
        def read(offset):
            process.stdin.write(f"outl 0xcf8 {1 << 31 | DEVICE | offset & 0xfc:#x}\ninb "
                                f"{0xcfc + offset % 4:#x}\n")
            assert process.stdout.readline() == "OK\n"
            return int(process.stdout.readline()[3:], 16)
        offset = read(0x34)
        while read(offset) != wanted:
            offset = read(offset + 1)
        process.stdin.close()
    return offset


MAP = vmcall(MAP_GPA, RINGS | SHARED, 0x1000)


def driver():
    """One queue with one buffer; the message of its vector goes to the TD's processor."""
    steps = [MAP, config(0x14, TABLE), config(0x20, BAR), config(0x24, 0), config(4, 6)]
    for at, value in ((0, 0xfee00000), (4, 0), (8, 0x41), (12, 0)):
        steps.append(write(4, TABLE + at, value))
    steps += [config(capability(0x11), 0x80000011), write(1, BAR + 0x14, 0),
              write(1, BAR + 0x14, 3), write(4, BAR + 8, 1),
              write(4, BAR + 0xc, 3), write(1, BAR + 0x14, 0xb), write(2, BAR + 0x16, 0),
              write(2, BAR + 0x18, 4),
              write(2, BAR + 0x1a, 0)]
    for at, address in ((0x20, DESCRIPTORS), (0x28, AVAILABLE), (0x30, USED)):
        steps += [write(4, BAR + at, address), write(4, BAR + at + 4, 0)]
    steps += [put(DESCRIPTORS, struct.pack("<QIHH", BUFFER, 16, 2, 0)),
              put(AVAILABLE, struct.pack("<HHHH", 0, 1, 0, 0)),
              write(2, BAR + 0x1c, 1), write(1, BAR + 0x14, 0xf), write(2, BAR + NOTIFY, 0),
              await_used(1), tell("done")]
    return b"".join(steps)


# ---- A back end of another process: it answers the one request of queue 0 without looking at it

class BackEnd(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.memory = self.kick = self.call = None

    def run(self):
        connection, _ = self.listener.accept()
        # VERSION_1, protocol features; configuration; queues
        answers = {1: 1 << 32 | 1 << 30, 15: 1 << 9, 17: 1}
        while True:
            header, fds, _, _ = socket.recv_fds(connection, 12, 8)
            if len(header) < 12:
                return
            request, flags, size = struct.unpack("<III", header)
            payload = connection.recv(size, socket.MSG_WAITALL) if size else b""
            if request == 5:
                self.memory = mmap.mmap(fds[0], struct.unpack_from("<Q", payload, 16)[0])
            elif request in (12, 13) and fds:
                if request == 12:
                    self.kick = fds[0]
                    threading.Thread(target=self.serve, daemon=True).start()
                else:
                    self.call = fds[0]
            if request in answers:
                connection.sendall(struct.pack("<IIIQ", request, 5, 8, answers[request]))
            elif request == 11:
                connection.sendall(struct.pack("<IIIII", request, 5, 8, 0, 1))
            elif request == 24:
                connection.sendall(struct.pack("<III", request, 5, size) + payload)
            assert not flags & 8

    def serve(self):
        while True:
            try:
                os.read(self.kick, 8)
                break
            except BlockingIOError:
                select.select([self.kick], [], [])
        struct.pack_into("<II", self.memory, USED + 4, 0, 1)
        struct.pack_into("<H", self.memory, USED + 2, 1)
        os.write(self.call, struct.pack("<Q", 1))


# ---- Cases ----

def run(code, fault, devices=(), back_end=False):
    """What the guest told, and standard error."""
    with tempfile.TemporaryDirectory() as directory:
        path, log, device = (os.path.join(directory, name)
                             for name in ("firmware.fd", "log", "device"))
        pages = bytearray(tiny64.image(code + tiny64.STOP, has_log=False))
        struct.pack_into("<Q", pages, 0x3000 + 8 * 5, 0x800083 | SHARED)
        with open(path, "wb") as f:
            f.write(pages)
        extra = ["-chardev", f"file,id=log,path={log}",
                 "-device", "isa-debugcon,iobase=0x402,chardev=log", *devices]
        if back_end:
            BackEnd(device).start()
            extra += ["-object", "memory-backend-memfd,id=ram0,size=16M,share=on",
                      "-machine", "memory-backend=ram0",
                      "-chardev", f"socket,id=back,path={device}",
                      "-device", "vhost-user-blk-pci,chardev=back,addr=4,num-queues=1,vectors=2"]
        status, _, err = vmm.run([vmm.program("swtdx"), "run", "--fault", fault,
                                  "--", *tiny.td(path, extra)])
        with open(log, "rb") as f:
            return status, f.read().decode(), err


def warnings(err):
    """All but that the guest has ended, as these guests do."""
    return [line for line in err.splitlines()
            if re.match(r"qemu-system-x86_64: ", line) and tiny.ENDED not in line]


def conversion(error, text):
    """A MapGPA that fails is answered, and can be asked for again."""
    def check():
        status, told, err = run(MAP + tell_status() + MAP + tell_status() + MAP + tell_status(),
                                f"KVM_SET_MEMORY_ATTRIBUTES:3={error},KVM_SET_MEMORY_ATTRIBUTES:4={error}")
        assert status == 0 and told == "110", (status, told, err)
        assert len(warnings(err)) == 1, err
        for part in ("MapGPA of 0x820000, size 0x1000: KVM_SET_MEMORY_ATTRIBUTES to shared failed: " + text, "the guest is told"):
            assert part in warnings(err)[0], err
    return check


def check_fault_conversion():
    """Without asking: the access cannot be carried out, and that ends the TD."""
    status, told, err = run(tell("a") + put(RINGS, bytes(4)) + tell("b"),
                            "KVM_SET_MEMORY_ATTRIBUTES:3=ENOMEM")
    assert status == 1 and told == "a", (status, told, err)
    assert "KVM_SET_MEMORY_ATTRIBUTES failed" in err and "Cannot allocate memory" in err, err
    assert "0x820000" in err, err


RNG = ["-device", "virtio-rng-pci,addr=4,vectors=2"]
SLOWER = "stop its vCPUs, which is slower"
THROUGH = "go through this one, which is slower"
LOST = "the guest has lost an interrupt"
# Name, fault, is another process the back end, what the one warning says; none: there is no warning
DEVICES = [
    ("no-fault", "", False, []),
    ("ioeventfd", "KVM_IOEVENTFD=ENOMEM", False,
     ["KVM_IOEVENTFD at 0xe0013000 failed: Cannot allocate memory", SLOWER]),
    ("ioeventfd-full", "KVM_IOEVENTFD=ENOSPC", False,
     ["KVM_IOEVENTFD at 0xe0013000 failed: No space left on device", SLOWER]),
    ("signal-msi", "KVM_SIGNAL_MSI=EIO", False,
     ["KVM_SIGNAL_MSI failed: Input/output error", LOST]),
    ("signal-msi-nobody", "KVM_SIGNAL_MSI=EPERM", False, []),
    ("external", "", True, []),
    ("external-ioeventfd", "KVM_IOEVENTFD=ENOMEM", True,
     ["KVM_IOEVENTFD at 0xe0013000 failed", SLOWER]),
    ("irqfd", "KVM_IRQFD=ENOMEM", True, ["KVM_IRQFD failed: Cannot allocate memory", THROUGH]),
    ("irqfd-busy", "KVM_IRQFD=EBUSY", True, ["KVM_IRQFD failed: Device or resource busy", THROUGH]),
    ("gsi-routing", "KVM_SET_GSI_ROUTING=EINVAL", True,
     ["KVM_SET_GSI_ROUTING failed: Invalid argument", THROUGH]),
    ("gsi-routing-memory", "KVM_SET_GSI_ROUTING=ENOMEM", True,
     ["KVM_SET_GSI_ROUTING failed: Cannot allocate memory", THROUGH]),
]


def device(fault, back_end, says):
    def check():
        status, told, err = run(driver(), fault, devices=[] if back_end else RNG, back_end=back_end)
        assert status == 0 and told == "done", (status, told, err)
        assert len(warnings(err)) == bool(says), err
        for text in says:
            assert text in warnings(err)[0], err
    return check


# The guest resets itself, and its second launch fails: fault, step (none: before there are steps),
# what the message says
RESETS = [
    ("KVM_CREATE_VM:3=ENOMEM", None, "KVM_CREATE_VM for VM type 5 failed: Cannot allocate memory"),
    ("KVM_TDX_CAPABILITIES:2=EIO", None, "KVM_TDX_CAPABILITIES failed"),
    ("KVM_SET_TSC_KHZ:2=EINVAL", "set the TSC frequency", "Unable to set TSC frequency"),
    ("KVM_TDX_INIT_VM:2=ENOSPC", "initialise the TD", "No free TDX private KeyID"),
    ("KVM_CREATE_VCPU:2=EIO", "create vCPUs", "KVM_CREATE_VCPU for vCPU id 0 failed"),
    ("mmap:2=ENOMEM", "create vCPUs", "Mapping the run page of vCPU id 0 failed"),
    ("KVM_CREATE_GUEST_MEMFD:3=EMFILE", "make memory slots", "Error creating KVM guest_memfd"),
    ("KVM_SET_USER_MEMORY_REGION2:3=EINVAL", "make memory slots",
     "KVM_SET_USER_MEMORY_REGION2 for memory 'ram-below-4g'"),
    ("KVM_SET_MEMORY_ATTRIBUTES:3=ENOMEM", "set private attributes",
     "KVM_SET_MEMORY_ATTRIBUTES private for ram-below-4g"),
    (f"TDH_MEM_PAGE_ADD:{tiny.PAGES + 2}=ENOMEM", "add measured and initial memory",
     "KVM_TDX_INIT_MEM_REGION failed"),
    ("KVM_TDX_FINALIZE_VM:2=EIO", "finalise the TD", "KVM_TDX_FINALIZE_VM failed"),
]


def reset(fault, step, says):
    def check():
        code = tiny64.out(0xcf9, 2) + tiny64.out(0xcf9, 6) + tiny64.SPIN
        with tiny64.Firmware(code, has_log=False) as path:
            arguments = tiny.td(path)
            arguments.remove("-no-reboot")
            status, _, err = vmm.run([vmm.program("swtdx"), "run", "--fault", fault,
                                      "--", *arguments])
        assert status == 1, (status, err)
        assert len(warnings(err)) == 1 and "unable to rebuild guest: " in warnings(err)[0], err
        assert says in err, err
        assert step is None or f"The launch of the TD stopped at the step: {step}\n" in err, err
    return check


if __name__ == "__main__":
    vmm.tap([("/faults-running/map-gpa", conversion("ENOMEM", "Cannot allocate memory")),
             ("/faults-running/map-gpa-busy", conversion("EBUSY", "Device or resource busy")),
             ("/faults-running/fault-conversion", check_fault_conversion)] +
            [("/faults-running/" + row[0], device(*row[1:])) for row in DEVICES] +
            [("/faults-running/reset/" + row[0], reset(*row)) for row in RESETS])
