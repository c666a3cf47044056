/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of every CPUID bit of a TD: verdicts, and from the verdicts, and nothing else, the
 * warnings.
 */
#include <string.h>

#include "target/i386/kvm/tdx-xfam.h"
#include "tdx-cpuid-internal.h"

static const char module_answered_0[] = "the TDX module answered 0";

/* One word under judgement. */
typedef struct Judgement {
    const TdxFeatureWord *word;
    uint32_t plus, minus, model, asked, actual, host, configurable;
    bool final; /* actual is the module's answer, not an expectation */
} Judgement;

/*
 * What the TD shows, or is expected to show. False: the module has no such leaf and nothing is
 * known.
 */
static bool actual_value(const TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps,
                         Judgement *j)
{
    bool kvm_leaf = j->word->function == 0x40000001;
    uint32_t possible = tdx_cpuid_offerable(caps, j->word, plan->xfam, plan->attributes);
    uint32_t chosen = j->configurable | tdx_word_class_mask(j->word, TDX_BIT_KVM);
    uint32_t free_bits = chosen & ~tdx_word_class_mask(j->word, TDX_BIT_FIXED_1);

    j->final = module && !kvm_leaf;
    if (!j->final) {
        j->actual = possible & (~free_bits | j->asked);
        return true;
    }
    const CpuidEntry *e = cpuid_table_find(module, j->word->function, j->word->index);
    j->actual = e ? e->regs[j->word->reg] : 0;
    /*
     * KVM reads what was configured, also of bits that newer modules let a guest lay down (MCE,
     * MTRR, MCA, CORE_CAPABILITY): until it does, it sees 1. What the guest switches on it does not
     * see yet.
     */
    j->actual |= j->configurable & tdx_word_class_mask(j->word, TDX_BIT_FIXED_1);
    j->actual &= ~tdx_word_class_mask(j->word, TDX_BIT_DYNAMIC);
    if (j->word->function == 0x80000001 && j->word->reg == CPUID_EDX) {
        /* SYSCALL reads as 0 outside 64-bit mode, which is where KVM reads it */
        j->actual |= 1u << 11;
    }
    return e;
}

static const char *absent_reason(const TdxPlan *plan, const Judgement *j, unsigned bit)
{
    TdxBitRule rule = tdx_bit_rule(j->word, bit);
    uint32_t b = 1u << bit;

    if (j->word->function == 7 && j->word->index == 0 &&
        ((j->word->reg == CPUID_EBX && (b & LEAF7_EBX_NEVER)) ||
         (j->word->reg == CPUID_ECX && (b & LEAF7_ECX_NEVER)))) {
        return "KVM keeps this feature out of TDs";
    }
    switch (rule.class) {
    case TDX_BIT_XFAM:
    case TDX_BIT_XFAM_CONFIG:
        if ((plan->xfam & rule.needs) != rule.needs) {
            return "its state component is not in XFAM: the host lacks it, or the feature it "
                   "depends on is off";
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
        return j->host & b ? module_answered_0 : "the host's KVM does not have it";
    }
    return rule.class == TDX_BIT_FIXED_0
               ? "TDX fixes it to 0, or this processor or TDX module lacks it"
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
    if (class == TDX_BIT_DYNAMIC && !((j->plus | j->minus | j->model) & b)) {
        return false;
    }
    if (is) {
        v->kind = asked                                              ? TDX_VERDICT_GRANTED
                  : class == TDX_BIT_FIXED_0 && !v->explicit_refusal ? TDX_VERDICT_NATIVE
                                                                     : TDX_VERDICT_FORCED_ON;
        v->reason = asked                      ? NULL
                    : class == TDX_BIT_FIXED_1 ? "TDX fixes it to 1"
                                               : "it follows the processor in a TD";
        return true;
    }
    if (!asked && ((j->configurable & b) || class == TDX_BIT_KVM)) {
        return false; /* the VMM's choice, and nobody chose it */
    }
    v->reason = absent_reason(plan, j, bit);
    v->kind = v->explicit_request || (asked && j->model & b) ? TDX_VERDICT_REFUSED
                                                             : TDX_VERDICT_FORCED_OFF;
    return asked || (v->name && (j->host & b) && !v->explicit_refusal);
}

static char *bit_text(const TdxVerdict *v)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };

    if (CPU_FEATURE_IS_MSR(v->function)) {
        return g_strdup_printf("MSR(%02XH).%s [bit %u]", v->function - CPU_FEATURE_MSR(0), v->name,
                               v->bit + (v->reg == CPUID_EDX ? 32 : 0));
    }
    g_autofree char *leaf = v->index ? g_strdup_printf("CPUID.(%02XH,%02XH)", v->function, v->index)
                                     : g_strdup_printf("CPUID.%02XH", v->function);

    return g_strdup_printf("%s:%s%s%s [bit %u]", leaf, regs[v->reg], v->name ? "." : "",
                           v->name ? v->name : "", v->bit);
}

bool tdx_verdict_is_against_user(const TdxVerdict *v)
{
    return (v->kind == TDX_VERDICT_REFUSED && v->explicit_request) ||
           (v->kind == TDX_VERDICT_FORCED_ON && v->explicit_refusal);
}

