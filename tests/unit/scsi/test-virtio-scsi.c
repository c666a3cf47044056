/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio SCSI host between a driver in small and disks in memory. */
#include "driver.h"

#include "hw/virtio/virtio-scsi.h"
#include "ram-disk.h"
#include "util/bytes.h"

#define GOOD (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define REQUEST 2
#define HEAD_SIZE 51
#define ANSWER_SIZE 108
#define ANSWER (DATA_BASE + 0x1000)
#define DATA (DATA_BASE + 0x2000)

typedef struct Fixture {
    Driver d;
    RamDisk ram;
    QomObject *root;
    ScsiBus *bus;
    VirtioScsi *scsi;
    LoopThread loop; /* data "thread": handles the queues */
} Fixture;

static const QomType *const types[] = {
    &qom_object_type, &qom_container_type, &device_type, &bus_type, &scsi_bus_type,
    &scsi_device_type, &scsi_disk_base_type, &scsi_hd_type, &block_node_type, NULL,
};

/* A disk on the bus; NULL: *errp. */
static Device *add_disk(Fixture *f, const char *name, const char *target, const char *lun,
                        GError **errp)
{
    QomObject *object = qom_object_new(&scsi_hd_type);
    Device *device = DEVICE(object);

    g_assert_true(qom_property_set_text(object, "drive", "disk0", NULL));
    g_assert_true(qom_property_set_text(object, "share-rw", "on", NULL));
    g_assert_true(!target || qom_property_set_text(object, "scsi-id", target, NULL));
    g_assert_true(!lun || qom_property_set_text(object, "lun", lun, NULL));
    g_assert_true(qom_object_add_child(qom_container_get(f->root, "/machine/peripheral"), name,
                                       object, NULL));
    bool ok = device_realize(device, &f->bus->bus, errp);
    if (!ok) {
        qom_object_unparent(object);
    }
    qom_object_unref(object);
    return ok ? device : NULL;
}

static void set_up(Fixture *f, gconstpointer data)
{
    f->root = qom_root_new(types, NULL);
    BlockNode *node = ram_disk_new(&f->ram, false);
    g_assert_true(qom_object_add_child(qom_container_get(f->root, BLOCK_CONTAINER), "disk0",
                                       &node->object, NULL));
    qom_object_unref(&node->object);
    driver_init(&f->d);
    VirtioEnvironment environment = driver_environment(&f->d, "scsi0");
    if (data) {
        loop_thread_start(&f->loop);
        environment.context = f->loop.context;
    }
    const VirtioScsiConfig config = { .num_queues = 1, .queue_size = 64, .max_sectors = 65535,
                                      .cmd_per_lun = 128 };
    f->scsi = virtio_scsi_new(&config, &environment, NULL);
    driver_plug(&f->d, virtio_scsi_device(f->scsi), 5);
    f->bus = (ScsiBus *)bus_new(&scsi_bus_type, "scsi0.0", NULL);
    f->bus->lock = virtio_queues_mutex(virtio_scsi_device(f->scsi));
    f->bus->context = environment.context;
    virtio_scsi_set_bus(f->scsi, f->bus);
    g_assert_nonnull(add_disk(f, "first", "0", "0", NULL));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    bus_clear(&f->bus->bus);
    driver_free(&f->d);
    virtio_scsi_free(f->scsi);
    if (data) {
        loop_thread_end(&f->loop);
    }
    qom_object_unref(&f->bus->bus.object);
    qom_object_unref(f->root);
}

