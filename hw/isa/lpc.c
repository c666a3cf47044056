/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICH9 LPC bridge. Registers and their numbers: Intel I/O Controller Hub 9 datasheet (316972),
 * section 13.1.
 */
#include "hw/isa/lpc.h"

enum {
    PMBASE = 0x40, ACPI_CNTL = 0x44, GPIOBASE = 0x48, GPIO_CNTL = 0x4c, PIRQA_ROUT = 0x60,
    SERIRQ_CNTL = 0x64, PIRQE_ROUT = 0x68, LPC_IODEC = 0x80, LPC_EN = 0x82, RCBA = 0xf0,
};
#define PMBASE_BITS 0xff80u
#define ACPI_ENABLE 0x80u
#define RCBA_BITS 0xffffc000u
#define RCBA_ENABLE 1u
#define RCBA_SIZE 0x4000

struct Lpc {
    PciFunction *function;
    IoRegion *rcba;
    LpcPorts ports;
};

/*
 * Of the root complex block the watchdog's switch alone is modelled: other strap and clock gating
 * registers read as 0 and keep nothing.
 */
static bool is_gcs(const Lpc *lpc, hwaddr offset)
{
    return lpc->ports.tco && offset == TCO_GCS;
}

static uint64_t rcba_read(void *opaque, hwaddr offset, unsigned size)
{
    const Lpc *lpc = opaque;

    return is_gcs(lpc, offset) ? tco_gcs(lpc->ports.tco) : 0;
}

static void rcba_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    const Lpc *lpc = opaque;

    if (is_gcs(lpc, offset)) {
        tco_set_gcs(lpc->ports.tco, (uint32_t)value);
    }
}

static const IoRegionOps rcba_ops = { .read = rcba_read, .write = rcba_write };

static void config_written(void *opaque, unsigned offset, unsigned size)
{
    Lpc *lpc = opaque;

    if (offset < ACPI_CNTL + 1 && offset + size > PMBASE && lpc->ports.acpi_moved) {
        lpc->ports.acpi_moved(lpc->ports.opaque,
                              pci_config_get(lpc->function, ACPI_CNTL, 1) & ACPI_ENABLE,
                              pci_config_get(lpc->function, PMBASE, 2) & PMBASE_BITS);
    }
    if (offset < RCBA + 4 && offset + size > RCBA) {
        uint32_t rcba = pci_config_get(lpc->function, RCBA, 4);
        io_region_set(lpc->rcba, rcba & RCBA_ENABLE, rcba & RCBA_BITS);
    }
}

static const PciFunctionOps lpc_ops = { config_written };

static void define_registers(PciFunction *function)
{
    /*
     * I/O, memory and bus master are always on (13.1.3); the bridge is not a target of parity or
     * system errors here.
     */
    pci_config_define(function, PCI_COMMAND, 2, 0x0007, 0x0140);
    pci_config_define(function, PCI_STATUS, 2, 0x0200, 0);
    pci_config_define(function, PMBASE, 4, 0x00000001, PMBASE_BITS);
    pci_config_define(function, ACPI_CNTL, 1, 0, ACPI_ENABLE | 0x07);
    pci_config_define(function, GPIOBASE, 4, 0x00000001, 0xff80);
    pci_config_define(function, GPIO_CNTL, 1, 0, 0x10);
    pci_config_define(function, SERIRQ_CNTL, 1, 0x10, 0xc3);
    for (unsigned i = 0; i < 4; i++) {
        pci_config_define(function, PIRQA_ROUT + i, 1, 0x80, 0x8f); /* bit 7: not routed */
        pci_config_define(function, PIRQE_ROUT + i, 1, 0x80, 0x8f);
    }
    pci_config_define(function, LPC_IODEC, 2, 0, 0x1377);
    pci_config_define(function, LPC_EN, 2, 0, 0x3f0f);
    pci_config_define(function, RCBA, 4, 0, RCBA_BITS | RCBA_ENABLE);
}

Lpc *lpc_new(PciBus *bus, AddressSpace *memory, const LpcPorts *ports)
{
    static const PciIdentity identity = { 0x8086, 0x2918, .class_device = 0x0601, .revision = 2 };
    Lpc *lpc = g_new0(Lpc, 1);

    lpc->ports = *ports;
    lpc->rcba = address_space_add_io(memory, "rcba", 0, RCBA_SIZE, 1, &rcba_ops, lpc);
    io_region_set(lpc->rcba, false, 0);
    lpc->function = pci_function_new(&identity, PCI_CONFIG_SIZE, &lpc_ops, lpc);
    define_registers(lpc->function);
    pci_bus_add(bus, lpc->function, LPC_DEVFN);
    return lpc;
}

void lpc_free(Lpc *lpc)
{
    g_free(lpc);
}
