/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory whose files can be named in socket addresses and in options, whatever TMPDIR is. */
#ifndef TESTS_UNIT_SOCKET_DIR_H
#define TESTS_UNIT_SOCKET_DIR_H

#include <glib.h>
#include <string.h>

#define SOCKET_DIR_LONGEST 60 /* of 107 bytes of an address (unix(7)) */

/*
 * A new directory for a template such as "test-XXXXXX"; the caller frees its path and removes it.
 * Options separate by commas.
 */
static inline char *socket_dir_new(const char *template)
{
    const char *place = g_get_tmp_dir();

    if (strlen(place) > SOCKET_DIR_LONGEST || strchr(place, ',')) {
        place = "/tmp";
    }
    char *path = g_build_filename(place, template, NULL);
    g_assert_nonnull(g_mkdtemp(path));
    return path;
}

#endif
