/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that others serve: vhost-user-blk-pci, vhost-user-fs-pci and -netdev vhost-user by a back
 * end of the test's; vhost-vsock-pci.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/virtio/back-end.h"
#include "virtio.h"

#define NEEDS_RESET 0x40

static const PciAddress card = { 0, 4 << 3 };
/*
 * VERSION_1, the protocol's own bit, EVENT_IDX, and some of the device's; the protocol: queues,
 * answers, configuration.
 */
static const BackEnd usual = { .features = UINT64_C(1) << 32 | 1 << 30 | 1 << 29 | 0x221,
                               .protocol = 0x209,
                               .queues = 4 };

typedef struct Served {
    Client *client;
    Driver driver;
    BackEnd back_end;
    int listener, peer;
    uint64_t data;
} Served;

/*
 * The program connects as it makes its chardevs, and asks as it makes its devices: before the test
 * hears from it.
 */
static gpointer take_connection(gpointer opaque)
{
    Served *s = opaque;

    s->peer = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(s->peer, >=, 0);
    back_end_start(&s->back_end, s->peer);
    return NULL;
}

static void start(Served *s, const char *const *arguments, unsigned queues)
{
    *s = (Served) { .client = client_new(), .back_end = usual };
    s->listener = client_listen(s->client, "back");
    GThread *thread = g_thread_new("accept", take_connection, s);
    client_launch(s->client, client_program(), arguments);
    g_thread_join(thread);
    close(s->listener);
    driver_start(&s->driver, s->client, card, PCI_MMIO_BASE, UINT64_MAX, queues);
    s->data = client_alloc(s->client, 4096);
}

/*
 * The back end adds one to each byte of a buffer of queue 0, and signals, which becomes the queue's
 * message.
 */
static void send_one(Served *s)
{
    const DriverBuffer in = { s->data, 16, true };

    memset(s->client->ram + s->data, 5, 16);
    g_assert_cmpuint(driver_run(&s->driver, &s->driver.queues[0], &in, 1), ==, 16);
    g_assert_cmphex(s->client->ram[s->data + 15], ==, 6);
    g_assert_cmpuint(driver_wait_message(&s->driver, 1), ==, 2);
}

static bool needs_reset(void *opaque)
{
    return driver_status(opaque) & NEEDS_RESET;
}

static void finish(Served *s)
{
    if (s->back_end.thread) {
        back_end_stop(&s->back_end);
    }
    client_end(s->client);
}

static void test_blk(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=back,path=%D/back",
        "-device",  "vhost-user-blk-pci,chardev=back,addr=4,num-queues=2,queue-size=64",
        NULL,
    };
    Served s;

    start(&s, arguments, 2);
    g_assert_cmphex(pci_config_read(s.client, card, 0, 4), ==, 0x10421af4);
    g_assert_cmpuint(s.driver.queues[0].size, ==, 64);
    /* the back end's */
    g_assert_cmphex(driver_config(&s.driver, 0, 8), ==, UINT64_C(0x0706050403020100));
    send_one(&s);
    send_one(&s);
    driver_start(&s.driver, s.client, card, PCI_MMIO_BASE, UINT64_MAX, 2);
    send_one(&s);
    g_assert_cmpuint(s.back_end.requests, ==, 3);
    /* A system reset takes the rings from it. */
    g_free(client_qmp(s.client, "{\"execute\":\"system_reset\"}"));
    g_free(client_event(s.client, "RESET"));
    driver_start(&s.driver, s.client, card, PCI_MMIO_BASE, UINT64_MAX, 2);
    send_one(&s);
    /* It goes: nobody answers any more, and the guest is told so. */
    back_end_stop(&s.back_end);
    s.back_end.thread = NULL;
    client_wait(needs_reset, &s.driver, "NEEDS_RESET");
    g_free(client_qmp(s.client, "{\"execute\":\"query-status\"}"));
    finish(&s);
}

static void test_net(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=back,path=%D/back",
        "-netdev",  "vhost-user,id=net0,chardev=back",
        "-device",  "virtio-net-pci,netdev=net0,addr=4,mac=52:54:00:12:34:56",
        NULL,
    };
    Served s;

    start(&s, arguments, 2);
    g_assert_cmphex(pci_config_read(s.client, card, 0, 4), ==, 0x10411af4);
    g_assert_cmphex(driver_config(&s.driver, 0, 4), ==, 0x12005452);
    send_one(&s);
    finish(&s);
}

