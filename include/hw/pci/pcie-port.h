/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI-to-PCI bridges, and the PCI Express root port with its slot: native hotplug (PCI
 * Express 5.0, 6.7). A slot holds one device, slot number 0 of the bus behind the port, with up to
 * eight functions. Machine lock held.
 */
#ifndef HW_PCI_PCIE_PORT_H
#define HW_PCI_PCIE_PORT_H

#include "hw/pci/pci.h"

/* ---- Bridges (bridge.c) ---- */

/* A function with a type 1 header and a bus behind it. identity->class_device is 0604. */
PciFunction *pci_bridge_new(const PciIdentity *identity, const PciFunctionOps *ops, void *opaque);
/*
 * What firmware keeps for devices to come behind a bridge: bytes, and buses. PCI_RESERVE_NOTHING:
 * as firmware thinks fit.
 */
#define PCI_RESERVE_NOTHING UINT64_MAX
typedef struct PciReserve {
    uint64_t buses, io, memory, prefetchable_32, prefetchable_64;
} PciReserve;
bool pci_reserve_check(const PciReserve *reserve, GError **errp);
/*
 * Tells firmware so, by QEMU's vendor-specific capability "resource reservation", unless everything
 * is PCI_RESERVE_NOTHING; io = 0 takes the bridge's I/O window away. Before pci_bus_add.
 */
void pci_bridge_reserve(PciFunction *bridge, const PciReserve *reserve);
/* The bus behind; NULL: the function is no bridge. The bridge owns it. */
PciBus *pci_bridge_bus(const PciFunction *function);
/* Ranges the bridge passes down now, inclusive; false: none. For ACPI and `info pci`. */
typedef enum PciWindow { PCI_WINDOW_IO, PCI_WINDOW_MEMORY, PCI_WINDOW_PREFETCHABLE } PciWindow;
bool pci_bridge_window(const PciFunction *bridge, PciWindow window, hwaddr *first, hwaddr *last);

/* ---- Root ports (pcie-port.c) ---- */

typedef struct PcieRootPortConfig {
    uint8_t port;     /* link capability's port number */
    /* unique together with slot; shown by management software, no register has it */
    uint8_t chassis;
    uint16_t slot;    /* physical slot number, 13 bits */
    bool hotplug;     /* the slot can be filled and emptied while the machine runs */
} PcieRootPortConfig;

typedef struct PcieSlotOps {
    /*
     * The guest gave the device up, or the machine was reset with a request open: the function has
     * left its bus and is the callee's to free. Called for each of the slot's functions, the
     * highest first.
     */
    void (*unplugged)(void *opaque, PciFunction *function);
} PcieSlotOps;

/*
 * Vendor 1b36, device 000c, as existing guests and management software know it. slot_ops may be
 * NULL.
 */
PciFunction *pcie_root_port_new(const PcieRootPortConfig *config, const PcieSlotOps *slot_ops,
                                void *opaque);
/*
 * A function joins the slot of a running machine (before it runs: pci_bus_add on pci_bridge_bus).
 * The guest is told when function 0 is there: add it last. False and *errp: no hotplug here, or the
 * place is taken; the function stays the caller's.
 */
bool pcie_root_port_plug(PciFunction *port, PciFunction *function, unsigned devfn, const char *name,
                         GError **errp);
/*
 * Asks the guest to give the slot's device up (the attention button). False and *errp: nothing to
 * give up, no hotplug, or a request is already open.
 */
bool pcie_root_port_request_unplug(PciFunction *port, const char *name, GError **errp);
/* A request is open and the guest has not answered. */
bool pcie_root_port_unplug_pending(const PciFunction *port);

#endif
