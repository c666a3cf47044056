/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg's contents: numbered items, files sorted by name, and the directory made from them. */
#include <string.h>

#include "fw_cfg-internal.h"
#include "util/bytes.h"
#include "util/error.h"

#define DIRECTORY_HEADER 4
#define DIRECTORY_ENTRY 64 /* be32 size, be16 key, be16 reserved, name */

static void drop_data(FwCfgItem *item)
{
    if (item->bytes) {
        g_clear_pointer(&item->bytes, g_bytes_unref);
    } else {
        g_free(item->data);
    }
    item->data = NULL;
}

static void set_data(FwCfgItem *item, const void *data, size_t size)
{
    uint8_t *copy = g_malloc(size ? size : 1);

    if (size) {
        memcpy(copy, data, size);
    }
    drop_data(item); /* after the copy: data may be a part of it */
    item->data = copy;
    item->size = size;
}

static void set_bytes(FwCfgItem *item, GBytes *bytes)
{
    gsize size;
    const void *data = g_bytes_get_data(bytes, &size);

    g_bytes_ref(bytes);
    drop_data(item);
    item->bytes = bytes;
    item->data = (uint8_t *)data;
    item->size = size;
}

static void item_free(gpointer opaque)
{
    FwCfgItem *item = opaque;

    g_free(item->name);
    drop_data(item);
    g_free(item);
}

static void rebuild_directory(FwCfg *fw_cfg)
{
    size_t size = DIRECTORY_HEADER + (size_t)DIRECTORY_ENTRY * fw_cfg->files->len;
    g_autofree uint8_t *directory = g_malloc0(size);

    store_be32(directory, fw_cfg->files->len);
    for (guint i = 0; i < fw_cfg->files->len; i++) {
        const FwCfgItem *file = fw_cfg->files->pdata[i];
        uint8_t *entry = directory + DIRECTORY_HEADER + (size_t)DIRECTORY_ENTRY * i;
        store_be32(entry, file->size);
        store_be16(entry + 4, FW_CFG_FIRST_FILE + i);
        memcpy(entry + 8, file->name, strlen(file->name));
    }
    set_data(&fw_cfg->numbered[FW_CFG_DIRECTORY], directory, size);
}

void fw_cfg_items_init(FwCfg *fw_cfg)
{
    fw_cfg->files = g_ptr_array_new_with_free_func(item_free);
    rebuild_directory(fw_cfg);
}

void fw_cfg_items_clear(FwCfg *fw_cfg)
{
    for (unsigned i = 0; i < FW_CFG_FIRST_FILE; i++) {
        drop_data(&fw_cfg->numbered[i]);
    }
    g_ptr_array_free(fw_cfg->files, TRUE);
}

FwCfgItem *fw_cfg_item(FwCfg *fw_cfg, uint16_t key)
{
    if (key < FW_CFG_FIRST_FILE) {
        return &fw_cfg->numbered[key];
    }
    unsigned index = key - FW_CFG_FIRST_FILE;
    return index < fw_cfg->files->len ? fw_cfg->files->pdata[index] : NULL;
}

void fw_cfg_add_bytes(FwCfg *fw_cfg, uint16_t key, const void *data, size_t size)
{
    g_assert(key < FW_CFG_FIRST_FILE && key != FW_CFG_DIRECTORY && size <= UINT32_MAX);
    set_data(&fw_cfg->numbered[key], data, size);
}

void fw_cfg_add_part(FwCfg *fw_cfg, uint16_t key, GBytes *bytes)
{
    g_assert(key < FW_CFG_FIRST_FILE && key != FW_CFG_DIRECTORY &&
             g_bytes_get_size(bytes) <= UINT32_MAX);
    set_bytes(&fw_cfg->numbered[key], bytes);
}

void fw_cfg_add_u16(FwCfg *fw_cfg, uint16_t key, uint16_t value)
{
    uint8_t bytes[2];

    store_le16(bytes, value);
    fw_cfg_add_bytes(fw_cfg, key, bytes, sizeof(bytes));
}

