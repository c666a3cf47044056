/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GetQuote from the guest's buffer to a service and back: services that behave, and all the ways in
 * which they do not.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "../socket-dir.h"
#include "standard-headers/linux-kvm-tdx.h"
#include "target/i386/kvm/tdx-qgs.h"
#include "target/i386/kvm/tdx-quote.h"

#define RAM_SIZE (1 * MiB)
#define AT 0x10000
#define IN_FLIGHT UINT64_MAX
#define FAILED UINT64_C(0x8000000000000000)
#define UNAVAILABLE UINT64_C(0x8000000000000001)
#define GPA_INUSE UINT64_C(0x8000000000000001)

/* How a service answers. */
typedef struct Behaviour {
    uint16_t major, minor;    /* major 0: 1.1 */
    uint32_t type;            /* 0: GET_QUOTE_RESP */
    uint32_t error, id_size;
    uint32_t quote_size;      /* really sent */
    int prefix_delta, size_delta, quote_delta; /* lies about sizes */
    bool silent, close, fragments;
    unsigned send_only;       /* so many bytes, then closes; 0: all */
    unsigned delay_ms;
} Behaviour;

static struct {
    char *dir, *path;
    SocketAddress *address;
    int listener;
    GThread *thread;
    GPtrArray *servers;
    Behaviour behaviour;
    unsigned connections;
    uint8_t request[8192];   /* the last one */
    size_t request_size;
    GMutex lock;

    uint8_t *host, *ram, *buffer;
    AddressSpace *memory;
    TdxQuoteService *service;
    TdxQuotes *quotes;
    unsigned finished;
} m;

static uint8_t *make_reply(const Behaviour *b, const uint8_t *report, size_t *size)
{
    uint32_t message = 24 + b->quote_size;
    uint8_t *reply = g_malloc0(4 + message);

    store_be32(reply, message + b->prefix_delta);
    store_le16(reply + 4, b->major ? b->major : 1);
    store_le16(reply + 6, b->major ? b->minor : 1);
    store_le32(reply + 8, b->type ? b->type : QGS_GET_QUOTE_RESP);
    store_le32(reply + 12, message + b->size_delta);
    store_le32(reply + 16, b->error);
    store_le32(reply + 20, b->id_size);
    store_le32(reply + 24, b->quote_size + b->quote_delta);
    for (uint32_t i = 0; i < b->quote_size; i++) {
        reply[28 + i] = report[i % 64] ^ (uint8_t)(i / 64);
    }
    *size = 4 + message;
    return reply;
}

static gpointer serve(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    const SocketContext context = { .deadline = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND };
    Behaviour b = m.behaviour;
    uint8_t request[8192];
    size_t have = 0;
    ssize_t n = 1;

    while (n > 0 && (have < 4 || have < 4 + load_be32(request))) {
        n = socket_read(fd, request + have, sizeof(request) - have, &context, NULL);
        have += n > 0 ? (size_t)n : 0;
    }
    g_mutex_lock(&m.lock);
    if (have) {
        memcpy(m.request, request, have);
        m.request_size = have;
        m.connections++;
    }
    g_mutex_unlock(&m.lock);
    if (n > 0 && b.silent) {
        socket_read(fd, request, 1, &context, NULL); /* until the other side gives up */
    } else if (n > 0 && !b.close) {
        size_t size;
        g_autofree uint8_t *reply = make_reply(&b, request + 28, &size);

        g_usleep(b.delay_ms * 1000);
        size = b.send_only ? b.send_only : size;
        for (size_t i = 0; b.fragments && i < 40; i++) {
            socket_write_all(fd, reply + i, 1, &context, NULL);
            g_usleep(100);
        }
        socket_write_all(fd, reply + (b.fragments ? 40 : 0), size - (b.fragments ? 40 : 0),
                         &context, NULL);
    }
    close(fd);
    return NULL;
}

