/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text to values. Grammar: RFC 8259. */
#include "util/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "json-internal.h"
#include "util/error.h"

typedef struct Parser {
    const char *at, *end;
    JsonPlace place; /* of `at` */
    unsigned depth;
    GError **errp;
} Parser;

void json_place_advance(JsonPlace *place, char c)
{
    place->column = c == '\n' ? 1 : place->column + 1;
    place->line += c == '\n';
}

bool json_error(GError **errp, JsonPlace place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return error_set(errp, "%u:%u: JSON parse error, %s", place.line, place.column, text);
}

static int peek(const Parser *p)
{
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static void advance(Parser *p)
{
    json_place_advance(&p->place, *p->at);
    p->at++;
}

static void skip_space(Parser *p)
{
    while (p->at < p->end && strchr(" \t\r\n", *p->at) && *p->at) {
        advance(p);
    }
}

static bool parse_value(Parser *p, JsonValue **value);

static bool parse_hex4(Parser *p, unsigned *code)
{
    *code = 0;
    for (unsigned i = 0; i < 4; i++) {
        int digit = p->at < p->end ? g_ascii_xdigit_value(*p->at) : -1;
        if (digit < 0) {
            return json_error(p->errp, p->place, "\\u must be followed by four hexadecimal digits");
        }
        *code = *code << 4 | (unsigned)digit;
        advance(p);
    }
    return true;
}

/*
 * After \u. Characters beyond the first 65,536 are written as two surrogates (RFC 8259, section 7).
 */
static bool parse_unicode(Parser *p, GString *text)
{
    unsigned code, low;

    if (!parse_hex4(p, &code)) {
        return false;
    }
    if (code >= 0xd800 && code < 0xdc00 && p->end - p->at >= 2 && p->at[0] == '\\' &&
        p->at[1] == 'u') {
        advance(p);
        advance(p);
        if (!parse_hex4(p, &low)) {
            return false;
        }
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
                                             : 0xd800;
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000)) {
        return json_error(p->errp, p->place, "\\u%04x is not a character", code);
    }
    g_string_append_unichar(text, code);
    return true;
}

static bool parse_escape(Parser *p, GString *text)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    int c = peek(p);
    const char *found = c > 0 ? strchr(from, c) : NULL;

    if (c == 'u') {
        advance(p);
        return parse_unicode(p, text);
    }
    if (!found) {
        return json_error(p->errp, p->place, "invalid escape sequence in string");
    }
    g_string_append_c(text, to[found - from]);
    advance(p);
    return true;
}

/* At the opening quote. NULL: error. */
static GString *parse_string(Parser *p)
{
    g_autoptr(GString) text = g_string_new(NULL);
    JsonPlace start = p->place;
    int quote = peek(p);

    advance(p);
    while (peek(p) != quote) {
        int c = peek(p);
        if (c < 0x20) { /* -1 too: the end */
            json_error(p->errp, p->place,
                       c < 0 ? "string without end" : "control character in string");
            return NULL;
        }
        advance(p);
        if (c != '\\') {
            g_string_append_c(text, (char)c);
        } else if (!parse_escape(p, text)) {
            return NULL;
        }
    }
    advance(p);
    if (!g_utf8_validate(text->str, (gssize)text->len, NULL)) {
        json_error(p->errp, start, "string is not UTF-8");
        return NULL;
    }
    return g_steal_pointer(&text);
}

static size_t digits(const char *at)
{
    return strspn(at, "0123456789");
}

/* text: all bytes that may stand in a number, terminated. False: not a number of the grammar. */
static bool number_is_valid(const char *text, bool *is_integer)
{
    const char *at = text + (*text == '-');
    size_t n = digits(at);

    if (n == 0 || (*at == '0' && n > 1)) {
        return false;
    }
    at += n;
    *is_integer = !*at;
    if (*at == '.') {
        n = digits(++at);
        at += n;
        if (n == 0) {
            return false;
        }
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        n = digits(at);
        at += n;
        if (n == 0) {
            return false;
        }
    }
    return !*at;
}

static bool parse_number(Parser *p, JsonValue **value)
{
    JsonPlace start = p->place;
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_integer;

    while (p->at < p->end && *p->at && strchr("0123456789+-.eE", *p->at)) {
        g_string_append_c(text, *p->at);
        advance(p);
    }
    if (!number_is_valid(text->str, &is_integer)) {
        return json_error(p->errp, start, "invalid number '%.40s'", text->str);
    }
    errno = 0;
    if (!is_integer) {
        double number = g_ascii_strtod(text->str, NULL);
        if (!isfinite(number)) {
            return json_error(p->errp, start, "number '%.40s' is out of range", text->str);
        }
        *value = json_object_new_double(number);
    } else if (*text->str == '-') {
        *value = json_object_new_int64(g_ascii_strtoll(text->str, NULL, 10));
    } else {
        uint64_t number = g_ascii_strtoull(text->str, NULL, 10);
        *value = number > INT64_MAX ? json_object_new_uint64(number)
                                    : json_object_new_int64((int64_t)number);
    }
    if (is_integer && errno == ERANGE) {
        json_object_put(*value);
        return json_error(p->errp, start, "integer '%.40s' is outside -2^63 to 2^64-1", text->str);
    }
    return true;
}

