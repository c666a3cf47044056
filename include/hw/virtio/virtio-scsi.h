/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio SCSI host (Virtio 1.2, 5.6). Machine lock held. */
#ifndef HW_VIRTIO_VIRTIO_SCSI_H
#define HW_VIRTIO_VIRTIO_SCSI_H

#include "hw/scsi/scsi.h"
#include "hw/virtio/virtio-pci-device.h"

#define VIRTIO_SCSI_MAX_QUEUES 256

typedef struct VirtioScsi VirtioScsi;

typedef struct VirtioScsiConfig {
    unsigned num_queues;   /* of requests: 1 to VIRTIO_SCSI_MAX_QUEUES */
    unsigned queue_size;   /* power of two, 4 to VIRTIO_MAX_QUEUE_SIZE */
    uint32_t max_sectors, cmd_per_lun;
    bool no_hotplug, no_change; /* the driver is not told of disks that come and go, of sizes */
} VirtioScsiConfig;

/* NULL: *errp. */
VirtioScsi *virtio_scsi_new(const VirtioScsiConfig *config, const VirtioEnvironment *environment,
                            GError **errp);
VirtioDevice *virtio_scsi_device(const VirtioScsi *scsi);
/* Where the disks are; borrowed. It tells the adapter of changes from now on. */
void virtio_scsi_set_bus(VirtioScsi *scsi, ScsiBus *bus);
/* After its virtio device, and after the disks. */
void virtio_scsi_free(VirtioScsi *scsi);

extern const QomType virtio_scsi_pci_type; /* "virtio-scsi-pci" */
extern const QomType virtio_scsi_pci_nt_type;

#endif
