/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options as values of the schema: dotted keys, their conversion and their check. */
#include <string.h>

#include "qapi-types.h"
#include "util/keyval.h"

static void test_dotted(void)
{
    static const struct {
        const char *text, *result; /* JSON, or the message */
        bool good;
    } rows[] = {
        { "", "{}", true },
        { "a=1,b=", "{\"a\": \"1\", \"b\": \"\"}", true },
        { "a.b=1,a.c.d=2,e=3", "{\"a\": {\"b\": \"1\", \"c\": {\"d\": \"2\"}}, \"e\": \"3\"}",
          true },
        { "a=1,a=2", "{\"a\": \"2\"}", true },
        { "a.b=1,a.b=2", "{\"a\": {\"b\": \"2\"}}", true },
        { "l.0=x,l.1=y", "{\"l\": [\"x\", \"y\"]}", true },
        { "l.1=y,l.0=x", "{\"l\": [\"x\", \"y\"]}", true },
        { "l.0.a=x,l.1.a=y,l.0.b=z", "{\"l\": [{\"a\": \"x\", \"b\": \"z\"}, {\"a\": \"y\"}]}",
          true },
        { "l.0.0=x", "{\"l\": [[\"x\"]]}", true },
        { "a=x,,y", "{\"a\": \"x,y\"}", true },
        { "x-y_z9=1", "{\"x-y_z9\": \"1\"}", true },
        { "a=1,a.b=2", "Parameters 'a.*' used inconsistently", false },
        { "a.b=2,a=1", "Parameters 'a.*' used inconsistently", false },
        { "a.b.c=2,a.b=1", "Parameters 'a.b.*' used inconsistently", false },
        { "l.0=x,l.a=y", "Parameters 'l.*' used inconsistently", false },
        { "l.1=x", "Parameter 'l.0' missing", false },
        { "l.0=x,l.2=y", "Parameter 'l.1' missing", false },
        { "a.l.99999999999999999999=x", "Parameter 'a.l.0' missing", false },
        { "l.00=x", "Invalid parameter 'l.00'", false },
        { "0=x", "Invalid parameter '0'", false },
        { "0.a=x", "Invalid parameter '0.a'", false },
        { ".a=x", "Invalid parameter '.a'", false },
        { "a.=x", "Invalid parameter 'a.'", false },
        { "a..b=x", "Invalid parameter 'a..b'", false },
        { "a b=x", "Invalid parameter 'a b'", false },
        { "1a=x", "Invalid parameter '1a'", false },
        { "\xc3\xa4=x", "Invalid parameter '\xc3\xa4'", false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(KeyVal) kv = keyval_parse(rows[i].text, NULL, NULL);

        g_test_message("%s", rows[i].text);
        g_autoptr(JsonValue) value = keyval_to_json(kv, &err);
        g_autofree char *text = value ? json_format(value) : g_strdup(err->message);
        g_assert_cmpstr(text, ==, rows[i].result);
        g_assert_cmpint(value != NULL, ==, rows[i].good);
    }
    /* Depth is bounded, and no recursion deeper than that */
    g_autoptr(GString) deep = g_string_new("a");
    for (unsigned i = 0; i < 10000; i++) {
        g_string_append(deep, ".a");
    }
    g_string_append(deep, "=1");
    g_autoptr(KeyVal) kv = keyval_parse(deep->str, NULL, NULL);
    g_assert_null(keyval_to_json(kv, NULL));
}

/* A type with everything that can be converted. */
static const QapiType type_u64 = { .kind = QAPI_INT, .name = "uint64", .max = UINT64_MAX };
static const QapiType type_u8 = { .kind = QAPI_INT, .name = "uint8", .max = 255 };
static const QapiType type_i64 = { .kind = QAPI_INT, .name = "int", .min = INT64_MIN,
                                   .max = INT64_MAX };
static const QapiType type_i8 = { .kind = QAPI_INT, .name = "int8", .min = -128, .max = 127 };
static const QapiType type_size = { .kind = QAPI_INT, .name = "size", .max = UINT64_MAX };
static const QapiType type_bool = { .kind = QAPI_BOOL }, type_str = { .kind = QAPI_STR };
static const QapiType type_number = { .kind = QAPI_NUMBER }, type_null = { .kind = QAPI_NULL },
type_any = { .kind = QAPI_ANY };
static const char *const kinds[] = { "plain", "rich", NULL };
static const QapiType type_kind = { .kind = QAPI_ENUM, .values = kinds };
static const QapiType type_list = { .kind = QAPI_ARRAY, .element = &type_u64 };
static const QapiMember rich_members[] = { { "money", &type_size, false },
                                           { "list", &type_list, true }, { NULL, NULL, false } };
static const QapiType type_rich = { .kind = QAPI_OBJECT, .members = rich_members };
static const QapiVariant variants[] = { { "rich", &type_rich }, { NULL, NULL } };
static const QapiMember inner_members[] = { { "flag", &type_bool, false }, { NULL, NULL, false } };
static const QapiType type_inner = { .kind = QAPI_OBJECT, .members = inner_members };
static const QapiMember members[] = {
    { "kind", &type_kind, false }, { "u", &type_u64, true }, { "u8", &type_u8, true },
    { "i", &type_i64, true }, { "i8", &type_i8, true },
    { "size", &type_size, true }, { "on", &type_bool, true }, { "text", &type_str, true },
    { "number", &type_number, true },
    { "none", &type_null, true }, { "any", &type_any, true }, { "inner", &type_inner, true },
    { "addr", &qapi_SocketAddress, true }, { NULL, NULL, false },
};
static const QapiType type_all = { .kind = QAPI_OBJECT, .members = members, .tag = "kind",
                                   .variants = variants };

/* An option's argument as a checked value, its first element the kind if it has no key. */
static JsonValue *checked(const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "kind", errp);
    g_autoptr(JsonValue) strings = kv ? keyval_to_json(kv, errp) : NULL;
    g_autoptr(JsonValue) value = strings ? qapi_from_keyval(&type_all, strings, NULL, errp) : NULL;

    return value && qapi_check(&type_all, value, NULL, errp) ? g_steal_pointer(&value) : NULL;
}

