/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev passt: starts passt (https://passt.top) and speaks to it as a netdev of type stream does.
 * Without privileges the guest has the host's addresses, and ports of the host lead to it.
 */
#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream-internal.h"
#include "system/core/log.h"
#include "util/error.h"

/* The descriptor's number in passt: the first that is not a standard stream. */
#define PASST_FD 3

typedef struct NetdevPasst {
    NetdevStream stream;
    char *path;
    char *text[18];      /* of text_options */
    QomOnOffAuto flags[12]; /* of flag_options */
    bool quiet, vhost_user;
    GPtrArray *parameters; /* of char *: param= as given */
    GSubprocess *process;
} NetdevPasst;

/* Properties that are options of passt's with the same argument. */
static const char *const text_options[][2] = {
    { "mtu", "--mtu" }, { "address", "--address" }, { "netmask", "--netmask" },
    { "mac", "--mac-addr" },
    { "gateway", "--gateway" }, { "interface", "--interface" }, { "outbound", "--outbound" },
    { "outbound-if4", "--outbound-if4" }, { "outbound-if6", "--outbound-if6" }, { "dns", "--dns" },
    { "search", "--search" }, { "fqdn", "--fqdn" }, { "map-host-loopback", "--map-host-loopback" },
    { "map-guest-addr", "--map-guest-addr" }, { "dns-forward", "--dns-forward" },
    { "dns-host", "--dns-host" }, { "tcp-ports", "--tcp-ports" }, { "udp-ports", "--udp-ports" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(text_options) == 18);

/* Properties that are options without an argument: one if on, another if off; NULL = none. */
static const char *const flag_options[][3] = {
    { "tcp", NULL, "--no-tcp" }, { "udp", NULL, "--no-udp" }, { "icmp", NULL, "--no-icmp" },
    { "dhcp", NULL, "--no-dhcp" }, { "ndp", NULL, "--no-ndp" }, { "dhcpv6", NULL, "--no-dhcpv6" },
    { "ra", NULL, "--no-ra" }, { "freebind", "--freebind", NULL },
    { "dhcp-dns", "--dhcp-dns", "--no-dhcp-dns" },
    { "dhcp-search", "--dhcp-search", "--no-dhcp-search" }, { "ipv4", NULL, "--ipv6-only" },
    { "ipv6", NULL, "--ipv4-only" },
};

static void add(GPtrArray *arguments, const char *text)
{
    g_ptr_array_add(arguments, g_strdup(text));
}

static GPtrArray *make_arguments(const NetdevPasst *passt)
{
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);

    add(arguments, passt->path ? passt->path : "passt");
    add(arguments, "--foreground");
    if (passt->quiet) {
        add(arguments, "--quiet");
    }
    add(arguments, "--fd");
    g_ptr_array_add(arguments, g_strdup_printf("%d", PASST_FD));
    for (unsigned i = 0; i < G_N_ELEMENTS(text_options); i++) {
        if (passt->text[i]) {
            add(arguments, text_options[i][1]);
            add(arguments, passt->text[i]);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(flag_options); i++) {
        const char *option = passt->flags[i] == QOM_ON ? flag_options[i][1] :
                             passt->flags[i] == QOM_OFF ? flag_options[i][2] : NULL;
        if (option) {
            add(arguments, option);
        }
    }
    for (unsigned i = 0; i < passt->parameters->len; i++) {
        add(arguments, g_ptr_array_index(passt->parameters, i));
    }
    g_ptr_array_add(arguments, NULL);
    return arguments;
}

static void on_lost(NetdevStream *stream)
{
    g_autofree char *text = g_strdup_printf(
        "netdev '%s': passt has ended: the guest has no network any more", stream->netdev.id);

    report_warning(text);
}

static bool passt_open(Netdev *netdev, GError **errp)
{
    NetdevPasst *passt = (NetdevPasst *)netdev;
    g_autoptr(GPtrArray) arguments = make_arguments(passt);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GError) err = NULL;
    int pair[2];

    if (passt->vhost_user) {
        error_set(errp, "vhost-user=on is not available with passt");
        error_hint(errp, "Start passt --vhost-user --socket-path PATH, and use -netdev vhost-user");
        return false;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return error_set(errp, "netdev '%s': %s", netdev->id, g_strerror(errno));
    }
    g_subprocess_launcher_take_fd(launcher, pair[1], PASST_FD);
    passt->process =
        g_subprocess_launcher_spawnv(launcher, (const char *const *)arguments->pdata, &err);
    g_subprocess_launcher_close(launcher);
    if (!passt->process) {
        close(pair[0]);
        error_set(errp, "netdev '%s': passt cannot be started: %s", netdev->id, err->message);
        error_hint(
            errp, "Install it (Debian's package passt), or give path=; -netdev user needs nothing");
        return false;
    }
    passt->stream.lost = on_lost;
    netdev_stream_take_connection(&passt->stream, pair[0]);
    return true;
}

static void passt_close(Netdev *netdev)
{
    NetdevPasst *passt = (NetdevPasst *)netdev;

    netdev_stream_hang_up(&passt->stream);
    if (passt->process) {
        g_subprocess_send_signal(passt->process, SIGTERM);
        g_clear_object(&passt->process);
    }
}

static char *passt_describe(Netdev *netdev)
{
    const NetdevPasst *passt = (NetdevPasst *)netdev;

    return g_strdup_printf("pid=%s%s",
                           passt->process ? g_subprocess_get_identifier(passt->process) : "",
                           passt->stream.fd < 0 ? " (not connected)" : "");
}

static const NetdevOps passt_ops = {
    .open = passt_open, .close = passt_close, .send = netdev_stream_send,
    .describe = passt_describe,
};

/* Properties ---------------------------------------------------------------------------------- */

static QomOnOffAuto *flag_of(QomObject *object, const QomProperty *property)
{
    const char *const (*row)[3] = property->argument;

    return &((NetdevPasst *)object)->flags[row - flag_options];
}

static bool set_flag(QomObject *object, const QomProperty *property, JsonValue *value,
                     GError **errp)
{
    *flag_of(object, property) = json_object_get_boolean(value) ? QOM_ON : QOM_OFF;
    return true;
}

static bool get_flag(QomObject *object, const QomProperty *property, JsonValue **result,
                     GError **errp)
{
    *result = json_object_new_boolean(*flag_of(object, property) == QOM_ON);
    return true;
}

static bool add_parameter(QomObject *object, const QomProperty *property, JsonValue *value,
                          GError **errp)
{
    g_ptr_array_add(((NetdevPasst *)object)->parameters, g_strdup(json_object_get_string(value)));
    return true;
}

static bool no_value(QomObject *object, const QomProperty *property, JsonValue **result,
                     GError **errp)
{
    *result = json_object_new_string("");
    return true;
}

#define TEXT(i, name, help) QOM_PROPERTY_STR(name, NetdevPasst, text[i], NULL, help)
#define FLAG(i, name_, help) { .name = name_, .kind = QOM_BOOL, .set = set_flag, .get = get_flag, \
                               .argument = &flag_options[i], .description = help }

