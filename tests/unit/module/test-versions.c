/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the later modules do otherwise than 1.5.05: lists, parameters, TD_CTLS, CPUID, MSR values
 * and CR4 with #VE reduced.
 */
#include <string.h>

#include "../../../swtdx/host/cpu/core.h"
#include "../../../swtdx/host/module/paravirt.h"
#include "fixture.h"

enum { EAX, EBX, ECX, EDX };

static const struct {
    const char *name;
    uint32_t major, minor, update;
} versions[] = {{"1.5.34", 1, 5, 34}, {"2.0.08", 2, 0, 8}};

static void open_version(Fixture *f, unsigned i)
{
    g_test_message("module %s", versions[i].name);
    fixture_prepare(f);
    fixture_module(f, versions[i].major, versions[i].minor, versions[i].update);
}

/* Allowed masks of 2.3 of the module reference, where they are others than in 1.5.05. */
static const struct {
    uint32_t leaf, subleaf, direct[4], allowed[2][4];
} masks[] = {
    {1, 0, {0x0fff3fff, 0x00ff0000, 0, 0}, {{0, 0, 0x31044d88, 0xb8445080},
                                            {0, 0, 0x31044d88, 0xb8445080}}},
    {4, 0, {0xffffc3ff, 0xfffff000, 0xffffffff, 7}, {{0}, {0}}},
    {4, 2, {0xffffc3ff, 0xfffff000, 0xffffffff, 7}, {{0}, {0}}},
    {7, 0, {0}, {{0, 0xdc2b9b18, 0x02417f65, 0x4005411c}, {0, 0xdc2b9b18, 0x02417f65, 0x4005411c}}},
    {7, 1, {0}, {{0x04881db0, 0, 0, 0x00024430}, {0x04a81dbf, 0, 0, 0x00024430}}},
    {0x80000008, 0, {0xff, 0, 0, 0}, {{0, 0x200, 0, 0}, {0, 0x200, 0, 0}}},
    {0x18, 8, {0, 0, 0, 0x03ffc000}, {{0}, {0}}},
    {0x19, 0, {0}, {{0}, {0}}},
};

static void test_lists(void)
{
    for (unsigned v = 0; v < G_N_ELEMENTS(versions); v++) {
        Fixture f;
        TdxSysInfo info;
        open_version(&f, v);
        const CpuidTable *table = module_cpuid_table(&f.profile);
        tdx_sys_info(&f.profile, &info);
        g_assert_cmpuint(info.num_cpuid_config, ==, 28);
        g_assert_cmphex(info.cpuid_config[18].leaf, ==, 0x19);
        g_assert_cmphex(info.cpuid_config[27].leaf, ==, 0x18);
        g_assert_cmpuint(info.cpuid_config[27].subleaf, ==, 8);
        for (size_t i = 0; i < G_N_ELEMENTS(masks); i++) {
            int row = module_cpuid_find(table, masks[i].leaf, masks[i].subleaf);
            g_test_message("leaf 0x%x.%u", masks[i].leaf, masks[i].subleaf);
            g_assert_cmpmem(table->rows[row].direct, 16, masks[i].direct, 16);
            g_assert_cmpmem(table->rows[row].allowed, 16, masks[i].allowed[v], 16);
        }
        g_assert_cmphex(info.attributes_fixed0, ==,
                        v ? UINT64_C(0xc000000070010041) : UINT64_C(0x8000000070010001));
        g_assert_cmphex(info.xfam_fixed0, ==, 0x6dbe7);
        g_assert_cmphex(module_config_flags_fixed0(&f.profile), ==, 0x1f);
    }
}

static const struct {
    const char *name;
    uint64_t attributes, flags;
    uint32_t operand; /* 0: accepted */
} params[] = {
    {"plain", 0, 4, 0},
    {"ICSSD", TD_ATTR_ICSSD, 4, 0},
    {"PERFMON", TD_ATTR_PERFMON, 4, 0},
    {"PERFMON and ICSSD", TD_ATTR_PERFMON | TD_ATTR_ICSSD, 4, 64},
    {"key locker", UINT64_C(1) << 31, 4, 64},
    {"MAXPA_VIRT", 0, 0xc, 0},
    {"MAXGPA_VIRT", 0, 0x14, 0},
    {"both", 0, 0x1c, 66},
    {"TDX_CONNECT", 0, 0x24, 66},
};

