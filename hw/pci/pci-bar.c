/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Base address registers: sizing, and where each BAR is decoded. PCI 3.0, 6.2.5; windows:
 * PCI-to-PCI Bridge 1.2, chapter 4.
 */
#include "pci-internal.h"

static bool is_io(const PciBar *bar)
{
    return bar->kind == PCI_BAR_IO;
}

static bool is_64(const PciBar *bar)
{
    return bar->kind == PCI_BAR_MEM64 || bar->kind == PCI_BAR_MEM64_PREFETCHABLE;
}

void pci_bar_add(PciFunction *function, unsigned index, PciBarKind kind, const char *name,
                 uint64_t size, const IoRegionOps *ops, void *opaque)
{
    static const uint32_t type_bits[] = {
        [PCI_BAR_IO] = PCI_BAR_IS_IO, [PCI_BAR_MEM32] = 0, [PCI_BAR_MEM64] = PCI_BAR_IS_64,
        [PCI_BAR_MEM64_PREFETCHABLE] = PCI_BAR_IS_64 | PCI_BAR_IS_PREFETCHABLE,
    };
    PciBar *bar = &function->bars[index];
    unsigned offset = PCI_BAR0 + 4 * index;

    g_assert(index < PCI_NUM_BARS && !bar->size && !function->bus);
    g_assert(size >= (kind == PCI_BAR_IO ? 4 : 16) && !(size & (size - 1)));
    bar->size = size;
    bar->kind = kind;
    bar->name = g_strdup(name);
    bar->ops = ops;
    bar->opaque = opaque;
    uint64_t mask = ~(size - 1);
    pci_config_define(function, offset, 4, type_bits[kind],
                      mask & (kind == PCI_BAR_IO ? 0xfffffffcu : 0xfffffff0u));
    if (is_64(bar)) {
        g_assert(index + 1 < PCI_NUM_BARS && !function->bars[index + 1].size);
        pci_config_define(function, offset + 4, 4, 0, mask >> 32);
    }
    uint32_t command = kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    uint32_t writable = function->writable[PCI_COMMAND] | function->writable[PCI_COMMAND + 1] << 8;
    pci_config_define(function, PCI_COMMAND, 2, pci_config_get(function, PCI_COMMAND, 2),
                      writable | command | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
                          PCI_COMMAND_SERR);
}

static bool in_d0(const PciFunction *function)
{
    return !function->pm ||
           !(pci_config_get(function, function->pm + PCI_PM_CONTROL, 2) & PCI_PM_CONTROL_STATE);
}

/*
 * The registers' address; PCI_BAR_UNMAPPED if it can be none: 0, or all ones while the size is
 * being asked for.
 */
static hwaddr programmed_address(const PciFunction *function, unsigned index)
{
    const PciBar *bar = &function->bars[index];
    unsigned offset = PCI_BAR0 + 4 * index;
    hwaddr limit = is_io(bar) ? UINT16_MAX : is_64(bar) ? UINT64_MAX : UINT32_MAX;
    hwaddr base = pci_config_get(function, offset, 4) & ~(hwaddr)(is_io(bar) ? 3 : 15);

    if (is_64(bar)) {
        base |= (hwaddr)pci_config_get(function, offset + 4, 4) << 32;
    }
    if (base == 0 || base > limit || bar->size - 1 >= limit - base) {
        return PCI_BAR_UNMAPPED; /* the last address of its space is never a BAR's: that is what
                                    sizing writes */
    }
    return base;
}

