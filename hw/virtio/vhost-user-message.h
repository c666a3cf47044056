/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of the vhost-user protocol on a socket: header, payload, descriptors. Private to
 * hw/virtio.
 */
#ifndef HW_VIRTIO_VHOST_USER_MESSAGE_H
#define HW_VIRTIO_VHOST_USER_MESSAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Requests: "Front-end message types" */
enum {
    VHOST_USER_GET_FEATURES = 1, VHOST_USER_SET_FEATURES = 2, VHOST_USER_SET_OWNER = 3,
    VHOST_USER_SET_MEM_TABLE = 5, VHOST_USER_SET_VRING_NUM = 8, VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10, VHOST_USER_GET_VRING_BASE = 11, VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13, VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16, VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18, VHOST_USER_GET_CONFIG = 24, VHOST_USER_SET_CONFIG = 25,
};

/*
 * "Header": request, flags, size of the payload; in the machine's byte order, which here is
 * little-endian
 */
#define VHOST_USER_HEADER_SIZE 12
enum { VHOST_USER_VERSION = 1, VHOST_USER_VERSION_MASK = 3, VHOST_USER_REPLY = 4,
       VHOST_USER_NEED_REPLY = 8 };
#define VHOST_USER_MAX_FDS 8

typedef struct VhostUserChannel {
    int fd;               /* borrowed */
    char *name;
    unsigned timeout_ms;  /* for each wait */
    bool broken;
} VhostUserChannel;

/* "SET_MEM_TABLE"; for messages. */
const char *vhost_user_request_name(uint32_t request);
/* One message. False: *errp, and the channel is broken. */
bool vhost_user_send(VhostUserChannel *channel, uint32_t request, bool need_reply,
                     const uint8_t *payload, unsigned size, const int *fds, unsigned num_fds,
                     GError **errp);
/*
 * The answer to `request`, with a payload of min to max bytes. Descriptors that come with it are
 * closed. False: as above.
 */
bool vhost_user_receive(VhostUserChannel *channel, uint32_t request, uint8_t *payload, unsigned min,
                        unsigned max, unsigned *size, GError **errp);
/* See vhost_user_check(). */
bool vhost_user_channel_check(VhostUserChannel *channel, GError **errp);
/* Nothing that comes from now on can be trusted to belong to what is asked. False, and *errp. */
bool vhost_user_break(VhostUserChannel *channel, GError **errp, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

#endif
