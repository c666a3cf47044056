/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio SCSI requests become SCSI requests. Virtio 1.2, 5.6. */
#include "hw/virtio/virtio-scsi.h"

#include <string.h>

#include "util/bytes.h"
#include "util/error.h"

enum { QUEUE_CONTROL, QUEUE_EVENT, QUEUE_REQUEST };

/* struct virtio_scsi_config: 5.6.4 */
enum {
    CONFIG_NUM_QUEUES = 0, CONFIG_SEG_MAX = 4, CONFIG_MAX_SECTORS = 8, CONFIG_CMD_PER_LUN = 12,
    CONFIG_EVENT_SIZE = 16, CONFIG_SENSE_SIZE = 20, CONFIG_CDB_SIZE = 24, CONFIG_MAX_CHANNEL = 28,
    CONFIG_MAX_TARGET = 30, CONFIG_MAX_LUN = 32, CONFIG_SIZE = 36,
};
#define VIRTIO_SCSI_F_HOTPLUG (UINT64_C(1) << 1)
#define VIRTIO_SCSI_F_CHANGE (UINT64_C(1) << 2)
#define EVENT_SIZE 16
#define SENSE_SIZE 96
#define MAX_SENSE_SIZE 252
#define MIN_CDB_SIZE 16

/* struct virtio_scsi_req_cmd: 5.6.6.1 */
enum { REQUEST_LUN = 0, REQUEST_CDB = 19 };
enum { RESPONSE_SENSE_LENGTH = 0, RESPONSE_RESIDUAL = 4, RESPONSE_STATUS = 10,
       RESPONSE_RESPONSE = 11, RESPONSE_SENSE = 12 };
enum { OK = 0, OVERRUN = 1, ABORTED = 2, BAD_TARGET = 3, FUNCTION_SUCCEEDED = 10,
       FUNCTION_REJECTED = 11, INCORRECT_LUN = 12 };

/* Control requests: 5.6.6.2 */
enum { CONTROL_TASK_MANAGEMENT = 0, CONTROL_EVENT_QUERY = 1, CONTROL_EVENT_SUBSCRIBE = 2 };
enum {
    ABORT_TASK = 0, ABORT_TASK_SET = 1, CLEAR_ACA = 2, CLEAR_TASK_SET = 3, I_T_NEXUS_RESET = 4,
    LOGICAL_UNIT_RESET = 5, QUERY_TASK = 6, QUERY_TASK_SET = 7,
};
#define MANAGEMENT_SIZE 24
#define EVENT_REQUEST_SIZE 16

/* Events: 5.6.6.3 */
enum { EVENT_NONE = 0, EVENT_TRANSPORT_RESET = 1, EVENT_PARAM_CHANGE = 3 };
#define EVENTS_MISSED (UINT32_C(1) << 31)
enum { REASON_RESCAN = 1, REASON_REMOVED = 2, REASON_CAPACITY = 0x2a | 0x09 << 8 };

struct VirtioScsi {
    VirtioDevice *device;
    VirtioScsiConfig config;
    ScsiBus *bus;
    uint32_t sense_size, cdb_size;
    unsigned running;     /* requests under way */
    bool events_missed;   /* there was no buffer for one */
    GQueue waiting;       /* of Waiting: task management that answers when none is */
};

typedef struct Waiting {
    VirtqElement *element;
    VirtQueue *queue;
    uint8_t response;
} Waiting;

typedef struct Request {
    ScsiRequest scsi;
    VirtioScsi *owner;
    VirtQueue *queue;
    VirtqElement *element;
    uint32_t sense_size;
    struct iovec iov[]; /* of the data: out, then in */
} Request;

/* ---- Answers ---- */

