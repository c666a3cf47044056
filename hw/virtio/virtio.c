/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio device's negotiation and life: Virtio 1.2, 2.1 to 2.5 and 3.1. */
#include <string.h>

#include "system/core/log.h"
#include "virtio-internal.h"

#define COMMON_FEATURES \
    (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)
#define MAX_CONFIG_SIZE 4096

static void lock_machine(const VirtioDevice *device)
{
    if (device->machine_lock) {
        g_mutex_lock(device->machine_lock);
    }
}

static void unlock_machine(const VirtioDevice *device)
{
    if (device->machine_lock) {
        g_mutex_unlock(device->machine_lock);
    }
}

/* ---- What a thread of the device's own leaves to the main loop ---- */

static void fail_now(VirtioDevice *device);
static void change_config_now(VirtioDevice *device);

static gboolean serve_deferred(gpointer opaque)
{
    VirtioDevice *device = opaque;

    lock_machine(device);
    virtio_queues_lock(device);
    g_source_set_ready_time(device->deferred, -1);
    bool failed = device->tell_failed, config = device->tell_config;
    device->tell_failed = device->tell_config = false;
    if (failed) {
        fail_now(device);
    }
    if (config) {
        change_config_now(device);
    }
    virtio_queues_unlock(device);
    unlock_machine(device);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
    return callback(opaque);
}

static GSourceFuncs deferred_funcs = { .dispatch = dispatch };

static void make_deferred(VirtioDevice *device)
{
    device->deferred = g_source_new(&deferred_funcs, sizeof(GSource));
    g_source_set_callback(device->deferred, serve_deferred, device, NULL);
    g_source_attach(device->deferred, NULL);
}

/* The device's lock is held. */
static void defer(VirtioDevice *device, bool *what)
{
    *what = true;
    g_source_set_ready_time(device->deferred, 0);
}

/* ---- Life ---- */

VirtioDevice *virtio_new(const VirtioClass *class, void *opaque,
                         const VirtioEnvironment *environment)
{
    VirtioDevice *device = g_new0(VirtioDevice, 1);

    g_assert(class->config_size <= MAX_CONFIG_SIZE && class->notify);
    device->class = class;
    device->opaque = opaque;
    device->memory = environment->memory;
    device->machine_lock = environment->machine_lock;
    device->context = environment->context;
    g_mutex_init(&device->lock);
    if (device->context) {
        make_deferred(device);
    }
    device->name = g_strdup(environment->name ? environment->name : class->name);
    device->queues = g_ptr_array_new_with_free_func((GDestroyNotify)virtqueue_free);
    device->offered = COMMON_FEATURES | (class->stop_queue ? VIRTIO_F_RING_RESET : 0);
    return device;
}

static void stop(VirtioDevice *device)
{
    if (device->started) {
        device->started = false;
        if (device->class->stop) {
            device->class->stop(device->opaque);
        }
    }
}

static void tell_changed(VirtioDevice *device)
{
    if (device->transport && device->transport->changed) {
        device->transport->changed(device->transport_opaque);
    }
}

void virtio_free(VirtioDevice *device)
{
    if (device) {
        virtio_queues_lock(device);
        stop(device);
        virtio_queues_unlock(device);
        if (device->class->gone) {
            device->class->gone(device->opaque);
        }
        if (device->deferred) {
            g_source_destroy(device->deferred);
            g_source_unref(device->deferred);
        }
        g_mutex_clear(&device->lock);
        g_ptr_array_free(device->queues, TRUE);
        g_free(device->name);
        g_free(device);
    }
}

void virtio_connect(VirtioDevice *device, const VirtioTransportOps *ops, void *opaque)
{
    device->transport = ops;
    device->transport_opaque = opaque;
}

void virtio_offer(VirtioDevice *device, uint64_t features)
{
    device->offered |= features;
}

void virtio_withhold(VirtioDevice *device, uint64_t features)
{
    device->offered &= ~features;
}

const VirtioClass *virtio_class(const VirtioDevice *device)
{
    return device->class;
}

const char *virtio_name(const VirtioDevice *device)
{
    return device->name;
}

uint64_t virtio_offered(const VirtioDevice *device)
{
    return device->offered;
}

uint64_t virtio_features(const VirtioDevice *device)
{
    return device->status & VIRTIO_STATUS_FEATURES_OK ? device->accepted : 0;
}

bool virtio_is_started(const VirtioDevice *device)
{
    return device->started;
}

VirtQueue *virtio_queue(VirtioDevice *device, unsigned index)
{
    return index < device->queues->len ? device->queues->pdata[index] : NULL;
}

unsigned virtio_num_queues(const VirtioDevice *device)
{
    return device->queues->len;
}

GMainContext *virtio_context(const VirtioDevice *device)
{
    return device->context;
}

GMutex *virtio_queues_mutex(VirtioDevice *device)
{
    return device->context ? &device->lock : device->machine_lock;
}

void virtio_lock(VirtioDevice *device)
{
    GMutex *mutex = virtio_queues_mutex(device);

    if (mutex) {
        g_mutex_lock(mutex);
    }
}

void virtio_unlock(VirtioDevice *device)
{
    GMutex *mutex = virtio_queues_mutex(device);

    if (mutex) {
        g_mutex_unlock(mutex);
    }
}