static gpointer accept_all(gpointer data)
{
    const SocketContext context = { .cancellable = data };

    while (socket_wait(m.listener, POLLIN, &context, NULL)) {
        int fd = socket_accept(m.listener, m.address, NULL);

        if (fd >= 0) {
            g_ptr_array_add(m.servers, g_thread_new("serve", serve, GINT_TO_POINTER(fd)));
        }
    }
    return NULL;
}

static GCancellable *stop_service;

static void start_service(const Behaviour *behaviour)
{
    m.behaviour = *behaviour;
    stop_service = g_cancellable_new();
    m.servers = g_ptr_array_new();
    m.listener = socket_listen(m.address, 64, NULL, NULL);
    g_assert_cmpint(m.listener, >=, 0);
    m.thread = g_thread_new("accept", accept_all, stop_service);
}

static void end_service(void)
{
    g_cancellable_cancel(stop_service);
    g_thread_join(m.thread);
    for (unsigned i = 0; i < m.servers->len; i++) {
        g_thread_join(g_ptr_array_index(m.servers, i));
    }
    g_ptr_array_unref(m.servers);
    close(m.listener);
    g_object_unref(stop_service);
}

static void finished(void *opaque)
{
    __atomic_add_fetch(&m.finished, 1, __ATOMIC_SEQ_CST);
}

/* with_address: a service is configured. */
static void setup(bool with_address)
{
    memset(&m, 0, sizeof(m));
    m.dir = socket_dir_new("test-quote-XXXXXX");
    m.path = g_build_filename(m.dir, "qgs", NULL);
    g_autofree char *text = g_strconcat("unix:", m.path, NULL);
    m.address = socket_address_parse(text, NULL);
    m.host = g_malloc0(RAM_SIZE + 4096);
    m.ram = (uint8_t *)(((uintptr_t)m.host + 4095) & ~(uintptr_t)4095);
    m.buffer = m.ram + AT;
    m.memory = address_space_new("memory");
    address_space_add_ram(m.memory, "ram", 0, RAM_SIZE, m.ram);
    if (with_address) {
        m.service = tdx_quote_service_new("tdx0", m.address);
    }
}

static void make_quotes(void)
{
    m.quotes = tdx_quotes_new(m.service, m.memory, finished, NULL);
}

static void teardown(void)
{
    tdx_quotes_free(m.quotes);
    tdx_quote_service_free(m.service);
    address_space_free(m.memory);
    socket_address_free(m.address);
    g_unlink(m.path);
    g_rmdir(m.dir);
    g_free(m.path);
    g_free(m.dir);
    g_free(m.host);
}

static void fill_buffer(uint8_t *buffer, uint64_t version, uint32_t in_length)
{
    memset(buffer, 0, 4096);
    store_le64(buffer, version);
    store_le32(buffer + 16, in_length);
    for (unsigned i = 0; i < 1024; i++) {
        buffer[24 + i] = (uint8_t)(i * 7);
    }
}

static uint64_t status_of(const uint8_t *buffer)
{
    return GUINT64_FROM_LE(
        __atomic_load_n((const uint64_t *)(const void *)(buffer + 8), __ATOMIC_ACQUIRE));
}

static uint64_t wait_for(const uint8_t *buffer)
{
    for (unsigned i = 0; i < 10000 && status_of(buffer) == IN_FLIGHT; i++) {
        g_usleep(1000);
    }
    return status_of(buffer);
}

static void wait_finished(unsigned count)
{
    for (unsigned i = 0; i < 10000 && __atomic_load_n(&m.finished, __ATOMIC_SEQ_CST) < count; i++) {
        g_usleep(1000);
    }
    g_assert_cmpuint(m.finished, ==, count);
}

