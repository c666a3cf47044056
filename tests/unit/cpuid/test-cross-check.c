/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two independent readings of the rules against each other: what the VMM plans and expects of a
 * TD's CPUID, and what the software host's TDX module makes of it.
 */
#include <stdio.h>
#include <string.h>

#include "cross-host.h"
#include "host.h"
#include "target/i386/kvm/tdx-cpuid.h"
#include "target/i386/kvm/tdx-xfam.h"
#include "tdvf-builder.h"

#define SEED 20260u
#define RANDOM_SETS 200u
#define MAX_FLAGS 12

/* As small as a firmware can be: thousands of plans hold a copy of it in turn. */
static TdvfBuilder *firmware;

static void build_firmware(void)
{
    firmware = tdvf_builder_new(1);
    firmware->size = 0x10000;
    firmware->sections[0] = (TdvfSection){ 0, 0x10000, 0xffff0000, 0x10000, TDVF_SECTION_BFV, 1 };
    /* in place of the variable store */
    firmware->sections[1] = firmware->sections[--firmware->count];
    tdvf_builder_build(firmware);
}

static CpuidTable *table_of(const CrossEntry *entries, unsigned count)
{
    CpuidTable *table = cpuid_table_new();

    G_STATIC_ASSERT(sizeof(CrossEntry) == sizeof(CpuidEntry));
    g_array_append_vals(table->entries, entries, count);
    return table;
}

static TdxCapabilities *capabilities(CrossKind kind)
{
    TdxCapabilities *caps = g_new0(TdxCapabilities, 1);
    g_autofree CrossHost *host = g_new(CrossHost, 1);

    cross_host_describe(kind, host);
    caps->supported_attrs = host->attributes;
    caps->supported_xfam = host->xfam;
    caps->tsc_khz = host->tsc_khz;
    caps->max_vcpus = host->max_vcpus;
    caps->configurable = table_of(host->configurable, host->num_configurable);
    caps->supported = table_of(host->supported, host->num_supported);
    return caps;
}

/* *seen: what the guest reads. */
static CpuidTable *initialise(CrossKind kind, const char *cpu, const TdxPlan *plan,
                              CpuidTable **seen)
{
    g_autofree CrossEntry *answer = g_new(CrossEntry, CROSS_MAX_ENTRIES),
                          *guest = g_new(CrossEntry, CROSS_MAX_ENTRIES);
    const CrossInit init = { plan->attributes, plan->xfam, plan->gpaw, plan->tsc_khz,
                             (const CrossEntry *)plan->init_cpuid->entries->data,
                             cpuid_table_size(plan->init_cpuid) };
    uint64_t detail;
    unsigned count;
    uint64_t status = cross_host_init(kind, &init, &detail, answer, guest, &count);

    if (status) {
        g_test_message("%s, -cpu %s: TDH.MNG.INIT answers 0x%" G_GINT64_MODIFIER
                       "x, detail 0x%" G_GINT64_MODIFIER "x",
                       cross_host_name(kind), cpu, status, detail);
        g_test_fail();
        return NULL;
    }
    *seen = table_of(guest, count);
    return table_of(answer, count);
}

static bool shows(const TdxVerdict *v)
{
    return v->kind == TDX_VERDICT_GRANTED || v->kind == TDX_VERDICT_FORCED_ON ||
           v->kind == TDX_VERDICT_NATIVE;
}

/* Verdicts by word and bit; each word of tdx_feature_words() has a row. */
#define MAX_WORDS 64
typedef struct Index {
    const TdxVerdict *at[MAX_WORDS][32];
} Index;

static void index_verdicts(const GArray *verdicts, Index *index)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);

    g_assert_cmpuint(count, <=, MAX_WORDS);
    memset(index, 0, sizeof(*index));
    for (unsigned i = 0; i < verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(verdicts, TdxVerdict, i);
        unsigned w = 0;
        while (w < count && (words[w].function != v->function || words[w].index != v->index ||
                             words[w].reg != v->reg)) {
            w++;
        }
        if (w < count) {
            index->at[w][v->bit] = v;
        }
    }
}

static uint32_t guest_word(const CpuidTable *seen, const TdxFeatureWord *word)
{
    const CpuidEntry *e = cpuid_table_find(seen, word->function, word->index);

    return e ? e->regs[word->reg] : 0;
}

typedef struct Tally {
    unsigned bits, differences, explained, wrong;
} Tally;

/*
 * The two things that no plan can know. A bit that the TD takes from the processor whatever the VMM
 * says, and that this KVM does not know, so that it does not tell whether the processor has it. And
 * SHA512, which in module 2.0.08 goes with the AVX-512 state, and in 2.0.16 does not: KVM tells
 * neither the module's version nor that.
 */
