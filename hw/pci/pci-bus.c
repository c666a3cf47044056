/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buses: which functions sit on them, how configuration accesses and interrupt pins find their way.
 */
#include <string.h>

#include "hw/pci/pcie-port.h"
#include "pci-internal.h"
#include "util/error.h"

#define SLOTS 32

PciBus *pci_bus_new(const PciRootPorts *ports)
{
    PciBus *bus = g_new0(PciBus, 1);

    if (ports) {
        bus->ports = *ports;
    }
    return bus;
}

void pci_bus_free(PciBus *bus)
{
    if (!bus) {
        return;
    }
    for (unsigned i = 0; i < PCI_DEVFN_COUNT; i++) {
        pci_function_free(bus->functions[i]);
    }
    g_free(bus);
}

PciBus *pci_root_of(const PciBus *bus)
{
    while (bus && bus->bridge) {
        bus = bus->bridge->bus;
    }
    return (PciBus *)bus;
}

const PciRootPorts *pci_bus_ports(const PciBus *bus)
{
    static const PciRootPorts nowhere;
    const PciBus *root = pci_root_of(bus);

    return root ? &root->ports : &nowhere;
}

PciFunction *pci_bus_bridge(const PciBus *bus)
{
    return bus->bridge;
}

PciFunction *pci_bus_function(const PciBus *bus, unsigned devfn)
{
    return devfn < PCI_DEVFN_COUNT ? bus->functions[devfn] : NULL;
}

static unsigned num_slots(const PciBus *bus)
{
    return bus->bridge && bus->bridge->bridge->one_slot ? 1 : SLOTS;
}

int pci_bus_free_slot(const PciBus *bus, unsigned first_slot)
{
    for (unsigned slot = first_slot; slot < num_slots(bus); slot++) {
        bool taken = false;
        for (unsigned i = 0; i < 8; i++) {
            taken |= bus->functions[PCI_DEVFN(slot, i)] != NULL;
        }
        if (!taken) {
            return slot;
        }
    }
    return -1;
}

bool pci_bus_check(const PciBus *bus, unsigned devfn, const char *name, GError **errp)
{
    if (devfn >= PCI_DEVFN_COUNT || PCI_SLOT(devfn) >= num_slots(bus)) {
        return error_set(
            errp,
            "PCI: slot %u is not valid for %s, parent device only allows plugging into slot 0",
            PCI_SLOT(devfn), name);
    }
    if (bus->functions[devfn]) {
        return error_set(errp, "PCI: slot %u function %u not available for %s, in use",
                         PCI_SLOT(devfn), devfn & 7, name);
    }
    return true;
}