static void test_params(void)
{
    for (unsigned v = 0; v < G_N_ELEMENTS(versions); v++) {
        for (size_t i = 0; i < G_N_ELEMENTS(params); i++) {
            Fixture f;
            open_version(&f, v);
            g_test_message("%s", params[i].name);
            f.params.attributes = params[i].attributes;
            f.params.config_flags = params[i].flags;
            g_assert_cmphex(td_params_check(&f.profile, &f.params), ==,
                            params[i].operand ? TDX_OPERAND_INVALID | params[i].operand : 0);
        }
    }
}

static const struct {
    const char *name;
    uint64_t flags;
    uint32_t configured;
    uint32_t eax; /* 0: refused with the leaf */
} widths[] = {
    {"the processor's", 4, 46, 0x3934}, {"configured", 0xc, 46, 0x392e}, {"too wide", 0xc, 53, 0},
    {"too narrow", 0xc, 35, 0},
    {"guest width 48", 0x14, 0, 0x303934}, {"guest width 52", 0x15, 0, 0x343934},
};

static void test_widths(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(widths); i++) {
        Fixture f;
        uint32_t values[TD_MAX_CPUID_ROWS][4];
        uint64_t detail = 0;
        open_version(&f, 0);
        g_test_message("%s", widths[i].name);
        f.params.config_flags = widths[i].flags;
        f.params.cpuid_config[9][EAX] = widths[i].configured;
        TdxStatus status = module_cpuid_configure(&f.profile, &f.params, values, &detail);
        if (!widths[i].eax) {
            g_assert_cmphex(status, ==, TDX_OPERAND_INVALID | 69);
            g_assert_cmphex(detail, ==, UINT64_C(0xffffffff80000008));
            continue;
        }
        g_assert_cmphex(status, ==, 0);
        g_assert_cmphex(
            values[module_cpuid_find(module_cpuid_table(&f.profile), 0x80000008, 0)][EAX], ==,
            widths[i].eax);
    }
    Fixture f;
    uint32_t leaf, subleaf;
    fixture_prepare(&f);
    f.profile.phys_bits = 46; /* 1.5.05 refuses such a processor, the later ones do not */
    g_assert_false(module_cpuid_platform_ok(&f.profile, &leaf, &subleaf));
    g_assert_cmphex(leaf, ==, 0x80000008);
    fixture_module(&f, 1, 5, 34);
    g_assert_true(module_cpuid_platform_ok(&f.profile, &leaf, &subleaf));
}

/*
 * 2.3 of the module reference: bits that fall when an XFAM component is off, on a processor that
 * has every bit of the leaf and a TD that was configured with every bit. Masks by
 * module: 1.5.05, 1.5.34, 2.0.08.
 */
static const struct {
    uint64_t off;
    uint32_t leaf, subleaf, reg, masks[3];
} xfam_masks[] = {
    {0xe4, 1, 0, ECX, {0x30001000, 0x30001000, 0x30001000}},
    {0xe4, 7, 0, EBX, {0xdc230020, 0xdc230020, 0xdc230020}},
    {0xe4, 7, 0, ECX, {0x5e42, 0x5e42, 0x5e42}},
    {0xe4, 7, 0, EDX, {0x80010c, 0x80010c, 0x80010c}},
    {0xe4, 7, 1, EAX, {0x30, 0x800030, 0x800031}},
    {0xe4, 7, 1, EDX, {0x430, 0x430, 0x430}},
    {0xe0, 1, 0, ECX, {0, 0, 0}},
    {0xe0, 7, 0, EBX, {0xdc230000, 0xdc230000, 0xdc230000}},
    {0xe0, 7, 0, ECX, {0x5842, 0x5842, 0x5842}},
    {0xe0, 7, 0, EDX, {0x80010c, 0x80010c, 0x80010c}},
    {0xe0, 7, 1, EAX, {0x20, 0x20, 0x21}},
    {0x100, 7, 0, EBX, {0x02000000, 0x02000000, 0x02000000}},
    {0x200, 7, 0, ECX, {8, 8, 8}},
    {0x1800, 7, 0, ECX, {0x80, 0x80, 0x80}},
    {0x1800, 7, 0, EDX, {0x100000, 0x100000, 0x100000}},
    {0x4000, 7, 0, EDX, {0x20, 0x20, 0x20}},
    {0x8000, 7, 0, EDX, {0x80000, 0x80000, 0x80000}},
    {0x60000, 7, 0, EDX, {0x03400000, 0x03400000, 0x03400000}},
    {0x60000, 7, 1, EAX, {0, 0, 0x200000}},
    {0xe4, 0xd, 0, EAX, {0xe4, 0xe4, 0xe4}},
    {0xe0, 0xd, 0, EAX, {0xe0, 0xe0, 0xe0}},
    {0x200, 0xd, 0, EAX, {0x200, 0x200, 0x200}},
    {0x60000, 0xd, 0, EAX, {0x60000, 0x60000, 0x60000}},
    {0x60000, 0xd, 1, EAX, {0x10, 0x10, 0x10}},
    {0x100, 0xd, 1, ECX, {0x100, 0x100, 0x100}},
    {0x1800, 0xd, 1, ECX, {0x1800, 0x1800, 0x1800}},
    {0x4000, 0xd, 1, ECX, {0x4000, 0x4000, 0x4000}},
    {0x8000, 0xd, 1, ECX, {0x8000, 0x8000, 0x8000}},
};

