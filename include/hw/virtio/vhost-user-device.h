/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices whose queues a vhost-user back end serves, found through a chardev: connecting,
 * the end of the back end, its return.
 *
 * When a back end goes while the guest uses the device, the device breaks (virtio_fail) and works
 * again after a reset by the guest, if a back end is there by then; one whose requests may be lost,
 * as frames on a wire may, waits and goes on instead.
 *
 * Main loop thread, machine lock held, unless said.
 */
#ifndef HW_VIRTIO_VHOST_USER_DEVICE_H
#define HW_VIRTIO_VHOST_USER_DEVICE_H

#include "chardev/chardev-object.h"
#include "hw/virtio/vhost-user.h"
#include "hw/virtio/virtio-pci-device.h"
#include "net/netdev.h"

typedef struct VhostUserDevice VhostUserDevice;

typedef struct VhostUserDeviceConfig {
    Chardev *chardev;
    const char *name;        /* "vhost-user-blk"; constant */
    uint16_t id;             /* VIRTIO_ID_* */
    unsigned num_queues, queue_size;
    /* the back end's number of queues is the device's own; false: of something else, as pairs */
    bool queues_told;
    uint64_t features;       /* what the driver may have if the back end offers it */
    uint64_t own_features;   /* what it has anyway */
    unsigned config_size;    /* at most VHOST_USER_MAX_CONFIG */
    bool config_told;        /* by the back end; false: zero */
    /* The rest of the configuration. NULL = nothing to do. */
    void (*fill_config)(void *opaque, uint8_t *config);
    void *opaque;
    bool may_lose;           /* requests under way when the back end goes */
} VhostUserDeviceConfig;

/*
 * Waits until the chardev is connected, if it may ever be: the main loop turns meanwhile. Machine
 * lock not held. False: *errp.
 */
bool vhost_user_await(Chardev *chardev, GError **errp);
/* NULL: *errp. */
VhostUserDevice *vhost_user_device_new(const VhostUserDeviceConfig *config,
                                       const VirtioEnvironment *environment, GError **errp);
VirtioDevice *vhost_user_device(const VhostUserDevice *device);
bool vhost_user_device_is_connected(const VhostUserDevice *device);
/* After its virtio device. */
void vhost_user_device_free(VhostUserDevice *device);

/* ---- Types ---- */

/* What types of -device for such devices start with, and their operations. */
typedef struct VhostUserPci {
    VirtioPciDevice parent;
    QomLink chardev;
    VhostUserDevice *user; /* while realized */
} VhostUserPci;

extern const QomType vhost_user_pci_type; /* "vhost-user-pci", abstract */
#define VHOST_USER_PCI_OPS                                                      \
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Storage",     \
                         .realize = vhost_user_pci_realize,                     \
                         .unrealize = pci_device_unrealize }, VIRTIO_PCI_OPS }, \
                         .free = vhost_user_pci_free
bool vhost_user_pci_realize(Device *device, GError **errp);
void vhost_user_pci_free(VirtioPciDevice *device);

/* "vhost-user-blk-pci": any back end that is a disk */
extern const QomType vhost_user_blk_pci_type;
extern const QomType vhost_user_blk_pci_nt_type;
extern const QomType vhost_user_fs_pci_type;  /* "vhost-user-fs-pci": virtiofsd */
extern const QomType netdev_vhost_user_type;  /* "netdev-vhost-user" */

/* A virtio-net-pci whose netdev is of netdev_vhost_user_type (vhost-user-net.c). */
typedef struct VhostUserNet VhostUserNet;
VhostUserNet *vhost_user_net_new(Netdev *netdev, const uint8_t mac[6], uint16_t mtu,
                                 unsigned queue_size, const VirtioEnvironment *environment,
                                 GError **errp);
VirtioDevice *vhost_user_net_device(const VhostUserNet *net);
void vhost_user_net_free(VhostUserNet *net); /* NULL is fine */

#endif
