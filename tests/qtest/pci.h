/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's PCI code: configuration by the ports 0xcf8 and 0xcfc, windows of bridges, BARs, MSI-X
 * messages into RAM.
 */
#ifndef TESTS_QTEST_PCI_H
#define TESTS_QTEST_PCI_H

#include "client.h"

#define PCI_MMIO_BASE UINT64_C(0xe0000000) /* BARs are given out from here */

typedef struct PciAddress {
    uint8_t bus, devfn;
} PciAddress;

uint32_t pci_config_read(Client *client, PciAddress at, unsigned offset, unsigned size);
void pci_config_write(Client *client, PciAddress at, unsigned offset, uint32_t value,
                      unsigned size);
/* Offset of a capability with this id behind `after` (0: the first); 0: there is none. */
unsigned pci_find_capability(Client *client, PciAddress at, uint8_t id, unsigned after);
/* Places a memory BAR at `address`, and returns its size; 0: there is none. */
uint64_t pci_place_bar(Client *client, PciAddress at, unsigned bar, uint64_t address);
/* Memory decoding and bus mastering on. */
void pci_enable(Client *client, PciAddress at);
/* Bus numbers and a memory window of 16 MiB at `window`. */
void pci_set_up_bridge(Client *client, PciAddress at, uint8_t secondary, uint64_t window);
/*
 * MSI-X on; vector i writes i + 1 as 4 bytes at message + 4 * i. bars: where the function's BAR n
 * lies.
 */
void pci_enable_msix(Client *client, PciAddress at, const uint64_t *bars, unsigned vectors,
                     uint64_t message);

#endif
