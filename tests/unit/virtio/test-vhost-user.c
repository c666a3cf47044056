/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user: what is believed of a back end's answers; devices with a back end that works,
 * refuses, goes, and returns.
 */
#include "../socket-dir.h"
#include "driver.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "back-end.h"
#include "hw/virtio/vhost-user-device.h"
#include "util/bytes.h"

#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define PROTOCOL (UINT64_C(1) << 30)

/* ---- Answers, one by one ---- */

typedef enum Call { NEGOTIATE, GET_CONFIG, STOP_RING, SET_FEATURES } Call;

/*
 * Words of 32 bits, as the back end sends them: request, flags, size, payload. The first `good`
 * rows of bytes are a good negotiation.
 */
#define FEATURES_ANSWER 1, 5, 8, 0x40000000, 1
#define PROTOCOL_ANSWER 15, 5, 8, 0x209, 0 /* MQ, REPLY_ACK, CONFIG */
#define QUEUES_ANSWER 17, 5, 8, 4, 0
#define OWNER_ANSWER 3, 5, 8, 0, 0
#define NEGOTIATION FEATURES_ANSWER, PROTOCOL_ANSWER, QUEUES_ANSWER, OWNER_ANSWER

static const struct {
    const char *label;
    Call call;
    const char *error; /* part of the message; NULL = it works */
    unsigned count;
    uint32_t words[32];
} answers[] = {
    { "good", NEGOTIATE, NULL, 20, { NEGOTIATION } },
    { "nobody", NEGOTIATE, "gone", 0, { 0 } },
    { "half a header", NEGOTIATE, "gone", 2, { 1, 5 } },
    { "half a payload", NEGOTIATE, "gone", 4, { 1, 5, 8, 0 } },
    { "version 2", NEGOTIATE, "version 2", 5, { 1, 6, 8, 0, 1 } },
    { "version 0", NEGOTIATE, "version 0", 5, { 1, 4, 8, 0, 1 } },
    { "a request", NEGOTIATE, "instead of an answer", 5, { 1, 1, 8, 0, 1 } },
    { "another request's", NEGOTIATE, "instead of GET_FEATURES", 5, { 2, 5, 8, 0, 1 } },
    { "short", NEGOTIATE, "has 4 bytes", 4, { 1, 5, 4, 0 } },
    { "long", NEGOTIATE, "has 12 bytes", 6, { 1, 5, 12, 0, 1, 0 } },
    { "huge", NEGOTIATE, "has 4294967295 bytes", 5, { 1, 5, 0xffffffff, 0, 1 } },
    { "legacy", NEGOTIATE, "VIRTIO_F_VERSION_1", 5, { 1, 5, 8, 0x40000000, 0 } },
    { "no protocol features, no acknowledgment", NEGOTIATE, NULL, 5, { 1, 5, 8, 0, 1 } },
    { "ends after features", NEGOTIATE, "GET_PROTOCOL_FEATURES", 5, { FEATURES_ANSWER } },
    { "no queues", NEGOTIATE, "0 queues", 15, { FEATURES_ANSWER, PROTOCOL_ANSWER, 17, 5, 8, 0,
                                                0 } },
    { "refused", NEGOTIATE, "refuses SET_OWNER", 20,
      { FEATURES_ANSWER, PROTOCOL_ANSWER, QUEUES_ANSWER, 3, 5, 8, 1, 0 } },
    { "acknowledges another", NEGOTIATE, "instead of SET_OWNER", 20,
      { FEATURES_ANSWER, PROTOCOL_ANSWER, QUEUES_ANSWER, 2, 5, 8, 0, 0 } },
    { "configuration", GET_CONFIG, NULL, 28, { NEGOTIATION, 24, 5, 20, 0, 8, 0, 1, 2 } },
    { "configuration, short", GET_CONFIG, "no configuration of 8 bytes", 27,
      { NEGOTIATION, 24, 5, 16, 0, 4, 0, 1 } },
    { "configuration, header alone", GET_CONFIG, "answers 0", 26,
      { NEGOTIATION, 24, 5, 12, 0, 8, 0 } },
    { "configuration, nothing", GET_CONFIG, "answers 0", 23, { NEGOTIATION, 24, 5, 0 } },
    { "configuration, long", GET_CONFIG, "has 24 bytes", 29,
      { NEGOTIATION, 24, 5, 24, 0, 8, 0, 1, 2, 3 } },
    { "configuration, elsewhere", GET_CONFIG, "no configuration", 28,
      { NEGOTIATION, 24, 5, 20, 4, 8, 0, 1, 2 } },
    { "configuration, of another size", GET_CONFIG, "no configuration", 28,
      { NEGOTIATION, 24, 5, 20, 0, 12, 0, 1, 2 } },
    { "configuration, not offered", GET_CONFIG, "does not tell", 5, { 1, 5, 8, 0, 1 } },
    { "ring stopped", STOP_RING, NULL, 30, { NEGOTIATION, 18, 5, 8, 0, 0, 11, 5, 8, 1, 77 } },
    { "another ring stopped", STOP_RING, "asked for ring 1", 30,
      { NEGOTIATION, 18, 5, 8, 0, 0, 11, 5, 8, 2, 77 } },
    { "ring's entry too large", STOP_RING, "entry 65536", 30,
      { NEGOTIATION, 18, 5, 8, 0, 0, 11, 5, 8, 1, 65536 } },
    { "ring not stopped", STOP_RING, "refuses SET_VRING_ENABLE", 25,
      { NEGOTIATION, 18, 5, 8, 1, 0 } },
    { "features refused", SET_FEATURES, "refuses SET_FEATURES (status 4294967296)", 25,
      { NEGOTIATION, 2, 5, 8, 0, 1 } },
};

