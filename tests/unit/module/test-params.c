/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TD_PARAMS: each refusal with its operand, and the life cycle. */
#include <string.h>

#include "fixture.h"

typedef struct Row {
    const char *name;
    size_t offset, size;
    uint64_t value;
    uint32_t operand; /* 0: accepted */
} Row;

#define FIELD(f) offsetof(TdParams, f), sizeof(((TdParams *)0)->f)

static const Row rows[] = {
    {"attributes 0", FIELD(attributes), 0, 0},
    {"debug", FIELD(attributes), TD_ATTR_DEBUG, 0},
    {"pks", FIELD(attributes), TD_ATTR_PKS, 0},
    {"perfmon", FIELD(attributes), TD_ATTR_PERFMON, 0},
    {"migratable", FIELD(attributes), TD_ATTR_MIGRATABLE, 0},
    {"migratable debug", FIELD(attributes), TD_ATTR_MIGRATABLE | TD_ATTR_DEBUG, 64},
    {"migratable perfmon", FIELD(attributes), TD_ATTR_MIGRATABLE | TD_ATTR_PERFMON, 64},
    {"lass, not in the processor", FIELD(attributes), TD_ATTR_LASS, 64},
    {"attribute 1", FIELD(attributes), 2, 64},
    {"attribute 16 (later modules)", FIELD(attributes), 1 << 16, 64},
    {"key locker", FIELD(attributes), UINT64_C(1) << 31, 64},
    {"attribute 62", FIELD(attributes), UINT64_C(1) << 62, 64},
    {"xfam x87 sse", FIELD(xfam), 3, 0},
    {"xfam avx", FIELD(xfam), 7, 0},
    {"xfam all of KVM", FIELD(xfam), 0x602e7, 0},
    {"xfam cet", FIELD(xfam), 0x1803, 0},
    {"xfam all", FIELD(xfam), 0x6dbe7, 0},
    {"xfam 0", FIELD(xfam), 0, 65},
    {"xfam without sse", FIELD(xfam), 1, 65},
    {"xfam without x87", FIELD(xfam), 6, 65},
    {"xfam mpx", FIELD(xfam), 0x1b, 65},
    {"xfam one avx-512", FIELD(xfam), 0x27, 65},
    {"xfam two avx-512", FIELD(xfam), 0x67, 65},
    {"xfam avx-512 without avx", FIELD(xfam), 0xe3, 65},
    {"xfam pasid", FIELD(xfam), 0x403, 65},
    {"xfam cet_u", FIELD(xfam), 0x803, 65},
    {"xfam cet_s", FIELD(xfam), 0x1003, 65},
    {"xfam hdc", FIELD(xfam), 0x2003, 65},
    {"xfam hwp", FIELD(xfam), 0x10003, 65},
    {"xfam tilecfg", FIELD(xfam), 0x20003, 65},
    {"xfam tiledata", FIELD(xfam), 0x40003, 65},
    {"xfam apx", FIELD(xfam), 0x80003, 65},
    {"xfam bit 63", FIELD(xfam), UINT64_C(1) << 63 | 3, 65},
    {"no vcpus", FIELD(max_vcpus), 0, 68},
    {"most vcpus", FIELD(max_vcpus), 576, 0},
    {"too many vcpus", FIELD(max_vcpus), 577, 68},
    {"flags 0", FIELD(config_flags), 0, 0},
    {"flexible pending #VE", FIELD(config_flags), 2, 0},
    {"maxpa virt (later modules)", FIELD(config_flags), 8, 66},
    {"maxgpa virt (later modules)", FIELD(config_flags), 16, 66},
    {"flag 63", FIELD(config_flags), UINT64_C(1) << 63, 66},
    {"gpaw with 4 levels", FIELD(config_flags), 1, 67},
    {"5 levels", FIELD(eptp_controls), 0x26, 0},
    {"3 levels", FIELD(eptp_controls), 0x16, 67},
    {"uncached", FIELD(eptp_controls), 0x18, 67},
    {"accessed and dirty", FIELD(eptp_controls), 0x5e, 67},
    {"tsc 3", FIELD(tsc_frequency), 3, 70},
    {"tsc 4", FIELD(tsc_frequency), 4, 0},
    {"tsc 400", FIELD(tsc_frequency), 400, 0},
    {"tsc 401", FIELD(tsc_frequency), 401, 70},
    {"tsc 0", FIELD(tsc_frequency), 0, 70},
};

