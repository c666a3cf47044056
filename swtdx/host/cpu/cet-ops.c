/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions of control-flow enforcement (SDM vol. 2 under each one's name). */
#include "block-exit.h"
#include "cet.h"
#include "mmu.h"
#include "shadow-stack.h"
#include "system-ops.h"

static void require(Cpu *cpu, const Op *op, bool there)
{
    begin(cpu, op);
    if (!there) {
        cpu_raise(cpu, VEC_UD, 0);
    }
}

static bool is_user(const Cpu *cpu)
{
    return cpu->cpl == 3;
}

static void check_aligned(Cpu *cpu, uint64_t linear, unsigned size)
{
    if (linear & (size - 1)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/* ---- indirect branch tracking ---- */

static void tracker_idle(Cpu *cpu)
{
    *cet_control(cpu, cpu->cpl) &= ~(uint64_t)(CET_TRACKER | CET_SUPPRESS);
    cpu->mode = (cpu->mode & ~(uint32_t)(CPU_MODE_WAIT | CPU_MODE_SUPPRESSED)) | CPU_MODE_IBT;
}

/*
 * What is waited for: the only instruction of its block. It is done as the first one of the block
 * that other branches come to, which the jump cache then knows; but a single step must be one.
 */
static const Op *op_endbranch_awaited(Cpu *cpu, const Op *op)
{
    tracker_idle(cpu);
    if (likely(!(cpu->block->mode & BLOCK_SINGLE))) {
        cpu->rip = cpu_op_rip(cpu, op);
        return NULL;
    }
    EXIT_DIRECT(cpu, op, cpu_op_next_rip(cpu, op));
}

static const Op *op_endbranch_suppressed(Cpu *cpu, const Op *op)
{
    tracker_idle(cpu);
    return block_leave(cpu, op);
}

/* 18.3.6: a bit for each 4 KiB of linear addresses. */
static bool legacy_page(Cpu *cpu, const Op *op, uint64_t control)
{
    unsigned bits = cpu->cr4 & CR4_LA57 ? 57 : 48;
    uint64_t rip = cpu_op_rip(cpu, op);
    uint64_t linear = cpu_64(cpu) ? rip & ((UINT64_C(1) << bits) - 1)
                                  : (uint32_t)(cpu->seg[SEG_CS].base + rip);
    uint64_t page = linear >> 12;
    uint64_t at = (control & ~UINT64_C(0xfff)) + page / 8;
    return mmu_load8(cpu, op, cpu_64(cpu) ? at : (uint32_t)at) >> page % 8 & 1;
}

/*
 * Not ENDBRANCH where it is waited for: the tracker goes on waiting, unless the page is known as
 * legacy code.
 */
static const Op *op_endbranch_missing(Cpu *cpu, const Op *op)
{
    uint64_t *control = cet_control(cpu, cpu->cpl);
    begin(cpu, op);
    if (!(*control & CET_LEG_IW_EN) || !legacy_page(cpu, op, *control)) {
        cpu_raise(cpu, VEC_CP, CP_ENDBRANCH);
    }
    *control &= ~(uint64_t)CET_TRACKER;
    *control |= *control & CET_SUPPRESS_DIS ? 0 : CET_SUPPRESS;
    cpu_update_mode(cpu);
    cpu->rip = cpu_op_rip(cpu, op);
    return NULL;
}

bool cet_is_endbranch(const Decoded *d)
{
    bool wide = d->mode & CPU_MODE_CS64;
    return d->insn.mnemonic == (wide ? ZYDIS_MNEMONIC_ENDBR64 : ZYDIS_MNEMONIC_ENDBR32);
}

void cet_expect_endbranch(const Decoded *d, Op *op)
{
    ZydisMnemonic mnemonic = d ? d->insn.mnemonic : ZYDIS_MNEMONIC_INVALID;
    /*
     * 18.3.5: debuggers put INT3 and INT1 in place of ENDBRANCH; their traps leave the tracker
     * waiting.
     */
    bool one_byte = mnemonic == ZYDIS_MNEMONIC_INT3 || mnemonic == ZYDIS_MNEMONIC_INT1;
    if (!one_byte && !(d && cet_is_endbranch(d))) {
        op->fn = op_endbranch_missing;
    }
}

/* ---- shadow stacks ---- */

static const Op *op_rdssp(Cpu *cpu, const Op *op)
{
    system_write_register(cpu, op->dst, op->size, cpu->ssp);
    NEXT(cpu, op);
}

void cet_choose_hint(const Decoded *d, Op *op, bool *ends)
{
    op->fn = op_nothing;
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_RDSSPD:
    case ZYDIS_MNEMONIC_RDSSPQ:
        op->size = d->insn.mnemonic == ZYDIS_MNEMONIC_RDSSPQ ? 8 : 4;
        op->fn = d->mode & CPU_MODE_SHSTK ? op_rdssp : op_nothing;
        break;
    default: /* ENDBR32, ENDBR64 */
        if (!cet_is_endbranch(d) || !(d->mode & (CPU_MODE_WAIT | CPU_MODE_SUPPRESSED))) {
            break;
        }
        op->fn = d->mode & CPU_MODE_WAIT ? op_endbranch_awaited : op_endbranch_suppressed;
        op->imm = (uint64_t)op->off + op->len;
        op->disp = JUMP_NOWHERE;
        op->flags = 1; /* instructions executed when EXIT_DIRECT is reached: nothing is before it */
        *ends = true;
    }
}

const Op *op_incssp(Cpu *cpu, const Op *op)
{
    unsigned size = op->mnemonic == ZYDIS_MNEMONIC_INCSSPQ ? 8 : 4;
    uint64_t count = CPU_REG(cpu, uint8_t, op->dst);
    uint64_t last = shadow_address(cpu, cpu->ssp + (count ? count - 1 : 0) * size);
    require(cpu, op, cpu->mode & CPU_MODE_SHSTK);
    shadow_load(cpu, op, cpu->ssp, size, is_user(cpu));
    shadow_load(cpu, op, last, size, is_user(cpu));
    cpu->ssp = shadow_address(cpu, cpu->ssp + count * size);
    NEXT(cpu, op);
}

static void set_carry(Cpu *cpu, bool carry)
{
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | (carry ? FLAG_CF : 0));
}

/* A restore token says the address behind itself, and the mode it was made in. */
static bool restore_token_valid(const Cpu *cpu, uint64_t token, uint64_t at)
{
    uint64_t wide = cpu_64(cpu);
    return (token & 3) == wide && (wide || !(token >> 32))
           && (((token & ~UINT64_C(1)) - 8) & ~UINT64_C(7)) == at;
}

static CPU_APART void restore_ssp(Cpu *cpu, const Op *op)
{
    uint64_t linear, token = 0, previous, value;
    require(cpu, op, cpu->mode & CPU_MODE_SHSTK);
    linear = op_linear(cpu, op, 8, true);
    check_aligned(cpu, linear, 8);
    previous = cpu->ssp | 2 | cpu_64(cpu);
    do { /* a token that is refused stays, written all the same */
        value = restore_token_valid(cpu, token, linear) ? previous : token;
    } while (!shadow_exchange(cpu, op, linear, &token, value, is_user(cpu)));
    if (!restore_token_valid(cpu, token, linear)) {
        cpu_raise(cpu, VEC_CP, CP_RSTORSSP);
    }
    cpu->ssp = linear;
    set_carry(cpu, token & 4);
}

const Op *op_rstorssp(Cpu *cpu, const Op *op)
{
    restore_ssp(cpu, op);
    NEXT(cpu, op);
}

/* What RSTORSSP left on the new stack becomes a restore token on the old one. */
const Op *op_saveprevssp(Cpu *cpu, const Op *op)
{
    uint64_t ssp = cpu->ssp, wide = cpu_64(cpu), token, old;
    bool hole = cpu_rflags(cpu) & FLAG_CF, user = is_user(cpu);
    require(cpu, op, cpu->mode & CPU_MODE_SHSTK);
    check_aligned(cpu, ssp, 8);
    token = shadow_load(cpu, op, ssp, 8, user);
    ssp = shadow_address(cpu, ssp + 8);
    if (hole) {
        if (wide || shadow_load(cpu, op, ssp, 4, user)) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        ssp = shadow_address(cpu, ssp + 4);
    }
    if (!(token & 2) || (!wide && token >> 32)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    old = token & ~UINT64_C(3);
    if (old & 4) {
        shadow_store(cpu, op, shadow_address(cpu, old - 4), 0, 4, user);
    }
    shadow_store(cpu, op, shadow_address(cpu, (old & ~UINT64_C(7)) - 8), old | wide, 8, user);
    cpu->ssp = ssp;
    NEXT(cpu, op);
}

static void write_shadow(Cpu *cpu, const Op *op, unsigned size, bool user)
{
    uint64_t linear = op_linear(cpu, op, size, true);
    check_aligned(cpu, linear, size);
    shadow_store(cpu, op, linear, CPU_REG(cpu, uint64_t, op->dst), size, user);
}

const Op *op_wrss(Cpu *cpu, const Op *op)
{
    uint64_t both = CET_SH_STK_EN | CET_WR_SHSTK_EN;
    require(cpu, op, (cpu->mode & CPU_MODE_SHSTK) && (*cet_control(cpu, cpu->cpl) & both) == both);
    write_shadow(cpu, op, op->mnemonic == ZYDIS_MNEMONIC_WRSSQ ? 8 : 4, is_user(cpu));
    NEXT(cpu, op);
}

const Op *op_wruss(Cpu *cpu, const Op *op)
{
    require(cpu, op, cpu->cr4 & CR4_CET);
    require_cpl0(cpu, op);
    write_shadow(cpu, op, op->mnemonic == ZYDIS_MNEMONIC_WRUSSQ ? 8 : 4, true);
    NEXT(cpu, op);
}

static void require_supervisor(Cpu *cpu, const Op *op)
{
    require(cpu, op, cet_enabled(cpu, 0, CET_SH_STK_EN));
    require_cpl0(cpu, op);
}

const Op *op_setssbsy(Cpu *cpu, const Op *op)
{
    uint64_t ssp = cpu->pl_ssp[0];
    require_supervisor(cpu, op);
    check_aligned(cpu, ssp, 8);
    if (!shadow_replace(cpu, op, ssp, ssp, ssp | SHADOW_BUSY, false)) {
        cpu_raise(cpu, VEC_CP, CP_SETSSBSY);
    }
    cpu->ssp = ssp;
    NEXT(cpu, op);
}

const Op *op_clrssbsy(Cpu *cpu, const Op *op)
{
    uint64_t linear;
    bool done;
    require_supervisor(cpu, op);
    linear = op_linear(cpu, op, 8, true);
    check_aligned(cpu, linear, 8);
    done = shadow_replace(cpu, op, linear, linear | SHADOW_BUSY, linear, false);
    set_carry(cpu, !done);
    cpu->ssp = 0;
    NEXT(cpu, op);
}
