/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A SCSI disk on a block node: commands become answers or block requests (SBC-4). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "scsi-internal.h"
#include "util/bytes.h"
#include "util/error.h"

#define MAX_RANGES 16
#define MAX_BLOCK_SIZE 32768
#define UNMAP_HEADER 8
#define UNMAP_DESCRIPTOR 16
/* Zeroes may have to be written one by one: a command shall not take minutes. */
#define MAX_WRITE_SAME (64u << 20)
#define FILL_SIZE (1u << 20)

/* What one command does in several block requests, one after another. */
typedef struct ScsiSteps {
    BlockOp op;
    unsigned flags, count, next;
    struct {
        uint64_t offset, size;
    } ranges[MAX_RANGES];
    uint8_t *fill;   /* written again and again; NULL = none */
    uint64_t fill_size;
    struct iovec iov;
} ScsiSteps;

/* ---- Ends of requests ---- */

static void finish(ScsiRequest *r, bool locked)
{
    if (r->steps) {
        g_free(r->steps->fill);
        g_clear_pointer(&r->steps, g_free);
    }
    g_clear_pointer(&r->parts, g_free);
    r->done(r, locked);
}

static void set_sense(ScsiRequest *r, uint8_t key, uint8_t code, uint8_t qualifier)
{
    r->status = SCSI_CHECK_CONDITION;
    r->moved = 0;
    memset(r->sense, 0, sizeof(r->sense));
    r->sense[0] = 0x70;
    r->sense[2] = key;
    r->sense[7] = SCSI_SENSE_SIZE - 8;
    r->sense[12] = code;
    r->sense[13] = qualifier;
}

void scsi_check_condition(ScsiRequest *r, uint8_t key, uint8_t code, uint8_t qualifier)
{
    set_sense(r, key, code, qualifier);
    finish(r, true);
}

static void bad_command(ScsiRequest *r) { scsi_check_condition(r, ILLEGAL_REQUEST, 0x20, 0); }
static void bad_field(ScsiRequest *r) { scsi_check_condition(r, ILLEGAL_REQUEST, 0x24, 0); }
static void bad_block(ScsiRequest *r) { scsi_check_condition(r, ILLEGAL_REQUEST, 0x21, 0); }

static void good(ScsiRequest *r)
{
    r->status = SCSI_GOOD;
    finish(r, true);
}

void scsi_good(ScsiRequest *r) { good(r); }

static void set_error(ScsiRequest *r, int error)
{
    switch (error) {
    case -EIO:
        /* unrecovered read error, write error */
        set_sense(r, MEDIUM_ERROR, r->block.op == BLOCK_READ ? 0x11 : 0x0c, 0);
        break;
    case -ENOSPC:
        set_sense(r, DATA_PROTECT, 0x27, 7); /* space allocation failed write protect */
        break;
    case -EACCES: case -EPERM:
        set_sense(r, DATA_PROTECT, 0x27, 0); /* write protected */
        break;
    default:
        set_sense(r, ABORTED_COMMAND, 0, 6); /* I/O process terminated */
        break;
    }
}

/* ---- Data ---- */

static size_t copy_in(const ScsiRequest *r, const uint8_t *data, size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < r->num_in && done < size; i++) {
        size_t n = MIN(r->in[i].iov_len, size - done);
        memcpy(r->in[i].iov_base, data + done, n);
        done += n;
    }
    return done;
}

static size_t copy_out(const ScsiRequest *r, uint8_t *data, size_t size)
{
    size_t done = 0;

    for (unsigned i = 0; i < r->num_out && done < size; i++) {
        size_t n = MIN(r->out[i].iov_len, size - done);
        memcpy(data + done, r->out[i].iov_base, n);
        done += n;
    }
    return done;
}

void scsi_answer(ScsiRequest *r, const uint8_t *data, size_t size, uint64_t allocated)
{
    r->moved = copy_in(r, data, (size_t)MIN(size, allocated));
    good(r);
}

/* ---- Block requests ---- */

static uint64_t num_blocks(const ScsiDisk *disk)
{
    return block_size(disk->config.node) / disk->config.topology.logical_block_size;
}

static bool can_discard(const ScsiDisk *disk)
{
    const ScsiDiskConfig *c = &disk->config;

    return c->node && !c->cd && block_discard_granularity(c->node) &&
           !block_is_read_only(c->node) && c->topology.discard_granularity;
}