static hwaddr decoded_address(const PciFunction *function, unsigned index)
{
    const PciBar *bar = &function->bars[index];
    hwaddr base = programmed_address(function, index);
    uint32_t needed = is_io(bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

    if (base == PCI_BAR_UNMAPPED || !in_d0(function) ||
        !(pci_config_get(function, PCI_COMMAND, 2) & needed)) {
        return PCI_BAR_UNMAPPED;
    }
    for (const PciFunction *bridge = function->bus->bridge; bridge; bridge = bridge->bus->bridge) {
        if (!pci_bridge_passes(bridge, is_io(bar), base, base + bar->size - 1)) {
            return PCI_BAR_UNMAPPED;
        }
    }
    return base;
}

static void place(PciFunction *function, unsigned index, hwaddr address)
{
    PciBar *bar = &function->bars[index];

    if (address == bar->address) {
        return;
    }
    bar->address = address;
    if (bar->region) {
        io_region_set(bar->region, address != PCI_BAR_UNMAPPED,
                      address != PCI_BAR_UNMAPPED ? address : 0);
    }
    if (function->ops && function->ops->bar_moved) {
        function->ops->bar_moved(function->opaque, index, address);
    }
}

void pci_bars_update(PciFunction *function)
{
    if (!function->bus || !pci_root_of(function->bus)) {
        return;
    }
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        if (function->bars[i].size) {
            place(function, i, decoded_address(function, i));
        }
    }
    PciBus *behind = function->bridge ? function->bridge->bus : NULL;
    for (unsigned i = 0; behind && i < PCI_DEVFN_COUNT; i++) {
        if (behind->functions[i]) {
            pci_bars_update(behind->functions[i]);
        }
    }
}

void pci_bars_attach(PciFunction *function)
{
    const PciRootPorts *ports = &pci_root_of(function->bus)->ports;

    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        PciBar *bar = &function->bars[i];
        AddressSpace *as = is_io(bar) ? ports->ports : ports->memory;
        if (bar->size && as) {
            address_space_begin(as);
            bar->region = address_space_add_io(as, bar->name, 0, bar->size, PCI_BAR_PRIORITY,
                                               bar->ops, bar->opaque);
            io_region_set(bar->region, false, 0);
            address_space_commit(as);
        }
    }
}

void pci_bars_detach(PciFunction *function)
{
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        place(function, i, PCI_BAR_UNMAPPED);
        g_clear_pointer(&function->bars[i].region, io_region_remove);
    }
}

void pci_bars_free(PciFunction *function)
{
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        g_clear_pointer(&function->bars[i].region, io_region_remove);
        g_free(function->bars[i].name);
    }
}

void pci_update_begin(const PciFunction *function)
{
    const PciBus *root = function->bus ? pci_root_of(function->bus) : NULL;

    if (root && root->ports.memory) {
        address_space_begin(root->ports.memory);
    }
    if (root && root->ports.ports) {
        address_space_begin(root->ports.ports);
    }
}

void pci_update_end(const PciFunction *function)
{
    const PciBus *root = function->bus ? pci_root_of(function->bus) : NULL;

    if (root && root->ports.ports) {
        address_space_commit(root->ports.ports);
    }
    if (root && root->ports.memory) {
        address_space_commit(root->ports.memory);
    }
}

hwaddr pci_bar_address(const PciFunction *function, unsigned bar)
{
    return bar < PCI_NUM_BARS ? function->bars[bar].address : PCI_BAR_UNMAPPED;
}

static const PciBar *bar_at(const PciFunction *function, unsigned index, uint64_t offset,
                            unsigned size)
{
    const PciBar *bar = index < PCI_NUM_BARS ? &function->bars[index] : NULL;

    return bar && size <= bar->size && offset <= bar->size - size ? bar : NULL;
}

uint64_t pci_bar_read(PciFunction *function, unsigned index, uint64_t offset, unsigned size)
{
    const PciBar *bar = bar_at(function, index, offset, size);

    return bar && bar->ops->read ? bar->ops->read(bar->opaque, offset, size) : UINT64_MAX;
}

void pci_bar_write(PciFunction *function, unsigned index, uint64_t offset, uint64_t value,
                   unsigned size)
{
    const PciBar *bar = bar_at(function, index, offset, size);

    if (bar && bar->ops->write) {
        bar->ops->write(bar->opaque, offset, value, size);
    }
}
