/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user protocol ("Vhost-user Protocol" in the manual of the programs that speak it),
 * front end's side: one connection to a back end, over which requests go and are answered one at a
 * time.
 *
 * Nothing that the back end says is believed unchecked, and it may be silent for
 * VHOST_USER_TIMEOUT_MS at most: after the first violation or silence the connection is broken, and
 * each further request fails at once.
 *
 * One caller at a time: with the machine lock held, or before there is a machine.
 */
#ifndef HW_VIRTIO_VHOST_USER_H
#define HW_VIRTIO_VHOST_USER_H

#include "hw/virtio/vhost.h"

#define VHOST_USER_TIMEOUT_MS 10000
#define VHOST_USER_MAX_CONFIG 256

/* Protocol features, by bit */
enum {
    VHOST_USER_PROTOCOL_MQ = 0, VHOST_USER_PROTOCOL_REPLY_ACK = 3, VHOST_USER_PROTOCOL_CONFIG = 9,
};

typedef struct VhostUser VhostUser;

/*
 * fd: a connected UNIX stream socket, borrowed for the connection's life. name: the device's, for
 * messages.
 */
VhostUser *vhost_user_new(int fd, const char *name);
void vhost_user_free(VhostUser *user); /* NULL is fine */
/* The first exchange: features, protocol features, number of queues, ownership. False: *errp. */
bool vhost_user_negotiate(VhostUser *user, GError **errp);
/* What negotiation found. */
/* of virtio and of the device; none of the protocol's own */
uint64_t vhost_user_features(const VhostUser *user);
unsigned vhost_user_max_queues(const VhostUser *user); /* 1 without VHOST_USER_PROTOCOL_MQ */
/* The first size bytes of the device's configuration, at most VHOST_USER_MAX_CONFIG. */
bool vhost_user_get_config(VhostUser *user, uint8_t *config, unsigned size, GError **errp);
bool vhost_user_set_config(VhostUser *user, unsigned offset, const uint8_t *data, unsigned size,
                           GError **errp);
/* Its descriptor, and whether requests fail at once. */
int vhost_user_fd(const VhostUser *user);
bool vhost_user_is_broken(const VhostUser *user);
/*
 * Between requests: has the back end gone, or spoken unasked? False: *errp, the connection is
 * broken.
 */
bool vhost_user_check(VhostUser *user, GError **errp);

extern const VhostOps vhost_user_ops; /* opaque: VhostUser */

#endif
