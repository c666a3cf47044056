/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of disks as monitors hear of them (BLOCK_IO_ERROR), and the stop of the machine that may
 * follow.
 */
#ifndef SYSTEM_IO_ERRORS_H
#define SYSTEM_IO_ERRORS_H

#include "block/block.h"
#include "system/runstate.h"

typedef struct IoErrors IoErrors;

/* handlers: whose event() is called; both borrowed. Main loop thread. */
IoErrors *io_errors_new(RunState *runstate, const RunStateHandlers *handlers);
void io_errors_free(IoErrors *errors);
/* For block nodes. */
BlockErrorPort io_errors_port(IoErrors *errors);

#endif
