/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * swtdx qgs: a quote generation service on a UNIX socket. Protocol and behaviour: quote_wrapper of
 * SGXDataCenterAttestationPrimitives (qgs_msg_lib.h for the framed messages; a bare TDREPORT of
 * 1024 bytes is answered with a bare quote).
 */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qgs.h"
#include "run.h"

#define EXIT_USAGE 2
#define HEADER_SIZE 16
#define REPLY_SIZE 24
#define MAX_MESSAGE 4092 /* what the real service has room for */
#define REPORT_SIZE 1024
#define TIMEOUT_SECONDS 30
#define MAX_CONNECTIONS 16
#define ERROR_UNEXPECTED 0x12001 /* practically the only one that the real service sends */
#define GET_QUOTE_REQ 0
#define GET_PLATFORM_INFO_REQ 4

static const char qgs_help[] =
    "usage: swtdx qgs --socket PATH [--root FILE]\n"
    "\n"
    "Makes quotes of TDs that run under 'swtdx run', as Intel's quote generation service does of "
    "real ones:\n"
    "give the VMM quote-generation-socket.type=unix,quote-generation-socket.path=PATH. The keys "
    "are made at the\n"
    "start and forgotten at the end: quotes have the real format and prove nothing.\n"
    "\n"
    "  --socket PATH     listen there; a socket that is left from an earlier run is replaced\n"
    "  --root FILE       write the certificate (PEM) to FILE that a verifier has to take for the "
    "root\n"
    "  --help            this text\n";

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

static void put_le(GByteArray *out, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        g_byte_array_append(out, &byte, 1);
    }
}

/* The frame of a reply, and its quote if there is one. */
static GByteArray *make_reply(uint32_t type, uint32_t error, const GByteArray *quote)
{
    uint32_t quote_size = quote ? quote->len : 0, size = REPLY_SIZE + quote_size;
    const uint8_t prefix[4] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                (uint8_t)size };
    GByteArray *reply = g_byte_array_new();

    g_byte_array_append(reply, prefix, sizeof(prefix));
    put_le(reply, 1, 2);
    put_le(reply, 1, 2);
    put_le(reply, type, 4);
    put_le(reply, size, 4);
    put_le(reply, error, 4);
    put_le(reply, 0, 4);
    put_le(reply, quote_size, 4);
    if (quote) {
        g_byte_array_append(reply, quote->data, quote->len);
    }
    return reply;
}

static GByteArray *make_quote(const QgsKeys *keys, const uint8_t *report, size_t size)
{
    const char *why = NULL;
    GByteArray *quote = qgs_quote(keys, report, size, &why);

    if (quote) {
        fprintf(stderr, "swtdx: quote of %u bytes made\n", quote->len);
    } else {
        fprintf(stderr, "swtdx: report refused: %s\n", why);
    }
    return quote;
}

/* A message without its prefix. */
static GByteArray *answer(const QgsKeys *keys, const uint8_t *message, uint32_t size)
{
    uint32_t type = load_le32(message + 4),
             report_size = size >= REPLY_SIZE ? load_le32(message + 16) : 0;
    uint32_t ids = size >= REPLY_SIZE ? load_le32(message + 20) : 0;

    if (type != GET_QUOTE_REQ) {
        fprintf(stderr, "swtdx: message of type %u is not served: this service makes quotes only\n",
                type);
        return make_reply(type + 1, ERROR_UNEXPECTED, NULL);
    }
    if (load_le32(message + 8) != size || load_le32(message + 12) || size < REPLY_SIZE ||
        report_size == 0 || (uint64_t)report_size + ids != size - REPLY_SIZE) {
        fprintf(stderr, "swtdx: request refused: its sizes contradict each other\n");
        return make_reply(type + 1, ERROR_UNEXPECTED, NULL);
    }
    g_autoptr(GByteArray) quote = make_quote(keys, message + REPLY_SIZE, report_size);
    return make_reply(type + 1, quote ? 0 : ERROR_UNEXPECTED, quote);
}

typedef struct Server {
    QgsKeys *keys;
    GCancellable *cancellable; /* cancelled when the service ends */
    GThreadPool *pool;         /* of connections */
} Server;

static bool read_exactly(const Server *server, GInputStream *in, uint8_t *data, gsize size)
{
    gsize done;

    return g_input_stream_read_all(in, data, size, &done, server->cancellable, NULL) &&
           done == size;
}

static bool is_framed(uint32_t size, const uint8_t *message)
{
    return size >= HEADER_SIZE && size <= MAX_MESSAGE && message[0] == 1 && message[1] == 0 &&
           load_le32(message + 4) <= GET_PLATFORM_INFO_REQ && load_le32(message + 4) % 2 == 0;
}

