/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost-user-fs-pci: a directory of the host, served by virtiofsd (Virtio 1.2, 5.11). */
#include <string.h>

#include "hw/virtio/vhost-user-device.h"
#include "util/bytes.h"
#include "util/error.h"

/* struct virtio_fs_config: 5.11.4. The tag need not end with a NUL. */
#define TAG_SIZE 36
#define CONFIG_NUM_QUEUES 36
#define CONFIG_SIZE 40

typedef struct VhostUserFsPci {
    VhostUserPci parent;
    char *tag;
    uint16_t num_request_queues, queue_size;
} VhostUserFsPci;

static void fill_config(void *opaque, uint8_t *config)
{
    const VhostUserFsPci *fs = opaque;

    memcpy(config, fs->tag, strlen(fs->tag));
    store_le32(config + CONFIG_NUM_QUEUES, fs->num_request_queues);
}

static bool check(const VhostUserFsPci *fs, GError **errp)
{
    if (!fs->tag || !*fs->tag || strlen(fs->tag) > TAG_SIZE) {
        error_set(errp, "vhost-user-fs: tag=%s: 1 to %u bytes are needed", fs->tag ? fs->tag : "",
                  TAG_SIZE);
        error_hint(errp, "It is the name that the guest mounts: with tag=data, mount -t virtiofs "
                         "data /mnt");
        return false;
    }
    if (!fs->num_request_queues || fs->num_request_queues >= VHOST_MAX_RINGS) {
        return error_set(errp, "vhost-user-fs: num-request-queues=%u: 1 to %u are possible",
                         fs->num_request_queues, VHOST_MAX_RINGS - 1);
    }
    if (fs->queue_size < 4 || fs->queue_size > VIRTIO_MAX_QUEUE_SIZE ||
        (fs->queue_size & (fs->queue_size - 1))) {
        return error_set(errp, "vhost-user-fs: queue-size=%u: must be a power of 2 from 4 to %u",
                         fs->queue_size, VIRTIO_MAX_QUEUE_SIZE);
    }
    return true;
}

static VirtioDevice *make(VirtioPciDevice *device, const VirtioEnvironment *environment,
                          GError **errp)
{
    VhostUserFsPci *fs = (VhostUserFsPci *)device;
    const VhostUserDeviceConfig config = {
        .chardev = chardev_of(&fs->parent.chardev), .name = "vhost-user-fs", .id = VIRTIO_ID_FS,
        .num_queues = 1u + fs->num_request_queues, .queue_size = fs->queue_size,
        .config_size = CONFIG_SIZE, .fill_config = fill_config,
        .opaque = fs,
    };

    if (!check(fs, errp)) {
        return NULL;
    }
    fs->parent.user = vhost_user_device_new(&config, environment, errp);
    return fs->parent.user ? vhost_user_device(fs->parent.user) : NULL;
}

static const VirtioPciOps ops = { VHOST_USER_PCI_OPS, .class_device = 0x0180, .make = make };

static const QomProperty properties[] = {
    QOM_PROPERTY_STR("tag", VhostUserFsPci, tag, NULL,
                     "the name that the guest mounts, up to 36 bytes"),
    QOM_PROPERTY_UINT16("num-request-queues", VhostUserFsPci, num_request_queues, "1",
                        "number of request queues"),
    QOM_PROPERTY_UINT16("queue-size", VhostUserFsPci, queue_size, "128", "entries in each queue"),
    { NULL },
};

const QomType vhost_user_fs_pci_type = {
    .name = "vhost-user-fs-pci", .parent = &vhost_user_pci_type,
    .description = "Virtio file system, served by virtiofsd",
    .size = sizeof(VhostUserFsPci), .properties = properties, .ops = &ops,
};
