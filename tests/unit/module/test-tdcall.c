/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDCALL: statuses of wrong calls, results of right ones. */
#include <string.h>

#include "fixture.h"

#define SHARED (UINT64_C(1) << 47)
#define PAGE UINT64_C(0x1000)    /* mapped */
#define PENDING UINT64_C(0x3000)

static void open_with_pages(Fixture *f)
{
    static uint8_t page[4096];
    fixture_prepare(f);
    fixture_open(f);
    memset(page, 0x41, sizeof(page));
    g_assert_cmphex(td_page_add(f->td, PAGE, page), ==, 0);
    fixture_finalize(f);
    g_assert_cmphex(td_page_aug(f->td, PENDING), ==, 0);
}

static const struct {
    const char *name;
    uint64_t rax, rcx, rdx, r8, r9;
    uint64_t status;
} calls[] = {
    {"leaf 13", 13, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"leaf 0xffff", 0xffff, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"leaf above 23:0", UINT64_C(1) << 24 | 1, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"leaf bit 63", UINT64_C(1) << 63 | 1, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"VP.INFO version 1", 0x10001, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"VEINFO.GET version 1", 0x10003, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"VM.RD version 2", 0x20007, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"VP.INFO", 1, 0, 0, 0, 0, 0},
    {"VMCALL passes RAX", 0, 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VMCALL passes RCX", 0, 2, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VMCALL passes RSP", 0, 0x10, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VMCALL passes RBP", 0, 0x20, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VMCALL bit 32", 0, UINT64_C(1) << 32, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"RTMR.EXTEND", 2, PAGE, 2, 0, 0, 0},
    {"RTMR.EXTEND unaligned", 2, PAGE + 32, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"RTMR.EXTEND shared", 2, PAGE | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"RTMR.EXTEND beyond GPAW", 2, UINT64_C(1) << 48, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"RTMR.EXTEND register 4", 2, PAGE, 4, 0, 0, TDX_OPERAND_INVALID | 2},
    {"VEINFO.GET of nothing", 3, 0, 0, 0, 0, TDX_NO_VALID_VE_INFO},
    {"REPORT", 4, PAGE, PAGE + 64, 0, 0, 0},
    {"REPORT unaligned", 4, PAGE + 512, PAGE, 0, 0, TDX_OPERAND_INVALID | 1},
    {"REPORT data unaligned", 4, PAGE, PAGE + 32, 0, 0, TDX_OPERAND_INVALID | 2},
    {"REPORT subtype", 4, PAGE, PAGE, 1, 0, TDX_OPERAND_INVALID | 8},
    {"REPORT into shared", 4, PAGE | SHARED, PAGE, 0, 0, 0},
    {"CPUIDVE.SET", 5, 3, 0, 0, 0, 0},
    {"CPUIDVE.SET reserved", 5, 4, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ACCEPT", 6, PENDING, 0, 0, 0, 0},
    {"ACCEPT again", 6, PENDING, 0, 0, 0, TDX_PAGE_ALREADY_ACCEPTED},
    {"ACCEPT of an added page", 6, PAGE, 0, 0, 0, TDX_PAGE_ALREADY_ACCEPTED},
    {"ACCEPT 2 MiB over a table", 6, 1, 0, 0, 0, TDX_PAGE_SIZE_MISMATCH | 1},
    {"ACCEPT 2 MiB unaligned", 6, 0x1001, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ACCEPT 1 GiB", 6, 2, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ACCEPT shared", 6, PENDING | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ACCEPT reserved bit", 6, PENDING | 8, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ACCEPT bit 63", 6, PENDING | UINT64_C(1) << 63, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VM.RD of another VM", 7, 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VM.RD unknown", 7, 0, 0x7777, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"VM.RD EPTP", 7, 0, UINT64_C(0x1110000300000004), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VM.RD OP_STATE", 7, 0, UINT64_C(0x9010000200000004), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VM.RD CPUID_VALUES", 7, 0, UINT64_C(0x9410000300000000), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VM.RD a sequence", 7, 0, UINT64_C(0x1310000300000000) | UINT64_C(5) << 34, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"VM.RD TD_UUID", 7, 0, UINT64_C(0x8010000300000023), 0, 0, 0},
    {"VM.RD past TD_UUID", 7, 0, UINT64_C(0x8010000300000024), 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"VM.RD SERVTD_HASH", 7, 0, UINT64_C(0x9910000300000005), 0, 0, 0},
    {"VM.RD first, version 1", 0x10007, 0, UINT64_MAX, 0, 0, TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT},
    {"VM.WR EPTP", 8, 0, UINT64_C(0x1110000300000004), 0, UINT64_MAX, TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR of another VM", 8, 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VM.WR of ATTRIBUTES", 8, 0, UINT64_C(0x1110000300000000), 0, UINT64_MAX, TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR nothing selected", 8, 0, UINT64_C(0x9110000300000017), 0, 0, TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR REDUCE_VE", 8, 0, UINT64_C(0x9110000300000017), 8, 8, TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR LOCK besides", 8, 0, UINT64_C(0x9110000300000017), UINT64_C(1) << 63, UINT64_MAX,
     TDX_METADATA_FIELD_VALUE_NOT_VALID},
    {"VM.WR pending #VE", 8, 0, UINT64_C(0x9110000300000017), 0, 1, TDX_METADATA_FIELD_VALUE_NOT_VALID},
    {"VM.WR ENUM_TOPOLOGY", 8, 0, UINT64_C(0x9110000300000017), 2, 2, 0},
    {"VM.WR NOTIFY_ENABLES as Linux names it", 8, 0, UINT64_C(0x9100000000000010), 1, 1, 0},
    {"VP.RD", 9, 0, 0, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"SYS.RD unknown", 11, 0, 0x7777, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"SYS.RD ATTRIBUTES_FIXED0", 11, 0, UINT64_C(0x1900000300000000), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD CPUID_CONFIG_VALUES", 11, 0, UINT64_C(0x9900000300000500), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD UPDATE_VERSION", 11, 0, UINT64_C(0x0800000100000005), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD first", 11, 0, UINT64_MAX, 0, 0, TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT},
    {"SYS.RD features", 11, 0, UINT64_C(0x0a00000300000008), 0, 0, 0},
    {"SYS.RDALL unaligned", 12, 0, 0x1010, UINT64_MAX, 0, TDX_OPERAND_INVALID | 2},
    {"SERVTD.RD", 18, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VERIFYREPORT unaligned", 22, PAGE + 64, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VERIFYREPORT shared", 22, PAGE | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VERIFYREPORT of nonsense", 22, PAGE + 0x800, 0, 0, 0, TDX_INVALID_CPUSVN},
    {"ATTR.RD", 23, PAGE, 0, 0, 0, 0},
    {"VP.ENTER without L2", 25, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
};

static void test_status(void)
{
    Fixture f;
    open_with_pages(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        uint64_t *r = f.cpu->regs;
        g_test_message("%s", calls[i].name);
        r[GPR_RCX] = calls[i].rcx;
        r[GPR_RDX] = calls[i].rdx;
        r[GPR_R8] = calls[i].r8;
        r[GPR_R9] = calls[i].r9;
        g_assert_cmpint(fixture_tdcall(&f, calls[i].rax), ==, RETURNED);
        g_assert_cmphex(r[GPR_RAX], ==, calls[i].status);
    }
    char text[4096];
    g_assert_cmpuint(td_vcpu_describe(f.vcpu, text, sizeof(text)), <, sizeof(text));
    g_assert_nonnull(strstr(text, "OPERAND_INVALID RCX"));
    g_assert_cmpuint(td_vcpu_describe(f.vcpu, text, 10), >, 10);
    g_assert_cmpuint(strlen(text), ==, 9);
    fixture_close(&f);
}

static void test_holes(void)
{
    static const uint64_t operands[] = {0x9000, 0x40000001 /* 2 MiB, nothing there */};
    Fixture f;
    open_with_pages(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(operands); i++) {
        f.cpu->regs[GPR_RCX] = operands[i];
        g_assert_cmpint(fixture_tdcall(&f, 6), ==, LEFT); /* not retired: it runs again */
        g_assert_cmpint(f.vcpu->exit.kind, ==, TD_EXIT_EPT_VIOLATION);
        g_assert_cmphex(f.vcpu->exit.gpa, ==, operands[i] & ~UINT64_C(0xfff));
        g_assert_true(f.vcpu->exit.write);
        g_assert_false(f.vcpu->exit.shared);
        g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 6);
        g_assert_cmphex(td_page_aug(f.td, operands[i] & ~UINT64_C(0xfff)), ==, 0);
    }
    f.cpu->regs[GPR_RCX] = 0x9000;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 0);
    f.cpu->regs[GPR_RCX] = 0x40000001;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, TDX_PAGE_SIZE_MISMATCH | 1);
    /* a report into a hole, and from a pending page */
    f.cpu->regs[GPR_RCX] = 0x8000;
    f.cpu->regs[GPR_RDX] = PAGE;
    f.cpu->regs[GPR_R8] = 0;
    g_assert_cmpint(fixture_tdcall(&f, 4), ==, LEFT);
    f.cpu->regs[GPR_RCX] = PAGE;
    f.cpu->regs[GPR_RDX] = PENDING;
    g_assert_cmpint(fixture_tdcall(&f, 4), ==, LEFT);
    g_assert_cmpint(f.vcpu->exit.kind, ==, TD_EXIT_PENDING_ACCESS);
    fixture_close(&f);
}

/* A profile that lets 2 MiB be accepted: the host maps regions as a whole while nothing of them is mapped. */
static void test_accept_2m(void)
{
    Fixture f;
    fixture_prepare(&f);
    f.profile.accept_2m = 1;
    fixture_open(&f);
    fixture_finalize(&f);
    uint64_t *r = f.cpu->regs, region = 0x40000000, other = 0x40200000;
    r[GPR_RCX] = region | 1;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, LEFT);
    g_assert_cmpint(f.vcpu->exit.kind, ==, TD_EXIT_EPT_VIOLATION);
    g_assert_cmpuint(f.vcpu->exit.level, ==, 1);
    g_assert_cmphex(f.vcpu->exit.gpa, ==, region);
    for (uint64_t page = region; page < region + SEPT_REGION_SIZE; page += 4096) {
        g_assert_cmphex(td_page_aug(f.td, page), ==, 0);
    }
    r[GPR_RCX] = region | 1;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, 0);
    g_assert_cmpstr(td_page_state_name(f.td, region + SEPT_REGION_SIZE - 4096), ==, "MAPPED");
    r[GPR_RCX] = region | 1;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, TDX_PAGE_ALREADY_ACCEPTED | 1);
    /* one smaller page is enough for a table */
    g_assert_cmphex(td_page_aug(f.td, other + 0x5000), ==, 0);
    r[GPR_RCX] = other | 1;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, TDX_PAGE_SIZE_MISMATCH | 1);
    r[GPR_RCX] = other; /* a 4 KiB hole asks for 4 KiB */
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, LEFT);
    g_assert_cmpuint(f.vcpu->exit.level, ==, 0);
    td_range_remove(f.td, region, 4096);
    r[GPR_RCX] = region | 1;
    g_assert_cmpint(fixture_tdcall(&f, 6), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, TDX_PAGE_SIZE_MISMATCH | 1);
    fixture_close(&f);
}