/* Sends a command; the response byte. lun, cdb: hexadecimal. */
static unsigned run(Fixture *f, const char *lun, const char *cdb, unsigned out_size,
                    unsigned in_size)
{
    uint8_t *head = f->d.ram + DATA_BASE;
    uint32_t used_head, length;
    unsigned n = 0;

    memset(head, 0, HEAD_SIZE);
    memset(f->d.ram + ANSWER, 0xee, ANSWER_SIZE);
    for (unsigned i = 0; lun[2 * i]; i++) {
        head[i] = (uint8_t)(g_ascii_xdigit_value(lun[2 * i]) << 4 |
                            g_ascii_xdigit_value(lun[2 * i + 1]));
    }
    for (unsigned i = 0; cdb[2 * i]; i++) {
        head[19 + i] = (uint8_t)(g_ascii_xdigit_value(cdb[2 * i]) << 4 |
                                 g_ascii_xdigit_value(cdb[2 * i + 1]));
    }
    driver_describe(&f->d, REQUEST, n, DATA_BASE, HEAD_SIZE, NEXT, (uint16_t)(n + 1));
    n++;
    if (out_size) {
        driver_describe(&f->d, REQUEST, n, DATA, out_size, NEXT, (uint16_t)(n + 1));
        n++;
    }
    driver_describe(&f->d, REQUEST, n, ANSWER, ANSWER_SIZE, in_size ? NEXT | WRITE : WRITE,
                    (uint16_t)(n + 1));
    n++;
    if (in_size) {
        driver_describe(&f->d, REQUEST, n, DATA, in_size, WRITE, 0);
    }
    driver_offer(&f->d, REQUEST, 0);
    driver_kick(&f->d, REQUEST);
    driver_wait_used(&f->d, REQUEST, &used_head, &length);
    return f->d.ram[ANSWER + 11];
}

static unsigned sense(const Fixture *f)
{
    const uint8_t *answer = f->d.ram + ANSWER;

    return answer[10] == SCSI_CHECK_CONDITION
               ? (unsigned)answer[12 + 2] << 16 | (unsigned)answer[12 + 12] << 8 | answer[12 + 13]
               : answer[10];
}

static void test_requests(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 3, 16);
    g_assert_cmpuint(driver_read(&f->d, f->d.config + 20, 4), ==, 96);
    g_assert_cmpuint(run(f, "0100400000000000", "000000000000", 0, 0), ==, 0);
    g_assert_cmphex(sense(f), ==, 0x062900);
    g_assert_cmpuint(load_le32(f->d.ram + ANSWER), ==, 18);
    memset(f->d.ram + DATA, 0x77, 1024);
    g_assert_cmpuint(run(f, "0100400000000000", "2a000000000300000200", 1024, 0), ==, 0);
    g_assert_cmphex(sense(f), ==, 0);
    g_assert_cmphex(f->ram.data[3 * 512], ==, 0x77);
    g_assert_cmphex(f->ram.data[5 * 512 - 1], ==, 0x77);
    g_assert_cmpuint(run(f, "0100000000000000", "28000000000400000200", 0, 2048), ==, 0);
    g_assert_cmpuint(load_le32(f->d.ram + ANSWER + 4), ==, 1024); /* the residual */
    g_assert_cmphex(f->d.ram[DATA + 511], ==, 0x77);
    g_assert_cmphex(f->d.ram[DATA + 512], ==, 0);
    /* overrun */
    g_assert_cmpuint(run(f, "0100400000000000", "28000000000400000200", 0, 512), ==, 1);
}

static void test_addresses(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label, *lun;
        unsigned response, sense;
    } rows[] = {
        { "there", "0100400000000000", 0, 0 }, { "the other", "0105400700000000", 0, 0 },
        { "peripheral form", "0105000700000000", 0, 0 },
        { "no such target", "0101400000000000", 3, 0 },
        { "no such unit", "0100400100000000", 0, 0x052500 },
        { "not single level", "0200400000000000", 3, 0 },
        { "extended form", "0100c00000000000", 3, 0 },
        { "peripheral form, on a bus", "0105010700000000", 3, 0 },
        { "well-known unit", "c101000000000000", 3, 0 },
    };

    g_assert_nonnull(add_disk(f, "second", "5", "7", NULL));
    driver_start(&f->d, GOOD, 3, 16);
    run(f, "0100400000000000", "000000000000", 0, 0);
    run(f, "0105400700000000", "000000000000", 0, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        g_assert_cmpuint(run(f, rows[i].lun, "000000000000", 0, 0), ==, rows[i].response);
        g_assert_cmphex(sense(f), ==, rows[i].sense);
    }
    g_assert_cmpuint(run(f, "0105400000000000", "120000002400", 0, 64), ==, 0);
    g_assert_cmphex(f->d.ram[DATA], ==, 0x7f);
    g_assert_cmpuint(run(f, "0105400000000000", "a00000000000000000200000", 0, 64), ==, 0);
    g_assert_cmpmem(f->d.ram + DATA, 24, "\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0", 24);
}

