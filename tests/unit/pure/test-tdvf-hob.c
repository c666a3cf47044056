/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TD HOB list: its bytes, its pieces for real layouts, and when it does not fit. */
#include <stdlib.h>
#include <string.h>

#include "hw/i386/tdvf-hob.h"
#include "target/i386/kvm/tdx-memory.h"
#include "tdvf-builder.h"

#define A false /* added before launch */
#define U true  /* unaccepted */

/* Pieces as firmware must see them; `end` is the end of low RAM, and high RAM follows. */
static const struct {
    unsigned layout;
    TdvfHobPiece pieces[12]; /* base, end (not size), kind */
} golden[] = {
    { 1, { { 0, 0x800000, U }, { 0x800000, 0x806000, A }, { 0x806000, 0x809000, U },
           { 0x809000, 0x80b000, A },
           { 0x80b000, 0x80d000, A }, { 0x80d000, 0x810000, U }, { 0x810000, 0x820000, A },
           { 0x820000, 0, U } } },
    { 2, { { 0, 0x800000, U }, { 0x800000, 0x806000, A }, { 0x806000, 0x809000, U },
           { 0x809000, 0x80b000, A },
           { 0x80b000, 0x80d000, A }, { 0x80d000, 0x811000, U }, { 0x811000, 0x820000, A },
           { 0x820000, 0, U } } },
    { 3, { { 0, 0x800000, U }, { 0x800000, 0x806000, A }, { 0x806000, 0x809000, U },
           { 0x809000, 0x80b000, A },
           { 0x80b000, 0x80d000, A }, { 0x80d000, 0x814000, U }, { 0x814000, 0x820000, A },
           { 0x820000, 0x830000, A },
           { 0x830000, 0, U } } },
    { 4, { { 0, 0x800000, U }, { 0x800000, 0x806000, A }, { 0x806000, 0x809000, U },
           { 0x809000, 0x80b000, A },
           { 0x80b000, 0x80d000, A }, { 0x80d000, 0x810000, U }, { 0x810000, 0x820000, A },
           { 0x820000, 0, U } } },
};

static unsigned expected_bytes(uint8_t *out, unsigned row, const E820Layout *ram)
{
    uint8_t *p = out;
    unsigned n = 0;

    /* PHIT: type 1, length 56, version 9; its last field follows below. */
    store_le16(p, 1);
    store_le16(p + 2, 56);
    store_le32(p + 8, 9);
    p += 56;
    for (bool last = false; !last; n++) {
        const TdvfHobPiece *piece = &golden[row].pieces[n];
        last = piece->size == 0;
        store_le16(p, 3);
        store_le16(p + 2, 48);
        store_le32(p + 24, piece->unaccepted ? 7 : 0);
        store_le32(p + 28, 7);
        store_le64(p + 32, piece->base);
        store_le64(p + 40, (last ? ram->below_4g : piece->size) - piece->base);
        p += 48;
    }
    if (ram->above_4g) {
        store_le16(p, 3);
        store_le16(p + 2, 48);
        store_le32(p + 24, 7);
        store_le32(p + 28, 7);
        store_le64(p + 32, 0x100000000);
        store_le64(p + 40, ram->above_4g);
        p += 48;
    }
    store_le16(p, 0xffff);
    store_le16(p + 2, 8);
    p += 8;
    store_le64(out + 48, 0x809000 + (p - out));
    return p - out;
}

static void test_golden(void)
{
    static const uint64_t sizes[] = { 512 * MiB, 2 * GiB, 4 * GiB };

    for (unsigned row = 0; row < G_N_ELEMENTS(golden); row++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_autoptr(TdvfBuilder) b = tdvf_builder_new(golden[row].layout);
            g_autoptr(GError) err = NULL;
            E820Layout ram = e820_layout(sizes[i]);
            uint8_t expected[0x2000] = { 0 }, list[0x2000];
            tdvf_builder_build(b);
            g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, &err);
            g_assert_no_error(err);
            memset(list, 0xa5, sizeof(list));
            g_assert_true(tdvf_hob_write(image, &ram, list, sizeof(list), &err));
            unsigned used = expected_bytes(expected, row, &ram);
            g_assert_cmpmem(list, sizeof(list), expected, sizeof(expected));
            /* One byte less does not do, exactly enough does. */
            g_assert_true(tdvf_hob_write(image, &ram, list, used, NULL));
            g_assert_false(tdvf_hob_write(image, &ram, list, used - 1, &err));
            g_autofree char *needed = g_strdup_printf("it takes %u", used);
            g_assert_nonnull(strstr(err->message, needed));
        }
    }
}

/* Independent of any code here: the list of a 4 GiB guest with layout 1, byte for byte. */
static void test_literal(void)
{
    static const struct {
        unsigned offset;
        uint64_t value;
    } words[] = {
        { 0, 0x0000000000380001 }, { 8, 9 }, { 48, 0x809000 + 56 + 9 * 48 + 8 },
        { 56, 0x0000000000300003 }, { 80, 0x0000000700000007 }, { 88, 0 }, { 96, 0x800000 },
        { 104 + 24, 0x0000000700000000 }, { 104 + 32, 0x800000 }, { 104 + 40, 0x6000 },
        { 56 + 8 * 48 + 24, 0x0000000700000007 }, { 56 + 8 * 48 + 32, 0x100000000 },
        { 56 + 8 * 48 + 40, 0x80000000 },
        { 56 + 9 * 48, 0x000000000008ffff },
    };
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
    E820Layout ram = e820_layout(4 * GiB);
    uint8_t list[0x2000];

    tdvf_builder_build(b);
    g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, NULL);
    g_assert_true(tdvf_hob_write(image, &ram, list, sizeof(list), NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_assert_cmphex(load_le64(list + words[i].offset), ==, words[i].value);
    }
}

