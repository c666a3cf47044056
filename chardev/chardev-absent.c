/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices that QEMU has and this program has not, each with what to use instead. */
#include <string.h>

#include "chardev-internal.h"

typedef struct Absent {
    const char *name, *hint;
} Absent;

static const char no_display[] =
    "There is no display to show it on: use stdio, pty, or socket and a terminal program";
static const char no_input[] = "There are no input devices: leave it out";
static const char no_host_line[] =
    "The host's serial and parallel ports are not opened: use socket, and socat to join the two";
static const char no_spice[] = "There is no SPICE: use socket";
static const char use_mux[] = "Write mux=on with the chardev that is to be shared";
static const char no_tls[] =
    "Connections are not encrypted: listen on a unix socket, and put stunnel or ssh in front of it";

static const Absent backends[] = {
    { "braille", no_input },
    { "console", "A console of Windows is meant: use stdio" },
    { "dbus", no_display },
    { "hub", "A front end has one chardev: a copy of the output goes to logfile=" },
    { "msmouse", no_input },
    { "mux", use_mux },
    { "parallel", no_host_line },
    { "parport", no_host_line },
    { "qemu-vdagent", no_spice },
    { "serial", no_host_line },
    { "spiceport", no_spice },
    { "spicevmc", no_spice },
    { "testdev", "It ends QEMU at a word of the guest: use -action, or isa-debugcon with a file" },
    { "tty", no_host_line },
    { "vc", no_display },
    { "wctablet", no_input },
};

static const Absent keys[] = {
    { "tls-creds", no_tls },
    { "tls-authz", no_tls },
    { "websocket", "Use websockify in front of a socket" },
    { "tn3270", "There is no such terminal here: use telnet=on" },
    { "cols", no_display },
    { "rows", no_display },
    { "width", no_display },
    { "height", no_display },
    { "encoding", no_display },
};

/* By the beginning; the first that fits. */
static const Absent devices[] = {
    { "COM", "A port of Windows is meant: use stdio" },
    { "braille", no_input },
    { "con:", "A console of Windows is meant: use stdio" },
    { "msmouse", no_input },
    { "/dev/", no_host_line },
    { "tn3270:", "There is no such terminal here: use telnet:" },
    { "vc", no_display },
    { "wctablet", no_input },
    { "websocket:", "Use websockify in front of a socket" },
};

static const char *find(const Absent *table, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(table[i].name, name)) {
            return table[i].hint;
        }
    }
    return NULL;
}

const char *chardev_instead_of_backend(const char *name)
{
    return find(backends, G_N_ELEMENTS(backends), name);
}

const char *chardev_instead_of_key(const char *key)
{
    return find(keys, G_N_ELEMENTS(keys), key);
}

const char *chardev_instead_of_device(const char *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (g_str_has_prefix(text, devices[i].name)) {
            return devices[i].hint;
        }
    }
    return NULL;
}
