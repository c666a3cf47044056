/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the JSON parser as one text and as a stream. What was read is written and read again: it
 * must come out the same.
 */
#include <string.h>

#include "fuzz.h"
#include "util/json.h"

static void check_round_trip(JsonValue *value)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) again = NULL;
    g_autofree char *text = json_format(value);

    g_assert_true(g_str_is_ascii(text));
    if (strlen(text) > JSON_MAX_SIZE) { /* escapes make it longer */
        return;
    }
    json_parse(text, strlen(text), &again, &err);
    g_assert_no_error(err);
    g_autofree char *text2 = json_format(again);
    g_assert_cmpstr(text, ==, text2);
}

static void on_message(void *opaque, JsonValue *value, const GError *error)
{
    unsigned *messages = opaque;

    ++*messages;
    if (error) {
        g_assert_null(value);
    } else {
        check_round_trip(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sound[] = "\x01{\"execute\": \"quit\"}";
    unsigned messages = 0;
    g_autoptr(JsonStream) stream = json_stream_new(on_message, &messages);
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) value = NULL;

    if (json_parse((const char *)data, size, &value, &err)) {
        check_round_trip(value);
    }
    json_stream_feed(stream, data, size / 2);
    json_stream_feed(stream, data + size / 2, size - size / 2);
    /*
     * After a control byte the next message is understood, whatever came before: one error at most
     * and one value.
     */
    messages = 0;
    json_stream_feed(stream, (const uint8_t *)sound, sizeof(sound) - 1);
    g_assert_cmpuint(messages, >=, 1);
    g_assert_cmpuint(messages, <=, 2);
    json_stream_end(stream);
    return 0;
}
