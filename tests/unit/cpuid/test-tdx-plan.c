/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans on a hand-made host: XFAM, INIT_VM's CPUID, verdicts, settle, enforce, vCPUs. */
#include <string.h>

#include "host.h"
#include "target/i386/kvm/tdx-xfam.h"
#include "util/bytes.h"

typedef struct Case {
    TdxCapabilities *host;
    uint8_t *file;
    TdxPlan *plan;
    CpuidTable *module;
    GError *error;
    bool settled;
} Case;

static Case run(const char *cpu, unsigned vcpus, bool cet)
{
    Case c = { .host = test_host_new(cet) };

    c.plan = test_host_plan(cpu, vcpus, c.host, &c.file, &c.error);
    if (c.plan) {
        c.module = test_host_module(c.plan, c.host);
        c.settled = tdx_plan_settle(c.plan, c.module, c.host, &c.error);
    }
    return c;
}

static void done(Case *c)
{
    tdx_plan_free(c->plan);
    cpuid_table_free(c->module);
    tdx_capabilities_free(c->host);
    g_free(c->file);
    g_clear_error(&c->error);
}

static const TdxVerdict *verdict(const TdxPlan *plan, const char *name)
{
    for (unsigned i = 0; i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->name && strcmp(v->name, name) == 0) {
            return v;
        }
    }
    return NULL;
}

static void test_host_is_silent(void)
{
    static const char *const models[] = { "host", "max", "host,enforce", "base",
                                          "host,migratable=on,-vmx-rdseed-exit,pmu=off" };

    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        for (unsigned cet = 0; cet < 2; cet++) {
            Case c = run(models[i], 4, cet);
            g_assert_no_error(c.error);
            g_assert_true(c.settled);
            g_assert_cmpuint(c.plan->warnings->len, ==, 0);
            for (unsigned n = 0; n < c.plan->verdicts->len; n++) {
                const TdxVerdict *v = &g_array_index(c.plan->verdicts, TdxVerdict, n);
                g_assert_cmpint(v->kind, !=, TDX_VERDICT_REFUSED);
            }
            done(&c);
        }
    }
}

static void test_xfam(void)
{
    static const struct {
        const char *cpu;
        bool cet;
        uint64_t xfam;
    } rows[] = {
        { "host", false, 0x602e7 },
        { "host", true, 0x61ae7 },
        { "base", true, 0x3 },
        { "host,-avx", false, 0x60203 },
        { "host,-avx512f", false, 0x60207 },
        { "host,-amx-tile", false, 0x2e7 },
        { "host,-pku", false, 0x600e7 },
        { "host,-shstk", true, 0x61ae7 },
        { "host,-shstk,-ibt", true, 0x602e7 },
        { "base,+avx", false, 0x7 },
        { "base,+avx512f", false, 0x3 }, /* AVX-512 without AVX */
        { "base,+avx,+avx512f", false, 0xe7 },
        { "host,+intel-pt", false, 0x602e7 },
        { "host,+arch-lbr", true, 0x61ae7 },
        { "host,-amx-int8", false, 0x602e7 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu, 1, rows[i].cet);
        g_test_message("%s", rows[i].cpu);
        g_assert_no_error(c.error);
        g_assert_cmphex(c.plan->xfam, ==, rows[i].xfam);
        done(&c);
    }
    g_assert_cmphex(tdx_xfam_complete_groups(0x3 | 0x20 | 0x800 | 0x20000), ==, 0x3);
}

