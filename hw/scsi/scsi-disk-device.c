/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types scsi-hd and scsi-cd, and what a CD drive's owner does with its medium. */
#include "hw/core/machine.h"
#include "hw/scsi/scsi.h"
#include "qapi-types.h"

typedef struct ScsiDiskDevice {
    ScsiDevice parent;
    QomLink drive;
    char *serial, *vendor, *product, *version, *device_id;
    uint64_t wwn;
    BlockTopology topology;
    uint16_t rotation_rate;
    uint64_t max_unmap, max_io;
    QomOnOffAuto write_cache;
    int on_read_error, on_write_error;
    bool share_rw, removable, dpofua;
    const Machine *machine; /* of a CD drive, as the next */
    char *drive_name; /* of the -drive that it began with; NULL = none */
} ScsiDiskDevice;

#define CD_BLOCK_SIZE 2048

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

/* With the lock held. */
static void tell(const ScsiBus *bus, const ScsiDevice *device, ScsiChange change)
{
    if (bus->changed) {
        bus->changed(bus->opaque, device, change);
    }
}

static void disk_resized(void *opaque)
{
    const ScsiDiskDevice *device = opaque;
    const ScsiBus *bus = (const ScsiBus *)device->parent.device.bus;

    lock(bus);
    if (device->parent.disk) {
        tell(bus, &device->parent, SCSI_RESIZED);
    }
    unlock(bus);
}

/* What both types have; the rest is filled in by the type's own realize. */
static ScsiDiskConfig config_of(ScsiDiskDevice *d)
{
    return (ScsiDiskConfig) {
        .node = (BlockNode *)d->drive.target, .vendor = d->vendor, .product = d->product,
        .version = d->version, .serial = d->serial,
        .device_id = d->device_id ? d->device_id : d->serial ? d->serial : d->drive.name,
        .wwn = d->wwn, .shared = d->share_rw, .write_through = d->write_cache == QOM_OFF,
        .context = ((const ScsiBus *)d->parent.device.bus)->context,
        .resized = disk_resized, .opaque = d,
        .on_read_error = (BlockOnError)d->on_read_error,
        .on_write_error = (BlockOnError)d->on_write_error,
    };
}

static bool realize(ScsiDiskDevice *d, ScsiDiskConfig *config, GError **errp)
{
    Device *device = &d->parent.device;
    ScsiBus *bus = (ScsiBus *)device->bus;
    g_autofree char *name = device_name(device), *path = qom_object_path(&device->object);

    config->name = name;
    config->path = path;
    ScsiDisk *disk = scsi_disk_new(config, errp);
    if (!disk) {
        return false;
    }
    lock(bus);
    d->parent.disk = disk;
    g_ptr_array_add(bus->disks, d);
    if (device->hotplugged) {
        tell(bus, &d->parent, SCSI_ADDED);
    }
    unlock(bus);
    return true;
}

static void disk_unrealize(Device *device)
{
    ScsiDiskDevice *d = (ScsiDiskDevice *)device;
    ScsiBus *bus = (ScsiBus *)device->bus;

    lock(bus);
    ScsiDisk *disk = g_steal_pointer(&d->parent.disk);
    g_ptr_array_remove(bus->disks, d);
    tell(bus, &d->parent, SCSI_REMOVED);
    unlock(bus);
    scsi_disk_free(disk);
    g_clear_pointer(&d->drive_name, g_free);
}

static const QomProperty base_properties[] = {
    QOM_PROPERTY_STR("serial", ScsiDiskDevice, serial, NULL,
                     "what the guest is told as serial number, up to 36 characters"),
    QOM_PROPERTY_STR("device_id", ScsiDiskDevice, device_id, NULL,
                     "name among all disks, up to 20 characters (the serial number, or the drive's "
                     "name)"),
    QOM_PROPERTY_STR("vendor", ScsiDiskDevice, vendor, "QEMU", "up to 8 characters"),
    QOM_PROPERTY_STR("ver", ScsiDiskDevice, version, "2.5+", "up to 4 characters"),
    QOM_PROPERTY_UINT64("wwn", ScsiDiskDevice, wwn, "0", "world-wide name; 0 = none"),
    QOM_PROPERTY_ON_OFF_AUTO("write-cache", ScsiDiskDevice, write_cache, "auto",
                             "off: a write is stable when it is done"),
    QOM_PROPERTY_BOOL("share-rw", ScsiDiskDevice, share_rw, "false",
                      "other devices may write to the same disk"),
    BLOCK_ON_ERROR_PROPERTIES(ScsiDiskDevice),
    { NULL },
};

const QomType scsi_disk_base_type = {
    .name = "scsi-disk-base", .parent = &scsi_device_type, .abstract = true,
    .size = sizeof(ScsiDiskDevice), .properties = base_properties,
};

/* ---- scsi-hd ---- */

static bool hd_realize(Device *device, GError **errp)
{
    ScsiDiskDevice *d = (ScsiDiskDevice *)device;
    ScsiDiskConfig config = config_of(d);

    config.topology = d->topology;
    config.rotation_rate = d->rotation_rate;
    config.max_unmap = d->max_unmap;
    config.max_io = d->max_io;
    config.no_fua = !d->dpofua;
    config.removable = d->removable;
    return realize(d, &config, errp);
}

static void hd_reset(Device *device)
{
    scsi_reset(((ScsiDevice *)device)->disk);
}

static const DeviceOps hd_ops = {
    .bus_type = &scsi_bus_type, .category = "Storage", .realize = hd_realize,
    .unrealize = disk_unrealize, .reset = hd_reset,
};

