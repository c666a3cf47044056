/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD client: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle
 * negotiation and simple replies. Each request is sent by the pool thread that runs it, which then
 * waits; one thread of the node's reads the replies.
 */
#include "block/nbd.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "system/core/log.h"
#include "util/bytes.h"
#include "util/error.h"

#define GREETING_MAGIC UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define OPTION_MAGIC UINT64_C(0x49484156454f5054)   /* "IHAVEOPT" */
#define OPTION_REPLY_MAGIC UINT64_C(0x3e889045565a9)
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC 0x67446698u

enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2 };
enum { OPTION_GO = 7 };
enum { REPLY_ACK = 1, REPLY_INFO = 3 };
#define REPLY_IS_ERROR (1u << 31)
enum { INFO_EXPORT = 0 };
enum { HAS_FLAGS = 1, READ_ONLY = 2, SEND_FLUSH = 4, SEND_FUA = 8, SEND_TRIM = 32,
       SEND_WRITE_ZEROES = 64 };
enum { COMMAND_READ = 0, COMMAND_WRITE = 1, COMMAND_DISCONNECT = 2, COMMAND_FLUSH = 3,
       COMMAND_TRIM = 4, COMMAND_WRITE_ZEROES = 6 };
enum { FLAG_FUA = 1, FLAG_NO_HOLE = 2 };

#define REQUEST_SIZE 28
#define REPLY_SIZE 16
#define MAX_OPTION_REPLY 4096
#define MAX_DATA (32u << 20)       /* what every server takes in one request */
#define MAX_RANGE (1u << 30)       /* of a trim or zeroes, which carry no data */
#define MAX_WAITING 64             /* more than the pool has threads */

typedef struct Waiter {
    struct iovec *iov;  /* where data goes; NULL = none */
    unsigned iov_count;
    uint64_t handle;
    bool done;
    int result;
} Waiter;

typedef struct Nbd {
    int fd;
    char *what;
    unsigned flags;     /* of the export */
    uint64_t size;
    NbdEnd end;
    GThread *reader;
    GMutex sending;     /* a request is sent whole */
    GMutex lock;        /* what follows */
    GCond done;
    Waiter *waiting[MAX_WAITING];
    uint64_t next_handle;
    bool broken, closing;
} Nbd;

/* ---- Bytes ---- */

/* Both change iov. False: the peer has gone, or an error. */
static bool move_all(int fd, struct iovec *iov, unsigned count, bool sending)
{
    while (count) {
        struct msghdr message = { .msg_iov = iov, .msg_iovlen = MIN(count, IOV_MAX) };
        ssize_t now = sending ? sendmsg(fd, &message, MSG_NOSIGNAL)
                              : recvmsg(fd, &message, MSG_WAITALL);

        if (now < 0 && errno == EINTR) {
            continue;
        }
        if (now <= 0) {
            return false;
        }
        for (size_t left = (size_t)now; count && left >= iov->iov_len; count--) {
            left -= iov++->iov_len;
            now = (ssize_t)left;
        }
        if (count) {
            iov->iov_base = (uint8_t *)iov->iov_base + now;
            iov->iov_len -= (size_t)now;
        }
    }
    return true;
}

static bool send_bytes(int fd, const void *data, size_t size)
{
    return move_all(fd, &(struct iovec) { (void *)data, size }, 1, true);
}

static bool receive_bytes(int fd, void *data, size_t size)
{
    return !size || move_all(fd, &(struct iovec) { data, size }, 1, false);
}

/* The iovecs of [offset, offset + size) of a request, into parts. */
static unsigned slice(const BlockRequest *request, uint64_t offset, uint64_t size,
                      struct iovec *parts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < request->iov_count && size; i++) {
        const struct iovec *iov = &request->iov[i];
        if (offset >= iov->iov_len) {
            offset -= iov->iov_len;
            continue;
        }
        size_t here = MIN(iov->iov_len - offset, size);
        parts[n++] = (struct iovec) { (uint8_t *)iov->iov_base + offset, here };
        size -= here;
        offset = 0;
    }
    return n;
}

/* ---- Negotiation ---- */

