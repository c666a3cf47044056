/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes, GUIDs, sizes, errors. */
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"
#include "util/guid.h"
#include "util/units.h"

static void test_bytes(void)
{
    static const uint8_t data[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    Bytes b = { data, sizeof(data) }, slice = { 0 };
    uint16_t v16 = 0xdead;
    uint32_t v32 = 0xdead;
    uint64_t v64 = 0xdead;

    g_assert_true(bytes_u16(b, 7, &v16) && v16 == 0x0908);
    g_assert_true(bytes_u32(b, 5, &v32) && v32 == 0x09080706);
    g_assert_true(bytes_u64(b, 1, &v64) && v64 == 0x0908070605040302);
    g_assert_false(bytes_u16(b, 8, &v16) || bytes_u32(b, 6, &v32) || bytes_u64(b, 2, &v64));
    g_assert_false(bytes_u16(b, UINT64_MAX, &v16) || bytes_u64(b, UINT64_MAX - 3, &v64));
    g_assert_true(v16 == 0x0908 && v32 == 0x09080706 && v64 == 0x0908070605040302);
    g_assert_true(bytes_slice(b, 9, 0, &slice) && slice.size == 0);
    g_assert_false(bytes_slice(b, 10, 0, &slice) || bytes_slice(b, 1, UINT64_MAX, &slice) ||
                   bytes_slice(b, 9, 1, &slice));
    g_assert_cmphex(load_be32(data), ==, 0x01020304);
    uint8_t out[8];
    store_be64(out, 0x0102030405060708);
    g_assert_cmpmem(out, 8, data, 8);
    g_assert_true(ranges_overlap(0, 2, 1, 1) && !ranges_overlap(0, 1, 1, 1));
}

static void test_guid(void)
{
    static const char text[] = "96b582de-1fb2-45f7-baea-a366c55a082d";
    static const uint8_t stored[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                        0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
    static const char *const bad[] = {
        "", "96b582de", "96b582de-1fb2-45f7-baea-a366c55a082",
        "96b582de-1fb2-45f7-baea-a366c55a082d0",
        "96b582de11fb2-45f7-baea-a366c55a082d", "g6b582de-1fb2-45f7-baea-a366c55a082d",
        "96b582de-1fb2-45f7-baea-a366c55a08-d",
    };
    uint8_t guid[16];

    g_assert_true(guid_parse(text, guid));
    g_assert_cmpmem(guid, 16, stored, 16);
    g_assert_true(guid_is(stored, text));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(guid_parse(bad[i], guid));
    }
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t unit, size;
    } good[] = {
        { "512", MiB, 512 * MiB }, { "2G", MiB, 2 * GiB }, { "1.5M", 1, 1536 * KiB },
        { "0x1000", 1, 4096 }, { "0", 1, 0 },
        { "1b", MiB, 1 }, { "15E", 1, UINT64_C(15) << 60 },
    };
    static const char *const bad[] = { "", "G", "-1", "+1", "1GB", "1 G", "1.G", "1..5G",
                                       "99999999999999999999", "16E", "1x",
                                       "18446744073709551616" };
    static const struct {
        uint64_t size;
        const char *text;
    } texts[] = { { 0, "0 bytes" }, { 17, "17 bytes" }, { 132 * KiB, "132 KiB" },
                  { 2 * GiB, "2 GiB" },
                  { 2 * GiB + 1, "2147483649 bytes" } };
    uint64_t size;

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(parse_size(good[i].text, good[i].unit, &size));
        g_assert_cmphex(size, ==, good[i].size);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("'%s'", bad[i]);
        g_assert_false(parse_size(bad[i], 1, &size));
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text = format_size(texts[i].size);
        g_assert_cmpstr(text, ==, texts[i].text);
    }
}

static void test_errors(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(error_set(&err, "value %d", 3));
    error_hint(&err, "try %d", 4);
    g_assert_cmpstr(err->message, ==, "value 3\ntry 4");
    g_assert_true(err->domain == VMM_ERROR);
    g_assert_false(error_set(NULL, "nobody listens"));
    error_hint(NULL, "nor here");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/bytes", test_bytes);
    g_test_add_func("/util/guid", test_guid);
    g_test_add_func("/util/sizes", test_sizes);
    g_test_add_func("/util/errors", test_errors);
    return g_test_run();
}