static bool range_is_there(const ScsiDisk *disk, uint64_t block, uint64_t blocks)
{
    return range_inside(block, blocks, num_blocks(disk));
}

static void next_step(ScsiRequest *r)
{
    ScsiSteps *s = r->steps;
    uint64_t size = s->ranges[s->next].size;

    if (s->fill) {
        size = MIN(size, s->fill_size);
        s->iov = (struct iovec) { s->fill, (size_t)size };
        r->block.iov = &s->iov;
        r->block.iov_count = 1;
    }
    r->block.op = s->op;
    r->block.flags = s->flags;
    r->block.offset = s->ranges[s->next].offset;
    r->block.size = size;
    s->ranges[s->next].offset += size;
    s->ranges[s->next].size -= size;
    if (!s->ranges[s->next].size) {
        s->next++;
    }
    block_submit(r->disk->client, &r->block);
}

static ScsiRequest *request_of(BlockRequest *block)
{
    return (ScsiRequest *)((char *)block - offsetof(ScsiRequest, block));
}

static void on_done(void *opaque, BlockRequest *const *requests, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ScsiRequest *r = request_of(requests[i]);

        if (r->block.result) {
            set_error(r, r->block.result);
        } else if (r->steps && r->steps->next < r->steps->count) {
            next_step(r);
            continue;
        } else {
            r->status = SCSI_GOOD;
        }
        finish(r, false);
    }
}

void scsi_disk_drop(void *opaque, BlockRequest *block)
{
    ScsiRequest *r = request_of(block);

    r->status = SCSI_TASK_ABORTED;
    r->moved = 0;
    finish(r, false);
}

/* A reset says more than a new medium, and that more than a new size. */
void scsi_disk_attention(ScsiDisk *disk, unsigned attention)
{
    unsigned old = __atomic_load_n(&disk->attention, __ATOMIC_RELAXED);

    do {
        if (old == ATTENTION_RESET || (old && attention == ATTENTION_CAPACITY)) {
            return;
        }
    } while (!__atomic_compare_exchange_n(&disk->attention, &old, attention, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

/* What READ CAPACITY would tell is another now. */
static void on_resized(void *opaque)
{
    ScsiDisk *disk = opaque;

    scsi_disk_attention(disk, ATTENTION_CAPACITY);
    if (disk->config.resized) {
        disk->config.resized(disk->config.opaque);
    }
}

static const BlockClientOps client_ops = { on_done, on_resized };

/* ---- Commands with data of the medium ---- */

static bool has_write_cache(const ScsiDisk *disk)
{
    return __atomic_load_n(&disk->write_cache, __ATOMIC_RELAXED);
}

static unsigned slice(const struct iovec *iov, unsigned count, uint64_t size, struct iovec *parts)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count && size; i++) {
        size_t here = MIN(iov[i].iov_len, size);
        parts[n++] = (struct iovec) { iov[i].iov_base, here };
        size -= here;
    }
    return n;
}

static void transfer(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    bool is_write = c->kind == SCSI_WRITE;
    uint64_t size = c->blocks * disk->config.topology.logical_block_size;

    if (is_write && block_is_read_only(disk->config.node)) {
        scsi_check_condition(r, DATA_PROTECT, 0x27, 0);
    } else if (!range_is_there(disk, c->block, c->blocks)) {
        bad_block(r);
    } else if (size > (is_write ? r->out_size : r->in_size)) {
        r->overrun = true;
        good(r);
    } else if (!size) {
        good(r);
    } else {
        unsigned count = is_write ? r->num_out : r->num_in;

        r->parts = g_new(struct iovec, count);
        r->moved = size;
        r->block.op = is_write ? BLOCK_WRITE : BLOCK_READ;
        r->block.flags = is_write && (c->fua || !has_write_cache(disk)) ? BLOCK_FUA : 0;
        r->block.offset = c->block * disk->config.topology.logical_block_size;
        r->block.size = size;
        r->block.iov = r->parts;
        r->block.iov_count = slice(is_write ? r->out : r->in, count, size, r->parts);
        block_submit(disk->client, &r->block);
    }
}

static void synchronize(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    if (!range_is_there(disk, c->block, c->blocks)) {
        bad_block(r);
        return;
    }
    r->block.op = BLOCK_FLUSH;
    block_submit(disk->client, &r->block);
}

static void verify(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    if (range_is_there(disk, c->block, c->blocks)) {
        good(r);
    } else {
        bad_block(r);
    }
}

/* SBC-4, 5.37: a list of ranges. */
static void unmap(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    uint8_t list[UNMAP_HEADER + MAX_RANGES * UNMAP_DESCRIPTOR];
    uint64_t block_size_ = disk->config.topology.logical_block_size;

    if (!can_discard(disk)) {
        bad_command(r);
        return;
    }
    if (!c->allocated) {
        good(r);
        return;
    }
    size_t size = copy_out(r, list, (size_t)MIN(c->allocated, sizeof(list)));
    unsigned told = size < UNMAP_HEADER ? 0 : (unsigned)list[2] << 8 | list[3];
    if (size < UNMAP_HEADER || told > c->allocated - UNMAP_HEADER) {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x1a, 0); /* parameter list length error */
        return;
    }
    if (told / UNMAP_DESCRIPTOR > (size - UNMAP_HEADER) / UNMAP_DESCRIPTOR) {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x26, 0); /* invalid field in parameter list */
        return;
    }
    ScsiSteps *s = g_new0(ScsiSteps, 1);
    s->op = BLOCK_DISCARD;
    r->steps = s;
    for (unsigned i = 0; i < told / UNMAP_DESCRIPTOR; i++) {
        const uint8_t *at = list + UNMAP_HEADER + i * UNMAP_DESCRIPTOR;
        uint64_t block = load_be64(at);
        uint32_t blocks = load_be32(at + 8);

        if (!range_is_there(disk, block, blocks)) {
            bad_block(r);
            return;
        }
        if (blocks) {
            s->ranges[s->count].offset = block * block_size_;
            s->ranges[s->count++].size = (uint64_t)blocks * block_size_;
        }
    }
    r->moved = size;
    if (s->count) {
        next_step(r);
    } else {
        good(r);
    }
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return data[0] == 0 && !memcmp(data, data + 1, size - 1);
}

