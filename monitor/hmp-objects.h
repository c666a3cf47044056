/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of hmp-objects.c, for the table in hmp.c; arguments: the rest of the line. */
#ifndef MONITOR_HMP_OBJECTS_H
#define MONITOR_HMP_OBJECTS_H

#include "monitor-internal.h"
#include "qom/property.h"

/* What object-add and device_add do, with settings of either form (qmp-cmds-object.c). */
bool monitor_object_add(QapiContext *context, const char *type, const char *id, const QomSettings *settings, GError **errp);
bool monitor_device_add(QapiContext *context, const QomSettings *settings, GError **errp);

/* What chardev-add and chardev-change do (qmp-cmds-char.c). */
bool monitor_chardev_add(QapiContext *context, const ChardevConfig *config, JsonValue **result, GError **errp);
bool monitor_chardev_change(QapiContext *context, const ChardevConfig *config, JsonValue **result, GError **errp);

void hmp_device_add(QapiContext *context, const char *arguments, GString *out);
void hmp_device_del(QapiContext *context, const char *arguments, GString *out);
void hmp_object_add(QapiContext *context, const char *arguments, GString *out);
void hmp_object_del(QapiContext *context, const char *arguments, GString *out);
void hmp_netdev_del(QapiContext *context, const char *arguments, GString *out);
void hmp_set_link(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_list(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_get(QapiContext *context, const char *arguments, GString *out);
void hmp_qom_set(QapiContext *context, const char *arguments, GString *out);
/* Refusals that tell what there is instead. */
void hmp_no_display(QapiContext *context, const char *arguments, GString *out);
void hmp_no_media(QapiContext *context, const char *arguments, GString *out);
void hmp_no_log(QapiContext *context, const char *arguments, GString *out);
void hmp_no_forward(QapiContext *context, const char *arguments, GString *out);
void hmp_no_balloon(QapiContext *context, const char *arguments, GString *out);

#endif
