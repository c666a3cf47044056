/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of hw/pci share. */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

/* Below the chipset's own regions, which a misplaced BAR must not hide. */
#define PCI_BAR_PRIORITY (-1)

typedef struct PciMsix PciMsix;
typedef struct PciBridge PciBridge;

typedef struct PciBar {
    uint64_t size; /* 0: not there */
    PciBarKind kind;
    char *name;
    const IoRegionOps *ops;
    void *opaque;
    IoRegion *region; /* while the function is on a bus that leads to an address space */
    hwaddr address;   /* as decoded now, or PCI_BAR_UNMAPPED */
} PciBar;

struct PciFunction {
    unsigned size;
    uint8_t *now, *power_on, *writable, *clear; /* size bytes each, one allocation */
    const PciFunctionOps *ops;
    void *opaque;
    PciBus *bus;
    unsigned devfn;
    PciBar bars[PCI_NUM_BARS];
    unsigned last_capability, free_offset;                   /* 0: no capability yet */
    /* offsets of capabilities, 0: not there */
    unsigned pm, express, msi;
    unsigned msi_vectors;
    PciMsix *msix;
    PciBridge *bridge;
    bool intx_wanted, intx_driven; /* what the device wants; what reaches the wire */
};

#define PCI_DEVFN_COUNT 256

struct PciBus {
    PciFunction *functions[PCI_DEVFN_COUNT];
    PciFunction *bridge; /* NULL: a root bus */
    /* Root buses only */
    PciRootPorts ports;
    unsigned pirq_users[PCI_NUM_PIRQS]; /* functions that hold the wire up */
};

/* The bridge's part of a function (bridge.c). */
struct PciBridge {
    PciBus *bus;
    bool one_slot;     /* a link: slot 0 only */
    bool powered_off;  /* nothing behind answers */
    bool in_reset;     /* the secondary bus, by bridge control */
    /* Root ports: told before ops->config_written */
    void (*config_written)(PciFunction *function, unsigned offset, unsigned size);
    void (*reset)(PciFunction *function);
    void (*freed)(PciFunction *function);
    /* a function came or went by pci_bus_add or pci_bus_remove */
    void (*slot_changed)(PciFunction *function);
    void *port;        /* pcie-port.c */
};

static inline bool pci_touches(unsigned offset, unsigned size, unsigned at, unsigned length)
{
    return offset < at + length && offset + size > at;
}

/* The root bus above, or NULL while the bus is behind a bridge that no bus has yet. */
PciBus *pci_root_of(const PciBus *bus);

/* pci.c: an access that reached the function */
uint64_t pci_function_read(PciFunction *function, unsigned offset, unsigned size);
void pci_function_write(PciFunction *function, unsigned offset, uint64_t value, unsigned size);

/* pci-bar.c */
void pci_bars_attach(PciFunction *function); /* makes the regions */
void pci_bars_detach(PciFunction *function);
void pci_bars_update(PciFunction *function); /* decode anew, and below if it is a bridge */
void pci_bars_free(PciFunction *function);
/* BARs that share address spaces change together between these two. */
void pci_update_begin(const PciFunction *function);
void pci_update_end(const PciFunction *function);

/* pci-bus.c */
void pci_intx_update(PciFunction *function);

/* bridge.c */
bool pci_bridge_passes(const PciFunction *bridge, bool io, hwaddr first, hwaddr last);
void pci_bridge_written(PciFunction *bridge, unsigned offset, unsigned size);
void pci_bridge_reset_bus(PciFunction *bridge);
void pci_bridge_free(PciFunction *bridge);

/* msi.c, msix.c */
void pci_msi_written(PciFunction *function, unsigned offset, unsigned size);
void pci_msix_written(PciFunction *function, unsigned offset, unsigned size);
/* pci_function_is_master() may be another now, of the function and of those behind it. */
void pci_msix_master_changed(PciFunction *function);
void pci_msix_reset(PciFunction *function);
void pci_msix_free(PciFunction *function);
/* A message goes out, if the function may write to memory. */
void pci_send_message(const PciFunction *function, uint64_t address, uint32_t data);

#endif
