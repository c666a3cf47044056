/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing of -cpu. */
#include "target/i386/cpu-model.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define PHYS_BITS_MIN 32
#define PHYS_BITS_MAX 52

static const struct {
    const char *name, *description;
} models[] = {
    { "host", "what the host's KVM and TDX module offer" },
    { "max", "the same as host" },
    { "base", "only what TDX forces on; add features with +feature" },
};

/*
 * Properties that QEMU has and that change nothing here, with the only value that is true of our CPUs (NULL: either).
 * Any other value is refused: the TDX module, not the VMM, decides these things.
 */
static const struct {
    const char *name, *value;
} fixed_properties[] = {
    { "migratable", NULL }, { "kvm", "on" }, { "host-phys-bits", "on" }, { "host-cache-info", NULL }, { "l3-cache", "on" },
    { "x-force-cpuid-0x1f", "on" }, { "cpuid-0xb", "on" }, { "legacy-cache", "off" }, { "full-cpuid-auto-level", "on" },
    { "fill-mtrr-mask", NULL }, { "lmce", "off" }, { "kvm-no-smi-migration", NULL },
};

static bool parse_switch(const char *name, const char *value, bool *on, GError **errp)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL }, *const no[] = { "off", "no", "false", "n", NULL };

    *on = g_strv_contains(yes, value);
    return *on || g_strv_contains(no, value) || error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
}

static bool parse_number(const char *name, const char *value, uint64_t *number, GError **errp)
{
    char *end;

    errno = 0;
    *number = g_ascii_isdigit(*value) ? g_ascii_strtoull(value, &end, 0) : 0;
    if (!g_ascii_isdigit(*value) || errno || *end) {
        return error_set(errp, "Parameter '%s' expects a number, not '%s'", name, value);
    }
    return true;
}

/* "2.1G", "1000000000": Hz, with SI suffixes (k, M, G are powers of ten for frequencies). */
static bool parse_frequency(const char *name, const char *value, uint64_t *hz, GError **errp)
{
    static const char suffixes[] = "kmg";
    char *end;
    double number = g_ascii_isdigit(*value) ? g_ascii_strtod(value, &end) : -1;
    double unit = 1;

    if (number >= 0 && *end) {
        const char *at = strchr(suffixes, g_ascii_tolower(*end));
        for (long i = at && !end[1] ? at - suffixes + 1 : -1; i != 0; i--) {
            if (i < 0) {
                number = -1;
                break;
            }
            unit *= 1000;
        }
    }
    if (!(number > 0 && number * unit < 1e15)) {
        return error_set(errp, "Parameter '%s' expects a frequency in Hz, not '%s'", name, value);
    }
    *hz = (uint64_t)(number * unit + 0.5);
    return true;
}

static unsigned edit_distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    g_autofree unsigned *row = g_new(unsigned, n + 1);

    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned next = MIN(MIN(row[j], row[j - 1]) + 1, diagonal + (*a != b[j - 1]));
            diagonal = row[j];
            row[j] = next;
        }
    }
    return row[n];
}

static bool unknown_property(const CpuModelRequest *request, const char *name, GError **errp)
{
    unsigned count, best = G_MAXUINT;
    const CpuFeature *features = cpu_features(&count);
    const char *nearest = NULL;
    g_autofree char *shown = g_utf8_make_valid(name, -1);

    error_set(errp, "Property '%s-x86_64-cpu.%s' not found", request->model, shown);
    for (unsigned i = 0; i < count && strlen(name) < 64; i++) {
        unsigned distance = edit_distance(name, features[i].name);
        if (distance < best) {
            best = distance;
            nearest = features[i].name;
        }
    }
    if (nearest && best <= 1 + strlen(name) / 3) {
        error_hint(errp, "Did you mean '%s'?", nearest);
    }
    error_hint(errp, "-cpu help lists the features");
    return false;
}

static void add_feature(CpuModelRequest *request, const CpuFeature *feature, bool on)
{
    unsigned count;
    const CpuFeature *all = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) { /* a name may stand for several bits */
        if (strcmp(all[i].name, feature->name) == 0) {
            CpuFeatureRequest r = { &all[i], on };
            g_array_append_val(request->features, r);
        }
    }
}

