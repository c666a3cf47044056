/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RDMSR and WRMSR: the registers that the core keeps itself; all others are the world's. */
#include "cet.h"
#include "core.h"
#include "mmu.h"
#include "system-ops.h"

enum {
    MSR_TSC = 0x10,
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_FLUSH_CMD = 0x10b,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_XFD = 0x1c4,
    MSR_XFD_ERR = 0x1c5,
    MSR_PAT = 0x277,
    MSR_U_CET = 0x6a0,
    MSR_S_CET = 0x6a2,
    MSR_PL0_SSP = 0x6a4,
    MSR_PL1_SSP = 0x6a5,
    MSR_PL2_SSP = 0x6a6,
    MSR_PL3_SSP = 0x6a7,
    MSR_INTERRUPT_SSP_TABLE = 0x6a8,
    MSR_PKRS = 0x6e1,
    MSR_XSS = 0xda0,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
    MSR_TSC_AUX = 0xc0000103,
};

#define XCR0_TILEDATA (UINT64_C(1) << 18)

/* The plain ones: where they live, and what a value may be. */
typedef enum MsrRule { RULE_ANY, RULE_CANONICAL, RULE_32, RULE_CET, RULE_SSP } MsrRule;

typedef struct CoreMsr {
    uint32_t index;
    MsrRule rule;
    size_t offset; /* in Cpu, of a uint64_t */
} CoreMsr;

static const CoreMsr core_msrs[] = {
    { MSR_SYSENTER_CS, RULE_32, offsetof(Cpu, sysenter_cs) },
    { MSR_SYSENTER_ESP, RULE_CANONICAL, offsetof(Cpu, sysenter_esp) },
    { MSR_SYSENTER_EIP, RULE_CANONICAL, offsetof(Cpu, sysenter_eip) },
    { MSR_STAR, RULE_ANY, offsetof(Cpu, star) },
    { MSR_LSTAR, RULE_CANONICAL, offsetof(Cpu, lstar) },
    { MSR_CSTAR, RULE_CANONICAL, offsetof(Cpu, cstar) },
    { MSR_FMASK, RULE_32, offsetof(Cpu, fmask) },
    { MSR_FS_BASE, RULE_CANONICAL, offsetof(Cpu, seg[SEG_FS].base) },
    { MSR_GS_BASE, RULE_CANONICAL, offsetof(Cpu, seg[SEG_GS].base) },
    { MSR_KERNEL_GS_BASE, RULE_CANONICAL, offsetof(Cpu, kernel_gs_base) },
    { MSR_TSC_AUX, RULE_32, offsetof(Cpu, tsc_aux) },
    { MSR_U_CET, RULE_CET, offsetof(Cpu, u_cet) },
    { MSR_S_CET, RULE_CET, offsetof(Cpu, s_cet) },
    { MSR_PL0_SSP, RULE_SSP, offsetof(Cpu, pl_ssp[0]) },
    { MSR_PL1_SSP, RULE_SSP, offsetof(Cpu, pl_ssp[1]) },
    { MSR_PL2_SSP, RULE_SSP, offsetof(Cpu, pl_ssp[2]) },
    { MSR_PL3_SSP, RULE_SSP, offsetof(Cpu, pl_ssp[3]) },
    { MSR_INTERRUPT_SSP_TABLE, RULE_CANONICAL, offsetof(Cpu, ssp_table) },
    { MSR_PKRS, RULE_32, offsetof(Cpu, pkrs) },
    { MSR_PAT, RULE_ANY, offsetof(Cpu, pat) },
    { MSR_SPEC_CTRL, RULE_ANY, offsetof(Cpu, spec_ctrl) },
};

static const CoreMsr *find_msr(uint32_t index)
{
    for (size_t i = 0; i < sizeof(core_msrs) / sizeof(core_msrs[0]); i++) {
        if (core_msrs[i].index == index) {
            return &core_msrs[i];
        }
    }
    return NULL;
}

static uint64_t *msr_slot(Cpu *cpu, const CoreMsr *msr)
{
    return (uint64_t *)(void *)((uint8_t *)cpu + msr->offset);
}

