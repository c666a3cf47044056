/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID as the TDX module shows it. For a row with native value n, and configured value C:
 *   N = n & native | fixed1
 *   V = (N & ~direct | C & direct) & (C | ~allowed)
 * (an error if C has other bits than direct | allowed), then the gates (XFAM, ATTRIBUTES), then the
 * values that are computed from other parameters.
 */
#include <string.h>

#include "module.h"

/* of any processor in 64-bit mode; as the bound of MAXPA_VIRT it is assumed */
#define LEAST_MAXPA 36u
#define TOPOLOGY_LEVELS 6u

enum { EAX, EBX, ECX, EDX };
enum { LEVEL_SMT = 1, LEVEL_CORE = 2, LEVEL_END = 6 };

const CpuidTable *module_cpuid_table(const Profile *profile)
{
    const ModuleVersion *version = module_version(profile);
    return version ? version->cpuid : NULL;
}

int module_cpuid_find(const CpuidTable *table, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < table->num_rows; i++) {
        const CpuidRow *row = &table->rows[i];
        if (row->leaf == leaf && (!row->has_subleaf || row->subleaf == subleaf)) {
            return (int)i;
        }
    }
    return -1;
}

bool module_cpuid_platform_ok(const Profile *profile, uint32_t *leaf, uint32_t *subleaf)
{
    const ModuleVersion *version = module_version(profile);
    const CpuidTable *table = module_cpuid_table(profile);
    if (version && version->needs_maxpa_52 && profile->phys_bits != 52) {
        *leaf = 0x80000008;
        *subleaf = 0;
        return false;
    }
    for (unsigned i = 0; table && i < table->num_rows; i++) {
        const CpuidRow *row = &table->rows[i];
        uint32_t native[4];
        profile_cpuid(profile, row->leaf, row->subleaf, native);
        for (unsigned r = 0; r < 4; r++) {
            if ((native[r] & row->one[r]) != row->one[r] || (native[r] & row->zero[r])) {
                *leaf = row->leaf;
                *subleaf = row->subleaf;
                return false;
            }
        }
    }
    return table != NULL;
}

void tdx_sys_info(const Profile *profile, TdxSysInfo *info)
{
    memset(info, 0, sizeof(*info));
    const CpuidTable *table = module_cpuid_table(profile);
    if (!table) {
        return;
    }
    info->attributes_fixed0 = module_attributes_fixed0(profile);
    info->xfam_fixed0 = module_xfam_fixed0(profile);
    info->xfam_fixed1 = XFAM_X87_SSE;
    info->num_cpuid_config = table->num_config;
    for (unsigned i = 0; i < table->num_rows; i++) {
        const CpuidRow *row = &table->rows[i];
        if (row->config < 0) {
            continue;
        }
        uint32_t native[4];
        profile_cpuid(profile, row->leaf, row->subleaf, native);
        info->cpuid_config[row->config].leaf = row->leaf;
        info->cpuid_config[row->config].subleaf = row->has_subleaf ? row->subleaf : 0;
        info->cpuid_config[row->config].has_subleaf = row->has_subleaf;
        for (unsigned r = 0; r < 4; r++) {
            info->cpuid_config[row->config].mask[r] = row->direct[r] |
                                                      (row->allowed[r] & native[r]);
        }
    }
}

uint32_t module_cpuid_xsave_size(const Profile *profile, uint64_t components, bool compacted)
{
    uint32_t size = 512 + 64; /* legacy area and header */
    for (unsigned i = 2; i < 63; i++) {
        uint32_t regs[4];
        if (!(components >> i & 1)) {
            continue;
        }
        profile_cpuid(profile, 0xd, i, regs);
        if (compacted) {
            size = (regs[ECX] & 2 ? (size + 63) & ~63u : size) + regs[EAX];
        } else if (!(regs[ECX] & 1) && regs[EBX] + regs[EAX] > size) {
            size = regs[EBX] + regs[EAX];
        }
    }
    return size;
}

static TdxStatus bad_config(const CpuidRow *row, uint64_t *detail)
{
    *detail = row->leaf | (uint64_t)(row->has_subleaf ? row->subleaf : 0xffffffffu) << 32;
    return TDX_OPERAND_INVALID | TDX_OPERAND_CPUID_CONFIG;
}

/*
 * Family, model and stepping of a TD are the processor's: 0 asks for them, another value must be
 * the same.
 */
static TdxStatus configure_signature(const CpuidRow *row, const uint32_t native[4],
                                     uint32_t value[4], uint64_t *detail)
{
    uint32_t signature = native[EAX] & row->direct[EAX];
    if (value[EAX] && value[EAX] != signature) {
        return bad_config(row, detail);
    }
    value[EAX] = signature;
    return TDX_SUCCESS;
}

