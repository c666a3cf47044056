/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID of module 1.5.05: configurable masks, formula, gates, computed and dynamic values, leaves
 * that raise #VE.
 */
#include <string.h>

#include "../../../swtdx/host/cpu/core.h"
#include "fixture.h"

enum { EAX, EBX, ECX, EDX };

typedef struct Config {
    uint32_t leaf;
    int subleaf; /* -1: none */
    uint32_t direct[4], allowed[4];
} Config;

/* In the order of the module's list. */
static const Config configs[] = {
    {1, -1, {0x0fff3fff, 0x00ff0000, 0, 0}, {0, 0, 0x31044d88, 0xb8440000}},
    {4, 0, {0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb}, {0}},
    {4, 1, {0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb}, {0}},
    {4, 2, {0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb}, {0}},
    {4, 3, {0xffffc3ff, 0xfffff000, 0xffffffff, 7}, {0}},
    {7, 0, {0}, {0, 0xdc2b9b18, 0x02417f65, 0x0005411c}},
    {7, 1, {0}, {0x04001d30, 0, 0, 0x430}},
    {0xa, -1, {0}, {0}},
    {0x1c, -1, {0}, {0xff, 0, 0, 0}},
    {0x80000008, -1, {0}, {0, 0x200, 0, 0}},
    {7, 2, {0}, {0, 0, 0, 0x28}},
    {0x23, 0, {0}, {0xf, 0, 0, 0}},
    {0x1f, 0, {0x1f, 0xffff, 0xffff, 0}, {0}},
    {0x1f, 1, {0x1f, 0xffff, 0xffff, 0}, {0}},
    {0x1f, 2, {0x1f, 0xffff, 0xffff, 0}, {0}},
    {0x1f, 3, {0x1f, 0xffff, 0xffff, 0}, {0}},
    {0x1f, 4, {0x1f, 0xffff, 0xffff, 0}, {0}},
    {0x1f, 5, {0x1f, 0xffff, 0xffff, 0}, {0}},
};

static void test_config_list(void)
{
    const Profile *profile = profile_builtin();
    const CpuidTable *table = module_cpuid_table(profile);
    TdxSysInfo info;
    tdx_sys_info(profile, &info);
    g_assert_cmpint(info.num_cpuid_config, ==, G_N_ELEMENTS(configs));
    for (unsigned i = 0; i < G_N_ELEMENTS(configs); i++) {
        uint32_t sub = configs[i].subleaf < 0 ? 0 : (uint32_t)configs[i].subleaf, native[4];
        const CpuidRow *row = &table->rows[module_cpuid_find(table, configs[i].leaf, sub)];
        g_test_message("leaf 0x%x.%u", configs[i].leaf, sub);
        profile_cpuid(profile, configs[i].leaf, sub, native);
        g_assert_cmpint(row->config, ==, (int)i);
        g_assert_cmphex(info.cpuid_config[i].leaf, ==, configs[i].leaf);
        g_assert_cmpint(info.cpuid_config[i].has_subleaf, ==, configs[i].subleaf >= 0);
        g_assert_cmpint(info.cpuid_config[i].subleaf, ==, sub);
        for (unsigned r = 0; r < 4; r++) {
            g_assert_cmphex(row->direct[r], ==, configs[i].direct[r]);
            g_assert_cmphex(row->allowed[r], ==, configs[i].allowed[r]);
            g_assert_cmphex(info.cpuid_config[i].mask[r], ==,
                            configs[i].direct[r] | (configs[i].allowed[r] & native[r]));
        }
    }
    g_assert_cmphex(info.attributes_fixed0, ==, UINT64_C(0x8000000070000001));
    g_assert_cmphex(info.xfam_fixed0, ==, 0x6dbe7);
    g_assert_cmphex(info.xfam_fixed1, ==, 3);
}

