/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capability lists; power management and PCI Express capabilities. PCI 3.0, 6.7; PCI PM 1.2, 3.2;
 * PCI Express 5.0, 7.5 and 7.6.
 */
#include "pci-internal.h"

#define FIRST_CAPABILITY 0x40
#define EXPRESS_VERSION 2
#define LINK_SPEED 1 /* 2.5 GT/s: what a link that exists in name only may as well have */
#define LINK_WIDTH 1

unsigned pci_capability_add(PciFunction *function, uint8_t id, unsigned size)
{
    unsigned offset = function->free_offset ? function->free_offset : FIRST_CAPABILITY;
    unsigned link = function->last_capability ? function->last_capability + 1 : PCI_CAPABILITY_LIST;

    g_assert(!function->bus && size >= 2 && offset + size <= PCI_CONFIG_SIZE);
    pci_config_define(function, link, 1, offset, 0);
    pci_config_define(function, offset, 2, id, 0);
    function->last_capability = offset;
    function->free_offset = (offset + size + 3) & ~3u;
    pci_config_define(function, PCI_STATUS, 1,
                      pci_config_get(function, PCI_STATUS, 1) | PCI_STATUS_CAPABILITIES,
                      function->writable[PCI_STATUS]);
    return offset;
}

unsigned pci_pm_add(PciFunction *function)
{
    unsigned offset = pci_capability_add(function, PCI_CAP_PM, PCI_PM_SIZE);

    function->pm = offset;
    /* version 1.2; neither D1, D2 nor PME */
    pci_config_define(function, offset + PCI_PM_CAPABILITIES, 2, 3, 0);
    pci_config_define(function, offset + PCI_PM_CONTROL, 2, PCI_PM_CONTROL_NO_SOFT_RESET,
                      PCI_PM_CONTROL_STATE);
    return offset;
}

unsigned pci_express_add(PciFunction *function, unsigned type)
{
    unsigned offset = pci_capability_add(function, PCI_CAP_EXPRESS, PCIE_SIZE);

    function->express = offset;
    pci_config_define(function, offset + PCIE_CAPABILITIES, 2, EXPRESS_VERSION | type << 4, 0);
    /*
     * Role-based error reporting must be set from version 1.1 of the specification on. Payload: 128
     * bytes.
     */
    pci_config_define(function, offset + PCIE_DEVICE_CAP, 4, 1u << 15, 0);
    pci_config_define(function, offset + PCIE_DEVICE_CONTROL, 2, 0, 0x000f);
    pci_config_define(function, offset + PCIE_DEVICE_STATUS, 2, 0, 0);
    if (type != PCIE_TYPE_INTEGRATED_ENDPOINT) {
        uint32_t link = LINK_SPEED | LINK_WIDTH << 4;
        pci_config_define(function, offset + PCIE_LINK_CAP, 4, link, 0);
        pci_config_define(function, offset + PCIE_LINK_CONTROL, 2, 0, 0x00c3);
        pci_config_define(function, offset + PCIE_LINK_STATUS, 2, link, 0);
        pci_config_define(function, offset + PCIE_LINK_CAP2, 4, 1u << LINK_SPEED, 0);
        pci_config_define(function, offset + PCIE_LINK_CONTROL2, 2, LINK_SPEED, 0);
    }
    return offset;
}

unsigned pci_express_offset(const PciFunction *function)
{
    return function->express;
}