#define XFAM_FULL UINT64_C(0x6dbe7)

/* Every bit that no module requires to be 0 in the processor. */
static void full_processor(Profile *profile)
{
    for (uint32_t i = 0; i < profile->num_cpuid; i++) {
        ProfileCpuid *c = &profile->cpuid[i];
        if (c->leaf == 1 || c->leaf == 7) {
            c->regs[ECX] = c->regs[EDX] = UINT32_MAX;
        }
        if (c->leaf == 7) {
            c->regs[EBX] = UINT32_MAX;
            c->regs[EAX] = c->subleaf ? UINT32_MAX : 2;
        }
    }
}

static void configure(Fixture *f, uint64_t xfam, uint32_t values[][4])
{
    uint64_t detail = 0;
    f->params.xfam = xfam;
    g_assert_cmphex(module_cpuid_configure(&f->profile, &f->params, values, &detail), ==, 0);
}

static void test_xfam_masks(void)
{
    static const uint32_t modules[3][3] = {{1, 5, 5}, {1, 5, 34}, {2, 0, 8}};
    for (unsigned v = 0; v < G_N_ELEMENTS(modules); v++) {
        Fixture f;
        uint32_t all[TD_MAX_CPUID_ROWS][4], less[TD_MAX_CPUID_ROWS][4];
        fixture_prepare(&f);
        full_processor(&f.profile);
        fixture_module(&f, modules[v][0], modules[v][1], modules[v][2]);
        configure(&f, XFAM_FULL, all);
        for (size_t i = 0; i < G_N_ELEMENTS(xfam_masks); i++) {
            int row = module_cpuid_find(module_cpuid_table(&f.profile), xfam_masks[i].leaf,
                                        xfam_masks[i].subleaf);
            unsigned reg = xfam_masks[i].reg;
            g_test_message("module %u.%u.%u, XFAM without 0x%x, leaf 0x%x.%u", modules[v][0],
                           modules[v][1], modules[v][2], (unsigned)xfam_masks[i].off,
                           xfam_masks[i].leaf, xfam_masks[i].subleaf);
            configure(&f, XFAM_FULL & ~xfam_masks[i].off, less);
            g_assert_cmphex(all[row][reg] & ~less[row][reg], ==, xfam_masks[i].masks[v]);
            g_assert_cmphex(less[row][reg] & ~all[row][reg], ==, 0);
        }
    }
}

/*
 * What a TD sees that asks for nothing, on a processor with every bit: the bits that are 1, and
 * those that follow the processor.
 */
static const struct {
    uint32_t leaf, subleaf, reg, values[3];
} minimal[] = {
    {1, 0, ECX, {0xc6faa217, 0xc6faa217, 0xc6faa217}},
    {1, 0, EDX, {0x07a9fbff, 0x07a9ab7f, 0x07a9ab7f}},
    {7, 0, EDX, {0xfc000400, 0xbc000400, 0xbc000400}},
    {7, 2, EDX, {0x17, 0x17, 0x17}},
    {0xd, 1, EAX, {0xf, 0xf, 0xf}},
    {0x80000001, 0, ECX, {0x121, 0x121, 0x121}},
    {0x80000007, 0, EDX, {0x100, 0x100, 0x100}},
};

