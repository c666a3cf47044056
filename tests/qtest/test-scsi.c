/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-scsi-pci and scsi-hd, as a guest's driver meets them. Virtio 1.2, 5.6; SPC-5; SBC-4. */
#include <string.h>

#include "scsi.h"
#include "util/bytes.h"

#define DISK_SIZE (1u << 20)
#define BLOCK 512
#define BLOCKS (DISK_SIZE / BLOCK)
enum { F_HOTPLUG = 1 << 1, F_CHANGE = 1 << 2 };
#define EVENTS_MISSED 0x80000000u
enum {
    TRANSPORT_RESET = 1, PARAM_CHANGE = 3, REASON_RESCAN = 1, REASON_REMOVED = 2,
    REASON_CAPACITY = 0x092a,
};

static const PciAddress card = { 0, 4 << 3 };

static void start(Disks *d, const char *drive, const char *device)
{
    const char *const arguments[] = {
        "-device", "virtio-scsi-pci,id=scsi0,addr=4", "-drive", drive, "-device", device,
        "-blockdev", "{\"driver\":\"raw\",\"node-name\":\"disk1\",\"read-only\":true,\"file\":"
        "{\"driver\":\"file\",\"filename\":\"%D/disk1\",\"read-only\":true}}",
        "-device", "scsi-hd,drive=disk1,bus=scsi0.0,scsi-id=3,lun=300", NULL,
    };
    g_autofree uint8_t *bytes = g_malloc(DISK_SIZE);

    d->client = client_new();
    for (unsigned i = 0; i < DISK_SIZE; i++) {
        bytes[i] = (uint8_t)(i / BLOCK * 7 + i);
    }
    client_make_file(d->client, "disk0", bytes, DISK_SIZE);
    client_make_file(d->client, "disk1", bytes, DISK_SIZE / 2);
    client_launch(d->client, client_program(), arguments);
    disks_start(d, card, F_HOTPLUG | F_CHANGE);
}

static void start_plain(Disks *d)
{
    start(d, "file=%D/disk0,format=raw,if=none,id=disk0,discard=unmap",
          "scsi-hd,drive=disk0,bus=scsi0.0,scsi-id=0,serial=SERIAL,wwn=0x5000c50015ea71ac");
}

static Reply run(Disks *d, const char *cdb, uint32_t out_size, uint32_t in_size)
{
    return disks_run(d, 0, 0, cdb, out_size, in_size);
}

static void good(Disks *d, const char *cdb, uint32_t out_size, uint32_t in_size, uint32_t residual)
{
    Reply reply = run(d, cdb, out_size, in_size);

    g_test_message("%s", cdb);
    g_assert_cmpuint(reply.response, ==, OK);
    g_assert_cmpuint(reply.status, ==, GOOD);
    g_assert_cmphex(reply.sense, ==, 0);
    g_assert_cmpuint(reply.residual, ==, residual);
    g_assert_cmpuint(reply.written, ==, RESPONSE_SIZE + in_size - (in_size ? residual : 0));
}

/* The first command after power-on is told of that. SPC-5, 5.13. */
static void hear_attention(Disks *d)
{
    g_assert_cmphex(run(d, "00 00 00 00 00 00", 0, 0).sense, ==, 0x062900);
    good(d, "00 00 00 00 00 00", 0, 0, 0);
}

static void finish(Disks *d)
{
    g_assert_cmphex(driver_status(&d->driver), ==, 0xf);
    client_end(d->client);
}

