/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio devices driven as a guest drives them: disk, network card, random bytes, console. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio.h"

#define DISK_SIZE (1u << 20)
#define SECTOR 512
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_GET_ID = 8 };

static const PciAddress card = { 0, 4 << 3 };

/* ---- Disk ---- */

static void start_disk(Client *c, Driver *driver, const char *drive, const char *device)
{
    const char *const arguments[] = { "-drive", drive, "-device", device, NULL };
    g_autofree uint8_t *bytes = g_malloc(DISK_SIZE);

    for (unsigned i = 0; i < DISK_SIZE; i++) {
        bytes[i] = (uint8_t)(i / SECTOR + i);
    }
    client_make_file(c, "disk", bytes, DISK_SIZE);
    client_launch(c, client_program(), arguments);
    driver_start(driver, c, card, PCI_MMIO_BASE,
                 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | 1 << 9, 1);
}

/* One request: its status. data: guest physical, unless size is 0. */
static uint8_t disk_request(Driver *driver, uint32_t type, uint64_t sector, uint64_t data,
                            uint32_t size)
{
    Client *c = driver->client;
    uint64_t header = 0x8000;
    const DriverBuffer with_data[] = { { header, 16, false }, { data, size, type != TYPE_OUT },
                                       { header + 16, 1, true } };
    const DriverBuffer without[] = { { header, 16, false }, { header + 16, 1, true } };

    type = GUINT32_TO_LE(type);
    sector = GUINT64_TO_LE(sector);
    memcpy(c->ram + header, &type, 4);
    memset(c->ram + header + 4, 0, 4);
    memcpy(c->ram + header + 8, &sector, 8);
    c->ram[header + 16] = 0xff;
    driver_run(driver, &driver->queues[0], size ? with_data : without, size ? 3 : 2);
    return c->ram[header + 16];
}

static void test_disk(void)
{
    g_autoptr(Client) c = client_new();
    Driver driver;
    uint64_t data = client_alloc(c, 8192);

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0",
               "virtio-blk-pci,drive=disk0,addr=4,serial=SERIAL");
    g_assert_cmpuint(driver_config(&driver, 0, 4), ==, DISK_SIZE / SECTOR);
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, 3, data, 4096), ==, 0);
    for (unsigned i = 0; i < 4096; i++) {
        g_assert_cmphex(c->ram[data + i], ==, (uint8_t)(3 + i / SECTOR + i));
    }
    g_assert_cmpuint(driver_wait_message(&driver, 1), ==, 2); /* vector 1 of the only queue */
    memset(c->ram + data, 0xc3, 1024);
    g_assert_cmpuint(disk_request(&driver, TYPE_OUT, 100, data, 1024), ==, 0);
    g_assert_cmpuint(disk_request(&driver, TYPE_FLUSH, 0, 0, 0), ==, 0);
    g_autoptr(GByteArray) image = client_file(c, "disk");
    g_assert_cmpuint(image->len, ==, DISK_SIZE);
    g_assert_cmpmem(image->data + 100 * SECTOR, 1024, c->ram + data, 1024);
    g_assert_cmphex(image->data[102 * SECTOR], ==, 102);
    g_assert_cmpuint(disk_request(&driver, TYPE_GET_ID, 0, data, 20), ==, 0);
    g_assert_cmpmem(c->ram + data, 7, "SERIAL", 7);
    /* Outside, across the end, a part of a sector, an unknown request. */
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, DISK_SIZE / SECTOR, data, 512), ==, 1);
    g_assert_cmpuint(disk_request(&driver, TYPE_OUT, DISK_SIZE / SECTOR - 1, data, 1024), ==, 1);
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, UINT64_MAX, data, 512), ==, 1);
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, 0, data, 100), ==, 1);
    g_assert_cmpuint(disk_request(&driver, 77, 0, data, 512), ==, 2);
    /* all of this is the request's fault, not the device's */
    g_assert_cmphex(driver_status(&driver), ==, 0xf);
}

static void test_disk_read_only(void)
{
    g_autoptr(Client) c = client_new();
    Driver driver;
    uint64_t data = client_alloc(c, 4096);

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0,read-only=on",
               "virtio-blk-pci,drive=disk0,addr=4");
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, 0, data, 512), ==, 0);
    g_assert_cmpuint(disk_request(&driver, TYPE_OUT, 0, data, 512), ==, 1);
}

