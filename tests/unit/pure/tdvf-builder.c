/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds firmware images with TDX metadata. */
#include "tdvf-builder.h"

#include <string.h>

#include "util/guid.h"

#define ENTRY 18
#define DESCRIPTOR_DISTANCE 0x840

static const TdvfSection layout1[] = {
    { 0x20000, 0x1e0000, 0xffe20000, 0x1e0000, TDVF_SECTION_BFV, 1 },
    { 0, 0x20000, 0xffe00000, 0x20000, TDVF_SECTION_CFV, 0 },
    { 0, 0, 0x810000, 0x10000, TDVF_SECTION_TEMP_MEM, 0 },
    { 0, 0, 0x80b000, 0x2000, TDVF_SECTION_TEMP_MEM, 0 },
    { 0, 0, 0x809000, 0x2000, TDVF_SECTION_TD_HOB, 0 },
    { 0, 0, 0x800000, 0x6000, TDVF_SECTION_TEMP_MEM, 0 },
};

TdvfBuilder *tdvf_builder_new(unsigned layout)
{
    TdvfBuilder *b = g_new0(TdvfBuilder, 1);

    memcpy(b->sections, layout1, sizeof(layout1));
    b->count = G_N_ELEMENTS(layout1);
    b->size = 2 * MiB;
    if (layout > 1) {
        b->size = 4 * MiB;
        b->sections[0] = (TdvfSection){ 0x84000, 0x37c000, 0xffc84000, 0x37c000, TDVF_SECTION_BFV,
                                        1 };
        b->sections[1] = (TdvfSection){ 0, 0x84000, 0xffc00000, 0x84000, TDVF_SECTION_CFV, 0 };
    }
    if (layout == 2) {
        b->sections[2].memory_address = 0x811000;
        b->sections[2].memory_data_size = 0xf000;
    } else if (layout == 3) {
        b->sections[2].memory_address = 0x814000;
        b->sections[2].memory_data_size = 0xc000;
        b->sections[b->count++] = (TdvfSection){ 0, 0, 0x820000, 0x10000, TDVF_SECTION_TEMP_MEM,
                                                 0 };
    }
    return b;
}

static void put_entry(TdvfBuilder *b, size_t *end, const char *guid, const void *data, size_t size)
{
    uint8_t *p = b->file + *end;

    g_assert_true(guid_parse(guid, p - GUID_SIZE));
    store_le16(p - ENTRY, size + ENTRY);
    if (size) {
        memcpy(p - ENTRY - size, data, size);
    }
    *end -= size + ENTRY;
}

void tdvf_builder_build(TdvfBuilder *b)
{
    g_free(b->file);
    b->file = g_malloc0(b->size);
    for (size_t i = 0; i < b->size; i++) { /* so that a page in the wrong place shows */
        b->file[i] = i * 7 + (i >> 12);
    }
    b->descriptor = b->size - DESCRIPTOR_DISTANCE;
    memset(b->file + b->size - 0x1000, 0, 0x1000);
    memcpy(b->file + b->descriptor, "TDVF", 4);
    store_le32(b->file + b->descriptor + 4, 16 + 32 * b->count);
    store_le32(b->file + b->descriptor + 8, 1);
    store_le32(b->file + b->descriptor + 12, b->count);
    for (unsigned i = 0; i < b->count && b->count <= 60; i++) {
        uint8_t *p = b->file + b->descriptor + 16 + 32 * i;
        store_le32(p, b->sections[i].data_offset);
        store_le32(p + 4, b->sections[i].raw_data_size);
        store_le64(p + 8, b->sections[i].memory_address);
        store_le64(p + 16, b->sections[i].memory_data_size);
        store_le32(p + 24, b->sections[i].type);
        store_le32(p + 28, b->sections[i].attributes);
    }
    uint8_t sev[4] = { 1, 2, 3, 4 }, distance[4];
    size_t footer = b->size - 0x20, end = footer - ENTRY;
    store_le32(distance, DESCRIPTOR_DISTANCE);
    put_entry(b, &end, "00f771de-1a7e-4fcb-890e-68c77e2fb44e", sev, sizeof(sev));
    b->entry_end = end;
    put_entry(b, &end, "e47a6535-984a-4798-865e-4685a7bf8ec2", distance, sizeof(distance));
    g_assert_true(guid_parse("96b582de-1fb2-45f7-baea-a366c55a082d", b->file + footer - GUID_SIZE));
    store_le16(b->file + footer - ENTRY, footer - end);
}

Bytes tdvf_builder_bytes(const TdvfBuilder *b)
{
    return (Bytes){ b->file, b->size };
}

void tdvf_builder_free(TdvfBuilder *b)
{
    if (b) {
        g_free(b->file);
        g_free(b);
    }
}