/* Software looks at functions 1 to 7 only if function 0 says there are any (PCI 3.0, 6.2.1). */
static void mark_multifunction(PciBus *bus, unsigned devfn)
{
    PciFunction *first = bus->functions[devfn & ~7u];

    for (unsigned i = 1; first && i < 8; i++) {
        if (bus->functions[(devfn & ~7u) + i]) {
            first->now[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
            first->power_on[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
        }
    }
}

static void attach_tree(PciFunction *function)
{
    pci_bars_attach(function);
    PciBus *behind = function->bridge ? function->bridge->bus : NULL;
    for (unsigned i = 0; behind && i < PCI_DEVFN_COUNT; i++) {
        if (behind->functions[i]) {
            attach_tree(behind->functions[i]);
        }
    }
}

void pci_bus_add(PciBus *bus, PciFunction *function, unsigned devfn)
{
    g_assert(devfn < PCI_DEVFN_COUNT && !bus->functions[devfn] && !function->bus);
    bus->functions[devfn] = function;
    function->bus = bus;
    function->devfn = devfn;
    mark_multifunction(bus, devfn);
    if (pci_root_of(bus)) {
        attach_tree(function);
        pci_bars_update(function);
    }
    if (bus->bridge && bus->bridge->bridge->slot_changed) {
        bus->bridge->bridge->slot_changed(bus->bridge);
    }
}

static void detach_tree(PciFunction *function)
{
    PciBus *behind = function->bridge ? function->bridge->bus : NULL;

    pci_bars_detach(function);
    for (unsigned i = 0; behind && i < PCI_DEVFN_COUNT; i++) {
        if (behind->functions[i]) {
            detach_tree(behind->functions[i]);
        }
    }
}

void pci_bus_remove(PciBus *bus, PciFunction *function)
{
    g_assert(function->bus == bus);
    pci_intx_set(function, false);
    pci_update_begin(function);
    detach_tree(function);
    pci_update_end(function);
    bus->functions[function->devfn] = NULL;
    function->bus = NULL;
    if (bus->bridge && bus->bridge->bridge->slot_changed) {
        bus->bridge->bridge->slot_changed(bus->bridge);
    }
}

void pci_bus_reset(PciBus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFN_COUNT; i++) {
        if (bus->functions[i]) {
            pci_function_reset(bus->functions[i]);
        }
    }
}

void pci_bus_foreach(PciBus *bus, void (*visit)(PciFunction *function, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < PCI_DEVFN_COUNT; i++) {
        PciFunction *function = bus->functions[i];
        if (function) {
            visit(function, opaque);
            if (function->bridge) {
                pci_bus_foreach(function->bridge->bus, visit, opaque);
            }
        }
    }
}

/* ---- Configuration accesses ---- */

/*
 * Type 1 accesses go down by the bridges' bus numbers, and become type 0 on the bus that has the
 * number (PCI-to-PCI 1.2, 3.1).
 */
static PciBus *find_bus(PciBus *bus, unsigned number)
{
    if (number == 0) {
        return bus;
    }
    for (unsigned i = 0; i < PCI_DEVFN_COUNT;) {
        const PciFunction *bridge = bus->functions[i++];
        if (!bridge || !bridge->bridge || bridge->bridge->powered_off || bridge->bridge->in_reset) {
            continue;
        }
        unsigned secondary = bridge->now[PCI_SECONDARY_BUS],
                 subordinate = bridge->now[PCI_SUBORDINATE_BUS];
        if (secondary == number) {
            return bridge->bridge->bus;
        }
        if (secondary && secondary < number && number <= subordinate) {
            bus = bridge->bridge->bus;
            i = 0;
        }
    }
    return NULL;
}

static PciFunction *find_function(PciBus *root, unsigned number, unsigned devfn)
{
    PciBus *bus = find_bus(root, number);

    return bus && devfn < PCI_DEVFN_COUNT ? bus->functions[devfn] : NULL;
}

uint64_t pci_bus_read(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset,
                      unsigned size)
{
    PciFunction *function = find_function(bus, bus_number, devfn);

    if (!function) {
        return size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    }
    return pci_function_read(function, offset, size);
}

void pci_bus_write(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset,
                   uint64_t value, unsigned size)
{
    PciFunction *function = find_function(bus, bus_number, devfn);

    if (function) {
        pci_function_write(function, offset, value, size);
    }
}

/* ---- Interrupt pins ---- */

void pci_intx_add(PciFunction *function, unsigned pin)
{
    g_assert(pin <= PCI_NUM_PIRQS && !function->bus);
    pci_config_define(function, PCI_INTERRUPT_PIN, 1, pin, 0);
    uint32_t writable = function->writable[PCI_COMMAND] | function->writable[PCI_COMMAND + 1] << 8;
    pci_config_define(function, PCI_COMMAND, 2, pci_config_get(function, PCI_COMMAND, 2),
                      writable | PCI_COMMAND_INTX_DISABLE);
}

/*
 * Each bridge turns the pins by the slot of what is below it (PCI-to-PCI Bridge 1.2, 9.1); the
 * root's wires are turned likewise.
 */
static void drive_wire(PciFunction *function, bool level)
{
    unsigned pin = function->now[PCI_INTERRUPT_PIN] - 1;
    const PciFunction *at = function;

    while (at->bus && at->bus->bridge) {
        pin = (pin + PCI_SLOT(at->devfn)) % PCI_NUM_PIRQS;
        at = at->bus->bridge;
    }
    if (!at->bus) {
        return;
    }
    PciBus *root = at->bus;
    pin = (pin + PCI_SLOT(at->devfn)) % PCI_NUM_PIRQS;
    root->pirq_users[pin] += level ? 1 : -1;
    if (root->pirq_users[pin] == (level ? 1 : 0)) {
        irq_set(root->ports.pirq[pin], level);
    }
}

void pci_intx_update(PciFunction *function)
{
    bool driven = function->intx_wanted && function->now[PCI_INTERRUPT_PIN] && function->bus &&
                  !(pci_config_get(function, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);

    function->now[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    function->now[PCI_STATUS] |= function->intx_wanted ? PCI_STATUS_INTERRUPT : 0;
    if (driven != function->intx_driven) {
        function->intx_driven = driven;
        drive_wire(function, driven);
    }
}

void pci_intx_set(PciFunction *function, bool level)
{
    if (level != function->intx_wanted) {
        function->intx_wanted = level;
        pci_intx_update(function);
    }
}
