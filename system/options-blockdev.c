/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -blockdev: nodes that devices or other nodes name, each described by an object. */
#include <string.h>

#include "drive-option.h"
#include "util/error.h"

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

static bool add_node(const MachineConfig *config, const char *text, JsonValue *object,
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
    return check_members(object, known, errp) &&
           (!discard || drive_set_discard(drive, discard, errp)) &&
           (!aio || drive_set_aio(drive, aio, errp)) &&
           (!locking || drive_set_locking(drive, locking, errp)) &&
           (!detect || drive_set_detect_zeroes(drive, detect, errp)) &&
           drive_check(drive, drive->file.discard, errp) &&
           bool_member(object, "read-only", &drive->file.read_only, errp) &&
           bool_member(object, "auto-read-only", &drive->auto_read_only, errp) &&
           set_force_share(drive, object, errp) && set_blockdev_cache(drive, object, errp);
}

/* The file below: a node's name, or a node described in place. */
static bool set_format_node(const MachineConfig *config, DriveOption *drive, const char *text,
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
        (discard && !drive_set_discard(drive, discard, errp)) ||
        (detect && !drive_set_detect_zeroes(drive, detect, errp)) ||
        !drive_check(drive, drive->file.discard, errp) ||
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
    return add_node(config, text, file, child, errp);
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

static bool add_node(const MachineConfig *config, const char *text, JsonValue *object,
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
                        : drive_set_format(drive, driver, errp) &&
                              set_format_node(config, drive, text, object, errp));
    g_ptr_array_add(config->drives, drive); /* after the node below it */
    return ok;
}

bool blockdev_add(const MachineConfig *config, const char *text, JsonValue *object, GError **errp)
{
    bool is_object = json_object_is_type(object, json_type_object);

    return add_node(config, text, object, is_object ? member(object, "node-name") : NULL, errp);
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
    ok = ok && blockdev_add(config, text, object, errp);
    json_object_put(object);
    return ok;
}