/* ---- Status ---- */

static void reset(VirtioDevice *device)
{
    stop(device);
    device->status = 0;
    device->accepted = 0;
    device->failed = device->tell_failed = false;
    for (unsigned i = 0; i < device->queues->len; i++) {
        virtqueue_clear(device->queues->pdata[i]);
    }
    tell_changed(device);
}

/*
 * 2.2.2: what was not offered, or the lack of what this device cannot do without, is not accepted.
 */
static bool features_are_fine(const VirtioDevice *device)
{
    if ((device->accepted & ~device->offered) || !(device->accepted & VIRTIO_F_VERSION_1)) {
        return false;
    }
    return !device->class->accept_features ||
           device->class->accept_features(device->opaque, device->accepted);
}

uint8_t virtio_status(const VirtioDevice *device)
{
    return device->status;
}

static void set_status(VirtioDevice *device, uint8_t status)
{
    if (status == 0) {
        reset(device);
        return;
    }
    uint8_t new = (status & ~VIRTIO_STATUS_NEEDS_RESET) & ~device->status;
    if ((new & VIRTIO_STATUS_FEATURES_OK) && !features_are_fine(device)) {
        new &= ~(VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
    }
    if (!((device->status | new) & VIRTIO_STATUS_FEATURES_OK)) {
        new &= ~VIRTIO_STATUS_DRIVER_OK;
    }
    device->status |= new; /* bits are only added: 2.1.1 */
    if ((new & VIRTIO_STATUS_DRIVER_OK) && !device->failed) {
        device->started = true;
        if (device->class->start) {
            device->class->start(device->opaque);
        }
        tell_changed(device);
    }
}

void virtio_set_status(VirtioDevice *device, uint8_t status)
{
    virtio_queues_lock(device);
    set_status(device, status);
    virtio_queues_unlock(device);
}

void virtio_set_driver_features(VirtioDevice *device, unsigned half, uint32_t features)
{
    if (!(device->status & VIRTIO_STATUS_FEATURES_OK) && half < 2) {
        device->accepted &= ~((uint64_t)UINT32_MAX << 32 * half);
        device->accepted |= (uint64_t)features << 32 * half;
    }
}

uint64_t virtio_driver_features(const VirtioDevice *device)
{
    return device->accepted;
}

static void fail_now(VirtioDevice *device)
{
    device->status |= VIRTIO_STATUS_NEEDS_RESET;
    stop(device);
    tell_changed(device);
    if ((device->status & VIRTIO_STATUS_DRIVER_OK) && device->transport) {
        /* 2.1.2: only after DRIVER_OK */
        device->transport->interrupt(device->transport_opaque, NULL);
    }
}

void virtio_fail(VirtioDevice *device, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    log_item(LOG_GUEST_ERRORS, "%s (%s): %s", device->name, device->class->name, what);
    if (!device->reported) {
        g_autofree char *text = g_strdup_printf(
            "%s (%s): %s; the device needs a reset by the guest. Further errors of this "
            "device are logged with -d guest_errors",
            device->name, device->class->name, what);
        device->reported = true;
        report_warning(text);
    }
    if (device->failed) {
        return;
    }
    device->failed = true;
    if (device->context) {
        defer(device, &device->tell_failed);
    } else {
        fail_now(device);
    }
}

/* ---- Configuration ---- */

static void change_config_now(VirtioDevice *device)
{
    if (device->config_read) { /* a driver that has not looked cannot have seen half of each */
        device->generation++;
        device->config_read = false;
    }
    if ((device->status & VIRTIO_STATUS_DRIVER_OK) && device->transport) {
        device->transport->interrupt(device->transport_opaque, NULL);
    }
}

void virtio_config_changed(VirtioDevice *device)
{
    if (device->context) {
        defer(device, &device->tell_config);
    } else {
        change_config_now(device);
    }
}

uint8_t virtio_config_generation(VirtioDevice *device)
{
    return device->generation;
}

static void fill_config(const VirtioDevice *device, uint8_t *config)
{
    memset(config, 0, device->class->config_size);
    if (device->class->get_config) {
        device->class->get_config(device->opaque, config);
    }
}

uint64_t virtio_config_read(VirtioDevice *device, unsigned offset, unsigned size)
{
    uint8_t config[MAX_CONFIG_SIZE];
    uint64_t value = 0;

    virtio_queues_lock(device);
    fill_config(device, config);
    device->config_read = true;
    virtio_queues_unlock(device);
    for (unsigned i = 0; i < size && offset + i < device->class->config_size; i++) {
        value |= (uint64_t)config[offset + i] << 8 * i;
    }
    return value;
}

void virtio_config_write(VirtioDevice *device, unsigned offset, uint64_t value, unsigned size)
{
    uint8_t config[MAX_CONFIG_SIZE];

    if (!device->class->set_config || offset >= device->class->config_size ||
        size > device->class->config_size - offset) {
        return;
    }
    virtio_queues_lock(device);
    fill_config(device, config);
    for (unsigned i = 0; i < size; i++) {
        config[offset + i] = value >> 8 * i;
    }
    device->class->set_config(device->opaque, config, offset, size);
    virtio_queues_unlock(device);
}
