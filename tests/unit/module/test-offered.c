/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every bit that CPUID offers a TD is known here, and of each that stands for instructions one is
 * executed on the real core, in a TD of each profile: it does what the bit promises, and without
 * the bit it is #UD.
 */
#include <glib.h>
#include <string.h>

#include "../../../swtdx/host/cpu/core.h"
#include "../../../swtdx/host/cpu/features.h"
#include "../../../swtdx/host/module/module.h"
#include "../../../swtdx/run/run.h"

enum { EAX, EBX, ECX, EDX };
#define L1(reg, bit) FEATURE(1u, 0u, reg, bit)
#define L7(reg, bit) FEATURE(7u, 0u, reg, bit)
#define L71(reg, bit) FEATURE(7u, 1u, reg, bit)
#define L72(reg, bit) FEATURE(7u, 2u, reg, bit)
#define LD1(reg, bit) FEATURE(0xdu, 1u, reg, bit)
#define X1(reg, bit) FEATURE(0x80000001u, 0u, reg, bit)

enum { NO_CODE = -1, NOTHING = -2 }; /* expected vectors besides exceptions */

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

/* ---- a TD ---- */

enum {
    AT_PML4 = 0x1000, AT_PDPT = 0x2000, AT_GDT = 0x3000, AT_IDT = 0x4000, AT_STACK = 0x5000,
    AT_CODE = 0x6000,
    AT_STUBS = 0x7000, AT_DATA = 0x8000, AT_DATA2 = 0x9000, AT_END = 0x600,
};

static uint8_t *no_shared_page(void *opaque, uint64_t gpa, bool *writable)
{
    return NULL;
}

static uint64_t now_ns(void *opaque)
{
    return 1000;
}

static void no_notify(void *opaque, bool nmi)
{
}

static const TdPort port = {no_shared_page, now_ns};
static const LapicPort lapic_port = {.notify = no_notify};

typedef struct Guest {
    Profile profile;
    TdParams params;
    Td *td;
    Lapic lapic;
    TdVcpu *vcpu;
} Guest;

/*
 * What a VMM may ask for at most under KVM: which withholds TSX and WAITPKG
 * (arch/x86/kvm/vmx/tdx.c, 6.16). all: the module's own limit.
 */
static void ask_for(Guest *g, bool all, const Row *without)
{
    const CpuidTable *table = module_cpuid_table(&g->profile);
    TdxSysInfo info;
    tdx_sys_info(&g->profile, &info);
    g->params = (TdParams){.xfam = profile_executable_xfam(&g->profile), .eptp_controls = 0x1e,
                           .config_flags = TD_FLAG_NO_RBP_MOD, .max_vcpus = 1, .tsc_frequency = 40,
                           .attributes = TD_ATTR_SEPT_VE_DISABLE};
    for (unsigned i = 0; i < table->num_rows; i++) {
        const CpuidRow *row = &table->rows[i];
        for (unsigned r = 0; row->config >= 0 && r < 4; r++) {
            uint32_t *c = &g->params.cpuid_config[row->config][r];
            *c = info.cpuid_config[row->config].mask[r] & ~row->direct[r];
            if (row->leaf == 7 && row->subleaf == 0 && !all) {
                *c &= ~(r == EBX ? 1u << 4 | 1u << 11 : r == ECX ? 1u << 5 : 0);
            }
            if (without && row->leaf == FEATURE_LEAF(without->feature) &&
                row->subleaf == FEATURE_SUBLEAF(without->feature) &&
                r == FEATURE_REG(without->feature)) {
                *c &= ~(1u << FEATURE_BIT(without->feature));
            }
        }
    }
}

static void put64(uint8_t *page, unsigned offset, uint64_t value)
{
    memcpy(page + offset, &value, 8);
}

static void add(Guest *g, uint64_t gpa, const uint8_t *page)
{
    g_assert_cmphex(td_page_add(g->td, gpa, page), ==, 0);
}

/* mov r10d, n; jmp to the common end. */
static void stub(uint8_t *at, uint32_t n, int32_t from)
{
    int32_t jump = AT_END - (from + 11);
    at[0] = 0x41;
    at[1] = 0xba;
    memcpy(at + 2, &n, 4);
    at[6] = 0xe9;
    memcpy(at + 7, &jump, 4);
}

static void add_pages(Guest *g, const Row *row)
{
    /* rcx = 400h, rax = 0, tdcall */
    static const uint8_t end[] = {0xb9, 0x00, 0x04, 0, 0, 0x31, 0xc0, 0x66, 0x0f, 0x01, 0xcc};
    uint8_t page[4096] = {0};
    size_t n = sizeof(row->code);
    put64(page, 0, AT_PDPT | 3);
    add(g, AT_PML4, page);
    put64(page, 0, 0x83);
    add(g, AT_PDPT, page);
    put64(page, 0, 0);
    put64(page, 8, UINT64_C(0x00af9b000000ffff));
    add(g, AT_GDT, page);
    memset(page, 0, sizeof(page));
    for (unsigned i = 0; i < 32; i++) {
        put64(page, i * 16, UINT64_C(0x00008e0000080000) | (AT_STUBS + i * 16));
    }
    add(g, AT_IDT, page);
    memset(page, 0, sizeof(page));
    add(g, AT_STACK, page);
    add(g, AT_DATA2, page);
    page[0x40] = 1; /* a tile configuration: palette 1, three tiles of one row of 4 bytes */
    page[0x50] = page[0x52] = page[0x54] = 4;
    page[0x70] = page[0x71] = page[0x72] = 1;
    add(g, AT_DATA, page);
    memset(page, 0x90, sizeof(page));
    while (n && !row->code[n - 1]) {
        n--;
    }
    memcpy(page, row->code, n);
    stub(page + 0x40, (uint32_t)NOTHING, AT_CODE - AT_STUBS + 0x40);
    add(g, AT_CODE, page);
    for (unsigned i = 0; i < 32; i++) {
        stub(page + i * 16, i, (int32_t)(i * 16));
    }
    memcpy(page + AT_END, end, sizeof(end));
    add(g, AT_STUBS, page);
}

