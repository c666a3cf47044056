/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object monitor-qmp: the same as -mon mode=control, in the form that management software gives
 * it.
 */
#ifndef MONITOR_MONITOR_OBJECT_H
#define MONITOR_MONITOR_OBJECT_H

#include "qom/object.h"

typedef struct MonitorObject {
    QomObject object;
    char *chardev; /* the id of one; options say more of it than is known here */
    bool pretty;
} MonitorObject;

extern const QomType monitor_qmp_type; /* "monitor-qmp" */

#endif
