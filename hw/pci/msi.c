/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI: PCI 3.0, 6.8.1. */
#include "hw/pci/msi.h"

#include "pci-internal.h"

void pci_msi_add(PciFunction *function, unsigned vectors)
{
    unsigned log2 = g_bit_storage(vectors) - 1;
    unsigned offset = pci_capability_add(function, PCI_CAP_MSI, PCI_MSI_SIZE);
    uint32_t masks = vectors < 32 ? (1u << vectors) - 1 : UINT32_MAX;

    g_assert(vectors && vectors <= 32 && vectors == 1u << log2);
    function->msi = offset;
    function->msi_vectors = vectors;
    pci_config_define(function, offset + PCI_MSI_CONTROL, 2,
                      PCI_MSI_64BIT | PCI_MSI_MASKABLE | log2 << 1, PCI_MSI_ENABLE | 7 << 4);
    pci_config_define(function, offset + PCI_MSI_ADDRESS, 4, 0, 0xfffffffc);
    pci_config_define(function, offset + PCI_MSI_ADDRESS_UPPER, 4, 0, 0xffffffff);
    pci_config_define(function, offset + PCI_MSI_DATA, 2, 0, 0xffff);
    pci_config_define(function, offset + PCI_MSI_MASK, 4, 0, masks);
}

void pci_send_message(const PciFunction *function, uint64_t address, uint32_t data)
{
    if (function->bus && pci_function_is_master(function)) {
        msi_send(pci_bus_ports(function->bus)->msi, address, data);
    }
}

static uint32_t control(const PciFunction *function)
{
    return pci_config_get(function, function->msi + PCI_MSI_CONTROL, 2);
}

bool pci_msi_enabled(const PciFunction *function)
{
    return function->msi && (control(function) & PCI_MSI_ENABLE);
}

static void send(const PciFunction *function, unsigned vector, unsigned allocated)
{
    uint64_t address = (uint64_t)pci_config_get(function, function->msi + PCI_MSI_ADDRESS_UPPER, 4)
                           << 32 |
                       pci_config_get(function, function->msi + PCI_MSI_ADDRESS, 4);
    uint32_t data = pci_config_get(function, function->msi + PCI_MSI_DATA, 2);

    /* the low bits are the function's */
    pci_send_message(function, address, (data & ~(allocated - 1)) | vector);
}

static unsigned allocated_vectors(const PciFunction *function)
{
    return MIN(1u << MIN(control(function) >> 4 & 7, 5u), function->msi_vectors);
}

void pci_msi_notify(PciFunction *function, unsigned vector)
{
    if (!pci_msi_enabled(function)) {
        return;
    }
    unsigned allocated = allocated_vectors(function);
    unsigned pending = function->msi + PCI_MSI_PENDING;
    vector = MIN(vector, allocated - 1);
    if (pci_config_get(function, function->msi + PCI_MSI_MASK, 4) & 1u << vector) {
        pci_config_set(function, pending, 4, pci_config_get(function, pending, 4) | 1u << vector);
    } else {
        send(function, vector, allocated);
    }
}

void pci_msi_written(PciFunction *function, unsigned offset, unsigned size)
{
    if (!pci_touches(offset, size, function->msi, PCI_MSI_SIZE) || !pci_msi_enabled(function)) {
        return;
    }
    unsigned allocated = allocated_vectors(function);
    uint32_t pending = pci_config_get(function, function->msi + PCI_MSI_PENDING, 4);
    uint32_t due = pending & ~pci_config_get(function, function->msi + PCI_MSI_MASK, 4);
    pci_config_set(function, function->msi + PCI_MSI_PENDING, 4, pending & ~due);
    for (unsigned i = 0; i < allocated; i++) {
        if (due & 1u << i) {
            send(function, i, allocated);
        }
    }
}
