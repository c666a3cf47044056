/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named CPU models in a TD: what is asked, told once and refused; enforce; the plan as JSON. */
#include <string.h>

#include "host.h"
#include "util/json.h"

typedef struct Case {
    TdxCapabilities *host;
    uint8_t *file;
    TdxPlan *plan;
    GError *error;
    bool settled;
} Case;

static Case run(const char *cpu)
{
    Case c = { .host = test_host_new(false) };

    c.plan = test_host_plan(cpu, 4, c.host, &c.file, &c.error);
    if (c.plan) {
        g_autoptr(CpuidTable) module = test_host_module(c.plan, c.host);
        c.settled = tdx_plan_settle(c.plan, module, c.host, &c.error);
    }
    return c;
}

static void done(Case *c)
{
    tdx_plan_free(c->plan);
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

static const char *text_at(const GPtrArray *texts, unsigned i)
{
    return i < texts->len ? g_ptr_array_index(texts, i) : "";
}

static void test_verdicts(void)
{
    static const struct {
        const char *cpu, *feature;
        int kind; /* -1: nothing is said */
    } rows[] = {
        { "Skylake-Server", "avx512f", TDX_VERDICT_GRANTED },
        { "Skylake-Server", "bmi2", TDX_VERDICT_GRANTED },
        { "Skylake-Server", "x2apic", TDX_VERDICT_GRANTED },
        { "Skylake-Server", "hypervisor", TDX_VERDICT_GRANTED },
        { "Skylake-Server", "pse36", TDX_VERDICT_REFUSED },
        { "Skylake-Server", "rtm", TDX_VERDICT_REFUSED },
        { "Skylake-Server", "arat", TDX_VERDICT_REFUSED },
        { "Skylake-Server", "sha-ni", TDX_VERDICT_FORCED_ON },
        { "Skylake-Server", "la57", -1 },
        { "Skylake-Server", "amx-tile", TDX_VERDICT_FORCED_OFF },
        { "Skylake-Server,-rtm", "rtm", -1 },
        { "Skylake-Server,+la57", "la57", TDX_VERDICT_GRANTED },
        { "Skylake-Server,-avx512f", "avx512bw", TDX_VERDICT_REFUSED },
        { "qemu64", "avx", -1 },
        { "qemu64", "sse2", TDX_VERDICT_GRANTED },
        { "SapphireRapids-v6", "cet-ss", TDX_VERDICT_REFUSED },
        { "SapphireRapids", "amx-tile", TDX_VERDICT_GRANTED },
        { "SapphireRapids-v3", "tsc-adjust", TDX_VERDICT_REFUSED },
        { "GraniteRapids-v2", "avx10", TDX_VERDICT_REFUSED },
        { "DiamondRapids", "apxf", TDX_VERDICT_REFUSED },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu);
        g_assert_no_error(c.error);
        const TdxVerdict *v = verdict(c.plan, rows[i].feature);
        if ((v ? (int)v->kind : -1) != rows[i].kind) {
            g_test_message("%s: %s has verdict %d", rows[i].cpu, rows[i].feature,
                           v ? (int)v->kind : -1);
            g_test_fail();
        }
        done(&c);
    }
}

static void test_xfam(void)
{
    static const struct {
        const char *cpu;
        uint64_t xfam;
    } rows[] = {
        { "qemu64", 0x3 }, { "Skylake-Server", 0x2e7 }, { "Skylake-Server,-pku", 0xe7 },
        { "SierraForest", 0x207 },
        { "SapphireRapids", 0x602e7 }, { "SapphireRapids,-amx-tile", 0x2e7 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu);
        g_assert_cmphex(c.plan->xfam, ==, rows[i].xfam);
        done(&c);
    }
}

