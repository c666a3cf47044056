/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A monitor for people: a prompt on a chardev, lines in, text out. */
#include <string.h>

#include "config-host.h"
#include "monitor-internal.h"

#define PROMPT "(qemu) "
/* With more than this unsent, no more keys are read. */
#define QUEUE_STOPS_INPUT (64u << 10)

struct HmpMonitor {
    QapiContext *context;
    MonitorOutput output;
    Readline *readline;
    bool greeted;
};

static void on_write(void *opaque, const char *text)
{
    HmpMonitor *monitor = opaque;

    monitor_output_add(&monitor->output, text);
}

static void on_line(void *opaque, const char *line)
{
    HmpMonitor *monitor = opaque;
    g_autofree char *answer = hmp_command(monitor->context, line);

    monitor_output_add(&monitor->output, answer);
    readline_show_prompt(monitor->readline);
}

static unsigned can_receive(void *opaque)
{
    const HmpMonitor *monitor = opaque;

    return monitor->context->ready && monitor->output.queue->len <= QUEUE_STOPS_INPUT ? 256 : 0;
}

static void receive(void *opaque, const uint8_t *data, unsigned n)
{
    HmpMonitor *monitor = opaque;

    readline_feed(monitor->readline, data, n);
}

/* On a terminal that a serial port shares, the monitor speaks only when it is asked for. */
static void greet(HmpMonitor *monitor)
{
    if (!monitor->greeted) {
        monitor_output_add(&monitor->output, "QEMU " QEMU_INTERFACE_VERSION
                                             " monitor - type 'help' for more information\r\n");
        monitor->greeted = true;
    }
    readline_show_prompt(monitor->readline);
}

static void on_event(void *opaque, ChardevEvent event)
{
    HmpMonitor *monitor = opaque;

    switch (event) {
    case CHARDEV_OPENED:
        monitor->greeted = false;
        if (!chardev_is_mux(monitor->output.chardev)) {
            greet(monitor);
        }
        break;
    case CHARDEV_FOCUS_IN:
        greet(monitor);
        break;
    case CHARDEV_FOCUS_OUT:
        if (monitor->greeted) {
            monitor_output_add(&monitor->output, "\r\n");
        }
        break;
    case CHARDEV_CLOSED:
        g_string_truncate(monitor->output.queue, 0);
        break;
    default:
        break;
    }
}

static void writable(void *opaque)
{
    HmpMonitor *monitor = opaque;

    monitor_output_flush(&monitor->output);
    chardev_accept_input(monitor->output.chardev);
}

static const ChardevFrontend frontend = { can_receive, receive, on_event, writable };

HmpMonitor *hmp_monitor_new(Chardev *chardev, QapiContext *context)
{
    HmpMonitor *monitor = g_new0(HmpMonitor, 1);
    const ReadlineClient client = { on_write, on_line, hmp_completions, monitor };

    monitor->context = context;
    monitor->output = (MonitorOutput) { chardev, g_string_new(NULL) };
    monitor->readline = readline_new(PROMPT, &client);
    if (!chardev_attach(chardev, &frontend, monitor)) {
        hmp_monitor_free(monitor);
        return NULL;
    }
    return monitor;
}

void hmp_monitor_free(HmpMonitor *monitor)
{
    chardev_detach(monitor->output.chardev, monitor);
    monitor_output_flush(&monitor->output);
    readline_free(monitor->readline);
    g_string_free(monitor->output.queue, TRUE);
    g_free(monitor);
}
