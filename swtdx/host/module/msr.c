/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of the MSRs that a TD reads and writes; which accesses get here says msr-table.c (4.5 of
 * the module reference).
 */
#include <stdio.h>

#include "../cpu/core.h"
#include "../cpu/features.h"
#include "module.h"

enum {
    MSR_SMI_COUNT = 0x34, MSR_FEATURE_CONTROL = 0x3a, MSR_PPIN_CTL = 0x4e,
    MSR_BIOS_UPDT_TRIG = 0x79, MSR_BIOS_SIGN_ID = 0x8b, MSR_PLATFORM_INFO = 0xce,
    MSR_MISC_FEATURES_ENABLES = 0x140, MSR_MISC_PACKAGE_CTLS = 0xbc,
    MSR_XAPIC_DISABLE_STATUS = 0xbd, MSR_UMWAIT_CONTROL = 0xe1, MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_TSX_CTRL = 0x122, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9, MSR_DS_AREA = 0x600,
    MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_PPR = 0x80a, MSR_X2APIC_ISR0 = 0x810,
    MSR_X2APIC_IRR7 = 0x827, MSR_X2APIC_SELF_IPI = 0x83f, MSR_X2APIC_LAST = 0x8ff,
    MSR_DEBUG_INTERFACE = 0xc80, MSR_XSS = 0xda0, MSR_UARCH_MISC_CTL = 0x1b01,
};
#define MSR_EFER 0xc0000080u

bool module_msr_native(Cpu *cpu, uint32_t index, bool write)
{
    switch (msr_action(vcpu_of(cpu), index, write)) {
    case MSR_NATIVE:
        return true;
    case MSR_EMULATED:
        return false;
    case MSR_VE:
        ve_instruction(cpu, write ? VMX_EXIT_WRMSR : VMX_EXIT_RDMSR);
    case MSR_GP:
        break;
    }
    cpu_raise(cpu, VEC_GP, 0);
}

/* IA32_ARCH_CAPABILITIES: 1.3 of the module reference; no bit is configured through TD_PARAMS. */
static uint64_t msr_arch_capabilities(const Td *td)
{
    uint64_t v = td->profile->arch_capabilities;
    v &= ~(UINT64_C(0xfffffffffe000000) | 3u << 9 | 7u << 16 | 3u << 22);
    v &= ~(UINT64_C(1) << 4 | UINT64_C(1) << 20 | UINT64_C(1) << 24);
    if (!module_cpuid_feature(td, FEATURE(7, 0, 1, 11))) {
        v &= ~(UINT64_C(1) << 7);
    }
    return v | UINT64_C(1) << 21;
}

static _Noreturn void unsupported_msr(Cpu *cpu, uint32_t index, bool write)
{
    char what[48];
    snprintf(what, sizeof(what), "%s 0x%x", write ? "WRMSR" : "RDMSR", index);
    cpu_unsupported(cpu, what);
}

static uint64_t x2apic_read(Cpu *cpu, uint32_t index)
{
    uint64_t value = 0;
    /*
     * The virtual-APIC page is read as memory: write-only and reserved registers give 0 and do not
     * fault.
     */
    return lapic_read(vcpu_of(cpu)->lapic, index, &value) ? value : 0;
}

/* Native, and not among what the core keeps itself (cpu/msr.c). */
static uint64_t read_native(Cpu *cpu, uint32_t index)
{
    TdVcpu *vcpu = vcpu_of(cpu);
    switch (index) {
    case MSR_MISC_PACKAGE_CTLS:
    case MSR_DEBUG_INTERFACE:
        return 0;
    case MSR_UMWAIT_CONTROL:
        return vcpu->umwait_control;
    case MSR_TSX_CTRL:
        return vcpu->tsx_ctrl;
    case MSR_DS_AREA:
        return vcpu->ds_area;
    case MSR_UARCH_MISC_CTL:
        return vcpu->uarch_misc_ctl;
    case MSR_EFER:
        return cpu->efer;
    default:
        break;
    }
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST) {
        return x2apic_read(cpu, index);
    }
    unsupported_msr(cpu, index, false);
}

uint64_t module_rdmsr(Cpu *cpu, uint32_t index)
{
    TdVcpu *vcpu = vcpu_of(cpu);
    if (module_msr_native(cpu, index, false)) {
        return read_native(cpu, index);
    }
    switch (index) {
    case MSR_XAPIC_DISABLE_STATUS:
        return 1;
    case MSR_ARCH_CAPABILITIES:
        return msr_arch_capabilities(vcpu->td);
    case MSR_MISC_ENABLE:
        return vcpu->misc_enable;
    case MSR_SMI_COUNT:
        return vcpu->msr_34;
    case MSR_FEATURE_CONTROL:
    case MSR_PPIN_CTL:
        return 1; /* locked, nothing enabled */
    case MSR_BIOS_SIGN_ID:
        return UINT32_MAX; /* a microcode newer than any */
    case MSR_DEBUGCTL:
        return vcpu->cpu->debugctl;
    case MSR_PERF_CAPABILITIES:
        return 0;
    case MSR_X2APIC_APICID:
        return vcpu->x2apic_id;
    default:
        /*
         * PLATFORM_INFO, MISC_FEATURES_ENABLES; VMX capability MSRs of a processor that shows no
         * VMX (values assumed)
         */
        return 0;
    }
}

/*
 * IA32_DEBUGCTL: bits 5:3 and 63:16 are reserved; 14 and 15 belong to features of the TD.
 * BUS_LOCK_DETECT (2) may be set, as any TD shows that feature, and nothing here takes a bus lock.
 */
