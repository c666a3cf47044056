/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio block requests become block requests. Virtio 1.2, 5.2. */
#include "hw/virtio/virtio-blk.h"

#include <errno.h>
#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

#define VIRTIO_BLK_F_SEG_MAX (UINT64_C(1) << 2)
#define VIRTIO_BLK_F_RO (UINT64_C(1) << 5)
#define VIRTIO_BLK_F_BLK_SIZE (UINT64_C(1) << 6)
#define VIRTIO_BLK_F_FLUSH (UINT64_C(1) << 9)
#define VIRTIO_BLK_F_TOPOLOGY (UINT64_C(1) << 10)
#define VIRTIO_BLK_F_CONFIG_WCE (UINT64_C(1) << 11)
#define VIRTIO_BLK_F_MQ (UINT64_C(1) << 12)
#define VIRTIO_BLK_F_DISCARD (UINT64_C(1) << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES (UINT64_C(1) << 14)

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_GET_ID = 8, TYPE_DISCARD = 11,
       TYPE_WRITE_ZEROES = 13 };
enum { STATUS_OK = 0, STATUS_IOERR = 1, STATUS_UNSUPPORTED = 2 };
#define HEADER_SIZE 16
#define ID_SIZE 20
#define SEGMENT_SIZE 16 /* of a discard */
#define SEGMENT_UNMAP 1u

/* struct virtio_blk_config */
enum {
    CONFIG_CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20, CONFIG_PHYSICAL_EXPONENT = 24,
    CONFIG_MIN_IO = 26, CONFIG_OPT_IO = 28, CONFIG_WRITEBACK = 32, CONFIG_NUM_QUEUES = 34,
    CONFIG_MAX_DISCARD = 36, CONFIG_MAX_DISCARD_SEGMENTS = 40, CONFIG_DISCARD_ALIGNMENT = 44,
    CONFIG_MAX_ZEROES = 48, CONFIG_MAX_ZEROES_SEGMENTS = 52, CONFIG_ZEROES_UNMAP = 56,
    CONFIG_SIZE = 60,
};
#define MAX_BLOCK_SIZE (2 * MiB)
#define MAX_DISCARD_SECTORS (UINT32_MAX / BLOCK_SECTOR_SIZE)
/* Zeroes may have to be written one by one: a request shall not take minutes. */
#define MAX_ZEROES_SECTORS (64u * 1024 * 1024 / BLOCK_SECTOR_SIZE)

struct VirtioBlk {
    VirtioBlkConfig config;
    char serial[ID_SIZE];
    VirtioDevice *device;
    BlockClient *client;
    bool write_back;
};

typedef struct Request {
    BlockRequest block;
    VirtqElement *element;
    VirtQueue *queue;
    struct iovec iov[]; /* of the data */
} Request;

/* ---- Requests ---- */

static void finish(VirtQueue *queue, VirtqElement *element, uint8_t status, uint64_t data_written)
{
    if (virtqueue_is_awaited(queue, element)) {
        virtq_write(element, element->in_size - 1, &status, 1);
    }
    virtqueue_push(queue, element, data_written + 1);
}

static uint8_t status_of(int result)
{
    return result == 0 ? STATUS_OK : result == -EOPNOTSUPP ? STATUS_UNSUPPORTED : STATUS_IOERR;
}

static void finish_request(Request *request)
{
    uint64_t written = request->block.op == BLOCK_READ ? request->block.size : 0;

    finish(request->queue, request->element, status_of(request->block.result), written);
    g_free(request);
}

static void done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    VirtioBlk *blk = opaque;
    VirtQueue *last = NULL;

    virtio_lock(blk->device);
    for (unsigned i = 0; i < count; i++) {
        Request *request = (Request *)requests[i];
        if (last && last != request->queue) {
            virtqueue_notify(last);
        }
        last = request->queue;
        finish_request(request);
    }
    if (last) {
        virtqueue_notify(last);
    }
    virtio_unlock(blk->device);
}

static void drop(void *opaque, BlockRequest *block)
{
    Request *request = (Request *)block;

    virtq_element_free(request->element);
    g_free(request);
}

static void resized(void *opaque)
{
    VirtioBlk *blk = opaque;

    virtio_lock(blk->device);
    virtio_config_changed(blk->device);
    virtio_unlock(blk->device);
}

