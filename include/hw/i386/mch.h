/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The q35 memory controller hub, 00:00.0: it says which machine this is, and PCIEXBAR places the
 * ECAM window. Machine lock held.
 */
#ifndef HW_I386_MCH_H
#define HW_I386_MCH_H

#include "hw/pci/pci.h"

typedef struct Mch Mch;

/* Adds itself to the bus, which frees the PCI function; mch_free frees the rest. */
Mch *mch_new(PciBus *bus, PciHost *host);
void mch_free(Mch *mch);
/* Where the guest put ECAM; false while it is disabled. For ACPI's MCFG. */
bool mch_ecam(const Mch *mch, hwaddr *base, uint64_t *size);

#endif
