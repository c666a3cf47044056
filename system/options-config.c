/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -readconfig: a file of options, section by section, as QEMU's configuration files have them
 * (docs/config/ there): [device "id"], then lines of key = "value".
 */
#include <stdio.h>
#include <string.h>

#include "system/options.h"
#include "util/error.h"

/* A section's name, and the option that takes its keys, where that is another. */
static const struct {
    const char *group, *option;
    bool has_id;
} groups[] = {
    { "accel", "accel" }, { "action", "action" }, { "add-fd", "add-fd" }, { "boot-opts", "boot" },
    { "chardev", "chardev", true }, { "device", "device", true }, { "drive", "drive", true },
    { "fw_cfg", "fw_cfg" }, { "global", "global" }, { "machine", "machine" }, { "memory", "m" },
    { "mon", "mon", true }, { "msg", "msg" }, { "name", "name" }, { "netdev", "netdev", true },
    { "object", "object", true }, { "overcommit", "overcommit" }, { "rtc", "rtc" },
    { "run-with", "run-with" }, { "sandbox", "sandbox" }, { "smbios", "smbios" },
    { "smp-opts", "smp" }, { "numa", "numa" },
};

typedef struct Section {
    const char *option; /* NULL: none has begun */
    GString *text;
    unsigned line;
} Section;

static void append_pair(GString *text, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);

    g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key, escaped);
}

static bool end_section(MachineConfig *config, const char *path, Section *section, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (section->option && !option_apply(config, section->option, section->text->str, &err)) {
        return error_set(errp, "%s:%u: %s", path, section->line, err->message);
    }
    section->option = NULL;
    g_string_truncate(section->text, 0);
    return true;
}

static bool begin_section(Section *section, const char *name, const char *id, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (!strcmp(groups[i].group, name)) {
            section->option = groups[i].option;
            if (id && groups[i].has_id) {
                append_pair(section->text, "id", id);
            }
            return true;
        }
    }
    const char *instead = option_instead(name);
    error_set(errp, "there are no sections [%s]", name);
    if (instead) {
        error_hint(errp, "%s", instead);
    }
    return false;
}

/* One line, without blanks around it. */
static bool take_line(MachineConfig *config, const char *path, unsigned number, const char *line,
                      Section *section, GError **errp)
{
    char name[64], id[64], value[1024], rest[2];

    if (!*line || *line == '#') {
        return true;
    }
    bool with_id = sscanf(line, "[%63s \"%63[^\"]\"]%1s", name, id, rest) == 2;
    if (with_id || (sscanf(line, "[%63[^]]", name) == 1 && strlen(line) == strlen(name) + 2 &&
                    line[strlen(line) - 1] == ']' && !strchr(name, '"'))) {
        g_autoptr(GError) err = NULL;

        if (!end_section(config, path, section, errp)) {
            return false;
        }
        section->line = number;
        return begin_section(section, name, with_id ? id : NULL, &err) ||
               error_set(errp, "%s:%u: %s", path, number, err->message);
    }
    value[0] = '\0';
    if ((sscanf(line, "%63[^= ] = \"%1023[^\"]\"%1s", name, value, rest) == 2 ||
         (sscanf(line, "%63[^= ] = %1023s", name, value) == 2 && !strcmp(value, "\"\""))) &&
        g_str_has_suffix(line, "\"")) {
        if (!section->option) {
            return error_set(errp, "%s:%u: no group defined", path, number);
        }
        append_pair(section->text, name, strcmp(value, "\"\"") ? value : "");
        return true;
    }
    return error_set(errp, "%s:%u: parse error", path, number);
}

bool option_readconfig(MachineConfig *config, const char *path, GError **errp)
{
    g_autofree char *contents = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    Section section = { NULL, text, 0 };

    if (!g_file_get_contents(path, &contents, NULL, &err)) {
        return error_set(errp, "Cannot read config file %s: %s", path, err->message);
    }
    g_auto(GStrv) lines = g_strsplit(contents, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        if (!take_line(config, path, i + 1, g_strstrip(lines[i]), &section, errp)) {
            return false;
        }
    }
    return end_section(config, path, &section, errp);
}
