/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest protocol: a test's program drives the machine's devices by lines of text, and no vCPU
 * runs. Commands and answers as QEMU's; a wrong command is answered FAIL with what is wrong. Main
 * loop thread; takes the machine lock around accesses.
 */
#ifndef ACCEL_QTEST_QTEST_H
#define ACCEL_QTEST_QTEST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "system/core/address-space.h"
#include "system/core/clock.h"
#include "system/core/irq.h"

/* Time that only a test moves. Starts at 0. */
typedef struct QtestClock {
    uint64_t now_ns;
} QtestClock;
Clock qtest_clock(QtestClock *clock); /* borrows it */

typedef struct QtestMachine {
    AddressSpace *memory, *ports;
    GMutex *lock;
    IrqLine *gsi;      /* what devices drive: replaced while a test intercepts them */
    unsigned num_gsi;
    QtestClock *clock;
} QtestMachine;

typedef struct Qtest Qtest;
/* A line without its end: an answer, or an "IRQ raise N" that may come at any time. */
typedef void QtestOutputFn(void *opaque, const char *line);

/* What the machine points to must outlive it. */
Qtest *qtest_new(const QtestMachine *machine, QtestOutputFn *output, void *opaque);
/* Gives intercepted lines back. */
void qtest_free(Qtest *qtest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qtest, qtest_free)
/* One command, without its end of line; always answered. */
void qtest_command(Qtest *qtest, const char *line);

#endif
