/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON texts, JSON streams, and JSON as written. */
#include <string.h>

#include "util/json.h"

/* Expected: the value as written again, or the message. */
static const struct {
    const char *label, *text, *out, *error;
} texts[] = {
    { "object", " { \"b\" : 1 , 'a' : [ ] } ", "{\"b\": 1, \"a\": []}", NULL },
    { "empty-object", "{}", "{}", NULL },
    { "null", "null", "null", NULL },
    { "booleans", "[true,false]", "[true, false]", NULL },
    { "u64-max", "18446744073709551615", "18446744073709551615", NULL },
    { "bit-63", "9223372036854775808", "9223372036854775808", NULL },
    { "i64-min", "-9223372036854775808", "-9223372036854775808", NULL },
    { "fraction", "[1.5,1e3,-0.25]", "[1.5, 1000, -0.25]", NULL },
    { "escapes", "\"\\u0041\\n\\/\\u00e9\"", "\"A\\n/\\u00E9\"", NULL },
    { "surrogates", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"", NULL },
    { "utf-8", "'\xc3\xa9\"'", "\"\\u00E9\\\"\"", NULL },
    { "depth-64", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL },
    { "depth-65", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", NULL,
      "1:65: JSON parse error, more than 64 levels of nesting" },
    { "nothing", "", NULL, "1:1: JSON parse error, expecting value" },
    { "trailing", "{} x", NULL, "1:4: JSON parse error, unexpected text after the value" },
    { "two-lines", "{\n  \"a\" 1}", NULL, "2:7: JSON parse error, missing : in object pair" },
    { "duplicate", "{\"a\":1,\"a\":2}", NULL, "1:8: JSON parse error, duplicate key 'a'" },
    { "u64-over", "18446744073709551616", NULL,
      "1:1: JSON parse error, integer '18446744073709551616' is outside -2^63 to 2^64-1" },
    { "i64-under", "-9223372036854775809", NULL,
      "1:1: JSON parse error, integer '-9223372036854775809' is outside -2^63 to 2^64-1" },
    { "nan", "NaN", NULL, "1:1: JSON parse error, invalid keyword 'NaN'" },
    { "infinity", "-Infinity", NULL, "1:1: JSON parse error, invalid number '-'" },
    { "too-large", "1e999", NULL, "1:1: JSON parse error, number '1e999' is out of range" },
    { "leading-zero", "01", NULL, "1:1: JSON parse error, invalid number '01'" },
    { "hexadecimal", "0x1", NULL, "1:2: JSON parse error, unexpected text after the value" },
    { "no-fraction", "1.", NULL, "1:1: JSON parse error, invalid number '1.'" },
    { "plus", "+1", NULL, "1:1: JSON parse error, expecting value" },
    { "bare-key", "{a:1}", NULL, "1:2: JSON parse error, expecting key" },
    { "trailing-comma", "{\"a\":1,}", NULL, "1:8: JSON parse error, expecting key" },
    { "no-comma", "[1 2]", NULL, "1:4: JSON parse error, expected separator in array" },
    { "unclosed", "[1", NULL, "1:3: JSON parse error, expected separator in array" },
    { "string-end", "\"a", NULL, "1:3: JSON parse error, string without end" },
    { "mixed-quotes", "'a\"", NULL, "1:4: JSON parse error, string without end" },
    { "new-line", "\"a\nb\"", NULL, "1:3: JSON parse error, control character in string" },
    { "escape", "\"\\x\"", NULL, "1:3: JSON parse error, invalid escape sequence in string" },
    { "short-u", "\"\\u12\"", NULL,
      "1:6: JSON parse error, \\u must be followed by four hexadecimal digits" },
    { "nul", "\"\\u0000\"", NULL, "1:8: JSON parse error, \\u0000 is not a character" },
    { "lone-surrogate", "\"\\ud800\"", NULL, "1:8: JSON parse error, \\ud800 is not a character" },
    { "low-surrogate", "\"\\udc00x\"", NULL, "1:8: JSON parse error, \\udc00 is not a character" },
    { "not-utf-8", "\"\xc3(\"", NULL, "1:1: JSON parse error, string is not UTF-8" },
    { "overlong", "\"\xc0\x80\"", NULL, "1:1: JSON parse error, string is not UTF-8" },
    { "keyword", "truex", NULL, "1:1: JSON parse error, invalid keyword 'truex'" },
};

