/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device tests share: a clock that stands still until told, counted run-state events, an
 * interrupt line that is watched.
 */
#ifndef MACHINE_FIXTURE_H
#define MACHINE_FIXTURE_H

#include <glib.h>

#include "system/core/address-space.h"
#include "system/core/clock.h"
#include "system/core/irq.h"
#include "system/core/runstate.h"

#define SECOND UINT64_C(1000000000)

static inline uint64_t fake_now(void *opaque)
{
    return *(uint64_t *)opaque;
}

typedef struct Events {
    unsigned shutdowns, resets;
    ShutdownCause cause;
} Events;

static inline void on_shutdown(void *opaque, ShutdownCause cause)
{
    Events *events = opaque;

    events->shutdowns++;
    events->cause = cause;
}

static inline void on_reset(void *opaque, ShutdownCause cause)
{
    Events *events = opaque;

    events->resets++;
    events->cause = cause;
}

static const RunStatePort counting_runstate G_GNUC_UNUSED = { .shutdown = on_shutdown,
    .reset = on_reset };

typedef struct Watch {
    bool level;
    unsigned changes;
} Watch;

static inline void on_irq(void *opaque, bool level)
{
    Watch *watch = opaque;

    watch->changes++;
    watch->level = level;
}

static inline uint64_t in(AddressSpace *ports, uint16_t port, unsigned size)
{
    return address_space_read(ports, port, size);
}

static inline void out(AddressSpace *ports, uint16_t port, uint64_t value, unsigned size)
{
    address_space_write(ports, port, value, size);
}

#endif
