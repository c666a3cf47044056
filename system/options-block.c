/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive and -blockdev: disks that devices name. Kept as they come and opened when the machine is
 * made: other programs that take the same options open nothing.
 */
#include <string.h>
#include <sys/stat.h>

#include "block/block.h"
#include "system/core/log.h"
#include "system/options.h"
#include "util/error.h"

/* What gets a drive made for it, as an IDE bus would have it. */
typedef enum IdeDrive { IDE_NONE, IDE_DISK, IDE_CD } IdeDrive;

typedef struct DriveOption {
    char *location; /* "-drive TEXT"; NULL = a monitor's */
    char *name;     /* node name */
    char *filename; /* NULL: a node over `child` */
    char *format;   /* of an image that is not raw; NULL = raw */
    bool guess;     /* nobody said which */
    char *child;
    BlockFileOptions file;
    BlockDetectZeroes detect_zeroes;
    BlockOnError on_read_error, on_write_error;
    bool auto_read_only;
    bool is_device; /* of driver host_device */
    bool snapshot;  /* what is written ends with the machine */
    bool empty;     /* the name of a CD drive without a medium: there is no file */
    bool of_drive;  /* -drive: the medium of a CD drive has no name of its own */
    IdeDrive ide;
    unsigned unit;  /* its index; no two have the same */
    bool write_through;
    bool opened;    /* its node is in the tree */
    /* the child was described in place, without a name of its own: it goes with this one */
    bool own_child;
} DriveOption;

static void drive_free(gpointer data)
{
    DriveOption *drive = data;

    g_free(drive->location);
    g_free(drive->name);
    g_free(drive->filename);
    g_free(drive->format);
    g_free(drive->child);
    g_free(drive);
}

void block_options_init(MachineConfig *config)
{
    config->drives = g_ptr_array_new_with_free_func(drive_free);
    config->disk_errors = g_new0(BlockErrorPort, 1);
    config->disk_files = g_new0(BlockFilePort, 1);
}

void block_options_clear(MachineConfig *config)
{
    g_ptr_array_unref(config->drives);
    g_free(config->disk_errors);
    g_free(config->disk_files);
}

static DriveOption *add_drive(MachineConfig *config, const char *option, const char *text)
{
    DriveOption *drive = g_new0(DriveOption, 1);

    drive->location = g_strdup_printf("-%s %s", option, text);
    g_ptr_array_add(config->drives, drive);
    return drive;
}

static bool set_cache(DriveOption *drive, const char *mode, bool *write_through, GError **errp)
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
            *write_through = modes[i].write_through;
            return true;
        }
    }
    error_set(errp, "invalid cache option '%s'", mode);
    error_hint(errp, "One of writeback, none, writethrough, directsync, unsafe");
    return false;
}

static bool set_discard(DriveOption *drive, const char *mode, GError **errp)
{
    drive->file.discard = !strcmp(mode, "unmap") || !strcmp(mode, "on");
    return drive->file.discard || !strcmp(mode, "ignore") || !strcmp(mode, "off") ||
           error_set(errp, "Invalid discard option '%s': ignore (off) or unmap (on)", mode);
}

static bool set_detect_zeroes(DriveOption *drive, const char *mode, GError **errp)
{
    static const char *const modes[] = { "off", "on", "unmap" };

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(mode, modes[i])) {
            drive->detect_zeroes = (BlockDetectZeroes)i;
            return true;
        }
    }
    return error_set(errp, "Invalid parameter '%s': detect-zeroes is off, on or unmap", mode);
}

static bool set_locking(DriveOption *drive, const char *mode, GError **errp)
{
    drive->file.unlocked = !strcmp(mode, "off");
    return drive->file.unlocked || !strcmp(mode, "on") || !strcmp(mode, "auto") ||
           error_set(errp, "Invalid parameter '%s': locking is on, off or auto", mode);
}

