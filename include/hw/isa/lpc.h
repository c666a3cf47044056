/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ICH9 LPC bridge, 00:1f.0: where the ACPI registers and the root complex block lie, and PCI
 * interrupt routing. Machine lock held.
 */
#ifndef HW_ISA_LPC_H
#define HW_ISA_LPC_H

#include "hw/isa/tco.h"
#include "hw/pci/pci.h"

#define LPC_DEVFN PCI_DEVFN(0x1f, 0)

typedef struct Lpc Lpc;

typedef struct LpcPorts {
    /* The guest enabled, disabled or moved the ACPI I/O block (PMBASE, ACPI_CNTL bit 7). */
    void (*acpi_moved)(void *opaque, bool enabled, uint16_t base);
    void *opaque;
    Tco *tco; /* borrowed */
} LpcPorts;

/* Adds itself to the bus, which frees the PCI function; lpc_free frees the rest. */
Lpc *lpc_new(PciBus *bus, AddressSpace *memory, const LpcPorts *ports);
void lpc_free(Lpc *lpc);

#endif
