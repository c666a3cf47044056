/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every bit that CPUID offers a TD is known here, and of each that stands for instructions one is
 * executed on the real core, in a TD of each profile: it does what the bit promises, and without
 * the bit it is #UD.
 */
#include <glib.h>
#include <string.h>

#include "one-instruction.h"

enum { NO_CODE = -1 }; /* expected vectors besides exceptions: the bit has no instruction */

typedef struct Row {
    unsigned feature;
    const char *name;
    int vector;          /* NOTHING: it completes; NO_CODE: the bit has no instruction of its own */
    bool not_gated;      /* without the bit the encoding means something else */
    uint8_t code[12];
} Row;

#define I(...) { __VA_ARGS__ }
#define BITS_ONLY(feature, name) { feature, name, NO_CODE, false, {0} }

/* ldtilecfg [rsi+40h], and a product of tiles 0, 1 and 2 */
#define TILES(...) I(0xc4, 0xe2, 0x78, 0x49, 0x46, 0x40, 0xc4, 0xe2, __VA_ARGS__)

/* Memory operands are at [RSI], 64-byte aligned. Code is padded with NOPs (zero bytes end it). */
static const Row rows[] = {
    {L1(ECX, 0), "SSE3: haddps", NOTHING, false, I(0xf2, 0x0f, 0x7c, 0xc1)},
    {L1(ECX, 1), "PCLMULQDQ", NOTHING, false, I(0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x11)},
    BITS_ONLY(L1(ECX, 2), "DTES64"),
    {L1(ECX, 3), "MONITOR", NOTHING, false, I(0x48, 0x89, 0xf0, 0x0f, 0x01, 0xc8)},
    BITS_ONLY(L1(ECX, 4), "DS-CPL"),
    BITS_ONLY(L1(ECX, 7), "EST"),
    BITS_ONLY(L1(ECX, 8), "TM2"),
    {L1(ECX, 9), "SSSE3: pshufb", NOTHING, false, I(0x66, 0x0f, 0x38, 0x01, 0xc1)},
    BITS_ONLY(L1(ECX, 10), "CNXT-ID"),
    BITS_ONLY(L1(ECX, 11), "SDBG"),
    {L1(ECX, 12), "FMA: vfmadd231ps", NOTHING, false, I(0xc4, 0xe2, 0x71, 0xb8, 0xc2)},
    {L1(ECX, 13), "CMPXCHG16B", NOTHING, false, I(0x48, 0x0f, 0xc7, 0x0e)},
    BITS_ONLY(L1(ECX, 14), "xTPR"),
    BITS_ONLY(L1(ECX, 15), "PDCM"),
    BITS_ONLY(L1(ECX, 17), "PCID"),
    BITS_ONLY(L1(ECX, 18), "DCA"),
    {L1(ECX, 19), "SSE4.1: pmovzxbw", NOTHING, false, I(0x66, 0x0f, 0x38, 0x30, 0xc1)},
    {L1(ECX, 20), "SSE4.2: pcmpgtq", NOTHING, false, I(0x66, 0x0f, 0x38, 0x37, 0xc1)},
    BITS_ONLY(L1(ECX, 21), "x2APIC"),
    {L1(ECX, 22), "MOVBE", NOTHING, false, I(0x0f, 0x38, 0xf0, 0x06)},
    {L1(ECX, 23), "POPCNT", NOTHING, false, I(0xf3, 0x0f, 0xb8, 0xc3)},
    BITS_ONLY(L1(ECX, 24), "TSC-DEADLINE"),
    {L1(ECX, 25), "AES: aesenc", NOTHING, false, I(0x66, 0x0f, 0x38, 0xdc, 0xc1)},
    {L1(ECX, 26), "XSAVE", NOTHING, false, I(0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0xae, 0x26)},
    {L1(ECX, 28), "AVX: vaddps", NOTHING, false, I(0xc5, 0xf4, 0x58, 0xc2)},
    {L1(ECX, 29), "F16C: vcvtph2ps", NOTHING, false, I(0xc4, 0xe2, 0x7d, 0x13, 0xc1)},
    {L1(ECX, 30), "RDRAND", NOTHING, false, I(0x0f, 0xc7, 0xf0)},
    BITS_ONLY(L1(ECX, 31), "HYPERVISOR"),

    {L1(EDX, 0), "FPU: fld1", NOTHING, false, I(0xd9, 0xe8)},
    BITS_ONLY(L1(EDX, 1), "VME"),
    {L1(EDX, 2), "DE: mov rax, dr7", NOTHING, true, I(0x0f, 0x21, 0xf8)},
    BITS_ONLY(L1(EDX, 3), "PSE"),
    {L1(EDX, 4), "TSC: rdtsc", NOTHING, true, I(0x0f, 0x31)},
    {L1(EDX, 5), "MSR: rdmsr of LSTAR", NOTHING, true, I(0xb9, 0x82, 0, 0, 0xc0, 0x0f, 0x32)},
    BITS_ONLY(L1(EDX, 6), "PAE"),
    BITS_ONLY(L1(EDX, 7), "MCE"),
    {L1(EDX, 8), "CX8", NOTHING, true, I(0x0f, 0xc7, 0x0e)},
    BITS_ONLY(L1(EDX, 9), "APIC"),
    {L1(EDX, 11), "SEP: sysenter without a segment", VEC_GP, true, I(0x0f, 0x34)},
    BITS_ONLY(L1(EDX, 12), "MTRR"),
    BITS_ONLY(L1(EDX, 13), "PGE"),
    BITS_ONLY(L1(EDX, 14), "MCA"),
    {L1(EDX, 15), "CMOV", NOTHING, true, I(0x0f, 0x44, 0xc3)},
    BITS_ONLY(L1(EDX, 16), "PAT"),
    BITS_ONLY(L1(EDX, 18), "PSN"),
    {L1(EDX, 19), "CLFSH", NOTHING, false, I(0x0f, 0xae, 0x3e)},
    BITS_ONLY(L1(EDX, 21), "DS"),
    BITS_ONLY(L1(EDX, 22), "ACPI"),
    {L1(EDX, 23), "MMX: paddb", NOTHING, false, I(0x0f, 0xfc, 0xc1, 0x0f, 0x77)},
    {L1(EDX, 24), "FXSR", NOTHING, false, I(0x0f, 0xae, 0x06)},
    {L1(EDX, 25), "SSE: addps", NOTHING, false, I(0x0f, 0x58, 0xc1)},
    {L1(EDX, 26), "SSE2: addpd", NOTHING, false, I(0x66, 0x0f, 0x58, 0xc1)},
    BITS_ONLY(L1(EDX, 27), "SS"),
    BITS_ONLY(L1(EDX, 28), "HTT"),
    BITS_ONLY(L1(EDX, 29), "TM"),
    BITS_ONLY(L1(EDX, 31), "PBE"),

    {L7(EBX, 0), "FSGSBASE: rdfsbase", NOTHING, false, I(0xf3, 0x48, 0x0f, 0xae, 0xc0)},
    {L7(EBX, 3), "BMI1: andn", NOTHING, false, I(0xc4, 0xe2, 0x60, 0xf2, 0xc1)},
    BITS_ONLY(L7(EBX, 4), "HLE"),
    {L7(EBX, 5), "AVX2: vpaddb ymm", NOTHING, false, I(0xc5, 0xf5, 0xfc, 0xc2)},
    BITS_ONLY(L7(EBX, 6), "FDP_EXCPTN_ONLY"),
    BITS_ONLY(L7(EBX, 7), "SMEP"),
    {L7(EBX, 8), "BMI2: pdep", NOTHING, false, I(0xc4, 0xe2, 0x63, 0xf5, 0xc1)},
    BITS_ONLY(L7(EBX, 9), "ERMS"),
    {L7(EBX, 10), "INVPCID", NOTHING, false, I(0xb8, 2, 0, 0, 0, 0x66, 0x0f, 0x38, 0x82, 0x06)},
    {L7(EBX, 11), "RTM: xtest", NOTHING, false, I(0x0f, 0x01, 0xd6)},
    BITS_ONLY(L7(EBX, 12), "RDT-M"),
    BITS_ONLY(L7(EBX, 13), "ZERO_FCS_FDS"),
    BITS_ONLY(L7(EBX, 15), "RDT-A"),
    {L7(EBX, 16), "AVX512F: vpaddd zmm", NOTHING, false, I(0x62, 0xf1, 0x75, 0x48, 0xfe, 0xc2)},
    {L7(EBX, 17), "AVX512DQ: vpmullq zmm", NOTHING, false, I(0x62, 0xf2, 0xf5, 0x48, 0x40, 0xc2)},
    {L7(EBX, 18), "RDSEED", NOTHING, false, I(0x0f, 0xc7, 0xf8)},
    {L7(EBX, 19), "ADX: adcx", NOTHING, false, I(0x66, 0x0f, 0x38, 0xf6, 0xc3)},
    {L7(EBX, 20), "SMAP: stac", NOTHING, false, I(0x0f, 0x01, 0xcb, 0x0f, 0x01, 0xca)},
    {L7(EBX, 21), "AVX512_IFMA: vpmadd52luq", NOTHING, false,
     I(0x62, 0xf2, 0xf5, 0x48, 0xb4, 0xc2)},
    {L7(EBX, 23), "CLFLUSHOPT", NOTHING, false, I(0x66, 0x0f, 0xae, 0x3e)},
    {L7(EBX, 24), "CLWB", NOTHING, false, I(0x66, 0x0f, 0xae, 0x36)},
    {L7(EBX, 28), "AVX512CD: vplzcntd zmm", NOTHING, false, I(0x62, 0xf2, 0x7d, 0x48, 0x44, 0xc1)},
    {L7(EBX, 29), "SHA: sha256msg1", NOTHING, false, I(0x0f, 0x38, 0xcc, 0xc1)},
    {L7(EBX, 30), "AVX512BW: vpaddb zmm", NOTHING, false, I(0x62, 0xf1, 0x75, 0x48, 0xfc, 0xc2)},
    {L7(EBX, 31), "AVX512VL: vpaddd xmm, evex", NOTHING, false,
     I(0x62, 0xf1, 0x75, 0x08, 0xfe, 0xc2)},

    {L7(ECX, 0), "PREFETCHWT1", NOTHING, true, I(0x0f, 0x0d, 0x16)},
    {L7(ECX, 1), "AVX512_VBMI: vpermb", NOTHING, false, I(0x62, 0xf2, 0x75, 0x48, 0x8d, 0xc2)},
    BITS_ONLY(L7(ECX, 2), "UMIP"),
    {L7(ECX, 3), "PKU: rdpkru", NOTHING, false, I(0x31, 0xc9, 0x0f, 0x01, 0xee)},
    {L7(ECX, 5), "WAITPKG: tpause", NOTHING, false, I(0x31, 0xdb, 0x66, 0x0f, 0xae, 0xf3)},
    {L7(ECX, 6), "AVX512_VBMI2: vpshldd", NOTHING, false,
     I(0x62, 0xf3, 0x75, 0x48, 0x71, 0xc2, 0x03)},
    {L7(ECX, 7), "CET_SS: wrussq to an ordinary page", VEC_PF, false,
     I(0x66, 0x48, 0x0f, 0x38, 0xf5, 0x06)},
    {L7(ECX, 8), "GFNI: gf2p8mulb", NOTHING, false, I(0x66, 0x0f, 0x38, 0xcf, 0xc1)},
    {L7(ECX, 9), "VAES: vaesenc ymm", NOTHING, false, I(0xc4, 0xe2, 0x75, 0xdc, 0xc2)},
    {L7(ECX, 10), "VPCLMULQDQ ymm", NOTHING, false, I(0xc4, 0xe3, 0x75, 0x44, 0xc2, 0x11)},
    {L7(ECX, 11), "AVX512_VNNI: vpdpbusd", NOTHING, false, I(0x62, 0xf2, 0x75, 0x48, 0x50, 0xc2)},
    {L7(ECX, 12), "AVX512_BITALG: vpopcntb", NOTHING, false, I(0x62, 0xf2, 0x7d, 0x48, 0x54, 0xc1)},
    BITS_ONLY(L7(ECX, 13), "TME"),
    {L7(ECX, 14), "AVX512_VPOPCNTDQ: vpopcntd", NOTHING, false,
     I(0x62, 0xf2, 0x7d, 0x48, 0x55, 0xc1)},
    BITS_ONLY(L7(ECX, 16), "LA57"),
    {L7(ECX, 22), "RDPID", NOTHING, false, I(0xf3, 0x0f, 0xc7, 0xf8)},
    BITS_ONLY(L7(ECX, 24), "BUS_LOCK_DETECT"),
    {L7(ECX, 25), "CLDEMOTE", NOTHING, true, I(0x0f, 0x1c, 0x06)},
    {L7(ECX, 27), "MOVDIRI", NOTHING, false, I(0x0f, 0x38, 0xf9, 0x06)},
    {L7(ECX, 28), "MOVDIR64B", NOTHING, false, I(0x66, 0x0f, 0x38, 0xf8, 0x36)},

    BITS_ONLY(L7(EDX, 4), "FSRM"),
    {L7(EDX, 8), "AVX512_VP2INTERSECT", NOTHING, false, I(0x62, 0xf2, 0x77, 0x48, 0x68, 0xca)},
    {L7(EDX, 10), "MD_CLEAR: verw", NOTHING, true, I(0x31, 0xc0, 0x0f, 0x00, 0xe8)},
    {L7(EDX, 14), "SERIALIZE", NOTHING, false, I(0x0f, 0x01, 0xe8)},
    {L7(EDX, 16), "TSXLDTRK: xsusldtrk", NOTHING, false, I(0xf2, 0x0f, 0x01, 0xe8)},
    {L7(EDX, 18), "PCONFIG", VEC_VE, false, I(0x0f, 0x01, 0xc5)},
    {L7(EDX, 20), "CET_IBT: ENDBR_EN of U_CET", NOTHING, true,
     I(0xb9, 0xa0, 0x06, 0, 0, 0x6a, 0x04, 0x58, 0x99, 0x0f, 0x30)},
    {L7(EDX, 22), "AMX_BF16: tdpbf16ps", NOTHING, false, TILES(0x6a, 0x5c, 0xc1)},
    {L7(EDX, 23), "AVX512_FP16: vaddph", NOTHING, false, I(0x62, 0xf5, 0x74, 0x48, 0x58, 0xc2)},
    {L7(EDX, 24), "AMX_TILE: tilerelease", NOTHING, false, I(0xc4, 0xe2, 0x78, 0x49, 0xc0)},
    {L7(EDX, 25), "AMX_INT8: tdpbssd", NOTHING, false, TILES(0x6b, 0x5e, 0xc1)},
    {L7(EDX, 26), "SPEC_CTRL: rdmsr 48h", NOTHING, true, I(0xb9, 0x48, 0, 0, 0, 0x0f, 0x32)},
    BITS_ONLY(L7(EDX, 27), "STIBP"),
    {L7(EDX, 28), "FLUSH_L1D: wrmsr 10Bh", NOTHING, true,
     I(0x31, 0xd2, 0x31, 0xc0, 0xb9, 0x0b, 0x01, 0, 0, 0x0f, 0x30)},
    {L7(EDX, 29), "ARCH_CAPABILITIES: rdmsr 10Ah", NOTHING, true,
     I(0xb9, 0x0a, 0x01, 0, 0, 0x0f, 0x32)},
    BITS_ONLY(L7(EDX, 30), "CORE_CAPABILITY"),
    BITS_ONLY(L7(EDX, 31), "SSBD"),

    {L71(EAX, 4), "AVX_VNNI: vpdpbusd, vex", NOTHING, false, I(0xc4, 0xe2, 0x75, 0x50, 0xc2)},
    {L71(EAX, 5), "AVX512_BF16: vdpbf16ps", NOTHING, false, I(0x62, 0xf2, 0x76, 0x48, 0x52, 0xc2)},
    BITS_ONLY(L71(EAX, 8), "ARCH_PERFMON_EXT"),
    BITS_ONLY(L71(EAX, 10), "FZRM"),
    BITS_ONLY(L71(EAX, 11), "FSRS"),
    BITS_ONLY(L71(EAX, 12), "FSRC"),
    {L71(EAX, 21), "AMX_FP16: tdpfp16ps", NOTHING, false, TILES(0x6b, 0x5c, 0xc1)},
    {L71(EDX, 14), "PREFETCHI: prefetchit0", NOTHING, true, I(0x0f, 0x18, 0x3d, 1, 1, 1, 1)},
    BITS_ONLY(L72(EDX, 0), "PSFD"),
    BITS_ONLY(L72(EDX, 1), "IPRED_CTRL"),
    BITS_ONLY(L72(EDX, 2), "RRSBA_CTRL"),
    BITS_ONLY(L72(EDX, 3), "DDPD_U"),
    BITS_ONLY(L72(EDX, 4), "BHI_CTRL"),
    BITS_ONLY(L72(EDX, 5), "MCDT_NO"),

    {LD1(EAX, 0), "XSAVEOPT", NOTHING, false, I(0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0xae, 0x36)},
    {LD1(EAX, 1), "XSAVEC", NOTHING, false, I(0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0xc7, 0x26)},
    {LD1(EAX, 2), "XGETBV with 1", NOTHING, true, I(0xb9, 1, 0, 0, 0, 0x0f, 0x01, 0xd0)},
    {LD1(EAX, 3), "XSAVES", NOTHING, false, I(0x31, 0xd2, 0xb8, 3, 0, 0, 0, 0x0f, 0xc7, 0x2e)},
    {LD1(EAX, 4), "XFD: rdmsr 1C4h", NOTHING, true, I(0xb9, 0xc4, 0x01, 0, 0, 0x0f, 0x32)},
    {X1(ECX, 0), "LAHF", NOTHING, true, I(0x9f)},
    {X1(ECX, 5), "LZCNT", NOTHING, true, I(0xf3, 0x0f, 0xbd, 0xc3)},
    {X1(ECX, 8), "PREFETCHW", NOTHING, true, I(0x0f, 0x0d, 0x0e)},
    BITS_ONLY(X1(EDX, 20), "NX"),
    BITS_ONLY(X1(EDX, 26), "PDPE1GB"),
    {X1(EDX, 27), "RDTSCP", NOTHING, false, I(0x0f, 0x01, 0xf9)},
    BITS_ONLY(X1(EDX, 29), "LM"),
    BITS_ONLY(FEATURE(0x80000007u, 0u, EDX, 8), "INVTSC"),
    {FEATURE(0x80000008u, 0u, EBX, 9), "WBNOINVD", VEC_VE, true, I(0xf3, 0x0f, 0x09)},
};

