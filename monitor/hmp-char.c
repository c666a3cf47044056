/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands for people about character devices and descriptors. */
#include <string.h>

#include "hmp-objects.h"

typedef bool ConfigFn(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                      GError **errp);

static void with_config(QapiContext *context, const char *text, ConfigFn *run, GString *out)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ChardevConfig) config = chardev_config_parse(text, &err);
    g_autoptr(JsonValue) result = NULL;

    if (!config || !run(context, config, &result, &err)) {
        g_string_append_printf(out, "Error: %s\n", err->message);
    }
}

void hmp_chardev_add(QapiContext *context, const char *arguments, GString *out)
{
    with_config(context, arguments, monitor_chardev_add, out);
}

/* "ID BACKEND[,…]" */
void hmp_chardev_change(QapiContext *context, const char *arguments, GString *out)
{
    const char *space = strchr(arguments, ' ');

    if (!space) {
        g_string_append_printf(out, "Error: '%s' is missing\n", *arguments ? "backend" : "id");
        return;
    }
    g_autofree char *text = g_strdup_printf("%s,id=%.*s", space + 1, (int)(space - arguments),
                                            arguments);
    with_config(context, text, monitor_chardev_change, out);
}

static const HmpArgument id_alone[] = { { "id" }, { NULL } };

void hmp_chardev_remove(QapiContext *context, const char *arguments, GString *out)
{
    json_object_put(hmp_run_words(context, qmp_chardev_remove, id_alone, arguments, out));
}

void hmp_chardev_send_break(QapiContext *context, const char *arguments, GString *out)
{
    json_object_put(hmp_run_words(context, qmp_chardev_send_break, id_alone, arguments, out));
}

void hmp_closefd(QapiContext *context, const char *arguments, GString *out)
{
    static const HmpArgument wanted[] = { { "fdname" }, { NULL } };

    json_object_put(hmp_run_words(context, qmp_closefd, wanted, arguments, out));
}

void hmp_ringbuf_read(QapiContext *context, const char *arguments, GString *out)
{
    static const HmpArgument wanted[] = { { "device" }, { "size", true }, { NULL } };
    g_autoptr(JsonValue) text = hmp_run_words(context, qmp_ringbuf_read, wanted, arguments, out);

    if (text) {
        g_string_append_printf(out, "%s\n", json_object_get_string(text));
    }
}

void hmp_ringbuf_write(QapiContext *context, const char *arguments, GString *out)
{
    static const HmpArgument wanted[] = { { "device" }, { "data" }, { NULL } };

    json_object_put(hmp_run_words(context, qmp_ringbuf_write, wanted, arguments, out));
}