static void test_identity(void)
{
    Disks d;

    start_plain(&d);
    const uint8_t *data = d.client->ram + d.data;
    g_assert_cmpuint(driver_config(&d.driver, 0, 4), ==, 1);   /* request queues */
    g_assert_cmpuint(driver_config(&d.driver, 20, 4), ==, 96); /* sense */
    g_assert_cmpuint(driver_config(&d.driver, 24, 4), ==, 32); /* CDB */
    good(&d, "12 00 00 00 24 00", 0, 36, 0); /* INQUIRY comes before the unit attention */
    g_assert_cmphex(data[0], ==, 0);
    g_assert_cmpmem(data + 8, 28, "QEMU    QEMU HARDDISK   2.5+", 28);
    hear_attention(&d);
    good(&d, "12 00 00 00 05 00", 0, 36, 31); /* less than there is, and no byte behind it */
    g_assert_cmphex(data[5], ==, 0xcc);
    good(&d, "12 01 80 00 ff 00", 0, 255, 245);
    g_assert_cmpmem(data, 10, "\0\200\0\6SERIAL", 10);
    good(&d, "12 01 83 00 ff 00", 0, 64, 64 - 4 - 10 - 12);
    g_assert_cmpmem(data + 4, 10, "\2\0\0\6SERIAL", 10);
    g_assert_cmpmem(data + 14, 12, "\1\3\0\10\x50\0\xc5\0\x15\xea\x71\xac", 12);
    good(&d, "25 00 00 00 00 00 00 00 00 00", 0, 8, 0);
    g_assert_cmpmem(data, 8, "\0\0\7\377\0\0\2\0", 8);
    good(&d, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 0, 32, 0);
    g_assert_cmpmem(data, 12, "\0\0\0\0\0\0\7\377\0\0\2\0", 12);
    g_assert_cmphex(data[14] & 0x80, ==, 0x80); /* can be unmapped */
    good(&d, "1a 00 3f 00 ff 00", 0, 64, 64 - 4 - 8 - 20 - 12);
    g_assert_cmphex(data[2] & 0x80, ==, 0); /* not write protected */
    /* All LUNs of a target, and of one that has none. */
    good(&d, "a0 00 00 00 00 00 00 00 00 40 00 00", 0, 64, 64 - 16);
    g_assert_cmpmem(data, 16, "\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    g_assert_cmpuint(disks_run(&d, 3, 0, "a0 00 00 00 00 00 00 00 00 40 00 00", 0, 64).status, ==,
                     GOOD);
    /* LUN 0, which answers for the target, and 300 */
    g_assert_cmpmem(data, 10, "\0\0\0\20\0\0\0\0\0\0", 10);
    finish(&d);
}

static void test_data(void)
{
    Disks d;

    start_plain(&d);
    uint8_t *data = d.client->ram + d.data;
    hear_attention(&d);
    good(&d, "28 00 00 00 00 03 00 00 08 00", 0, 4096, 0);
    for (unsigned i = 0; i < 4096; i++) {
        g_assert_cmphex(data[i], ==, (uint8_t)((3 + i / BLOCK) * 7 + i));
    }
    /* the last block, and room for more */
    good(&d, "88 00 00 00 00 00 00 00 07 ff 00 00 00 01 00 00", 0, 1024, 512);
    g_assert_cmphex(data[0], ==, (uint8_t)((BLOCKS - 1) * 7));
    memset(data, 0xa1, 1024);
    good(&d, "2a 08 00 00 00 64 00 00 02 00", 1024, 0, 0);
    memset(data, 0xb2, 512);
    good(&d, "8a 00 00 00 00 00 00 00 00 66 00 00 00 01 00 00", 512, 0, 0);
    memset(data, 0xc3, 512);
    good(&d, "93 00 00 00 00 00 00 00 00 c8 00 00 00 10 00 00", 512, 0, 0); /* WRITE SAME(16) */
    good(&d, "35 00 00 00 00 00 00 00 00 00", 0, 0, 0);
    good(&d, "28 00 00 00 00 64 00 00 00 00", 0, 0, 0); /* nothing is nothing */
    g_autoptr(GByteArray) image = client_file(d.client, "disk0");
    g_assert_cmphex(image->data[0x64 * BLOCK - 1], !=, 0xa1);
    for (unsigned i = 0; i < 1536; i++) {
        g_assert_cmphex(image->data[0x64 * BLOCK + i], ==, i < 1024 ? 0xa1 : 0xb2);
    }
    for (unsigned i = 0; i < 16 * BLOCK; i++) {
        g_assert_cmphex(image->data[0xc8 * BLOCK + i], ==, 0xc3);
    }
    g_assert_cmphex(image->data[0xd8 * BLOCK], ==, (uint8_t)(0xd8 * 7));
    /* UNMAP of blocks 0x64 and 0x65: one descriptor. */
    static const uint8_t list[24] = { 0, 22, 0, 16, [15] = 0x64, [19] = 2 };
    memcpy(data, list, sizeof(list));
    good(&d, "42 00 00 00 00 00 00 00 18 00", 24, 0, 0);
    good(&d, "28 00 00 00 00 64 00 00 03 00", 0, 1536, 0);
    for (unsigned i = 0; i < 1536; i++) {
        g_assert_cmphex(data[i], ==, i < 1024 ? 0 : 0xb2);
    }
    finish(&d);
}

