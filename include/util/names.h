/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Did you mean …?": one function for options, keys, values and features alike. Pure. */
#ifndef UTIL_NAMES_H
#define UTIL_NAMES_H

#include <glib.h>

/*
 * The name in a NULL-terminated list that `name` is most likely meant to be, or NULL if none is
 * near. '-' and '_' are alike.
 */
const char *nearest_name(const char *name, const char *const *names);

/*
 * Adds to *errp the hint "Did you mean 'x'?", or the whole list if no name is near (or name is
 * NULL) and the list is short.
 */
void error_hint_names(GError **errp, const char *name, const char *const *names);

#endif
