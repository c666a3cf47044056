/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about CD drives: trays and media. */
#include <string.h>

#include "block/block.h"
#include "hmp-objects.h"
#include "hw/scsi/scsi.h"
#include "util/error.h"

/* ---- Drives and media by name ---- */

typedef struct Search {
    const char *drive;
    Device *found;
} Search;

static void match_drive(QomObject *object, void *opaque)
{
    Search *search = opaque;

    if (qom_is(object, &scsi_cd_type) && ((const Device *)object)->realized &&
        !strcmp(scsi_cd_state((const Device *)object).drive, search->drive)) {
        search->found = (Device *)object;
    }
}

/* By id or path of the device, or (device) by the -drive that it was made with. NULL: *errp. */
static Device *find_drive(QapiContext *context, JsonValue *arguments, GError **errp)
{
    const char *id = json_member_string(arguments, "id"),
               *drive = json_member_string(arguments, "device");
    QomObject *machine = qom_container_get(context->objects, "/machine"), *object = NULL;

    if (!id == !drive) {
        error_set(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    if (drive && *drive) {
        Search search = { drive, NULL };
        qom_visit(machine, match_drive, &search);
        object = search.found ? &search.found->object : NULL;
    } else if (id) {
        object = *id == '/' ? qom_resolve(context->objects, id, NULL)
                            : qom_object_child(qom_container_get(machine, "peripheral"), id);
    }
    const char *name = id ? id : drive;
    bool is_disk = drive && qom_object_child(qom_container_get(context->objects, BLOCK_CONTAINER),
                                             drive);
    if (!qom_is(object, &device_type) && !is_disk) {
        qmp_error_set(errp, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", name);
        return NULL;
    }
    if (!qom_is(object, &scsi_cd_type)) {
        error_set(errp, "Device '%s' is not removable", name);
        error_hint(errp, "A disk is unplugged (device_del) and another plugged (device_add)");
        return NULL;
    }
    return (Device *)object;
}

static const char *name_of(JsonValue *arguments)
{
    const char *id = json_member_string(arguments, "id");

    return id ? id : json_member_string(arguments, "device");
}

static BlockNode *find_node(QapiContext *context, const char *name)
{
    return (BlockNode *)qom_object_child(qom_container_get(context->objects, BLOCK_CONTAINER),
                                         name);
}

/* ---- Steps ---- */

static bool is_forced(JsonValue *arguments)
{
    JsonValue *force;

    return json_object_object_get_ex(arguments, "force", &force) && json_object_get_boolean(force);
}

/* False: the guest has locked it, and was asked. */
static bool open_tray(Device *cd, JsonValue *arguments)
{
    ScsiTray tray = scsi_cd_state(cd).tray;

    if (!tray.open && tray.locked && !is_forced(arguments)) {
        scsi_cd_request(cd);
        return false;
    }
    scsi_cd_move_tray(cd, true);
    return true;
}

static bool must_open_tray(Device *cd, JsonValue *arguments, GError **errp)
{
    return open_tray(cd, arguments) ||
           error_set(errp,
                     "Device '%s' is locked and force was not specified, wait for tray to open and "
                     "try again",
                     name_of(arguments));
}

/* What nobody could name again is closed. */
static void remove_medium(QapiContext *context, Device *cd)
{
    BlockNode *node = scsi_cd_state(cd).medium;
    g_autofree char *name = node && node->of_drive ? g_strdup(node->object.name) : NULL;

    scsi_cd_remove(cd);
    if (name) {
        context->blockdev.remove(context->blockdev.opaque, name, NULL);
    }
}

static JsonValue *file_options(const char *node_name, const char *driver, const char *filename)
{
    JsonValue *options = json_object_new_object();

    json_object_object_add(options, "driver", json_object_new_string(driver));
    if (node_name) {
        json_object_object_add(options, "node-name", json_object_new_string(node_name));
    }
    json_object_object_add(options, "read-only", json_object_new_boolean(true));
    if (filename) {
        json_object_object_add(options, "filename", json_object_new_string(filename));
    }
    return options;
}

/* A node for an image, of which nobody but the drive knows. NULL: *errp. */
static BlockNode *open_medium(QapiContext *context, JsonValue *arguments, GError **errp)
{
    const char *filename = json_member_string(arguments, "filename"),
               *format = json_member_string(arguments, "format");
    g_autofree char *name = NULL;
    unsigned number = 0;

    do {
        g_free(name);
        name = g_strdup_printf("#block%u", number++);
    } while (find_node(context, name));
    format = format ? format : block_probe_file(filename);
    bool is_raw = !format || !strcmp(format, "raw");
    g_autoptr(JsonValue) options = file_options(name, is_raw ? "file" : format,
                                                is_raw ? filename : NULL);
    if (!is_raw) {
        json_object_object_add(options, "file", file_options(NULL, "file", filename));
    }
    if (!context->blockdev.add(context->blockdev.opaque, options, errp)) {
        return NULL;
    }
    BlockNode *node = find_node(context, name);
    node->of_drive = true;
    return node;
}

/* ---- Commands ---- */

bool qmp_eject(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    Device *cd = find_drive(context, arguments, errp);

    if (!cd || !must_open_tray(cd, arguments, errp)) {
        return false;
    }
    remove_medium(context, cd);
    return true;
}

bool qmp_blockdev_open_tray(QapiContext *context, JsonValue *arguments, JsonValue **result,
                            GError **errp)
{
    Device *cd = find_drive(context, arguments, errp);

    if (cd) {
        open_tray(cd, arguments);
    }
    return cd;
}

bool qmp_blockdev_close_tray(QapiContext *context, JsonValue *arguments, JsonValue **result,
                             GError **errp)
{
    Device *cd = find_drive(context, arguments, errp);

    if (cd) {
        scsi_cd_move_tray(cd, false);
    }
    return cd;
}

static bool tray_is_open(const Device *cd, JsonValue *arguments, GError **errp)
{
    return scsi_cd_state(cd).tray.open ||
           error_set(errp, "Tray of device '%s' is not open", name_of(arguments));
}

bool qmp_blockdev_remove_medium(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    Device *cd = find_drive(context, arguments, errp);

    if (!cd || !tray_is_open(cd, arguments, errp)) {
        return false;
    }
    remove_medium(context, cd);
    return true;
}

bool qmp_blockdev_insert_medium(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    const char *name = json_member_string(arguments, "node-name");
    Device *cd = find_drive(context, arguments, errp);
    BlockNode *node = find_node(context, name);

    if (!cd) {
        return false;
    }
    if (!node) {
        return error_set(errp, "Node '%s' not found", name);
    }
    if (node->object.users) {
        return error_set(errp, "Node '%s' is already in use", name);
    }
    if (!tray_is_open(cd, arguments, errp)) {
        return false;
    }
    if (scsi_cd_state(cd).medium) {
        return error_set(errp, "There already is a medium in device '%s'", name_of(arguments));
    }
    return scsi_cd_insert(cd, node, errp);
}

bool qmp_blockdev_change_medium(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                GError **errp)
{
    const char *mode = json_member_string(arguments, "read-only-mode");
    Device *cd = find_drive(context, arguments, errp);

    if (!cd) {
        return false;
    }
    if (mode && !strcmp(mode, "read-write")) {
        error_set(errp, "Device '%s' is a CD drive, which does not write", name_of(arguments));
        error_hint(errp, "Use read-only-mode=read-only, or leave it out");
        return false;
    }
    BlockNode *node = open_medium(context, arguments, errp);
    if (!node) {
        return false;
    }
    bool open = must_open_tray(cd, arguments, errp);
    if (open) {
        remove_medium(context, cd);
    }
    if (!open || !scsi_cd_insert(cd, node, errp)) {
        g_autofree char *name = g_strdup(node->object.name);
        context->blockdev.remove(context->blockdev.opaque, name, NULL);
        return false;
    }
    scsi_cd_move_tray(cd, false);
    return true;
}

/* ---- For people ---- */

typedef bool CommandFn(QapiContext *context, JsonValue *arguments, JsonValue **result,
                       GError **errp);

/*
 * [-f] DEVICE and so many words more at most, which are the arguments `names`. A drive is looked
 * for as a device, and then by the name of its -drive.
 */
static void run(QapiContext *context, CommandFn *command, const char *const *names,
                const char *line, GString *out)
{
    g_autoptr(JsonValue) arguments = json_object_new_object(), result = NULL;
    g_auto(GStrv) words = g_strsplit_set(line, " ", -1);
    unsigned count = 0;

    for (unsigned i = 0; words[i]; i++) {
        if (!strcmp(words[i], "-f")) {
            json_object_object_add(arguments, "force", json_object_new_boolean(true));
        } else if (*words[i] && names[count]) {
            json_object_object_add(arguments, names[count++], json_object_new_string(words[i]));
        } else if (*words[i]) {
            g_string_append_printf(out, "Error: too many arguments: '%s'\n", words[i]);
            return;
        }
    }
    const char *name = json_member_string(arguments, "device");
    QomObject *devices = qom_container_get(context->objects, "/machine/peripheral");
    if (name && qom_object_child(devices, name)) {
        json_object_object_add(arguments, "id", json_object_new_string(name));
        json_object_object_del(arguments, "device");
    }
    const char *missing = !count ? names[0] : count == 1 && names[1] ? names[1] : NULL;
    g_autoptr(GError) err = NULL;
    if (missing) {
        g_string_append_printf(out, "Error: '%s' is missing\n", missing);
    } else if (!command(context, arguments, &result, &err)) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}

void hmp_eject(QapiContext *context, const char *line, GString *out)
{
    static const char *const names[] = { "device", NULL };

    run(context, qmp_eject, names, line, out);
}

void hmp_change(QapiContext *context, const char *line, GString *out)
{
    static const char *const names[] = { "device", "filename", "format", "read-only-mode", NULL };

    run(context, qmp_blockdev_change_medium, names, line, out);
}
