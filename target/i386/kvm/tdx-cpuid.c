/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a CPU model request and the host's capabilities to the CPUID of a TD. */
#include <string.h>

#include "target/i386/kvm/tdx-xfam.h"
#include "tdx-cpuid-internal.h"

#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF1_EDX_HTT (1u << 28)
#define LEAF1_ECX_X2APIC (1u << 21)
#define LEAF1_ECX_HYPERVISOR (1u << 31)

/* A component is on when the feature that stands for it is wanted; for CET either of two. */
static const struct {
    uint64_t xfam;
    TdxFeatureWord word;
    uint32_t mask;
} xfam_switches[] = {
    { TDX_XFAM_YMM, { 0x1, 0, CPUID_ECX }, 1u << 28 },
    { TDX_XFAM_AVX512, { 0x7, 0, CPUID_EBX }, 1u << 16 },
    { TDX_XFAM_PT, { 0x7, 0, CPUID_EBX }, 1u << 25 },
    { TDX_XFAM_PKRU, { 0x7, 0, CPUID_ECX }, 1u << 3 },
    { TDX_XFAM_CET, { 0x7, 0, CPUID_ECX }, 1u << 7 },
    { TDX_XFAM_CET, { 0x7, 0, CPUID_EDX }, 1u << 20 },
    { TDX_XFAM_UINTR, { 0x7, 0, CPUID_EDX }, 1u << 5 },
    { TDX_XFAM_LBR, { 0x7, 0, CPUID_EDX }, 1u << 19 },
    { TDX_XFAM_AMX, { 0x7, 0, CPUID_EDX }, 1u << 24 },
};

void tdx_cpuid_wishes(const CpuModelRequest *cpu, const TdxFeatureWord *word, uint32_t *plus,
                      uint32_t *minus)
{
    *plus = *minus = 0;
    for (unsigned i = 0; i < cpu->features->len; i++) {
        const CpuFeatureRequest *r = &g_array_index(cpu->features, CpuFeatureRequest, i);
        if (r->feature->function != word->function || r->feature->index != word->index ||
            r->feature->reg != word->reg) {
            continue;
        }
        uint32_t bit = 1u << r->feature->bit;
        *plus = r->on ? *plus | bit : *plus & ~bit;
        *minus = r->on ? *minus & ~bit : *minus | bit;
    }
}

static bool is_base_model(const CpuModelRequest *cpu)
{
    return strcmp(cpu->model, "base") == 0;
}

uint32_t tdx_cpuid_configurable(const TdxCapabilities *caps, const TdxFeatureWord *word)
{
    const CpuidEntry *e = cpuid_table_find_exact(caps->configurable, word->function, word->index);
    uint32_t mask = e ? e->regs[word->reg] : 0;

    if (word->function == 7 && word->index == 0) {
        mask &= word->reg == CPUID_EBX   ? ~LEAF7_EBX_NEVER
                : word->reg == CPUID_ECX ? ~LEAF7_ECX_NEVER
                                         : ~0u;
    }
    return mask;
}

static uint32_t table_value(const CpuidTable *table, const TdxFeatureWord *word)
{
    const CpuidEntry *e = cpuid_table_find(table, word->function, word->index);

    return e ? e->regs[word->reg] : 0;
}

/*
 * What KVM supports. HTT is not in its table: it tells of a topology, which KVM leaves to user
 * space.
 */
uint32_t tdx_cpuid_host(const TdxCapabilities *caps, const TdxFeatureWord *word)
{
    bool has_htt = word->function == 1 && word->reg == CPUID_EDX;

    return table_value(caps->supported, word) | (has_htt ? LEAF1_EDX_HTT : 0);
}

/*
 * Bits that a TD on this host can show, were every XFAM component and attribute in `xfam` and
 * `attributes` on.
 */
