/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netdevs as -netdev makes them: options, DHCP from the user network, frames between two stream
 * sockets.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../socket-dir.h"
#include "net/netdev.h"

static const QomType *const types[] = {
    &qom_object_type, &qom_container_type, &netdev_type, &netdev_user_type, &netdev_stream_type,
    &netdev_tap_type, NULL,
};

typedef struct Card {
    NetCard card;
    GPtrArray *frames; /* of GBytes */
} Card;

static bool receive(void *opaque, const uint8_t *frame, size_t size)
{
    Card *card = opaque;

    g_ptr_array_add(card->frames, g_bytes_new(frame, size));
    return true;
}

static void card_init(Card *card, GMutex *lock)
{
    *card = (Card) { .card = { receive, NULL, card, lock },
                     .frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref) };
}

static Netdev *create(QomObject *root, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "type", errp);
    const QomSettings settings = { .keyval = kv };

    Netdev *netdev = kv ? netdev_create(root, &settings, errp) : NULL;
    return netdev && netdev_open(netdev, errp) ? netdev : NULL;
}

static void test_refused(void)
{
    static const struct {
        const char *options, *says;
    } rows[] = {
        { "user", "Parameter 'id' is missing" }, { "id=n0", "Parameter 'type' is missing" },
        { "users,id=n0", "does not accept value 'users'" },
        { "user,id=0", "expects an identifier" }, { "user,id=n0,hostfw=tcp::1-:2", "hostfw" },
        { "user,id=n0,hostfwd=tcp::1", "host forwarding rule" },
        { "user,id=n0,net=10.0.2", "'net'" }, { "user,id=n0,net=10.0.2.0/29", "'net'" },
        { "user,id=n0,host=10.0.3.2", "lies outside" },
        { "user,id=n0,dns=x", "'dns' expects an IPv4 address" },
        { "user,id=n0,ipv4=off,ipv6=off", "leave no network" },
        { "user,id=n0,ipv4=maybe", "'ipv4' expects 'on' or 'off'" },
        { "user,id=n0,smb=/tmp", "'smb' is not supported" },
        { "user,id=n0,restrict=1", "'restrict'" }, { "stream,id=n0", "'addr' is missing" },
        { "stream,id=n0,addr.type=unix,addr.path=/nonexistent/socket", "Failed to connect" },
        { "stream,id=n0,addr.type=unix", "path" },
        { "stream,id=n0,server=on,reconnect-ms=5,addr.type=unix,addr.path=/x", "reconnect-ms" },
        { "tap,id=n0,script=/etc/up", "'script' is not supported" },
        { "tap,id=n0,fd=99999", "'fd' expects" },
        { "tap,id=n0,ifname=a-name-of-more-than-fifteen", "'ifname' expects" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(QomObject) root = qom_root_new(types, NULL);
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].options);
        g_assert_null(create(root, rows[i].options, &err));
        g_assert_nonnull(err);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, rows[i].says));
        g_assert_null(qom_object_child(qom_container_get(root, "/netdevs"), "n0"));
    }
}

static void test_life(void)
{
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    g_autoptr(GError) err = NULL;
    Card card, other;

    card_init(&card, NULL);
    card_init(&other, NULL);
    Netdev *netdev = create(root, "user,id=n0", NULL);
    g_assert_nonnull(netdev);
    g_assert_null(create(root, "user,id=n0", &err));
    g_assert_cmpstr(err->message, ==, "Duplicate ID 'n0' for netdev");
    g_clear_error(&err);
    g_assert_true(netdev_attach(netdev, &card.card, NULL));
    g_assert_false(netdev_attach(netdev, &other.card, &err));
    g_clear_error(&err);
    g_assert_false(netdev_delete(root, "n0", &err));
    g_clear_error(&err);
    netdev_detach(netdev);
    g_assert_true(netdev_delete(root, "n0", NULL));
    g_assert_false(netdev_delete(root, "n0", &err));
    g_ptr_array_unref(card.frames);
    g_ptr_array_unref(other.frames);
}

/* RFC 2131: a client asks for an address. */
static size_t make_discover(uint8_t *frame)
{
    static const uint8_t ethernet[14] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12,
                                          0x34, 0x56, 8, 0 };
    static const uint8_t ip[20] = { 0x45, 0, 1, 0x1c, 0, 0, 0, 0, 64, 17, 0x79, 0xd2, 0, 0, 0, 0,
                                    255, 255, 255, 255 };
    static const uint8_t udp[8] = { 0, 68, 0, 67, 1, 8, 0, 0 };
    static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 1, 255 };

    memset(frame, 0, 298);
    memcpy(frame, ethernet, 14);
    memcpy(frame + 14, ip, 20);
    memcpy(frame + 34, udp, 8);
    frame[42] = 1; /* BOOTREQUEST over Ethernet */
    frame[43] = 1;
    frame[44] = 6;
    memcpy(frame + 42 + 28, ethernet + 6, 6);
    memcpy(frame + 42 + 236, options, sizeof(options));
    return 14 + 284;
}

