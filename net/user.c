/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev user: libslirp answers as a router, DHCP and DNS server would, and makes the guest's
 * connections the host process's own. libslirp has no locks: it is entered from the main loop and
 * from whoever sends a frame, under the machine lock both times.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <string.h>

#include "hostfwd.h"
#include "net/netdev-user.h"
#include "util/error.h"

/* libslirp 4.9 has new names for what takes a descriptor, with version 6 of the configuration. */
#if SLIRP_CHECK_VERSION(4, 9, 0)
#define CONFIG_VERSION 6
#define POLLFDS_FILL slirp_pollfds_fill_socket
#define REGISTER_POLL register_poll_socket
#define UNREGISTER_POLL unregister_poll_socket
#else
#define CONFIG_VERSION 4
#define POLLFDS_FILL slirp_pollfds_fill
#define REGISTER_POLL register_poll_fd
#define UNREGISTER_POLL unregister_poll_fd
#endif

typedef struct NetdevUser {
    Netdev netdev;
    /* properties */
    char *net, *host, *dhcpstart, *dns, *hostname, *domainname, *tftp, *bootfile;
    bool restrict_network, ipv4, ipv6;
    GArray *forwards;    /* of HostForward */
    GPtrArray *dnssearch; /* of char *, and NULL at the end while open */

    Slirp *slirp;
    GSource *source;
    GArray *polls;       /* of SlirpPoll */
    struct in_addr network, mask, first_guest;
} NetdevUser;

typedef struct SlirpPoll {
    gpointer tag;
    int fd;
    GIOCondition condition;
    bool wanted; /* by libslirp, this time */
    int got;     /* SLIRP_POLL_* */
} SlirpPoll;

typedef struct SlirpTimer {
    NetdevUser *user;
    SlirpTimerId id;
    void *opaque;
    GSource *source;
} SlirpTimer;

typedef struct SlirpSource {
    GSource source;
    NetdevUser *user;
    gint64 deadline;
} SlirpSource;

/* What libslirp asks of us --------------------------------------------------------------------- */

static ssize_t send_packet(const void *frame, size_t size, void *opaque)
{
    NetdevUser *user = opaque;

    netdev_deliver(&user->netdev, frame, size);
    return (ssize_t)size;
}

static void guest_error(const char *message, void *opaque)
{
    /* Of interest to nobody but who debugs the guest's network stack: it sees the loss. */
}

static int64_t clock_ns(void *opaque)
{
    return g_get_monotonic_time() * 1000;
}

static gboolean on_timer(gpointer opaque)
{
    SlirpTimer *timer = opaque;
    Netdev *netdev = &timer->user->netdev;

    g_source_set_ready_time(timer->source, -1);
    netdev_lock(netdev);
    slirp_handle_timer(timer->user->slirp, timer->id, timer->opaque);
    netdev_unlock(netdev);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch_timer(GSource *source, GSourceFunc callback, gpointer opaque)
{
    return callback(opaque);
}

static GSourceFuncs timer_funcs = { .dispatch = dispatch_timer };

static void *timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    SlirpTimer *timer = g_new0(SlirpTimer, 1);

    *timer = (SlirpTimer) { opaque, id, cb_opaque, g_source_new(&timer_funcs, sizeof(GSource)) };
    g_source_set_callback(timer->source, on_timer, timer, NULL);
    g_source_attach(timer->source, NULL);
    return timer;
}

static void timer_free(void *opaque, void *user)
{
    SlirpTimer *timer = opaque;

    g_source_destroy(timer->source);
    g_source_unref(timer->source);
    g_free(timer);
}

static void timer_mod(void *opaque, int64_t expire_ms, void *user)
{
    g_source_set_ready_time(((SlirpTimer *)opaque)->source, expire_ms * 1000);
}

static void poll_fd_changed(int fd, void *opaque)
{
    /* The set is made anew before each wait. */
}

static void wake_main_loop(void *opaque)
{
    g_main_context_wakeup(NULL);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .REGISTER_POLL = poll_fd_changed,
    .UNREGISTER_POLL = poll_fd_changed,
    .notify = wake_main_loop,
    .timer_new_opaque = timer_new,
};

/* The main loop -------------------------------------------------------------------------------- */

static const struct {
    int slirp;
    GIOCondition condition;
} poll_bits[] = {
    { SLIRP_POLL_IN, G_IO_IN }, { SLIRP_POLL_OUT, G_IO_OUT }, { SLIRP_POLL_PRI, G_IO_PRI },
    { SLIRP_POLL_ERR, G_IO_ERR }, { SLIRP_POLL_HUP, G_IO_HUP },
};

