/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk tells of itself: INQUIRY (SPC-5, 6.6), vital product data (SPC-5, 7.7; SBC-4, 6.6),
 * mode pages (SPC-5, 7.5; SBC-4, 6.5).
 */
#include <string.h>

#include "scsi-internal.h"
#include "util/bytes.h"

#define VERSION_SPC_3 5
#define RESPONSE_FORMAT 2
#define HISUP 0x10  /* LUNs are numbered hierarchically */
#define CMDQUE 0x02
#define REMOVABLE 0x80
#define TYPE_CD 5

enum {
    VPD_SUPPORTED = 0x00, VPD_SERIAL = 0x80, VPD_IDENTIFICATION = 0x83, VPD_BLOCK_LIMITS = 0xb0,
    VPD_CHARACTERISTICS = 0xb1, VPD_PROVISIONING = 0xb2,
};
enum {
    PAGE_ERROR_RECOVERY = 0x01, PAGE_CACHING = 0x08, PAGE_CONTROL = 0x0a, PAGE_CAPABILITIES = 0x2a,
    PAGE_ALL = 0x3f,
};
enum { CACHING_SIZE = 20, CONTROL_SIZE = 12, WCE = 4 };
enum { CONTROL_CURRENT, CONTROL_CHANGEABLE, CONTROL_DEFAULT, CONTROL_SAVED };

#define MAX_SERIAL 36
#define MAX_DEVICE_ID 20
#define MAX_UNMAP_DESCRIPTORS 16
#define MAX_UNMAP_BLOCKS (1u << 22)

/* Left-aligned, filled up with spaces: SPC-5, 4.3.1. */
static void put_text(uint8_t *field, size_t size, const char *text)
{
    size_t length = text ? MIN(strlen(text), size) : 0;

    memset(field, ' ', size);
    if (length) {
        memcpy(field, text, length);
    }
}

unsigned scsi_inquiry(const ScsiIdentity *identity, uint8_t *data)
{
    memset(data, 0, 36);
    data[0] = identity->cd ? TYPE_CD : 0;
    data[1] = identity->removable ? REMOVABLE : 0;
    data[2] = VERSION_SPC_3;
    data[3] = HISUP | RESPONSE_FORMAT;
    data[4] = 36 - 5;
    data[7] = CMDQUE;
    put_text(data + 8, 8, identity->vendor);
    put_text(data + 16, 16, identity->product);
    put_text(data + 32, 4, identity->version);
    return 36;
}

/* One designator: code set, type, bytes. SPC-5, 7.7.6. */
static unsigned put_designator(uint8_t *at, uint8_t code_set, uint8_t type, const void *bytes,
                               size_t size)
{
    at[0] = code_set;
    at[1] = type;
    at[2] = 0;
    at[3] = (uint8_t)size;
    memcpy(at + 4, bytes, size);
    return (unsigned)(4 + size);
}

static unsigned put_identification(const ScsiIdentity *identity, uint8_t *data)
{
    unsigned n = 4;

    if (identity->device_id) {
        n += put_designator(data + n, 2, 0, identity->device_id,
                            MIN(strlen(identity->device_id), MAX_DEVICE_ID));
    }
    if (identity->wwn) {
        uint8_t name[8];
        store_be64(name, identity->wwn);
        n += put_designator(data + n, 1, 3, name, sizeof(name));
    }
    return n;
}

static void put_limits(const ScsiIdentity *identity, uint8_t *data)
{
    store_be16(data + 6, (uint16_t)MIN(identity->min_io, UINT16_MAX));
    store_be32(data + 8, identity->max_io);
    store_be32(data + 12, identity->opt_io);
    if (identity->discard) {
        store_be32(data + 20, identity->max_unmap ? identity->max_unmap : MAX_UNMAP_BLOCKS);
        store_be32(data + 24, MAX_UNMAP_DESCRIPTORS);
        store_be32(data + 28, MAX(identity->discard_granularity, 1));
    }
    store_be64(data + 36, identity->max_write_same);
}

unsigned scsi_vital_page(const ScsiIdentity *identity, uint8_t page, uint8_t *data)
{
    static const uint8_t pages[] = {
        VPD_SUPPORTED, VPD_SERIAL, VPD_IDENTIFICATION, VPD_BLOCK_LIMITS, VPD_CHARACTERISTICS,
        VPD_PROVISIONING,
    };
    unsigned size, count = identity->cd ? 3 : G_N_ELEMENTS(pages); /* the rest are of disks */

    memset(data, 0, SCSI_PAGE_SIZE);
    if (!memchr(pages, page, count)) {
        return 0;
    }
    switch (page) {
    case VPD_SUPPORTED:
        memcpy(data + 4, pages, count);
        size = 4 + count;
        break;
    case VPD_SERIAL:
        if (!identity->serial || !*identity->serial) {
            return 0;
        }
        size = 4 + (unsigned)MIN(strlen(identity->serial), MAX_SERIAL);
        memcpy(data + 4, identity->serial, size - 4);
        break;
    case VPD_IDENTIFICATION:
        size = put_identification(identity, data);
        break;
    case VPD_BLOCK_LIMITS:
        put_limits(identity, data);
        size = 64;
        break;
    case VPD_CHARACTERISTICS:
        store_be16(data + 4, identity->rotation_rate);
        size = 64;
        break;
    case VPD_PROVISIONING:
        data[5] = identity->discard ? 0xe0 : 0; /* UNMAP, WRITE SAME(16) and (10) unmap */
        data[6] = identity->discard ? 2 : 0;    /* thin */
        size = 8;
        break;
    default:
        return 0;
    }
    data[0] = identity->cd ? TYPE_CD : 0;
    data[1] = page;
    store_be16(data + 2, (uint16_t)(size - 4));
    return size;
}

