/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MRTD: one SHA-384 over a 128-byte record for each page added and each chunk extended, in order.
 */
#include "target/i386/kvm/tdx-measure.h"

#include <string.h>

#include "util/bytes.h"

#define RECORD_SIZE 128
#define RECORD_GPA 16
#define PAGE_SIZE_4K 4096
#define CHUNK_SIZE 256

struct TdxMrtd {
    GChecksum *hash;
};

TdxMrtd *tdx_mrtd_new(void)
{
    TdxMrtd *mrtd = g_new0(TdxMrtd, 1);

    mrtd->hash = g_checksum_new(G_CHECKSUM_SHA384);
    return mrtd;
}

static void hash_record(TdxMrtd *mrtd, const char *operation, hwaddr gpa)
{
    uint8_t record[RECORD_SIZE] = { 0 };

    memcpy(record, operation, strlen(operation));
    store_le64(record + RECORD_GPA, gpa);
    g_checksum_update(mrtd->hash, record, sizeof(record));
}

void tdx_mrtd_page_add(TdxMrtd *mrtd, hwaddr gpa)
{
    hash_record(mrtd, "MEM.PAGE.ADD", gpa);
}

void tdx_mrtd_extend(TdxMrtd *mrtd, hwaddr gpa, const uint8_t chunk[CHUNK_SIZE])
{
    hash_record(mrtd, "MR.EXTEND", gpa);
    g_checksum_update(mrtd->hash, chunk, CHUNK_SIZE);
}

void tdx_mrtd_region(TdxMrtd *mrtd, hwaddr gpa, const uint8_t *content, uint64_t size,
                     gboolean measure)
{
    for (uint64_t page = 0; page < size; page += PAGE_SIZE_4K) {
        tdx_mrtd_page_add(mrtd, gpa + page);
        for (uint64_t chunk = 0; measure && chunk < PAGE_SIZE_4K; chunk += CHUNK_SIZE) {
            tdx_mrtd_extend(mrtd, gpa + page + chunk, content + page + chunk);
        }
    }
}

void tdx_mrtd_finish(TdxMrtd *mrtd, uint8_t digest[TDX_MEASUREMENT_SIZE])
{
    gsize size = TDX_MEASUREMENT_SIZE;

    g_checksum_get_digest(mrtd->hash, digest, &size);
    g_checksum_free(mrtd->hash);
    g_free(mrtd);
}

char *tdx_measurement_hex(const uint8_t digest[TDX_MEASUREMENT_SIZE])
{
    GString *text = g_string_sized_new(2 * TDX_MEASUREMENT_SIZE + 1);

    for (unsigned i = 0; i < TDX_MEASUREMENT_SIZE; i++) {
        g_string_append_printf(text, "%02x", digest[i]);
    }
    return g_string_free(text, FALSE);
}