static void test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture f;
        g_test_message("%s", rows[i].name);
        fixture_prepare(&f);
        /* little endian */
        memcpy((uint8_t *)&f.params + rows[i].offset, &rows[i].value, rows[i].size);
        uint64_t expected = rows[i].operand ? TDX_OPERAND_INVALID | rows[i].operand : 0;
        g_assert_cmphex(td_params_check(&f.profile, &f.params), ==, expected);
    }
}

static void test_gpaw(void)
{
    Fixture f;
    fixture_prepare(&f);
    f.params.config_flags |= TD_FLAG_GPAW;
    f.params.eptp_controls = 0x26;
    fixture_open(&f);
    g_assert_cmpint(td_gpaw(f.td), ==, 52);
    g_assert_cmphex(f.cpu->shared_bit, ==, UINT64_C(1) << 51);
    g_assert_cmpint(f.cpu->regs[GPR_RBX], ==, 52);
    fixture_close(&f);

    fixture_prepare(&f);
    f.profile.ept5 = 0;
    f.params.eptp_controls = 0x26;
    g_assert_cmphex(td_params_check(&f.profile, &f.params), ==, TDX_OPERAND_INVALID | 67);
    f.params.config_flags |= TD_FLAG_GPAW;
    g_assert_cmphex(td_params_check(&f.profile, &f.params), ==, TDX_OPERAND_INVALID | 66);
}

static uint64_t zero_clock(void *opaque)
{
    return 0;
}

static void test_life_cycle(void)
{
    static const TdPort port = {NULL, zero_clock};
    static uint8_t page[4096];
    Fixture f;
    TdExit exit;
    uint64_t detail;
    Lapic lapic = {0};
    fixture_prepare(&f);
    Td *td = td_new(&f.profile, &port, NULL);
    g_assert_cmphex(td_page_add(td, 0, page), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_mr_extend(td, 0), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_mr_finalize(td), ==, TDX_OP_STATE_INCORRECT);
    g_assert_null(td_vcpu_new(td, &lapic, NULL));
    f.params.xfam = 1;
    g_assert_cmphex(td_init(td, &f.params, &detail), ==, TDX_OPERAND_INVALID | 65);
    f.params.xfam = 3;
    f.params.max_vcpus = 2;
    g_assert_cmphex(td_init(td, &f.params, &detail), ==, 0); /* a refused call may be repeated */
    g_assert_cmphex(td_init(td, &f.params, &detail), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_mr_finalize(td), ==, TDX_NO_VCPUS);
    g_assert_cmphex(td_page_aug(td, 0), ==, TDX_OP_STATE_INCORRECT);
    TdVcpu *v[4];
    for (unsigned i = 0; i < 4; i++) {
        v[i] = td_vcpu_new(td, &lapic, NULL);
    }
    g_assert_cmphex(td_vp_init(v[0], 0, 0), ==, 0);
    g_assert_cmphex(td_vp_init(v[0], 1, 0), ==, TDX_VCPU_STATE_INCORRECT);
    g_assert_cmphex(td_vp_init(v[1], 0, 0), ==, TDX_X2APIC_ID_NOT_UNIQUE);
    g_assert_cmphex(td_vp_init(v[1], 5, 0), ==, 0);
    g_assert_cmpint(td_vcpu_cpu(v[1])->regs[GPR_RSI], ==, 1);
    g_assert_cmphex(td_vp_init(v[2], 6, 0), ==, TDX_MAX_VCPUS_EXCEEDED);
    g_assert_cmphex(td_vp_enter(v[0], &exit), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_mr_finalize(td), ==, 0);
    g_assert_cmphex(td_mr_finalize(td), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_page_add(td, 0, page), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_vp_init(v[2], 6, 0), ==, TDX_OP_STATE_INCORRECT);
    g_assert_cmphex(td_vp_enter(v[2], &exit), ==, TDX_VCPU_STATE_INCORRECT);
    for (unsigned i = 0; i < 4; i++) {
        td_vcpu_free(v[i]);
    }
    td_free(td);
}

static void test_other_modules(void)
{
    static const TdPort port = {NULL, zero_clock};
    Fixture f;
    TdxSysInfo info;
    fixture_prepare(&f);
    f.profile.module_update = 99;
    Td *td = td_new(&f.profile, &port, NULL);
    g_assert_cmphex(td_init(td, &f.params, NULL), ==, TDX_SYS_NOT_READY);
    tdx_sys_info(&f.profile, &info);
    g_assert_cmpint(info.num_cpuid_config, ==, 0);
    td_free(td);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/params/table", test_table);
    g_test_add_func("/params/gpaw", test_gpaw);
    g_test_add_func("/params/life-cycle", test_life_cycle);
    g_test_add_func("/params/other-modules", test_other_modules);
    return g_test_run();
}
