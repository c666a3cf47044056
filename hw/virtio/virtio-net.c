/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio network card (Virtio 1.2, 5.1): frames between a netdev and the driver's queues, and
 * which frames the driver wants.
 */
#include "hw/virtio/virtio-net.h"

#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

/* Features: 5.1.3 */
#define VIRTIO_NET_F_MTU (UINT64_C(1) << 3)
#define VIRTIO_NET_F_MAC (UINT64_C(1) << 5)
#define VIRTIO_NET_F_MRG_RXBUF (UINT64_C(1) << 15)
#define VIRTIO_NET_F_STATUS (UINT64_C(1) << 16)
#define VIRTIO_NET_F_CTRL_VQ (UINT64_C(1) << 17)
#define VIRTIO_NET_F_CTRL_RX (UINT64_C(1) << 18)
#define VIRTIO_NET_F_CTRL_VLAN (UINT64_C(1) << 19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA (UINT64_C(1) << 20)
#define VIRTIO_NET_F_CTRL_MAC_ADDR (UINT64_C(1) << 23)

/* struct virtio_net_config: 5.1.4 */
#define CONFIG_SIZE 12
#define CONFIG_STATUS 6
#define CONFIG_MTU 10
#define STATUS_LINK_UP 1

/* struct virtio_net_hdr with num_buffers, which VERSION_1 always has: 5.1.6 */
#define HEADER_SIZE 12
#define HEADER_NUM_BUFFERS 10

/* Control commands: 5.1.6.5 */
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_VLAN = 2 };
enum { CTRL_RX_PROMISC, CTRL_RX_ALLMULTI, CTRL_RX_ALLUNI, CTRL_RX_NOMULTI, CTRL_RX_NOUNI,
       CTRL_RX_NOBCAST, CTRL_RX_COUNT };
enum { CTRL_MAC_TABLE_SET, CTRL_MAC_ADDR_SET };
enum { CTRL_VLAN_ADD, CTRL_VLAN_DEL };
#define CTRL_OK 0
#define CTRL_ERR 1

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUE_CONTROL };

#define MAC_SIZE 6
#define MAX_TABLE 64 /* addresses; a driver that has more gets all frames */
#define MAX_BUFFERS 64 /* of the driver's that one frame is spread over */
#define NUM_VLANS 4096

typedef struct MacTable {
    unsigned count;
    bool overflow;
    uint8_t addresses[MAX_TABLE][MAC_SIZE];
} MacTable;

struct VirtioNet {
    VirtioDevice *device;
    VirtioNetConfig config;
    NetCard card;
    bool attached;

    /* Which frames the driver wants */
    uint8_t mac[MAC_SIZE];
    bool filters[CTRL_RX_COUNT];
    MacTable unicast, multicast;
    uint8_t vlans[NUM_VLANS / 8];
};

/* Filters -------------------------------------------------------------------------------------- */

static bool in_table(const MacTable *table, const uint8_t *address)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (!memcmp(table->addresses[i], address, MAC_SIZE)) {
            return true;
        }
    }
    return table->overflow;
}

static unsigned frame_be16(const uint8_t *field)
{
    return (unsigned)field[0] << 8 | field[1];
}

static bool vlan_wanted(const VirtioNet *net, const uint8_t *frame, size_t size)
{
    if (!virtio_has(net->device, VIRTIO_NET_F_CTRL_VLAN) || size < 16 ||
        frame_be16(frame + 12) != 0x8100) {
        return true; /* no IEEE 802.1Q tag */
    }
    unsigned vlan = frame_be16(frame + 14) & 0xfff;
    return net->vlans[vlan / 8] >> vlan % 8 & 1;
}

