/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to shut down, reset or stop, the states they lead to, and the loop that serves them. */
#include "system/runstate.h"

#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>

#include "system/core/log.h"
#include "util/error.h"

/* What was asked since the last time it was looked at. */
typedef struct Requests {
    ShutdownCause shutdown; /* SHUTDOWN_NONE: nobody asked */
    ShutdownCause reset;
    bool internal_error;
    JsonValue *panic;       /* a GuestPanicInformation, or NULL */
    bool panicked;          /* the same without information */
    bool crash_loaded, pvshutdown;
    bool watchdog;
    bool exit;              /* with exit_status */
    int exit_status;
} Requests;

struct RunState {
    GMainLoop *loop;
    RunStateHandlers handlers;
    RunStateActions actions;
    QapiRunState now;
    int status;             /* the program's, when the loop ends */
    bool ended;             /* the loop is to end: nothing more is served */
    GMutex lock;            /* of what follows */
    Requests requests;
    bool serves;            /* a source of the main loop will look at them */
    bool panic_told;        /* since the last reset */
    bool running;           /* since since_ns, and ran_ns before that */
    uint64_t since_ns, ran_ns;
};

static const struct {
    const char *name; /* in QMP's ShutdownCause */
    bool guest;       /* the guest's doing */
    bool at_once;     /* the user wants the program to end, whatever -action says */
} causes[] = {
    [SHUTDOWN_NONE] = { "none", false, false },
    [SHUTDOWN_HOST_ERROR] = { "host-error", false, false },
    [SHUTDOWN_HOST_QMP_QUIT] = { "host-qmp-quit", false, true },
    [SHUTDOWN_HOST_SIGNAL] = { "host-signal", false, true },
    [SHUTDOWN_HOST_UI] = { "host-ui", false, true },
    [SHUTDOWN_GUEST_SHUTDOWN] = { "guest-shutdown", true, false },
    [SHUTDOWN_GUEST_RESET] = { "guest-reset", true, false },
    [SHUTDOWN_GUEST_PANIC] = { "guest-panic", true, false },
    [SHUTDOWN_HOST_QMP_SYSTEM_RESET] = { "host-qmp-system-reset", false, false },
};

static void emit(RunState *state, const QapiEvent *event, JsonValue *data)
{
    if (state->handlers.event) {
        state->handlers.event(state->handlers.opaque, event, data);
    } else {
        json_object_put(data);
    }
}

static void emit_cause(RunState *state, const QapiEvent *event, ShutdownCause cause)
{
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "guest", json_object_new_boolean(causes[cause].guest));
    json_object_object_add(data, "reason", json_object_new_string(causes[cause].name));
    emit(state, event, data);
}

static void set_now(RunState *state, QapiRunState next)
{
    bool runs = next == QAPI_RUN_STATE_RUNNING;

    g_mutex_lock(&state->lock);
    if (runs != state->running) {
        uint64_t now = clock_monotonic_ns(&state->handlers.clock);
        state->ran_ns += runs ? 0 : now - state->since_ns;
        state->since_ns = now;
        state->running = runs;
    }
    state->now = next;
    g_mutex_unlock(&state->lock);
}

/* The vCPUs stop, and the machine is in state `next`. */
static void stop_in(RunState *state, QapiRunState next)
{
    bool ran = state->now == QAPI_RUN_STATE_RUNNING;

    if (ran) {
        state->handlers.pause(state->handlers.opaque);
    }
    set_now(state, next);
    if (ran) {
        emit(state, &qapi_event_STOP, NULL);
    }
}

static void end(RunState *state, int status)
{
    state->status = status;
    state->ended = true;
    g_main_loop_quit(state->loop);
}

static void serve_shutdown(RunState *state, ShutdownCause cause, int status)
{
    emit_cause(state, &qapi_event_SHUTDOWN, cause);
    if (state->actions.shutdown == QAPI_SHUTDOWN_ACTION_PAUSE && !causes[cause].at_once) {
        stop_in(state, QAPI_RUN_STATE_SHUTDOWN);
    } else {
        end(state, status);
    }
}