static void answer(Request *request, uint8_t response)
{
    const ScsiRequest *scsi = &request->scsi;
    uint8_t head[RESPONSE_SENSE + MAX_SENSE_SIZE] = { 0 };
    bool sense = response == OK && scsi->status == SCSI_CHECK_CONDITION;
    uint64_t asked = scsi->out_size ? scsi->out_size : scsi->in_size;

    if (sense) {
        uint32_t size = MIN(SCSI_SENSE_SIZE, request->sense_size);
        store_le32(head + RESPONSE_SENSE_LENGTH, size);
        memcpy(head + RESPONSE_SENSE, scsi->sense, size);
    }
    store_le32(head + RESPONSE_RESIDUAL, (uint32_t)(asked - MIN(asked, scsi->moved)));
    head[RESPONSE_STATUS] = response == OK ? scsi->status : 0;
    head[RESPONSE_RESPONSE] = response;
    uint32_t size = RESPONSE_SENSE + request->sense_size;
    if (virtqueue_is_awaited(request->queue, request->element)) {
        virtq_write(request->element, 0, head, size);
    }
    virtqueue_push(request->queue, request->element,
                   size + (scsi->in_size && !scsi->out_size ? (uint32_t)scsi->moved : 0));
    g_free(request);
}

static void answer_control(VirtQueue *queue, VirtqElement *element, uint8_t response)
{
    virtq_write(element, 0, &response, 1);
    virtqueue_push(queue, element, 1);
}

static void answer_waiting(VirtioScsi *scsi)
{
    Waiting *waiting;
    VirtQueue *queue = NULL;

    while (!scsi->running && (waiting = g_queue_pop_head(&scsi->waiting))) {
        queue = waiting->queue;
        answer_control(queue, waiting->element, waiting->response);
        g_free(waiting);
    }
    if (queue) {
        virtqueue_notify(queue);
    }
}

static void done(ScsiRequest *scsi, bool locked)
{
    Request *request = (Request *)scsi;
    VirtioScsi *owner = request->owner;
    VirtQueue *queue = request->queue;

    if (!locked) {
        virtio_lock(owner->device);
    }
    owner->running--;
    answer(request, scsi->overrun ? OVERRUN : scsi->status == SCSI_TASK_ABORTED ? ABORTED : OK);
    if (!locked) { /* else the queue is told of all at the end */
        virtqueue_notify(queue);
        answer_waiting(owner);
        virtio_unlock(owner->device);
    }
}

/* ---- Requests ---- */

/* 5.6.6.1: one byte 1, the target, the LUN in single-level form. */
static bool parse_lun(const uint8_t lun[8], unsigned *target, unsigned *unit)
{
    unsigned method = lun[2] & 0xc0;

    *target = lun[1];
    *unit = (lun[2] & 0x3fu) << 8 | lun[3];
    return lun[0] == 1 && (method == 0x40 || (method == 0 && *unit < 256));
}

static void report_luns(const VirtioScsi *scsi, ScsiRequest *request, unsigned target,
                        const ScsiCommand *command)
{
    g_autoptr(GByteArray) luns = scsi_bus_luns(scsi->bus, target);

    scsi_answer(request, luns->data, luns->len, command->allocated);
}

static void dispatch(VirtioScsi *scsi, Request *request, const uint8_t *lun)
{
    const ScsiCommand command = scsi_parse(request->scsi.cdb);
    unsigned target, unit;
    bool there = false;
    ScsiDisk *disk = parse_lun(lun, &target, &unit) && scsi->bus
                         ? scsi_bus_find(scsi->bus, target, unit, &there)
                         : NULL;

    if (!there) {
        answer(request, BAD_TARGET);
        return;
    }
    scsi->running++;
    if (command.kind == SCSI_REPORT_LUNS && !command.bad_field) {
        report_luns(scsi, &request->scsi, target, &command);
    } else if (disk) {
        scsi_submit(disk, &request->scsi);
    } else {
        scsi_submit_absent(&request->scsi);
    }
}