/* As an operating system leaves it: 64-bit mode, everything that CPUID offers switched on. */
static void start(Guest *g)
{
    Cpu *cpu = td_vcpu_cpu(g->vcpu);
    cpu->cr0 = CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG;
    cpu->cr3 = AT_PML4;
    cpu->cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE |
               (g->params.xfam & XFAM_PKRU ? CR4_PKE : 0) |
               (g->params.xfam & XFAM_CET ? CR4_CET : 0);
    cpu->efer |= EFER_LMA;
    cpu->xcr0 = g->params.xfam & XFAM_USER;
    cpu->gdtr = (DescriptorTable){AT_GDT, 0xf};
    cpu->idtr = (DescriptorTable){AT_IDT, 0x1ff};
    cpu->seg[SEG_CS] = (Segment){8, 0xa09b, 0xffffffff, 0};
    cpu->regs[GPR_RSP] = AT_STACK + 0xff0;
    cpu->regs[GPR_RSI] = AT_DATA;
    cpu->regs[GPR_RAX] = AT_DATA2;
    cpu->regs[GPR_RCX] = cpu->regs[GPR_RDX] = cpu->regs[GPR_RBX] = 0;
    cpu->rip = AT_CODE;
    cpu_update_mode(cpu);
}

static void open_guest(Guest *g)
{
    uint64_t detail = 0;
    lapic_init(&g->lapic, 0, &lapic_port, NULL);
    g->td = td_new(&g->profile, &port, NULL);
    g_assert_nonnull(g->td);
    g_assert_cmphex(td_init(g->td, &g->params, &detail), ==, 0);
    g->vcpu = td_vcpu_new(g->td, &g->lapic, NULL);
    g_assert_nonnull(g->vcpu);
    g_assert_cmphex(td_vp_init(g->vcpu, 0, 0), ==, 0);
}

static void close_guest(Guest *g)
{
    td_vcpu_free(g->vcpu);
    td_free(g->td);
}

/* The vector that the row's code ended in, or NOTHING. */
static int execute(Guest *g, const Row *row)
{
    TdExit exit;
    open_guest(g);
    add_pages(g, row);
    g_assert_cmphex(td_mr_finalize(g->td), ==, 0);
    start(g);
    g_assert_cmphex(td_vp_enter(g->vcpu, &exit), ==, 0);
    if (exit.kind != TD_EXIT_VMCALL) {
        char text[4096];
        td_vcpu_describe(g->vcpu, text, sizeof(text));
        g_test_message("%s: exit %d, %s\n%s", row->name, exit.kind,
                       td_vcpu_cpu(g->vcpu)->unsupported, text);
    }
    g_assert_cmpint(exit.kind, ==, TD_EXIT_VMCALL);
    close_guest(g);
    return (int)(uint32_t)exit.regs[GPR_R10];
}

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
    vector = execute(g, row);
    if (vector != (offered ? row->vector : VEC_UD)) {
        g_test_message("%s %s: vector %d", row->name, offered ? "offered" : "not offered", vector);
        g_test_fail();
    }
}

static void check_profile(const Profile *profile)
{
    char missing[256];
    uint32_t leaf, subleaf, vendor[4];
    Guest g = {.profile = *profile};
    profile_cpuid(&g.profile, 0, 0, vendor);
    if (vendor[EBX] != 0x756e6547 || !module_cpuid_platform_ok(&g.profile, &leaf, &subleaf)) {
        g_test_message("%s: no TDs", g.profile.name);
        return;
    }
    profile_narrow(&g.profile, missing, sizeof(missing));
    for (unsigned all = 0; all < 2; all++) {
        unsigned offered;
        ask_for(&g, all, NULL);
        open_guest(&g);
        offered = check_known(&g);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            Guest other = {.profile = g.profile, .params = g.params};
            check_row(&other, &rows[i], module_cpuid_feature(g.td, rows[i].feature));
        }
        close_guest(&g);
        g_test_message("%s: %u bits%s; not here: %s", g.profile.name, offered,
                       all ? " of the module" : "", missing);
        g_assert_cmpuint(offered, >, 100);
    }
    /* Each bit that a VMM can leave out, left out. */
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Guest other = {.profile = g.profile};
        bool offered;
        ask_for(&other, true, &rows[i]);
        if (rows[i].feature == L7(EBX, 4) || rows[i].feature == L7(EBX, 11)) {
            continue; /* HLE and RTM go together */
        }
        open_guest(&other);
        offered = module_cpuid_feature(other.td, rows[i].feature);
        close_guest(&other);
        check_row(&other, &rows[i], offered);
    }
}

static void test_profiles(void)
{
    g_autoptr(GDir) dir = g_dir_open(PROFILES_DIR, 0, NULL);
    const char *name;
    unsigned n = 0;
    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".json")) {
            g_autofree char *path = g_build_filename(PROFILES_DIR, name, NULL);
            g_autoptr(GError) error = NULL;
            Profile profile;
            g_assert_true(profile_load(path, &profile, &error));
            g_assert_no_error(error);
            check_profile(&profile);
            /* and with the latest module, which offers more of the processor */
            if (g_str_has_prefix(name, "cpu-")) {
                profile.module_major = 2;
                profile.module_minor = 0;
                profile.module_update = 8;
                check_profile(&profile);
            }
            n++;
        }
    }
    g_assert_cmpuint(n, >, 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/offered/profiles", test_profiles);
    return g_test_run();
}
