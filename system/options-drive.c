/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -drive: a disk described by a list of keys, with the device that goes with it. */
#include <string.h>

#include "drive-option.h"
#include "util/error.h"

static DriveOption *add_drive(MachineConfig *config, const char *text)
{
    DriveOption *drive = g_new0(DriveOption, 1);

    drive->location = g_strdup_printf("-drive %s", text);
    g_ptr_array_add(config->drives, drive);
    return drive;
}

static bool set_cache(DriveOption *drive, const char *mode, GError **errp)
{
    static const struct {
        const char *name;
        bool direct, no_flush, write_through;
    } modes[] = {
        { "writeback", false, false, false }, { "none", true, false, false },
        { "off", true, false, false },
        { "writethrough", false, false, true }, { "directsync", true, false, true },
        { "unsafe", false, true, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(mode, modes[i].name)) {
            drive->file.direct = modes[i].direct;
            drive->file.no_flush = modes[i].no_flush;
            drive->write_through = modes[i].write_through;
            return true;
        }
    }
    error_set(errp, "invalid cache option '%s'", mode);
    error_hint(errp, "One of writeback, none, writethrough, directsync, unsafe");
    return false;
}

static bool set_on_error(BlockOnError *on_error, bool is_write, const char *action, GError **errp)
{
    for (unsigned i = BLOCK_ON_ERROR_REPORT; block_on_error_names[i]; i++) {
        if (!strcmp(action, block_on_error_names[i]) && (is_write || i != BLOCK_ON_ERROR_ENOSPC)) {
            *on_error = (BlockOnError)i;
            return true;
        }
    }
    error_set(errp, "'%s' invalid %s error action", action, is_write ? "write" : "read");
    error_hint(errp, "One of report, ignore, stop%s", is_write ? ", enospc" : "");
    return false;
}

typedef struct DriveKeys {
    const char *interface; /* NULL: not given */
    bool cdrom, index_given;
    unsigned index;
} DriveKeys;

/* cache.writeback, cache.direct, cache.no-flush: what cache= stands for. */
static bool set_cache_key(DriveOption *drive, const char *key, const char *value, GError **errp)
{
    bool write_back;

    if (!strcmp(key, "cache.direct")) {
        return keyval_bool(key, value, &drive->file.direct, errp);
    }
    if (!strcmp(key, "cache.no-flush")) {
        return keyval_bool(key, value, &drive->file.no_flush, errp);
    }
    if (strcmp(key, "cache.writeback")) {
        return error_set(
            errp,
            "Invalid parameter '%s': there are cache.writeback, cache.direct and cache.no-flush",
            key);
    }
    if (!keyval_bool(key, value, &write_back, errp)) {
        return false;
    }
    drive->write_through = !write_back;
    return true;
}

/*
 * What is a disk or a CD to the guest is a matter of the device: of a CD stays that it is not
 * written.
 */
static bool set_media(DriveOption *drive, DriveKeys *keys, const char *value, GError **errp)
{
    keys->cdrom = !strcmp(value, "cdrom");
    drive->file.read_only |= keys->cdrom;
    return keys->cdrom || !strcmp(value, "disk") ||
           error_set(errp, "'%s' invalid media: disk or cdrom", value);
}

/* Of those by which QEMU limits the requests of a drive in a second. */
static bool is_limit(const char *key)
{
    return g_str_has_prefix(key, "throttling.") || g_str_has_prefix(key, "iops") ||
           g_str_has_prefix(key, "bps") || !strcmp(key, "group");
}