static void test_minimal(void)
{
    static const uint32_t modules[3][3] = {{1, 5, 5}, {1, 5, 34}, {2, 0, 8}};
    for (unsigned v = 0; v < G_N_ELEMENTS(modules); v++) {
        Fixture f;
        uint32_t values[TD_MAX_CPUID_ROWS][4];
        fixture_prepare(&f);
        fixture_module(&f, modules[v][0], modules[v][1], modules[v][2]);
        memset(f.params.cpuid_config, 0, sizeof(f.params.cpuid_config));
        configure(&f, 3, values);
        for (size_t i = 0; i < G_N_ELEMENTS(minimal); i++) {
            int row = module_cpuid_find(module_cpuid_table(&f.profile), minimal[i].leaf,
                                        minimal[i].subleaf);
            g_test_message("module %u.%u.%u, leaf 0x%x.%u", modules[v][0], modules[v][1],
                           modules[v][2], minimal[i].leaf, minimal[i].subleaf);
            g_assert_cmphex(values[row][minimal[i].reg], ==, minimal[i].values[v]);
        }
    }
}

/* TDG.VM.WR: a sequence on one TD. */
static const struct {
    const char *name;
    uint64_t field, value, mask, status, after;
} writes[] = {
    {"as conformance tests reset", FIELD_TD_CTLS, 0, UINT64_C(0x800000000000000e), 0, 1},
    {"and the features", FIELD_PARAVIRT_CTLS, 0, UINT64_MAX, 0, 0},
    {"REDUCE_VE brings two more", FIELD_TD_CTLS, 8, 8, 0, 0xf},
    {"clearing it leaves them", FIELD_TD_CTLS, 0, 8, 0, 7},
    {"all off", FIELD_TD_CTLS, 0, 0xe, 0, 1},
    {"VIRT_CPUID2 alone", FIELD_TD_CTLS, 4, 4, 0, 5},
    {"no such control", FIELD_TD_CTLS, 0x10, 0x1e, TDX_METADATA_FIELD_VALUE_NOT_VALID, 5},
    {"only one that is not writable", FIELD_TD_CTLS, 0x10, 0x10, TDX_METADATA_FIELD_NOT_WRITABLE,
     5},
    {"features", FIELD_PARAVIRT_CTLS, 0xfff, UINT64_MAX, 0, 0xfff},
    {"no such feature", FIELD_PARAVIRT_CTLS, 0x1fff, UINT64_MAX, TDX_METADATA_FIELD_VALUE_NOT_VALID,
     0xfff},
    {"lock", FIELD_TD_CTLS, TD_CTLS_LOCK, TD_CTLS_LOCK, 0, TD_CTLS_LOCK | 5},
    {"locked", FIELD_TD_CTLS, 8, 8, TDX_METADATA_FIELD_VALUE_NOT_VALID, TD_CTLS_LOCK | 5},
    {"unlocking", FIELD_TD_CTLS, 0, TD_CTLS_LOCK, TDX_METADATA_FIELD_VALUE_NOT_VALID,
     TD_CTLS_LOCK | 5},
    {"the same again", FIELD_TD_CTLS, 4, 4, 0, TD_CTLS_LOCK | 5},
    {"features are locked too", FIELD_PARAVIRT_CTLS, 0, 1, TDX_METADATA_FIELD_VALUE_NOT_VALID,
     0xfff},
};

static uint64_t read_field(Fixture *f, uint64_t field)
{
    f->cpu->regs[GPR_RCX] = 0;
    f->cpu->regs[GPR_RDX] = field;
    g_assert_cmpint(fixture_tdcall(f, 7), ==, RETURNED);
    g_assert_cmphex(f->cpu->regs[GPR_RAX], ==, 0);
    return f->cpu->regs[GPR_R8];
}

