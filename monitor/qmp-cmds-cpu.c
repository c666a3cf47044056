/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about CPU models: which there are, and what they come to with this host's KVM. */
#include <string.h>

#include "monitor-internal.h"
#include "util/error.h"

/* What KVM supports, or NULL without KVM and *errp. The caller frees. */
static CpuidTable *supported_cpuid(const QapiContext *context, GError **errp)
{
    if (!context->kvm) {
        error_set(errp, "CPU models depend on the host's KVM, and there is none here");
        return NULL;
    }
    return kvm_supported_cpuid(context->kvm, errp);
}

static JsonValue *unavailable(const CpuModelRequest *model, const CpuidTable *supported)
{
    JsonValue *names = json_object_new_array();

    for (unsigned i = 0; model->model_features && i < model->model_features->len; i++) {
        const CpuFeature *feature = g_array_index(model->model_features, const CpuFeature *, i);

        if (!CPU_FEATURE_IS_MSR(feature->function) && !cpu_feature_supported(feature, supported)) {
            json_object_array_add(names, json_object_new_string(feature->name));
        }
    }
    return names;
}

static JsonValue *definition(const char *name, const CpuidTable *supported)
{
    g_autoptr(CpuModelRequest) model = cpu_model_parse(name, NULL);
    g_autofree char *type = g_strdup_printf("%s-x86_64-cpu", name);
    JsonValue *entry = json_object_new_object();

    json_object_object_add(entry, "name", json_object_new_string(name));
    json_object_object_add(entry, "typename", json_object_new_string(type));
    json_object_object_add(entry, "static", json_object_new_boolean(!strcmp(name, "base")));
    json_object_object_add(entry, "migration-safe",
                           json_object_new_boolean(model && model->model_features));
    json_object_object_add(entry, "deprecated", json_object_new_boolean(false));
    if (model && supported) {
        json_object_object_add(entry, "unavailable-features", unavailable(model, supported));
    }
    return entry;
}

bool qmp_query_cpu_definitions(QapiContext *context, JsonValue *arguments, JsonValue **result,
                               GError **errp)
{
    g_autoptr(CpuidTable) supported = context->kvm ? supported_cpuid(context, errp) : NULL;
    g_autoptr(GPtrArray) names = cpu_model_names();

    if (context->kvm && !supported) {
        return false;
    }
    *result = json_object_new_array();
    for (unsigned i = 0; i < names->len; i++) {
        json_object_array_add(*result, definition(g_ptr_array_index(names, i), supported));
    }
    return true;
}

/* -cpu's text for one property, or an error if it can be none. */
static bool add_property(GString *text, const char *key, JsonValue *value, GError **errp)
{
    g_autofree char *number = json_object_is_type(value, json_type_string) ? NULL
                                                                           : json_format(value);
    const char *shown = json_object_is_type(value, json_type_boolean)
                            ? (json_object_get_boolean(value) ? "on" : "off")
                        : number ? number
                                 : json_object_get_string(value);

    if (!*key || strpbrk(key, ",=+") || strchr(shown, ',') ||
        json_object_is_type(value, json_type_object) ||
        json_object_is_type(value, json_type_array)) {
        return error_set(errp, "Property '%s' takes a boolean, a number or a word", key);
    }
    /* A client asks whether Hyper-V's features pass through: those of a TD are none either way */
    if (strcmp(key, "hv-passthrough")) {
        g_string_append_printf(text, ",%s=%s", key, shown);
    }
    return true;
}

static CpuModelRequest *parse_model(JsonValue *model, GError **errp)
{
    g_autoptr(GString) text = g_string_new(json_member_string(model, "name"));
    JsonValue *props;

    if (strchr(text->str, ',')) {
        error_set(errp, "CPU model '%s' is not available", text->str);
        return NULL;
    }
    if (json_object_object_get_ex(model, "props", &props)) {
        if (!json_object_is_type(props, json_type_object)) {
            error_set(errp, "Invalid parameter type for 'model.props', expected: object");
            return NULL;
        }
        json_object_object_foreach(props, key, value) {
            if (!add_property(text, key, value, errp)) {
                return NULL;
            }
        }
    }
    return cpu_model_parse(text->str, errp);
}

/* Several bits can share a name: the feature is on if one of them is. */
static JsonValue *all_features(const CpuModelRequest *model, const CpuidTable *supported)
{
    JsonValue *props = json_object_new_object(), *before;
    unsigned count;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) {
        bool on = cpu_model_has(model, &features[i], supported);

        if (on || !json_object_object_get_ex(props, features[i].name, &before)) {
            json_object_object_add(props, features[i].name, json_object_new_boolean(on));
        }
    }
    return props;
}

/*
 * Who made the processor and which it is (Intel SDM vol. 2A, CPUID leaves 0 and 1): a TD shows the
 * host's.
 */
static void add_identity(JsonValue *props, const CpuidTable *supported)
{
    const CpuidEntry *zero = cpuid_table_find(supported, 0, 0),
                     *one = cpuid_table_find(supported, 1, 0);
    char vendor[13] = "";

    if (!zero || !one) {
        return;
    }
    memcpy(vendor, &zero->regs[CPUID_EBX], 4);
    memcpy(vendor + 4, &zero->regs[CPUID_EDX], 4);
    memcpy(vendor + 8, &zero->regs[CPUID_ECX], 4);
    uint32_t signature = one->regs[CPUID_EAX], family = signature >> 8 & 0xf,
             number = signature >> 4 & 0xf;

    if (family == 6 || family == 15) {
        number |= (signature >> 16 & 0xf) << 4;
    }
    if (family == 15) {
        family += signature >> 20 & 0xff;
    }
    json_object_object_add(props, "vendor", json_object_new_string(vendor));
    json_object_object_add(props, "family", json_object_new_int64(family));
    json_object_object_add(props, "model", json_object_new_int64(number));
    json_object_object_add(props, "stepping", json_object_new_int64(signature & 0xf));
}

bool qmp_query_cpu_model_expansion(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                   GError **errp)
{
    g_autoptr(CpuModelRequest)
        model = parse_model(json_object_object_get(arguments, "model"), errp);
    g_autoptr(CpuidTable) supported = model ? supported_cpuid(context, errp) : NULL;
    bool is_static = !strcmp(json_member_string(arguments, "type"), "static");

    if (!supported) {
        return false;
    }
    JsonValue *props = all_features(model, supported), *expanded = json_object_new_object();

    add_identity(props, supported);
    if (!is_static) {
        json_object_object_add(props, "pmu", json_object_new_boolean(model->pmu));
    }
    json_object_object_add(expanded, "name",
                           json_object_new_string(is_static ? "base" : model->model));
    json_object_object_add(expanded, "props", props);
    *result = json_object_new_object();
    json_object_object_add(*result, "model", expanded);
    return true;
}
