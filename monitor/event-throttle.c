/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events that a guest can cause as often as it likes: clients are told of the first at once, then
 * of the last in every interval.
 */
#include "event-throttle.h"

#include <string.h>

struct EventThrottle {
    unsigned interval_ms;
    EventSink *sink;
    void *opaque;
    GHashTable *flows; /* of Flow, by its key */
};

/* One event of one object that was sent less than an interval ago. */
typedef struct Flow {
    EventThrottle *throttle;
    char *key;
    JsonValue *last; /* came since; NULL: none */
    guint timer;
} Flow;

/*
 * The events that QEMU limits, each with the member that tells whose it is (docs/interop/qmp-spec,
 * "Asynchronous events").
 */
static const struct {
    const char *name, *by; /* NULL: one flow for all */
} limited[] = {
    { "BALLOON_CHANGE", NULL },
    { "BLOCK_IO_ERROR", "qom-path" },
    { "HV_BALLOON_STATUS_REPORT", NULL },
    { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path" },
    { "QUORUM_FAILURE", NULL },
    { "QUORUM_REPORT_BAD", "node-name" },
    { "RTC_CHANGE", NULL },
    { "VSERPORT_CHANGE", "id" },
    { "WATCHDOG", NULL },
};

/* What tells flows apart; NULL: the event is not limited. Caller frees. */
static char *flow_key(const char *name, JsonValue *data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(limited); i++) {
        if (strcmp(limited[i].name, name)) {
            continue;
        }
        const char *action = data ? json_member_string(data, "action") : NULL;
        if (!strcmp(name, "BLOCK_IO_ERROR") && action && !strcmp(action, "stop")) {
            return NULL; /* the machine stops with it: there is no flood, and somebody has to act */
        }
        const char *whose = data && limited[i].by ? json_member_string(data, limited[i].by) : NULL;
        return g_strdup_printf("%s %s", name, whose ? whose : "");
    }
    return NULL;
}

static void flow_free(gpointer opaque)
{
    Flow *flow = opaque;

    if (flow->timer) {
        g_source_remove(flow->timer);
    }
    json_object_put(flow->last);
    g_free(flow->key);
    g_free(flow);
}

static gboolean on_interval(gpointer opaque)
{
    Flow *flow = opaque;
    g_autoptr(JsonValue) message = g_steal_pointer(&flow->last);

    if (!message) {
        flow->timer = 0;
        g_hash_table_remove(flow->throttle->flows, flow->key);
        return G_SOURCE_REMOVE;
    }
    flow->throttle->sink(flow->throttle->opaque, message);
    return G_SOURCE_CONTINUE;
}

EventThrottle *event_throttle_new(unsigned interval_ms, EventSink *sink, void *opaque)
{
    EventThrottle *throttle = g_new0(EventThrottle, 1);

    *throttle = (EventThrottle) {
        .interval_ms = interval_ms, .sink = sink, .opaque = opaque,
        .flows = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, flow_free),
    };
    return throttle;
}

void event_throttle_free(EventThrottle *throttle)
{
    if (throttle) {
        g_hash_table_unref(throttle->flows);
        g_free(throttle);
    }
}

void event_throttle_send(EventThrottle *throttle, const char *name, JsonValue *data,
                         JsonValue *message)
{
    g_autofree char *key = flow_key(name, data);
    Flow *flow = key ? g_hash_table_lookup(throttle->flows, key) : NULL;

    if (flow) {
        json_object_put(flow->last);
        flow->last = json_object_get(message);
        return;
    }
    if (key) {
        flow = g_new0(Flow, 1);
        *flow = (Flow){ .throttle = throttle,
                        .key = g_steal_pointer(&key),
                        .timer = g_timeout_add(throttle->interval_ms, on_interval, flow) };
        g_hash_table_insert(throttle->flows, flow->key, flow);
    }
    throttle->sink(throttle->opaque, message);
}
