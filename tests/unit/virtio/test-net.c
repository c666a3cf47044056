/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio network card between a driver in small and a netdev that keeps what it is sent. */
#include "driver.h"

#include "hw/virtio/virtio-net.h"
#include "hw/virtio/virtio-transport.h"
#include "util/bytes.h"

#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define MRG (UINT64_C(1) << 15)
#define CTRL (UINT64_C(1) << 17 | UINT64_C(1) << 18 | UINT64_C(1) << 19)
#define BUFFER 2048

typedef struct Wire {
    Netdev netdev;
    uint8_t frame[NET_MAX_FRAME];
    size_t size;
    unsigned frames;
} Wire;

static bool wire_open(Netdev *netdev, GError **errp)
{
    return true;
}

static void wire_close(Netdev *netdev)
{
}

static void wire_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    Wire *wire = (Wire *)netdev;

    wire->frames++;
    wire->size = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy(wire->frame + wire->size, pieces[i].iov_base, pieces[i].iov_len);
        wire->size += pieces[i].iov_len;
    }
    g_assert_cmpuint(wire->size, ==, size);
}

static const NetdevOps wire_ops = { wire_open, wire_close, wire_send, NULL, NULL };
static const QomType wire_type = { .name = "netdev-wire", .parent = &netdev_type,
                                   .size = sizeof(Wire), .ops = &wire_ops };
static const QomType *const types[] = { &qom_object_type, &qom_container_type, &netdev_type,
                                        &wire_type, NULL };

typedef struct Fixture {
    Driver d;
    QomObject *root;
    Wire *wire;
    VirtioNet *net;
    VirtioDevice *device;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(KeyVal) kv = keyval_parse("wire,id=n0", "type", NULL);
    const QomSettings settings = { .keyval = kv };

    f->root = qom_root_new(types, NULL);
    f->wire = (Wire *)netdev_create(f->root, &settings, NULL);
    g_assert_nonnull(f->wire);
    g_assert_true(netdev_open(&f->wire->netdev, NULL));
    driver_init(&f->d);
    VirtioEnvironment environment = driver_environment(&f->d, "net0");
    const VirtioNetConfig config = { &f->wire->netdev, { 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, 256,
                                     1500, true, true };
    f->net = virtio_net_new(&config, &environment, NULL);
    f->device = virtio_net_device(f->net);
    driver_plug(&f->d, f->device, 4);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    driver_free(&f->d);
    virtio_net_free(f->net);
    qom_object_unref(f->root);
}

/* Gives receive buffers: count of them, of `size` bytes each. */
static void give_buffers(Fixture *f, unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++) {
        driver_describe(&f->d, 0, i, DATA_BASE + i * BUFFER, size, WRITE, 0);
        driver_offer(&f->d, 0, i);
    }
    driver_kick(&f->d, 0);
}

static void make_frame(uint8_t *frame, const char *to, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        frame[i] = (uint8_t)(i * 7);
    }
    for (unsigned i = 0; i < 6; i++) {
        frame[i] = (uint8_t)g_ascii_xdigit_value(to[2 * i]) << 4 |
                   g_ascii_xdigit_value(to[2 * i + 1]);
    }
    frame[12] = 8;
    frame[13] = 0;
}

static bool deliver(Fixture *f, const char *to, unsigned size)
{
    uint8_t frame[NET_MAX_FRAME];
    uint32_t head, length;
    bool came = false;

    make_frame(frame, to, size);
    netdev_deliver(&f->wire->netdev, frame, size);
    while (driver_take_used(&f->d, 0, &head, &length)) {
        came = true;
    }
    return came;
}

static void test_transmit(Fixture *f, gconstpointer data)
{
    uint32_t head, length;
    uint8_t *ram = f->d.ram + DATA_BASE;

    driver_start(&f->d, GOOD, 2, 256);
    memset(ram, 0, 12);
    make_frame(ram + 12, "ffffffffffff", 100);
    /* the header and the frame's first bytes together */
    driver_describe(&f->d, 1, 0, DATA_BASE, 20, NEXT, 1);
    driver_describe(&f->d, 1, 1, DATA_BASE + 20, 92, 0, 0);
    driver_offer(&f->d, 1, 0);
    driver_kick(&f->d, 1);
    driver_wait_used(&f->d, 1, &head, &length);
    g_assert_cmpuint(f->wire->frames, ==, 1);
    g_assert_cmpmem(f->wire->frame, f->wire->size, ram + 12, 100);
}

