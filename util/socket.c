/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stream sockets from addresses: connecting, listening, asking for names. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "socket-internal.h"
#include "util/error.h"

/* An address as the kernel takes it. */
typedef struct Target {
    int family;
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_vm vsock;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
    } u;
} Target;

/* "Failed to VERB 'ADDRESS': CAUSE", with the cause's code. Returns -1. */
static int fail(GError **errp, const char *verb, const SocketAddress *address, int error)
{
    g_autofree char *whole = socket_address_format(address);
    const char *text = address->kind == SOCKET_UNIX || address->kind == SOCKET_FD
                           ? whole
                           : strchr(whole, ':') + 1;

    if (address->kind == SOCKET_UNIX) {
        text = whole + strlen("unix:");
    }
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(error), "Failed to %s '%s': %s", verb, text,
                g_strerror(error));
    return -1;
}

static Target unix_target(const SocketAddress *a)
{
    Target target = { .family = AF_UNIX, .u.local.sun_family = AF_UNIX };
    size_t length = strlen(a->path); /* checked to fit when the address was made */
    bool abstract = a->abstract == SOCKET_ON;

    memcpy(target.u.local.sun_path + abstract, a->path, length);
    target.size = abstract && a->tight != SOCKET_OFF
                      ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)
                      : sizeof(target.u.local);
    return target;
}

static Target vsock_target(const SocketAddress *a)
{
    Target target = { .family = AF_VSOCK, .size = sizeof(target.u.vsock),
                      .u.vsock.svm_family = AF_VSOCK };
    uint32_t cid = 0, port = 0; /* checked when the address was made */

    socket_vsock_number(a->cid, &cid);
    socket_vsock_number(a->port, &port);
    target.u.vsock.svm_cid = cid;
    target.u.vsock.svm_port = port;
    return target;
}

static bool inet_target(GInetAddress *host, uint16_t port, Target *target)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new(host, port);
    gssize size = g_socket_address_get_native_size(address);

    memset(target, 0, sizeof(*target));
    if (size < 0 || (size_t)size > sizeof(target->u) ||
        !g_socket_address_to_native(address, &target->u, sizeof(target->u), NULL)) {
        return false;
    }
    target->family = target->u.any.sa_family;
    target->size = (socklen_t)size;
    return true;
}

static int inet_port(const SocketAddress *a, GError **errp)
{
    struct servent entry, *found = NULL;
    char buffer[1024];
    uint64_t number;

    if (socket_number(a->port, UINT16_MAX, &number)) {
        return (int)number;
    }
    if (getservbyname_r(a->port, "tcp", &entry, buffer, sizeof(buffer), &found) == 0 && found) {
        return ntohs((uint16_t)found->s_port);
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                "address resolution failed for port '%s': no service of this name is known",
                a->port);
    return -1;
}

/* Turning one protocol on turns off the other, unless that is on too. */
static bool family_wanted(const SocketAddress *a, GInetAddress *host)
{
    bool is_v6 = g_inet_address_get_family(host) == G_SOCKET_FAMILY_IPV6;
    SocketFlag own = is_v6 ? a->ipv6 : a->ipv4, other = is_v6 ? a->ipv4 : a->ipv6;

    return own == SOCKET_ON || (own == SOCKET_UNSET && other != SOCKET_ON);
}

