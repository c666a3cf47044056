/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X (PCI 3.0, 6.8.2): a table of messages in a BAR of its own, each with a mask; the pending
 * bits behind it. Machine lock held.
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "hw/pci/pci.h"

#define PCI_MSIX_NO_VECTOR 0xffffu

/*
 * vectors: 1 to PCI_MSIX_MAX_VECTORS; the BAR (32-bit memory) holds table and pending bits and
 * nothing else.
 */
void pci_msix_add(PciFunction *function, unsigned bar, unsigned vectors);
bool pci_msix_enabled(const PciFunction *function);
unsigned pci_msix_vectors(const PciFunction *function); /* 0: the function has no MSI-X */
/*
 * Sends, or makes it pending while masked. Nothing for a vector that is not there or while MSI-X is
 * off.
 */
void pci_msix_notify(PciFunction *function, unsigned vector);

/*
 * For interrupts that are raised past this code (irqfd): told each time a vector's message or mask
 * changes what arrives. usable: interrupts go out as address and data; else they must be kept back
 * until a call with usable says otherwise.
 */
typedef void PciMsixNotifier(void *opaque, unsigned vector, bool usable, uint64_t address,
                             uint32_t data);
/*
 * One notifier a function; NULL ends it. It is called for all vectors at once after an enable,
 * disable or reset.
 */
void pci_msix_set_notifier(PciFunction *function, PciMsixNotifier *notifier, void *opaque);
/* As the notifier would be told now. */
bool pci_msix_message(const PciFunction *function, unsigned vector, uint64_t *address,
                      uint32_t *data);

#endif