static const BlockClientOps client_ops = { done, resized };

static Request *new_request(VirtQueue *queue, VirtqElement *element, BlockOp op, uint64_t offset,
                            uint64_t size, unsigned num_iov)
{
    Request *request = g_malloc(sizeof(*request) + num_iov * sizeof(struct iovec));

    memset(request, 0, sizeof(*request));
    request->block.op = op;
    request->block.offset = offset;
    request->block.size = size;
    request->element = element;
    request->queue = queue;
    return request;
}

static unsigned write_flags(const VirtioBlk *blk)
{
    return blk->write_back ? 0 : BLOCK_FUA;
}

/* 5.2.6.1: of whole blocks. Where the disk ends is block_submit()'s to know. */
static bool is_in_blocks(const VirtioBlk *blk, uint64_t sector, uint64_t size)
{
    uint64_t block = blk->config.topology.logical_block_size;

    return sector <= UINT64_MAX / BLOCK_SECTOR_SIZE && sector * BLOCK_SECTOR_SIZE % block == 0 &&
           size % block == 0;
}

/* The data between header and status. */
static void transfer(VirtioBlk *blk, VirtQueue *queue, VirtqElement *element, bool is_write,
                     uint64_t sector)
{
    uint64_t size = is_write ? element->out_size - HEADER_SIZE : element->in_size - 1;
    uint64_t offset = sector * BLOCK_SECTOR_SIZE;

    if (!is_in_blocks(blk, sector, size)) {
        finish(queue, element, STATUS_IOERR, 0);
        return;
    }
    unsigned count = is_write ? element->num_out : element->num_in;
    Request *request = new_request(queue, element, is_write ? BLOCK_WRITE : BLOCK_READ, offset,
                                   size, count);
    request->block.iov = request->iov;
    request->block.iov_count = virtq_slice(is_write ? element->out : element->in, count,
                                           is_write ? HEADER_SIZE : 0, size, request->iov);
    request->block.flags = is_write ? write_flags(blk) : 0;
    block_submit(blk->client, &request->block);
}

static void get_id(VirtioBlk *blk, VirtQueue *queue, VirtqElement *element)
{
    size_t size = MIN(element->in_size - 1, ID_SIZE);

    virtq_write(element, 0, blk->serial, size);
    finish(queue, element, STATUS_OK, size);
}

/* 5.2.6.2: a list of ranges, of which the configuration permits one. */
static void discard(VirtioBlk *blk, VirtQueue *queue, VirtqElement *element, bool zeroes)
{
    uint8_t segment[SEGMENT_SIZE];
    bool offered = virtio_has(blk->device,
                              zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD);

    if (!offered || element->out_size != HEADER_SIZE + SEGMENT_SIZE ||
        virtq_read(element, HEADER_SIZE, segment, SEGMENT_SIZE) != SEGMENT_SIZE) {
        finish(queue, element, STATUS_UNSUPPORTED, 0);
        return;
    }
    uint64_t sector = load_le64(segment);
    uint32_t sectors = load_le32(segment + 8), flags = load_le32(segment + 12);
    if ((flags & ~SEGMENT_UNMAP) || (flags && !zeroes)) {
        finish(queue, element, STATUS_UNSUPPORTED, 0);
        return;
    }
    if (!is_in_blocks(blk, sector, (uint64_t)sectors * BLOCK_SECTOR_SIZE) ||
        sectors > (zeroes ? blk->config.max_zeroes : blk->config.max_discard)) {
        finish(queue, element, STATUS_IOERR, 0);
        return;
    }
    Request *request = new_request(queue, element, zeroes ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD,
                                   sector * BLOCK_SECTOR_SIZE,
                                   (uint64_t)sectors * BLOCK_SECTOR_SIZE, 0);
    request->block.flags = zeroes ? write_flags(blk) | (flags ? BLOCK_MAY_UNMAP : 0) : 0;
    block_submit(blk->client, &request->block);
}

