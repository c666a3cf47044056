/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One interrupt wire. A device drives it; who is at the other end (an interrupt controller, a test)
 * is connected later. Machine lock held.
 */
#ifndef SYSTEM_CORE_IRQ_H
#define SYSTEM_CORE_IRQ_H

#include <stdbool.h>
#include <stddef.h>

typedef struct IrqLine {
    void (*set)(void *opaque, bool level); /* NULL: nobody listens */
    void *opaque;
} IrqLine;

/* line NULL: the device's pin is not wired at all. */
static inline void irq_set(const IrqLine *line, bool level)
{
    if (line && line->set) {
        line->set(line->opaque, level);
    }
}

#endif
