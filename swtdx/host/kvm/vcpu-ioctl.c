/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every ioctl on a vCPU's descriptor but KVM_RUN (kvm-tdx ABI, table 4.1). */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "mce.h"
#include "raw.h"

/* ---- CPUID ---- */

static int take_cpuid(Vcpu *vcpu, AbiCpuidEntry *entries, uint32_t n)
{
    const AbiCpuidEntry *widths = cpuid_find(entries, n, 0x80000008, 0);
    uint32_t linear = widths ? (widths->eax >> 8) & 0xff : 0;
    size_t size = n * sizeof(*entries);
    bool same = vcpu->num_cpuid == n && (!size || !memcmp(vcpu->cpuid, entries, size));
    int r = (linear != 0 && linear != 48 && linear != 57) || (vcpu->ran && !same)
                ? -EINVAL
                : guest_state_check(vcpu->vm->host, entries, n);
    if (r) {
        free(entries);
        return r;
    }
    free(vcpu->cpuid);
    vcpu->cpuid = entries;
    vcpu->num_cpuid = n;
    return 0;
}

static int set_cpuid2(Vcpu *vcpu, uintptr_t arg)
{
    AbiCpuidHeader header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent > ABI_MAX_CPUID_ENTRIES) {
        return -E2BIG;
    }
    AbiCpuidEntry *entries = calloc(header.nent + 1, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    if (user_read(entries, arg + sizeof(header), header.nent * sizeof(*entries)) < 0) {
        free(entries);
        return -EFAULT;
    }
    return take_cpuid(vcpu, entries, header.nent);
}

/* KVM_SET_CPUID: the table of old, without sub-leaves. */
static int set_cpuid(Vcpu *vcpu, uintptr_t arg)
{
    AbiCpuidHeader header;
    struct kvm_cpuid_entry old[ABI_MAX_CPUID_ENTRIES];
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent > ABI_MAX_CPUID_ENTRIES) {
        return -E2BIG;
    }
    if (user_read(old, arg + sizeof(header), header.nent * sizeof(*old)) < 0) {
        return -EFAULT;
    }
    AbiCpuidEntry *entries = calloc(header.nent + 1, sizeof(*entries));
    if (!entries) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < header.nent; i++) {
        entries[i] = (AbiCpuidEntry){ .function = old[i].function, .eax = old[i].eax,
                                      .ebx = old[i].ebx, .ecx = old[i].ecx, .edx = old[i].edx };
    }
    return take_cpuid(vcpu, entries, header.nent);
}

static int get_cpuid(Vcpu *vcpu, uintptr_t arg)
{
    AbiCpuidHeader header;
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.nent < vcpu->num_cpuid) {
        return -E2BIG;
    }
    header.nent = vcpu->num_cpuid;
    if (user_write(arg + sizeof(header), vcpu->cpuid, vcpu->num_cpuid * sizeof(*vcpu->cpuid)) < 0) {
        return -EFAULT;
    }
    return user_write(arg, &header, sizeof(header));
}

/* ---- small ones ---- */

static int set_mp_state(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_mp_state state;
    if (user_read(&state, arg, sizeof(state)) < 0) {
        return -EFAULT;
    }
    switch (state.mp_state) {
    case KVM_MP_STATE_INIT_RECEIVED:
    case KVM_MP_STATE_SIPI_RECEIVED:
        if (!host_kernel_at_least(vcpu->vm->host, 6, 17)) {
            return -EINVAL;
        }
        break;
    case KVM_MP_STATE_RUNNABLE:
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_HALTED:
    case KVM_MP_STATE_AP_RESET_HOLD:
        break;
    default:
        return -EINVAL;
    }
    atomic_store(&vcpu->mp_state, state.mp_state);
    return 0;
}

static int get_mp_state(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_mp_state state = { atomic_load(&vcpu->mp_state) };
    return user_write(arg, &state, sizeof(state));
}

static int get_events(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_vcpu_events e = { 0 };
    e.nmi.pending = atomic_load(&vcpu->lapic.nmi_pending) != 0;
    e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    if (vcpu->vm->triple_fault_events) {
        e.triple_fault.pending = vcpu->shutdown;
        e.flags |= ABI_VCPUEVENT_VALID_TRIPLE_FAULT;
    }
    return user_write(arg, &e, sizeof(e));
}

