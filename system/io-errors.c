/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks tell of errors on any thread; the main loop tells monitors, and stops the machine. */
#include "system/io-errors.h"

#include <errno.h>

#define MIN_INTERVAL_US G_USEC_PER_SEC /* between events that stop nothing: a guest can make as many errors as it likes */

struct IoErrors {
    RunState *runstate;
    RunStateHandlers handlers;
    guint timer;
    gint64 next;       /* the earliest time for an event that stops nothing */
    GMutex lock;       /* all below */
    GPtrArray *stops;  /* of JsonValue: each is told */
    JsonValue *latest; /* of the others the latest alone */
    bool scheduled;
};

static JsonValue *describe(const BlockIoError *error)
{
    static const char *const actions[] = {
        [BLOCK_ACTION_REPORT] = "report", [BLOCK_ACTION_IGNORE] = "ignore", [BLOCK_ACTION_STOP] = "stop",
    };
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "qom-path", json_object_new_string(error->path));
    json_object_object_add(data, "device", json_object_new_string(""));
    json_object_object_add(data, "node-name", json_object_new_string(error->node_name));
    json_object_object_add(data, "operation", json_object_new_string(error->is_write ? "write" : "read"));
    json_object_object_add(data, "action", json_object_new_string(actions[error->action]));
    json_object_object_add(data, "nospace", json_object_new_boolean(error->error == ENOSPC));
    json_object_object_add(data, "reason", json_object_new_string(g_strerror(error->error)));
    return data;
}

static void emit(IoErrors *errors, JsonValue *data)
{
    errors->handlers.event(errors->handlers.opaque, &qapi_event_BLOCK_IO_ERROR, data);
}

static gboolean tell_latest(gpointer opaque)
{
    IoErrors *errors = opaque;

    errors->timer = 0;
    g_mutex_lock(&errors->lock);
    JsonValue *data = g_steal_pointer(&errors->latest);
    g_mutex_unlock(&errors->lock);
    if (data) {
        errors->next = g_get_monotonic_time() + MIN_INTERVAL_US;
        emit(errors, data);
    }
    return G_SOURCE_REMOVE;
}

static gboolean serve(gpointer opaque)
{
    IoErrors *errors = opaque;
    gint64 now = g_get_monotonic_time();

    g_mutex_lock(&errors->lock);
    errors->scheduled = false;
    g_autoptr(GPtrArray) stops = g_steal_pointer(&errors->stops);
    errors->stops = g_ptr_array_new();
    g_mutex_unlock(&errors->lock);
    if (now >= errors->next && !errors->timer) {
        tell_latest(errors);
    } else if (!errors->timer) {
        errors->timer = g_timeout_add((guint)((errors->next - now) / 1000 + 1), tell_latest, errors);
    }
    for (guint i = 0; i < stops->len; i++) {
        emit(errors, stops->pdata[i]);
    }
    if (stops->len) {
        runstate_stop_for_io_error(errors->runstate);
    }
    return G_SOURCE_REMOVE;
}

static void failed(void *opaque, const BlockIoError *error)
{
    IoErrors *errors = opaque;
    JsonValue *data = describe(error);

    g_mutex_lock(&errors->lock);
    if (error->action == BLOCK_ACTION_STOP) {
        g_ptr_array_add(errors->stops, data);
    } else {
        json_object_put(errors->latest);
        errors->latest = data;
    }
    bool first = !errors->scheduled;
    errors->scheduled = true;
    g_mutex_unlock(&errors->lock);
    if (first) {
        g_idle_add_full(G_PRIORITY_HIGH, serve, errors, NULL);
    }
}

IoErrors *io_errors_new(RunState *runstate, const RunStateHandlers *handlers)
{
    IoErrors *errors = g_new0(IoErrors, 1);

    errors->runstate = runstate;
    errors->handlers = *handlers;
    errors->stops = g_ptr_array_new();
    g_mutex_init(&errors->lock);
    return errors;
}

BlockErrorPort io_errors_port(IoErrors *errors)
{
    return (BlockErrorPort) { failed, errors };
}

void io_errors_free(IoErrors *errors)
{
    if (!errors) {
        return;
    }
    while (g_source_remove_by_user_data(errors)) {
        continue;
    }
    for (guint i = 0; i < errors->stops->len; i++) {
        json_object_put(errors->stops->pdata[i]);
    }
    g_ptr_array_unref(errors->stops);
    json_object_put(errors->latest);
    g_mutex_clear(&errors->lock);
    g_free(errors);
}
