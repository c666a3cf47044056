/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 and MMX control: the instructions that read or write the environment rather than compute (SDM
 * vol. 1, ch. 8). In C because FIP, FDP and FOP are the guest's, and because FCS and FDS are 0 in
 * every TD (ZERO_FCS_FDS).
 */
#include "vector.h"

#define FSW_EXCEPTIONS 0x3fu
#define FSW_ES 0x80u
#define FSW_B 0x8000u
#define FTW_EMPTY 3u

static uint16_t get16(const Cpu *cpu, unsigned offset)
{
    uint16_t v;
    memcpy(&v, cpu->xstate + offset, 2);
    return v;
}

static void put16(Cpu *cpu, unsigned offset, uint16_t v)
{
    memcpy(cpu->xstate + offset, &v, 2);
}

void x87_update_summary(Cpu *cpu)
{
    uint16_t fsw = get16(cpu, XSTATE_FSW) & (uint16_t)~(FSW_ES | FSW_B);

    if (fsw & ~get16(cpu, XSTATE_FCW) & FSW_EXCEPTIONS) {
        fsw |= FSW_ES | FSW_B;
    }
    put16(cpu, XSTATE_FSW, fsw);
}

void x87_check_pending(Cpu *cpu, const Op *op)
{
    /* CR0.NE = 0 would mean FERR#; TDX keeps NE at 1 */
    if (unlikely(cpu->xstate[XSTATE_FSW] & FSW_ES)) {
        vec_raise(cpu, op, VEC_MF);
    }
}

uint8_t *mmx_at(Cpu *cpu, unsigned n)
{
    unsigned top = get16(cpu, XSTATE_FSW) >> 11 & 7;
    return cpu->xstate + XSTATE_ST + 16 * ((n - top) & 7);
}

/* The registers stay where they are when TOP changes, so their order relative to it turns. */
static void set_fsw(Cpu *cpu, uint16_t fsw)
{
    uint8_t old[128];
    unsigned turn = ((unsigned)(fsw >> 11) - (get16(cpu, XSTATE_FSW) >> 11)) & 7;

    memcpy(old, cpu->xstate + XSTATE_ST, sizeof(old));
    for (unsigned i = 0; i < 8; i++) {
        memcpy(cpu->xstate + XSTATE_ST + 16 * i, old + 16 * ((i + turn) & 7), 16);
    }
    put16(cpu, XSTATE_FSW, fsw);
}

void mmx_enter(Cpu *cpu)
{
    set_fsw(cpu, get16(cpu, XSTATE_FSW) & 0xc7ff);
    cpu->xstate[XSTATE_FTW] = 0xff;
}

static void check_x87(Cpu *cpu, const Op *op, bool waits)
{
    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS))) {
        vec_raise(cpu, op, VEC_NM);
    }
    if (waits) {
        x87_check_pending(cpu, op);
    }
}

static void load_fcw(Cpu *cpu, uint16_t v)
{
    /* bit 6 reads as 1, the other reserved bits as 0 */
    put16(cpu, XSTATE_FCW, (v & 0x1f3f) | 0x40);
    x87_update_summary(cpu);
}

static void x87_init(Cpu *cpu)
{
    set_fsw(cpu, 0);
    put16(cpu, XSTATE_FCW, FCW_INIT);
    memset(cpu->xstate + XSTATE_FSW, 0, XSTATE_MXCSR - XSTATE_FSW);
}

static const Op *op_fninit(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, false);
    x87_init(cpu);
    NEXT(cpu, op);
}

static const Op *op_fnclex(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, false);
    put16(cpu, XSTATE_FSW, get16(cpu, XSTATE_FSW) & 0x7f00);
    NEXT(cpu, op);
}

static const Op *op_fldcw(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, true);
    load_fcw(cpu, mmu_load16(cpu, op, op_linear(cpu, op, 2, false)));
    NEXT(cpu, op);
}

static const Op *op_fnstcw(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, false);
    mmu_store16(cpu, op, op_linear(cpu, op, 2, true), get16(cpu, XSTATE_FCW));
    NEXT(cpu, op);
}

static const Op *op_fnstsw(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, false);
    mmu_store16(cpu, op, op_linear(cpu, op, 2, true), get16(cpu, XSTATE_FSW));
    NEXT(cpu, op);
}

static const Op *op_fnstsw_ax(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, false);
    CPU_REG(cpu, uint16_t, GPR_RAX * 8) = get16(cpu, XSTATE_FSW);
    NEXT(cpu, op);
}

static const Op *op_fwait(Cpu *cpu, const Op *op)
{
    if (unlikely((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))) {
        vec_raise(cpu, op, VEC_NM);
    }
    x87_check_pending(cpu, op);
    NEXT(cpu, op);
}

static const Op *op_emms(Cpu *cpu, const Op *op)
{
    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS))) {
        vec_raise(cpu, op, cpu->cr0 & CR0_EM ? VEC_UD : VEC_NM);
    }
    x87_check_pending(cpu, op);
    mmx_enter(cpu);
    cpu->xstate[XSTATE_FTW] = 0;
    NEXT(cpu, op);
}

/*
 * Two tag bits for each physical register; FXSAVE's form keeps only "not empty" (SDM vol. 1,
 * 10.5.1.1)
 */
static uint16_t full_tags(const Cpu *cpu)
{
    unsigned top = get16(cpu, XSTATE_FSW) >> 11 & 7;
    unsigned tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = cpu->xstate + XSTATE_ST + 16 * ((i - top) & 7);
        uint64_t mantissa;
        uint16_t exponent;
        unsigned tag;

        memcpy(&mantissa, st, 8);
        memcpy(&exponent, st + 8, 2);
        exponent &= 0x7fff;
        if (!(cpu->xstate[XSTATE_FTW] >> i & 1)) {
            tag = FTW_EMPTY;
        } else if (exponent == 0 && mantissa == 0) {
            tag = 1;
        } else {
            tag = exponent == 0 || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
        }
        tags |= tag << (2 * i);
    }
    return (uint16_t)tags;
}

