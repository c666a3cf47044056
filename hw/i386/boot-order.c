/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See boot-order.h. One OpenFirmware path a line, NUL at the end; "HALT" after the last means no
 * other; as OVMF reads them (QemuBootOrderLib).
 */
#include "hw/i386/boot-order.h"

#include "hw/scsi/scsi.h"
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

/* A disk on a SCSI controller; NULL: it has no bootindex, or is none. */
static char *scsi_boot_path(QomObject *object)
{
    const ScsiDevice *disk = (const ScsiDevice *)object;

    if (!qom_is(object, &scsi_device_type) || !disk->disk || disk->bootindex < 0) {
        return NULL;
    }
    g_autofree char *controller =
        virtio_pci_firmware_path((const VirtioPciDevice *)disk->device.bus->owner, "scsi");
    return g_strdup_printf("%s/channel@%x/disk@%x,%x", controller, disk->channel, disk->target,
                           disk->lun);
}

static void add_entry(QomObject *object, void *opaque)
{
    char *path = virtio_pci_boot_path(object);
    int32_t index = path ? ((const VirtioPciDevice *)object)->bootindex : -1;

    if (!path && (path = scsi_boot_path(object))) {
        index = ((const ScsiDevice *)object)->bootindex;
    }
    if (path) {
        Entry entry = { index, path };
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