/* Bits that every TD sees, also one that asks for nothing: all parameters 0 but XFAM 3. */
static const struct {
    uint32_t leaf, subleaf, reg, one;
} always_one[] = {
    {1, 0, ECX, 0xc6faa217}, {1, 0, EDX, 0x07a9fbff}, {7, 0, EBX, 0x219424c1},
    {7, 0, ECX, 0x19000000},
    {7, 0, EDX, 0xfc000400}, {7, 2, EDX, 0x17}, {0xd, 1, EAX, 0xf}, {0x80000001, 0, ECX, 0x121},
    {0x80000001, 0, EDX, 0x2c100000}, {0x80000007, 0, EDX, 0x100},
};

static void test_minimal(void)
{
    Fixture f;
    uint32_t out[4];
    fixture_prepare(&f);
    memset(f.params.cpuid_config, 0, sizeof(f.params.cpuid_config));
    f.params.xfam = 3;
    fixture_open(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(always_one); i++) {
        bool has = td_cpuid_has_subleaves(f.td, always_one[i].leaf);
        g_test_message("leaf 0x%x.%u", always_one[i].leaf, always_one[i].subleaf);
        g_assert_true(td_cpuid_value(f.td, always_one[i].leaf, always_one[i].subleaf, has, out));
        g_assert_cmphex(out[always_one[i].reg], ==, always_one[i].one);
    }
    g_assert_true(td_cpuid_value(f.td, 7, 1, true, out));
    g_assert_cmphex(out[EAX] | out[EBX] | out[ECX] | out[EDX], ==, 0);
    g_assert_true(td_cpuid_value(f.td, 0xd, 0, true, out));
    g_assert_cmphex(out[EAX], ==, 3);
    g_assert_cmpint(out[ECX], ==, 576);
    g_assert_true(td_cpuid_value(f.td, 1, 0, false, out));
    g_assert_cmphex(out[EAX], ==, 0x806f8); /* 0 asks for the native one */
    g_assert_false(td_cpuid_value(f.td, 2, 0, false, out));
    g_assert_false(td_cpuid_value(f.td, 4, 5, true, out));
    g_assert_false(td_cpuid_value(f.td, 1, 0, true, out));
    fixture_close(&f);
}

static const struct {
    const char *name;
    unsigned config, reg;
    uint32_t value;
    uint64_t detail;
} refused[] = {
    {"other stepping", 0, EAX, 0x806f7, UINT64_C(0xffffffff00000001)},
    {"reserved bit of the signature", 0, EAX, 0x4000, UINT64_C(0xffffffff00000001)},
    {"VMX", 0, ECX, 1 << 5, UINT64_C(0xffffffff00000001)},
    {"hypervisor bit", 0, ECX, 1u << 31, UINT64_C(0xffffffff00000001)},
    {"AVX2 follows XFAM", 5, EBX, 1 << 5, 7},
    {"HLE alone", 5, EBX, 1 << 4, 7},
    {"RTM alone", 5, EBX, 1 << 11, 7},
    {"SGX", 5, EBX, 1 << 2, 7},
    {"LA57 is fine, KL is not", 5, ECX, 1 << 16 | 1 << 23, 7},
    {"AMX_BF16", 5, EDX, 1 << 22, 7},
    {"LASS", 6, EAX, 1 << 6, UINT64_C(0x100000007)},
    {"PSFD", 10, EDX, 1, UINT64_C(0x200000007)},
    {"PERFMON leaf", 7, EAX, 1, UINT64_C(0xffffffff0000000a)},
    {"address width (later modules)", 9, EAX, 52, UINT64_C(0xffffffff80000008)},
    {"leaf 4 line size", 1, EBX, 1, 4},
    {"topology EDX", 12, EDX, 1, 0x1f},
};

static void test_refused(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        Fixture f;
        uint32_t values[TD_MAX_CPUID_ROWS][4];
        uint64_t detail = 0;
        g_test_message("%s", refused[i].name);
        fixture_prepare(&f);
        f.params.cpuid_config[5][EBX] &= ~(1u << 4 | 1u << 11);
        f.params.cpuid_config[refused[i].config][refused[i].reg] = refused[i].value;
        g_assert_cmphex(module_cpuid_configure(&f.profile, &f.params, values, &detail), ==,
                        TDX_OPERAND_INVALID | 69);
        g_assert_cmphex(detail, ==, refused[i].detail);
    }
}

