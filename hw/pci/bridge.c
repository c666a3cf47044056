/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI-to-PCI bridges: the type 1 header and its windows (PCI-to-PCI Bridge 1.2, chapters 3 and 4).
 */
#include "hw/pci/pcie-port.h"
#include "pci-internal.h"
#include "util/error.h"

#define WINDOW_64 1u /* prefetchable window: upper halves are there */
/* QEMU's docs/pcie_pci_bridge.txt and hw/pci/pci_bridge.h: type and size of the capability. */
#define RESERVATION 1
#define RESERVATION_SIZE 32

PciFunction *pci_bridge_new(const PciIdentity *identity, const PciFunctionOps *ops, void *opaque)
{
    PciFunction *function = pci_function_new(identity, PCIE_CONFIG_SIZE, ops, opaque);

    pci_config_define(function, PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE, 0);
    pci_config_define(function, PCI_COMMAND, 2, 0,
                      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                          PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    pci_config_define(function, PCI_PRIMARY_BUS, 4, 0, 0x00ffffff);
    /* 16-bit I/O addresses, all there are */
    pci_config_define(function, PCI_IO_BASE, 2, 0, 0xf0f0);
    pci_config_define(function, PCI_MEMORY_BASE, 4, 0, 0xfff0fff0);
    pci_config_define(function, PCI_PREF_BASE, 4, WINDOW_64 << 16 | WINDOW_64, 0xfff0fff0);
    pci_config_define(function, PCI_PREF_BASE_UPPER, 4, 0, 0xffffffff);
    pci_config_define(function, PCI_PREF_LIMIT_UPPER, 4, 0, 0xffffffff);
    pci_config_define(function, PCI_BRIDGE_CONTROL, 2, 0,
                      PCI_BRIDGE_CONTROL_PARITY | PCI_BRIDGE_CONTROL_SERR |
                          PCI_BRIDGE_CONTROL_RESET);
    function->bridge = g_new0(PciBridge, 1);
    function->bridge->bus = pci_bus_new(NULL);
    function->bridge->bus->bridge = function;
    return function;
}

bool pci_reserve_check(const PciReserve *reserve, GError **errp)
{
    const struct {
        const char *name;
        uint64_t value;
    } halves[] = { { "mem-reserve", reserve->memory },
                   { "pref32-reserve", reserve->prefetchable_32 } };

    if (reserve->prefetchable_32 != PCI_RESERVE_NOTHING &&
        reserve->prefetchable_64 != PCI_RESERVE_NOTHING) {
        error_set(errp, "PCI resource reserve cap: PREF32 and PREF64 conflict");
        error_hint(errp, "A bridge has one prefetchable window: give pref32-reserve or "
                         "pref64-reserve");
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(halves); i++) {
        if (halves[i].value != PCI_RESERVE_NOTHING && halves[i].value > UINT32_MAX) {
            return error_set(errp, "PCI resource reserve cap: %s must be less than 4G",
                             halves[i].name);
        }
    }
    return true;
}

void pci_bridge_reserve(PciFunction *bridge, const PciReserve *reserve)
{
    const uint32_t values[] = {
        (uint32_t)reserve->buses, (uint32_t)reserve->io, (uint32_t)(reserve->io >> 32),
        (uint32_t)reserve->memory, (uint32_t)reserve->prefetchable_32,
        (uint32_t)reserve->prefetchable_64, (uint32_t)(reserve->prefetchable_64 >> 32),
    };
    bool given = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        given |= values[i] != UINT32_MAX;
    }
    if (!given) {
        return;
    }
    unsigned at = pci_capability_add(bridge, PCI_CAP_VENDOR, RESERVATION_SIZE);
    pci_config_define(bridge, at + 2, 2, RESERVATION << 8 | RESERVATION_SIZE, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        pci_config_define(bridge, at + 4 + 4 * i, 4, values[i], 0);
    }
    if (!reserve->io) {
        pci_config_define(bridge, PCI_IO_BASE, 2, 0, 0);
        pci_config_define(bridge, PCI_COMMAND, 1, 0,
                          PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY);
    }
}

void pci_bridge_free(PciFunction *function)
{
    if (function->bridge->freed) {
        function->bridge->freed(function);
    }
    pci_bus_free(function->bridge->bus);
    g_clear_pointer(&function->bridge, g_free);
}

PciBus *pci_bridge_bus(const PciFunction *function)
{
    return function->bridge ? function->bridge->bus : NULL;
}

bool pci_bridge_window(const PciFunction *bridge, PciWindow window, hwaddr *first, hwaddr *last)
{
    uint32_t command = pci_config_get(bridge, PCI_COMMAND, 2);

    switch (window) {
    case PCI_WINDOW_IO:
        *first = (hwaddr)(bridge->now[PCI_IO_BASE] & 0xf0) << 8;
        *last = (hwaddr)(bridge->now[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff;
        return (command & PCI_COMMAND_IO) && *first <= *last;
    case PCI_WINDOW_MEMORY:
        *first = (hwaddr)(pci_config_get(bridge, PCI_MEMORY_BASE, 2) & 0xfff0) << 16;
        *last = (hwaddr)(pci_config_get(bridge, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
        break;
    default:
        *first = (hwaddr)pci_config_get(bridge, PCI_PREF_BASE_UPPER, 4) << 32 |
                 (hwaddr)(pci_config_get(bridge, PCI_PREF_BASE, 2) & 0xfff0) << 16;
        *last = (hwaddr)pci_config_get(bridge, PCI_PREF_LIMIT_UPPER, 4) << 32 |
                (hwaddr)(pci_config_get(bridge, PCI_PREF_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
        break;
    }
    return (command & PCI_COMMAND_MEMORY) && *first <= *last;
}

bool pci_bridge_passes(const PciFunction *bridge, bool io, hwaddr first, hwaddr last)
{
    hwaddr start, end;

    if (bridge->bridge->powered_off || bridge->bridge->in_reset) {
        return false;
    }
    for (PciWindow window = io ? PCI_WINDOW_IO : PCI_WINDOW_MEMORY;
         window <= (io ? PCI_WINDOW_IO : PCI_WINDOW_PREFETCHABLE); window++) {
        if (pci_bridge_window(bridge, window, &start, &end) && start <= first && last <= end) {
            return true;
        }
    }
    return false;
}

void pci_bridge_reset_bus(PciFunction *function)
{
    pci_bus_reset(function->bridge->bus);
    if (function->bridge->reset) {
        function->bridge->reset(function);
    }
}

void pci_bridge_written(PciFunction *function, unsigned offset, unsigned size)
{
    PciBridge *bridge = function->bridge;
    bool held = pci_config_get(function, PCI_BRIDGE_CONTROL, 2) & PCI_BRIDGE_CONTROL_RESET;

    if (held != bridge->in_reset) {
        bridge->in_reset = held;
        if (held) {
            pci_bus_reset(bridge->bus);
        }
    }
    if (pci_touches(offset, size, PCI_IO_BASE, PCI_BRIDGE_CONTROL + 2 - PCI_IO_BASE)) {
        pci_bars_update(function);
    }
    if (bridge->config_written) {
        bridge->config_written(function, offset, size);
    }
}