static const struct {
    uint32_t leaf, subleaf;
    unsigned reg;
} words[] = {
    {1, 0, ECX}, {1, 0, EDX}, {7, 0, EBX}, {7, 0, ECX}, {7, 0, EDX}, {7, 1, EAX}, {7, 1, EBX},
    {7, 1, ECX}, {7, 1, EDX},
    {7, 2, EDX}, {0xd, 1, EAX}, {0x80000001, 0, ECX}, {0x80000001, 0, EDX}, {0x80000007, 0, EDX},
    {0x80000008, 0, EBX},
};

static const Row *find(unsigned feature)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].feature == feature) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Every offered bit has a row. */
static unsigned check_known(const Guest *g)
{
    unsigned offered = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        int n = module_cpuid_find(g->td->table, words[i].leaf, words[i].subleaf);
        for (unsigned bit = 0; n >= 0 && bit < 32; bit++) {
            unsigned feature = FEATURE(words[i].leaf, words[i].subleaf, words[i].reg, bit);
            if (g->td->cpuid[n][words[i].reg] >> bit & 1) {
                offered++;
                if (!find(feature)) {
                    g_test_message("CPUID 0x%x.%u register %u bit %u is offered and not known here",
                                   words[i].leaf, words[i].subleaf, words[i].reg, bit);
                    g_test_fail();
                }
            }
        }
    }
    return offered;
}

