/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random bytes, threads with loops, secrets. */
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "backends/iothread.h"
#include "backends/rng.h"
#include "backends/secret.h"

/* Complete, or NULL. */
static QomObject *make(const QomType *type, const char *text, GError **errp)
{
    g_autoptr(QomObject) object = qom_object_new(type);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    return qom_set_all(object, &(QomSettings){ .keyval = kv }, errp) && qom_object_check(object,
        errp) &&
           qom_object_complete(object, errp) ? g_steal_pointer(&object) : NULL;
}

static void test_rng(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("rng-XXXXXX", &path, NULL);
    g_autofree char *text = g_strconcat("filename=", path, NULL);
    g_autoptr(QomObject) builtin = make(&rng_builtin_type, "", NULL);
    g_autoptr(GError) err = NULL;
    uint8_t bytes[1000] = { 0 }, zeroes[64] = { 0 };

    g_assert_cmpint(write(fd, "abc", 3), ==, 3);
    close(fd);
    g_autoptr(QomObject) random = make(&rng_random_type, text, &err);
    g_assert_no_error(err);
    g_assert_cmpint(rng_read((Rng *)builtin, bytes, sizeof(bytes), &err), ==, 256);
    g_assert_true(memcmp(bytes, zeroes, sizeof(zeroes)));
    g_assert_cmpint(rng_read((Rng *)random, bytes, 2, &err), ==, 2);
    g_assert_cmpint(rng_read((Rng *)random, bytes + 2, sizeof(bytes) - 2, &err), ==, 1);
    g_assert_cmpint(memcmp(bytes, "abc", 3), ==, 0);
    g_assert_cmpint(rng_read((Rng *)random, bytes, 1, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "has no more bytes"));
    g_unlink(path);
}

typedef struct Seen {
    GThread *thread;
    gint done;
} Seen;

static gboolean see(gpointer opaque)
{
    Seen *seen = opaque;

    seen->thread = g_thread_self();
    g_atomic_int_set(&seen->done, 1);
    return G_SOURCE_REMOVE;
}

static void test_iothread(void)
{
    g_autoptr(QomObject) object = make(&iothread_type, "poll-max-ns=0", NULL);
    IoThread *iothread = IOTHREAD(object);
    Seen seen = { 0 };

    g_assert_cmpint(iothread->thread_id, >, 0);
    g_assert_cmpint(iothread->thread_id, !=, getpid());
    g_main_context_invoke(iothread->context, see, &seen);
    while (!g_atomic_int_get(&seen.done)) {
        g_usleep(100);
    }
    g_assert_true(seen.thread == iothread->thread);
    /* One that ends at once after its start ends too. */
    for (unsigned i = 0; i < 50; i++) {
        qom_object_unref(make(&iothread_type, "", NULL));
    }
}

static const struct {
    const char *text, *content, *error;
} secrets[] = {
    { "data=letmein", "letmein", NULL },
    { "data=bGV0bWVpbg==,format=base64", "letmein", NULL },
    { "data=,format=base64", "", NULL },
    { "data=bGV0bWVpbg=,format=base64", NULL, "is not base64" },
    { "data=bG=0,format=base64", NULL, "is not base64" },
    { "data=b G0,format=base64", NULL, "is not base64" },
    { "data=====,format=base64", NULL, "is not base64" },
    { "format=raw", NULL, "Must provide 'file' or 'data'" },
    { "data=a,file=b", NULL, "'file' and 'data' are mutually exclusive" },
    { "data=a,iv=b", NULL, "encrypted secrets (keyid, iv) are not available" },
    { "file=/nonexistent", NULL, "Unable to read /nonexistent" },
    { "data=a,format=hex", NULL, "Parameter 'format' does not accept value 'hex'" },
};

static void test_secret(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(secrets); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(QomObject) object = make(&secret_type, secrets[i].text, &err);
        g_autoptr(JsonValue) shown = NULL;
        gsize size;

        g_test_message("%s", secrets[i].text);
        if (secrets[i].error) {
            g_assert_null(object);
            g_assert_nonnull(strstr(err->message, secrets[i].error));
            continue;
        }
        g_assert_no_error(err);
        const char *bytes = g_bytes_get_data(SECRET(object)->bytes, &size);
        g_assert_true(size == strlen(secrets[i].content) &&
                      !memcmp(bytes ? bytes : "", secrets[i].content, size));
        g_assert_true(qom_property_get(object, "data", &shown, NULL));
        g_assert_cmpstr(json_object_get_string(shown), ==, "");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backends/rng", test_rng);
    g_test_add_func("/backends/iothread", test_iothread);
    g_test_add_func("/backends/secret", test_secret);
    return g_test_run();
}