static void test_text(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    g_autoptr(JsonValue) value = NULL;
    g_autoptr(GError) err = NULL;
    bool ok = json_parse(texts[i].text, strlen(texts[i].text), &value, &err);

    if (texts[i].error) {
        g_assert_false(ok);
        g_assert_cmpstr(err->message, ==, texts[i].error);
        return;
    }
    g_assert_no_error(err);
    g_assert_true(ok);
    g_autofree char *out = json_format(value);
    g_assert_cmpstr(out, ==, texts[i].out);
}

/* Each message as written again, or ! for an error, in one line. */
static const struct {
    const char *label, *text, *messages;
} streams[] = {
    { "two", "{}\r\n{'a':1}[2]", "{} {\"a\": 1} [2] " },
    { "scalars", "1 'x y' true ", "1 \"x y\" true " },
    { "brackets-in-strings", "{'a':'}{'}", "{\"a\": \"}{\"} " },
    { "quote-in-string", "{'a':'\\'}'}", "{\"a\": \"'}\"} " },
    { "unfinished", "{'a': [1", "! " },
    { "balanced-error", "{\"execute\": foo} {}", "! {} " },
    { "stray-bracket", "] {} \n[]", "! [] " },
    { "wrong-bracket", "[1} {}\n[]", "! [] " },
    { "string-to-line-end", "{\"a\n{}", "! {} " },
    { "control-byte", "{\"a\": \"\x01{}", "! {} " },
    { "byte-ff", "[[[\xff{}", "! {} " },
    { "control-byte-alone", "\x01\x01{}", "{} " },
    { "after-error", "}}}}\x01{}", "! {} " },
};

static void on_message(void *opaque, JsonValue *value, const GError *error)
{
    g_autofree char *text = error ? g_strdup("!") : json_format(value);

    g_string_append_printf(opaque, "%s ", text);
}

static void test_stream(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    const uint8_t *text = (const uint8_t *)streams[i].text;
    g_autoptr(GString) whole = g_string_new(NULL), bytes = g_string_new(NULL);
    g_autoptr(JsonStream) one = json_stream_new(on_message, whole),
                          other = json_stream_new(on_message, bytes);

    json_stream_feed(one, text, strlen(streams[i].text));
    json_stream_end(one);
    g_assert_cmpstr(whole->str, ==, streams[i].messages);
    for (unsigned at = 0; text[at]; at++) {
        json_stream_feed(other, text + at, 1);
    }
    json_stream_end(other);
    g_assert_cmpstr(bytes->str, ==, streams[i].messages);
}

static void test_size(void)
{
    g_autoptr(GString) messages = g_string_new(NULL);
    g_autoptr(JsonStream) stream = json_stream_new(on_message, messages);
    g_autofree uint8_t *spaces = g_malloc(JSON_MAX_SIZE);

    memset(spaces, ' ', JSON_MAX_SIZE);
    json_stream_feed(stream, (const uint8_t *)"[", 1);
    json_stream_feed(stream, spaces, JSON_MAX_SIZE);
    g_assert_cmpstr(messages->str, ==, "! ");
    json_stream_feed(stream, (const uint8_t *)"\n{}", 3);
    g_assert_cmpstr(messages->str, ==, "! {} ");
}

static void test_integers(void)
{
    g_autoptr(JsonValue) large = json_object_new_uint64(UINT64_MAX),
                         least = json_object_new_int64(INT64_MIN);
    g_autoptr(JsonValue) most = json_object_new_int64(INT64_MAX), real = json_object_new_double(1);
    uint64_t u;
    int64_t i;

    g_assert_true(json_value_u64(large, &u) && u == UINT64_MAX);
    g_assert_false(json_value_i64(large, &i));
    g_assert_false(json_value_u64(least, &u));
    g_assert_true(json_value_i64(least, &i) && i == INT64_MIN);
    g_assert_true(json_value_i64(most, &i) && i == INT64_MAX);
    g_assert_false(json_value_i64(real, &i) || json_value_u64(real, &u));
    g_assert_false(json_value_i64(NULL, &i) || json_value_u64(NULL, &u));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *path = g_strconcat("/json/text/", texts[i].label, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_text);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(streams); i++) {
        g_autofree char *path = g_strconcat("/json/stream/", streams[i].label, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_stream);
    }
    g_test_add_func("/json/size", test_size);
    g_test_add_func("/json/integers", test_integers);
    return g_test_run();
}
