/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of a vhost-user front end, and the check of each answer. */
#include "hw/virtio/vhost-user.h"

#include <string.h>

#include "util/bytes.h"
#include "util/error.h"
#include "vhost-user-message.h"

/* Feature bits that are the protocol's own and no driver's */
#define F_LOG_ALL (UINT64_C(1) << 26)
#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)

#define MAX_REGIONS VHOST_USER_MAX_FDS
#define REGION_SIZE 32
#define RING_WITHOUT_FD (UINT64_C(1) << 8)

static const uint64_t wanted_protocol = UINT64_C(1) << VHOST_USER_PROTOCOL_MQ |
                                        UINT64_C(1) << VHOST_USER_PROTOCOL_REPLY_ACK |
                                        UINT64_C(1) << VHOST_USER_PROTOCOL_CONFIG;

struct VhostUser {
    VhostUserChannel channel;
    uint64_t features, protocol;
    uint64_t max_queues;
    bool enables; /* rings wait for SET_VRING_ENABLE */
};

VhostUser *vhost_user_new(int fd, const char *name)
{
    VhostUser *user = g_new0(VhostUser, 1);

    user->channel = (VhostUserChannel){.fd = fd,
                                       .name = g_strdup(name),
                                       .timeout_ms = VHOST_USER_TIMEOUT_MS};
    user->max_queues = 1;
    return user;
}

void vhost_user_free(VhostUser *user)
{
    if (user) {
        g_free(user->channel.name);
        g_free(user);
    }
}

uint64_t vhost_user_features(const VhostUser *user)
{
    return user->features & ~(F_PROTOCOL_FEATURES | F_LOG_ALL);
}

static bool vhost_user_has_protocol(const VhostUser *user, unsigned feature)
{
    return user->protocol >> feature & 1;
}

unsigned vhost_user_max_queues(const VhostUser *user)
{
    return (unsigned)user->max_queues;
}

int vhost_user_fd(const VhostUser *user)
{
    return user->channel.fd;
}

bool vhost_user_is_broken(const VhostUser *user)
{
    return user->channel.broken;
}

bool vhost_user_check(VhostUser *user, GError **errp)
{
    return vhost_user_channel_check(&user->channel, errp);
}

/* ---- Requests ---- */

/*
 * A request that is not answered, but for the acknowledgment that the back end may have promised.
 */
static bool tell(VhostUser *user, uint32_t request, const uint8_t *payload, unsigned size,
                 const int *fds, unsigned num_fds, GError **errp)
{
    bool acknowledged = vhost_user_has_protocol(user, VHOST_USER_PROTOCOL_REPLY_ACK);
    uint8_t reply[8];
    unsigned got;

    if (!vhost_user_send(&user->channel, request, acknowledged, payload, size, fds, num_fds,
                         errp)) {
        return false;
    }
    if (!acknowledged) {
        return true;
    }
    if (!vhost_user_receive(&user->channel, request, reply, sizeof(reply), sizeof(reply), &got,
                            errp)) {
        return false;
    }
    uint64_t status = load_le64(reply);
    return status == 0 || error_set(errp, "the back end refuses %s (status %" PRIu64 ")",
                                    vhost_user_request_name(request), status);
}

static bool tell_u64(VhostUser *user, uint32_t request, uint64_t value, GError **errp)
{
    uint8_t payload[8];

    store_le64(payload, value);
    return tell(user, request, payload, sizeof(payload), NULL, 0, errp);
}

static bool tell_state(VhostUser *user, uint32_t request, unsigned index, uint32_t number,
                       GError **errp)
{
    uint8_t payload[8];

    store_le32(payload, index);
    store_le32(payload + 4, number);
    return tell(user, request, payload, sizeof(payload), NULL, 0, errp);
}

static bool ask_u64(VhostUser *user, uint32_t request, uint64_t *value, GError **errp)
{
    uint8_t reply[8];
    unsigned got;

    if (!vhost_user_send(&user->channel, request, false, NULL, 0, NULL, 0, errp) ||
        !vhost_user_receive(&user->channel, request, reply, sizeof(reply), sizeof(reply), &got,
                            errp)) {
        return false;
    }
    *value = load_le64(reply);
    return true;
}

/* ---- Negotiation ---- */

