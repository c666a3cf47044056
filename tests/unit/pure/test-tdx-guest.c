/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties of tdx-guest. */
#include <string.h>

#include "target/i386/kvm/tdx-guest.h"

#define B64_48 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"

static const struct {
    const char *name, *value, *message; /* message NULL: good */
} rows[] = {
    { "attributes", "0x10000000", NULL },
    { "attributes", "268435456", NULL },
    { "attributes", "0", NULL },
    { "attributes", "0x8000000050000000", NULL },
    { "sept-ve-disable", "on", NULL },
    { "sept-ve-disable", "false", NULL },
    { "mrconfigid", B64_48, NULL },
    { "mrowner", B64_48, NULL },
    { "mrownerconfig", B64_48, NULL },
    { "attributes", "zzz", "Parameter 'attributes' expects a uint64 value" },
    { "attributes", "", "expects a uint64 value" },
    { "attributes", "-1", "expects a uint64 value" },
    { "attributes", "0x", "expects a uint64 value" },
    { "attributes", "0x1g", "expects a uint64 value" },
    { "attributes", "18446744073709551616", "expects a uint64 value" },
    { "attributes", "1", "does not accept bits 0x1: 0x8000000050000000 can be set\nBit 0 (DEBUG)" },
    { "attributes", "0x20000000", "does not accept bits 0x20000000" },
    { "sept-ve-disable", "maybe", "Parameter 'sept-ve-disable' expects 'on' or 'off'" },
    { "sept-ve-disable", "", "expects 'on' or 'off'" },
    { "mrconfigid", "zz", "'zz' is not base64" },
    { "mrconfigid", "", "TDX 'mrconfigid' sha384 digest was 0 bytes, expected 48 bytes" },
    { "mrowner", "AAAA", "TDX 'mrowner' sha384 digest was 3 bytes" },
    { "mrowner", B64_48 "AAAA", "was 51 bytes" },
    { "mrownerconfig", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4=",
      "was 47 bytes" },
    { "mrownerconfig", "====", "is not base64" },
    { "mrconfigid", " " B64_48 "   ", "is not base64" },
    { "debug", "on", "Invalid parameter 'debug'" },
    { "", "on", "Invalid parameter ''" },
    { "quote-generation-socket", "vsock:2:4050", NULL },
    { "quote-generation-socket", "unix:/run/qgs", NULL },
    { "quote-generation-socket", "tcp:localhost:4050", NULL },
    { "quote-generation-socket", "fd:7", NULL },
    { "quote-generation-socket", "{\"type\": \"vsock\", \"cid\": \"2\", \"port\": \"4050\"}",
      NULL },
    { "quote-generation-socket", "2:4050",
      "Parameter 'quote-generation-socket': error parsing address '2:4050'" },
    { "quote-generation-socket", "", "Use unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or fd:NUMBER" },
    { "quote-generation-socket", "{\"type\": \"bogus\"}",
      "Parameter 'quote-generation-socket.type' does not accept value 'bogus'" },
    { "quote-generation-socket", "{\"type\": \"unix\"}",
      "Parameter 'quote-generation-socket.path' is missing" },
    { "quote-generation-socket", "{", "JSON parse error" },
    /* Of the trees that carried TDX before QEMU did, and mistyped ones */
    { "debug", "off", "Invalid parameter 'debug'\nA TD under KVM cannot be debugged" },
    { "quote-generation-service", "vsock:2:4050", "Invalid parameter 'quote-generation-service'\n"
      "Use quote-generation-socket.type=vsock,quote-generation-socket.cid=2,"
      "quote-generation-socket.port=4050" },
    { "quote-generation-service", "unix:/run/qgs",
      "Use quote-generation-socket.type=unix,quote-generation-socket.path=/run/qgs" },
    { "quote-generation-service", "4050",
      "Use quote-generation-socket.type=unix,"
      "quote-generation-socket.path=/var/run/tdx-qgs/qgs.socket" },
    { "tsc-freq", "1000000000", "use -cpu host,tsc-frequency=HZ" },
    { "max-vcpus", "4", "use -smp" },
    { "pks", "on", "use -cpu host,+pks" },
    { "sept_ve_disable", "on", "Did you mean 'sept-ve-disable'?" },
    { "mrconfig", "x", "Did you mean 'mrconfigid'?" },
    { "mrowner", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
      "202122232425262728292a2b2c2d2e2f",
      "was 72 bytes, expected 48 bytes\nThis is hexadecimal: in base64 it is " B64_48 },
};

static void test_set(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(TdxGuestConfig) config = tdx_guest_config_new("tdx0");
        g_autoptr(GError) err = NULL;
        bool good = tdx_guest_config_set(config, rows[i].name, rows[i].value, &err);
        g_test_message("%s=%s", rows[i].name, rows[i].value);
        g_assert_cmpint(good, ==, rows[i].message == NULL);
        if (rows[i].message && !strstr(err->message, rows[i].message)) {
            g_test_message("'%s' lacks '%s'", err->message, rows[i].message);
            g_test_fail();
        }
    }
}

static void test_attributes(void)
{
    static const struct {
        const char *attributes, *sept_ve_disable;
        bool good;
        uint64_t result;
    } combinations[] = {
        { NULL, NULL, true, 0x10000000 }, { NULL, "off", true, 0 },
        { NULL, "on", true, 0x10000000 },
        { "0", NULL, true, 0 }, { "0x40000000", NULL, true, 0x40000000 },
        { "0x50000000", "on", true, 0x50000000 },
        { "0x40000000", "off", true, 0x40000000 }, { "0", "on", false, 0 },
        { "0x10000000", "off", false, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(combinations); i++) {
        g_autoptr(TdxGuestConfig) config = tdx_guest_config_new("tdx0");
        g_autoptr(GError) err = NULL;
        if (combinations[i].sept_ve_disable) {
            g_assert_true(tdx_guest_config_set(config, "sept-ve-disable",
                                               combinations[i].sept_ve_disable, &err));
        }
        if (combinations[i].attributes) {
            g_assert_true(
                tdx_guest_config_set(config, "attributes", combinations[i].attributes, &err));
        }
        g_assert_cmpint(tdx_guest_config_complete(config, &err), ==, combinations[i].good);
        if (combinations[i].good) {
            g_assert_cmphex(tdx_guest_config_attributes(config), ==, combinations[i].result);
        } else {
            g_assert_nonnull(strstr(err->message, "attributes="));
            g_assert_nonnull(strstr(err->message, "contradicts sept-ve-disable="));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx-guest/set", test_set);
    g_test_add_func("/tdx-guest/attributes", test_attributes);
    return g_test_run();
}
