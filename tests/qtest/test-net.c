/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net-pci between a driver and a socket: buffers, the control queue, the link. Virtio 1.2,
 * 5.1.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio.h"

#define HEADER 12
#define BUFFER 2048
enum { RECEIVE, TRANSMIT, CONTROL };
enum {
    F_MTU = 1 << 3, F_MAC = 1 << 5, F_MERGE = 1 << 15, F_STATUS = 1 << 16, F_CONTROL = 0x9e0000,
};
enum { RX = 0, MAC = 1, VLAN = 2 };
enum { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST };

static const PciAddress card = { 0, 4 << 3 };
static const uint8_t own[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    Client *client;
    Driver driver;
    int peer;
    uint64_t data; /* guest physical, 64 KiB */
} Net;

static void start(Net *n, const char *device, uint64_t features)
{
    const char *const arguments[] = {
        "-netdev", "stream,id=net0,server=off,addr.type=unix,addr.path=%D/net", "-device", device,
        NULL,
    };

    n->client = client_new();
    int listener = client_listen(n->client, "net");
    client_launch(n->client, client_program(), arguments);
    n->peer = client_accept(n->client, listener);
    driver_start(&n->driver, n->client, card, PCI_MMIO_BASE, features,
                 features & F_CONTROL ? 3 : 2);
    n->data = client_alloc(n->client, 256 << 10);
}

static void start_plain(Net *n, uint64_t features)
{
    start(n, "virtio-net-pci,netdev=net0,addr=4,mac=52:54:00:12:34:56,id=card0,host_mtu=1400",
          features);
}

static void finish(Net *n)
{
    g_assert_cmphex(driver_status(&n->driver), ==, 0xf);
    close(n->peer);
    client_end(n->client);
}

/* A frame to `to`, whose first byte of data is `mark`; vlan: 0 = no tag. */
static void send_frame(Net *n, const uint8_t *to, unsigned vlan, uint8_t mark, uint32_t size)
{
    g_autofree uint8_t *record = g_malloc0(4 + size);
    uint32_t length = GUINT32_TO_BE(size);

    memcpy(record, &length, 4);
    memcpy(record + 4, to, 6);
    memcpy(record + 10, "\2\0\0\0\0\1\10\0", 8);
    if (vlan) {
        const uint8_t tag[4] = { 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan };
        memcpy(record + 16, tag, 4);
    }
    memset(record + 22, mark, size - 18);
    g_assert_cmpint(send(n->peer, record, 4 + size, 0), ==, 4 + size);
}

/* One control command: its answer. */
static uint8_t command(Net *n, uint8_t class, uint8_t number, const void *data, uint32_t size)
{
    uint64_t at = n->data + (200 << 10);
    const DriverBuffer buffers[] = { { at, 2 + size, false }, { at + 4096, 1, true } };

    n->client->ram[at] = class;
    n->client->ram[at + 1] = number;
    memcpy(n->client->ram + at + 2, data, size);
    n->client->ram[at + 4096] = 0xee;
    driver_run(&n->driver, &n->driver.queues[CONTROL], buffers, 2);
    return n->client->ram[at + 4096];
}

static uint8_t mode(Net *n, uint8_t number, uint8_t on)
{
    return command(n, RX, number, &on, 1);
}

/* The mark of the next frame that the card lets through. */
static uint8_t next_frame(Net *n)
{
    const DriverBuffer in = { n->data, BUFFER, true };

    g_assert_cmpuint(driver_run(&n->driver, &n->driver.queues[RECEIVE], &in, 1), >=, HEADER + 60);
    return n->client->ram[n->data + HEADER + 18];
}

/* Does a frame pass? Another that surely does comes behind it. */
static bool passes(Net *n, const uint8_t *to, unsigned vlan)
{
    static uint8_t number;
    uint8_t mark = number += 2;

    send_frame(n, to, vlan, mark, 64);
    send_frame(n, own, 0, (uint8_t)(mark + 1), 64);
    uint8_t first = next_frame(n);
    if (first == mark) {
        g_assert_cmphex(next_frame(n), ==, mark + 1);
    } else {
        g_assert_cmphex(first, ==, mark + 1);
    }
    return first == mark;
}

static const uint8_t other[6] = { 0x52, 0x54, 0, 0, 0, 9 }, group[6] = { 1, 0, 0x5e, 0, 0, 7 },
                     all[6] = { 255, 255, 255, 255, 255, 255 };