/* A second machine does not get a disk that the first writes, and does when that one has let go. */
static void test_disk_locked(void)
{
    g_autoptr(Client) c = client_new(), other = client_new();
    Driver driver;
    g_autofree char *blockdev = g_strdup_printf(
        "{\"driver\":\"file\",\"node-name\":\"disk1\",\"filename\":\"%s/disk\"}", c->directory);
    const char *const arguments[] = { "-blockdev", blockdev, "-device",
                                      "pcie-root-port,id=port1,chassis=1,addr=2", NULL };
    const char *add = "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\","
                      "\"drive\":\"disk1\",\"bus\":\"port1\"}}";

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0",
               "virtio-blk-pci,drive=disk0,addr=4");
    client_launch(other, client_program(), arguments);
    g_autofree char *refused = client_qmp_try(other, "%s", add);
    g_assert_nonnull(strstr(refused, "Failed to get \\\"write\\\" lock"));
    client_stop(c);
    g_free(client_qmp(other, "%s", add));
}

static void test_disk_resize(void)
{
    g_autoptr(Client) c = client_new();
    Driver driver;
    uint64_t data = client_alloc(c, 4096);

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0",
               "virtio-blk-pci,drive=disk0,addr=4,id=blk0");
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, DISK_SIZE / SECTOR, data, 512), ==, 1);
    g_free(client_qmp(
        c, "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"disk0\",\"size\":%u}}",
        2 * DISK_SIZE));
    g_assert_cmpuint(driver_wait_message(&driver, 0), ==, 1); /* the configuration's vector */
    g_assert_cmpuint(driver_config(&driver, 0, 4), ==, 2 * DISK_SIZE / SECTOR);
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, DISK_SIZE / SECTOR, data, 512), ==, 0);
    static const struct {
        const char *arguments, *says;
    } rows[] = {
        { "\"node-name\":\"disk0\",\"size\":1000", "not a multiple of 512" },
        { "\"node-name\":\"disk0\",\"size\":-512", "size" },
        { "\"node-name\":\"none\",\"size\":512", "Cannot find" }, { "\"size\":512", "give one of" },
        { "\"device\":\"disk0\",\"node-name\":\"disk0\",\"size\":512", "give one of" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *answer = client_qmp_try(
            c, "{\"execute\":\"block_resize\",\"arguments\":{%s}}", rows[i].arguments);
        g_assert_nonnull(strstr(answer, "\"error\""));
        g_assert_nonnull(strstr(answer, rows[i].says));
    }
    g_autofree char *block = client_qmp(c, "{\"execute\":\"query-block\"}");
    g_assert_nonnull(strstr(block, "\"qdev\": \"/machine/peripheral/blk0/virtio-backend\""));
    g_assert_nonnull(strstr(block, "\"virtual-size\": 2097152"));
    g_autofree char *stats = client_qmp(c, "{\"execute\":\"query-blockstats\"}");
    g_assert_nonnull(strstr(stats, "\"rd_operations\": 1")); /* of those inside the disk */
    g_assert_nonnull(strstr(stats, "\"rd_bytes\": 512"));
}

/* Nodes come and go while the machine runs; one that a device has stays. */
static void test_blockdev(void)
{
    static const char *const arguments[] = { "-device", "pcie-root-port,id=port1,chassis=1,addr=2",
                                             NULL };
    static const struct {
        const char *options, *says;
    } bad[] = {
        { "\"driver\":\"file\"", "node-name" }, { "\"node-name\":\"x\"", "driver" },
        { "\"driver\":\"file\",\"node-name\":\"x\"", "filename" },
        { "\"driver\":\"file\",\"node-name\":\"x\",\"filename\":\"/nonexistent/x\"",
          "Could not open" },
        { "\"driver\":\"vmdk9\",\"node-name\":\"x\",\"filename\":\"/nonexistent/x\"", "vmdk9" },
        { "\"driver\":\"raw\",\"node-name\":\"x\",\"file\":\"nothing\"", "Cannot find" },
        { "\"driver\":\"file\",\"node-name\":\"x\",\"filename\":\"/dev/null\",\"colour\":1",
          "colour" },
    };
    g_autoptr(Client) c = client_new();

    client_make_file(c, "disk", "0123", 4);
    client_launch(c, client_program(), arguments);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *answer =
            client_qmp_try(c, "{\"execute\":\"blockdev-add\",\"arguments\":{%s}}", bad[i].options);
        g_assert_nonnull(strstr(answer, "\"error\""));
        g_assert_nonnull(strstr(answer, bad[i].says));
    }
    for (unsigned round = 0; round < 2; round++) {
        g_free(client_qmp(c,
                          "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"raw\",\"node-"
                          "name\":\"disk1\",\"file\":"
                          "{\"driver\":\"file\",\"filename\":\"%s/disk\"}}}",
                          c->directory));
        g_autofree char *nodes = client_qmp(c, "{\"execute\":\"query-named-block-nodes\"}");
        g_assert_nonnull(strstr(nodes, "\"node-name\": \"disk1\""));
        g_autofree char *below = client_qmp_try(
            c, "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"disk1-file\"}}");
        g_assert_nonnull(strstr(below, "in use"));
        if (round == 0) {
            g_free(client_qmp(
                c, "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"disk1\"}}"));
            g_autofree char *none = client_qmp(c, "{\"execute\":\"query-named-block-nodes\"}");
            g_assert_null(strstr(none, "disk1"));
        }
    }
    g_free(client_qmp(c, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\","
                         "\"drive\":\"disk1\",\"id\":\"blk1\",\"bus\":\"port1\"}}"));
    g_autofree char *busy =
        client_qmp_try(c, "{\"execute\":\"blockdev-del\",\"arguments\":{\"node-name\":\"disk1\"}}");
    g_assert_nonnull(strstr(busy, "Node disk1 is in use"));
}

