/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named CPU models: each is another model with features added and removed. The lists are those of
 * the processors, as QEMU's and libvirt's models of these names have them. Not in them: VMX
 * controls (a TD has no VMX) and bits of IA32_ARCH_CAPABILITIES (the TDX module shows its own);
 * versions that differ in nothing else are equal here.
 */
#include <string.h>

#include "cpu-model-internal.h"

static const CpuNamedModel models[] = {
    { "qemu64", NULL,
      "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
      "sse2 pni cx16 syscall nx lm lahf-lm",
      "the least that a 64-bit system expects" },
    { "Skylake-Server", "qemu64",
      "vme pclmulqdq ssse3 fma pcid sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave avx "
      "f16c rdrand arat fsgsbase bmi1 hle avx2 smep bmi2 erms invpcid rtm rdseed adx smap "
      "clflushopt clwb avx512f avx512dq avx512cd avx512bw avx512vl pku xsaveopt xsavec xgetbv1 abm "
      "3dnowprefetch pdpe1gb rdtscp",
      "Xeon Scalable, 1st generation" },
    { "Skylake-Server-v2", "Skylake-Server", "spec-ctrl", "with IBRS" },
    { "Skylake-Server-v3", "Skylake-Server-v2", "-hle -rtm", "with IBRS, without TSX" },
    { "Skylake-Server-v4", "Skylake-Server-v3", "", NULL },
    { "Skylake-Server-v5", "Skylake-Server-v4", "xsaves", NULL },
    { "Skylake-Server-IBRS", "Skylake-Server-v2", "", NULL },
    { "Skylake-Server-noTSX-IBRS", "Skylake-Server-v3", "", NULL },
    { "Cascadelake-Server", "Skylake-Server", "avx512vnni spec-ctrl ssbd",
      "Xeon Scalable, 2nd generation" },
    { "Cascadelake-Server-v2", "Cascadelake-Server", "arch-capabilities", NULL },
    { "Cascadelake-Server-v3", "Cascadelake-Server-v2", "-hle -rtm", "without TSX" },
    { "Cascadelake-Server-v4", "Cascadelake-Server-v3", "", NULL },
    { "Cascadelake-Server-v5", "Cascadelake-Server-v4", "xsaves", NULL },
    { "Cascadelake-Server-noTSX", "Cascadelake-Server-v3", "", NULL },
    { "Cooperlake", "Cascadelake-Server", "stibp arch-capabilities avx512-bf16",
      "Xeon Scalable, 3rd generation" },
    { "Cooperlake-v2", "Cooperlake", "xsaves", NULL },
    { "Icelake-Server", "Cascadelake-Server",
      "avx512vbmi avx512vbmi2 umip gfni vaes vpclmulqdq avx512bitalg avx512-vpopcntdq la57 "
      "wbnoinvd",
      "Xeon Scalable, 3rd generation" },
    { "Icelake-Server-v2", "Icelake-Server", "-hle -rtm", "without TSX" },
    { "Icelake-Server-v3", "Icelake-Server-v2", "arch-capabilities", NULL },
    { "Icelake-Server-v4", "Icelake-Server-v3", "sha-ni avx512ifma rdpid fsrm", NULL },
    { "Icelake-Server-v5", "Icelake-Server-v4", "xsaves", NULL },
    { "Icelake-Server-v6", "Icelake-Server-v5", "", NULL },
    { "Icelake-Server-v7", "Icelake-Server-v6", "hle rtm", "with TSX" },
    { "Icelake-Server-noTSX", "Icelake-Server-v2", "", NULL },
    { "SapphireRapids", "Icelake-Server-v7",
      "bus-lock-detect serialize tsx-ldtrk amx-bf16 avx512-fp16 amx-tile amx-int8 avx-vnni "
      "avx512-bf16 fzrm fsrs fsrc xfd",
      "Xeon Scalable, 4th generation" },
    { "SapphireRapids-v2", "SapphireRapids", "", NULL },
    { "SapphireRapids-v3", "SapphireRapids-v2", "ss tsc-adjust cldemote movdiri movdir64b", NULL },
    { "SapphireRapids-v4", "SapphireRapids-v3", "", NULL },
    { "SapphireRapids-v5", "SapphireRapids-v4", "cet-ss cet-ibt", NULL },
    { "SapphireRapids-v6", "SapphireRapids-v5", "", NULL },
    { "GraniteRapids", "SapphireRapids", "amx-fp16 prefetchiti mcdt-no", "Xeon 6 with P-cores" },
    { "GraniteRapids-v2", "GraniteRapids",
      "ss tsc-adjust cldemote movdiri movdir64b avx10 avx10-128 avx10-256 avx10-512", NULL },
    { "GraniteRapids-v3", "GraniteRapids-v2", "", NULL },
    { "GraniteRapids-v4", "GraniteRapids-v3", "cet-ss cet-ibt", NULL },
    { "GraniteRapids-v5", "GraniteRapids-v4", "", NULL },
    { "SierraForest", "Icelake-Server-v6",
      "-avx512f -avx512dq -avx512ifma -avx512cd -avx512bw -avx512vl -avx512vbmi -avx512vbmi2 "
      "-avx512vnni -avx512bitalg -avx512-vpopcntdq -la57 bus-lock-detect serialize avx-vnni "
      "cmpccxadd fsrs avx-ifma avx-vnni-int8 avx-ne-convert mcdt-no",
      "Xeon 6 with E-cores" },
    { "SierraForest-v2", "SierraForest",
      "ss tsc-adjust cldemote movdiri movdir64b lam intel-psfd ipred-ctrl rrsba-ctrl bhi-ctrl",
      NULL },
    { "SierraForest-v3", "SierraForest-v2", "", NULL },
    { "SierraForest-v4", "SierraForest-v3", "cet-ss cet-ibt", NULL },
    { "SierraForest-v5", "SierraForest-v4", "", NULL },
    { "ClearwaterForest", "SierraForest-v2", "sha512 sm3 sm4 avx-vnni-int16 prefetchiti ddpd-u",
      "successor of Sierra Forest" },
    { "ClearwaterForest-v2", "ClearwaterForest", "cet-ss cet-ibt", NULL },
    { "ClearwaterForest-v3", "ClearwaterForest-v2", "", NULL },
    { "DiamondRapids", "GraniteRapids",
      "ss tsc-adjust cldemote movdiri movdir64b fdp-excptn-only zero-fcs-fds md-clear stibp "
      "flush-l1d cet-ss cet-ibt cmpccxadd fred lkgs wrmsrns avx-ifma lam movrs avx-vnni-int8 "
      "avx-ne-convert amx-complex avx10 apxf intel-psfd ipred-ctrl rrsba-ctrl ddpd-u bhi-ctrl "
      "amx-int8-alias amx-bf16-alias amx-complex-alias amx-fp16-alias amx-fp8 amx-tf32 amx-avx512 "
      "amx-movrs avx10-vnni-int apx-nci-ndd-nf",
      "successor of Granite Rapids" },
};

