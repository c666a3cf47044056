/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory backends: properties, real mappings, and what cannot be. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "backends/memory-backend.h"
#include "util/error.h"
#include "util/units.h"

static const QomType *const types[] = {
    &memory_backend_type, &memory_backend_ram_type, &memory_backend_memfd_type,
    &memory_backend_file_type, NULL,
};

typedef struct Fixture {
    QomObject *root;
    char *directory;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->root = qom_root_new(types, NULL);
    f->directory = g_dir_make_tmp("memory-backend-XXXXXX", NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    qom_object_unref(f->root);
    g_rmdir(f->directory);
    g_free(f->directory);
}

/* Complete, or NULL. "$" in the text stands for the test's directory. */
static MemoryBackend *make(Fixture *f, const char *text, GError **errp)
{
    static const char *const skip[] = { "qom-type", "id", NULL };
    g_auto(GStrv) parts = g_strsplit(text, "$", -1);
    g_autofree char *full = g_strjoinv(f->directory, parts);
    g_autoptr(KeyVal) kv = keyval_parse(full, "qom-type", errp);
    QomSettings settings = { .keyval = kv, .skip = skip };
    QomObject *object = qom_user_create(f->root, keyval_get(kv, "qom-type"), keyval_get(kv, "id"),
                                        &settings, errp);

    if (object && !qom_object_complete(object, errp)) {
        qom_object_unparent(object);
        object = NULL;
    }
    return object ? MEMORY_BACKEND(object) : NULL;
}

static const struct {
    const char *text, *error;
} bad[] = {
    { "memory-backend-ram,id=a", "can't create backend with size 0" },
    { "memory-backend-ram,id=a,size=0",
      "property 'size' of memory-backend-ram doesn't take value '0'" },
    { "memory-backend-ram,id=a,size=x", "Parameter 'size' expects a non-negative number" },
    { "memory-backend-ram,id=a,size=15E", "memory-backend-ram 'a': cannot" },
    { "memory-backend-ram,id=a,size=1M,policy=bind", "host-nodes must be set for policy bind" },
    { "memory-backend-ram,id=a,size=1M,host-nodes=0",
      "host-nodes must be empty for policy default" },
    { "memory-backend-ram,id=a,size=1M,host-nodes=x,policy=bind",
      "Parameter 'host-nodes' expects a NUMA node" },
    { "memory-backend-ram,id=a,size=1M,host-nodes=3-1,policy=bind",
      "Parameter 'host-nodes' expects a NUMA node" },
    { "memory-backend-ram,id=a,size=1M,host-nodes=128,policy=bind",
      "Parameter 'host-nodes' expects a NUMA node" },
    { "memory-backend-ram,id=a,size=1M,host-nodes.0=200,policy=bind",
      "Invalid host-nodes value: 200" },
    { "memory-backend-ram,id=a,size=1M,policy=near",
      "Parameter 'policy' does not accept value 'near'" },
    { "memory-backend-ram,id=a,size=1M,mem-path=/tmp", "Invalid parameter 'mem-path'" },
    { "memory-backend-memfd,id=a,size=1M,hugetlbsize=2M", "hugetlbsize needs hugetlb=on" },
    { "memory-backend-memfd,id=a,size=1M,hugetlb=on,hugetlbsize=3M",
      "property 'hugetlbsize' expects a power of two" },
    { "memory-backend-memfd,id=a,size=15E", "memory-backend-memfd: " },
    { "memory-backend-file,id=a,size=1M", "Parameter 'mem-path' is missing" },
    { "memory-backend-file,id=a,size=1M,mem-path=/nonexistent/x",
      "memory-backend-file: cannot open '/nonexistent/x'" },
    { "memory-backend-file,id=a,size=1M,mem-path=$/small",
      "backing store size 0x1000 does not match 'size' option 0x100000" },
    { "memory-backend-file,id=a,size=1M,offset=1,mem-path=$/small",
      "memory-backend-file: offset must be a multiple of the page size" },
};

static void test_bad(Fixture *f, gconstpointer data)
{
    g_autofree char *small = g_build_filename(f->directory, "small", NULL), *page = g_malloc0(4096);

    g_assert_true(g_file_set_contents(small, page, 4096, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_test_message("%s", bad[i].text);
        g_assert_null(make(f, bad[i].text, &err));
        if (!g_str_has_prefix(err->message, bad[i].error)) {
            g_error("%s: %s", bad[i].text, err->message);
        }
    }
    g_unlink(small);
}

static void assert_usable(const MemoryBackend *backend, uint64_t size)
{
    g_assert_cmpuint(backend->size, ==, size);
    g_assert_cmpuint(backend->mapped, >=, size);
    backend->host[0] = 1;
    backend->host[size - 1] = 2;
    g_assert_cmpuint(backend->host[size / 2], ==, 0);
}

static void test_ram(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    MemoryBackend *backend = make(f, "memory-backend-ram,id=a,size=1T", &err);

    g_assert_no_error(err);
    assert_usable(backend, 1 * TiB);
    g_assert_cmpint(backend->fd, ==, -1);
    g_assert_cmpuint((uintptr_t)backend->host % (2 * MiB), ==, 0);
    g_assert_false(qom_property_set_text(&backend->object, "size", "1G", &err));
    g_assert_cmpstr(
        err->message, ==,
        "Property 'size' of '/objects/a' cannot be set: the memory has been made with it");
    g_clear_error(&err);
    g_assert_true(memory_backend_advise(backend, false, false, &err));
    MemoryBackend *odd = make(f, "memory-backend-ram,id=b,size=5000,prealloc=on,reserve=on", &err);
    g_assert_no_error(err);
    g_assert_cmpuint(odd->mapped, ==, 8192);
}

static void test_memfd(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    MemoryBackend *backend = make(f, "memory-backend-memfd,id=a,size=4M", &err);
    struct stat st;

    g_assert_no_error(err);
    assert_usable(backend, 4 * MiB);
    g_assert_true(backend->share);
    g_assert_cmpint(fstat(backend->fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 4 * MiB);
    g_assert_cmpint(fcntl(backend->fd, F_GET_SEALS) & (F_SEAL_GROW | F_SEAL_SHRINK), ==,
                    F_SEAL_GROW | F_SEAL_SHRINK);
    uint8_t *other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, backend->fd, 0);
    g_assert_cmpuint(other[0], ==, 1);
    munmap(other, 4096);
}

static void test_file(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->directory, "ram", NULL);
    g_autoptr(GError) err = NULL;
    MemoryBackend *backend = make(f, "memory-backend-file,id=a,size=1M,share=on,mem-path=$/ram",
                                  &err);
    g_autofree char *content = NULL;
    gsize size;

    g_assert_no_error(err);
    assert_usable(backend, 1 * MiB);
    g_assert_true(g_file_get_contents(path, &content, &size, NULL) && size == 1 * MiB &&
                  content[0] == 1);
    MemoryBackend *part = make(f,
                               "memory-backend-file,id=b,size=4096,offset=0xff000,mem-path=$/ram",
                               &err);
    g_assert_no_error(err);
    g_assert_cmpuint(part->host[4095], ==, 2);
    part->host[4095] = 9; /* private: the file keeps its byte */
    g_assert_cmpuint(backend->host[1 * MiB - 1], ==, 2);
    g_assert_nonnull(make(f, "memory-backend-file,id=c,size=64k,mem-path=$", &err));
    g_unlink(path);
}

static void test_policy(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) nodes = NULL;
    MemoryBackend *backend = make(f,
                                  "memory-backend-ram,id=a,size=1M,host-nodes=0,policy=preferred",
                                  &err);

    if (!backend) { /* a kernel without NUMA, or a sandbox that forbids mbind(2) */
        g_assert_nonnull(strstr(err->message, "cannot bind to host-nodes"));
        g_test_skip(err->message);
        return;
    }
    g_assert_true(qom_property_get(&backend->object, "host-nodes", &nodes, &err));
    g_assert_cmpuint(json_object_array_length(nodes), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/memory-backend/bad", Fixture, NULL, set_up, test_bad, tear_down);
    g_test_add("/memory-backend/ram", Fixture, NULL, set_up, test_ram, tear_down);
    g_test_add("/memory-backend/memfd", Fixture, NULL, set_up, test_memfd, tear_down);
    g_test_add("/memory-backend/file", Fixture, NULL, set_up, test_file, tear_down);
    g_test_add("/memory-backend/policy", Fixture, NULL, set_up, test_policy, tear_down);
    return g_test_run();
}
