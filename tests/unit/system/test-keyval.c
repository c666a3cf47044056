/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key=value lists, booleans, sizes and nearest names. */
#include <string.h>

#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

/* Expected: "key=value|key=value", or the start of the message. */
static const struct {
    const char *label, *text, *implied, *pairs, *error;
} lists[] = {
    { "empty", "", "type", "", NULL },
    { "implied", "q35,a=b", "type", "type=q35|a=b", NULL },
    { "doubled-comma", "a=x,,y,b=,,", NULL, "a=x,y|b=,", NULL },
    { "equals-in-value", "a=b=c", NULL, "a=b=c", NULL },
    { "empty-value", "a=", NULL, "a=", NULL },
    { "trailing-comma", "a=b,", NULL, "a=b", NULL },
    { "no-key", "=b", NULL, NULL, "Expected parameter before '=b'" },
    { "no-key-first", "=b", "type", NULL, "Expected parameter before '=b'" },
    { "no-value", "a", NULL, NULL, "Expected '=' after parameter 'a'" },
    { "no-value-second", "a=b,c", "type", NULL, "Expected '=' after parameter 'c'" },
    { "lone-commas", ",", NULL, NULL, "Expected '=' after parameter ''" },
};

static void test_list(gconstpointer data)
{
    unsigned i = GPOINTER_TO_UINT(data);
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(lists[i].text, lists[i].implied, &err);

    if (lists[i].error) {
        g_assert_null(kv);
        g_assert_cmpstr(err->message, ==, lists[i].error);
        return;
    }
    g_assert_no_error(err);
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned p = 0; p < kv->pairs->len; p++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, p);
        g_string_append_printf(text, "%s%s=%s", p ? "|" : "", pair->key, pair->value);
    }
    g_assert_cmpstr(text->str, ==, lists[i].pairs);
}

static void test_bool(void)
{
    static const char *const bad[] = { "", "1", "0", "On", "onn", "maybe" };
    bool on = false;

    g_assert_true(keyval_bool("k", "yes", &on, NULL) && on);
    g_assert_true(keyval_bool("k", "n", &on, NULL) && !on);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_false(keyval_bool("k", bad[i], &on, &err));
        g_assert_cmpstr(err->message, ==, "Parameter 'k' expects 'on' or 'off'");
    }
}

static void test_size(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        { "1", MiB }, { "0", 0 }, { "2G", 2 * GiB }, { "0x10k", 16 * KiB }, { "1.5G", 1536 * MiB },
        { "512M", 512 * MiB },
        { "1t", TiB }, { "17b", 17 }, { "15E", UINT64_C(15) << 60 },
    };
    static const char *const bad[] = { "", "x", "-1", "1x", "1GB", "16E", "18446744073709551616",
                                       "1.", " 1", "0x", "+1" };
    uint64_t size;

    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(parse_size(good[i].text, MiB, &size));
        g_assert_cmphex(size, ==, good[i].size);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(parse_size(bad[i], MiB, &size));
    }
}

static void test_nearest(void)
{
    static const char *const names[] = { "kernel-irqchip", "smm", "machine", "memory", NULL };

    g_assert_cmpstr(nearest_name("kernel_irqchp", names), ==, "kernel-irqchip");
    g_assert_cmpstr(nearest_name("machne", names), ==, "machine");
    g_assert_null(nearest_name("zzzzzzzz", names));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *path = g_strconcat("/keyval/list/", lists[i].label, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_list);
    }
    g_test_add_func("/keyval/bool", test_bool);
    g_test_add_func("/units/size", test_size);
    g_test_add_func("/keyval/nearest", test_nearest);
    return g_test_run();
}