static void test_modes(void)
{
    Fixture f;
    open_with_pages(&f);
    f.cpu->mode = CPU_MODE_CS32 | CPU_MODE_LONG;
    g_assert_cmpint(fixture_tdcall(&f, 1), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_GP);
    f.cpu->mode = CPU_MODE_CS64 | CPU_MODE_LONG;
    f.cpu->cpl = 3;
    g_assert_cmpint(fixture_tdcall(&f, 1), ==, RAISED);
    fixture_close(&f);
}

static void test_info(void)
{
    Fixture f;
    open_with_pages(&f);
    g_assert_cmpint(fixture_tdcall(&f, 1), ==, RETURNED);
    g_assert_cmpint(f.cpu->regs[GPR_RCX], ==, 48);
    g_assert_cmphex(f.cpu->regs[GPR_RDX], ==, TD_ATTR_SEPT_VE_DISABLE);
    g_assert_cmphex(f.cpu->regs[GPR_R8], ==, UINT64_C(0x400000001));
    g_assert_false(td_max_vcpus_hidden(f.td));
    g_assert_cmphex(f.cpu->regs[GPR_R9], ==, 0);
    g_assert_cmphex(f.cpu->regs[GPR_R10], ==, 1);
    f.profile.max_vcpus_told = 0;
    g_assert_cmpint(fixture_tdcall(&f, 1), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_R8], ==, UINT64_C(0x100000001));
    g_assert_true(td_max_vcpus_hidden(f.td));
    fixture_close(&f);
}

