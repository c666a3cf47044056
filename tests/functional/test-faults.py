#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each call of a launch fails in each plausible way: the VMM ends with status 1 and says which
step, and why. Errors that ask for another try are tried again."""

import time

import tiny
import vmm

PREPARE = ""  # before the launch's steps; the message names the call
CAPS, TSC, INIT, VCPUS, READ_CPUID, SET_CPUID = ("enable capabilities", "set the TSC frequency",
                                                 "initialise the TD", "create vCPUs",
                                                "read the TD's CPUID", "set each vCPU's CPUID")
INIT_VCPUS, SLOTS, ATTRIBUTES, ADD, FINALIZE = ("initialise vCPUs", "make memory slots",
                                                "set private attributes",
                                                "add measured and initial memory",
                                                "finalise the TD")
RUN = "run"  # after the launch

INVALID, IO, NO_MEMORY = "Invalid argument", "Input/output error", "Cannot allocate memory"
TOO_MANY = "Too many open files"
KERNEL_LOG = "dmesg | grep -i -E 'kvm|tdx'"
INIT_VM, GET_CPUID, INIT_VCPU, ADD_REGION, FINALIZE_VM = (
    f"TDX ioctl KVM_TDX_{name} failed" for name in ("INIT_VM", "GET_CPUID", "INIT_VCPU",
                                                    "INIT_MEM_REGION", "FINALIZE_VM"))


def page(n):
    """Where adding stops if page n (from 1) of the firmware's first section fails."""
    return f"Firmware section 0 (BFV, 0x{tiny.BASE:x}, size 0x{tiny.SIZE:x}) stopped at page 0x{tiny.BASE + (n - 1) * 4096:x}, " \
           f"with {tiny.SIZE // 4096 - n + 1} pages left"


