/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MRTD, RTMR and TDREPORT against vectors made by another implementation. */
#include <string.h>

#include "fixture.h"

static char *hex(const uint8_t *p, size_t n)
{
    GString *s = g_string_new(NULL);
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%02x", p[i]);
    }
    return g_string_free(s, FALSE);
}

static void assert_digest(const uint8_t *p, const char *expected)
{
    g_autofree char *text = hex(p, 48);
    g_assert_cmpstr(text, ==, expected);
}

static uint8_t zeros[4096], pattern[4096];

static void add(Td *td, uint64_t gpa, const uint8_t *page)
{
    g_assert_cmphex(td_page_add(td, gpa, page), ==, 0);
}

static void extend(Td *td, uint64_t gpa)
{
    for (unsigned i = 0; i < 4096; i += 256) {
        g_assert_cmphex(td_mr_extend(td, gpa + i), ==, 0);
    }
}

static void v0(Td *td)
{
}

static void v1(Td *td)
{
    add(td, 0, zeros);
}

static void v2(Td *td)
{
    add(td, 0x80b000, zeros);
}

static void v3(Td *td)
{
    add(td, 0xfffff000, zeros);
    extend(td, 0xfffff000);
}

static void v4(Td *td)
{
    add(td, 0xfffff000, pattern);
    extend(td, 0xfffff000);
}

static void v5(Td *td)
{
    add(td, 0xffffe000, pattern);
    extend(td, 0xffffe000);
    v3(td);
    v2(td);
}

static void v6(Td *td)
{
    add(td, 0xffffe000, pattern);
    add(td, 0xfffff000, zeros);
    extend(td, 0xffffe000);
    extend(td, 0xfffff000);
    v2(td);
}

static const struct {
    const char *name;
    void (*build)(Td *td);
    const char *mrtd;
} mrtd_vectors[] = {
    {"V0", v0, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
      "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"},
    {"V1", v1, "8f3e9a8aca6784eab874f7aa4dda5d49104a88047f1f8669"
      "5ef2a88f5691a90e34aac48ce45ffa1f5a23c7d62980d570"},
    {"V2", v2, "33607e8dc7a490632a61f01592a35b3372d2c7f8760f365f"
      "8c6d8d8b882d60fe787287c86464d4def64d8e10796b3f93"},
    {"V3", v3, "07f08f558c5e2593b33452cf00c12a165c07b027a36424ec"
      "fa15ebf39b5415e0ed62418458e4bfd77f16fec0f1568dc9"},
    {"V4", v4, "cd9d793217c8e5918ad18eca449ba10dcfc5faafc19ceeae"
      "46b925d054f3b68f85127312438aeba5bc187d9dc73a20fa"},
    {"V5", v5, "ade6ecbffbb96fd1ecd8a18cc40338f0800a2768c03a3791"
      "8a0088defe916de50deeed15cd3b1e2c5b28359cd204ad15"},
    {"V6", v6, "8a9f814692928f1cbce7b07b80aecf8ea0ea0bb178394391"
      "80199c4a82742ab8cd3906da40233a65b4c2ab42bb061519"},
};

static void test_mrtd(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mrtd_vectors); i++) {
        Fixture f;
        uint8_t mrtd[48];
        g_test_message("%s", mrtd_vectors[i].name);
        fixture_prepare(&f);
        fixture_open(&f);
        mrtd_vectors[i].build(f.td);
        fixture_finalize(&f);
        td_mrtd(f.td, mrtd);
        assert_digest(mrtd, mrtd_vectors[i].mrtd);
        fixture_close(&f);
    }
}

/* Debian 12's OVMF.fd: file offset, bytes in file, GPA, size, measured. */
static const struct {
    size_t offset, raw;
    uint64_t gpa, size;
    bool measured;
} ovmf_sections[] = {
    {0x20000, 0x1e0000, 0xffe20000, 0x1e0000, true},
    {0, 0x20000, 0xffe00000, 0x20000, false},
    {0, 0, 0x810000, 0x10000, false},
    {0, 0, 0x80b000, 0x2000, false},
    {0, 0, 0x809000, 0x2000, false},
    {0, 0, 0x800000, 0x6000, false},
};

static void test_ovmf(void)
{
    g_autofree char *file = NULL;
    gsize size = 0;
    uint8_t mrtd[48];
    Fixture f;
    if (!g_file_get_contents("/usr/share/ovmf/OVMF.fd", &file, &size, NULL)) {
        g_test_skip("/usr/share/ovmf/OVMF.fd does not exist");
        return;
    }
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)file,
                                                       size);
    if (strcmp(sum, "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773") != 0) {
        g_test_skip("OVMF.fd is another build than the one whose MRTD is known");
        return;
    }
    fixture_prepare(&f);
    fixture_open(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(ovmf_sections); i++) {
        for (uint64_t at = 0; at < ovmf_sections[i].size; at += 4096) {
            bool in_file = at < ovmf_sections[i].raw;
            uint64_t gpa = ovmf_sections[i].gpa + at;
            add(f.td, gpa, in_file ? (const uint8_t *)file + ovmf_sections[i].offset + at : zeros);
            if (ovmf_sections[i].measured) {
                extend(f.td, gpa);
            }
        }
    }
    fixture_finalize(&f);
    td_mrtd(f.td, mrtd);
    assert_digest(mrtd, "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057fb887fed07"
                        "44d5631a212967fb231c47");
    fixture_close(&f);
}

