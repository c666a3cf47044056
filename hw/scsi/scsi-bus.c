/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SCSI bus, and scsi-hd on it. */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"
#include "util/error.h"

#define AUTO UINT32_MAX

static void lock(const ScsiBus *bus)
{
    if (bus->lock) {
        g_mutex_lock(bus->lock);
    }
}

static void unlock(const ScsiBus *bus)
{
    if (bus->lock) {
        g_mutex_unlock(bus->lock);
    }
}

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

/* With the lock held. */
static void tell(const ScsiBus *bus, const ScsiDevice *device, ScsiChange change)
{
    if (bus->changed) {
        bus->changed(bus->opaque, device, change);
    }
}

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

/* ---- scsi-hd ---- */

typedef struct ScsiHd {
    ScsiDevice parent;
    QomLink drive;
    char *serial, *vendor, *product, *version, *device_id;
    uint64_t wwn;
    uint32_t logical_block_size, physical_block_size;
    QomOnOffAuto write_cache;
    int on_read_error, on_write_error;
    bool share_rw, removable;
} ScsiHd;

static void hd_resized(void *opaque)
{
    const ScsiHd *hd = opaque;
    const ScsiBus *bus = (const ScsiBus *)hd->parent.device.bus;

    lock(bus);
    if (hd->parent.disk) {
        tell(bus, &hd->parent, SCSI_RESIZED);
    }
    unlock(bus);
}

static bool hd_realize(Device *device, GError **errp)
{
    ScsiHd *hd = (ScsiHd *)device;
    ScsiBus *bus = (ScsiBus *)device->bus;
    g_autofree char *name = device_name(device), *path = qom_object_path(&device->object);
    const ScsiDiskConfig config = {
        .node = (BlockNode *)hd->drive.target, .name = name, .vendor = hd->vendor,
        .product = hd->product, .version = hd->version,
        .serial = hd->serial,
        .device_id = hd->device_id ? hd->device_id : hd->serial ? hd->serial : hd->drive.name,
        .wwn = hd->wwn,
        .logical_block_size = hd->logical_block_size,
        .physical_block_size = MAX(hd->physical_block_size, hd->logical_block_size),
        .shared = hd->share_rw, .write_through = hd->write_cache == QOM_OFF,
        .removable = hd->removable, .context = bus->context,
        .resized = hd_resized, .opaque = hd,
        .path = path, .on_read_error = (BlockOnError)hd->on_read_error,
        .on_write_error = (BlockOnError)hd->on_write_error,
    };
    ScsiDisk *disk = scsi_disk_new(&config, errp);

    if (!disk) {
        return false;
    }
    lock(bus);
    hd->parent.disk = disk;
    g_ptr_array_add(bus->disks, hd);
    if (device->hotplugged) {
        tell(bus, &hd->parent, SCSI_ADDED);
    }
    unlock(bus);
    return true;
}

static void hd_unrealize(Device *device)
{
    ScsiHd *hd = (ScsiHd *)device;
    ScsiBus *bus = (ScsiBus *)device->bus;

    lock(bus);
    ScsiDisk *disk = g_steal_pointer(&hd->parent.disk);
    g_ptr_array_remove(bus->disks, hd);
    tell(bus, &hd->parent, SCSI_REMOVED);
    unlock(bus);
    scsi_disk_free(disk);
}

static void hd_reset(Device *device)
{
    ScsiHd *hd = (ScsiHd *)device;

    scsi_reset(hd->parent.disk);
}

static const DeviceOps hd_ops = {
    .bus_type = &scsi_bus_type, .category = "Storage", .realize = hd_realize,
    .unrealize = hd_unrealize, .reset = hd_reset,
};

static const QomProperty hd_properties[] = {
    QOM_PROPERTY_LINK("drive", ScsiHd, drive, &block_node_type, BLOCK_CONTAINER,
                      "node name or id of the disk", .flags = QOM_REQUIRED,
                      .type_name = "str"),
    QOM_PROPERTY_STR("serial", ScsiHd, serial, NULL,
                     "what the guest is told as serial number, up to 36 characters"),
    QOM_PROPERTY_STR("device_id", ScsiHd, device_id, NULL,
                     "name among all disks, up to 20 characters (the serial number, or the drive's "
                     "name)"),
    QOM_PROPERTY_STR("vendor", ScsiHd, vendor, "QEMU", "up to 8 characters"),
    QOM_PROPERTY_STR("product", ScsiHd, product, "QEMU HARDDISK", "up to 16 characters"),
    QOM_PROPERTY_STR("ver", ScsiHd, version, "2.5+", "up to 4 characters"),
    QOM_PROPERTY_UINT64("wwn", ScsiHd, wwn, "0", "world-wide name; 0 = none"),
    QOM_PROPERTY_UINT32("logical_block_size", ScsiHd, logical_block_size, "512", "bytes"),
    QOM_PROPERTY_UINT32("physical_block_size", ScsiHd, physical_block_size, "512", "bytes"),
    QOM_PROPERTY_ON_OFF_AUTO("write-cache", ScsiHd, write_cache, "auto",
                             "off: a write is stable when it is done"),
    QOM_PROPERTY_BOOL("share-rw", ScsiHd, share_rw, "false",
                      "other devices may write to the same disk"),
    BLOCK_ON_ERROR_PROPERTIES(ScsiHd),
    QOM_PROPERTY_BOOL("removable", ScsiHd, removable, "false",
                      "the guest is told that the medium could be changed"),
    { NULL },
};

const QomType scsi_hd_type = {
    .name = "scsi-hd", .parent = &scsi_device_type, .description = "SCSI disk",
    .size = sizeof(ScsiHd), .properties = hd_properties,
    .ops = &hd_ops,
};