static GList *inet_hosts(const SocketAddress *a, bool to_listen, GCancellable *cancellable,
                         GError **errp)
{
    GInetAddress *literal = *a->host ? g_inet_address_new_from_string(a->host) : NULL;

    if (!*a->host) { /* IPv6 first: such a listener takes IPv4 too */
        GList *list = g_list_append(NULL, to_listen
                                              ? g_inet_address_new_any(G_SOCKET_FAMILY_IPV6)
                                              : g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV6));
        return g_list_append(list, to_listen ? g_inet_address_new_any(G_SOCKET_FAMILY_IPV4)
                                             : g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4));
    }
    if (literal) {
        return g_list_append(NULL, literal);
    }
    if (a->numeric == SOCKET_ON) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "address resolution failed for %s:%s: '%s' is no address, and numeric is on",
                    a->host, a->port, a->host);
        return NULL;
    }
    g_autoptr(GResolver) resolver = g_resolver_get_default();
    g_autoptr(GError) err = NULL;
    GList *list = g_resolver_lookup_by_name(resolver, a->host, cancellable, &err);

    if (!list && g_error_matches(err, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_propagate_error(errp, g_steal_pointer(&err));
    } else if (!list) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND,
                    "address resolution failed for %s:%s: %s", a->host, a->port, err->message);
    }
    return list;
}

static void set_option(int fd, int level, int name, int value)
{
    /* tuning: the connection works without */
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_inet_options(int fd, const SocketAddress *a)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (a->keep_alive == SOCKET_ON) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        if (a->keep_alive_count) {
            set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)MIN(a->keep_alive_count, G_MAXINT));
        }
        if (a->keep_alive_idle) {
            set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)MIN(a->keep_alive_idle, G_MAXINT));
        }
        if (a->keep_alive_interval) {
            set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)MIN(a->keep_alive_interval, G_MAXINT));
        }
    }
}

static int close_failed(int fd)
{
    int error = errno;

    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return -1;
}

static int connect_target(const Target *target, const SocketAddress *a,
                          const SocketContext *context, GError **errp)
{
    int error = 0;
    socklen_t size = sizeof(error);
    int fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return fail(errp, "create a socket for", a, errno);
    }
    if (connect(fd, &target->u.any, target->size) < 0 && errno != EINPROGRESS && errno != EINTR) {
        /*
         * EAGAIN of a unix socket: the listener's queue is full, and nothing tells when it no
         * longer is
         */
        error = errno == EAGAIN ? EBUSY : errno;
    } else {
        g_autoptr(GError) err = NULL;

        if (!socket_wait(fd, POLLOUT, context, &err)) {
            close(fd);
            if (g_error_matches(err, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
                return fail(errp, "connect to", a, ETIMEDOUT);
            }
            g_propagate_error(errp, g_steal_pointer(&err));
            return -1;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
            error = errno;
        }
    }
    if (error) {
        close(fd);
        return fail(errp, "connect to", a, error);
    }
    return fd;
}

static int connect_inet(const SocketAddress *a, const SocketContext *context, GError **errp)
{
    int port = inet_port(a, errp), fd = -1;
    GList *hosts = port < 0 ? NULL : inet_hosts(a, false, context->cancellable, errp);
    g_autoptr(GError) err = NULL;

    if (!hosts) {
        return -1;
    }
    for (GList *host = hosts; host && fd < 0; host = host->next) {
        Target target;

        if (family_wanted(a, host->data) && inet_target(host->data, (uint16_t)port, &target)) {
            g_clear_error(&err);
            fd = connect_target(&target, a, context, &err);
        }
    }
    g_resolver_free_addresses(hosts);
    if (fd >= 0) {
        g_clear_error(&err);
        set_inet_options(fd, a);
    } else if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
    } else {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND,
                    "address resolution failed for %s:%s: it has no address of the "
                    "protocol that ipv4 and ipv6 leave",
                    a->host, a->port);
    }
    return fd;
}

/* A descriptor given by number, or by a name the context knows. */
static int given_fd(const SocketAddress *a, const SocketContext *context, bool listening,
                    GError **errp)
{
    uint64_t number;
    int fd, value = 0;
    socklen_t size = sizeof(value);

    if (g_ascii_isdigit(*a->fd)) {
        fd = socket_number(a->fd, G_MAXINT, &number) ? (int)number : -1;
    } else {
        fd = context->named_fd ? context->named_fd(context->opaque, a->fd) : -1;
    }
    if (fd < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "File descriptor named '%s' has not been found", a->fd);
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "File descriptor '%s' is not a socket: %s", a->fd, g_strerror(errno));
        return -1;
    }
    if (!value != !listening) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "File descriptor '%s' is a socket that %s", a->fd,
                    value ? "listens, and not a connected one" : "does not listen");
        return -1;
    }
    int status = fcntl(fd, F_GETFL);
    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return fail(errp, "prepare the socket", a, errno);
    }
    return fd;
}