static void test_report(void)
{
    Fixture f;
    uint8_t *report = NULL, *digest;
    _Atomic uint8_t *state;
    open_with_pages(&f);
    g_assert_true(sept_lookup(&f.td->sept, PAGE, &state, &report));
    f.cpu->regs[GPR_RCX] = PAGE;
    f.cpu->regs[GPR_RDX] = PAGE + 0x400;
    f.cpu->regs[GPR_R8] = 0;
    g_assert_cmpint(fixture_tdcall(&f, 4), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 0);
    g_assert_cmpint(report[0], ==, 0x81);
    g_assert_cmpint(report[128], ==, 0x41);
    f.cpu->regs[GPR_RCX] = PAGE;
    g_assert_cmpint(fixture_tdcall(&f, 22), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 0);
    report[200]++;
    g_assert_cmpint(fixture_tdcall(&f, 22), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, TDX_INVALID_REPORTMACSTRUCT);
    /* RTMR 2 as a field: eight bytes of it */
    digest = report + 0x400;
    memset(digest, 0, 48);
    f.cpu->regs[GPR_RCX] = PAGE + 0x400;
    f.cpu->regs[GPR_RDX] = 2;
    g_assert_cmpint(fixture_tdcall(&f, 2), ==, RETURNED);
    f.cpu->regs[GPR_RCX] = 0;
    f.cpu->regs[GPR_RDX] = UINT64_C(0x1310000300000040) + 12;
    g_assert_cmpint(fixture_tdcall(&f, 7), ==, RETURNED);
    g_assert_cmphex(GUINT64_SWAP_LE_BE(f.cpu->regs[GPR_R8]), ==, UINT64_C(0xf57bb7ed82c6ae4a));
    fixture_close(&f);
}

