/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vector family: which instructions are its, what CPUID bits they need, and who executes them.
 */
#include "vector.h"

#include "thunk.h"

#define F1C(bit) FEATURE(1u, 0, 2, bit)
#define F1D(bit) FEATURE(1u, 0, 3, bit)
#define F7B(bit) FEATURE(7u, 0, 1, bit)
#define F7C(bit) FEATURE(7u, 0, 2, bit)
#define F7D(bit) FEATURE(7u, 0, 3, bit)
#define F71A(bit) FEATURE(7u, 1, 0, bit)
#define F_AVX F1C(28)
#define F_AVX512F F7B(16)
#define F_AVX512VL F7B(31)

typedef struct FeatureRow {
    ZydisISASet first, last; /* Zydis numbers the variants of an extension in a row */
    unsigned feature[2];
} FeatureRow;

#define SET(x) ZYDIS_ISA_SET_##x
#define ONE(x) SET(x), SET(x)
/* SDM vol. 2, the "CPUID feature flag" column; AVX512VL is added by length below. */
static const FeatureRow feature_rows[] = {
    {ONE(X87), {F1D(0)}},
    {ONE(FCMOV), {F1D(0), F1D(15)}},
    /* FCOMI and its kin, see vec_set(); is_foreign() has the rest of the set */
    {ONE(PPRO), {F1D(0), F1D(15)}},
    {ONE(PENTIUMMMX), {F1D(23)}},
    {ONE(SSE), {F1D(25)}},
    {ONE(SSEMXCSR), {F1D(25)}},
    {ONE(SSE2), {F1D(26)}},
    {ONE(SSE2MMX), {F1D(26)}},
    {ONE(SSE3), {F1C(0)}},
    {ONE(SSE3X87), {F1C(0)}},
    {ONE(SSSE3), {F1C(9)}},
    {ONE(SSSE3MMX), {F1C(9)}},
    {ONE(SSE4), {F1C(19)}},
    {ONE(SSE42), {F1C(20)}},
    {ONE(AES), {F1C(25)}},
    {ONE(PCLMULQDQ), {F1C(1)}},
    {ONE(SHA), {F7B(29)}},
    {ONE(GFNI), {F7C(8)}},
    {ONE(AVX), {F_AVX}},
    {ONE(AVX2), {F7B(5)}},
    {ONE(AVX2GATHER), {F7B(5)}},
    {ONE(AVXAES), {F1C(25), F_AVX}},
    {ONE(F16C), {F1C(29)}},
    {ONE(FMA), {F1C(12)}},
    {ONE(AVX_GFNI), {F7C(8), F_AVX}},
    {ONE(VAES), {F7C(9)}},
    {ONE(VPCLMULQDQ), {F7C(10)}},
    {ONE(AVX_VNNI), {F71A(4)}},
    {SET(AVX512F_128), SET(AVX512F_SCALAR), {F_AVX512F}},
    {SET(AVX512BW_128), SET(AVX512BW_KOP), {F7B(30)}},
    {SET(AVX512CD_128), SET(AVX512CD_512), {F7B(28)}},
    {SET(AVX512DQ_128), SET(AVX512DQ_SCALAR), {F7B(17)}},
    {SET(AVX512ER_512), SET(AVX512ER_SCALAR), {F7B(27)}},
    {ONE(AVX512PF_512), {F7B(26)}},
    {SET(AVX512_4FMAPS_512), SET(AVX512_4FMAPS_SCALAR), {F7D(3)}},
    {ONE(AVX512_4VNNIW_512), {F7D(2)}},
    {SET(AVX512_BF16_128), SET(AVX512_BF16_512), {F71A(5)}},
    {SET(AVX512_BITALG_128), SET(AVX512_BITALG_512), {F7C(12)}},
    {SET(AVX512_FP16_128), SET(AVX512_FP16_SCALAR), {F7D(23)}},
    {SET(AVX512_GFNI_128), SET(AVX512_GFNI_512), {F7C(8), F_AVX512F}},
    {SET(AVX512_IFMA_128), SET(AVX512_IFMA_512), {F7B(21)}},
    {SET(AVX512_VAES_128), SET(AVX512_VAES_512), {F7C(9), F_AVX512F}},
    {SET(AVX512_VBMI2_128), SET(AVX512_VBMI2_512), {F7C(6)}},
    {SET(AVX512_VBMI_128), SET(AVX512_VBMI_512), {F7C(1)}},
    {SET(AVX512_VNNI_128), SET(AVX512_VNNI_512), {F7C(11)}},
    {SET(AVX512_VP2INTERSECT_128), SET(AVX512_VP2INTERSECT_512), {F7D(8)}},
    {SET(AVX512_VPCLMULQDQ_128), SET(AVX512_VPCLMULQDQ_512), {F7C(10), F_AVX512F}},
    {SET(AVX512_VPOPCNTDQ_128), SET(AVX512_VPOPCNTDQ_512), {F7C(14)}},
    {ONE(AMX_TILE), {F7D(24)}},
    {ONE(AMX_INT8), {F7D(25)}},
    {ONE(AMX_BF16), {F7D(22)}},
    /* AMD's and Knights Corner's own: no TDX processor has them. */
    {ONE(AMD3DNOW), {VEC_FEATURE_NEVER}},
    {ONE(SSE4A), {VEC_FEATURE_NEVER}},
    {ONE(FMA4), {VEC_FEATURE_NEVER}},
    {ONE(XOP), {VEC_FEATURE_NEVER}},
    {SET(KNCE), SET(KNC_PF_HINT), {VEC_FEATURE_NEVER}},
};

