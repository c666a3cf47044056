/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output that is faster than its reader: what waits is sent, and who waits for room is told,
 * however the two meet.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/chardev.h"

typedef struct Front {
    Chardev *chardev;
    unsigned told;
} Front;

static unsigned can_receive(void *opaque)
{
    return 0;
}

static void receive(void *opaque, const uint8_t *data, unsigned n)
{
    g_assert_not_reached();
}

static void writable(void *opaque)
{
    Front *front = opaque;

    front->told++;
}

static const ChardevFrontend frontend = { .can_receive = can_receive, .receive = receive,
                                          .writable = writable };

/* A chardev on one end of a pair of sockets; the other end, which does not block. */
static int start(Front *front)
{
    int pair[2], room = 64 << 10;
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==,
                    0);
    g_assert_cmpint(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), ==, 0);
    g_autofree char *text = g_strdup_printf("socket,id=a,fd=%d", pair[0]);
    g_autoptr(ChardevConfig) config = chardev_config_parse(text, &err);
    g_assert_no_error(err);
    *front = (Front){ .chardev = chardev_new(config, &(ChardevHost){ 0 }, &err) };
    g_assert_no_error(err);
    g_assert_true(chardev_attach(front->chardev, &frontend, front));
    return pair[1];
}

static size_t drain(int fd)
{
    static char data[1 << 16];
    size_t all = 0;

    for (ssize_t n; (n = read(fd, data, sizeof(data))) > 0;) {
        all += (size_t)n;
    }
    return all;
}

static size_t unread(int fd)
{
    int n = 0;

    g_assert_cmpint(ioctl(fd, FIONREAD, &n), ==, 0);
    return (size_t)n;
}

/*
 * Writes a little at a time until the socket takes no more, and what is left over waits in the
 * queue; how much was written.
 */
static size_t fill_socket(const Front *front, int reader)
{
    static const uint8_t data[512] = { 0 };
    size_t sent = 0;

    while (unread(reader) == sent) {
        g_assert_cmpuint(sent, <, 1 << 20);
        g_assert_cmpuint(chardev_write(front->chardev, data, sizeof(data)), ==, sizeof(data));
        sent += sizeof(data);
    }
    return sent;
}

static void serve_until_told(const Front *front, int fd, size_t *received)
{
    gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    while (!front->told && g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, FALSE);
        *received += drain(fd);
    }
}

/*
 * Who waits for room is told of it when the reader takes what is queued, and nothing that was taken
 * is lost.
 */
static void check_told(bool reader_catches_up)
{
    static const uint8_t big[1 << 20] = { 0 };
    Front front;
    int reader = start(&front);
    size_t sent = fill_socket(&front, reader), received = reader_catches_up ? drain(reader) : 0;
    unsigned taken = chardev_write(front.chardev, big, sizeof(big));

    sent += taken;
    g_assert_cmpuint(taken, <, sizeof(big));
    serve_until_told(&front, reader, &received);
    g_assert_cmpuint(front.told, ==, 1);
    for (gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
         received < sent && g_get_monotonic_time() < end;) {
        g_main_context_iteration(NULL, FALSE);
        received += drain(reader);
    }
    g_assert_cmpuint(received, ==, sent);
    chardev_close(front.chardev);
    close(reader);
}

static void test_told(void)
{
    check_told(false);
}

/* The reader empties the socket between two writes, so that the queue empties as it is filled. */
static void test_reader_catches_up(void)
{
    check_told(true);
}

/* The reader goes while the queue is full: what is written is lost, and nobody waits. */
static void test_reader_goes(void)
{
    static const uint8_t big[1 << 20] = { 0 };
    Front front;
    int reader = start(&front);

    fill_socket(&front, reader);
    close(reader);
    g_assert_cmpuint(chardev_write(front.chardev, big, sizeof(big)), ==, sizeof(big));
    g_assert_cmpuint(chardev_write(front.chardev, big, sizeof(big)), ==, sizeof(big));
    chardev_close(front.chardev);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chardev-queue/told", test_told);
    g_test_add_func("/chardev-queue/reader-catches-up", test_reader_catches_up);
    g_test_add_func("/chardev-queue/reader-goes", test_reader_goes);
    return g_test_run();
}
