/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the TD HOB list. Firmware walks it without bounds and stops for ever at the first field it
 * dislikes, so the list holds three kinds of HOB only: PHIT, resource descriptors, end. Layouts:
 * UEFI PI specification 1.8, vol. 3, ch. 5.
 */
#include "hw/i386/tdvf-hob.h"

#include <string.h>

#include "util/error.h"

#define HOB_TYPE_HANDOFF 0x0001
#define HOB_TYPE_RESOURCE 0x0003
#define HOB_TYPE_END 0xffff
#define HOB_HANDOFF_SIZE 56u
#define HOB_RESOURCE_SIZE 48u
#define HOB_END_SIZE 8u
#define HOB_HANDOFF_VERSION 9

#define RESOURCE_SYSTEM_MEMORY 0u
#define RESOURCE_MEMORY_UNACCEPTED 7u
#define RESOURCE_PRESENT_INITIALIZED_TESTED 7u

/* Pages of these sections are in the TD, accepted, before its first instruction. */
static bool is_added(const TdvfSection *s)
{
    return s->type == TDVF_SECTION_TD_HOB || s->type == TDVF_SECTION_TEMP_MEM ||
           s->type == TDVF_SECTION_PAYLOAD;
}

static int compare_sections(const void *a, const void *b)
{
    const TdvfSection *const *x = a, *const *y = b;

    return (*x)->memory_address < (*y)->memory_address
               ? -1
               : (*x)->memory_address > (*y)->memory_address;
}

static void add_piece(GArray *pieces, hwaddr base, hwaddr end, bool unaccepted)
{
    if (base < end) {
        TdvfHobPiece piece = { base, end - base, unaccepted };
        g_array_append_val(pieces, piece);
    }
}

/* Cuts one range of RAM at the sections that lie in it; `added` is sorted. */
static void add_range(GArray *pieces, const GPtrArray *added, hwaddr base, uint64_t size)
{
    hwaddr at = base, end = base + size;

    for (unsigned i = 0; i < added->len; i++) {
        const TdvfSection *s = g_ptr_array_index(added, i);
        if (s->memory_address >= base && s->memory_address < end) {
            add_piece(pieces, at, s->memory_address, true);
            add_piece(pieces, s->memory_address, s->memory_address + s->memory_data_size, false);
            at = s->memory_address + s->memory_data_size;
        }
    }
    add_piece(pieces, at, end, true);
}

GArray *tdvf_hob_pieces(const TdvfImage *image, const E820Layout *ram)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(TdvfHobPiece));
    g_autoptr(GPtrArray) added = g_ptr_array_new();

    for (unsigned i = 0; i < image->num_sections; i++) {
        if (is_added(&image->sections[i])) {
            g_ptr_array_add(added, &image->sections[i]);
        }
    }
    g_ptr_array_sort(added, compare_sections);
    add_range(pieces, added, 0, ram->below_4g);
    add_range(pieces, added, 4 * GiB, ram->above_4g);
    return pieces;
}

static uint8_t *write_header(uint8_t *at, uint16_t type, uint16_t size)
{
    store_le16(at, type);
    store_le16(at + 2, size);
    return at + size;
}

static uint8_t *write_resource(uint8_t *at, const TdvfHobPiece *piece)
{
    store_le32(at + 24, piece->unaccepted ? RESOURCE_MEMORY_UNACCEPTED : RESOURCE_SYSTEM_MEMORY);
    store_le32(at + 28, RESOURCE_PRESENT_INITIALIZED_TESTED);
    store_le64(at + 32, piece->base);
    store_le64(at + 40, piece->size);
    return write_header(at, HOB_TYPE_RESOURCE, HOB_RESOURCE_SIZE);
}

bool tdvf_hob_write(const TdvfImage *image, const E820Layout *ram, uint8_t *buf, size_t size,
                    GError **errp)
{
    g_autoptr(GArray) pieces = tdvf_hob_pieces(image, ram);
    size_t needed = HOB_HANDOFF_SIZE + (size_t)HOB_RESOURCE_SIZE * pieces->len + HOB_END_SIZE;

    if (needed > size) {
        return error_set(errp,
                         "TD_HOB section: %zu bytes are not enough for the list of %u memory "
                         "ranges: it takes %zu",
                         size, pieces->len, needed);
    }
    memset(buf, 0, size);
    store_le32(buf + 8, HOB_HANDOFF_VERSION);
    store_le64(buf + 48, image->hob->memory_address + needed);
    uint8_t *at = write_header(buf, HOB_TYPE_HANDOFF, HOB_HANDOFF_SIZE);
    for (unsigned i = 0; i < pieces->len; i++) {
        at = write_resource(at, &g_array_index(pieces, TdvfHobPiece, i));
    }
    write_header(at, HOB_TYPE_END, HOB_END_SIZE);
    return true;
}
