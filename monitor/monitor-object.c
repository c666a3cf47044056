/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object monitor-qmp. The monitor itself is made with those of the other options, before any
 * object takes effect.
 */
#include "monitor/monitor-object.h"

static bool may_delete(const QomObject *object)
{
    return false; /* a client may be talking on it */
}

static const QomProperty properties[] = {
    QOM_PROPERTY_STR("chardev", MonitorObject, chardev, NULL,
                     "ID of the chardev that the monitor speaks on", .flags = QOM_REQUIRED),
    QOM_PROPERTY_BOOL("pretty", MonitorObject, pretty, "off", "answers with one member a line"),
    { NULL },
};

const QomType monitor_qmp_type = {
    .name = "monitor-qmp", .parent = &qom_object_type, .size = sizeof(MonitorObject),
    .user_creatable = true,
    .description = "a QMP monitor", .properties = properties, .may_delete = may_delete,
};