static bool explained(const TdxCapabilities *caps, const TdxPlan *plan, const TdxFeatureWord *word,
                      unsigned bit, bool is)
{
    if (word->function == 7 && word->index == 1 && word->reg == CPUID_EAX && bit == 0 && !is) {
        return !(plan->xfam & TDX_XFAM_AVX512);
    }
    const CpuidEntry *e = cpuid_table_find(caps->supported, word->function, word->index);
    const CpuidEntry *c = cpuid_table_find_exact(caps->configurable, word->function, word->index);

    return is && !(e && (e->regs[word->reg] >> bit & 1)) && !(c && (c->regs[word->reg] >> bit & 1));
}

static void differ(const char *where, const char *cpu, const char *what, const TdxFeatureWord *word,
                   unsigned bit)
{
    const CpuFeature *f = cpu_feature_at(word->function, word->index, word->reg, bit);

    g_test_message("%s, -cpu %s: %s: leaf %x.%x register %u bit %u %s", where, cpu, what,
                   word->function, word->index, word->reg, bit, f ? f->name : "");
}

static void compare_bit(const char *where, const char *cpu, const TdxCapabilities *caps,
                        const TdxVerdict *expected, const TdxVerdict *final, const TdxPlan *plan,
                        uint32_t answer, const TdxFeatureWord *word, unsigned bit, Tally *tally)
{
    bool is = answer >> bit & 1;

    tally->bits++;
    if (is != (final && shows(final))) {
        differ(where, cpu,
               is ? "the TD shows it, no verdict says so" : "a verdict shows it, the TD does not",
               word, bit);
        tally->wrong++;
    }
    if ((expected && shows(expected)) != (final && shows(final)) ||
        (expected && final && expected->kind != final->kind)) {
        if (explained(caps, plan, word, bit, is)) {
            tally->explained++;
            return;
        }
        differ(where, cpu,
               expected && shows(expected) ? "expected, and is not" : "not expected, and is", word,
               bit);
        tally->differences++;
    }
}

static void compare(const char *where, const char *cpu, const TdxCapabilities *caps,
                    const GArray *before, const TdxPlan *plan, const CpuidTable *seen, Tally *tally)
{
    unsigned count;
    const TdxFeatureWord *words = tdx_feature_words(&count);
    Index expected, final;

    index_verdicts(before, &expected);
    index_verdicts(plan->verdicts, &final);
    for (unsigned i = 0; i < count; i++) {
        if (words[i].function == 0x40000001) { /* KVM's own leaf: the module has no word in it */
            continue;
        }
        uint32_t answer = guest_word(seen, &words[i]);
        for (unsigned bit = 0; bit < 32; bit++) {
            compare_bit(where, cpu, caps, expected.at[i][bit], final.at[i][bit], plan, answer,
                        &words[i], bit, tally);
        }
    }
}

/* Nothing is said twice. */
static void check_once(const GPtrArray *warnings)
{
    for (unsigned i = 0; i < warnings->len; i++) {
        for (unsigned j = i + 1; j < warnings->len; j++) {
            g_assert_cmpstr(g_ptr_array_index(warnings, i), !=, g_ptr_array_index(warnings, j));
        }
    }
}

/* One TD: planned, initialised, settled. Answers the number of warnings. */
static unsigned check(CrossKind kind, const TdxCapabilities *caps, const char *cpu, Tally *tally)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(TdxPlan) plan = test_host_plan_with(cpu, 4, caps, tdvf_builder_bytes(firmware), &err);

    g_assert_no_error(err);
    g_autoptr(GArray) before = g_array_copy(plan->verdicts);
    unsigned expected_warnings = plan->warnings->len, surprises = tally->explained;
    g_autoptr(CpuidTable) seen = NULL;
    g_autoptr(CpuidTable) module = initialise(kind, cpu, plan, &seen);
    if (!module) {
        return 0;
    }
    tdx_plan_settle(plan, module, caps, &err);
    g_assert_no_error(err);
    compare(cross_host_name(kind), cpu, caps, before, plan, seen, tally);
    check_once(plan->warnings);
    if (plan->warnings->len != expected_warnings && tally->explained == surprises) {
        g_test_message("%s, -cpu %s: %u warnings expected, %u given", cross_host_name(kind), cpu,
                       expected_warnings, plan->warnings->len);
        tally->differences++;
    }
    return plan->warnings->len;
}

static void report(const char *what, const Tally *tally)
{
    g_test_message("%s: %u bits, %u explained and %u unexplained differences between expected and "
                   "final, %u verdicts against the module's answer",
                   what, tally->bits, tally->explained, tally->differences, tally->wrong);
    g_assert_cmpuint(tally->wrong, ==, 0);
    g_assert_cmpuint(tally->differences, ==, 0);
}

