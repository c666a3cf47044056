/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which CPUID bit stands for which of Zydis' instruction sets (Intel SDM vol. 2, CPUID; leaf,
 * sub-leaf, register, bit).
 */
#include "decode.h"
#include "features.h"

enum { EAX, EBX, ECX, EDX };
#define LEAF7(reg, bit) FEATURE(7u, 0u, reg, bit)
#define LEAF1(reg, bit) FEATURE(1u, 0u, reg, bit)
#define EXT1(reg, bit) FEATURE(0x80000001u, 0u, reg, bit)

/* Sets of the AVX-512 kind come in many vector lengths, in a row. */
static bool between(ZydisISASet set, ZydisISASet first, ZydisISASet last)
{
    return set >= first && set <= last;
}

static uint32_t avx512_feature(ZydisISASet set)
{
    static const struct {
        ZydisISASet first, last;
        uint32_t feature;
    } sets[] = {
        { ZYDIS_ISA_SET_AVX512BW_128, ZYDIS_ISA_SET_AVX512BW_KOP, LEAF7(EBX, 30) },
        { ZYDIS_ISA_SET_AVX512CD_128, ZYDIS_ISA_SET_AVX512CD_512, LEAF7(EBX, 28) },
        { ZYDIS_ISA_SET_AVX512DQ_128, ZYDIS_ISA_SET_AVX512DQ_SCALAR, LEAF7(EBX, 17) },
        { ZYDIS_ISA_SET_AVX512F_128, ZYDIS_ISA_SET_AVX512F_SCALAR, LEAF7(EBX, 16) },
        { ZYDIS_ISA_SET_AVX512_BF16_128, ZYDIS_ISA_SET_AVX512_BF16_512, FEATURE(7u, 1u, EAX, 5) },
        { ZYDIS_ISA_SET_AVX512_BITALG_128, ZYDIS_ISA_SET_AVX512_BITALG_512, LEAF7(ECX, 12) },
        { ZYDIS_ISA_SET_AVX512_FP16_128, ZYDIS_ISA_SET_AVX512_FP16_SCALAR, LEAF7(EDX, 23) },
        { ZYDIS_ISA_SET_AVX512_GFNI_128, ZYDIS_ISA_SET_AVX512_GFNI_512, LEAF7(ECX, 8) },
        { ZYDIS_ISA_SET_AVX512_IFMA_128, ZYDIS_ISA_SET_AVX512_IFMA_512, LEAF7(EBX, 21) },
        { ZYDIS_ISA_SET_AVX512_VAES_128, ZYDIS_ISA_SET_AVX512_VAES_512, LEAF7(ECX, 9) },
        { ZYDIS_ISA_SET_AVX512_VBMI2_128, ZYDIS_ISA_SET_AVX512_VBMI2_512, LEAF7(ECX, 6) },
        { ZYDIS_ISA_SET_AVX512_VBMI_128, ZYDIS_ISA_SET_AVX512_VBMI_512, LEAF7(ECX, 1) },
        { ZYDIS_ISA_SET_AVX512_VNNI_128, ZYDIS_ISA_SET_AVX512_VNNI_512, LEAF7(ECX, 11) },
        { ZYDIS_ISA_SET_AVX512_VP2INTERSECT_128, ZYDIS_ISA_SET_AVX512_VP2INTERSECT_512,
          LEAF7(EDX, 8) },
        { ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_128, ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_512,
          LEAF7(ECX, 10) },
        { ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_128, ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_512, LEAF7(ECX, 14) },
    };
    for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (between(set, sets[i].first, sets[i].last)) {
            return sets[i].feature;
        }
    }
    return DECODE_NEVER;
}

