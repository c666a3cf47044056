/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP on a chardev. A client that does not read is not read from any more, and loses events beyond
 * a bound; one that is gone is forgotten. Nothing here waits for a client.
 */
#include "monitor-internal.h"
#include "system/core/log.h"

/* With more than this unsent, no more requests are read. */
#define QUEUE_STOPS_INPUT (64u << 10)
/* With more than this unsent, events are lost. */
#define QUEUE_STOPS_EVENTS (1u << 20)
/* Requests are fed in pieces of at most this, so that the bounds above hold. */
#define FEED_SIZE 512

struct QmpMonitor {
    QapiContext *context;
    MonitorOutput output;
    QmpSession *session;
    bool pretty, lost_events;
};

/* The text with each member on a line of its own. Brackets and commas in strings are left alone. */
static char *prettify(const char *line)
{
    GString *text = g_string_new(NULL);
    bool in_string = false;
    int depth = 0;

    for (const char *p = line; *p; p++) {
        if (in_string || *p == '"') {
            in_string ^= *p == '"';
            g_string_append_c(text, *p);
            if (in_string && *p == '\\') {
                g_string_append_c(text, *++p);
            }
            continue;
        }
        bool opens = *p == '{' || *p == '[', closes = *p == '}' || *p == ']';
        bool empty = (opens && (p[1] == '}' || p[1] == ']')) ||
                     (closes && (p[-1] == '{' || p[-1] == '['));
        if (closes) {
            depth--;
        }
        if (closes && !empty) {
            g_string_append_printf(text, "\r\n%*s", depth * 4, "");
        }
        g_string_append_c(text, *p);
        if (opens) {
            depth++;
        }
        if ((opens && !empty) || *p == ',') {
            g_string_append_printf(text, "\r\n%*s", depth * 4, "");
            p += p[1] == ' ';
        }
    }
    return g_string_free(text, FALSE);
}

static void on_output(void *opaque, const char *line, bool is_event)
{
    QmpMonitor *monitor = opaque;
    g_autofree char *pretty = monitor->pretty ? prettify(line) : NULL;

    if (is_event && monitor->output.queue->len > QUEUE_STOPS_EVENTS) {
        if (!monitor->lost_events) {
            report_warning("a monitor's client does not read: events for it are lost");
        }
        monitor->lost_events = true;
        return;
    }
    g_string_append(monitor->output.queue, pretty ? pretty : line);
    monitor_output_add(&monitor->output, "\r\n");
}

static unsigned can_receive(void *opaque)
{
    const QmpMonitor *monitor = opaque;
    bool may = monitor->context->ready && monitor->output.queue->len <= QUEUE_STOPS_INPUT &&
               qmp_session_backlog(monitor->session) < QMP_QUEUE_SIZE;

    return may ? FEED_SIZE : 0;
}

static void receive(void *opaque, const uint8_t *data, unsigned n)
{
    QmpMonitor *monitor = opaque;

    qmp_session_feed(monitor->session, data, n);
}

static void on_event(void *opaque, ChardevEvent event)
{
    QmpMonitor *monitor = opaque;

    switch (event) {
    case CHARDEV_OPENED:
        g_string_truncate(monitor->output.queue, 0);
        monitor->lost_events = false;
        qmp_session_start(monitor->session);
        break;
    case CHARDEV_INPUT_ENDED:
        qmp_session_end_of_input(monitor->session);
        break;
    case CHARDEV_CLOSED:
        qmp_session_stop(monitor->session);
        g_string_truncate(monitor->output.queue, 0);
        break;
    default:
        break;
    }
}

static void on_progress(void *opaque)
{
    QmpMonitor *monitor = opaque;

    chardev_accept_input(monitor->output.chardev);
}

static void writable(void *opaque)
{
    QmpMonitor *monitor = opaque;

    monitor_output_flush(&monitor->output);
    if (monitor->output.queue->len == 0) {
        monitor->lost_events = false;
    }
    on_progress(monitor);
}

static int take_fd(void *opaque)
{
    QmpMonitor *monitor = opaque;

    return chardev_take_fd(monitor->output.chardev);
}

static const ChardevFrontend frontend = { can_receive, receive, on_event, writable };

QmpMonitor *qmp_monitor_new(Chardev *chardev, bool pretty, QapiContext *context)
{
    QmpMonitor *monitor = g_new0(QmpMonitor, 1);

    monitor->context = context;
    monitor->pretty = pretty;
    monitor->output = (MonitorOutput) { chardev, g_string_new(NULL) };
    monitor->session = qmp_session_new(qapi_commands, context, on_output, monitor);
    qmp_session_set_client(monitor->session, take_fd, on_progress);
    if (!chardev_attach(chardev, &frontend, monitor)) {
        qmp_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void qmp_monitor_free(QmpMonitor *monitor)
{
    chardev_detach(monitor->output.chardev, monitor);
    monitor_output_flush(&monitor->output);
    qmp_session_free(monitor->session);
    g_string_free(monitor->output.queue, TRUE);
    g_free(monitor);
}

void qmp_monitor_event(QmpMonitor *monitor, const char *line)
{
    qmp_session_event(monitor->session, line);
}