static void test_models(void)
{
    static const char *const models[] = { "host", "max", "host,migratable=on", "base" };
    Tally tally = { 0 };

    for (unsigned kind = 0; kind < CROSS_PROFILES; kind++) {
        g_autoptr(TdxCapabilities) caps = capabilities(kind);
        for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
            g_assert_cmpuint(check(kind, caps, models[i], &tally), ==, 0);
        }
    }
    report("models", &tally);
}

/* Named models: at most one line about what the TD lacks. */
static void test_named(void)
{
    static const char *const models[] = {
        "qemu64",           "Skylake-Server",    "Skylake-Server-v5",   "Cascadelake-Server-v5",
        "Cooperlake-v2",    "Icelake-Server-v7", "SapphireRapids",      "SapphireRapids-v6",
        "GraniteRapids-v5", "SierraForest-v5",   "ClearwaterForest-v3", "DiamondRapids",
    };
    Tally tally = { 0 };

    for (unsigned kind = 0; kind < CROSS_PROFILES; kind++) {
        g_autoptr(TdxCapabilities) caps = capabilities(kind);
        for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
            g_assert_cmpuint(check(kind, caps, models[i], &tally), ==, 1);
        }
    }
    report("named models", &tally);
}

static char *random_request(GRand *random)
{
    static const char *const models[] = { "host", "max", "base", "Icelake-Server",
                                          "SapphireRapids-v6", "qemu64" };
    GString *text = g_string_new(models[g_rand_int_range(random, 0, G_N_ELEMENTS(models))]);
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned n = g_rand_int_range(random, 1, MAX_FLAGS + 1); n; n--) {
        unsigned i = g_rand_int_range(random, 0, count);
        g_string_append_printf(text, ",%s%s", g_rand_boolean(random) ? "+" : "-", features[i].name);
    }
    return g_string_free(text, FALSE);
}

static void test_random(void)
{
    GRand *random = g_rand_new_with_seed(SEED);
    Tally tally = { 0 };

    g_test_message("seed %u", SEED);
    for (unsigned kind = 0; kind < CROSS_PROFILES; kind++) {
        g_autoptr(TdxCapabilities) caps = capabilities(kind);
        for (unsigned n = 0; n < RANDOM_SETS; n++) {
            g_autofree char *cpu = random_request(random);
            check(kind, caps, cpu, &tally);
        }
    }
    g_rand_free(random);
    report("random flags", &tally);
}

/* Each feature alone, both ways: nothing a user can write is refused by the module. */
static void test_each(void)
{
    g_autoptr(TdxCapabilities) caps = capabilities(CROSS_FULL);
    Tally tally = { 0 };
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) {
        for (unsigned on = 0; on < 2; on++) {
            g_autofree char *cpu = g_strdup_printf("%s%s", on ? "base,+" : "host,-",
                                                   features[i].name);
            check(CROSS_FULL, caps, cpu, &tally);
        }
    }
    report("each feature", &tally);
}

static unsigned num_hosts;

/* Every profile of swtdx, and every processor with every module and kernel. */
static void test_profiles(void)
{
    static const char *const models[] = { "host", "max", "Icelake-Server", "SapphireRapids",
                                          "GraniteRapids" };
    GRand *random = g_rand_new_with_seed(SEED);
    Tally tally = { 0 };

    for (unsigned kind = CROSS_PROFILES; kind < num_hosts; kind++) {
        g_autoptr(TdxCapabilities) caps = capabilities(kind);
        for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
            check(kind, caps, models[i], &tally);
        }
        for (unsigned n = 0; n < RANDOM_SETS; n++) {
            g_autofree char *cpu = random_request(random);
            check(kind, caps, cpu, &tally);
        }
        g_test_message("%s: %u unexplained differences, %u wrong so far", cross_host_name(kind),
                       tally.differences, tally.wrong);
    }
    g_rand_free(random);
    /* 5 processors, 3 modules, KVM with and without CET */
    g_assert_cmpuint(num_hosts - CROSS_PROFILES, >=, 30);
    report("profiles", &tally);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    num_hosts = cross_host_load();
    build_firmware();
    g_test_add_func("/cross-check/models", test_models);
    g_test_add_func("/cross-check/named", test_named);
    g_test_add_func("/cross-check/random", test_random);
    g_test_add_func("/cross-check/each", test_each);
    g_test_add_func("/cross-check/profiles", test_profiles);
    int status = g_test_run();
    cross_host_unload();
    tdvf_builder_free(firmware);
    return status;
}