/* False: the device broke. */
static bool handle_request(VirtioBlk *blk, VirtQueue *queue, VirtqElement *element)
{
    uint8_t header[HEADER_SIZE];

    if (virtq_read(element, 0, header, sizeof(header)) < sizeof(header) || !element->in_size) {
        virtqueue_fail(queue, element,
                       "a request of %" PRIu64 " bytes to read and %" PRIu64
                       " to write, at least 16 and 1 needed",
                       element->out_size, element->in_size);
        return false;
    }
    uint32_t type = load_le32(header);
    uint64_t sector = load_le64(header + 8);
    switch (type) {
    case TYPE_IN:
    case TYPE_OUT:
        transfer(blk, queue, element, type == TYPE_OUT, sector);
        break;
    case TYPE_FLUSH:
        block_submit(blk->client, &new_request(queue, element, BLOCK_FLUSH, 0, 0, 0)->block);
        break;
    case TYPE_GET_ID:
        get_id(blk, queue, element);
        break;
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        discard(blk, queue, element, type == TYPE_WRITE_ZEROES);
        break;
    default:
        finish(queue, element, STATUS_UNSUPPORTED, 0);
        break;
    }
    return true;
}

/* False: the device broke. */
static bool handle_queue(VirtioBlk *blk, VirtQueue *queue)
{
    VirtqElement *element;

    do {
        virtqueue_want_notify(queue, false);
        while ((element = virtqueue_pop(queue))) {
            if (!handle_request(blk, queue, element)) {
                return false;
            }
        }
        virtqueue_want_notify(queue, true);
    } while (!virtqueue_is_empty(queue));
    return true;
}

static void notify(void *opaque, VirtQueue *queue)
{
    VirtioBlk *blk = opaque;

    block_batch_begin(blk->client);
    bool ok = handle_queue(blk, queue);
    block_batch_end(blk->client);
    if (ok) {
        virtqueue_notify(queue);
    }
}

static void stop(void *opaque)
{
    VirtioBlk *blk = opaque;

    block_drain(blk->client);
    blk->write_back = !blk->config.write_through;
}

static void stop_queue(void *opaque, VirtQueue *queue)
{
    VirtioBlk *blk = opaque;

    block_drain(blk->client);
}

/* ---- Configuration ---- */

static bool can_discard(const VirtioBlkConfig *config)
{
    return config->discard && !config->read_only && config->topology.discard_granularity;
}

static void get_config(void *opaque, uint8_t *config)
{
    const VirtioBlk *blk = opaque;
    const VirtioBlkConfig *own = &blk->config;
    const BlockTopology *t = &own->topology;
    uint64_t ratio = t->physical_block_size / t->logical_block_size;

    store_le64(config + CONFIG_CAPACITY, block_size(own->node) / BLOCK_SECTOR_SIZE);
    store_le32(config + CONFIG_SEG_MAX, own->queue_size - 2); /* beside header and status */
    store_le32(config + CONFIG_BLK_SIZE, (uint32_t)t->logical_block_size);
    config[CONFIG_PHYSICAL_EXPONENT] = (uint8_t)(g_bit_storage((gulong)ratio) - 1);
    store_le16(config + CONFIG_MIN_IO, (uint16_t)(t->min_io_size / t->logical_block_size));
    store_le32(config + CONFIG_OPT_IO, (uint32_t)(t->opt_io_size / t->logical_block_size));
    config[CONFIG_WRITEBACK] = blk->write_back;
    store_le16(config + CONFIG_NUM_QUEUES, own->num_queues);
    if (can_discard(own)) {
        uint64_t granularity = own->hide_granularity ? t->logical_block_size
                                                     : t->discard_granularity;
        store_le32(config + CONFIG_MAX_DISCARD, own->max_discard);
        store_le32(config + CONFIG_MAX_DISCARD_SEGMENTS, 1);
        store_le32(config + CONFIG_DISCARD_ALIGNMENT, (uint32_t)(granularity / BLOCK_SECTOR_SIZE));
    }
    if (own->write_zeroes) {
        store_le32(config + CONFIG_MAX_ZEROES, own->max_zeroes);
        store_le32(config + CONFIG_MAX_ZEROES_SEGMENTS, 1);
        config[CONFIG_ZEROES_UNMAP] = 1;
    }
}

static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    VirtioBlk *blk = opaque;

    if (offset <= CONFIG_WRITEBACK && offset + size > CONFIG_WRITEBACK &&
        virtio_has(blk->device, VIRTIO_BLK_F_CONFIG_WCE)) {
        blk->write_back = config[CONFIG_WRITEBACK] & 1;
    }
}

