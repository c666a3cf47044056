/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS tables: structures walked as an operating system does, options, and the entry point. */
#include <string.h>

#include "hw/i386/smbios.h"
#include "util/bytes.h"

/* The n-th structure of a type, NULL: none. Every step is checked to stay inside. */
static const uint8_t *find(const GByteArray *tables, uint8_t type, unsigned n)
{
    for (guint at = 0; at + 4 <= tables->len;) {
        const uint8_t *s = tables->data + at;

        g_assert_cmpuint(s[1], >=, 4);
        guint next = at + s[1];
        g_assert_cmpuint(next + 2, <=, tables->len);
        while (tables->data[next] || tables->data[next + 1]) {
            next++;
            g_assert_cmpuint(next + 2, <=, tables->len);
        }
        if (s[0] == type && n-- == 0) {
            return s;
        }
        at = next + 2;
    }
    return NULL;
}

static const char *string_of(const uint8_t *s, unsigned number)
{
    const char *text = (const char *)s + s[1];

    while (--number) {
        text += strlen(text) + 1;
    }
    return text;
}

static SmbiosConfig config_of(const SmbiosOptions *options, uint64_t ram)
{
    return (SmbiosConfig){.options = options,
                          .machine = "pc-q35-11.1",
                          .uuid = "01234567-89ab-cdef-0123-456789abcdef",
                          .sockets = 2,
                          .cores = 3,
                          .threads = 2,
                          .ram = e820_layout(ram)};
}

