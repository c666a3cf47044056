/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways to reset a PC: reset control register CF9, keyboard controller command FE at port 64,
 * port 92. There is no keyboard behind port 64: it reads as all-ones, "no controller". Machine lock
 * held.
 */
#ifndef HW_I386_RESET_PORTS_H
#define HW_I386_RESET_PORTS_H

#include "system/core/address-space.h"
#include "system/core/runstate.h"

typedef struct ResetPorts ResetPorts;

/*
 * Claims ports 64 and 92; CF9 lies inside the PCI address register, which calls reset_control_ops.
 */
ResetPorts *reset_ports_new(AddressSpace *ports, const RunStatePort *runstate,
                            void *runstate_opaque);
void reset_ports_free(ResetPorts *reset);
void reset_ports_reset(ResetPorts *reset);
extern const IoRegionOps reset_control_ops; /* opaque: a ResetPorts */

#endif