static bool make_call(VhostUser *user, Call call, GError **errp)
{
    uint8_t config[8];
    uint16_t base = 0;

    if (!vhost_user_negotiate(user, errp)) {
        return false;
    }
    switch (call) {
    case GET_CONFIG:
        return vhost_user_get_config(user, config, sizeof(config), errp) && config[4] == 2;
    case STOP_RING:
        return vhost_user_ops.stop_ring(user, 1, &base, errp) && base == 77;
    case SET_FEATURES:
        return vhost_user_ops.start(user, 0, NULL, 0, errp);
    default:
        return true;
    }
}

static void test_answers(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autoptr(GError) err = NULL;
        int pair[2];

        g_test_message("%s", answers[i].label);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        for (unsigned w = 0; w < answers[i].count; w++) {
            uint8_t word[4];
            store_le32(word, answers[i].words[w]);
            g_assert_cmpint(write(pair[1], word, 4), ==, 4);
        }
        shutdown(pair[1], SHUT_WR);
        VhostUser *user = vhost_user_new(pair[0], "dev");
        bool ok = make_call(user, answers[i].call, &err);
        if (answers[i].error) {
            g_assert_false(ok);
            g_assert_nonnull(strstr(err->message, answers[i].error));
        } else {
            g_assert_no_error(err);
            g_assert_true(ok);
        }
        vhost_user_free(user);
        close(pair[0]);
        close(pair[1]);
    }
}

static void test_unasked(void)
{
    g_autoptr(GError) err = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    VhostUser *user = vhost_user_new(pair[0], "dev");
    g_assert_true(vhost_user_check(user, NULL));
    g_assert_cmpint(write(pair[1], "x", 1), ==, 1);
    g_assert_false(vhost_user_check(user, &err));
    g_assert_nonnull(strstr(err->message, "without being asked"));
    g_assert_true(vhost_user_is_broken(user));
    g_assert_false(vhost_user_negotiate(user, NULL));
    vhost_user_free(user);
    close(pair[0]);
    close(pair[1]);
}

/* ---- A device ---- */

typedef struct Fixture {
    Driver d;
    char *directory, *path;
    Chardev *chardev;
    BackEnd back_end;
    VhostUserDevice *user;
} Fixture;

static const ChardevHost no_host;

static const BackEnd usual = { .features = VIRTIO_F_VERSION_1 | PROTOCOL | VIRTIO_F_EVENT_IDX |
                               0x203, .protocol = 0x209, .queues = 4 };

/* A back end connects to the chardev's socket. */
static void connect_back_end(Fixture *f, const BackEnd *model)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, f->path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    f->back_end = *model;
    back_end_start(&f->back_end, fd);
}

static bool make(Fixture *f, const BackEnd *model, bool may_lose, GError **errp)
{
    VirtioEnvironment environment = driver_environment(&f->d, "dev0");
    const VhostUserDeviceConfig config = {
        .chardev = f->chardev, .name = "vhost-user-test", .id = VIRTIO_ID_BLOCK, .num_queues = 2,
        .queue_size = 64, .queues_told = true,
        .features = 0x201, .own_features = 0x20, .config_size = 60, .config_told = true,
        .may_lose = may_lose,
    };

    connect_back_end(f, model);
    g_assert_true(vhost_user_await(f->chardev, NULL));
    f->user = vhost_user_device_new(&config, &environment, errp);
    if (f->user) {
        driver_plug(&f->d, vhost_user_device(f->user), 4);
    }
    return f->user;
}