static void test_places(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *target, *lun, *error;
    } rows[] = {
        { "0", "0", "lun already used" }, { "256", NULL, "bad scsi device id: 256" },
        { "1", "16384", "bad scsi device lun: 16384" },
        { NULL, NULL, NULL }, { "0", NULL, NULL }, { "0", "1", "lun already used" },
        { "255", "16383", NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strdup_printf("d%u", i);
        g_autoptr(GError) err = NULL;
        const ScsiDevice *device = (const ScsiDevice *)add_disk(f, name, rows[i].target,
                                                                rows[i].lun, &err);

        if (rows[i].error) {
            g_assert_null(device);
            g_assert_nonnull(strstr(err->message, rows[i].error));
        } else {
            g_assert_no_error(err);
            g_assert_cmpuint(device->target, ==, i == 3 ? 1 : i == 4 ? 0 : 255);
            g_assert_cmpuint(device->lun, ==, i == 3 ? 0 : i == 4 ? 1 : 16383);
        }
    }
}

static void test_broken_requests(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *label;
        unsigned queue, out_size, in_size;
    } rows[] = {
        { "half a request", REQUEST, HEAD_SIZE - 1, ANSWER_SIZE },
        { "little room", REQUEST, HEAD_SIZE, ANSWER_SIZE - 1 },
        { "no room", REQUEST, HEAD_SIZE, 0 }, { "half a control request", 0, 23, 1 },
        { "control without room", 0, 24, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].label);
        driver_start(&f->d, GOOD, 3, 16);
        memset(f->d.ram + DATA_BASE, 0, 64);
        driver_describe(&f->d, rows[i].queue, 0, DATA_BASE, rows[i].out_size,
                        rows[i].in_size ? NEXT : 0, 1);
        driver_describe(&f->d, rows[i].queue, 1, ANSWER, rows[i].in_size, WRITE, 0);
        driver_offer(&f->d, rows[i].queue, 0);
        driver_kick(&f->d, rows[i].queue);
        while (!(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET)) {
            /* of a thread's device it is the main loop that tells */
            g_main_context_iteration(NULL, TRUE);
        }
    }
}

static unsigned control(Fixture *f, uint32_t type, uint32_t subtype, unsigned target, unsigned lun,
                        unsigned in_size)
{
    uint8_t *request = f->d.ram + DATA_BASE;
    uint32_t head, length;

    memset(request, 0, 24);
    store_le32(request, type);
    store_le32(request + 4, subtype);
    request[8] = 1;
    request[9] = (uint8_t)target;
    request[10] = 0x40;
    request[11] = (uint8_t)lun;
    driver_describe(&f->d, 0, 0, DATA_BASE, 24, NEXT, 1);
    driver_describe(&f->d, 0, 1, ANSWER, in_size, WRITE, 0);
    driver_offer(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    driver_wait_used(&f->d, 0, &head, &length);
    return f->d.ram[ANSWER + in_size - 1];
}

static void test_control(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 3, 16);
    run(f, "0100400000000000", "000000000000", 0, 0);
    g_assert_cmpuint(control(f, 0, 5, 0, 0, 1), ==, 0); /* logical unit reset */
    run(f, "0100400000000000", "000000000000", 0, 0);
    g_assert_cmphex(sense(f), ==, 0x062900);
    g_assert_cmpuint(control(f, 0, 4, 0, 9, 1), ==, 0);  /* nexus reset needs no unit */
    g_assert_cmpuint(control(f, 0, 0, 0, 0, 1), ==, 0);  /* abort of what is over */
    g_assert_cmpuint(control(f, 0, 6, 0, 0, 1), ==, 0);  /* nothing runs */
    g_assert_cmpuint(control(f, 0, 2, 0, 0, 1), ==, 11); /* clear ACA */
    g_assert_cmpuint(control(f, 0, 99, 0, 0, 1), ==, 11);
    g_assert_cmpuint(control(f, 0, 5, 0, 1, 1), ==, 12);
    g_assert_cmpuint(control(f, 0, 5, 1, 0, 1), ==, 3);
    g_assert_cmpuint(control(f, 1, 0, 0, 0, 5), ==, 0);
    g_assert_cmpuint(control(f, 7, 0, 0, 0, 1), ==, 11);
}

