/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of a virtio SCSI host in small: Virtio 1.2, 5.6. */
#ifndef QTEST_SCSI_H
#define QTEST_SCSI_H

#include "virtio.h"

#define REQUEST_SIZE 51  /* with a CDB of 32 bytes */
#define RESPONSE_SIZE 108 /* with sense of 96 bytes */
#define DATA_SIZE 0x4000
enum { CONTROL, EVENTS, REQUESTS, NUM_QUEUES };
enum { OK = 0, OVERRUN = 1, BAD_TARGET = 3, SUCCEEDED = 10, REJECTED = 11, INCORRECT_LUN = 12 };
enum { GOOD = 0, CHECK = 2 };

typedef struct Disks {
    Client *client;
    Driver driver;
    uint64_t request, response, data; /* guest physical */
} Disks;

typedef struct Reply {
    uint8_t response, status;
    uint32_t sense; /* key, code, qualifier, two digits each; 0: there is none */
    uint32_t residual, written;
} Reply;

/* The host at the address, with its queues; d->client is there already. */
void disks_start(Disks *d, PciAddress card, uint64_t features);
void disks_put_lun(uint8_t *to, unsigned target, unsigned lun);
/* A CDB in hexadecimal, with out_size bytes of data for the disk, or room for in_size. */
Reply disks_run(Disks *d, unsigned target, unsigned lun, const char *cdb, uint32_t out_size,
                uint32_t in_size);

#endif
