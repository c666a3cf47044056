/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -cpu: parsing, names, help. */
#include <string.h>

#include "target/i386/cpu-model.h"

static const char *const good[] = {
    "host",
    "max",
    "base",
    "host,migratable=on",
    "host,pmu=off,-kvm-steal-time,-shstk,-vmx-rdseed-exit,tsc-freq=1000000000",
    "host,+avx512f,-avx2,amx-tile=off,check=off",
    "host,enforce",
    "host,enforce=on,host-phys-bits=on",
    "host,sse4_1=on",
    "host,+sse4.1,+sse4-2,+xd,+lahf_lm",
    "host,phys-bits=48",
    "host,phys-bits=0",
    "host,tsc-frequency=2.1G",
    "host,kvm=on",
    "host,+kvmclock",
    "host,-x2apic",
    "host,invtsc",
    "qemu64",
    "qemu64-v1",
    "Skylake-Server",
    "Skylake-Server-v1",
    "Icelake-Server-noTSX,+la57,-hle",
    "DiamondRapids-v1,enforce",
    "host,level=0x23,xlevel=0x80000008,min-level=5",
    "host,vendor=GenuineIntel,family=6,model=143,stepping=8",
    "host,family=0",
    "host,hv-time=off,hv_relaxed=off",
    "host,hv-spinlocks=-1,hv-spinlocks=4294967295",
    "host,l3-cache=on,host-cache-info=off,migratable=off,tsc-freq=2G",
    "host,+kvm-pv-ipi,kvm-asyncpf=off,kvm-hint-dedicated=on,kvm-pv-enforce-cpuid=off",
};

static const struct {
    const char *text, *message;
} bad[] = {
    { "", "CPU model '' is not available" },
    { "EPYC,+avx2", "CPU model 'EPYC' is not available: host, max, base, qemu64 and Intel's server "
                    "models from Skylake-Server on are\nUse -cpu host" },
    { "Skylake-Server-v6", "CPU model 'Skylake-Server-v6'" },
    { "Skylake-Server-IBRS-v1", "CPU model 'Skylake-Server-IBRS-v1'" },
    { "Skylake-Server-v2-v1", "CPU model 'Skylake-Server-v2-v1'" },
    { "host-v1", "CPU model 'host-v1'" },
    { "skylake-server", "CPU model 'skylake-server'" },
    { "-v1", "CPU model '-v1'" },
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
    { "host,kvm=off", "CPU property 'kvm=off' is not permitted: 'on' is\nA TD" },
    { "host,level=5", "CPU property 'level=5' is not permitted: '0x23' is\nThe TDX module decides "
                      "it" },
    { "host,level=x", "Parameter 'level' expects a number" },
    { "host,min-level=0x24", "CPU property 'min-level=0x24' is not permitted: 'up to 0x23' is" },
    { "host,xlevel=0x80000021",
      "CPU property 'xlevel=0x80000021' is not permitted: '0x80000008' is" },
    { "host,vendor=AuthenticAMD",
      "CPU property 'vendor=AuthenticAMD' is not permitted: 'GenuineIntel' is" },
    { "host,model-id=My CPU", "CPU property 'model-id=My CPU' is not permitted" },
    { "host,family=300", "Parameter 'family' expects a number up to 270" },
    { "host,model=256", "Parameter 'model' expects a number up to 255" },
    { "host,stepping=16", "Parameter 'stepping' expects a number up to 15" },
    { "host,stepping=-1", "Parameter 'stepping' expects a number" },
    { "host,hv-time", "CPU property 'hv-time=on' is not permitted: 'off' is\nHyper-V" },
    { "host,hv_relaxed,hv_vapic", "CPU property 'hv-relaxed=on' is not permitted" },
    { "host,hv-spinlocks=0x1fff", "CPU property 'hv-spinlocks=0x1fff' is not permitted" },
    { "host,hv-vendor-id=x", "CPU property 'hv-vendor-id=x' is not permitted" },
    { "host,hv-tim=off", "Property 'host-x86_64-cpu.hv-tim' not found" },
    { "host,host-phys-bits=off",
      "CPU property 'host-phys-bits=off' is not permitted: 'on' is\nA TD" },
    { "host,l3-cache=off", "CPU property 'l3-cache=off' is not permitted" },
    { "host,kvm-pv-enforce-cpuid=on", "CPU property 'kvm-pv-enforce-cpuid=on' is not permitted" },
    { "host,l3-cache=maybe", "Parameter 'l3-cache' expects 'on' or 'off'" },
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
    g_autoptr(CpuModelRequest) r =
        cpu_model_parse("host,+avx512f,-avx512f,tsc-frequency=2.1G,phys-bits=52,pmu=on", NULL);
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

/*
 * Every name can be found and set, every position has one name, and no bit lies outside a register.
 */
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
        { "avx", 1, 0, CPUID_ECX, 28 },
        { "x2apic", 1, 0, CPUID_ECX, 21 },
        { "tsc-deadline", 1, 0, CPUID_ECX, 24 },
        { "ht", 1, 0, CPUID_EDX, 28 },
        { "sha-ni", 7, 0, CPUID_EBX, 29 },
        { "intel-pt", 7, 0, CPUID_EBX, 25 },
        { "la57", 7, 0, CPUID_ECX, 16 },
        { "pks", 7, 0, CPUID_ECX, 31 },
        { "waitpkg", 7, 0, CPUID_ECX, 5 },
        { "serialize", 7, 0, CPUID_EDX, 14 },
        { "amx-tile", 7, 0, CPUID_EDX, 24 },
        { "ssbd", 7, 0, CPUID_EDX, 31 },
        { "lam", 7, 1, CPUID_EAX, 26 },
        { "avx10", 7, 1, CPUID_EDX, 19 },
        { "bhi-ctrl", 7, 2, CPUID_EDX, 4 },
        { "xfd", 0xd, 1, CPUID_EAX, 4 },
        { "invtsc", 0x80000007, 0, CPUID_EDX, 8 },
        { "wbnoinvd", 0x80000008, 0, CPUID_EBX, 9 },
        { "kvm-msi-ext-dest-id", 0x40000001, 0, CPUID_EAX, 15 },
        { "lm", 0x80000001, 0, CPUID_EDX, 29 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        const CpuFeature *f = cpu_feature_find(known[i].name);
        g_assert_true(f && f->function == known[i].function && f->index == known[i].index &&
                      f->reg == known[i].reg && f->bit == known[i].bit);
    }
    g_assert_null(cpu_feature_find(""));
    g_assert_null(cpu_feature_at(1, 0, CPUID_EAX, 0));
}

