/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TDX module makes of an access to an MSR: native, emulated, #VE or #GP, some of it
 * depending on the TD (4.5 of the module reference). The later modules have a table of changes on
 * top of that of 1.5.05.
 */
#include "../cpu/features.h"
#include "module.h"
#include "paravirt.h"

/* Conditions of a row: if the condition does not hold, both directions are #GP. */
typedef enum MsrGate {
    GATE_NONE, GATE_PERFMON, GATE_PT, GATE_CET, GATE_UINTR, GATE_LBR, GATE_AMX, GATE_PKS,
    GATE_WAITPKG, GATE_TSX, GATE_TSC_DEADLINE, GATE_DCA, GATE_TME, GATE_PCONFIG,
    GATE_MTRR, GATE_MCA, GATE_CORE_CAPABILITY, GATE_EST, GATE_ACPI, GATE_TM2, GATE_RDT_A,
    GATE_RDT_M,
} MsrGate;

/* What a row of the later table says of a direction. */
typedef enum MsrRule {
    RULE_NATIVE = MSR_NATIVE, RULE_EMULATED = MSR_EMULATED, RULE_VE = MSR_VE, RULE_GP = MSR_GP,
    RULE_EARLIER,  /* as in the table of 1.5.05 */
    RULE_REDUCED,  /* #VE, with REDUCE_VE #GP */
    RULE_TAKEN_IN, /* #VE, with REDUCE_VE emulated */
} MsrRule;

typedef struct MsrRow {
    uint32_t first, last;
    MsrRule read, write;
    MsrGate gate;
    uint8_t step; /* 0: every MSR of the range */
} MsrRow;

#define N RULE_NATIVE
#define E RULE_EMULATED
#define V RULE_VE
#define G RULE_GP
#define O RULE_EARLIER
#define R RULE_REDUCED
#define T RULE_TAKEN_IN
static const MsrRow table_1_5_05[] = {
    {0x10, 0x10, N, V, 0, 0},
    {0x48, 0x49, N, N, 0, 0},
    {0x87, 0x87, V, V, GATE_PCONFIG, 0},
    {0x8c, 0x8f, G, G, 0, 0},
    {0x98, 0x9b, G, G, 0, 0},
    {0x9e, 0x9e, G, G, 0, 0},
    {0xbc, 0xbc, N, V, 0, 0},
    {0xbd, 0xbd, E, N, 0, 0},
    {0xc1, 0xc8, N, N, GATE_PERFMON, 0},
    {0xe1, 0xe1, N, N, GATE_WAITPKG, 0},
    {0x10a, 0x10a, E, N, 0, 0},
    {0x10b, 0x10b, N, N, 0, 0},
    {0x122, 0x122, N, N, GATE_TSX, 0},
    {0x174, 0x176, N, N, 0, 0},
    {0x186, 0x18d, N, N, GATE_PERFMON, 0},
    {0x195, 0x195, G, G, 0, 0},
    {0x1a0, 0x1a0, E, V, 0, 0},
    {0x1a6, 0x1a7, N, N, GATE_PERFMON, 0},
    {0x1c4, 0x1c5, N, N, GATE_AMX, 0},
    {0x1d9, 0x1d9, E, E, 0, 0},
    {0x1f8, 0x1fa, V, V, GATE_DCA, 0},
    {0x276, 0x276, G, G, 0, 0},
    {0x277, 0x277, N, N, 0, 0},
    {0x309, 0x310, N, N, GATE_PERFMON, 0},
    {0x329, 0x329, N, N, GATE_PERFMON, 0},
    {0x345, 0x345, E, G, 0, 0}, /* with PERFMON native: msr_action() */
    {0x38d, 0x392, N, N, GATE_PERFMON, 0},
    {0x3f1, 0x3f2, N, N, GATE_PERFMON, 0},
    {0x3f6, 0x3f7, N, N, GATE_PERFMON, 0},
    {0x480, 0x480, E, G, 0, 0},
    {0x481, 0x484, V, G, 0, 0},
    {0x485, 0x489, E, G, 0, 0},
    {0x48a, 0x48a, V, G, 0, 0},
    {0x48b, 0x492, E, G, 0, 0},
    {0x4c1, 0x4c8, N, N, GATE_PERFMON, 0},
    {0x500, 0x500, G, G, 0, 0},
    {0x560, 0x561, N, N, GATE_PT, 0},
    {0x570, 0x572, N, N, GATE_PT, 0},
    {0x580, 0x587, N, N, GATE_PT, 0},
    {0x600, 0x600, N, N, 0, 0},
    {0x6a0, 0x6a0, N, N, GATE_CET, 0},
    {0x6a2, 0x6a2, N, N, GATE_CET, 0},
    {0x6a4, 0x6a8, N, N, GATE_CET, 0},
    {0x6e0, 0x6e0, V, V, GATE_TSC_DEADLINE, 0},
    {0x6e1, 0x6e1, N, N, GATE_PKS, 0},
    {0x800, 0x801, G, G, 0, 0},
    {0x802, 0x802, E, G, 0, 0},
    {0x804, 0x807, G, G, 0, 0},
    {0x808, 0x80c, N, N, 0, 0},
    {0x80e, 0x80e, N, N, 0, 0},
    {0x810, 0x827, N, N, 0, 0},
    {0x829, 0x82e, G, G, 0, 0},
    {0x831, 0x831, G, G, 0, 0},
    {0x83f, 0x83f, N, N, 0, 0},
    {0x840, 0x8ff, G, G, 0, 0},
    {0x981, 0x984, V, V, GATE_TME, 0},
    {0x985, 0x98a, N, N, GATE_UINTR, 0},
    {0xc80, 0xc80, N, V, 0, 0},
    {0xd90, 0xd90, G, G, 0, 0},
    {0xd93, 0xd93, G, G, 0, 0},
    {0xda0, 0xda0, N, E, 0, 0},
    {0x1200, 0x12ff, N, N, GATE_LBR, 0},
    {0x14ce, 0x14cf, N, N, GATE_LBR, 0},
    {0x1500, 0x16ff, N, N, GATE_LBR, 0},
    {0x1b01, 0x1b01, N, N, 0, 0},
    {0xc0000080, 0xc0000080, N, E, 0, 0},
    {0xc0000081, 0xc0000082, N, N, 0, 0},
    {0xc0000084, 0xc0000084, N, N, 0, 0},
    {0xc0000100, 0xc0000103, N, N, 0, 0},
};