static const struct {
    const char *name;
    uint64_t xfam;
    uint32_t leaf, subleaf, reg, mask, value;
} gates[] = {
    {"avx off", 3, 1, 0, ECX, 0x30001000, 0},
    {"avx on", 7, 1, 0, ECX, 0x30001000, 0x30001000},
    {"avx2", 7, 7, 0, EBX, 0x20, 0x20},
    {"vaes off", 3, 7, 0, ECX, 0x600, 0},
    {"avx-512 off", 7, 7, 0, EBX, 0xdc230000, 0},
    {"avx-512 on", 0xe7, 7, 0, EBX, 0xdc230000, 0xd0230000},
    {"avx-512 fp16", 0xe7, 7, 0, EDX, 1 << 23, 1 << 23},
    {"avx512_bf16 off", 7, 7, 1, EAX, 0x20, 0},
    {"avx_vnni", 7, 7, 1, EAX, 0x10, 0x10},
    {"pku", 0x203, 7, 0, ECX, 8, 8},
    {"pku off", 3, 7, 0, ECX, 8, 0},
    {"cet", 0x1803, 7, 0, ECX, 0x80, 0x80},
    {"ibt off", 3, 7, 0, EDX, 1 << 20, 0},
    {"uintr", 0x4003, 7, 0, EDX, 1 << 5, 1 << 5},
    {"amx", 0x60003, 7, 0, EDX, 0x03400000, 0x03400000},
    {"amx off", 3, 7, 0, EDX, 0x03400000, 0},
    {"amx leaf off", 3, 0x1d, 1, EAX, 0xffffffff, 0},
    {"amx leaf", 0x60003, 0x1d, 1, EAX, 0xffffffff, 0x04002000},
    {"xfd", 0x60003, 0xd, 1, EAX, 0x1f, 0x1f},
    {"pt leaf", 0x103, 0x14, 0, EBX, 0xffffffff, 0x5f},
    {"pt leaf off", 3, 0x14, 0, EBX, 0xffffffff, 0},
    {"xss", 0x1803, 0xd, 1, ECX, 0xffffffff, 0x1800},
    {"component 5", 0xe7, 0xd, 5, EBX, 0xffffffff, 1088},
    {"component 5 off", 7, 0xd, 5, EBX, 0xffffffff, 0},
    {"size with avx", 7, 0xd, 0, ECX, 0xffffffff, 832},
    {"size with avx-512 and pkru", 0x2e7, 0xd, 0, ECX, 0xffffffff, 2696},
    {"size with amx", 0x602e7, 0xd, 0, ECX, 0xffffffff, 11008},
    {"lbr depths", 0x8003, 0x1c, 0, EAX, 0xff, 0x0b},
    {"perfmon off", 3, 0xa, 0, EAX, 0xffffffff, 0},
    {"pks off", 3, 7, 0, ECX, 1u << 31, 0},
};

static void test_gates(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(gates); i++) {
        Fixture f;
        uint32_t values[TD_MAX_CPUID_ROWS][4];
        uint64_t detail;
        g_test_message("%s", gates[i].name);
        fixture_prepare(&f);
        f.params.xfam = gates[i].xfam;
        g_assert_cmphex(module_cpuid_configure(&f.profile, &f.params, values, &detail), ==, 0);
        int row = module_cpuid_find(module_cpuid_table(&f.profile), gates[i].leaf,
                                    gates[i].subleaf);
        g_assert_cmpint(row, >=, 0);
        g_assert_cmphex(values[row][gates[i].reg] & gates[i].mask, ==, gates[i].value);
    }
}

