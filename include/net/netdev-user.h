/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a netdev of type user can besides. Main loop thread, machine lock not held; the netdev is
 * open.
 */
#ifndef NET_NETDEV_USER_H
#define NET_NETDEV_USER_H

#include "net/netdev.h"

/* "[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT": one forwarded port more. */
bool netdev_user_add_forward(Netdev *netdev, const char *text, GError **errp);
/* "[tcp|udp]:[HOSTADDR]:HOSTPORT": one less. False: there is none. */
bool netdev_user_remove_forward(Netdev *netdev, const char *text, GError **errp);
/* The connections of the moment, as lines. Caller frees. */
char *netdev_user_connections(Netdev *netdev);

#endif
