/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of hmp-objects.c, for the table in hmp.c; arguments: the rest of the line. */
#ifndef MONITOR_HMP_OBJECTS_H
#define MONITOR_HMP_OBJECTS_H

#include "monitor-internal.h"
#include "qom/property.h"

/* What object-add and device_add do, with settings of either form (qmp-cmds-object.c). */
bool monitor_object_add(QapiContext *context, const char *type, const char *id,
                        const QomSettings *settings, GError **errp);
bool monitor_device_add(QapiContext *context, const QomSettings *settings, GError **errp);

/* What chardev-add and chardev-change do (qmp-cmds-char.c). */
bool monitor_chardev_add(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                         GError **errp);
bool monitor_chardev_change(QapiContext *context, const ChardevConfig *config, JsonValue **result,
                            GError **errp);

void hmp_device_add(QapiContext *context, const char *arguments, GString *out);
void hmp_device_del(QapiContext *context, const char *arguments, GString *out);
void hmp_object_add(QapiContext *context, const char *arguments, GString *out);
void hmp_object_del(QapiContext *context, const char *arguments, GString *out);
void hmp_netdev_del(QapiContext *context, const char *arguments, GString *out);
void hmp_set_link(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_list(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_get(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_set(QapiContext *context, const char *arguments, GString *out);
/* hmp-char.c */
void hmp_chardev_add(QapiContext *context, const char *arguments, GString *out);
void hmp_chardev_change(QapiContext *context, const char *arguments, GString *out);
void hmp_chardev_remove(QapiContext *context, const char *arguments, GString *out);
void hmp_chardev_send_break(QapiContext *context, const char *arguments, GString *out);
void hmp_closefd(QapiContext *context, const char *arguments, GString *out);
void hmp_ringbuf_read(QapiContext *context, const char *arguments, GString *out);
void hmp_ringbuf_write(QapiContext *context, const char *arguments, GString *out);
/* qmp-cmds-media.c */
void hmp_change(QapiContext *context, const char *arguments, GString *out);
void hmp_eject(QapiContext *context, const char *arguments, GString *out);
/* hmp-net.c */
void hmp_netdev_add(QapiContext *context, const char *arguments, GString *out);
void hmp_hostfwd_add(QapiContext *context, const char *arguments, GString *out);
void hmp_hostfwd_remove(QapiContext *context, const char *arguments, GString *out);
void hmp_announce_self(QapiContext *context, const char *arguments, GString *out);

/* An argument of a QMP command that words of a line give. */
typedef struct HmpArgument {
    const char *name; /* NULL ends a list */
    bool number;      /* else a text; a size with suffix is one too */
} HmpArgument;
/* Runs a QMP command with as many words as there are arguments. The result, or NULL: told why. */
JsonValue *hmp_run_words(QapiContext *context, QapiCommandFn *command, const HmpArgument *wanted,
                         const char *arguments, GString *out);
void hmp_block_resize(QapiContext *context, const char *arguments, GString *out);

#endif