static bool negotiate_protocol(VhostUser *user, GError **errp)
{
    uint64_t offered;

    user->enables = user->features & F_PROTOCOL_FEATURES;
    if (!user->enables) {
        return true;
    }
    if (!ask_u64(user, VHOST_USER_GET_PROTOCOL_FEATURES, &offered, errp) ||
        !tell_u64(user, VHOST_USER_SET_PROTOCOL_FEATURES, offered & wanted_protocol, errp)) {
        return false;
    }
    user->protocol = offered & wanted_protocol;
    if (!vhost_user_has_protocol(user, VHOST_USER_PROTOCOL_MQ)) {
        return true;
    }
    if (!ask_u64(user, VHOST_USER_GET_QUEUE_NUM, &user->max_queues, errp)) {
        return false;
    }
    if (user->max_queues > VIRTIO_MAX_QUEUES) {
        /* QEMU's and DPDK's back ends tell their own limits, which may be larger */
        user->max_queues = VIRTIO_MAX_QUEUES;
    }
    return user->max_queues || error_set(errp, "the back end has 0 queues");
}

bool vhost_user_negotiate(VhostUser *user, GError **errp)
{
    if (!ask_u64(user, VHOST_USER_GET_FEATURES, &user->features, errp)) {
        return false;
    }
    if (!(user->features & VIRTIO_F_VERSION_1)) {
        return error_set(
            errp, "the back end does not offer VIRTIO_F_VERSION_1: it is for legacy drivers alone");
    }
    return negotiate_protocol(user, errp) &&
           tell(user, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0, errp);
}

/* ---- Configuration ---- */

enum { CONFIG_OFFSET = 0, CONFIG_LENGTH = 4, CONFIG_FLAGS = 8, CONFIG_HEADER = 12 };

bool vhost_user_get_config(VhostUser *user, uint8_t *config, unsigned size, GError **errp)
{
    uint8_t payload[CONFIG_HEADER + VHOST_USER_MAX_CONFIG] = { 0 }, reply[sizeof(payload)];
    unsigned got;

    g_assert(size <= VHOST_USER_MAX_CONFIG);
    if (!vhost_user_has_protocol(user, VHOST_USER_PROTOCOL_CONFIG)) {
        return error_set(errp, "the back end does not tell the device's configuration (protocol "
                               "feature CONFIG)");
    }
    store_le32(payload + CONFIG_LENGTH, size);
    if (!vhost_user_send(&user->channel, VHOST_USER_GET_CONFIG, false, payload,
                         CONFIG_HEADER + size, NULL, 0, errp) ||
        !vhost_user_receive(&user->channel, VHOST_USER_GET_CONFIG, reply, 0, CONFIG_HEADER + size,
                            &got, errp)) {
        return false;
    }
    if (got != CONFIG_HEADER + size || load_le32(reply + CONFIG_OFFSET) != 0 ||
        load_le32(reply + CONFIG_LENGTH) != size) {
        return error_set(errp, "the back end has no configuration of %u bytes: it answers %u", size,
                         got > CONFIG_HEADER ? got - CONFIG_HEADER : 0);
    }
    memcpy(config, reply + CONFIG_HEADER, size);
    return true;
}

bool vhost_user_set_config(VhostUser *user, unsigned offset, const uint8_t *data, unsigned size,
                           GError **errp)
{
    uint8_t payload[CONFIG_HEADER + VHOST_USER_MAX_CONFIG] = { 0 };

    g_assert(range_inside(offset, size, VHOST_USER_MAX_CONFIG));
    if (!vhost_user_has_protocol(user, VHOST_USER_PROTOCOL_CONFIG)) {
        return error_set(errp, "the back end takes no configuration (protocol feature CONFIG)");
    }
    store_le32(payload + CONFIG_OFFSET, offset);
    store_le32(payload + CONFIG_LENGTH, size);
    memcpy(payload + CONFIG_HEADER, data, size);
    return tell(user, VHOST_USER_SET_CONFIG, payload, CONFIG_HEADER + size, NULL, 0, errp);
}

/* ---- Memory and rings ---- */