static void check_row(Guest *g, const Row *row, bool offered)
{
    int vector;
    if (row->vector == NO_CODE || (!offered && row->not_gated)) {
        return;
    }
    vector = td_execute(g, row->name, row->code, sizeof(row->code));
    if (vector != (offered ? row->vector : VEC_UD)) {
        g_test_message("%s %s: vector %d", row->name, offered ? "offered" : "not offered", vector);
        g_test_fail();
    }
}

static void check_profile(const Profile *profile)
{
    char missing[256];
    Guest g = {.profile = *profile};
    profile_narrow(&g.profile, missing, sizeof(missing));
    for (unsigned all = 0; all < 2; all++) {
        unsigned offered;
        td_ask_for(&g, all, 0);
        td_open(&g);
        offered = check_known(&g);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            Guest other = {.profile = g.profile, .params = g.params};
            check_row(&other, &rows[i], module_cpuid_feature(g.td, rows[i].feature));
        }
        td_close(&g);
        g_test_message("%s: %u bits%s; not here: %s", g.profile.name, offered,
                       all ? " of the module" : "", missing);
        g_assert_cmpuint(offered, >, 100);
    }
    /* Each bit that a VMM can leave out, left out. */
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Guest other = {.profile = g.profile};
        bool offered;
        td_ask_for(&other, true, rows[i].feature);
        if (rows[i].feature == L7(EBX, 4) || rows[i].feature == L7(EBX, 11)) {
            continue; /* HLE and RTM go together */
        }
        td_open(&other);
        offered = module_cpuid_feature(other.td, rows[i].feature);
        td_close(&other);
        check_row(&other, &rows[i], offered);
    }
}

static void test_profiles(void)
{
    td_each_profile(check_profile);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/offered/profiles", test_profiles);
    return g_test_run();
}
