/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All monitors of a machine, and the events they are sent. */
#include "event-throttle.h"
#include "monitor-internal.h"
#include "util/error.h"

struct Monitors {
    QapiContext *context;
    GPtrArray *qmp; /* of QmpMonitor */
    GPtrArray *hmp; /* of HmpMonitor */
    EventThrottle *throttle;
};

void monitor_output_flush(MonitorOutput *output)
{
    if (output->queue->len) {
        g_string_erase(output->queue, 0,
                       chardev_write(output->chardev, (const uint8_t *)output->queue->str,
                                     output->queue->len));
    }
}

void monitor_output_add(MonitorOutput *output, const char *text)
{
    g_string_append(output->queue, text);
    monitor_output_flush(output);
}

void monitor_config_free(MonitorConfig *config)
{
    if (config) {
        g_free(config->id);
        g_free(config->chardev);
        g_free(config);
    }
}

static void send_event(void *opaque, JsonValue *message)
{
    const Monitors *monitors = opaque;
    g_autofree char *line = json_format(message);

    for (unsigned i = 0; i < monitors->qmp->len; i++) {
        qmp_monitor_event(g_ptr_array_index(monitors->qmp, i), line);
    }
}

Monitors *monitors_new(QapiContext *context)
{
    Monitors *monitors = g_new0(Monitors, 1);

    monitors->context = context;
    monitors->throttle = event_throttle_new(EVENT_INTERVAL_MS, send_event, monitors);
    monitors->qmp = g_ptr_array_new_with_free_func((GDestroyNotify)qmp_monitor_free);
    monitors->hmp = g_ptr_array_new_with_free_func((GDestroyNotify)hmp_monitor_free);
    return monitors;
}

void monitors_free(Monitors *monitors)
{
    if (monitors) {
        event_throttle_free(monitors->throttle);
        g_ptr_array_unref(monitors->qmp);
        g_ptr_array_unref(monitors->hmp);
        g_free(monitors);
    }
}

bool monitors_add(Monitors *monitors, const MonitorConfig *config, GError **errp)
{
    Chardev *chardev = chardev_set_find(monitors->context->chardevs, config->chardev);
    void *monitor = NULL;

    if (!chardev) {
        return error_set(errp, "chardev \"%s\" not found", config->chardev);
    }
    if (config->for_people) {
        monitor = hmp_monitor_new(chardev, monitors->context);
    } else if (chardev_is_mux(chardev)) {
        error_set(errp, "chardev \"%s\" has mux=on, and QMP shares its stream with nobody",
                  config->chardev);
        error_hint(errp, "Use mode=readline there, or another chardev");
        return false;
    } else {
        monitor = qmp_monitor_new(chardev, config->pretty, monitors->context);
    }
    if (!monitor) {
        return error_set(errp, "Device '%s' is in use", config->chardev);
    }
    g_ptr_array_add(config->for_people ? monitors->hmp : monitors->qmp, monitor);
    return true;
}

void monitors_ready(Monitors *monitors)
{
    monitors->context->ready = true;
    for (unsigned i = 0; i < chardev_set_size(monitors->context->chardevs); i++) {
        chardev_accept_input(chardev_set_at(monitors->context->chardevs, i));
    }
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
    event_throttle_send(monitors->throttle, event->name, data, message);
}