/* SBC-4, 5.52: one block, written many times. */
static void write_same(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    uint32_t unit = (uint32_t)disk->config.topology.logical_block_size;
    uint64_t blocks = c->blocks || c->block >= num_blocks(disk) ? c->blocks
                                                                : num_blocks(disk) - c->block;

    if (block_is_read_only(disk->config.node)) {
        scsi_check_condition(r, DATA_PROTECT, 0x27, 0);
        return;
    }
    if (!range_is_there(disk, c->block, blocks)) {
        bad_block(r);
        return;
    }
    if (blocks > MAX_WRITE_SAME / unit ||
        (c->unmap && !can_discard(disk))) {
        bad_field(r);
        return;
    }
    g_autofree uint8_t *fill = g_malloc0(unit);
    if (!c->no_data_out && copy_out(r, fill, unit) < unit) {
        r->overrun = true;
        good(r);
        return;
    }
    r->moved = c->no_data_out ? 0 : unit;
    if (!blocks) {
        good(r);
        return;
    }
    ScsiSteps *s = r->steps = g_new0(ScsiSteps, 1);
    s->count = 1;
    s->ranges[0].offset = c->block * unit;
    s->ranges[0].size = blocks * unit;
    s->op = BLOCK_WRITE_ZEROES;
    s->flags = (c->unmap ? BLOCK_MAY_UNMAP : 0) | (has_write_cache(disk) ? 0 : BLOCK_FUA);
    if (!is_zero(fill, unit)) {
        s->op = BLOCK_WRITE;
        s->flags &= ~(unsigned)BLOCK_MAY_UNMAP;
        s->fill_size = MIN(s->ranges[0].size, FILL_SIZE);
        s->fill = g_malloc(s->fill_size);
        for (uint64_t at = 0; at < s->fill_size; at += unit) {
            memcpy(s->fill + at, fill, unit);
        }
    }
    next_step(r);
}

/* ---- Commands about the disk ---- */

