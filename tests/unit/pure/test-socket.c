/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses in all their forms, and sockets made from them. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "../socket-dir.h"
#include "util/socket.h"

#define LONG_PATH \
    "/01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"   \
    "90123456789012345 and longer"

static void test_text(void)
{
    static const struct {
        const char *text, *json; /* json NULL: refused with `error` in the message */
        const char *error;
    } rows[] = {
        { "unix:/run/qgs", "{\"type\": \"unix\", \"path\": \"/run/qgs\"}", NULL },
        { "unix:a,b=c", "{\"type\": \"unix\", \"path\": \"a,b=c\"}", NULL },
        { "vsock:2:4050", "{\"type\": \"vsock\", \"cid\": \"2\", \"port\": \"4050\"}", NULL },
        { "vsock:any:0x10", "{\"type\": \"vsock\", \"cid\": \"any\", \"port\": \"0x10\"}", NULL },
        { "tcp:host:80", "{\"type\": \"inet\", \"host\": \"host\", \"port\": \"80\"}", NULL },
        { "tcp::80", "{\"type\": \"inet\", \"host\": \"\", \"port\": \"80\"}", NULL },
        { "tcp:[::1]:ssh", "{\"type\": \"inet\", \"host\": \"::1\", \"port\": \"ssh\"}", NULL },
        { "tcp:h:1,to=9,ipv4=on,ipv6=off,keep-alive=on,keep-alive-idle=7",
          "{\"type\": \"inet\", \"host\": \"h\", \"port\": \"1\", \"to\": 9, \"ipv4\": true, "
          "\"ipv6\": false, \"keep-alive\": true, \"keep-alive-idle\": 7}", NULL },
        { "fd:7", "{\"type\": \"fd\", \"str\": \"7\"}", NULL },
        { "fd:name", "{\"type\": \"fd\", \"str\": \"name\"}", NULL },
        { "", NULL, "Use unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or fd:NUMBER" },
        { "/run/qgs", NULL, "begins with none of the kinds" },
        { "unixx:/run", NULL, "begins with none of the kinds" },
        { "unix:", NULL, "Parameter 'path' expects the path of a socket" },
        { "unix:" LONG_PATH, NULL, "too long: it may have 107 bytes" },
        { "vsock:2", NULL, "expected vsock:CID:PORT" },
        { "vsock:host:4050", NULL, "Parameter 'cid' expects a number below 2^32, not 'host'" },
        { "vsock:2:", NULL, "Parameter 'port' expects a number below 2^32, not ''" },
        { "vsock:2:4294967296", NULL, "not '4294967296'" },
        { "vsock:2:4050:1", NULL, "not '4050:1'" },
        { "vsock:-2:1", NULL, "not '-2'" },
        { "tcp:", NULL, "error parsing address ''" },
        { "tcp:host", NULL, "expected HOST:PORT" },
        { "tcp:host:", NULL, "Parameter 'port' expects a number up to 65535 or a service's name" },
        { "tcp:host:65536", NULL, "not '65536'" },
        { "tcp:host:80x", NULL, "not '80x'" },
        { "tcp:::1:80", NULL, "Write an IPv6 address in brackets: [::1]:80" },
        { "tcp:[::1]80", NULL, "IPv6 addresses in brackets" },
        { "tcp:[::1:80", NULL, "IPv6 addresses in brackets" },
        { "tcp:h:1,ipv4=off,ipv6=off", NULL, "Cannot disable IPv4 and IPv6 at same time" },
        { "tcp:h:1,ipv4=maybe", NULL, "Parameter 'ipv4' expects 'on' or 'off'" },
        { "tcp:h:1,ipv7=on", NULL, "Did you mean 'ipv" },
        { "tcp:h:1,host=x", NULL, "Parameter 'host' is unexpected" },
        { "tcp:h:1,to=70000", NULL, "Parameter 'to' expects a number, not '70000'" },
        { "tcp:h:9,to=8", NULL, "Parameter 'to' (8) expects a port that is not below 'port' (9)" },
        { "tcp:h:ssh,to=8", NULL, "Parameter 'to' (8)" },
        { "tcp:h:1,ipv4", NULL, "Expected '=' after parameter 'ipv4'" },
        { "fd:", NULL, "Parameter 'str' expects a file descriptor" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(SocketAddress) a = socket_address_parse(rows[i].text, &err);

        g_test_message("%s", rows[i].text);
        if (!rows[i].json) {
            g_assert_null(a);
            g_test_message("%s", err->message);
            g_assert_nonnull(strstr(err->message, rows[i].error));
            continue;
        }
        g_assert_no_error(err);
        g_autoptr(JsonValue) json = socket_address_to_json(a);
        g_autofree char *text = json_format(json);
        g_assert_cmpstr(text, ==, rows[i].json);
        g_autoptr(SocketAddress) back = socket_address_from_json(json, NULL, &err);
        g_autoptr(SocketAddress) copy = socket_address_copy(a);
        g_assert_no_error(err);
        g_assert_true(socket_address_equal(a, back) && socket_address_equal(a, copy));
        for (unsigned j = 0; j < i; j++) {
            if (rows[j].json) {
                g_autoptr(SocketAddress) other = socket_address_parse(rows[j].text, NULL);
                g_assert_false(socket_address_equal(a, other));
            }
        }
    }
}

static void test_json(void)
{
    static const struct {
        const char *json, *result; /* the short text, or what the message says */
        bool good;
    } rows[] = {
        { "{'type': 'unix', 'path': '/x', 'abstract': true, 'tight': false}", "unix:@/x", true },
        { "{'type': 'vsock', 'cid': '1', 'port': '4050'}", "vsock:1:4050", true },
        { "{'type': 'inet', 'host': '::1', 'port': '1', 'to': 65535, 'numeric': true}",
          "tcp:[::1]:1", true },
        { "{'type': 'fd', 'str': '3'}", "fd:3", true },
        { "7", "Invalid parameter type for 'sock', expected: object", false },
        { "null", "Invalid parameter type for 'sock', expected: object", false },
        { "'vsock:2:4050'", "Invalid parameter type for 'sock', expected: object", false },
        { "{}", "Parameter 'sock.type' is missing", false },
        { "{'type': 1}", "Invalid parameter type for 'sock.type', expected: string", false },
        { "{'type': 'bogus'}",
          "Parameter 'sock.type' does not accept value 'bogus'\nKnown: inet, unix, vsock, fd",
          false },
        { "{'type': 'vsok', 'cid': '1', 'port': '1'}", "Did you mean 'vsock'?", false },
        { "{'type': 'tcp', 'host': 'h', 'port': '1'}", "Did you mean 'inet'?", false },
        { "{'type': 'vsock', 'cid': '1'}", "Parameter 'sock.port' is missing", false },
        { "{'type': 'vsock', 'cid': 2, 'port': '1'}",
          "Invalid parameter type for 'sock.cid', expected: string", false },
        { "{'type': 'vsock', 'cid': '2', 'port': '1', 'host': 'x'}",
          "Parameter 'sock.host' is unexpected", false },
        { "{'type': 'unix', 'path': ''}", "Parameter 'sock.path' expects the path of a socket",
          false },
        { "{'type': 'unix', 'path': 'x', 'abstract': 'on'}",
          "Invalid parameter type for 'sock.abstract', expected: boolean", false },
        { "{'type': 'unix', 'paht': 'x'}", "Did you mean 'path'?", false },
        { "{'type': 'inet', 'host': 'h', 'port': '1', 'to': '9'}",
          "Invalid parameter type for 'sock.to', expected: integer", false },
        { "{'type': 'inet', 'host': 'h', 'port': '1', 'to': 65536}",
          "Parameter 'sock.to' expects uint16", false },
        { "{'type': 'inet', 'host': 'h', 'port': '1', 'to': -1}",
          "Parameter 'sock.to' expects uint16", false },
        { "{'type': 'inet', 'host': 'h', 'port': '1', 'keep-alive-idle': 4294967296}",
          "expects uint32", false },
        { "{'type': 'fd', 'str': ''}", "Parameter 'sock.str' expects a file descriptor", false },
        { "{'type': 'fd', 'fd': '1'}", "Parameter 'sock.fd' is unexpected", false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(JsonValue) json = NULL;

        g_test_message("%s", rows[i].json);
        g_assert_true(json_parse(rows[i].json, strlen(rows[i].json), &json, NULL));
        g_autoptr(SocketAddress) a = socket_address_from_json(json, "sock", &err);
        g_assert_cmpint(a != NULL, ==, rows[i].good);
        g_autofree char *text = a ? socket_address_format(a) : g_strdup(err->message);
        g_test_message("%s", text);
        g_assert_nonnull(strstr(text, rows[i].result));
    }
}

typedef struct Fixture {
    char *dir, *path, *unix_text;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    f->dir = socket_dir_new("test-socket-XXXXXX");
    f->path = g_build_filename(f->dir, "socket", NULL);
    f->unix_text = g_strconcat("unix:", f->path, NULL);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->dir);
    g_free(f->path);
    g_free(f->unix_text);
}

/* A byte goes each way. */
static void talk(int a, int b)
{
    const SocketContext context = { .deadline = g_get_monotonic_time() + 5 * G_TIME_SPAN_SECOND };
    char c = 0;

    g_assert_true(socket_write_all(a, "x", 1, &context, NULL));
    g_assert_cmpint(socket_read(b, &c, 1, &context, NULL), ==, 1);
    g_assert_cmpint(c, ==, 'x');
    g_assert_true(socket_write_all(b, "y", 1, &context, NULL));
    g_assert_cmpint(socket_read(a, &c, 1, &context, NULL), ==, 1);
    g_assert_cmpint(c, ==, 'y');
    g_assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC && fcntl(b, F_GETFD) & FD_CLOEXEC);
    close(b);
    g_assert_cmpint(socket_read(a, &c, 1, &context, NULL), ==, 0);
    close(a);
}