static bool model_has(const char *model, const char *name)
{
    g_autoptr(CpuModelRequest) r = cpu_model_parse(model, NULL);

    g_assert_nonnull(r->model_features);
    for (unsigned i = 0; i < r->model_features->len; i++) {
        if (strcmp(g_array_index(r->model_features, const CpuFeature *, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* What tells a model or version from the one before. */
static void test_models(void)
{
    static const struct {
        const char *model, *has, *lacks;
    } rows[] = {
        { "qemu64", "cx16", "ssse3" }, { "qemu64", "lm", "vme" },
        { "Skylake-Server", "avx512bw", "mpx" },
        { "Skylake-Server", "rtm", "xsaves" }, { "Skylake-Server-IBRS", "spec-ctrl", "ssbd" },
        { "Skylake-Server-noTSX-IBRS", "spec-ctrl", "hle" },
        { "Skylake-Server-v5", "xsaves", "rtm" },
        { "Cascadelake-Server", "avx512vnni", "arch-capabilities" },
        { "Cascadelake-Server-v5", "xsaves", "hle" },
        { "Cooperlake-v2", "avx512-bf16", "umip" }, { "Icelake-Server", "la57", "avx512-bf16" },
        { "Icelake-Server-v4", "sha-ni", "xsaves" }, { "Icelake-Server-v7", "rtm", "stibp" },
        { "SapphireRapids", "amx-tile", "cldemote" },
        { "SapphireRapids-v4", "movdir64b", "cet-ss" },
        { "SapphireRapids-v6", "cet-ibt", "amx-fp16" }, { "GraniteRapids", "amx-fp16", "avx10" },
        { "GraniteRapids-v2", "avx10-512", "cet-ss" }, { "SierraForest", "avx-ifma", "avx512f" },
        { "SierraForest", "cmpccxadd", "la57" }, { "SierraForest-v5", "cet-ss", "sha512" },
        { "ClearwaterForest", "sha512", "cet-ss" }, { "DiamondRapids", "apxf", "avx10-128" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!model_has(rows[i].model, rows[i].has) || model_has(rows[i].model, rows[i].lacks)) {
            g_test_message("%s: must have %s and lack %s", rows[i].model, rows[i].has,
                           rows[i].lacks);
            g_test_fail();
        }
    }
    g_autoptr(CpuModelRequest) host = cpu_model_parse("host", NULL);
    g_assert_null(host->model_features);
}

/* Whatever help lists as a model is one, and no list names a feature in an MSR. */
static void test_help_models(void)
{
    g_autofree char *help = cpu_model_help();
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    unsigned count = 0;

    for (char **line = lines + 1; *line && g_str_has_prefix(*line, "  "); line++, count++) {
        g_auto(GStrv) words = g_strsplit(g_strstrip(*line), " ", 2);
        g_autoptr(CpuModelRequest) r = cpu_model_parse(words[0], NULL);
        g_assert_nonnull(r);
        for (unsigned i = 0; r->model_features && i < r->model_features->len; i++) {
            g_assert_false(CPU_FEATURE_IS_MSR(
                g_array_index(r->model_features, const CpuFeature *, i)->function));
        }
    }
    g_assert_cmpuint(count, >=, 45);
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
    g_test_add_func("/cpu-model/models", test_models);
    g_test_add_func("/cpu-model/help", test_help);
    g_test_add_func("/cpu-model/help-models", test_help_models);
    return g_test_run();
}