uint32_t tdx_cpuid_offerable(const TdxCapabilities *caps, const TdxFeatureWord *word, uint64_t xfam,
                             uint64_t attributes)
{
    uint32_t chosen = tdx_cpuid_configurable(caps, word), host = tdx_cpuid_host(caps, word),
             mask = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        TdxBitRule rule = tdx_bit_rule(word, bit);
        uint32_t b = 1u << bit;
        switch (rule.class) {
        case TDX_BIT_FIXED_0:
            mask |= chosen & host & b;
            break;
        case TDX_BIT_FIXED_1:
            mask |= b;
            break;
        case TDX_BIT_XFAM:
            mask |= (xfam & rule.needs) == rule.needs ? host & b : 0;
            break;
        case TDX_BIT_XFAM_CONFIG:
            mask |= (xfam & rule.needs) == rule.needs ? chosen & host & b : 0;
            break;
        case TDX_BIT_ATTRIBUTE:
            mask |= attributes & rule.needs ? host & b : 0;
            break;
        case TDX_BIT_KVM: /* hints (EDX) are the user's word, not a capability of KVM */
            mask |= word->reg == CPUID_EDX ? b : host & b;
            break;
        case TDX_BIT_DYNAMIC:
        case TDX_BIT_KVM_NOT_TD:
            break;
        }
    }
    return mask;
}

/* HTT says that a package has several logical processors: -smp decides unless the user does. */
static uint32_t adjust_htt(const TdxFeatureWord *word, uint32_t asked, const CpuTopology *topology)
{
    if (word->function == 1 && word->reg == CPUID_EDX && topology &&
        cpu_topology_shift_die(topology) == 0) {
        asked &= ~LEAF1_EDX_HTT;
    }
    return asked;
}

/* Bits of a word in a named model's list. */
uint32_t tdx_cpuid_model_bits(const CpuModelRequest *cpu, const TdxFeatureWord *word)
{
    uint32_t mask = 0;

    for (unsigned i = 0; cpu->model_features && i < cpu->model_features->len; i++) {
        const CpuFeature *f = g_array_index(cpu->model_features, const CpuFeature *, i);
        if (f->function == word->function && f->index == word->index && f->reg == word->reg) {
            mask |= 1u << f->bit;
        }
    }
    return mask;
}

/*
 * To a model's features come those of every VM under KVM: x2APIC, HYPERVISOR, KVM's own leaf, and
 * HTT by topology.
 */
static uint32_t named_model_mask(const CpuModelRequest *cpu, const TdxFeatureWord *word,
                                 uint32_t all)
{
    uint32_t mask = tdx_cpuid_model_bits(cpu, word);

    if (word->function == 0x40000001) {
        mask |= all;
    } else if (word->function == 1) {
        mask |= all &
                (word->reg == CPUID_ECX ? LEAF1_ECX_X2APIC | LEAF1_ECX_HYPERVISOR : LEAF1_EDX_HTT);
    }
    return mask;
}

/* What the model and the user ask for in a word, before anything is refused. */
uint32_t tdx_cpuid_asked(const CpuModelRequest *cpu, const TdxCapabilities *caps,
                         const CpuTopology *topology, const TdxFeatureWord *word)
{
    uint32_t plus, minus;
    uint32_t all = tdx_cpuid_offerable(caps, word, tdx_xfam_complete_groups(caps->supported_xfam),
                                       caps->supported_attrs);
    uint32_t asked = adjust_htt(word, all, topology);

    if (cpu->model_features) {
        asked = named_model_mask(cpu, word, asked);
    } else if (is_base_model(cpu)) {
        asked = tdx_word_class_mask(word, TDX_BIT_FIXED_1);
    }

    /* A hint about the host's scheduling is for the user to give. */
    if (word->function == 0x40000001 && word->reg == CPUID_EDX) {
        asked = 0;
    }
    tdx_cpuid_wishes(cpu, word, &plus, &minus);
    return (asked | plus) & ~minus;
}

uint64_t tdx_cpuid_xfam(const CpuModelRequest *cpu, const TdxCapabilities *caps)
{
    uint64_t xfam = TDX_XFAM_FIXED1;

    for (unsigned i = 0; i < G_N_ELEMENTS(xfam_switches); i++) {
        const TdxFeatureWord *word = &xfam_switches[i].word;
        uint32_t host = tdx_cpuid_host(caps, word);
        if (tdx_cpuid_asked(cpu, caps, NULL, word) & host & xfam_switches[i].mask) {
            xfam |= xfam_switches[i].xfam & caps->supported_xfam;
        }
    }
    return tdx_xfam_complete_groups(xfam);
}

bool tdx_cpuid_wants_pks(const CpuModelRequest *cpu, const TdxCapabilities *caps)
{
    const TdxFeatureWord word = { 0x7, 0, CPUID_ECX };

    return (caps->supported_attrs & TDX_ATTRIBUTE_PKS) &&
           (tdx_cpuid_asked(cpu, caps, NULL, &word) >> 31);
}

