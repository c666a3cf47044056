/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs as objects: every feature name is a property, models and types agree, CPUID decides once it
 * is known.
 */
#include <string.h>

#include "target/i386/cpu-object.h"
#include "util/error.h"

static bool get_bool(QomObject *cpu, const char *name)
{
    g_autoptr(JsonValue) value = NULL;

    g_assert_true(qom_property_get(cpu, name, &value, NULL));
    g_assert_true(json_object_is_type(value, json_type_boolean));
    return json_object_get_boolean(value);
}

static void test_every_feature(void)
{
    g_autoptr(QomObject) cpu = qom_object_new(&x86_cpu_types[0]);
    unsigned count, listed = 0;
    const CpuFeature *features = cpu_features(&count);
    QomProperty property;

    for (unsigned i = 0; i < count; i++) {
        const char *name = features[i].name;
        g_test_message("%s", name);
        g_assert_true(qom_property_set_text(cpu, name, "on", NULL));
        g_assert_true(get_bool(cpu, name));
        g_assert_true(qom_property_set_text(cpu, name, "off", NULL));
        g_assert_false(get_bool(cpu, name));
    }
    /* Each name stands in the list once. */
    for (unsigned i = 0; qom_type_property(cpu->type, i, &property); i++) {
        QomProperty other;
        for (unsigned j = 0; j < i && property.kind == QOM_BOOL && property.get; j++) {
            g_assert_true(qom_type_property(cpu->type, j, &other));
            g_assert_cmpstr(property.name, !=, other.name);
        }
        listed += cpu_feature_find(property.name) != NULL;
    }
    unsigned names = 0;
    for (unsigned i = 0; i < count; i++) {
        names += cpu_feature_find(features[i].name) == &features[i];
    }
    g_assert_cmpuint(listed, ==, names);
}

static void test_models(void)
{
    g_autoptr(GPtrArray) names = cpu_model_names();

    g_assert_cmpuint(names->len, ==, X86_CPU_TYPES);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *type = g_strconcat(g_ptr_array_index(names, i), "-x86_64-cpu", NULL);
        g_assert_cmpstr(x86_cpu_types[i].name, ==, type);
    }
}

static const CpuidTable *give_cpuid(void *opaque)
{
    return opaque;
}

static bool refuse_avx2(void *opaque, const CpuFeature *feature)
{
    return !strcmp(feature->name, "avx2");
}

static void test_cpuid(void)
{
    g_autoptr(QomObject) cpu = qom_object_new(&x86_cpu_types[1]);
    g_autoptr(CpuidTable) table = cpuid_table_new();
    const X86CpuPort port = { give_cpuid, refuse_avx2, table };
    g_autoptr(JsonValue) words = NULL, unavailable = NULL, filtered = NULL, family = NULL,
                         model = NULL, vendor = NULL;

    cpuid_table_ensure(table, 1, 0, 0)->regs[CPUID_EDX] = 1u << 25;             /* sse */
    cpuid_table_ensure(table, 1, 0, 0)->regs[CPUID_EAX] = 0x000806f8;
    memcpy(&cpuid_table_ensure(table, 0, 0, 0)->regs[CPUID_EBX], "Genu", 4);
    memcpy(&cpuid_table_ensure(table, 0, 0, 0)->regs[CPUID_EDX], "ineI", 4);
    memcpy(&cpuid_table_ensure(table, 0, 0, 0)->regs[CPUID_ECX], "ntel", 4);
    g_assert_true(qom_property_set_text(cpu, "avx2", "on", NULL));
    X86_CPU(cpu)->port = &port;
    g_assert_true(get_bool(cpu, "sse") && !get_bool(cpu, "avx2") && !get_bool(cpu, "sse2"));
    g_assert_true(qom_property_get(cpu, "unavailable-features", &unavailable, NULL));
    g_assert_cmpstr(json_object_to_json_string_ext(unavailable, JSON_C_TO_STRING_PLAIN), ==,
                    "[\"avx2\"]");
    g_assert_true(qom_property_get(cpu, "feature-words", &words, NULL) &&
                  qom_property_get(cpu, "filtered-features", &filtered, NULL));
    g_assert_cmpuint(json_object_array_length(words), ==, json_object_array_length(filtered));
    g_autofree char *first = json_format(json_object_array_get_idx(words, 0));
    g_assert_cmpstr(
        first, ==, "{\"cpuid-register\": \"EDX\", \"cpuid-input-eax\": 1, \"features\": 33554432}");
    g_assert_true(qom_property_get(cpu, "family", &family, NULL) &&
                  qom_property_get(cpu, "model", &model, NULL) &&
                  qom_property_get(cpu, "vendor", &vendor, NULL));
    g_assert_cmpint(json_object_get_int(family), ==, 6);
    g_assert_cmpint(json_object_get_int(model), ==, 0x8f);
    g_assert_cmpstr(json_object_get_string(vendor), ==, "GenuineIntel");
}

static void test_machine(void)
{
    static const MachineOps ops = { .id = "toy" };
    static const QomType toy = { .name = "toy-machine", .parent = &machine_type, .ops = &ops };
    static const QomType *const types[] = { &toy, X86_CPU_TYPE_LIST, NULL };
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    Machine *machine = machine_new(root, &toy, NULL, NULL);
    g_autoptr(CpuModelRequest) model = cpu_model_parse("SapphireRapids,-avx2,+pks", NULL);
    CpuTopology topology = { .cpus = 6, .sockets = 2, .cores = 3 };
    g_autoptr(GError) err = NULL;

    g_assert_true(cpu_topology_complete(&topology, NULL));
    g_assert_true(x86_cpus_add(machine, model, &topology, NULL, &err));
    QomObject *last = qom_resolve(root, "/machine/unattached/device[5]", &err);
    g_assert_no_error(err);
    const X86Cpu *cpu = X86_CPU(last);
    g_assert_cmpstr(last->type->name, ==, "SapphireRapids-x86_64-cpu");
    g_assert_true(cpu->socket_id == 1 && cpu->core_id == 2 && cpu->thread_id == 0 &&
                  cpu->apic_id == 6);
    g_assert_true(get_bool(last, "pks") && !get_bool(last, "avx2") && get_bool(last, "realized"));
    g_assert_false(qom_property_set_text(last, "avx2", "on", &err));
    g_assert_cmpstr(err->message, ==,
                    "Property 'avx2' of '/machine/unattached/device[5]' cannot be set: the guest "
                    "has been launched with it");
    machine_clear(machine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-object/every-feature", test_every_feature);
    g_test_add_func("/cpu-object/models", test_models);
    g_test_add_func("/cpu-object/cpuid", test_cpuid);
    g_test_add_func("/cpu-object/machine", test_machine);
    return g_test_run();
}