static void set_up(Fixture *f, gconstpointer data)
{
    driver_init(&f->d);
    f->directory = socket_dir_new("vhost-user-XXXXXX");
    f->path = g_build_filename(f->directory, "socket", NULL);
    g_autofree char *text = g_strdup_printf("socket,id=c0,path=%s,server=on,wait=off", f->path);
    g_autoptr(ChardevConfig) config = chardev_config_parse(text, NULL);
    f->chardev = chardev_new(config, &no_host, NULL);
    g_assert_nonnull(f->chardev);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    vhost_user_device_free(f->user);
    if (f->back_end.thread) {
        back_end_stop(&f->back_end);
    }
    chardev_close(f->chardev);
    rmdir(f->directory);
    g_free(f->directory);
    g_free(f->path);
}

static void send_one(Fixture *f)
{
    uint32_t head, length;

    memset(f->d.ram + DATA_BASE, 5, 16);
    driver_describe(&f->d, 0, 3, DATA_BASE, 16, WRITE, 0);
    driver_offer(&f->d, 0, 3);
    driver_kick(&f->d, 0);
    driver_wait_used(&f->d, 0, &head, &length);
    g_assert_cmpuint(head, ==, 3);
    g_assert_cmpuint(length, ==, 16);
    g_assert_cmpuint(f->d.ram[DATA_BASE + 15], ==, 6);
}

static void turn_until_lost(Fixture *f)
{
    while (vhost_user_device_is_connected(f->user)) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static void await_return(Fixture *f)
{
    while (!vhost_user_device_is_connected(f->user)) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static void test_works(Fixture *f, gconstpointer data)
{
    g_assert_true(make(f, &usual, false, NULL));
    /*
     * The device's bits 0 and 9, our 5; of the ring's, what the back end has; ACCESS_PLATFORM is
     * ours.
     */
    g_assert_cmphex(driver_offered(&f->d), ==, 0x221 | GOOD | VIRTIO_F_EVENT_IDX);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 8, 1), ==, 8);
    for (unsigned round = 0; round < 3; round++) {
        driver_start(&f->d, GOOD | 1, 2, 16);
        send_one(f);
        send_one(f);
        driver_set_status(&f->d, 0);
    }
    g_assert_cmphex(f->back_end.set_features, ==, VIRTIO_F_VERSION_1 | PROTOCOL | 1);
    g_assert_cmpuint(f->back_end.num, ==, 16);
    g_assert_cmpuint(f->back_end.requests, ==, 6);
    g_assert_cmpuint(f->back_end.seen[11], ==, 6);
}

static void test_pauses(Fixture *f, gconstpointer data)
{
    g_assert_true(make(f, &usual, true, NULL));
    driver_start(&f->d, GOOD, 2, 16);
    send_one(f);
    back_end_stop(&f->back_end);
    turn_until_lost(f);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf);
    driver_describe(&f->d, 0, 4, DATA_BASE, 16, WRITE, 0);
    driver_offer(&f->d, 0, 4);
    driver_kick(&f->d, 0);
    connect_back_end(f, &usual);
    await_return(f);
    uint32_t head, length;
    driver_wait_used(&f->d, 0, &head, &length);
    g_assert_cmpuint(head, ==, 4);
    g_assert_cmpuint(f->back_end.base, ==, 1);
    send_one(f);
}

