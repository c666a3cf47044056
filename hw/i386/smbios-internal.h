/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of SMBIOS share. */
#ifndef HW_I386_SMBIOS_INTERNAL_H
#define HW_I386_SMBIOS_INTERNAL_H

#include "hw/i386/smbios.h"

struct SmbiosOptions {
    GHashTable *fields;  /* "TYPE.FIELD" to value */
    GPtrArray *strings;  /* of char *: type 11 */
};

/* The value given, else `otherwise`. Borrowed. options may be NULL. */
const char *smbios_field(const SmbiosOptions *options, unsigned type, const char *field,
                         const char *otherwise);
/* Was any field of the type given? */
bool smbios_has_type(const SmbiosOptions *options, unsigned type);

#endif