static void serve_reset(RunState *state, ShutdownCause cause)
{
    bool ran = state->now == QAPI_RUN_STATE_RUNNING;

    if (state->actions.reboot == QAPI_REBOOT_ACTION_SHUTDOWN) {
        serve_shutdown(state, cause, 0);
        return;
    }
    if (!state->handlers.reset(state->handlers.opaque)) {
        emit_cause(state, &qapi_event_SHUTDOWN, SHUTDOWN_HOST_ERROR);
        end(state, 1);
        return;
    }
    g_mutex_lock(&state->lock);
    state->panic_told = false;
    g_mutex_unlock(&state->lock);
    emit_cause(state, &qapi_event_RESET, cause);
    if (ran) {
        state->handlers.resume(state->handlers.opaque);
    } else {
        set_now(state, QAPI_RUN_STATE_PRELAUNCH);
    }
}

/* info: taken; NULL = there is none. */
static void serve_panic(RunState *state, JsonValue *info)
{
    QapiPanicAction action = state->actions.panic;
    bool pauses = action == QAPI_PANIC_ACTION_PAUSE ||
                  (action == QAPI_PANIC_ACTION_SHUTDOWN &&
                   state->actions.shutdown == QAPI_SHUTDOWN_ACTION_PAUSE);
    const char *follows = pauses ? "pause" : action == QAPI_PANIC_ACTION_NONE ? "run" : "poweroff";
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "action", json_object_new_string(follows));
    if (info) {
        json_object_object_add(data, "info", info);
    }
    emit(state, &qapi_event_GUEST_PANICKED, data);
    if (action == QAPI_PANIC_ACTION_NONE) {
        return;
    }
    stop_in(state, QAPI_RUN_STATE_GUEST_PANICKED);
    if (!pauses) {
        emit_cause(state, &qapi_event_SHUTDOWN, SHUTDOWN_GUEST_PANIC);
        end(state, action == QAPI_PANIC_ACTION_EXIT_FAILURE);
    }
}

static void serve_watchdog(RunState *state)
{
    QapiWatchdogAction action = state->actions.watchdog;
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "action",
                           json_object_new_string(qapi_WatchdogAction_names[action]));
    emit(state, &qapi_event_WATCHDOG, data);
    switch (action) {
    case QAPI_WATCHDOG_ACTION_RESET:
        serve_reset(state, SHUTDOWN_GUEST_RESET);
        break;
    case QAPI_WATCHDOG_ACTION_SHUTDOWN:
        runstate_power_button(state);
        break;
    case QAPI_WATCHDOG_ACTION_POWEROFF:
        emit_cause(state, &qapi_event_SHUTDOWN, SHUTDOWN_GUEST_SHUTDOWN);
        end(state, 0);
        break;
    case QAPI_WATCHDOG_ACTION_PAUSE:
        stop_in(state, QAPI_RUN_STATE_WATCHDOG);
        break;
    case QAPI_WATCHDOG_ACTION_DEBUG:
        report_warning("the guest's watchdog has run out; nothing follows (-action "
                       "watchdog=debug)");
        break;
    default: /* none; an NMI is refused where it is asked for */
        break;
    }
}

/* The guest's crash kernel runs next, and wants nobody to disturb it. */
static void serve_crash_loaded(RunState *state)
{
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "action", json_object_new_string("run"));
    emit(state, &qapi_event_GUEST_CRASHLOADED, data);
}

/*
 * With -no-shutdown somebody wants to look; else the program ends, for the reason has been
 * reported.
 */
static void serve_internal_error(RunState *state)
{
    stop_in(state, QAPI_RUN_STATE_INTERNAL_ERROR);
    if (state->actions.shutdown == QAPI_SHUTDOWN_ACTION_POWEROFF) {
        emit_cause(state, &qapi_event_SHUTDOWN, SHUTDOWN_HOST_ERROR);
        end(state, 1);
    }
}