static unsigned load_be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool greet(int fd, GError **errp)
{
    uint8_t greeting[18], answer[4];

    if (!receive_bytes(fd, greeting, sizeof(greeting))) {
        return error_set(errp, "the NBD server does not greet: it has ended, or takes too long");
    }
    if (load_be64(greeting) != GREETING_MAGIC || load_be64(greeting + 8) != OPTION_MAGIC ||
        !(load_be16(greeting + 16) & FIXED_NEWSTYLE)) {
        return error_set(errp, "the other end is no NBD server of the fixed newstyle");
    }
    store_be32(answer, load_be16(greeting + 16) & (FIXED_NEWSTYLE | NO_ZEROES));
    return send_bytes(fd, answer, sizeof(answer)) || error_set(errp, "the NBD server has gone");
}

static bool ask_for_export(int fd, const char *name, GError **errp)
{
    size_t length = strlen(name);
    g_autofree uint8_t *option = g_malloc(16 + 4 + length + 2);

    store_be64(option, OPTION_MAGIC);
    store_be32(option + 8, OPTION_GO);
    store_be32(option + 12, (uint32_t)(4 + length + 2));
    store_be32(option + 16, (uint32_t)length);
    memcpy(option + 20, name, length);
    store_be16(option + 20 + length, 0); /* no further information is asked for */
    return send_bytes(fd, option, 16 + 4 + length + 2) ||
           error_set(errp, "the NBD server has gone");
}

/* One reply to OPTION_GO; *acknowledged: it was the last. */
static bool read_option_reply(Nbd *nbd, const char *name, bool *have_size, bool *acknowledged,
                              GError **errp)
{
    uint8_t header[20], data[MAX_OPTION_REPLY];

    if (!receive_bytes(nbd->fd, header, sizeof(header))) {
        return error_set(errp, "the NBD server has gone, or takes too long");
    }
    uint32_t type = load_be32(header + 12), size = load_be32(header + 16);
    if (load_be64(header) != OPTION_REPLY_MAGIC || load_be32(header + 8) != OPTION_GO ||
        size > sizeof(data)) {
        return error_set(errp, "the NBD server's answer is none to what was asked");
    }
    if (!receive_bytes(nbd->fd, data, size)) {
        return error_set(errp, "the NBD server has gone in the middle of an answer");
    }
    if (type & REPLY_IS_ERROR) {
        return error_set(errp, "the NBD server has no export '%s' (reply 0x%x)", name, type);
    }
    if (type == REPLY_INFO && size >= 12 && load_be16(data) == INFO_EXPORT) {
        nbd->size = load_be64(data + 2);
        nbd->flags = load_be16(data + 10);
        *have_size = true;
    }
    *acknowledged = type == REPLY_ACK;
    return true;
}

static bool negotiate(Nbd *nbd, const char *name, bool read_only, GError **errp)
{
    bool have_size = false, acknowledged = false;

    if (!greet(nbd->fd, errp) || !ask_for_export(nbd->fd, name, errp)) {
        return false;
    }
    for (unsigned i = 0; !acknowledged; i++) {
        if (i == 16) {
            return error_set(errp, "the NBD server's answer does not end");
        }
        if (!read_option_reply(nbd, name, &have_size, &acknowledged, errp)) {
            return false;
        }
    }
    if (!have_size || nbd->size > INT64_MAX || nbd->size % BLOCK_SECTOR_SIZE ||
        !(nbd->flags & HAS_FLAGS)) {
        return error_set(errp, "the NBD server tells no size that can be (%" PRIu64 " bytes)",
                         nbd->size);
    }
    return !(nbd->flags & READ_ONLY) || read_only ||
           error_set(errp, "the NBD server's export '%s' is read-only", name);
}

/* ---- Replies ---- */

static int error_of(uint32_t error)
{
    switch (error) { /* "Error values"; they are not this system's */
    case 0: return 0;
    case 1: return -EPERM;
    case 12: return -ENOMEM;
    case 22: return -EINVAL;
    case 28: return -ENOSPC;
    case 95: return -EOPNOTSUPP;
    default: return -EIO;
    }
}