static void test_good(void)
{
    static const struct {
        const char *label;
        Behaviour behaviour;
        uint64_t size;
    } rows[] = {
        { "plain", { .quote_size = 4935 }, 0x2000 },
        { "fragments", { .quote_size = 5006, .fragments = true }, 0x2000 },
        { "slow", { .quote_size = 4935, .delay_ms = 60 }, 0x2000 },
        { "another minor version", { .major = 1, .minor = 7, .quote_size = 4935 }, 0x2000 },
        { "exactly as large as the buffer", { .quote_size = 0x2000 - 24 }, 0x2000 },
        { "one byte", { .quote_size = 1 }, 0x1000 },
        { "large", { .quote_size = 100000 }, 0x20000 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        setup(false);
        start_service(&rows[i].behaviour);
        m.service = tdx_quote_service_new("tdx0", m.address);
        make_quotes();
        fill_buffer(m.buffer, 1, 1024);
        g_assert_cmphex(tdx_quotes_request(m.quotes, AT, rows[i].size), ==, TDVMCALL_SUCCESS);
        g_assert_cmphex(wait_for(m.buffer), ==, 0);
        wait_finished(1);
        g_assert_cmpuint(load_le32(m.buffer + 20), ==, rows[i].behaviour.quote_size);
        g_assert_cmpuint(load_le32(m.buffer + 16), ==, 1024);
        uint8_t report[1024];
        for (unsigned j = 0; j < 1024; j++) {
            report[j] = (uint8_t)(j * 7);
        }
        for (unsigned j = 0; j < rows[i].behaviour.quote_size; j++) {
            g_assert_cmpuint(m.buffer[24 + j], ==, report[j % 64] ^ (uint8_t)(j / 64));
        }
        static const uint8_t head[28] = { 0, 0, 4, 0x18, 1, 0, 1, 0, 0, 0, 0, 0, 0x18, 4, 0, 0, 0,
                                          0, 0, 0, 0, 4 };
        g_assert_cmpmem(m.request, 28, head, 28);
        g_assert_cmpmem(m.request + 28, m.request_size - 28, report, 1024);
        TdxQuoteStats stats;
        tdx_quotes_stats(m.quotes, &stats);
        g_assert_true(stats.requests == 1 && stats.succeeded == 1 && stats.failed == 0 &&
                      stats.in_flight == 0 && !*stats.last_error);
        end_service();
        teardown();
    }
}

static void test_bad(void)
{
    static const struct {
        const char *label;
        Behaviour behaviour;
        const char *error;
    } rows[] = {
        { "closes", { .close = true }, "the service closed the connection without an answer" },
        { "closes in the prefix", { .quote_size = 10, .send_only = 3 },
          "after 3 of 4 bytes of its answer's length" },
        { "closes after the prefix", { .quote_size = 10, .send_only = 4 },
          "after 0 of 34 bytes of its answer" },
        { "closes in the quote", { .quote_size = 100, .send_only = 60 },
          "after 56 of 124 bytes of its answer" },
        { "silent", { .silent = true }, "timed out after 0.3 s (waiting for the answer)" },
        { "length 0", { .quote_size = 10, .prefix_delta = -34 },
          "malformed answer: it announces 0 bytes" },
        { "length below a header", { .quote_size = 10, .prefix_delta = -19 },
          "it announces 15 bytes" },
        { "length of a header", { .quote_size = 0, .prefix_delta = -8, .size_delta = -8 },
          "malformed answer: 16 bytes hold no quote" },
        { "endless", { .quote_size = 10, .prefix_delta = -35 },
          "the answer of 4294967295 bytes is too large" },
        { "quote too large", { .quote_size = 0x2000 - 23 },
          "the answer of 8193 bytes is too large for the guest's buffer, which has room for 8192" },
        { "version 0", { .major = 2, .minor = 1, .quote_size = 10 },
          "malformed answer: version 2.1, expected 1.1" },
        { "a request's type", { .type = 4, .quote_size = 10 },
          "malformed answer: message type 4, expected 1" },
        { "header's size", { .quote_size = 10, .size_delta = 1 },
          "its header says 35 bytes, its frame 34" },
        { "key id", { .quote_size = 10, .id_size = 1 }, "selects a key id of 1 bytes" },
        { "empty quote", { .quote_size = 0 }, "success, and an empty quote" },
        { "quote's size", { .quote_size = 10, .quote_delta = -1 },
          "a quote of 9 bytes, where 10 bytes follow" },
        { "quote's size wraps", { .quote_size = 10, .quote_delta = -11 },
          "a quote of 4294967295 bytes" },
        { "error", { .error = 0x12001 },
          "the service answered error 0x12001 QGS_MSG_ERROR_UNEXPECTED" },
        { "last error", { .error = 0x12007 }, "error 0x12007 QGS_MSG_ERROR_INVALID_CODE" },
        { "unknown error", { .error = 0x12008 }, "error 0x12008 (a number it does not document)" },
        { "error with a quote", { .error = 0x12003, .quote_size = 10 },
          "QGS_MSG_ERROR_INVALID_PARAMETER" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        setup(false);
        start_service(&rows[i].behaviour);
        m.service = tdx_quote_service_new("tdx0", m.address);
        tdx_quote_service_set_timeout(m.service,
                                      rows[i].behaviour.silent ? 300000 : 20 * G_TIME_SPAN_SECOND);
        make_quotes();
        fill_buffer(m.buffer, 1, 1024);
        store_le32(m.buffer + 20, 99);
        g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
        g_assert_cmphex(wait_for(m.buffer), ==, FAILED);
        wait_finished(1);
        g_assert_cmpuint(load_le32(m.buffer + 20), ==, 0);
        g_assert_cmpuint(m.buffer[25], ==, 7); /* the report is still there */
        TdxQuoteStats stats;
        tdx_quotes_stats(m.quotes, &stats);
        g_assert_true(stats.failed == 1 && stats.succeeded == 0 && stats.in_flight == 0);
        if (!strstr(stats.last_error, rows[i].error)) {
            g_error("%s: '%s' lacks '%s'", rows[i].label, stats.last_error, rows[i].error);
        }
        end_service();
        teardown();
    }
}

static void test_no_service(void)
{
    TdxQuoteStats stats;

    setup(false); /* nothing configured: final before the call returns, and no interrupt */
    make_quotes();
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(status_of(m.buffer), ==, UNAVAILABLE);
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_cmpstr(stats.last_error, ==, "no quote-generation-socket is configured");
    g_assert_cmpuint(m.finished, ==, 0);
    teardown();

    setup(true); /* nobody listens */
    make_quotes();
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(wait_for(m.buffer), ==, UNAVAILABLE);
    wait_finished(1);
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_nonnull(strstr(stats.last_error, "Failed to connect to '/"));
    /* It comes up: the next request finds it */
    const Behaviour good = { .quote_size = 100 };
    start_service(&good);
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(wait_for(m.buffer), ==, 0);
    end_service();
    teardown();
}

/* What is wrong with the request itself. Buffers stay as they were. */
static void test_refused(void)
{
    static const struct {
        const char *label;
        uint64_t gpa, size, version, ret;
        uint32_t in_length;
    } rows[] = {
        { "empty", AT, 0, 1, TDVMCALL_INVALID_OPERAND, 0 },
        { "unaligned address", AT + 16, 0x1000, 1, TDVMCALL_ALIGN_ERROR, 0 },
        { "unaligned size", AT, 0x1010, 1, TDVMCALL_ALIGN_ERROR, 0 },
        { "too large", AT, 0x21000, 1, TDVMCALL_INVALID_OPERAND, 0 },
        { "far too large", AT, UINT64_MAX & ~UINT64_C(4095), 1, TDVMCALL_INVALID_OPERAND, 0 },
        { "not memory", 0xfec00000, 0x1000, 1, TDVMCALL_INVALID_OPERAND, 0 },
        { "beyond memory", RAM_SIZE - 0x1000, 0x2000, 1, TDVMCALL_INVALID_OPERAND, 0 },
        { "version 0", AT, 0x1000, 0, TDVMCALL_INVALID_OPERAND, 0 },
        { "version 2", AT, 0x1000, 2, TDVMCALL_INVALID_OPERAND, 0 },
        { "data behind the end", AT, 0x1000, 1, TDVMCALL_INVALID_OPERAND, 0x1000 - 23 },
        { "data wrap", AT, 0x1000, 1, TDVMCALL_INVALID_OPERAND, UINT32_MAX },
    };

    setup(true);
    make_quotes();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        fill_buffer(m.buffer, rows[i].version, rows[i].in_length);
        store_le64(m.buffer + 8, 0x1234);
        g_autofree uint8_t *before = g_memdup2(m.buffer, 4096);
        g_assert_cmphex(tdx_quotes_request(m.quotes, rows[i].gpa, rows[i].size), ==, rows[i].ret);
        g_assert_cmpmem(before, 4096, m.buffer, 4096);
    }
    TdxQuoteStats stats;
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_true(stats.requests == G_N_ELEMENTS(rows) && stats.failed == 0);
    teardown();
}

/*
 * More than are worked on at a time wait; more than are kept are told to try again; a buffer serves
 * one request.
 */
static void test_many(void)
{
    const Behaviour slow = { .quote_size = 64, .delay_ms = 150 };

    setup(false);
    start_service(&slow);
    m.service = tdx_quote_service_new("tdx0", m.address);
    make_quotes();
    for (unsigned i = 0; i < TDX_QUOTE_MAX_REQUESTS; i++) {
        fill_buffer(m.ram + i * 0x1000, 1, 1024);
    }
    fill_buffer(m.ram + 0xf0000, 1, 1024);
    unsigned accepted = 0;
    uint64_t ret = TDVMCALL_SUCCESS;
    for (unsigned i = 0; i < TDX_QUOTE_MAX_REQUESTS; i++) {
        ret = tdx_quotes_request(m.quotes, i * 0x1000, 0x1000);
        g_assert_true(ret == TDVMCALL_SUCCESS || ret == TDVMCALL_RETRY);
        accepted += ret == TDVMCALL_SUCCESS;
    }
    TdxQuoteStats stats;
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_cmpuint(stats.in_flight, <=, TDX_QUOTE_MAX_REQUESTS);
    for (unsigned i = 0; i < accepted; i++) {
        g_assert_cmphex(wait_for(m.ram + i * 0x1000), ==, 0);
    }
    wait_finished(accepted);
    end_service();
    teardown();
}

static void test_bounds(void)
{
    const Behaviour silent = { .silent = true };

    setup(false);
    start_service(&silent);
    m.service = tdx_quote_service_new("tdx0", m.address);
    make_quotes();
    for (unsigned i = 0; i < TDX_QUOTE_MAX_REQUESTS; i++) {
        fill_buffer(m.ram + i * 0x1000, 1, 1024);
        g_assert_cmphex(tdx_quotes_request(m.quotes, i * 0x1000, 0x1000), ==, TDVMCALL_SUCCESS);
        g_assert_cmphex(status_of(m.ram + i * 0x1000), ==, IN_FLIGHT);
    }
    fill_buffer(m.ram + 0xf0000, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, 0xf0000, 0x1000), ==, TDVMCALL_RETRY);
    g_assert_cmphex(status_of(m.ram + 0xf0000), ==, 0);
    TdxQuoteStats stats;
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_cmpuint(stats.in_flight, ==, TDX_QUOTE_MAX_REQUESTS);
    tdx_quotes_stop(m.quotes); /* at once, and their buffers are left alone */
    for (unsigned i = 0; i < TDX_QUOTE_MAX_REQUESTS; i++) {
        g_assert_cmphex(status_of(m.ram + i * 0x1000), ==, IN_FLIGHT);
    }
    g_assert_cmphex(tdx_quotes_request(m.quotes, 0xf0000, 0x1000), ==, TDVMCALL_RETRY);
    g_assert_cmpuint(m.finished, ==, 0);
    end_service();
    teardown();
}