/* The first row that holds an MSR counts; gates see CPUID as the guest does. */
static const MsrRow table_later[] = {
    {0x0, 0x1, V, V, 0, 0},
    {0x6, 0x6, V, V, 0, 0},
    {0x10, 0x10, N, V, 0, 0},
    {0x17, 0x17, V, R, 0, 0},
    {0x1b, 0x1b, V, V, 0, 0},
    {0x33, 0x33, V, V, GATE_CORE_CAPABILITY, 0},
    {0x34, 0x34, T, T, 0, 0},
    {0x3a, 0x3a, T, R, 0, 0},
    {0x3b, 0x3b, R, R, 0, 0},
    {0x4e, 0x4e, T, R, 0, 0},
    {0x4f, 0x4f, R, R, 0, 0},
    {0x79, 0x79, R, T, 0, 0},
    {0x7a, 0x7a, R, R, 0, 0},
    {0x82, 0x86, R, R, 0, 0},
    {0x8b, 0x8b, T, T, 0, 0},
    {0xce, 0xce, T, R, 0, 0},
    {0xcf, 0xcf, V, G, GATE_CORE_CAPABILITY, 0},
    {0xe7, 0xe8, R, R, 0, 0},
    {0xed, 0xf0, V, V, GATE_CORE_CAPABILITY, 0},
    {0xfe, 0xfe, V, G, GATE_MTRR, 0},
    {0x10f, 0x10f, R, R, 0, 0},
    {0x123, 0x123, R, R, 0, 0},
    {0x140, 0x140, T, T, 0, 0},
    {0x179, 0x179, V, G, GATE_MCA, 0},
    {0x17a, 0x17b, V, V, GATE_MCA, 0},
    {0x198, 0x199, V, V, GATE_EST, 0},
    {0x19a, 0x19c, V, V, GATE_ACPI, 0},
    {0x19d, 0x19d, V, V, GATE_TM2, 0},
    {0x1a0, 0x1a0, E, T, 0, 0},
    {0x1b0, 0x1b2, R, R, 0, 0},
    {0x1c2, 0x1c3, R, R, 0, 0},
    {0x1c7, 0x1c7, R, R, 0, 0},
    {0x1ca, 0x1cb, R, R, 0, 0},
    {0x1f2, 0x1f3, V, V, GATE_MTRR, 0},
    {0x1f6, 0x1f7, V, V, GATE_MTRR, 0},
    {0x200, 0x213, V, V, GATE_MTRR, 0},
    {0x250, 0x250, V, V, GATE_MTRR, 0},
    {0x258, 0x259, V, V, GATE_MTRR, 0},
    {0x268, 0x26f, V, V, GATE_MTRR, 0},
    {0x280, 0x29f, V, V, GATE_MCA, 0},
    {0x2a0, 0x2a7, V, V, GATE_MTRR, 0},
    {0x2c0, 0x2c1, V, V, GATE_MTRR, 0},
    {0x2ff, 0x2ff, V, V, GATE_MTRR, 0},
    {0x302, 0x303, R, R, 0, 0},
    {0x3f4, 0x3f5, G, G, 0, 0},
    {0x400, 0x473, V, V, GATE_MCA, 0},
    {0x481, 0x484, R, G, 0, 0},
    {0x48a, 0x48a, R, G, 0, 0},
    {0x4d0, 0x4d0, V, V, GATE_MCA, 0},
    {0x501, 0x501, R, R, 0, 0},
    {0x550, 0x550, G, G, 0, 0},
    {0x5d0, 0x5fd, R, R, 0, 0},
    {0x770, 0x777, R, R, 0, 0},
    {0x793, 0x793, R, R, 0, 0},
    {0x802, 0x802, O, G, 0, 0},
    {0x803, 0x803, V, G, 0, 0},
    {0x80d, 0x80d, V, G, 0, 0},
    {0x80f, 0x80f, V, V, 0, 0},
    {0x828, 0x828, V, V, 0, 0},
    {0x82f, 0x830, V, V, 0, 0},
    {0x832, 0x838, V, V, 0, 0},
    {0x839, 0x839, V, G, 0, 0},
    {0x83a, 0x83a, V, V, 0, 0},
    {0x83b, 0x83d, G, G, 0, 0},
    {0x83e, 0x83e, V, V, 0, 0},
    {0x98b, 0x98f, R, R, 0, 0},
    {0xc80, 0xc80, G, R, 0, 0},
    {0xc81, 0xc82, V, V, GATE_RDT_A, 0},
    {0xc8d, 0xc8f, V, V, GATE_RDT_M, 0},
    {0xc90, 0xd8f, V, V, GATE_RDT_A, 0},
    {0xdb0, 0xdb2, R, R, 0, 0},
    {0x1000, 0x1000, R, R, 0, 0},
    {0x1400, 0x1402, R, R, 0, 0},
    {0x14c1, 0x14c8, R, R, 0, 0},
    {0x17d0, 0x17d2, R, R, 0, 0},
    {0x17d4, 0x17d4, R, R, 0, 0},
    {0x17da, 0x17da, R, R, 0, 0},
    {0x1900, 0x191c, N, N, GATE_PERFMON, 4},
    {0x1901, 0x191d, N, N, GATE_PERFMON, 4},
    {0x1903, 0x191f, G, G, 0, 4},
    {0x1980, 0x1998, N, N, GATE_PERFMON, 4},
    {0x1983, 0x199b, G, G, 0, 4},
    {0xc0000083, 0xc0000083, V, V, 0, 0},
};
#undef N
#undef E
#undef V
#undef G
#undef O
#undef R
#undef T

