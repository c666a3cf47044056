/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher's parts. Functions that can fail set `error` (g_set_error) and return false. */
#ifndef SWTDX_RUN_H
#define SWTDX_RUN_H

#include <glib.h>
#include <stdio.h>

#include "../host/module/profile.h"

/* Finds the profile that the member "base" names: a listed name, or a file. */
typedef bool ProfileLoader(const char *name, void *opaque, Profile *profile, GError **error);
/*
 * Reads a profile from JSON text (swtdx/profiles). Unknown members and values out of range are errors, and so are missing
 * members unless there is a "base". load (NULL: no bases) gets opaque.
 */
bool profile_from_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile, GError **error);
/* The same on top of *profile: members that the text does not give stay as they are, and its base is added first. */
bool profile_add_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile, GError **error);
/*
 * Loads a profile with its bases. name: a listed one, also without the "cpu-", "module-" or "kernel-" in front of a part's;
 * several with '/' between them, of which each puts its own members on top of the earlier ones' (at most one processor,
 * module and kernel); or a file (ending in .json, or beginning with '/' or '.').
 */
bool profile_load(const char *name, Profile *profile, GError **error);
/* Lists on stdout the profiles that profile_load() finds by name; tells on stderr of those that are broken. */
void profile_list(void);
/* profile-print.c: prints a profile, one fact per line. */
void profile_print(const Profile *profile, FILE *out);
/* Can a preloaded library reach this program? It must be dynamically linked and not change identity. */
bool program_check(const char *path, GError **error);

GQuark run_error_quark(void);
#define RUN_ERROR run_error_quark()

#endif
