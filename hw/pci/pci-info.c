/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PCI function as people are shown it (info pci). */
#include <inttypes.h>

#include "hw/pci/pci-info.h"
#include "pci-internal.h"

/* Base class and sub-class: PCI Code and ID Assignment 1.13, chapter 1. */
static const struct {
    uint16_t class_device;
    const char *name;
} classes[] = {
    { 0x0100, "SCSI controller" }, { 0x0106, "SATA controller" }, { 0x0180, "Storage controller" },
    { 0x0200, "Ethernet controller" },
    { 0x0500, "RAM controller" }, { 0x0600, "Host bridge" }, { 0x0601, "ISA bridge" },
    { 0x0604, "PCI bridge" },
    { 0x0700, "Serial port" }, { 0x0780, "Communication controller" },
    { 0x0880, "System peripheral" }, { 0x0c05, "SMBus" },
};

const char *pci_class_name(unsigned class_device)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (classes[i].class_device == class_device) {
            return classes[i].name;
        }
    }
    return NULL;
}

/* A window of a bridge, empty if it ends before it begins. */
static void describe_window(GString *out, const char *name, uint64_t base, uint64_t limit,
                            int digits)
{
    g_string_append_printf(out, "      %s range [0x%0*" PRIx64 ", 0x%0*" PRIx64 "]\n", name, digits,
                           base, digits, limit);
}

/* PCI-to-PCI Bridge Architecture 1.2, 3.2.5 */
static void describe_bridge(const PciFunction *f, GString *out)
{
    const uint64_t pref = (uint64_t)pci_config_get(f, PCI_PREF_BASE_UPPER, 4) << 32,
                   pref_end = (uint64_t)pci_config_get(f, PCI_PREF_LIMIT_UPPER, 4) << 32;

    g_string_append_printf(
        out, "      BUS %u.\n      secondary bus %u.\n      subordinate bus %u.\n",
        pci_config_get(f, PCI_PRIMARY_BUS, 1), pci_config_get(f, PCI_SECONDARY_BUS, 1),
        pci_config_get(f, PCI_SUBORDINATE_BUS, 1));
    describe_window(out, "IO", (pci_config_get(f, PCI_IO_BASE, 1) & 0xf0) << 8,
                    (pci_config_get(f, PCI_IO_LIMIT, 1) & 0xf0) << 8 | 0xfff, 4);
    describe_window(out, "memory", (uint64_t)(pci_config_get(f, PCI_MEMORY_BASE, 2) & 0xfff0) << 16,
                    (uint64_t)(pci_config_get(f, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff, 8);
    describe_window(
        out, "prefetchable memory",
        pref | (uint64_t)(pci_config_get(f, PCI_PREF_BASE, 2) & 0xfff0) << 16,
        pref_end | (uint64_t)(pci_config_get(f, PCI_PREF_LIMIT, 2) & 0xfff0) << 16 | 0xfffff, 8);
}

static void describe_bar(const PciFunction *function, unsigned i, GString *out)
{
    static const char *const kinds[] = {
        [PCI_BAR_IO] = "I/O", [PCI_BAR_MEM32] = "32 bit memory", [PCI_BAR_MEM64] = "64 bit memory",
        [PCI_BAR_MEM64_PREFETCHABLE] = "64 bit prefetchable memory",
    };
    const PciBar *bar = &function->bars[i];
    int digits = bar->kind == PCI_BAR_IO ? 4 : bar->kind == PCI_BAR_MEM32 ? 8 : 16;

    if (!bar->size) {
        return;
    }
    g_string_append_printf(out, "      BAR%u: %s ", i, kinds[bar->kind]);
    if (bar->address == PCI_BAR_UNMAPPED) {
        g_string_append(out, "(not mapped)\n");
    } else {
        g_string_append_printf(out, "at 0x%0*" PRIx64 " [0x%0*" PRIx64 "]\n", digits, bar->address,
                               digits, bar->address + bar->size - 1);
    }
}

void pci_function_describe(const PciFunction *function, const char *id, GString *out)
{
    const PciFunction *bridge = pci_bus_bridge(function->bus);
    unsigned class_device = pci_config_get(function, PCI_CLASS_DEVICE, 2),
             pin = pci_config_get(function, PCI_INTERRUPT_PIN, 1);
    const char *name = pci_class_name(class_device);
    g_autofree char *number = name ? NULL : g_strdup_printf("Class %04x", class_device);

    g_string_append_printf(
        out, "  Bus %2u, device %3u, function %u:\n    %s: PCI device %04x:%04x\n",
        bridge ? pci_config_get(bridge, PCI_SECONDARY_BUS, 1) : 0, PCI_SLOT(function->devfn),
        function->devfn & 7, name ? name : number, pci_config_get(function, PCI_VENDOR_ID, 2),
        pci_config_get(function, PCI_DEVICE_ID, 2));
    if (!function->bridge && pci_config_get(function, PCI_SUBSYSTEM_VENDOR_ID, 2)) {
        g_string_append_printf(out, "      PCI subsystem %04x:%04x\n",
                               pci_config_get(function, PCI_SUBSYSTEM_VENDOR_ID, 2),
                               pci_config_get(function, PCI_SUBSYSTEM_ID, 2));
    }
    if (pin) {
        g_string_append_printf(out, "      IRQ %u, pin %c\n",
                               pci_config_get(function, PCI_INTERRUPT_LINE, 1), 'A' + pin - 1);
    }
    if (function->bridge) {
        describe_bridge(function, out);
    }
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        describe_bar(function, i, out);
    }
    g_string_append_printf(out, "      id \"%s\"\n", id ? id : "");
}
