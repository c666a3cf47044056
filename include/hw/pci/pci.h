/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions: configuration space (what reads give, which bits the guest may write, which it
 * clears by writing ones), base address registers, capabilities, interrupt pins; the buses they sit
 * on; and the host bridge's two ways to configuration space, ports CF8/CFC and the memory-mapped
 * window (ECAM). A mechanism without object model. Machine lock held, unless said.
 *
 *     function = pci_function_new(&identity, PCIE_CONFIG_SIZE, &ops, device);
 *     pci_bar_add(function, 0, PCI_BAR_MEM64, "registers", 0x4000, &region_ops, device);
 *     pci_msix_add(function, 1, 3);                  (hw/pci/msix.h)
 *     pci_pm_add(function), pci_express_add(function, PCIE_TYPE_ENDPOINT);
 *     pci_bus_add(bus, function, PCI_DEVFN(3, 0));   the bus owns it now
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/pci/pci-regs.h"
#include "system/core/address-space.h"
#include "system/core/event-port.h"
#include "system/core/guest-ram.h"
#include "system/core/irq.h"
#include "system/core/msi.h"
#include "system/core/shared-memory.h"

#define PCI_DEVFN(device, function) ((device) << 3 | (function))
#define PCI_SLOT(devfn) ((devfn) >> 3)
#define PCI_NUM_BARS 6
#define PCI_NUM_PIRQS 4
#define PCI_BAR_UNMAPPED UINT64_MAX

typedef struct PciFunction PciFunction;
typedef struct PciBus PciBus;

typedef struct PciIdentity {
    uint16_t vendor, device;
    uint16_t class_device; /* base class and sub-class, as in 0x0601 */
    uint8_t prog_if, revision;
    uint16_t subsystem_vendor, subsystem; /* type 0 headers; 0 = none */
} PciIdentity;

typedef struct PciFunctionOps {
    /*
     * The guest wrote [offset, offset + size), masks applied; also called for the whole space after
     * a reset. NULL: plain registers.
     */
    void (*config_written)(void *opaque, unsigned offset, unsigned size);
    /*
     * The guest is about to read [offset, offset + size): bring it up to date with
     * pci_config_set(). May be NULL.
     */
    void (*config_read)(void *opaque, unsigned offset, unsigned size);
    /*
     * A BAR is decoded at base from now on; PCI_BAR_UNMAPPED: not at all. Called only when that
     * changes. May be NULL.
     */
    void (*bar_moved)(void *opaque, unsigned bar, hwaddr base);
    /*
     * Machine, secondary bus or slot power was reset; the registers are as at power-on. May be
     * NULL.
     */
    void (*reset)(void *opaque);
    /* The function is being freed: the maker's part of it goes too. May be NULL. */
    void (*free)(void *opaque);
} PciFunctionOps;

/* ---- Functions (pci.c) ---- */

/*
 * config_size: PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE. The interrupt line register is writable, all
 * else read-only.
 */
PciFunction *pci_function_new(const PciIdentity *identity, unsigned config_size,
                              const PciFunctionOps *ops, void *opaque);
/* One that no bus has; a bus frees its own. Its BARs leave the address space. */
void pci_function_free(PciFunction *function);
/* What was given to pci_function_new(). */
void *pci_function_opaque(const PciFunction *function);
const PciFunctionOps *pci_function_ops(const PciFunction *function);
/* Power-on contents and writable bits of a field of 1, 2 or 4 bytes; for the device's maker. */
void pci_config_define(PciFunction *function, unsigned offset, unsigned size, uint32_t power_on,
                       uint32_t writable);
/* These bits are cleared by writing ones. */
void pci_config_write_one_to_clear(PciFunction *function, unsigned offset, unsigned size,
                                   uint32_t bits);
/* The device's own view: no masks, no callback. offset + size must lie inside. */
uint32_t pci_config_get(const PciFunction *function, unsigned offset, unsigned size);
void pci_config_set(PciFunction *function, unsigned offset, unsigned size, uint32_t value);
void pci_function_reset(PciFunction *function);
/* The function's bus, NULL before pci_bus_add; its number on it. */
PciBus *pci_function_bus(const PciFunction *function);
unsigned pci_function_devfn(const PciFunction *function);
/*
 * May it read and write guest memory: its own bus master bit, those of the bridges above it, and
 * power state D0.
 */
bool pci_function_is_master(const PciFunction *function);

/* ---- Base address registers (pci-bar.c) ---- */

typedef enum PciBarKind {
    PCI_BAR_IO,
    PCI_BAR_MEM32,
    PCI_BAR_MEM64,              /* takes two registers */
    PCI_BAR_MEM64_PREFETCHABLE,
} PciBarKind;

/*
 * size: a power of two, at least 16 for memory and 4 for I/O. The region is answered by ops while
 * the guest has memory or I/O decoding on, here and in each bridge above, and the address lies in
 * the bridges' windows. Before pci_bus_add.
 */