static void test_goes(Fixture *f, gconstpointer data)
{
    g_assert_true(make(f, &usual, false, NULL));
    driver_start(&f->d, GOOD, 2, 16);
    send_one(f);
    back_end_stop(&f->back_end);
    turn_until_lost(f);
    g_assert_cmphex(driver_status(&f->d), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
    driver_start(&f->d, GOOD, 2, 16); /* nobody is there */
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    BackEnd poorer = usual;
    poorer.features &= ~UINT64_C(1);
    connect_back_end(f, &poorer); /* and cut off again: the driver was promised more */
    while (!__atomic_load_n(&f->back_end.ended, __ATOMIC_ACQUIRE)) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    g_assert_false(vhost_user_device_is_connected(f->user));
    back_end_stop(&f->back_end);
    connect_back_end(f, &usual);
    await_return(f);
    driver_start(&f->d, GOOD, 2, 16);
    send_one(f);
}

static void test_dies_at(Fixture *f, gconstpointer data)
{
    BackEnd model = usual;

    model.close_at = GPOINTER_TO_UINT(data);
    g_assert_true(make(f, &model, false, NULL));
    driver_start(&f->d, GOOD, 2, 16);
    if (model.close_at == 11) {
        send_one(f);
        driver_set_status(&f->d, 0); /* the device does not wait for it */
        g_assert_cmpuint(driver_status(&f->d), ==, 0);
    } else {
        g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    }
    turn_until_lost(f);
}

static void test_refuses(Fixture *f, gconstpointer data)
{
    BackEnd model = usual;

    model.refuse = GPOINTER_TO_UINT(data);
    g_assert_true(make(f, &model, false, NULL));
    driver_start(&f->d, GOOD, 2, 16);
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    f->back_end.refuse = 0;
    driver_start(&f->d, GOOD, 2, 16);
    send_one(f);
}

static void test_private_rings(Fixture *f, gconstpointer data)
{
    g_assert_true(make(f, &usual, false, NULL));
    driver_negotiate(&f->d, GOOD);
    driver_set_up_queues(&f->d, 2, 16);
    driver_negotiate(&f->d, GOOD);
    driver_write(&f->d, f->d.common + 0x16, 0, 2);
    driver_write(&f->d, f->d.common + 0x20, PRIVATE_BASE, 8);
    driver_write(&f->d, f->d.common + 0x28, 0x14000, 8);
    driver_write(&f->d, f->d.common + 0x30, 0x15000, 8);
    driver_write(&f->d, f->d.common + 0x1c, 1, 2);
    driver_set_status(&f->d, 0xf);
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
    g_assert_cmpuint(f->back_end.seen[12], ==, 0);
}

static void test_bad_back_ends(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint64_t features, protocol;
        uint32_t queues;
        bool private_ram;
        const char *error;
    } rows[] = {
        { "legacy", PROTOCOL, 0x209, 4, false, "VIRTIO_F_VERSION_1" },
        { "one queue", VIRTIO_F_VERSION_1 | PROTOCOL, 0x209, 1, false,
          "1 queue, and the device is to have 2" },
        { "no multiqueue", VIRTIO_F_VERSION_1 | PROTOCOL, 0x208, 9, false, "1 queue," },
        { "no configuration", VIRTIO_F_VERSION_1 | PROTOCOL, 0x9, 4, false, "does not tell" },
        { "RAM that is ours alone", VIRTIO_F_VERSION_1 | PROTOCOL, 0x209, 4, true,
          "memory-backend-memfd" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        BackEnd model = { .features = rows[i].features, .protocol = rows[i].protocol,
                          .queues = rows[i].queues };
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].label);
        f->d.guest_ram.shareable = !rows[i].private_ram;
        g_assert_false(make(f, &model, false, &err));
        g_assert_nonnull(strstr(err->message, rows[i].error));
        chardev_raw_hang_up(f->chardev);
        back_end_stop(&f->back_end);
    }
    f->back_end.thread = NULL;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vhost-user/answers", test_answers);
    g_test_add_func("/vhost-user/unasked", test_unasked);
    g_test_add("/vhost-user/works", Fixture, NULL, set_up, test_works, tear_down);
    g_test_add("/vhost-user/pauses", Fixture, NULL, set_up, test_pauses, tear_down);
    g_test_add("/vhost-user/goes", Fixture, NULL, set_up, test_goes, tear_down);
    for (unsigned i = 0; i < 6; i++) {
        static const unsigned requests[] = { 2, 5, 8, 12, 18, 11 };
        g_autofree char *dies = g_strdup_printf("/vhost-user/dies-at/%u", requests[i]);
        g_autofree char *refuses = g_strdup_printf("/vhost-user/refuses/%u", requests[i]);
        g_test_add(dies, Fixture, GUINT_TO_POINTER(requests[i]), set_up, test_dies_at, tear_down);
        if (requests[i] != 11) { /* which has an answer of its own */
            g_test_add(refuses, Fixture, GUINT_TO_POINTER(requests[i]), set_up, test_refuses,
                       tear_down);
        }
    }
    g_test_add("/vhost-user/private-rings", Fixture, NULL, set_up, test_private_rings, tear_down);
    g_test_add("/vhost-user/bad-back-ends", Fixture, NULL, set_up, test_bad_back_ends, tear_down);
    return g_test_run();
}
