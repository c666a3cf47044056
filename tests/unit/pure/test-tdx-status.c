/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of SEAMCALL status words. */
#include <glib.h>
#include <string.h>

#include "target/i386/kvm/tdx-status.h"

static const struct {
    uint64_t status;
    const char *text, *advice; /* parts; NULL: no advice */
} rows[] = {
    { 0, "SUCCESS (0x0000000000000000): no error", NULL },
    { 0xc000010000000045,
      "OPERAND_INVALID (0xc000010000000045): CPUID_CONFIG: a CPUID bit the module does not let",
      "-cpu" },
    { 0xc000010000000040, "ATTRIBUTES", "attributes=" },
    { 0xc000010000000041, "XFAM", "AVX-512" },
    { 0xc000010000000043, "EPTP_CONTROLS", "phys-bits=48" },
    { 0xc000010000000044, "MAX_VCPUS", "-smp" },
    { 0xc000010000000046, "TSC_FREQUENCY", "25 MHz" },
    { 0xc000010000000002, "RDX: reserved", NULL },
    { 0xc0000100000000ff, "OPERAND_INVALID (0xc0000100000000ff): an operand is not permitted",
      NULL },
    { 0x8000020000000080, "OPERAND_BUSY (0x8000020000000080): TDR", "Try again" },
    { 0x8000020300000000, "RND_NO_ENTROPY", "Try again" },
    { 0xc000050500000000, "SYS_NOT_READY", "virt/tdx" },
    { 0xc000060900000000, "NO_VCPUS", NULL },
    { 0xc000090400000000, "CPUID_LEAF_1F_FORMAT_UNRECOGNIZED", "-smp" },
    { 0xc0000b0200000000, "EPT_ENTRY_NOT_FREE", "overlap" },
    { 0xffffff0000000000, "SEAMCALL failed (0xffffff0000000000)", NULL },
    { 0xc0007f0000000001, "error status 0xc0007f0000000001 (class 127: unknown)", NULL },
    { 0xc0000a2200000001, "error status 0xc0000a2200000001 (class 10: TDMR)", NULL },
    { 0x0000123400000000, "unknown status 0x0000123400000000", NULL },
};

static void test_texts(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = tdx_status_describe(rows[i].status);
        const char *advice = tdx_status_advice(rows[i].status);
        if (!strstr(text, rows[i].text)) {
            g_test_message("0x%" G_GINT64_MODIFIER "x: '%s' lacks '%s'", rows[i].status, text,
                           rows[i].text);
            g_test_fail();
        }
        g_assert_cmpint(advice != NULL, ==, rows[i].advice != NULL);
        g_assert_true(!advice || strstr(advice, rows[i].advice));
        g_assert_null(strchr(text, '\n'));
    }
}

/* No word of 64 bits has no text. */
static void test_all_codes(void)
{
    for (uint64_t code = 0; code < 0x10000; code++) {
        g_autofree char *text = tdx_status_describe(0xc000000000000000 | code << 32 |
                                                    (code & 0xff));
        g_assert_cmpuint(strlen(text), >, 10);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx-status/texts", test_texts);
    g_test_add_func("/tdx-status/all-codes", test_all_codes);
    return g_test_run();
}
