/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a card whose frames the kernel moves (vhost=on) has to know of a netdev of type tap. The
 * netdev is open.
 */
#ifndef NET_NETDEV_TAP_H
#define NET_NETDEV_TAP_H

#include "net/netdev.h"

/* False also for netdevs of other types. */
bool netdev_tap_wants_vhost(const Netdev *netdev);
/* The interface's descriptor, borrowed. */
int netdev_tap_fd(const Netdev *netdev);
/* /dev/vhost-net: the descriptor that vhostfd= names, or a new one; the caller's. -1: *errp. */
int netdev_tap_open_vhost(const Netdev *netdev, GError **errp);

#endif
