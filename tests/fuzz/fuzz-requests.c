/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the requests of virtio devices, behind queues that are as they should be. The input's
 * first byte chooses the device (0 disk, 1 network card, 2 SCSI host, 3 serial ports), the next
 * two which of its features are accepted; then come steps of a byte: bits 0-2 the queue, bits 3-4
 * what:
 *   0, 1  a request: a byte (bits 0-1 buffers to read, bits 2-3 buffers to write), for each a byte
 *         that chooses its size, and how many bytes of the input follow as the contents of what is
 *         to be read; with 1 the device is told of it only with the next
 *   2     a byte is written to the device's configuration: offset, value
 *   3     what happens on the host's side, by the queue's bits: see on_host()
 * Whatever comes, a device writes no more than a request has room for, and nothing where none is.
 */
#include "driver.h"

#include "fuzz.h"
#include "hw/virtio/virtio-blk.h"
#include "hw/virtio/virtio-net.h"
#include "hw/virtio/virtio-scsi.h"
#include "hw/virtio/virtio-serial.h"
#include "ram-disk.h"
#include "util/bytes.h"

#define MAX_STEPS 200
#define QUEUE_SIZE 32
#define MAX_QUEUES 6
#define PORTS 2
#define DATA_SIZE (PRIVATE_BASE - DATA_BASE)
#define UNTOUCHED 0x5a
#define STATUS_BROKEN 0x40
#define NEEDED (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

typedef struct Fuzz Fuzz;

typedef struct Kind {
    unsigned queues;
    uint8_t first_waited, last_waited; /* queues whose requests end by themselves */
    VirtioDevice *(*make)(Fuzz *f, const VirtioEnvironment *environment);
    void (*placed)(Fuzz *f);           /* on the bus; may be NULL */
    void (*on_host)(Fuzz *f, unsigned what, Bytes *input);
    void (*leave)(Fuzz *f);            /* before the device goes; may be NULL */
    void (*free)(Fuzz *f);
} Kind;

struct Fuzz {
    Driver d;
    const Kind *kind;
    uint64_t features;
    unsigned next[MAX_QUEUES];            /* descriptor */
    uint64_t room[MAX_QUEUES][QUEUE_SIZE]; /* by head: what the device may write */
    uint32_t data;                        /* where the next buffer goes */
    RamDisk disk;
    QomObject *root;
    BlockNode *node;
    Netdev *netdev;
    ScsiBus *scsi_bus;
    VirtioBlk *blk;
    VirtioNet *net;
    VirtioScsi *scsi;
    VirtioSerial *serial;
    Chardev *chardev;
    VirtioSerialPort *ports[PORTS];
};

static uint64_t take(Bytes *input, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && input->size; i++) {
        value |= (uint64_t)*input->data << 8 * i;
        input->data++;
        input->size--;
    }
    return value;
}

/* ---- The devices ---- */

static const QomType wire_type;
static const QomType *const types[] = {
    &qom_object_type, &qom_container_type, &device_type,  &bus_type,
    &scsi_bus_type,   &scsi_device_type,   &scsi_disk_base_type,
    &scsi_hd_type,    &scsi_cd_type,       &block_node_type,
    &netdev_type,     &wire_type,          NULL,
};

static void make_disk(Fuzz *f, bool read_only)
{
    f->node = ram_disk_new(&f->disk, read_only);
    g_assert_true(qom_object_add_child(qom_container_get(f->root, BLOCK_CONTAINER), "disk0",
                                       &f->node->object, NULL));
    qom_object_unref(&f->node->object);
}

/* The medium fails, or works again. */
static void disk_on_host(Fuzz *f, unsigned what, Bytes *input)
{
    static const int errors[] = { 0, -EIO, -ENOSPC, -EACCES };

    __atomic_store_n(&f->disk.error, errors[what % G_N_ELEMENTS(errors)], __ATOMIC_RELAXED);
}