static const QomProperty hd_properties[] = {
    QOM_PROPERTY_LINK("drive", ScsiDiskDevice, drive, &block_node_type, BLOCK_CONTAINER,
                      "node name or id of the disk", .flags = QOM_REQUIRED,
                      .type_name = "str"),
    QOM_PROPERTY_STR("product", ScsiDiskDevice, product, "QEMU HARDDISK", "up to 16 characters"),
    BLOCK_TOPOLOGY_PROPERTIES(ScsiDiskDevice),
    QOM_PROPERTY_UINT16("rotation_rate", ScsiDiskDevice, rotation_rate, "1",
                        "per minute; 1 = it does not rotate; 0 = nothing said"),
    QOM_PROPERTY_SIZE("max_unmap_size", ScsiDiskDevice, max_unmap, "0",
                      "of one request to discard; 0 = 4194304 blocks"),
    QOM_PROPERTY_SIZE("max_io_size", ScsiDiskDevice, max_io, "0",
                      "of one request, as the guest is told; 0 = nothing said"),
    QOM_PROPERTY_BOOL("dpofua", ScsiDiskDevice, dpofua, "true",
                      "tell the guest that single writes can be made stable (FUA)"),
    QOM_PROPERTY_BOOL("removable", ScsiDiskDevice, removable, "false",
                      "the guest is told that the medium could be changed"),
    { NULL },
};

const QomType scsi_hd_type = {
    .name = "scsi-hd", .parent = &scsi_disk_base_type, .description = "SCSI disk",
    .size = sizeof(ScsiDiskDevice), .properties = hd_properties,
    .ops = &hd_ops,
};

/* ---- scsi-cd ---- */

/* For clients of QMP; device: a drive's name, for those who know it by that. */
static void tray_moved(void *opaque, bool open)
{
    const ScsiDiskDevice *d = opaque;
    const Device *device = &d->parent.device;
    g_autofree char *path = device->id ? NULL : qom_object_path(&d->parent.device.object);
    JsonValue *data = json_object_new_object();

    json_object_object_add(data, "device",
                           json_object_new_string(d->drive_name ? d->drive_name : ""));
    json_object_object_add(data, "id", json_object_new_string(device->id ? device->id : path));
    json_object_object_add(data, "tray-open", json_object_new_boolean(open));
    machine_event(d->machine, &qapi_event_DEVICE_TRAY_MOVED, data);
}

/* A -drive without a file is the name of a drive, and no more. */
static void forget_empty_drive(ScsiDiskDevice *d)
{
    BlockNode *node = (BlockNode *)d->drive.target;

    if (node && node->of_drive) {
        d->drive_name = g_strdup(node->object.name);
    }
    if (node && block_is_empty(node)) {
        qom_link_set(&d->drive, NULL);
        qom_object_unparent(&node->object);
    }
}

static bool cd_realize(Device *device, GError **errp)
{
    ScsiDiskDevice *d = (ScsiDiskDevice *)device;

    forget_empty_drive(d);
    ScsiDiskConfig config = config_of(d);
    config.topology.logical_block_size = CD_BLOCK_SIZE;
    config.removable = config.cd = true;
    config.device_id = config.device_id ? config.device_id : d->drive_name;
    config.tray_moved = tray_moved;
    d->machine = device_machine(device);
    if (!realize(d, &config, errp)) {
        g_clear_pointer(&d->drive_name, g_free);
        return false;
    }
    return true;
}

static void cd_reset(Device *device)
{
    ScsiDisk *disk = ((ScsiDevice *)device)->disk;

    scsi_reset(disk);
    scsi_tray_reset(disk);
}

static ScsiDiskDevice *cd_of(const Device *device)
{
    g_assert(device->realized && device->object.type == &scsi_cd_type);
    return (ScsiDiskDevice *)device;
}

ScsiCdState scsi_cd_state(const Device *device)
{
    const ScsiDiskDevice *d = cd_of(device);

    return (ScsiCdState) {
        .tray = scsi_tray(d->parent.disk), .medium = (BlockNode *)d->drive.target,
        .drive = d->drive_name ? d->drive_name : "",
    };
}

bool scsi_cd_insert(Device *device, BlockNode *node, GError **errp)
{
    ScsiDiskDevice *d = cd_of(device);

    if (!scsi_medium_insert(d->parent.disk, node, ((const ScsiBus *)device->bus)->lock, errp)) {
        return false;
    }
    qom_link_set(&d->drive, &node->object);
    return true;
}

void scsi_cd_remove(Device *device)
{
    ScsiDiskDevice *d = cd_of(device);

    scsi_medium_remove(d->parent.disk, ((const ScsiBus *)device->bus)->lock);
    qom_link_set(&d->drive, NULL);
}

void scsi_cd_move_tray(Device *device, bool open)
{
    scsi_tray_move(cd_of(device)->parent.disk, open);
}

void scsi_cd_request(Device *device)
{
    scsi_tray_request(cd_of(device)->parent.disk);
}

static const DeviceOps cd_ops = {
    .bus_type = &scsi_bus_type, .category = "Storage", .realize = cd_realize,
    .unrealize = disk_unrealize, .reset = cd_reset,
};

static const QomProperty cd_properties[] = {
    QOM_PROPERTY_LINK("drive", ScsiDiskDevice, drive, &block_node_type, BLOCK_CONTAINER,
                      "node name or id of the medium; not given = none yet", .type_name = "str"),
    QOM_PROPERTY_STR("product", ScsiDiskDevice, product, "QEMU CD-ROM", "up to 16 characters"),
    { NULL },
};

const QomType scsi_cd_type = {
    .name = "scsi-cd", .parent = &scsi_disk_base_type, .description = "SCSI CD drive",
    .size = sizeof(ScsiDiskDevice), .properties = cd_properties,
    .ops = &cd_ops,
};