/* SDM vol. 3, 12.12.2: each byte one of UC, WC, WT, WP, WB, UC-. */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(value >> (8 * i));
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static void check_value(Cpu *cpu, const CoreMsr *msr, uint64_t value)
{
    bool good = true;
    switch (msr->rule) {
    case RULE_CANONICAL:
        good = cpu_canonical_widest(cpu, value);
        break;
    case RULE_32:
        good = value >> 32 == 0;
        break;
    case RULE_CET:
        good = cet_control_valid(cpu, value);
        break;
    case RULE_SSP:
        good = cet_ssp_valid(cpu, value);
        break;
    case RULE_ANY:
        break;
    }
    if (msr->index == MSR_PAT) {
        good = pat_valid(value);
    } else if (msr->index == MSR_SPEC_CTRL) {
        good = (value & ~UINT64_C(0x5ff)) == 0; /* SDM vol. 4: IBRS to BHI_DIS_S */
    }
    if (!good) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

static uint64_t msr_read(Cpu *cpu, uint32_t index)
{
    const CoreMsr *msr = find_msr(index);
    if (cpu->world->msr_native && !cpu->world->msr_native(cpu, index, false)) {
        return cpu->world->rdmsr(cpu, index);
    }
    if (msr) {
        return *msr_slot(cpu, msr);
    }
    switch (index) {
    case MSR_TSC:
        return cpu->world->rdtsc(cpu);
    case MSR_XSS:
        return cpu->xss;
    case MSR_XFD:
        return cpu->xfd;
    case MSR_XFD_ERR:
        return cpu->xfd_err;
    case MSR_PRED_CMD: /* write only */
    case MSR_FLUSH_CMD:
        cpu_raise(cpu, VEC_GP, 0);
    default:
        return cpu->world->rdmsr(cpu, index);
    }
}

/* XFD guards TILEDATA alone (SDM vol. 1, 13.14; CPUID leaf 0xD, sub-leaf 18, ECX bit 2). */
static void write_xfd(Cpu *cpu, uint64_t *to, uint64_t value)
{
    if (value & ~(cpu->xcr0_mask & XCR0_TILEDATA)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    *to = value;
}

static void msr_write(Cpu *cpu, uint32_t index, uint64_t value)
{
    const CoreMsr *msr = find_msr(index);
    if (cpu->world->msr_native && !cpu->world->msr_native(cpu, index, true)) {
        cpu->world->wrmsr(cpu, index, value);
        return;
    }
    if (msr) {
        check_value(cpu, msr, value);
        *msr_slot(cpu, msr) = value;
        if (index == MSR_PKRS) {
            mmu_flush_all(cpu); /* rights are part of TLB entries here */
        } else if (msr->rule == RULE_CET) {
            cpu_update_mode(cpu);
        }
        return;
    }
    switch (index) {
    case MSR_XSS:
        if (value & ~cpu->xss_mask) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        cpu->xss = value;
        return;
    case MSR_XFD:
        write_xfd(cpu, &cpu->xfd, value);
        return;
    case MSR_XFD_ERR:
        write_xfd(cpu, &cpu->xfd_err, value);
        return;
    case MSR_PRED_CMD: /* IBPB: nothing is predicted across guests */
    case MSR_FLUSH_CMD:
        if (value & ~UINT64_C(1)) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        return;
    default:
        cpu->world->wrmsr(cpu, index, value);
    }
}

const Op *op_rdmsr(Cpu *cpu, const Op *op)
{
    uint64_t value;
    require_cpl0(cpu, op);
    value = msr_read(cpu, (uint32_t)cpu->regs[GPR_RCX]);
    cpu->regs[GPR_RAX] = (uint32_t)value;
    cpu->regs[GPR_RDX] = value >> 32;
    return block_leave(cpu, op);
}

const Op *op_wrmsr(Cpu *cpu, const Op *op)
{
    require_cpl0(cpu, op);
    msr_write(cpu, (uint32_t)cpu->regs[GPR_RCX],
              (uint32_t)cpu->regs[GPR_RAX] | cpu->regs[GPR_RDX] << 32);
    return block_leave(cpu, op);
}