static void test_attributes(void)
{
    Fixture f;
    uint32_t out[4];
    fixture_prepare(&f);
    f.params.attributes = TD_ATTR_PKS | TD_ATTR_PERFMON;
    fixture_open(&f);
    g_assert_true(td_cpuid_value(f.td, 7, 0, true, out));
    g_assert_true(out[ECX] & 1u << 31);
    g_assert_true(td_cpuid_value(f.td, 0xa, 0, false, out));
    g_assert_cmphex(out[EAX], ==, 0x08300805);
    fixture_close(&f);
}

typedef struct Topology {
    const char *name;
    uint32_t eax[6], ecx[6];
    bool good;
} Topology;

static const Topology topologies[] = {
    {"smt, core", {1, 3}, {0x100, 0x201}, true},
    {"core only", {2}, {0x200}, true},
    {"core, die", {2, 4}, {0x200, 0x501}, true},
    {"smt only", {1}, {0x100}, false},
    {"wrong number", {1, 3}, {0x100, 0x202}, false},
    {"falling", {1, 3}, {0x200, 0x101}, false},
    {"equal", {1, 3}, {0x200, 0x201}, false},
    {"smt second", {1, 3}, {0x200, 0x101}, false},
    {"type 6", {1, 3, 4}, {0x100, 0x201, 0x602}, false},
    {"gap", {1, 0, 3}, {0x100, 0, 0x202}, false},
    {"empty first", {0, 3}, {0, 0x201}, false},
};

static void test_topology(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(topologies); i++) {
        Fixture f;
        uint32_t values[TD_MAX_CPUID_ROWS][4];
        uint64_t detail;
        g_test_message("%s", topologies[i].name);
        fixture_prepare(&f);
        for (unsigned n = 0; n < 6; n++) {
            f.params.cpuid_config[12 + n][EAX] = topologies[i].eax[n];
            f.params.cpuid_config[12 + n][ECX] = topologies[i].ecx[n];
        }
        g_assert_cmphex(module_cpuid_configure(&f.profile, &f.params, values, &detail), ==,
                        topologies[i].good ? 0 : TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
        if (i == 2) { /* core, die: leaf 0xB shows the outermost level as the core level */
            int b = module_cpuid_find(module_cpuid_table(&f.profile), 0xb, 0);
            g_assert_cmphex(values[b][EAX], ==, 4);
            g_assert_cmphex(values[b][ECX], ==, 0x200);
            g_assert_cmphex(values[b + 1][ECX], ==, 1);
        }
    }
}

/* What the instruction does: -1 for #VE, else EAX. */
static const struct {
    uint32_t leaf, subleaf;
    int64_t eax;
} executed[] = {
    {0, 0, 0x23}, {1, 0, 0x806f8}, {2, 0, -1}, {3, 0, 0}, {4, 4, 0}, {4, 5, -1}, {5, 0, 0x40},
    {6, 0, -1}, {7, 0, 2},
    {7, 3, -1}, {8, 0, 0}, {9, 0, -1}, {0xb, 0, -1}, {0xc, 0, -1}, {0xd, 19, -1}, {0xe, 0, 0},
    {0xf, 0, -1}, {0x10, 0, -1},
    {0x11, 0, 0}, {0x12, 0, 0}, {0x13, 0, 0}, {0x14, 2, -1}, {0x15, 0, 1}, {0x16, 0, -1},
    {0x17, 0, -1}, {0x18, 0, -1},
    {0x1b, 0, -1}, {0x1d, 2, -1}, {0x1f, 0, -1}, {0x20, 0, 0}, {0x21, 0, 0}, {0x21, 1, -1},
    {0x22, 0, 0}, {0x23, 0, 0},
    {0x23, 4, -1}, {0x24, 0, 0}, {0x24, 9, -1}, {0x3fffffff, 0, 0}, {0x40000000, 0, -1},
    {0x4fffffff, 0, -1},
    {0x50000000, 0, 0}, {0x80000000, 0, 0x80000008}, {0x80000002, 0, -1}, {0x80000005, 0, -1},
    {0x80000006, 0, -1},
    {0x80000008, 0, 0x3934}, {0x80000009, 0, 0}, {0xffffffff, 0, 0},
};