static SlirpPoll *find_poll(NetdevUser *user, int fd)
{
    for (unsigned i = 0; i < user->polls->len; i++) {
        SlirpPoll *poll = &g_array_index(user->polls, SlirpPoll, i);
        if (poll->fd == fd) {
            return poll;
        }
    }
    return NULL;
}

/*
 * Descriptors stay in the source from one wait to the next: GLib takes each one that is added or
 * changed for a reason to wake the loop, which would then never sleep. What is returned names the
 * descriptor to get_revents().
 */
static int add_poll(int fd, int events, void *opaque)
{
    NetdevUser *user = opaque;
    SlirpPoll *known = find_poll(user, fd);
    GIOCondition condition = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(poll_bits); i++) {
        condition |= events & poll_bits[i].slirp ? poll_bits[i].condition : 0;
    }
    if (!known) {
        SlirpPoll poll = { g_source_add_unix_fd(user->source, fd, condition), fd, condition, true,
                           0 };
        g_array_append_val(user->polls, poll);
        return fd;
    }
    if (known->condition != condition) {
        g_source_modify_unix_fd(user->source, known->tag, condition);
        known->condition = condition;
    }
    known->wanted = true;
    return fd;
}

static int get_revents(int fd, void *opaque)
{
    SlirpPoll *poll = find_poll(opaque, fd);

    return poll ? poll->got : 0;
}

/* Those that libslirp did not name since the last call. */
static void forget_unwanted(NetdevUser *user)
{
    for (unsigned i = user->polls->len; i-- > 0;) {
        SlirpPoll *poll = &g_array_index(user->polls, SlirpPoll, i);
        if (!poll->wanted) {
            g_source_remove_unix_fd(user->source, poll->tag);
            g_array_remove_index_fast(user->polls, i);
        } else {
            poll->wanted = false;
        }
    }
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
    SlirpSource *s = (SlirpSource *)source;
    uint32_t wait = 1000; /* ms: libslirp shortens it to what its own timers need */

    netdev_lock(&s->user->netdev);
    POLLFDS_FILL(s->user->slirp, &wait, add_poll, s->user);
    forget_unwanted(s->user);
    netdev_unlock(&s->user->netdev);
    s->deadline = g_source_get_time(source) + wait * INT64_C(1000);
    *timeout = (gint)wait;
    return wait == 0;
}

static gboolean source_check(GSource *source)
{
    SlirpSource *s = (SlirpSource *)source;
    bool ready = g_source_get_time(source) >= s->deadline;

    for (unsigned i = 0; i < s->user->polls->len; i++) {
        SlirpPoll *poll = &g_array_index(s->user->polls, SlirpPoll, i);
        GIOCondition condition = g_source_query_unix_fd(source, poll->tag);

        poll->got = 0;
        for (unsigned bit = 0; bit < G_N_ELEMENTS(poll_bits); bit++) {
            poll->got |= condition & poll_bits[bit].condition ? poll_bits[bit].slirp : 0;
        }
        ready = ready || poll->got;
    }
    return ready;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    SlirpSource *s = (SlirpSource *)source;

    netdev_lock(&s->user->netdev);
    slirp_pollfds_poll(s->user->slirp, 0, get_revents, s->user);
    netdev_unlock(&s->user->netdev);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .prepare = source_prepare, .check = source_check,
                                     .dispatch = source_dispatch };

/* Configuration -------------------------------------------------------------------------------- */

/* "ADDRESS[/BITS]"; without bits the classful default of 24, as QEMU has it for 10.0.2.0. */
static bool parse_network(const char *text, struct in_addr *network, struct in_addr *mask)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    guint64 bits = 24;

    if (inet_pton(AF_INET, parts[0], network) != 1 ||
        (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 8, 28, &bits, NULL))) {
        return false;
    }
    mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    network->s_addr &= mask->s_addr;
    return true;
}

/* An address of the network: as given, or by its number. */
static bool parse_host(const NetdevUser *user, const char *name, const char *text, unsigned number,
                       struct in_addr *address, GError **errp)
{
    if (!text) {
        address->s_addr = user->network.s_addr | htonl(number);
        return true;
    }
    if (inet_pton(AF_INET, text, address) != 1) {
        return error_set(errp, "Parameter '%s' expects an IPv4 address, not '%s'", name, text);
    }
    if ((address->s_addr & user->mask.s_addr) != user->network.s_addr) {
        return error_set(errp, "Parameter '%s': %s lies outside the network %s", name, text,
                         user->net ? user->net : "10.0.2.0/24");
    }
    return true;
}

