/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about disks: block nodes, and the devices that have them. */
#include <inttypes.h>

#include "block/block.h"
#include "hw/core/device.h"
#include "hw/scsi/scsi.h"
#include "qmp-block-info.h"
#include "monitor-internal.h"
#include "util/error.h"

static void add_string(JsonValue *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

static void add_bool(JsonValue *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

/* The node of a device's drive= property; NULL: it has none. */
static BlockNode *node_of(QomObject *root, QomObject *object)
{
    g_autoptr(JsonValue) path = NULL;

    if (!qom_is(object, &device_type) || !qom_property_get(object, "drive", &path, NULL) || !path) {
        return NULL;
    }
    QomObject *node = qom_resolve(root, json_object_get_string(path), NULL);
    return node && qom_is(node, &block_node_type) ? (BlockNode *)node : NULL;
}

static BlockNode *find_node(QapiContext *context, const char *name)
{
    return (BlockNode *)qom_object_child(qom_container_get(context->objects, BLOCK_CONTAINER),
                                         name);
}

/*
 * A virtio device stands for two objects elsewhere, of which the inner one is known as the disk:
 * clients look for its path.
 */
static char *disk_path(QomObject *device)
{
    g_autofree char *path = qom_object_path(device);

    return g_strdup_printf("%s%s", path,
                           qom_type_is_named(device->type, "virtio-pci") ? "/virtio-backend" : "");
}

/* A drive has a state of its own, with a medium or without. */
static bool is_cd(const QomObject *object)
{
    return qom_is(object, &scsi_cd_type) && ((const Device *)object)->realized;
}

/* The name of a -drive stays with its drive; a node of -blockdev is known by its own name alone. */
static const char *drive_name(QomObject *device, const BlockNode *node)
{
    if (is_cd(device)) {
        return scsi_cd_state((const Device *)device).drive;
    }
    return node->of_drive ? node->object.name : "";
}

typedef struct Visit {
    QomObject *root;
    JsonValue *list;
} Visit;

static void visit_disk(QomObject *object, void *opaque)
{
    Visit *visit = opaque;
    const BlockNode *node = node_of(visit->root, object);
    bool cd = is_cd(object);

    if (node || cd) {
        const ScsiCdState state = cd ? scsi_cd_state((const Device *)object) : (ScsiCdState) { 0 };
        g_autofree char *path = disk_path(object);
        JsonValue *entry = json_object_new_object();
        add_string(entry, "device", drive_name(object, node));
        add_string(entry, "qdev", path);
        add_string(entry, "type", "unknown");
        add_bool(entry, "removable", cd);
        add_bool(entry, "locked", state.tray.locked);
        if (cd) {
            add_bool(entry, "tray_open", state.tray.open);
        }
        if (node) {
            json_object_object_add(entry, "inserted", block_node_json(node));
        }
        if (node && block_io_status(node) != BLOCK_IO_STATUS_NONE) {
            static const char *const names[] = {
                [BLOCK_IO_STATUS_OK] = "ok", [BLOCK_IO_STATUS_FAILED] = "failed",
                [BLOCK_IO_STATUS_NOSPACE] = "nospace",
            };
            add_string(entry, "io-status", names[block_io_status(node)]);
        }
        json_object_array_add(visit->list, entry);
    }
}

static void visit_disk_stats(QomObject *object, void *opaque)
{
    Visit *visit = opaque;
    const BlockNode *node = node_of(visit->root, object);

    if (node) {
        g_autofree char *path = disk_path(object);
        JsonValue *entry = json_object_new_object();
        add_string(entry, "device", drive_name(object, node));
        add_string(entry, "qdev", path);
        add_string(entry, "node-name", node->object.name);
        json_object_object_add(entry, "stats", block_stats_json(node));
        json_object_array_add(visit->list, entry);
    }
}

static void visit_node(QomObject *object, void *opaque)
{
    Visit *visit = opaque;

    if (qom_is(object, &block_node_type)) {
        json_object_array_add(visit->list, block_node_json((BlockNode *)object));
    }
}

static void visit_node_stats(QomObject *object, void *opaque)
{
    Visit *visit = opaque;

    if (qom_is(object, &block_node_type)) {
        JsonValue *entry = json_object_new_object();
        add_string(entry, "node-name", object->name);
        json_object_object_add(entry, "stats", block_stats_json((BlockNode *)object));
        json_object_array_add(visit->list, entry);
    }
}

static bool list(QapiContext *context, const char *path, QomVisitFn *fn, JsonValue **result)
{
    Visit visit = { context->objects, json_object_new_array() };

    qom_visit(qom_container_get(context->objects, path), fn, &visit);
    *result = visit.list;
    return true;
}

bool qmp_query_block(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return list(context, "/machine", visit_disk, result);
}

bool qmp_query_named_block_nodes(QapiContext *context, JsonValue *arguments, JsonValue **result,
                                 GError **errp)
{
    return list(context, BLOCK_CONTAINER, visit_node, result);
}

bool qmp_query_blockstats(QapiContext *context, JsonValue *arguments, JsonValue **result,
                          GError **errp)
{
    JsonValue *nodes;
    bool of_nodes = json_object_object_get_ex(arguments, "query-nodes", &nodes) &&
                    json_object_get_boolean(nodes);

    return list(context, of_nodes ? BLOCK_CONTAINER : "/machine",
                of_nodes ? visit_node_stats : visit_disk_stats, result);
}

/* There are none: what would make one, such as block-stream, is not there. */
bool qmp_query_jobs(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    *result = json_object_new_array();
    return true;
}

bool qmp_blockdev_add(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return context->blockdev.add(context->blockdev.opaque, arguments, errp);
}

bool qmp_blockdev_del(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    return context->blockdev.remove(context->blockdev.opaque,
                                    json_member_string(arguments, "node-name"), errp);
}

/* A node by its name, or by the id of a device that has it. */
bool qmp_block_resize(QapiContext *context, JsonValue *arguments, JsonValue **result, GError **errp)
{
    const char *name = json_member_string(arguments, "node-name"),
               *device = json_member_string(arguments, "device");
    JsonValue *size;
    uint64_t bytes;

    if (!name == !device) {
        return error_set(errp, "give one of node-name and device");
    }
    BlockNode *node = find_node(context, name ? name : device);
    QomObject *object = node || !device ? NULL : qom_resolve(context->objects, device, NULL);
    if (object) {
        node = node_of(context->objects, object);
    }
    if (!node) {
        return qmp_error_set(errp, QMP_DEVICE_NOT_FOUND,
                             "Cannot find device='%s' nor node-name='%s'", device ? device : "",
                             name ? name : "");
    }
    json_object_object_get_ex(arguments, "size", &size);
    return json_value_u64(size, &bytes) ? block_resize(node, bytes, errp)
                                        : error_set(errp, "Parameter 'size' expects a size");
}

/* info block and info blockstats --------------------------------------------------------------- */

static void print_disk(QomObject *object, void *opaque)
{
    const BlockNode *node = node_of(qom_object_root(object), object);

    if (node) {
        g_autofree char *path = disk_path(object);
        g_string_append_printf(opaque, "%s: %s (%s%s)\n    Attached to:      %s\n",
                               node->object.name, node->filename ? node->filename : "",
                               node->driver->name, block_is_read_only(node) ? ", read-only" : "",
                               path);
    } else if (is_cd(object)) {
        g_autofree char *path = disk_path(object);
        g_string_append_printf(opaque, "%s: [not inserted]\n    Attached to:      %s\n",
                               scsi_cd_state((const Device *)object).drive, path);
    }
    if (is_cd(object)) {
        ScsiTray tray = scsi_cd_state((const Device *)object).tray;
        g_string_append_printf(opaque, "    Removable device: %slocked, tray %s\n",
                               tray.locked ? "" : "not ", tray.open ? "open" : "closed");
    }
}

void hmp_info_block(QapiContext *context, const char *arguments, GString *out)
{
    qom_visit(qom_container_get(context->objects, "/machine"), print_disk, out);
}

static void print_stats(QomObject *object, void *opaque)
{
    const BlockNode *node = node_of(qom_object_root(object), object);

    if (node) {
        BlockCounters read = block_counters(node, BLOCK_READ),
                      write = block_counters(node, BLOCK_WRITE);
        BlockCounters flush = block_counters(node, BLOCK_FLUSH);
        g_string_append_printf(opaque,
                               "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64
                               " rd_operations=%" PRIu64 " wr_operations=%" PRIu64
                               " flush_operations=%" PRIu64 "\n",
                               node->object.name, read.bytes, write.bytes, read.operations,
                               write.operations, flush.operations);
    }
}

void hmp_info_blockstats(QapiContext *context, const char *arguments, GString *out)
{
    qom_visit(qom_container_get(context->objects, "/machine"), print_stats, out);
}