/*
 * A reset of the device while requests run: they end, and nothing is answered into rings that are
 * gone.
 */
static void test_reset_under_way(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD, 3, 16);
    run(f, "0100400000000000", "000000000000", 0, 0);
    memset(f->d.ram + DATA_BASE, 0, HEAD_SIZE);
    f->d.ram[DATA_BASE] = 1;
    f->d.ram[DATA_BASE + 2] = 0x40;
    f->d.ram[DATA_BASE + 19] = 0x28;
    f->d.ram[DATA_BASE + 19 + 8] = 1;
    driver_describe(&f->d, REQUEST, 0, DATA_BASE, HEAD_SIZE, NEXT, 1);
    driver_describe(&f->d, REQUEST, 1, ANSWER, ANSWER_SIZE, NEXT | WRITE, 2);
    driver_describe(&f->d, REQUEST, 2, DATA, 512, WRITE, 0);
    for (unsigned i = 0; i < 8; i++) {
        driver_offer(&f->d, REQUEST, 0);
    }
    driver_kick(&f->d, REQUEST);
    driver_set_status(&f->d, 0);
    memset(f->d.ram + ANSWER, 0x11, ANSWER_SIZE);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    /* what is done late is not told in memory that is the driver's again */
    for (unsigned i = 0; i < ANSWER_SIZE; i++) {
        g_assert_cmphex(f->d.ram[ANSWER + i], ==, 0x11);
    }
    driver_start(&f->d, GOOD, 3, 16);
    g_assert_cmpuint(run(f, "0100400000000000", "28000000000400000100", 0, 512), ==, 0);
    g_assert_cmphex(sense(f), ==, 0);
}

/* ---- Events ---- */

#define EVENT 1
#define EVENTS_AT (DATA_BASE + 0x4000)
#define HOTPLUG 2
#define CHANGE 4
enum { TRANSPORT_RESET = 1, PARAM_CHANGE = 3 };
#define MISSED 0x80000000u

static void give_event_buffer(Fixture *f, unsigned i)
{
    memset(f->d.ram + EVENTS_AT + 16 * i, 0xee, 16);
    driver_describe(&f->d, EVENT, i, EVENTS_AT + 16 * i, 16, WRITE, 0);
    driver_offer(&f->d, EVENT, (uint16_t)i);
}

static void expect_event(Fixture *f, uint32_t event, const char *lun, uint32_t reason)
{
    uint32_t head, length;

    driver_wait_used(&f->d, EVENT, &head, &length);
    const uint8_t *data = f->d.ram + EVENTS_AT + 16 * head;
    g_assert_cmpuint(length, ==, 16);
    g_assert_cmphex(load_le32(data), ==, event);
    g_assert_cmpmem(data + 4, 8, lun, 8);
    g_assert_cmphex(load_le32(data + 12), ==, reason);
}

static Device *plug_disk(Fixture *f, const char *name, const char *target, const char *lun)
{
    QomObject *object = qom_object_new(&scsi_hd_type);

    g_assert_true(qom_property_set_text(object, "drive", "disk0", NULL));
    g_assert_true(qom_property_set_text(object, "share-rw", "on", NULL));
    g_assert_true(qom_property_set_text(object, "scsi-id", target, NULL));
    g_assert_true(qom_property_set_text(object, "lun", lun, NULL));
    g_assert_true(qom_object_add_child(qom_container_get(f->root, "/machine/peripheral"), name,
                                       object, NULL));
    DEVICE(object)->hotplugged = true;
    g_assert_true(device_realize(DEVICE(object), &f->bus->bus, NULL));
    qom_object_unref(object);
    return DEVICE(object);
}

