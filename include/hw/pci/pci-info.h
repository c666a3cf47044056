/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions for people and for clients of QMP. Machine lock held. */
#ifndef HW_PCI_PCI_INFO_H
#define HW_PCI_PCI_INFO_H

#include "hw/pci/pci.h"
#include "util/json.h"

/* Base class and sub-class in words; NULL: unknown. */
const char *pci_class_name(unsigned class_device);
/* Where it is, what it is, where its registers lie; id: the user's, or NULL. */
void pci_function_describe(const PciFunction *function, const char *id, GString *out);

/* The user's id of a function, borrowed; NULL: it has none. */
typedef const char *PciIdFn(PciFunction *function, void *opaque);
/* The functions of a bus and, in their bridges, of those behind: a list of PciDeviceInfo. */
JsonValue *pci_bus_json(const PciBus *bus, PciIdFn *id_of, void *opaque);

#endif
