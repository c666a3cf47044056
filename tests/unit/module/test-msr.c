/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSRs and control registers of module 1.5.05. */
#include "../../../swtdx/host/cpu/core.h"
#include "fixture.h"

#define N MSR_NATIVE
#define E MSR_EMULATED
#define V MSR_VE
#define G MSR_GP

static const struct {
    uint32_t index;
    MsrAction read, write;
} plain[] = {
    {0x10, N, V}, {0x17, V, V}, {0x1b, V, V}, {0x33, V, V}, {0x3a, V, V}, {0x3b, V, V},
    {0x48, N, N}, {0x49, N, N},
    {0x8b, V, V}, {0x8c, G, G}, {0x8f, G, G}, {0x90, V, V}, {0x98, G, G}, {0xbc, N, V},
    {0xbd, E, N}, {0xc1, G, G},
    {0xfe, V, V}, {0x10a, E, N}, {0x10b, N, N}, {0x174, N, N}, {0x176, N, N}, {0x179, V, V},
    {0x186, G, G}, {0x195, G, G},
    {0x1a0, E, V}, {0x1d9, E, E}, {0x200, V, V}, {0x276, G, G}, {0x277, N, N}, {0x2ff, V, V},
    {0x345, E, G}, {0x38f, G, G},
    {0x480, E, G}, {0x481, V, G}, {0x484, V, G}, {0x485, E, G}, {0x48a, V, G}, {0x48b, E, G},
    {0x492, E, G}, {0x500, G, G},
    {0x560, G, G}, {0x600, N, N}, {0x6a0, G, G}, {0x6e0, V, V}, {0x6e1, G, G}, {0x800, G, G},
    {0x802, V, G}, {0x803, V, V},
    {0x804, G, G}, {0x808, N, N}, {0x80a, N, N}, {0x80b, N, N}, {0x80d, V, V}, {0x80f, V, V},
    {0x810, N, N}, {0x827, N, N},
    {0x828, V, V}, {0x829, G, G}, {0x830, V, V}, {0x831, G, G}, {0x832, V, V}, {0x83e, V, V},
    {0x83f, N, N}, {0x840, G, G},
    {0x8ff, G, G}, {0x981, V, V}, {0x985, G, G}, {0xc80, N, V}, {0xd90, G, G}, {0xd93, G, G},
    {0xda0, N, E}, {0x14ce, G, G},
    {0x1b01, N, N}, {0x2000, V, V}, {0x4b564d00, V, V}, {0xc0000080, N, E}, {0xc0000081, N, N},
    {0xc0000082, N, N},
    {0xc0000083, V, V}, {0xc0000084, N, N}, {0xc0000100, N, N}, {0xc0000103, N, N},
    {0xc0000104, V, V},
};

/* MSRs behind a feature of the TD. */
static const struct {
    const char *name;
    uint32_t index;
    uint64_t attributes, xfam;
    MsrAction read, write;
} gated[] = {
    {"perfmon", 0xc1, TD_ATTR_PERFMON, 3, N, N},
    {"perf capabilities", 0x345, TD_ATTR_PERFMON, 3, N, N},
    {"pt", 0x570, 0, 0x103, N, N}, {"cet", 0x6a2, 0, 0x1803, N, N},
    {"uintr", 0x985, 0, 0x4003, N, N},
    {"lbr", 0x1500, 0, 0x8003, N, N}, {"xfd", 0x1c4, 0, 0x60003, N, N},
    {"pks", 0x6e1, TD_ATTR_PKS, 3, N, N},
    {"pt off", 0x570, 0, 0x3, G, G}, {"xfd off", 0x1c5, 0, 3, G, G},
};

static void test_actions(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        g_test_message("MSR 0x%x", plain[i].index);
        g_assert_cmpint(msr_action(f.vcpu, plain[i].index, false), ==, plain[i].read);
        g_assert_cmpint(msr_action(f.vcpu, plain[i].index, true), ==, plain[i].write);
    }
    atomic_fetch_or(&f.td->td_ctls, TD_CTLS_ENUM_TOPOLOGY);
    g_assert_cmpint(msr_action(f.vcpu, 0x802, false), ==, E);
    fixture_close(&f);
}

static void test_gated(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(gated); i++) {
        Fixture f;
        g_test_message("%s", gated[i].name);
        fixture_prepare(&f);
        f.params.attributes = gated[i].attributes;
        f.params.xfam = gated[i].xfam;
        fixture_open(&f);
        g_assert_cmpint(msr_action(f.vcpu, gated[i].index, false), ==, gated[i].read);
        g_assert_cmpint(msr_action(f.vcpu, gated[i].index, true), ==, gated[i].write);
        fixture_close(&f);
    }
}

