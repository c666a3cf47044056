/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC: 24 interrupt lines become messages to the local APICs. The kernel never tells when
 * a TD has ended an interrupt (there are no EOI exits), so:
 *
 * - Messages are always sent as edge-triggered, whatever the entry says. The interrupt then arrives
 *   without its bit in the local APIC's trigger mode register, and an operating system that finds a
 *   level-triggered entry delivered so ends it by writing the EOI register here (Linux:
 *   ioapic_ack_level), as it must on chipsets that broadcast no EOI.
 * - That write, and any write to a line's redirection entry, look at the line again: if it is still
 *   up, it interrupts again. So does each new rising edge, even if the last interrupt has not been
 *   seen to end.
 *
 * An operating system that neither writes the EOI register nor the entry gets level-triggered
 * interrupts by rising edges only; two devices sharing such a line could then wait for each other.
 * Machine lock held.
 */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include <glib.h>

#include "system/core/address-space.h"
#include "system/core/irq.h"
#include "system/core/msi.h"

#define IOAPIC_PINS 24
#define IOAPIC_BASE_ADDRESS 0xfec00000u

typedef struct Ioapic Ioapic;

/* Claims the page at FEC00000. msi is borrowed and may be filled in later. */
Ioapic *ioapic_new(AddressSpace *memory, const MsiPort *msi);
void ioapic_free(Ioapic *ioapic);
/* All pins masked; the levels of the lines stay as their devices have them. */
void ioapic_reset(Ioapic *ioapic);
/* For people: the redirection entries, one a line; how often each line has interrupted. */
void ioapic_describe(const Ioapic *ioapic, GString *out);
void ioapic_describe_counts(const Ioapic *ioapic, GString *out);
/* What drives a pin. */
IrqLine ioapic_pin(Ioapic *ioapic, unsigned pin);

#endif