static ScsiIdentity identity_of(const ScsiDisk *disk)
{
    const ScsiDiskConfig *c = &disk->config;
    const BlockTopology *t = &c->topology;
    const BlockNode *node = c->node; /* NULL: a drive without a medium */
    uint64_t unit = t->logical_block_size;

    return (ScsiIdentity) {
        .vendor = c->vendor, .product = c->product, .version = c->version, .serial = c->serial,
        .device_id = c->device_id, .wwn = c->wwn,
        .logical_block_size = (uint32_t)unit,
        .physical_block_size = (uint32_t)t->physical_block_size,
        .min_io = (uint32_t)(t->min_io_size / unit), .opt_io = (uint32_t)(t->opt_io_size / unit),
        .max_io = (uint32_t)MIN(c->max_io / unit, UINT32_MAX),
        .discard_granularity = (uint32_t)(t->discard_granularity / unit),
        .max_unmap = c->max_unmap ? (uint32_t)MIN(c->max_unmap / unit, UINT32_MAX) : 0,
        .rotation_rate = c->rotation_rate, .fua = !c->no_fua, .discard = can_discard(disk),
        .removable = c->removable, .cd = c->cd, .locked = c->cd && scsi_tray(disk).locked,
        .read_only = node && block_is_read_only(node), .write_cache = has_write_cache(disk),
        .default_write_cache = !c->write_through,
        .num_blocks = node ? num_blocks(disk) : 0,
        .max_write_same = (uint32_t)(MAX_WRITE_SAME / unit),
    };
}

static void inquiry(const ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    const ScsiIdentity identity = identity_of(disk);
    uint8_t data[SCSI_PAGE_SIZE];
    unsigned size = c->vital ? scsi_vital_page(&identity, c->page, data)
                             : scsi_inquiry(&identity, data);

    if (size) {
        scsi_answer(r, data, size, c->allocated);
    } else {
        bad_field(r);
    }
}

static void mode_sense(const ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    const ScsiIdentity identity = identity_of(disk);
    uint8_t data[SCSI_PAGE_SIZE];

    if (c->page_control == 3) {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x39, 0); /* saving parameters not supported */
        return;
    }
    unsigned size = scsi_mode_sense(&identity, c, data);
    if (size) {
        scsi_answer(r, data, size, c->allocated);
    } else {
        bad_field(r);
    }
}

/* What was cached is made stable before a cache is said to be off. */
static void mode_select(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    const ScsiIdentity identity = identity_of(disk);
    uint8_t data[SCSI_PAGE_SIZE], code;
    size_t size = copy_out(r, data, (size_t)MIN(c->allocated, sizeof(data)));
    bool write_cache;

    if (!c->allocated) {
        good(r);
        return;
    }
    if (size < c->allocated) {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x1a, 0);
        return;
    }
    if (!scsi_mode_select(&identity, c, data, size, &write_cache, &code)) {
        scsi_check_condition(r, ILLEGAL_REQUEST, code, 0);
        return;
    }
    __atomic_store_n(&disk->write_cache, write_cache, __ATOMIC_RELAXED);
    r->moved = size;
    if (identity.write_cache && !write_cache) {
        r->block.op = BLOCK_FLUSH;
        block_submit(disk->client, &r->block);
    } else {
        good(r);
    }
}

static void read_capacity(const ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    const ScsiIdentity identity = identity_of(disk);
    uint8_t data[32] = { 0 };
    uint64_t last = identity.num_blocks - 1;

    if (c->is_long) {
        store_be64(data, last);
        store_be32(data + 8, identity.logical_block_size);
        data[13] = (uint8_t)(g_bit_storage(identity.physical_block_size /
                                           identity.logical_block_size) -
                             1);
        data[14] = identity.discard ? 0x80 : 0; /* LBPME */
    } else {
        store_be32(data, (uint32_t)MIN(last, UINT32_MAX));
        store_be32(data + 4, identity.logical_block_size);
    }
    scsi_answer(r, data, c->is_long ? 32 : 8, c->allocated);
}

static unsigned take_attention(ScsiDisk *disk)
{
    return __atomic_exchange_n(&disk->attention, 0, __ATOMIC_RELAXED);
}

static void request_sense(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    uint8_t sense[SCSI_SENSE_SIZE];

    unsigned attention = take_attention(disk);

    set_sense(r, attention ? UNIT_ATTENTION : NO_SENSE, (uint8_t)(attention >> 8),
              (uint8_t)attention);
    memcpy(sense, r->sense, sizeof(sense));
    scsi_answer(r, sense, sizeof(sense), c->allocated);
}

/* SAM-6, 5.14.7; MMC-6, 4.1.6.1: these are carried out without telling of what is pending. */
static bool is_exempt(ScsiKind kind)
{
    return kind == SCSI_INQUIRY || kind == SCSI_REPORT_LUNS || kind == SCSI_REQUEST_SENSE ||
           kind == SCSI_GET_CONFIGURATION || kind == SCSI_GET_EVENT;
}