static void test_td_ctls(void)
{
    for (unsigned v = 0; v < G_N_ELEMENTS(versions); v++) {
        Fixture f;
        open_version(&f, v);
        fixture_open(&f);
        fixture_finalize(&f);
        for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
            g_test_message("%s", writes[i].name);
            g_assert_cmphex(fixture_vm_wr(&f, writes[i].field, writes[i].value, writes[i].mask), ==,
                            writes[i].status);
            g_assert_cmphex(read_field(&f, writes[i].field), ==, writes[i].after);
        }
        fixture_close(&f);
    }
    Fixture f;
    open_version(&f, 0);
    fixture_open(&f);
    fixture_finalize(&f);
    f.td->topology_configured = false;
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, TDX_METADATA_FIELD_VALUE_NOT_VALID);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 2, 2), ==, TDX_METADATA_FIELD_VALUE_NOT_VALID);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 0, 1), ==, TDX_METADATA_FIELD_VALUE_NOT_VALID);
    fixture_close(&f);

    open_version(&f, 0);
    f.params.config_flags |= TD_FLAG_FLEXIBLE_PENDING_VE;
    fixture_open(&f);
    fixture_finalize(&f);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 0, 1), ==, 0);
    g_assert_cmphex(atomic_load(&f.td->td_ctls), ==, 0);
    fixture_close(&f);
    /* 1.5.05 has neither the field nor the bits */
    fixture_prepare(&f);
    fixture_open(&f);
    fixture_finalize(&f);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS, 0, 1), ==,
                    TDX_METADATA_FIELD_ID_INCORRECT);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, TDX_METADATA_FIELD_NOT_WRITABLE);
    fixture_close(&f);
}

/* TDX_FEATURES0 announces what TD_CTLS offers. */
static void test_features0(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    for (unsigned i = 0; module_version_at(i); i++) {
        const ModuleVersion *m = module_version_at(i);
        g_assert_cmpint(m->features0 >> 30 & 1, ==, m->reduces_ve);
        /* NO_RBP_MOD and topology: Linux refuses others */
        g_assert_cmphex(m->features0 & 0x140000, ==, 0x140000);
        g_assert_nonnull(m->known);
        g_assert_nonnull(m->assumed);
    }
    fixture_close(&f);
}

/* What the instruction does in the four states: -1 for #VE, else EAX. */
enum { NONE, CPUID2, REDUCED, KEPT, STATES };

static const struct {
    uint32_t leaf, subleaf;
    int64_t eax[STATES];
} executed[] = {
    {0, 0, {0x23, 0x23, 0x23, 0x23}},
    {2, 0, {-1, 0xfeff01, 0xfeff01, 0xfeff01}},
    {3, 0, {0, 0, 0, 0}},
    {4, 4, {0, 0, 0, 0}},
    {4, 5, {-1, -1, 0, 0}},
    {6, 0, {-1, -1, 4, 4}},
    {7, 3, {-1, -1, 0, 0}},
    {8, 0, {0, 0, 0, 0}},
    {9, 0, {-1, -1, 0, -1}},
    {0xb, 0, {-1, -1, 1, 1}},
    {0xb, 3, {-1, -1, 0, 0}},
    {0xc, 0, {-1, -1, 0, 0}},
    {0xd, 19, {-1, -1, 0, 0}},
    {0xe, 5, {0, 0, 0, 0}},
    {0xf, 0, {-1, -1, 0, -1}},
    {0x10, 1, {-1, -1, 0, -1}},
    {0x11, 0, {0, 0, 0, 0}},
    {0x13, 0, {0, 0, 0, 0}},
    {0x14, 2, {-1, -1, 0, 0}},
    {0x16, 0, {-1, -1, 0, 0}},
    {0x17, 0, {-1, -1, 0, 0}},
    {0x18, 0, {0, 0, 0, 0}},
    {0x18, 9, {-1, -1, 0, 0}},
    {0x1a, 0, {0, 0, 0, 0}},
    {0x1b, 0, {-1, -1, 0, -1}},
    {0x1d, 2, {-1, -1, 0, 0}},
    {0x1f, 1, {-1, -1, 4, 4}},
    {0x1f, 7, {-1, -1, 0, 0}},
    {0x20, 3, {0, 0, 0, 0}},
    {0x21, 0, {0, 0, 0, 0}},
    {0x21, 1, {-1, -1, 0, 0}},
    {0x22, 0, {0, 0, 0, 0}},
    {0x23, 4, {-1, -1, 0, 0}},
    {0x24, 9, {-1, -1, 0, 0}},
    {0x40000000, 0, {-1, -1, -1, -1}},
    {0x4fffffff, 0, {-1, -1, -1, -1}},
    {0x80000002, 0, {-1, -1, 0x65746e49, 0x65746e49}},
    {0x80000003, 0, {-1, -1, 0, 0}},
    {0x80000004, 0, {-1, -1, 0, 0}},
    {0x80000005, 0, {-1, -1, 0, 0}},
    {0x80000006, 0, {0, 0, 0, 0}},
    {0x80000008, 0, {0x3934, 0x3934, 0x3934, 0x3934}},
};