static void test_option(void)
{
    static const struct {
        const char *text, *result;
        bool good;
    } rows[] = {
        { "plain", "{\"kind\": \"plain\"}", true },
        { "kind=plain", "{\"kind\": \"plain\"}", true },
        { "plain,u=18446744073709551615", "{\"kind\": \"plain\", \"u\": 18446744073709551615}",
          true },
        { "plain,u=0x10,i=-0x10", "{\"kind\": \"plain\", \"u\": 16, \"i\": -16}", true },
        { "plain,u=010", "{\"kind\": \"plain\", \"u\": 8}", true },
        { "plain,on=yes,text=yes", "{\"kind\": \"plain\", \"on\": true, \"text\": \"yes\"}", true },
        { "plain,size=1.5k", "{\"kind\": \"plain\", \"size\": 1536}", true },
        { "plain,number=1.5", "{\"kind\": \"plain\", \"number\": 1.5}", true },
        { "plain,none=", "{\"kind\": \"plain\", \"none\": null}", true },
        { "plain,any.a=1", "{\"kind\": \"plain\", \"any\": {\"a\": \"1\"}}", true },
        { "plain,inner.flag=off", "{\"kind\": \"plain\", \"inner\": {\"flag\": false}}", true },
        { "rich,money=1G", "{\"kind\": \"rich\", \"money\": 1073741824}", true },
        { "money=1,kind=rich,list.0=7,list.1=8",
          "{\"money\": 1, \"kind\": \"rich\", \"list\": [7, 8]}", true },
        { "plain,addr.type=vsock,addr.cid=2,addr.port=4050",
          "{\"kind\": \"plain\", \"addr\": {\"type\": \"vsock\", \"cid\": \"2\", \"port\": "
          "\"4050\"}}", true },
        { "plain,addr=vsock:2:4050",
          "{\"kind\": \"plain\", \"addr\": {\"type\": \"vsock\", \"cid\": \"2\", \"port\": "
          "\"4050\"}}", true },
        { "plain,addr.type=inet,addr.host=h,addr.port=1,addr.to=9,addr.ipv4=on",
          "{\"kind\": \"plain\", \"addr\": {\"type\": \"inet\", \"host\": \"h\", \"port\": \"1\", "
          "\"to\": 9, \"ipv4\": true}}", true },
        { "", "Parameter 'kind' is missing", false },
        { "poor", "Parameter 'kind' does not accept value 'poor'\nKnown: plain, rich", false },
        { "plan", "Parameter 'kind' does not accept value 'plan'\nDid you mean 'plain'?", false },
        { "plain,money=1", "Parameter 'money' is unexpected\nDid you mean 'none'?", false },
        { "rich", "Parameter 'money' is missing", false },
        { "rich,money=1x", "Parameter 'money' expects a size, not '1x'\nYou may use k, M, G, T, P "
                           "or E suffixes for kilobytes, megabytes, gigabytes, terabytes, "
                           "petabytes and exabytes", false },
        { "rich,money=1,list=7", "Parameter 'list' expects a list\nWrite list.0=VALUE,list.1=VALUE",
          false },
        { "rich,money=1,list.0=x", "Parameter 'list.0' expects a uint64 value", false },
        { "plain,u=zzz", "Parameter 'u' expects a uint64 value", false },
        { "plain,u=-1", "Parameter 'u' expects a uint64 value", false },
        { "plain,u=", "Parameter 'u' expects a uint64 value", false },
        { "plain,u=18446744073709551616", "Parameter 'u' expects a uint64 value", false },
        { "plain,u.a=1", "Parameters 'u.*' are unexpected", false },
        { "plain,u8=256", "Parameter 'u8' expects uint8", false },
        { "plain,i=9223372036854775808",
          "Parameter 'i' expects an integer, not '9223372036854775808'", false },
        { "plain,i8=-129", "Parameter 'i8' expects int8", false },
        { "plain,i=1.5", "Parameter 'i' expects an integer, not '1.5'", false },
        { "plain,number=1,5", "Expected '=' after parameter '5'", false },
        { "plain,number=nan", "Parameter 'number' expects a number, not 'nan'", false },
        { "plain,number=1e999", "Parameter 'number' expects a number, not '1e999'", false },
        { "plain,on=1", "Parameter 'on' expects 'on' or 'off'", false },
        { "plain,on.a=on", "Parameters 'on.*' are unexpected", false },
        { "plain,none=x", "Parameter 'none' expects an empty value", false },
        { "plain,inner=on", "Parameter 'inner' expects members of its own\nWrite "
                            "inner.MEMBER=VALUE for each", false },
        { "plain,inner.flg=on", "Parameter 'inner.flag' is missing", false },
        { "plain,inner.flag=on,inner.flagg=on",
          "Parameter 'inner.flagg' is unexpected\nDid you mean 'flag'?", false },
        { "plain,inner.flag.0=on", "Parameters 'inner.flag.*' are unexpected", false },
        { "plain,addr=2:4050",
          "Parameter 'addr': error parsing address '2:4050': it begins with none of the kinds of "
          "socket\n"
          "Use unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or fd:NUMBER", false },
        { "plain,addr.cid=2,addr.port=1", "Parameter 'addr.type' is missing", false },
        { "plain,addr.type=vsoc,addr.cid=2",
          "Parameter 'addr.type' does not accept value 'vsoc'\nDid you mean 'vsock'?", false },
        { "plain,addr.type=vsock,addr.cid=2", "Parameter 'addr.port' is missing", false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", rows[i].text);
        g_autoptr(JsonValue) value = checked(rows[i].text, &err);
        g_autofree char *text = value ? json_format(value) : g_strdup(err->message);
        g_assert_cmpstr(text, ==, rows[i].result);
        g_assert_cmpint(value != NULL, ==, rows[i].good);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/keyval/dotted", test_dotted);
    g_test_add_func("/qapi/keyval/option", test_option);
    return g_test_run();
}
