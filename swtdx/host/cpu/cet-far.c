/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control-flow enforcement in transfers between segments and levels: far JMP, CALL and RET, IRET,
 * events, SYSCALL and SYSENTER with their returns. The order of checks is that of the Operation
 * sections in SDM vol. 2.
 */
#include "cet.h"
#include "mmu.h"
#include "segment.h"
#include "shadow-stack.h"

#define FRAME_SIZE 24u /* CS, linear RIP, SSP */

static bool is_code64(const Cpu *cpu, const Segment *cs)
{
    return cpu_long(cpu) && (cs->access & SEG_ACCESS_L);
}

static uint64_t linear_rip(const Cpu *cpu, const Segment *cs, uint64_t rip)
{
    return is_code64(cpu, cs) ? rip : (uint32_t)(cs->base + rip);
}

/* LA_adjust: upper bits as the highest one that translation looks at. */
static uint64_t adjust(const Cpu *cpu, uint64_t linear)
{
    unsigned shift = cpu->cr4 & CR4_LA57 ? 7 : 16;
    return cpu_long(cpu) ? (uint64_t)((int64_t)(linear << shift) >> shift) : linear;
}

static void wait_for_endbranch(Cpu *cpu, unsigned cpl)
{
    if (cet_enabled(cpu, cpl, CET_ENDBR_EN)) {
        uint64_t *control = cet_control(cpu, cpl);
        *control = (*control & ~(uint64_t)CET_SUPPRESS) | CET_TRACKER;
    }
}

uint64_t cet_entry_ssp(Cpu *cpu, unsigned cpl, unsigned ist)
{
    uint64_t ssp = cpu->ssp;
    if (!cet_enabled(cpu, cpl, CET_SH_STK_EN)) {
        return ssp;
    }
    if (ist) {
        mmu_read_system(cpu, cpu->op, cpu->ssp_table + ist * 8, &ssp, sizeof(ssp));
    } else if (cpl < cpu->cpl) {
        ssp = cpu->pl_ssp[cpl];
    }
    return ssp;
}

/*
 * A free token becomes busy. Token and frame lie in one aligned group of 32 bytes, so what follows
 * does not fault.
 */
static void take_token(Cpu *cpu, const Op *op, uint64_t ssp, bool wide, bool user)
{
    bool together = (ssp & ~UINT64_C(31)) == ((ssp - FRAME_SIZE) & ~UINT64_C(31));
    bool good = !(ssp & 7) && together && (wide || !(ssp >> 32));
    if (!good || !shadow_replace(cpu, op, ssp, ssp, ssp | SHADOW_BUSY, user)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

static uint64_t push_frame(Cpu *cpu, const Op *op, uint64_t ssp, uint64_t rip, bool user)
{
    const Segment *cs = &cpu->seg[SEG_CS];
    uint64_t values[3] = { cs->selector, linear_rip(cpu, cs, rip), cpu->ssp };
    if (ssp & 4) {
        shadow_store(cpu, op, ssp - 4, 0, 4, user);
        ssp -= 4;
    }
    for (unsigned i = 0; i < 3; i++) {
        ssp -= 8;
        shadow_store(cpu, op, ssp, values[i], 8, user);
    }
    return ssp;
}

void cet_enter(Cpu *cpu, const Op *op, const CetEntry *entry)
{
    bool enabled = cet_enabled(cpu, entry->cpl, CET_SH_STK_EN);
    bool from_user = entry->cpl < cpu->cpl && cpu->cpl == 3;
    bool user = entry->cpl == 3;
    uint64_t ssp = entry->ssp;
    if (!(cpu->cr4 & CR4_CET)) {
        return;
    }
    if (enabled) {
        if (entry->token) {
            take_token(cpu, op, ssp, entry->wide, user);
        } else if (!entry->wide && ssp >> 32) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        ssp = from_user ? ssp : push_frame(cpu, op, ssp, entry->rip, user);
    }
    if (from_user && cet_enabled(cpu, 3, CET_SH_STK_EN)) {
        cpu->pl_ssp[3] = adjust(cpu, cpu->ssp);
    }
    cpu->ssp = enabled ? ssp : cpu->ssp;
    wait_for_endbranch(cpu, entry->cpl);
}

void cet_jump(Cpu *cpu, const Segment *cs)
{
    if (cet_enabled(cpu, cpu->cpl, CET_SH_STK_EN) && !is_code64(cpu, cs) && cpu->ssp >> 32) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    wait_for_endbranch(cpu, cpu->cpl);
}

/* The frame at SSP must be what is returned to. Gives the SSP it holds. */
static uint64_t check_frame(Cpu *cpu, const Op *op, const Segment *cs, uint64_t rip, bool user)
{
    uint64_t ssp = cpu->ssp;
    uint64_t selector = shadow_load(cpu, op, shadow_address(cpu, ssp + 16), 8, user);
    uint64_t linear = shadow_load(cpu, op, shadow_address(cpu, ssp + 8), 8, user);
    uint64_t previous = shadow_load(cpu, op, ssp, 8, user);
    if (selector != cs->selector || linear != linear_rip(cpu, cs, rip) || (previous & 3)) {
        cpu_raise(cpu, VEC_CP, CP_FAR_RET);
    }
    return previous;
}

static void check_new_ssp(Cpu *cpu, const Segment *cs, uint64_t ssp)
{
    if (is_code64(cpu, cs) ? !cpu_canonical(cpu, ssp) : ssp >> 32 != 0) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/* The stack that is left gets free. One that holds no busy token stays as it is. */
static void free_token(Cpu *cpu, const Op *op, uint64_t ssp, bool user)
{
    shadow_replace(cpu, op, ssp, ssp | SHADOW_BUSY, ssp, user);
}

CetReturn cet_return(Cpu *cpu, const Op *op, const Segment *cs, uint64_t rip, bool iret)
{
    unsigned level = cs->selector & 3u;
    bool outer = level > cpu->cpl, user = cpu->cpl == 3;
    bool enabled = cet_enabled(cpu, cpu->cpl, CET_SH_STK_EN);
    CetReturn r = { cet_enabled(cpu, level, CET_SH_STK_EN), cpu->ssp };
    uint64_t left = cpu->ssp;
    if (enabled) {
        if (cpu->ssp & 7) {
            cpu_raise(cpu, VEC_CP, CP_FAR_RET);
        }
        if (!outer || level != 3) {
            r.ssp = check_frame(cpu, op, cs, rip, user);
            left = shadow_address(cpu, left + FRAME_SIZE);
        }
    }
    if (r.set) {
        r.ssp = outer && level == 3 ? cpu->pl_ssp[3] : r.ssp;
        check_new_ssp(cpu, cs, r.ssp);
    }
    /* At the same level, an IRET in IA-32e mode leaves a stack if its handler had an IST. */
    if (enabled && (outer || (iret && cpu_long(cpu) && r.ssp != left))) {
        free_token(cpu, op, left, user);
    }
    return r;
}

void cet_system_call(Cpu *cpu)
{
    if (cet_enabled(cpu, cpu->cpl, CET_SH_STK_EN)) {
        cpu->pl_ssp[3] = adjust(cpu, cpu->ssp);
    }
    if (cet_enabled(cpu, 0, CET_SH_STK_EN)) {
        cpu->ssp = 0;
    }
    wait_for_endbranch(cpu, 0);
}

void cet_system_return(Cpu *cpu)
{
    if (cet_enabled(cpu, 3, CET_SH_STK_EN)) {
        cpu->ssp = cpu->pl_ssp[3];
    }
}
