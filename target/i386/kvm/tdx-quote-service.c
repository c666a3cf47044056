/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The quote generation service as the VMM sees it: connecting, one exchange, and what is told to
 * the user when that fails.
 */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "system/core/log.h"
#include "target/i386/kvm/tdx-qgs.h"
#include "tdx-quote-internal.h"
#include "util/error.h"

/* A guest can provoke warnings at will: so many are printed, then one a minute. */
#define FREE_WARNINGS 10
#define WARNING_INTERVAL (60 * G_TIME_SPAN_SECOND)
#define PROBE_TIMEOUT (5 * G_TIME_SPAN_SECOND)
/* where Intel's service listens if no port is configured */
#define DEFAULT_PATH "/var/run/tdx-qgs/qgs.socket"

struct TdxQuoteService {
    char *id;
    SocketAddress *address; /* NULL: none configured */
    char *target;           /* its short text */
    gint64 timeout;
    GThread *probe;
    GCancellable *cancellable; /* of the probe */

    GMutex lock; /* all below */
    int fd;      /* kind fd, and not used so far; else -1 */
    unsigned requests, warnings, suppressed;
    gint64 last_warning;
};

static void add_connect_hint(const SocketAddress *a, GError **errp)
{
    bool vsock = a->kind == SOCKET_VSOCK;

    if (vsock && !strcmp(a->cid, "2")) {
        error_hint(errp, "The address is this machine's, not the guest's: a service on the same "
                         "machine is reached by cid=1 (module vsock_loopback), or better by its "
                         "UNIX socket, " DEFAULT_PATH);
    } else if (g_error_matches(*errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)) {
        error_hint(errp, "This process needs write permission on the socket and search permission "
                         "on its directory");
    } else if (g_error_matches(*errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
               g_error_matches(*errp, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED)) {
        error_hint(errp, "Does the quote generation service run (systemctl status qgsd), and does "
                         "it listen there? With 'port = 0' in /etc/qgs.conf it listens "
                         "on " DEFAULT_PATH);
    }
}

static int connect_service(TdxQuoteService *service, const SocketContext *context, GError **errp)
{
    if (service->address->kind == SOCKET_FD) {
        g_mutex_lock(&service->lock);
        int fd = service->fd;
        service->fd = -1;
        g_mutex_unlock(&service->lock);
        if (fd < 0) {
            error_set(errp, "the file descriptor is not usable any more: a service answers one "
                            "request in each connection");
            error_hint(errp, "Use type=unix or type=vsock, with which every request connects anew");
        }
        return fd;
    }
    int fd = socket_connect(service->address, context, errp);
    if (fd < 0 && errp && *errp) {
        add_connect_hint(service->address, errp);
    }
    return fd;
}

static gpointer probe(gpointer data)
{
    TdxQuoteService *service = data;
    const SocketContext context = { .deadline = g_get_monotonic_time() + PROBE_TIMEOUT,
                                    .cancellable = service->cancellable };
    g_autoptr(GError) err = NULL;
    int fd = connect_service(service, &context, &err);

    if (fd >= 0) {
        close(fd);
    } else if (!g_error_matches(err, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_autofree char *text =
            g_strdup_printf("%s: TDX quotes cannot be had at the moment from %s: %s", service->id,
                            service->target, err->message);
        report_warning(text);
    }
    return NULL;
}

TdxQuoteService *tdx_quote_service_new(const char *id, const SocketAddress *address)
{
    TdxQuoteService *service = g_new0(TdxQuoteService, 1);
    g_autoptr(GError) err = NULL;

    service->id = g_strdup(id);
    service->timeout = TDX_QUOTE_TIMEOUT * G_TIME_SPAN_SECOND;
    service->cancellable = g_cancellable_new();
    service->fd = -1;
    g_mutex_init(&service->lock);
    if (!address) {
        return service;
    }
    service->address = socket_address_copy(address);
    service->target = socket_address_format(address);
    if (address->kind == SOCKET_FD) {
        service->fd = socket_connect(address, NULL, &err);
        if (err) {
            g_autofree char *text = g_strdup_printf("%s: TDX quotes cannot be had from %s: %s", id,
                                                    service->target, err->message);
            report_warning(text);
        }
    } else {
        /* without it, only the early warning is missing */
        service->probe = g_thread_try_new("quote service", probe, service, NULL);
    }
    return service;
}

void tdx_quote_service_free(TdxQuoteService *service)
{
    if (!service) {
        return;
    }
    g_cancellable_cancel(service->cancellable);
    if (service->probe) {
        g_thread_join(service->probe);
    }
    g_object_unref(service->cancellable);
    if (service->fd >= 0) {
        close(service->fd);
    }
    socket_address_free(service->address);
    g_free(service->target);
    g_free(service->id);
    g_mutex_clear(&service->lock);
    g_free(service);
}

void tdx_quote_service_set_timeout(TdxQuoteService *service, gint64 microseconds)
{
    service->timeout = microseconds;
}

gint64 quote_service_timeout(const TdxQuoteService *service)
{
    return service->timeout;
}

bool quote_service_configured(const TdxQuoteService *service)
{
    return service->address;
}

unsigned quote_service_next_number(TdxQuoteService *service)
{
    g_mutex_lock(&service->lock);
    unsigned number = ++service->requests;
    g_mutex_unlock(&service->lock);
    return number;
}

char *quote_service_describe(const TdxQuoteService *service, unsigned number)
{
    return g_strdup_printf("%s: TDX quote request %u%s%s", service->id, number,
                           service->target ? " to " : "", service->target ? service->target : "");
}

void quote_service_warn(TdxQuoteService *service, unsigned number, const char *why)
{
    gint64 now = g_get_monotonic_time();

    g_mutex_lock(&service->lock);
    bool print = service->warnings < FREE_WARNINGS ||
                 now - service->last_warning >= WARNING_INTERVAL;
    unsigned suppressed = print ? service->suppressed : 0;
    if (print) {
        service->warnings++;
        service->last_warning = now;
        service->suppressed = 0;
    } else {
        service->suppressed++;
    }
    g_mutex_unlock(&service->lock);
    if (print) {
        g_autofree char *what = quote_service_describe(service, number);
        g_autofree char *more = suppressed
                                    ? g_strdup_printf(" (and %u more failed before it)", suppressed)
                                    : g_strdup("");
        g_autofree char *text = g_strdup_printf("%s%s: %s", what, more, why);
        report_warning(text);
    }
}

char *quote_service_no_service_text(void)
{
    return g_strdup(
        "no quote-generation-socket is configured\nGive the tdx-guest object one, such as "
        "quote-generation-socket.type=unix,quote-generation-socket.path=" DEFAULT_PATH);
}

/* An error of waiting or moving bytes, with what was being done. */
static bool stage_failed(const TdxQuoteService *service, const char *stage, GError *err,
                         GError **errp)
{
    if (g_error_matches(err, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        error_set(errp, "timed out after %.3g s (%s)",
                  (double)service->timeout / G_TIME_SPAN_SECOND, stage);
    } else {
        error_set(errp, "%s failed: %s", stage, err->message);
    }
    g_error_free(err);
    return false;
}

static bool read_exactly(const TdxQuoteService *service, int fd, uint8_t *data, size_t size,
                         const char *what, const SocketContext *context, GError **errp)
{
    for (size_t done = 0; done < size;) {
        GError *err = NULL;
        ssize_t n = socket_read(fd, data + done, size - done, context, &err);

        if (n < 0) {
            return stage_failed(service, "waiting for the answer", err, errp);
        }
        if (n == 0) {
            return error_set(errp, "the service closed the connection after %zu of %zu bytes of %s",
                             done, size, what);
        }
        done += (size_t)n;
    }
    return true;
}

static bool read_prefix(const TdxQuoteService *service, int fd, uint8_t prefix[QGS_PREFIX_SIZE],
                        const SocketContext *context, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (read_exactly(service, fd, prefix, QGS_PREFIX_SIZE, "its answer's length", context, &err)) {
        return true;
    }
    /* how Intel's service tells that it could not be set up */
    if (strstr(err->message, "after 0 of")) {
        error_set(errp, "the service closed the connection without an answer");
        error_hint(errp, "Usual causes: the platform is not registered, or the PCK certificate "
                         "cache is unreachable; see the service's log: journalctl -u qgsd");
    } else {
        g_propagate_error(errp, g_steal_pointer(&err));
    }
    return false;
}

static uint8_t *exchange(TdxQuoteService *service, int fd, Bytes input, size_t capacity,
                         size_t *size, const SocketContext *context, GError **errp)
{
    bool framed = qgs_is_framed(input);
    size_t request_size = input.size;
    g_autofree uint8_t *request = framed ? g_memdup2(input.data, input.size)
                                         : qgs_quote_request(input, &request_size);
    uint8_t prefix[QGS_PREFIX_SIZE];
    uint32_t reply_size;
    GError *err = NULL;

    if (!socket_write_all(fd, request, request_size, context, &err)) {
        stage_failed(service, "sending the request", err, errp);
        return NULL;
    }
    size_t max = framed ? capacity - MIN(capacity, QGS_PREFIX_SIZE)
                        : capacity + QGS_REPLY_HEADER_SIZE;
    if (!read_prefix(service, fd, prefix, context, errp) ||
        !qgs_reply_size(prefix, max, &reply_size, errp)) {
        return NULL;
    }
    g_autofree uint8_t *reply = g_malloc(QGS_PREFIX_SIZE + reply_size);
    memcpy(reply, prefix, QGS_PREFIX_SIZE);
    Bytes message = { reply + QGS_PREFIX_SIZE, reply_size }, quote;
    if (!read_exactly(service, fd, reply + QGS_PREFIX_SIZE, reply_size, "its answer", context,
                      errp)) {
        return NULL;
    }
    if (framed) { /* who sends a message of the service's reads its answer too */
        *size = QGS_PREFIX_SIZE + reply_size;
        return g_steal_pointer(&reply);
    }
    if (!qgs_quote_in_reply(message, &quote, errp)) {
        return NULL;
    }
    *size = quote.size;
    return g_memdup2(quote.data, quote.size);
}

uint8_t *quote_service_ask(TdxQuoteService *service, Bytes input, size_t capacity, gint64 deadline,
                           GCancellable *cancellable, size_t *size, bool *connected, GError **errp)
{
    const SocketContext context = { .deadline = deadline, .cancellable = cancellable };
    int fd = connect_service(service, &context, errp);

    *connected = fd >= 0;
    if (fd < 0) {
        return NULL;
    }
    uint8_t *result = exchange(service, fd, input, capacity, size, &context, errp);
    close(fd);
    return result;
}
