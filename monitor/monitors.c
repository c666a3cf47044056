/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All monitors of a machine, and the events they are sent. */
#include "monitor-internal.h"

struct Monitors {
    QapiContext *context;
    GPtrArray *servers; /* of QmpServer */
};

void monitor_config_free(MonitorConfig *config)
{
    if (config) {
        g_free(config->label);
        g_free(config->path);
        g_free(config);
    }
}

Monitors *monitors_new(QapiContext *context)
{
    Monitors *monitors = g_new0(Monitors, 1);

    monitors->context = context;
    monitors->servers = g_ptr_array_new_with_free_func((GDestroyNotify)qmp_server_free);
    return monitors;
}

void monitors_free(Monitors *monitors)
{
    if (monitors) {
        g_ptr_array_unref(monitors->servers);
        g_free(monitors);
    }
}

bool monitors_add(Monitors *monitors, const MonitorConfig *config, GError **errp)
{
    QmpServer *server = qmp_server_new(config, monitors->context, errp);

    if (server) {
        g_ptr_array_add(monitors->servers, server);
    }
    return server;
}

void monitors_event(Monitors *monitors, const QapiEvent *event, JsonValue *data)
{
    g_autoptr(JsonValue) message = json_object_new_object();
    JsonValue *timestamp = json_object_new_object();
    gint64 now = g_get_real_time();

    json_object_object_add(timestamp, "seconds", json_object_new_int64(now / G_USEC_PER_SEC));
    json_object_object_add(timestamp, "microseconds", json_object_new_int64(now % G_USEC_PER_SEC));
    json_object_object_add(message, "timestamp", timestamp);
    json_object_object_add(message, "event", json_object_new_string(event->name));
    if (data) {
        json_object_object_add(message, "data", data);
    }
    g_autofree char *line = json_format(message);
    for (unsigned i = 0; i < monitors->servers->len; i++) {
        qmp_server_event(g_ptr_array_index(monitors->servers, i), line);
    }
}