/* ---- Mode pages ---- */

static unsigned put_error_recovery(uint8_t *at)
{
    memset(at, 0, 12);
    at[0] = PAGE_ERROR_RECOVERY;
    at[1] = 10;
    return 12;
}

/* MMC-3, 6.3: no block descriptors, and nothing in the header. */
static unsigned put_cd_pages(const ScsiIdentity *identity, const ScsiCommand *command,
                             uint8_t *data)
{
    unsigned n = 0;

    if (command->page == PAGE_ERROR_RECOVERY || command->page == PAGE_ALL) {
        n += put_error_recovery(data);
    }
    if (command->page == PAGE_CAPABILITIES || command->page == PAGE_ALL) {
        n += scsi_put_capabilities(identity->locked, data + n);
        if (command->page_control == CONTROL_CHANGEABLE) { /* nothing is */
            memset(data + n - 20, 0, 20);
        }
    }
    return n;
}

static unsigned put_caching(const ScsiIdentity *identity, uint8_t control, uint8_t *at)
{
    bool write_cache = control == CONTROL_CHANGEABLE ||
                       (control == CONTROL_DEFAULT ? identity->default_write_cache
                                                   : identity->write_cache);

    memset(at, 0, CACHING_SIZE);
    at[0] = PAGE_CACHING;
    at[1] = CACHING_SIZE - 2;
    at[2] = write_cache ? WCE : 0;
    return CACHING_SIZE;
}

static unsigned put_control(uint8_t *at)
{
    memset(at, 0, CONTROL_SIZE);
    at[0] = PAGE_CONTROL;
    at[1] = CONTROL_SIZE - 2;
    return CONTROL_SIZE;
}

unsigned scsi_mode_sense(const ScsiIdentity *identity, const ScsiCommand *command, uint8_t *data)
{
    unsigned header = command->is_long ? 8 : 4, n = header;
    /* WP, DPOFUA */
    uint8_t parameter = (identity->read_only ? 0x80 : 0) | (identity->fua ? 0x10 : 0);

    memset(data, 0, SCSI_PAGE_SIZE);
    if (!command->no_descriptors && !identity->cd) {
        store_be32(data + n, (uint32_t)MIN(identity->num_blocks, UINT32_MAX)); /* SBC-4, 6.5.2.2 */
        store_be32(data + n + 4, identity->logical_block_size); /* the upper byte is reserved */
        n += 8;
    }
    unsigned descriptors = n - header;
    if (identity->cd) {
        n += put_cd_pages(identity, command, data + n);
    } else if (command->page == PAGE_CACHING || command->page == PAGE_ALL) {
        n += put_caching(identity, command->page_control, data + n);
    }
    if (!identity->cd && (command->page == PAGE_CONTROL || command->page == PAGE_ALL)) {
        n += put_control(data + n);
    }
    if (n == header + descriptors && command->page != 0) {
        return 0;
    }
    if (command->is_long) {
        store_be16(data, (uint16_t)(n - 2));
        data[3] = identity->cd ? 0 : parameter;
        store_be16(data + 6, (uint16_t)descriptors);
    } else {
        data[0] = (uint8_t)(n - 1);
        data[2] = identity->cd ? 0 : parameter;
        data[3] = (uint8_t)descriptors;
    }
    return n;
}

/* A page is taken if nothing in it differs from what is so, but for the write cache. */
static bool is_same(const ScsiIdentity *identity, const uint8_t *page, size_t size,
                    bool *write_cache)
{
    uint8_t now[CACHING_SIZE];
    unsigned now_size = page[0] == PAGE_CACHING   ? put_caching(identity, CONTROL_CURRENT, now)
                        : page[0] == PAGE_CONTROL ? put_control(now)
                                                  : 0;

    if (now_size != size) {
        return false;
    }
    if (page[0] == PAGE_CACHING) {
        *write_cache = page[2] & WCE;
        now[2] = (uint8_t)((now[2] & ~WCE) | (page[2] & WCE));
    }
    return !memcmp(now, page, size);
}

bool scsi_mode_select(const ScsiIdentity *identity, const ScsiCommand *command, const uint8_t *data,
                      size_t size, bool *write_cache, uint8_t *code)
{
    size_t at = command->is_long ? 8 : 4;

    *write_cache = identity->write_cache;
    *code = 0x1a; /* parameter list length error */
    if (size < at) {
        return false;
    }
    unsigned descriptors = command->is_long ? (unsigned)data[6] << 8 | data[7] : data[3];
    if (descriptors && descriptors != 8) {
        *code = 0x26; /* invalid field in parameter list */
        return false;
    }
    /* The medium is as large as it is: SBC-4, 6.5.2.1 lets a device pass over the descriptor. */
    for (at += descriptors; at < size; at += 2u + data[at + 1]) {
        if (size - at < 2 || size - at < 2u + data[at + 1]) {
            return false;
        }
        if (!is_same(identity, data + at, 2u + data[at + 1], write_cache)) {
            *code = 0x26;
            return false;
        }
    }
    return at == size;
}
