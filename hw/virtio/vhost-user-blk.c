/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-blk-pci: a disk that another process serves (Virtio 1.2, 5.2). Its size and the rest
 * it tells itself.
 */
#include "hw/virtio/vhost-user-device.h"
#include "util/bytes.h"
#include "util/error.h"

/* 5.2.3: SIZE_MAX to SECURE_ERASE, without SCSI (7) and BARRIER (0) of legacy devices */
#define FEATURES UINT64_C(0x1fe7e)
#define VIRTIO_BLK_F_CONFIG_WCE (UINT64_C(1) << 11)
#define VIRTIO_BLK_F_MQ (UINT64_C(1) << 12)
/* struct virtio_blk_config up to discards and writing of zeroes, which all back ends know */
#define CONFIG_SIZE 60
#define CONFIG_NUM_QUEUES 34

typedef struct VhostUserBlkPci {
    VhostUserPci parent;
    uint16_t num_queues, queue_size;
    bool config_wce;
} VhostUserBlkPci;

/* The back end tells of all that it has, and the driver may use those that the device has. */
static void fill_config(void *opaque, uint8_t *config)
{
    store_le16(config + CONFIG_NUM_QUEUES, ((VhostUserBlkPci *)opaque)->num_queues);
}

static bool check(const VhostUserBlkPci *blk, GError **errp)
{
    if (!blk->num_queues || blk->num_queues > VHOST_MAX_RINGS) {
        return error_set(errp, "vhost-user-blk: num-queues=%u: 1 to %u are possible",
                         blk->num_queues, VHOST_MAX_RINGS);
    }
    if (blk->queue_size < 4 || blk->queue_size > VIRTIO_MAX_QUEUE_SIZE ||
        (blk->queue_size & (blk->queue_size - 1))) {
        return error_set(errp, "vhost-user-blk: queue-size=%u: must be a power of 2 from 4 to %u",
                         blk->queue_size, VIRTIO_MAX_QUEUE_SIZE);
    }
    return true;
}

static VirtioDevice *make(VirtioPciDevice *device, const VirtioEnvironment *environment,
                          GError **errp)
{
    VhostUserBlkPci *blk = (VhostUserBlkPci *)device;
    const VhostUserDeviceConfig config = {
        .chardev = chardev_of(&blk->parent.chardev), .name = "vhost-user-blk",
        .id = VIRTIO_ID_BLOCK, .num_queues = blk->num_queues,
        .queue_size = blk->queue_size, .queues_told = true,
        .features = FEATURES & ~((blk->config_wce ? 0 : VIRTIO_BLK_F_CONFIG_WCE) |
                                 (blk->num_queues > 1 ? 0 : VIRTIO_BLK_F_MQ)),
        .config_size = CONFIG_SIZE, .config_told = true, .fill_config = fill_config, .opaque = blk,
    };

    if (!check(blk, errp)) {
        return NULL;
    }
    blk->parent.user = vhost_user_device_new(&config, environment, errp);
    return blk->parent.user ? vhost_user_device(blk->parent.user) : NULL;
}

static const VirtioPciOps ops = { VHOST_USER_PCI_OPS, .class_device = 0x0100, .make = make };

static const QomProperty properties[] = {
    QOM_PROPERTY_UINT16("num-queues", VhostUserBlkPci, num_queues, "1",
                        "number of request queues; the back end must have as many"),
    QOM_PROPERTY_UINT16("queue-size", VhostUserBlkPci, queue_size, "128", "entries in each queue"),
    QOM_PROPERTY_BOOL("config-wce", VhostUserBlkPci, config_wce, "true",
                      "the driver may switch the write cache, if the back end lets it"),
    { NULL },
};

const QomType vhost_user_blk_pci_type = {
    .name = "vhost-user-blk-pci", .parent = &vhost_user_pci_type,
    .description = "Virtio block device, served by another process",
    .size = sizeof(VhostUserBlkPci), .properties = properties, .ops = &ops,
};
const QomType vhost_user_blk_pci_nt_type = VIRTIO_NON_TRANSITIONAL("vhost-user-blk-pci",
                                                                   vhost_user_blk_pci_type);
