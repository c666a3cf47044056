/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ISA bus as a bus of devices: what hangs on I/O ports and the sixteen lines. Main loop thread;
 * realize takes the machine lock.
 */
#ifndef HW_ISA_ISA_BUS_H
#define HW_ISA_ISA_BUS_H

#include "hw/core/device.h"
#include "hw/isa/serial.h"
#include "system/core/address-space.h"
#include "system/core/irq.h"

#define ISA_MAX_SERIAL 4

/* All borrowed, filled in by the bus's maker. */
typedef struct IsaBus {
    Bus bus;
    AddressSpace *ports;
    const IrqLine *gsi;   /* [16] */
    GMutex *machine_lock;
    /* [ISA_MAX_SERIAL]: the machine's serial ports, which it resets and describes to firmware */
    Serial **serial;
    uint16_t *pvpanic_port; /* the machine's, which it describes to the guest; 0 = none */
} IsaBus;

extern const QomType isa_bus_type;      /* "ISA" */
extern const QomType isa_serial_type;   /* "isa-serial" */
extern const QomType isa_debugcon_type; /* "isa-debugcon" */

#define ISA_BUS(object) QOM_CAST(IsaBus, &isa_bus_type, object)

#endif