static void test_disk_many(void)
{
    g_autoptr(Client) c = client_new();
    Driver driver;
    uint64_t data = client_alloc(c, 64 * 512), headers = client_alloc(c, 64 * 32),
             tables = client_alloc(c, 64 * 64);

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0",
               "virtio-blk-pci,drive=disk0,addr=4");
    for (uint16_t i = 0; i < 64; i++) {
        const DriverBuffer buffers[] = {
            { headers + 32 * i, 16, false }, { data + SECTOR * i, SECTOR, true },
            { headers + 32 * i + 16, 1, true },
        };
        c->ram[headers + 32 * i + 8] = (uint8_t)(63 - i);
        c->ram[headers + 32 * i + 16] = 0xff;
        driver_add_indirect(&driver, &driver.queues[0], i, tables + 64 * i, buffers, 3);
    }
    driver_kick(&driver, &driver.queues[0]);
    driver_wait(&driver, &driver.queues[0]);
    uint64_t seen = 0;
    for (int head; (head = driver_take_used(&driver, &driver.queues[0], NULL)) >= 0;) {
        seen |= UINT64_C(1) << head;
        g_assert_cmpuint(c->ram[headers + 32 * head + 16], ==, 0);
        g_assert_cmphex(c->ram[data + SECTOR * head], ==, 63 - head);
    }
    g_assert_cmphex(seen, ==, UINT64_MAX);
}

/* A request that cannot be: the device says so, and works again after a reset. */
static void test_disk_broken_request(void)
{
    g_autoptr(Client) c = client_new();
    Driver driver;
    const DriverBuffer outside = { UINT64_C(0xd0000000), 512, false };

    start_disk(c, &driver, "file=%D/disk,format=raw,if=none,id=disk0",
               "virtio-blk-pci,drive=disk0,addr=4");
    driver_add(&driver, &driver.queues[0], 0, &outside, 1);
    driver_kick(&driver, &driver.queues[0]);
    g_assert_cmphex(driver_status(&driver) & 0x40, ==, 0x40);
    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    g_assert_cmpuint(disk_request(&driver, TYPE_IN, 0, client_alloc(c, 512), 512), ==, 0);
}

/* ---- Network card ---- */

static void test_net(void)
{
    static const char *const arguments[] = {
        "-netdev", "stream,id=net0,server=off,addr.type=unix,addr.path=%D/net", "-device",
        "virtio-net-pci,netdev=net0,addr=4,mac=52:54:00:12:34:56", NULL,
    };
    static const uint8_t record[] = {
        0, 0, 0, 60, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 8, 0, 'f', 'r', 'a', 'm',
        'e', [63] = 0x99,
    };
    g_autoptr(Client) c = client_new();
    Driver driver;
    uint8_t got[64];
    int listener = client_listen(c, "net");

    client_launch(c, client_program(), arguments);
    int peer = client_accept(c, listener);
    driver_start(&driver, c, card, PCI_MMIO_BASE, 1 << 5, 2);
    g_assert_cmphex(driver_config(&driver, 0, 1), ==, 0x52);
    uint64_t data = client_alloc(c, 4096);
    /* Out */
    memcpy(c->ram + data + 12, record + 4, 60);
    const DriverBuffer out = { data, 72, false }, in = { data + 2048, 1526, true };
    driver_run(&driver, &driver.queues[1], &out, 1);
    g_assert_cmpint(recv(peer, got, sizeof(got), MSG_WAITALL), ==, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), record, sizeof(record));
    /* In: before there is a buffer, and then another frame for somebody else. */
    g_assert_cmpint(send(peer, record, sizeof(record), 0), ==, sizeof(record));
    uint32_t written = driver_run(&driver, &driver.queues[0], &in, 1);
    g_assert_cmpuint(written, ==, 72);
    g_assert_cmpuint(c->ram[data + 2048 + 10], ==, 1); /* one buffer */
    g_assert_cmpmem(c->ram + data + 2048 + 12, 60, record + 4, 60);
    g_assert_cmpuint(driver_wait_message(&driver, 1), ==, 2);
    close(peer);
}

