/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions on bus 0 and their configuration space: what reads give, which bits the guest may write, which it
 * clears by writing ones; and the host bridge's two ways to reach it, ports CF8/CFC and the memory-mapped window
 * (ECAM). Machine lock held.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "system/core/address-space.h"

#define PCI_DEVFN(device, function) ((device) << 3 | (function))
#define PCI_CONFIG_SIZE 256
#define PCIE_CONFIG_SIZE 4096

/* Type 0 header, PCI Local Bus Specification 3.0, section 6.1 */
enum {
    PCI_VENDOR_ID = 0x00, PCI_DEVICE_ID = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION = 0x08,
    PCI_CLASS_PROG = 0x09, PCI_CLASS_DEVICE = 0x0a, PCI_CACHE_LINE_SIZE = 0x0c, PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10, PCI_SUBSYSTEM_VENDOR_ID = 0x2c, PCI_SUBSYSTEM_ID = 0x2e, PCI_ROM_BAR = 0x30,
    PCI_CAPABILITY_LIST = 0x34, PCI_INTERRUPT_LINE = 0x3c, PCI_INTERRUPT_PIN = 0x3d,
};
#define PCI_HEADER_MULTIFUNCTION 0x80

typedef struct PciFunction PciFunction;
typedef struct PciBus PciBus;

typedef struct PciIdentity {
    uint16_t vendor, device;
    uint16_t class_device; /* base class and sub-class, as in 0x0601 */
    uint8_t prog_if, revision;
} PciIdentity;

typedef struct PciFunctionOps {
    /*
     * The guest wrote [offset, offset + size), masks applied; also called for the whole space after a reset. NULL:
     * plain registers.
     */
    void (*config_written)(void *opaque, unsigned offset, unsigned size);
} PciFunctionOps;

/* config_size: PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE. The interrupt line register is writable, all else read-only. */
PciFunction *pci_function_new(const PciIdentity *identity, unsigned config_size, const PciFunctionOps *ops,
                              void *opaque);
void pci_function_free(PciFunction *function);
/* Power-on contents and writable bits of a field of 1, 2 or 4 bytes; for the device's maker. */
void pci_config_define(PciFunction *function, unsigned offset, unsigned size, uint32_t power_on, uint32_t writable);
/* These bits are cleared by writing ones. */
void pci_config_write_one_to_clear(PciFunction *function, unsigned offset, unsigned size, uint32_t bits);
/* The device's own view: no masks, no callback. offset + size must lie inside. */
uint32_t pci_config_get(const PciFunction *function, unsigned offset, unsigned size);
void pci_config_set(PciFunction *function, unsigned offset, unsigned size, uint32_t value);
void pci_function_reset(PciFunction *function);

PciBus *pci_bus_new(void);
/* Frees its functions too. */
void pci_bus_free(PciBus *bus);
/* The bus takes the function; a second one at the same devfn is a mistake of the machine's list. */
void pci_bus_add(PciBus *bus, PciFunction *function, unsigned devfn);
void pci_bus_reset(PciBus *bus);
/* bus_number 0 is ours, all others are empty. Any offset and size (1, 2, 4 or 8) is allowed. */
uint64_t pci_bus_read(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset, unsigned size);
void pci_bus_write(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset, uint64_t value, unsigned size);

typedef struct PciHost PciHost;

/*
 * Claims ports CF8-CFF. Byte accesses to CF9 (the chipset's reset control, which lies inside the address register)
 * are passed to `reset_control`, offset 0; it may be NULL.
 */
PciHost *pci_host_new(PciBus *bus, AddressSpace *memory, AddressSpace *ports, const IoRegionOps *reset_control,
                      void *reset_opaque);
void pci_host_free(PciHost *host);
void pci_host_reset(PciHost *host);
/* Where the ECAM window lies now; size is 64, 128 or 256 MiB. */
void pci_host_set_ecam(PciHost *host, bool enabled, hwaddr base, uint64_t size);

#endif
