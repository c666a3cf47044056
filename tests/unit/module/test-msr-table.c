/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every MSR that a guest can name, in every state of a TD, against the lists of 4.5 of the module
 * reference, which are written down here once more, by MSR and not by behaviour. N native, E
 * emulated, V #VE, G #GP; read, then write.
 */
#include "../../../swtdx/host/module/paravirt.h"
#include "fixture.h"

enum { MODULE_1_5_05, LATER, REDUCED, REDUCED_KEPT, STATES };

/* A TD without PERFMON, with XFAM 2E7h and every configurable CPUID bit of its processor. */
static const struct {
    uint32_t first, last, step;
    const char *actions[STATES]; /* REDUCED_KEPT: all of FEATURE_PARAVIRT_CTLS on */
} rows[] = {
    {0x0, 0x1, 0, {"VV", "VV", "VV", "VV"}},
    {0x6, 0x6, 0, {"VV", "VV", "VV", "VV"}},
    {0x10, 0x10, 0, {"NV", "NV", "NV", "NV"}},
    {0x17, 0x17, 0, {"VV", "VV", "VG", "VG"}},
    {0x1b, 0x1b, 0, {"VV", "VV", "VV", "VV"}},
    {0x33, 0x33, 0, {"VV", "VV", "GG", "VV"}},
    {0x34, 0x34, 0, {"VV", "VV", "EE", "EE"}},
    {0x3a, 0x3a, 0, {"VV", "VV", "EG", "EG"}},
    {0x3b, 0x3b, 0, {"VV", "VV", "GG", "GG"}},
    {0x48, 0x48, 0, {"NN", "NN", "NN", "NN"}},
    {0x49, 0x49, 0, {"NN", "NN", "NN", "NN"}},
    {0x4e, 0x4e, 0, {"VV", "VV", "EG", "EG"}},
    {0x4f, 0x4f, 0, {"VV", "VV", "GG", "GG"}},
    {0x79, 0x79, 0, {"VV", "VV", "GE", "GE"}},
    {0x7a, 0x7a, 0, {"VV", "VV", "GG", "GG"}},
    {0x82, 0x86, 0, {"VV", "VV", "GG", "GG"}},
    {0x87, 0x87, 0, {"VV", "VV", "GG", "VV"}},
    {0x8b, 0x8b, 0, {"VV", "VV", "EE", "EE"}},
    {0x8c, 0x8f, 0, {"GG", "GG", "GG", "GG"}},
    {0x98, 0x9b, 0, {"GG", "GG", "GG", "GG"}},
    {0x9e, 0x9e, 0, {"GG", "GG", "GG", "GG"}},
    {0xbc, 0xbc, 0, {"NV", "NV", "NV", "NV"}},
    {0xbd, 0xbd, 0, {"EN", "EN", "EN", "EN"}},
    {0xc1, 0xc8, 0, {"GG", "GG", "GG", "GG"}},
    {0xce, 0xce, 0, {"VV", "VV", "EG", "EG"}},
    {0xcf, 0xcf, 0, {"VV", "VG", "GG", "VG"}},
    {0xe1, 0xe1, 0, {"NN", "NN", "NN", "NN"}},
    {0xe7, 0xe7, 0, {"VV", "VV", "GG", "GG"}},
    {0xe8, 0xe8, 0, {"VV", "VV", "GG", "GG"}},
    {0xed, 0xf0, 0, {"VV", "VV", "GG", "VV"}},
    {0xfe, 0xfe, 0, {"VV", "VG", "GG", "VG"}},
    {0x10a, 0x10a, 0, {"EN", "EN", "EN", "EN"}},
    {0x10b, 0x10b, 0, {"NN", "NN", "NN", "NN"}},
    {0x10f, 0x10f, 0, {"VV", "VV", "GG", "GG"}},
    {0x122, 0x122, 0, {"NN", "NN", "NN", "NN"}},
    {0x123, 0x123, 0, {"VV", "VV", "GG", "GG"}},
    {0x140, 0x140, 0, {"VV", "VV", "EE", "EE"}},
    {0x174, 0x176, 0, {"NN", "NN", "NN", "NN"}},
    {0x179, 0x179, 0, {"VV", "VG", "GG", "VG"}},
    {0x17a, 0x17a, 0, {"VV", "VV", "GG", "VV"}},
    {0x17b, 0x17b, 0, {"VV", "VV", "GG", "VV"}},
    {0x186, 0x18d, 0, {"GG", "GG", "GG", "GG"}},
    {0x195, 0x195, 0, {"GG", "GG", "GG", "GG"}},
    {0x198, 0x198, 0, {"VV", "VV", "GG", "VV"}},
    {0x199, 0x199, 0, {"VV", "VV", "GG", "VV"}},
    {0x19a, 0x19c, 0, {"VV", "VV", "GG", "VV"}},
    {0x19d, 0x19d, 0, {"VV", "VV", "GG", "VV"}},
    {0x1a0, 0x1a0, 0, {"EV", "EV", "EE", "EE"}},
    {0x1a6, 0x1a6, 0, {"GG", "GG", "GG", "GG"}},
    {0x1a7, 0x1a7, 0, {"GG", "GG", "GG", "GG"}},
    {0x1b0, 0x1b2, 0, {"VV", "VV", "GG", "GG"}},
    {0x1c2, 0x1c2, 0, {"VV", "VV", "GG", "GG"}},
    {0x1c3, 0x1c3, 0, {"VV", "VV", "GG", "GG"}},
    {0x1c4, 0x1c4, 0, {"GG", "GG", "GG", "GG"}},
    {0x1c5, 0x1c5, 0, {"GG", "GG", "GG", "GG"}},
    {0x1c7, 0x1c7, 0, {"VV", "VV", "GG", "GG"}},
    {0x1ca, 0x1ca, 0, {"VV", "VV", "GG", "GG"}},
    {0x1cb, 0x1cb, 0, {"VV", "VV", "GG", "GG"}},
    {0x1d9, 0x1d9, 0, {"EE", "EE", "EE", "EE"}},
    {0x1f2, 0x1f2, 0, {"VV", "VV", "GG", "VV"}},
    {0x1f3, 0x1f3, 0, {"VV", "VV", "GG", "VV"}},
    {0x1f6, 0x1f6, 0, {"VV", "VV", "GG", "VV"}},
    {0x1f7, 0x1f7, 0, {"VV", "VV", "GG", "VV"}},
    {0x1f8, 0x1fa, 0, {"VV", "VV", "GG", "VV"}},
    {0x200, 0x213, 0, {"VV", "VV", "GG", "VV"}},
    {0x250, 0x250, 0, {"VV", "VV", "GG", "VV"}},
    {0x258, 0x258, 0, {"VV", "VV", "GG", "VV"}},
    {0x259, 0x259, 0, {"VV", "VV", "GG", "VV"}},
    {0x268, 0x26f, 0, {"VV", "VV", "GG", "VV"}},
    {0x276, 0x276, 0, {"GG", "GG", "GG", "GG"}},
    {0x277, 0x277, 0, {"NN", "NN", "NN", "NN"}},
    {0x280, 0x29f, 0, {"VV", "VV", "GG", "VV"}},
    {0x2a0, 0x2a7, 0, {"VV", "VV", "GG", "VV"}},
    {0x2c0, 0x2c0, 0, {"VV", "VV", "GG", "VV"}},
    {0x2c1, 0x2c1, 0, {"VV", "VV", "GG", "VV"}},
    {0x2ff, 0x2ff, 0, {"VV", "VV", "GG", "VV"}},
    {0x302, 0x302, 0, {"VV", "VV", "GG", "GG"}},
    {0x303, 0x303, 0, {"VV", "VV", "GG", "GG"}},
    {0x309, 0x310, 0, {"GG", "GG", "GG", "GG"}},
    {0x329, 0x329, 0, {"GG", "GG", "GG", "GG"}},
    {0x345, 0x345, 0, {"EG", "EG", "EG", "EG"}},
    {0x38d, 0x392, 0, {"GG", "GG", "GG", "GG"}},
    {0x3f1, 0x3f1, 0, {"GG", "GG", "GG", "GG"}},
    {0x3f2, 0x3f2, 0, {"GG", "GG", "GG", "GG"}},
    {0x3f4, 0x3f4, 0, {"VV", "GG", "GG", "GG"}},
    {0x3f5, 0x3f5, 0, {"VV", "GG", "GG", "GG"}},
    {0x3f6, 0x3f6, 0, {"GG", "GG", "GG", "GG"}},
    {0x3f7, 0x3f7, 0, {"GG", "GG", "GG", "GG"}},
    {0x400, 0x473, 0, {"VV", "VV", "GG", "VV"}},
    {0x480, 0x480, 0, {"EG", "EG", "EG", "EG"}},
    {0x481, 0x484, 0, {"VG", "VG", "GG", "GG"}},
    {0x485, 0x489, 0, {"EG", "EG", "EG", "EG"}},
    {0x48a, 0x48a, 0, {"VG", "VG", "GG", "GG"}},
    {0x48b, 0x492, 0, {"EG", "EG", "EG", "EG"}},
    {0x4c1, 0x4c8, 0, {"GG", "GG", "GG", "GG"}},
    {0x4d0, 0x4d0, 0, {"VV", "VV", "GG", "VV"}},
    {0x500, 0x500, 0, {"GG", "GG", "GG", "GG"}},
    {0x501, 0x501, 0, {"VV", "VV", "GG", "GG"}},
    {0x550, 0x550, 0, {"VV", "GG", "GG", "GG"}},
    {0x560, 0x560, 0, {"GG", "GG", "GG", "GG"}},
    {0x561, 0x561, 0, {"GG", "GG", "GG", "GG"}},
    {0x570, 0x572, 0, {"GG", "GG", "GG", "GG"}},
    {0x580, 0x587, 0, {"GG", "GG", "GG", "GG"}},
    {0x5d0, 0x5fd, 0, {"VV", "VV", "GG", "GG"}},
    {0x600, 0x600, 0, {"NN", "NN", "NN", "NN"}},
    {0x6a0, 0x6a0, 0, {"GG", "GG", "GG", "GG"}},
    {0x6a2, 0x6a2, 0, {"GG", "GG", "GG", "GG"}},
    {0x6a4, 0x6a8, 0, {"GG", "GG", "GG", "GG"}},
    {0x6e0, 0x6e0, 0, {"VV", "VV", "GG", "VV"}},
    {0x6e1, 0x6e1, 0, {"GG", "GG", "GG", "GG"}},
    {0x770, 0x777, 0, {"VV", "VV", "GG", "GG"}},
    {0x793, 0x793, 0, {"VV", "VV", "GG", "GG"}},
    {0x800, 0x800, 0, {"GG", "GG", "GG", "GG"}},
    {0x801, 0x801, 0, {"GG", "GG", "GG", "GG"}},
    {0x802, 0x802, 0, {"VG", "VG", "EG", "EG"}},
    {0x803, 0x803, 0, {"VV", "VG", "VG", "VG"}},
    {0x804, 0x807, 0, {"GG", "GG", "GG", "GG"}},
    {0x808, 0x808, 0, {"NN", "NN", "NN", "NN"}},
    {0x809, 0x809, 0, {"NN", "NN", "NN", "NN"}},
    {0x80a, 0x80a, 0, {"NN", "NN", "NN", "NN"}},
    {0x80b, 0x80b, 0, {"NN", "NN", "NN", "NN"}},
    {0x80c, 0x80c, 0, {"NN", "NN", "NN", "NN"}},
    {0x80d, 0x80d, 0, {"VV", "VG", "VG", "VG"}},
    {0x80e, 0x80e, 0, {"NN", "NN", "NN", "NN"}},
    {0x80f, 0x80f, 0, {"VV", "VV", "VV", "VV"}},
    {0x810, 0x827, 0, {"NN", "NN", "NN", "NN"}},
    {0x828, 0x828, 0, {"VV", "VV", "VV", "VV"}},
    {0x829, 0x82e, 0, {"GG", "GG", "GG", "GG"}},
    {0x82f, 0x82f, 0, {"VV", "VV", "VV", "VV"}},
    {0x830, 0x830, 0, {"VV", "VV", "VV", "VV"}},
    {0x831, 0x831, 0, {"GG", "GG", "GG", "GG"}},
    {0x832, 0x838, 0, {"VV", "VV", "VV", "VV"}},
    {0x839, 0x839, 0, {"VV", "VG", "VG", "VG"}},
    {0x83a, 0x83a, 0, {"VV", "VV", "VV", "VV"}},
    {0x83b, 0x83d, 0, {"VV", "GG", "GG", "GG"}},
    {0x83e, 0x83e, 0, {"VV", "VV", "VV", "VV"}},
    {0x83f, 0x83f, 0, {"NN", "NN", "NN", "NN"}},
    {0x840, 0x8ff, 0, {"GG", "GG", "GG", "GG"}},
    {0x981, 0x984, 0, {"VV", "VV", "GG", "VV"}},
    {0x985, 0x98a, 0, {"GG", "GG", "GG", "GG"}},
    {0x98b, 0x98f, 0, {"VV", "VV", "GG", "GG"}},
    {0xc80, 0xc80, 0, {"NV", "GV", "GG", "GG"}},
    {0xc81, 0xc81, 0, {"VV", "VV", "GG", "VV"}},
    {0xc82, 0xc82, 0, {"VV", "VV", "GG", "VV"}},
    {0xc8d, 0xc8f, 0, {"VV", "VV", "GG", "VV"}},
    {0xc90, 0xd8f, 0, {"VV", "VV", "GG", "VV"}},
    {0xd90, 0xd90, 0, {"GG", "GG", "GG", "GG"}},
    {0xd93, 0xd93, 0, {"GG", "GG", "GG", "GG"}},
    {0xda0, 0xda0, 0, {"NE", "NE", "NE", "NE"}},
    {0xdb0, 0xdb2, 0, {"VV", "VV", "GG", "GG"}},
    {0x1000, 0x1000, 0, {"VV", "VV", "GG", "GG"}},
    {0x1200, 0x12ff, 0, {"GG", "GG", "GG", "GG"}},
    {0x1400, 0x1402, 0, {"VV", "VV", "GG", "GG"}},
    {0x14c1, 0x14c8, 0, {"VV", "VV", "GG", "GG"}},
    {0x14ce, 0x14ce, 0, {"GG", "GG", "GG", "GG"}},
    {0x14cf, 0x14cf, 0, {"GG", "GG", "GG", "GG"}},
    {0x1500, 0x16ff, 0, {"GG", "GG", "GG", "GG"}},
    {0x17d0, 0x17d2, 0, {"VV", "VV", "GG", "GG"}},
    {0x17d4, 0x17d4, 0, {"VV", "VV", "GG", "GG"}},
    {0x17da, 0x17da, 0, {"VV", "VV", "GG", "GG"}},
    {0x1900, 0x191c, 4, {"VV", "GG", "GG", "GG"}},
    {0x1901, 0x191d, 4, {"VV", "GG", "GG", "GG"}},
    {0x1903, 0x191f, 4, {"VV", "GG", "GG", "GG"}},
    {0x1980, 0x1998, 4, {"VV", "GG", "GG", "GG"}},
    {0x1983, 0x199b, 4, {"VV", "GG", "GG", "GG"}},
    {0x1b01, 0x1b01, 0, {"NN", "NN", "NN", "NN"}},
    {0xc0000080, 0xc0000080, 0, {"NE", "NE", "NE", "NE"}},
    {0xc0000081, 0xc0000081, 0, {"NN", "NN", "NN", "NN"}},
    {0xc0000082, 0xc0000082, 0, {"NN", "NN", "NN", "NN"}},
    {0xc0000083, 0xc0000083, 0, {"VV", "VV", "VV", "VV"}},
    {0xc0000084, 0xc0000084, 0, {"NN", "NN", "NN", "NN"}},
    {0xc0000100, 0xc0000103, 0, {"NN", "NN", "NN", "NN"}},
};

