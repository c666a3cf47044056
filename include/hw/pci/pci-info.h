/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions for people. Machine lock held. */
#ifndef HW_PCI_PCI_INFO_H
#define HW_PCI_PCI_INFO_H

#include "hw/pci/pci.h"

/* Where it is, what it is, where its registers lie; id: the user's, or NULL. */
void pci_function_describe(const PciFunction *function, const char *id, GString *out);

#endif
