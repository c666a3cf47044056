/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to shut down, reset or stop, and the loop that serves them. */
#include "system/runstate.h"

#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>

#include "system/core/log.h"

struct RunState {
    GMainLoop *loop;
    RunStateHandlers handlers;
    bool no_reboot;
    GMutex lock;             /* of the three below */
    ShutdownCause shutdown;  /* SHUTDOWN_NONE: nobody asked */
    ShutdownCause reset;
    int status;
};

static gboolean serve(gpointer opaque)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    bool ends = state->shutdown != SHUTDOWN_NONE || (state->reset != SHUTDOWN_NONE && state->no_reboot);
    bool resets = state->reset != SHUTDOWN_NONE;
    state->reset = SHUTDOWN_NONE;
    g_mutex_unlock(&state->lock);
    if (!ends && resets && !state->handlers.reset(state->handlers.opaque)) {
        state->status = 1;
        ends = true;
    }
    if (ends) {
        g_main_loop_quit(state->loop);
    }
    return G_SOURCE_REMOVE;
}

static void request(RunState *state, ShutdownCause shutdown, ShutdownCause reset, int status)
{
    g_mutex_lock(&state->lock);
    if (shutdown != SHUTDOWN_NONE && state->shutdown == SHUTDOWN_NONE) {
        state->shutdown = shutdown;
        state->status = status;
    }
    if (reset != SHUTDOWN_NONE) {
        state->reset = reset;
    }
    g_mutex_unlock(&state->lock);
    g_idle_add_full(G_PRIORITY_HIGH, serve, state, NULL);
}

static void port_shutdown(void *opaque, ShutdownCause cause)
{
    request(opaque, cause, SHUTDOWN_NONE, 0);
}

static void port_reset(void *opaque, ShutdownCause cause)
{
    request(opaque, SHUTDOWN_NONE, cause, 0);
}

static void port_guest_panicked(void *opaque, uint32_t code, const char *text, bool has_gpa, uint64_t gpa)
{
    g_autofree char *where = has_gpa ? g_strdup_printf(", more at guest physical address 0x%" PRIx64, gpa) : g_strdup("");
    g_autofree char *message = g_strdup_printf("the guest reports a fatal error, code 0x%x: \"%s\"%s", code, text, where);

    report_error(NULL, message);
    request(opaque, SHUTDOWN_GUEST_PANIC, SHUTDOWN_NONE, 0);
}

static void port_internal_error(void *opaque, const char *message)
{
    report_error(NULL, message);
    request(opaque, SHUTDOWN_HOST_ERROR, SHUTDOWN_NONE, 1);
}

const RunStatePort *runstate_port(void)
{
    static const RunStatePort port = {
        .shutdown = port_shutdown,
        .reset = port_reset,
        .guest_panicked = port_guest_panicked,
        .internal_error = port_internal_error,
    };

    return &port;
}

static gboolean on_signal(RunState *state, int number)
{
    g_autofree char *text = g_strdup_printf("terminating on signal %d", number);

    report_error(NULL, text);
    request(state, SHUTDOWN_HOST_SIGNAL, SHUTDOWN_NONE, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer state)
{
    return on_signal(state, SIGINT);
}

static gboolean on_terminate(gpointer state)
{
    return on_signal(state, SIGTERM);
}

static gboolean on_hangup(gpointer state)
{
    return on_signal(state, SIGHUP);
}

RunState *runstate_new(const RunStateHandlers *handlers, bool no_reboot)
{
    RunState *state = g_new0(RunState, 1);

    g_mutex_init(&state->lock);
    state->loop = g_main_loop_new(NULL, FALSE);
    state->handlers = *handlers;
    state->no_reboot = no_reboot;
    return state;
}

void runstate_free(RunState *state)
{
    if (state) {
        while (g_source_remove_by_user_data(state)) {
            continue;
        }
        g_main_loop_unref(state->loop);
        g_mutex_clear(&state->lock);
        g_free(state);
    }
}

int runstate_loop(RunState *state)
{
    g_unix_signal_add(SIGINT, on_interrupt, state);
    g_unix_signal_add(SIGTERM, on_terminate, state);
    g_unix_signal_add(SIGHUP, on_hangup, state);
    g_main_loop_run(state->loop);
    return state->status;
}