static bool configure(NetdevUser *user, SlirpConfig *config, GError **errp)
{
    if (!parse_network(user->net ? user->net : "10.0.2.0/24", &user->network, &user->mask)) {
        error_set(errp, "Parameter 'net' expects an IPv4 network, not '%s'", user->net);
        error_hint(errp, "For example 10.0.2.0/24, with 8 to 28 bits");
        return false;
    }
    *config = (SlirpConfig) {
        .version = CONFIG_VERSION,
        .restricted = user->restrict_network,
        .in_enabled = user->ipv4,
        .vnetwork = user->network,
        .vnetmask = user->mask,
        .in6_enabled = user->ipv6,
        .vprefix_len = 64,
        .vhostname = user->hostname,
        .tftp_path = user->tftp,
        .bootfile = user->bootfile,
        .vdnssearch = user->dnssearch->len ? (const char **)user->dnssearch->pdata : NULL,
        .vdomainname = user->domainname,
    };
    inet_pton(AF_INET6, "fec0::", &config->vprefix_addr6); /* QEMU's defaults */
    inet_pton(AF_INET6, "fec0::2", &config->vhost6);
    inet_pton(AF_INET6, "fec0::3", &config->vnameserver6);
    if (!user->ipv4 && !user->ipv6) {
        return error_set(errp, "ipv4=off and ipv6=off leave no network");
    }
    return parse_host(user, "host", user->host, 2, &config->vhost, errp) &&
           parse_host(user, "dhcpstart", user->dhcpstart, 15, &config->vdhcp_start, errp) &&
           parse_host(user, "dns", user->dns, 3, &config->vnameserver, errp);
}

static bool add_forward(NetdevUser *user, const HostForward *f, GError **errp)
{
    struct in_addr guest = f->guest.s_addr ? f->guest : user->first_guest;

    if (slirp_add_hostfwd(user->slirp, f->udp, f->host, f->host_port, guest, f->guest_port) < 0) {
        g_autofree char *why = g_strdup(g_strerror(errno));
        error_set(errp, "Could not set up host forwarding rule for %s port %u: %s",
                  f->udp ? "udp" : "tcp", f->host_port, why);
        error_hint(errp, "Another program may listen on that port: choose another one");
        return false;
    }
    return true;
}

static bool add_forwards(NetdevUser *user, GError **errp)
{
    for (unsigned i = 0; i < user->forwards->len; i++) {
        if (!add_forward(user, &g_array_index(user->forwards, HostForward, i), errp)) {
            return false;
        }
    }
    return true;
}

bool netdev_user_add_forward(Netdev *netdev, const char *text, GError **errp)
{
    HostForward forward;

    if (!host_forward_parse(text, &forward, errp)) {
        return false;
    }
    netdev_lock(netdev);
    bool ok = add_forward((NetdevUser *)netdev, &forward, errp);
    netdev_unlock(netdev);
    return ok;
}

bool netdev_user_remove_forward(Netdev *netdev, const char *text, GError **errp)
{
    NetdevUser *user = (NetdevUser *)netdev;
    /* The guest's part tells nothing here, and is left out. */
    g_autofree char *whole = strchr(text, '-') ? g_strdup(text) : g_strconcat(text, "-:1", NULL);
    HostForward forward;

    if (!host_forward_parse(whole, &forward, errp)) {
        return false;
    }
    netdev_lock(netdev);
    int status = slirp_remove_hostfwd(user->slirp, forward.udp, forward.host, forward.host_port);
    netdev_unlock(netdev);
    return status == 0 || error_set(errp, "host forwarding rule for %s not found", text);
}

char *netdev_user_connections(Netdev *netdev)
{
    netdev_lock(netdev);
    char *text = slirp_connection_info(((NetdevUser *)netdev)->slirp);
    netdev_unlock(netdev);
    return text;
}

static bool user_open(Netdev *netdev, GError **errp)
{
    NetdevUser *user = (NetdevUser *)netdev;
    SlirpConfig config;

    g_ptr_array_add(user->dnssearch, NULL);
    bool has_search = user->dnssearch->len > 1;
    if (!configure(user, &config, errp)) {
        return false;
    }
    config.vdnssearch = has_search ? config.vdnssearch : NULL;
    user->first_guest = config.vdhcp_start;
    user->slirp = slirp_new(&config, &callbacks, user);
    if (!user->slirp) {
        return error_set(errp, "libslirp refuses this configuration");
    }
    user->source = g_source_new(&source_funcs, sizeof(SlirpSource));
    ((SlirpSource *)user->source)->user = user;
    g_source_attach(user->source, NULL);
    return add_forwards(user, errp);
}

static void user_close(Netdev *netdev)
{
    NetdevUser *user = (NetdevUser *)netdev;

    if (user->source) {
        g_source_destroy(user->source); /* with what it polls */
        g_array_set_size(user->polls, 0);
        g_clear_pointer(&user->source, g_source_unref);
    }
    g_clear_pointer(&user->slirp, slirp_cleanup);
}

