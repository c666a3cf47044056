/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's life as the program sees it: requests from vCPUs, devices and signals, served one at a time by the main loop. */
#ifndef SYSTEM_RUNSTATE_H
#define SYSTEM_RUNSTATE_H

#include <glib.h>

#include "system/core/runstate.h"

typedef struct RunState RunState;

typedef struct RunStateHandlers {
    /* A reset: make a new TD from the same plan. False ends the program with exit status 1 (the handler reported why). */
    bool (*reset)(void *opaque);
    void *opaque;
} RunStateHandlers;

RunState *runstate_new(const RunStateHandlers *handlers, bool no_reboot);
void runstate_free(RunState *state);
/* The port that lower layers call; its opaque is the RunState. */
const RunStatePort *runstate_port(void);
/* Serves requests until the machine is shut down; the program's exit status. SIGINT, SIGTERM and SIGHUP end it cleanly. */
int runstate_loop(RunState *state);

#endif