static void test_defaults(void)
{
    SmbiosConfig config = config_of(NULL, 40 * GiB);
    uint8_t anchor[SMBIOS_ANCHOR_SIZE], sum = 0;
    g_autoptr(GByteArray) tables = smbios_build(&config, anchor);
    static const uint8_t uuid[16] = { 0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 0x01, 0x23,
                                      0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

    for (unsigned i = 0; i < sizeof(anchor); i++) {
        sum = (uint8_t)(sum + anchor[i]);
    }
    g_assert_cmpuint(sum, ==, 0);
    g_assert_cmpmem(anchor, 5, "_SM3_", 5);
    g_assert_cmpuint(load_le32(anchor + 12), ==, tables->len);
    g_assert_null(find(tables, 0, 0));
    const uint8_t *s = find(tables, 1, 0);
    g_assert_cmpstr(string_of(s, s[4]), ==, "QEMU");
    g_assert_cmpstr(string_of(s, s[6]), ==, "pc-q35-11.1");
    g_assert_cmpmem(s + 8, 16, uuid, 16);
    g_assert_cmpuint(s[7], ==, 0);
    s = find(tables, 4, 1);
    g_assert_cmpuint(s[1], ==, 0x30);
    g_assert_cmpuint(s[0x23], ==, 3);
    g_assert_cmpuint(s[0x25], ==, 6);
    g_assert_null(find(tables, 4, 2));
    s = find(tables, 16, 0);
    g_assert_cmpuint(load_le32(s + 7), ==, 40 * GiB / KiB);
    g_assert_cmpuint(load_le16(s + 13), ==, 3);
    g_assert_cmpuint(load_le16(find(tables, 17, 0) + 0xc), ==, 16384);
    g_assert_cmpuint(load_le16(find(tables, 17, 2) + 0xc), ==, 8192);
    g_assert_cmpuint(find(tables, 17, 0)[1], ==, 0x28);
    g_assert_cmpuint(load_le32(find(tables, 19, 0) + 8), ==, 2 * GiB / KiB - 1);
    g_assert_cmpuint(load_le32(find(tables, 19, 1) + 4), ==, 4 * GiB / KiB);
    g_assert_cmpuint(find(tables, 19, 1)[1], ==, 0x1f);
    g_assert_cmpuint(find(tables, 127, 0) + 6 - tables->data, ==, tables->len);
}

static void test_large(void)
{
    SmbiosConfig config = config_of(NULL, 8 * TiB);
    uint8_t anchor[SMBIOS_ANCHOR_SIZE];
    g_autoptr(GByteArray) tables = smbios_build(&config, anchor);

    g_assert_cmpuint(load_le32(find(tables, 16, 0) + 7), ==, UINT32_C(0x80000000));
    g_assert_cmpuint(load_le64(find(tables, 16, 0) + 15), ==, 8 * TiB);
    g_assert_cmpuint(load_le16(find(tables, 17, 0) + 0xc), ==, 0x7fff);
    g_assert_cmpuint(load_le32(find(tables, 17, 0) + 0x1c), ==, 33 * GiB / MiB);
    g_assert_cmpuint(load_le32(find(tables, 19, 1) + 4), ==, UINT32_MAX);
    g_assert_cmpuint(load_le64(find(tables, 19, 1) + 15), ==, 4 * GiB);
}

static void test_options(void)
{
    static const char *const good[] = {
        "type=0,vendor=V,version=1,date=01/02/2026,release=4.7,uefi=on",
        "type=1,manufacturer=M,product=P,,Q,version=3,serial=S,sku=K,family=F",
        "type=1,uuid=ffffffff-0000-0000-0000-000000000001", "type=2,product=B", "type=3,asset=A",
        "type=4,max-speed=3500",
        "type=11,value=one", "type=11,value=two,value=three", "type=17,loc_pfx=SLOT,speed=4800",
    };
    g_autoptr(SmbiosOptions) options = smbios_options_new();
    uint8_t anchor[SMBIOS_ANCHOR_SIZE];

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(smbios_options_set(options, good[i], NULL));
    }
    SmbiosConfig config = config_of(options, 1 * GiB);
    g_autoptr(GByteArray) tables = smbios_build(&config, anchor);
    const uint8_t *s = find(tables, 0, 0);
    g_assert_cmpuint(s[0x14], ==, 4);
    g_assert_cmpuint(s[0x15], ==, 7);
    g_assert_cmpuint(s[0x13] & 8, ==, 8);
    s = find(tables, 1, 0);
    g_assert_cmpstr(string_of(s, s[5]), ==, "P,Q");
    g_assert_cmpuint(s[8], ==, 0xff);
    g_assert_cmpuint(s[23], ==, 1);
    s = find(tables, 2, 0);
    g_assert_cmpstr(string_of(s, s[5]), ==, "B");
    s = find(tables, 11, 0);
    g_assert_cmpuint(s[4], ==, 3);
    g_assert_cmpstr(string_of(s, 3), ==, "three");
    g_assert_cmpuint(load_le16(find(tables, 4, 0) + 0x14), ==, 3500);
    g_assert_cmpuint(load_le16(find(tables, 17, 0) + 0x15), ==, 4800);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "'type' is missing" }, { "type=5", "does not accept value '5'" },
        { "type=x", "does not accept value 'x'" },
        { "type=256", "does not accept value '256'" },
        { "type=1,vendor=x", "Invalid parameter 'vendor' for type 1" },
        { "type=1,uuid=1-2", "expects a UUID" }, { "type=0,release=1", "MAJOR.MINOR" },
        { "type=0,release=1.256", "MAJOR.MINOR" },
        { "type=0,release=1.2.3", "MAJOR.MINOR" },
        { "type=0,uefi=maybe", "'uefi' expects 'on' or 'off'" },
        { "type=4,max-speed=fast", "MHz" }, { "type=4,max-speed=65536", "MHz" },
        { "file=/x", "'file' is not supported" },
        { "manufacturer=x", "'type' is missing" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(SmbiosOptions) options = smbios_options_new();
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].text);
        g_assert_false(smbios_options_set(options, rows[i].text, &err));
        g_assert_nonnull(strstr(err->message, rows[i].says));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/defaults", test_defaults);
    g_test_add_func("/smbios/large", test_large);
    g_test_add_func("/smbios/options", test_options);
    g_test_add_func("/smbios/refused", test_refused);
    return g_test_run();
}