static void test_overlap_and_forget(void)
{
    const Behaviour slow = { .quote_size = 64, .delay_ms = 700 };

    setup(false);
    start_service(&slow);
    m.service = tdx_quote_service_new("tdx0", m.address);
    make_quotes();
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    fill_buffer(m.buffer + 0x1000, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT + 0x1000, 0x1000), ==, GPA_INUSE);
    store_le64(m.buffer, 1);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, GPA_INUSE);
    tdx_quotes_forget(m.quotes, 0, AT);               /* beside it */
    tdx_quotes_forget(m.quotes, AT + 0x2000, 0x1000);
    g_assert_cmphex(wait_for(m.buffer), ==, 0);
    wait_finished(1);

    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    tdx_quotes_forget(m.quotes, AT + 0x1000, 0x1000); /* its second page becomes private */
    g_autofree uint8_t *before = g_memdup2(m.buffer, 0x2000);
    TdxQuoteStats stats;
    do {
        g_usleep(1000);
        tdx_quotes_stats(m.quotes, &stats);
    } while (stats.in_flight);
    g_assert_cmpmem(before, 0x2000, m.buffer, 0x2000);
    g_assert_cmpuint(m.finished, ==, 1);
    g_assert_true(g_str_has_prefix(stats.last_error, "dropped"));
    end_service();
    teardown();
}

