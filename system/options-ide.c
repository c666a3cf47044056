/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives as an IDE bus has them: if=ide, -hda to -hdd, -cdrom, and the devices that stand for them.
 */
#include "drive-option.h"
#include "util/error.h"

static const DriveOption *drive_at_unit(const MachineConfig *config, unsigned unit)
{
    for (guint i = 0; i < config->drives->len; i++) {
        const DriveOption *drive = config->drives->pdata[i];
        if (drive->ide != IDE_NONE && drive->unit == unit) {
            return drive;
        }
    }
    return NULL;
}

/* A drive named as QEMU names those of this machine's IDE buses: one on each. */
bool drive_add_ide(const MachineConfig *config, DriveOption *drive, IdeDrive kind,
                   const unsigned *index, GError **errp)
{
    unsigned unit = index ? *index : 0;
    const DriveOption *other;

    while ((other = drive_at_unit(config, unit))) {
        if (index) {
            return error_set(errp, "drive with index=%u exists already: %s", unit, other->name);
        }
        unit++;
    }
    drive->ide = kind;
    drive->unit = unit;
    if (!drive->name) {
        drive->name = g_strdup_printf("ide%u-%s0", unit, kind == IDE_CD ? "cd" : "hd");
    }
    return true;
}

/* A comma in a value of a list is two. */
static bool option_ide(MachineConfig *config, const char *filename, const char *rest, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(filename, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);
    g_autofree char *text = g_strdup_printf("file=%s,if=ide,%s", escaped, rest);

    return option_drive(config, text, errp);
}

bool option_cdrom(MachineConfig *config, const char *filename, GError **errp)
{
    return option_ide(config, filename, "index=2,media=cdrom", errp);
}

bool option_hda(MachineConfig *config, const char *filename, GError **errp)
{
    return option_ide(config, filename, "index=0", errp);
}

bool option_hdb(MachineConfig *config, const char *filename, GError **errp)
{
    return option_ide(config, filename, "index=1", errp);
}

bool option_hdc(MachineConfig *config, const char *filename, GError **errp)
{
    return option_ide(config, filename, "index=2", errp);
}

bool option_hdd(MachineConfig *config, const char *filename, GError **errp)
{
    return option_ide(config, filename, "index=3", errp);
}

/* controller: made for the first. */
static bool add_ide_devices(MachineConfig *config, IdeDrive kind, const char *controller,
                            GError **errp)
{
    for (guint i = 0; i < config->drives->len; i++) {
        const DriveOption *drive = config->drives->pdata[i];
        if (drive->ide != kind) {
            continue;
        }
        g_autofree char *text =
            kind == IDE_CD ? g_strdup_printf("scsi-cd,bus=cdrom.0,drive=%s", drive->name)
                           : g_strdup_printf("scsi-hd,bus=ide.0,scsi-id=%u,drive=%s%s", drive->unit,
                                             drive->name,
                                             drive->write_through ? ",write-cache=off" : "");
        if ((controller && !option_device(config, controller, errp)) ||
            !option_device(config, text, errp)) {
            return false;
        }
        controller = NULL;
    }
    return true;
}

/*
 * QEMU has IDE drives on the board's SATA controller, which this machine has not. The slots of the
 * controllers in its place are the last that are given out, so that none is taken which an option
 * names. Linux calls the disks by the names that it has for those of SATA: sda and so on.
 */
bool block_options_defaults(MachineConfig *config, GError **errp)
{
    return add_ide_devices(config, IDE_DISK, "virtio-scsi-pci,id=ide", errp) &&
           add_ide_devices(config, IDE_CD, "virtio-scsi-pci,id=cdrom", errp);
}