static void test_refused(void)
{
    static const struct {
        const char *label, *cdb;
        uint32_t out_size, in_size;
        uint8_t response;
        uint32_t sense; /* 0: the command is good */
    } rows[] = {
        { "unknown command", "ff 00 00 00 00 00", 0, 0, OK, 0x052000 },
        { "unknown service action", "9e 1f 00 00 00 00 00 00 00 00 00 00 00 20 00 00", 0, 32, OK,
          0x052000 },
        { "behind the end", "28 00 00 00 08 00 00 00 01 00", 0, 512, OK, 0x052100 },
        { "over the end", "28 00 00 00 07 ff 00 00 02 00", 0, 1024, OK, 0x052100 },
        { "write over the end", "2a 00 00 00 07 ff 00 00 02 00", 1024, 0, OK, 0x052100 },
        { "a block that wraps", "88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00", 0, 512, OK,
          0x052100 },
        { "as many as can be said", "88 00 00 00 00 00 00 00 00 00 ff ff ff ff 00 00", 0, 512, OK,
          0x052100 },
        { "protection information", "28 20 00 00 00 00 00 00 01 00", 0, 512, OK, 0x052400 },
        { "no such page", "12 01 55 00 ff 00", 0, 255, OK, 0x052400 },
        { "page without EVPD", "12 00 80 00 ff 00", 0, 255, OK, 0x052400 },
        { "saved mode pages", "1a 00 ff 00 ff 00", 0, 255, OK, 0x053900 },
        { "no such mode page", "1a 00 15 00 ff 00", 0, 255, OK, 0x052400 },
        { "WRITE SAME with an anchor", "93 10 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 512, 0,
          OK, 0x052400 },
        { "WRITE SAME over the end", "93 00 00 00 00 00 00 00 07 ff 00 00 00 02 00 00", 512, 0, OK,
          0x052100 },
        { "UNMAP with a short list", "42 00 00 00 00 00 00 00 18 00", 4, 0, OK, 0x051a00 },
        { "less room than data", "28 00 00 00 00 00 00 00 08 00", 0, 512, OVERRUN, 0 },
        { "less data than told", "2a 00 00 00 00 00 00 00 08 00", 512, 0, OVERRUN, 0 },
        { "WRITE SAME with half a block", "93 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", 256, 0,
          OVERRUN, 0 },
        { "no room at all", "28 00 00 00 00 00 00 00 01 00", 0, 0, OVERRUN, 0 },
    };
    Disks d;

    start_plain(&d);
    hear_attention(&d);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        memset(d.client->ram + d.data, 0, DATA_SIZE);
        Reply reply = run(&d, rows[i].cdb, rows[i].out_size, rows[i].in_size);
        g_assert_cmpuint(reply.response, ==, rows[i].response);
        g_assert_cmpuint(reply.status, ==, rows[i].sense ? CHECK : GOOD);
        g_assert_cmphex(reply.sense, ==, rows[i].sense);
    }
    g_autoptr(GByteArray) image = client_file(d.client, "disk0");
    for (unsigned i = 0; i < DISK_SIZE; i++) {
        g_assert_cmphex(image->data[i], ==, (uint8_t)(i / BLOCK * 7 + i));
    }
    finish(&d);
}

static void test_places(void)
{
    Disks d;

    start_plain(&d);
    const uint8_t *data = d.client->ram + d.data;
    /* The other disk, which is half as large and read-only. */
    g_assert_cmphex(disks_run(&d, 3, 300, "00 00 00 00 00 00", 0, 0).sense, ==, 0x062900);
    g_assert_cmpuint(disks_run(&d, 3, 300, "25 00 00 00 00 00 00 00 00 00", 0, 8).status, ==, GOOD);
    g_assert_cmpmem(data, 8, "\0\0\3\377\0\0\2\0", 8);
    g_assert_cmphex(disks_run(&d, 3, 300, "2a 00 00 00 00 00 00 00 01 00", 512, 0).sense, ==,
                    0x072700);
    g_assert_cmpuint(disks_run(&d, 3, 300, "1a 00 3f 00 ff 00", 0, 64).status, ==, GOOD);
    g_assert_cmphex(data[2] & 0x80, ==, 0x80);
    /* LUNs and targets that there are not. */
    g_assert_cmphex(disks_run(&d, 3, 1, "00 00 00 00 00 00", 0, 0).sense, ==, 0x052500);
    g_assert_cmphex(disks_run(&d, 0, 16383, "00 00 00 00 00 00", 0, 0).sense, ==, 0x052500);
    g_assert_cmpuint(disks_run(&d, 1, 0, "00 00 00 00 00 00", 0, 0).response, ==, BAD_TARGET);
    g_assert_cmpuint(disks_run(&d, 255, 300, "12 00 00 00 24 00", 0, 36).response, ==, BAD_TARGET);
    finish(&d);
}