static void plan_features(TdxPlan *plan, const TdxCapabilities *caps)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    for (unsigned i = 0; i < count; i++) {
        uint32_t asked = tdx_cpuid_asked(plan->cpu, caps, &plan->topology, &words[i]);
        if (asked) {
            uint32_t flags = cpuid_has_subleaves(words[i].function) ? CPUID_FLAG_SIGNIFICANT_INDEX
                                                                    : 0;
            CpuidEntry *e = cpuid_table_ensure(plan->requested, words[i].function, words[i].index,
                                               flags);
            e->regs[words[i].reg] = asked;
        }
    }
}

/*
 * Leaves that hold numbers. Family, model and stepping stay 0: the module then shows the
 * processor's own.
 */
static void plan_values(TdxPlan *plan, const TdxCapabilities *caps)
{
    CpuidEntry *e = cpuid_table_ensure(plan->requested, 1, 0, 0);
    const CpuidEntry *host = cpuid_table_find(caps->supported, LEAF_ADDRESS_SIZES, 0);

    e->regs[CPUID_EBX] = tdx_topology_logical_ids(&plan->topology) << 16;
    e = cpuid_table_ensure(plan->requested, LEAF_ADDRESS_SIZES, 0, 0);
    e->regs[CPUID_EAX] = (host ? host->regs[CPUID_EAX] & 0xffff : 0) | plan->gpaw << 16;
    tdx_topology_fill(plan->requested, &plan->topology, caps->supported);

    if (plan->xfam & TDX_XFAM_LBR) { /* LBR depths */
        host = cpuid_table_find(caps->supported, 0x1c, 0);
        e = cpuid_table_ensure(plan->requested, 0x1c, 0, 0);
        e->regs[CPUID_EAX] = host ? host->regs[CPUID_EAX] : 0;
    }
    /* which sub-leaves of the perfmon leaf are valid */
    if (plan->attributes & TDX_ATTRIBUTE_PERFMON) {
        host = cpuid_table_find(caps->supported, 0x23, 0);
        e = cpuid_table_ensure(plan->requested, 0x23, 0, CPUID_FLAG_SIGNIFICANT_INDEX);
        e->regs[CPUID_EAX] = host ? host->regs[CPUID_EAX] : 0;
    }
}

/* Drops feature bits that this TD cannot have: the module refuses some of them and KVM others. */
static uint32_t permitted(const TdxPlan *plan, const TdxCapabilities *caps, uint32_t function,
                          uint32_t index, CpuidReg reg)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    for (unsigned i = 0; i < count; i++) {
        if (words[i].function == function && words[i].index == index && words[i].reg == reg) {
            /* The configurable bits of fixed-1 classes (newer modules) may be sent as asked. */
            return tdx_cpuid_offerable(caps, &words[i], plan->xfam, plan->attributes);
        }
    }
    return ~0u;
}

static void plan_init_entry(TdxPlan *plan, const TdxCapabilities *caps, const CpuidEntry *offered)
{
    const CpuidEntry *asked = cpuid_table_find(plan->requested, offered->function, offered->index);
    uint32_t flags = cpuid_has_subleaves(offered->function) ? CPUID_FLAG_SIGNIFICANT_INDEX : 0;
    CpuidEntry *e = cpuid_table_ensure(plan->init_cpuid, offered->function, offered->index, flags);

    for (unsigned reg = 0; asked && reg < 4; reg++) {
        e->regs[reg] = asked->regs[reg] & offered->regs[reg] &
                       permitted(plan, caps, offered->function, offered->index, reg);
    }
}

void tdx_cpuid_plan(TdxPlan *plan, const TdxCapabilities *caps)
{
    plan->requested = cpuid_table_new();
    plan->init_cpuid = cpuid_table_new();
    plan_features(plan, caps);
    plan_values(plan, caps);
    for (unsigned i = 0; i < cpuid_table_size(caps->configurable); i++) {
        plan_init_entry(plan, caps, cpuid_table_at(caps->configurable, i));
    }
    /* KVM reads GPAW from here and insists on the entry (kvm-tdx INIT_VM). */
    CpuidEntry *sizes = cpuid_table_ensure(plan->init_cpuid, LEAF_ADDRESS_SIZES, 0, 0);
    sizes->regs[CPUID_EAX] = (sizes->regs[CPUID_EAX] & ~0xff0000u) | plan->gpaw << 16;
    cpuid_table_sort(plan->requested);
    cpuid_table_sort(plan->init_cpuid);
}
