/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDX virtual firmware: the metadata in the image (TDX Virtual Firmware Design Guide, "TDVF
 * metadata"). Pure: values in, values out.
 */
#ifndef HW_I386_TDVF_H
#define HW_I386_TDVF_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/i386/e820.h"
#include "util/bytes.h"
#include "util/units.h"

typedef enum TdvfSectionType {
    TDVF_SECTION_BFV = 0, TDVF_SECTION_CFV = 1, TDVF_SECTION_TD_HOB = 2, TDVF_SECTION_TEMP_MEM = 3,
    TDVF_SECTION_PERM_MEM = 4, TDVF_SECTION_PAYLOAD = 5, TDVF_SECTION_PAYLOAD_PARAM = 6,
    TDVF_SECTION_TD_INFO = 7, TDVF_SECTION_TD_PARAMS = 8,
} TdvfSectionType;

#define TDVF_ATTRIBUTE_MR_EXTEND (1u << 0)
#define TDVF_ATTRIBUTE_PAGE_AUG (1u << 1)

typedef struct TdvfSection {
    uint32_t data_offset, raw_data_size;
    hwaddr memory_address;
    uint64_t memory_data_size;
    uint32_t type, attributes;
} TdvfSection;

typedef struct TdvfImage {
    Bytes file;        /* borrowed: must outlive the image */
    hwaddr base;       /* 4 GiB - file size */
    unsigned num_sections;
    TdvfSection *sections; /* in the file's order: the order that MRTD depends on */
    const TdvfSection *hob; /* the TD_HOB section */
} TdvfImage;

/*
 * NULL: *errp names the field, its value, what is permitted and what to do. `name` is the file's
 * name for messages; low RAM checks need `ram`.
 */
TdvfImage *tdvf_parse(Bytes file, const char *name, const E820Layout *ram, GError **errp);
void tdvf_free(TdvfImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdvfImage, tdvf_free)
const char *tdvf_section_name(uint32_t type); /* "BFV", "CFV", "TD_HOB", "TempMem", …; "unknown" */

#endif