/* One task management request: its answer. */
static uint8_t manage(Disks *d, uint32_t type, uint32_t subtype, unsigned target, unsigned lun)
{
    uint8_t *request = d->client->ram + d->request;
    const DriverBuffer buffers[] = { { d->request, 24, false }, { d->response, 1, true } };

    memset(request, 0, 24);
    request[0] = (uint8_t)type;
    request[4] = (uint8_t)subtype;
    disks_put_lun(request + 8, target, lun);
    g_assert_cmpuint(driver_run(&d->driver, &d->driver.queues[CONTROL], buffers, 2), ==, 1);
    return d->client->ram[d->response];
}

static void test_control(void)
{
    enum {
        TASKS = 0, ABORT_TASK = 0, CLEAR_ACA = 2, NEXUS_RESET = 4, LUN_RESET = 5, QUERY_TASK = 6,
    };
    Disks d;

    start_plain(&d);
    hear_attention(&d);
    g_assert_cmpuint(manage(&d, TASKS, LUN_RESET, 0, 0), ==, OK);
    hear_attention(&d);
    g_assert_cmpuint(manage(&d, TASKS, NEXUS_RESET, 0, 0), ==, OK);
    hear_attention(&d);
    g_assert_cmpuint(manage(&d, TASKS, LUN_RESET, 0, 7), ==, INCORRECT_LUN);
    g_assert_cmpuint(manage(&d, TASKS, LUN_RESET, 9, 0), ==, BAD_TARGET);
    g_assert_cmpuint(manage(&d, TASKS, ABORT_TASK, 0, 0), ==, OK);
    g_assert_cmpuint(manage(&d, TASKS, QUERY_TASK, 0, 0), ==, OK);
    g_assert_cmpuint(manage(&d, TASKS, CLEAR_ACA, 0, 0), ==, REJECTED);
    g_assert_cmpuint(manage(&d, TASKS, 99, 0, 0), ==, REJECTED);
    g_assert_cmpuint(manage(&d, 77, 0, 0, 0), ==, REJECTED);
    good(&d, "00 00 00 00 00 00", 0, 0, 0);
    finish(&d);
}

static bool has_event(void *opaque)
{
    Disks *d = opaque;

    return driver_take_used(&d->driver, &d->driver.queues[EVENTS], NULL) >= 0;
}

static void give_event_buffer(Disks *d)
{
    const DriverBuffer buffer = { d->data, 16, true };

    memset(d->client->ram + d->data, 0xee, 16);
    driver_add(&d->driver, &d->driver.queues[EVENTS], 0, &buffer, 1);
    driver_kick(&d->driver, &d->driver.queues[EVENTS]);
}

/* target 256: of no disk. */
static void expect_event(Disks *d, uint32_t event, unsigned target, unsigned lun, uint32_t reason)
{
    uint8_t expected[16] = { [12] = (uint8_t)reason, (uint8_t)(reason >> 8) };

    client_wait(has_event, d, "an event");
    event = GUINT32_TO_LE(event);
    memcpy(expected, &event, 4);
    if (target < 256) {
        expected[4] = 1;
        expected[5] = (uint8_t)target;
        expected[7] = (uint8_t)lun;
    }
    g_assert_cmpmem(d->client->ram + d->data, 16, expected, 16);
}

static void resize(Disks *d, unsigned size)
{
    g_free(client_qmp(
        d->client,
        "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"disk0\",\"size\":%u}}",
        size));
}

static bool hears_of_capacity(void *opaque)
{
    return run(opaque, "00 00 00 00 00 00", 0, 0).sense == 0x062a09;
}

