/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 16550A serial port. The line takes no time: what is written is sent at once, and input below
 * the FIFO's trigger level is indicated at once as a character timeout. Register access with the
 * machine lock held; input takes that lock itself.
 */
#ifndef HW_ISA_SERIAL_H
#define HW_ISA_SERIAL_H

#include <glib.h>

#include "chardev/chardev.h"
#include "system/core/address-space.h"
#include "system/core/irq.h"

typedef struct Serial Serial;

/* chardev and irq are borrowed and must outlive the port; irq may be NULL. */
Serial *serial_new(AddressSpace *ports, const char *name, hwaddr base, Chardev *chardev,
                   GMutex *machine_lock, const IrqLine *irq);
/* Main loop thread. */
void serial_free(Serial *serial);
void serial_reset(Serial *serial);

#endif