typedef struct Request {
    uint32_t leaf, subleaf, out[4];
} Request;

static void do_cpuid(Cpu *cpu, void *arg)
{
    Request *r = arg;
    cpu->world->cpuid(cpu, r->leaf, r->subleaf, r->out);
}

static void test_execute(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(executed); i++) {
        Request r = {executed[i].leaf, executed[i].subleaf, {0}};
        g_test_message("leaf 0x%x.%u", r.leaf, r.subleaf);
        f.vcpu->ve_valid = false;
        Outcome outcome = fixture_try(f.cpu, do_cpuid, &r);
        g_assert_cmpint(outcome, ==, executed[i].eax < 0 ? RAISED : RETURNED);
        if (outcome == RAISED) {
            g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
            g_assert_cmpint(f.vcpu->ve_reason, ==, VMX_EXIT_CPUID);
        } else {
            g_assert_cmphex(r.out[EAX], ==, (uint32_t)executed[i].eax);
        }
    }
    fixture_close(&f);
}

static void test_dynamic(void)
{
    Fixture f;
    Request r = {1, 0, {0}};
    fixture_prepare(&f);
    fixture_open(&f);
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EBX] >> 24, ==, 0); /* VCPU_INDEX */
    g_assert_cmphex(r.out[ECX] & 1 << 27, ==, 0);
    f.cpu->cr4 |= CR4_OSXSAVE | CR4_PKE;
    f.cpu->xcr0 = 0x2e7;
    atomic_fetch_or(&f.td->td_ctls, TD_CTLS_ENUM_TOPOLOGY);
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EBX] >> 24, ==, 7); /* x2APIC id */
    g_assert_cmphex(r.out[ECX] & 1 << 27, !=, 0);
    r = (Request){0x1f, 1, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EDX], ==, 7);
    g_assert_cmphex(r.out[ECX], ==, 0x201);
    r = (Request){7, 0, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[ECX] & 1 << 4, !=, 0);
    r = (Request){0xd, 0, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmpint(r.out[EBX], ==, 2696);
    r = (Request){0xd, 1, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmpint(r.out[EBX], ==, 576 + 256 + 64 + 512 + 1024 + 8);
    r = (Request){0x80000001, 0, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EDX], ==, 0x2c100800);
    f.cpu->mode = CPU_MODE_CS32;
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EDX], ==, 0x2c100000);
    r = (Request){0x15, 0, {0}};
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmpint(r.out[EBX], ==, 40);
    g_assert_cmpint(r.out[ECX], ==, 25000000);
    f.vcpu->cpuid_ve = 1;
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RAISED);
    f.cpu->cpl = 3;
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    fixture_close(&f);
}

static void test_platform(void)
{
    Profile profile = *profile_builtin();
    uint32_t leaf = 0, subleaf = 0;
    g_assert_true(module_cpuid_platform_ok(&profile, &leaf, &subleaf));
    for (unsigned i = 0; i < profile.num_cpuid; i++) {
        if (profile.cpuid[i].leaf == 7 && profile.cpuid[i].subleaf == 2) {
            profile.cpuid[i].regs[EDX] &= ~1u;
        }
    }
    g_assert_false(module_cpuid_platform_ok(&profile, &leaf, &subleaf));
    g_assert_cmpint(leaf, ==, 7);
    g_assert_cmpint(subleaf, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpuid/config-list", test_config_list);
    g_test_add_func("/cpuid/minimal", test_minimal);
    g_test_add_func("/cpuid/refused", test_refused);
    g_test_add_func("/cpuid/gates", test_gates);
    g_test_add_func("/cpuid/attributes", test_attributes);
    g_test_add_func("/cpuid/topology", test_topology);
    g_test_add_func("/cpuid/execute", test_execute);
    g_test_add_func("/cpuid/dynamic", test_dynamic);
    g_test_add_func("/cpuid/platform", test_platform);
    return g_test_run();
}
