/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -pidfile: the process ID in a file that is locked while the program runs and removed when it
 * ends.
 */
#ifndef SYSTEM_PIDFILE_H
#define SYSTEM_PIDFILE_H

#include <glib.h>

typedef struct PidFile PidFile;

PidFile *pidfile_new(const char *path, GError **errp);
void pidfile_free(PidFile *file); /* NULL does nothing */

#endif