static void test_rtmr(void)
{
    Fixture f;
    uint8_t data[48] = {0}, rtmr[48];
    fixture_prepare(&f);
    fixture_open(&f);
    measure_rtmr_extend(f.td, 1, data);
    td_rtmr(f.td, 1, rtmr);
    assert_digest(rtmr, "f57bb7ed82c6ae4a29e6c9879338c592c7d42a39135583e8ccbe3940f2344b0eb6eb8503db"
                        "0ffd6a39ddd00cd07d8317");
    for (unsigned i = 0; i < 48; i++) {
        data[i] = (uint8_t)(i + 1);
    }
    measure_rtmr_extend(f.td, 3, data);
    td_rtmr(f.td, 3, rtmr);
    assert_digest(rtmr, "d354e1d2a255d3ddf046cb8f87880e2e019a15decda18d7087957c94608dacee702296f19c"
                        "4d03209f96303513f0d69b");
    td_rtmr(f.td, 0, rtmr);
    g_assert_cmpmem(rtmr, 48, zeros, 48);
    td_rtmr(f.td, 4, rtmr);
    g_assert_cmpmem(rtmr, 48, zeros, 48);
    fixture_close(&f);
}

static void test_report(void)
{
    Fixture f;
    uint8_t report[TDREPORT_SIZE], data[64], digest[48];
    memset(data, 0x5a, sizeof(data));
    fixture_prepare(&f);
    memset(f.params.mrowner, 0x11, 48);
    fixture_open(&f);
    fixture_finalize(&f);
    report_make(f.td, data, report);
    g_assert_cmpint(report[0], ==, 0x81);
    g_assert_cmpmem(report + 128, 64, data, 64);
    sha384(report + 256, 239, digest);
    g_assert_cmpmem(report + 32, 48, digest, 48);
    sha384(report + 512, 512, digest);
    g_assert_cmpmem(report + 80, 48, digest, 48);
    g_assert_cmpmem(report + 624, 48, f.params.mrowner, 48);
    g_assert_cmpint(report[256] | report[257] << 8 | report[258] << 16, ==, 0x301ff);
    assert_digest(report + 528, mrtd_vectors[0].mrtd);
    g_assert_cmphex(report_verify(&f.profile, report), ==, 0);
    report[130] ^= 1;
    g_assert_cmphex(report_verify(&f.profile, report), ==, TDX_INVALID_REPORTMACSTRUCT);
    report[16] ^= 1;
    g_assert_cmphex(report_verify(&f.profile, report), ==, TDX_INVALID_CPUSVN);
    fixture_close(&f);
}

/* Against GLib's, for lengths around block borders and in pieces. */
static void test_sha(void)
{
    uint8_t text[400];
    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i * 7 + 3);
    }
    for (size_t n = 0; n <= sizeof(text); n++) {
        uint8_t digest[48], digest256[32], mac[32];
        Sha384 s;
        Sha256 s256;
        sha384_init(&s);
        sha384_update(&s, text, n / 3);
        sha384_update(&s, text + n / 3, n - n / 3);
        sha384_final(&s, digest);
        sha256_init(&s256);
        sha256_update(&s256, text, n / 2);
        sha256_update(&s256, text + n / 2, n - n / 2);
        sha256_final(&s256, digest256);
        hmac_sha256(text, 32, text, n, mac);
        g_autofree char *a = hex(digest, 48), *b = hex(digest256, 32), *c = hex(mac, 32);
        g_autofree char *ea = g_compute_checksum_for_data(G_CHECKSUM_SHA384, text, n);
        g_autofree char *eb = g_compute_checksum_for_data(G_CHECKSUM_SHA256, text, n);
        g_autofree char *ec = g_compute_hmac_for_data(G_CHECKSUM_SHA256, text, 32, text, n);
        g_assert_cmpstr(a, ==, ea);
        g_assert_cmpstr(b, ==, eb);
        g_assert_cmpstr(c, ==, ec);
    }
}

int main(int argc, char **argv)
{
    for (unsigned i = 0; i < 4096; i++) {
        pattern[i] = (uint8_t)i;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/measure/sha", test_sha);
    g_test_add_func("/measure/mrtd", test_mrtd);
    g_test_add_func("/measure/ovmf", test_ovmf);
    g_test_add_func("/measure/rtmr", test_rtmr);
    g_test_add_func("/measure/report", test_report);
    return g_test_run();
}