/*
 * A RAM boundary at a section's boundary leaves no empty piece; pieces cover RAM without gap or
 * overlap.
 */
static void test_cover(void)
{
    static const uint64_t sizes[] = { 0x820000, 0x821000, 64 * MiB, 0xaffff000, 0xb0000000,
                                      64 * GiB };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
        E820Layout ram = e820_layout(sizes[i]);
        uint64_t total = 0;
        hwaddr at = 0;
        tdvf_builder_build(b);
        g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, NULL);
        g_autoptr(GArray) pieces = tdvf_hob_pieces(image, &ram);
        for (unsigned n = 0; n < pieces->len; n++) {
            const TdvfHobPiece *p = &g_array_index(pieces, TdvfHobPiece, n);
            at = at == ram.below_4g ? 4 * GiB : at;
            g_assert_cmphex(p->base, ==, at);
            g_assert_cmphex(p->size, >, 0);
            at += p->size;
            total += p->size;
        }
        g_assert_cmphex(total, ==, sizes[i]);
    }
}

static void test_regions(void)
{
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
    g_autoptr(GError) err = NULL;
    E820Layout ram = e820_layout(2 * GiB);

    b->sections[b->count++] = (TdvfSection){ 0, 0, 0x1000000, 0x400000, TDVF_SECTION_PERM_MEM, 2 };
    tdvf_builder_build(b);
    g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, &err);
    g_autoptr(GPtrArray) regions = tdx_memory_regions(image, &ram, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(regions->len, ==, 6); /* PermMem is the guest's to accept */
    for (unsigned i = 0; i < regions->len; i++) {
        const TdxMemoryRegion *r = g_ptr_array_index(regions, i);
        g_assert_cmphex(r->gpa, ==, b->sections[i].memory_address);
        g_assert_cmphex(r->size, ==, b->sections[i].memory_data_size);
        g_assert_cmpuint(r->measure, ==, i == 0);
        g_assert_cmpuint((uintptr_t)r->content % 4096, ==, 0);
    }
    const TdxMemoryRegion *bfv = g_ptr_array_index(regions, 0),
                          *hob = g_ptr_array_index(regions, 4);
    g_assert_cmpmem(bfv->content, bfv->size, b->file + 0x20000, 0x1e0000);
    g_assert_cmphex(load_le64(hob->content), ==, 0x380001);
}

/*
 * A section that fills its pages is used where it lies in the file, if that is at a page; any other
 * is a copy.
 */
static void test_regions_in_file(void)
{
    static const struct {
        const char *label;
        size_t shift;
        bool in_file;
    } rows[] = { { "file at a page", 0, true }, { "file inside a page", 16, false },
                 { "one byte off", 1, false } };
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
    E820Layout ram = e820_layout(2 * GiB);

    tdvf_builder_build(b);
    Bytes built = tdvf_builder_bytes(b);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        void *pages = NULL;

        g_test_message("%s", rows[i].label);
        g_assert_cmpint(posix_memalign(&pages, 4096, built.size + 4096), ==, 0);
        uint8_t *file = (uint8_t *)pages + rows[i].shift;
        memcpy(file, built.data, built.size);
        TdvfImage *image = tdvf_parse((Bytes){ file, built.size }, "fw", &ram, &err);
        g_assert_no_error(err);
        GPtrArray *regions = tdx_memory_regions(image, &ram, &err);
        g_assert_no_error(err);
        const TdxMemoryRegion *bfv = g_ptr_array_index(regions, 0);
        g_assert_true((bfv->content == file + image->sections[0].data_offset) == rows[i].in_file);
        g_assert_true((bfv->own == NULL) == rows[i].in_file);
        g_assert_cmpmem(bfv->content, bfv->size, built.data + image->sections[0].data_offset,
                        bfv->size);
        for (unsigned n = 1; n < regions->len; n++) { /* no raw data of their own */
            const TdxMemoryRegion *r = g_ptr_array_index(regions, n);
            g_assert_true(r->content == r->own || (r->own == NULL && rows[i].in_file));
            g_assert_cmpuint((uintptr_t)r->content % 4096, ==, 0);
        }
        g_ptr_array_unref(regions);
        tdvf_free(image);
        free(pages);
    }
}

static void test_hob_too_small(void)
{
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);
    g_autoptr(GError) err = NULL;
    E820Layout ram = e820_layout(2 * GiB);

    for (unsigned i = 0; i < 50; i++) { /* as many pieces of RAM as do not fit one page */
        b->sections[b->count++] = (TdvfSection){ 0, 0, 0x1000000 + 0x2000 * i, 0x1000,
                                                 TDVF_SECTION_TEMP_MEM, 0 };
    }
    b->sections[4].memory_data_size = 0x1000;
    tdvf_builder_build(b);
    g_autoptr(TdvfImage) image = tdvf_parse(tdvf_builder_bytes(b), "fw", &ram, &err);
    g_assert_no_error(err);
    g_autoptr(GPtrArray) regions = tdx_memory_regions(image, &ram, &err);
    g_assert_null(regions);
    g_assert_nonnull(strstr(err->message, "4096 bytes are not enough"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdvf-hob/golden", test_golden);
    g_test_add_func("/tdvf-hob/literal", test_literal);
    g_test_add_func("/tdvf-hob/cover", test_cover);
    g_test_add_func("/tdx-memory/regions", test_regions);
    g_test_add_func("/tdx-memory/regions-in-file", test_regions_in_file);
    g_test_add_func("/tdx-memory/hob-too-small", test_hob_too_small);
    return g_test_run();
}
