/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See vhost-user-device.h. */
#include "hw/virtio/vhost-user-device.h"

#include <string.h>

#include <glib-unix.h>

#include "system/core/log.h"
#include "util/error.h"

/* How long the machine's start waits for a back end that is being started beside it. */
#define AWAIT_MS 15000
/* Features whose meaning needs nothing of this side */
#define RING_FEATURES (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

struct VhostUserDevice {
    VhostUserDeviceConfig config;
    VirtioClass class;
    VirtioDevice *device;
    Vhost vhost;
    VhostUser *user;       /* NULL: nobody is there */
    GSource *watch;
    bool making;
    uint64_t features;     /* those of the first back end: others must have them too */
    uint8_t data[VHOST_USER_MAX_CONFIG];
};

/* ---- Connecting ---- */

static gboolean on_time(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

bool vhost_user_await(Chardev *chardev, GError **errp)
{
    bool late = false;

    if (!chardev_is_open(chardev) && chardev_may_return(chardev)) {
        g_autoptr(GSource) timer = g_timeout_source_new(AWAIT_MS);

        g_source_set_callback(timer, on_time, &late, NULL);
        g_source_attach(timer, NULL);
        while (!late && !chardev_is_open(chardev)) {
            g_main_context_iteration(NULL, TRUE);
        }
        g_source_destroy(timer);
    }
    if (!chardev_is_open(chardev)) {
        error_set(errp, "chardev '%s' (%s) has no vhost-user back end at its other end",
                  chardev_label(chardev), chardev_filename(chardev));
        error_hint(errp, "Start the back end first");
        return false;
    }
    return true;
}

static bool check_ram(const VirtioEnvironment *environment, const char *name, GError **errp)
{
    for (unsigned i = 0; i < environment->num_ram; i++) {
        if (environment->ram[i].shareable) {
            return true;
        }
    }
    error_set(errp, "%s: the machine's RAM is no file that a vhost-user back end can map", name);
    error_hint(errp, "Add -object memory-backend-memfd,id=ram0,size=SIZE,share=on -machine "
                     "memory-backend=ram0, with SIZE as in -m");
    return false;
}

static bool get_config(VhostUserDevice *d, VhostUser *user, GError **errp)
{
    return !d->config.config_told ||
           vhost_user_get_config(user, d->data, d->config.config_size, errp);
}

static bool check_back_end(const VhostUserDevice *d, const VhostUser *user, GError **errp)
{
    if (d->features & ~vhost_user_features(user)) {
        return error_set(errp, "the back end lacks features of the one before it: 0x%" PRIx64,
                         d->features & ~vhost_user_features(user));
    }
    if (d->config.queues_told && d->config.num_queues > vhost_user_max_queues(user)) {
        error_set(errp, "the back end has %u queue%s, and the device is to have %u",
                  vhost_user_max_queues(user), vhost_user_max_queues(user) == 1 ? "" : "s",
                  d->config.num_queues);
        error_hint(errp, "Give the device num-queues=%u, or the back end more queues",
                   vhost_user_max_queues(user));
        return false;
    }
    return true;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer opaque)
{
    VhostUserDevice *d = opaque;
    bool ended = false;

    virtio_lock(d->device);
    if (!g_source_is_destroyed(g_main_current_source())) {
        g_source_set_ready_time(d->watch, -1);
        ended = !vhost_user_check(d->user, NULL);
    }
    virtio_unlock(d->device);
    if (ended) {
        chardev_raw_hang_up(d->config.chardev); /* on_event() hears of it */
    }
    return G_SOURCE_CONTINUE;
}

static bool connect_back_end(VhostUserDevice *d, const char *name, GError **errp)
{
    VhostUser *user = vhost_user_new(chardev_raw_socket(d->config.chardev), name);

    if (!vhost_user_negotiate(user, errp) || !check_back_end(d, user, errp) ||
        !get_config(d, user, errp)) {
        vhost_user_free(user);
        return false;
    }
    d->user = d->vhost.opaque = user;
    d->watch = g_unix_fd_source_new(vhost_user_fd(user), G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(d->watch, G_SOURCE_FUNC(on_readable), d, NULL);
    g_source_attach(d->watch, NULL);
    return true;
}

static void disconnect(VhostUserDevice *d)
{
    if (d->watch) {
        g_source_destroy(d->watch);
        g_clear_pointer(&d->watch, g_source_unref);
    }
    g_clear_pointer(&d->user, vhost_user_free);
}

/* ---- The back end goes, and returns ---- */

static bool may_wait(const VhostUserDevice *d)
{
    return d->config.may_lose && chardev_may_return(d->config.chardev);
}

static void warn(const VhostUserDevice *d, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s (%s): %s", virtio_name(d->device), d->config.name,
                                            what);

    report_warning(text);
}

static void on_lost(VhostUserDevice *d)
{
    if (!d->user) {
        return;
    }
    vhost_lost(&d->vhost);
    disconnect(d);
    if (virtio_is_started(d->device) && !may_wait(d)) {
        virtio_fail(d->device, "the back end at chardev '%s' has gone",
                    chardev_label(d->config.chardev));
    } else {
        warn(d, chardev_may_return(d->config.chardev)
                    ? "the back end has gone; the device waits for its return"
                    : "the back end has gone");
    }
    virtio_config_changed(d->device);
}

/* False: this is no back end to go on with. */
static bool on_return(VhostUserDevice *d, GError **errp)
{
    if (!connect_back_end(d, virtio_name(d->device), errp)) {
        return false;
    }
    if (virtio_is_started(d->device) && !vhost_resume(&d->vhost, errp)) {
        return false;
    }
    warn(d, "a back end is there again");
    virtio_config_changed(d->device);
    return true;
}

static void on_event(void *opaque, ChardevEvent event)
{
    VhostUserDevice *d = opaque;
    g_autoptr(GError) err = NULL;
    bool fine = true;

    if (d->making || (event != CHARDEV_OPENED && event != CHARDEV_CLOSED)) {
        return;
    }
    virtio_lock(d->device);
    if (event == CHARDEV_CLOSED) {
        on_lost(d);
    } else {
        fine = on_return(d, &err);
    }
    virtio_unlock(d->device);
    if (!fine) {
        warn(d, err->message);
        chardev_raw_hang_up(d->config.chardev);
    }
}

static unsigned can_receive(void *opaque)
{
    return 0;
}

static const ChardevFrontend frontend = { .can_receive = can_receive, .event = on_event };

/* ---- The virtio device ---- */

static void fill_config(void *opaque, uint8_t *config)
{
    const VhostUserDevice *d = opaque;

    memcpy(config, d->data, d->config.config_size);
    if (d->config.fill_config) {
        d->config.fill_config(d->config.opaque, config);
    }
}

static void set_config(void *opaque, const uint8_t *config, unsigned offset, unsigned size)
{
    VhostUserDevice *d = opaque;
    g_autoptr(GError) err = NULL;

    if (!d->config.config_told || !d->user) {
        return;
    }
    if (vhost_user_set_config(d->user, offset, config + offset, size, &err)) {
        memcpy(d->data + offset, config + offset, size);
    } else {
        log_item(LOG_GUEST_ERRORS, "%s (%s): configuration [%u, %u) not written: %s",
                 virtio_name(d->device), d->config.name, offset, offset + size, err->message);
    }
}

/* A back end that broke the protocol is cut off by the main loop, which is where chardevs live. */
static void look_after(VhostUserDevice *d)
{
    if (d->user && vhost_user_is_broken(d->user)) {
        g_source_set_ready_time(d->watch, 0);
    }
}

static void start(void *opaque)
{
    VhostUserDevice *d = opaque;

    if (d->user) {
        vhost_start(&d->vhost);
    } else if (!may_wait(d)) {
        virtio_fail(d->device, "no back end is at chardev '%s'", chardev_label(d->config.chardev));
    }
    look_after(d);
}

static void start_queue(void *opaque, VirtQueue *queue)
{
    VhostUserDevice *d = opaque;

    vhost_start_queue(&d->vhost, queue);
    look_after(d);
}

static void stop(void *opaque)
{
    VhostUserDevice *d = opaque;

    vhost_stop(&d->vhost);
    look_after(d);
}

/* Only while nobody serves the queue: the guest's requests wait in it. */
static void notify(void *opaque, VirtQueue *queue)
{
}

static void make_device(VhostUserDevice *d, const VirtioEnvironment *environment)
{
    uint64_t theirs = vhost_user_features(d->user);

    d->class = (VirtioClass) {
        .outside = true,
        .name = d->config.name, .id = d->config.id, .config_size = d->config.config_size,
        .get_config = fill_config,
        .set_config = set_config, .start = start, .stop = stop, .notify = notify,
        .start_queue = start_queue,
    };
    d->device = virtio_new(&d->class, d, environment);
    for (unsigned i = 0; i < d->config.num_queues; i++) {
        virtio_add_queue(d->device, d->config.queue_size);
    }
    virtio_offer(d->device, (d->config.features & theirs) | d->config.own_features);
    virtio_withhold(d->device, RING_FEATURES & ~theirs);
    /*
     * Addresses in rings are physical ones whether or not the driver has accepted ACCESS_PLATFORM:
     * the back end translates nothing.
     */
    d->features = theirs & (d->config.features | RING_FEATURES | VIRTIO_F_VERSION_1);
    d->vhost = (Vhost) {
        .device = d->device, .ops = &vhost_user_ops, .opaque = d->user,
        .memory = environment->memory, .ram = environment->ram,
        .num_ram = environment->num_ram, .num_rings = d->config.num_queues, .features = d->features,
    };
}

VhostUserDevice *vhost_user_device_new(const VhostUserDeviceConfig *config,
                                       const VirtioEnvironment *environment, GError **errp)
{
    g_assert(config->num_queues <= VHOST_MAX_RINGS && config->config_size <= VHOST_USER_MAX_CONFIG);
    if (!check_ram(environment, config->name, errp)) {
        return NULL;
    }
    VhostUserDevice *d = g_new0(VhostUserDevice, 1);
    d->config = *config;
    d->making = true;
    if (!chardev_attach_raw(config->chardev, &frontend, d)) {
        error_set(
            errp,
            "chardev '%s' (%s) cannot lead to a vhost-user back end: it is no socket, or is in use",
            chardev_label(config->chardev), chardev_filename(config->chardev));
        error_hint(errp, "Give each vhost-user device a -chardev socket,path=… of its own");
        g_free(d);
        return NULL;
    }
    d->making = false;
    g_autoptr(GError) err = NULL;
    if (chardev_raw_socket(config->chardev) < 0 || !connect_back_end(d, environment->name, &err)) {
        error_set(errp, "chardev '%s' (%s): %s", chardev_label(config->chardev),
                  chardev_filename(config->chardev),
                  err ? err->message : "no vhost-user back end is connected");
        chardev_detach(config->chardev, d);
        g_free(d);
        return NULL;
    }
    make_device(d, environment);
    return d;
}

VirtioDevice *vhost_user_device(const VhostUserDevice *d)
{
    return d->device;
}

bool vhost_user_device_is_connected(const VhostUserDevice *d)
{
    return d->user;
}

/* The connection ends with the device: its back end serves nobody else. */
void vhost_user_device_free(VhostUserDevice *d)
{
    if (d) {
        chardev_detach(d->config.chardev, d);
        disconnect(d);
        chardev_raw_hang_up(d->config.chardev);
        g_free(d);
    }
}