/* Of exceptions, interrupts and SMM a TD's vCPU has none of KVM's making. */
static int set_events(Vcpu *vcpu, uintptr_t arg)
{
    static const uint32_t always = KVM_VCPUEVENT_VALID_NMI_PENDING |
                                   KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SHADOW |
                                   KVM_VCPUEVENT_VALID_SMM;
    const Vm *vm = vcpu->vm;
    struct kvm_vcpu_events e;
    if (user_read(&e, arg, sizeof(e)) < 0) {
        return -EFAULT;
    }
    if (e.flags & ~(always | (vm->exception_payload ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
                    (vm->triple_fault_events ? ABI_VCPUEVENT_VALID_TRIPLE_FAULT : 0))) {
        return -EINVAL;
    }
    if ((e.flags & KVM_VCPUEVENT_VALID_NMI_PENDING) && e.nmi.pending) {
        lapic_post_nmi(&vcpu->lapic);
    }
    if (e.flags & ABI_VCPUEVENT_VALID_TRIPLE_FAULT) {
        vcpu->shutdown = e.triple_fault.pending;
    }
    return 0;
}

static int set_signal_mask(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_signal_mask header;
    if (!arg) {
        vcpu->mask_set = false;
        return 0;
    }
    if (user_read(&header, arg, sizeof(header)) < 0) {
        return -EFAULT;
    }
    if (header.len != sizeof(vcpu->mask)) {
        return -EINVAL;
    }
    if (user_read(&vcpu->mask, arg + sizeof(header), sizeof(vcpu->mask)) < 0) {
        return -EFAULT;
    }
    vcpu->mask &= ~((UINT64_C(1) << (RAW_SIGKILL - 1)) | (UINT64_C(1) << (RAW_SIGSTOP - 1)));
    vcpu->mask_set = true;
    return 0;
}

static int interrupt(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_interrupt irq;
    if (user_read(&irq, arg, sizeof(irq)) < 0) {
        return -EFAULT;
    }
    if (irq.irq >= 256) {
        return -EINVAL;
    }
    if (vcpu->external_pending) {
        return -EEXIST;
    }
    /* queued for ever: a TD takes interrupts from its APIC page only */
    vcpu->external_pending = true;
    return 0;
}

static int set_mce(Vcpu *vcpu, uintptr_t arg)
{
    bool shutdown;
    int r = mce_set(&vcpu->msrs->mce, arg, &shutdown);
    vcpu->shutdown |= shutdown;
    return r;
}

/* Nobody but the guest can walk its page tables: nothing is mapped. */
static int translate(uintptr_t arg)
{
    struct kvm_translation t;
    if (user_read(&t, arg, sizeof(t)) < 0) {
        return -EFAULT;
    }
    t = (struct kvm_translation){ .linear_address = t.linear_address,
                                  .physical_address = UINT64_MAX, .writeable = 1 };
    return user_write(arg, &t, sizeof(t));
}

/* KVM_GET_ONE_REG and KVM_SET_ONE_REG since Linux 6.18: MSRs, as 64-bit registers of x86. */
static int one_reg(Vcpu *vcpu, bool set, uintptr_t arg)
{
    struct kvm_one_reg reg;
    uint64_t value;
    if (!host_kernel_at_least(vcpu->vm->host, 6, 18)) {
        return -EINVAL;
    }
    if (user_read(&reg, arg, sizeof(reg)) < 0) {
        return -EFAULT;
    }
    if (reg.id >> 32 != ABI_REG_MSR >> 32) {
        return -EINVAL;
    }
    if (set) {
        return user_read(&value, reg.addr, sizeof(value)) < 0
                   ? -EFAULT
                   : kvm_msr_write(vcpu, (uint32_t)reg.id, value, true);
    }
    int r = kvm_msr_read(vcpu, (uint32_t)reg.id, &value, true);
    return r ? r : user_write(reg.addr, &value, sizeof(value));
}

/*
 * Of use on CPUs without a virtual APIC only; accepted on any vCPU with a local APIC in the kernel,
 * a TD's too.
 */
static int tpr_access_reporting(uintptr_t arg)
{
    struct kvm_tpr_access_ctl ctl;
    if (user_read(&ctl, arg, sizeof(ctl)) < 0) {
        return -EFAULT;
    }
    return ctl.flags ? -EINVAL : user_write(arg, &ctl, sizeof(ctl));
}

/* 0 takes it back; else the word must lie in a memory slot. */
static int set_vapic_addr(Vcpu *vcpu, uintptr_t arg)
{
    struct kvm_vapic_addr vapic;
    if (user_read(&vapic, arg, sizeof(vapic)) < 0) {
        return -EFAULT;
    }
    pthread_mutex_lock(&vcpu->vm->slots_lock);
    int r = !vapic.vapic_addr || memslot_find(vcpu->vm, vapic.vapic_addr) ? 0 : -EINVAL;
    pthread_mutex_unlock(&vcpu->vm->slots_lock);
    return r;
}

/* Group 0 (KVM_VCPU_TSC_CTRL), attribute TSC_OFFSET: accepted and without effect. */
static int device_attr(unsigned long request, uintptr_t arg)
{
    struct kvm_device_attr attr;
    const uint64_t offset = 0;
    if (user_read(&attr, arg, sizeof(attr)) < 0) {
        return -EFAULT;
    }
    if (attr.group != KVM_VCPU_TSC_CTRL || attr.attr != KVM_VCPU_TSC_OFFSET) {
        return -ENXIO;
    }
    return (uint32_t)request == (uint32_t)KVM_GET_DEVICE_ATTR
               ? user_write(attr.addr, &offset, sizeof(offset))
               : 0;
}

static int locked_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg)
{
    switch ((uint32_t)request) {
    case (uint32_t)KVM_SET_CPUID2:
        return set_cpuid2(vcpu, arg);
    case (uint32_t)KVM_SET_CPUID:
        return set_cpuid(vcpu, arg);
    case (uint32_t)KVM_GET_CPUID2:
        return get_cpuid(vcpu, arg);
    case (uint32_t)KVM_GET_MSRS:
        return kvm_msr_vcpu_ioctl(vcpu, false, arg);
    case (uint32_t)KVM_SET_MSRS:
        return kvm_msr_vcpu_ioctl(vcpu, true, arg);
    case (uint32_t)KVM_GET_MP_STATE:
        return get_mp_state(vcpu, arg);
    case (uint32_t)KVM_SET_MP_STATE:
        return set_mp_state(vcpu, arg);
    case (uint32_t)KVM_GET_VCPU_EVENTS:
        return get_events(vcpu, arg);
    case (uint32_t)KVM_SET_VCPU_EVENTS:
        return set_events(vcpu, arg);
    case (uint32_t)KVM_SET_SIGNAL_MASK:
        return set_signal_mask(vcpu, arg);
    case (uint32_t)KVM_NMI:
        lapic_post_nmi(&vcpu->lapic);
        return 0;
    case (uint32_t)KVM_SMI:
        return -ENOTTY;
    case (uint32_t)KVM_INTERRUPT:
        return interrupt(vcpu, arg);
    case (uint32_t)KVM_GET_TSC_KHZ:
        return (int)vcpu->vm->tsc_khz;
    case (uint32_t)KVM_X86_SETUP_MCE:
        return mce_setup(&vcpu->msrs->mce, arg);
    case (uint32_t)KVM_X86_SET_MCE:
        return set_mce(vcpu, arg);
    case (uint32_t)KVM_TRANSLATE:
        return translate(arg);
    case (uint32_t)KVM_GET_ONE_REG:
        return one_reg(vcpu, false, arg);
    case (uint32_t)KVM_SET_ONE_REG:
        return one_reg(vcpu, true, arg);
    case (uint32_t)KVM_TPR_ACCESS_REPORTING:
        return tpr_access_reporting(arg);
    case (uint32_t)KVM_SET_VAPIC_ADDR:
        return set_vapic_addr(vcpu, arg);
    case (uint32_t)KVM_SET_DEVICE_ATTR:
    case (uint32_t)KVM_GET_DEVICE_ATTR:
    case (uint32_t)KVM_HAS_DEVICE_ATTR:
        return device_attr(request, arg);
    case ABI_MEMORY_ENCRYPT_OP:
        return tdx_vcpu_op(vcpu, arg);
    case ABI_PRE_FAULT_MEMORY:
        return tdx_pre_fault(vcpu, arg);
    case (uint32_t)KVM_GET_REGS:
    case (uint32_t)KVM_SET_REGS:
    case (uint32_t)KVM_GET_SREGS:
    case (uint32_t)KVM_SET_SREGS:
    case (uint32_t)KVM_GET_SREGS2:
    case (uint32_t)KVM_SET_SREGS2:
    case (uint32_t)KVM_GET_FPU:
    case (uint32_t)KVM_SET_FPU:
    case (uint32_t)KVM_GET_XSAVE:
    case (uint32_t)KVM_SET_XSAVE:
    case (uint32_t)KVM_GET_XSAVE2:
    case (uint32_t)KVM_GET_XCRS:
    case (uint32_t)KVM_SET_XCRS: case (uint32_t)KVM_GET_DEBUGREGS: case (uint32_t)KVM_SET_DEBUGREGS:
    case (uint32_t)KVM_SET_GUEST_DEBUG: case (uint32_t)KVM_GET_LAPIC: case (uint32_t)KVM_SET_LAPIC:
    case (uint32_t)KVM_SET_TSC_KHZ: case (uint32_t)KVM_KVMCLOCK_CTRL:
        return -EINVAL; /* protected guest state: table 4.1 */
    default:
        TRACE(vcpu->vm->host, "unknown-ioctl", T_S("name", "vCPU"), T_X("request", request));
        return -EINVAL; /* kvm_arch_vcpu_ioctl() of x86 */
    }
}

int vcpu_ioctl(Vcpu *vcpu, unsigned long request, uintptr_t arg)
{
    if ((uint32_t)request == ABI_MEMORY_ENCRYPT_OP && host_kernel_at_least(vcpu->vm->host, 6, 19)) {
        return tdx_vcpu_op(vcpu, arg); /* takes every vCPU's mutex itself */
    }
    pthread_mutex_lock(&vcpu->mutex);
    int r;
    if ((uint32_t)request == (uint32_t)KVM_RUN) {
        r = arg ? -EINVAL : vcpu_run(vcpu);
    } else {
        r = locked_ioctl(vcpu, request, arg);
    }
    pthread_mutex_unlock(&vcpu->mutex);
    return r;
}
