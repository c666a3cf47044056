/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types virtio-net-pci and virtio-net-pci-non-transitional. */
#include <string.h>

#include "hw/core/machine.h"
#include "hw/virtio/vhost-net.h"
#include "hw/virtio/vhost-user-device.h"
#include "hw/virtio/virtio-net.h"
#include "net/netdev-tap.h"
#include "qapi-types.h"
#include "util/error.h"

typedef struct VirtioNetPci {
    VirtioPciDevice parent;
    VirtioNet *net;
    VhostNet *kernel;   /* in its place with a netdev whose frames the kernel moves */
    VhostUserNet *user; /* in its place with a netdev whose frames another process moves */
    QomLink netdev;
    const Machine *machine;
    int filter_told;    /* atomic: of a change of filters, and nobody has asked since */
    uint8_t mac[6];
    uint16_t host_mtu, rx_queue_size, tx_queue_size;
    bool mrg_rxbuf, ctrl_vq, mq;
} VirtioNetPci;

/*
 * 52:54:00:12:34:56 and the ones after it, as in QEMU: by the card's number among those that were
 * given none.
 */
static void default_mac(const VirtioNetPci *device, uint8_t mac[6])
{
    static const uint8_t first[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

    memcpy(mac, first, sizeof(first));
    mac[5] = (uint8_t)(mac[5] + device->parent.pci.device.index);
}

static bool check(const VirtioNetPci *device, GError **errp)
{
    const uint16_t sizes[] = { device->rx_queue_size, device->tx_queue_size };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i] < 256 || sizes[i] > VIRTIO_MAX_QUEUE_SIZE || (sizes[i] & (sizes[i] - 1))) {
            error_set(errp,
                      "Invalid %cx_queue_size (= %u), must be a power of 2 between 256 and %u.",
                      i ? 't' : 'r', sizes[i], VIRTIO_MAX_QUEUE_SIZE);
            return false;
        }
    }
    if (device->mac[0] & 1) {
        return error_set(errp, "Parameter 'mac' expects an address of one card, and bit 0 of the "
                               "first byte makes it one of a group");
    }
    return true;
}

/*
 * Told once: whoever wants to know what the filters are now asks, and is told of the next change.
 */
static void filter_changed(void *opaque)
{
    VirtioNetPci *device = opaque;
    const Device *self = &device->parent.pci.device;

    if (g_atomic_int_compare_and_exchange(&device->filter_told, false, true)) {
        JsonValue *data = json_object_new_object();
        g_autofree char *path = qom_object_path((QomObject *)&self->object);

        if (self->id) {
            json_object_object_add(data, "name", json_object_new_string(self->id));
        }
        json_object_object_add(data, "path", json_object_new_string(path));
        machine_event(device->machine, &qapi_event_NIC_RX_FILTER_CHANGED, data);
    }
}

JsonValue *virtio_net_pci_rx_filter(Device *device)
{
    VirtioNetPci *card = (VirtioNetPci *)device;

    if (!qom_is(&device->object, &virtio_net_pci_type) || !card->net) {
        return NULL;
    }
    virtio_lock(virtio_net_device(card->net));
    JsonValue *info = virtio_net_rx_filter(card->net);
    virtio_unlock(virtio_net_device(card->net));
    g_autofree char *path = device->id ? NULL : qom_object_path(&device->object);
    json_object_object_add(info, "name", json_object_new_string(device->id ? device->id : path));
    g_atomic_int_set(&card->filter_told, false);
    return info;
}

static VirtioDevice *make_in_kernel(VirtioNetPci *device, const VirtioNetConfig *config,
                                    const VirtioEnvironment *environment, GError **errp)
{
    VhostNetConfig kernel = {
        .netdev = config->netdev, .tap = netdev_tap_fd(config->netdev),
        .vhost = netdev_tap_open_vhost(config->netdev, errp), .mtu = config->mtu,
        .queue_size = config->queue_size,
    };

    memcpy(kernel.mac, config->mac, sizeof(kernel.mac));
    device->kernel = kernel.vhost >= 0 ? vhost_net_new(&kernel, environment, errp) : NULL;
    return device->kernel ? vhost_net_device(device->kernel) : NULL;
}