/* CPUID bits that a gate asks for; 0: it is not of this kind. */
static unsigned gate_feature(MsrGate gate)
{
    switch (gate) {
    case GATE_WAITPKG:
        return FEATURE(7, 0, 2, 5);
    case GATE_TSX:
        return FEATURE(7, 0, 1, 11);
    case GATE_TSC_DEADLINE:
        return FEATURE(1, 0, 2, 24);
    case GATE_DCA:
        return FEATURE(1, 0, 2, 18);
    case GATE_TME:
        return FEATURE(7, 0, 2, 13);
    case GATE_PCONFIG:
        return FEATURE(7, 0, 3, 18);
    case GATE_MTRR:
        return FEATURE(1, 0, 3, 12);
    case GATE_MCA:
        return FEATURE(1, 0, 3, 14);
    case GATE_CORE_CAPABILITY:
        return FEATURE(7, 0, 3, 30);
    case GATE_EST:
        return FEATURE(1, 0, 2, 7);
    case GATE_ACPI:
        return FEATURE(1, 0, 3, 22);
    case GATE_TM2:
        return FEATURE(1, 0, 2, 8);
    case GATE_RDT_A:
        return FEATURE(7, 0, 1, 15);
    case GATE_RDT_M:
        return FEATURE(7, 0, 1, 12);
    default:
        return 0;
    }
}

