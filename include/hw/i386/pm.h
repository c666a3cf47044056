/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI register block of the ICH9 at PMBASE: power management timer, PM1 event and control
 * (power off), GPE0. The timer's carry sets its status bit, but the interrupt that may go with it
 * is only raised when a register is touched. Machine lock held.
 */
#ifndef HW_I386_PM_H
#define HW_I386_PM_H

#include "system/core/address-space.h"
#include "system/core/clock.h"
#include "system/core/irq.h"
#include "system/core/runstate.h"

#define PM_TIMER_HZ 3579545
#define PM_TIMER_BITS 24

typedef struct Pm Pm;

/*
 * Made disabled: the LPC bridge enables and places it. clock is monotonic. sci is borrowed, may be
 * NULL.
 */
Pm *pm_new(AddressSpace *ports, Clock clock, const IrqLine *sci, const RunStatePort *runstate,
           void *runstate_opaque);
void pm_free(Pm *pm);
void pm_reset(Pm *pm);
/* The power button is pressed: the guest sees PWRBTN_STS, and an SCI if it enabled it. */
void pm_power_button(Pm *pm);
void pm_place(Pm *pm, bool enabled, uint16_t base);

#endif