static void test_fs(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=back,path=%D/back",
        "-device",  "vhost-user-fs-pci,chardev=back,addr=4,tag=shared",
        NULL,
    };
    Served s;
    char tag[8] = "";

    start(&s, arguments, 2);
    g_assert_cmphex(pci_config_read(s.client, card, 0, 4), ==, 0x105a1af4);
    for (unsigned i = 0; i < 7; i++) {
        tag[i] = (char)driver_config(&s.driver, i, 1);
    }
    g_assert_cmpstr(tag, ==, "shared");
    g_assert_cmpuint(driver_config(&s.driver, 36, 4), ==, 1); /* request queues */
    send_one(&s);
    finish(&s);
}

/* Rings where there is no RAM: the device breaks, and the back end never hears of them. */
static void test_bad_rings(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=back,path=%D/back",
        "-device",  "vhost-user-blk-pci,chardev=back,addr=4,num-queues=1,queue-size=64",
        NULL,
    };
    Served s;

    start(&s, arguments, 1);
    unsigned rings = s.back_end.seen[9];
    client_write(s.client, s.driver.common + 20, 0, 1);
    client_write(s.client, s.driver.common + 20, 3, 1);
    client_write(s.client, s.driver.common + 8, 1, 4);
    client_write(s.client, s.driver.common + 12, 1, 4);
    client_write(s.client, s.driver.common + 20, 11, 1);
    for (unsigned part = 0; part < 3; part++) {
        client_write(s.client, s.driver.common + 32 + 8 * part, 0xd0000000, 4);
    }
    client_write(s.client, s.driver.common + 28, 1, 2);
    client_write(s.client, s.driver.common + 20, 15, 1);
    g_assert_true(needs_reset(&s.driver));
    g_assert_cmpuint(s.back_end.seen[9], ==, rings);
    driver_start(&s.driver, s.client, card, PCI_MMIO_BASE, UINT64_MAX, 1);
    send_one(&s);
    finish(&s);
}

static void test_refused(void)
{
    static const struct {
        const char *arguments, *says;
    } rows[] = {
        { "\"driver\":\"vhost-user-blk-pci\",\"chardev\":\"none\"", "none" },
        { "\"driver\":\"vhost-user-blk-pci\"", "chardev" },
        { "\"driver\":\"vhost-user-fs-pci\",\"chardev\":\"null\"", "tag" },
        { "\"driver\":\"vhost-user-blk-pci\",\"chardev\":\"null\"", "null" },
        { "\"driver\":\"vhost-vsock-pci\",\"vhostfd\":\"0\"", "guest-cid" },
        { "\"driver\":\"vhost-vsock-pci\",\"guest-cid\":2,\"vhostfd\":\"0\"", "guest-cid" },
        { "\"driver\":\"vhost-vsock-pci\",\"guest-cid\":4294967295,\"vhostfd\":\"0\"",
          "guest-cid" },
        { "\"driver\":\"vhost-vsock-pci\",\"guest-cid\":3,\"vhostfd\":\"x\"", "not 'x'" },
        { "\"driver\":\"vhost-vsock-pci\",\"guest-cid\":3,\"vhostfd\":\"1000000\"",
          "Bad file descriptor" },
        { "\"driver\":\"vhost-vsock-pci\",\"guest-cid\":3,\"vhostfd\":\"0\"", "VHOST" },
        { "\"driver\":\"virtio-balloon-pci\"", "balloon" },
    };
    static const char *const arguments[] = {
        "-device", "pcie-root-port,id=port1,chassis=1,addr=2", "-chardev", "null,id=null", NULL,
    };
    g_autoptr(Client) c = client_start(client_program(), arguments);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *answer =
            client_qmp_try(c, "{\"execute\":\"device_add\",\"arguments\":{%s,\"bus\":\"port1\"}}",
                           rows[i].arguments);
        g_test_message("%s: %s", rows[i].arguments, answer);
        g_assert_nonnull(strstr(answer, "\"error\""));
        g_assert_nonnull(strstr(answer, rows[i].says));
    }
    if (access("/dev/vhost-vsock", F_OK)) {
        g_autofree char *answer = client_qmp_try(
            c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"vhost-vsock-pci\","
               "\"guest-cid\":3,\"bus\":\"port1\"}}");
        g_assert_nonnull(strstr(answer, "Could not open '/dev/vhost-vsock'"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/vhost/user-blk", test_blk);
    g_test_add_func("/qtest/vhost/user-net", test_net);
    g_test_add_func("/qtest/vhost/user-fs", test_fs);
    g_test_add_func("/qtest/vhost/bad-rings", test_bad_rings);
    g_test_add_func("/qtest/vhost/refused", test_refused);
    return g_test_run();
}