/* Walks of the field lists end, and every id named can be read. */
static void test_walks(void)
{
    Fixture f;
    unsigned n = 0;
    open_with_pages(&f);
    uint64_t *r = f.cpu->regs;
    r[GPR_RCX] = 0;
    r[GPR_RDX] = UINT64_MAX;
    do {
        r[GPR_RCX] = 0;
        g_assert_cmpint(fixture_tdcall(&f, 0x10007), ==, RETURNED);
        g_assert_cmphex(r[GPR_RAX], ==, n ? 0 : TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT);
        n++;
    } while (r[GPR_RDX] != UINT64_MAX && n < 1000);
    g_assert_cmpint(n, ==, 1 + 6 + 9 + 6 * 4 + 24 + 27);
    n = 0;
    do {
        g_assert_cmpint(fixture_tdcall(&f, 11), ==, RETURNED);
        g_assert_cmphex(r[GPR_RAX], ==, n ? 0 : TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT);
        n++;
    } while (r[GPR_RDX] != UINT64_MAX && n < 1000);
    g_assert_cmpint(n, ==, 1 + 12);
    r[GPR_RDX] = PAGE;
    r[GPR_R8] = UINT64_MAX;
    g_assert_cmpint(fixture_tdcall(&f, 12), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, 0);
    g_assert_cmphex(r[GPR_R8], ==, UINT64_MAX);
    fixture_close(&f);
}

static void do_hlt(Cpu *cpu, void *arg)
{
    cpu->world->hlt(cpu);
}

static void do_io(Cpu *cpu, void *arg)
{
    cpu->world->io(cpu, 0x3f8, 1, true, false, false, false);
}