static void test_modes(void)
{
    Net n;

    start_plain(&n, F_MAC | F_CONTROL | F_STATUS | F_MTU);
    g_assert_cmphex(n.driver.features & F_CONTROL, ==, F_CONTROL);
    g_assert_cmpuint(driver_config(&n.driver, 6, 2), ==, 1);
    g_assert_cmpuint(driver_config(&n.driver, 10, 2), ==, 1400);
    g_assert_true(passes(&n, all, 0));
    g_assert_false(passes(&n, other, 0));
    g_assert_false(passes(&n, group, 0));
    g_assert_cmphex(mode(&n, PROMISC, 1), ==, 0);
    g_assert_true(passes(&n, other, 0));
    g_assert_true(passes(&n, group, 5));
    g_assert_cmphex(mode(&n, PROMISC, 0), ==, 0);
    g_assert_cmphex(mode(&n, ALLMULTI, 1), ==, 0);
    g_assert_true(passes(&n, group, 0));
    g_assert_cmphex(mode(&n, NOMULTI, 1), ==, 0);
    g_assert_false(passes(&n, group, 0));
    g_assert_cmphex(mode(&n, ALLUNI, 1), ==, 0);
    g_assert_true(passes(&n, other, 0));
    g_assert_cmphex(mode(&n, ALLUNI, 0), ==, 0);
    g_assert_cmphex(mode(&n, NOBCAST, 1), ==, 0);
    g_assert_false(passes(&n, all, 0));
    g_assert_cmphex(mode(&n, 6, 1), ==, 1);
    finish(&n);
}

static void test_addresses(void)
{
    /* One unicast address, one of a group: counts, then addresses. */
    static const uint8_t tables[] = { 1, 0, 0, 0, 0x52, 0x54, 0,    0, 0, 9,
                                      1, 0, 0, 0, 1,    0,    0x5e, 0, 0, 7 };
    static const uint8_t endless[] = { 255, 255, 255, 255, 1, 2, 3, 4, 5, 6 }, none[8];
    g_autofree uint8_t *many = g_malloc0(4 + 6 * 200 + 4);
    Net n;

    start_plain(&n, F_MAC | F_CONTROL);
    g_assert_cmphex(command(&n, MAC, 0, tables, sizeof(tables)), ==, 0);
    g_assert_true(passes(&n, other, 0));
    g_assert_true(passes(&n, group, 0));
    /* Tables that end early change nothing. */
    g_assert_cmphex(command(&n, MAC, 0, tables, sizeof(tables) - 1), ==, 1);
    g_assert_cmphex(command(&n, MAC, 0, endless, sizeof(endless)), ==, 1);
    g_assert_cmphex(command(&n, MAC, 0, tables, 3), ==, 1);
    g_assert_cmphex(command(&n, MAC, 9, tables, sizeof(tables)), ==, 1);
    g_assert_true(passes(&n, other, 0));
    g_assert_cmphex(command(&n, MAC, 0, none, sizeof(none)), ==, 0);
    g_assert_false(passes(&n, other, 0));
    /* More than the card keeps: everything passes. */
    many[0] = 200;
    g_assert_cmphex(command(&n, MAC, 0, many, 4 + 6 * 200 + 4), ==, 0);
    g_assert_true(passes(&n, other, 0));
    g_assert_false(passes(&n, group, 0));
    g_assert_cmphex(command(&n, MAC, 0, none, sizeof(none)), ==, 0);
    /* Another address of its own, which a reset takes back. */
    g_assert_cmphex(command(&n, MAC, 1, other, 5), ==, 1);
    g_assert_cmphex(command(&n, MAC, 1, other, 6), ==, 0);
    g_assert_cmphex(driver_config(&n.driver, 5, 1), ==, 9);
    send_frame(&n, own, 0, 0x71, 64);
    send_frame(&n, other, 0, 0x72, 64);
    g_assert_cmphex(next_frame(&n), ==, 0x72);
    driver_start(&n.driver, n.client, card, PCI_MMIO_BASE, F_MAC | F_CONTROL, 3);
    g_assert_cmphex(driver_config(&n.driver, 5, 1), ==, 0x56);
    g_assert_false(passes(&n, other, 0));
    finish(&n);
}