static void meet(const SocketAddress *to_listen, const SocketAddress *to_connect)
{
    g_autoptr(GError) err = NULL;
    int listener = socket_listen(to_listen, 1, NULL, &err);

    g_assert_no_error(err);
    g_assert_cmpint(socket_accept(listener, to_listen, &err), ==, -1);
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error(&err);
    g_autoptr(SocketAddress) bound = socket_local_address(listener);
    int client = socket_connect(to_connect ? to_connect : bound, NULL, &err);
    g_assert_no_error(err);
    int server = socket_accept(listener, to_listen, &err);
    g_assert_no_error(err);
    talk(client, server);
    close(listener);
}

static void test_unix(Fixture *f, gconstpointer data)
{
    g_autoptr(SocketAddress) a = socket_address_parse(f->unix_text, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socket_connect(a, NULL, &err), ==, -1);
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(err->message, "Failed to connect to '/"));
    g_clear_error(&err);
    meet(a, NULL);
    g_assert_cmpint(socket_connect(a, NULL, &err), ==, -1); /* its file is still there */
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    g_clear_error(&err);
    meet(a, NULL); /* which no longer serves is replaced */
    g_unlink(f->path);
    g_assert_true(g_file_set_contents(f->path, "precious", -1, NULL));
    g_assert_cmpint(socket_listen(a, 1, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "exists and is no socket"));
    g_assert_true(g_file_test(f->path, G_FILE_TEST_EXISTS));
}