static VirtioDevice *make(VirtioPciDevice *parent, const VirtioEnvironment *environment,
                          GError **errp)
{
    static const uint8_t none[6];
    VirtioNetPci *device = (VirtioNetPci *)parent;
    VirtioNetConfig config = {
        .netdev = (Netdev *)device->netdev.target,
        .queue_size = MAX(device->rx_queue_size, device->tx_queue_size),
        .mtu = device->host_mtu, .merge = device->mrg_rxbuf, .control = device->ctrl_vq,
        .filter_changed = filter_changed, .opaque = device,
    };

    if (!check(device, errp)) {
        return NULL;
    }
    device->machine = device_machine(&parent->pci.device);
    if (!memcmp(device->mac, none, sizeof(none))) {
        default_mac(device, device->mac);
    }
    memcpy(config.mac, device->mac, sizeof(config.mac));
    if (config.netdev && qom_type_is(config.netdev->object.type, &netdev_vhost_user_type)) {
        device->user = vhost_user_net_new(config.netdev, config.mac, config.mtu, config.queue_size,
                                          environment, errp);
        return device->user ? vhost_user_net_device(device->user) : NULL;
    }
    if (config.netdev && netdev_tap_wants_vhost(config.netdev)) {
        return make_in_kernel(device, &config, environment, errp);
    }
    device->net = virtio_net_new(&config, environment, errp);
    return device->net ? virtio_net_device(device->net) : NULL;
}

static void free_net(VirtioPciDevice *parent)
{
    VirtioNetPci *device = (VirtioNetPci *)parent;

    g_clear_pointer(&device->net, virtio_net_free);
    g_clear_pointer(&device->kernel, vhost_net_free);
    g_clear_pointer(&device->user, vhost_user_net_free);
}

static const VirtioPciOps ops = {
    .pci = { .device = { .bus_type = &pcie_bus_type, .category = "Network", PCI_DEVICE_OPS },
             VIRTIO_PCI_OPS },
    .class_device = 0x0200, .boot_name = "ethernet", .boot_unit = "ethernet-phy@0", .make = make,
    .free = free_net,
};

static const QomProperty properties[] = {
    QOM_PROPERTY_LINK("netdev", VirtioNetPci, netdev, &netdev_type, "/netdevs",
                      "id of the -netdev that the card is connected to",
                      .type_name = "str"),
    QOM_PROPERTY_MAC("mac", VirtioNetPci, mac,
                     "Ethernet address (52:54:00:12:34:56 and the ones after it)"),
    QOM_PROPERTY_UINT16("host_mtu", VirtioNetPci, host_mtu, "0",
                        "MTU that the driver is told; 0 = none"),
    QOM_PROPERTY_UINT16("rx_queue_size", VirtioNetPci, rx_queue_size, "256",
                        "entries of the queues"),
    QOM_PROPERTY_UINT16("tx_queue_size", VirtioNetPci, tx_queue_size, "256",
                        "entries of the queues"),
    QOM_PROPERTY_BOOL("mq", VirtioNetPci, mq, "off",
                      "without effect: a netdev has one pair of queues"),
    QOM_PROPERTY_BOOL("mrg_rxbuf", VirtioNetPci, mrg_rxbuf, "on",
                      "a frame may lie in several buffers"),
    VIRTIO_BOOTINDEX_PROPERTY,
    QOM_PROPERTY_BOOL("ctrl_vq", VirtioNetPci, ctrl_vq, "on", "control queue: address filters"),
    { NULL },
};

const QomType virtio_net_pci_type = {
    .name = "virtio-net-pci", .parent = &virtio_pci_type, .description = "Virtio network card",
    .size = sizeof(VirtioNetPci), .properties = properties, .ops = &ops,
};
const QomType virtio_net_pci_nt_type = VIRTIO_NON_TRANSITIONAL("virtio-net-pci",
                                                               virtio_net_pci_type);
