/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The class of every CPUID feature bit of a TD, from the CPUID tables of the TDX module's ABI
 * specification (1.5 line). Only what KVM_TDX_CAPABILITIES cannot tell is in here; which bits the
 * VMM may choose is asked of KVM.
 */
#include "target/i386/kvm/tdx-cpuid.h"
#include "target/i386/kvm/tdx-xfam.h"

static const TdxFeatureWord words[] = {
    { 0x1, 0, CPUID_ECX }, { 0x1, 0, CPUID_EDX }, { 0x6, 0, CPUID_EAX }, { 0x7, 0, CPUID_EBX },
    { 0x7, 0, CPUID_ECX },
    { 0x7, 0, CPUID_EDX }, { 0x7, 1, CPUID_EAX }, { 0x7, 1, CPUID_ECX }, { 0x7, 1, CPUID_EDX },
    { 0x7, 2, CPUID_EDX },
    { 0xd, 1, CPUID_EAX }, { 0x12, 0, CPUID_EAX }, { 0x12, 0, CPUID_EBX }, { 0x12, 1, CPUID_EAX },
    { 0x14, 0, CPUID_ECX },
    { 0x1e, 1, CPUID_EAX }, { 0x24, 0, CPUID_EBX }, { 0x24, 1, CPUID_ECX }, { 0x29, 0, CPUID_EBX },
    { 0x40000001, 0, CPUID_EAX },
    { 0x40000001, 0, CPUID_EDX }, { 0x80000001, 0, CPUID_ECX }, { 0x80000001, 0, CPUID_EDX },
    { 0x80000007, 0, CPUID_EBX },
    { 0x80000007, 0, CPUID_EDX }, { 0x80000008, 0, CPUID_EBX }, { 0x8000000a, 0, CPUID_EDX },
    { 0x80000021, 0, CPUID_EAX },
    { 0x80000021, 0, CPUID_ECX }, { 0x80000022, 0, CPUID_EAX }, { 0xc0000001, 0, CPUID_EDX },
};

/*
 * Later rows win. Bits without a row are fixed to 0. Bits that a newer module made configurable
 * (MCE, MTRR, MCA, CORE_CAPABILITY) stay in the fixed-1 rows: a guest reads 1 until it reduces #VE
 * itself.
 */
