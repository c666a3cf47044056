/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding messages in a stream of JSON, and getting back in step after text that is none. */
#include <string.h>

#include "json-internal.h"

typedef enum StreamState {
    BETWEEN,    /* messages: only white space since the last one */
    IN_MESSAGE,
    IN_STRING,
    IN_ESCAPE,  /* after a backslash in a string */
    SKIPPING,   /* to the end of the line */
} StreamState;

struct JsonStream {
    JsonStreamFn *fn;
    void *opaque;
    GString *text;            /* of the unfinished message */
    JsonPlace here, start;    /* next byte; first byte of the message */
    StreamState state;
    char quote;
    unsigned depth;
    char closing[JSON_MAX_DEPTH]; /* the bracket that closes each level */
};

JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque)
{
    JsonStream *stream = g_new0(JsonStream, 1);

    stream->fn = fn;
    stream->opaque = opaque;
    stream->text = g_string_new(NULL);
    json_stream_reset(stream);
    return stream;
}

void json_stream_free(JsonStream *stream)
{
    if (stream) {
        g_string_free(stream->text, TRUE);
        g_free(stream);
    }
}

static void forget(JsonStream *stream, StreamState state)
{
    g_string_truncate(stream->text, 0);
    stream->depth = 0;
    stream->state = state;
}

void json_stream_reset(JsonStream *stream)
{
    stream->here = (JsonPlace){ 1, 1 };
    forget(stream, BETWEEN);
}

static void fail(JsonStream *stream, StreamState next, const char *why)
{
    g_autoptr(GError) err = NULL;

    json_error(&err, stream->here, "%s", why);
    forget(stream, next);
    stream->fn(stream->opaque, NULL, err);
}

static void finish(JsonStream *stream)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) value = NULL;

    json_parse_at(stream->text->str, stream->text->len, stream->start, &value, &err);
    forget(stream, BETWEEN);
    stream->fn(stream->opaque, value, err);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void take_bracket(JsonStream *stream, char c)
{
    bool opens = c == '{' || c == '[';

    if (opens && stream->depth == JSON_MAX_DEPTH) {
        fail(stream, SKIPPING, "too many levels of nesting");
    } else if (opens) {
        stream->closing[stream->depth++] = c == '{' ? '}' : ']';
    } else if (stream->depth == 0 || stream->closing[stream->depth - 1] != c) {
        fail(stream, SKIPPING, c == '}' ? "unexpected '}'" : "unexpected ']'");
    } else if (--stream->depth == 0) {
        finish(stream);
    }
}

static void take_in_message(JsonStream *stream, char c)
{
    if (is_space(c) && stream->depth == 0) {
        finish(stream);
        return;
    }
    g_string_append_c(stream->text, c);
    if (c == '"' || c == '\'') {
        stream->quote = c;
        stream->state = IN_STRING;
    } else if (strchr("{}[]", c)) {
        take_bracket(stream, c);
    }
}

static void take_in_string(JsonStream *stream, char c)
{
    /* only a tab or the end of a line: other control bytes came no further */
    if ((unsigned char)c < 0x20) {
        fail(stream, c == '\n' ? BETWEEN : SKIPPING, "control character in string");
        return;
    }
    g_string_append_c(stream->text, c);
    if (stream->state == IN_ESCAPE) {
        stream->state = IN_STRING;
    } else if (c == '\\') {
        stream->state = IN_ESCAPE;
    } else if (c == stream->quote) {
        stream->state = IN_MESSAGE;
    }
}

static void take(JsonStream *stream, char c)
{
    unsigned char byte = (unsigned char)c;

    if ((byte < 0x20 && !is_space(c)) || byte == 0xff) {
        if (stream->state != BETWEEN && stream->state != SKIPPING) {
            fail(stream, BETWEEN, "message thrown away at a control byte");
        }
        forget(stream, BETWEEN);
        return;
    }
    switch (stream->state) {
    case SKIPPING:
        stream->state = c == '\n' ? BETWEEN : SKIPPING;
        break;
    case BETWEEN:
        if (!is_space(c)) {
            stream->start = stream->here;
            stream->state = IN_MESSAGE;
            take_in_message(stream, c);
        }
        break;
    case IN_MESSAGE:
        take_in_message(stream, c);
        break;
    case IN_STRING:
    case IN_ESCAPE:
        take_in_string(stream, c);
        break;
    }
    if (stream->text->len > JSON_MAX_SIZE) {
        fail(stream, SKIPPING, "message too large");
    }
}

void json_stream_feed(JsonStream *stream, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        take(stream, (char)data[i]);
        json_place_advance(&stream->here, (char)data[i]);
    }
}

void json_stream_end(JsonStream *stream)
{
    if (stream->state == IN_MESSAGE && stream->depth == 0) {
        finish(stream);
    } else if (stream->state != BETWEEN && stream->state != SKIPPING) {
        fail(stream, BETWEEN, "the input ends inside a message");
    }
    json_stream_reset(stream);
}
