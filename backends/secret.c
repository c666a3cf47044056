/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secrets from the command line or a file, plain or in base64. Encrypted ones are refused: nothing
 * here has a use for them.
 */
#include "backends/secret.h"

#include <string.h>

#include "util/error.h"

static const char *const formats[] = { "raw", "base64", NULL };
enum { FORMAT_RAW, FORMAT_BASE64 };

static bool secret_check(QomObject *object, GError **errp)
{
    const Secret *secret = (Secret *)object;

    if (!secret->data == !secret->file) {
        return error_set(errp, secret->data ? "'file' and 'data' are mutually exclusive"
                                            : "Must provide 'file' or 'data'");
    }
    if (secret->keyid || secret->iv) {
        error_set(errp, "secret '%s': encrypted secrets (keyid, iv) are not available",
                  object->name);
        error_hint(errp, "Give the secret itself, in a file that only this user can read");
        return false;
    }
    return true;
}

static bool is_base64(const char *text, gsize size)
{
    gsize padding = 0;

    for (gsize i = 0; i < size; i++) {
        bool pad = text[i] == '=';
        if ((!pad &&
             (padding || !(g_ascii_isalnum(text[i]) || text[i] == '+' || text[i] == '/')))) {
            return false;
        }
        padding += pad;
    }
    return size % 4 == 0 && padding <= 2;
}

static bool secret_complete(QomObject *object, GError **errp)
{
    Secret *secret = (Secret *)object;
    g_autofree char *content = NULL;
    g_autoptr(GError) err = NULL;
    gsize size;

    if (secret->data) {
        content = g_strdup(secret->data);
        size = strlen(content);
    } else if (!g_file_get_contents(secret->file, &content, &size, &err)) {
        return error_set(errp, "Unable to read %s: %s", secret->file, err->message);
    }
    if (secret->format == FORMAT_BASE64) {
        while (size && strchr("\r\n", content[size - 1])) { /* a file's last line end */
            content[--size] = '\0';
        }
        if (!is_base64(content, size)) {
            return error_set(errp, "secret '%s': what it holds is not base64", object->name);
        }
        if (size) { /* GLib insists on some */
            g_base64_decode_inplace(content, &size);
        }
    }
    secret->bytes = g_bytes_new_take(g_steal_pointer(&content), size);
    return true;
}

static void secret_finalize(QomObject *object)
{
    g_clear_pointer(&((Secret *)object)->bytes, g_bytes_unref);
}

/* Monitors are not shown what others need not know. */
static bool get_nothing(QomObject *object, const QomProperty *property, JsonValue **result,
                        GError **errp)
{
    *result = json_object_new_string("");
    return true;
}

static const QomProperty properties[] = {
    QOM_PROPERTY_STR("data", Secret, data, NULL,
                     "the secret itself, for all who see the command line; reads as nothing",
                     .get = get_nothing),
    QOM_PROPERTY_STR("file", Secret, file, NULL, "a file that holds it"),
    QOM_PROPERTY_ENUM("format", Secret, format, formats, "raw", "how it is written",
                      .type_name = "QCryptoSecretFormat"),
    QOM_PROPERTY_STR("keyid", Secret, keyid, NULL,
                     "not available: the secret that decrypts this one"),
    QOM_PROPERTY_STR("iv", Secret, iv, NULL,
                     "not available: the initialization vector of an encrypted secret"),
    { NULL },
};

const QomType secret_type = {
    .name = "secret", .parent = &qom_object_type, .size = sizeof(Secret), .user_creatable = true,
    .description = "bytes that others name", .properties = properties, .check = secret_check,
    .complete = secret_complete,
    .finalize = secret_finalize,
};
