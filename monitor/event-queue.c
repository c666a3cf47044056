/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See monitor/event-queue.h. */
#include "monitor/event-queue.h"

/* The main loop has other things to do between so many: a guest may cause more meanwhile. */
#define EVENTS_A_TURN 32

typedef struct Event {
    const QapiEvent *type;
    JsonValue *data;
} Event;

struct EventQueue {
    EventQueueSink *sink;
    void *opaque;
    GMutex lock;
    GQueue events; /* of Event */
    guint source;  /* that sends them; 0: there are none */
};

static void event_free(Event *event)
{
    if (event) {
        json_object_put(event->data);
        g_free(event);
    }
}

/* NULL: there is none, and the caller is removed. */
static Event *take(EventQueue *queue)
{
    g_mutex_lock(&queue->lock);
    Event *event = g_queue_pop_head(&queue->events);
    if (!event) {
        queue->source = 0;
    }
    g_mutex_unlock(&queue->lock);
    return event;
}

static gboolean send_events(gpointer opaque)
{
    EventQueue *queue = opaque;

    for (unsigned i = 0; i < EVENTS_A_TURN; i++) {
        Event *event = take(queue);
        if (!event) {
            return G_SOURCE_REMOVE;
        }
        queue->sink(queue->opaque, event->type, g_steal_pointer(&event->data));
        event_free(event);
    }
    return G_SOURCE_CONTINUE;
}

EventQueue *event_queue_new(EventQueueSink *sink, void *opaque)
{
    EventQueue *queue = g_new0(EventQueue, 1);

    queue->sink = sink;
    queue->opaque = opaque;
    g_mutex_init(&queue->lock);
    return queue;
}

void event_queue_free(EventQueue *queue)
{
    if (!queue) {
        return;
    }
    if (queue->source) {
        g_source_remove(queue->source);
    }
    for (Event *event; (event = g_queue_pop_head(&queue->events));) {
        event_free(event);
    }
    g_mutex_clear(&queue->lock);
    g_free(queue);
}

void event_queue_post(EventQueue *queue, const QapiEvent *event, JsonValue *data)
{
    Event *new = g_new(Event, 1), *lost = NULL;

    *new = (Event) { event, data };
    g_mutex_lock(&queue->lock);
    if (queue->events.length >= EVENT_QUEUE_MAX) {
        lost = g_queue_pop_head(&queue->events);
    }
    g_queue_push_tail(&queue->events, new);
    if (!queue->source) {
        queue->source = g_idle_add_full(G_PRIORITY_DEFAULT, send_events, queue, NULL);
    }
    g_mutex_unlock(&queue->lock);
    event_free(lost);
}