/*
 * NULL: the connection is closed without an answer, as the real service does when it does not
 * understand.
 */
static GByteArray *serve(const Server *server, GInputStream *in)
{
    uint8_t data[4 + MAX_MESSAGE];

    if (!read_exactly(server, in, data, 4 + HEADER_SIZE)) {
        return NULL;
    }
    uint32_t size = load_be32(data);
    if (is_framed(size, data + 4)) {
        return read_exactly(server, in, data + 4 + HEADER_SIZE, size - HEADER_SIZE)
                   ? answer(server->keys, data + 4, size)
                   : NULL;
    }
    if (data[0] == 0x81 &&
        read_exactly(server, in, data + 4 + HEADER_SIZE, REPORT_SIZE - 4 - HEADER_SIZE)) {
        return make_quote(server->keys, data, REPORT_SIZE);
    }
    fprintf(stderr,
            "swtdx: request refused: it is neither a message of the protocol nor a TDREPORT\n");
    return NULL;
}

/* On a thread of the pool. */
static void serve_connection(gpointer data, gpointer opaque)
{
    Server *server = opaque;
    g_autoptr(GSocketConnection) connection = data;
    g_autoptr(GByteArray)
        reply = serve(server, g_io_stream_get_input_stream(G_IO_STREAM(connection)));

    if (reply) {
        g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)),
                                  reply->data, reply->len, NULL, server->cancellable, NULL);
    }
    g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
}

static gboolean on_connection(GSocketService *service, GSocketConnection *connection,
                              GObject *source, gpointer opaque)
{
    Server *server = opaque;

    g_socket_set_timeout(g_socket_connection_get_socket(connection), TIMEOUT_SECONDS);
    return g_thread_pool_push(server->pool, g_object_ref(connection), NULL);
}

static gboolean on_signal(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static bool listen_at(GSocketService *service, const char *path, GError **error)
{
    struct stat st;

    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            g_set_error(error, RUN_ERROR, 0, "'%s' exists and is no socket: it is left as it is",
                        path);
            return false;
        }
        unlink(path);
    }
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    return g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM,
                                         G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error);
}

static bool run_service(QgsKeys *keys, const char *path, GError **error)
{
    g_autoptr(GSocketService) service = g_socket_service_new();
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Server server = { .keys = keys, .cancellable = cancellable };

    if (!listen_at(service, path, error)) {
        return false;
    }
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    server.pool = g_thread_pool_new(serve_connection, &server, MAX_CONNECTIONS, FALSE, NULL);
    g_signal_connect(service, "incoming", G_CALLBACK(on_connection), &server);
    g_unix_signal_add(SIGTERM, on_signal, loop);
    g_unix_signal_add(SIGINT, on_signal, loop);
    fprintf(stderr,
            "swtdx: quotes on %s, signed by keys that this process made and forgets: they prove "
            "nothing\n",
            path);
    g_main_loop_run(loop);
    g_socket_service_stop(service);
    g_socket_listener_close(G_SOCKET_LISTENER(service));
    g_cancellable_cancel(cancellable);
    g_thread_pool_free(server.pool, FALSE, TRUE);
    g_main_loop_unref(loop);
    unlink(path);
    return true;
}

static int usage(const char *text)
{
    fprintf(stderr, "swtdx: %s; see 'swtdx qgs --help'\n", text);
    return EXIT_USAGE;
}

int command_qgs(char **argv)
{
    const char *path = NULL, *root = NULL;
    g_autoptr(GError) error = NULL;

    for (; *argv; argv++) {
        const char **value = !strcmp(*argv, "--socket") ? &path
                             : !strcmp(*argv, "--root") ? &root
                                                        : NULL;

        if (!strcmp(*argv, "--help")) {
            fputs(qgs_help, stdout);
            return 0;
        }
        if (!value) {
            g_autofree char *text = g_strdup_printf("unknown argument '%s'", *argv);
            return usage(text);
        }
        if (!*++argv) {
            return usage("an option lacks its value");
        }
        *value = *argv;
    }
    if (!path) {
        return usage("no --socket given");
    }
    QgsKeys *keys = qgs_keys_new(&error);
    int status = 0;
    if (!keys || (root && !g_file_set_contents(root, qgs_keys_root(keys), -1, &error)) ||
        !run_service(keys, path, &error)) {
        fprintf(stderr, "swtdx: %s\n", error->message);
        status = 1;
    }
    qgs_keys_free(keys);
    return status;
}