ZydisISASet vec_set(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FCOMI:
    case ZYDIS_MNEMONIC_FCOMIP:
    case ZYDIS_MNEMONIC_FUCOMI:
    case ZYDIS_MNEMONIC_FUCOMIP:
        return ZYDIS_ISA_SET_PPRO;
    default:
        return insn->meta.isa_set;
    }
}

/* Listed under SSE or SSE2 by Zydis, but hints and fences: system family. */
static bool is_foreign(const ZydisDecodedInstruction *insn)
{
    if (insn->meta.isa_set == ZYDIS_ISA_SET_PPRO && insn->meta.isa_ext != ZYDIS_ISA_EXT_X87) {
        return true;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_PAUSE:
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
        return true;
    default:
        return false;
    }
}

bool vec_features(const ZydisDecodedInstruction *insn, VecFeatures *out)
{
    const ZydisISASet set = vec_set(insn);

    memset(out, 0, sizeof(*out));
    if (is_foreign(insn)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(feature_rows) / sizeof(feature_rows[0]); i++) {
        const FeatureRow *row = &feature_rows[i];
        if (set < row->first || set > row->last) {
            continue;
        }
        out->feature[0] = row->feature[0];
        out->feature[1] = row->feature[1];
        if (insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && insn->avx.vector_length != 512 &&
            strstr(ZydisISASetGetString(insn->meta.isa_set), "SCALAR") == NULL &&
            strstr(ZydisISASetGetString(insn->meta.isa_set), "128N") == NULL) {
            out->feature[2] = F_AVX512VL;
        }
        if (insn->mnemonic == ZYDIS_MNEMONIC_VPCLMULQDQ &&
            insn->meta.isa_set == ZYDIS_ISA_SET_AVX) {
            out->feature[2] = F1C(1);
        }
        return true;
    }
    return false;
}

bool family_vector(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    VecFeatures f;

    if (!vec_features(&d->insn, &f)) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (f.feature[i] == VEC_FEATURE_NEVER ||
            (f.feature[i] && !cpu->world->has_feature(cpu, f.feature[i]))) {
            op->fn = op_ud;
            return true;
        }
    }
    if (vec_choose_move(cpu, d, op) || vec_choose_int(cpu, d, op)) {
        vec_host_form(cpu, d, op);
        return true;
    }
    /* What none of them does, the decoder names and refuses. */
    return vec_choose_x87(cpu, d, op) || vec_choose_tile(cpu, d, op) ||
           vec_choose_masked(cpu, d, op) || vec_choose_approximate(cpu, d, op) ||
           vec_choose_thunk(cpu, d, op) || vec_choose_portable(cpu, d, op);
}

void vec_refuse_sse(Cpu *cpu, const Op *op)
{
    vec_raise(cpu, op, (cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR) ? VEC_UD : VEC_NM);
}

void vec_refuse_avx(Cpu *cpu, const Op *op, uint64_t need)
{
    bool enabled = (cpu->cr0 & CR0_PE) && (cpu->cr4 & CR4_OSXSAVE) && (cpu->xcr0 & need) == need;
    vec_raise(cpu, op, enabled ? VEC_NM : VEC_UD);
}

__m128i vec_load_slow(Cpu *cpu, const Op *op, uint64_t linear)
{
    uint8_t buf[16];

    mmu_read(cpu, op, linear, buf, sizeof(buf));
    return vec_get(buf);
}

void vec_store_slow(Cpu *cpu, const Op *op, uint64_t linear, __m128i v)
{
    uint8_t buf[16];

    vec_put(buf, v);
    mmu_write(cpu, op, linear, buf, sizeof(buf));
}

void vec_store256_slow(Cpu *cpu, const Op *op, uint64_t linear, __m128i lo, __m128i hi)
{
    uint8_t buf[32];

    vec_put(buf, lo);
    vec_put(buf + 16, hi);
    mmu_write(cpu, op, linear, buf, sizeof(buf));
}