static void test_transmit_refused(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        hwaddr address;
        uint32_t size;
    } rows[] = {
        { "half a header", DATA_BASE, 11 }, { "more than a frame", 0, NET_MAX_FRAME + 13 },
        { "private memory", PRIVATE_BASE, 100 },
        { "half private", PRIVATE_BASE - 50, 100 }, { "outside RAM", RAM_SIZE, 100 },
        { "end of addresses", UINT64_MAX - 10, 100 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        driver_start(&f->d, GOOD, 2, 256);
        driver_describe(&f->d, 1, 0, rows[i].address, rows[i].size, 0, 0);
        driver_offer(&f->d, 1, 0);
        driver_kick(&f->d, 1);
        while (g_main_context_iteration(NULL, FALSE)) {
        }
        g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
        g_assert_cmpuint(f->wire->frames, ==, 0);
    }
}

static void test_receive(Fixture *f, gconstpointer data)
{
    uint8_t frame[1000];
    uint32_t head, length;

    driver_start(&f->d, GOOD, 2, 256);
    give_buffers(f, 2, BUFFER);
    make_frame(frame, "525400123456", sizeof(frame));
    netdev_deliver(&f->wire->netdev, frame, sizeof(frame));
    g_assert_true(driver_take_used(&f->d, 0, &head, &length));
    g_assert_cmpuint(length, ==, sizeof(frame) + 12);
    g_assert_cmpuint(load_le16(f->d.ram + DATA_BASE + 10), ==, 1);
    g_assert_cmpmem(f->d.ram + DATA_BASE + 12, sizeof(frame), frame, sizeof(frame));
}

static void test_merged(Fixture *f, gconstpointer data)
{
    uint8_t frame[1000], got[1000];
    uint32_t head, length;
    size_t at = 0;

    driver_start(&f->d, GOOD | MRG, 2, 256);
    give_buffers(f, 3, 256); /* 3 * 256 is less than 1012 */
    make_frame(frame, "525400123456", sizeof(frame));
    netdev_deliver(&f->wire->netdev, frame, sizeof(frame));
    g_assert_false(driver_take_used(&f->d, 0, &head, &length));

    /* the frame has waited for it */
    driver_describe(&f->d, 0, 3, DATA_BASE + 3 * BUFFER, 256, WRITE, 0);
    driver_offer(&f->d, 0, 3);
    driver_kick(&f->d, 0);
    for (unsigned i = 0; i < 4; i++) {
        driver_wait_used(&f->d, 0, &head, &length);
        g_assert_cmpuint(head, ==, i);
        g_assert_cmpuint(length, ==, i < 3 ? 256 : 1012 - 3 * 256);
        unsigned skip = i ? 0 : 12;
        memcpy(got + at, f->d.ram + DATA_BASE + i * BUFFER + skip, length - skip);
        at += length - skip;
    }
    g_assert_cmpuint(load_le16(f->d.ram + DATA_BASE + 10), ==, 4);
    g_assert_cmpmem(got, at, frame, sizeof(frame));
}

static void test_small_buffer(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 2, 256);
    give_buffers(f, 1, 11);
    deliver(f, "525400123456", 60);
    g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
}

/* class, command, data; true: the device answers OK */
static bool command(Fixture *f, const void *bytes, unsigned size)
{
    uint32_t head, length;
    uint8_t *ram = f->d.ram + DATA_BASE + 100 * BUFFER;

    memcpy(ram, bytes, size);
    ram[size] = 0xee;
    driver_describe(&f->d, 2, 0, DATA_BASE + 100 * BUFFER, size, NEXT, 1);
    driver_describe(&f->d, 2, 1, DATA_BASE + 100 * BUFFER + size, 1, WRITE, 0);
    driver_offer(&f->d, 2, 0);
    driver_kick(&f->d, 2);
    driver_wait_used(&f->d, 2, &head, &length);
    g_assert_cmpuint(ram[size], <=, 1);
    return ram[size] == 0;
}