/* One that has its reply is gone, or about to be. */
static Waiter *find(Nbd *nbd, uint64_t handle)
{
    for (unsigned i = 0; i < MAX_WAITING; i++) {
        if (nbd->waiting[i] && nbd->waiting[i]->handle == handle && !nbd->waiting[i]->done) {
            return nbd->waiting[i];
        }
    }
    return NULL;
}

static bool read_reply(Nbd *nbd)
{
    uint8_t reply[REPLY_SIZE];

    if (!receive_bytes(nbd->fd, reply, sizeof(reply)) || load_be32(reply) != REPLY_MAGIC) {
        return false;
    }
    int result = error_of(load_be32(reply + 4));
    g_mutex_lock(&nbd->lock);
    Waiter *waiter = find(nbd, load_be64(reply + 8));
    g_mutex_unlock(&nbd->lock);
    if (!waiter ||
        (!result && waiter->iov && !move_all(nbd->fd, waiter->iov, waiter->iov_count, false))) {
        return false; /* the waiter waits on: its buffers are alive until it is told */
    }
    g_mutex_lock(&nbd->lock);
    waiter->result = result;
    waiter->done = true;
    g_cond_broadcast(&nbd->done);
    g_mutex_unlock(&nbd->lock);
    return true;
}

static gpointer read_replies(gpointer opaque)
{
    Nbd *nbd = opaque;

    while (read_reply(nbd)) {
    }
    shutdown(nbd->fd, SHUT_RDWR);
    g_mutex_lock(&nbd->lock);
    nbd->broken = true;
    bool told = nbd->closing;
    g_cond_broadcast(&nbd->done);
    g_mutex_unlock(&nbd->lock);
    if (!told) {
        g_autofree char *text = g_strdup_printf(
            "the process that serves '%s' has gone: reads and writes fail from now on", nbd->what);
        report_error(NULL, text);
    }
    return NULL;
}

/* ---- Requests ---- */

static void enter(Nbd *nbd, Waiter *waiter, unsigned *slot)
{
    g_mutex_lock(&nbd->lock);
    for (*slot = 0; nbd->waiting[*slot]; ++*slot) {
        g_assert(*slot + 1 < MAX_WAITING);
    }
    waiter->handle = nbd->next_handle++;
    nbd->waiting[*slot] = waiter;
    g_mutex_unlock(&nbd->lock);
}

static int await(Nbd *nbd, Waiter *waiter, unsigned slot)
{
    g_mutex_lock(&nbd->lock);
    while (!waiter->done && !nbd->broken) {
        g_cond_wait(&nbd->done, &nbd->lock);
    }
    nbd->waiting[slot] = NULL;
    int result = waiter->done ? waiter->result : -EIO;
    g_mutex_unlock(&nbd->lock);
    return result;
}

static void fill_request(uint8_t *header, unsigned flags, unsigned command, uint64_t handle,
                         uint64_t offset, uint32_t size)
{
    store_be32(header, REQUEST_MAGIC);
    store_be16(header + 4, (uint16_t)flags);
    store_be16(header + 6, (uint16_t)command);
    store_be64(header + 8, handle);
    store_be64(header + 16, offset);
    store_be32(header + 24, size);
}

/* parts[0] is for the header; the other `count` are the data, of a read or a write. */
static int transact(Nbd *nbd, unsigned flags, unsigned command, uint64_t offset, uint32_t size,
                    struct iovec *parts, unsigned count)
{
    bool is_read = command == COMMAND_READ;
    Waiter waiter = { .iov = is_read ? parts + 1 : NULL, .iov_count = count };
    uint8_t header[REQUEST_SIZE];
    unsigned slot;

    enter(nbd, &waiter, &slot);
    fill_request(header, flags, command, waiter.handle, offset, size);
    parts[0] = (struct iovec) { header, sizeof(header) };
    g_mutex_lock(&nbd->sending);
    bool sent = move_all(nbd->fd, parts, is_read ? 1 : 1 + count, true);
    g_mutex_unlock(&nbd->sending);
    if (!sent) {
        shutdown(nbd->fd, SHUT_RDWR); /* the reader sees it, and tells all */
    }
    return await(nbd, &waiter, slot);
}