typedef struct Request {
    uint32_t index;
    uint64_t value;
} Request;

static void do_read(Cpu *cpu, void *arg)
{
    Request *r = arg;
    r->value = cpu->world->rdmsr(cpu, r->index);
}

static void do_write(Cpu *cpu, void *arg)
{
    Request *r = arg;
    cpu->world->wrmsr(cpu, r->index, r->value);
}

static const struct {
    const char *name;
    uint32_t index;
    uint64_t value;
    int vector; /* -1: done */
} writes[] = {
    {"EFER same", 0xc0000080, 0x901, -1}, {"EFER with LMA", 0xc0000080, 0xd01, -1},
    {"EFER without SCE", 0xc0000080, 0x900, -1},
    {"EFER without NXE", 0xc0000080, 0x101, VEC_VE},
    {"EFER without LME", 0xc0000080, 0x801, VEC_VE},
    {"EFER SVME", 0xc0000080, 0x1901, VEC_VE}, {"XSS 0", 0xda0, 0, -1},
    {"XSS CET outside XFAM", 0xda0, 0x1800, VEC_GP},
    {"XSS user bit", 0xda0, 4, VEC_GP}, {"TPR", 0x808, 0x20, -1}, {"EOI", 0x80b, 0, -1},
    {"PPR", 0x80a, 0, VEC_GP},
    {"ISR", 0x810, 0, VEC_GP}, {"SELF_IPI 0x30", 0x83f, 0x30, -1},
    {"SELF_IPI 15", 0x83f, 15, VEC_VE},
    {"ICR", 0x830, 0, VEC_VE}, {"TSC", 0x10, 0, VEC_VE}, {"ARCH_CAPABILITIES", 0x10a, 0, VEC_GP},
    {"DEBUGCTL LBR", 0x1d9, 1, -1}, {"DEBUGCTL BUS_LOCK_DETECT", 0x1d9, 4, -1},
    {"DEBUGCTL reserved", 0x1d9, 8, VEC_GP}, {"DEBUGCTL bit 16", 0x1d9, 0x10000, VEC_GP},
    {"DEBUGCTL without PERFMON", 0x1d9, 0x4000, VEC_GP},
    {"DEBUGCTL BTS", 0x1d9, 0xc0, -1}, {"DEBUGCTL bit 13", 0x1d9, 0x2000, -1},
    {"DEBUGCTL TR without BTS", 0x1d9, 0x40, VEC_VE},
    {"APIC_BASE", 0x1b, 0xfee00d00, VEC_VE}, {"MISC_ENABLE", 0x1a0, 0, VEC_VE},
    {"BNDCFGS", 0xd90, 0, VEC_GP},
};

static void test_writes(void)
{
    Fixture f;
    fixture_prepare(&f);
    fixture_open(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(writes); i++) {
        Request r = {writes[i].index, writes[i].value};
        g_test_message("%s", writes[i].name);
        f.vcpu->ve_valid = false;
        Outcome outcome = fixture_try(f.cpu, do_write, &r);
        g_assert_cmpint(outcome, ==, writes[i].vector < 0 ? RETURNED : RAISED);
        if (outcome == RAISED) {
            g_assert_cmpint(f.cpu->raise_vector, ==, writes[i].vector);
        }
    }
    g_assert_cmphex(f.cpu->efer, ==, 0x900);
    fixture_close(&f);
}

static void test_reads(void)
{
    Fixture f;
    Request r;
    fixture_prepare(&f);
    fixture_open(&f);
    r = (Request){0xbd, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RETURNED);
    g_assert_cmphex(r.value, ==, 1);
    r = (Request){0x808, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RETURNED);
    g_assert_cmphex(r.value, ==, 0x808);
    r = (Request){0x80b, 5}; /* write only, and reads all the same */
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RETURNED);
    g_assert_cmphex(r.value, ==, 0);
    r = (Request){0xc0000080, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RETURNED);
    g_assert_cmphex(r.value, ==, 0x901);
    r = (Request){0x10a, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RETURNED);
    g_assert_cmphex(r.value & (1u << 21), !=, 0);
    g_assert_cmphex(r.value & ~UINT64_C(0x1ffffff), ==, 0);
    r = (Request){0x1b, 0};
    g_assert_cmpint(fixture_try(f.cpu, do_read, &r), ==, RAISED);
    g_assert_cmpint(f.vcpu->ve_reason, ==, VMX_EXIT_RDMSR);
    /* 1 GHz TSC from TDH.MNG.INIT on */
    f.now_ns += 12345;
    g_assert_cmpint(td_guest_tsc(f.td), ==, 12345);
    fixture_close(&f);
}

