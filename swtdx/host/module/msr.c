/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSRs as module 1.5.05 virtualizes them: native, emulated, #VE or #GP, some depending on the TD (4.5 of the module reference). */
#include <stdio.h>

#include "../cpu/core.h"
#include "../cpu/features.h"
#include "module.h"

/* Conditions of a row: if the condition does not hold, both directions are #GP. */
typedef enum MsrGate {
    GATE_NONE, GATE_PERFMON, GATE_PT, GATE_CET, GATE_UINTR, GATE_LBR, GATE_AMX, GATE_PKS,
    GATE_WAITPKG, GATE_TSX, GATE_TSC_DEADLINE, GATE_DCA, GATE_TME, GATE_PCONFIG,
} MsrGate;

typedef struct MsrRow {
    uint32_t first, last;
    MsrAction read, write;
    MsrGate gate;
} MsrRow;

enum {
    MSR_MISC_PACKAGE_CTLS = 0xbc, MSR_XAPIC_DISABLE_STATUS = 0xbd, MSR_UMWAIT_CONTROL = 0xe1,
    MSR_ARCH_CAPABILITIES = 0x10a, MSR_TSX_CTRL = 0x122, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9,
    MSR_PERF_CAPABILITIES = 0x345, MSR_DS_AREA = 0x600, MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_APICID = 0x802,
    MSR_X2APIC_PPR = 0x80a, MSR_X2APIC_ISR0 = 0x810, MSR_X2APIC_IRR7 = 0x827, MSR_X2APIC_SELF_IPI = 0x83f,
    MSR_X2APIC_LAST = 0x8ff, MSR_DEBUG_INTERFACE = 0xc80, MSR_XSS = 0xda0, MSR_UARCH_MISC_CTL = 0x1b01,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_FMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_TSC_AUX 0xc0000103u

#define N MSR_NATIVE
#define E MSR_EMULATED
#define V MSR_VE
#define G MSR_GP
static const MsrRow table_1_5_05[] = {
    {0x10, 0x10, N, V, 0},
    {0x48, 0x49, N, N, 0},
    {0x87, 0x87, V, V, GATE_PCONFIG},
    {0x8c, 0x8f, G, G, 0},
    {0x98, 0x9b, G, G, 0},
    {0x9e, 0x9e, G, G, 0},
    {0xbc, 0xbc, N, V, 0},
    {0xbd, 0xbd, E, N, 0},
    {0xc1, 0xc8, N, N, GATE_PERFMON},
    {0xe1, 0xe1, N, N, GATE_WAITPKG},
    {0x10a, 0x10a, E, N, 0},
    {0x10b, 0x10b, N, N, 0},
    {0x122, 0x122, N, N, GATE_TSX},
    {0x174, 0x176, N, N, 0},
    {0x186, 0x18d, N, N, GATE_PERFMON},
    {0x195, 0x195, G, G, 0},
    {0x1a0, 0x1a0, E, V, 0},
    {0x1a6, 0x1a7, N, N, GATE_PERFMON},
    {0x1c4, 0x1c5, N, N, GATE_AMX},
    {0x1d9, 0x1d9, E, E, 0},
    {0x1f8, 0x1fa, V, V, GATE_DCA},
    {0x276, 0x276, G, G, 0},
    {0x277, 0x277, N, N, 0},
    {0x309, 0x310, N, N, GATE_PERFMON},
    {0x329, 0x329, N, N, GATE_PERFMON},
    {0x345, 0x345, E, G, 0}, /* with PERFMON: native; see msr_action() */
    {0x38d, 0x392, N, N, GATE_PERFMON},
    {0x3f1, 0x3f2, N, N, GATE_PERFMON},
    {0x3f6, 0x3f7, N, N, GATE_PERFMON},
    {0x480, 0x480, E, G, 0},
    {0x481, 0x484, V, G, 0},
    {0x485, 0x489, E, G, 0},
    {0x48a, 0x48a, V, G, 0},
    {0x48b, 0x492, E, G, 0},
    {0x4c1, 0x4c8, N, N, GATE_PERFMON},
    {0x500, 0x500, G, G, 0},
    {0x560, 0x561, N, N, GATE_PT},
    {0x570, 0x572, N, N, GATE_PT},
    {0x580, 0x587, N, N, GATE_PT},
    {0x600, 0x600, N, N, 0},
    {0x6a0, 0x6a0, N, N, GATE_CET},
    {0x6a2, 0x6a2, N, N, GATE_CET},
    {0x6a4, 0x6a8, N, N, GATE_CET},
    {0x6e0, 0x6e0, V, V, GATE_TSC_DEADLINE},
    {0x6e1, 0x6e1, N, N, GATE_PKS},
    {0x800, 0x801, G, G, 0},
    {0x802, 0x802, E, G, 0},
    {0x804, 0x807, G, G, 0},
    {0x808, 0x80c, N, N, 0},
    {0x80e, 0x80e, N, N, 0},
    {0x810, 0x827, N, N, 0},
    {0x829, 0x82e, G, G, 0},
    {0x831, 0x831, G, G, 0},
    {0x83f, 0x83f, N, N, 0},
    {0x840, 0x8ff, G, G, 0},
    {0x981, 0x984, V, V, GATE_TME},
    {0x985, 0x98a, N, N, GATE_UINTR},
    {0xc80, 0xc80, N, V, 0},
    {0xd90, 0xd90, G, G, 0},
    {0xd93, 0xd93, G, G, 0},
    {0xda0, 0xda0, N, E, 0},
    {0x1200, 0x12ff, N, N, GATE_LBR},
    {0x14ce, 0x14cf, N, N, GATE_LBR},
    {0x1500, 0x16ff, N, N, GATE_LBR},
    {0x1b01, 0x1b01, N, N, 0},
    {MSR_EFER, MSR_EFER, N, E, 0},
    {MSR_STAR, MSR_LSTAR, N, N, 0},
    {MSR_FMASK, MSR_FMASK, N, N, 0},
    {MSR_FS_BASE, MSR_TSC_AUX, N, N, 0},
};
#undef N
#undef E
#undef V
#undef G

static bool gate_open(const Td *td, MsrGate gate)
{
    uint64_t xfam = td->params.xfam;
    switch (gate) {
    case GATE_NONE:
        return true;
    case GATE_PERFMON:
        return td->params.attributes & TD_ATTR_PERFMON;
    case GATE_PT:
        return xfam & XFAM_PT;
    case GATE_CET:
        return xfam & XFAM_CET;
    case GATE_UINTR:
        return xfam & XFAM_UINTR;
    case GATE_LBR:
        return xfam & XFAM_LBR;
    case GATE_AMX:
        return xfam & XFAM_AMX;
    case GATE_PKS:
        return td->params.attributes & TD_ATTR_PKS;
    case GATE_WAITPKG:
        return module_cpuid_feature(td, FEATURE(7, 0, 2, 5));
    case GATE_TSX:
        return module_cpuid_feature(td, FEATURE(7, 0, 1, 11));
    case GATE_TSC_DEADLINE:
        return module_cpuid_feature(td, FEATURE(1, 0, 2, 24));
    case GATE_DCA:
        return module_cpuid_feature(td, FEATURE(1, 0, 2, 18));
    case GATE_TME:
        return module_cpuid_feature(td, FEATURE(7, 0, 2, 13));
    case GATE_PCONFIG:
        return module_cpuid_feature(td, FEATURE(7, 0, 3, 18));
    }
    return false;
}

MsrAction msr_action(const TdVcpu *vcpu, uint32_t index, bool write)
{
    const Td *td = vcpu->td;
    for (size_t i = 0; i < sizeof(table_1_5_05) / sizeof(table_1_5_05[0]); i++) {
        const MsrRow *row = &table_1_5_05[i];
        if (index < row->first || index > row->last) {
            continue;
        }
        if (!gate_open(td, row->gate)) {
            return MSR_GP;
        }
        if (index == MSR_PERF_CAPABILITIES && gate_open(td, GATE_PERFMON)) {
            return MSR_NATIVE;
        }
        if (index == MSR_X2APIC_APICID && !write && !(atomic_load(&td->td_ctls) & TD_CTLS_ENUM_TOPOLOGY)) {
            return MSR_VE;
        }
        return write ? row->write : row->read;
    }
    return MSR_VE;
}

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
uint64_t msr_arch_capabilities(const Td *td)
{
    uint64_t v = td->profile->arch_capabilities;
    v &= ~(UINT64_C(0xfffffffffe000000) | 3u << 9 | 7u << 16 | 3u << 22);
    v &= ~(UINT64_C(1) << 4 | UINT64_C(1) << 20 | UINT64_C(1) << 24);
    if (!module_cpuid_feature(td, FEATURE(7, 0, 1, 11))) {
        v &= ~(UINT64_C(1) << 7);
    }
    return v | UINT64_C(1) << 21;
}

/* IA32_MISC_ENABLE of the processor: fast strings, thermal monitor, BTS unavailable; with PEBS unavailable and no PERFMON bit. */
#define MISC_ENABLE_TD UINT64_C(0x1809)

static _Noreturn void unsupported_msr(Cpu *cpu, uint32_t index, bool write)
{
    char what[48];
    snprintf(what, sizeof(what), "%s 0x%x", write ? "WRMSR" : "RDMSR", index);
    cpu_unsupported(cpu, what);
}

static uint64_t x2apic_read(Cpu *cpu, uint32_t index)
{
    uint64_t value = 0;
    /* The virtual-APIC page is read as memory: write-only and reserved registers give 0 and do not fault. */
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
        return MISC_ENABLE_TD;
    case MSR_DEBUGCTL:
        return vcpu->cpu->debugctl;
    case MSR_PERF_CAPABILITIES:
        return 0;
    case MSR_X2APIC_APICID:
        return vcpu->x2apic_id;
    default:
        return 0; /* VMX capability MSRs of a processor that shows no VMX (values assumed) */
    }
}

/* IA32_DEBUGCTL: LBR (0) and BTF (1) only, besides what the module forces or refuses. */
static void write_debugctl(TdVcpu *vcpu, uint64_t value)
{
    Cpu *cpu = vcpu->cpu;
    uint64_t allowed = UINT64_C(0xffc3);
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
        ve_instruction(cpu, VMX_EXIT_APIC_WRITE);
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
        if (!cpu_canonical(cpu, value)) {
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
    default:
        unsupported_msr(cpu, index, true);
    }
}
