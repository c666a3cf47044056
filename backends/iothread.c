/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads with an event loop of their own. */
#include "backends/iothread.h"

#include <inttypes.h>
#include <semaphore.h>
#include <unistd.h>

#include "util/error.h"

typedef struct Start {
    IoThread *iothread;
    sem_t ready;
} Start;

static void *run(void *opaque)
{
    Start *start = opaque;
    IoThread *iothread = start->iothread;

    g_main_context_push_thread_default(iothread->context);
    iothread->thread_id = gettid();
    sem_post(&start->ready);
    g_main_loop_run(iothread->loop);
    g_main_context_pop_thread_default(iothread->context);
    return NULL;
}

static bool iothread_complete(QomObject *object, GError **errp)
{
    IoThread *iothread = (IoThread *)object;
    g_autofree char *name = g_strdup_printf("IO %s", object->name ? object->name : "");
    Start start = { .iothread = iothread };

    sem_init(&start.ready, 0, 0);
    iothread->context = g_main_context_new();
    iothread->loop = g_main_loop_new(iothread->context, FALSE);
    iothread->thread = g_thread_try_new(name, run, &start, errp);
    while (iothread->thread && sem_wait(&start.ready)) { /* interrupted by a signal */
        continue;
    }
    sem_destroy(&start.ready);
    return iothread->thread;
}

static gboolean quit(gpointer opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_REMOVE;
}

static void iothread_finalize(QomObject *object)
{
    IoThread *iothread = (IoThread *)object;

    if (iothread->thread) {
        /*
         * By the loop itself: a loop that has not begun to run yet would not see that it should
         * end.
         */
        g_autoptr(GSource) source = g_idle_source_new();
        g_source_set_callback(source, quit, iothread->loop, NULL);
        g_source_attach(source, iothread->context);
        g_thread_join(iothread->thread);
    }
    g_clear_pointer(&iothread->loop, g_main_loop_unref);
    g_clear_pointer(&iothread->context, g_main_context_unref);
}

/* As QEMU, though none of the numbers changes anything here. */
static bool set_number(QomObject *object, const QomProperty *property, JsonValue *value,
                       GError **errp)
{
    int64_t number;

    if (json_value_i64(value, &number) && number < 0) {
        return error_set(errp, "%s value must be in range [0, %" PRId64 "]", property->name,
                         INT64_MAX);
    }
    return qom_property_store(object, property, value, errp);
}

/* ---- iothread-vq-mapping ---- */

static const QapiType queue_type = { .kind = QAPI_INT, .name = "uint16", .max = UINT16_MAX };
static const QapiType queues_type = { .kind = QAPI_ARRAY, .element = &queue_type };
static const QapiType id_type = { .kind = QAPI_STR };
static const QapiMember entry_members[] = {
    { "iothread", &id_type, false }, { "vqs", &queues_type, true }, { NULL },
};
static const QapiType entry_type = { .kind = QAPI_OBJECT, .members = entry_members };
const QapiType iothread_mapping_type = { .kind = QAPI_ARRAY, .element = &entry_type };

bool iothread_mapping_set(QomObject *object, const QomProperty *property, JsonValue *value,
                          GError **errp)
{
    size_t count = json_object_array_length(value);
    JsonValue *entry = count == 1 ? json_object_array_get_idx(value, 0) : NULL, *id = NULL;

    if (!entry || json_object_object_get_ex(entry, "vqs", NULL)) {
        error_set(errp, "iothread-vq-mapping has %zu threads%s: one thread handles all queues of a "
                        "device here", count, entry ? " with vqs" : "");
        error_hint(errp, "Name one thread, without vqs, or use iothread=");
        return false;
    }
    json_object_object_get_ex(entry, "iothread", &id);
    return qom_property_set(object, "iothread", id, errp);
}

bool iothread_mapping_get(QomObject *object, const QomProperty *property, JsonValue **result,
                          GError **errp)
{
    JsonValue *id = NULL;

    if (!qom_property_get(object, "iothread", &id, errp)) {
        return false;
    }
    *result = json_object_new_array();
    if (id && *json_object_get_string(id)) {
        JsonValue *entry = json_object_new_object();
        json_object_object_add(entry, "iothread", id);
        json_object_array_add(*result, entry);
    } else {
        json_object_put(id);
    }
    return true;
}

static const QomProperty properties[] = {
    QOM_PROPERTY_INT64("poll-max-ns", IoThread, poll_max_ns, "32768",
                       "kept for queries: this loop sleeps and never polls", .set = set_number),
    QOM_PROPERTY_INT64("poll-grow", IoThread, poll_grow, "0", "kept for queries",
                       .flags = QOM_RUNTIME, .set = set_number),
    QOM_PROPERTY_INT64("poll-shrink", IoThread, poll_shrink, "0", "kept for queries",
                       .flags = QOM_RUNTIME, .set = set_number),
    QOM_PROPERTY_INT64("poll-weight", IoThread, poll_weight, "0", "kept for queries",
                       .flags = QOM_RUNTIME, .set = set_number),
    QOM_PROPERTY_INT64("aio-max-batch", IoThread, aio_max_batch, "0", "kept for queries",
                       .flags = QOM_RUNTIME, .set = set_number),
    { NULL },
};

const QomType iothread_type = {
    .name = "iothread", .parent = &qom_object_type, .size = sizeof(IoThread),
    .user_creatable = true,
    .description = "a thread for devices' queues", .properties = properties,
    .complete = iothread_complete,
    .finalize = iothread_finalize,
};
