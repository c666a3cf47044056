/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rate of events: those that a guest or a failing disk can cause without end are sent once in
 * an interval. Main loop thread.
 */
#ifndef MONITOR_EVENT_THROTTLE_H
#define MONITOR_EVENT_THROTTLE_H

#include "util/json.h"

/* As for QEMU. */
#define EVENT_INTERVAL_MS 1000

typedef struct EventThrottle EventThrottle;
/* A message to go out; borrowed. */
typedef void EventSink(void *opaque, JsonValue *message);

EventThrottle *event_throttle_new(unsigned interval_ms, EventSink *sink, void *opaque);
/* What waits is lost. */
void event_throttle_free(EventThrottle *throttle);
/*
 * message: the whole event, borrowed; name and data (NULL = none): its parts, which tell whether
 * and with what others it is limited.
 */
void event_throttle_send(EventThrottle *throttle, const char *name, JsonValue *data,
                         JsonValue *message);

#endif
