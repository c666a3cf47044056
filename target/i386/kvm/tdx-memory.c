/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns the firmware's sections into the regions of pages that KVM_TDX_INIT_MEM_REGION adds. */
#include "target/i386/kvm/tdx-memory.h"

#include <stdlib.h>
#include <string.h>

#include "hw/i386/tdvf-hob.h"
#include "util/error.h"

#define REGION_ALIGNMENT 4096 /* the source address of KVM_TDX_INIT_MEM_REGION */

static void region_free(void *data)
{
    TdxMemoryRegion *region = data;

    free(region->own);
    g_free(region);
}

/*
 * Firmware code is most of what is added: where the file in memory can be its source as it is, no
 * copy is made.
 */
static bool is_ready_in_file(const TdvfImage *image, const TdvfSection *s)
{
    return s->type != TDVF_SECTION_TD_HOB && s->raw_data_size == s->memory_data_size &&
           (uintptr_t)(image->file.data + s->data_offset) % REGION_ALIGNMENT == 0;
}

static uint8_t *copy_section(const TdvfImage *image, const TdvfSection *s)
{
    void *content;

    if (posix_memalign(&content, REGION_ALIGNMENT, s->memory_data_size)) {
        return NULL;
    }
    memset(content, 0, s->memory_data_size);
    if (s->raw_data_size) {
        memcpy(content, image->file.data + s->data_offset, s->raw_data_size);
    }
    return content;
}

static TdxMemoryRegion *region_new(const TdvfImage *image, unsigned i)
{
    const TdvfSection *s = &image->sections[i];
    bool ready = is_ready_in_file(image, s);
    uint8_t *own = ready ? NULL : copy_section(image, s);

    if (!ready && !own) {
        return NULL;
    }
    TdxMemoryRegion *region = g_new0(TdxMemoryRegion, 1);
    region->gpa = s->memory_address;
    region->size = s->memory_data_size;
    region->own = own;
    region->content = ready ? image->file.data + s->data_offset : own;
    region->measure = s->attributes & TDVF_ATTRIBUTE_MR_EXTEND;
    region->type = s->type;
    region->section = i;
    return region;
}

GPtrArray *tdx_memory_regions(const TdvfImage *image, const E820Layout *ram, GError **errp)
{
    g_autoptr(GPtrArray) regions = g_ptr_array_new_with_free_func(region_free);

    for (unsigned i = 0; i < image->num_sections; i++) {
        const TdvfSection *s = &image->sections[i];
        if (s->type == TDVF_SECTION_TD_INFO || (s->attributes & TDVF_ATTRIBUTE_PAGE_AUG)) {
            continue;
        }
        TdxMemoryRegion *region = region_new(image, i);
        if (!region) {
            error_set(errp, "firmware section %u: no memory for its %" G_GUINT64_FORMAT " bytes", i,
                      s->memory_data_size);
            return NULL;
        }
        g_ptr_array_add(regions, region);
        if (s->type == TDVF_SECTION_TD_HOB &&
            !tdvf_hob_write(image, ram, region->own, region->size, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&regions);
}