static void start(void *opaque)
{
    VirtioBlk *blk = opaque;

    /* A driver that knows of no flushes believes that what was written is stable (5.2.6.2). */
    if (!virtio_has(blk->device, VIRTIO_BLK_F_FLUSH)) {
        blk->write_back = false;
    }
}

static void gone(void *opaque)
{
    VirtioBlk *blk = opaque;

    block_detach(g_steal_pointer(&blk->client), drop);
}

static const VirtioClass blk_class = {
    .name = "virtio-blk", .id = VIRTIO_ID_BLOCK, .config_size = CONFIG_SIZE,
    .get_config = get_config,
    .set_config = set_config, .start = start, .stop = stop, .notify = notify,
    .stop_queue = stop_queue, .gone = gone,
};

/* ---- Life ---- */

static bool is_power_of_two(unsigned value)
{
    return value && !(value & (value - 1));
}

/* usual: what 0 stands for. */
static bool check_sectors(const char *name, uint32_t *sectors, uint32_t usual, GError **errp)
{
    *sectors = *sectors ? *sectors : usual;
    return *sectors <= MAX_DISCARD_SECTORS ||
           error_set(errp, "%s is %u, must be 1 to %u", name, *sectors, MAX_DISCARD_SECTORS);
}

static bool check_config(VirtioBlkConfig *config, GError **errp)
{
    if (!config->num_queues || config->num_queues > VIRTIO_BLK_MAX_QUEUES) {
        return error_set(errp, "num-queues is %u, must be 1 to %u", config->num_queues,
                         VIRTIO_BLK_MAX_QUEUES);
    }
    if (!is_power_of_two(config->queue_size) || config->queue_size < 4 ||
        config->queue_size > VIRTIO_MAX_QUEUE_SIZE) {
        return error_set(errp,
                         "invalid queue-size property (%u), must be a power of 2 from 4 to %u",
                         config->queue_size, VIRTIO_MAX_QUEUE_SIZE);
    }
    return check_sectors("max-discard-sectors", &config->max_discard, MAX_DISCARD_SECTORS, errp) &&
           check_sectors("max-write-zeroes-sectors", &config->max_zeroes, MAX_ZEROES_SECTORS,
                         errp) &&
           block_topology_settle(&config->topology, config->node, MAX_BLOCK_SIZE, errp);
}

static uint64_t features(const VirtioBlkConfig *config)
{
    return VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |
           VIRTIO_BLK_F_TOPOLOGY | (config->fixed_cache ? 0 : VIRTIO_BLK_F_CONFIG_WCE) |
           (config->read_only ? VIRTIO_BLK_F_RO : 0) |
           (config->num_queues > 1 ? VIRTIO_BLK_F_MQ : 0) |
           (can_discard(config) ? VIRTIO_BLK_F_DISCARD : 0) |
           (config->write_zeroes && !config->read_only ? VIRTIO_BLK_F_WRITE_ZEROES : 0);
}

VirtioBlk *virtio_blk_new(const VirtioBlkConfig *config, const VirtioEnvironment *environment,
                          GError **errp)
{
    VirtioBlk *blk = g_new0(VirtioBlk, 1);

    blk->config = *config;
    if (!check_config(&blk->config, errp)) {
        g_free(blk);
        return NULL;
    }
    blk->config.read_only |= block_is_read_only(config->node);
    blk->write_back = !config->write_through;
    blk->client = block_attach(config->node, environment->name ? environment->name : blk_class.name,
                               !blk->config.read_only, config->shared, &client_ops, blk,
                               environment->context, errp);
    if (!blk->client) {
        g_free(blk);
        return NULL;
    }
    if (config->path) {
        block_set_on_error(blk->client, config->on_read_error, config->on_write_error,
                           config->path);
    }
    if (config->serial) {
        memcpy(blk->serial, config->serial, MIN(strlen(config->serial), ID_SIZE));
    }
    blk->device = virtio_new(&blk_class, blk, environment);
    for (unsigned i = 0; i < config->num_queues; i++) {
        virtio_add_queue(blk->device, config->queue_size);
    }
    virtio_offer(blk->device, features(&blk->config));
    return blk;
}

VirtioDevice *virtio_blk_device(const VirtioBlk *blk)
{
    return blk->device;
}

void virtio_blk_free(VirtioBlk *blk)
{
    g_free(blk);
}