/* 5.6.6.3: disks come, go and grow; what there was no buffer for is told of as missed. */
static void test_events(void)
{
    static const uint8_t disk[4096];
    Disks d;

    start_plain(&d);
    g_assert_cmphex(d.driver.features & (F_HOTPLUG | F_CHANGE), ==, F_HOTPLUG | F_CHANGE);
    client_make_file(d.client, "disk2", disk, sizeof(disk));
    hear_attention(&d);
    give_event_buffer(&d); /* after requests, whose data lie at the same place */
    resize(&d, 2 * DISK_SIZE);
    expect_event(&d, PARAM_CHANGE, 0, 0, REASON_CAPACITY);
    client_wait(hears_of_capacity, &d, "the new capacity");
    g_free(client_qmp(
        d.client,
        "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"file\",\"node-name\":\"disk2\","
        "\"filename\":\"%s/disk2\"}}",
        d.client->directory));
    give_event_buffer(&d);
    g_free(client_qmp(
        d.client,
        "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"scsi-hd\",\"drive\":\"disk2\","
        "\"bus\":\"scsi0.0\",\"id\":\"hd2\",\"scsi-id\":5,\"lun\":7}}"));
    expect_event(&d, TRANSPORT_RESET, 5, 7, REASON_RESCAN);
    g_assert_cmphex(disks_run(&d, 5, 7, "00 00 00 00 00 00", 0, 0).sense, ==, 0x062900);
    g_assert_cmpuint(disks_run(&d, 5, 7, "25 00 00 00 00 00 00 00 00 00", 0, 8).status, ==, GOOD);
    give_event_buffer(&d);
    g_free(client_qmp(d.client, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"hd2\"}}"));
    g_free(client_event(d.client, "DEVICE_DELETED"));
    expect_event(&d, TRANSPORT_RESET, 5, 7, REASON_REMOVED);
    g_assert_cmpuint(disks_run(&d, 5, 7, "00 00 00 00 00 00", 0, 0).response, ==, BAD_TARGET);
    resize(&d, 3 * DISK_SIZE); /* nobody has a buffer */
    client_wait(hears_of_capacity, &d, "the new capacity");
    /* what told of it, on the main loop, has ended */
    g_free(client_qmp(d.client, "{\"execute\":\"query-status\"}"));
    give_event_buffer(&d);
    expect_event(&d, EVENTS_MISSED, 256, 0, 0);
    finish(&d);
}

/* What no driver sends breaks the device, once, until it is reset. */
static void test_broken_requests(void)
{
    static const struct {
        const char *label;
        unsigned queue;
        uint32_t out_size, in_size;
    } rows[] = {
        { "no response", REQUESTS, REQUEST_SIZE, 0 },
        { "a short response", REQUESTS, REQUEST_SIZE, RESPONSE_SIZE - 1 },
        { "a short request", REQUESTS, REQUEST_SIZE - 1, RESPONSE_SIZE },
        { "no request", REQUESTS, 0, RESPONSE_SIZE },
        { "short task management", CONTROL, 23, 1 },
        { "task management without an answer", CONTROL, 24, 0 },
        { "a control request of 3 bytes", CONTROL, 3, 1 },
    };
    Disks d;

    start_plain(&d);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        DriverBuffer buffers[2];
        unsigned count = 0;

        g_test_message("%s", rows[i].label);
        memset(d.client->ram + d.request, 0, REQUEST_SIZE);
        if (rows[i].out_size) {
            buffers[count++] = (DriverBuffer) { d.request, rows[i].out_size, false };
        }
        if (rows[i].in_size) {
            buffers[count++] = (DriverBuffer) { d.response, rows[i].in_size, true };
        }
        driver_add(&d.driver, &d.driver.queues[rows[i].queue], 0, buffers, count);
        driver_kick(&d.driver, &d.driver.queues[rows[i].queue]);
        g_assert_cmphex(driver_status(&d.driver) & 0x40, ==, 0x40);
        driver_start(&d.driver, d.client, card, PCI_MMIO_BASE, 0, NUM_QUEUES);
        g_assert_cmphex(driver_status(&d.driver), ==, 0xf);
    }
    g_assert_cmpuint(run(&d, "12 00 00 00 24 00", 0, 36).status, ==, GOOD);
    finish(&d);
}

