/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block node and its numbers as clients are told. Typed clients refuse an answer in which a
 * member that QEMU's schema always has is missing: those that mean nothing here have the value that
 * says so.
 */
#include "qmp-block-info.h"

#include <string.h>
#include <sys/stat.h>

static void add_string(JsonValue *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

static void add_u64(JsonValue *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static void add_bool(JsonValue *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

static JsonValue *image_info(const BlockNode *node)
{
    JsonValue *image = json_object_new_object();
    struct stat status;

    add_string(image, "filename", node->filename ? node->filename : "");
    add_string(image, "format", node->driver->name);
    add_u64(image, "virtual-size", block_size(node));
    if (node->filename && stat(node->filename, &status) == 0) {
        /* units of st_blocks: man 3 stat */
        add_u64(image, "actual-size", (uint64_t)status.st_blocks * 512);
    }
    return image;
}

static JsonValue *cache_info(const BlockNode *node)
{
    JsonValue *cache = json_object_new_object();

    add_bool(cache, "writeback", true);
    add_bool(cache, "direct", node->direct);
    add_bool(cache, "no-flush", node->no_flush);
    return cache;
}

static JsonValue *children(const BlockNode *node)
{
    const BlockNode *below = block_raw_below(node);
    JsonValue *list = json_object_new_array();

    if (below && below->object.name) {
        JsonValue *child = json_object_new_object();
        add_string(child, "child", "file");
        add_string(child, "node-name", below->object.name);
        json_object_array_add(list, child);
    }
    return list;
}

JsonValue *block_node_json(const BlockNode *node)
{
    static const char *const detect[] = { [BLOCK_DETECT_OFF] = "off", [BLOCK_DETECT_ON] = "on",
                                          [BLOCK_DETECT_UNMAP] = "unmap" };
    static const char *const none[] = { "backing_file_depth", "bps",  "bps_rd",  "bps_wr",
                                        "iops",               "iops_rd", "iops_wr",
                                        "write_threshold" };
    JsonValue *info = json_object_new_object();

    add_string(info, "node-name", node->object.name);
    add_string(info, "drv", node->driver->name);
    add_bool(info, "ro", block_is_read_only(node));
    add_string(info, "file", node->filename ? node->filename : "");
    json_object_object_add(info, "image", image_info(node));
    add_bool(info, "active", true);
    add_bool(info, "encrypted", false);
    add_string(info, "detect_zeroes", detect[node->detect_zeroes]);
    json_object_object_add(info, "cache", cache_info(node));
    json_object_object_add(info, "children", children(node));
    for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
        add_u64(info, none[i], 0);
    }
    return info;
}

/* The members of one kind of request begin or end with its name. */
static void add_operation(JsonValue *stats, const BlockNode *node, BlockOp op, const char *name,
                          bool of_bytes)
{
    const BlockCounters counters = block_counters(node, op);
    const struct {
        const char *format;
        uint64_t value;
    } members[] = {
        { "%s_operations", counters.operations },
        { "%s_total_time_ns", counters.nanoseconds },
        { "failed_%s_operations", counters.failed },
        { "invalid_%s_operations", counters.invalid },
        { "%s_bytes", counters.bytes },
        { "%s_merged", 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(members) - (of_bytes ? 0 : 2); i++) {
        const char *at = strstr(members[i].format, "%s");
        g_autofree char *member = g_strdup_printf("%.*s%s%s", (int)(at - members[i].format),
                                                  members[i].format, name, at + 2);
        add_u64(stats, member, members[i].value);
    }
}

/* Zones, which no disk here has. */
static void add_zones(JsonValue *stats)
{
    static const char *const members[] = {
        "zone_append_operations",        "zone_append_total_time_ns",
        "failed_zone_append_operations", "invalid_zone_append_operations",
        "zone_append_bytes",             "zone_append_merged",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        add_u64(stats, members[i], 0);
    }
}

JsonValue *block_stats_json(const BlockNode *node)
{
    const BlockCounters zeroes = block_counters(node, BLOCK_WRITE_ZEROES);
    JsonValue *stats = json_object_new_object();

    add_operation(stats, node, BLOCK_READ, "rd", true);
    add_operation(stats, node, BLOCK_WRITE, "wr", true);
    add_operation(stats, node, BLOCK_FLUSH, "flush", false);
    add_operation(stats, node, BLOCK_DISCARD, "unmap", true);
    add_zones(stats);
    add_u64(stats, "zeroes_operations", zeroes.operations);
    add_u64(stats, "zeroes_bytes", zeroes.bytes);
    add_u64(stats, "wr_highest_offset", block_highest_write(node));
    add_bool(stats, "account_invalid", true);
    add_bool(stats, "account_failed", true);
    json_object_object_add(stats, "timed_stats", json_object_new_array());
    return stats;
}
