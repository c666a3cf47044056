/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See back-end.h. Numbers stand here once more: two readings of the protocol check each other. */
#include "back-end.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/bytes.h"

#define ACK (UINT64_C(1) << 3)

static bool get(int fd, uint8_t *data, size_t size, int *fds, unsigned *num_fds)
{
    char control[CMSG_SPACE(8 * sizeof(int))];
    struct iovec vector = { data, size };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                              .msg_controllen = sizeof(control) };
    ssize_t got = size ? recvmsg(fd, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) : 0;

    if (got != (ssize_t)size) {
        return false;
    }
    for (struct cmsghdr *c = size ? CMSG_FIRSTHDR(&message) : NULL; c;
         c = CMSG_NXTHDR(&message, c)) {
        *num_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), *num_fds * sizeof(int));
    }
    return true;
}

static void answer(BackEnd *b, uint32_t request, const void *payload, uint32_t size)
{
    uint8_t message[512];

    store_le32(message, request);
    store_le32(message + 4, 5);
    store_le32(message + 8, size);
    memcpy(message + 12, payload, size);
    g_assert_cmpint(send(b->fd, message, 12 + size, MSG_NOSIGNAL), ==, 12 + size);
}

static void answer_u64(BackEnd *b, uint32_t request, uint64_t value)
{
    uint8_t payload[8];

    store_le64(payload, value);
    answer(b, request, payload, sizeof(payload));
}

static uint8_t *at(BackEnd *b, uint64_t address, uint64_t base)
{
    g_assert_cmpuint(address, >=, base);
    g_assert_cmpuint(address - base, <, b->ram_size);
    return b->ram + (address - base);
}

static void serve(BackEnd *b)
{
    uint8_t *available = at(b, b->available, b->ram_address),
            *used = at(b, b->used, b->ram_address);

    while (load_le16(available + 2) != b->next) {
        uint16_t head = load_le16(available + 4 + 2 * (b->next % b->num));
        const uint8_t *descriptor = at(b, b->descriptors, b->ram_address) + 16 * head;
        uint32_t size = load_le32(descriptor + 8);
        uint8_t *data = at(b, load_le64(descriptor), 0);

        for (uint32_t i = 0; i < size; i++) {
            data[i]++;
        }
        uint8_t *entry = used + 4 + 8 * (b->next % b->num);
        store_le32(entry, head);
        store_le32(entry + 4, size);
        b->next++;
        b->requests++;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        store_le16(used + 2, b->next);
        uint64_t one = 1;
        g_assert_cmpint(write(b->call, &one, 8), ==, 8);
    }
}

static void map_memory(BackEnd *b, const uint8_t *payload, const int *fds, unsigned num_fds)
{
    g_assert_cmpuint(load_le32(payload), ==, 1);
    g_assert_cmpuint(num_fds, ==, 1);
    g_assert_cmpuint(load_le64(payload + 8), ==, 0);
    b->memory = fds[0];
    b->ram_size = load_le64(payload + 16);
    b->ram_address = load_le64(payload + 24);
    b->ram = mmap(NULL, b->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->memory,
                  (off_t)load_le64(payload + 32));
    g_assert_true(b->ram != MAP_FAILED);
}

static void get_config(BackEnd *b, const uint8_t *payload, uint32_t size)
{
    uint8_t reply[512];

    memcpy(reply, payload, size);
    for (uint32_t i = 12; i < size; i++) {
        reply[i] = (uint8_t)(i - 12);
    }
    answer(b, 24, reply, size);
}

/* True: it has been answered. */
static bool act(BackEnd *b, uint32_t request, const uint8_t *payload, uint32_t size, const int *fds,
                unsigned num_fds)
{
    uint8_t reply[8];

    switch (request) {
    case 1: answer_u64(b, request, b->features); return true;
    case 2: b->set_features = load_le64(payload); return false;
    case 5: map_memory(b, payload, fds, num_fds); return false;
    case 8: b->num = load_le32(payload) ? b->num : load_le32(payload + 4); return false;
    case 9:
        if (!load_le32(payload)) {
            b->descriptors = load_le64(payload + 8);
            b->used = load_le64(payload + 16);
            b->available = load_le64(payload + 24);
        }
        return false;
    case 10:
        if (!load_le32(payload)) {
            b->base = b->next = (uint16_t)load_le32(payload + 4);
        }
        return false;
    case 11:
        memcpy(reply, payload, 4);
        store_le32(reply + 4, b->next);
        b->enabled = false;
        answer(b, request, reply, sizeof(reply));
        return true;
    case 12: case 13:
        g_assert_cmpuint(num_fds, ==, 1);
        if (load_le64(payload)) {
            close(fds[0]);
        } else {
            *(request == 12 ? &b->kick : &b->call) = fds[0];
        }
        return false;
    case 15: answer_u64(b, request, b->protocol); return true;
    case 17: answer_u64(b, request, b->queues); return true;
    case 18: b->enabled = load_le32(payload) ? b->enabled : load_le32(payload + 4); return false;
    case 24: get_config(b, payload, size); return true;
    default: return false;
    }
}

static bool handle(BackEnd *b)
{
    uint8_t header[12], payload[512];
    int fds[8];
    unsigned num_fds = 0;

    if (!get(b->fd, header, sizeof(header), fds, &num_fds)) {
        return false;
    }
    uint32_t request = load_le32(header), flags = load_le32(header + 4),
             size = load_le32(header + 8);
    g_assert_cmpuint(size, <=, sizeof(payload));
    g_assert_cmpuint(request, <, G_N_ELEMENTS(b->seen));
    g_assert_cmphex(flags & 7, ==, 1);
    if (!get(b->fd, payload, size, fds, &num_fds) || request == b->close_at) {
        return false;
    }
    b->seen[request]++;
    if (!act(b, request, payload, size, fds, num_fds) && (flags & 8)) {
        g_assert_true(b->protocol & ACK);
        answer_u64(b, request, request == b->refuse);
    }
    return true;
}

static gpointer run(gpointer opaque)
{
    BackEnd *b = opaque;

    for (;;) {
        struct pollfd fds[2] = { { .fd = b->fd, .events = POLLIN },
                                 { .fd = b->enabled ? b->kick : -1, .events = POLLIN } };
        uint64_t count;

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[0].revents && !handle(b)) {
            break;
        }
        if (fds[1].revents && b->enabled && read(b->kick, &count, 8) == 8) {
            serve(b);
        }
    }
    shutdown(b->fd, SHUT_RDWR);
    __atomic_store_n(&b->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

void back_end_start(BackEnd *b, int fd)
{
    b->fd = fd;
    b->kick = b->call = b->memory = -1;
    b->thread = g_thread_new("back end", run, b);
}

void back_end_stop(BackEnd *b)
{
    const int fds[] = { b->fd, b->kick, b->call, b->memory };

    shutdown(b->fd, SHUT_RDWR);
    g_thread_join(b->thread);
    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (b->ram) {
        munmap(b->ram, b->ram_size);
    }
}