/* What options say of sizes: SBC-4, 6.6.2 to 6.6.4, and of single stable writes. */
static void test_topology(void)
{
    static const struct {
        const char *properties;
        uint32_t min_io, max_io, opt_io, max_unmap, granularity, rotation;
        bool fua;
    } rows[] = {
        { "", 1, 0, 0, 4194304, 8, 1, true },
        { ",physical_block_size=4k,opt_io_size=64k,rotation_rate=7200,dpofua=off", 8, 0, 128,
          4194304, 8, 7200, false },
        { ",min_io_size=1024,max_io_size=1M,max_unmap_size=1M,discard_granularity=64k,"
          "rotation_rate=0", 2, 2048, 0, 2048, 128, 0, true },
        { ",logical_block_size=4k,discard_granularity=0", 1, 0, 0, 0, 0, 1, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *device = g_strdup_printf("scsi-hd,drive=disk0,bus=scsi0.0,scsi-id=0%s",
                                                  rows[i].properties);
        Disks d;

        g_test_message("%s", device);
        start(&d, "file=%D/disk0,format=raw,if=none,id=disk0,discard=unmap", device);
        const uint8_t *data = d.client->ram + d.data;
        hear_attention(&d);
        good(&d, "12 01 b0 00 40 00", 0, 64, 0);
        g_assert_cmpuint((load_be32(data + 6) >> 16), ==, rows[i].min_io);
        g_assert_cmpuint(load_be32(data + 8), ==, rows[i].max_io);
        g_assert_cmpuint(load_be32(data + 12), ==, rows[i].opt_io);
        g_assert_cmpuint(load_be32(data + 20), ==, rows[i].max_unmap);
        g_assert_cmpuint(load_be32(data + 28), ==, rows[i].granularity);
        good(&d, "12 01 b1 00 40 00", 0, 64, 0);
        g_assert_cmpuint((load_be32(data + 4) >> 16), ==, rows[i].rotation);
        good(&d, "1a 00 3f 00 2c 00", 0, 44, 0);
        g_assert_cmphex(data[2] & 0x10, ==, rows[i].fua ? 0x10 : 0);
        g_assert_cmphex(run(&d, "42 00 00 00 00 00 00 00 00 00", 0, 0).sense, ==,
                        rows[i].max_unmap ? 0 : 0x052000); /* UNMAP of nothing */
        finish(&d);
    }
}

/* A driver may ask for less sense and for a CDB of 16 bytes; what is impossible it does not get. */
static void test_sizes(void)
{
    Disks d;

    start_plain(&d);
    client_write(d.client, d.driver.config + 20, 100000, 4);
    g_assert_cmpuint(driver_config(&d.driver, 20, 4), ==, 96);
    client_write(d.client, d.driver.config + 24, 15, 4);
    g_assert_cmpuint(driver_config(&d.driver, 24, 4), ==, 32);
    client_write(d.client, d.driver.config + 24, 33, 4);
    g_assert_cmpuint(driver_config(&d.driver, 24, 4), ==, 32);
    client_write(d.client, d.driver.config + 20, 2, 4);
    g_assert_cmpuint(driver_config(&d.driver, 20, 4), ==, 2);
    const DriverBuffer buffers[] = { { d.request, REQUEST_SIZE, false }, { d.response, 14, true } };
    memset(d.client->ram + d.request, 0, REQUEST_SIZE);
    memset(d.client->ram + d.response, 0xee, 20);
    disks_put_lun(d.client->ram + d.request, 0, 0);
    g_assert_cmpuint(driver_run(&d.driver, &d.driver.queues[REQUESTS], buffers, 2), ==, 14);
    g_assert_cmpuint(d.client->ram[d.response], ==, 2);
    g_assert_cmphex(d.client->ram[d.response + 12], ==, 0x70);
    g_assert_cmphex(d.client->ram[d.response + 14], ==, 0xee);
    finish(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/scsi/identity", test_identity);
    g_test_add_func("/qtest/scsi/data", test_data);
    g_test_add_func("/qtest/scsi/refused", test_refused);
    g_test_add_func("/qtest/scsi/places", test_places);
    g_test_add_func("/qtest/scsi/control", test_control);
    g_test_add_func("/qtest/scsi/events", test_events);
    g_test_add_func("/qtest/scsi/broken-requests", test_broken_requests);
    g_test_add_func("/qtest/scsi/sizes", test_sizes);
    g_test_add_func("/qtest/scsi/topology", test_topology);
    return g_test_run();
}
