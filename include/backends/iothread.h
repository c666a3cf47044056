/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object iothread: a thread with an event loop, for devices' queues. */
#ifndef BACKENDS_IOTHREAD_H
#define BACKENDS_IOTHREAD_H

#include "qom/object.h"
#include "qom/property.h"

typedef struct IoThread {
    QomObject object;
    int64_t poll_max_ns, poll_grow, poll_shrink, poll_weight, aio_max_batch;
    /* From completion on */
    GMainContext *context; /* what its loop serves */
    GMainLoop *loop;
    GThread *thread;
    int thread_id;         /* the kernel's, for affinity */
} IoThread;

extern const QomType iothread_type; /* "iothread" */

/*
 * Rows of the properties of devices whose queues it may handle; `iothread` is a QomLink. A mapping
 * may name one thread, for all queues: then it says the same.
 */
#define IOTHREAD_PROPERTIES(type)                                                         \
    QOM_PROPERTY_LINK("iothread", type, iothread, &iothread_type, "/objects",             \
                      "id of the thread that handles the queues"),                        \
    { .name = "iothread-vq-mapping", .kind = QOM_QAPI, .qapi = &iothread_mapping_type,    \
      .type_name = "IOThreadVirtQueueMappingList", .set = iothread_mapping_set,           \
      .get = iothread_mapping_get, .description = "a list with one thread, of all queues" }
extern const QapiType iothread_mapping_type;
bool iothread_mapping_set(QomObject *object, const QomProperty *property, JsonValue *value,
                          GError **errp);
bool iothread_mapping_get(QomObject *object, const QomProperty *property, JsonValue **result,
                          GError **errp);
/* What the link leads to; NULL: nothing, which is the main loop. */
static inline GMainContext *iothread_context(const QomLink *link)
{
    return link->target ? ((const IoThread *)link->target)->context : NULL;
}

#define IOTHREAD(object) QOM_CAST(IoThread, &iothread_type, object)

#endif
