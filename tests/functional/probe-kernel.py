#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks /dev/kvm what differs between Linux versions, and prints the answers as JSON. Runs under
`swtdx run`."""

import errno
import fcntl
import json
import os
import struct

CREATE_VM, CHECK_EXTENSION, CREATE_IRQCHIP, ENABLE_CAP = 0xae01, 0xae03, 0xae60, 0x4068aea3
SPLIT_IRQCHIP, X2APIC_API, DISABLE_EXITS, PMU, GUEST_MEMFD = 121, 129, 143, 212, 234
GUEST_MEMFD_FLAGS = 244
DEFAULT_VM, TDX_VM = 0, 5


def ask(fd, request, argument=0):
    """The answer, or the name of the error."""
    try:
        return fcntl.ioctl(fd, request, argument)
    except OSError as e:
        return errno.errorcode[e.errno]


def enable(fd, cap, argument):
    answer = ask(fd, ENABLE_CAP, struct.pack("<IIQ88x", cap, 0, argument))
    return 0 if isinstance(answer, bytes) else answer


def main():
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    plain, td = (fcntl.ioctl(kvm, CREATE_VM, kind) for kind in (DEFAULT_VM, TDX_VM))
    answers = {
        "release": os.uname().release,
        "disable-exits": ask(kvm, CHECK_EXTENSION, DISABLE_EXITS),
        "plain-guest-memfd": ask(plain, CHECK_EXTENSION, GUEST_MEMFD),
        "guest-memfd-flags": [ask(fd, CHECK_EXTENSION, GUEST_MEMFD_FLAGS) for fd in (kvm, td)],
        "x2apic-api": [ask(fd, CHECK_EXTENSION, X2APIC_API) for fd in (kvm, td)],
        "no-pmu": enable(td, PMU, 0),
    }
    answers["split-irqchip"] = enable(td, SPLIT_IRQCHIP, 24)
    answers["x2apic-api"].append(ask(td, CHECK_EXTENSION, X2APIC_API))
    other = fcntl.ioctl(kvm, CREATE_VM, TDX_VM)
    answers["create-irqchip"] = ask(other, CREATE_IRQCHIP)
    print(json.dumps(answers))


main()