static TdxStatus configure_row(const Profile *profile, const CpuidRow *row, const TdParams *params,
                               uint32_t value[4], uint64_t *detail)
{
    uint32_t native[4];
    profile_cpuid(profile, row->leaf, row->subleaf, native);
    for (unsigned r = 0; r < 4; r++) {
        uint32_t n = (native[r] & row->native[r]) | row->fixed1[r];
        value[r] = n;
        if (row->config >= 0) {
            uint32_t c = params->cpuid_config[row->config][r];
            if (c & ~(row->direct[r] | row->allowed[r])) {
                return bad_config(row, detail);
            }
            value[r] = ((n & ~row->direct[r]) | (c & row->direct[r])) & (c | ~row->allowed[r]);
        }
    }
    return row->leaf == 1 ? configure_signature(row, native, value, detail) : TDX_SUCCESS;
}

static bool gate_open(const CpuidGate *gate, const CpuidTable *table, const TdParams *params,
                      uint32_t values[][4])
{
    switch (gate->kind) {
    case CPUID_GATE_XFAM:
        return (params->xfam & gate->need) == gate->need;
    case CPUID_GATE_ATTRIBUTES:
        return (params->attributes & gate->need) == gate->need;
    case CPUID_GATE_NOT_ATTRIBUTES:
        return !(params->attributes & gate->need);
    case CPUID_GATE_PERFMON_EXT:
        return (params->attributes & gate->need) == gate->need &&
               (values[module_cpuid_find(table, 7, 1)][EAX] & 1u << 8);
    case CPUID_GATE_MONITOR:
        return values[module_cpuid_find(table, 1, 0)][ECX] & 1u << 3;
    }
    return false;
}

static unsigned level_type(const uint32_t regs[4])
{
    return regs[ECX] >> 8 & 0xff;
}

/*
 * Leaf 0x1F: increasing level types, numbered, SMT only first, a core level, nothing after the end.
 */
static bool topology_valid(uint32_t values[][4], int first)
{
    unsigned last = 0, valid = 0;
    bool core = false, ended = false;
    for (unsigned i = 0; i < TOPOLOGY_LEVELS; i++) {
        const uint32_t *level = values[first + (int)i];
        unsigned type = level_type(level);
        if (!type) {
            ended = true;
            continue;
        }
        if (ended || type <= last || type >= LEVEL_END || (level[ECX] & 0xff) != i ||
            (type == LEVEL_SMT && i)) {
            return false;
        }
        core |= type == LEVEL_CORE;
        last = type;
        valid++;
    }
    return valid && core;
}

/*
 * Leaf 0xB has an SMT and a core level only: the outermost level of leaf 0x1F counts as the core
 * level.
 */
static void derive_leaf_b(const CpuidTable *table, uint32_t values[][4])
{
    int b = module_cpuid_find(table, 0xb, 0), f = module_cpuid_find(table, 0x1f, 0);
    unsigned n = 0, levels = 0;
    while (levels < TOPOLOGY_LEVELS && level_type(values[f + (int)levels])) {
        levels++;
    }
    if (levels && level_type(values[f]) == LEVEL_SMT) {
        memcpy(values[b], values[f], sizeof(values[b]));
        n = 1;
    }
    if (levels > n) {
        memcpy(values[b + (int)n], values[f + (int)levels - 1], sizeof(values[b]));
        values[b + (int)n][ECX] = LEVEL_CORE << 8 | n;
        n++;
    }
    for (; n < 3; n++) {
        memset(values[b + (int)n], 0, sizeof(values[b]));
        values[b + (int)n][ECX] = n;
    }
}

static TdxStatus configure_topology(const Profile *profile, const CpuidTable *table,
                                    uint32_t values[][4])
{
    int f = module_cpuid_find(table, 0x1f, 0);
    bool all_zero = true;
    for (unsigned i = 0; i < TOPOLOGY_LEVELS; i++) {
        for (unsigned r = EAX; r <= ECX; r++) {
            all_zero &= !values[f + (int)i][r];
        }
    }
    for (unsigned i = 0; all_zero && i < TOPOLOGY_LEVELS; i++) {
        uint32_t native[4];
        profile_cpuid(profile, 0x1f, i, native);
        for (unsigned r = EAX; r <= ECX; r++) {
            values[f + (int)i][r] = native[r] & table->rows[f + (int)i].direct[r];
        }
    }
    if (!topology_valid(values, f)) {
        return TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED;
    }
    for (unsigned i = 0; i < TOPOLOGY_LEVELS; i++) {
        if (!level_type(values[f + (int)i])) {
            values[f + (int)i][EAX] = values[f + (int)i][EBX] = 0;
            values[f + (int)i][ECX] = i;
        }
    }
    derive_leaf_b(table, values);
    return TDX_SUCCESS;
}

