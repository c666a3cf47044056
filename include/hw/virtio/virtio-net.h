/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio network card: Virtio 1.2, 5.1. One pair of queues and, unless told otherwise, a
 * control queue. Machine lock held.
 */
#ifndef HW_VIRTIO_VIRTIO_NET_H
#define HW_VIRTIO_VIRTIO_NET_H

#include "hw/virtio/virtio-pci-device.h"
#include "net/netdev.h"

typedef struct VirtioNet VirtioNet;

typedef struct VirtioNetConfig {
    Netdev *netdev;       /* NULL: the cable is not plugged in */
    uint8_t mac[6];
    unsigned queue_size;  /* power of two, 256 to VIRTIO_MAX_QUEUE_SIZE */
    uint16_t mtu;         /* told to the driver; 0 = not */
    bool merge, control;  /* VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_CTRL_VQ */
    /* The driver wants other frames from now on. NULL: of no interest. */
    void (*filter_changed)(void *opaque);
    void *opaque;
} VirtioNetConfig;

/*
 * NULL: *errp. virtio_net_device() is the caller's, or a transport's; it goes before
 * virtio_net_free().
 */
VirtioNet *virtio_net_new(const VirtioNetConfig *config, const VirtioEnvironment *environment,
                          GError **errp);
VirtioDevice *virtio_net_device(const VirtioNet *net);
void virtio_net_free(VirtioNet *net);
/*
 * Which frames the driver wants, as RxFilterInfo of the schema without the card's name. Caller
 * puts.
 */
JsonValue *virtio_net_rx_filter(const VirtioNet *net);
/*
 * The same of a device, with its name; from then on the next change is told of
 * (NIC_RX_FILTER_CHANGED). NULL: it is no such card, or its frames are filtered by somebody else.
 * Machine lock not held.
 */
JsonValue *virtio_net_pci_rx_filter(Device *device);

extern const QomType virtio_net_pci_type; /* "virtio-net-pci" */
extern const QomType virtio_net_pci_nt_type;

#endif
