/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * q35 memory controller hub. PCIEXBAR: Intel 3 Series Express Chipset datasheet (316966), section
 * 5.1.16.
 */
#include "hw/i386/mch.h"

#define PCIEXBAR 0x60
#define PCIEXBAR_ENABLE 1u
#define PCIEXBAR_LENGTH(low) ((low) >> 1 & 3)
/*
 * The datasheet's default is E0000000; firmware of before 2023 expects the window here and enables
 * it itself.
 */
#define PCIEXBAR_POWER_ON 0xb0000000u

struct Mch {
    PciFunction *function;
    PciHost *host;
};

bool mch_ecam(const Mch *mch, hwaddr *base, uint64_t *size)
{
    uint32_t low = pci_config_get(mch->function, PCIEXBAR, 4);
    hwaddr whole = (hwaddr)pci_config_get(mch->function, PCIEXBAR + 4, 4) << 32 | low;
    unsigned length = PCIEXBAR_LENGTH(low);

    /* 0: 256 MiB, 1: 128, 2: 64; 3 is reserved. Address bits below the size do not count. */
    *size = 256 * MiB >> (length < 3 ? length : 0);
    *base = whole & ~(*size - 1);
    return (low & PCIEXBAR_ENABLE) && length < 3;
}

static void config_written(void *opaque, unsigned offset, unsigned size)
{
    Mch *mch = opaque;
    hwaddr base;
    uint64_t length;

    if (offset < PCIEXBAR + 8 && offset + size > PCIEXBAR) {
        bool enabled = mch_ecam(mch, &base, &length);
        pci_host_set_ecam(mch->host, enabled, base, length);
    }
}

static const PciFunctionOps mch_ops = { config_written };

Mch *mch_new(PciBus *bus, PciHost *host)
{
    static const PciIdentity identity = { 0x8086, 0x29c0, .class_device = 0x0600, .revision = 2 };
    Mch *mch = g_new0(Mch, 1);

    mch->host = host;
    mch->function = pci_function_new(&identity, PCI_CONFIG_SIZE, &mch_ops, mch);
    pci_config_define(mch->function, PCI_COMMAND, 2, 0x0006, 0x0100);
    pci_config_define(mch->function, PCI_STATUS, 2, 0x0080, 0);
    pci_config_define(mch->function, PCIEXBAR, 4, PCIEXBAR_POWER_ON, 0xfc000007);
    pci_config_define(mch->function, PCIEXBAR + 4, 4, 0, 0x0000000f);
    pci_bus_add(bus, mch->function, PCI_DEVFN(0, 0));
    return mch;
}

void mch_free(Mch *mch)
{
    g_free(mch);
}
