/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM_CHECK_EXTENSION (kvm-tdx ABI 2.2) and KVM_ENABLE_CAP on a VM (2.3). */
#include "host.h"

/* KVM_X86_QUIRK_IGNORE_GUEST_PAT: off and not to be named on a TD */
#define QUIRK_IGNORE_GUEST_PAT 0x200

/*
 * Capabilities whose answer is the same on every descriptor. Documentation/virt/kvm/api.rst; values
 * of an x86 host.
 */
typedef struct CapValue {
    uint32_t cap;
    int value;
} CapValue;

static const CapValue plain_caps[] = {
    { KVM_CAP_IRQCHIP, 1 }, { KVM_CAP_HLT, 1 }, { KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
    { KVM_CAP_USER_MEMORY, 1 }, { KVM_CAP_SET_TSS_ADDR, 1 }, { KVM_CAP_VAPIC, 1 },
    { KVM_CAP_EXT_CPUID, 1 }, { KVM_CAP_CLOCKSOURCE, 1 }, { KVM_CAP_PIT, 1 },
    { KVM_CAP_NR_MEMSLOTS, (int)ABI_USER_MEM_SLOTS },
    { KVM_CAP_NOP_IO_DELAY, 1 }, { KVM_CAP_MP_STATE, 1 }, { KVM_CAP_SYNC_MMU, 1 },
    { KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
    { KVM_CAP_USER_NMI, 1 }, { KVM_CAP_SET_GUEST_DEBUG, 1 }, { KVM_CAP_REINJECT_CONTROL, 1 },
    { KVM_CAP_IRQ_ROUTING, (int)ABI_MAX_IRQ_ROUTES },
    { KVM_CAP_IRQ_INJECT_STATUS, 1 }, { KVM_CAP_ASSIGN_DEV_IRQ, 1 },
    { KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 }, { KVM_CAP_MCE, 32 },
    { KVM_CAP_IRQFD, 1 }, { KVM_CAP_PIT2, 1 }, { KVM_CAP_SET_BOOT_CPU_ID, 1 },
    { KVM_CAP_PIT_STATE2, 1 },
    { KVM_CAP_IOEVENTFD, 1 }, { KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 }, { KVM_CAP_ADJUST_CLOCK, 0xe },
    { KVM_CAP_INTERNAL_ERROR_DATA, 1 }, { KVM_CAP_VCPU_EVENTS, 1 }, { KVM_CAP_DEBUGREGS, 1 },
    { KVM_CAP_X86_ROBUST_SINGLESTEP, 1 }, { KVM_CAP_XSAVE, 1 }, { KVM_CAP_XCRS, 1 },
    { KVM_CAP_PCI_SEGMENT, 1 }, { KVM_CAP_ASYNC_PF, 1 }, { KVM_CAP_ASYNC_PF_INT, 1 },
    { KVM_CAP_LAST_CPU, 1 },
    { KVM_CAP_TSC_CONTROL, 1 }, { KVM_CAP_GET_TSC_KHZ, 1 }, { KVM_CAP_SIGNAL_MSI, 1 },
    { KVM_CAP_KVMCLOCK_CTRL, 1 },
    { KVM_CAP_IRQFD_RESAMPLE, 1 }, { KVM_CAP_TSC_DEADLINE_TIMER, 1 }, { KVM_CAP_COALESCED_MMIO, 2 },
    { KVM_CAP_COALESCED_PIO, 1 },
    { KVM_CAP_DEVICE_CTRL, 1 }, { KVM_CAP_EXT_EMUL_CPUID, 1 }, { KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
    { KVM_CAP_ENABLE_CAP_VM, 1 },
    { KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 }, { KVM_CAP_CHECK_EXTENSION_VM, 1 },
    { KVM_CAP_SPLIT_IRQCHIP, 1 },
    { KVM_CAP_MAX_VCPU_ID, (int)ABI_MAX_VCPU_IDS }, { KVM_CAP_GET_MSR_FEATURES, 1 },
    { KVM_CAP_MSR_PLATFORM_INFO, 1 }, { KVM_CAP_EXCEPTION_PAYLOAD, 1 },
    { KVM_CAP_IMMEDIATE_EXIT, 1 }, { KVM_CAP_HALT_POLL, 1 },
    { KVM_CAP_X86_USER_SPACE_MSR, 7 }, { KVM_CAP_X86_MSR_FILTER, 1 },
    { KVM_CAP_SET_GUEST_DEBUG2, 0x1b }, { KVM_CAP_X86_BUS_LOCK_EXIT, 3 },
    { KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, 1 }, { KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, 1 },
    { KVM_CAP_SREGS2, 1 },
    { KVM_CAP_EXIT_HYPERCALL, 0x1000 }, { KVM_CAP_VCPU_ATTRIBUTES, 1 },
    { KVM_CAP_SYS_ATTRIBUTES, 1 },
    { KVM_CAP_PMU_CAPABILITY, 1 }, { KVM_CAP_SYSTEM_EVENT_DATA, 1 },
    { KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
    { ABI_CAP_VM_TSC_CONTROL, 1 }, { ABI_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
    { ABI_CAP_X86_NOTIFY_VMEXIT, 1 }, { ABI_CAP_USER_MEMORY2, 1 },
    { ABI_CAP_MEMORY_FAULT_INFO, 1 }, { ABI_CAP_PRE_FAULT_MEMORY, 1 },
    { KVM_CAP_DISABLE_QUIRKS, 1 },
    { ABI_CAP_X86_GUEST_MODE, 1 },
};

/* What differs by descriptor, VM type or kernel; -1: not one of these. */
static int special_cap(KvmHost *host, const Vm *vm, uint32_t cap)
{
    const Profile *p = host->profile;
    bool td = vm && vm->type == ABI_VM_TDX, plain = vm && !td;
    switch (cap) {
    case KVM_CAP_NR_VCPUS:
        return (int)(p->logical_cpus < ABI_NR_VCPUS_BUILD ? p->logical_cpus : ABI_NR_VCPUS_BUILD);
    case KVM_CAP_MAX_VCPUS:
        return vm ? (int)vm->max_vcpus : (int)ABI_NR_VCPUS_BUILD;
    case KVM_CAP_X86_SMM:
        return !td;
    case KVM_CAP_READONLY_MEM:
        return !td;
    case KVM_CAP_SYNC_REGS:
        return td ? 0 : 7;
    case KVM_CAP_MULTI_ADDRESS_SPACE:
        return td ? 1 : 2;
    case KVM_CAP_X2APIC_API:
        if (!host_kernel_at_least(host, 6, 19)) {
            return 3;
        }
        return td && !vm->split_irqchip ? 0xb : 0xf;
    case KVM_CAP_XSAVE2:
        /* struct kvm_xsave, or the area with tiles (SDM vol. 1, 13.4) */
        return atomic_load(&host->tiles_permitted) ? 11008 : 4096;
    case KVM_CAP_X86_DISABLE_EXITS:
        /* KVM_X86_DISABLE_EXITS_APERFMPERF */
        return host_kernel_at_least(host, 6, 17) ? 0x1f : 0xf;
    case KVM_CAP_DISABLE_QUIRKS2:
        return 0x3ff & ~(td ? QUIRK_IGNORE_GUEST_PAT : 0);
    case ABI_CAP_VM_TYPES:
        return p->tdx_enabled ? 0x21 : 0x1;
    case ABI_CAP_MEMORY_ATTRIBUTES:
        return plain ? 0 : (p->tdx_enabled ? ABI_ATTRIBUTE_PRIVATE : 0);
    case ABI_CAP_GUEST_MEMFD:
        return plain && !host_kernel_at_least(host, 6, 18) ? 0 : 1;
    case ABI_CAP_GUEST_MEMFD_FLAGS:
        return !host_kernel_at_least(host, 6, 18) ? 0 : (td ? 1 : 3);
    case ABI_CAP_X86_APIC_BUS_CYCLES_NS:
        return vm ? (int)vm->bus_ns : 1;
    case KVM_CAP_ONE_REG:
        return host_kernel_at_least(host, 6, 18);
    default:
        return -1;
    }
}

int caps_check(KvmHost *host, const Vm *vm, unsigned long cap)
{
    int r = cap <= UINT32_MAX ? special_cap(host, vm, (uint32_t)cap) : 0;
    if (r >= 0) {
        return r;
    }
    for (size_t i = 0; i < sizeof(plain_caps) / sizeof(*plain_caps); i++) {
        if (plain_caps[i].cap == cap) {
            return plain_caps[i].value;
        }
    }
    return 0;
}

static int enable_split_irqchip(Vm *vm, uint64_t pins)
{
    if (pins > 4096) { /* MAX_NR_RESERVED_IOAPIC_PINS */
        return -EINVAL;
    }
    if (vm->split_irqchip || vm->full_irqchip || atomic_load(&vm->num_vcpus)) {
        return -EEXIST;
    }
    vm->split_irqchip = true;
    vm->ioapic_pins = (uint32_t)pins;
    return 0;
}

static int enable_bus_cycles(Vm *vm, uint64_t ns)
{
    uint64_t product;
    if (!ns || ns > UINT32_MAX ||
        __builtin_mul_overflow(ns, UINT64_C(128) * UINT32_MAX, &product)) {
        return -EINVAL;
    }
    if (!vm->split_irqchip && !vm->full_irqchip) {
        return -ENXIO;
    }
    if (atomic_load(&vm->num_vcpus)) {
        return -EINVAL;
    }
    vm->bus_ns = (uint32_t)ns;
    return 0;
}

static int enable_x2apic(Vm *vm, uint64_t flags)
{
    uint64_t valid = host_kernel_at_least(vm->host, 6, 19) ? 0xf : 3;
    if ((flags & ~valid) || (flags & 0xc) == 0xc || ((flags & 4) && !vm->split_irqchip)) {
        return -EINVAL;
    }
    vm->x2apic_32bit |= flags & KVM_X2APIC_API_USE_32BIT_IDS;
    return 0;
}

static int enable_max_vcpu_id(Vm *vm, uint64_t id)
{
    if (id > ABI_MAX_VCPU_IDS || id < vm->boot_cpu_id ||
        (vm->max_vcpu_id && vm->max_vcpu_id != id)) {
        return -EINVAL;
    }
    vm->max_vcpu_id = (uint32_t)id;
    return 0;
}

static int enable_locked(Vm *vm, const struct kvm_enable_cap *cap)
{
    KvmHost *host = vm->host;
    bool td = vm->type == ABI_VM_TDX, vcpus = atomic_load(&vm->num_vcpus);
    uint64_t arg = cap->args[0];
    switch (cap->cap) {
    case KVM_CAP_SPLIT_IRQCHIP:
        return enable_split_irqchip(vm, arg);
    case KVM_CAP_X2APIC_API:
        return enable_x2apic(vm, arg);
    case KVM_CAP_EXIT_HYPERCALL:
        if (arg & ~UINT64_C(0x1000)) {
            return -EINVAL;
        }
        vm->hypercall_exits = arg;
        return 0;
    case ABI_CAP_X86_APIC_BUS_CYCLES_NS:
        return enable_bus_cycles(vm, arg);
    case KVM_CAP_MAX_VCPU_ID:
        return enable_max_vcpu_id(vm, arg);
    case KVM_CAP_X86_DISABLE_EXITS:
        return vcpus || (arg & ~(uint64_t)caps_check(host, vm, cap->cap)) ? -EINVAL : 0;
    case ABI_CAP_X86_NOTIFY_VMEXIT:
        return vcpus || ((uint32_t)arg & ~3u) || !(arg & 1) ? -EINVAL : 0;
    case KVM_CAP_X86_BUS_LOCK_EXIT:
        /* neither bit: the detection is left as it is */
        return (arg & ~UINT64_C(3)) || arg == 3 ? -EINVAL : 0;
    case KVM_CAP_PMU_CAPABILITY:
        if (vcpus || (arg & ~UINT64_C(1)) || (td && host_kernel_at_least(host, 7, 2) && arg != 1)) {
            return -EINVAL;
        }
        return 0;
    case KVM_CAP_X86_USER_SPACE_MSR:
        if (arg & ~UINT64_C(7)) {
            return -EINVAL;
        }
        vm->user_msrs = arg;
        return 0;
    case KVM_CAP_DISABLE_QUIRKS2:
        return arg & ~(uint64_t)caps_check(host, vm, cap->cap) ? -EINVAL : 0;
    case KVM_CAP_EXCEPTION_PAYLOAD:
        vm->exception_payload = arg;
        return 0;
    case ABI_CAP_X86_TRIPLE_FAULT_EVENT:
        vm->triple_fault_events = arg;
        return 0;
    case KVM_CAP_DISABLE_QUIRKS:
    case KVM_CAP_HALT_POLL:
    case KVM_CAP_MSR_PLATFORM_INFO:
        return 0;
    case KVM_CAP_VM_DISABLE_NX_HUGE_PAGES:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

int caps_enable(Vm *vm, uintptr_t arg)
{
    struct kvm_enable_cap cap;
    if (user_read(&cap, arg, sizeof(cap)) < 0) {
        return -EFAULT;
    }
    if (cap.flags) {
        return -EINVAL;
    }
    pthread_mutex_lock(&vm->lock);
    int r = enable_locked(vm, &cap);
    pthread_mutex_unlock(&vm->lock);
    TRACE(vm->host, "enable-cap", T_U("cap", cap.cap), T_X("arg", cap.args[0]), T_D("result", r));
    return r;
}
