/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON text to json-c values and back, for text that may be hostile. json-c holds the values; its
 * own parser is not used, because it lets duplicate keys and numbers out of range pass, and takes
 * no single quotes in strict mode.
 *
 * Stricter than RFC 8259: integers lie in [-2^63, 2^64-1], keys occur once, no NaN, no NUL in
 * strings, 64 levels, 4 MiB. Looser in one thing: strings may stand in single quotes, as QMP
 * clients may write them. Pure.
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 64
#define JSON_MAX_SIZE (4u << 20)

typedef struct json_object JsonValue; /* NULL is JSON's null, as in json-c */

static inline void json_value_put(JsonValue *value)
{
    json_object_put(value);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonValue, json_value_put)

/*
 * The whole text is one value. False: "LINE:COLUMN: JSON parse error, …". The value may be NULL
 * (null).
 */
bool json_parse(const char *text, size_t size, JsonValue **value, GError **errp);
/* One line of ASCII: other characters as \u escapes. Caller frees. */
char *json_format(JsonValue *value);

/* Integers keep their sign: false if the value is no integer or does not fit. */
bool json_value_u64(JsonValue *value, uint64_t *result);
bool json_value_i64(JsonValue *value, int64_t *result);
/* The member's string; NULL if there is none or it is no string. */
const char *json_member_string(JsonValue *object, const char *name);

/*
 * Messages in a stream without frames: a message ends where its outermost bracket closes, or at
 * white space for anything else. After text that cannot be JSON the rest of the line is skipped; a
 * control byte or 0xFF throws away what is unfinished, so that a client can always get back in
 * step.
 */
typedef struct JsonStream JsonStream;
/*
 * Exactly one of value (borrowed; NULL is null) and error is meant: error NULL = a value. May free
 * nothing of the stream.
 */
typedef void JsonStreamFn(void *opaque, JsonValue *value, const GError *error);
JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque);
void json_stream_free(JsonStream *stream);
void json_stream_feed(JsonStream *stream, const uint8_t *data, size_t size);
/* The end of the input: unfinished text is reported. */
void json_stream_end(JsonStream *stream);
/* Line and column count from 1 again, and what is unfinished is forgotten. */
void json_stream_reset(JsonStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonStream, json_stream_free)

#endif