static bool parse_keyword(Parser *p, JsonValue **value)
{
    const char *start = p->at;
    JsonPlace place = p->place;

    while (p->at < p->end && g_ascii_isalpha(*p->at)) {
        advance(p);
    }
    g_autofree char *word = g_strndup(start, MIN((size_t)(p->at - start), 40));
    if (!strcmp(word, "true") || !strcmp(word, "false")) {
        *value = json_object_new_boolean(*word == 't');
    } else if (!strcmp(word, "null")) {
        *value = NULL;
    } else {
        return json_error(p->errp, place, "invalid keyword '%s'", word);
    }
    return true;
}

static bool parse_member(Parser *p, JsonValue *object)
{
    JsonPlace place = p->place;
    JsonValue *value;

    if (peek(p) != '"' && peek(p) != '\'') {
        return json_error(p->errp, place, "expecting key");
    }
    GString *key = parse_string(p);
    if (!key) {
        return false;
    }
    g_autofree char *name = g_string_free(key, FALSE);
    if (json_object_object_get_ex(object, name, NULL)) {
        return json_error(p->errp, place, "duplicate key '%s'", name);
    }
    skip_space(p);
    if (peek(p) != ':') {
        return json_error(p->errp, p->place, "missing : in object pair");
    }
    advance(p);
    if (!parse_value(p, &value)) {
        return false;
    }
    json_object_object_add(object, name, value);
    return true;
}

/* At the opening bracket. */
static bool parse_container(Parser *p, JsonValue **result, char close)
{
    bool is_object = close == '}';
    g_autoptr(JsonValue) container = is_object ? json_object_new_object() : json_object_new_array();
    JsonValue *value;

    advance(p);
    skip_space(p);
    for (bool first = true; peek(p) != close; first = false) {
        if (!first) {
            if (peek(p) != ',') {
                return json_error(p->errp, p->place, "expected separator in %s",
                                  is_object ? "object" : "array");
            }
            advance(p);
            skip_space(p);
        }
        if (is_object) {
            if (!parse_member(p, container)) {
                return false;
            }
        } else {
            if (!parse_value(p, &value)) {
                return false;
            }
            json_object_array_add(container, value);
        }
        skip_space(p);
    }
    advance(p);
    *result = g_steal_pointer(&container);
    return true;
}

static bool parse_brackets(Parser *p, JsonValue **value, char close)
{
    if (p->depth == JSON_MAX_DEPTH) {
        return json_error(p->errp, p->place, "more than %d levels of nesting", JSON_MAX_DEPTH);
    }
    p->depth++;
    bool ok = parse_container(p, value, close);
    p->depth--;
    return ok;
}

static bool parse_value(Parser *p, JsonValue **value)
{
    skip_space(p);
    int c = peek(p);

    if (c == '{' || c == '[') {
        return parse_brackets(p, value, c == '{' ? '}' : ']');
    }
    if (c == '"' || c == '\'') {
        g_autoptr(GString) text = parse_string(p);
        if (text) {
            *value = json_object_new_string_len(text->str, (int)text->len);
        }
        return text;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return parse_number(p, value);
    }
    if (c >= 0 && g_ascii_isalpha(c)) {
        return parse_keyword(p, value);
    }
    return json_error(p->errp, p->place, "expecting value");
}

bool json_parse_at(const char *text, size_t size, JsonPlace place, JsonValue **result,
                   GError **errp)
{
    Parser p = { .at = text, .end = text + size, .place = place, .errp = errp };
    JsonValue *value = NULL;

    if (size > JSON_MAX_SIZE) {
        return json_error(errp, place, "more than %u bytes", JSON_MAX_SIZE);
    }
    if (!parse_value(&p, &value)) {
        return false;
    }
    skip_space(&p);
    if (p.at < p.end) {
        json_object_put(value);
        return json_error(errp, p.place, "unexpected text after the value");
    }
    *result = value;
    return true;
}

bool json_parse(const char *text, size_t size, JsonValue **value, GError **errp)
{
    return json_parse_at(text, size, (JsonPlace){ 1, 1 }, value, errp);
}