static const struct {
    TdxFeatureWord word;
    uint32_t mask;
    TdxBitRule rule;
} rows[] = {
    { { 0x1, 0, CPUID_ECX }, 0xc6faa217, { TDX_BIT_FIXED_1 } },
    { { 0x1, 0, CPUID_ECX }, 1u << 27, { TDX_BIT_DYNAMIC } }, /* OSXSAVE */
    { { 0x1, 0, CPUID_ECX }, 0x00001000, { TDX_BIT_XFAM, TDX_XFAM_YMM } },
    { { 0x1, 0, CPUID_ECX }, 0x30000000, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_YMM } },
    { { 0x1, 0, CPUID_EDX }, 0x07a9fbff, { TDX_BIT_FIXED_1 } },
    { { 0x6, 0, CPUID_EAX }, 1u << 2, { TDX_BIT_DYNAMIC } },
    /* ARAT: the leaf is #VE until the guest reduces #VE */
    { { 0x7, 0, CPUID_EBX }, 0x219424c1, { TDX_BIT_FIXED_1 } },
    { { 0x7, 0, CPUID_EBX }, 0x00000020, { TDX_BIT_XFAM, TDX_XFAM_YMM } },
    { { 0x7, 0, CPUID_EBX }, 0xdc230000, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_AVX512 } },
    { { 0x7, 0, CPUID_EBX }, 0x02000000, { TDX_BIT_XFAM, TDX_XFAM_PT } },
    { { 0x7, 0, CPUID_ECX }, 0x19000000, { TDX_BIT_FIXED_1 } },
    { { 0x7, 0, CPUID_ECX }, 1u << 4, { TDX_BIT_DYNAMIC } }, /* OSPKE */
    { { 0x7, 0, CPUID_ECX }, 0x00000600, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_YMM } },
    { { 0x7, 0, CPUID_ECX }, 0x00005840, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_AVX512 } },
    { { 0x7, 0, CPUID_ECX }, 0x00000002, { TDX_BIT_XFAM, TDX_XFAM_AVX512 } },
    { { 0x7, 0, CPUID_ECX }, 0x00000008, { TDX_BIT_XFAM, TDX_XFAM_PKRU } },
    { { 0x7, 0, CPUID_ECX }, 0x00000080, { TDX_BIT_XFAM, TDX_XFAM_CET } },
    { { 0x7, 0, CPUID_ECX }, 1u << 31, { TDX_BIT_ATTRIBUTE, TDX_ATTRIBUTE_PKS } },
    { { 0x7, 0, CPUID_EDX }, 0xfc000400, { TDX_BIT_FIXED_1 } },
    { { 0x7, 0, CPUID_EDX }, 0x0000010c, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_AVX512 } },
    { { 0x7, 0, CPUID_EDX }, 0x00800000, { TDX_BIT_XFAM, TDX_XFAM_AVX512 } },
    { { 0x7, 0, CPUID_EDX }, 0x00100000, { TDX_BIT_XFAM, TDX_XFAM_CET } },
    { { 0x7, 0, CPUID_EDX }, 0x00000020, { TDX_BIT_XFAM, TDX_XFAM_UINTR } },
    { { 0x7, 0, CPUID_EDX }, 0x00080000, { TDX_BIT_XFAM, TDX_XFAM_LBR } },
    { { 0x7, 0, CPUID_EDX }, 0x03400000, { TDX_BIT_XFAM, TDX_XFAM_AMX } },
    { { 0x7, 1, CPUID_EAX }, 0x00800010, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_YMM } },
    { { 0x7, 1, CPUID_EAX }, 0x00000020, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_AVX512 } },
    { { 0x7, 1, CPUID_EAX }, 0x00200000, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_AMX } },
    { { 0x7, 1, CPUID_EAX }, 1u << 6, { TDX_BIT_ATTRIBUTE, TDX_ATTRIBUTE_LASS } },
    { { 0x7, 1, CPUID_EDX }, 0x00000430, { TDX_BIT_XFAM_CONFIG, TDX_XFAM_YMM } },
    { { 0x7, 2, CPUID_EDX }, 0x00000017, { TDX_BIT_FIXED_1 } },
    { { 0xd, 1, CPUID_EAX }, 0x0000000f, { TDX_BIT_FIXED_1 } },
    { { 0xd, 1, CPUID_EAX }, 0x00000010, { TDX_BIT_XFAM, TDX_XFAM_AMX } }, /* XFD */
    { { 0x14, 0, CPUID_ECX }, 0x80000000, { TDX_BIT_XFAM, TDX_XFAM_PT } },
    { { 0x1e, 1, CPUID_EAX }, 0xffffffff, { TDX_BIT_XFAM, TDX_XFAM_AMX } },
    { { 0x80000001, 0, CPUID_ECX }, 0x00000121, { TDX_BIT_FIXED_1 } },
    { { 0x80000001, 0, CPUID_EDX }, 0x2c100000, { TDX_BIT_FIXED_1 } },
    { { 0x80000001, 0, CPUID_EDX }, 1u << 11, { TDX_BIT_FIXED_1 } },
    /* SYSCALL: 1 in 64-bit mode, read as 0 by KVM */
    { { 0x80000007, 0, CPUID_EDX }, 1u << 8, { TDX_BIT_FIXED_1 } },
    /*
     * Linux arch/x86/include/uapi/asm/kvm_para.h; what writes to guest memory behind the guest's
     * back cannot work.
     */
    { { 0x40000001, 0, CPUID_EAX }, 0xffffffff, { TDX_BIT_KVM_NOT_TD } },
    { { 0x40000001, 0, CPUID_EAX }, 0x0000ba82, { TDX_BIT_KVM } },
    { { 0x40000001, 0, CPUID_EDX }, 0x00000001, { TDX_BIT_KVM } },
};

const TdxFeatureWord *tdx_feature_words(unsigned *count)
{
    *count = G_N_ELEMENTS(words);
    return words;
}

static bool same_word(const TdxFeatureWord *a, const TdxFeatureWord *b)
{
    return a->function == b->function && a->index == b->index && a->reg == b->reg;
}

TdxBitRule tdx_bit_rule(const TdxFeatureWord *word, unsigned bit)
{
    for (unsigned i = G_N_ELEMENTS(rows); i-- > 0;) {
        if ((rows[i].mask >> bit & 1) && same_word(&rows[i].word, word)) {
            return rows[i].rule;
        }
    }
    return (TdxBitRule) { TDX_BIT_FIXED_0, 0 };
}

uint32_t tdx_word_class_mask(const TdxFeatureWord *word, TdxBitClass class)
{
    uint32_t mask = class == TDX_BIT_FIXED_0 ? ~0u : 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (same_word(&rows[i].word, word)) {
            mask = rows[i].rule.class == class ? mask | rows[i].mask : mask & ~rows[i].mask;
        }
    }
    return mask;
}