/* One line for the model; one for each bit that the user named; none with check=off. */
static void test_warnings(void)
{
    static const struct {
        const char *cpu, *first, *second;
    } rows[] = {
        { "qemu64", "CPU model 'qemu64': the TD lacks pse36 of it; the guest can start", "" },
        { "qemu64,-pse36", "", "" }, { "qemu64,check=off", "", "" },
        { "qemu64,-pse36,+hle", "host doesn't support requested feature: CPUID.07H:EBX.hle [bit 4]",
          "" },
        { "Skylake-Server,+hle",
          "host doesn't support requested feature: CPUID.07H:EBX.hle [bit 4]",
          "CPU model 'Skylake-Server': the TD lacks pse36, arat, rtm of it; the guest can start" },
        { "qemu64,-pse36,-sse2,-sse2", "TDX forcibly sets the feature: CPUID.01H:EDX.sse2 [bit 26]",
          "" },
        { "host,+rdctl-no,+rdctl_no",
          "host doesn't support requested feature: MSR(10AH).rdctl-no [bit 0]", "" },
        { "host,+rdctl-no,-rdctl-no", "", "" },
        { "host,-rdctl-no,+its-no", "host doesn't support requested feature: "
                                                                           "MSR(10AH).its-no [bit "
                                                                           "62]", "" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu);
        g_assert_true(c.settled);
        g_assert_cmpstr(text_at(c.plan->warnings, 0), ==, rows[i].first);
        g_assert_cmpstr(text_at(c.plan->warnings, 1), ==, rows[i].second);
        g_assert_cmpuint(c.plan->warnings->len, ==, (*rows[i].first != 0) + (*rows[i].second != 0));
        done(&c);
    }
}

static void test_notes(void)
{
    Case c = run("qemu64");

    g_assert_cmpstr(text_at(c.plan->notes, 0), ==,
                    "CPU model 'qemu64' decides features only: family, model and stepping of a TD "
                    "are the processor's");
    g_assert_true(g_str_has_prefix(text_at(c.plan->notes, 1),
                                   "TDX gives the TD what CPU model 'qemu64' lacks: pclmulqdq, "));
    g_assert_cmpuint(c.plan->notes->len, ==, 2);
    g_autofree char *text = tdx_plan_format(c.plan);
    g_assert_nonnull(strstr(text, "\nnote: CPU model 'qemu64' decides"));
    done(&c);
    c = run("host");
    g_assert_cmpuint(c.plan->notes->len, ==, 0);
    done(&c);
}

/* enforce is about what the user named, with whatever model. */
static void test_enforce(void)
{
    static const struct {
        const char *cpu, *error;
    } rows[] = {
        { "qemu64,enforce", NULL }, { "Skylake-Server,enforce", NULL },
        { "DiamondRapids,enforce,-la57", NULL },
        { "Skylake-Server,+hle,enforce",
          "Host doesn't support requested features\nhost doesn't support requested "
                                         "feature: CPUID.07H:EBX.hle [bit 4]" },
        { "qemu64,enforce,-sse2",
          "Host doesn't support requested features\nTDX forcibly sets the feature: "
                                  "CPUID.01H:EDX.sse2 [bit 26]" },
        { "host,enforce,check=off,+rdctl-no",
          "Host doesn't support requested features\nhost doesn't support requested "
                                              "feature: MSR(10AH).rdctl-no [bit 0]" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu);
        g_assert_cmpint(c.settled, ==, !rows[i].error);
        g_assert_cmpstr(c.error ? c.error->message : NULL, ==, rows[i].error);
        done(&c);
    }
}

