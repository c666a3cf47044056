/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key=value lists and booleans. */
#include "util/keyval.h"

#include <string.h>

#include "util/error.h"

static void pair_clear(gpointer data)
{
    KeyValPair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
}

/* The element at *p, with ',,' made ','; *p moves past its end. */
static char *next_element(const char **p)
{
    GString *element = g_string_new(NULL);

    while (**p) {
        if (**p == ',') {
            if ((*p)[1] != ',') {
                (*p)++;
                break;
            }
            (*p)++;
        }
        g_string_append_c(element, *(*p)++);
    }
    return g_string_free(element, FALSE);
}

static bool add_element(KeyVal *kv, char *element, const char *implied, GError **errp)
{
    char *equals = strchr(element, '=');
    KeyValPair pair;

    if (!strcmp(element, "help") || !strcmp(element, "?")) {
        kv->help = true;
        return true;
    }
    if (equals == element) {
        return error_set(errp, "Expected parameter before '%s'", element);
    }
    if (equals) {
        pair = (KeyValPair){ g_strndup(element, equals - element), g_strdup(equals + 1) };
    } else if (implied) {
        pair = (KeyValPair){ g_strdup(implied), g_strdup(element) };
    } else {
        return error_set(errp, "Expected '=' after parameter '%s'", element);
    }
    g_array_append_val(kv->pairs, pair);
    return true;
}

KeyVal *keyval_parse(const char *text, const char *implied, GError **errp)
{
    g_autoptr(KeyVal) kv = g_new0(KeyVal, 1);

    kv->pairs = g_array_new(FALSE, FALSE, sizeof(KeyValPair));
    g_array_set_clear_func(kv->pairs, pair_clear);
    for (const char *p = text; *p; implied = NULL) {
        g_autofree char *element = next_element(&p);
        if (!add_element(kv, element, implied, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&kv);
}

void keyval_free(KeyVal *kv)
{
    if (kv) {
        g_array_unref(kv->pairs);
        g_free(kv);
    }
}

KeyVal *keyval_under(const KeyVal *kv, const char *name)
{
    g_autoptr(KeyVal) under = g_new0(KeyVal, 1);
    size_t length = strlen(name);

    under->pairs = g_array_new(FALSE, FALSE, sizeof(KeyValPair));
    g_array_set_clear_func(under->pairs, pair_clear);
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (!strncmp(pair->key, name, length) &&
            (pair->key[length] == '\0' || pair->key[length] == '.')) {
            KeyValPair copy = { g_strdup(pair->key), g_strdup(pair->value) };
            g_array_append_val(under->pairs, copy);
        }
    }
    return g_steal_pointer(&under);
}

const char *keyval_get(const KeyVal *kv, const char *key)
{
    for (unsigned i = kv->pairs->len; i > 0; i--) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i - 1);
        if (!strcmp(pair->key, key)) {
            return pair->value;
        }
    }
    return NULL;
}

/* The same text, the same switch, or the same number. */
static bool same_value(const char *a, const char *b)
{
    bool on_a, on_b;
    char *end_a, *end_b;

    if (keyval_bool("", a, &on_a, NULL) && keyval_bool("", b, &on_b, NULL)) {
        return on_a == on_b;
    }
    guint64 number_a = g_ascii_strtoull(a, &end_a, 0), number_b = g_ascii_strtoull(b, &end_b, 0);
    return !strcmp(a, b) || (*a && *b && !*end_a && !*end_b && number_a == number_b);
}

bool keyval_check_repeats(const KeyVal *kv, GError **errp)
{
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        const char *last = keyval_get(kv, pair->key);

        if (!same_value(pair->value, last)) {
            error_set(errp, "Parameter '%s' is given as '%s' and as '%s'", pair->key, pair->value,
                      last);
            error_hint(errp, "Give one of the two");
            return false;
        }
    }
    return true;
}

bool keyval_bool(const char *key, const char *value, bool *result, GError **errp)
{
    static const char *const on[] = { "on", "yes", "true", "y", NULL };
    static const char *const off[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(on, value)) {
        *result = true;
        return true;
    }
    if (g_strv_contains(off, value)) {
        *result = false;
        return true;
    }
    return error_set(errp, "Parameter '%s' expects 'on' or 'off'", key);
}