static bool handle_request(VirtioScsi *scsi, VirtQueue *queue, VirtqElement *element)
{
    uint8_t head[REQUEST_CDB + SCSI_CDB_SIZE] = { 0 };
    uint32_t head_size = REQUEST_CDB + scsi->cdb_size,
             answer_size = RESPONSE_SENSE + scsi->sense_size;

    if (virtq_read(element, 0, head, head_size) < head_size || element->in_size < answer_size) {
        virtqueue_fail(queue, element,
                       "a request of %" PRIu64 " bytes to read and %" PRIu64
                       " to write, at least %u and %u needed",
                       element->out_size, element->in_size, head_size, answer_size);
        return false;
    }
    Request *request = g_malloc0(sizeof(*request) +
                                 (element->num_out + element->num_in) * sizeof(struct iovec));
    struct iovec *in = request->iov + element->num_out;
    request->owner = scsi;
    request->queue = queue;
    request->element = element;
    request->sense_size = scsi->sense_size;
    memcpy(request->scsi.cdb, head + REQUEST_CDB, scsi->cdb_size);
    request->scsi.done = done;
    request->scsi.out_size = element->out_size - head_size;
    request->scsi.in_size = element->in_size - answer_size;
    request->scsi.num_out = virtq_slice(element->out, element->num_out, head_size,
                                        request->scsi.out_size, request->iov);
    request->scsi.num_in = virtq_slice(element->in, element->num_in, answer_size,
                                       request->scsi.in_size, in);
    request->scsi.out = request->iov;
    request->scsi.in = in;
    dispatch(scsi, request, head + REQUEST_LUN);
    return true;
}

/* ---- Control ---- */

static void reset_target(const VirtioScsi *scsi, unsigned target, ScsiDisk *only)
{
    for (unsigned i = 0; i < scsi->bus->disks->len; i++) {
        const ScsiDevice *device = scsi->bus->disks->pdata[i];

        if (device->target == target && (!only || only == device->disk)) {
            scsi_reset(device->disk);
        }
    }
}

/*
 * 5.6.6.2.1. Requests under way end by themselves, and are not to be seen after the answer: it
 * waits for them. *waits: so it is.
 */
static uint8_t manage_tasks(const VirtioScsi *scsi, const uint8_t *request, bool *waits)
{
    unsigned target, unit;
    bool there = false;
    ScsiDisk *disk = parse_lun(request + 8, &target, &unit) && scsi->bus
                         ? scsi_bus_find(scsi->bus, target, unit, &there)
                         : NULL;
    uint32_t subtype = load_le32(request + 4);

    *waits = false;
    if (!there) {
        return BAD_TARGET;
    }
    if (!disk && subtype != I_T_NEXUS_RESET) {
        return INCORRECT_LUN;
    }
    switch (subtype) {
    case LOGICAL_UNIT_RESET: case I_T_NEXUS_RESET:
        reset_target(scsi, target, subtype == LOGICAL_UNIT_RESET ? disk : NULL);
        *waits = true;
        return OK;
    case ABORT_TASK: case ABORT_TASK_SET: case CLEAR_TASK_SET:
        *waits = true;
        return OK;
    case QUERY_TASK: case QUERY_TASK_SET:
        return scsi->running ? FUNCTION_SUCCEEDED : OK;
    default:
        return FUNCTION_REJECTED;
    }
}

static bool handle_control(VirtioScsi *scsi, VirtQueue *queue, VirtqElement *element)
{
    uint8_t request[MANAGEMENT_SIZE] = { 0 };
    size_t size = virtq_read(element, 0, request, sizeof(request));
    uint32_t type = load_le32(request);
    bool is_event = type == CONTROL_EVENT_QUERY || type == CONTROL_EVENT_SUBSCRIBE, waits;

    if (size < 4 || size < (is_event ? EVENT_REQUEST_SIZE : MANAGEMENT_SIZE) ||
        element->in_size < (is_event ? 5 : 1)) {
        virtqueue_fail(queue, element,
                       "a control request of %" PRIu64 " bytes to read and %" PRIu64 " to write",
                       element->out_size, element->in_size);
        return false;
    }
    if (is_event) { /* of no events */
        const uint8_t none[5] = { 0, 0, 0, 0, OK };
        virtq_write(element, 0, none, sizeof(none));
        virtqueue_push(queue, element, sizeof(none));
        return true;
    }
    uint8_t response = type == CONTROL_TASK_MANAGEMENT ? manage_tasks(scsi, request, &waits)
                                                       : (waits = false, FUNCTION_REJECTED);
    if (waits && scsi->running) {
        Waiting *waiting = g_new(Waiting, 1);
        *waiting = (Waiting) { element, queue, response };
        g_queue_push_tail(&scsi->waiting, waiting);
    } else {
        answer_control(queue, element, response);
    }
    return true;
}

