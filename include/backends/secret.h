/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object secret: bytes that others name instead of having them on the command line. */
#ifndef BACKENDS_SECRET_H
#define BACKENDS_SECRET_H

#include "qom/object.h"

typedef struct Secret {
    QomObject object;
    char *data, *file, *keyid, *iv;
    int format;
    GBytes *bytes; /* from completion on */
} Secret;

extern const QomType secret_type; /* "secret" */

#define SECRET(object) QOM_CAST(Secret, &secret_type, object)

#endif