uint32_t isa_feature(ZydisISASet set)
{
    static const struct {
        ZydisISASet set;
        uint32_t feature;
    } sets[] = {
        { ZYDIS_ISA_SET_I86, 0 },
        { ZYDIS_ISA_SET_I186, 0 },
        { ZYDIS_ISA_SET_I286PROTECTED, 0 },
        { ZYDIS_ISA_SET_I286REAL, 0 },
        { ZYDIS_ISA_SET_I386, 0 },
        { ZYDIS_ISA_SET_I486, 0 },
        { ZYDIS_ISA_SET_I486REAL, 0 },
        { ZYDIS_ISA_SET_PENTIUMREAL, 0 },
        { ZYDIS_ISA_SET_PPRO, 0 },
        { ZYDIS_ISA_SET_FAT_NOP, 0 },
        { ZYDIS_ISA_SET_PREFETCH_NOP, 0 },
        { ZYDIS_ISA_SET_PAUSE, 0 },
        { ZYDIS_ISA_SET_LONGMODE, 0 },
        { ZYDIS_ISA_SET_RDPMC, 0 },
        { ZYDIS_ISA_SET_LAHF, 0 },
        { ZYDIS_ISA_SET_X87, LEAF1(EDX, 0) },
        { ZYDIS_ISA_SET_CMOV, LEAF1(EDX, 15) },
        { ZYDIS_ISA_SET_FCMOV, LEAF1(EDX, 15) },
        { ZYDIS_ISA_SET_CLFSH, LEAF1(EDX, 19) },
        { ZYDIS_ISA_SET_PENTIUMMMX, LEAF1(EDX, 23) },
        { ZYDIS_ISA_SET_FXSAVE, LEAF1(EDX, 24) },
        { ZYDIS_ISA_SET_FXSAVE64, LEAF1(EDX, 24) },
        { ZYDIS_ISA_SET_SSE, LEAF1(EDX, 25) },
        { ZYDIS_ISA_SET_SSEMXCSR, LEAF1(EDX, 25) },
        { ZYDIS_ISA_SET_SSE_PREFETCH, LEAF1(EDX, 25) },
        { ZYDIS_ISA_SET_SSE2, LEAF1(EDX, 26) },
        { ZYDIS_ISA_SET_SSE2MMX, LEAF1(EDX, 26) },
        { ZYDIS_ISA_SET_SSE3, LEAF1(ECX, 0) },
        { ZYDIS_ISA_SET_SSE3X87, LEAF1(ECX, 0) },
        { ZYDIS_ISA_SET_PCLMULQDQ, LEAF1(ECX, 1) },
        { ZYDIS_ISA_SET_MONITOR, LEAF1(ECX, 3) },
        { ZYDIS_ISA_SET_VTX, LEAF1(ECX, 5) },
        { ZYDIS_ISA_SET_VMFUNC, LEAF1(ECX, 5) },
        { ZYDIS_ISA_SET_SMX, LEAF1(ECX, 6) },
        { ZYDIS_ISA_SET_SSSE3, LEAF1(ECX, 9) },
        { ZYDIS_ISA_SET_SSSE3MMX, LEAF1(ECX, 9) },
        { ZYDIS_ISA_SET_FMA, LEAF1(ECX, 12) },
        { ZYDIS_ISA_SET_CMPXCHG16B, LEAF1(ECX, 13) },
        { ZYDIS_ISA_SET_SSE4, LEAF1(ECX, 19) },
        { ZYDIS_ISA_SET_SSE42, LEAF1(ECX, 20) },
        { ZYDIS_ISA_SET_MOVBE, LEAF1(ECX, 22) },
        { ZYDIS_ISA_SET_POPCNT, LEAF1(ECX, 23) },
        { ZYDIS_ISA_SET_AES, LEAF1(ECX, 25) },
        { ZYDIS_ISA_SET_AVXAES, LEAF1(ECX, 25) },
        { ZYDIS_ISA_SET_XSAVE, LEAF1(ECX, 26) },
        { ZYDIS_ISA_SET_AVX, LEAF1(ECX, 28) },
        { ZYDIS_ISA_SET_F16C, LEAF1(ECX, 29) },
        { ZYDIS_ISA_SET_RDRAND, LEAF1(ECX, 30) },
        { ZYDIS_ISA_SET_RDWRFSGS, LEAF7(EBX, 0) },
        { ZYDIS_ISA_SET_SGX, LEAF7(EBX, 2) },
        { ZYDIS_ISA_SET_BMI1, LEAF7(EBX, 3) },
        { ZYDIS_ISA_SET_AVX2, LEAF7(EBX, 5) },
        { ZYDIS_ISA_SET_AVX2GATHER, LEAF7(EBX, 5) },
        { ZYDIS_ISA_SET_BMI2, LEAF7(EBX, 8) },
        { ZYDIS_ISA_SET_INVPCID, LEAF7(EBX, 10) },
        { ZYDIS_ISA_SET_RTM, LEAF7(EBX, 11) },
        { ZYDIS_ISA_SET_RDSEED, LEAF7(EBX, 18) },
        { ZYDIS_ISA_SET_ADOX_ADCX, LEAF7(EBX, 19) },
        { ZYDIS_ISA_SET_SMAP, LEAF7(EBX, 20) },
        { ZYDIS_ISA_SET_CLFLUSHOPT, LEAF7(EBX, 23) },
        { ZYDIS_ISA_SET_CLWB, LEAF7(EBX, 24) },
        { ZYDIS_ISA_SET_PT, LEAF7(EBX, 25) },
        { ZYDIS_ISA_SET_SHA, LEAF7(EBX, 29) },
        { ZYDIS_ISA_SET_PREFETCHWT1, LEAF7(ECX, 0) },
        { ZYDIS_ISA_SET_PKU, LEAF7(ECX, 3) },
        { ZYDIS_ISA_SET_WAITPKG, LEAF7(ECX, 5) },
        { ZYDIS_ISA_SET_CET, LEAF7(ECX, 7) },
        { ZYDIS_ISA_SET_GFNI, LEAF7(ECX, 8) },
        { ZYDIS_ISA_SET_AVX_GFNI, LEAF7(ECX, 8) },
        { ZYDIS_ISA_SET_VAES, LEAF7(ECX, 9) },
        { ZYDIS_ISA_SET_VPCLMULQDQ, LEAF7(ECX, 10) },
        { ZYDIS_ISA_SET_RDPID, LEAF7(ECX, 22) },
        { ZYDIS_ISA_SET_KEYLOCKER, LEAF7(ECX, 23) },
        { ZYDIS_ISA_SET_KEYLOCKER_WIDE, LEAF7(ECX, 23) },
        { ZYDIS_ISA_SET_CLDEMOTE, LEAF7(ECX, 25) },
        { ZYDIS_ISA_SET_MOVDIR, LEAF7(ECX, 27) },
        { ZYDIS_ISA_SET_ENQCMD, LEAF7(ECX, 29) },
        { ZYDIS_ISA_SET_UINTR, LEAF7(EDX, 5) },
        { ZYDIS_ISA_SET_SERIALIZE, LEAF7(EDX, 14) },
        { ZYDIS_ISA_SET_TSX_LDTRK, LEAF7(EDX, 16) },
        { ZYDIS_ISA_SET_PCONFIG, LEAF7(EDX, 18) },
        { ZYDIS_ISA_SET_AMX_BF16, LEAF7(EDX, 22) },
        { ZYDIS_ISA_SET_AMX_TILE, LEAF7(EDX, 24) },
        { ZYDIS_ISA_SET_AMX_INT8, LEAF7(EDX, 25) },
        { ZYDIS_ISA_SET_AVX_VNNI, FEATURE(7u, 1u, EAX, 4) },
        { ZYDIS_ISA_SET_HRESET, FEATURE(7u, 1u, EAX, 22) },
        { ZYDIS_ISA_SET_LZCNT, EXT1(ECX, 5) },
        { ZYDIS_ISA_SET_RDTSCP, EXT1(EDX, 27) },
        { ZYDIS_ISA_SET_XSAVEOPT, FEATURE(0xdu, 1u, EAX, 0) },
        { ZYDIS_ISA_SET_XSAVEC, FEATURE(0xdu, 1u, EAX, 1) },
        { ZYDIS_ISA_SET_XSAVES, FEATURE(0xdu, 1u, EAX, 3) },
        { ZYDIS_ISA_SET_TDX, 0 },
    };
    for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (sets[i].set == set) {
            return sets[i].feature;
        }
    }
    return avx512_feature(set); /* the rest (AMD's and others' own) no Intel processor has */
}
