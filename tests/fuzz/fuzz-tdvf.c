/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the TDVF parser and what is made from its result. The input is the end of a firmware file:
 * zeroes are put before it up to a permitted size, so that inputs of a few hundred bytes reach all
 * rules.
 */
#include <string.h>

#include "fuzz.h"
#include "hw/i386/tdvf-hob.h"
#include "target/i386/kvm/tdx-memory.h"

#define GRANULE (64 * KiB)
#define ADDED_MAX (4 * MiB) /* larger images parse as well, and only cost time to load */

static void check_pieces(const TdvfImage *image, const E820Layout *ram)
{
    g_autoptr(GArray) pieces = tdvf_hob_pieces(image, ram);
    uint64_t total = 0;
    hwaddr at = 0;

    for (unsigned i = 0; i < pieces->len; i++) {
        const TdvfHobPiece *p = &g_array_index(pieces, TdvfHobPiece, i);
        at = at == ram->below_4g ? 4 * GiB : at;
        g_assert_cmphex(p->base, ==, at);
        at += p->size;
        total += p->size;
    }
    g_assert_cmphex(total, ==, ram->below_4g + ram->above_4g);
}

static void check_regions(const TdvfImage *image, const E820Layout *ram)
{
    uint64_t added = 0;

    for (unsigned i = 0; i < image->num_sections; i++) {
        added += image->sections[i].memory_data_size;
    }
    if (added <= ADDED_MAX) {
        g_autoptr(GPtrArray) regions = tdx_memory_regions(image, ram, NULL);
        g_assert_true(!regions || regions->len <= image->num_sections);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t ram_sizes[] = { 64 * MiB, 2 * GiB, 8 * GiB };
    size_t whole = (size + GRANULE - 1) / GRANULE * GRANULE;

    if (whole == 0 || whole > 16 * MiB) {
        return 0;
    }
    g_autofree uint8_t *file = g_malloc0(whole);
    memcpy(file + whole - size, data, size);
    for (unsigned i = 0; i < G_N_ELEMENTS(ram_sizes); i++) {
        E820Layout ram = e820_layout(ram_sizes[i]);
        g_autoptr(GError) err = NULL;
        g_autoptr(TdvfImage) image = tdvf_parse((Bytes){ file, whole }, "fuzz", &ram, &err);
        g_assert_true((image != NULL) != (err != NULL));
        if (image) {
            check_pieces(image, &ram);
            check_regions(image, &ram);
        }
    }
    return 0;
}