static const char *const unlisted[STATES] = {"VV", "VV", "GG", "GG"};
static const char *const outside[STATES] = {"VV", "VV", "VV", "VV"};

static const char *expected(uint32_t index, unsigned state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (index >= rows[i].first && index <= rows[i].last &&
            (!rows[i].step || (index - rows[i].first) % rows[i].step == 0)) {
            return rows[i].actions[state];
        }
    }
    return index < 0x2000 || (index >= 0xc0000000 && index < 0xc0002000) ? unlisted[state]
                                                                         : outside[state];
}

static char letter(MsrAction action)
{
    return "NEVG"[action];
}

static void check(const Fixture *f, uint32_t index, unsigned state)
{
    const char *want = expected(index, state);
    char got[3] = {letter(msr_action(f->vcpu, index, false)),
                   letter(msr_action(f->vcpu, index, true)), 0};
    if (strcmp(got, want)) {
        g_test_message("MSR 0x%x: %s, not %s", index, got, want);
        g_test_fail();
    }
}

static void check_all(const Fixture *f, unsigned state)
{
    for (uint32_t i = 0; i < 0x2000; i++) {
        check(f, i, state);
        check(f, 0xc0000000u + i, state);
        check(f, 0x4b564d00u + i, state);
        check(f, 0x2000u + i, state);
    }
    check(f, UINT32_MAX, state);
}

