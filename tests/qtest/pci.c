/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space as firmware and drivers set it up. PCI Local Bus 3.0, 6; PCI-to-PCI bridges
 * 1.2, 3.2.
 */
#include "pci.h"

enum { COMMAND = 4, BAR0 = 0x10, CAPABILITIES = 0x34, PRIMARY_BUS = 0x18, MEMORY_BASE = 0x20,
       PREFETCH_BASE = 0x24 };
enum { COMMAND_MEMORY = 2, COMMAND_MASTER = 4 };
enum { CAP_MSIX = 0x11 };

static void select_register(Client *client, PciAddress at, unsigned offset)
{
    client_out(client, 0xcf8,
               0x80000000u | (uint32_t)at.bus << 16 | (uint32_t)at.devfn << 8 | (offset & 0xfc), 4);
}

uint32_t pci_config_read(Client *client, PciAddress at, unsigned offset, unsigned size)
{
    select_register(client, at, offset);
    return client_in(client, (uint16_t)(0xcfc + offset % 4), size);
}

void pci_config_write(Client *client, PciAddress at, unsigned offset, uint32_t value, unsigned size)
{
    select_register(client, at, offset);
    client_out(client, (uint16_t)(0xcfc + offset % 4), value, size);
}

unsigned pci_find_capability(Client *client, PciAddress at, uint8_t id, unsigned after)
{
    unsigned offset = pci_config_read(client, at, after ? after + 1 : CAPABILITIES, 1);

    while (offset && pci_config_read(client, at, offset, 1) != id) {
        offset = pci_config_read(client, at, offset + 1, 1);
    }
    return offset;
}

uint64_t pci_place_bar(Client *client, PciAddress at, unsigned bar, uint64_t address)
{
    unsigned offset = BAR0 + 4 * bar;
    uint64_t mask;

    pci_config_write(client, at, offset, 0xffffffff, 4);
    uint32_t low = pci_config_read(client, at, offset, 4);
    if (!low) {
        return 0;
    }
    mask = 0xffffffff00000000u | (low & ~0xfu);
    pci_config_write(client, at, offset, (uint32_t)address, 4);
    if ((low & 6) == 4) {
        pci_config_write(client, at, offset + 4, (uint32_t)(address >> 32), 4);
    }
    return ~mask + 1;
}

void pci_enable(Client *client, PciAddress at)
{
    uint32_t command = pci_config_read(client, at, COMMAND, 2);

    pci_config_write(client, at, COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER, 2);
}

static void set_window(Client *client, PciAddress at, unsigned offset, uint64_t base, uint64_t size)
{
    uint64_t last = base + size - 1;

    pci_config_write(client, at, offset,
                     (uint32_t)(base >> 16 & 0xfff0) | (uint32_t)(last & 0xfff00000), 4);
}

void pci_set_up_bridge(Client *client, PciAddress at, uint8_t secondary, uint64_t window)
{
    pci_config_write(client, at, PRIMARY_BUS, at.bus, 1);
    pci_config_write(client, at, PRIMARY_BUS + 1, secondary, 1);
    pci_config_write(client, at, PRIMARY_BUS + 2, secondary, 1);
    set_window(client, at, MEMORY_BASE, window, 8 << 20);
    set_window(client, at, PREFETCH_BASE, window + (8 << 20), 8 << 20);
    pci_enable(client, at);
}

void pci_enable_msix(Client *client, PciAddress at, const uint64_t *bars, unsigned vectors,
                     uint64_t message)
{
    unsigned cap = pci_find_capability(client, at, CAP_MSIX, 0);

    g_assert_cmpuint(cap, !=, 0);
    uint32_t table = pci_config_read(client, at, cap + 4, 4);
    uint64_t entries = bars[table & 7] + (table & ~7u);
    g_assert_cmpuint(vectors, <=, (pci_config_read(client, at, cap + 2, 2) & 0x7ff) + 1);
    for (unsigned i = 0; i < vectors; i++) {
        client_write(client, entries + 16 * i, message + 4 * i, 4);
        client_write(client, entries + 16 * i + 4, 0, 4);
        client_write(client, entries + 16 * i + 8, i + 1, 4);
        client_write(client, entries + 16 * i + 12, 0, 4);
    }
    pci_config_write(client, at, cap + 2, 0x8000, 2);
}