static void write_debugctl(TdVcpu *vcpu, uint64_t value)
{
    Cpu *cpu = vcpu->cpu;
    uint64_t allowed = UINT64_C(0xffc7);
    if (!(vcpu->td->params.attributes & TD_ATTR_PERFMON)) {
        allowed &= ~(UINT64_C(1) << 14);
    }
    if (!module_cpuid_feature(vcpu->td, FEATURE(7, 0, 1, 11))) {
        allowed &= ~(UINT64_C(1) << 15);
    }
    if (value & ~allowed) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if ((value & 0xc0) == 0x40) {
        ve_instruction(cpu, VMX_EXIT_WRMSR);
    }
    vcpu->cpu->debugctl = value & ~(UINT64_C(1) << 13);
}

/*
 * IA32_MISC_ENABLE under REDUCE_VE: BTS and PEBS unavailable and the PERFMON bit stay; what needs a
 * CPUID bit is refused without it.
 */
static void write_misc_enable(TdVcpu *vcpu, uint64_t value)
{
    static const uint64_t reserved = UINT64_C(0xffffffffff3ae776),
                          ignored = 1u << 7 | 1u << 11 | 1u << 12;
    uint64_t refused = reserved;
    refused |= module_cpuid_feature(vcpu->td, FEATURE(1, 0, 2, 7)) ? 0 : 1u << 16;  /* EST */
    refused |= module_cpuid_feature(vcpu->td, FEATURE(1, 0, 2, 14)) ? 0 : 1u << 23; /* xTPR */
    if (value & refused) {
        cpu_raise(vcpu->cpu, VEC_GP, 0);
    }
    /* MONITOR; limit of CPUID leaves */
    if (((value ^ vcpu->misc_enable) & 1u << 18) || (value & 1u << 22)) {
        ve_instruction(vcpu->cpu, VMX_EXIT_WRMSR);
    }
    vcpu->misc_enable = (value & ~ignored) | (vcpu->misc_enable & ignored);
}

static void write_efer(Cpu *cpu, uint64_t value)
{
    if ((value ^ cpu->efer) & ~(uint64_t)(EFER_SCE | EFER_LMA)) {
        ve_instruction(cpu, VMX_EXIT_WRMSR);
    }
    cpu->efer = (cpu->efer & ~(uint64_t)EFER_SCE) | (value & EFER_SCE);
}

static void write_xss(Cpu *cpu, uint64_t value)
{
    if (value & ~cpu->xss_mask) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->xss = value;
}

static void x2apic_write(Cpu *cpu, uint32_t index, uint64_t value)
{
    /* A SELF_IPI with a reserved vector ends in an APIC-write exit instead of an interrupt. */
    if (index == MSR_X2APIC_SELF_IPI && !(value >> 8) && value < 16) {
        ve_apic_write(vcpu_of(cpu), (index - MSR_X2APIC_FIRST) << 4);
    }
    if (index == MSR_X2APIC_PPR || (index >= MSR_X2APIC_ISR0 && index <= MSR_X2APIC_IRR7) ||
        !lapic_write(vcpu_of(cpu)->lapic, index, value)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    /* A lower TPR or an EOI may let a pending interrupt through. */
    cpu_request(cpu, CPU_PENDING_INTERRUPT);
}

static void check_bits(Cpu *cpu, uint64_t value, uint64_t allowed)
{
    if (value & ~allowed) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

static void write_native(Cpu *cpu, uint32_t index, uint64_t value)
{
    TdVcpu *vcpu = vcpu_of(cpu);
    switch (index) {
    case MSR_XAPIC_DISABLE_STATUS:
    case MSR_ARCH_CAPABILITIES:
        cpu_raise(cpu, VEC_GP, 0); /* read only in the processor */
    case MSR_UMWAIT_CONTROL:
        vcpu->umwait_control = value & 0xfffffffd;
        return;
    case MSR_TSX_CTRL:
        check_bits(cpu, value, 3);
        vcpu->tsx_ctrl = value;
        return;
    case MSR_DS_AREA:
        if (!cpu_canonical_widest(cpu, value)) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        vcpu->ds_area = value;
        return;
    case MSR_UARCH_MISC_CTL:
        check_bits(cpu, value, 1);
        vcpu->uarch_misc_ctl = value;
        return;
    default:
        break;
    }
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST) {
        x2apic_write(cpu, index, value);
        return;
    }
    unsupported_msr(cpu, index, true);
}

void module_wrmsr(Cpu *cpu, uint32_t index, uint64_t value)
{
    if (module_msr_native(cpu, index, true)) {
        write_native(cpu, index, value);
        return;
    }
    switch (index) {
    case MSR_DEBUGCTL:
        write_debugctl(vcpu_of(cpu), value);
        return;
    case MSR_EFER:
        write_efer(cpu, value);
        return;
    case MSR_XSS:
        write_xss(cpu, value);
        return;
    case MSR_MISC_ENABLE:
        write_misc_enable(vcpu_of(cpu), value);
        return;
    case MSR_SMI_COUNT:
        vcpu_of(cpu)->msr_34 = value;
        return;
    case MSR_BIOS_UPDT_TRIG:
    case MSR_BIOS_SIGN_ID:
        return; /* the module drops it */
    case MSR_MISC_FEATURES_ENABLES:
        check_bits(cpu, value, 0);
        return;
    default:
        unsupported_msr(cpu, index, true);
    }
}