/* Verdicts after the module's answer, and warnings: at most one. */
static const struct {
    const char *cpu, *feature;
    int kind; /* -1: no verdict */
    const char *warning;
} verdicts[] = {
    { "host", "avx2", TDX_VERDICT_GRANTED, NULL },
    { "host", "fsrm", TDX_VERDICT_GRANTED, NULL },
    { "host", "sha-ni", TDX_VERDICT_GRANTED, NULL },
    { "host", "tsc-adjust", TDX_VERDICT_FORCED_OFF, NULL },
    { "host", "waitpkg", TDX_VERDICT_FORCED_OFF, NULL },
    { "host", "kvmclock", TDX_VERDICT_FORCED_OFF, NULL },
    { "host", "kvm-pv-unhalt", TDX_VERDICT_GRANTED, NULL },
    { "host,+kvm-pv-unhalt", "kvm-pv-unhalt", TDX_VERDICT_GRANTED, NULL },
    { "host,+avx512f", "avx512f", TDX_VERDICT_GRANTED, NULL },
    { "host,-avx512f", "avx512f", -1, NULL },
    { "host,-fsrm", "fsrm", -1, NULL },
    { "host,-ht", "ht", -1, NULL },
    { "host", "ht", TDX_VERDICT_GRANTED, NULL },
    { "base", "sha-ni", TDX_VERDICT_GRANTED, NULL },
    { "base", "avx2", TDX_VERDICT_FORCED_OFF, NULL },
    { "base,+avx", "avx2", TDX_VERDICT_FORCED_ON, NULL },
    { "base,+fsrm", "fsrm", TDX_VERDICT_GRANTED, NULL },
    { "host,+vmx", "vmx", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.01H:ECX.vmx [bit 5]" },
    { "host,+intel-pt", "intel-pt", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:EBX.intel-pt [bit 25]" },
    { "host,+waitpkg", "waitpkg", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:ECX.waitpkg [bit 5]" },
    { "host,+hle", "hle", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:EBX.hle [bit 4]" },
    { "host,+pks", "pks", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:ECX.pks [bit 31]" },
    { "host,+avx10", "avx10", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.(07H,01H):EDX.avx10 [bit 19]" },
    { "host,+lam", "lam", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.(07H,01H):EAX.lam [bit 26]" },
    { "host,+tsc-adjust", "tsc-adjust", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:EBX.tsc-adjust [bit 1]" },
    { "host,+kvm-steal-time", "kvm-steal-time", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.40000001H:EAX.kvm-steal-time [bit 5]" },
    { "host,-avx,+avx512f", "avx512f", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]" },
    { "host,+vmx-ept", "vmx-ept", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: MSR(48BH).vmx-ept [bit 33]" },
    { "host,-invtsc", "invtsc", TDX_VERDICT_FORCED_ON,
      "TDX forcibly sets the feature: CPUID.80000007H:EDX.invtsc [bit 8]" },
    { "host,-x2apic", "x2apic", TDX_VERDICT_FORCED_ON,
      "TDX forcibly sets the feature: CPUID.01H:ECX.x2apic [bit 21]" },
    { "host,-avx2", "avx2", TDX_VERDICT_FORCED_ON,
      "TDX forcibly sets the feature: CPUID.07H:EBX.avx2 [bit 5]" },
    { "host,-xsaves", "xsaves", TDX_VERDICT_FORCED_ON,
      "TDX forcibly sets the feature: CPUID.(0DH,01H):EAX.xsaves [bit 3]" },
    { "host,-syscall", "syscall", TDX_VERDICT_FORCED_ON,
      "TDX forcibly sets the feature: CPUID.80000001H:EDX.syscall [bit 11]" },
    { "host,+kvm-hint-dedicated", "kvm-hint-dedicated", TDX_VERDICT_GRANTED, NULL },
    { "host", "kvm-hint-dedicated", -1, NULL },
    { "host,+arat", "arat", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.06H:EAX.arat [bit 2]" },
    { "host,+shstk", "cet-ss", TDX_VERDICT_REFUSED,
      "host doesn't support requested feature: CPUID.07H:ECX.cet-ss [bit 7]" },
    { "host,+vmx,-vmx", "vmx", -1, NULL },
    { "host,+vmx,check=off", "vmx", TDX_VERDICT_REFUSED, NULL },
    { "host,-invtsc,check=off", "invtsc", TDX_VERDICT_FORCED_ON, NULL },
};

static void test_verdicts(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        Case c = run(verdicts[i].cpu, 2, false);
        g_test_message("-cpu %s: %s", verdicts[i].cpu, verdicts[i].feature);
        g_assert_no_error(c.error);
        const TdxVerdict *v = verdict(c.plan, verdicts[i].feature);
        g_assert_cmpint(v ? (int)v->kind : -1, ==, verdicts[i].kind);
        g_assert_cmpuint(c.plan->warnings->len, ==, verdicts[i].warning ? 1 : 0);
        if (verdicts[i].warning) {
            g_assert_cmpstr(g_ptr_array_index(c.plan->warnings, 0), ==, verdicts[i].warning);
        }
        if (v && (v->kind == TDX_VERDICT_REFUSED || v->kind == TDX_VERDICT_FORCED_OFF)) {
            g_assert_nonnull(v->reason);
        }
        done(&c);
    }
}

/* What is expected before the launch comes true on this host, verdict for verdict. */
static void test_expected_is_final(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        Case c = { .host = test_host_new(false) };
        c.plan = test_host_plan(verdicts[i].cpu, 2, c.host, &c.file, &c.error);
        g_autofree char *expected = tdx_plan_format_cpuid(c.plan, true);
        c.module = test_host_module(c.plan, c.host);
        g_assert_true(tdx_plan_settle(c.plan, c.module, c.host, &c.error));
        g_autofree char *final = tdx_plan_format_cpuid(c.plan, true);
        g_autofree char *again = NULL;
        g_assert_cmpstr(strchr(expected, '\n'), ==, strchr(final, '\n'));
        g_assert_true(tdx_plan_settle(c.plan, c.module, c.host, &c.error));
        again = tdx_plan_format_cpuid(c.plan, true);
        g_assert_cmpstr(final, ==, again);
        done(&c);
    }
}

static void test_settle_surprises(void)
{
    Case c = { .host = test_host_new(false) };

    c.plan = test_host_plan("host,+fsrm,-clwb", 2, c.host, &c.file, &c.error);
    c.module = test_host_module(c.plan, c.host);
    CpuidEntry *e = cpuid_table_find(c.module, 7, 0);
    e->regs[CPUID_EDX] &= ~(1u << 4 | 1u << 14); /* fsrm (asked for), serialize (default) gone */
    e->regs[CPUID_ECX] |= 1u << 26;              /* a bit nobody knows */
    g_assert_true(tdx_plan_settle(c.plan, c.module, c.host, &c.error));
    g_assert_cmpuint(c.plan->warnings->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(c.plan->warnings, 0), ==,
                    "TDX forcibly sets the feature: CPUID.07H:EBX.clwb [bit 24]");
    g_assert_cmpstr(g_ptr_array_index(c.plan->warnings, 1), ==,
                    "TDX doesn't support requested feature: CPUID.07H:EDX.fsrm [bit 4]");
    g_assert_cmpint(verdict(c.plan, "serialize")->kind, ==, TDX_VERDICT_FORCED_OFF);
    g_autofree char *text = tdx_plan_format_cpuid(c.plan, false);
    g_assert_nonnull(strstr(text, "follow the processor:\n    CPUID.07H:ECX [bit 26]"));

    e = cpuid_table_find(c.module, 0x80000008, 0);
    e->regs[CPUID_EAX] = 52 | 48 << 8 | 48 << 16;
    g_assert_false(tdx_plan_settle(c.plan, c.module, c.host, &c.error));
    g_assert_nonnull(strstr(c.error->message, "guest address width of 48 bits: 52 was asked for"));
    done(&c);
}

static void test_enforce(void)
{
    static const struct {
        const char *cpu, *hint;
    } rows[] = {
        { "host,enforce,+vmx",
          "\nhost doesn't support requested feature: CPUID.01H:ECX.vmx [bit 5]" },
        { "host,enforce,-invtsc",
          "\nTDX forcibly sets the feature: CPUID.80000007H:EDX.invtsc [bit 8]" },
        { "host,check=off,enforce,+avx10", "avx10 [bit 19]" },
        { "base,enforce,+avx512f", "avx512f [bit 16]" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu, 1, false);
        g_assert_false(c.settled);
        g_assert_true(
            g_str_has_prefix(c.error->message, "Host doesn't support requested features\n"));
        g_assert_nonnull(strstr(c.error->message, rows[i].hint));
        done(&c);
    }
}

/*
 * KVM's rules for the table given to INIT_VM: each entry one configurable leaf, no bit beyond the
 * masks, GPAW there.
 */
static void test_init_cpuid(void)
{
    Case c = run("host,+waitpkg,+hle,+rtm,+vmx,+avx10", 8, true);

    g_assert_no_error(c.error);
    g_assert_cmpuint(cpuid_table_size(c.plan->init_cpuid), ==,
                     cpuid_table_size(c.host->configurable));
    for (unsigned i = 0; i < cpuid_table_size(c.plan->init_cpuid); i++) {
        const CpuidEntry *e = cpuid_table_at(c.plan->init_cpuid, i);
        const CpuidEntry *mask = cpuid_table_find_exact(c.host->configurable, e->function,
                                                        e->index);
        g_assert_nonnull(mask);
        for (unsigned reg = 0; reg < 4; reg++) {
            g_assert_cmphex(e->regs[reg] & ~mask->regs[reg], ==, 0);
        }
        bool sub = e->function == 4 || e->function == 7 || e->function == 0x1f ||
                   e->function == 0x23;
        g_assert_cmphex(e->flags, ==, sub ? CPUID_FLAG_SIGNIFICANT_INDEX : 0);
        g_assert_cmphex(e->padding[0] | e->padding[1] | e->padding[2], ==, 0);
    }
    const CpuidEntry *e = cpuid_table_find(c.plan->init_cpuid, 1, 0);
    g_assert_cmphex(e->regs[CPUID_EAX], ==, 0);
    g_assert_cmphex(e->regs[CPUID_EBX], ==, 8 << 16);
    g_assert_cmphex(e->regs[CPUID_EDX] >> 28 & 1, ==, 1);
    e = cpuid_table_find(c.plan->init_cpuid, 7, 0);
    g_assert_cmphex(e->regs[CPUID_EBX] & (1u << 4 | 1u << 11), ==, 0);
    g_assert_cmphex(e->regs[CPUID_ECX] & (1u << 5), ==, 0);
    e = cpuid_table_find(c.plan->init_cpuid, 0x80000008, 0);
    g_assert_cmphex(e->regs[CPUID_EAX], ==, 52 << 16);
    e = cpuid_table_find(c.plan->init_cpuid, 4, 3);
    g_assert_cmphex(e->regs[CPUID_EAX], ==, (0x163 | 7u << 14 | 7u << 26));
    e = cpuid_table_find(c.plan->init_cpuid, 0x1f, 1);
    g_assert_cmphex(e->regs[CPUID_EAX], ==, 3);
    g_assert_cmphex(e->regs[CPUID_EBX], ==, 8);
    g_assert_cmphex(e->regs[CPUID_ECX], ==, 0x201);
    done(&c);
    c = run("host", 1, false); /* one processor has no hyper-threading */
    e = cpuid_table_find(c.plan->init_cpuid, 1, 0);
    g_assert_cmphex(e->regs[CPUID_EDX] >> 28 & 1, ==, 0);
    done(&c);
}

static void test_gpaw(void)
{
    static const struct {
        const char *cpu;
        uint32_t sizes;
        bool la57;
        unsigned gpaw; /* 0: refused */
    } rows[] = {
        { "host", 0x00343934, true, 52 },
        { "host", 0x00003934, true, 52 },
        { "host", 0x00303934, true, 48 },
        { "host", 0x00003034, false, 48 },
        { "host", 0x0000392e, true, 48 },
        { "host,phys-bits=48", 0x00343934, true, 48 },
        { "host,phys-bits=52", 0x00343934, true, 52 },
        { "host,phys-bits=52", 0x00003034, false, 48 },
        { "host,phys-bits=46", 0x0000302e, false, 48 },
        { "host,phys-bits=46", 0x00343934, true, 0 },
        { "host,phys-bits=52", 0x00003030, false, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(TdxCapabilities) host = test_host_new(false);
        uint8_t *file;
        cpuid_table_find(host->supported, 0x80000008, 0)->regs[CPUID_EAX] = rows[i].sizes;
        if (!rows[i].la57) {
            cpuid_table_find(host->supported, 7, 0)->regs[CPUID_ECX] &= ~(1u << 16);
        }
        TdxPlan *plan = test_host_plan(rows[i].cpu, 1, host, &file, &err);
        g_test_message("%s 0x%x", rows[i].cpu, rows[i].sizes);
        g_assert_cmpuint(plan ? plan->gpaw : 0, ==, rows[i].gpaw);
        if (!plan) {
            g_assert_nonnull(strstr(err->message, "phys-bits="));
        }
        tdx_plan_free(plan);
        g_free(file);
    }
}

static void test_refused_plans(void)
{
    static const struct {
        const char *cpu;
        unsigned vcpus;
        const char *message;
    } rows[] = {
        { "host", 65, "exceeds the maximum cpus supported by KVM for a TD (64)" },
        { "host,pmu=on", 1, "Invalid attributes 0x8000000010000000 for TDX VM: PERFMON is not "
                            "supported" },
        { "host,tsc-frequency=2100000001", 1, "tsc-frequency=2100000001 is not permitted" },
        { "host,tsc-frequency=2110000000", 1, "\nNearest: tsc-frequency=2100000000" },
        { "host,tsc-frequency=75000000", 1, "\nNearest: tsc-frequency=100000000" },
        { "host,tsc-frequency=10025000000", 1, "\nNearest: tsc-frequency=10000000000" },
        { "host,phys-bits=40", 1, "phys-bits=40 is not permitted for a TD: 48 or 52 is" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu, rows[i].vcpus, false);
        g_assert_null(c.plan);
        g_test_message("%s", c.error->message);
        g_assert_nonnull(strstr(c.error->message, rows[i].message));
        done(&c);
    }
}

static void test_tsc(void)
{
    static const struct {
        const char *cpu;
        unsigned host, khz; /* khz 0: refused */
    } rows[] = {
        { "host", 2112345, 2100000 }, { "host", 2000000, 2000000 }, { "host", 100000, 100000 },
        { "host", 99999, 0 },
        { "host", 10025000, 0 }, { "host", 10024999, 10000000 },
        { "host,tsc-frequency=1G", 2112345, 1000000 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(TdxCapabilities) host = test_host_new(false);
        uint8_t *file;
        host->tsc_khz = rows[i].host;
        TdxPlan *plan = test_host_plan(rows[i].cpu, 1, host, &file, NULL);
        g_assert_cmpuint(plan ? plan->tsc_khz : 0, ==, rows[i].khz);
        tdx_plan_free(plan);
        g_free(file);
    }
}

static void test_vcpu_cpuid(void)
{
    Case c = run("host,-kvm-poll-control,phys-bits=48", 4, false);

    for (unsigned i = 0; i < 4; i++) {
        g_autoptr(CpuidTable) t = tdx_plan_vcpu_cpuid(c.plan, c.module, c.host, i);
        g_assert_cmphex(cpuid_table_find(t, 1, 0)->regs[CPUID_EBX], ==, i << 24 | 4 << 16 | 0x800);
        g_assert_cmphex(cpuid_table_find(t, 1, 0)->regs[CPUID_ECX] & (1u << 21 | 1u << 31), ==,
                        1u << 21 | 1u << 31);
        for (unsigned sub = 0; sub < 3; sub++) {
            g_assert_cmpuint(cpuid_table_find(t, 0xb, sub)->regs[CPUID_EDX], ==, i);
            g_assert_cmpuint(cpuid_table_find(t, 0x1f, sub)->regs[CPUID_EDX], ==, i);
        }
        const CpuidEntry *e = cpuid_table_find(t, 0x80000008, 0);
        g_assert_cmphex(e->regs[CPUID_EAX], ==, 52 | 57 << 8 | 48 << 16);
        e = cpuid_table_find(t, 0x40000000, 0);
        g_assert_cmphex(e->regs[CPUID_EAX], ==, 0x40000001);
        g_assert_cmpmem(&e->regs[CPUID_EBX], 12, "KVMKVMKVM\0\0\0", 12);
        e = cpuid_table_find(t, 0x40000001, 0);
        g_assert_cmphex(e->regs[CPUID_EAX], ==, 0xaa82);
        g_assert_cmphex(e->regs[CPUID_EDX], ==, 0);
        for (unsigned n = 1; n < cpuid_table_size(t); n++) { /* sorted, no duplicates */
            const CpuidEntry *a = cpuid_table_at(t, n - 1), *b = cpuid_table_at(t, n);
            g_assert_true(a->function < b->function ||
                          (a->function == b->function && a->index < b->index));
        }
    }
    /* An answer without leaves still gives KVM what it needs. */
    g_autoptr(CpuidTable) empty = cpuid_table_new();
    g_autoptr(CpuidTable) t = tdx_plan_vcpu_cpuid(c.plan, empty, c.host, 3);
    g_assert_cmphex(cpuid_table_find(t, 0x80000008, 0)->regs[CPUID_EAX], ==,
                    48 | 48 << 8 | 48 << 16);
    g_assert_cmphex(cpuid_table_find(t, 0x80000000, 0)->regs[CPUID_EAX], ==, 0x80000008);
    done(&c);
}

static void test_attributes(void)
{
    g_autoptr(TdxCapabilities) host = test_host_new(false);
    g_autoptr(GError) err = NULL;
    uint8_t *file;

    host->supported_attrs = 0x8000000050000000;
    cpuid_table_find(host->supported, 7, 0)->regs[CPUID_ECX] |= 1u << 31;
    TdxPlan *plan = test_host_plan("host,pmu=on", 1, host, &file, &err);
    g_assert_no_error(err);
    g_assert_cmphex(plan->attributes, ==, 0x8000000050000000);
    tdx_plan_free(plan);
    g_free(file);
    plan = test_host_plan("host,-pks", 1, host, &file, &err);
    g_assert_cmphex(plan->attributes, ==, 0x10000000);
    tdx_plan_free(plan);
    g_free(file);
    g_autofree char *text = tdx_attributes_describe(0x8000000050000002);
    g_assert_cmpstr(text, ==, "SEPT_VE_DISABLE PKS PERFMON bit 1");
}

static void test_text(void)
{
    static const char *const parts[] = {
        "attributes     0x0000000010000000  SEPT_VE_DISABLE\n",
        "XFAM           0x00000000000602e7  x87 SSE AVX AVX-512 PKRU AMX\n",
        "GPAW           52 bits, shared bit 51\n", "TSC            2100.000 MHz\n",
        "vCPUs          2 (sockets 1, dies 1, modules 1, cores 2, threads 1), x2APIC ids 0 1\n",
        "TD HOB list    0x000000809000\n", "MRCONFIGID     zero\n",
        "   0  BFV           0x00020000   0x001e0000  0x0000ffe20000  0x001e0000   0x1 measured\n",
        "  0x000000000000-0x0000007fffff  8 MiB       unaccepted RAM\n",
        "  0x000000809000-0x00000080afff  8 KiB       RAM added before launch: TD_HOB\n",
        "  0x0000ffe00000-0x0000ffffffff  2 MiB       firmware\n",
        "CPUID of -cpu host (as the TDX module has it)\n",
        "  refused:\n    CPUID.01H:ECX.vmx [bit 5]: TDX fixes it to 0", "\nMRTD  ",
    };
    Case c = run("host,+vmx", 2, false);
    g_autofree char *text = tdx_plan_format(c.plan);

    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (!strstr(text, parts[i])) {
            g_test_message("lacks '%s' in:\n%s", parts[i], text);
            g_test_fail();
        }
    }
    done(&c);
    /* Without a host the rest is still there. */
    g_autoptr(GError) err = NULL;
    uint8_t *file;
    TdxPlan *plan = test_host_plan("host", 1, NULL, &file, &err);
    g_assert_no_error(err);
    g_autofree char *alone = tdx_plan_format(plan);
    g_assert_nonnull(strstr(alone, "CPUID: not planned"));
    g_assert_nonnull(strstr(alone, "\nMRTD  "));
    tdx_plan_free(plan);
    g_free(file);
    plan = test_host_plan("host,phys-bits=52", 1, NULL, &file, &err);
    g_assert_cmpuint(plan->gpaw, ==, 52);
    tdx_plan_free(plan);
    g_free(file);
    plan = test_host_plan("host,phys-bits=46", 1, NULL, &file, &err);
    g_assert_null(plan);
    g_free(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx-plan/host-is-silent", test_host_is_silent);
    g_test_add_func("/tdx-plan/xfam", test_xfam);
    g_test_add_func("/tdx-plan/verdicts", test_verdicts);
    g_test_add_func("/tdx-plan/expected-is-final", test_expected_is_final);
    g_test_add_func("/tdx-plan/settle-surprises", test_settle_surprises);
    g_test_add_func("/tdx-plan/enforce", test_enforce);
    g_test_add_func("/tdx-plan/init-cpuid", test_init_cpuid);
    g_test_add_func("/tdx-plan/gpaw", test_gpaw);
    g_test_add_func("/tdx-plan/refused", test_refused_plans);
    g_test_add_func("/tdx-plan/tsc", test_tsc);
    g_test_add_func("/tdx-plan/vcpu-cpuid", test_vcpu_cpuid);
    g_test_add_func("/tdx-plan/attributes", test_attributes);
    g_test_add_func("/tdx-plan/text", test_text);
    return g_test_run();
}
