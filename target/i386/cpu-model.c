/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing of -cpu. */
#include <string.h>

#include "cpu-model-internal.h"

#include "util/error.h"
#include "util/names.h"

static const struct {
    const char *name, *description;
} open_models[] = {
    { "host", "what the host's KVM and TDX module offer" },
    { "max", "the same as host" },
    { "base", "only what TDX forces on; add features with +feature" },
};

static bool parse_item(CpuModelRequest *request, const char *item, GError **errp)
{
    if (*item == '+' || *item == '-') {
        return cpu_model_set_property(request, item + 1, *item == '+' ? "on" : "off", errp);
    }
    const char *equals = strchr(item, '=');
    if (!equals) { /* a bare name of a switch means on */
        return cpu_model_set_property(request, item, "on", errp);
    }
    g_autofree char *name = g_strndup(item, equals - item);
    return cpu_model_set_property(request, name, equals + 1, errp);
}

static bool set_model(CpuModelRequest *request, const char *name, GError **errp)
{
    const CpuNamedModel *named = cpu_named_model_find(name);

    request->model = g_strdup(name);
    if (named) {
        request->model_features = cpu_named_model_features(named);
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(open_models); i++) {
        if (strcmp(name, open_models[i].name) == 0) {
            return true;
        }
    }
    g_autofree char *shown = g_utf8_make_valid(name, -1);
    error_set(
        errp,
        "CPU model '%s' is not available: host, max, base, qemu64 and Intel's server models from "
        "Skylake-Server on are",
        shown);
    g_autoptr(GPtrArray) names = cpu_model_names();
    g_ptr_array_add(names, NULL);
    const char *near = nearest_name(name, (const char *const *)names->pdata);
    if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    }
    error_hint(errp, "Use -cpu host: a TD's CPU is the host's, less what TDX takes away; -cpu help "
                     "lists the models");
    return false;
}

CpuModelRequest *cpu_model_parse(const char *text, GError **errp)
{
    g_autoptr(CpuModelRequest) request = g_new0(CpuModelRequest, 1);
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    request->check = true;
    request->features = g_array_new(FALSE, FALSE, sizeof(CpuFeatureRequest));
    if (!set_model(request, parts[0] ? parts[0] : "", errp)) {
        return NULL;
    }
    for (char **item = parts + 1; *item; item++) {
        if (!parse_item(request, *item, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&request);
}

CpuModelRequest *cpu_model_copy(const CpuModelRequest *request)
{
    CpuModelRequest *copy = g_new(CpuModelRequest, 1);

    *copy = *request;
    copy->model = g_strdup(request->model);
    copy->features = g_array_new(FALSE, FALSE, sizeof(CpuFeatureRequest));
    if (request->features->len) {
        g_array_append_vals(copy->features, request->features->data, request->features->len);
    }
    if (request->model_features) {
        copy->model_features = g_array_copy(request->model_features);
    }
    return copy;
}

void cpu_model_free(CpuModelRequest *request)
{
    if (request) {
        g_free(request->model);
        g_clear_pointer(&request->features, g_array_unref);
        g_clear_pointer(&request->model_features, g_array_unref);
        g_free(request);
    }
}

GPtrArray *cpu_model_names(void)
{
    GPtrArray *names = g_ptr_array_new();
    unsigned count;
    const CpuNamedModel *named = cpu_named_models(&count);

    for (unsigned i = 0; i < G_N_ELEMENTS(open_models); i++) {
        g_ptr_array_add(names, (void *)open_models[i].name);
    }
    for (unsigned i = 0; i < count; i++) {
        g_ptr_array_add(names, (void *)named[i].name);
    }
    return names;
}

bool cpu_feature_supported(const CpuFeature *feature, const CpuidTable *supported)
{
    const CpuidEntry *entry = cpuid_table_find(supported, feature->function, feature->index);

    return entry && entry->regs[feature->reg] >> feature->bit & 1;
}

bool cpu_model_has(const CpuModelRequest *request, const CpuFeature *feature,
                   const CpuidTable *supported)
{
    for (unsigned i = request->features->len; i > 0; i--) {
        const CpuFeatureRequest *wish = &g_array_index(request->features, CpuFeatureRequest, i - 1);

        if (!strcmp(wish->feature->name, feature->name)) {
            return wish->on;
        }
    }
    if (!request->model_features) {
        return strcmp(request->model, "base") && cpu_feature_supported(feature, supported);
    }
    for (unsigned i = 0; i < request->model_features->len; i++) {
        if (!strcmp(g_array_index(request->model_features, const CpuFeature *, i)->name,
                    feature->name)) {
            return true;
        }
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void help_models(GString *text)
{
    unsigned count;
    const CpuNamedModel *named = cpu_named_models(&count);

    for (unsigned i = 0; i < G_N_ELEMENTS(open_models); i++) {
        g_string_append_printf(text, "  %-25s  %s\n", open_models[i].name,
                               open_models[i].description);
    }
    for (unsigned i = 0; i < count; i++) {
        const CpuNamedModel *m = &named[i];
        if (m->description) {
            g_string_append_printf(text, "  %-25s  %s\n", m->name, m->description);
        } else if (*m->features) {
            g_string_append_printf(text, "  %-25s  %s, %s\n", m->name, m->base, m->features);
        } else {
            g_string_append_printf(text, "  %-25s  the same to a TD as %s\n", m->name, m->base);
        }
    }
}

static void help_features(GString *text)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    unsigned count, column = 0;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) {
        g_ptr_array_add(names, (void *)features[i].name);
    }
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (i && strcmp(name, g_ptr_array_index(names, i - 1)) == 0) {
            continue;
        }
        if (column + strlen(name) + 1 > 76) {
            g_string_append_c(text, '\n');
            column = 0;
        }
        g_string_append_printf(text, "%s%s", column ? " " : "  ", name);
        column += strlen(name) + (column ? 1 : 2);
    }
    g_string_append_c(text, '\n');
}

char *cpu_model_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");

    help_models(text);
    g_string_append(text, "A named model decides features only: family, model and stepping of a TD "
                          "are the processor's.\n"
                          "\nRecognized CPUID flags:\n");
    help_features(text);
    return g_string_free(text, FALSE);
}
