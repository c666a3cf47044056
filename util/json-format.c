/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values to JSON text, and typed access to values. */
#include <math.h>
#include <string.h>

#include "util/json.h"

bool json_value_u64(JsonValue *value, uint64_t *result)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0) {
        return false;
    }
    *result = json_object_get_uint64(value);
    return true;
}

bool json_value_i64(JsonValue *value, int64_t *result)
{
    /* json-c saturates: only 2^63 - 1 itself may come out as such. */
    if (!json_object_is_type(value, json_type_int) ||
        (json_object_get_int64(value) == INT64_MAX && json_object_get_uint64(value) != INT64_MAX)) {
        return false;
    }
    *result = json_object_get_int64(value);
    return true;
}

const char *json_member_string(JsonValue *object, const char *name)
{
    JsonValue *value;

    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, name, &value) ||
        !json_object_is_type(value, json_type_string)) {
        return NULL;
    }
    return json_object_get_string(value);
}

static void format_char(GString *out, gunichar c)
{
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = c < 0x80 && c ? strchr(special, (int)c) : NULL;

    if (found) {
        g_string_append_c(out, '\\');
        g_string_append_c(out, letter[found - special]);
    } else if (c >= 0x20 && c < 0x7f) {
        g_string_append_c(out, (char)c);
    } else if (c < 0x10000) {
        g_string_append_printf(out, "\\u%04X", c);
    } else {
        g_string_append_printf(out, "\\u%04X\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
                               0xdc00 + ((c - 0x10000) & 0x3ff));
    }
}

/* What is not UTF-8 becomes U+FFFD, byte by byte. */
static void format_string(GString *out, const char *text, size_t size)
{
    g_string_append_c(out, '"');
    for (const char *at = text; at < text + size;) {
        gunichar c = *at ? g_utf8_get_char_validated(at, text + size - at) : 0;
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            format_char(out, 0xfffd);
            at++;
        } else {
            format_char(out, c);
            at = *at ? g_utf8_next_char(at) : at + 1;
        }
    }
    g_string_append_c(out, '"');
}

static void format_number(GString *out, JsonValue *value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (json_object_is_type(value, json_type_double)) {
        double number = json_object_get_double(value);
        g_string_append(out,
                        isfinite(number) ? g_ascii_dtostr(text, sizeof(text), number) : "null");
    } else if (json_object_get_int64(value) < 0) {
        g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)json_object_get_int64(value));
    } else {
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, (guint64)json_object_get_uint64(value));
    }
}

static void format_value(GString *out, JsonValue *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        g_string_append(out, "null");
        break;
    case json_type_boolean:
        g_string_append(out, json_object_get_boolean(value) ? "true" : "false");
        break;
    case json_type_int:
    case json_type_double:
        format_number(out, value);
        break;
    case json_type_string:
        format_string(out, json_object_get_string(value),
                      (size_t)json_object_get_string_len(value));
        break;
    case json_type_array:
        g_string_append_c(out, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            g_string_append(out, i ? ", " : "");
            format_value(out, json_object_array_get_idx(value, i));
        }
        g_string_append_c(out, ']');
        break;
    case json_type_object: {
        const char *separator = "";

        g_string_append_c(out, '{');
        json_object_object_foreach(value, key, member) {
            g_string_append(out, separator);
            format_string(out, key, strlen(key));
            g_string_append(out, ": ");
            format_value(out, member);
            separator = ", ";
        }
        g_string_append_c(out, '}');
        break;
    }
    }
}

char *json_format(JsonValue *value)
{
    GString *out = g_string_new(NULL);

    format_value(out, value);
    return g_string_free(out, FALSE);
}