static void test_dhcp(void)
{
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    GMutex lock;
    Card card;
    uint8_t frame[512];
    bool offered = false;

    g_mutex_init(&lock);
    card_init(&card, &lock);
    Netdev *netdev = create(root, "user,id=n0,net=192.168.77.0/24,dhcpstart=192.168.77.9,ipv6=off",
                            NULL);
    g_assert_true(netdev_attach(netdev, &card.card, NULL));
    size_t size = make_discover(frame);
    const struct iovec pieces[2] = { { frame, 20 }, { frame + 20, size - 20 } };
    g_mutex_lock(&lock);
    netdev_send(netdev, pieces, 2, size);
    g_mutex_unlock(&lock);
    for (unsigned i = 0; i < card.frames->len; i++) {
        gsize got;
        const uint8_t *data = g_bytes_get_data(g_ptr_array_index(card.frames, i), &got);
        static const uint8_t address[4] = { 192, 168, 77, 9 };

        offered = offered || (got >= 62 && data[23] == 17 && !memcmp(data + 42 + 16, address, 4));
    }
    g_assert_true(offered);
    for (unsigned i = 0; i < 5; i++) { /* its sockets and timers on the main loop */
        g_main_context_iteration(NULL, FALSE);
    }
    netdev_detach(netdev);
    g_ptr_array_unref(card.frames);
    g_mutex_clear(&lock);
}

static gboolean set_flag(gpointer flag)
{
    *(bool *)flag = true;
    return G_SOURCE_REMOVE;
}

/* With a socket that is watched, and nothing to do, the main loop sleeps. */
static void test_idle(void)
{
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    unsigned turns = 0;
    bool over = false;

    g_assert_nonnull(create(root, "user,id=n0,hostfwd=tcp:127.0.0.1:0-:22", NULL));
    g_timeout_add(300, set_flag, &over);
    while (!over) {
        g_main_context_iteration(NULL, TRUE);
        turns++;
    }
    g_assert_cmpuint(turns, <, 30);
    g_assert_true(netdev_delete(root, "n0", NULL));
}

static void wait_for_frames(Card *card, unsigned count)
{
    gint64 end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (card->frames->len < count) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(NULL, FALSE);
    }
}

static void test_stream(void)
{
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    g_autofree char *directory = socket_dir_new("netdev-XXXXXX");
    g_autofree char *path = g_build_filename(directory, "socket", NULL);
    g_autofree char *listening =
        g_strdup_printf("stream,id=a,server=on,addr.type=unix,addr.path=%s", path);
    g_autofree char *connecting = g_strdup_printf("stream,id=b,addr.type=unix,addr.path=%s", path);
    Card cards[2];
    uint8_t frame[9000];

    Netdev *a = create(root, listening, NULL);
    Netdev *b = create(root, connecting, NULL);
    g_assert_true(a && b);
    card_init(&cards[0], NULL);
    card_init(&cards[1], NULL);
    g_assert_true(netdev_attach(a, &cards[0].card, NULL) && netdev_attach(b, &cards[1].card, NULL));
    for (unsigned i = 0; i < sizeof(frame); i++) {
        frame[i] = (uint8_t)(i * 31);
    }
    for (unsigned i = 0; i < 10; i++) {
        const struct iovec piece = { frame, 60 + i * 900 };
        netdev_send(b, &piece, 1, piece.iov_len);
    }
    wait_for_frames(&cards[0], 10);
    for (unsigned i = 0; i < 10; i++) {
        gsize got;
        const uint8_t *data = g_bytes_get_data(g_ptr_array_index(cards[0].frames, i), &got);
        g_assert_cmpmem(data, got, frame, 60 + i * 900);
    }
    const struct iovec back = { frame, 100 };
    netdev_send(a, &back, 1, 100);
    wait_for_frames(&cards[1], 1);
    netdev_detach(a);
    netdev_detach(b);
    g_assert_true(netdev_delete(root, "a", NULL) && netdev_delete(root, "b", NULL));
    g_ptr_array_unref(cards[0].frames);
    g_ptr_array_unref(cards[1].frames);
    g_unlink(path);
    g_rmdir(directory);
}

/* A peer that reads no more, and says nothing: what waits for it is lost, and nobody spins. */
static void test_deaf_peer(void)
{
    g_autoptr(QomObject) root = qom_root_new(types, NULL);
    uint8_t frame[9000] = { 0 };
    const struct iovec piece = { frame, sizeof(frame) };
    const int little = 4096;
    unsigned turns = 0;
    bool over = false;
    Card card;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    /* so little that a frame is sent in part */
    g_assert_cmpint(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), ==, 0);
    g_autofree char *options = g_strdup_printf("stream,id=a,addr.type=fd,addr.str=%d", pair[0]);
    Netdev *netdev = create(root, options, NULL);
    g_assert_nonnull(netdev);
    card_init(&card, NULL);
    g_assert_true(netdev_attach(netdev, &card.card, NULL));
    netdev_send(netdev, &piece, 1, sizeof(frame));
    g_assert_cmpint(shutdown(pair[1], SHUT_RD), ==, 0);
    while (recv(pair[1], frame, sizeof(frame), MSG_DONTWAIT) > 0) {
    }
    g_timeout_add(300, set_flag, &over);
    while (!over) {
        g_main_context_iteration(NULL, TRUE);
        turns++;
    }
    g_assert_cmpuint(turns, <, 30);
    netdev_detach(netdev);
    g_assert_true(netdev_delete(root, "a", NULL));
    g_ptr_array_unref(card.frames);
    close(pair[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/netdev/refused", test_refused);
    g_test_add_func("/netdev/life", test_life);
    g_test_add_func("/netdev/dhcp", test_dhcp);
    g_test_add_func("/netdev/idle", test_idle);
    g_test_add_func("/netdev/stream", test_stream);
    g_test_add_func("/netdev/deaf-peer", test_deaf_peer);
    return g_test_run();
}
