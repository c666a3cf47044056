/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector moves, SSE and VEX forms (SDM vol. 2, MOVAPS ... MOVUPS).
 *
 * Op fields: dst = destination or stored vector register, src = other vector register; where the
 * form has a general register, dst = its byte offset, src = the vector register; flags = 1 for a
 * 256-bit form; size = bytes of a scalar. imm and aux are vec_host_form()'s.
 */
#include "vector.h"

enum { WIDE = 1 };

static inline __m128i load_scalar(Cpu *cpu, const Op *op, unsigned bytes)
{
    uint64_t linear = op_linear(cpu, op, bytes, false);
    return _mm_cvtsi64_si128(
        (int64_t)(bytes == 8 ? mmu_load64(cpu, op, linear) : mmu_load32(cpu, op, linear)));
}

/* Full-width SSE moves */

static const Op *op_mov_rr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_put(vec_xmm(cpu, op->dst), vec_get(vec_xmm(cpu, op->src)));
    NEXT(cpu, op);
}

static const Op *op_movu_rm(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_put(vec_xmm(cpu, op->dst), vec_load(cpu, op, op_linear(cpu, op, 16, false)));
    NEXT(cpu, op);
}

static const Op *op_mova_rm(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_put(vec_xmm(cpu, op->dst),
            vec_load(cpu, op, vec_align(cpu, op, op_linear(cpu, op, 16, false), 16)));
    NEXT(cpu, op);
}

static const Op *op_movu_mr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_store(cpu, op, op_linear(cpu, op, 16, true), vec_get(vec_xmm(cpu, op->dst)));
    NEXT(cpu, op);
}

static const Op *op_mova_mr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_store(cpu, op, vec_align(cpu, op, op_linear(cpu, op, 16, true), 16),
              vec_get(vec_xmm(cpu, op->dst)));
    NEXT(cpu, op);
}

/* Full-width VEX moves; the aligned ones ask for 16 or 32 bytes by length. */

static const Op *op_vmov_rr(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    if (op->flags & WIDE) {
        vec_put_vex256(cpu, op->dst, vec_get(vec_xmm(cpu, op->src)),
                       vec_get(vec_ymmh(cpu, op->src)));
    } else {
        vec_put_vex128(cpu, op->dst, vec_get(vec_xmm(cpu, op->src)));
    }
    NEXT(cpu, op);
}

static inline void vex_load(Cpu *cpu, const Op *op, bool aligned)
{
    unsigned bytes = op->flags & WIDE ? 32 : 16;
    uint64_t linear = op_linear(cpu, op, bytes, false);

    if (aligned) {
        vec_align(cpu, op, linear, bytes);
    }
    if (bytes == 32) {
        __m128i lo = vec_load(cpu, op, linear);
        __m128i hi = vec_load(cpu, op, linear + 16);
        vec_put_vex256(cpu, op->dst, lo, hi);
    } else {
        vec_put_vex128(cpu, op->dst, vec_load(cpu, op, linear));
    }
}

static inline void vex_store(Cpu *cpu, const Op *op, bool aligned)
{
    unsigned bytes = op->flags & WIDE ? 32 : 16;
    uint64_t linear = op_linear(cpu, op, bytes, true);

    if (aligned) {
        vec_align(cpu, op, linear, bytes);
    }
    if (bytes == 32) {
        vec_store256_slow(cpu, op, linear, vec_get(vec_xmm(cpu, op->dst)),
                          vec_get(vec_ymmh(cpu, op->dst)));
    } else {
        vec_store(cpu, op, linear, vec_get(vec_xmm(cpu, op->dst)));
    }
}

static const Op *op_vmovu_rm(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    vex_load(cpu, op, false);
    NEXT(cpu, op);
}

static const Op *op_vmova_rm(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    vex_load(cpu, op, true);
    NEXT(cpu, op);
}

static const Op *op_vmovu_mr(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    vex_store(cpu, op, false);
    NEXT(cpu, op);
}

static const Op *op_vmova_mr(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    vex_store(cpu, op, true);
    NEXT(cpu, op);
}

/*
 * MOVD, MOVQ, MOVSS, MOVSD: one scalar, the rest of the destination cleared (except MOVSS/MOVSD
 * between registers)
 */