static void test_abstract(Fixture *f, gconstpointer data)
{
    g_autoptr(SocketAddress) tight = socket_address_parse(f->unix_text, NULL);
    g_autoptr(GError) err = NULL;

    tight->abstract = SOCKET_ON;
    meet(tight, tight);
    g_autoptr(SocketAddress) padded = socket_address_copy(tight);
    padded->tight = SOCKET_OFF;
    meet(padded, padded);
    int listener = socket_listen(padded, 1, NULL, &err);
    g_assert_no_error(err);
    g_assert_cmpint(socket_connect(tight, NULL, &err), ==, -1); /* another name */
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
    close(listener);
}

/* A new network namespace's own interface is down. */
static bool has_loopback(void)
{
    const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool reached = fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address));

    if (fd >= 0) {
        close(fd);
    }
    return reached;
}

static void test_inet(void)
{
    static const char *const texts[] = {
        "tcp:127.0.0.1:0", "tcp:localhost:0,ipv4=on,keep-alive=on,keep-alive-count=3",
    };

    if (!has_loopback()) {
        g_test_skip("127.0.0.1 cannot be reached: the interface lo is down");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(SocketAddress) a = socket_address_parse(texts[i], NULL);
        meet(a, NULL);
    }
    /* All addresses of the machine; one port is taken, the next is used */
    g_autoptr(GError) err = NULL;
    g_autoptr(SocketAddress) any = socket_address_parse("tcp::0,ipv4=on", NULL);
    int first = socket_listen(any, 1, NULL, &err);
    g_assert_no_error(err);
    g_autoptr(SocketAddress) bound = socket_local_address(first);
    g_autoptr(SocketAddress) range = socket_address_copy(bound);
    g_assert_cmpint(socket_listen(bound, 1, NULL, &err), ==, -1);
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
    g_clear_error(&err);
    range->to = MIN(65535, (uint32_t)atoi(range->port) + 20);
    int second = socket_listen(range, 1, NULL, &err);
    g_assert_no_error(err);
    close(first);
    close(second);
    g_assert_cmpint(socket_connect(bound, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "Failed to connect to '0.0.0.0:"));
    g_clear_error(&err);
    g_autoptr(SocketAddress) numeric = socket_address_parse("tcp:localhost:1,numeric=on", NULL);
    g_assert_cmpint(socket_connect(numeric, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "'localhost' is no address"));
    g_clear_error(&err);
    g_autoptr(SocketAddress) protocol = socket_address_parse("tcp:127.0.0.1:1,ipv6=on", NULL);
    g_assert_cmpint(socket_connect(protocol, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "no address of the protocol"));
    g_clear_error(&err);
    g_autoptr(SocketAddress) service = socket_address_parse("tcp:127.0.0.1:no-such-service", NULL);
    g_assert_cmpint(socket_connect(service, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "address resolution failed for port 'no-such-service'"));
}