/* ---- Events ---- */

/* device NULL: of none. */
static void send_event(VirtioScsi *scsi, uint32_t event, const ScsiDevice *device, uint32_t reason)
{
    VirtQueue *queue = virtio_queue(scsi->device, QUEUE_EVENT);
    VirtqElement *element = virtqueue_pop(queue);
    uint8_t data[EVENT_SIZE] = { 0 };

    if (!element) {
        scsi->events_missed = virtio_is_started(scsi->device);
        return;
    }
    if (element->in_size < EVENT_SIZE) {
        virtqueue_fail(queue, element,
                       "a buffer of %" PRIu64 " bytes for an event, at least %u needed",
                       element->in_size, EVENT_SIZE);
        return;
    }
    store_le32(data, event | (scsi->events_missed ? EVENTS_MISSED : 0));
    if (device) {
        data[4] = 1;
        data[5] = (uint8_t)device->target;
        /*
         * As REPORT LUNS has it, and not as requests do: drivers/scsi/virtio_scsi.c takes it for
         * the number.
         */
        data[6] = device->lun < 256 ? 0 : (uint8_t)(0x40 | device->lun >> 8);
        data[7] = (uint8_t)device->lun;
    }
    store_le32(data + 12, reason);
    scsi->events_missed = false;
    virtq_write(element, 0, data, sizeof(data));
    virtqueue_push(queue, element, sizeof(data));
    virtqueue_notify(queue);
}

static void bus_changed(void *opaque, const ScsiDevice *device, ScsiChange change)
{
    VirtioScsi *scsi = opaque;

    if (change == SCSI_RESIZED && virtio_has(scsi->device, VIRTIO_SCSI_F_CHANGE)) {
        send_event(scsi, EVENT_PARAM_CHANGE, device, REASON_CAPACITY);
    } else if (change != SCSI_RESIZED && virtio_has(scsi->device, VIRTIO_SCSI_F_HOTPLUG)) {
        send_event(scsi, EVENT_TRANSPORT_RESET, device,
                   change == SCSI_ADDED ? REASON_RESCAN : REASON_REMOVED);
    }
}

/* ---- The device ---- */

static void notify(void *opaque, VirtQueue *queue)
{
    VirtioScsi *scsi = opaque;
    VirtqElement *element;

    if (virtqueue_index(queue) == QUEUE_EVENT) {
        if (scsi->events_missed) { /* its buffers wait for events */
            send_event(scsi, EVENT_NONE, NULL, 0);
        }
        return;
    }
    do {
        virtqueue_want_notify(queue, false);
        while ((element = virtqueue_pop(queue))) {
            if (!(virtqueue_index(queue) == QUEUE_CONTROL ? handle_control
                                                          : handle_request)(scsi, queue, element)) {
                return;
            }
        }
        virtqueue_want_notify(queue, true);
    } while (!virtqueue_is_empty(queue));
    virtqueue_notify(queue);
}

static void drain(const VirtioScsi *scsi)
{
    for (unsigned i = 0; scsi->bus && i < scsi->bus->disks->len; i++) {
        scsi_drain(((const ScsiDevice *)scsi->bus->disks->pdata[i])->disk);
    }
}

static void drop_waiting(VirtioScsi *scsi, const VirtQueue *queue)
{
    for (GList *next, *link = scsi->waiting.head; link; link = next) {
        Waiting *waiting = link->data;

        next = link->next;
        if (!queue || waiting->queue == queue) {
            virtq_element_free(waiting->element);
            g_free(waiting);
            g_queue_delete_link(&scsi->waiting, link);
        }
    }
}

static void stop(void *opaque)
{
    VirtioScsi *scsi = opaque;

    drain(scsi);
    drop_waiting(scsi, NULL);
    scsi->events_missed = false;
    scsi->sense_size = SENSE_SIZE; /* 5.6.4.2 */
    scsi->cdb_size = SCSI_CDB_SIZE;
}