/* ---- Random bytes ---- */

static void test_rng(void)
{
    static const char *const arguments[] = { "-device", "virtio-rng-pci,addr=4", NULL };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;
    uint64_t data = client_alloc(c, 4096);
    const DriverBuffer in = { data, 256, true };
    unsigned zeroes = 0;

    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    uint32_t written = driver_run(&driver, &driver.queues[0], &in, 1);
    g_assert_cmpuint(written, >, 0);
    g_assert_cmpuint(written, <=, 256);
    for (unsigned i = 0; i < written; i++) {
        zeroes += !c->ram[data + i];
    }
    g_assert_cmpuint(zeroes, <, written / 2 + 1);
    g_assert_cmphex(c->ram[data + 256], ==, 0);
}

/* So many bytes in a period, and no more in one request than is answered at once. */
static void test_rng_limits(void)
{
    static const char *const arguments[] = { "-device",
                                             "virtio-rng-pci,addr=4,max-bytes=48,period=300",
                                             "-device", "virtio-rng-pci,addr=5", NULL };
    static const PciAddress other = { 0, 5 << 3 };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    uint64_t data = client_alloc(c, 4096), large = client_alloc(c, 8 << 20);
    const DriverBuffer in = { data, 64, true }, huge = { large, 8 << 20, true },
    none = { data, 64, false };
    Driver driver;

    driver_start(&driver, c, card, PCI_MMIO_BASE, 0, 1);
    gint64 start = g_get_monotonic_time();
    g_assert_cmpuint(driver_run(&driver, &driver.queues[0], &in, 1), ==, 48);
    g_assert_cmphex(c->ram[data + 48], ==, 0);
    driver_add_again(&driver, &driver.queues[0], 0);
    driver_kick(&driver, &driver.queues[0]);
    driver_wait(&driver, &driver.queues[0]); /* nothing was left of this period */
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 299000);
    driver_start(&driver, c, other, PCI_MMIO_BASE + 0x100000, 0, 1);
    uint32_t written = driver_run(&driver, &driver.queues[0], &huge, 1);
    g_assert_cmpuint(written, >, 0);
    g_assert_cmpuint(written, <=, 65536);
    driver_add(&driver, &driver.queues[0], 0, &none, 1);
    driver_kick(&driver, &driver.queues[0]);
    g_assert_cmphex(driver_status(&driver) & 0x40, ==, 0x40);
}

/* ---- Console ---- */

static void send_control(Driver *driver, uint64_t at, uint16_t event, uint16_t value)
{
    const DriverBuffer out = { at, 8, false };
    uint8_t *message = driver->client->ram + at;

    memset(message, 0, 8);
    message[4] = (uint8_t)event;
    message[6] = (uint8_t)value;
    driver_run(driver, &driver->queues[3], &out, 1);
}

static void test_console(void)
{
    static const char *const arguments[] = {
        "-chardev", "socket,id=con,path=%D/con,server=on,wait=off", "-device",
        "virtio-serial-pci,id=serial0,addr=4", "-device",
        "virtconsole,chardev=con,bus=serial0.0,nr=0", NULL,
    };
    enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6 };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;
    uint64_t data = client_alloc(c, 4096), control = client_alloc(c, 4096);
    char got[8];

    driver_start(&driver, c, card, PCI_MMIO_BASE, 1 << 1, 4);
    for (uint16_t i = 0; i < 8; i++) {
        const DriverBuffer in = { control + 64 * i, 64, true };
        driver_add(&driver, &driver.queues[2], i, &in, 1);
    }
    driver_kick(&driver, &driver.queues[2]);
    send_control(&driver, data, DEVICE_READY, 1);
    g_assert_cmpint(driver_take_used(&driver, &driver.queues[2], NULL), ==, 0);
    g_assert_cmphex(c->ram[control + 4], ==, PORT_ADD);
    send_control(&driver, data, PORT_READY, 1);
    send_control(&driver, data, PORT_OPEN, 1);
    int peer = client_connect(c, "con");
    const DriverBuffer in = { data + 1024, 16, true }, out = { data + 2048, 5, false };
    g_assert_cmpint(write(peer, "typed", 5), ==, 5);
    g_assert_cmpuint(driver_run(&driver, &driver.queues[0], &in, 1), ==, 5);
    g_assert_cmpmem(c->ram + data + 1024, 5, "typed", 5);
    memcpy(c->ram + data + 2048, "print", 5);
    driver_run(&driver, &driver.queues[1], &out, 1);
    g_assert_cmpint(recv(peer, got, 5, MSG_WAITALL), ==, 5);
    g_assert_cmpmem(got, 5, "print", 5);
    close(peer);
}