static void test_signature(void)
{
    static const struct {
        const char *cpu, *error;
    } rows[] = {
        { "host,family=6,model=143,stepping=8", NULL },
        { "qemu64,family=0", NULL },
        { "host,family=15",
          "CPU property family=15 is not permitted for a TD: 6 is\nA TD shows this processor's "
          "family; leave the property out" },
        { "qemu64,model=85",
          "CPU property model=85 is not permitted for a TD: 143 is\nA TD shows this processor's "
          "model; leave the property out" },
        { "host,stepping=1", "CPU property stepping=1 is not permitted for a TD: 8 is\nA TD shows "
                             "this processor's stepping; leave the property out" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Case c = run(rows[i].cpu);
        g_assert_cmpstr(c.error ? c.error->message : NULL, ==, rows[i].error);
        done(&c);
    }
}

static JsonValue *member(JsonValue *object, const char *name)
{
    JsonValue *value = NULL;

    g_assert_true(json_object_object_get_ex(object, name, &value));
    return value;
}

static JsonValue *json_verdict(JsonValue *object, const char *name)
{
    JsonValue *verdicts = member(member(object, "cpuid"), "verdicts");

    for (size_t i = 0; i < json_object_array_length(verdicts); i++) {
        JsonValue *v = json_object_array_get_idx(verdicts, i);
        if (g_strcmp0(json_member_string(v, "name"), name) == 0) {
            return v;
        }
    }
    return NULL;
}

static JsonValue *to_json(const TdxPlan *plan)
{
    g_autofree char *text = tdx_plan_format_json(plan);
    JsonValue *value = NULL;

    g_assert_true(json_parse(text, strlen(text), &value, NULL));
    return value;
}

static void test_json(void)
{
    Case c = run("Skylake-Server,+hle,-sse2");
    g_autoptr(JsonValue) object = to_json(c.plan);
    JsonValue *hle = json_verdict(object, "hle"), *rtm = json_verdict(object, "rtm"),
              *sse2 = json_verdict(object, "sse2");
    uint64_t number;

    g_assert_cmpstr(json_member_string(hle, "verdict"), ==, "refused");
    g_assert_cmpstr(json_member_string(hle, "user"), ==, "on");
    g_assert_cmpstr(json_member_string(hle, "register"), ==, "ebx");
    g_assert_cmpstr(json_member_string(hle, "reason"), ==, "KVM keeps this feature out of TDs");
    g_assert_true(json_value_u64(member(hle, "leaf"), &number) && number == 7);
    g_assert_true(json_value_u64(member(hle, "sub-leaf"), &number) && number == 0);
    g_assert_true(json_value_u64(member(hle, "bit"), &number) && number == 4);
    g_assert_cmpstr(json_member_string(rtm, "verdict"), ==, "refused");
    g_assert_null(json_member_string(rtm, "user"));
    g_assert_cmpstr(json_member_string(sse2, "verdict"), ==, "forced-on");
    g_assert_cmpstr(json_member_string(sse2, "user"), ==, "off");
    g_assert_true(json_value_u64(member(object, "attributes"), &number) &&
                  number == c.plan->attributes);
    g_assert_true(json_value_u64(member(object, "xfam"), &number) && number == c.plan->xfam);
    g_assert_cmpstr(json_member_string(member(object, "cpuid"), "model"), ==, "Skylake-Server");
    g_assert_true(json_object_get_boolean(member(member(object, "cpuid"), "settled")));
    g_assert_cmpuint(json_object_array_length(member(member(object, "cpuid"), "verdicts")), ==,
                     c.plan->verdicts->len);
    g_assert_cmpuint(json_object_array_length(member(member(object, "cpuid"), "init-vm")), ==,
                     cpuid_table_size(c.plan->init_cpuid));
    g_assert_cmpuint(json_object_array_length(member(object, "warnings")), ==, 3);
    g_assert_cmpuint(json_object_array_length(member(member(object, "vcpus"), "x2apic-ids")), ==,
                     4);
    g_assert_cmpuint(json_object_array_length(member(member(object, "firmware"), "sections")), ==,
                     c.plan->firmware->num_sections);
    g_assert_cmpuint(strlen(json_member_string(object, "mrtd")), ==, 96);
    done(&c);
}

/* Features of MSRs have no register. */
static void test_json_msr(void)
{
    Case c = run("host,+its-no");
    g_autoptr(JsonValue) object = to_json(c.plan);
    JsonValue *its = json_verdict(object, "its-no");
    uint64_t number;

    g_assert_true(json_value_u64(member(its, "msr"), &number) && number == 0x10a);
    g_assert_true(json_value_u64(member(its, "bit"), &number) && number == 62);
    g_assert_false(json_object_object_get_ex(its, "leaf", NULL));
    done(&c);
}

static void test_json_without_host(void)
{
    g_autofree uint8_t *file = NULL;
    g_autoptr(TdxPlan) plan = test_host_plan("host", 1, NULL, &file, NULL);
    g_autoptr(JsonValue) object = to_json(plan);

    g_assert_false(json_object_object_get_ex(object, "cpuid", NULL));
    g_assert_false(json_object_object_get_ex(object, "xfam", NULL));
    g_assert_false(json_object_object_get_ex(object, "tsc-khz", NULL));
    g_assert_nonnull(json_member_string(object, "mrtd"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx-models/verdicts", test_verdicts);
    g_test_add_func("/tdx-models/xfam", test_xfam);
    g_test_add_func("/tdx-models/warnings", test_warnings);
    g_test_add_func("/tdx-models/notes", test_notes);
    g_test_add_func("/tdx-models/enforce", test_enforce);
    g_test_add_func("/tdx-models/signature", test_signature);
    g_test_add_func("/tdx-models/json", test_json);
    g_test_add_func("/tdx-models/json-msr", test_json_msr);
    g_test_add_func("/tdx-models/json-without-host", test_json_without_host);
    return g_test_run();
}