# fault, step, what else the message says
FATAL = [
    ("open=EMFILE", PREPARE, ["Could not access KVM kernel module", TOO_MANY]),
    ("open=ENODEV", PREPARE,
     ["Could not access KVM kernel module", "No such device", "load kvm_intel"]),
    ("open=EACCES", PREPARE,
     ["Could not access KVM kernel module", "Permission denied", "usually kvm"]),
    ("KVM_GET_API_VERSION=ENOTTY", PREPARE, ["KVM_GET_API_VERSION failed", "Inappropriate ioctl"]),
    ("KVM_GET_VCPU_MMAP_SIZE=EINVAL", PREPARE, ["KVM_GET_VCPU_MMAP_SIZE failed", INVALID]),
    ("KVM_CHECK_EXTENSION=EINVAL", PREPARE, ["vm-type TDX not supported by KVM", "VM types 0x0"]),
    ("KVM_CREATE_VM=EINVAL", PREPARE, ["KVM_CREATE_VM for VM type 5 failed", INVALID]),
    ("KVM_CREATE_VM=ENOMEM", PREPARE, ["KVM_CREATE_VM for VM type 5 failed", NO_MEMORY]),
    ("KVM_CREATE_VM=EMFILE", PREPARE, ["KVM_CREATE_VM for VM type 5 failed", TOO_MANY]),
    ("KVM_TDX_CAPABILITIES=EIO", PREPARE,
     ["TDX ioctl KVM_TDX_CAPABILITIES failed", IO, KERNEL_LOG]),
    ("KVM_TDX_CAPABILITIES=ENOTTY", PREPARE,
     ["TDX ioctl KVM_TDX_CAPABILITIES failed", "not that of Linux 6.16 and later"]),
    ("KVM_TDX_CAPABILITIES=EINVAL", PREPARE,
     ["TDX ioctl KVM_TDX_CAPABILITIES failed", "not that of Linux 6.16 and later"]),
    ("KVM_TDX_CAPABILITIES=ENOMEM", PREPARE, ["TDX ioctl KVM_TDX_CAPABILITIES failed", NO_MEMORY]),
    ("KVM_TDX_CAPABILITIES=E2BIG", PREPARE,
     ["KVM_TDX_CAPABILITIES has more than 4096 CPUID entries"]),
    ("KVM_GET_SUPPORTED_CPUID=EFAULT", PREPARE, ["KVM_GET_SUPPORTED_CPUID failed", "Bad address"]),
    ("KVM_GET_SUPPORTED_CPUID=E2BIG", PREPARE, ["KVM_GET_SUPPORTED_CPUID has more than"]),
    ("KVM_ENABLE_CAP:1=EINVAL", CAPS, ["KVM_ENABLE_CAP KVM_CAP_SPLIT_IRQCHIP", INVALID]),
    ("KVM_ENABLE_CAP:2=EINVAL", CAPS, ["KVM_ENABLE_CAP KVM_CAP_X86_APIC_BUS_CYCLES_NS", INVALID]),
    ("KVM_ENABLE_CAP:3=EINVAL", CAPS, ["KVM_ENABLE_CAP KVM_CAP_X2APIC_API", INVALID]),
    ("KVM_ENABLE_CAP:4=EINVAL", CAPS, ["KVM_ENABLE_CAP KVM_CAP_EXIT_HYPERCALL", INVALID]),
    ("KVM_SET_TSC_KHZ=EINVAL", TSC, ["Unable to set TSC frequency", INVALID]),
    ("KVM_TDX_INIT_VM=EINVAL", INIT,
     [INIT_VM, INVALID, "Asked for: attributes 0x10000000", "52 address bits"]),
    ("KVM_TDX_INIT_VM=ENOSPC", INIT, [INIT_VM, "No free TDX private KeyID", "Stop another TD"]),
    ("KVM_TDX_INIT_VM=EBUSY", INIT, [INIT_VM, "misc cgroup controller", "raise it"]),
    ("KVM_TDX_INIT_VM=ENOMEM", INIT, [INIT_VM, NO_MEMORY]),
    ("KVM_TDX_INIT_VM=E2BIG", INIT, [INIT_VM, "Argument list too long"]),
    ("KVM_TDX_INIT_VM=EIO", INIT, [INIT_VM, IO, "CPU package without any online CPU"]),
    ("KVM_TDX_INIT_VM=EAGAIN", INIT, [INIT_VM, "no entropy in", "RDSEED"]),
    ("KVM_CREATE_VCPU=EINVAL", VCPUS,
     ["KVM_CREATE_VCPU for vCPU id 0 failed", INVALID, "at most 16"]),
    ("KVM_CREATE_VCPU=EIO", VCPUS, ["KVM_CREATE_VCPU for vCPU id 0 failed", IO]),
    ("KVM_CREATE_VCPU=EEXIST", VCPUS, ["KVM_CREATE_VCPU for vCPU id 0 failed", "File exists"]),
    ("KVM_CREATE_VCPU=ENOMEM", VCPUS, ["KVM_CREATE_VCPU for vCPU id 0 failed", NO_MEMORY]),
    ("mmap=ENOMEM", VCPUS, ["Mapping the run page of vCPU id 0 failed", NO_MEMORY]),
    ("mmap=EACCES", VCPUS, ["Mapping the run page of vCPU id 0 failed", "Permission denied"]),
    ("KVM_TDX_GET_CPUID=EINVAL", READ_CPUID, [GET_CPUID, INVALID]),
    ("KVM_TDX_GET_CPUID=EIO", READ_CPUID, [GET_CPUID, IO, KERNEL_LOG]),
    ("KVM_TDX_GET_CPUID=E2BIG", READ_CPUID, [GET_CPUID, "Argument list too long"]),
    ("KVM_TDX_GET_CPUID=EBUSY", READ_CPUID, [GET_CPUID, "Device or resource busy"]),
    ("KVM_TDX_GET_CPUID=ENOTTY", READ_CPUID, [GET_CPUID, "Inappropriate ioctl"]),
    ("KVM_SET_CPUID2=EINVAL", SET_CPUID, ["KVM_SET_CPUID2 with", "vCPU id 0", INVALID]),
    ("KVM_SET_CPUID2=E2BIG", SET_CPUID, ["KVM_SET_CPUID2 with", "at most 256 entries"]),
    ("KVM_TDX_INIT_VCPU=EINVAL", INIT_VCPUS,
     [INIT_VCPU, INVALID, "vCPU 0, x2APIC id 0", "lacks x2APIC"]),
    ("KVM_TDX_INIT_VCPU=EIO", INIT_VCPUS, [INIT_VCPU, IO, "vCPU 0, x2APIC id 0", KERNEL_LOG]),
    ("KVM_TDX_INIT_VCPU=ENOMEM", INIT_VCPUS, [INIT_VCPU, NO_MEMORY]),
    ("KVM_TDX_INIT_VCPU=EBUSY", INIT_VCPUS, [INIT_VCPU, "Device or resource busy"]),
    ("KVM_TDX_INIT_VCPU=EINTR", INIT_VCPUS, [INIT_VCPU, "Interrupted system call"]),
    ("KVM_TDX_INIT_VCPU=ENOTTY", INIT_VCPUS, [INIT_VCPU, "Inappropriate ioctl"]),
    ("KVM_CREATE_GUEST_MEMFD=EINVAL", SLOTS,
     ["Error creating KVM guest_memfd of 0x1000000 bytes", "'ram-below-4g'", INVALID]),
    ("KVM_CREATE_GUEST_MEMFD=ENOMEM", SLOTS, ["Error creating KVM guest_memfd", NO_MEMORY]),
    ("KVM_CREATE_GUEST_MEMFD:2=EMFILE", SLOTS,
     ["Error creating KVM guest_memfd", "'firmware'", TOO_MANY]),
    ("KVM_SET_USER_MEMORY_REGION2=EINVAL", SLOTS,
     ["KVM_SET_USER_MEMORY_REGION2", "'ram-below-4g' at 0x0", INVALID]),
    ("KVM_SET_USER_MEMORY_REGION2:2=EEXIST", SLOTS,
     ["KVM_SET_USER_MEMORY_REGION2", "'firmware' at 0xffff0000", "File exists"]),
    ("KVM_SET_MEMORY_ATTRIBUTES:1=EINVAL", ATTRIBUTES,
     ["KVM_SET_MEMORY_ATTRIBUTES private for ram-below-4g", INVALID]),
    ("KVM_SET_MEMORY_ATTRIBUTES:2=ENOMEM", ATTRIBUTES,
     ["KVM_SET_MEMORY_ATTRIBUTES private for firmware", NO_MEMORY]),
    ("KVM_TDX_INIT_MEM_REGION:1=EINVAL", ADD, [ADD_REGION, INVALID, page(1), "private attribute"]),
    ("KVM_TDX_INIT_MEM_REGION:2=EFAULT", ADD,
     [ADD_REGION, "Bad address", "Firmware section 1 (TD_HOB"]),
    ("KVM_TDX_INIT_MEM_REGION=EBUSY", ADD, [ADD_REGION, page(1), "made no progress"]),
    ("TDH_MEM_PAGE_ADD:1=ENOMEM", ADD, [ADD_REGION, NO_MEMORY, page(1), "not enough free memory"]),
    ("TDH_MEM_PAGE_ADD:5=EIO", ADD, [ADD_REGION, IO, page(5), KERNEL_LOG]),
    ("TDH_MEM_PAGE_ADD:9=EEXIST", ADD,
     [ADD_REGION, "File exists", page(9), "two sections of the firmware overlap"]),
    (f"TDH_MEM_PAGE_ADD:{tiny.PAGES}=EOPNOTSUPP", ADD,
     [ADD_REGION, "Operation not supported", "Firmware section 2 (TempMem", "with 1 pages left"]),
    ("KVM_TDX_FINALIZE_VM=EINVAL", FINALIZE, [FINALIZE_VM, INVALID]),
    ("KVM_TDX_FINALIZE_VM=EIO", FINALIZE, [FINALIZE_VM, IO, KERNEL_LOG]),
    ("KVM_TDX_FINALIZE_VM=ENOMEM", FINALIZE, [FINALIZE_VM, NO_MEMORY]),
    ("KVM_TDX_FINALIZE_VM=EBUSY", FINALIZE, [FINALIZE_VM, "Device or resource busy"]),
    ("KVM_RUN=EIO", RUN, ["kvm run failed", IO, "vCPU 0", "given this VM up"]),
    ("KVM_RUN=EINVAL", RUN, ["kvm run failed", INVALID, "vCPU 0"]),
    ("KVM_RUN=EHWPOISON", RUN, ["kvm run failed", "hardware error", "vCPU 0"]),
]

