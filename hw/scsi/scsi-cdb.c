/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command descriptor blocks: SPC-5, 4.2 (forms of 6, 10, 12 and 16 bytes); SBC-4, 5; SPC-5, 6;
 * MMC-6, 6.
 */
#include "hw/scsi/scsi.h"
#include "util/bytes.h"

enum {
    TEST_UNIT_READY = 0x00, REQUEST_SENSE = 0x03, READ_6 = 0x08, WRITE_6 = 0x0a, INQUIRY = 0x12,
    MODE_SELECT_6 = 0x15, MODE_SELECT_10 = 0x55, MODE_SENSE_6 = 0x1a, START_STOP_UNIT = 0x1b,
    PREVENT_REMOVAL = 0x1e, READ_CAPACITY_10 = 0x25, READ_10 = 0x28, WRITE_10 = 0x2a,
    VERIFY_10 = 0x2f, SYNCHRONIZE_CACHE_10 = 0x35,
    WRITE_SAME_10 = 0x41, UNMAP = 0x42, MODE_SENSE_10 = 0x5a, READ_16 = 0x88, WRITE_16 = 0x8a,
    VERIFY_16 = 0x8f, SYNCHRONIZE_CACHE_16 = 0x91,
    WRITE_SAME_16 = 0x93, SERVICE_ACTION_IN_16 = 0x9e, REPORT_LUNS = 0xa0, READ_12 = 0xa8,
    WRITE_12 = 0xaa, VERIFY_12 = 0xaf, READ_TOC = 0x43, GET_CONFIGURATION = 0x46,
    GET_EVENT_STATUS_NOTIFICATION = 0x4a, READ_DISC_INFORMATION = 0x51, MECHANISM_STATUS = 0xbd,
};
#define READ_CAPACITY_16 0x10 /* service action */

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

/* The form is in the operation code's upper three bits: SPC-5, 4.2.5.1. */
static void parse_range(const uint8_t *cdb, ScsiCommand *c)
{
    switch (cdb[0] >> 5) {
    case 0:
        c->block = load_be32(cdb) & 0x1fffff;
        c->blocks = cdb[4] ? cdb[4] : 256; /* SBC-4, 5.14 */
        break;
    case 1: case 2:
        c->block = load_be32(cdb + 2);
        c->blocks = be16(cdb + 7);
        break;
    case 4:
        c->block = load_be64(cdb + 2);
        c->blocks = load_be32(cdb + 10);
        break;
    default:
        c->block = load_be32(cdb + 2);
        c->blocks = load_be32(cdb + 6);
        break;
    }
}

/* RDPROTECT and WRPROTECT: there is no protection information. */
static void parse_transfer(const uint8_t *cdb, ScsiKind kind, ScsiCommand *c)
{
    c->kind = kind;
    parse_range(cdb, c);
    if (cdb[0] >> 5) {
        c->bad_field = cdb[1] & 0xe0;
        c->fua = cdb[1] & 8;
    }
}

static void parse_write_same(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_WRITE_SAME;
    parse_range(cdb, c);
    c->unmap = cdb[1] & 8;
    c->no_data_out = cdb[0] == WRITE_SAME_16 && (cdb[1] & 1);
    c->bad_field = cdb[1] & (0xe0 | 0x10 | 0x06); /* WRPROTECT, ANCHOR, obsolete */
}

/* BYTCHK 0: the medium alone is read, which never fails here. */
static void parse_verify(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_VERIFY;
    parse_range(cdb, c);
    c->bad_field = cdb[1] & (0xe0 | 0x06);
}

static void parse_inquiry(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_INQUIRY;
    c->vital = cdb[1] & 1;
    c->page = cdb[2];
    c->allocated = be16(cdb + 3);
    c->bad_field = (cdb[1] & 2) || (!c->vital && c->page); /* CMDDT is obsolete */
}

static void parse_mode_sense(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_MODE_SENSE;
    c->is_long = cdb[0] == MODE_SENSE_10;
    c->no_descriptors = cdb[1] & 8;
    c->page = cdb[2] & 0x3f;
    c->page_control = cdb[2] >> 6;
    c->allocated = c->is_long ? be16(cdb + 7) : cdb[4];
    c->bad_field = cdb[3] && cdb[3] != 0xff; /* subpages: none, or all */
}

/* Power conditions (the upper half of byte 4) are none of a medium's: SBC-4, 5.26. */
static void parse_start_stop(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_START_STOP;
    c->start = cdb[4] & 1;
    c->load_eject = (cdb[4] & 0xf2) == 2;
}