static int run_pieces(Nbd *nbd, const BlockRequest *request, unsigned command, unsigned flags,
                      uint32_t most)
{
    g_autofree struct iovec *parts = g_new(struct iovec, 1 + request->iov_count);
    bool data = command == COMMAND_READ || command == COMMAND_WRITE;
    int result = 0;

    for (uint64_t done = 0; done < request->size && !result;) {
        uint32_t size = (uint32_t)MIN(request->size - done, most);
        unsigned count = data ? slice(request, done, size, parts + 1) : 0;

        result = transact(nbd, flags, command, request->offset + done, size, parts, count);
        done += size;
    }
    return result;
}

static int flush(Nbd *nbd)
{
    struct iovec header;

    return nbd->flags & SEND_FLUSH ? transact(nbd, 0, COMMAND_FLUSH, 0, 0, &header, 0) : 0;
}

static int run_write(Nbd *nbd, const BlockRequest *request, unsigned command, unsigned flags,
                     uint32_t most)
{
    bool fua = request->flags & BLOCK_FUA, server_does = nbd->flags & SEND_FUA;
    int result = run_pieces(nbd, request, command, flags | (fua && server_does ? FLAG_FUA : 0),
                            most);

    return result || !fua || server_does ? result : flush(nbd);
}

static int run(BlockNode *node, const BlockRequest *request)
{
    Nbd *nbd = node->data;

    switch (request->op) {
    case BLOCK_READ:
        return run_pieces(nbd, request, COMMAND_READ, 0, MAX_DATA);
    case BLOCK_WRITE:
        return run_write(nbd, request, COMMAND_WRITE, 0, MAX_DATA);
    case BLOCK_FLUSH:
        return flush(nbd);
    case BLOCK_DISCARD: /* a hint */
        return nbd->flags & SEND_TRIM && node->discard_granularity
                   ? run_pieces(nbd, request, COMMAND_TRIM, 0, MAX_RANGE)
                   : 0;
    case BLOCK_WRITE_ZEROES:
        return nbd->flags & SEND_WRITE_ZEROES
                   ? run_write(nbd, request, COMMAND_WRITE_ZEROES,
                               request->flags & BLOCK_MAY_UNMAP ? 0 : FLAG_NO_HOLE, MAX_RANGE)
                   : -EOPNOTSUPP;
    }
    return -EINVAL;
}

/* ---- Life ---- */

static void nbd_free(Nbd *nbd)
{
    close(nbd->fd);
    g_mutex_clear(&nbd->sending);
    g_mutex_clear(&nbd->lock);
    g_cond_clear(&nbd->done);
    g_free(nbd->what);
    g_free(nbd);
}

static void close_nbd(BlockNode *node)
{
    Nbd *nbd = node->data;
    uint8_t header[REQUEST_SIZE];
    NbdEnd end = nbd->end;

    g_mutex_lock(&nbd->lock);
    nbd->closing = true;
    g_mutex_unlock(&nbd->lock);
    fill_request(header, 0, COMMAND_DISCONNECT, 0, 0, 0);
    /* a server that has gone, or does not listen, needs no farewell */
    if (send(nbd->fd, header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* the end of the connection tells it, too */
    }
    shutdown(nbd->fd, SHUT_RDWR);
    g_thread_join(nbd->reader);
    nbd_free(nbd);
    if (end.closed) {
        end.closed(end.opaque);
    }
}

static const BlockDriver nbd_driver = { .name = "nbd", .run = run, .close = close_nbd };

static void set_timeout(int fd, unsigned seconds)
{
    const struct timeval time = { .tv_sec = seconds };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

BlockNode *block_nbd_new(int fd, const char *name, const char *what, bool read_only,
                         unsigned timeout_s, NbdEnd end, GError **errp)
{
    Nbd *nbd = g_new0(Nbd, 1);

    nbd->fd = fd;
    nbd->what = g_strdup(what);
    nbd->end = end;
    g_mutex_init(&nbd->sending);
    g_mutex_init(&nbd->lock);
    g_cond_init(&nbd->done);
    set_timeout(fd, timeout_s);
    if (!negotiate(nbd, name, read_only, errp)) {
        nbd_free(nbd);
        return NULL;
    }
    set_timeout(fd, 0);
    nbd->reader = g_thread_new("nbd", read_replies, nbd);
    return block_node_new(&nbd_driver, nbd, nbd->size, read_only);
}