static int give_fd(void *opaque, const char *name)
{
    return strcmp(name, "mine") ? -1 : *(int *)opaque;
}

static void test_fd(Fixture *f, gconstpointer data)
{
    int pair[2], pipes[2];
    SocketContext context = { .named_fd = give_fd, .opaque = &pair[0] };
    g_autoptr(SocketAddress) named = socket_address_parse("fd:mine", NULL);
    g_autoptr(SocketAddress) other = socket_address_parse("fd:other", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(socket_connect(named, &context, &err), ==, pair[0]);
    g_assert_no_error(err);
    g_assert_cmpint(socket_listen(named, 1, &context, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "is a socket that does not listen"));
    g_clear_error(&err);
    g_assert_cmpint(socket_connect(other, &context, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "File descriptor named 'other' has not been found"));
    g_clear_error(&err);
    g_assert_cmpint(socket_connect(named, NULL, &err), ==, -1);
    g_clear_error(&err);
    talk(pair[0], pair[1]);

    g_assert_cmpint(pipe(pipes), ==, 0);
    g_autofree char *number = g_strdup_printf("fd:%d", pipes[0]);
    g_autoptr(SocketAddress) not_socket = socket_address_parse(number, NULL);
    g_assert_cmpint(socket_connect(not_socket, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "is not a socket"));
    g_clear_error(&err);
    close(pipes[0]);
    close(pipes[1]);

    g_autoptr(SocketAddress) a = socket_address_parse(f->unix_text, NULL);
    int listener = socket_listen(a, 1, NULL, NULL);
    g_autofree char *text = g_strdup_printf("fd:%d", listener);
    g_autoptr(SocketAddress) given = socket_address_parse(text, NULL);
    g_assert_cmpint(socket_listen(given, 1, NULL, &err), ==, listener);
    g_assert_no_error(err);
    g_assert_cmpint(socket_connect(given, NULL, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "listens, and not a connected one"));
    close(listener);
}

static gpointer cancel_soon(gpointer cancellable)
{
    g_usleep(50000);
    g_cancellable_cancel(cancellable);
    return NULL;
}

static void test_limits(void)
{
    int pair[2];
    char c;
    g_autoptr(GError) err = NULL;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SocketContext context = { .deadline = g_get_monotonic_time() + 20000,
                              .cancellable = cancellable };
    g_autofree char *much = g_malloc0(8 << 20);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    g_assert_cmpint(socket_read(pair[0], &c, 1, &context, &err), ==, -1);
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
    g_clear_error(&err);
    g_assert_false(socket_write_all(pair[0], much, 8 << 20, &context, &err)); /* nobody reads */
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
    g_clear_error(&err);
    context.deadline = 0;
    GThread *thread = g_thread_new("cancel", cancel_soon, cancellable);
    g_assert_cmpint(socket_read(pair[0], &c, 1, &context, &err), ==, -1);
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_thread_join(thread);
    g_clear_error(&err);
    close(pair[1]);
    g_cancellable_reset(cancellable);
    g_assert_false(socket_write_all(pair[0], much, 8 << 20, &context, &err)); /* no SIGPIPE */
    g_assert_error(err, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
    close(pair[0]);
}

typedef struct Async {
    GMainLoop *loop;
    int fd;
    GError *error;
} Async;

static void async_done(GObject *source, GAsyncResult *result, gpointer opaque)
{
    Async *async = opaque;

    async->fd = socket_connect_finish(result, &async->error);
    g_main_loop_quit(async->loop);
}

static void test_async(Fixture *f, gconstpointer data)
{
    g_autoptr(SocketAddress) a = socket_address_parse(f->unix_text, NULL);
    Async async = { .loop = g_main_loop_new(NULL, FALSE), .fd = -1 };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SocketContext context = { .cancellable = cancellable };

    socket_connect_async(a, NULL, async_done, &async);
    g_main_loop_run(async.loop);
    g_assert_cmpint(async.fd, ==, -1);
    g_assert_error(async.error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
    g_clear_error(&async.error);

    int listener = socket_listen(a, 1, NULL, NULL);
    socket_connect_async(a, &context, async_done, &async);
    g_main_loop_run(async.loop);
    g_assert_no_error(async.error);
    talk(async.fd, socket_accept(listener, a, NULL));

    g_cancellable_cancel(cancellable);
    socket_connect_async(a, &context, async_done, &async);
    g_main_loop_run(async.loop);
    g_assert_cmpint(async.fd, ==, -1);
    g_assert_error(async.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&async.error);
    close(listener);

    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *text = g_strdup_printf("fd:%d", pair[0]);
    g_autoptr(SocketAddress) given = socket_address_parse(text, NULL);
    socket_connect_async(given, NULL, async_done, &async);
    g_main_loop_run(async.loop);
    g_assert_cmpint(async.fd, ==, pair[0]);
    close(pair[0]);
    close(pair[1]);
    g_main_loop_unref(async.loop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/socket/address/text", test_text);
    g_test_add_func("/socket/address/json", test_json);
    g_test_add("/socket/unix", Fixture, NULL, setup, test_unix, teardown);
    g_test_add("/socket/abstract", Fixture, NULL, setup, test_abstract, teardown);
    g_test_add_func("/socket/inet", test_inet);
    g_test_add("/socket/fd", Fixture, NULL, setup, test_fd, teardown);
    g_test_add_func("/socket/limits", test_limits);
    g_test_add("/socket/async", Fixture, NULL, setup, test_async, teardown);
    return g_test_run();
}