typedef struct Request {
    uint32_t leaf, subleaf, out[4];
} Request;

static void do_cpuid(Cpu *cpu, void *arg)
{
    Request *r = arg;
    cpu->world->cpuid(cpu, r->leaf, r->subleaf, r->out);
}

static void enter_state(Fixture *f, unsigned state)
{
    if (state == CPUID2) {
        g_assert_cmphex(fixture_vm_wr(f, FIELD_TD_CTLS, TD_CTLS_VIRT_CPUID2, TD_CTLS_VIRT_CPUID2),
                        ==, 0);
    } else if (state == REDUCED) {
        g_assert_cmphex(fixture_vm_wr(f, FIELD_TD_CTLS, TD_CTLS_REDUCE_VE, TD_CTLS_REDUCE_VE), ==,
                        0);
    } else if (state == KEPT) {
        g_assert_cmphex(fixture_vm_wr(f, FIELD_PARAVIRT_CTLS, PARAVIRT_ALL, PARAVIRT_ALL), ==, 0);
    }
}

static void test_execute(void)
{
    for (unsigned v = 0; v < G_N_ELEMENTS(versions); v++) {
        Fixture f;
        open_version(&f, v);
        fixture_open(&f);
        fixture_finalize(&f);
        for (unsigned state = 0; state < STATES; state++) {
            enter_state(&f, state);
            for (size_t i = 0; i < G_N_ELEMENTS(executed); i++) {
                Request r = {executed[i].leaf, executed[i].subleaf, {0}};
                g_test_message("state %u, leaf 0x%x.%u", state, r.leaf, r.subleaf);
                f.vcpu->ve_valid = false;
                Outcome outcome = fixture_try(f.cpu, do_cpuid, &r);
                g_assert_cmpint(outcome, ==, executed[i].eax[state] < 0 ? RAISED : RETURNED);
                if (outcome == RETURNED) {
                    g_assert_cmphex(r.out[EAX], ==, (uint32_t)executed[i].eax[state]);
                }
            }
        }
        Request level = {0x1f, 9, {0}}; /* past the last: number and x2APIC id */
        g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &level), ==, RETURNED);
        g_assert_cmphex(level.out[ECX], ==, 9);
        g_assert_cmphex(level.out[EDX], ==, 7);
        fixture_close(&f);
    }
}

/* 1.8 of the module reference: what the guest sees of features that the VMM serves. */
static const struct {
    const char *name;
    uint32_t leaf, reg, bit, control;
    bool always;
} features[] = {
    {"EST", 1, ECX, 7, 1 << 2, false}, {"TM2", 1, ECX, 8, 1 << 9, false},
    {"DCA", 1, ECX, 18, 1 << 1, false},
    {"TSC-DEADLINE", 1, ECX, 24, 1 << 11, false}, {"ACPI", 1, EDX, 22, 1 << 8, false},
    {"RDT-M", 7, EBX, 12, 1 << 7, false},
    {"RDT-A", 7, EBX, 15, 1 << 6, false}, {"TME", 7, ECX, 13, 1 << 10, false},
    {"PCONFIG", 7, EDX, 18, 1 << 5, false},
    {"MCE", 1, EDX, 7, 1 << 3, true}, {"MCA", 1, EDX, 14, 1 << 3, true},
    {"MTRR", 1, EDX, 12, 1 << 4, true},
    {"CORE_CAPABILITY", 7, EDX, 30, 1 << 0, true},
};

static bool sees(Fixture *f, unsigned i)
{
    Request r = {features[i].leaf, 0, {0}};
    g_assert_cmpint(fixture_try(f->cpu, do_cpuid, &r), ==, RETURNED);
    return r.out[features[i].reg] >> features[i].bit & 1;
}

