/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -cpu: parsing, names, help. */
#include <string.h>

#include "target/i386/cpu-model.h"

static const char *const good[] = {
    "host", "max", "base", "host,migratable=on", "host,pmu=off,-kvm-steal-time,-shstk,-vmx-rdseed-exit,tsc-freq=1000000000",
    "host,+avx512f,-avx2,amx-tile=off,check=off", "host,enforce", "host,enforce=on,host-phys-bits=on", "host,sse4_1=on",
    "host,+sse4.1,+sse4-2,+xd,+lahf_lm", "host,phys-bits=48", "host,phys-bits=0", "host,tsc-frequency=2.1G", "host,kvm=on",
    "host,+kvmclock", "host,-x2apic", "host,invtsc",
};

static const struct {
    const char *text, *message;
} bad[] = {
    { "", "CPU model '' is not available" },
    { "qemu64", "CPU model 'qemu64' is not available: host, max and base are\nUse -cpu host" },
    { "EPYC,+avx2", "CPU model 'EPYC'" },
    { "host,+foo", "Property 'host-x86_64-cpu.foo' not found" },
    { "host,avx51f=on", "Property 'host-x86_64-cpu.avx51f' not found\nDid you mean 'avx512f'?" },
    { "host,+movdir64", "Did you mean 'movdir64b'?" },
    { "host,", "Property 'host-x86_64-cpu.' not found" },
    { "host,+", "Property 'host-x86_64-cpu.' not found" },
    { "host,=on", "Property 'host-x86_64-cpu.' not found" },
    { "host,avx2=", "Parameter 'avx2' expects 'on' or 'off'" },
    { "host,avx2=1", "Parameter 'avx2' expects 'on' or 'off'" },
    { "host,enforce=maybe", "Parameter 'enforce' expects" },
    { "host,phys-bits=31", "phys-bits should be between 32 and 52 (but is 31)" },
    { "host,phys-bits=53", "phys-bits should be between 32 and 52" },
    { "host,phys-bits=x", "Parameter 'phys-bits' expects a number" },
    { "host,phys-bits=-1", "Parameter 'phys-bits' expects a number" },
    { "host,tsc-frequency=0", "expects a frequency" },
    { "host,tsc-frequency=fast", "expects a frequency" },
    { "host,tsc-frequency=1T", "expects a frequency" },
    { "host,tsc-frequency=1e99", "expects a frequency" },
    { "host,tsc-frequency=nan", "expects a frequency" },
    { "host,kvm=off", "CPU property 'kvm=off' is not permitted: 'on' is" },
    { "host,level=5", "Property 'host-x86_64-cpu.level' not found" },
};

static void test_good(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(CpuModelRequest) r = cpu_model_parse(good[i], &err);
        g_assert_no_error(err);
        g_autoptr(CpuModelRequest) copy = cpu_model_copy(r);
        g_assert_cmpstr(copy->model, ==, r->model);
        g_assert_cmpuint(copy->features->len, ==, r->features->len);
    }
    g_autoptr(CpuModelRequest) r = cpu_model_parse("host,+avx512f,-avx512f,tsc-frequency=2.1G,phys-bits=52,pmu=on", NULL);
    g_assert_true(r->check && !r->enforce && r->pmu && r->has_pmu);
    g_assert_cmpuint(r->tsc_hz, ==, 2100000000);
    g_assert_cmpuint(r->phys_bits, ==, 52);
    g_assert_cmpuint(r->features->len, ==, 2);
    g_assert_false(g_array_index(r->features, CpuFeatureRequest, 1).on);
}

static void test_bad(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(CpuModelRequest) r = cpu_model_parse(bad[i].text, &err);
        g_assert_null(r);
        if (!strstr(err->message, bad[i].message)) {
            g_test_message("%s: '%s' lacks '%s'", bad[i].text, err->message, bad[i].message);
            g_test_fail();
        }
    }
}

/* Every name can be found and set, every position has one name, and no bit lies outside a register. */
static void test_features(void)
{
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    g_assert_cmpuint(count, >, 300);
    for (unsigned i = 0; i < count; i++) {
        const CpuFeature *f = &features[i];
        g_autofree char *text = g_strdup_printf("host,+%s,%s=off", f->name, f->name);
        g_autoptr(CpuModelRequest) r = cpu_model_parse(text, NULL);
        g_assert_nonnull(r);
        g_assert_cmpuint(f->bit, <, 32);
        g_assert_cmpstr(cpu_feature_find(f->name)->name, ==, f->name);
        g_assert_true(cpu_feature_at(f->function, f->index, f->reg, f->bit) == f);
        g_assert_null(strchr(f->name, '_'));
    }
    static const struct {
        const char *name;
        uint32_t function, index;
        CpuidReg reg;
        unsigned bit;
    } known[] = {
        { "avx", 1, 0, CPUID_ECX, 28 }, { "x2apic", 1, 0, CPUID_ECX, 21 }, { "tsc-deadline", 1, 0, CPUID_ECX, 24 },
        { "ht", 1, 0, CPUID_EDX, 28 }, { "sha-ni", 7, 0, CPUID_EBX, 29 }, { "intel-pt", 7, 0, CPUID_EBX, 25 },
        { "la57", 7, 0, CPUID_ECX, 16 }, { "pks", 7, 0, CPUID_ECX, 31 }, { "waitpkg", 7, 0, CPUID_ECX, 5 },
        { "serialize", 7, 0, CPUID_EDX, 14 }, { "amx-tile", 7, 0, CPUID_EDX, 24 }, { "ssbd", 7, 0, CPUID_EDX, 31 },
        { "lam", 7, 1, CPUID_EAX, 26 }, { "avx10", 7, 1, CPUID_EDX, 19 }, { "bhi-ctrl", 7, 2, CPUID_EDX, 4 },
        { "xfd", 0xd, 1, CPUID_EAX, 4 }, { "invtsc", 0x80000007, 0, CPUID_EDX, 8 }, { "wbnoinvd", 0x80000008, 0, CPUID_EBX, 9 },
        { "kvm-msi-ext-dest-id", 0x40000001, 0, CPUID_EAX, 15 }, { "lm", 0x80000001, 0, CPUID_EDX, 29 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        const CpuFeature *f = cpu_feature_find(known[i].name);
        g_assert_true(f && f->function == known[i].function && f->index == known[i].index && f->reg == known[i].reg &&
                      f->bit == known[i].bit);
    }
    g_assert_null(cpu_feature_find(""));
    g_assert_null(cpu_feature_at(1, 0, CPUID_EAX, 0));
}

static void test_help(void)
{
    g_autofree char *help = cpu_model_help();

    g_assert_nonnull(strstr(help, "Available CPUs:\n  host "));
    g_assert_nonnull(strstr(help, "Recognized CPUID flags:\n"));
    g_assert_nonnull(strstr(help, " avx512f "));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-model/good", test_good);
    g_test_add_func("/cpu-model/bad", test_bad);
    g_test_add_func("/cpu-model/features", test_features);
    g_test_add_func("/cpu-model/help", test_help);
    return g_test_run();
}