static const QomProperty passt_properties[] = {
    QOM_PROPERTY_STR("path", NetdevPasst, path, NULL, "the program (passt, looked for in $PATH)"),
    QOM_PROPERTY_BOOL("quiet", NetdevPasst, quiet, "on", "it prints no more than errors"),
    QOM_PROPERTY_BOOL("vhost-user", NetdevPasst, vhost_user, "off", "only 'off'"),
    TEXT(0, "mtu", "the MTU that the guest is told"), TEXT(1, "address", "the guest's address"),
    TEXT(2, "netmask", "its network's mask"), TEXT(3, "mac", "the gateway's Ethernet address"),
    TEXT(4, "gateway", "the gateway's address"),
    TEXT(5, "interface", "the host's interface to look like"),
    TEXT(6, "outbound", "the host's address for connections"),
    TEXT(7, "outbound-if4", "the host's interface for IPv4"),
    TEXT(8, "outbound-if6", "the host's interface for IPv6"), TEXT(9, "dns", "the name server"),
    TEXT(10, "search", "domains that names are looked up in"), TEXT(11, "fqdn", "the guest's name"),
    TEXT(12, "map-host-loopback", "the address at which the guest finds the host"),
    TEXT(13, "map-guest-addr", "the address that is the guest's in the host"),
    TEXT(14, "dns-forward", "the address at which the guest asks for names"),
    TEXT(15, "dns-host", "the name server that is asked then"),
    TEXT(16, "tcp-ports", "ports of the host that lead to the guest"),
    TEXT(17, "udp-ports", "the same for UDP"),
    FLAG(0, "tcp", "TCP"), FLAG(1, "udp", "UDP"), FLAG(2, "icmp", "ICMP"), FLAG(3, "dhcp", "DHCP"),
    FLAG(4, "ndp", "neighbour discovery"), FLAG(5, "dhcpv6", "DHCPv6"),
    FLAG(6, "ra", "router advertisements"), FLAG(7, "freebind", "bind to any address"),
    FLAG(8, "dhcp-dns", "tell name servers by DHCP"),
    FLAG(9, "dhcp-search", "tell domains by DHCP"),
    FLAG(10, "ipv4", "IPv4"), FLAG(11, "ipv6", "IPv6"),
    { .name = "param", .kind = QOM_STR, .set = add_parameter, .get = no_value,
      .description = "one more argument for passt; may be given several times" },
    { NULL },
};

static void passt_init(QomObject *object)
{
    netdev_stream_init((NetdevStream *)object);
    ((NetdevPasst *)object)->parameters = g_ptr_array_new_with_free_func(g_free);
}

/* The base type's finalize, which closes, comes after this one. */
static void passt_finalize(QomObject *object)
{
    passt_close((Netdev *)object);
    netdev_stream_clear((NetdevStream *)object);
    g_ptr_array_unref(((NetdevPasst *)object)->parameters);
}

const QomType netdev_passt_type = {
    .name = "netdev-passt", .parent = &netdev_type, .size = sizeof(NetdevPasst),
    .properties = passt_properties, .ops = &passt_ops, .init = passt_init,
    .finalize = passt_finalize,
    .description = "passt, started for the machine: the host's addresses without privileges",
};
