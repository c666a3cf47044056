/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio network card (Virtio 1.2, 5.1) by the kernel's vhost-net (drivers/vhost/net.c): one
 * pair of queues and no control queue. Checksums and segmentation are left to the tap interface
 * (Documentation/networking/tuntap.rst), which takes and gives frames with the driver's own header.
 */
#include "hw/virtio/vhost-ioctls.h"

#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/virtio/vhost-net.h"
#include "util/bytes.h"
#include "util/error.h"

#define DEVICE_FILE "/dev/vhost-net"

/* Features: 5.1.3 */
#define VIRTIO_NET_F_CSUM (UINT64_C(1) << 0)
#define VIRTIO_NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define VIRTIO_NET_F_MTU (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC (UINT64_C(1) << 5)
#define VIRTIO_NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define VIRTIO_NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define VIRTIO_NET_F_GUEST_ECN (UINT64_C(1) << 9)
#define VIRTIO_NET_F_HOST_TSO4 (UINT64_C(1) << 11)
#define VIRTIO_NET_F_HOST_TSO6 (UINT64_C(1) << 12)
#define VIRTIO_NET_F_HOST_ECN (UINT64_C(1) << 13)
#define VIRTIO_NET_F_MRG_RXBUF (UINT64_C(1) << 15)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)
/* What the interface does for the driver */
#define OFFLOADS (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | \
                  VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_HOST_TSO4 | \
                  VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN)
/* What vhost has a part in */
#define RING_FEATURES (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MRG_RXBUF)

/* struct virtio_net_config: 5.1.4; struct virtio_net_hdr with num_buffers: 5.1.6 */
#define CONFIG_SIZE 12
#define CONFIG_STATUS 6
#define CONFIG_MTU 10
#define HEADER_SIZE 12
#define NUM_RINGS 2

struct VhostNet {
    VirtioDevice *device;
    VhostNetConfig config;
    VhostKernel *kernel;
    Vhost vhost;
    NetCard card;
    bool attached;
};

static int call_kernel(int fd, unsigned long request, void *argument)
{
    return ioctl(fd, request, argument);
}

/* ---- The interface ---- */

/* Which frames it may give that the driver has to finish: checksums (CSUM) and segmentation. */
static bool set_offloads(const VhostNet *net, uint64_t features)
{
    uintptr_t flags = (features & VIRTIO_NET_F_GUEST_CSUM ? TUN_F_CSUM : 0) |
                      (features & VIRTIO_NET_F_GUEST_TSO4 ? TUN_F_TSO4 : 0) |
                      (features & VIRTIO_NET_F_GUEST_TSO6 ? TUN_F_TSO6 : 0) |
                      (features & VIRTIO_NET_F_GUEST_ECN ? TUN_F_TSO_ECN : 0);

    return net->config.call(net->config.tap, TUNSETOFFLOAD, (void *)flags) == 0;
}

static bool prepare_tap(const VhostNet *net, GError **errp)
{
    int size = HEADER_SIZE;

    if (net->config.call(net->config.tap, TUNSETVNETHDRSZ, &size) < 0) {
        error_set(errp, "netdev '%s': the interface takes no virtio headers (TUNSETVNETHDRSZ): %s",
                  net->config.netdev->id, g_strerror(errno));
        error_hint(errp,
                   "Make it with IFF_VNET_HDR (ip tuntap add … vnet_hdr), or leave vhost=on out");
        return false;
    }
    return true;
}

/* ---- The back end ---- */

static bool set_backend(const VhostNet *net, unsigned ring, bool on, GError **errp)
{
    struct vhost_vring_file file = { ring, on ? net->config.tap : -1 };

    return vhost_kernel_call(net->kernel, VHOST_NET_SET_BACKEND, "VHOST_NET_SET_BACKEND", &file,
                             errp);
}

/* Frames move, unless the cable is pulled out. */
static bool set_backends(const VhostNet *net, bool on, GError **errp)
{
    bool ok = true;

    for (unsigned i = 0; i < NUM_RINGS; i++) {
        if (net->vhost.started[i]) {
            ok &= set_backend(net, i, on && !net->config.netdev->link_down, ok ? errp : NULL);
        }
    }
    return ok;
}

static bool start_back_end(void *opaque, uint64_t features, const GuestRam *ram, unsigned num_ram,
                           GError **errp)
{
    VhostNet *net = opaque;

    return vhost_kernel_ops.start(net->kernel, features, ram, num_ram, errp);
}

static bool start_ring(void *opaque, const VhostRing *ring, GError **errp)
{
    return vhost_kernel_ops.start_ring(((VhostNet *)opaque)->kernel, ring, errp);
}