static void compute(const Profile *profile, const CpuidTable *table, const TdParams *params,
                    uint32_t values[][4])
{
    bool la57 = values[module_cpuid_find(table, 7, 0)][ECX] & 1u << 16;
    values[module_cpuid_find(table, 0x15, 0)][EBX] = params->tsc_frequency;
    values[module_cpuid_find(table, 0x80000008, 0)][EAX] |= (la57 ? 57u : 48u) << 8;
    uint32_t *d0 = values[module_cpuid_find(table, 0xd, 0)];
    d0[EBX] = module_cpuid_xsave_size(profile, 1, false);
    d0[ECX] = module_cpuid_xsave_size(profile, params->xfam & XFAM_USER, false);
    values[module_cpuid_find(table, 0xd, 1)][EBX] = module_cpuid_xsave_size(profile, 1, true);
}

/*
 * Widths of leaf 0x80000008: the processor's, unless CONFIG_FLAGS says that the configured one
 * counts, or that the guest's is shown beside it.
 */
static TdxStatus configure_widths(const Profile *profile, const CpuidTable *table,
                                  const TdParams *params, uint32_t values[][4], uint64_t *detail)
{
    int row = module_cpuid_find(table, 0x80000008, 0);
    uint32_t gpaw = params->config_flags & TD_FLAG_GPAW ? 52 : 48, *eax = &values[row][EAX];
    if (!(params->config_flags & TD_FLAG_MAXPA_VIRT)) {
        *eax = (*eax & ~0xffu) | profile->phys_bits;
    } else if ((*eax & 0xff) < LEAST_MAXPA || (*eax & 0xff) > profile->phys_bits) {
        return bad_config(&table->rows[row], detail);
    }
    if (params->config_flags & TD_FLAG_MAXGPA_VIRT) {
        *eax = (*eax & ~0xff0000u) | (profile->phys_bits < gpaw ? profile->phys_bits : gpaw) << 16;
    }
    return TDX_SUCCESS;
}

/* TSX: HLE and RTM only together, and only with IA32_TSX_CTRL. */
static bool tsx_valid(const Profile *profile, const uint32_t leaf7[4])
{
    bool hle = leaf7[EBX] & 1u << 4, rtm = leaf7[EBX] & 1u << 11;
    return hle == rtm && (!hle || profile->arch_capabilities & 1u << 7);
}

TdxStatus module_cpuid_configure(const Profile *profile, const TdParams *params,
                                 uint32_t values[][4], uint64_t *detail)
{
    const CpuidTable *table = module_cpuid_table(profile);
    for (unsigned i = 0; i < table->num_rows; i++) {
        TdxStatus status = configure_row(profile, &table->rows[i], params, values[i], detail);
        if (status) {
            return status;
        }
    }
    int leaf7 = module_cpuid_find(table, 7, 0);
    if (!tsx_valid(profile, values[leaf7])) {
        return bad_config(&table->rows[leaf7], detail);
    }
    for (unsigned i = 0; i < table->num_gates; i++) {
        const CpuidGate *gate = &table->gates[i];
        if (!gate_open(gate, table, params, values)) {
            values[gate->row][gate->reg] &= ~gate->mask;
        }
    }
    compute(profile, table, params, values);
    TdxStatus status = configure_widths(profile, table, params, values, detail);
    return status ? status : configure_topology(profile, table, values);
}

bool td_cpuid_value(Td *td, uint32_t leaf, uint32_t subleaf, bool has_subleaf, uint32_t out[4])
{
    for (unsigned i = 0; i < td->table->num_rows; i++) {
        const CpuidRow *row = &td->table->rows[i];
        if (row->leaf == leaf && row->has_subleaf == has_subleaf &&
            (!has_subleaf || row->subleaf == subleaf)) {
            memcpy(out, td->cpuid[i], sizeof(td->cpuid[i]));
            return true;
        }
    }
    return false;
}

bool td_cpuid_has_subleaves(Td *td, uint32_t leaf)
{
    for (unsigned i = 0; i < td->table->num_rows; i++) {
        if (td->table->rows[i].leaf == leaf) {
            return td->table->rows[i].has_subleaf;
        }
    }
    return false;
}