# Answers of the TDX module: call, status, step, what the message says besides the number.
STATUS = [
    ("KVM_TDX_INIT_VM", 0xC000010000000040, INIT, ["OPERAND_INVALID", "ATTRIBUTES", "attributes="]),
    ("KVM_TDX_INIT_VM", 0xC000010000000041, INIT,
     ["OPERAND_INVALID", "XFAM", "AVX-512, CET and AMX"]),
    ("TDH_MNG_INIT", 0xC000010000000042, INIT,
     ["OPERAND_INVALID", "EXEC_CONTROLS", "newer TDX module"]),
    ("TDH_MNG_INIT", 0xC000010000000043, INIT,
     ["OPERAND_INVALID", "EPTP_CONTROLS", "phys-bits=48"]),
    ("TDH_MNG_INIT", 0xC000010000000044, INIT, ["OPERAND_INVALID", "MAX_VCPUS", "-smp"]),
    ("TDH_MNG_INIT", 0xC000010000000045, INIT,
     ["OPERAND_INVALID", "CPUID_CONFIG", "-cpu one by one"]),
    ("TDH_MNG_INIT", 0xC000010000000046, INIT, ["OPERAND_INVALID", "TSC_FREQUENCY", "25 MHz"]),
    ("TDH_MNG_INIT", 0xC000010000000047, INIT, ["OPERAND_INVALID", "NUM_L2_VMS"]),
    ("TDH_MNG_INIT", 0xC000010000000048, INIT,
     ["OPERAND_INVALID", "IA32_ARCH_CAPABILITIES_CONFIG"]),
    ("TDH_MNG_INIT", 0x8000020300000000, INIT,
     ["RND_NO_ENTROPY", "random number generator", "RDSEED"]),
    ("TDH_MNG_INIT", 0xC000050500000000, INIT, ["SYS_NOT_READY", "not initialised", "virt/tdx"]),
    ("TDH_MNG_INIT", 0xC000060600000000, INIT, ["TDCS_NOT_ALLOCATED", "host kernel"]),
    ("TDH_MNG_INIT", 0xFFFFFF0000000000, INIT, ["SEAMCALL failed", "not loaded"]),
    ("TDH_MNG_INIT", 0xC0000E7700000000, INIT, ["error status", "class 14: migration"]),
    ("TDH_MR_FINALIZE", 0xC000060900000000, FINALIZE, ["NO_VCPUS", "no initialised vCPU"]),
    ("TDH_MR_FINALIZE", 0xC000060800000000, FINALIZE, ["OP_STATE_INCORRECT"]),
    ("TDH_MR_FINALIZE", 0x8000020000000092, FINALIZE,
     ["OPERAND_BUSY", "SEPT_TREE", "Device or resource busy"]),
]

