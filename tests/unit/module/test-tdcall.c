/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDCALL: statuses of wrong calls, results of right ones. */
#include <string.h>

#include "../../../swtdx/host/cpu/core.h"
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
    {"VM.RD CPUID_VALUES", 7, 0, UINT64_C(0x9410000300000000), 0, 0,
     TDX_METADATA_FIELD_NOT_READABLE},
    {"VM.RD a sequence", 7, 0, UINT64_C(0x1310000300000000) | UINT64_C(5) << 34, 0, 0,
     TDX_METADATA_FIELD_ID_INCORRECT},
    {"VM.RD TD_UUID", 7, 0, UINT64_C(0x8010000300000023), 0, 0, 0},
    {"VM.RD past TD_UUID", 7, 0, UINT64_C(0x8010000300000024), 0, 0,
     TDX_METADATA_FIELD_ID_INCORRECT},
    {"VM.RD SERVTD_HASH", 7, 0, UINT64_C(0x9910000300000005), 0, 0, 0},
    {"VM.RD first, version 1", 0x10007, 0, UINT64_MAX, 0, 0,
     TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT},
    {"VM.WR EPTP", 8, 0, UINT64_C(0x1110000300000004), 0, UINT64_MAX,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR of another VM", 8, 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VM.WR of ATTRIBUTES", 8, 0, UINT64_C(0x1110000300000000), 0, UINT64_MAX,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR nothing selected", 8, 0, UINT64_C(0x9110000300000017), 0, 0,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR REDUCE_VE", 8, 0, UINT64_C(0x9110000300000017), 8, 8, TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VM.WR LOCK besides", 8, 0, UINT64_C(0x9110000300000017), UINT64_C(1) << 63, UINT64_MAX,
     TDX_METADATA_FIELD_VALUE_NOT_VALID},
    {"VM.WR pending #VE", 8, 0, UINT64_C(0x9110000300000017), 0, 1,
     TDX_METADATA_FIELD_VALUE_NOT_VALID},
    {"VM.WR ENUM_TOPOLOGY", 8, 0, UINT64_C(0x9110000300000017), 2, 2, 0},
    {"VM.WR NOTIFY_ENABLES as Linux names it", 8, 0, UINT64_C(0x9100000000000010), 1, 1, 0},
    {"VP.RD VCPU_STATE", 9, 0, UINT64_C(0xa020000000000000), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VP.RD RIP, which is of the VMCS", 9, 0, 0x681e, 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VP.RD the upper half of EPTP", 9, 0, 0x201b, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"VP.RD RAX", 9, 0, UINT64_C(0x1020000300000000), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VP.RD IA32_XFD", 9, 0, UINT64_C(0x13200003000001c4), 0, 0, TDX_METADATA_FIELD_NOT_READABLE},
    {"VP.RD L2_VMCS_1", 9, 0, UINT64_C(0x2420000000000000), 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"VP.RD VCPU_INDEX", 9, 0, UINT64_C(0xa020000200000002), 0, 0, 0},
    {"VP.RD VCPU_INDEX of another VM", 9, 1, UINT64_C(0xa020000200000002), 0, 0,
     TDX_OPERAND_INVALID | 1},
    {"VP.RD past CPUID_CONTROL", 9, 0, UINT64_C(0xa120000000000080), 0, 0,
     TDX_METADATA_FIELD_ID_INCORRECT},
    {"VP.RD a sequence", 9, 0, UINT64_C(0xa120000000000000) | UINT64_C(1) << 38, 0, 0,
     TDX_METADATA_FIELD_ID_INCORRECT},
    {"VP.RD first", 9, 0, UINT64_MAX, 0, 0, TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT},
    {"VP.WR VCPU_INDEX", 10, 0, UINT64_C(0xa020000200000002), 0, UINT64_MAX,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VP.WR RAX", 10, 0, UINT64_C(0x1020000300000000), 0, UINT64_MAX,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VP.WR of another VM", 10, 2, UINT64_C(0xa120000000000000), 0, 3, TDX_OPERAND_INVALID | 1},
    {"VP.WR CPUID_CONTROL bit 2", 10, 0, UINT64_C(0xa120000000000000), 4, 7,
     TDX_METADATA_FIELD_VALUE_NOT_VALID},
    {"VP.WR CPUID_CONTROL nothing selected", 10, 0, UINT64_C(0xa120000000000000), 3, 4,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"VP.WR CPUID_CONTROL", 10, 0, UINT64_C(0xa12000000000007f), 3, 3, 0},
    {"VP.WR L2_CTLS", 10, 0, UINT64_C(0xa020000300000053), 1, 7, 0},
    {"VP.WR L2_CTLS bit 3", 10, 0, UINT64_C(0xa020000300000050), 8, 8,
     TDX_METADATA_FIELD_NOT_WRITABLE},
    {"SYS.RD unknown", 11, 0, 0x7777, 0, 0, TDX_METADATA_FIELD_ID_INCORRECT},
    {"SYS.RD ATTRIBUTES_FIXED0", 11, 0, UINT64_C(0x1900000300000000), 0, 0,
     TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD CPUID_CONFIG_VALUES", 11, 0, UINT64_C(0x9900000300000500), 0, 0,
     TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD UPDATE_VERSION", 11, 0, UINT64_C(0x0800000100000005), 0, 0,
     TDX_METADATA_FIELD_NOT_READABLE},
    {"SYS.RD first", 11, 0, UINT64_MAX, 0, 0, TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT},
    {"SYS.RD features", 11, 0, UINT64_C(0x0a00000300000008), 0, 0, 0},
    {"SYS.RDALL unaligned", 12, 0, 0x1010, UINT64_MAX, 0, TDX_OPERAND_INVALID | 2},
    {"SYS.RDALL shared", 12, 0, PAGE | SHARED, UINT64_MAX, 0, TDX_OPERAND_INVALID | 2},
    {"SYS.RDALL from a field that there is not", 12, 0, PAGE, 0x7777, 0,
     TDX_METADATA_FIELD_ID_INCORRECT},
    {"leaf 17", 17, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"SERVTD.RD", 18, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"leaf 19", 19, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"SERVTD.WR", 20, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"leaf 21", 21, 0, 0, 0, 0, TDX_OPERAND_INVALID},
    {"VERIFYREPORT unaligned", 22, PAGE + 64, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VERIFYREPORT shared", 22, PAGE | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VERIFYREPORT of nonsense", 22, PAGE + 0x800, 0, 0, 0, TDX_INVALID_CPUSVN},
    {"ATTR.RD", 23, PAGE, 0, 0, 0, 0},
    {"ATTR.RD of an address inside", 23, PAGE | 0x7ff, 0, 0, 0, 0},
    {"ATTR.RD shared", 23, PAGE | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.RD beyond GPAW", 23, UINT64_C(1) << 50, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.WR of nothing", 24, PAGE, 0, 0, 0, 0},
    {"ATTR.WR for the TD itself", 24, PAGE, 0x8000, 0, 0, TDX_OPERAND_INVALID | 2},
    {"ATTR.WR for VM 1", 24, PAGE, UINT64_C(0x80070000), 0, 0, TDX_OPERAND_INVALID | 2},
    {"ATTR.WR mask for VM 1", 24, PAGE, 0, UINT64_C(0x70000), 0, TDX_OPERAND_INVALID | 8},
    {"ATTR.WR mask of VM 0 before attributes of VM 1", 24, PAGE, 0x10000, 1, 0,
     TDX_OPERAND_INVALID | 8},
    {"ATTR.WR mask for VM 3", 24, PAGE, 0, UINT64_C(1) << 63, 0, TDX_OPERAND_INVALID | 8},
    {"ATTR.WR shared", 24, PAGE | SHARED, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.WR reserved bit", 24, PAGE | 8, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.WR 2 MiB unaligned", 24, PAGE | 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.WR 512 GiB", 24, 3, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"ATTR.WR 2 MiB over a table", 24, 1, 0, 0, 0, TDX_PAGE_SIZE_MISMATCH | 1},
    {"VP.ENTER without L2", 25, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VP.ENTER of VM 1", 25, UINT64_C(1) << 52, PAGE, 0, 0, TDX_OPERAND_INVALID | 1},
    {"VP.ENTER state unaligned", 25, UINT64_C(1) << 52, PAGE + 128, 0, 0, TDX_OPERAND_INVALID | 2},
    {"VP.ENTER state shared", 25, 0, PAGE | SHARED, 0, 0, TDX_OPERAND_INVALID | 2},
    {"INVEPT of nothing", 26, 0, 0, 0, 0, 0},
    {"INVEPT of the TD itself", 26, 1, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"INVEPT of VM 1", 26, 2, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"INVVPID of VM 0", 27, 0, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"INVVPID of VM 1", 27, UINT64_C(1) << 52, 0, 0, 0, TDX_OPERAND_INVALID | 1},
    {"leaf 33, of later modules", 33, 0, 0, 0, 0, TDX_OPERAND_INVALID},
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
    g_assert_null(strstr(text, "U_CET"));
    f.cpu->cr4 |= CR4_CET;
    f.cpu->ssp = 0x12340;
    f.cpu->u_cet = 5;
    td_vcpu_describe(f.vcpu, text, sizeof(text));
    g_assert_nonnull(strstr(text, "SSP 0000000000012340  U_CET 5  S_CET 0"));
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

/*
 * A profile that lets 2 MiB be accepted: the host maps regions as a whole while nothing of them is
 * mapped.
 */
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

/* What stands in RCX, RDX and R8 after calls, most of which fail. KEPT: as it was. */
#define KEPT UINT64_C(0x1122334455667788)
static const struct {
    const char *name;
    uint64_t rax, rcx, rdx, r8, r9;
    uint64_t out_rcx, out_rdx, out_r8;
} outputs[] = {
    {"VM.RD of another VM", 7, 1, KEPT, 5, 0, 1, KEPT, 0},
    {"VM.RD of another VM, version 1", 0x10007, 1, KEPT, 5, 0, 1, UINT64_MAX, 0},
    {"VM.RD unknown, version 1", 0x10007, 0, 0x7777, 5, 0, 0, UINT64_MAX, 0},
    {"VM.WR of another VM", 8, 1, KEPT, 5, 0, 1, KEPT, 0},
    {"VP.RD of another VM", 9, 1, KEPT, 5, 0, 1, UINT64_MAX, 0},
    {"VP.RD first", 9, 0, UINT64_MAX, 5, 0, 0, UINT64_C(0xa020000200000002), 0},
    {"VP.RD VCPU_INDEX", 9, 0, UINT64_C(0xa020000200000002), 5, 0, 0, UINT64_C(0xa020000000000007),
     0},
    {"VP.RD the last", 9, 0, UINT64_C(0xa12000000000007f), 5, 0, 0, UINT64_MAX, 0},
    {"VP.RD TSC_DEADLINE", 9, 0, UINT64_C(0xa020000300000058), 5, 0, 0,
     UINT64_C(0xa020000300000059), UINT64_MAX},
    {"VP.WR refused", 10, 0, UINT64_C(0xa020000200000002), 5, 5, 0, UINT64_C(0xa020000200000002),
     0},
    {"SYS.RDALL unaligned", 12, KEPT, 0x1010, 5, 0, KEPT, 0x1010, UINT64_MAX},
    {"SERVTD.RD", 18, KEPT, KEPT, 5, 0, KEPT, UINT64_MAX, 0},
    {"SERVTD.WR", 20, KEPT, KEPT, 5, 0, KEPT, KEPT, 0},
    {"ATTR.RD", 23, PAGE + 5, KEPT, 5, 0, PAGE, 0, 5},
    {"ATTR.RD pending", 23, PENDING, KEPT, 5, 0, PENDING | UINT64_C(1) << 62, 0, 5},
    {"ATTR.RD shared", 23, PAGE | SHARED, KEPT, 5, 0, 0, 0, 5},
    {"ATTR.WR", 24, PAGE, 0, 0, 0, PAGE, 0, 0},
    {"ATTR.WR refused", 24, PAGE, 0x10000, 0, 0, 0, 0, 0},
    {"INVEPT", 26, 0, KEPT, 5, 0, 0, KEPT, 5},
};

static void test_outputs(void)
{
    Fixture f;
    open_with_pages(&f);
    uint64_t *r = f.cpu->regs;
    for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++) {
        g_test_message("%s", outputs[i].name);
        r[GPR_RCX] = outputs[i].rcx;
        r[GPR_RDX] = outputs[i].rdx;
        r[GPR_R8] = outputs[i].r8;
        r[GPR_R9] = outputs[i].r9;
        g_assert_cmpint(fixture_tdcall(&f, outputs[i].rax), ==, RETURNED);
        g_assert_cmphex(r[GPR_RCX], ==, outputs[i].out_rcx);
        g_assert_cmphex(r[GPR_RDX], ==, outputs[i].out_rdx);
        g_assert_cmphex(r[GPR_R8], ==, outputs[i].out_r8);
    }
    r[GPR_RCX] = 0x8000; /* a hole: the host's turn */
    g_assert_cmpint(fixture_tdcall(&f, 23), ==, LEFT);
    r[GPR_RCX] = 0x8000;
    r[GPR_RDX] = r[GPR_R8] = 0;
    g_assert_cmpint(fixture_tdcall(&f, 24), ==, LEFT);
    g_assert_true(f.vcpu->exit.write);
    fixture_close(&f);
}

static uint64_t vp_write(Fixture *f, uint64_t id, uint64_t value, uint64_t mask)
{
    uint64_t *r = f->cpu->regs;
    r[GPR_RCX] = 0;
    r[GPR_RDX] = id;
    r[GPR_R8] = value;
    r[GPR_R9] = mask;
    g_assert_cmpint(fixture_tdcall(f, 10), ==, RETURNED);
    g_assert_cmphex(r[GPR_RAX], ==, 0);
    return r[GPR_R8]; /* what stood there */
}

/*
 * CPUID can be made to raise #VE for all leaves or single ones, by privilege: TDG.VP.CPUIDVE.SET
 * and TDG.VP.WR see one another.
 */
static void test_cpuid_control(void)
{
    const uint64_t user = UINT64_C(0xa020000000000008), control = UINT64_C(0xa120000000000000);
    Fixture f;
    uint32_t out[4];
    open_with_pages(&f);
    uint64_t *r = f.cpu->regs;
    r[GPR_RCX] = 2;
    g_assert_cmpint(fixture_tdcall(&f, 5), ==, RETURNED);
    g_assert_cmphex(vp_write(&f, user, 0, 0xff), ==, 1);
    g_assert_cmphex(f.vcpu->cpuid_ve, ==, 0);
    g_assert_cmphex(vp_write(&f, user - 1, 1, 1), ==, 0);
    g_assert_false(module_cpuid_execute(f.vcpu, 1, 0, out));
    f.cpu->cpl = 3;
    g_assert_true(module_cpuid_execute(f.vcpu, 1, 0, out));
    f.cpu->cpl = 0;
    g_assert_cmphex(vp_write(&f, user - 1, 0, 1), ==, 1);
    /* the first is leaf 1, as in TD_PARAMS */
    g_assert_cmphex(vp_write(&f, control, 1, 3), ==, 0);
    g_assert_false(module_cpuid_execute(f.vcpu, 1, 0, out));
    g_assert_true(module_cpuid_execute(f.vcpu, 0, 0, out));
    f.cpu->cpl = 3;
    g_assert_true(module_cpuid_execute(f.vcpu, 1, 0, out));
    f.cpu->cpl = 0;
    g_assert_cmphex(vp_write(&f, control, 2, 3), ==, 1);
    g_assert_true(module_cpuid_execute(f.vcpu, 1, 0, out));
    f.cpu->cpl = 1; /* what is not 0 is a user here */
    g_assert_false(module_cpuid_execute(f.vcpu, 1, 0, out));
    f.cpu->cpl = 0;
    /* the first that cannot be configured is leaf 0 */
    vp_write(&f, control + f.td->table->num_config, 1, 1);
    g_assert_false(module_cpuid_execute(f.vcpu, 0, 0, out));
    for (unsigned i = 0; i < f.td->table->num_rows; i++) { /* each row has one of its own */
        for (unsigned k = 0; k < i; k++) {
            g_assert_cmpuint(module_cpuid_control(f.td->table, i), !=,
                             module_cpuid_control(f.td->table, k));
        }
    }
    fixture_close(&f);
}

/* The list of TDG.SYS.RDALL: runs of fields of one size. */
static void test_sys_list(void)
{
    Fixture f;
    uint8_t *page = NULL;
    _Atomic uint8_t *state;
    uint64_t w[32];
    open_with_pages(&f);
    g_assert_true(sept_lookup(&f.td->sept, PAGE, &state, &page));
    f.cpu->regs[GPR_RDX] = PAGE;
    f.cpu->regs[GPR_R8] = UINT64_MAX;
    g_assert_cmpint(fixture_tdcall(&f, 12), ==, RETURNED);
    memcpy(w, page, sizeof(w));
    g_assert_cmphex(w[0], ==, (1 + 8 + 12) * 8 | 8 << 16);
    g_assert_cmphex(w[1], ==, UINT64_C(0x0800000200000000)); /* VENDOR_ID */
    g_assert_cmphex(w[2], ==, 0x8086);
    g_assert_cmphex(w[3], ==,
                    UINT64_C(0x0800000100000003) | UINT64_C(1)
                                                       << 38); /* MINOR_VERSION and MAJOR_VERSION */
    g_assert_cmphex(w[4], ==, f.profile.module_minor);
    g_assert_cmphex(w[5], ==, f.profile.module_major);
    g_assert_cmphex(w[14], ==, UINT64_C(0x2000000100000001) | UINT64_C(3) << 38);
    g_assert_cmphex(page[(1 + 8 + 12) * 8], ==, 0x41); /* nothing behind it */
    /* from the middle of a run */
    f.cpu->regs[GPR_RDX] = PAGE;
    f.cpu->regs[GPR_R8] = UINT64_C(0x2000000100000003);
    g_assert_cmpint(fixture_tdcall(&f, 12), ==, RETURNED);
    memcpy(w, page, sizeof(w));
    g_assert_cmphex(w[0], ==, (1 + 2 + 3) * 8 | 2 << 16);
    g_assert_cmphex(w[1], ==, UINT64_C(0x2000000100000003) | UINT64_C(1) << 38);
    g_assert_cmphex(w[4], ==, UINT64_C(0xa200000100000000));
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
    {"INVD", VMX_EXIT_INVD, VEC_VE}, {"WBINVD", VMX_EXIT_WBINVD, VEC_VE},
    {"VMCALL", VMX_EXIT_VMCALL, VEC_VE},
    {"PCONFIG", VMX_EXIT_PCONFIG, VEC_VE}, {"APIC write", VMX_EXIT_APIC_WRITE, VEC_VE},
    {"MONITOR", VMX_EXIT_MONITOR, -1},
    {"MWAIT", VMX_EXIT_MWAIT, -1}, {"UMWAIT", VMX_EXIT_UMWAIT, -1}, {"TPAUSE", VMX_EXIT_TPAUSE, -1},
    {"RDPMC", VMX_EXIT_RDPMC, VEC_GP}, {"GETSEC", VMX_EXIT_GETSEC, VEC_UD}, {"RSM", 17, VEC_UD},
    {"VMCLEAR", 19, VEC_UD},
    {"VMLAUNCH", 20, VEC_UD}, {"VMPTRLD", 21, VEC_UD}, {"VMPTRST", 22, VEC_UD},
    {"VMREAD", 23, VEC_UD},
    {"VMRESUME", 24, VEC_UD}, {"VMWRITE", 25, VEC_UD}, {"VMXOFF", 26, VEC_UD},
    {"VMXON", 27, VEC_UD}, {"INVEPT", 50, VEC_UD},
    {"INVVPID", 53, VEC_UD}, {"VMFUNC", 59, VEC_UD}, {"ENCLS", 60, VEC_UD}, {"ENCLV", 70, VEC_UD},
    {"SEAMCALL", 76, VEC_UD},
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
    g_test_add_func("/tdcall/outputs", test_outputs);
    g_test_add_func("/tdcall/cpuid-control", test_cpuid_control);
    g_test_add_func("/tdcall/sys-list", test_sys_list);
    g_test_add_func("/tdcall/veinfo", test_veinfo);
    g_test_add_func("/tdcall/events", test_events);
    return g_test_run();
}
