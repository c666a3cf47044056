/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network card whose frames the kernel moves between the driver's queues and a tap interface.
 */
#ifndef HW_VIRTIO_VHOST_NET_H
#define HW_VIRTIO_VHOST_NET_H

#include "hw/virtio/vhost-kernel.h"
#include "net/netdev.h"

typedef struct VhostNet VhostNet;

typedef struct VhostNetConfig {
    Netdev *netdev;      /* knows of the card and of the link; its frames go another way */
    int tap;             /* the interface's descriptor, borrowed */
    int vhost;           /* an open /dev/vhost-net, taken over also on failure */
    uint8_t mac[6];
    uint16_t mtu;        /* told to the driver; 0 = not */
    unsigned queue_size;
    VhostIoctl call;     /* for both descriptors; NULL = the kernel's. For tests */
} VhostNetConfig;

/* Machine lock held. NULL: *errp. */
VhostNet *vhost_net_new(const VhostNetConfig *config, const VirtioEnvironment *environment,
                        GError **errp);
VirtioDevice *vhost_net_device(const VhostNet *net);
/* After its virtio device. NULL is fine. */
void vhost_net_free(VhostNet *net);

#endif
