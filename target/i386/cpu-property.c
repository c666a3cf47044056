/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One property of -cpu: what QEMU has under that name, and what of it a TD can have. */
#include <errno.h>
#include <string.h>

#include "cpu-model-internal.h"
#include "util/error.h"

#define PHYS_BITS_MIN 32
#define PHYS_BITS_MAX 52

/* What the TDX module shows, whatever the VMM says (module 1.5, CPUID leaves 0 and 0x80000000). */
#define TD_LEVEL 0x23u
#define TD_XLEVEL 0x80000008u

static const char module_decides[] = "the TDX module decides it, not the VMM";
static const char no_hyperv[] =
    "Hyper-V enlightenments need the guest's memory and registers, which are private in a TD; "
    "leave the hv-* properties out";

/*
 * Switches that change nothing here, with the only value that is true of our CPUs (NULL: either).
 * Any other value is refused: the TDX module, not the VMM, decides these things.
 */
static const struct {
    const char *name, *value, *reason;
} fixed_switches[] = {
    { "migratable", NULL, NULL },
    { "host-cache-info", NULL, NULL },
    { "fill-mtrr-mask", NULL, NULL },
    { "kvm-no-smi-migration", NULL, NULL },
    { "kvm", "on", "a TD's guest asks KVM for what the TDX module does not serve" },
    { "kvm-pv-enforce-cpuid", "off",
      "a TD's kernel finds the paravirtual features it can use by CPUID alone" },
    { "host-phys-bits", "on",
      "a TD's address widths are the processor's; phys-bits=48 chooses the smaller guest width" },
    { "l3-cache", "on", "a TD shows the host's caches" },
    { "legacy-cache", "off", "a TD shows the host's caches" },
    { "x-force-cpuid-0x1f", "on", "a TD's topology is told by CPUID leaf 0x1F" },
    { "cpuid-0xb", "on", module_decides },
    { "full-cpuid-auto-level", "on", module_decides },
    { "vmware-cpuid-freq", NULL, NULL },
    { "tcg-cpuid", NULL, NULL },
    { "legacy-multi-node", NULL, NULL },
    { "xen-vapic", "off", "a TD's APIC is the TDX module's" },
    { "x-force-features", "off", module_decides },
    { "lmce", "off", "a TD has no machine check delivery by the VMM" },
};

/* Numbers of which one value is true; at_most: smaller ones too. */
static const struct {
    const char *name;
    uint64_t value;
    bool at_most;
} fixed_numbers[] = {
    { "level", TD_LEVEL }, { "min-level", TD_LEVEL, true }, { "xlevel", TD_XLEVEL },
    { "min-xlevel", TD_XLEVEL, true },
    { "xlevel2", 0 }, { "min-xlevel2", 0 }, { "level-func7", 2, true },
    /* 0 leaves them to the processor */
    { "avx10-version", 0 }, { "lbr-fmt", 0 }, { "host-phys-bits-limit", 0 },
    { "guest-phys-bits", 0 }, { "ucode-rev", 0 },
};

/*
 * Hyper-V: off is what a TD has. hv-spinlocks counts retries, -1 for never telling the hypervisor.
 */
static const char *const hyperv_switches[] = {
    "hv-relaxed", "hv-vapic", "hv-time", "hv-crash", "hv-reset", "hv-vpindex", "hv-runtime",
    "hv-synic", "hv-stimer",
    "hv-stimer-direct", "hv-frequencies", "hv-reenlightenment", "hv-tlbflush", "hv-tlbflush-ext",
    "hv-tlbflush-direct",
    "hv-evmcs", "hv-ipi", "hv-avic", "hv-apicv", "hv-xmm-input", "hv-emsr-bitmap", "hv-syndbg",
    "hv-passthrough",
    "hv-enforce-cpuid", NULL,
};

static bool parse_switch(const char *name, const char *value, bool *on, GError **errp)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    *on = g_strv_contains(yes, value);
    return *on || g_strv_contains(no, value) ||
           error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
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

typedef struct Nearest {
    const char *name;
    unsigned distance;
} Nearest;

static void consider(Nearest *best, const char *given, const char *name)
{
    unsigned distance = edit_distance(given, name);

    if (distance < best->distance) {
        *best = (Nearest) { name, distance };
    }
}

static void consider_settings(Nearest *best, const char *given)
{
    static const char *const own[] = { "check", "enforce", "pmu", "tsc-frequency", "phys-bits",
                                       "family", "model", "stepping", "vendor", NULL };

    for (const char *const *name = own; *name; name++) {
        consider(best, given, *name);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_switches); i++) {
        consider(best, given, fixed_switches[i].name);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_numbers); i++) {
        consider(best, given, fixed_numbers[i].name);
    }
}

