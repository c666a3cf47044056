/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions, their configuration space, and bus 0. */
#include "hw/pci/pci.h"

#include <string.h>

struct PciFunction {
    unsigned size;
    uint8_t *now, *power_on, *writable, *clear; /* size bytes each, one allocation */
    const PciFunctionOps *ops;
    void *opaque;
};

struct PciBus {
    PciFunction *functions[256];
};

static void define_byte(PciFunction *function, unsigned offset, uint8_t value, uint8_t writable)
{
    function->now[offset] = function->power_on[offset] = value;
    function->writable[offset] = writable;
}

void pci_config_define(PciFunction *function, unsigned offset, unsigned size, uint32_t power_on, uint32_t writable)
{
    for (unsigned i = 0; i < size && offset + i < function->size; i++) {
        define_byte(function, offset + i, power_on >> 8 * i, writable >> 8 * i);
    }
}

void pci_config_write_one_to_clear(PciFunction *function, unsigned offset, unsigned size, uint32_t bits)
{
    for (unsigned i = 0; i < size && offset + i < function->size; i++) {
        function->clear[offset + i] = bits >> 8 * i;
    }
}

uint32_t pci_config_get(const PciFunction *function, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && offset + i < function->size; i++) {
        value |= (uint32_t)function->now[offset + i] << 8 * i;
    }
    return value;
}

void pci_config_set(PciFunction *function, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && offset + i < function->size; i++) {
        function->now[offset + i] = value >> 8 * i;
    }
}

PciFunction *pci_function_new(const PciIdentity *identity, unsigned config_size, const PciFunctionOps *ops,
                              void *opaque)
{
    PciFunction *function = g_new0(PciFunction, 1);

    function->size = config_size;
    function->now = g_malloc0(4 * (size_t)config_size);
    function->power_on = function->now + config_size;
    function->writable = function->power_on + config_size;
    function->clear = function->writable + config_size;
    function->ops = ops;
    function->opaque = opaque;
    pci_config_define(function, PCI_VENDOR_ID, 2, identity->vendor, 0);
    pci_config_define(function, PCI_DEVICE_ID, 2, identity->device, 0);
    pci_config_define(function, PCI_REVISION, 1, identity->revision, 0);
    pci_config_define(function, PCI_CLASS_PROG, 1, identity->prog_if, 0);
    pci_config_define(function, PCI_CLASS_DEVICE, 2, identity->class_device, 0);
    pci_config_define(function, PCI_INTERRUPT_LINE, 1, 0, 0xff);
    return function;
}

void pci_function_free(PciFunction *function)
{
    if (function) {
        g_free(function->now);
        g_free(function);
    }
}

static void tell_written(PciFunction *function, unsigned offset, unsigned size)
{
    if (function->ops && function->ops->config_written) {
        function->ops->config_written(function->opaque, offset, size);
    }
}

void pci_function_reset(PciFunction *function)
{
    memcpy(function->now, function->power_on, function->size);
    tell_written(function, 0, function->size);
}

PciBus *pci_bus_new(void)
{
    return g_new0(PciBus, 1);
}

void pci_bus_free(PciBus *bus)
{
    if (!bus) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->functions); i++) {
        pci_function_free(bus->functions[i]);
    }
    g_free(bus);
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

void pci_bus_add(PciBus *bus, PciFunction *function, unsigned devfn)
{
    g_assert(devfn < G_N_ELEMENTS(bus->functions) && !bus->functions[devfn]);
    bus->functions[devfn] = function;
    mark_multifunction(bus, devfn);
}

void pci_bus_reset(PciBus *bus)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->functions); i++) {
        if (bus->functions[i]) {
            pci_function_reset(bus->functions[i]);
        }
    }
}

static PciFunction *find_function(PciBus *bus, unsigned bus_number, unsigned devfn)
{
    return bus_number == 0 && devfn < G_N_ELEMENTS(bus->functions) ? bus->functions[devfn] : NULL;
}

uint64_t pci_bus_read(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset, unsigned size)
{
    const PciFunction *function = find_function(bus, bus_number, devfn);
    uint64_t value = 0;

    /* Master abort: all ones, also past the end of a conventional function's 256 bytes. */
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = function && offset + i < function->size ? function->now[offset + i] : 0xff;
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

void pci_bus_write(PciBus *bus, unsigned bus_number, unsigned devfn, unsigned offset, uint64_t value, unsigned size)
{
    PciFunction *function = find_function(bus, bus_number, devfn);

    if (!function || offset >= function->size) {
        return;
    }
    size = MIN(size, function->size - offset);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = value >> 8 * i, writable = function->writable[at];
        uint8_t kept = function->now[at] & ~writable & ~(byte & function->clear[at]);
        function->now[at] = kept | (byte & writable);
    }
    tell_written(function, offset, size);
}