static bool set_fixed(const char *name, const char *value, const char *permitted, GError **errp)
{
    bool on, wanted;

    if (!parse_switch(name, value, &on, errp)) {
        return false;
    }
    if (permitted && parse_switch(name, permitted, &wanted, NULL) && on != wanted) {
        return error_set(errp, "CPU property '%s=%s' is not permitted: '%s' is", name, value, permitted);
    }
    return true;
}

static bool set_property(CpuModelRequest *request, const char *given, const char *value, GError **errp)
{
    g_autofree char *name = g_strdelimit(g_strdup(given), "_", '-');
    uint64_t number;
    bool on;

    if (strcmp(name, "check") == 0) {
        return parse_switch(name, value, &request->check, errp);
    }
    if (strcmp(name, "enforce") == 0) {
        return parse_switch(name, value, &request->enforce, errp);
    }
    if (strcmp(name, "pmu") == 0) {
        request->has_pmu = true;
        return parse_switch(name, value, &request->pmu, errp);
    }
    if (strcmp(name, "tsc-frequency") == 0 || strcmp(name, "tsc-freq") == 0) {
        return parse_frequency(name, value, &request->tsc_hz, errp);
    }
    if (strcmp(name, "phys-bits") == 0) {
        if (!parse_number(name, value, &number, errp)) {
            return false;
        }
        if (number && (number < PHYS_BITS_MIN || number > PHYS_BITS_MAX)) {
            return error_set(errp, "phys-bits should be between %d and %d (but is %" G_GUINT64_FORMAT ")", PHYS_BITS_MIN,
                             PHYS_BITS_MAX, number);
        }
        request->phys_bits = number;
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_properties); i++) {
        if (strcmp(name, fixed_properties[i].name) == 0) {
            return set_fixed(name, value, fixed_properties[i].value, errp);
        }
    }
    const CpuFeature *feature = cpu_feature_find(name);
    if (!feature) {
        return unknown_property(request, name, errp);
    }
    if (!parse_switch(name, value, &on, errp)) {
        return false;
    }
    add_feature(request, feature, on);
    return true;
}

static bool parse_item(CpuModelRequest *request, const char *item, GError **errp)
{
    if (*item == '+' || *item == '-') {
        return set_property(request, item + 1, *item == '+' ? "on" : "off", errp);
    }
    const char *equals = strchr(item, '=');
    if (!equals) { /* a bare name of a switch means on */
        return set_property(request, item, "on", errp);
    }
    g_autofree char *name = g_strndup(item, equals - item);
    return set_property(request, name, equals + 1, errp);
}

static bool check_model(const char *model, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        if (strcmp(model, models[i].name) == 0) {
            return true;
        }
    }
    g_autofree char *shown = g_utf8_make_valid(model, -1);
    error_set(errp, "CPU model '%s' is not available: host, max and base are", shown);
    error_hint(errp, "Use -cpu host: a TD's CPU is the host's, less what TDX takes away");
    return false;
}

CpuModelRequest *cpu_model_parse(const char *text, GError **errp)
{
    g_autoptr(CpuModelRequest) request = g_new0(CpuModelRequest, 1);
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    request->check = true;
    request->features = g_array_new(FALSE, FALSE, sizeof(CpuFeatureRequest));
    request->model = g_strdup(parts[0] ? parts[0] : "");
    if (!check_model(request->model, errp)) {
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
    return copy;
}

void cpu_model_free(CpuModelRequest *request)
{
    if (request) {
        g_free(request->model);
        g_clear_pointer(&request->features, g_array_unref);
        g_free(request);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *cpu_model_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    unsigned count, column = 0;
    const CpuFeature *features = cpu_features(&count);

    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        g_string_append_printf(text, "  %-20s  %s\n", models[i].name, models[i].description);
    }
    g_string_append(text, "\nRecognized CPUID flags:\n");
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
    return g_string_free(text, FALSE);
}
