/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOV MOVZX MOVSX MOVSXD LEA MOVBE MOVDIRI MOVDIR64B XLAT, CBW and its family.
 */
#include "int.h"

#define DEFINE_MOV(bits)                                                                         \
    HANDLER(op_mov_rr##bits)                                                                     \
    {                                                                                            \
        reg_write##bits(cpu, op->dst, REG_READ(bits, op->src));                                  \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_mov_ri##bits)                                                                     \
    {                                                                                            \
        reg_write##bits(cpu, op->dst, op->imm);                                                  \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_mov_rm##bits)                                                                     \
    {                                                                                            \
        reg_write##bits(cpu, op->dst, mmu_load##bits(cpu, op, LINEAR(bits, false)));             \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_mov_mr##bits)                                                                     \
    {                                                                                            \
        mmu_store##bits(cpu, op, LINEAR(bits, true), REG_READ(bits, op->src));                   \
        NEXT(cpu, op);                                                                           \
    }                                                                                            \
    HANDLER(op_mov_mi##bits)                                                                     \
    {                                                                                            \
        mmu_store##bits(cpu, op, LINEAR(bits, true), (uint##bits##_t)op->imm);                   \
        NEXT(cpu, op);                                                                           \
    }
DEFINE_MOV(8)
DEFINE_MOV(16)
DEFINE_MOV(32)
DEFINE_MOV(64)

#define ROW(name) { op_##name##8, op_##name##16, op_##name##32, op_##name##64 }
static const OpFn mov_forms[FORM_COUNT][4] = {
    [FORM_RR] = ROW(mov_rr), [FORM_RI] = ROW(mov_ri), [FORM_RM] = ROW(mov_rm),
    [FORM_MR] = ROW(mov_mr), [FORM_MI] = ROW(mov_mi),
};

/*
 * MOV of the plainest addresses in 64-bit code: base + displacement in a flat segment, nothing to
 * truncate. These are a third of all that is executed.
 */
#define FLAT_ADDRESS (CPU_REG(cpu, uint64_t, op->base) + (uint64_t)op->disp)
#define DEFINE_MOV_FLAT(bits)                                                           \
    HANDLER(op_mov_flat_rm##bits)                                                       \
    {                                                                                   \
        reg_write##bits(cpu, op->dst, mmu_load##bits(cpu, op, FLAT_ADDRESS));           \
        NEXT(cpu, op);                                                                  \
    }                                                                                   \
    HANDLER(op_mov_flat_mr##bits)                                                       \
    {                                                                                   \
        mmu_store##bits(cpu, op, FLAT_ADDRESS, REG_READ(bits, op->src));                \
        NEXT(cpu, op);                                                                  \
    }                                                                                   \
    HANDLER(op_mov_flat_mi##bits)                                                       \
    {                                                                                   \
        mmu_store##bits(cpu, op, FLAT_ADDRESS, (uint##bits##_t)op->imm);                \
        NEXT(cpu, op);                                                                  \
    }
DEFINE_MOV_FLAT(8)
DEFINE_MOV_FLAT(16)
DEFINE_MOV_FLAT(32)
DEFINE_MOV_FLAT(64)

static const OpFn mov_flat_forms[FORM_COUNT][4] = {
    [FORM_RM] = ROW(mov_flat_rm), [FORM_MR] = ROW(mov_flat_mr), [FORM_MI] = ROW(mov_flat_mi),
};

/* MOVZX, MOVSX: from `from` bits to `bits` */
#define DEFINE_EXTEND(name, EXTEND, bits, from)                                                    \
    HANDLER(op_##name##_r##bits##_r##from)                                                         \
    {                                                                                              \
        reg_write##bits(cpu, op->dst, EXTEND(from, REG_READ(from, op->src)));                      \
        NEXT(cpu, op);                                                                             \
    }                                                                                              \
    HANDLER(op_##name##_r##bits##_m##from)                                                         \
    {                                                                                              \
        reg_write##bits(cpu, op->dst, EXTEND(from, mmu_load##from(cpu, op, LINEAR(from, false)))); \
        NEXT(cpu, op);                                                                             \
    }
#define DEFINE_EXTENDS(bits, from) \
    DEFINE_EXTEND(movzx, ZEXT, bits, from) DEFINE_EXTEND(movsx, SEXT, bits, from)
DEFINE_EXTENDS(16, 8)
DEFINE_EXTENDS(32, 8)
DEFINE_EXTENDS(64, 8)
DEFINE_EXTENDS(16, 16)
DEFINE_EXTENDS(32, 16)
DEFINE_EXTENDS(64, 16)
DEFINE_EXTEND(movsx, SEXT, 32, 32)
DEFINE_EXTEND(movsx, SEXT, 64, 32)

#define EXTEND_ROW(name, form, from)                                    \
    { NULL, op_##name##_r16_##form##from, op_##name##_r32_##form##from, \
      op_##name##_r64_##form##from }
/* [source size][destination size] */
static const OpFn movzx_r[3][4] = { EXTEND_ROW(movzx, r, 8), EXTEND_ROW(movzx, r, 16) };
static const OpFn movzx_m[3][4] = { EXTEND_ROW(movzx, m, 8), EXTEND_ROW(movzx, m, 16) };
static const OpFn movsx_r[3][4] = {
    EXTEND_ROW(movsx, r, 8), EXTEND_ROW(movsx, r, 16),
    { NULL, NULL, op_movsx_r32_r32, op_movsx_r64_r32 },
};
static const OpFn movsx_m[3][4] = {
    EXTEND_ROW(movsx, m, 8), EXTEND_ROW(movsx, m, 16),
    { NULL, NULL, op_movsx_r32_m32, op_movsx_r64_m32 },
};

HANDLER(op_lea16)
{
    reg_write16(cpu, op->dst, op_effective(cpu, op));
    NEXT(cpu, op);
}

HANDLER(op_lea32)
{
    reg_write32(cpu, op->dst, op_effective(cpu, op));
    NEXT(cpu, op);
}

HANDLER(op_lea64)
{
    reg_write64(cpu, op->dst, op_effective(cpu, op));
    NEXT(cpu, op);
}

#define BSWAP16 __builtin_bswap16
#define BSWAP32 __builtin_bswap32
#define BSWAP64 __builtin_bswap64
#define DEFINE_MOVBE(bits)                                                                        \
    HANDLER(op_movbe_rm##bits)                                                                    \
    {                                                                                             \
        reg_write##bits(cpu, op->dst, BSWAP##bits(mmu_load##bits(cpu, op, LINEAR(bits, false)))); \
        NEXT(cpu, op);                                                                            \
    }                                                                                             \
    HANDLER(op_movbe_mr##bits)                                                                    \
    {                                                                                             \
        mmu_store##bits(cpu, op, LINEAR(bits, true), BSWAP##bits(REG_READ(bits, op->dst)));       \
        NEXT(cpu, op);                                                                            \
    }
DEFINE_MOVBE(16)
DEFINE_MOVBE(32)
DEFINE_MOVBE(64)
static const OpFn movbe_rm[4] = { NULL, op_movbe_rm16, op_movbe_rm32, op_movbe_rm64 };
static const OpFn movbe_mr[4] = { NULL, op_movbe_mr16, op_movbe_mr32, op_movbe_mr64 };

HANDLER(op_cbw)
{
    reg_write16(cpu, GPR_RAX * 8, SEXT(8, cpu->regs[GPR_RAX]));
    NEXT(cpu, op);
}

HANDLER(op_cwde)
{
    reg_write32(cpu, GPR_RAX * 8, SEXT(16, cpu->regs[GPR_RAX]));
    NEXT(cpu, op);
}

HANDLER(op_cdqe)
{
    cpu->regs[GPR_RAX] = SEXT(32, cpu->regs[GPR_RAX]);
    NEXT(cpu, op);
}

HANDLER(op_cwd)
{
    reg_write16(cpu, GPR_RDX * 8, SEXT(16, cpu->regs[GPR_RAX]) >> 16);
    NEXT(cpu, op);
}

HANDLER(op_cdq)
{
    reg_write32(cpu, GPR_RDX * 8, SEXT(32, cpu->regs[GPR_RAX]) >> 32);
    NEXT(cpu, op);
}

HANDLER(op_cqo)
{
    cpu->regs[GPR_RDX] = (uint64_t)((int64_t)cpu->regs[GPR_RAX] >> 63);
    NEXT(cpu, op);
}

/* [rBX + AL]: AL is added where the decoder has nothing to say, so by hand. */
HANDLER(op_xlat)
{
    uint64_t ea = cpu->regs[GPR_RBX] + (uint8_t)cpu->regs[GPR_RAX];
    ea &= op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t linear;
    if (cpu->mode & CPU_MODE_CS64) {
        linear = ea + (op->seg >= SEG_FS ? cpu->seg[op->seg].base : 0);
    } else {
        linear = segment_linear_slow(cpu, op, op->seg, ea, 1, false);
    }
    reg_write8(cpu, GPR_RAX * 8, mmu_load8(cpu, op, linear));
    NEXT(cpu, op);
}

/*
 * 64 bytes, the destination aligned to them (SDM vol. 2, MOVDIR64B). Destination address:
 * ES:register.
 */
HANDLER(op_movdir64b)
{
    uint64_t source = LINEAR(512, false);
    uint64_t ea = CPU_REG(cpu, uint64_t, op->dst);
    ea &= op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t target = cpu->mode & CPU_MODE_CS64
                          ? ea
                          : segment_linear_slow(cpu, op, SEG_ES, ea, 64, true);
    if (target % 64 != 0) {
        op_raise(cpu, op, VEC_GP, 0);
    }
    uint8_t line[64];
    mmu_read(cpu, op, source, line, sizeof(line));
    mmu_write(cpu, op, target, line, sizeof(line));
    return op + 1; /* the buffer forbids a tail call: cpu_run()'s loop goes on */
}

/* Segment, control and debug registers are the system family's. */
static bool choose_plain_mov(const Decoded *d, Op *op)
{
    int form = int_form(d);
    if (form < 0) {
        return false;
    }
    unsigned size = SIZE_INDEX(op->size);
    if (form == FORM_MR) {
        op->src = op->dst;
    }
    bool flat = (d->mode & CPU_MODE_CS64) && op->seg < SEG_FS && op->index == GPR_ZERO * 8 &&
                op->addr_size == 8;
    op->fn = flat && mov_flat_forms[form][size] != NULL ? mov_flat_forms[form][size]
                                                        : mov_forms[form][size];
    return true;
}

static bool choose_extend(const Decoded *d, Op *op, bool sign)
{
    bool memory = is_memory(d, 1);
    unsigned from = SIZE_INDEX(d->operand[1].size / 8u), to = SIZE_INDEX(d->operand[0].size / 8u);
    if (from > 2) {
        return false;
    }
    op->fn = sign ? (memory ? movsx_m : movsx_r)[from][to] : (memory ? movzx_m : movzx_r)[from][to];
    if (op->fn == NULL && to == SIZE_INDEX(2)) {
        return choose_plain_mov(d, op); /* MOVSXD r16, r/m16 */
    }
    return op->fn != NULL;
}

static uint8_t hidden_segment(const Decoded *d)
{
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        if (d->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            return (uint8_t)(d->operand[i].mem.segment - ZYDIS_REGISTER_ES);
        }
    }
    return SEG_DS;
}

static bool choose_gated(Cpu *cpu, const Decoded *d, Op *op)
{
    unsigned size = SIZE_INDEX(op->size);
    uint32_t feature = isa_feature(d->insn.meta.isa_set);
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOVBE:
        op->fn = is_memory(d, 1) ? movbe_rm[size] : movbe_mr[size];
        break;
    case ZYDIS_MNEMONIC_MOVDIRI:
        feature = FEATURE(7u, 0u, 2, 27);
        op->src = op->dst;
        op->fn = mov_forms[FORM_MR][SIZE_INDEX(d->operand[0].size / 8u)];
        break;
    default:
        feature = FEATURE(7u, 0u, 2, 28);
        op->fn = op_movdir64b;
        break;
    }
    if (!cpu->world->has_feature(cpu, feature)) {
        op->fn = op_ud;
    }
    return true;
}

bool int_choose_mov(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)ends;
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return choose_plain_mov(d, op);
    case ZYDIS_MNEMONIC_MOVZX:
        return choose_extend(d, op, false);
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
        return choose_extend(d, op, true);
    case ZYDIS_MNEMONIC_LEA:
        op->fn = op->size == 8 ? op_lea64 : op->size == 4 ? op_lea32 : op_lea16;
        return true;
    case ZYDIS_MNEMONIC_MOVBE:
    case ZYDIS_MNEMONIC_MOVDIRI:
    case ZYDIS_MNEMONIC_MOVDIR64B:
        return choose_gated(cpu, d, op);
    case ZYDIS_MNEMONIC_CBW:
        op->fn = op_cbw;
        return true;
    case ZYDIS_MNEMONIC_CWDE:
        op->fn = op_cwde;
        return true;
    case ZYDIS_MNEMONIC_CDQE:
        op->fn = op_cdqe;
        return true;
    case ZYDIS_MNEMONIC_CWD:
        op->fn = op_cwd;
        return true;
    case ZYDIS_MNEMONIC_CDQ:
        op->fn = op_cdq;
        return true;
    case ZYDIS_MNEMONIC_CQO:
        op->fn = op_cqo;
        return true;
    case ZYDIS_MNEMONIC_XLAT:
        op->seg = hidden_segment(d);
        op->fn = op_xlat;
        return true;
    default:
        return false;
    }
}