static bool is_wanted(const VirtioNet *net, const uint8_t *frame, size_t size)
{
    static const uint8_t broadcast[MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (size < 2 * MAC_SIZE || net->filters[CTRL_RX_PROMISC]) {
        return size >= 2 * MAC_SIZE;
    }
    if (!vlan_wanted(net, frame, size)) {
        return false;
    }
    if (!memcmp(frame, broadcast, MAC_SIZE)) {
        return !net->filters[CTRL_RX_NOBCAST];
    }
    if (frame[0] & 1) {
        return !net->filters[CTRL_RX_NOMULTI] &&
               (net->filters[CTRL_RX_ALLMULTI] || in_table(&net->multicast, frame));
    }
    return !net->filters[CTRL_RX_NOUNI] &&
           (net->filters[CTRL_RX_ALLUNI] || !memcmp(frame, net->mac, MAC_SIZE) ||
            in_table(&net->unicast, frame));
}

/* Until the driver says otherwise it gets what is addressed to it, and multicast frames. */
static void reset_filters(VirtioNet *net)
{
    memcpy(net->mac, net->config.mac, MAC_SIZE);
    memset(net->filters, 0, sizeof(net->filters));
    net->filters[CTRL_RX_ALLMULTI] = !virtio_has(net->device, VIRTIO_NET_F_CTRL_RX);
    net->unicast = net->multicast = (MacTable) { 0 };
    memset(net->vlans, 0, sizeof(net->vlans));
}

/* Receiving ------------------------------------------------------------------------------------ */

/*
 * Takes buffers for `total` bytes; how many, 0: there are not enough now, and none is taken. -1:
 * the device broke, or as many as a frame may be spread over are too small for it, which waiting
 * would not change.
 */
static int take_buffers(VirtioNet *net, VirtQueue *queue, size_t total, VirtqElement **buffers)
{
    bool merge = virtio_has(net->device, VIRTIO_NET_F_MRG_RXBUF);
    unsigned count = 0;
    size_t room = 0;

    while (room < total && count < MAX_BUFFERS) {
        VirtqElement *element = virtqueue_pop(queue);

        if (!element) {
            break;
        }
        buffers[count++] = element;
        room += element->in_size;
        if (element->in_size < HEADER_SIZE || (!merge && room < total)) {
            if (element->in_size < HEADER_SIZE) {
                virtqueue_fail(queue, NULL,
                               "a receive buffer of %" PRIu64 " bytes, smaller than its header",
                               element->in_size);
            } else {
                virtqueue_fail(queue, NULL,
                               "a receive buffer of %" PRIu64
                               " bytes for a frame with header of %zu",
                               element->in_size, total);
            }
            while (count) {
                virtq_element_free(buffers[--count]);
            }
            return -1;
        }
    }
    if (room >= total) {
        return (int)count;
    }
    bool too_small = count == MAX_BUFFERS;
    while (count) {
        virtqueue_unpop(queue, buffers[--count]);
    }
    return virtio_is_started(net->device) && !too_small ? 0 : -1;
}

static bool receive(void *opaque, const uint8_t *frame, size_t size)
{
    VirtioNet *net = opaque;
    VirtQueue *queue = virtio_queue(net->device, QUEUE_RECEIVE);
    VirtqElement *buffers[MAX_BUFFERS];
    uint8_t header[HEADER_SIZE] = { 0 };

    if (!virtio_is_started(net->device) || !virtqueue_is_ready(queue) ||
        !is_wanted(net, frame, size)) {
        return true; /* nobody listens: gone, as on a wire */
    }
    int count = take_buffers(net, queue, HEADER_SIZE + size, buffers);
    if (count <= 0) {
        virtqueue_want_notify(queue, true);
        return count < 0;
    }
    store_le16(header + HEADER_NUM_BUFFERS, (uint16_t)count);
    virtq_write(buffers[0], 0, header, sizeof(header));
    size_t done = 0;
    for (int i = 0; i < count; i++) {
        uint64_t skip = i ? 0 : HEADER_SIZE;
        size_t part = virtq_write(buffers[i], skip, frame + done,
                                  MIN(size - done, buffers[i]->in_size - skip));

        done += part;
        virtqueue_push(queue, buffers[i], (uint32_t)(skip + part));
    }
    virtqueue_notify(queue);
    return true;
}

/* Transmitting --------------------------------------------------------------------------------- */

/*
 * The driver may change the frame while it is sent: what is sent is then some mixture, which is the
 * guest's own affair. No checksum or segmentation was offered to it, so the header says nothing.
 */
static void transmit(VirtioNet *net, VirtQueue *queue)
{
    VirtqElement *element;
    struct iovec pieces[VIRTIO_MAX_CHAIN];

    while ((element = virtqueue_pop(queue))) {
        if (element->out_size < HEADER_SIZE || element->out_size - HEADER_SIZE > NET_MAX_FRAME) {
            virtqueue_fail(queue, element,
                           "a frame with header of %" PRIu64 " bytes, %u to %u are possible",
                           element->out_size, HEADER_SIZE, HEADER_SIZE + NET_MAX_FRAME);
            return;
        }
        uint64_t size = element->out_size - HEADER_SIZE;
        if (net->config.netdev && size) {
            unsigned count = virtq_slice(element->out, element->num_out, HEADER_SIZE, size, pieces);
            netdev_send(net->config.netdev, pieces, count, size);
        }
        virtqueue_push(queue, element, 0);
    }
    virtqueue_notify(queue);
}

/* Control -------------------------------------------------------------------------------------- */

static bool read_table(const VirtqElement *element, uint64_t *offset, MacTable *table)
{
    uint8_t field[4];

    if (virtq_read(element, *offset, field, sizeof(field)) < sizeof(field)) {
        return false;
    }
    uint32_t count = load_le32(field);
    *offset += sizeof(field);
    if ((uint64_t)count * MAC_SIZE > element->out_size - *offset) {
        return false;
    }
    table->overflow = count > MAX_TABLE;
    table->count = table->overflow ? 0 : count;
    virtq_read(element, *offset, table->addresses, table->count * (size_t)MAC_SIZE);
    *offset += (uint64_t)count * MAC_SIZE;
    return true;
}

static bool set_macs(VirtioNet *net, const VirtqElement *element, uint8_t command)
{
    uint64_t offset = 2;
    MacTable unicast, multicast;

    if (command == CTRL_MAC_ADDR_SET) {
        uint8_t mac[MAC_SIZE];

        if (virtq_read(element, offset, mac, sizeof(mac)) < sizeof(mac)) {
            return false;
        }
        memcpy(net->mac, mac, sizeof(mac));
        return true;
    }
    if (command != CTRL_MAC_TABLE_SET || !read_table(element, &offset, &unicast) ||
        !read_table(element, &offset, &multicast)) {
        return false;
    }
    net->unicast = unicast;
    net->multicast = multicast;
    return true;
}

static bool set_vlan(VirtioNet *net, const VirtqElement *element, uint8_t command)
{
    uint8_t field[2];

    if (command > CTRL_VLAN_DEL || virtq_read(element, 2, field, sizeof(field)) < sizeof(field) ||
        load_le16(field) >= NUM_VLANS) {
        return false;
    }
    unsigned vlan = load_le16(field);
    uint8_t bit = (uint8_t)(1u << vlan % 8);
    net->vlans[vlan / 8] = (uint8_t)(command == CTRL_VLAN_ADD ? net->vlans[vlan / 8] | bit
                                                              : net->vlans[vlan / 8] & ~bit);
    return true;
}

static bool run_control(VirtioNet *net, const VirtqElement *element)
{
    uint8_t head[2], on;

    if (virtq_read(element, 0, head, sizeof(head)) < sizeof(head)) {
        return false;
    }
    switch (head[0]) {
    case CTRL_RX:
        if (head[1] >= CTRL_RX_COUNT || virtq_read(element, 2, &on, 1) < 1) {
            return false;
        }
        net->filters[head[1]] = on;
        return true;
    case CTRL_MAC:
        return set_macs(net, element, head[1]);
    case CTRL_VLAN:
        return set_vlan(net, element, head[1]);
    default:
        return false;
    }
}

static void control(VirtioNet *net, VirtQueue *queue)
{
    VirtqElement *element;

    while ((element = virtqueue_pop(queue))) {
        if (element->in_size < 1) {
            virtqueue_fail(queue, element, "a control request without room for its status");
            return;
        }
        uint8_t status = run_control(net, element) ? CTRL_OK : CTRL_ERR;
        if (status == CTRL_OK && net->config.filter_changed) {
            net->config.filter_changed(net->config.opaque);
        }
        virtq_write(element, 0, &status, 1);
        virtqueue_push(queue, element, 1);
    }
    virtqueue_notify(queue);
}

/* The device ----------------------------------------------------------------------------------- */

static void notify(void *opaque, VirtQueue *queue)
{
    VirtioNet *net = opaque;

    switch (virtqueue_index(queue)) {
    case QUEUE_RECEIVE:
        if (net->attached) {
            netdev_card_ready(net->config.netdev);
        }
        break;
    case QUEUE_TRANSMIT:
        transmit(net, queue);
        break;
    default:
        control(net, queue);
        break;
    }
}

static void get_config(void *opaque, uint8_t *config)
{
    const VirtioNet *net = opaque;
    bool up = net->attached && !net->config.netdev->link_down;

    memcpy(config, net->mac, MAC_SIZE);
    store_le16(config + CONFIG_STATUS, up ? STATUS_LINK_UP : 0);
    store_le16(config + CONFIG_MTU, net->config.mtu);
}

static void start(void *opaque)
{
    reset_filters(opaque);
}

/* Elements are never kept between callbacks: there is nothing to wait for. */
static void stop_queue(void *opaque, VirtQueue *queue)
{
}

static void link_changed(void *opaque)
{
    virtio_config_changed(((VirtioNet *)opaque)->device);
}

static const VirtioClass net_class = {
    .name = "virtio-net", .id = VIRTIO_ID_NET, .config_size = CONFIG_SIZE,
    .get_config = get_config, .start = start, .notify = notify, .stop_queue = stop_queue,
};

static uint64_t features(const VirtioNetConfig *config)
{
    const uint64_t control = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN |
                             VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR;

    return VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | (config->mtu ? VIRTIO_NET_F_MTU : 0) |
           (config->merge ? VIRTIO_NET_F_MRG_RXBUF : 0) | (config->control ? control : 0);
}

VirtioNet *virtio_net_new(const VirtioNetConfig *config, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioNet *net = g_new0(VirtioNet, 1);

    net->config = *config;
    memcpy(net->mac, config->mac, MAC_SIZE);
    net->card = (NetCard) { receive, link_changed, net, environment->machine_lock };
    if (config->netdev && !netdev_attach(config->netdev, &net->card, errp)) {
        g_free(net);
        return NULL;
    }
    net->attached = config->netdev;
    net->device = virtio_new(&net_class, net, environment);
    for (unsigned i = QUEUE_RECEIVE; i <= (config->control ? QUEUE_CONTROL : QUEUE_TRANSMIT); i++) {
        virtio_add_queue(net->device, i == QUEUE_CONTROL ? 64 : config->queue_size);
    }
    virtio_offer(net->device, features(config));
    return net;
}

VirtioDevice *virtio_net_device(const VirtioNet *net)
{
    return net->device;
}

void virtio_net_free(VirtioNet *net)
{
    if (net) {
        if (net->attached) {
            netdev_detach(net->config.netdev);
        }
        g_free(net);
    }
}

/* For people and management ------------------------------------------------------------------- */

static JsonValue *mac_text(const uint8_t *mac)
{
    g_autofree char *text = g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                                            mac[3], mac[4], mac[5]);

    return json_object_new_string(text);
}