/* Disks come, change and go while the guest runs. */
static void test_events(Fixture *f, gconstpointer data)
{
    uint32_t head, length;

    driver_start(&f->d, GOOD | HOTPLUG | CHANGE, 3, 16);
    for (unsigned i = 0; i < 4; i++) {
        give_event_buffer(f, i);
    }
    driver_kick(&f->d, EVENT);
    g_assert_cmpuint(run(f, "0103410200000000", "000000000000", 0, 0), ==, 3);
    Device *device = plug_disk(f, "hot", "3", "258");
    expect_event(f, TRANSPORT_RESET, "\1\3\101\2\0\0\0\0", 1);
    g_assert_cmpuint(run(f, "0103410200000000", "000000000000", 0, 0), ==, 0);
    g_assert_cmphex(sense(f), ==, 0x062900);
    run(f, "0100400000000000", "000000000000", 0, 0);
    g_assert_true(block_resize((BlockNode *)qom_resolve(f->root, "/block-nodes/disk0", NULL),
                               DISK_SIZE / 2, NULL));
    expect_event(f, PARAM_CHANGE, "\1\0\0\0\0\0\0\0", 0x92a);
    expect_event(f, PARAM_CHANGE, "\1\3\101\2\0\0\0\0", 0x92a);
    run(f, "0103410200000000", "000000000000", 0, 0);
    g_assert_cmphex(sense(f), ==, 0x062a09);
    run(f, "0103410200000000", "25000000000000000000", 0, 8);
    g_assert_cmpuint(load_be32(f->d.ram + DATA), ==, DISK_SIZE / 2 / 512 - 1);
    device_remove(device);
    expect_event(f, TRANSPORT_RESET, "\1\3\101\2\0\0\0\0", 2);
    g_assert_cmpuint(run(f, "0103410200000000", "000000000000", 0, 0), ==, 3);
    /* Without a buffer: the next one that comes tells that something was lost. */
    device = plug_disk(f, "hot", "3", "0");
    g_assert_false(driver_take_used(&f->d, EVENT, &head, &length));
    give_event_buffer(f, 0);
    driver_kick(&f->d, EVENT);
    expect_event(f, MISSED, "\0\0\0\0\0\0\0\0", 0);
    give_event_buffer(f, 1);
    driver_kick(&f->d, EVENT);
    device_remove(device);
    expect_event(f, TRANSPORT_RESET, "\1\3\0\0\0\0\0\0", 2);
    /* A driver that does not know events gets none. */
    driver_start(&f->d, GOOD, 3, 16);
    give_event_buffer(f, 0);
    driver_kick(&f->d, EVENT);
    device = plug_disk(f, "hot", "3", "0");
    device_remove(device);
    run(f, "0100400000000000", "000000000000", 0, 0);
    g_assert_false(driver_take_used(&f->d, EVENT, &head, &length));
    /* And a buffer that is too small breaks the device. */
    driver_start(&f->d, GOOD | HOTPLUG, 3, 16);
    driver_describe(&f->d, EVENT, 0, EVENTS_AT, 15, WRITE, 0);
    driver_offer(&f->d, EVENT, 0);
    device_remove(plug_disk(f, "hot", "3", "0"));
    while (!(driver_status(&f->d) & VIRTIO_STATUS_NEEDS_RESET)) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* Disks come and go with requests under way. */
static void test_plug_under_way(Fixture *f, gconstpointer data)
{
    driver_start(&f->d, GOOD | HOTPLUG, 3, 16);
    run(f, "0100400000000000", "000000000000", 0, 0);
    for (unsigned round = 0; round < 50; round++) {
        Device *device = plug_disk(f, "hot", "3", "0");
        uint32_t head, length;

        run(f, "0103400000000000", "000000000000", 0, 0);
        run(f, "0103400000000000", "35000000000000000000", 0, 0);
        for (unsigned i = 0; i < 4; i++) { /* the same again */
            driver_offer(&f->d, REQUEST, 0);
        }
        driver_kick(&f->d, REQUEST);
        device_remove(device);
        for (unsigned i = 0; i < 4; i++) {
            driver_wait_used(&f->d, REQUEST, &head, &length);
        }
        g_assert_cmpuint(run(f, "0103400000000000", "000000000000", 0, 0), ==, 3);
    }
}

/* Each with the queues handled by the main loop, and by a thread of their own. */
#define ADD(name, function) \
    g_test_add("/virtio-scsi/" name, Fixture, NULL, set_up, function, tear_down); \
    g_test_add("/virtio-scsi-thread/" name, Fixture, "thread", set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("requests", test_requests);
    ADD("addresses", test_addresses);
    ADD("places", test_places);
    ADD("broken-requests", test_broken_requests);
    ADD("control", test_control);
    ADD("reset-under-way", test_reset_under_way);
    ADD("events", test_events);
    ADD("plug-under-way", test_plug_under_way);
    return g_test_run();
}
