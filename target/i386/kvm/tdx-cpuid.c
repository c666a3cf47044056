/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a CPU model request and the host's capabilities to the CPUID of a TD. */
#include "target/i386/kvm/tdx-cpuid.h"

#include <string.h>

#include "target/i386/kvm/tdx-xfam.h"

#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF1_EDX_HTT (1u << 28)

/* KVM keeps these out of TDs: it does not switch TSX_CTRL and UMWAIT_CONTROL between host and TD (KVM, tdx.c). */
#define LEAF7_EBX_NEVER (1u << 4 | 1u << 11) /* HLE, RTM */
#define LEAF7_ECX_NEVER (1u << 5)            /* WAITPKG */

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

void tdx_cpuid_wishes(const CpuModelRequest *cpu, const TdxFeatureWord *word, uint32_t *plus, uint32_t *minus)
{
    *plus = *minus = 0;
    for (unsigned i = 0; i < cpu->features->len; i++) {
        const CpuFeatureRequest *r = &g_array_index(cpu->features, CpuFeatureRequest, i);
        if (r->feature->function != word->function || r->feature->index != word->index || r->feature->reg != word->reg) {
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

static uint32_t configurable_mask(const TdxCapabilities *caps, const TdxFeatureWord *word)
{
    const CpuidEntry *e = cpuid_table_find_exact(caps->configurable, word->function, word->index);
    uint32_t mask = e ? e->regs[word->reg] : 0;

    if (word->function == 7 && word->index == 0) {
        mask &= word->reg == CPUID_EBX ? ~LEAF7_EBX_NEVER : word->reg == CPUID_ECX ? ~LEAF7_ECX_NEVER : ~0u;
    }
    return mask;
}

static uint32_t table_value(const CpuidTable *table, const TdxFeatureWord *word)
{
    const CpuidEntry *e = cpuid_table_find(table, word->function, word->index);

    return e ? e->regs[word->reg] : 0;
}

/* What KVM supports. HTT is not in its table: it tells of a topology, which KVM leaves to user space. */
static uint32_t host_value(const TdxCapabilities *caps, const TdxFeatureWord *word)
{
    bool has_htt = word->function == 1 && word->reg == CPUID_EDX;

    return table_value(caps->supported, word) | (has_htt ? LEAF1_EDX_HTT : 0);
}

/* Bits that a TD on this host can show, were every XFAM component and attribute in `xfam` and `attributes` on. */
static uint32_t offerable(const TdxCapabilities *caps, const TdxFeatureWord *word, uint64_t xfam, uint64_t attributes)
{
    uint32_t chosen = configurable_mask(caps, word), host = host_value(caps, word), mask = 0;

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
    if (word->function == 1 && word->reg == CPUID_EDX && topology && cpu_topology_shift_die(topology) == 0) {
        asked &= ~LEAF1_EDX_HTT;
    }
    return asked;
}

/* What the model and the user ask for in a word, before anything is refused. */
static uint32_t asked_mask(const CpuModelRequest *cpu, const TdxCapabilities *caps, const CpuTopology *topology,
                           const TdxFeatureWord *word)
{
    uint32_t plus, minus;
    uint32_t all = offerable(caps, word, tdx_xfam_complete_groups(caps->supported_xfam), caps->supported_attrs);
    uint32_t asked = is_base_model(cpu) ? tdx_word_class_mask(word, TDX_BIT_FIXED_1) : adjust_htt(word, all, topology);

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
        uint32_t host = host_value(caps, word);
        if (asked_mask(cpu, caps, NULL, word) & host & xfam_switches[i].mask) {
            xfam |= xfam_switches[i].xfam & caps->supported_xfam;
        }
    }
    return tdx_xfam_complete_groups(xfam);
}

bool tdx_cpuid_wants_pks(const CpuModelRequest *cpu, const TdxCapabilities *caps)
{
    const TdxFeatureWord word = { 0x7, 0, CPUID_ECX };

    return (caps->supported_attrs & TDX_ATTRIBUTE_PKS) && (asked_mask(cpu, caps, NULL, &word) >> 31);
}

static void plan_features(TdxPlan *plan, const TdxCapabilities *caps)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    for (unsigned i = 0; i < count; i++) {
        uint32_t asked = asked_mask(plan->cpu, caps, &plan->topology, &words[i]);
        if (asked) {
            uint32_t flags = cpuid_has_subleaves(words[i].function) ? CPUID_FLAG_SIGNIFICANT_INDEX : 0;
            CpuidEntry *e = cpuid_table_ensure(plan->requested, words[i].function, words[i].index, flags);
            e->regs[words[i].reg] = asked;
        }
    }
}

/* Leaves that hold numbers. Family, model and stepping stay 0: the module then shows the processor's own. */
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
    if (plan->attributes & TDX_ATTRIBUTE_PERFMON) { /* which sub-leaves of the perfmon leaf are valid */
        host = cpuid_table_find(caps->supported, 0x23, 0);
        e = cpuid_table_ensure(plan->requested, 0x23, 0, CPUID_FLAG_SIGNIFICANT_INDEX);
        e->regs[CPUID_EAX] = host ? host->regs[CPUID_EAX] : 0;
    }
}

