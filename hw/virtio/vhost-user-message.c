/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vhost-user-message.h. */
#include "vhost-user-message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/error.h"
#include "util/socket.h"

const char *vhost_user_request_name(uint32_t request)
{
    static const char *const names[] = {
        [VHOST_USER_GET_FEATURES] = "GET_FEATURES", [VHOST_USER_SET_FEATURES] = "SET_FEATURES",
        [VHOST_USER_SET_OWNER] = "SET_OWNER",
        [VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE", [VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM",
        [VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR",
        [VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE",
        [VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE",
        [VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK",
        [VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL",
        [VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
        [VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
        [VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
        [VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE", [VHOST_USER_GET_CONFIG] = "GET_CONFIG",
        [VHOST_USER_SET_CONFIG] = "SET_CONFIG",
    };

    return request < G_N_ELEMENTS(names) && names[request] ? names[request] : "an unknown request";
}

bool vhost_user_break(VhostUserChannel *channel, GError **errp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    channel->broken = true;
    return error_set(errp, "%s", text);
}

static SocketContext deadline(const VhostUserChannel *channel)
{
    return (SocketContext){.deadline = g_get_monotonic_time() + (gint64)channel->timeout_ms * 1000};
}

static bool await(VhostUserChannel *channel, short events, const SocketContext *context,
                  uint32_t request, GError **errp)
{
    return socket_wait(channel->fd, events, context, NULL) ||
           vhost_user_break(channel, errp, "the back end does not %s %s within %u s",
                            events == POLLIN ? "answer" : "read", vhost_user_request_name(request),
                            channel->timeout_ms / 1000);
}

/* ---- Sending ---- */

/* The descriptors go with the first byte. */
static ssize_t send_some(int fd, const uint8_t *data, size_t size, const int *fds, unsigned num_fds)
{
    union {
        char bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec vector = { (void *)data, size };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

    if (num_fds) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(num_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, num_fds * sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool vhost_user_send(VhostUserChannel *channel, uint32_t request, bool need_reply,
                     const uint8_t *payload, unsigned size, const int *fds, unsigned num_fds,
                     GError **errp)
{
    uint8_t message[VHOST_USER_HEADER_SIZE + 512];
    const SocketContext context = deadline(channel);

    g_assert(size <= sizeof(message) - VHOST_USER_HEADER_SIZE && num_fds <= VHOST_USER_MAX_FDS);
    if (channel->broken) {
        return error_set(errp, "the connection to the back end is broken");
    }
    store_le32(message, request);
    store_le32(message + 4, VHOST_USER_VERSION | (need_reply ? VHOST_USER_NEED_REPLY : 0));
    store_le32(message + 8, size);
    if (size) {
        memcpy(message + VHOST_USER_HEADER_SIZE, payload, size);
    }
    for (size_t done = 0, total = VHOST_USER_HEADER_SIZE + size; done < total;) {
        ssize_t now = send_some(channel->fd, message + done, total - done, fds, done ? 0 : num_fds);

        if (now > 0) {
            done += (size_t)now;
        } else if (now < 0 && errno == EAGAIN) {
            if (!await(channel, POLLOUT, &context, request, errp)) {
                return false;
            }
        } else if (!(now < 0 && errno == EINTR)) {
            return vhost_user_break(channel, errp, "the back end has gone: sending %s: %s",
                                    vhost_user_request_name(request), g_strerror(errno));
        }
    }
    return true;
}

/* ---- Receiving ---- */

static void close_fds(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            close(fd);
        }
    }
}

static ssize_t receive_some(int fd, uint8_t *data, size_t size)
{
    union {
        char bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec vector = { data, size };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes,
                              .msg_controllen = sizeof(control) };
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (got >= 0) {
        close_fds(&message);
    }
    return got;
}

static bool receive_all(VhostUserChannel *channel, uint32_t request, uint8_t *data, size_t size,
                        const SocketContext *context, GError **errp)
{
    for (size_t done = 0; done < size;) {
        ssize_t now = receive_some(channel->fd, data + done, size - done);

        if (now > 0) {
            done += (size_t)now;
        } else if (now < 0 && errno == EAGAIN) {
            if (!await(channel, POLLIN, context, request, errp)) {
                return false;
            }
        } else if (!(now < 0 && errno == EINTR)) {
            return vhost_user_break(channel, errp,
                                    "the back end has gone instead of answering %s%s%s",
                                    vhost_user_request_name(request), now ? ": " : "",
                                    now ? g_strerror(errno) : "");
        }
    }
    return true;
}

/*
 * Is a header one of an answer to `request` whose payload has min to max bytes? Pure. False: *errp.
 */
static bool vhost_user_check_header(const uint8_t header[VHOST_USER_HEADER_SIZE], uint32_t request,
                                    unsigned min, unsigned max, unsigned *size, GError **errp)
{
    uint32_t got = load_le32(header), flags = load_le32(header + 4);
    const char *name = vhost_user_request_name(request);

    *size = load_le32(header + 8);
    if ((flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION) {
        return error_set(errp, "the back end speaks version %u of the vhost-user protocol, not 1",
                         flags & VHOST_USER_VERSION_MASK);
    }
    if (!(flags & VHOST_USER_REPLY)) {
        return error_set(errp, "the back end sends request %u instead of an answer to %s", got,
                         name);
    }
    if (got != request) {
        return error_set(errp, "the back end answers request %u instead of %s (%u)", got, name,
                         request);
    }
    if (*size < min || *size > max) {
        return error_set(errp, "the back end's answer to %s has %u bytes, not %s%u", name, *size,
                         min == max ? "" : "at most ", max);
    }
    return true;
}

bool vhost_user_receive(VhostUserChannel *channel, uint32_t request, uint8_t *payload, unsigned min,
                        unsigned max, unsigned *size, GError **errp)
{
    const SocketContext context = deadline(channel);
    uint8_t header[VHOST_USER_HEADER_SIZE];

    if (!receive_all(channel, request, header, sizeof(header), &context, errp)) {
        return false;
    }
    if (!vhost_user_check_header(header, request, min, max, size, errp)) {
        channel->broken = true;
        return false;
    }
    return receive_all(channel, request, payload, *size, &context, errp);
}

bool vhost_user_channel_check(VhostUserChannel *channel, GError **errp)
{
    uint8_t byte;

    if (channel->broken) {
        return error_set(errp, "the connection to the back end is broken");
    }
    ssize_t got = recv(channel->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) {
        return vhost_user_break(channel, errp, "the back end speaks without being asked");
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    return vhost_user_break(channel, errp, "the back end has gone");
}