void fw_cfg_add_u32(FwCfg *fw_cfg, uint16_t key, uint32_t value)
{
    uint8_t bytes[4];

    store_le32(bytes, value);
    fw_cfg_add_bytes(fw_cfg, key, bytes, sizeof(bytes));
}

void fw_cfg_add_string(FwCfg *fw_cfg, uint16_t key, const char *text)
{
    fw_cfg_add_bytes(fw_cfg, key, text, strlen(text) + 1);
}

/* Where a name is or would be inserted. */
static bool find_file(const FwCfg *fw_cfg, const char *name, unsigned *index)
{
    unsigned i;

    for (i = 0; i < fw_cfg->files->len; i++) {
        const FwCfgItem *file = fw_cfg->files->pdata[i];
        int order = strcmp(file->name, name);
        if (order >= 0) {
            *index = i;
            return order == 0;
        }
    }
    *index = i;
    return false;
}

static bool check_file(const FwCfg *fw_cfg, const char *name, size_t size, GError **errp)
{
    unsigned index;

    if (!name[0] || strlen(name) >= FW_CFG_NAME_SIZE) {
        return error_set(errp, "fw_cfg file name '%s' must have 1 to %d characters", name,
                         FW_CFG_NAME_SIZE - 1);
    }
    if (size > UINT32_MAX) {
        return error_set(errp, "fw_cfg file '%s' has %zu bytes, more than 4 GiB - 1", name, size);
    }
    if (fw_cfg->files->len >= FW_CFG_MAX_FILES) {
        return error_set(errp, "fw_cfg file '%s' is one too many: at most %d", name,
                         FW_CFG_MAX_FILES);
    }
    if (find_file(fw_cfg, name, &index)) {
        return error_set(errp, "fw_cfg file '%s' exists already", name);
    }
    return true;
}

static void insert_file(FwCfg *fw_cfg, FwCfgItem *file, const char *name)
{
    unsigned index;

    file->name = g_strdup(name);
    find_file(fw_cfg, name, &index);
    g_ptr_array_insert(fw_cfg->files, index, file);
    rebuild_directory(fw_cfg);
}

bool fw_cfg_add_live_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size,
                          const FwCfgFileOps *ops, void *opaque, GError **errp)
{
    if (!check_file(fw_cfg, name, size, errp)) {
        return false;
    }
    FwCfgItem *file = g_new0(FwCfgItem, 1);
    file->ops = ops;
    file->opaque = opaque;
    set_data(file, data, size);
    insert_file(fw_cfg, file, name);
    return true;
}

bool fw_cfg_add_file_bytes(FwCfg *fw_cfg, const char *name, GBytes *bytes, GError **errp)
{
    if (!check_file(fw_cfg, name, g_bytes_get_size(bytes), errp)) {
        return false;
    }
    FwCfgItem *file = g_new0(FwCfgItem, 1);
    set_bytes(file, bytes);
    insert_file(fw_cfg, file, name);
    return true;
}

bool fw_cfg_add_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size, GError **errp)
{
    return fw_cfg_add_live_file(fw_cfg, name, data, size, NULL, NULL, errp);
}

bool fw_cfg_add_file_u16(FwCfg *fw_cfg, const char *name, uint16_t value, GError **errp)
{
    uint8_t bytes[2];

    store_le16(bytes, value);
    return fw_cfg_add_file(fw_cfg, name, bytes, sizeof(bytes), errp);
}

bool fw_cfg_set_file(FwCfg *fw_cfg, const char *name, const void *data, size_t size)
{
    unsigned index;

    if (size > UINT32_MAX || !find_file(fw_cfg, name, &index)) {
        return false;
    }
    set_data(fw_cfg->files->pdata[index], data, size);
    rebuild_directory(fw_cfg);
    return true;
}

void fw_cfg_foreach_file(const FwCfg *fw_cfg,
                         void (*visit)(const char *name, uint32_t size, void *opaque), void *opaque)
{
    for (guint i = 0; i < fw_cfg->files->len; i++) {
        const FwCfgItem *file = fw_cfg->files->pdata[i];

        visit(file->name, file->size, opaque);
    }
}