static bool set_aio(DriveOption *drive, const char *mode, GError **errp)
{
    for (unsigned i = BLOCK_AIO_THREADS; block_aio_names[i]; i++) {
        if (!strcmp(mode, block_aio_names[i])) {
            drive->file.aio = (BlockAio)i;
            return true;
        }
    }
    return error_set(errp, "invalid aio option '%s': threads, native or io_uring", mode);
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

/* Options that depend on each other. discard: of this node or the one below it. */
static bool check_drive(const DriveOption *drive, bool discard, GError **errp)
{
    return drive->detect_zeroes != BLOCK_DETECT_UNMAP || discard ||
           error_set(errp, "setting detect-zeroes to unmap is not allowed without setting discard "
                           "operation to unmap");
}

static const char no_limits[] =
    "Disks are not throttled here: use the cgroup of the process (io.max)";

static bool set_format(DriveOption *drive, const char *format, GError **errp)
{
    g_clear_pointer(&drive->format, g_free);
    if (!strcmp(format, "raw")) {
        return true;
    }
    if (!strcmp(format, "throttle")) {
        error_set(errp, "Unknown driver '%s'", format);
        error_hint(errp, "%s", no_limits);
        return false;
    }
    if (!block_format_is_known(format)) {
        error_set(errp, "Unknown driver '%s'", format);
        error_hint(errp, "Images are raw, or qcow2, qcow, qed, vdi, vhdx, vmdk, vpc through "
                         "qemu-storage-daemon; qemu-img convert -O raw converts others");
        return false;
    }
    drive->format = g_strdup(format);
    return true;
}

typedef struct DriveKeys {
    const char *interface; /* NULL: not given */
    bool write_through, cdrom, index_given;
    unsigned index;
} DriveKeys;

/* cache.writeback, cache.direct, cache.no-flush: what cache= stands for. */
static bool set_cache_key(DriveOption *drive, DriveKeys *keys, const char *key, const char *value,
                          GError **errp)
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
    keys->write_through = !write_back;
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
        return set_format(drive, value, errp);
    }
    if (!strcmp(key, "readonly") || !strcmp(key, "read-only")) {
        return keyval_bool(key, value, &drive->file.read_only, errp);
    }
    if (!strcmp(key, "snapshot")) {
        return keyval_bool(key, value, &drive->snapshot, errp);
    }
    if (!strcmp(key, "cache")) {
        return set_cache(drive, value, &keys->write_through, errp);
    }
    if (g_str_has_prefix(key, "cache.")) {
        return set_cache_key(drive, keys, key, value, errp);
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
        return set_discard(drive, value, errp);
    }
    if (!strcmp(key, "detect-zeroes")) {
        return set_detect_zeroes(drive, value, errp);
    }
    if (!strcmp(key, "aio")) {
        return set_aio(drive, value, errp);
    }
    if (!strcmp(key, "werror")) {
        return set_on_error(&drive->on_write_error, true, value, errp);
    }
    if (!strcmp(key, "rerror")) {
        return set_on_error(&drive->on_read_error, false, value, errp);
    }
    if (!strcmp(key, "locking") || !strcmp(key, "file.locking")) {
        return set_locking(drive, value, errp);
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
        error_hint(errp, "%s", no_limits);
    } else {
        error_hint_names(errp, key, known);
    }
    return false;
}