static VirtioDevice *make_blk(Fuzz *f, const VirtioEnvironment *environment)
{
    const VirtioBlkConfig config = {
        .serial = "SERIAL",
        .num_queues = 2,
        .queue_size = QUEUE_SIZE,
        .topology.logical_block_size = 512,
        .topology.physical_block_size = 4096,
        .topology.discard_granularity = BLOCK_GRANULARITY_AUTO,
        .discard = true,
        .write_zeroes = true,
    };
    VirtioBlkConfig with_node = config;

    make_disk(f, false);
    with_node.node = f->node;
    f->blk = virtio_blk_new(&with_node, environment, NULL);
    return virtio_blk_device(f->blk);
}

static void free_blk(Fuzz *f)
{
    virtio_blk_free(f->blk);
}

static bool wire_open(Netdev *netdev, GError **errp)
{
    return true;
}

static void wire_close(Netdev *netdev)
{
}

static void wire_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        g_assert_cmpuint(pieces[i].iov_len, <=, size);
        size -= pieces[i].iov_len;
        for (size_t at = 0; at < pieces[i].iov_len; at++) {
            sum ^= ((const uint8_t *)pieces[i].iov_base)[at];
        }
    }
    __asm__ volatile("" : : "r"(sum)); /* every byte is read, as sanitizers see */
    g_assert_cmpuint(size, ==, 0);
}

static const NetdevOps wire_ops = { wire_open, wire_close, wire_send, NULL, NULL };
static const QomType wire_type = {
    .name = "netdev-wire", .parent = &netdev_type, .size = sizeof(Netdev), .ops = &wire_ops
};