char *tdx_verdict_warning(const TdxVerdict *v)
{
    g_autofree char *text = bit_text(v);
    const char *prefix = "host doesn't support requested feature";

    if (v->kind == TDX_VERDICT_FORCED_ON) {
        prefix = "TDX forcibly sets the feature";
    } else if (v->reason == module_answered_0) { /* to blame only for what KVM had led to expect */
        prefix = "TDX doesn't support requested feature";
    }
    return g_strdup_printf("%s: %s", prefix, text);
}

/* Names of bits with a kind that the user said nothing about, "a, b, c"; "" if there are none. */
static char *silent_names(const TdxPlan *plan, TdxVerdictKind kind)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->kind == kind && v->name && !v->explicit_request && !v->explicit_refusal) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", v->name);
        }
    }
    return g_string_free(text, FALSE);
}

/*
 * A named model is a wish list that no TD fulfils to the letter: told in one line, and no reason to
 * fail.
 */
static void tell_about_model(TdxPlan *plan)
{
    const char *model = plan->cpu->model;
    g_autofree char *lacking = silent_names(plan, TDX_VERDICT_REFUSED),
                    *more = silent_names(plan, TDX_VERDICT_FORCED_ON);

    if (*lacking && (plan->cpu->check || plan->cpu->enforce)) {
        g_ptr_array_add(plan->warnings, g_strdup_printf("CPU model '%s': the TD lacks %s of it; "
                                                        "the guest can start",
                                                        model, lacking));
    }
    g_ptr_array_add(plan->notes, g_strdup_printf("CPU model '%s' decides features only: family, "
                                                 "model and stepping of a TD are the processor's",
                                                 model));
    if (*more) {
        g_ptr_array_add(plan->notes,
                        g_strdup_printf("TDX gives the TD what CPU model '%s' lacks: %s", model,
                                        more));
    }
}

/*
 * Only what the user named is worth a warning: a default that TDX takes away is no news. A bit has
 * one verdict and a TD one plan, so each warning is given once, not once for each vCPU.
 */
static void warn(TdxPlan *plan)
{
    for (unsigned i = 0; i < plan->verdicts->len && (plan->cpu->check || plan->cpu->enforce); i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (tdx_verdict_is_against_user(v)) {
            g_ptr_array_add(plan->warnings, tdx_verdict_warning(v));
        }
    }
    if (plan->cpu->model_features) {
        tell_about_model(plan);
    }
}

/* The features at a word's bits, all looked up in one go: words and features are many. */
static void find_features(const TdxFeatureWord *word, const CpuFeature *found[32])
{
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    memset(found, 0, 32 * sizeof(found[0]));
    for (unsigned i = count; i-- > 0;) { /* the first of two names for one bit stays */
        if (features[i].function == word->function && features[i].index == word->index &&
            features[i].reg == word->reg) {
            found[features[i].bit & 31] = &features[i];
        }
    }
}

static void judge_word(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps,
                       const TdxFeatureWord *word)
{
    Judgement j = { .word = word };

    tdx_cpuid_wishes(plan->cpu, word, &j.plus, &j.minus);
    j.model = tdx_cpuid_model_bits(plan->cpu, word);
    j.asked = tdx_cpuid_asked(plan->cpu, caps, &plan->topology, word);
    j.host = tdx_cpuid_host(caps, word);
    j.configurable = tdx_cpuid_configurable(caps, word);
    if (!actual_value(plan, module, caps, &j) && !(j.plus | j.minus | j.model)) {
        return;
    }
    const CpuFeature *features[32];
    bool has_index = cpuid_has_subleaves(word->function);

    find_features(word, features);
    for (unsigned bit = 0; bit < 32; bit++) {
        TdxVerdict v = { .function = word->function, .index = word->index, .reg = word->reg,
                         .bit = bit,
                         .has_index = has_index,
                         .name = features[bit] ? features[bit]->name : NULL };
        if (judge_bit(plan, &j, bit, &v)) {
            g_array_append_val(plan->verdicts, v);
        }
    }
}

/* The last word that the user said about a feature. */
static bool is_last(const CpuModelRequest *cpu, unsigned i)
{
    const CpuFeature *feature = g_array_index(cpu->features, CpuFeatureRequest, i).feature;

    for (unsigned n = i + 1; n < cpu->features->len; n++) {
        if (g_array_index(cpu->features, CpuFeatureRequest, n).feature == feature) {
            return false;
        }
    }
    return true;
}

/* Features that live in MSRs follow the module; wishes against them can only be refused. */
static void judge_msrs(TdxPlan *plan)
{
    for (unsigned i = 0; i < plan->cpu->features->len; i++) {
        const CpuFeatureRequest *r = &g_array_index(plan->cpu->features, CpuFeatureRequest, i);
        if (!CPU_FEATURE_IS_MSR(r->feature->function) || !r->on || !is_last(plan->cpu, i)) {
            continue;
        }
        TdxVerdict v = { .function = r->feature->function, .reg = r->feature->reg,
                         .bit = r->feature->bit,
                         .name = r->feature->name, .kind = TDX_VERDICT_REFUSED,
                         .explicit_request = true,
                         .reason = "the TDX module decides what this MSR shows" };
        g_array_append_val(plan->verdicts, v);
    }
}

void tdx_cpuid_judge(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    g_array_set_size(plan->verdicts, 0);
    g_ptr_array_set_size(plan->warnings, 0);
    g_ptr_array_set_size(plan->notes, 0);
    for (unsigned i = 0; i < count; i++) {
        judge_word(plan, module, caps, &words[i]);
    }
    judge_msrs(plan);
    warn(plan);
}
