/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT": a port of the host that leads to one of
 * the guest. Pure.
 */
#ifndef NET_HOSTFWD_H
#define NET_HOSTFWD_H

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>

typedef struct HostForward {
    bool udp;
    struct in_addr host, guest; /* host: any address if it was left out; guest: 0.0.0.0 then */
    uint16_t host_port, guest_port;
} HostForward;

/* False: *errp says which part, and what is permitted. */
bool host_forward_parse(const char *text, HostForward *forward, GError **errp);

#endif
