/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of a set of names a mistyped one is most likely meant to be. */
#include "util/names.h"

#include <string.h>

#include "util/error.h"

/* Sets of names that fit on a line are listed where no name is near. */
#define MAX_LISTED 8

static char plain(char c)
{
    return c == '_' ? '-' : g_ascii_tolower(c);
}

/* Levenshtein distance, names of at most 63 characters. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);

    if (n >= G_N_ELEMENTS(row)) {
        return G_MAXUINT;
    }
    for (unsigned j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned substituted = diagonal + (plain(a[i - 1]) != plain(b[j - 1]));
            diagonal = row[j];
            row[j] = MIN(substituted, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

const char *nearest_name(const char *name, const char *const *names)
{
    const char *best = NULL;
    size_t length = strlen(name);
    /* of short names most letters must be right */
    unsigned best_distance = length < 4 ? MIN(length, 2) : MAX(2, length / 3) + 1;

    for (; *names; names++) {
        unsigned d = distance(name, *names);
        if (d < best_distance) {
            best_distance = d;
            best = *names;
        }
    }
    return best;
}

void error_hint_names(GError **errp, const char *name, const char *const *names)
{
    const char *near = name ? nearest_name(name, names) : NULL;
    unsigned count = g_strv_length((char **)names);

    if (near) {
        error_hint(errp, "Did you mean '%s'?", near);
    } else if (count && count <= MAX_LISTED) {
        g_autofree char *list = g_strjoinv(", ", (char **)names);
        error_hint(errp, "Known: %s", list);
    }
}