/* if=virtio is a device of its own. */
static bool add_virtio_device(MachineConfig *config, const DriveOption *drive,
                              const DriveKeys *keys, GError **errp)
{
    g_autofree char *text = g_strdup_printf("virtio-blk-pci,drive=%s%s", drive->name,
                                            keys->write_through ? ",write-cache=off" : "");

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
static bool add_ide_drive(MachineConfig *config, DriveOption *drive, const DriveKeys *keys,
                          GError **errp)
{
    unsigned unit = keys->index_given ? keys->index : 0;
    const DriveOption *other;

    while ((other = drive_at_unit(config, unit))) {
        if (keys->index_given) {
            return error_set(errp, "drive with index=%u exists already: %s", unit, other->name);
        }
        unit++;
    }
    drive->ide = keys->cdrom ? IDE_CD : IDE_DISK;
    drive->unit = unit;
    drive->write_through = keys->write_through;
    if (!drive->name) {
        drive->name = g_strdup_printf("ide%u-%s0", unit, keys->cdrom ? "cd" : "hd");
    }
    return true;
}

/* What the options gave is a device, or waits for one. */
static bool place_drive(MachineConfig *config, DriveOption *drive, const DriveKeys *keys,
                        GError **errp)
{
    const char *interface = keys->interface ? keys->interface : keys->cdrom ? "ide" : "virtio";

    if (!strcmp(interface, "ide")) {
        return add_ide_drive(config, drive, keys, errp);
    }
    if (!drive->name) {
        drive->name = g_strdup_printf("%s%u", interface, keys->index);
    }
    return strcmp(interface, "virtio") || add_virtio_device(config, drive, keys, errp);
}

bool option_drive(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) keyval = keyval_parse(text, NULL, errp);
    DriveKeys keys = { .index = config->drives->len };

    if (!keyval) {
        return false;
    }
    DriveOption *drive = add_drive(config, "drive", text);
    for (guint i = 0; i < keyval->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(keyval->pairs, KeyValPair, i);
        if (!set_drive_key(drive, &keys, pair->key, pair->value, errp)) {
            return false;
        }
    }
    if (!check_drive(drive, drive->file.discard, errp) || !check_interface(&keys, errp)) {
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

/* A comma in a value of a list is two. */
static bool option_ide(MachineConfig *config, const char *filename, const char *rest,
                       GError **errp)
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

/* A member as text, whichever form the option has; NULL: not given. */
static const char *member(JsonValue *object, const char *name)
{
    JsonValue *value;

    if (!json_object_object_get_ex(object, name, &value)) {
        return NULL;
    }
    if (json_object_is_type(value, json_type_boolean)) {
        return json_object_get_boolean(value) ? "on" : "off";
    }
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static bool bool_member(JsonValue *object, const char *name, bool *result, GError **errp)
{
    const char *value = member(object, name);

    return !value || keyval_bool(name, value, result, errp);
}

/* Other processes may write to the image: no lock is asked for. */
static bool set_force_share(DriveOption *drive, JsonValue *object, GError **errp)
{
    bool shared = false;

    if (!bool_member(object, "force-share", &shared, errp)) {
        return false;
    }
    drive->file.unlocked |= shared;
    return !shared || drive->file.read_only ||
           error_set(errp, "force-share=on can only be used with read-only images");
}

/* "backing": null: the image is opened without the one that its header names. */
static bool set_backing(DriveOption *drive, JsonValue *object, GError **errp)
{
    JsonValue *backing;

    if (!json_object_object_get_ex(object, "backing", &backing)) {
        return true;
    }
    if (!drive->format) {
        return error_set(errp, "Parameter 'backing' is unexpected");
    }
    drive->file.no_backing = !backing;
    if (backing) {
        error_set(errp, "backing: an image's backing file is the one that its header names");
        error_hint(errp, "Leave 'backing' out, or set it to null");
    }
    return !backing;
}

static bool set_blockdev_cache(DriveOption *drive, JsonValue *object, GError **errp)
{
    JsonValue *cache;

    if (!json_object_object_get_ex(object, "cache", &cache)) {
        return true;
    }
    return bool_member(cache, "direct", &drive->file.direct, errp) &&
           bool_member(cache, "no-flush", &drive->file.no_flush, errp);
}

static bool check_members(JsonValue *object, const char *const *known, GError **errp)
{
    json_object_object_foreach(object, key, value) {
        (void)value;
        if (!g_strv_contains(known, key)) {
            return error_set(errp, "Parameter '%s' is unexpected", key);
        }
    }
    return true;
}

static bool add_blockdev(MachineConfig *config, const char *text, JsonValue *object,
                         const char *name, GError **errp);

static bool set_file_node(DriveOption *drive, JsonValue *object, GError **errp)
{
    static const char *const known[] = { "driver", "node-name", "filename", "read-only",
                                         "auto-read-only", "discard", "force-share",
                                         "cache", "aio", "locking", "detect-zeroes", NULL };
    const char *filename = member(object, "filename"), *discard = member(object, "discard"),
               *aio = member(object, "aio");
    const char *locking = member(object, "locking"), *detect = member(object, "detect-zeroes");

    if (!filename) {
        return error_set(errp, "Parameter 'filename' is missing");
    }
    if (!*filename) {
        return error_set(errp, "Parameter 'filename' expects a path");
    }
    drive->filename = g_strdup(filename);
    return check_members(object, known, errp) && (!discard || set_discard(drive, discard, errp)) &&
           (!aio || set_aio(drive, aio, errp)) && (!locking || set_locking(drive, locking, errp)) &&
           (!detect || set_detect_zeroes(drive, detect, errp)) &&
           check_drive(drive, drive->file.discard, errp) &&
           bool_member(object, "read-only", &drive->file.read_only, errp) &&
           bool_member(object, "auto-read-only", &drive->auto_read_only, errp) &&
           set_force_share(drive, object, errp) && set_blockdev_cache(drive, object, errp);
}

/* The file below: a node's name, or a node described in place. */
static bool set_format_node(MachineConfig *config, DriveOption *drive, const char *text,
                            JsonValue *object, GError **errp)
{
    static const char *const known[] = { "driver", "node-name", "file", "read-only",
                                         "auto-read-only", "discard", "force-share", "cache",
                                         "detect-zeroes", "backing", NULL };
    const char *discard = member(object, "discard"), *detect = member(object, "detect-zeroes");
    JsonValue *file;

    if (!json_object_object_get_ex(object, "file", &file)) {
        return error_set(errp, "Parameter 'file' is missing");
    }
    if (!check_members(object, known, errp) ||
        !bool_member(object, "read-only", &drive->file.read_only, errp) ||
        !bool_member(object, "auto-read-only", &drive->auto_read_only, errp) ||
        (discard && !set_discard(drive, discard, errp)) ||
        (detect && !set_detect_zeroes(drive, detect, errp)) ||
        !check_drive(drive, drive->file.discard, errp) ||
        !set_force_share(drive, object, errp) || !set_backing(drive, object, errp) ||
        !set_blockdev_cache(drive, object, errp)) {
        return false;
    }
    if (json_object_is_type(file, json_type_string)) {
        drive->child = g_strdup(json_object_get_string(file));
        return true;
    }
    if (!json_object_is_type(file, json_type_object)) {
        return error_set(errp, "Invalid parameter type for 'file', expected: a node's name or "
                               "an object");
    }
    const char *name = member(file, "node-name");
    drive->own_child = !name;
    drive->child = name ? g_strdup(name) : g_strdup_printf("%s-file", drive->name);
    g_autofree char *child = g_strdup(drive->child);
    return add_blockdev(config, text, file, child, errp);
}

/* Names of media that a monitor's client put into drives by their files' names; nobody else's. */
static bool is_medium_name(const char *name)
{
    static const char prefix[] = "#block";

    if (!g_str_has_prefix(name, prefix)) {
        return false;
    }
    const char *number = name + strlen(prefix);
    return *number && !number[strspn(number, "0123456789")];
}

static bool add_blockdev(MachineConfig *config, const char *text, JsonValue *object,
                         const char *name, GError **errp)
{
    const char *driver = json_object_is_type(object, json_type_object) ? member(object, "driver")
                                                                       : NULL;

    if (!driver || !name) {
        return error_set(errp, "Parameter '%s' is missing", driver ? "node-name" : "driver");
    }
    if (!blockdev_types_check(object, !text || *text == '{', errp)) {
        return false;
    }
    bool is_file = !strcmp(driver, "file") || !strcmp(driver, "host_device");
    DriveOption *drive = g_new0(DriveOption, 1);
    drive->location = text ? g_strdup_printf("-blockdev %s", text) : NULL;
    drive->name = g_strdup(name);
    drive->is_device = !strcmp(driver, "host_device");
    bool ok = qom_check_id(name, NULL) || is_medium_name(name) ||
              error_set(errp, "Invalid node-name: '%s'", name);
    ok = ok && (is_file ? set_file_node(drive, object, errp)
                        : set_format(drive, driver, errp) &&
                              set_format_node(config, drive, text, object, errp));
    g_ptr_array_add(config->drives, drive); /* after the node below it */
    return ok;
}

bool option_blockdev(MachineConfig *config, const char *text, GError **errp)
{
    JsonValue *object = NULL;
    bool ok = false;

    if (*text == '{') {
        ok = json_parse(text, strlen(text), &object, errp);
    } else {
        g_autoptr(KeyVal) keyval = keyval_parse(text, "driver", errp);
        ok = keyval && (object = keyval_to_json(keyval, errp));
    }
    ok = ok &&
         add_blockdev(config, text, object,
                      json_object_is_type(object, json_type_object) ? member(object, "node-name")
                                                                    : NULL,
                      errp);
    json_object_put(object);
    return ok;
}

/* ---- When the machine is made ---- */

static BlockNode *open_file(const char *format, const BlockFileOptions *options, GError **errp)
{
    return format ? block_image_open(format, options, errp) : block_file_open(options, errp);
}

/* The index of a drive, or the number of drives. */
static guint find_drive(const MachineConfig *config, const char *name)
{
    guint i = 0;

    while (i < config->drives->len &&
           strcmp(((const DriveOption *)config->drives->pdata[i])->name, name)) {
        i++;
    }
    return i;
}

/*
 * The file of an image whose options name a node: the daemon opens it itself. NULL: none, or nodes
 * that lie over each other in a circle.
 */
static const DriveOption *file_below(const MachineConfig *config, const DriveOption *drive)
{
    for (guint depth = 0; drive->child && depth < config->drives->len; depth++) {
        guint index = find_drive(config, drive->child);
        if (index == config->drives->len) {
            return NULL;
        }
        drive = config->drives->pdata[index];
        if (drive->format) {
            return NULL;
        }
    }
    return drive->filename ? drive : NULL;
}

static void warn_of_guess(const DriveOption *drive)
{
    g_autofree char *text = g_strdup_printf(
        "Image format was not specified for '%s' and probing guessed raw. The guest may not write "
        "to its first sector what looks like another format; format=raw lifts that",
        drive->filename);

    report_warning(text);
}

/* A name that stat() does not know is left to who opens it (/dev/fdset). */
static bool check_is_device(const char *filename, GError **errp)
{
    struct stat status;

    if (stat(filename, &status) || S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode)) {
        return true;
    }
    error_set(errp, "'host_device' driver requires '%s' to be either a character or block device",
              filename);
    error_hint(errp, "Use the driver file");
    return false;
}

static BlockNode *open_node(const MachineConfig *config, const DriveOption *drive, QomObject *nodes,
                            GError **errp)
{
    BlockFileOptions options = drive->file;
    const DriveOption *below = drive->format ? file_below(config, drive) : NULL;

    if (drive->empty) {
        return block_empty_new();
    }
    options.filename = drive->filename;
    options.port = config->disk_files;
    if (below) {
        options.filename = below->filename;
        options.read_only |= below->file.read_only;
        options.direct |= below->file.direct;
        options.no_flush |= below->file.no_flush;
        options.aio = below->file.aio;
    } else if (!drive->filename) {
        if (drive->format) {
            error_set(errp, "node '%s' of format %s needs a node of driver file, and '%s' is none",
                      drive->name, drive->format, drive->child);
            return NULL;
        }
        QomObject *child = qom_object_child(nodes, drive->child);
        if (!child) {
            error_set(errp, "Cannot find device='%s' nor node-name='%s'", drive->child,
                      drive->child);
            return NULL;
        }
        return block_raw_new((BlockNode *)child, options.read_only);
    }
    if (drive->is_device && !check_is_device(drive->filename, errp)) {
        return NULL;
    }
    BlockNode *node = open_file(drive->format, &options,
                                drive->auto_read_only && !options.read_only ? NULL : errp);
    if (!node && drive->auto_read_only && !options.read_only) {
        options.read_only = true;
        node = open_file(drive->format, &options, errp);
    }
    return node;
}

/* A drive whose image stays as it is, with a layer for what is written. NULL: *errp. */
static BlockNode *open_snapshot(const MachineConfig *config, DriveOption *drive, QomObject *nodes,
                                GError **errp)
{
    BlockNode *below = open_node(config, drive, nodes, errp);
    BlockNode *node = below ? block_snapshot_new(below, errp) : NULL;

    if (below) {
        qom_object_unref(&below->object);
    }
    return node;
}

/* -snapshot is for every -drive that is written; -blockdev's nodes are as they are described. */
static bool wants_snapshot(const MachineConfig *config, const DriveOption *drive)
{
    return (drive->snapshot || (config->snapshot && drive->of_drive)) && !drive->file.read_only &&
           !drive->empty;
}

static bool open_from(const MachineConfig *config, guint first, GError **errp)
{
    QomObject *nodes = qom_container_get(config->root, BLOCK_CONTAINER);

    for (guint i = first; i < config->drives->len; i++) {
        DriveOption *drive = config->drives->pdata[i];
        g_autoptr(GError) err = NULL;

        if (qom_object_child(nodes, drive->name)) {
            return error_set(errp, "%s%sDuplicate nodes with node-name='%s'",
                             drive->location ? drive->location : "", drive->location ? ": " : "",
                             drive->name);
        }
        bool snapshot = wants_snapshot(config, drive);
        drive->file.read_only |= snapshot;
        if (drive->guess) { /* by the image's first bytes */
            drive->format = g_strdup(block_probe_file(drive->filename));
        }
        BlockNode *node = snapshot ? open_snapshot(config, drive, nodes, &err)
                                   : open_node(config, drive, nodes, &err);
        if (node) {
            node->of_drive = drive->of_drive;
            node->guessed_raw = drive->guess && !drive->format && !snapshot;
            node->detect_zeroes = drive->detect_zeroes;
            node->on_read_error = drive->on_read_error;
            node->on_write_error = drive->on_write_error;
            node->errors = config->disk_errors;
        }
        bool ok = node && qom_object_complete(&node->object, &err) &&
                  qom_object_add_child(nodes, drive->name, &node->object, &err);
        if (node) {
            qom_object_unref(&node->object);
        }
        drive->opened = ok;
        if (!ok) {
            return error_set(errp, "%s%s%s", drive->location ? drive->location : "",
                             drive->location ? ": " : "", err->message);
        }
        if (drive->guess && !drive->format && !drive->file.read_only) {
            warn_of_guess(drive);
        }
    }
    return true;
}

bool machine_config_open_drives(const MachineConfig *config, GError **errp)
{
    return open_from(config, 0, errp);
}

/* ---- While the machine runs ---- */

bool machine_config_remove_drive(const MachineConfig *config, const char *name, GError **errp)
{
    QomObject *node = qom_object_child(qom_container_get(config->root, BLOCK_CONTAINER), name);
    guint index = find_drive(config, name);
    g_autofree char *child = NULL;

    if (!node) {
        return error_set(errp, "Failed to find node with node-name='%s'", name);
    }
    if (node->users) {
        return error_set(errp, "Node %s is in use", name);
    }
    qom_object_unparent(node);
    if (index < config->drives->len) {
        const DriveOption *drive = config->drives->pdata[index];
        child = drive->own_child ? g_strdup(drive->child) : NULL;
        g_ptr_array_remove_index(config->drives, index);
    }
    if (child) {
        /* stays if another node has come to lie over it */
        machine_config_remove_drive(config, child, NULL);
    }
    return true;
}

bool machine_config_add_drive(const MachineConfig *config, JsonValue *options, GError **errp)
{
    MachineConfig view = *config; /* its list of drives is the same */
    QomObject *nodes = qom_container_get(config->root, BLOCK_CONTAINER);
    guint first = config->drives->len;

    bool ok = add_blockdev(&view, NULL, options, member(options, "node-name"), errp) &&
              open_from(config, first, errp);
    while (!ok && config->drives->len > first) { /* the nodes below the one that failed */
        const DriveOption *drive = config->drives->pdata[config->drives->len - 1];
        QomObject *node = drive->opened ? qom_object_child(nodes, drive->name) : NULL;
        if (node) {
            qom_object_unparent(node);
        }
        g_ptr_array_remove_index(config->drives, config->drives->len - 1);
    }
    return ok;
}
