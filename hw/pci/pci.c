/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions and their configuration space. */
#include <string.h>

#include "pci-internal.h"

static void define_byte(PciFunction *function, unsigned offset, uint8_t value, uint8_t writable)
{
    function->now[offset] = function->power_on[offset] = value;
    function->writable[offset] = writable;
}

void pci_config_define(PciFunction *function, unsigned offset, unsigned size, uint32_t power_on,
                       uint32_t writable)
{
    for (unsigned i = 0; i < size && offset + i < function->size; i++) {
        define_byte(function, offset + i, power_on >> 8 * i, writable >> 8 * i);
    }
}

void pci_config_write_one_to_clear(PciFunction *function, unsigned offset, unsigned size,
                                   uint32_t bits)
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

PciFunction *pci_function_new(const PciIdentity *identity, unsigned config_size,
                              const PciFunctionOps *ops, void *opaque)
{
    PciFunction *function = g_new0(PciFunction, 1);

    function->size = config_size;
    function->now = g_malloc0(4 * (size_t)config_size);
    function->power_on = function->now + config_size;
    function->writable = function->power_on + config_size;
    function->clear = function->writable + config_size;
    function->ops = ops;
    function->opaque = opaque;
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        function->bars[i].address = PCI_BAR_UNMAPPED;
    }
    pci_config_define(function, PCI_VENDOR_ID, 2, identity->vendor, 0);
    pci_config_define(function, PCI_DEVICE_ID, 2, identity->device, 0);
    pci_config_define(function, PCI_REVISION, 1, identity->revision, 0);
    pci_config_define(function, PCI_CLASS_PROG, 1, identity->prog_if, 0);
    pci_config_define(function, PCI_CLASS_DEVICE, 2, identity->class_device, 0);
    pci_config_define(function, PCI_INTERRUPT_LINE, 1, 0, 0xff);
    if (identity->subsystem_vendor) {
        pci_config_define(function, PCI_SUBSYSTEM_VENDOR_ID, 2, identity->subsystem_vendor, 0);
        pci_config_define(function, PCI_SUBSYSTEM_ID, 2, identity->subsystem, 0);
    }
    return function;
}

void pci_function_free(PciFunction *function)
{
    if (!function) {
        return;
    }
    if (function->ops && function->ops->free) {
        function->ops->free(function->opaque);
    }
    if (function->bridge) {
        pci_bridge_free(function);
    }
    pci_msix_free(function);
    pci_bars_free(function);
    g_free(function->now);
    g_free(function);
}

void *pci_function_opaque(const PciFunction *function)
{
    return function->opaque;
}

const PciFunctionOps *pci_function_ops(const PciFunction *function)
{
    return function->ops;
}

PciBus *pci_function_bus(const PciFunction *function)
{
    return function->bus;
}

unsigned pci_function_devfn(const PciFunction *function)
{
    return function->devfn;
}

static bool in_d0(const PciFunction *function)
{
    return !function->pm ||
           !(pci_config_get(function, function->pm + PCI_PM_CONTROL, 2) & PCI_PM_CONTROL_STATE);
}

bool pci_function_is_master(const PciFunction *function)
{
    for (const PciFunction *at = function; at; at = at->bus ? at->bus->bridge : NULL) {
        if (!(pci_config_get(at, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) || !in_d0(at)) {
            return false;
        }
    }
    return true;
}

/* What the guest's writes mean to the parts that all functions share. */
static void parts_written(PciFunction *function, unsigned offset, unsigned size)
{
    bool master = pci_touches(offset, size, PCI_COMMAND, 2) ||
                  (function->pm && pci_touches(offset, size, function->pm + PCI_PM_CONTROL, 2));

    pci_update_begin(function);
    if (master || pci_touches(offset, size, PCI_BAR0, 4 * PCI_NUM_BARS)) {
        pci_bars_update(function);
        pci_intx_update(function);
    }
    if (function->bridge) {
        pci_bridge_written(function, offset, size);
    }
    pci_update_end(function);
    if (function->msi) {
        pci_msi_written(function, offset, size);
    }
    if (function->msix) {
        pci_msix_written(function, offset, size);
    }
    if (master) {
        pci_msix_master_changed(function);
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
    pci_msix_reset(function);
    parts_written(function, 0, function->size);
    if (function->bridge) {
        pci_bridge_reset_bus(function);
    }
    if (function->ops && function->ops->reset) {
        function->ops->reset(function->opaque);
    }
    tell_written(function, 0, function->size);
}

/*
 * One access to a function that was found. Master abort past the end of a conventional function's
 * 256 bytes.
 */
uint64_t pci_function_read(PciFunction *function, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    if (function->ops && function->ops->config_read && offset < function->size) {
        function->ops->config_read(function->opaque, offset, size);
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = offset + i < function->size ? function->now[offset + i] : 0xff;
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

void pci_function_write(PciFunction *function, unsigned offset, uint64_t value, unsigned size)
{
    if (offset >= function->size) {
        return;
    }
    size = MIN(size, function->size - offset);
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = value >> 8 * i, writable = function->writable[at];
        uint8_t kept = function->now[at] & ~writable & ~(byte & function->clear[at]);
        function->now[at] = kept | (byte & writable);
    }
    parts_written(function, offset, size);
    tell_written(function, offset, size);
}