static void check_format(Cpu *cpu, const Op *op)
{
    if (!(cpu->cr0 & CR0_PE)) {
        cpu->op = op;
        cpu_unsupported(cpu, "x87 environment in real-address mode");
    }
}

/* Protected mode formats, 14 and 28 bytes (SDM vol. 1, figures 8-9 and 8-11) */
static void build_environment(const Cpu *cpu, uint8_t *buf, bool wide)
{
    uint16_t fcw = get16(cpu, XSTATE_FCW), fsw = get16(cpu, XSTATE_FSW), ftw = full_tags(cpu);
    uint32_t fip, fdp;

    memcpy(&fip, cpu->xstate + XSTATE_FIP, 4);
    memcpy(&fdp, cpu->xstate + XSTATE_FDP, 4);
    if (wide) {
        uint32_t fop = get16(cpu, XSTATE_FOP);
        uint32_t env[7] = {0xffff0000u | fcw, 0xffff0000u | fsw, 0xffff0000u | ftw, fip,
                           (fop & 0x7ff) << 16, fdp,
                           0xffff0000u};
        memcpy(buf, env, sizeof(env));
    } else {
        uint16_t env[7] = {fcw, fsw, ftw, (uint16_t)fip, 0, (uint16_t)fdp, 0};
        memcpy(buf, env, sizeof(env));
    }
}

static void load_environment(Cpu *cpu, const uint8_t *buf, bool wide)
{
    uint64_t fip = 0, fdp = 0;
    uint16_t fsw, ftw, fcw, fop = 0;
    uint8_t valid = 0;

    memcpy(&fcw, buf, 2);
    memcpy(&fsw, buf + (wide ? 4 : 2), 2);
    memcpy(&ftw, buf + (wide ? 8 : 4), 2);
    memcpy(&fip, buf + (wide ? 12 : 6), wide ? 4 : 2);
    memcpy(&fdp, buf + (wide ? 20 : 10), wide ? 4 : 2);
    if (wide) {
        memcpy(&fop, buf + 18, 2);
    }
    for (unsigned i = 0; i < 8; i++) {
        valid |= (uint8_t)((ftw >> (2 * i) & 3) != FTW_EMPTY) << i;
    }
    set_fsw(cpu, fsw);
    cpu->xstate[XSTATE_FTW] = valid;
    put16(cpu, XSTATE_FOP, fop & 0x7ff);
    memcpy(cpu->xstate + XSTATE_FIP, &fip, 8);
    memcpy(cpu->xstate + XSTATE_FDP, &fdp, 8);
    load_fcw(cpu, fcw);
}

static __attribute__((noinline)) void do_environment(Cpu *cpu, const Op *op)
{
    bool wide = op->flags;
    bool all = op->mnemonic == ZYDIS_MNEMONIC_FNSAVE || op->mnemonic == ZYDIS_MNEMONIC_FRSTOR;
    bool store = op->mnemonic == ZYDIS_MNEMONIC_FNSAVE || op->mnemonic == ZYDIS_MNEMONIC_FNSTENV;
    unsigned env = wide ? 28 : 14, size = env + (all ? 80 : 0);
    uint8_t buf[108];

    check_x87(cpu, op, !store);
    check_format(cpu, op);
    uint64_t linear = op_linear(cpu, op, size, store);
    if (!store) {
        mmu_read(cpu, op, linear, buf, size);
        load_environment(cpu, buf, wide);
        for (unsigned i = 0; all && i < 8; i++) {
            memcpy(cpu->xstate + XSTATE_ST + 16 * i, buf + env + 10 * i, 10);
        }
        return;
    }
    build_environment(cpu, buf, wide);
    for (unsigned i = 0; all && i < 8; i++) {
        memcpy(buf + env + 10 * i, cpu->xstate + XSTATE_ST + 16 * i, 10);
    }
    mmu_write(cpu, op, linear, buf, size);
    if (all) {
        x87_init(cpu);
    } else {
        load_fcw(cpu, get16(cpu, XSTATE_FCW) | FSW_EXCEPTIONS);
    }
}

static const Op *op_environment(Cpu *cpu, const Op *op)
{
    do_environment(cpu, op);
    NEXT(cpu, op);
}

/* FNOP, FNDISI and the like compute nothing, but wait. */
static const Op *op_fnop(Cpu *cpu, const Op *op)
{
    check_x87(cpu, op, true);
    NEXT(cpu, op);
}

bool vec_choose_x87(Cpu *cpu, const Decoded *d, Op *op)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_FNINIT:
        op->fn = op_fninit;
        return true;
    case ZYDIS_MNEMONIC_FNCLEX:
        op->fn = op_fnclex;
        return true;
    case ZYDIS_MNEMONIC_FLDCW:
        op->fn = op_fldcw;
        return true;
    case ZYDIS_MNEMONIC_FNSTCW:
        op->fn = op_fnstcw;
        return true;
    case ZYDIS_MNEMONIC_FNSTSW:
        op->fn = d->operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? op_fnstsw : op_fnstsw_ax;
        return true;
    case ZYDIS_MNEMONIC_FWAIT:
        op->fn = op_fwait;
        return true;
    case ZYDIS_MNEMONIC_FNOP:
        op->fn = op_fnop;
        return true;
    case ZYDIS_MNEMONIC_EMMS:
        op->fn = op_emms;
        return true;
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FRSTOR:
        op->flags = d->insn.operand_width != 16;
        op->fn = op_environment;
        return true;
    default:
        return false;
    }
}
