/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev vhost-user, and the network card whose frames its back end moves (Virtio 1.2, 5.1). One
 * pair of queues and no control queue: which frames the driver gets is the back end's affair.
 */
#include <string.h>

#include "hw/virtio/vhost-user-device.h"
#include "util/bytes.h"
#include "util/error.h"

#define VIRTIO_NET_F_MTU (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC (UINT64_C(1) << 5)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)
/* 5.1.3, bits 0 and 1 checksums, 7 to 14 segmentation, 15 frames in several buffers */
#define FEATURES UINT64_C(0xff83)

#define CONFIG_SIZE 12
#define CONFIG_STATUS 6
#define CONFIG_MTU 10

/* ---- The netdev ---- */

typedef struct VhostUserNetdev {
    Netdev netdev;
    QomLink chardev;
    bool force;
    uint32_t queues;
} VhostUserNetdev;

static bool open_netdev(Netdev *netdev, GError **errp)
{
    const VhostUserNetdev *user = (VhostUserNetdev *)netdev;

    if (user->queues != 1) {
        return error_set(errp, "queues=%u is not available: a card has one pair of queues",
                         user->queues);
    }
    return vhost_user_await(chardev_of(&user->chardev), errp);
}

static void close_netdev(Netdev *netdev)
{
}

/* The card that has this netdev sends nothing this way. */
static void send_frame(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
}

static char *describe(Netdev *netdev)
{
    return g_strdup_printf("chardev=%s", ((VhostUserNetdev *)netdev)->chardev.name);
}

static const NetdevOps netdev_ops = { .open = open_netdev, .close = close_netdev,
                                      .send = send_frame, .describe = describe };

static const QomProperty netdev_properties[] = {
    QOM_PROPERTY_LINK("chardev", VhostUserNetdev, chardev, &chardev_type, CHARDEV_CONTAINER,
                      "id of the socket chardev at whose other end the back end is",
                      .flags = QOM_REQUIRED, .type_name = "str"),
    QOM_PROPERTY_BOOL("vhostforce", VhostUserNetdev, force, "on",
                      "always so: there is no other way for the frames"),
    QOM_PROPERTY_UINT32("queues", VhostUserNetdev, queues, "1", "pairs of queues: 1"),
    { NULL },
};

const QomType netdev_vhost_user_type = {
    .name = "netdev-vhost-user", .parent = &netdev_type, .size = sizeof(VhostUserNetdev),
    .description = "a switch or network in another process, which reads and writes the guest's "
                   "buffers", .properties = netdev_properties,
    .ops = &netdev_ops,
};

/* ---- The card ---- */

struct VhostUserNet {
    VhostUserDevice *user;
    Netdev *netdev;
    NetCard card;
    uint8_t mac[6];
    uint16_t mtu;
};

static bool receive(void *opaque, const uint8_t *frame, size_t size)
{
    return true; /* a netdev of this type delivers none */
}

static void link_changed(void *opaque)
{
    virtio_config_changed(vhost_user_device(((VhostUserNet *)opaque)->user));
}

static void fill_config(void *opaque, uint8_t *config)
{
    const VhostUserNet *net = opaque;

    memcpy(config, net->mac, sizeof(net->mac));
    store_le16(config + CONFIG_STATUS,
               vhost_user_device_is_connected(net->user) && !net->netdev->link_down);
    store_le16(config + CONFIG_MTU, net->mtu);
}

VhostUserNet *vhost_user_net_new(Netdev *netdev, const uint8_t mac[6], uint16_t mtu,
                                 unsigned queue_size, const VirtioEnvironment *environment,
                                 GError **errp)
{
    VhostUserNet *net = g_new0(VhostUserNet, 1);
    const VhostUserDeviceConfig config = {
        .chardev = chardev_of(&((VhostUserNetdev *)netdev)->chardev), .name = "vhost-user-net",
        .id = VIRTIO_ID_NET, .num_queues = 2,
        .queue_size = queue_size, .features = FEATURES,
        .own_features = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | (mtu ? VIRTIO_NET_F_MTU : 0),
        .config_size = CONFIG_SIZE,
        .fill_config = fill_config, .opaque = net, .may_lose = true,
    };

    net->netdev = netdev;
    net->mtu = mtu;
    memcpy(net->mac, mac, sizeof(net->mac));
    net->card = (NetCard) { receive, link_changed, net, environment->machine_lock };
    if (!netdev_attach(netdev, &net->card, errp)) {
        g_free(net);
        return NULL;
    }
    net->user = vhost_user_device_new(&config, environment, errp);
    if (!net->user) {
        netdev_detach(netdev);
        g_free(net);
        return NULL;
    }
    return net;
}

VirtioDevice *vhost_user_net_device(const VhostUserNet *net)
{
    return vhost_user_device(net->user);
}

void vhost_user_net_free(VhostUserNet *net)
{
    if (net) {
        netdev_detach(net->netdev);
        vhost_user_device_free(net->user);
        g_free(net);
    }
}