static void run(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    switch (c->kind) {
    case SCSI_READ: case SCSI_WRITE:
        transfer(disk, r, c);
        break;
    case SCSI_SYNCHRONIZE:
        synchronize(disk, r, c);
        break;
    case SCSI_UNMAP:
        unmap(disk, r, c);
        break;
    case SCSI_WRITE_SAME:
        write_same(disk, r, c);
        break;
    case SCSI_VERIFY:
        verify(disk, r, c);
        break;
    case SCSI_INQUIRY:
        inquiry(disk, r, c);
        break;
    case SCSI_MODE_SENSE:
        mode_sense(disk, r, c);
        break;
    case SCSI_MODE_SELECT:
        mode_select(disk, r, c);
        break;
    case SCSI_READ_CAPACITY:
        read_capacity(disk, r, c);
        break;
    case SCSI_REQUEST_SENSE:
        request_sense(disk, r, c);
        break;
    case SCSI_TEST_READY: case SCSI_START_STOP: case SCSI_PREVENT_REMOVAL:
        good(r); /* the medium is there, and stays */
        break;
    default: /* REPORT LUNS is the adapter's */
        bad_command(r);
        break;
    }
}

void scsi_submit(ScsiDisk *disk, ScsiRequest *r)
{
    const ScsiCommand c = scsi_parse(r->cdb);
    unsigned attention;

    r->disk = disk;
    if (c.kind == SCSI_UNKNOWN) {
        bad_command(r);
    } else if (c.bad_field) {
        bad_field(r);
    } else if (!is_exempt(c.kind) && (attention = take_attention(disk))) {
        scsi_check_condition(r, UNIT_ATTENTION, (uint8_t)(attention >> 8), (uint8_t)attention);
    } else if (!disk->config.cd || !scsi_cd_run(disk, r, &c)) {
        run(disk, r, &c);
    }
}

void scsi_submit_absent(ScsiRequest *r)
{
    const ScsiCommand c = scsi_parse(r->cdb);
    uint8_t data[36] = { 0x7f, 0, 5, 0x12, sizeof(data) - 5 };

    if (c.kind == SCSI_INQUIRY && !c.vital && !c.bad_field) {
        scsi_answer(r, data, sizeof(data), c.allocated);
    } else {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x25, 0); /* logical unit not supported */
    }
}

/* ---- Life ---- */

void scsi_reset(ScsiDisk *disk)
{
    __atomic_store_n(&disk->attention, ATTENTION_RESET, __ATOMIC_RELAXED);
    __atomic_store_n(&disk->tray_locked, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&disk->write_cache, !disk->config.write_through, __ATOMIC_RELAXED);
}

void scsi_drain(ScsiDisk *disk)
{
    if (disk->client) {
        block_drain(disk->client);
    }
}

bool scsi_disk_attach(ScsiDisk *disk, GError **errp)
{
    const ScsiDiskConfig *config = &disk->config;
    BlockNode *node = config->node;

    if (!block_is_empty(node) && block_size(node) < config->topology.logical_block_size) {
        return error_set(errp, "the disk has %" PRIu64 " bytes, less than one block of %" PRIu64,
                         block_size(node), config->topology.logical_block_size);
    }
    disk->client = block_attach(node, disk->name, !block_is_read_only(node) && !config->cd,
                                config->shared, &client_ops, disk, config->context, errp);
    if (disk->client && disk->path) {
        block_set_on_error(disk->client, config->on_read_error, config->on_write_error, disk->path);
    }
    return disk->client;
}

ScsiDisk *scsi_disk_new(const ScsiDiskConfig *config, GError **errp)
{
    BlockTopology topology = config->topology;

    if (!block_topology_settle(&topology, config->node, MAX_BLOCK_SIZE, errp)) {
        return NULL;
    }
    ScsiDisk *disk = g_new0(ScsiDisk, 1);
    disk->config = *config;
    disk->config.topology = topology;
    disk->name = g_strdup(config->name);
    disk->path = g_strdup(config->path);
    disk->config.name = disk->config.path = NULL;
    disk->attention = ATTENTION_RESET;
    disk->write_cache = !config->write_through;
    if (config->node && !scsi_disk_attach(disk, errp)) {
        g_clear_pointer(&disk, scsi_disk_free);
    }
    return disk;
}

void scsi_disk_free(ScsiDisk *disk)
{
    if (disk) {
        block_detach(disk->client, scsi_disk_drop);
        g_free(disk->name);
        g_free(disk->path);
        g_free(disk);
    }
}