/* Drops feature bits that this TD cannot have: the module refuses some of them and KVM others. */
static uint32_t permitted(const TdxPlan *plan, const TdxCapabilities *caps, uint32_t function, uint32_t index, CpuidReg reg)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    for (unsigned i = 0; i < count; i++) {
        if (words[i].function == function && words[i].index == index && words[i].reg == reg) {
            /* The configurable bits of fixed-1 classes (newer modules) may be sent as asked. */
            return offerable(caps, &words[i], plan->xfam, plan->attributes);
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

/* One word under judgement. */
typedef struct Judgement {
    const TdxFeatureWord *word;
    uint32_t plus, minus, asked, actual, host, configurable;
    bool final; /* actual is the module's answer, not an expectation */
} Judgement;

/* What the TD shows, or is expected to show. False: the module has no such leaf and nothing is known. */
static bool actual_value(const TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps, Judgement *j)
{
    bool kvm_leaf = j->word->function == 0x40000001;
    uint32_t possible = offerable(caps, j->word, plan->xfam, plan->attributes);
    uint32_t chosen = j->configurable | tdx_word_class_mask(j->word, TDX_BIT_KVM);
    uint32_t free_bits = chosen & ~tdx_word_class_mask(j->word, TDX_BIT_FIXED_1);

    j->final = module && !kvm_leaf;
    if (!j->final) {
        j->actual = possible & (~free_bits | j->asked);
        return true;
    }
    const CpuidEntry *e = cpuid_table_find(module, j->word->function, j->word->index);
    j->actual = e ? e->regs[j->word->reg] : 0;
    if (j->word->function == 0x80000001 && j->word->reg == CPUID_EDX) {
        j->actual |= 1u << 11; /* SYSCALL reads as 0 outside 64-bit mode, which is where KVM reads it */
    }
    return e;
}

static const char *absent_reason(const TdxPlan *plan, const Judgement *j, unsigned bit)
{
    TdxBitRule rule = tdx_bit_rule(j->word, bit);
    uint32_t b = 1u << bit;

    if (j->word->function == 7 && j->word->index == 0 &&
        ((j->word->reg == CPUID_EBX && (b & LEAF7_EBX_NEVER)) || (j->word->reg == CPUID_ECX && (b & LEAF7_ECX_NEVER)))) {
        return "KVM keeps this feature out of TDs";
    }
    switch (rule.class) {
    case TDX_BIT_XFAM:
    case TDX_BIT_XFAM_CONFIG:
        if ((plan->xfam & rule.needs) != rule.needs) {
            return "its state component is not in XFAM: the host lacks it, or the feature it depends on is off";
        }
        break;
    case TDX_BIT_ATTRIBUTE:
        return "the TD attribute it needs is not offered by this host or not set";
    case TDX_BIT_KVM_NOT_TD:
        return "it needs the host to write to the guest's memory, which is private in a TD";
    case TDX_BIT_KVM:
        return j->host & b ? NULL : "the host's KVM does not have it";
    case TDX_BIT_DYNAMIC:
        return "it follows what the guest switches on";
    case TDX_BIT_FIXED_0:
    case TDX_BIT_FIXED_1:
        break;
    }
    if (j->configurable & b) {
        return j->host & b ? "the TDX module answered 0" : "the host's KVM does not have it";
    }
    return rule.class == TDX_BIT_FIXED_0 ? "TDX fixes it to 0, or this processor or TDX module lacks it"
                                         : "the processor or TDX module lacks it";
}

/* False: nothing worth saying about the bit. */
static bool judge_bit(const TdxPlan *plan, const Judgement *j, unsigned bit, TdxVerdict *v)
{
    uint32_t b = 1u << bit;
    TdxBitClass class = tdx_bit_rule(j->word, bit).class;
    bool is = j->actual & b, asked = j->asked & b;

    v->explicit_request = j->plus & b;
    v->explicit_refusal = j->minus & b;
    if (class == TDX_BIT_DYNAMIC && !v->explicit_request && !v->explicit_refusal) {
        return false;
    }
    if (is) {
        v->kind = asked ? TDX_VERDICT_GRANTED : class == TDX_BIT_FIXED_0 && !v->explicit_refusal ? TDX_VERDICT_NATIVE
                                                                                                : TDX_VERDICT_FORCED_ON;
        v->reason = asked ? NULL : class == TDX_BIT_FIXED_1 ? "TDX fixes it to 1" : "it follows the processor in a TD";
        return true;
    }
    v->reason = absent_reason(plan, j, bit);
    v->kind = v->explicit_request ? TDX_VERDICT_REFUSED : TDX_VERDICT_FORCED_OFF;
    return asked || (v->name && (j->host & b) && !v->explicit_refusal);
}

static char *bit_text(const TdxVerdict *v)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
    g_autofree char *leaf = v->index ? g_strdup_printf("CPUID.(%02XH,%02XH)", v->function, v->index)
                                     : g_strdup_printf("CPUID.%02XH", v->function);

    return g_strdup_printf("%s:%s%s%s [bit %u]", leaf, regs[v->reg], v->name ? "." : "", v->name ? v->name : "", v->bit);
}

/* Only what the user named: a default that TDX takes away is no news. */
static void warn(TdxPlan *plan, const TdxVerdict *v, bool final)
{
    const char *prefix = NULL;

    if (v->kind == TDX_VERDICT_REFUSED) {
        /* The module is to blame only for what KVM had led to expect. */
        prefix = final && strcmp(v->reason ? v->reason : "", "the TDX module answered 0") == 0
                     ? "TDX doesn't support requested feature" : "host doesn't support requested feature";
    } else if (v->kind == TDX_VERDICT_FORCED_ON && v->explicit_refusal) {
        prefix = "TDX forcibly sets the feature";
    }
    if (prefix && (plan->cpu->check || plan->cpu->enforce)) {
        g_autofree char *text = bit_text(v);
        g_ptr_array_add(plan->warnings, g_strdup_printf("%s: %s", prefix, text));
    }
}

static void judge_word(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps, const TdxFeatureWord *word)
{
    Judgement j = { .word = word };

    tdx_cpuid_wishes(plan->cpu, word, &j.plus, &j.minus);
    j.asked = asked_mask(plan->cpu, caps, &plan->topology, word);
    j.host = host_value(caps, word);
    j.configurable = configurable_mask(caps, word);
    if (!actual_value(plan, module, caps, &j) && !(j.plus | j.minus)) {
        return;
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        const CpuFeature *feature = cpu_feature_at(word->function, word->index, word->reg, bit);
        TdxVerdict v = { .function = word->function, .index = word->index, .reg = word->reg, .bit = bit,
                         .has_index = cpuid_has_subleaves(word->function), .name = feature ? feature->name : NULL };
        if (judge_bit(plan, &j, bit, &v)) {
            g_array_append_val(plan->verdicts, v);
            warn(plan, &v, j.final);
        }
    }
}

/* Features that live in MSRs follow the module; wishes against them can only be refused. */
static void judge_msrs(TdxPlan *plan)
{
    for (unsigned i = 0; i < plan->cpu->features->len; i++) {
        const CpuFeatureRequest *r = &g_array_index(plan->cpu->features, CpuFeatureRequest, i);
        if (!CPU_FEATURE_IS_MSR(r->feature->function) || !r->on) {
            continue;
        }
        TdxVerdict v = { .function = r->feature->function, .reg = r->feature->reg, .bit = r->feature->bit,
                         .name = r->feature->name, .kind = TDX_VERDICT_REFUSED, .explicit_request = true,
                         .reason = "the TDX module decides what this MSR shows" };
        g_array_append_val(plan->verdicts, v);
        if (plan->cpu->check || plan->cpu->enforce) {
            g_ptr_array_add(plan->warnings,
                            g_strdup_printf("host doesn't support requested feature: MSR(%02XH).%s [bit %u]",
                                            v.function - CPU_FEATURE_MSR(0), v.name,
                                            v.bit + (v.reg == CPUID_EDX ? 32 : 0)));
        }
    }
}

void tdx_cpuid_judge(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    g_array_set_size(plan->verdicts, 0);
    g_ptr_array_set_size(plan->warnings, 0);
    for (unsigned i = 0; i < count; i++) {
        judge_word(plan, module, caps, &words[i]);
    }
    judge_msrs(plan);
}