static void test_vlans(void)
{
    static const uint8_t five[] = { 5, 0 }, last[] = { 0xff, 0x0f }, beyond[] = { 0, 0x10 };
    Net n;

    start_plain(&n, F_MAC | F_CONTROL);
    g_assert_false(passes(&n, own, 5));
    g_assert_cmphex(command(&n, VLAN, 0, five, 2), ==, 0);
    g_assert_true(passes(&n, own, 5));
    g_assert_true(passes(&n, own, 0xe005)); /* priority is not the number */
    g_assert_false(passes(&n, own, 6));
    g_assert_cmphex(command(&n, VLAN, 0, last, 2), ==, 0);
    g_assert_true(passes(&n, own, 4095));
    g_assert_cmphex(command(&n, VLAN, 1, five, 2), ==, 0);
    g_assert_false(passes(&n, own, 5));
    g_assert_cmphex(command(&n, VLAN, 0, beyond, 2), ==, 1);
    g_assert_cmphex(command(&n, VLAN, 0, five, 1), ==, 1);
    g_assert_cmphex(command(&n, VLAN, 2, five, 2), ==, 1);
    g_assert_cmphex(command(&n, 99, 0, five, 2), ==, 1);
    finish(&n);
}

static char *shown(Net *n)
{
    return client_qmp(n->client, "{\"execute\": \"query-rx-filter\", \"arguments\": "
                      "{\"name\": \"card0\"}}");
}

/* What clients of QMP see of the filters, and that a change is told of once until they look. */
static void test_filters_shown(void)
{
    static const uint8_t tables[] = { 1, 0, 0, 0, 0x52, 0x54, 0,    0, 0, 9,
                                      1, 0, 0, 0, 1,    0,    0x5e, 0, 0, 7 };
    static const uint8_t five[] = { 5, 0 };
    Net n;

    start_plain(&n, F_MAC | F_CONTROL);
    g_autofree char *first = shown(&n);
    g_assert_nonnull(
        strstr(first, "\"promiscuous\": false, \"multicast\": \"normal\", \"unicast\": \"normal\", "
                      "\"vlan\": \"none\", \"broadcast-allowed\": true, \"multicast-overflow\": "
                      "false, \"unicast-overflow\": false, \"main-mac\": \"52:54:00:12:34:56\", "
                      "\"vlan-table\": [], \"unicast-table\": [], \"multicast-table\": [], "
                      "\"name\": \"card0\""));
    command(&n, VLAN, 0, five, 2);
    mode(&n, PROMISC, 1);
    command(&n, MAC, 0, tables, sizeof(tables));
    mode(&n, NOMULTI, 1);
    mode(&n, ALLUNI, 1);
    g_autofree char *event = client_event(n.client, "NIC_RX_FILTER_CHANGED");
    g_assert_nonnull(strstr(event, "\"name\": \"card0\", \"path\": \"/machine/peripheral/card0\""));
    g_autofree char *second = shown(&n);
    g_assert_nonnull(strstr(second, "\"promiscuous\": true, \"multicast\": \"none\", "
                            "\"unicast\": \"all\", \"vlan\": \"normal\""));
    g_assert_nonnull(strstr(second,
                            "\"vlan-table\": [5], \"unicast-table\": [\"52:54:00:00:00:09\"], "
                            "\"multicast-table\": [\"01:00:5e:00:00:07\"]"));
    g_assert_cmpuint(n.client->events->len, ==, 0); /* five changes, one event */
    mode(&n, 6, 1); /* refused: no change */
    mode(&n, PROMISC, 0);
    g_free(client_event(n.client, "NIC_RX_FILTER_CHANGED"));
    g_autofree char *none = client_qmp_try(n.client, "{\"execute\": \"query-rx-filter\", "
                                           "\"arguments\": {\"name\": \"zz\"}}");
    g_assert_nonnull(strstr(none, "invalid net client name: zz"));
    g_autofree char *other_end = client_qmp_try(n.client, "{\"execute\": \"query-rx-filter\", "
                                                "\"arguments\": {\"name\": \"net0\"}}");
    g_assert_nonnull(strstr(other_end, "net client(net0) isn't a NIC"));
    finish(&n);
}

/* A frame in several buffers: the first one's header tells how many. */
static void test_mergeable(void)
{
    Net n;
    uint32_t written, total = 0;
    unsigned count = 0;

    start_plain(&n, F_MAC | F_MERGE);
    for (uint16_t i = 0; i < 4; i++) {
        const DriverBuffer in = { n.data + BUFFER * i, 1024, true };
        driver_add(&n.driver, &n.driver.queues[RECEIVE], i, &in, 1);
    }
    driver_kick(&n.driver, &n.driver.queues[RECEIVE]);
    send_frame(&n, own, 0, 0xab, 3500);
    driver_wait(&n.driver, &n.driver.queues[RECEIVE]);
    for (int head; (head = driver_take_used(&n.driver, &n.driver.queues[RECEIVE], &written)) >= 0;
         count++) {
        g_assert_cmpint(head, ==, (int)count);
        total += written;
    }
    g_assert_cmpuint(count, ==, 4);
    g_assert_cmpuint(total, ==, HEADER + 3500);
    g_assert_cmphex(n.client->ram[n.data + 10], ==, 4);
    g_assert_cmphex(n.client->ram[n.data + BUFFER * 3], ==, 0xab);
    finish(&n);
}

