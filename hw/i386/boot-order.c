/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See boot-order.h. One OpenFirmware path a line, NUL at the end; "HALT" after the last means no other; as OVMF reads them (QemuBootOrderLib). */
#include "hw/i386/boot-order.h"

#include "hw/virtio/virtio-pci-device.h"
#include "util/error.h"

typedef struct Entry {
    int32_t index;
    char *path;
} Entry;

static void entry_clear(gpointer data)
{
    g_free(((Entry *)data)->path);
}

static void add_entry(QomObject *object, void *opaque)
{
    char *path = virtio_pci_boot_path(object);

    if (path) {
        Entry entry = { ((const VirtioPciDevice *)object)->bootindex, path };
        g_array_append_val((GArray *)opaque, entry);
    }
}

static int compare(gconstpointer a, gconstpointer b)
{
    int32_t x = ((const Entry *)a)->index, y = ((const Entry *)b)->index;

    return x < y ? -1 : x > y;
}

bool boot_order_add(FwCfg *fw_cfg, QomObject *machine, bool strict, GError **errp)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    g_autoptr(GString) text = g_string_new(NULL);

    g_array_set_clear_func(entries, entry_clear);
    qom_visit(machine, add_entry, entries);
    g_array_sort(entries, compare);
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = &g_array_index(entries, Entry, i);
        if (i && entry->index == entry[-1].index) {
            return error_set(errp, "The bootindex %d has already been used", entry->index);
        }
        g_string_append_printf(text, "%s%s", i ? "\n" : "", entry->path);
    }
    if (!entries->len) {
        return true;
    }
    g_string_append(text, strict ? "\nHALT" : "");
    return fw_cfg_add_file(fw_cfg, "bootorder", text->str, text->len + 1, errp);
}
