/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -kernel, -initrd, -append, -shim, -fw_cfg. */
#include <string.h>

#include "system/core/log.h"
#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"

/* FW_CFG_NAME_SIZE, less the NUL. */
#define NAME_MAX_LENGTH 55

static bool replace(char **where, const char *text)
{
    g_free(*where);
    *where = g_strdup(text);
    return true;
}

bool option_kernel(MachineConfig *config, const char *text, GError **errp)
{
    return replace(&config->boot.kernel, text);
}

bool option_initrd(MachineConfig *config, const char *text, GError **errp)
{
    return replace(&config->boot.initrd, text);
}

bool option_append(MachineConfig *config, const char *text, GError **errp)
{
    return replace(&config->boot.append, text);
}

bool option_shim(MachineConfig *config, const char *text, GError **errp)
{
    return replace(&config->boot.shim, text);
}

static void fw_cfg_file_free(gpointer opaque)
{
    FwCfgFile *file = opaque;

    g_free(file->name);
    g_free(file->string);
    g_free(file->path);
    g_free(file);
}

static bool check_keys(const KeyVal *kv, GError **errp)
{
    static const char *const known[] = { "file", "name", "string", NULL };

    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const char *key = g_array_index(kv->pairs, KeyValPair, i).key;
        if (!strcmp(key, "gen_id")) {
            return error_set(errp, "gen_id: there are no objects here that make fw_cfg files; use "
                                   "file or string");
        }
        if (!g_strv_contains(known, key)) {
            error_set(errp, "Invalid parameter '%s'", key);
            error_hint_names(errp, key, known);
            return false;
        }
    }
    return true;
}

bool option_fw_cfg(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "name", errp);

    if (!kv || !check_keys(kv, errp)) {
        return false;
    }
    const char *name = keyval_get(kv, "name"), *string = keyval_get(kv, "string"),
               *path = keyval_get(kv, "file");
    if (!name || !name[0] || !string == !path) {
        return error_set(errp, "name, plus exactly one of file, string and gen_id, are needed");
    }
    if (strlen(name) > NAME_MAX_LENGTH) {
        return error_set(errp, "name too long (max. %d char)", NAME_MAX_LENGTH);
    }
    if (!g_str_has_prefix(name, "opt/")) {
        report_warning("externally provided fw_cfg item names should be prefixed with \"opt/\"");
    }
    if (!config->boot.fw_cfg) {
        config->boot.fw_cfg = g_ptr_array_new_with_free_func(fw_cfg_file_free);
    }
    FwCfgFile *file = g_new0(FwCfgFile, 1);
    file->name = g_strdup(name);
    file->string = g_strdup(string);
    file->path = g_strdup(path);
    g_ptr_array_add(config->boot.fw_cfg, file);
    return true;
}

bool boot_files_check(const BootFiles *boot, GError **errp)
{
    if (boot->kernel) {
        return true;
    }
    if (boot->append) {
        return error_set(errp, "-append only allowed with -kernel option");
    }
    if (boot->initrd) {
        return error_set(errp, "-initrd only allowed with -kernel option");
    }
    if (boot->shim) {
        return error_set(errp, "-shim only allowed with -kernel option");
    }
    return true;
}

void boot_files_clear(BootFiles *boot)
{
    g_free(boot->kernel);
    g_free(boot->initrd);
    g_free(boot->append);
    g_free(boot->shim);
    g_clear_pointer(&boot->fw_cfg, g_ptr_array_unref);
}