/* Whole messages for the service go through as they are. */
static void test_framed(void)
{
    const Behaviour good = { .quote_size = 77 };

    setup(false);
    start_service(&good);
    m.service = tdx_quote_service_new("tdx0", m.address);
    make_quotes();
    fill_buffer(m.buffer, 1, 1052);
    uint8_t report[1024];
    memcpy(report, m.buffer + 24, 1024);
    size_t size;
    g_autofree uint8_t *message = qgs_quote_request((Bytes){ report, 1024 }, &size);
    g_assert_cmpuint(size, ==, 1052);
    memcpy(m.buffer + 24, message, size);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(wait_for(m.buffer), ==, 0);
    g_assert_cmpmem(m.request, m.request_size, message, size);
    g_assert_cmpuint(load_le32(m.buffer + 20), ==, 4 + 24 + 77);
    g_assert_cmpuint(load_be32(m.buffer + 24), ==, 24 + 77);
    wait_finished(1);
    end_service();
    teardown();
}

/* A connection that was given serves once. */
static void test_given_fd(void)
{
    int pair[2];
    const Behaviour good = { .quote_size = 64 };

    setup(false);
    m.behaviour = good;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    g_autofree char *text = g_strdup_printf("fd:%d", pair[0]);
    g_autoptr(SocketAddress) address = socket_address_parse(text, NULL);
    m.service = tdx_quote_service_new("tdx0", address);
    make_quotes();
    GThread *server = g_thread_new("serve", serve, GINT_TO_POINTER(pair[1]));
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(wait_for(m.buffer), ==, 0);
    g_thread_join(server);
    fill_buffer(m.buffer, 1, 1024);
    g_assert_cmphex(tdx_quotes_request(m.quotes, AT, 0x2000), ==, TDVMCALL_SUCCESS);
    g_assert_cmphex(wait_for(m.buffer), ==, UNAVAILABLE);
    TdxQuoteStats stats;
    tdx_quotes_stats(m.quotes, &stats);
    g_assert_nonnull(strstr(stats.last_error, "one request in each connection"));
    wait_finished(2);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx/quote/good", test_good);
    g_test_add_func("/tdx/quote/bad", test_bad);
    g_test_add_func("/tdx/quote/no-service", test_no_service);
    g_test_add_func("/tdx/quote/refused", test_refused);
    g_test_add_func("/tdx/quote/many", test_many);
    g_test_add_func("/tdx/quote/bounds", test_bounds);
    g_test_add_func("/tdx/quote/overlap-and-forget", test_overlap_and_forget);
    g_test_add_func("/tdx/quote/framed", test_framed);
    g_test_add_func("/tdx/quote/given-fd", test_given_fd);
    return g_test_run();
}