/* A ring that is taken back alone (a reset of its queue) still has its back end. */
static bool stop_ring(void *opaque, unsigned index, uint16_t *base, GError **errp)
{
    VhostNet *net = opaque;
    bool ok = set_backend(net, index, false, errp);

    return vhost_kernel_ops.stop_ring(net->kernel, index, base, ok ? errp : NULL) && ok;
}

static bool run(void *opaque, bool on, GError **errp)
{
    return set_backends(opaque, on, errp);
}

static const VhostOps vhost_ops = {
    .start = start_back_end, .start_ring = start_ring, .stop_ring = stop_ring, .run = run,
};

/* ---- The device ---- */

static void get_config(void *opaque, uint8_t *config)
{
    const VhostNet *net = opaque;

    memcpy(config, net->config.mac, sizeof(net->config.mac));
    store_le16(config + CONFIG_STATUS, !net->config.netdev->link_down);
    store_le16(config + CONFIG_MTU, net->config.mtu);
}

static void start(void *opaque)
{
    VhostNet *net = opaque;

    if (!set_offloads(net, virtio_features(net->device)) &&
        (virtio_features(net->device) & OFFLOADS)) {
        virtio_fail(net->device, "TUNSETOFFLOAD: %s", g_strerror(errno));
        return;
    }
    vhost_start(&net->vhost);
}

static void stop(void *opaque)
{
    vhost_stop(&((VhostNet *)opaque)->vhost);
}

static void start_queue(void *opaque, VirtQueue *queue)
{
    VhostNet *net = opaque;
    g_autoptr(GError) err = NULL;

    vhost_start_queue(&net->vhost, queue);
    if (net->vhost.running && !set_backends(net, true, &err)) {
        virtio_fail(net->device, "%s", err->message);
    }
}

/* Rings are the kernel's while the device runs. */
static void notify(void *opaque, VirtQueue *queue)
{
}

static const VirtioClass net_class = {
    .outside = true,
    .name = "vhost-net", .id = VIRTIO_ID_NET, .config_size = CONFIG_SIZE, .get_config = get_config,
    .start = start, .stop = stop, .notify = notify, .start_queue = start_queue,
};

/* ---- The card ---- */

static bool receive(void *opaque, const uint8_t *frame, size_t size)
{
    return true; /* the netdev delivers none: nobody reads the interface on this side */
}

static void link_changed(void *opaque)
{
    VhostNet *net = opaque;
    g_autoptr(GError) err = NULL;

    if (net->vhost.running && !set_backends(net, true, &err)) {
        virtio_fail(net->device, "%s", err->message);
    }
    virtio_config_changed(net->device);
}

VhostNet *vhost_net_new(const VhostNetConfig *config, const VirtioEnvironment *environment,
                        GError **errp)
{
    VhostNet *net = g_new0(VhostNet, 1);

    net->config = *config;
    net->config.call = config->call ? config->call : call_kernel;
    net->kernel = vhost_kernel_new(config->vhost, DEVICE_FILE, config->call, errp);
    net->card = (NetCard) { receive, link_changed, net, environment->machine_lock };
    net->attached = net->kernel && prepare_tap(net, errp) &&
                    netdev_attach(config->netdev, &net->card, errp);
    if (!net->attached) {
        vhost_net_free(net);
        return NULL;
    }
    uint64_t theirs = vhost_kernel_features(net->kernel);
    net->device = virtio_new(&net_class, net, environment);
    for (unsigned i = 0; i < NUM_RINGS; i++) {
        virtio_add_queue(net->device, config->queue_size);
    }
    virtio_withhold(net->device, (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX) & ~theirs);
    virtio_offer(net->device, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS |
                 (config->mtu ? VIRTIO_NET_F_MTU : 0) | (theirs & VIRTIO_NET_F_MRG_RXBUF) |
                 (set_offloads(net, OFFLOADS) ? OFFLOADS : 0));
    net->vhost = (Vhost) {
        .device = net->device, .ops = &vhost_ops, .opaque = net, .memory = environment->memory,
        .ram = environment->ram, .num_ram = environment->num_ram, .num_rings = NUM_RINGS,
        .features = theirs & (RING_FEATURES | VIRTIO_F_VERSION_1),
    };
    return net;
}

VirtioDevice *vhost_net_device(const VhostNet *net)
{
    return net->device;
}

void vhost_net_free(VhostNet *net)
{
    if (net) {
        if (net->attached) {
            netdev_detach(net->config.netdev);
        }
        vhost_kernel_free(net->kernel);
        g_free(net);
    }
}