static void user_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    NetdevUser *user = (NetdevUser *)netdev;
    uint8_t frame[NET_MAX_FRAME];
    size_t at = 0;

    if (count == 1) {
        slirp_input(user->slirp, pieces[0].iov_base, (int)size);
    } else {
        for (unsigned i = 0; i < count; i++) {
            memcpy(frame + at, pieces[i].iov_base, pieces[i].iov_len);
            at += pieces[i].iov_len;
        }
        slirp_input(user->slirp, frame, (int)size);
    }
    wake_main_loop(NULL); /* there may be new sockets to wait for */
}

static char *user_describe(Netdev *netdev)
{
    NetdevUser *user = (NetdevUser *)netdev;

    return g_strdup_printf("net=%s,restrict=%s", user->net ? user->net : "10.0.2.0",
                           user->restrict_network ? "on" : "off");
}

static const NetdevOps user_ops = { .open = user_open, .close = user_close, .send = user_send,
                                    .describe = user_describe };

/* Properties ----------------------------------------------------------------------------------- */

static bool add_hostfwd(QomObject *object, const QomProperty *property, JsonValue *value,
                        GError **errp)
{
    HostForward forward;

    if (!host_forward_parse(json_object_get_string(value), &forward, errp)) {
        return false;
    }
    g_array_append_val(((NetdevUser *)object)->forwards, forward);
    return true;
}

static bool add_dnssearch(QomObject *object, const QomProperty *property, JsonValue *value,
                          GError **errp)
{
    g_ptr_array_add(((NetdevUser *)object)->dnssearch, g_strdup(json_object_get_string(value)));
    return true;
}

static bool refuse(QomObject *object, const QomProperty *property, JsonValue *value, GError **errp)
{
    error_set(errp, "Parameter '%s' is not supported", property->name);
    error_hint(errp, "The guest reaches the host's own services at the network's second address, "
                     "10.0.2.2; files are shared by virtiofsd and -device vhost-user-fs-pci");
    return false;
}

static bool no_value(QomObject *object, const QomProperty *property, JsonValue **result,
                     GError **errp)
{
    *result = json_object_new_string("");
    return true;
}

#define USER_STR(name, field, text) QOM_PROPERTY_STR(name, NetdevUser, field, NULL, text)

static const QomProperty user_properties[] = {
    USER_STR("net", net, "the guest's network (10.0.2.0/24)"),
    USER_STR("host", host, "the host's address in it (the network's second)"),
    USER_STR("dhcpstart", dhcpstart,
             "the first of 16 addresses that are given to the guest (the network's fifteenth)"),
    USER_STR("dns", dns, "the name server's address (the network's third)"),
    USER_STR("hostname", hostname, "the guest's name, told by DHCP"),
    USER_STR("domainname", domainname, "its domain, told by DHCP"),
    USER_STR("tftp", tftp, "a directory whose files are served by TFTP, read-only"),
    USER_STR("bootfile", bootfile, "the boot file's name, told by DHCP"),
    QOM_PROPERTY_BOOL("restrict", NetdevUser, restrict_network, "off",
                      "the guest reaches nothing but this network"),
    QOM_PROPERTY_BOOL("ipv4", NetdevUser, ipv4, "on", "IPv4"),
    QOM_PROPERTY_BOOL("ipv6", NetdevUser, ipv6, "on", "IPv6"),
    { .name = "hostfwd", .kind = QOM_STR, .set = add_hostfwd, .get = no_value,
      .description = "[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT: lead a port of the host "
                     "to the guest; may be given several times" },
    { .name = "dnssearch", .kind = QOM_STR, .set = add_dnssearch, .get = no_value,
      .description = "a domain that names are looked up in; may be given several times" },
    { .name = "smb", .kind = QOM_STR, .set = refuse, .get = no_value, .flags = QOM_HIDDEN },
    { .name = "guestfwd", .kind = QOM_STR, .set = refuse, .get = no_value, .flags = QOM_HIDDEN },
    { NULL },
};

static void user_init(QomObject *object)
{
    NetdevUser *user = (NetdevUser *)object;

    user->forwards = g_array_new(FALSE, TRUE, sizeof(HostForward));
    user->dnssearch = g_ptr_array_new_with_free_func(g_free);
    user->polls = g_array_new(FALSE, TRUE, sizeof(SlirpPoll));
}

/* The base type's finalize, which closes, comes after this one. */
static void user_finalize(QomObject *object)
{
    NetdevUser *user = (NetdevUser *)object;

    user_close(&user->netdev);
    g_array_unref(user->forwards);
    g_ptr_array_unref(user->dnssearch);
    g_array_unref(user->polls);
}

const QomType netdev_user_type = {
    .name = "netdev-user", .parent = &netdev_type, .size = sizeof(NetdevUser),
    .properties = user_properties, .ops = &user_ops,
    .description = "user-mode network of libslirp", .init = user_init, .finalize = user_finalize,
};