# Once, or a few times: the launch goes on, and nothing is said.
RETRIED = [
    "KVM_TDX_CAPABILITIES:1=E2BIG", "KVM_GET_SUPPORTED_CPUID:1=E2BIG", "KVM_TDX_INIT_VM:1=EAGAIN",
    "KVM_TDX_INIT_VM:1=EINTR",
    "TDH_MNG_INIT:1=0x8000020300000000", "KVM_TDX_GET_CPUID:1=EINTR", "KVM_TDX_GET_CPUID:1=EBUSY",
    "KVM_TDX_INIT_VCPU:1=EINTR",
    "KVM_TDX_INIT_VCPU:1=EBUSY", "KVM_TDX_INIT_MEM_REGION:1=EINTR",
    "KVM_TDX_INIT_MEM_REGION:2=EAGAIN",
    "KVM_TDX_INIT_MEM_REGION:3=EBUSY", "TDH_MEM_PAGE_ADD:1=EINTR", "TDH_MEM_PAGE_ADD:7=EAGAIN",
    "TDH_MEM_PAGE_ADD:18=EBUSY",
    "TDH_MEM_PAGE_ADD:3=EINTR,TDH_MEM_PAGE_ADD:4=EBUSY,TDH_MEM_PAGE_ADD:5=EAGAIN",
    "KVM_TDX_FINALIZE_VM:1=EBUSY",
    "KVM_TDX_FINALIZE_VM:1=EINTR", "TDH_MR_FINALIZE:1=0x8000020000000092", "KVM_RUN:1=EINTR",
    "KVM_RUN:1=EAGAIN",
]