static bool unknown_property(const CpuModelRequest *request, const char *name, GError **errp)
{
    unsigned count;
    const CpuFeature *features = cpu_features(&count);
    Nearest best = { NULL, G_MAXUINT };
    g_autofree char *shown = g_utf8_make_valid(name, -1);

    error_set(errp, "Property '%s-x86_64-cpu.%s' not found", request->model, shown);
    for (unsigned i = 0; i < count && strlen(name) < 64; i++) {
        consider(&best, name, features[i].name);
    }
    if (strlen(name) < 64) {
        consider_settings(&best, name);
    }
    if (best.name && best.distance <= 1 + strlen(name) / 3) {
        error_hint(errp, "Did you mean '%s'?", best.name);
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

static bool refuse(const char *name, const char *value, const char *permitted, const char *reason,
                   GError **errp)
{
    g_autofree char *shown = g_utf8_make_valid(value, -1);

    error_set(errp, "CPU property '%s=%s' is not permitted: '%s' is", name, shown, permitted);
    error_hint(errp, "%c%s", g_ascii_toupper(*reason), reason + 1);
    return false;
}

static bool set_switch(const char *name, const char *value, const char *permitted,
                       const char *reason, GError **errp)
{
    bool on, wanted;

    if (!parse_switch(name, value, &on, errp)) {
        return false;
    }
    if (permitted && parse_switch(name, permitted, &wanted, NULL) && on != wanted) {
        return refuse(name, value, permitted, reason, errp);
    }
    return true;
}

static bool set_number(const char *name, const char *value, uint64_t permitted, bool at_most,
                       GError **errp)
{
    uint64_t number;

    if (!parse_number(name, value, &number, errp)) {
        return false;
    }
    if (number != permitted && !(at_most && number < permitted)) {
        g_autofree char *text = g_strdup_printf("%s0x%" G_GINT64_MODIFIER "x",
                                                at_most ? "up to " : "", permitted);
        return refuse(name, value, text, module_decides, errp);
    }
    return true;
}

static bool set_phys_bits(CpuModelRequest *request, const char *name, const char *value,
                          GError **errp)
{
    uint64_t number;

    if (!parse_number(name, value, &number, errp)) {
        return false;
    }
    if (number && (number < PHYS_BITS_MIN || number > PHYS_BITS_MAX)) {
        return error_set(errp,
                         "phys-bits should be between %d and %d (but is %" G_GUINT64_FORMAT ")",
                         PHYS_BITS_MIN, PHYS_BITS_MAX, number);
    }
    request->phys_bits = number;
    return true;
}

/* 0 and the processor's own value are the same to a TD; which that is, the plan knows. */
static bool set_signature(unsigned *part, unsigned max, const char *name, const char *value,
                          GError **errp)
{
    uint64_t number;

    if (!parse_number(name, value, &number, errp)) {
        return false;
    }
    if (number > max) {
        return error_set(errp, "Parameter '%s' expects a number up to %u, not '%s'", name, max,
                         value);
    }
    *part = number;
    return true;
}

static bool set_text(const char *name, const char *value, GError **errp)
{
    if (strcmp(name, "vendor") == 0) {
        return strcmp(value, "GenuineIntel") == 0 ||
               refuse(name, value, "GenuineIntel",
                      "the processor is Intel's and the TDX module says so", errp);
    }
    return refuse(name, value, "nothing",
                  "the TDX module decides what the leaves of the brand name show", errp);
}

static bool set_hyperv(const CpuModelRequest *request, const char *name, const char *value,
                       GError **errp)
{
    if (g_strv_contains(hyperv_switches, name)) {
        return set_switch(name, value, "off", no_hyperv, errp);
    }
    if (strcmp(name, "hv-spinlocks") == 0) {
        return strcmp(value, "-1") == 0 || set_number(name, value, UINT32_MAX, false, errp);
    }
    if (strcmp(name, "hv-no-nonarch-coresharing") == 0) {
        return strcmp(value, "auto") == 0 || set_switch(name, value, "off", no_hyperv, errp);
    }
    if (strcmp(name, "hv-vendor-id") == 0 || g_str_has_prefix(name, "hv-version-id-")) {
        return refuse(name, value, "nothing", no_hyperv, errp);
    }
    return unknown_property(request, name, errp);
}

/*
 * Properties that are neither the request's own nor features. *known tells whether there is one of
 * that name.
 */
static bool set_fixed(CpuModelRequest *request, const char *name, const char *value, bool *known,
                      GError **errp)
{
    *known = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_switches); i++) {
        if (strcmp(name, fixed_switches[i].name) == 0) {
            return set_switch(name, value, fixed_switches[i].value, fixed_switches[i].reason, errp);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_numbers); i++) {
        if (strcmp(name, fixed_numbers[i].name) == 0) {
            return set_number(name, value, fixed_numbers[i].value, fixed_numbers[i].at_most, errp);
        }
    }
    if (strcmp(name, "vendor") == 0 || strcmp(name, "model-id") == 0) {
        return set_text(name, value, errp);
    }
    if (g_str_has_prefix(name, "hv-")) {
        return set_hyperv(request, name, value, errp);
    }
    *known = false;
    return true;
}

/* Properties that the request keeps. */
static bool set_own(CpuModelRequest *request, const char *name, const char *value, bool *known,
                    GError **errp)
{
    *known = true;
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
        return set_phys_bits(request, name, value, errp);
    }
    if (strcmp(name, "family") == 0) {
        return set_signature(&request->family, 0xff + 0xf, name, value, errp);
    }
    if (strcmp(name, "model") == 0) {
        return set_signature(&request->model_number, 0xff, name, value, errp);
    }
    if (strcmp(name, "stepping") == 0) {
        return set_signature(&request->stepping, 0xf, name, value, errp);
    }
    *known = false;
    return true;
}

bool cpu_model_set_property(CpuModelRequest *request, const char *given, const char *value,
                            GError **errp)
{
    g_autofree char *name = g_strdelimit(g_strdup(given), "_", '-');
    bool known, on;

    bool ok = set_own(request, name, value, &known, errp);
    if (!known) {
        ok = set_fixed(request, name, value, &known, errp);
    }
    if (known) {
        return ok;
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
