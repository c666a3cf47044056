/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SCSI bus, and what all that sits on it has. */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"
#include "util/error.h"

#define AUTO UINT32_MAX

/* ---- The bus ---- */

/* Of all devices, or of those that requests can go to. */
static ScsiDevice *find(const GPtrArray *devices, uint32_t target, uint32_t lun,
                        const ScsiDevice *except)
{
    for (unsigned i = 0; i < devices->len; i++) {
        ScsiDevice *device = devices->pdata[i];

        if (device != except && device->target == target && (lun == AUTO || device->lun == lun)) {
            return device;
        }
    }
    return NULL;
}

ScsiDisk *scsi_bus_find(const ScsiBus *bus, unsigned target, unsigned lun, bool *target_exists)
{
    const ScsiDevice *device = find(bus->disks, target, lun, NULL);

    *target_exists = find(bus->disks, target, AUTO, NULL);
    return device ? device->disk : NULL;
}

/*
 * SPC-5, 6.33.2; LUNs as in SAM-6, 4.7.7.5: flat space addressing from 256 on. LUN 0 is always in
 * it.
 */
GByteArray *scsi_bus_luns(const ScsiBus *bus, unsigned target)
{
    GByteArray *data = g_byte_array_new();
    uint8_t entry[8] = { 0 };

    g_byte_array_append(data, entry, sizeof(entry)); /* the header */
    g_byte_array_append(data, entry, sizeof(entry));
    for (unsigned i = 0; i < bus->disks->len; i++) {
        const ScsiDevice *device = bus->disks->pdata[i];

        if (device->target == target && device->lun) {
            entry[0] = device->lun < 256 ? 0 : (uint8_t)(0x40 | device->lun >> 8);
            entry[1] = (uint8_t)device->lun;
            g_byte_array_append(data, entry, sizeof(entry));
        }
    }
    store_be32(data->data, data->len - 8);
    return data;
}

static bool plug(Bus *parent, Device *newcomer, GError **errp)
{
    const GPtrArray *all = parent->devices;
    ScsiDevice *device = (ScsiDevice *)newcomer;

    if (device->channel) {
        return error_set(errp, "bad scsi channel id: %u, must be 0", device->channel);
    }
    if (device->target != AUTO && device->target > SCSI_MAX_TARGET) {
        return error_set(errp, "bad scsi device id: %u, must be 0 to %u", device->target,
                         SCSI_MAX_TARGET);
    }
    if (device->lun != AUTO && device->lun > SCSI_MAX_LUN) {
        return error_set(errp, "bad scsi device lun: %u, must be 0 to %u", device->lun,
                         SCSI_MAX_LUN);
    }
    if (device->target == AUTO) {
        for (device->target = 0; device->target <= SCSI_MAX_TARGET; device->target++) {
            if (!find(all, device->target, device->lun, device)) {
                break;
            }
        }
        if (device->target > SCSI_MAX_TARGET) {
            return error_set(errp, "no free target on bus '%s'", parent->name);
        }
    }
    if (device->lun == AUTO) {
        for (device->lun = 0; find(all, device->target, device->lun, device); device->lun++) {
        }
    }
    if (find(all, device->target, device->lun, device)) {
        return error_set(errp, "lun already used by another device: bus '%s', scsi-id %u, lun %u",
                         parent->name, device->target, device->lun);
    }
    return true;
}

static char *describe(const Bus *bus, const Device *device)
{
    const ScsiDevice *d = (const ScsiDevice *)device;

    return g_strdup_printf("scsi-id %u, lun %u", d->target, d->lun);
}

static const BusOps bus_ops_ = { .plug = plug, .describe = describe };

static void bus_init(QomObject *object)
{
    ((ScsiBus *)object)->disks = g_ptr_array_new();
}

static void bus_finalize(QomObject *object)
{
    g_ptr_array_unref(((ScsiBus *)object)->disks);
}

const QomType scsi_bus_type = {
    .name = "SCSI", .parent = &bus_type, .size = sizeof(ScsiBus), .ops = &bus_ops_,
    .init = bus_init,
    .finalize = bus_finalize,
};

static const QomProperty device_properties[] = {
    QOM_PROPERTY_UINT32("channel", ScsiDevice, channel, "0", "0: there is one"),
    QOM_PROPERTY_UINT32("scsi-id", ScsiDevice, target, "4294967295",
                        "target, 0 to 255; 4294967295 = the first free one"),
    QOM_PROPERTY_INT32("bootindex", ScsiDevice, bootindex, "-1",
                       "place in the firmware's order of boot; -1 = none"),
    QOM_PROPERTY_UINT32("lun", ScsiDevice, lun, "4294967295",
                        "logical unit, 0 to 16383; 4294967295 = the first free one"),
    { NULL },
};

const QomType scsi_device_type = {
    .name = "scsi-device", .parent = &device_type, .abstract = true, .size = sizeof(ScsiDevice),
    .properties = device_properties,
};
