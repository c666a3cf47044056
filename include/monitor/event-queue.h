/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of devices on their way from any thread to the main loop, which alone talks to clients. */
#ifndef MONITOR_EVENT_QUEUE_H
#define MONITOR_EVENT_QUEUE_H

#include <glib.h>

#include "qapi-types.h"

/*
 * A guest may cause events faster than they are sent: of more than so many that wait, the oldest is
 * lost, for the newest say what is so.
 */
#define EVENT_QUEUE_MAX 256

typedef struct EventQueue EventQueue;
/* On the main loop's thread. Takes data. */
typedef void EventQueueSink(void *opaque, const QapiEvent *event, JsonValue *data);

EventQueue *event_queue_new(EventQueueSink *sink, void *opaque);
/* Main loop thread, when nobody posts any more; what waits is dropped. NULL is fine. */
void event_queue_free(EventQueue *queue);
/* Any thread. Takes data, which may be NULL. */
void event_queue_post(EventQueue *queue, const QapiEvent *event, JsonValue *data);

#endif