static bool gate_open(const Td *td, MsrGate gate)
{
    uint64_t xfam = td->params.xfam;
    switch (gate) {
    case GATE_NONE:
        return true;
    case GATE_PERFMON:
        return td->params.attributes & TD_ATTR_PERFMON;
    case GATE_PT:
        return xfam & XFAM_PT;
    case GATE_CET:
        return xfam & XFAM_CET;
    case GATE_UINTR:
        return xfam & XFAM_UINTR;
    case GATE_LBR:
        return xfam & XFAM_LBR;
    case GATE_AMX:
        return xfam & XFAM_AMX;
    case GATE_PKS:
        return td->params.attributes & TD_ATTR_PKS;
    default:
        return module_cpuid_feature(td, gate_feature(gate));
    }
}

static const MsrRow *find(const MsrRow *table, size_t n, uint32_t index)
{
    for (size_t i = 0; i < n; i++) {
        const MsrRow *row = &table[i];
        if (index >= row->first && index <= row->last &&
            (!row->step || (index - row->first) % row->step == 0)) {
            return row;
        }
    }
    return NULL;
}
#define FIND(table, index) find((table), sizeof(table) / sizeof((table)[0]), (index))

/* The two ranges that the MSR bitmaps of a processor cover. */
static bool in_bitmaps(uint32_t index)
{
    return index <= 0x1fff || (index >= 0xc0000000 && index <= 0xc0001fff);
}

static MsrRule unlisted(const Td *td, uint32_t index)
{
    return td->version->reduces_ve && in_bitmaps(index) ? RULE_REDUCED : RULE_VE;
}

static MsrRule rule_of(const Td *td, uint32_t index, bool write)
{
    const MsrRow *row = td->version->reduces_ve ? FIND(table_later, index) : NULL;
    MsrRule rule = row ? write ? row->write : row->read : RULE_EARLIER;
    if (rule == RULE_EARLIER) {
        row = FIND(table_1_5_05, index);
        rule = row ? write ? row->write : row->read : unlisted(td, index);
    }
    return row && !gate_open(td, row->gate) ? RULE_GP : rule;
}

MsrAction msr_action(const TdVcpu *vcpu, uint32_t index, bool write)
{
    const Td *td = vcpu->td;
    MsrRule rule = rule_of(td, index, write);
    if (rule == RULE_REDUCED || rule == RULE_TAKEN_IN) {
        return !paravirt_reduced(td) ? MSR_VE : rule == RULE_REDUCED ? MSR_GP : MSR_EMULATED;
    }
    if (index == MSR_PERF_CAPABILITIES && gate_open(td, GATE_PERFMON)) {
        return MSR_NATIVE;
    }
    if (index == MSR_X2APIC_APICID && !write &&
        !(atomic_load(&td->td_ctls) & TD_CTLS_ENUM_TOPOLOGY)) {
        return MSR_VE;
    }
    return (MsrAction)rule;
}