/*
 * What does not fit into as many buffers as a frame may take is lost; the one behind it comes. It
 * does not lie in front of all others for ever.
 */
static void test_tiny_buffers(void)
{
    Net n;

    start_plain(&n, F_MAC | F_MERGE);
    for (uint16_t i = 0; i < 100; i++) {
        const DriverBuffer in = { n.data + 32 * i, 32, true };
        driver_add(&n.driver, &n.driver.queues[RECEIVE], i, &in, 1);
    }
    driver_kick(&n.driver, &n.driver.queues[RECEIVE]);
    send_frame(&n, own, 0, 0x11, 4000);
    send_frame(&n, own, 0, 0x22, 64);
    for (unsigned i = 0; i < 3; i++) { /* 76 bytes */
        while (driver_take_used(&n.driver, &n.driver.queues[RECEIVE], NULL) < 0) {
            g_usleep(100);
        }
    }
    g_assert_cmphex(n.client->ram[n.data + HEADER + 18], ==, 0x22);
    finish(&n);
}

/* Frames that come before there are buffers wait; a link that is down loses them. */
static void test_link(void)
{
    Net n;

    start_plain(&n, F_MAC | F_STATUS);
    send_frame(&n, own, 0, 0x31, 64);
    g_assert_cmphex(next_frame(&n), ==, 0x31);
    g_free(client_qmp(n.client,
                      "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net0\",\"up\":false}}"));
    g_assert_cmpuint(driver_wait_message(&n.driver, 0), ==, 1);
    g_assert_cmpuint(driver_config(&n.driver, 6, 2), ==, 0);
    send_frame(&n, own, 0, 0x32, 64);
    const DriverBuffer out = { n.data + 4096, HEADER + 64, false };
    memset(n.client->ram + n.data + 4096, 0x33, HEADER + 64);
    driver_run(&n.driver, &n.driver.queues[TRANSMIT], &out, 1); /* away */
    struct pollfd ready = { n.peer, POLLIN, 0 };
    g_assert_cmpint(poll(&ready, 1, 50), ==, 0);
    g_free(client_qmp(n.client,
                      "{\"execute\":\"set_link\",\"arguments\":{\"name\":\"net0\",\"up\":true}}"));
    g_assert_cmpuint(driver_wait_message(&n.driver, 0), ==, 1);
    g_assert_cmpuint(driver_config(&n.driver, 6, 2), ==, 1);
    send_frame(&n, own, 0, 0x34, 64);
    g_assert_cmphex(next_frame(&n), ==, 0x34);
    finish(&n);
}

static void test_broken_frames(void)
{
    static const struct {
        const char *label;
        unsigned queue;
        uint32_t size;
        bool in;
    } rows[] = {
        { "less than a header", TRANSMIT, HEADER - 1, false },
        { "more than a frame", TRANSMIT, HEADER + 65536 + 33, false },
        { "nothing to read", TRANSMIT, 64, true },
    };
    Net n;

    start_plain(&n, F_MAC);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const DriverBuffer buffer = { n.data, rows[i].size, rows[i].in };

        g_test_message("%s", rows[i].label);
        driver_add(&n.driver, &n.driver.queues[rows[i].queue], 0, &buffer, 1);
        driver_kick(&n.driver, &n.driver.queues[rows[i].queue]);
        g_assert_cmphex(driver_status(&n.driver) & 0x40, ==, 0x40);
        driver_start(&n.driver, n.client, card, PCI_MMIO_BASE, F_MAC, 2);
    }
    send_frame(&n, own, 0, 0x41, 64);
    g_assert_cmphex(next_frame(&n), ==, 0x41);
    finish(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/net/modes", test_modes);
    g_test_add_func("/qtest/net/addresses", test_addresses);
    g_test_add_func("/qtest/net/vlans", test_vlans);
    g_test_add_func("/qtest/net/filters-shown", test_filters_shown);
    g_test_add_func("/qtest/net/mergeable", test_mergeable);
    g_test_add_func("/qtest/net/tiny-buffers", test_tiny_buffers);
    g_test_add_func("/qtest/net/link", test_link);
    g_test_add_func("/qtest/net/broken-frames", test_broken_frames);
    return g_test_run();
}
