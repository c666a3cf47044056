/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks tell of errors on any thread; the main loop tells monitors, and stops the machine. */
#include "system/io-errors.h"

#include <errno.h>

/* that stop nothing, in one turn of the main loop: a guest can make errors as fast as it likes */
#define MAX_PENDING 64

struct IoErrors {
    RunState *runstate;
    RunStateHandlers handlers;
    GMutex lock;        /* all below */
    GPtrArray *pending; /* of JsonValue, in the order that they came */
    bool stop;          /* the machine is to stop for one of them */
};

static JsonValue *describe(const BlockIoError *error)
{
    static const char *const actions[] = {
        [BLOCK_ACTION_REPORT] = "report", [BLOCK_ACTION_IGNORE] = "ignore",
        [BLOCK_ACTION_STOP] = "stop",
    };
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "qom-path", json_object_new_string(error->path));
    json_object_object_add(data, "device", json_object_new_string(""));
    json_object_object_add(data, "node-name", json_object_new_string(error->node_name));
    json_object_object_add(data, "operation",
                           json_object_new_string(error->is_write ? "write" : "read"));
    json_object_object_add(data, "action", json_object_new_string(actions[error->action]));
    json_object_object_add(data, "nospace", json_object_new_boolean(error->error == ENOSPC));
    json_object_object_add(data, "reason", json_object_new_string(g_strerror(error->error)));
    return data;
}

static gboolean serve(gpointer opaque)
{
    IoErrors *errors = opaque;

    g_mutex_lock(&errors->lock);
    g_autoptr(GPtrArray) pending = g_steal_pointer(&errors->pending);
    errors->pending = g_ptr_array_new();
    bool stop = errors->stop;
    errors->stop = false;
    g_mutex_unlock(&errors->lock);
    for (guint i = 0; i < pending->len; i++) {
        errors->handlers.event(errors->handlers.opaque, &qapi_event_BLOCK_IO_ERROR,
                               pending->pdata[i]);
    }
    if (stop) {
        runstate_stop_for_io_error(errors->runstate);
    }
    return G_SOURCE_REMOVE;
}

static void failed(void *opaque, const BlockIoError *error)
{
    IoErrors *errors = opaque;
    bool stop = error->action == BLOCK_ACTION_STOP;

    g_mutex_lock(&errors->lock);
    if (!errors->pending->len) {
        g_idle_add_full(G_PRIORITY_HIGH, serve, errors, NULL);
    }
    if (stop || errors->pending->len < MAX_PENDING) {
        g_ptr_array_add(errors->pending, describe(error));
    }
    errors->stop |= stop;
    g_mutex_unlock(&errors->lock);
}

IoErrors *io_errors_new(RunState *runstate, const RunStateHandlers *handlers)
{
    IoErrors *errors = g_new0(IoErrors, 1);

    errors->runstate = runstate;
    errors->handlers = *handlers;
    errors->pending = g_ptr_array_new();
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
    for (guint i = 0; i < errors->pending->len; i++) {
        json_object_put(errors->pending->pdata[i]);
    }
    g_ptr_array_unref(errors->pending);
    g_mutex_clear(&errors->lock);
    g_free(errors);
}