void pci_bar_add(PciFunction *function, unsigned bar, PciBarKind kind, const char *name,
                 uint64_t size, const IoRegionOps *ops, void *opaque);
/* Where it is decoded now, or PCI_BAR_UNMAPPED. */
hwaddr pci_bar_address(const PciFunction *function, unsigned bar);
/*
 * An access as if it came over the bus, whether decoded or not: virtio's configuration access
 * window.
 */
uint64_t pci_bar_read(PciFunction *function, unsigned bar, uint64_t offset, unsigned size);
void pci_bar_write(PciFunction *function, unsigned bar, uint64_t offset, uint64_t value,
                   unsigned size);

/*
 * ---- Capabilities (pci-cap.c). Each returns the new capability's offset; before pci_bus_add. ----
 */

/* size: with its two bytes of id and link. */
unsigned pci_capability_add(PciFunction *function, uint8_t id, unsigned size);
/* Power management, D0 and D3hot; in D3hot no BAR is decoded. */
unsigned pci_pm_add(PciFunction *function);
/* PCI Express, version 2 of the structure; type PCIE_TYPE_*. */
unsigned pci_express_add(PciFunction *function, unsigned type);
unsigned pci_express_offset(const PciFunction *function); /* 0: none */

/* ---- Interrupt pin (pci-bus.c) ---- */

/* pin: 0 none, 1 INTA … 4 INTD. Before pci_bus_add. */
void pci_intx_add(PciFunction *function, unsigned pin);
/* The level a device wants; what reaches the wire depends on the command register. */
void pci_intx_set(PciFunction *function, bool level);

/* ---- Buses (pci-bus.c) ---- */

/* What a root bus leads to. All are borrowed; any may be NULL. */
typedef struct PciRootPorts {
    AddressSpace *memory, *ports;           /* where BARs appear */
    const MsiPort *msi;
    const IrqLine *pirq[PCI_NUM_PIRQS]; /* pin p (0 = INTA) of slot s drives pirq[(s + p) % 4] */
    const EventPort *events;                /* ioeventfd and irqfd */
    const SharedMemoryPort *shared_memory;  /* what a device may read and write */
    const GuestRam *ram;                    /* all RAM, for back ends outside the process */
    unsigned num_ram;
    /* for work that begins outside vCPU exits; NULL in tests */
    GMutex *machine_lock;
} PciRootPorts;

/* A root bus, number 0. ports: copied; NULL: leads nowhere. */
PciBus *pci_bus_new(const PciRootPorts *ports);
/* Frees its functions, and the buses behind them. */
void pci_bus_free(PciBus *bus);
/* The root's ports, from anywhere below. */
const PciRootPorts *pci_bus_ports(const PciBus *bus);
/* Bridge this bus is behind; NULL for a root bus. */
PciFunction *pci_bus_bridge(const PciBus *bus);
/* NULL: there is none. */
PciFunction *pci_bus_function(const PciBus *bus, unsigned devfn);
/*
 * A free slot (function 0), counted from first_slot; -1: all are taken. Behind a PCI Express port
 * there is slot 0 only.
 */
int pci_bus_free_slot(const PciBus *bus, unsigned first_slot);
/*
 * False, and *errp: the place is taken, or the bus has no such slot. name is the newcomer's, for
 * the message.
 */
bool pci_bus_check(const PciBus *bus, unsigned devfn, const char *name, GError **errp);
/*
 * The bus takes the function; a second one at the same devfn is a mistake of the caller's
 * (pci_bus_check).
 */
void pci_bus_add(PciBus *bus, PciFunction *function, unsigned devfn);
/* Takes it out again, alive: hot unplug. */
void pci_bus_remove(PciBus *bus, PciFunction *function);
void pci_bus_reset(PciBus *bus);
/*
 * Configuration accesses as the host bridge makes them on a root bus: number 0 is its own, others
 * are behind the bridge whose secondary and subordinate numbers hold them, or empty. Any offset and
 * size (1, 2, 4 or 8) is allowed.
 */
uint64_t pci_bus_read(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset,
                      unsigned size);
void pci_bus_write(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset,
                   uint64_t value, unsigned size);
/* Each function on the bus and behind its bridges; depth first, by devfn. */
void pci_bus_foreach(PciBus *bus, void (*visit)(PciFunction *function, void *opaque), void *opaque);

/* ---- Host bridge (host.c) ---- */

typedef struct PciHost PciHost;

/*
 * Claims ports CF8-CFF. Byte accesses to CF9 (the chipset's reset control, which lies inside the
 * address register) are passed to `reset_control`, offset 0; it may be NULL.
 */
PciHost *pci_host_new(PciBus *bus, AddressSpace *memory, AddressSpace *ports,
                      const IoRegionOps *reset_control, void *reset_opaque);
void pci_host_free(PciHost *host);
void pci_host_reset(PciHost *host);
/* Where the ECAM window lies now; size is 64, 128 or 256 MiB. */
void pci_host_set_ecam(PciHost *host, bool enabled, hwaddr base, uint64_t size);

#endif
