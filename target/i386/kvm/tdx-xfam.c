/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFAM components and attribute bits by name. */
#include "target/i386/kvm/tdx-xfam.h"

typedef struct NamedMask {
    uint64_t mask;
    const char *name;
} NamedMask;

static const NamedMask components[] = {
    { UINT64_C(1) << 0, "x87" }, { UINT64_C(1) << 1, "SSE" }, { TDX_XFAM_YMM, "AVX" },
    { TDX_XFAM_AVX512, "AVX-512" },
    { TDX_XFAM_PT, "PT" }, { TDX_XFAM_PKRU, "PKRU" }, { TDX_XFAM_CET, "CET" },
    { TDX_XFAM_UINTR, "UINTR" },
    { TDX_XFAM_LBR, "LBR" }, { TDX_XFAM_AMX, "AMX" },
};

static const NamedMask attribute_names[] = {
    { UINT64_C(1) << 0, "DEBUG" }, { UINT64_C(1) << 4, "HGS_PLUS_PROF" },
    { UINT64_C(1) << 5, "PERF_PROF" },
    { UINT64_C(1) << 6, "PMT_PROF" }, { UINT64_C(1) << 16, "ICSSD" },
    { TDX_ATTRIBUTE_LASS, "LASS" },
    { UINT64_C(1) << 28, "SEPT_VE_DISABLE" }, { UINT64_C(1) << 29, "MIGRATABLE" },
    { UINT64_C(1) << 30, "PKS" },
    { UINT64_C(1) << 31, "KL" }, { UINT64_C(1) << 62, "TPA" }, { UINT64_C(1) << 63, "PERFMON" },
};

uint64_t tdx_xfam_complete_groups(uint64_t xfam)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(components); i++) {
        if ((xfam & components[i].mask) != components[i].mask) {
            xfam &= ~components[i].mask;
        }
    }
    return xfam & TDX_XFAM_YMM ? xfam : xfam & ~TDX_XFAM_AVX512;
}

static char *describe(uint64_t value, const NamedMask *names, unsigned count)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < count; i++) {
        if ((value & names[i].mask) == names[i].mask) {
            g_string_append_printf(text, "%s%s", text->len ? " " : "", names[i].name);
            value &= ~names[i].mask;
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        if (value >> bit & 1) {
            g_string_append_printf(text, "%sbit %u", text->len ? " " : "", bit);
        }
    }
    return g_string_free(g_string_append(text, text->len ? "" : "none"), FALSE);
}

char *tdx_xfam_describe(uint64_t xfam)
{
    return describe(xfam, components, G_N_ELEMENTS(components));
}

char *tdx_attributes_describe(uint64_t attributes)
{
    return describe(attributes, attribute_names, G_N_ELEMENTS(attribute_names));
}