static void stop_queue(void *opaque, VirtQueue *queue)
{
    drain(opaque);
    drop_waiting(opaque, queue);
}

static void get_config(void *opaque, uint8_t *config)
{
    const VirtioScsi *scsi = opaque;

    store_le32(config + CONFIG_NUM_QUEUES, scsi->config.num_queues);
    /* beside request and response */
    store_le32(config + CONFIG_SEG_MAX, scsi->config.queue_size - 2);
    store_le32(config + CONFIG_MAX_SECTORS, scsi->config.max_sectors);
    store_le32(config + CONFIG_CMD_PER_LUN, scsi->config.cmd_per_lun);
    store_le32(config + CONFIG_EVENT_SIZE, EVENT_SIZE);
    store_le32(config + CONFIG_SENSE_SIZE, scsi->sense_size);
    store_le32(config + CONFIG_CDB_SIZE, scsi->cdb_size);
    store_le16(config + CONFIG_MAX_TARGET, SCSI_MAX_TARGET);
    store_le32(config + CONFIG_MAX_LUN, SCSI_MAX_LUN);
}

/* What is not possible is not taken; the driver reads back what is. */
static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    VirtioScsi *scsi = opaque;
    uint32_t sense = load_le32(config + CONFIG_SENSE_SIZE),
             cdb = load_le32(config + CONFIG_CDB_SIZE);

    if (sense <= MAX_SENSE_SIZE) {
        scsi->sense_size = sense;
    }
    if (cdb >= MIN_CDB_SIZE && cdb <= SCSI_CDB_SIZE) {
        scsi->cdb_size = cdb;
    }
}

static const VirtioClass scsi_class = {
    .name = "virtio-scsi", .id = VIRTIO_ID_SCSI, .config_size = CONFIG_SIZE,
    .get_config = get_config, .set_config = set_config,
    .stop = stop, .notify = notify, .stop_queue = stop_queue,
};

VirtioScsi *virtio_scsi_new(const VirtioScsiConfig *config, const VirtioEnvironment *environment,
                            GError **errp)
{
    if (!config->num_queues || config->num_queues > VIRTIO_SCSI_MAX_QUEUES) {
        error_set(errp, "num_queues is %u, must be 1 to %u", config->num_queues,
                  VIRTIO_SCSI_MAX_QUEUES);
        return NULL;
    }
    if (config->queue_size < 4 || config->queue_size > VIRTIO_MAX_QUEUE_SIZE ||
        (config->queue_size & (config->queue_size - 1))) {
        error_set(errp, "virtqueue_size is %u, must be a power of 2 from 4 to %u",
                  config->queue_size, VIRTIO_MAX_QUEUE_SIZE);
        return NULL;
    }
    VirtioScsi *scsi = g_new0(VirtioScsi, 1);
    scsi->config = *config;
    scsi->sense_size = SENSE_SIZE;
    scsi->cdb_size = SCSI_CDB_SIZE;
    g_queue_init(&scsi->waiting);
    scsi->device = virtio_new(&scsi_class, scsi, environment);
    virtio_offer(scsi->device, (config->no_hotplug ? 0 : VIRTIO_SCSI_F_HOTPLUG) |
                                   (config->no_change ? 0 : VIRTIO_SCSI_F_CHANGE));
    for (unsigned i = 0; i < QUEUE_REQUEST + config->num_queues; i++) {
        virtio_add_queue(scsi->device, config->queue_size);
    }
    return scsi;
}

VirtioDevice *virtio_scsi_device(const VirtioScsi *scsi)
{
    return scsi->device;
}

void virtio_scsi_set_bus(VirtioScsi *scsi, ScsiBus *bus)
{
    scsi->bus = bus;
    bus->changed = bus_changed;
    bus->opaque = scsi;
}

void virtio_scsi_free(VirtioScsi *scsi)
{
    if (scsi) {
        drop_waiting(scsi, NULL);
        g_free(scsi);
    }
}
