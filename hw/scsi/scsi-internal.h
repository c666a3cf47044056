/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of hw/scsi share: a disk, and what a CD drive has beside it. */
#ifndef HW_SCSI_INTERNAL_H
#define HW_SCSI_INTERNAL_H

#include "hw/scsi/scsi.h"

/* Sense keys: SPC-5, 4.5.6 */
enum {
    NO_SENSE = 0, NOT_READY = 2, MEDIUM_ERROR = 3, ILLEGAL_REQUEST = 5, UNIT_ATTENTION = 6,
    DATA_PROTECT = 7, ABORTED_COMMAND = 11,
};

/* SPC-5, annex F: medium may have changed; power on, reset, or bus device reset; capacity data */
enum { ATTENTION_MEDIUM = 0x2800, ATTENTION_RESET = 0x2900, ATTENTION_CAPACITY = 0x2a09 };

/* Media events: MMC-6, 6.6.2.7 */
enum { MEDIA_NO_CHANGE, MEDIA_EJECT_REQUEST, MEDIA_NEW, MEDIA_REMOVAL };

struct ScsiDisk {
    ScsiDiskConfig config; /* its node changes with the medium, under the bus's lock */
    char *name, *path;
    BlockClient *client;   /* the same; NULL: there is no medium */
    bool leaving;          /* the same: the medium takes no request any more */
    /* atomic: what the initiator has not heard of, code and qualifier; 0: nothing */
    unsigned attention;
    unsigned write_cache; /* atomic */
    unsigned tray_open, tray_locked, media_event; /* atomic */
};

/* Attaches to config.node. False: *errp. */
bool scsi_disk_attach(ScsiDisk *disk, GError **errp);
/* For block_detach(). */
void scsi_disk_drop(void *opaque, BlockRequest *block);
/* The initiator hears of it at its next command, unless it has to hear of more. Any thread. */
void scsi_disk_attention(ScsiDisk *disk, unsigned attention);
void scsi_good(ScsiRequest *request);
/*
 * What of a CD drive's commands is its own (scsi-cd.c); false: it is carried out as any disk's, and
 * the medium is there if it needs one.
 */
bool scsi_cd_run(ScsiDisk *disk, ScsiRequest *request, const ScsiCommand *command);

/* ---- Answers of CD drives (scsi-mmc.c, pure): sizes; 0: the command has a bad field ---- */

/* Of a medium of so many blocks of 2048 bytes; 0 = none. */
unsigned scsi_toc(const ScsiCommand *command, uint64_t blocks, uint8_t *data);
unsigned scsi_configuration(const ScsiCommand *command, uint64_t blocks, uint8_t *data);
unsigned scsi_disc_information(uint8_t *data);
/* The answer to a request for media events: one of MEDIA_*. */
unsigned scsi_media_event(const ScsiCommand *command, unsigned event, bool open, bool medium,
                          uint8_t *data);
unsigned scsi_mechanism_status(bool open, uint8_t *data);
/* The mode page of capabilities. */
unsigned scsi_put_capabilities(bool locked, uint8_t *at);

#endif