/* MMC-6, 6.25; the format was in the last byte once, where drivers still have it. */
static void parse_toc(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_READ_TOC;
    c->msf = cdb[1] & 2;
    c->format = cdb[2] & 0xf ? cdb[2] & 0xf : cdb[9] >> 6;
    c->track = cdb[6];
    c->allocated = be16(cdb + 7);
}

static void parse_configuration(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_GET_CONFIGURATION;
    c->format = cdb[1] & 3;
    c->feature = (uint16_t)be16(cdb + 2);
    c->allocated = be16(cdb + 7);
}

/* MMC-6, 6.6: events are polled for; notification is not there. */
static void parse_event(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_GET_EVENT;
    c->bad_field = !(cdb[1] & 1);
    c->classes = cdb[4];
    c->allocated = be16(cdb + 7);
}

/* SPC-5, 6.9: pages as this standard has them (PF), and nothing saved (SP). */
static void parse_mode_select(const uint8_t *cdb, ScsiCommand *c)
{
    c->kind = SCSI_MODE_SELECT;
    c->is_long = cdb[0] == MODE_SELECT_10;
    c->allocated = c->is_long ? be16(cdb + 7) : cdb[4];
    c->bad_field = (cdb[1] & 0x11) != 0x10;
}

static void parse_allocated(ScsiKind kind, uint64_t allocated, ScsiCommand *c)
{
    c->kind = kind;
    c->allocated = allocated;
}

ScsiCommand scsi_parse(const uint8_t cdb[SCSI_CDB_SIZE])
{
    ScsiCommand c = { 0 };

    switch (cdb[0]) {
    case TEST_UNIT_READY:
        c.kind = SCSI_TEST_READY;
        break;
    case REQUEST_SENSE:
        parse_allocated(SCSI_REQUEST_SENSE, cdb[4], &c);
        c.bad_field = cdb[1] & 1; /* descriptor format */
        break;
    case READ_6: case READ_10: case READ_12: case READ_16:
        parse_transfer(cdb, SCSI_READ, &c);
        break;
    case WRITE_6: case WRITE_10: case WRITE_12: case WRITE_16:
        parse_transfer(cdb, SCSI_WRITE, &c);
        break;
    case INQUIRY:
        parse_inquiry(cdb, &c);
        break;
    case MODE_SENSE_6: case MODE_SENSE_10:
        parse_mode_sense(cdb, &c);
        break;
    case MODE_SELECT_6: case MODE_SELECT_10:
        parse_mode_select(cdb, &c);
        break;
    case START_STOP_UNIT:
        parse_start_stop(cdb, &c);
        break;
    case PREVENT_REMOVAL:
        c.kind = SCSI_PREVENT_REMOVAL;
        c.prevent = cdb[4] & 1;
        break;
    case READ_TOC:
        parse_toc(cdb, &c);
        break;
    case GET_CONFIGURATION:
        parse_configuration(cdb, &c);
        break;
    case GET_EVENT_STATUS_NOTIFICATION:
        parse_event(cdb, &c);
        break;
    case READ_DISC_INFORMATION:
        parse_allocated(SCSI_READ_DISC_INFORMATION, be16(cdb + 7), &c);
        c.bad_field = cdb[1] & 7; /* of the standard type alone */
        break;
    case MECHANISM_STATUS:
        parse_allocated(SCSI_MECHANISM_STATUS, be16(cdb + 8), &c);
        break;
    case READ_CAPACITY_10:
        parse_allocated(SCSI_READ_CAPACITY, 8, &c);
        break;
    case SERVICE_ACTION_IN_16:
        parse_allocated((cdb[1] & 0x1f) == READ_CAPACITY_16 ? SCSI_READ_CAPACITY : SCSI_UNKNOWN,
                        load_be32(cdb + 10), &c);
        c.is_long = true;
        break;
    case VERIFY_10: case VERIFY_12: case VERIFY_16:
        parse_verify(cdb, &c);
        break;
    case SYNCHRONIZE_CACHE_10: case SYNCHRONIZE_CACHE_16:
        c.kind = SCSI_SYNCHRONIZE;
        parse_range(cdb, &c);
        break;
    case WRITE_SAME_10: case WRITE_SAME_16:
        parse_write_same(cdb, &c);
        break;
    case UNMAP:
        parse_allocated(SCSI_UNMAP, be16(cdb + 7), &c);
        c.bad_field = cdb[1] & 1; /* ANCHOR */
        break;
    case REPORT_LUNS:
        parse_allocated(SCSI_REPORT_LUNS, load_be32(cdb + 6), &c);
        c.bad_field = cdb[2] > 2 || c.allocated < 16; /* SPC-5, 6.33 */
        break;
    default:
        break;
    }
    return c;
}