const CpuNamedModel *cpu_named_models(unsigned *count)
{
    *count = G_N_ELEMENTS(models);
    return models;
}

static const CpuNamedModel *find_exact(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        if (strcmp(models[i].name, name) == 0) {
            return &models[i];
        }
    }
    return NULL;
}

/* A model without a version is its first one: the name with -v1 stands for it. */
const CpuNamedModel *cpu_named_model_find(const char *name)
{
    const CpuNamedModel *model = find_exact(name);

    if (!model && g_str_has_suffix(name, "-v1")) {
        g_autofree char *plain = g_strndup(name, strlen(name) - 3);
        model = find_exact(plain);
        /* Second names, as Skylake-Server-IBRS, have no versions, and versions neither. */
        model = model && model->description && !strstr(plain, "-v") ? model : NULL;
    }
    return model;
}

static void change(GArray *features, const char *name)
{
    bool add = *name != '-';
    const CpuFeature *feature = cpu_feature_find(add ? name : name + 1);

    g_assert(feature); /* the table's names are checked by a test */
    for (unsigned i = 0; i < features->len; i++) {
        if (g_array_index(features, const CpuFeature *, i) == feature) {
            if (!add) {
                g_array_remove_index(features, i);
            }
            return;
        }
    }
    if (add) {
        g_array_append_val(features, feature);
    }
}

static void collect(const CpuNamedModel *model, GArray *features)
{
    g_auto(GStrv) names = g_strsplit(model->features, " ", -1);

    if (model->base) {
        collect(find_exact(model->base), features);
    }
    for (char **name = names; *name; name++) {
        if (**name) {
            change(features, *name);
        }
    }
}

GArray *cpu_named_model_features(const CpuNamedModel *model)
{
    GArray *features = g_array_new(FALSE, FALSE, sizeof(const CpuFeature *));

    collect(model, features);
    return features;
}