int socket_connect(const SocketAddress *a, const SocketContext *context, GError **errp)
{
    static const SocketContext none;
    Target target;

    context = context ? context : &none;
    switch (a->kind) {
    case SOCKET_INET:
        return connect_inet(a, context, errp);
    case SOCKET_UNIX:
        target = unix_target(a);
        return connect_target(&target, a, context, errp);
    case SOCKET_VSOCK:
        target = vsock_target(a);
        return connect_target(&target, a, context, errp);
    case SOCKET_FD:
        return given_fd(a, context, false, errp);
    }
    return -1;
}

typedef struct ConnectJob {
    SocketAddress *address;
    SocketContext context;
} ConnectJob;

static void connect_job_free(gpointer data)
{
    ConnectJob *job = data;

    socket_address_free(job->address);
    g_clear_object(&job->context.cancellable);
    g_free(job);
}

static void close_result(gpointer data)
{
    close(GPOINTER_TO_INT(data) - 1);
}

static void run_job(GTask *task, const SocketAddress *address, const SocketContext *context)
{
    GError *err = NULL;
    int fd = socket_connect(address, context, &err);

    if (fd < 0) {
        g_task_return_error(task, err);
    } else { /* never NULL, so that one that nobody fetches is closed */
        g_task_return_pointer(task, GINT_TO_POINTER(fd + 1), close_result);
    }
}

static void connect_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    ConnectJob *job = data;

    run_job(task, job->address, &job->context);
}

void socket_connect_async(const SocketAddress *address, const SocketContext *context,
                          GAsyncReadyCallback done, gpointer opaque)
{
    ConnectJob *job = g_new0(ConnectJob, 1);
    g_autoptr(GTask) task = g_task_new(NULL, context ? context->cancellable : NULL, done, opaque);

    /* the thread notices, and closes what it has opened */
    g_task_set_check_cancellable(task, FALSE);
    job->address = socket_address_copy(address);
    job->context = context ? *context : (SocketContext){ 0 };
    if (job->context.cancellable) {
        g_object_ref(job->context.cancellable);
    }
    g_task_set_task_data(task, job, connect_job_free);
    if (address->kind == SOCKET_FD) {
        /* nothing to wait for, and names belong to the caller's thread */
        run_job(task, address, context);
    } else {
        g_task_run_in_thread(task, connect_thread);
    }
}

int socket_connect_finish(GAsyncResult *result, GError **errp)
{
    gpointer value = g_task_propagate_pointer(G_TASK(result), errp);

    return value ? GPOINTER_TO_INT(value) - 1 : -1;
}

/* A socket that an earlier process left behind is removed; anything else at that path stays. */
static bool remove_stale(const SocketAddress *a, GError **errp)
{
    struct stat st;

    if (a->abstract == SOCKET_ON) {
        return true;
    }
    if (lstat(a->path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "'%s' exists and is no socket: it is left as it is", a->path);
        return false;
    }
    if (unlink(a->path) < 0 && errno != ENOENT) {
        fail(errp, "unlink socket", a, errno);
        return false;
    }
    return true;
}

/* -1 with errno */
static int listen_target(const Target *target, const SocketAddress *a, int backlog)
{
    int fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    if (target->family == AF_INET || target->family == AF_INET6) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    /* IPv4 as well, unless it was turned off, or IPv6 alone was asked for */
    if (target->family == AF_INET6) {
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
                   a->ipv4 == SOCKET_OFF || (a->ipv6 == SOCKET_ON && a->ipv4 != SOCKET_ON));
    }
    if (bind(fd, &target->u.any, target->size) < 0 || listen(fd, backlog) < 0) {
        return close_failed(fd);
    }
    return fd;
}