static bool set_drive_key(DriveOption *drive, DriveKeys *keys, const char *key, const char *value,
                          GError **errp)
{
    static const char *const fixed[][2] = { { "copy-on-read", "off" } };

    if (!strcmp(key, "file")) {
        g_free(drive->filename);
        drive->filename = g_strdup(value);
        return true;
    }
    if (!strcmp(key, "id")) {
        g_free(drive->name);
        drive->name = g_strdup(value);
        return qom_check_id(value, errp);
    }
    if (!strcmp(key, "if")) {
        keys->interface = value;
        return true;
    }
    if (!strcmp(key, "format")) {
        return drive_set_format(drive, value, errp);
    }
    if (!strcmp(key, "readonly") || !strcmp(key, "read-only")) {
        return keyval_bool(key, value, &drive->file.read_only, errp);
    }
    if (!strcmp(key, "snapshot")) {
        return keyval_bool(key, value, &drive->snapshot, errp);
    }
    if (!strcmp(key, "cache")) {
        return set_cache(drive, value, errp);
    }
    if (g_str_has_prefix(key, "cache.")) {
        return set_cache_key(drive, key, value, errp);
    }
    if (!strcmp(key, "media")) {
        return set_media(drive, keys, value, errp);
    }
    if (!strcmp(key, "index")) {
        guint64 index;
        bool valid = g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT16, &index, NULL);
        keys->index = valid ? (unsigned)index : 0;
        keys->index_given = true;
        return valid || error_set(errp, "Parameter 'index' expects a number, not '%s'", value);
    }
    if (!strcmp(key, "discard")) {
        return drive_set_discard(drive, value, errp);
    }
    if (!strcmp(key, "detect-zeroes")) {
        return drive_set_detect_zeroes(drive, value, errp);
    }
    if (!strcmp(key, "aio")) {
        return drive_set_aio(drive, value, errp);
    }
    if (!strcmp(key, "werror")) {
        return set_on_error(&drive->on_write_error, true, value, errp);
    }
    if (!strcmp(key, "rerror")) {
        return set_on_error(&drive->on_read_error, false, value, errp);
    }
    if (!strcmp(key, "locking") || !strcmp(key, "file.locking")) {
        return drive_set_locking(drive, value, errp);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (!strcmp(key, fixed[i][0])) {
            return !strcmp(value, fixed[i][1]) ||
                   error_set(errp, "%s=%s is not available: only %s=%s", key, value, key,
                             fixed[i][1]);
        }
    }
    static const char *const known[] = {
        "file", "if", "format", "id", "readonly", "cache", "discard", "media", "aio", "index",
        "werror", "rerror", "snapshot", NULL,
    };

    error_set(errp, "Invalid parameter '%s'", key);
    if (is_limit(key)) {
        error_hint(errp, "%s", drive_no_limits);
    } else {
        error_hint_names(errp, key, known);
    }
    return false;
}

/* if=virtio is a device of its own. */
static bool add_virtio_device(MachineConfig *config, const DriveOption *drive, GError **errp)
{
    g_autofree char *text = g_strdup_printf("virtio-blk-pci,drive=%s%s", drive->name,
                                            drive->write_through ? ",write-cache=off" : "");

    return option_device(config, text, errp);
}

static bool check_interface(const DriveKeys *keys, GError **errp)
{
    const char *value = keys->interface ? keys->interface : "virtio";

    if (!strcmp(value, "none") || !strcmp(value, "virtio") ||
        !strcmp(value, "ide")) {
        return true;
    }
    error_set(errp, "unsupported bus type '%s': none, virtio or ide", value);
    error_hint(errp, "%s",
               strcmp(value, "pflash")
                   ? "There is no SD or floppy controller; for SCSI use if=none and "
                     "-device scsi-hd on a virtio-scsi-pci"
                   : option_instead("pflash"));
    return false;
}

/* What the options gave is a device, or waits for one. */
static bool place_drive(MachineConfig *config, DriveOption *drive, const DriveKeys *keys,
                        GError **errp)
{
    const char *interface = keys->interface ? keys->interface : keys->cdrom ? "ide" : "virtio";

    if (!strcmp(interface, "ide")) {
        return drive_add_ide(config, drive, keys->cdrom ? IDE_CD : IDE_DISK,
                             keys->index_given ? &keys->index : NULL, errp);
    }
    if (!drive->name) {
        drive->name = g_strdup_printf("%s%u", interface, keys->index);
    }
    return strcmp(interface, "virtio") || add_virtio_device(config, drive, errp);
}

bool option_drive(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) keyval = keyval_parse(text, NULL, errp);
    DriveKeys keys = { .index = config->drives->len };

    if (!keyval) {
        return false;
    }
    DriveOption *drive = add_drive(config, text);
    for (guint i = 0; i < keyval->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(keyval->pairs, KeyValPair, i);
        if (!set_drive_key(drive, &keys, pair->key, pair->value, errp)) {
            return false;
        }
    }
    if (!drive_check(drive, drive->file.discard, errp) || !check_interface(&keys, errp)) {
        return false;
    }
    drive->of_drive = true;
    drive->empty = !drive->filename && keys.cdrom;
    if (!drive->filename && !drive->empty) {
        return error_set(errp, "a drive without a file: file=PATH is missing");
    }
    drive->guess = !drive->empty && !keyval_get(keyval, "format");
    return place_drive(config, drive, &keys, errp);
}
