/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block nodes of what options describe: when the machine is made, and while it runs. */
#include <string.h>
#include <sys/stat.h>

#include "drive-option.h"
#include "system/core/log.h"
#include "util/error.h"

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
    QomObject *nodes = qom_container_get(config->root, BLOCK_CONTAINER);
    guint first = config->drives->len;

    bool ok = blockdev_add(config, NULL, options, errp) && open_from(config, first, errp);
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
