/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSRs that the core leaves to its surroundings, of a machine without a TDX module (SDM vol. 4,
 * table 2-2).
 */
#include <Zydis/Zydis.h>

#include "bare.h"
#include "swtdx/host/cpu/debug.h"
#include "swtdx/host/cpu/features.h"
#include "swtdx/host/cpu/mmu.h"

enum {
    MSR_PLATFORM_ID = 0x17, MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_FEATURE_CONTROL = 0x3a,
    MSR_TSC_ADJUST = 0x3b, MSR_BIOS_SIGN_ID = 0x8b, MSR_MTRR_CAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a, MSR_TSX_CTRL = 0x122, MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_DEF_TYPE = 0x2ff, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC_FIRST = 0x800,
    MSR_X2APIC_TPR = 0x808, MSR_X2APIC_LAST = 0x8ff,
};
#define MSR_EFER 0xc0000080u

#define APIC_BASE_BSP (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define FEATURE_X2APIC FEATURE(1, 0, 2, 21)
#define FEATURE_DEADLINE FEATURE(1, 0, 2, 24)
#define FEATURE_RTM FEATURE(7, 0, 1, 11)

uint64_t bare_rdtsc(Cpu *cpu)
{
    BareCpu *c = bare_cpu(cpu);
    return bare_now_ns(c->m) * BARE_TSC_PER_NS + c->tsc_offset;
}

static bool x2apic_on(const BareCpu *c)
{
    return c->apic_base & APIC_BASE_X2APIC;
}

/* MOV to and from CR8 come here too: they work in any mode of the APIC. */
static bool is_cr8(const Cpu *cpu, uint32_t index)
{
    return index == MSR_X2APIC_TPR && cpu->op && cpu->op->mnemonic == ZYDIS_MNEMONIC_MOV;
}

static uint64_t x2apic_read(Cpu *cpu, uint32_t index)
{
    BareCpu *c = bare_cpu(cpu);
    uint64_t value;
    if ((!x2apic_on(c) && !is_cr8(cpu, index)) || !lapic_read(&c->lapic, index, &value)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    return value;
}

static void x2apic_write(Cpu *cpu, uint32_t index, uint64_t value)
{
    BareCpu *c = bare_cpu(cpu);
    if ((!x2apic_on(c) && !is_cr8(cpu, index)) || !bare_x2apic_write(c, index, value)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu_request(cpu, CPU_PENDING_INTERRUPT);
}

/* SDM vol. 3, 12.12.5: no way from x2APIC to xAPIC, nor from disabled to x2APIC. */
static void write_apic_base(Cpu *cpu, uint64_t value)
{
    BareCpu *c = bare_cpu(cpu);
    uint64_t modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC, from = c->apic_base & modes,
             to = value & modes;
    uint64_t reserved = ~((UINT64_C(1) << cpu->phys_bits) - 1) | 0x2ff;
    if (!bare_has_feature(cpu, FEATURE_X2APIC)) {
        reserved |= APIC_BASE_X2APIC;
    }
    if ((value & reserved) || to == APIC_BASE_X2APIC || (from == modes && to == APIC_BASE_ENABLE) ||
        (from == 0 && to == modes)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    if (from && !to) {
        bare_apic_reset(c);
    }
    c->apic_base = (value & ~(uint64_t)APIC_BASE_BSP) | (c->index == 0 ? APIC_BASE_BSP : 0);
    /* it may have become memory, or the registers */
    cpu_group_flush(cpu->group, cpu, BARE_APIC_PAGE, GUEST_PAGE_SIZE);
}

static void write_efer(Cpu *cpu, uint64_t value)
{
    uint64_t changed = cpu->efer ^ value;
    if ((value & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) ||
        ((changed & EFER_LME) && (cpu->cr0 & CR0_PG))) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->efer = (value & ~(uint64_t)EFER_LMA) | (cpu->efer & EFER_LMA);
    mmu_flush_all(cpu);
    cpu_update_mode(cpu);
}

static void set_tsc(Cpu *cpu, uint64_t by)
{
    BareCpu *c = bare_cpu(cpu);
    c->tsc_offset += by;
    c->tsc_adjust += by;
}

static uint64_t arch_capabilities(const BareCpu *c)
{
    return c->m->profile.arch_capabilities;
}

uint64_t bare_rdmsr(Cpu *cpu, uint32_t index)
{
    BareCpu *c = bare_cpu(cpu);
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST) {
        return x2apic_read(cpu, index);
    }
    switch (index) {
    case MSR_APIC_BASE:
        return c->apic_base;
    case MSR_TSC_ADJUST:
        return c->tsc_adjust;
    case MSR_EFER:
        return cpu->efer;
    case MSR_DEBUGCTL:
        return cpu->debugctl;
    case MSR_MISC_ENABLE:
        return c->misc_enable;
    case MSR_ARCH_CAPABILITIES:
        return arch_capabilities(c);
    case MSR_FEATURE_CONTROL:
        return 1; /* locked, nothing enabled */
    case MSR_BIOS_SIGN_ID:
        return UINT64_C(1) << 32;
    case MSR_PLATFORM_ID:
    case MSR_MTRR_CAP:
    case MSR_MTRR_DEF_TYPE:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
        return 0;
    case MSR_TSX_CTRL:
        if (bare_has_feature(cpu, FEATURE_RTM)) {
            return c->tsx_ctrl;
        }
        break;
    case MSR_TSC_DEADLINE:
        if (bare_has_feature(cpu, FEATURE_DEADLINE)) {
            uint64_t value = 0;
            lapic_read(&c->lapic, index, &value);
            return value;
        }
        break;
    default:
        break;
    }
    cpu_raise(cpu, VEC_GP, 0);
}

void bare_wrmsr(Cpu *cpu, uint32_t index, uint64_t value)
{
    BareCpu *c = bare_cpu(cpu);
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST) {
        x2apic_write(cpu, index, value);
        return;
    }
    switch (index) {
    case MSR_TSC:
        set_tsc(cpu, value - bare_rdtsc(cpu));
        return;
    case MSR_TSC_ADJUST:
        set_tsc(cpu, value - c->tsc_adjust);
        return;
    case MSR_APIC_BASE:
        write_apic_base(cpu, value);
        return;
    case MSR_EFER:
        write_efer(cpu, value);
        return;
    case MSR_MISC_ENABLE:
        c->misc_enable = value;
        return;
    case MSR_BIOS_SIGN_ID:
    case MSR_MCG_STATUS:
        return;
    case MSR_DEBUGCTL:
        if (value & ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF)) {
            break;
        }
        cpu->debugctl = value;
        return;
    case MSR_TSX_CTRL:
        if (!bare_has_feature(cpu, FEATURE_RTM) || value > 3) {
            break;
        }
        c->tsx_ctrl = value;
        return;
    case MSR_TSC_DEADLINE:
        if (!bare_has_feature(cpu, FEATURE_DEADLINE)) {
            break;
        }
        lapic_write(&c->lapic, index, value);
        return;
    default:
        break;
    }
    cpu_raise(cpu, VEC_GP, 0);
}