static const struct {
    const char *name;
    uint64_t value;
    CrVerdict verdict;
} cr0_rows[] = {
    {"paging on", 0x80000021, CR_ALLOW}, {"WP and AM", 0x80050033, CR_ALLOW},
    {"clear NE", 0x80000001, CR_GP},
    {"clear PE", 0x80000020, CR_GP}, {"clear PE and PG", 0x20, CR_VE}, {"NW", 0xa0000021, CR_VE},
    {"CD", 0xc0000021, CR_VE},
    {"NW and CD", 0xe0000021, CR_VE}, {"bit 32", UINT64_C(0x180000021), CR_VE},
};

static const struct {
    const char *name;
    uint64_t attributes, xfam, value;
    CrVerdict verdict;
} cr4_rows[] = {
    {"same", 0, 3, 0x40, CR_ALLOW}, {"PAE and PGE", 0, 3, 0xe0, CR_ALLOW},
    {"PCE", 0, 3, 0x140, CR_ALLOW},
    {"clear MCE", 0, 3, 0, CR_VE}, {"VMXE", 0, 3, 0x2040, CR_VE}, {"SMXE", 0, 3, 0x4040, CR_VE},
    {"bit 15", 0, 3, 0x8040, CR_GP},
    {"KL", 0, 3, 0x80040, CR_GP}, {"PKE without XFAM", 0, 3, 0x400040, CR_GP},
    {"PKE", 0, 0x203, 0x400040, CR_ALLOW},
    {"CET without XFAM", 0, 3, 0x800040, CR_GP}, {"CET", 0, 0x1803, 0x800040, CR_ALLOW},
    {"PKS without attribute", 0, 3, 0x1000040, CR_GP}, {"PKS", TD_ATTR_PKS, 3, 0x1000040, CR_ALLOW},
    {"UINTR without XFAM", 0, 3, 0x2000040, CR_GP}, {"UINTR", 0, 0x4003, 0x2000040, CR_ALLOW},
    {"LASS", 0, 3, 0x8000040, CR_GP}, {"bit 32", 0, 3, UINT64_C(0x100000040), CR_GP},
};

static void test_cr(void)
{
    Td td = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cr0_rows); i++) {
        g_test_message("CR0 %s", cr0_rows[i].name);
        g_assert_cmpint(cr0_verdict(&td, 0x21, 0x40, cr0_rows[i].value), ==, cr0_rows[i].verdict);
    }
    g_assert_cmpint(cr0_verdict(&td, 0x80010021, 0x40 | CR4_CET, 0x80000021), ==, CR_GP);
    for (size_t i = 0; i < G_N_ELEMENTS(cr4_rows); i++) {
        g_test_message("CR4 %s", cr4_rows[i].name);
        td.params.attributes = cr4_rows[i].attributes;
        td.params.xfam = cr4_rows[i].xfam;
        g_assert_cmpint(cr4_verdict(&td, 0x40, CR0_PE | CR0_NE | CR0_WP, cr4_rows[i].value), ==,
                        cr4_rows[i].verdict);
    }
    td.params.xfam = 0x1803;
    g_assert_cmpint(cr4_verdict(&td, 0x40, CR0_PE | CR0_NE, 0x800040), ==, CR_GP);
}

static const struct {
    uint64_t value;
    bool good;
} xcr0_rows[] = {
    {1, true}, {3, true}, {7, true}, {0xe7, true}, {0x2e7, true}, {0, false}, {2, false},
    {5, false}, {0x27, false},
    {0xe3, false}, {0x602e7, false}, {0x1803, false}, {0x1f, false}, {UINT64_C(1) << 63 | 1, false},
};

static void test_xcr0(void)
{
    Td td = {.params.xfam = 0x1ae7};
    for (size_t i = 0; i < G_N_ELEMENTS(xcr0_rows); i++) {
        g_test_message("XCR0 0x%" G_GINT64_MODIFIER "x", xcr0_rows[i].value);
        g_assert_cmpint(xcr0_valid(&td, xcr0_rows[i].value), ==, xcr0_rows[i].good);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msr/actions", test_actions);
    g_test_add_func("/msr/gated", test_gated);
    g_test_add_func("/msr/writes", test_writes);
    g_test_add_func("/msr/reads", test_reads);
    g_test_add_func("/cr/verdicts", test_cr);
    g_test_add_func("/cr/xcr0", test_xcr0);
    return g_test_run();
}
