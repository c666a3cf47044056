/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MRTD: vectors made with an independent SHA-384, and of Debian 12's firmware where it is
 * installed.
 */
#include <string.h>

#include "target/i386/kvm/tdx-measure.h"
#include "target/i386/kvm/tdx-memory.h"

static uint8_t zeroes[4096], pattern[4096];

static void ops_none(TdxMrtd *m) {}
static void ops_add_0(TdxMrtd *m) { tdx_mrtd_page_add(m, 0); }
static void ops_add(TdxMrtd *m) { tdx_mrtd_page_add(m, 0x80b000); }
static void ops_zero_page(TdxMrtd *m) { tdx_mrtd_region(m, 0xfffff000, zeroes, 4096, TRUE); }
static void ops_pattern_page(TdxMrtd *m) { tdx_mrtd_region(m, 0xfffff000, pattern, 4096, TRUE); }

static void ops_single_pass(TdxMrtd *m)
{
    uint8_t both[8192];

    memcpy(both, pattern, 4096);
    memset(both + 4096, 0, 4096);
    tdx_mrtd_region(m, 0xffffe000, both, sizeof(both), TRUE);
    tdx_mrtd_region(m, 0x80b000, NULL, 4096, FALSE);
}

static void ops_two_pass(TdxMrtd *m)
{
    tdx_mrtd_page_add(m, 0xffffe000);
    tdx_mrtd_page_add(m, 0xfffff000);
    for (unsigned i = 0; i < 4096; i += 256) {
        tdx_mrtd_extend(m, 0xffffe000 + i, pattern + i);
    }
    for (unsigned i = 0; i < 4096; i += 256) {
        tdx_mrtd_extend(m, 0xfffff000 + i, zeroes + i);
    }
    tdx_mrtd_page_add(m, 0x80b000);
}

static const struct {
    void (*operations)(TdxMrtd *);
    const char *mrtd;
} vectors[] = {
    { ops_none, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
      "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b" },
    { ops_add_0, "8f3e9a8aca6784eab874f7aa4dda5d49104a88047f1f8669"
      "5ef2a88f5691a90e34aac48ce45ffa1f5a23c7d62980d570" },
    { ops_add, "33607e8dc7a490632a61f01592a35b3372d2c7f8760f365f"
      "8c6d8d8b882d60fe787287c86464d4def64d8e10796b3f93" },
    { ops_zero_page, "07f08f558c5e2593b33452cf00c12a165c07b027a36424ec"
      "fa15ebf39b5415e0ed62418458e4bfd77f16fec0f1568dc9" },
    { ops_pattern_page, "cd9d793217c8e5918ad18eca449ba10dcfc5faafc19ceeae"
      "46b925d054f3b68f85127312438aeba5bc187d9dc73a20fa" },
    { ops_single_pass, "ade6ecbffbb96fd1ecd8a18cc40338f0800a2768c03a3791"
      "8a0088defe916de50deeed15cd3b1e2c5b28359cd204ad15" },
    { ops_two_pass, "8a9f814692928f1cbce7b07b80aecf8ea0ea0bb178394391"
      "80199c4a82742ab8cd3906da40233a65b4c2ab42bb061519" },
};

static void test_vectors(void)
{
    for (unsigned i = 0; i < 4096; i++) {
        pattern[i] = i;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        TdxMrtd *m = tdx_mrtd_new();
        uint8_t digest[TDX_MEASUREMENT_SIZE];
        vectors[i].operations(m);
        tdx_mrtd_finish(m, digest);
        g_autofree char *hex = tdx_measurement_hex(digest);
        g_assert_cmpstr(hex, ==, vectors[i].mrtd);
    }
}

static void test_debian_firmware(void)
{
    static const char sha256[] = "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773";
    g_autofree char *file = NULL;
    gsize size;

    if (!g_file_get_contents("/usr/share/ovmf/OVMF.fd", &file, &size, NULL)) {
        g_test_skip("/usr/share/ovmf/OVMF.fd is not installed");
        return;
    }
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (uint8_t *)file, size);
    if (strcmp(sum, sha256)) {
        g_test_skip("/usr/share/ovmf/OVMF.fd is another version than 2022.11-6+deb12u2");
        return;
    }
    g_autoptr(GError) err = NULL;
    E820Layout ram = e820_layout(2 * GiB);
    g_autoptr(TdvfImage) image = tdvf_parse((Bytes){ (uint8_t *)file, size }, "OVMF.fd", &ram,
                                            &err);
    g_assert_no_error(err);
    g_autoptr(GPtrArray) regions = tdx_memory_regions(image, &ram, &err);
    g_assert_no_error(err);
    TdxMrtd *m = tdx_mrtd_new();
    for (unsigned i = 0; i < regions->len; i++) {
        const TdxMemoryRegion *r = g_ptr_array_index(regions, i);
        tdx_mrtd_region(m, r->gpa, r->content, r->size, r->measure);
    }
    uint8_t digest[TDX_MEASUREMENT_SIZE];
    tdx_mrtd_finish(m, digest);
    g_autofree char *hex = tdx_measurement_hex(digest);
    g_assert_cmpstr(hex, ==, "4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057"
                             "fb887fed0744d5631a212967fb231c47");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx-measure/vectors", test_vectors);
    g_test_add_func("/tdx-measure/debian-12-firmware", test_debian_firmware);
    return g_test_run();
}
