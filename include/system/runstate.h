/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's life as the program sees it: requests from vCPUs, devices, signals and monitors,
 * served one at a time by the main loop. Requests (the port) may come from any thread; everything
 * else is for the main loop's thread.
 */
#ifndef SYSTEM_RUNSTATE_H
#define SYSTEM_RUNSTATE_H

#include <glib.h>

#include "qapi-types.h"
#include "system/core/clock.h"
#include "system/core/runstate.h"

typedef struct RunState RunState;

typedef struct RunStateHandlers {
    /*
     * A reset: make a new TD from the same plan, paused. False ends the program with exit status 1
     * (the handler reported why).
     */
    bool (*reset)(void *opaque);
    void (*pause)(void *opaque);  /* returns when no vCPU runs */
    void (*resume)(void *opaque);
    void (*power_button)(void *opaque);
    /* What monitors are told. data may be NULL; the handler frees it. */
    void (*event)(void *opaque, const QapiEvent *event, JsonValue *data);
    void *opaque;
    Clock clock; /* of the time that the machine runs */
} RunStateHandlers;

/* What follows from a guest's reset, power-off, fatal error and silence (-action). */
typedef struct RunStateActions {
    QapiRebootAction reboot;
    QapiShutdownAction shutdown;
    QapiPanicAction panic;
    QapiWatchdogAction watchdog;
} RunStateActions;

#define RUNSTATE_ACTIONS_DEFAULT                                                 \
    ((RunStateActions){ QAPI_REBOOT_ACTION_RESET, QAPI_SHUTDOWN_ACTION_POWEROFF, \
                        QAPI_PANIC_ACTION_SHUTDOWN, QAPI_WATCHDOG_ACTION_RESET })

/* In state prelaunch. */
RunState *runstate_new(const RunStateHandlers *handlers, const RunStateActions *actions);
void runstate_free(RunState *state);
/* The port that lower layers call; its opaque is the RunState. */
const RunStatePort *runstate_port(void);

QapiRunState runstate_get(const RunState *state);
RunStateActions *runstate_actions(RunState *state);
/* The error of the one action that a watchdog cannot take here; false. */
bool runstate_refuse_nmi(GError **errp);
/* Lets the vCPUs run. False: the state does not permit it. Nothing happens if they run already. */
bool runstate_cont(RunState *state, GError **errp);
/* Stops the vCPUs; nothing happens if they do not run. */
void runstate_stop(RunState *state);
/* The same, in state io-error: what failed is tried again when the machine goes on. */
void runstate_stop_for_io_error(RunState *state);
void runstate_power_button(RunState *state);
/* What the port was asked for takes place now, and not on the next turn of the main loop. */
void runstate_serve(RunState *state);

/*
 * From now on SIGINT, SIGTERM and SIGHUP are requests to end, served by whoever runs the main
 * context.
 */
void runstate_catch_signals(RunState *state);
/* The machine has been shut down: the loop ends, or will not begin. */
bool runstate_ended(const RunState *state);
/* Serves requests until the machine is shut down; the program's exit status. */
int runstate_loop(RunState *state);

#endif
