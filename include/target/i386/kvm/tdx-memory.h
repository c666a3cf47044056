/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages a TD is built from: one region per TDVF section that is added before launch, in the
 * order that defines MRTD. Pure.
 */
#ifndef TDX_MEMORY_H
#define TDX_MEMORY_H

#include "hw/i386/tdvf.h"

typedef struct TdxMemoryRegion {
    hwaddr gpa;
    uint64_t size;      /* multiple of 4096 */
    /* `size` bytes, page aligned: raw data, then zeroes; the HOB list for TD_HOB */
    const uint8_t *content;
    /*
     * the same bytes if they are the region's own; NULL: they lie in the firmware file, which must
     * outlive it
     */
    uint8_t *own;
    bool measure;       /* MR.EXTEND each page */
    uint32_t type;      /* TdvfSectionType */
    unsigned section;   /* index in the image */
} TdxMemoryRegion;

/*
 * PAGE.AUG sections (PermMem) are not in the list: the guest accepts them. The array owns its
 * regions; caller unrefs (g_ptr_array_unref). NULL with *errp: out of memory, or the HOB list does
 * not fit.
 */
GPtrArray *tdx_memory_regions(const TdvfImage *image, const E820Layout *ram, GError **errp);

#endif
