/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host bridge's ways into configuration space: ports CF8/CFC (PCI 3.0, 3.2.2.3.2) and ECAM (PCI
 * Express 5.0, 7.2.2).
 */
#include "hw/pci/pci.h"

#define CONFIG_ADDRESS_PORT 0xcf8
#define CONFIG_DATA_PORT 0xcfc
#define CONFIG_ENABLE 0x80000000u
#define CONFIG_ADDRESS_BITS 0x80fffffcu /* the rest is reserved or hard-wired to 0 */
#define RESET_CONTROL_OFFSET 1          /* port CF9 */

struct PciHost {
    PciBus *bus;
    AddressSpace *memory;
    IoRegion *ecam; /* NULL until a size is known */
    uint64_t ecam_size;
    uint32_t address;
    const IoRegionOps *reset_control;
    void *reset_opaque;
};

static uint64_t address_read(void *opaque, hwaddr offset, unsigned size)
{
    PciHost *host = opaque;

    if (size == 4 && offset == 0) {
        return host->address;
    }
    if (size == 1 && offset == RESET_CONTROL_OFFSET && host->reset_control) {
        return host->reset_control->read(host->reset_opaque, 0, 1);
    }
    return UINT64_MAX;
}

static void address_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    PciHost *host = opaque;

    if (size == 4 && offset == 0) {
        host->address = value & CONFIG_ADDRESS_BITS;
    } else if (size == 1 && offset == RESET_CONTROL_OFFSET && host->reset_control) {
        host->reset_control->write(host->reset_opaque, 0, value, 1);
    }
}

static const IoRegionOps address_ops = { address_read, address_write, 4 };

static unsigned data_offset(const PciHost *host, hwaddr offset)
{
    return (host->address & 0xfc) + offset;
}

static uint64_t data_read(void *opaque, hwaddr offset, unsigned size)
{
    PciHost *host = opaque;

    if (!(host->address & CONFIG_ENABLE)) {
        return UINT64_MAX;
    }
    return pci_bus_read(host->bus, host->address >> 16 & 0xff, host->address >> 8 & 0xff,
                        data_offset(host, offset), size);
}

static void data_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    PciHost *host = opaque;

    if (host->address & CONFIG_ENABLE) {
        pci_bus_write(host->bus, host->address >> 16 & 0xff, host->address >> 8 & 0xff,
                      data_offset(host, offset), value, size);
    }
}

static const IoRegionOps data_ops = { data_read, data_write, 4 };

static uint64_t ecam_read(void *opaque, hwaddr offset, unsigned size)
{
    PciHost *host = opaque;
    unsigned in_function = offset & 0xfff;

    if (in_function + size > PCIE_CONFIG_SIZE) {
        return UINT64_MAX; /* an access may not leave its function */
    }
    return pci_bus_read(host->bus, offset >> 20, offset >> 12 & 0xff, in_function, size);
}

static void ecam_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    PciHost *host = opaque;
    unsigned in_function = offset & 0xfff;

    if (in_function + size <= PCIE_CONFIG_SIZE) {
        pci_bus_write(host->bus, offset >> 20, offset >> 12 & 0xff, in_function, value, size);
    }
}

static const IoRegionOps ecam_ops = { ecam_read, ecam_write, 8 };

PciHost *pci_host_new(PciBus *bus, AddressSpace *memory, AddressSpace *ports,
                      const IoRegionOps *reset_control, void *reset_opaque)
{
    PciHost *host = g_new0(PciHost, 1);

    host->bus = bus;
    host->memory = memory;
    host->reset_control = reset_control;
    host->reset_opaque = reset_opaque;
    address_space_add_io(ports, "pci-config-address", CONFIG_ADDRESS_PORT, 4, 0, &address_ops,
                         host);
    address_space_add_io(ports, "pci-config-data", CONFIG_DATA_PORT, 4, 0, &data_ops, host);
    return host;
}

void pci_host_free(PciHost *host)
{
    g_free(host); /* the regions belong to their address spaces */
}

void pci_host_reset(PciHost *host)
{
    host->address = 0;
}

void pci_host_set_ecam(PciHost *host, bool enabled, hwaddr base, uint64_t size)
{
    if (host->ecam && host->ecam_size != size) {
        io_region_remove(host->ecam);
        host->ecam = NULL;
    }
    if (!host->ecam) {
        host->ecam = address_space_add_io(host->memory, "pcie-ecam", base, size, 0, &ecam_ops,
                                          host);
        host->ecam_size = size;
    }
    io_region_set(host->ecam, enabled, base);
}