static void test_filters(Fixture *f, gconstpointer data)
{
    static const uint8_t promiscuous[] = { 0, 0, 1 }, calm[] = { 0, 0, 0 },
    no_broadcast[] = { 0, 5, 1 }, all_multi[] = { 0, 1, 1 },
        no_multi[] = { 0, 3, 1 }, address[] = { 1, 1, 2, 4, 6, 8, 10, 12 },
        table[] = { 1, 0, 1, 0, 0, 0, 0x0a, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0x01, 0, 0x5e, 1, 2, 3 };

    driver_start(&f->d, GOOD | CTRL, 3, 64);
    give_buffers(f, 64, 1600);
    g_assert_true(deliver(f, "525400123456", 60));
    g_assert_true(deliver(f, "ffffffffffff", 60));
    g_assert_false(deliver(f, "525400123457", 60));
    g_assert_false(deliver(f, "01005e010203", 60));
    g_assert_true(command(f, promiscuous, sizeof(promiscuous)));
    g_assert_true(deliver(f, "525400123457", 60));
    g_assert_true(command(f, calm, sizeof(calm)));
    g_assert_true(command(f, table, sizeof(table)));
    g_assert_true(deliver(f, "01005e010203", 60));
    g_assert_false(deliver(f, "01005e010204", 60));
    g_assert_true(deliver(f, "0a0101010101", 60));
    g_assert_true(command(f, all_multi, sizeof(all_multi)));
    g_assert_true(deliver(f, "01005e010204", 60));
    g_assert_true(command(f, no_multi, sizeof(no_multi)));
    g_assert_false(deliver(f, "01005e010204", 60));
    g_assert_true(command(f, no_broadcast, sizeof(no_broadcast)));
    g_assert_false(deliver(f, "ffffffffffff", 60));
    g_assert_true(command(f, address, sizeof(address)));
    g_assert_true(deliver(f, "020406080a0c", 60));
    g_assert_false(deliver(f, "525400123456", 60));
}

static void test_bad_commands(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        uint8_t bytes[10];
        unsigned size;
    } rows[] = {
        { "class alone", { 0 }, 1 }, { "unknown class", { 9, 0, 0 }, 3 },
        { "unknown filter", { 0, 6, 1 }, 3 }, { "no value", { 0, 0 }, 2 },
        { "half an address", { 1, 1, 2, 4, 6 }, 5 }, { "unknown MAC command", { 1, 2, 0 }, 3 },
        { "table without its second part", { 1, 0, 0, 0, 0, 0 }, 6 },
        { "table that is too long", { 1, 0, 255, 255, 255, 255, 1, 1, 1, 1 }, 10 },
        { "half a VLAN", { 2, 0, 1 }, 3 }, { "VLAN 4096", { 2, 0, 0, 16 }, 4 },
        { "unknown VLAN command", { 2, 2, 0, 0 }, 4 },
    };

    driver_start(&f->d, GOOD | CTRL, 3, 64);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_false(command(f, rows[i].bytes, rows[i].size));
        g_assert_cmphex(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET, ==, 0);
    }
}

static void test_link(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 2, 256);
    give_buffers(f, 2, BUFFER);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 6, 2), ==, 1);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 10, 2), ==, 1500);
    netdev_set_link(&f->wire->netdev, false);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 6, 2), ==, 0);
    g_assert_false(deliver(f, "525400123456", 60));
    netdev_set_link(&f->wire->netdev, true);
    g_assert_cmphex(driver_read(&f->d, f->d.config + 6, 2), ==, 1);
    g_assert_true(deliver(f, "525400123456", 60));
}

static void test_waiting(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 2, 256);
    for (unsigned i = 0; i < 300; i++) {
        g_assert_false(deliver(f, "525400123456", 60));
    }
    g_assert_cmpuint(f->wire->netdev.dropped, ==, 300 - 256);
    driver_set_status(&f->d, 0);
    g_assert_false(deliver(f, "525400123456", 60));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) \
    g_test_add("/virtio-net/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("transmit", test_transmit);
    ADD("transmit-refused", test_transmit_refused);
    ADD("receive", test_receive);
    ADD("merged", test_merged);
    ADD("small-buffer", test_small_buffer);
    ADD("filters", test_filters);
    ADD("bad-commands", test_bad_commands);
    ADD("link", test_link);
    ADD("waiting", test_waiting);
    return g_test_run();
}