static VirtioDevice *make_net(Fuzz *f, const VirtioEnvironment *environment)
{
    g_autoptr(KeyVal) kv = keyval_parse("wire,id=n0", "type", NULL);
    const QomSettings settings = { .keyval = kv };
    VirtioNetConfig config = { NULL, { 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, 256, 1500, true, true };

    f->netdev = netdev_create(f->root, &settings, NULL);
    g_assert_true(netdev_open(f->netdev, NULL));
    config.netdev = f->netdev;
    f->net = virtio_net_new(&config, environment, NULL);
    return virtio_net_device(f->net);
}

/* A frame comes, or the link goes down and up. */
static void net_on_host(Fuzz *f, unsigned what, Bytes *input)
{
    uint8_t frame[NET_MAX_FRAME] = { 0 };
    size_t size = take(input, 2) % sizeof(frame);

    g_mutex_lock(&f->d.lock);
    if (what < 2) {
        netdev_set_link(f->netdev, what);
    } else {
        for (unsigned i = 0; i < 18; i++) {
            frame[i] = (uint8_t)take(input, 1);
        }
        netdev_deliver(f->netdev, frame, size);
    }
    g_mutex_unlock(&f->d.lock);
}

static void free_net(Fuzz *f)
{
    virtio_net_free(f->net);
}

static VirtioDevice *make_scsi(Fuzz *f, const VirtioEnvironment *environment)
{
    const VirtioScsiConfig config = {
        .num_queues = 1, .queue_size = QUEUE_SIZE, .max_sectors = 65535, .cmd_per_lun = 128
    };

    make_disk(f, false);
    f->scsi = virtio_scsi_new(&config, environment, NULL);
    return virtio_scsi_device(f->scsi);
}

/* A disk at target 0, a CD drive with the same at target 1. */
static void place_on_scsi(Fuzz *f, const QomType *type, const char *name)
{
    QomObject *object = qom_object_new(type);

    g_assert_true(qom_property_set_text(object, "drive", "disk0", NULL));
    g_assert_true(qom_property_set_text(object, "share-rw", "on", NULL));
    g_assert_true(qom_property_set_text(object, "serial", "SERIAL", NULL));
    g_assert_true(qom_object_add_child(qom_container_get(f->root, "/machine/peripheral"), name,
                                       object, NULL));
    g_assert_true(device_realize(DEVICE(object), &f->scsi_bus->bus, NULL));
    qom_object_unref(object);
}

static void place_scsi(Fuzz *f)
{
    f->scsi_bus = (ScsiBus *)bus_new(&scsi_bus_type, "scsi0.0", NULL);
    f->scsi_bus->lock = virtio_queues_mutex(virtio_scsi_device(f->scsi));
    virtio_scsi_set_bus(f->scsi, f->scsi_bus);
    place_on_scsi(f, &scsi_hd_type, "hd0");
    place_on_scsi(f, &scsi_cd_type, "cd0");
}

/* The CD drive's tray moves, and its medium goes and comes; or the medium fails, or works again. */
static void scsi_on_host(Fuzz *f, unsigned what, Bytes *input)
{
    Device *cd = DEVICE(qom_resolve(f->root, "/machine/peripheral/cd0", NULL));

    switch (what) {
    case 3: case 4:
        scsi_cd_move_tray(cd, what == 3);
        break;
    case 5:
        scsi_cd_remove(cd);
        break;
    case 6:
        if (!scsi_cd_state(cd).medium) {
            g_assert_true(scsi_cd_insert(cd, f->node, NULL));
        }
        break;
    default:
        disk_on_host(f, what, input);
        break;
    }
}

static void leave_scsi(Fuzz *f)
{
    bus_clear(&f->scsi_bus->bus);
}

static void free_scsi(Fuzz *f)
{
    virtio_scsi_free(f->scsi);
    qom_object_unref(&f->scsi_bus->bus.object);
}

static void add_port(Fuzz *f, unsigned number)
{
    g_mutex_lock(&f->d.lock);
    f->ports[number] = virtio_serial_port_new(f->serial, &(VirtioSerialPortConfig) {
        .number = number, .is_console = !number, .name = number ? "org.example.port" : NULL,
        .chardev = number ? NULL : f->chardev,
    });
    g_mutex_unlock(&f->d.lock);
    g_assert_true(virtio_serial_port_connect(f->ports[number]));
}

static void remove_port(Fuzz *f, unsigned number)
{
    virtio_serial_port_disconnect(f->ports[number]);
    g_mutex_lock(&f->d.lock);
    g_clear_pointer(&f->ports[number], virtio_serial_port_free);
    g_mutex_unlock(&f->d.lock);
}

static VirtioDevice *make_serial(Fuzz *f, const VirtioEnvironment *environment)
{
    f->chardev = chardev_open("null", false, NULL, NULL, NULL);
    f->serial = virtio_serial_new(PORTS, environment);
    return virtio_serial_device(f->serial);
}

static void place_serial(Fuzz *f)
{
    for (unsigned i = 0; i < PORTS; i++) {
        add_port(f, i);
    }
}

/* Ports come and go. */
static void serial_on_host(Fuzz *f, unsigned what, Bytes *input)
{
    unsigned number = what % PORTS;

    if (f->ports[number]) {
        remove_port(f, number);
    } else {
        add_port(f, number);
    }
}

static void leave_serial(Fuzz *f)
{
    for (unsigned i = 0; i < PORTS; i++) {
        if (f->ports[i]) {
            remove_port(f, i);
        }
    }
}

static void free_serial(Fuzz *f)
{
    virtio_serial_free(f->serial);
    chardev_close(f->chardev);
}

static const Kind kinds[] = {
    { 2, 0, 1, make_blk, NULL, disk_on_host, NULL, free_blk },
    { 3, 1, 2, make_net, NULL, net_on_host, NULL, free_net },
    { 3, 2, 2, make_scsi, place_scsi, scsi_on_host, leave_scsi, free_scsi },
    { 6, 3, 3, make_serial, place_serial, serial_on_host, leave_serial, free_serial },
};

/* ---- Steps ---- */

static void start(Fuzz *f)
{
    memset(f->room, 0, sizeof(f->room));
    memset(f->next, 0, sizeof(f->next));
    f->data = 0;
    driver_start(&f->d, f->features, f->kind->queues, QUEUE_SIZE);
}

static void check_used(Fuzz *f, unsigned queue)
{
    uint32_t head, length;

    while (driver_take_used(&f->d, queue, &head, &length)) {
        g_assert_cmpuint(head, <, QUEUE_SIZE);
        g_assert_cmpuint(length, <=, f->room[queue][head]);
    }
}

static void await(Fuzz *f, unsigned queue)
{
    check_used(f, queue);
    while (queue >= f->kind->first_waited && queue <= f->kind->last_waited &&
           f->d.used[queue] != f->d.available[queue] && !(driver_status(&f->d) & STATUS_BROKEN)) {
        g_main_context_iteration(NULL, TRUE);
        check_used(f, queue);
    }
    if (driver_status(&f->d) & STATUS_BROKEN) {
        start(f);
    }
}

/* Contents of a buffer that the device reads. */
static void fill(uint8_t *to, uint32_t size, Bytes *input)
{
    uint32_t given = (uint32_t)take(input, 1);

    memset(to, 0, size);
    for (uint32_t i = 0; i < MIN(given, size); i++) {
        to[i] = (uint8_t)take(input, 1);
    }
}

static void put_request(Fuzz *f, unsigned queue, Bytes *input)
{
    static const uint32_t sizes[16] = { 1,  2,  4,   8,   12,   16,   19,    24,
                                        51, 64, 108, 512, 1024, 4096, 16384, 65536 };
    unsigned shape = (unsigned)take(input, 1), num_out = shape & 3,
             count = num_out + (shape >> 2 & 3);

    if (!count) {
        return;
    }
    if (f->next[queue] + count > QUEUE_SIZE) {
        driver_kick(&f->d, queue);
        await(f, queue);
        f->next[queue] = 0;
        if (f->d.used[queue] != f->d.available[queue]) {
            start(f); /* the device has the descriptors still */
        }
    }
    unsigned head = f->next[queue];
    f->room[queue][head] = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t choice = (uint32_t)take(input, 1), size = sizes[choice & 15] - (choice >> 7);
        uint16_t flags = (uint16_t)((i < num_out ? 0 : WRITE) | (i + 1 < count ? NEXT : 0));

        if (f->data + size > DATA_SIZE) {
            f->data = 0;
        }
        if (i < num_out) {
            fill(f->d.ram + DATA_BASE + f->data, size, input);
        } else {
            f->room[queue][head] += size;
        }
        driver_describe(&f->d, queue, f->next[queue], DATA_BASE + f->data, size, flags,
                        (uint16_t)(f->next[queue] + 1));
        f->next[queue]++;
        f->data += size;
    }
    driver_offer(&f->d, queue, (uint16_t)head);
}