/* User addresses are this process's: ring addresses are told in them. */
static bool set_memory(VhostUser *user, const GuestRam *ram, unsigned num_ram, GError **errp)
{
    uint8_t payload[8 + MAX_REGIONS * REGION_SIZE] = { 0 };
    int fds[MAX_REGIONS];
    unsigned count = 0;

    for (unsigned i = 0; i < num_ram; i++) {
        uint8_t *region = payload + 8 + count * REGION_SIZE;

        if (!ram[i].shareable) {
            continue;
        }
        g_assert(count < MAX_REGIONS);
        store_le64(region, ram[i].gpa);
        store_le64(region + 8, ram[i].size);
        store_le64(region + 16, (uintptr_t)ram[i].host);
        store_le64(region + 24, ram[i].fd_offset);
        fds[count++] = ram[i].fd;
    }
    if (!count) {
        return error_set(errp, "the machine's RAM cannot be given to another process");
    }
    store_le32(payload, count);
    return tell(user, VHOST_USER_SET_MEM_TABLE, payload, 8 + count * REGION_SIZE, fds, count, errp);
}

static bool start(void *opaque, uint64_t features, const GuestRam *ram, unsigned num_ram,
                  GError **errp)
{
    VhostUser *user = opaque;

    return tell_u64(user, VHOST_USER_SET_FEATURES,
                    features | (user->features & F_PROTOCOL_FEATURES), errp) &&
           set_memory(user, ram, num_ram, errp);
}

static bool tell_ring_fd(VhostUser *user, uint32_t request, unsigned index, int fd, GError **errp)
{
    uint8_t payload[8];

    store_le64(payload, fd < 0 ? index | RING_WITHOUT_FD : index);
    return tell(user, request, payload, sizeof(payload), &fd, fd >= 0, errp);
}

static bool tell_addresses(VhostUser *user, const VhostRing *ring, GError **errp)
{
    uint8_t payload[40] = { 0 };

    store_le32(payload, ring->index);
    store_le64(payload + 8, (uintptr_t)ring->descriptors);
    store_le64(payload + 16, (uintptr_t)ring->used);
    store_le64(payload + 24, (uintptr_t)ring->available);
    return tell(user, VHOST_USER_SET_VRING_ADDR, payload, sizeof(payload), NULL, 0, errp);
}

/* The kick's descriptor starts the ring, so that it comes after the rest. */
static bool start_ring(void *opaque, const VhostRing *ring, GError **errp)
{
    VhostUser *user = opaque;
    uint64_t features;

    return tell_state(user, VHOST_USER_SET_VRING_NUM, ring->index, ring->size, errp) &&
           tell_state(user, VHOST_USER_SET_VRING_BASE, ring->index, ring->base, errp) &&
           tell_addresses(user, ring, errp) &&
           tell_ring_fd(user, VHOST_USER_SET_VRING_CALL, ring->index, ring->call, errp) &&
           tell_ring_fd(user, VHOST_USER_SET_VRING_KICK, ring->index, ring->kick, errp) &&
           (!user->enables ||
            tell_state(user, VHOST_USER_SET_VRING_ENABLE, ring->index, 1, errp)) &&
           /*
            * A back end that acknowledges nothing has at least read all of it when it answers this.
            */
           ask_u64(user, VHOST_USER_GET_FEATURES, &features, errp);
}

static bool stop_ring(void *opaque, unsigned index, uint16_t *base, GError **errp)
{
    VhostUser *user = opaque;
    uint8_t payload[8] = { 0 }, reply[8];
    unsigned got;

    store_le32(payload, index);
    if ((user->enables && !tell_state(user, VHOST_USER_SET_VRING_ENABLE, index, 0, errp)) ||
        !vhost_user_send(&user->channel, VHOST_USER_GET_VRING_BASE, false, payload, sizeof(payload),
                         NULL, 0, errp) ||
        !vhost_user_receive(&user->channel, VHOST_USER_GET_VRING_BASE, reply, sizeof(reply),
                            sizeof(reply), &got, errp)) {
        return false;
    }
    if (load_le32(reply) != index || load_le32(reply + 4) > UINT16_MAX) {
        return vhost_user_break(
            &user->channel, errp,
            "the back end answers with ring %u, entry %u when asked for ring %u", load_le32(reply),
            load_le32(reply + 4), index);
    }
    *base = (uint16_t)load_le32(reply + 4);
    return true;
}

const VhostOps vhost_user_ops = { .start = start, .start_ring = start_ring,
                                  .stop_ring = stop_ring };
