/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message-signalled interrupts of a PCI function (PCI 3.0, 6.8.1): one 64-bit message with
 * per-vector mask. Machine lock held.
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H

#include "hw/pci/pci.h"

/* vectors: 1, 2, 4 … 32. Before pci_bus_add. */
void pci_msi_add(PciFunction *function, unsigned vectors);
bool pci_msi_enabled(const PciFunction *function);
/*
 * Sends, or makes it pending while masked. vector beyond what the guest enabled: the guest's last
 * one is used.
 */
void pci_msi_notify(PciFunction *function, unsigned vector);

#endif
