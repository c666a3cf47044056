/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of util/json share. */
#ifndef UTIL_JSON_INTERNAL_H
#define UTIL_JSON_INTERNAL_H

#include "util/json.h"

/* A place in a text or a stream, both counted from 1. Columns count bytes. */
typedef struct JsonPlace {
    unsigned line, column;
} JsonPlace;

/* json_parse() of text that starts at a place of something larger. */
bool json_parse_at(const char *text, size_t size, JsonPlace place, JsonValue **value,
                   GError **errp);
bool json_error(GError **errp, JsonPlace place, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* The place after one more byte. */
void json_place_advance(JsonPlace *place, char c);

#endif