static int listen_inet(const SocketAddress *a, int backlog, const SocketContext *context,
                       GError **errp)
{
    int first = inet_port(a, errp), last = MAX(first, (int)a->to), fd = -1, error = EADDRNOTAVAIL;
    GList *hosts = first < 0 ? NULL : inet_hosts(a, true, context->cancellable, errp);

    if (!hosts) {
        return -1;
    }
    for (int port = first; port <= last && fd < 0; port++) {
        for (GList *host = hosts; host && fd < 0; host = host->next) {
            Target target;

            if (family_wanted(a, host->data) && inet_target(host->data, (uint16_t)port, &target)) {
                fd = listen_target(&target, a, backlog);
                error = fd < 0 ? errno : 0;
            }
        }
    }
    g_resolver_free_addresses(hosts);
    return fd < 0 ? fail(errp, "listen on", a, error) : fd;
}

int socket_listen(const SocketAddress *a, int backlog, const SocketContext *context, GError **errp)
{
    static const SocketContext none;
    Target target;

    context = context ? context : &none;
    switch (a->kind) {
    case SOCKET_INET:
        return listen_inet(a, backlog, context, errp);
    case SOCKET_FD:
        return given_fd(a, context, true, errp);
    case SOCKET_UNIX:
        if (!remove_stale(a, errp)) {
            return -1;
        }
        target = unix_target(a);
        break;
    case SOCKET_VSOCK:
        target = vsock_target(a);
        break;
    }
    int fd = listen_target(&target, a, backlog);
    return fd < 0 ? fail(errp, "listen on", a, errno) : fd;
}

int socket_accept(int listener, const SocketAddress *a, GError **errp)
{
    int fd;

    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        return fail(errp, "accept a connection on", a, errno);
    }
    if (a->kind == SOCKET_INET) {
        set_inet_options(fd, a);
    }
    return fd;
}

static SocketAddress *from_inet(const Target *target)
{
    g_autoptr(GSocketAddress)
        native = g_socket_address_new_from_native((gpointer)&target->u, target->size);
    SocketAddress *a = g_new0(SocketAddress, 1);

    a->kind = SOCKET_INET;
    a->host = g_inet_address_to_string(
        g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(native)));
    a->port = g_strdup_printf("%u", g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(native)));
    return a;
}

static SocketAddress *from_unix(const Target *target)
{
    SocketAddress *a = g_new0(SocketAddress, 1);
    size_t head = offsetof(struct sockaddr_un, sun_path),
           length = target->size > head ? target->size - head : 0;
    const char *path = target->u.local.sun_path;

    a->kind = SOCKET_UNIX;
    if (length && !*path) {
        a->abstract = SOCKET_ON;
        path++;
        length--;
    }
    a->path = g_strndup(path, MIN(length, sizeof(target->u.local.sun_path)));
    return a;
}

static SocketAddress *from_target(const Target *target)
{
    SocketAddress *a;

    switch (target->u.any.sa_family) {
    case AF_INET:
    case AF_INET6:
        return from_inet(target);
    case AF_UNIX:
        return from_unix(target);
    case AF_VSOCK:
        a = g_new0(SocketAddress, 1);
        a->kind = SOCKET_VSOCK;
        a->cid = g_strdup_printf("%u", target->u.vsock.svm_cid);
        a->port = g_strdup_printf("%u", target->u.vsock.svm_port);
        return a;
    default:
        return NULL;
    }
}

SocketAddress *socket_local_address(int fd)
{
    Target target = { .size = sizeof(target.u) };

    return getsockname(fd, &target.u.any, &target.size) < 0 ? NULL : from_target(&target);
}
