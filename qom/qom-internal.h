/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of qom/ share. */
#ifndef QOM_INTERNAL_H
#define QOM_INTERNAL_H

#include "qom/object.h"

/* Is the value of the property's kind and within its bounds? */
bool qom_value_check(const QomProperty *property, JsonValue *value, GError **errp);
/* Writes a checked value to where the instance keeps it. */
void qom_value_store(const QomProperty *property, void *field, JsonValue *value);
/* A new value of what the instance keeps; NULL is JSON's null. */
JsonValue *qom_value_load(const QomProperty *property, void *field);
/* Frees what the field owns and makes it zero. */
void qom_value_clear(const QomProperty *property, void *field);

/* Finds a link's target and counts its use. A link that is not set is fine. */
bool qom_link_resolve(QomObject *object, const QomProperty *property, GError **errp);
/* Sets defaults of a new object; a default that is none ends the program. */
void qom_set_defaults(QomObject *object);

#endif