BAD_SPECS = ["", "EIO", "=EIO", "open=", "open=EWHAT", "open=0", "open:0=EIO", "open:x=EIO",
             "NOSUCH=EIO", "KVM_TDX=EIO", "ioctl=EIO",
             "x" * 100 + "=EIO", "open=EIO,,NOSUCH=EIO", ",".join(["open=EIO"] * 100)]


def launch(firmware, fault):
    start = time.monotonic()
    status, out, err = vmm.run([vmm.program("swtdx"), "run", "--fault", fault,
                                "--", *tiny.td(firmware)])
    assert out == "", out
    assert time.monotonic() - start < 30, "slow"
    return status, err


def fatal(firmware, fault, step, more):
    def check():
        status, err = launch(firmware, fault)
        assert status == 1, f"status {status}: {err!r}"
        messages = [line for line in err.splitlines() if line.startswith("qemu-system-x86_64: ")]
        assert len(messages) == 1, err
        at_step = f"The launch of the TD stopped at the step: {step}\n" in err
        assert at_step == (step not in (PREPARE, RUN)), f"step {step!r}: {err!r}"
        for text in more:
            assert text in err, f"{text!r} is not in {err!r}"
    return check


def answer(firmware, call, status, step, more):
    name = INIT_VM if step == INIT else FINALIZE_VM
    return fatal(firmware, f"{call}=0x{status:X}", step,
                 [name, f"hw_errors: 0x{status:x}", f"0x{status:016x}", *more])


def retried(firmware, fault):
    def check():
        status, err = launch(firmware, fault)
        assert status == 0 and "triple fault" in err, f"status {status}: {err!r}"
        told = [line for line in err.splitlines() if line.startswith("qemu-system-x86_64: ")]
        assert len(told) == 1 and tiny.ENDED in told[0], err
    return check


def bad_spec(spec):
    def check():
        status, out, err = vmm.run([vmm.program("swtdx"), "run", "--fault=" + spec, "--", "true"])
        if spec == "":
            assert status == 0, err  # no fault at all
        else:
            assert status == 126 and out == "", f"status {status}: {err!r}"
            assert err.startswith("swtdx: "), f"status {status}: {err!r}"
    return check


def main():
    with tiny.Firmware() as firmware:
        vmm.tap([("/faults/fatal/" + row[0], fatal(firmware, *row)) for row in FATAL] +
                [(f"/faults/status/{row[0]}=0x{row[1]:x}",
                  answer(firmware, *row)) for row in STATUS] +
                [("/faults/retried/" + fault, retried(firmware, fault)) for fault in RETRIED] +
                [(f"/faults/bad-spec/{n}", bad_spec(spec)) for n, spec in enumerate(BAD_SPECS)])


main()