/*
 * A port's program in the guest comes and goes: monitors are told, the first time at once and then
 * once a second.
 */
static void test_port_opened(void)
{
    static const char *const arguments[] = { "-device", "virtio-serial-pci,id=serial0,addr=4",
                                             NULL };
    enum { PORT_OPEN = 6 };
    g_autoptr(Client) c = client_start(client_program(), arguments);
    Driver driver;
    uint64_t data = client_alloc(c, 4096);
    uint8_t *message = c->ram + data;

    g_free(client_qmp(c, "{\"execute\": \"chardev-add\", \"arguments\": {\"id\": \"agent\", "
                         "\"backend\": {\"type\": \"null\", \"data\": {}}}}"));
    g_free(client_qmp(c, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                         "\"virtserialport\", \"id\": \"port0\", \"bus\": \"serial0.0\", \"nr\": "
                         "1, \"chardev\": \"agent\", \"name\": \"org.qemu.guest_agent.0\"}}"));
    driver_start(&driver, c, card, PCI_MMIO_BASE, 1 << 1, 4);
    gint64 begin = g_get_monotonic_time();
    for (unsigned i = 0; i < 101; i++) {
        send_control(&driver, data, PORT_OPEN, i % 2 == 0);
        message[0] = 1; /* the port, for the next one: send_control() has asked for port 0 */
        const DriverBuffer out = { data, 8, false };
        driver_run(&driver, &driver.queues[3], &out, 1);
    }
    gint64 sent = g_get_monotonic_time();
    g_autofree char *first = client_event(c, "VSERPORT_CHANGE"),
                    *last = client_event(c, "VSERPORT_CHANGE");
    g_assert_nonnull(strstr(first, "\"id\": \"port0\", \"open\": true"));
    if (sent - begin < 9 * G_USEC_PER_SEC / 10) {
        g_assert_nonnull(strstr(last, "\"open\": true")); /* 99 others were between them */
    }
    g_autofree char *chardevs = client_qmp(c, "{\"execute\": \"query-chardev\"}");
    g_assert_nonnull(
        strstr(chardevs, "\"label\": \"agent\", \"filename\": \"null\", \"frontend-open\": true"));
    char *busy =
        client_qmp_try(c, "{\"execute\": \"chardev-remove\", \"arguments\": {\"id\": \"agent\"}}");
    g_assert_nonnull(strstr(busy, "Chardev 'agent' is busy"));
    g_free(busy);
    g_free(client_qmp(c, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"port0\"}}"));
    g_free(client_event(c, "DEVICE_DELETED"));
    g_free(client_qmp(c, "{\"execute\": \"chardev-remove\", \"arguments\": {\"id\": \"agent\"}}"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/virtio-blk", test_disk);
    g_test_add_func("/qtest/virtio-blk-read-only", test_disk_read_only);
    g_test_add_func("/qtest/virtio-blk-locked", test_disk_locked);
    g_test_add_func("/qtest/virtio-blk-resize", test_disk_resize);
    g_test_add_func("/qtest/blockdev", test_blockdev);
    g_test_add_func("/qtest/virtio-blk-many", test_disk_many);
    g_test_add_func("/qtest/virtio-blk-broken-request", test_disk_broken_request);
    g_test_add_func("/qtest/virtio-net", test_net);
    g_test_add_func("/qtest/virtio-rng", test_rng);
    g_test_add_func("/qtest/virtio-rng-limits", test_rng_limits);
    g_test_add_func("/qtest/virtio-serial", test_console);
    g_test_add_func("/qtest/virtio-serial-port", test_port_opened);
    return g_test_run();
}
