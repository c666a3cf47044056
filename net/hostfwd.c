/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading of hostfwd=. */
#include "hostfwd.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/error.h"

static bool bad(const char *text, const char *what, GError **errp)
{
    error_set(errp, "Invalid host forwarding rule '%s' (%s)", text, what);
    error_hint(errp, "It is [tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, for example "
                     "tcp:127.0.0.1:2222-:22");
    return false;
}

static bool parse_address(const char *text, struct in_addr *address)
{
    address->s_addr = INADDR_ANY;
    return !*text || inet_pton(AF_INET, text, address) == 1;
}

static bool parse_port(const char *text, uint16_t minimum, uint16_t *port)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, minimum, 65535, &value, NULL)) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool host_forward_parse(const char *text, HostForward *forward, GError **errp)
{
    const char *dash = strchr(text, '-');

    if (!dash) {
        return bad(text, "the '-' between host and guest is missing", errp);
    }
    g_autofree char *host_text = g_strndup(text, dash - text);
    g_auto(GStrv) host = g_strsplit(host_text, ":", -1);
    g_auto(GStrv) guest = g_strsplit(dash + 1, ":", -1);

    *forward = (HostForward) { 0 };
    if (g_strv_length(host) != 3) {
        return bad(text, "the host's side is PROTOCOL:ADDRESS:PORT", errp);
    }
    if (g_strv_length(guest) != 2) {
        return bad(text, "the guest's side is ADDRESS:PORT", errp);
    }
    forward->udp = !strcmp(host[0], "udp");
    if (*host[0] && strcmp(host[0], "tcp") && !forward->udp) {
        return bad(text, "the protocol is tcp or udp", errp);
    }
    if (!parse_address(host[1], &forward->host)) {
        return bad(text, "bad host address", errp);
    }
    if (!parse_port(host[2], 0, &forward->host_port)) {
        return bad(text, "bad host port", errp);
    }
    if (!parse_address(guest[0], &forward->guest)) {
        return bad(text, "bad guest address", errp);
    }
    return parse_port(guest[1], 1, &forward->guest_port) || bad(text, "bad guest port", errp);
}