static gboolean serve(gpointer opaque)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    Requests r = state->requests;
    state->requests = (Requests){ .shutdown = SHUTDOWN_NONE, .reset = SHUTDOWN_NONE };
    state->serves = false;
    g_mutex_unlock(&state->lock);
    if (r.crash_loaded && !state->ended) {
        serve_crash_loaded(state);
    }
    if ((r.panic || r.panicked) && !state->ended) {
        serve_panic(state, g_steal_pointer(&r.panic));
    }
    json_object_put(r.panic);
    if (r.exit && !state->ended) {
        end(state, r.exit_status);
    }
    if (r.pvshutdown && !state->ended) {
        emit(state, &qapi_event_GUEST_PVSHUTDOWN, NULL);
    }
    if (r.watchdog && !state->ended) {
        serve_watchdog(state);
    }
    if (r.internal_error && !state->ended) {
        serve_internal_error(state);
    }
    if (r.shutdown != SHUTDOWN_NONE && !state->ended) {
        serve_shutdown(state, r.shutdown, 0);
    }
    if (r.reset != SHUTDOWN_NONE && !state->ended) {
        serve_reset(state, r.reset);
    }
    return G_SOURCE_REMOVE;
}

void runstate_serve(RunState *state)
{
    serve(state);
}

/*
 * In the main loop's turn that comes next, whoever else asks for that meanwhile. It goes before
 * clients' commands, but not what a guest may cause all the time: they have their turns, too.
 */
static void unlock_and_serve_with(RunState *state, int priority)
{
    bool first = !state->serves;

    state->serves = true;
    g_mutex_unlock(&state->lock);
    if (first) {
        g_idle_add_full(priority, serve, state, NULL);
    }
}

static void unlock_and_serve(RunState *state)
{
    unlock_and_serve_with(state, G_PRIORITY_HIGH);
}

static void port_shutdown(void *opaque, ShutdownCause cause)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    if (state->requests.shutdown == SHUTDOWN_NONE || causes[cause].at_once) {
        state->requests.shutdown = cause;
    }
    unlock_and_serve(state);
}

static void port_reset(void *opaque, ShutdownCause cause)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    state->requests.reset = cause;
    unlock_and_serve(state);
}

static void port_guest_panicked(void *opaque, uint32_t code, const char *text, bool has_gpa,
                                uint64_t gpa)
{
    RunState *state = opaque;
    g_autofree char *where = has_gpa
                                 ? g_strdup_printf(", more at guest physical address 0x%" PRIx64,
                                                   gpa)
                                 : g_strdup("");
    g_autofree char *message =
        g_strdup_printf("the guest reports a fatal error, code 0x%x: \"%s\"%s", code, text, where);
    JsonValue *info = json_object_new_object();

    report_error(NULL, message);
    json_object_object_add(info, "type", json_object_new_string("tdx"));
    json_object_object_add(info, "error-code", json_object_new_int64(code));
    json_object_object_add(info, "message", json_object_new_string(text));
    if (has_gpa) {
        json_object_object_add(info, "gpa", json_object_new_uint64(gpa));
    }
    g_mutex_lock(&state->lock);
    json_object_put(state->requests.panic);
    state->requests.panic = info;
    unlock_and_serve(state);
}

static void port_guest_event(void *opaque, GuestEvent event)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    switch (event) {
    case GUEST_EVENT_PANICKED:
        if (!state->panic_told) { /* with -action panic=none it may do so for ever */
            report_error(NULL, "the guest's kernel has panicked; its console says why");
            state->panic_told = true;
        }
        state->requests.panicked = true;
        break;
    case GUEST_EVENT_CRASH_LOADED:
        state->requests.crash_loaded = true;
        break;
    case GUEST_EVENT_PVSHUTDOWN:
        state->requests.pvshutdown = true;
        if (state->requests.shutdown == SHUTDOWN_NONE) {
            state->requests.shutdown = SHUTDOWN_GUEST_SHUTDOWN;
        }
        break;
    }
    unlock_and_serve_with(state, G_PRIORITY_DEFAULT);
}

static void port_watchdog(void *opaque)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    state->requests.watchdog = true;
    unlock_and_serve(state);
}

