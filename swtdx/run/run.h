/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher's parts. Functions that can fail set `error` (g_set_error) and return false. */
#ifndef SWTDX_RUN_H
#define SWTDX_RUN_H

#include <glib.h>
#include <stdio.h>

#include "../host/module/profile.h"

/* Reads a profile from JSON text (swtdx/profiles). Unknown or missing members and values out of range are errors. */
bool profile_from_json(const char *text, Profile *profile, GError **error);
/* Prints a profile, one fact per line. */
void profile_print(const Profile *profile, FILE *out);
/* Can a preloaded library reach this program? It must be dynamically linked and not change identity. */
bool program_check(const char *path, GError **error);

GQuark run_error_quark(void);
#define RUN_ERROR run_error_quark()

#endif
