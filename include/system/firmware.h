/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The -bios file: found, read, and its size roughly checked; whether it is firmware for a TD is for
 * hw/i386/tdvf.h to say.
 */
#ifndef SYSTEM_FIRMWARE_H
#define SYSTEM_FIRMWARE_H

#include <glib.h>

#include "util/bytes.h"

/*
 * `name` as given, else below the data directories of firmware packages. *path: the file read,
 * caller frees. NULL: error.
 */
GBytes *firmware_read(const char *name, char **path, GError **errp);
Bytes firmware_bytes(GBytes *file);

#endif