static void test_features(void)
{
    for (unsigned configured = 0; configured < 2; configured++) {
        for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
            Fixture f;
            open_version(&f, (unsigned)i & 1);
            g_test_message("%s, %s", features[i].name,
                           configured ? "configured" : "not configured");
            unsigned config = features[i].leaf == 1 ? 0 : 5;
            uint32_t bit = 1u << features[i].bit;
            f.params.cpuid_config[config][features[i].reg] &= ~bit;
            f.params.cpuid_config[config][features[i].reg] |= configured ? bit : 0;
            fixture_open(&f);
            fixture_finalize(&f);
            uint32_t stored[4];
            g_assert_true(td_cpuid_value(f.td, features[i].leaf, 0, features[i].leaf == 7, stored));
            /* KVM reads what was configured */
            g_assert_cmpint(stored[features[i].reg] >> features[i].bit & 1, ==, configured);
            g_assert_cmpint(sees(&f, (unsigned)i), ==, configured || features[i].always);
            g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, 0);
            g_assert_false(sees(&f, (unsigned)i));
            g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS, features[i].control,
                                          PARAVIRT_ALL),
                            ==, 0);
            g_assert_cmpint(sees(&f, (unsigned)i), ==, configured);
            g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS,
                                          ~features[i].control & PARAVIRT_ALL, PARAVIRT_ALL),
                            ==, 0);
            g_assert_false(sees(&f, (unsigned)i));
            fixture_close(&f);
        }
    }
}

/* Cache geometry: the processor's under REDUCE_VE, with the configured numbers of ids. */
static void test_caches(void)
{
    Fixture f;
    Request r = {4, 1, {0}};
    open_version(&f, 0);
    for (unsigned i = 1; i < 5; i++) {
        f.params.cpuid_config[i][EAX] = 0xfc000000u | 0x21 | i << 5;
    }
    fixture_open(&f);
    fixture_finalize(&f);
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EAX], ==, 0xfc000061);
    g_assert_cmphex(r.out[EBX], ==, 0x3f);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, 0);
    g_assert_cmpint(fixture_try(f.cpu, do_cpuid, &r), ==, RETURNED);
    g_assert_cmphex(r.out[EAX], ==, 0xfc000122);
    g_assert_cmphex(r.out[EBX], ==, 0x01c0003f);
    fixture_close(&f);
}

typedef struct MsrRequest {
    uint32_t index;
    uint64_t value;
} MsrRequest;

static void do_read(Cpu *cpu, void *arg)
{
    MsrRequest *r = arg;
    r->value = cpu->world->rdmsr(cpu, r->index);
}

static void do_write(Cpu *cpu, void *arg)
{
    MsrRequest *r = arg;
    cpu->world->wrmsr(cpu, r->index, r->value);
}

/* A sequence with #VE reduced. */
static const struct {
    const char *name;
    uint32_t index;
    bool write;
    uint64_t value;
    int vector; /* -1: done */
} msrs[] = {
    {"34 at start", 0x34, false, 0, -1}, {"34 written", 0x34, true, 77, -1},
    {"34 read back", 0x34, false, 77, -1},
    {"FEATURE_CONTROL", 0x3a, false, 1, -1}, {"FEATURE_CONTROL is locked", 0x3a, true, 1, VEC_GP},
    {"4E", 0x4e, false, 1, -1},
    {"BIOS_UPDT_TRIG", 0x79, true, 0x1000, -1}, {"BIOS_UPDT_TRIG reads", 0x79, false, 0, VEC_GP},
    {"BIOS_SIGN_ID", 0x8b, false, 0xffffffff, -1}, {"BIOS_SIGN_ID write", 0x8b, true, 0, -1},
    {"PLATFORM_INFO", 0xce, false, 0, -1},
    {"MISC_FEATURES_ENABLES", 0x140, false, 0, -1}, {"MISC_FEATURES_ENABLES 0", 0x140, true, 0, -1},
    {"MISC_FEATURES_ENABLES 1", 0x140, true, 1, VEC_GP}, {"TSC_ADJUST", 0x3b, false, 0, VEC_GP},
    {"MISC_ENABLE", 0x1a0, false, 0x1809, -1},
    {"MISC_ENABLE reserved", 0x1a0, true, 0x180b, VEC_GP},
    {"MISC_ENABLE bit 63", 0x1a0, true, UINT64_C(1) << 63 | 0x1809, VEC_GP},
    {"EST without its bit", 0x1a0, true, 0x11809, VEC_GP},
    {"xTPR, which is configured", 0x1a0, true, 0x801809, -1},
    {"MONITOR changes", 0x1a0, true, 0x41809, VEC_VE},
    {"CPUID limit", 0x1a0, true, 0x401809, VEC_VE},
    {"0", 0x1a0, true, 0, -1}, {"bits 7, 11, 12 stay", 0x1a0, false, 0x1800, -1},
    {"ICR", 0x830, true, 0, VEC_VE},
    {"KVM clock", 0x4b564d00, true, 1, VEC_VE}, {"unknown", 0x1234567, false, 0, VEC_VE},
    {"x2APIC id", 0x802, false, 7, -1},
};