#define DEFINE_SCALAR(name, bytes)                                                    \
    static const Op *op_##name##_from_gpr(Cpu *cpu, const Op *op)                     \
    {                                                                                 \
        vec_check_sse(cpu, op);                                                       \
        uint64_t v = CPU_REG(cpu, uint64_t, op->dst);                                 \
        vec_put(vec_xmm(cpu, op->src),                                                \
                _mm_cvtsi64_si128((int64_t)((bytes) == 8 ? v : (uint32_t)v)));        \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static const Op *op_v##name##_from_gpr(Cpu *cpu, const Op *op)                    \
    {                                                                                 \
        vec_check_avx(cpu, op);                                                       \
        uint64_t v = CPU_REG(cpu, uint64_t, op->dst);                                 \
        vec_put_vex128(cpu, op->src,                                                  \
                       _mm_cvtsi64_si128((int64_t)((bytes) == 8 ? v : (uint32_t)v))); \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static inline void name##_store_gpr(Cpu *cpu, const Op *op)                       \
    {                                                                                 \
        uint64_t v = (uint64_t)_mm_cvtsi128_si64(vec_get(vec_xmm(cpu, op->src)));     \
        CPU_REG(cpu, uint64_t, op->dst) = (bytes) == 8 ? v : (uint32_t)v;             \
    }                                                                                 \
    static const Op *op_##name##_to_gpr(Cpu *cpu, const Op *op)                       \
    {                                                                                 \
        vec_check_sse(cpu, op);                                                       \
        name##_store_gpr(cpu, op);                                                    \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static const Op *op_v##name##_to_gpr(Cpu *cpu, const Op *op)                      \
    {                                                                                 \
        vec_check_avx(cpu, op);                                                       \
        name##_store_gpr(cpu, op);                                                    \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static const Op *op_##name##_rm(Cpu *cpu, const Op *op)                           \
    {                                                                                 \
        vec_check_sse(cpu, op);                                                       \
        vec_put(vec_xmm(cpu, op->dst), load_scalar(cpu, op, (bytes)));                \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static const Op *op_v##name##_rm(Cpu *cpu, const Op *op)                          \
    {                                                                                 \
        vec_check_avx(cpu, op);                                                       \
        vec_put_vex128(cpu, op->dst, load_scalar(cpu, op, (bytes)));                  \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static inline void name##_store(Cpu *cpu, const Op *op)                           \
    {                                                                                 \
        uint64_t v = (uint64_t)_mm_cvtsi128_si64(vec_get(vec_xmm(cpu, op->dst)));     \
        uint64_t linear = op_linear(cpu, op, (bytes), true);                          \
        if ((bytes) == 8) {                                                           \
            mmu_store64(cpu, op, linear, v);                                          \
        } else {                                                                      \
            mmu_store32(cpu, op, linear, (uint32_t)v);                                \
        }                                                                             \
    }                                                                                 \
    static const Op *op_##name##_mr(Cpu *cpu, const Op *op)                           \
    {                                                                                 \
        vec_check_sse(cpu, op);                                                       \
        name##_store(cpu, op);                                                        \
        NEXT(cpu, op);                                                                \
    }                                                                                 \
    static const Op *op_v##name##_mr(Cpu *cpu, const Op *op)                          \
    {                                                                                 \
        vec_check_avx(cpu, op);                                                       \
        name##_store(cpu, op);                                                        \
        NEXT(cpu, op);                                                                \
    }
DEFINE_SCALAR(mov32, 4)
DEFINE_SCALAR(mov64, 8)

static const Op *op_movq_rr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    vec_put(vec_xmm(cpu, op->dst), _mm_move_epi64(vec_get(vec_xmm(cpu, op->src))));
    NEXT(cpu, op);
}

static const Op *op_vmovq_rr(Cpu *cpu, const Op *op)
{
    vec_check_avx(cpu, op);
    vec_put_vex128(cpu, op->dst, _mm_move_epi64(vec_get(vec_xmm(cpu, op->src))));
    NEXT(cpu, op);
}

static const Op *op_movss_rr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    memcpy(vec_xmm(cpu, op->dst), vec_xmm(cpu, op->src), 4);
    NEXT(cpu, op);
}

static const Op *op_movsd_rr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    memcpy(vec_xmm(cpu, op->dst), vec_xmm(cpu, op->src), 8);
    NEXT(cpu, op);
}

/* Halves of a register: MOVLPS/MOVLPD, MOVHPS/MOVHPD, MOVHLPS, MOVLHPS */

static const Op *op_movl_rm(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    uint64_t v = mmu_load64(cpu, op, op_linear(cpu, op, 8, false));
    *(uint64_t *)vec_xmm(cpu, op->dst) = v;
    NEXT(cpu, op);
}

static const Op *op_movh_rm(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    uint64_t v = mmu_load64(cpu, op, op_linear(cpu, op, 8, false));
    *(uint64_t *)(vec_xmm(cpu, op->dst) + 8) = v;
    NEXT(cpu, op);
}

static const Op *op_movh_mr(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    mmu_store64(cpu, op, op_linear(cpu, op, 8, true), *(uint64_t *)(vec_xmm(cpu, op->dst) + 8));
    NEXT(cpu, op);
}

static const Op *op_movhlps(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    *(uint64_t *)vec_xmm(cpu, op->dst) = *(uint64_t *)(vec_xmm(cpu, op->src) + 8);
    NEXT(cpu, op);
}

static const Op *op_movlhps(Cpu *cpu, const Op *op)
{
    vec_check_sse(cpu, op);
    *(uint64_t *)(vec_xmm(cpu, op->dst) + 8) = *(uint64_t *)vec_xmm(cpu, op->src);
    NEXT(cpu, op);
}

/* MOVNTI has no vector register and none of the checks (SDM vol. 2, MOVNTI). */

static const Op *op_movnti32(Cpu *cpu, const Op *op)
{
    mmu_store32(cpu, op, op_linear(cpu, op, 4, true), CPU_REG(cpu, uint32_t, op->src));
    NEXT(cpu, op);
}

static const Op *op_movnti64(Cpu *cpu, const Op *op)
{
    mmu_store64(cpu, op, op_linear(cpu, op, 8, true), CPU_REG(cpu, uint64_t, op->src));
    NEXT(cpu, op);
}

static const Op *op_vzeroupper(Cpu *cpu, const Op *op)
{
    unsigned n = cpu->mode & CPU_MODE_CS64 ? 16 : 8;

    vec_check_avx(cpu, op);
    memset(cpu->xstate + XSTATE_YMMH, 0, 16 * n);
    memset(cpu->xstate + XSTATE_ZMMH, 0, 32 * n);
    NEXT(cpu, op);
}

static const Op *op_vzeroall(Cpu *cpu, const Op *op)
{
    unsigned n = cpu->mode & CPU_MODE_CS64 ? 16 : 8;

    vec_check_avx(cpu, op);
    memset(cpu->xstate + XSTATE_XMM, 0, 16 * n);
    memset(cpu->xstate + XSTATE_YMMH, 0, 16 * n);
    memset(cpu->xstate + XSTATE_ZMMH, 0, 32 * n);
    NEXT(cpu, op);
}

typedef struct MoveRow {
    ZydisMnemonic mnemonic;
    OpFn rr, rm, mr;
} MoveRow;

#define M(x) ZYDIS_MNEMONIC_##x
static const MoveRow full_moves[] = {
    {M(MOVAPS), op_mov_rr, op_mova_rm, op_mova_mr},
    {M(MOVAPD), op_mov_rr, op_mova_rm, op_mova_mr},
    {M(MOVDQA), op_mov_rr, op_mova_rm, op_mova_mr},
    {M(MOVUPS), op_mov_rr, op_movu_rm, op_movu_mr},
    {M(MOVUPD), op_mov_rr, op_movu_rm, op_movu_mr},
    {M(MOVDQU), op_mov_rr, op_movu_rm, op_movu_mr},
    {M(LDDQU), NULL, op_movu_rm, NULL},                  {M(MOVNTDQA), NULL, op_mova_rm, NULL},
    {M(MOVNTPS), NULL, NULL, op_mova_mr},                {M(MOVNTPD), NULL, NULL, op_mova_mr},
    {M(MOVNTDQ), NULL, NULL, op_mova_mr},
    {M(VMOVAPS), op_vmov_rr, op_vmova_rm, op_vmova_mr},
    {M(VMOVAPD), op_vmov_rr, op_vmova_rm, op_vmova_mr},
    {M(VMOVDQA), op_vmov_rr, op_vmova_rm, op_vmova_mr},
    {M(VMOVUPS), op_vmov_rr, op_vmovu_rm, op_vmovu_mr},
    {M(VMOVUPD), op_vmov_rr, op_vmovu_rm, op_vmovu_mr},
    {M(VMOVDQU), op_vmov_rr, op_vmovu_rm, op_vmovu_mr},
    {M(VLDDQU), NULL, op_vmovu_rm, NULL},                {M(VMOVNTDQA), NULL, op_vmova_rm, NULL},
    {M(VMOVNTPS), NULL, NULL, op_vmova_mr},              {M(VMOVNTPD), NULL, NULL, op_vmova_mr},
    {M(VMOVNTDQ), NULL, NULL, op_vmova_mr},
    /* two-operand scalar forms; VMOVSS/VMOVSD between three registers are thunks */
    {M(MOVSS), op_movss_rr, op_mov32_rm, op_mov32_mr},
    {M(MOVSD), op_movsd_rr, op_mov64_rm, op_mov64_mr},
    {M(MOVQ), op_movq_rr, op_mov64_rm, op_mov64_mr},     {M(MOVD), NULL, op_mov32_rm, op_mov32_mr},
    {M(VMOVSS), NULL, op_vmov32_rm, op_vmov32_mr},
    {M(VMOVSD), NULL, op_vmov64_rm, op_vmov64_mr},
    {M(VMOVQ), op_vmovq_rr, op_vmov64_rm, op_vmov64_mr},
    {M(VMOVD), NULL, op_vmov32_rm, op_vmov32_mr},
    {M(MOVLPS), NULL, op_movl_rm, op_mov64_mr},          {M(MOVLPD), NULL, op_movl_rm, op_mov64_mr},
    {M(MOVHPS), NULL, op_movh_rm, op_movh_mr},           {M(MOVHPD), NULL, op_movh_rm, op_movh_mr},
    {M(VMOVLPS), NULL, NULL, op_vmov64_mr},              {M(VMOVLPD), NULL, NULL, op_vmov64_mr},
    {M(MOVHLPS), op_movhlps, NULL, NULL},                {M(MOVLHPS), op_movlhps, NULL, NULL},
};

static OpFn gpr_move(const Decoded *d, bool to_gpr, unsigned bytes)
{
    bool vex = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;

    if (bytes == 8) {
        return vex      ? (to_gpr ? op_vmov64_to_gpr : op_vmov64_from_gpr)
               : to_gpr ? op_mov64_to_gpr
                        : op_mov64_from_gpr;
    }
    return vex      ? (to_gpr ? op_vmov32_to_gpr : op_vmov32_from_gpr)
           : to_gpr ? op_mov32_to_gpr
                    : op_mov32_from_gpr;
}

static uint8_t gpr_offset(const ZydisDecodedOperand *o)
{
    return (uint8_t)(ZydisRegisterGetId(o->reg.value) * 8);
}

static bool is_vector(const ZydisDecodedOperand *o)
{
    return vec_is_class(o, ZYDIS_REGCLASS_XMM) || vec_is_class(o, ZYDIS_REGCLASS_YMM);
}

bool vec_choose_move(Cpu *cpu, const Decoded *d, Op *op)
{
    const ZydisDecodedOperand *a = &d->operand[0], *b = &d->operand[1];
    ZydisMnemonic m = d->insn.mnemonic;

    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return false;
    }
    if (m == M(MOVNTI)) {
        op->src = gpr_offset(b);
        op->fn = b->size == 64 ? op_movnti64 : op_movnti32;
        return true;
    }
    if (m == M(VZEROUPPER) || m == M(VZEROALL)) {
        op->fn = m == M(VZEROALL) ? op_vzeroall : op_vzeroupper;
        return true;
    }
    if (d->insn.operand_count_visible != 2) {
        return false;
    }
    op->flags = a->size == 256 || b->size == 256 ? WIDE : 0;
    if (m == M(MOVD) || m == M(MOVQ) || m == M(VMOVD) || m == M(VMOVQ)) {
        if (is_vector(a) && vec_is_gpr(b)) {
            op->src = (uint8_t)vec_reg(a);
            op->dst = gpr_offset(b);
            op->fn = gpr_move(d, false, b->size / 8);
            return true;
        }
        if (is_vector(b) && vec_is_gpr(a)) {
            op->src = (uint8_t)vec_reg(b);
            op->dst = gpr_offset(a);
            op->fn = gpr_move(d, true, a->size / 8);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(full_moves) / sizeof(full_moves[0]); i++) {
        const MoveRow *row = &full_moves[i];
        OpFn fn = NULL;

        if (row->mnemonic != m) {
            continue;
        }
        if (is_vector(a) && is_vector(b)) {
            op->dst = (uint8_t)vec_reg(a);
            op->src = (uint8_t)vec_reg(b);
            fn = row->rr;
        } else if (is_vector(a) && b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            op->dst = (uint8_t)vec_reg(a);
            fn = row->rm;
        } else if (is_vector(b) && a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            op->dst = (uint8_t)vec_reg(b);
            fn = row->mr;
        }
        if (fn) {
            op->fn = fn;
        }
        return fn != NULL;
    }
    return false;
}