static void test_veinfo(void)
{
    Fixture f;
    static const Op op = {.len = 3};
    open_with_pages(&f);
    f.cpu->op = &op;
    g_assert_cmpint(fixture_try(f.cpu, do_hlt, NULL), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
    g_assert_true(f.cpu->nmi_blocked);
    g_assert_cmpint(fixture_try(f.cpu, do_hlt, NULL), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_DF);
    g_assert_cmpint(fixture_tdcall(&f, 3), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, 0);
    g_assert_cmpint(f.cpu->regs[GPR_RCX], ==, VMX_EXIT_HLT);
    g_assert_cmpint(f.cpu->regs[GPR_R10], ==, 3);
    g_assert_false(f.cpu->nmi_blocked);
    g_assert_cmpint(fixture_try(f.cpu, do_io, NULL), ==, RAISED);
    g_assert_cmpint(f.cpu->raise_vector, ==, VEC_VE);
    g_assert_cmpint(fixture_tdcall(&f, 3), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RDX], ==, 0x3f80000);
    g_assert_cmpint(fixture_tdcall(&f, 3), ==, RETURNED);
    g_assert_cmphex(f.cpu->regs[GPR_RAX], ==, TDX_NO_VALID_VE_INFO);
    g_assert_cmphex(f.cpu->regs[GPR_RCX] | f.cpu->regs[GPR_RDX] | f.cpu->regs[GPR_R10], ==, 0);
    fixture_close(&f);
}

/* 4.4 of the module reference: instructions that exit, by VMX exit reason; -1: done. */
static const struct {
    const char *name;
    uint32_t reason;
    int vector;
} events[] = {
    {"INVD", VMX_EXIT_INVD, VEC_VE}, {"WBINVD", VMX_EXIT_WBINVD, VEC_VE}, {"VMCALL", VMX_EXIT_VMCALL, VEC_VE},
    {"PCONFIG", VMX_EXIT_PCONFIG, VEC_VE}, {"APIC write", VMX_EXIT_APIC_WRITE, VEC_VE}, {"MONITOR", VMX_EXIT_MONITOR, -1},
    {"MWAIT", VMX_EXIT_MWAIT, -1}, {"UMWAIT", VMX_EXIT_UMWAIT, -1}, {"TPAUSE", VMX_EXIT_TPAUSE, -1},
    {"RDPMC", VMX_EXIT_RDPMC, VEC_GP}, {"GETSEC", VMX_EXIT_GETSEC, VEC_UD}, {"RSM", 17, VEC_UD}, {"VMCLEAR", 19, VEC_UD},
    {"VMLAUNCH", 20, VEC_UD}, {"VMPTRLD", 21, VEC_UD}, {"VMPTRST", 22, VEC_UD}, {"VMREAD", 23, VEC_UD},
    {"VMRESUME", 24, VEC_UD}, {"VMWRITE", 25, VEC_UD}, {"VMXOFF", 26, VEC_UD}, {"VMXON", 27, VEC_UD}, {"INVEPT", 50, VEC_UD},
    {"INVVPID", 53, VEC_UD}, {"VMFUNC", 59, VEC_UD}, {"ENCLS", 60, VEC_UD}, {"ENCLV", 70, VEC_UD}, {"SEAMCALL", 76, VEC_UD},
};

static void do_instruction(Cpu *cpu, void *arg)
{
    cpu->world->instruction(cpu, *(uint32_t *)arg);
}

static void test_events(void)
{
    Fixture f;
    open_with_pages(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
        uint32_t reason = events[i].reason;
        g_test_message("%s", events[i].name);
        f.vcpu->ve_valid = false;
        Outcome outcome = fixture_try(f.cpu, do_instruction, &reason);
        g_assert_cmpint(outcome, ==, events[i].vector < 0 ? RETURNED : RAISED);
        if (outcome == RAISED) {
            g_assert_cmpint(f.cpu->raise_vector, ==, events[i].vector);
            g_assert_cmpint(f.cpu->raise_error, ==, 0);
        }
        if (events[i].vector == VEC_VE) {
            g_assert_cmpint(f.vcpu->ve_reason, ==, events[i].reason);
            g_assert_cmphex(f.vcpu->ve_qualification | f.vcpu->ve_gla | f.vcpu->ve_gpa, ==, 0);
        }
    }
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdcall/status", test_status);
    g_test_add_func("/tdcall/holes", test_holes);
    g_test_add_func("/tdcall/accept-2m", test_accept_2m);
    g_test_add_func("/tdcall/modes", test_modes);
    g_test_add_func("/tdcall/info", test_info);
    g_test_add_func("/tdcall/report", test_report);
    g_test_add_func("/tdcall/walks", test_walks);
    g_test_add_func("/tdcall/veinfo", test_veinfo);
    g_test_add_func("/tdcall/events", test_events);
    return g_test_run();
}