static void test_msrs(void)
{
    Fixture f;
    open_version(&f, 1);
    fixture_open(&f);
    fixture_finalize(&f);
    MsrRequest early = {0x1a0, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_write, &early), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        MsrRequest r = {msrs[i].index, msrs[i].write ? msrs[i].value : 0};
        g_test_message("%s", msrs[i].name);
        f.vcpu->ve_valid = false;
        Outcome outcome = fixture_try(f.cpu, msrs[i].write ? do_write : do_read, &r);
        g_assert_cmpint(outcome, ==, msrs[i].vector < 0 ? RETURNED : RAISED);
        if (outcome == RAISED) {
            g_assert_cmpint(f.cpu->raise_vector, ==, msrs[i].vector);
        } else {
            g_assert_cmphex(r.value, ==, msrs[i].value);
        }
    }
    fixture_close(&f);
}

/* CR4 with #VE reduced (4.1 of the module reference). */
static const struct {
    const char *name;
    uint64_t value;
    CrVerdict verdict;
} cr4_rows[] = {
    {"clear MCE", 0, CR_MCE_ONLY}, {"VMXE", 0x2040, CR_MCE_ONLY}, {"SMXE", 0x4040, CR_MCE_ONLY},
    {"PAE", 0x60, CR_ALLOW},
    {"KL", 0x80040, CR_GP}, {"PKS without the attribute", 0x1000040, CR_GP},
    {"bit 15", 0x8040, CR_GP},
};

static void do_cr4(Cpu *cpu, void *arg)
{
    uint64_t *value = arg;
    *value = cpu->world->write_cr4(cpu, *value);
}

static void test_cr4(void)
{
    Fixture f;
    open_version(&f, 0);
    fixture_open(&f);
    fixture_finalize(&f);
    uint64_t value = 0;
    g_assert_cmpint(fixture_try(f.cpu, do_cr4, &value), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_TD_CTLS, 8, 8), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cr4_rows); i++) {
        g_test_message("%s", cr4_rows[i].name);
        g_assert_cmpint(cr4_verdict(f.td, 0x40, CR0_PE | CR0_NE | CR0_WP, cr4_rows[i].value), ==,
                        cr4_rows[i].verdict);
    }
    value = CR4_PAE; /* the other changes of a write that clears MCE are dropped */
    g_assert_cmpint(fixture_try(f.cpu, do_cr4, &value), ==, RETURNED);
    g_assert_cmphex(value, ==, 0);
    f.cpu->cr4 = 0;
    value = CR4_MCE; /* MCE is not seen any more: it cannot be set again */
    g_assert_cmpint(fixture_try(f.cpu, do_cr4, &value), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_GP);
    g_assert_cmphex(fixture_vm_wr(&f, FIELD_PARAVIRT_CTLS, PARAVIRT_MCA, PARAVIRT_MCA), ==, 0);
    value = CR4_MCE;
    g_assert_cmpint(fixture_try(f.cpu, do_cr4, &value), ==, RETURNED);
    g_assert_cmphex(value, ==, CR4_MCE);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/versions/lists", test_lists);
    g_test_add_func("/versions/params", test_params);
    g_test_add_func("/versions/widths", test_widths);
    g_test_add_func("/versions/xfam-masks", test_xfam_masks);
    g_test_add_func("/versions/minimal", test_minimal);
    g_test_add_func("/versions/td-ctls", test_td_ctls);
    g_test_add_func("/versions/features0", test_features0);
    g_test_add_func("/versions/execute", test_execute);
    g_test_add_func("/versions/features", test_features);
    g_test_add_func("/versions/caches", test_caches);
    g_test_add_func("/versions/msrs", test_msrs);
    g_test_add_func("/versions/cr4", test_cr4);
    return g_test_run();
}