static void step(Fuzz *f, unsigned what, Bytes *input)
{
    unsigned queue = (what & 7) % f->kind->queues;

    switch (what >> 3 & 3) {
    case 0:
        put_request(f, queue, input);
        driver_kick(&f->d, queue);
        await(f, queue);
        break;
    case 1:
        put_request(f, queue, input);
        break;
    case 2: {
        unsigned offset = (unsigned)take(input, 1);
        driver_write(&f->d, f->d.config + offset, take(input, 1), 1);
        break;
    }
    default:
        if ((what & 7) == 7) {
            start(f);
        } else {
            f->kind->on_host(f, what & 7, input);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz *f = g_new0(Fuzz, 1);
    Bytes input = { data, size };

    f->kind = &kinds[take(&input, 1) % G_N_ELEMENTS(kinds)];
    f->root = qom_root_new(types, NULL);
    driver_init(&f->d);
    memset(f->d.ram + PRIVATE_BASE, UNTOUCHED, RAM_SIZE - PRIVATE_BASE);
    VirtioEnvironment environment = driver_environment(&f->d, "dev0");
    VirtioDevice *device = f->kind->make(f, &environment);
    driver_plug(&f->d, device, MAX_QUEUES + 1);
    if (f->kind->placed) {
        f->kind->placed(f);
    }
    f->features = NEEDED | (virtio_offered(device) &
                            (take(&input, 2) << 8 | 0xff | UINT64_C(1) << 17 | UINT64_C(1) << 29));
    start(f);
    for (unsigned i = 0; i < MAX_STEPS && input.size; i++) {
        step(f, (unsigned)take(&input, 1), &input);
    }
    if (f->kind->leave) {
        f->kind->leave(f);
    }
    const uint8_t *private = f->d.ram + PRIVATE_BASE;
    g_assert_true(private[0] == UNTOUCHED &&
                  !memcmp(private, private + 1, RAM_SIZE - PRIVATE_BASE - 1));
    driver_free(&f->d);
    f->kind->free(f);
    qom_object_unref(f->root);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_free(f);
    return 0;
}