static uint64_t port_run_time_ns(void *opaque)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    uint64_t ns = state->ran_ns +
                  (state->running ? clock_monotonic_ns(&state->handlers.clock) - state->since_ns
                                  : 0);
    g_mutex_unlock(&state->lock);
    return ns;
}

static void port_exit(void *opaque, int status)
{
    RunState *state = opaque;

    g_mutex_lock(&state->lock);
    state->requests.exit = true;
    state->requests.exit_status = status;
    unlock_and_serve(state);
}

static void port_internal_error(void *opaque, const char *message)
{
    RunState *state = opaque;

    report_error(NULL, message);
    g_mutex_lock(&state->lock);
    state->requests.internal_error = true;
    unlock_and_serve(state);
}

const RunStatePort *runstate_port(void)
{
    static const RunStatePort port = {
        .shutdown = port_shutdown,
        .reset = port_reset,
        .guest_panicked = port_guest_panicked,
        .guest_event = port_guest_event,
        .watchdog = port_watchdog,
        .run_time_ns = port_run_time_ns,
        .exit = port_exit,
        .internal_error = port_internal_error,
    };

    return &port;
}

QapiRunState runstate_get(const RunState *state)
{
    return state->now;
}

RunStateActions *runstate_actions(RunState *state)
{
    return &state->actions;
}

bool runstate_refuse_nmi(GError **errp)
{
    error_set(errp, "watchdog=inject-nmi is not available: a guest takes no NMI from its host");
    error_hint(errp, "Use watchdog=reset, shutdown, poweroff, pause, debug or none");
    return false;
}

bool runstate_cont(RunState *state, GError **errp)
{
    switch (state->now) {
    case QAPI_RUN_STATE_SHUTDOWN:
    case QAPI_RUN_STATE_GUEST_PANICKED:
    case QAPI_RUN_STATE_INTERNAL_ERROR:
        return error_set(errp, "Resetting the Virtual Machine is required");
    case QAPI_RUN_STATE_RUNNING:
        return true;
    default:
        set_now(state, QAPI_RUN_STATE_RUNNING);
        emit(state, &qapi_event_RESUME, NULL);
        state->handlers.resume(state->handlers.opaque);
        return true;
    }
}

void runstate_stop(RunState *state)
{
    if (state->now == QAPI_RUN_STATE_RUNNING) {
        stop_in(state, QAPI_RUN_STATE_PAUSED);
    }
}

void runstate_stop_for_io_error(RunState *state)
{
    if (state->now == QAPI_RUN_STATE_RUNNING) {
        stop_in(state, QAPI_RUN_STATE_IO_ERROR);
    }
}

void runstate_power_button(RunState *state)
{
    state->handlers.power_button(state->handlers.opaque);
    emit(state, &qapi_event_POWERDOWN, NULL);
}

static gboolean on_signal(RunState *state, int number)
{
    g_autofree char *text = g_strdup_printf("terminating on signal %d", number);

    report_error(NULL, text);
    port_shutdown(state, SHUTDOWN_HOST_SIGNAL);
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

RunState *runstate_new(const RunStateHandlers *handlers, const RunStateActions *actions)
{
    RunState *state = g_new0(RunState, 1);

    g_mutex_init(&state->lock);
    state->loop = g_main_loop_new(NULL, FALSE);
    state->handlers = *handlers;
    state->actions = *actions;
    state->now = QAPI_RUN_STATE_PRELAUNCH;
    return state;
}

void runstate_free(RunState *state)
{
    if (state) {
        while (g_source_remove_by_user_data(state)) {
            continue;
        }
        json_object_put(state->requests.panic);
        g_main_loop_unref(state->loop);
        g_mutex_clear(&state->lock);
        g_free(state);
    }
}

void runstate_catch_signals(RunState *state)
{
    g_unix_signal_add(SIGINT, on_interrupt, state);
    g_unix_signal_add(SIGTERM, on_terminate, state);
    g_unix_signal_add(SIGHUP, on_hangup, state);
}

bool runstate_ended(const RunState *state)
{
    return state->ended;
}

int runstate_loop(RunState *state)
{
    if (!state->ended) {
        g_main_loop_run(state->loop);
    }
    return state->status;
}