static JsonValue *mac_list(const MacTable *table)
{
    JsonValue *list = json_object_new_array();

    for (unsigned i = 0; i < table->count; i++) {
        json_object_array_add(list, mac_text(table->addresses[i]));
    }
    return list;
}

static JsonValue *vlan_list(const VirtioNet *net)
{
    JsonValue *list = json_object_new_array();

    for (unsigned i = 0; i < NUM_VLANS; i++) {
        if (net->vlans[i / 8] >> i % 8 & 1) {
            json_object_array_add(list, json_object_new_int64(i));
        }
    }
    return list;
}

static void add_state(JsonValue *info, const char *name, bool none, bool all)
{
    json_object_object_add(info, name,
                           json_object_new_string(none ? "none" : all ? "all" : "normal"));
}

JsonValue *virtio_net_rx_filter(const VirtioNet *net)
{
    JsonValue *info = json_object_new_object(), *vlans = vlan_list(net);
    const bool *filters = net->filters;
    bool has_vlans = virtio_has(net->device, VIRTIO_NET_F_CTRL_VLAN);

    json_object_object_add(info, "promiscuous", json_object_new_boolean(filters[CTRL_RX_PROMISC]));
    add_state(info, "multicast", filters[CTRL_RX_NOMULTI],
              filters[CTRL_RX_ALLMULTI] || net->multicast.overflow);
    add_state(info, "unicast", filters[CTRL_RX_NOUNI],
              filters[CTRL_RX_ALLUNI] || net->unicast.overflow);
    add_state(info, "vlan", has_vlans && json_object_array_length(vlans) == 0, !has_vlans);
    json_object_object_add(info, "broadcast-allowed",
                           json_object_new_boolean(!filters[CTRL_RX_NOBCAST]));
    json_object_object_add(info, "multicast-overflow",
                           json_object_new_boolean(net->multicast.overflow));
    json_object_object_add(info, "unicast-overflow",
                           json_object_new_boolean(net->unicast.overflow));
    json_object_object_add(info, "main-mac", mac_text(net->mac));
    json_object_object_add(info, "vlan-table", vlans);
    json_object_object_add(info, "unicast-table", mac_list(&net->unicast));
    json_object_object_add(info, "multicast-table", mac_list(&net->multicast));
    return info;
}