static void test_first(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    check_all(&f, MODULE_1_5_05);
    fixture_close(&f);
}

static void test_later(gconstpointer version)
{
    Fixture f;
    unsigned major = GPOINTER_TO_UINT(version) >> 16, minor = GPOINTER_TO_UINT(version) >> 8 & 0xff;
    fixture_prepare(&f);
    fixture_module(&f, major, minor, GPOINTER_TO_UINT(version) & 0xff);
    fixture_open(&f);
    fixture_finalize(&f);
    check_all(&f, LATER);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, TD_CTLS_REDUCE_VE, TD_CTLS_REDUCE_VE), ==, 0);
    check_all(&f, REDUCED);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS, PARAVIRT_ALL, UINT64_MAX), ==, 0);
    check_all(&f, REDUCED_KEPT);
    fixture_close(&f);
}

/* What a kept feature's MSRs do when the VMM had not configured the feature. */
static void test_not_configured(void)
{
    static const uint32_t msrs[] = {0x200, 0x400, 0x33, 0x198, 0x19a, 0x19d, 0x1f8, 0xc90, 0xc8d,
                                    0x981, 0x87, 0x6e0};
    Fixture f;
    fixture_prepare(&f);
    fixture_module(&f, 1, 5, 34);
    memset(f.params.cpuid_config, 0, sizeof(f.params.cpuid_config));
    fixture_open(&f);
    fixture_finalize(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        bool always = i < 3; /* MTRR, MCA, CORE_CAPABILITY: shown until #VE is reduced */
        g_test_message("MSR 0x%x", msrs[i]);
        g_assert_cmpint(msr_action(f.vcpu, msrs[i], false), ==, always ? MSR_VE : MSR_GP);
    }
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, TD_CTLS_REDUCE_VE, TD_CTLS_REDUCE_VE), ==, 0);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS, PARAVIRT_ALL, PARAVIRT_ALL), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        g_test_message("MSR 0x%x, #VE reduced", msrs[i]);
        g_assert_cmpint(msr_action(f.vcpu, msrs[i], true), ==, MSR_GP);
    }
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msr-table/1.5.05", test_first);
    g_test_add_data_func("/msr-table/1.5.34", GUINT_TO_POINTER(0x10522), test_later);
    g_test_add_data_func("/msr-table/2.0.08", GUINT_TO_POINTER(0x20008), test_later);
    g_test_add_func("/msr-table/not-configured", test_not_configured);
    return g_test_run();
}
