/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI-X: PCI 3.0, 6.8.2. */
#include "hw/pci/msix.h"

#include <string.h>

#include "pci-internal.h"
#include "util/bytes.h"

#define ENTRY_DATA 8
#define ENTRY_CONTROL 12
#define ENTRY_MASKED 1u

struct PciMsix {
    PciFunction *function;
    unsigned offset, vectors;
    uint8_t *table;     /* PCI_MSIX_ENTRY_SIZE each, as the guest sees it */
    uint8_t *pending;   /* one bit a vector, in whole 8 bytes */
    unsigned table_size, pending_size;
    PciMsixNotifier *notifier;
    void *notifier_opaque;
};

static uint32_t control(const PciMsix *msix)
{
    return pci_config_get(msix->function, msix->offset + PCI_MSIX_CONTROL, 2);
}

static uint8_t *entry(const PciMsix *msix, unsigned vector)
{
    return msix->table + vector * PCI_MSIX_ENTRY_SIZE;
}

static bool is_masked(const PciMsix *msix, unsigned vector)
{
    return (control(msix) & PCI_MSIX_FUNCTION_MASK) ||
           (load_le32(entry(msix, vector) + ENTRY_CONTROL) & ENTRY_MASKED);
}

static bool is_pending(const PciMsix *msix, unsigned vector)
{
    return msix->pending[vector / 8] & 1 << vector % 8;
}

bool pci_msix_message(const PciFunction *function, unsigned vector, uint64_t *address,
                      uint32_t *data)
{
    const PciMsix *msix = function->msix;

    if (!msix || vector >= msix->vectors) {
        return false;
    }
    *address = load_le64(entry(msix, vector));
    *data = load_le32(entry(msix, vector) + ENTRY_DATA);
    return (control(msix) & PCI_MSIX_ENABLE) && !is_masked(msix, vector);
}

static void send(const PciMsix *msix, unsigned vector)
{
    pci_send_message(msix->function, load_le64(entry(msix, vector)),
                     load_le32(entry(msix, vector) + ENTRY_DATA));
}

/* The vector's mask or message may be another now. */
static void changed(PciMsix *msix, unsigned vector)
{
    uint64_t address;
    uint32_t data;
    bool usable = pci_msix_message(msix->function, vector, &address, &data);

    if (usable && is_pending(msix, vector) && pci_function_is_master(msix->function)) {
        msix->pending[vector / 8] &= ~(1 << vector % 8);
        send(msix, vector);
    }
    if (msix->notifier) {
        msix->notifier(msix->notifier_opaque, vector, usable, address, data);
    }
}

static uint64_t load(const uint8_t *bytes, unsigned limit, hwaddr offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && offset + i < limit; i++) {
        value |= (uint64_t)bytes[offset + i] << 8 * i;
    }
    return value;
}

static uint64_t table_read(void *opaque, hwaddr offset, unsigned size)
{
    const PciMsix *msix = opaque;

    if (offset < msix->table_size) {
        return load(msix->table, msix->table_size, offset, size);
    }
    return load(msix->pending, msix->pending_size, offset - msix->table_size, size);
}

static void table_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    PciMsix *msix = opaque;

    if (size < 4 || offset % size || offset >= msix->vectors * PCI_MSIX_ENTRY_SIZE) {
        /* whole aligned double or quad words only (6.8.2); the pending bits are read-only */
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        msix->table[offset + i] = value >> 8 * i;
    }
    unsigned vector = offset / PCI_MSIX_ENTRY_SIZE;
    uint8_t *at = entry(msix, vector);
    at[0] &= ~3;
    store_le32(at + ENTRY_CONTROL, load_le32(at + ENTRY_CONTROL) & ENTRY_MASKED);
    changed(msix, vector);
}

static const IoRegionOps table_ops = { table_read, table_write, 8 };

static void mask_all(PciMsix *msix)
{
    memset(msix->table, 0, msix->table_size);
    memset(msix->pending, 0, msix->pending_size);
    for (unsigned i = 0; i < msix->vectors; i++) {
        store_le32(entry(msix, i) + ENTRY_CONTROL, ENTRY_MASKED);
    }
}

void pci_msix_add(PciFunction *function, unsigned bar, unsigned vectors)
{
    PciMsix *msix = g_new0(PciMsix, 1);
    unsigned bar_size = 4096;

    g_assert(vectors && vectors <= PCI_MSIX_MAX_VECTORS && !function->msix);
    msix->function = function;
    msix->vectors = vectors;
    msix->pending_size = (vectors + 63) / 64 * 8;
    msix->table_size = MAX(vectors * PCI_MSIX_ENTRY_SIZE, 2048u);
    while (bar_size < msix->table_size + msix->pending_size) {
        bar_size *= 2;
    }
    msix->table = g_malloc0(msix->table_size);
    msix->pending = g_malloc0(msix->pending_size);
    mask_all(msix);
    function->msix = msix;
    msix->offset = pci_capability_add(function, PCI_CAP_MSIX, PCI_MSIX_SIZE);
    pci_config_define(function, msix->offset + PCI_MSIX_CONTROL, 2, vectors - 1,
                      PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK);
    pci_config_define(function, msix->offset + PCI_MSIX_TABLE, 4, bar, 0);
    pci_config_define(function, msix->offset + PCI_MSIX_PBA, 4, msix->table_size | bar, 0);
    pci_bar_add(function, bar, PCI_BAR_MEM32, "msix", bar_size, &table_ops, msix);
}

void pci_msix_free(PciFunction *function)
{
    if (function->msix) {
        g_free(function->msix->table);
        g_free(function->msix->pending);
        g_clear_pointer(&function->msix, g_free);
    }
}

bool pci_msix_enabled(const PciFunction *function)
{
    return function->msix && (control(function->msix) & PCI_MSIX_ENABLE);
}

unsigned pci_msix_vectors(const PciFunction *function)
{
    return function->msix ? function->msix->vectors : 0;
}

void pci_msix_notify(PciFunction *function, unsigned vector)
{
    PciMsix *msix = function->msix;

    if (!pci_msix_enabled(function) || vector >= msix->vectors) {
        return;
    }
    /*
     * Drivers that suspend count on a function's state outliving D3hot (No_Soft_Reset): what it had
     * to say then is said when it may write to memory again.
     */
    if (is_masked(msix, vector) || !pci_function_is_master(function)) {
        msix->pending[vector / 8] |= 1 << vector % 8;
    } else {
        send(msix, vector);
    }
}

void pci_msix_set_notifier(PciFunction *function, PciMsixNotifier *notifier, void *opaque)
{
    if (function->msix) {
        function->msix->notifier = notifier;
        function->msix->notifier_opaque = opaque;
    }
}

static void all_changed(PciMsix *msix)
{
    for (unsigned i = 0; i < msix->vectors; i++) {
        changed(msix, i);
    }
}

void pci_msix_written(PciFunction *function, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, function->msix->offset + PCI_MSIX_CONTROL, 2)) {
        all_changed(function->msix);
    }
}

void pci_msix_master_changed(PciFunction *function)
{
    if (function->msix) {
        all_changed(function->msix);
    }
    PciBus *behind = function->bridge ? function->bridge->bus : NULL;
    for (unsigned i = 0; behind && i < PCI_DEVFN_COUNT; i++) {
        if (behind->functions[i]) {
            pci_msix_master_changed(behind->functions[i]);
        }
    }
}

void pci_msix_reset(PciFunction *function)
{
    if (function->msix) {
        mask_all(function->msix);
    }
}
