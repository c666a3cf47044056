/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is a file: on tmpfs or hugetlbfs, or a file that another process maps too. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/memory-backend.h"
#include "util/error.h"
#include "util/units.h"

typedef struct FileBackend {
    MemoryBackend backend;
    char *mem_path;
    uint64_t offset;
    bool discard_data;
    bool read_only, persistent;
} FileBackend;

/* Of memory that is no guest's RAM: its absence may be written out. */
static bool set_off(QomObject *object, const QomProperty *property, JsonValue *value,
                    GError **errp)
{
    if (json_object_get_boolean(value)) {
        error_set(errp, "Parameter '%s' expects 'off': the memory is a guest's RAM",
                  property->name);
        error_hint(errp, "Leave it out; there are no NVDIMMs and no memory devices that it is for");
        return false;
    }
    return qom_property_store(object, property, value, errp);
}

static bool file_check(QomObject *object, GError **errp)
{
    const FileBackend *file = (FileBackend *)object;

    if (!file->mem_path || !*file->mem_path) {
        return error_set(errp, "Parameter 'mem-path' is missing");
    }
    return true;
}

static bool file_error(const FileBackend *file, const char *what, GError **errp)
{
    return error_set(errp, "memory-backend-file: cannot %s '%s': %s", what, file->mem_path,
                     g_strerror(errno));
}

/* In a directory (of a hugetlbfs, mostly): a file without a name. *made: it is new, or empty. */
static int open_path(const FileBackend *file, bool *made, GError **errp)
{
    struct stat st;
    bool exists = !stat(file->mem_path, &st);

    if (exists && S_ISDIR(st.st_mode)) {
        g_autofree char *name = g_strdup_printf("%s/qemu_back_mem.%s.XXXXXX", file->mem_path,
                                                file->backend.object.name);
        int fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0) {
            unlink(name);
        } else {
            file_error(file, "make a file in", errp);
        }
        *made = true;
        return fd;
    }
    int fd = open(file->mem_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        file_error(file, "open", errp);
    } else if (fstat(fd, &st)) {
        file_error(file, "stat", errp);
        close(fd);
        fd = -1;
    }
    *made = fd >= 0 && (S_ISREG(st.st_mode) && st.st_size == 0);
    return fd;
}

/* A file of another size than what is asked for is somebody's data: an error. */
static bool fit(const FileBackend *file, bool made, GError **errp)
{
    const MemoryBackend *backend = &file->backend;
    uint64_t page = backend->page_size, needed;
    struct stat st;

    if (__builtin_add_overflow(file->offset, (backend->size + page - 1) / page * page, &needed) ||
        needed > INT64_MAX) {
        return error_set(errp,
                         "memory-backend-file: offset and size are more than a file can have");
    }
    if (made) {
        return !ftruncate(backend->fd, (off_t)needed) || file_error(file, "make room in", errp);
    }
    if (fstat(backend->fd, &st)) {
        return file_error(file, "stat", errp);
    }
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < file->offset + backend->size) {
        error_set(errp,
                  "backing store size 0x%" G_GINT64_MODIFIER
                  "x does not match 'size' option 0x%" G_GINT64_MODIFIER "x",
                  (uint64_t)st.st_size, backend->size);
        error_hint(errp, "'%s' exists: remove it, or give the size that it has", file->mem_path);
        return false;
    }
    return true;
}

static bool file_open(MemoryBackend *backend, GError **errp)
{
    FileBackend *file = (FileBackend *)backend;
    struct statfs fs;
    bool made;

    backend->fd = open_path(file, &made, errp);
    if (backend->fd < 0) {
        return false;
    }
    if (!fstatfs(backend->fd, &fs) && fs.f_type == HUGETLBFS_MAGIC) {
        backend->page_size = (uint64_t)fs.f_bsize;
    }
    if (file->offset % backend->page_size) {
        return error_set(
            errp,
            "memory-backend-file: offset must be a multiple of the page size, %" G_GUINT64_FORMAT
            " bytes",
            backend->page_size);
    }
    backend->offset = file->offset;
    return fit(file, made, errp);
}

static void file_finalize(QomObject *object)
{
    FileBackend *file = (FileBackend *)object;

    if (file->discard_data && file->backend.host) {
        madvise(file->backend.host, file->backend.mapped, MADV_REMOVE);
    }
}

static const QomProperty file_properties[] = {
    QOM_PROPERTY_STR("mem-path", FileBackend, mem_path, NULL,
                     "the file, or a directory to make a file without a name in"),
    QOM_PROPERTY_SIZE("offset", FileBackend, offset, NULL, "where in the file the memory starts"),
    QOM_PROPERTY_BOOL("discard-data", FileBackend, discard_data, "off",
                      "at the end, throw away what the file holds"),
    QOM_PROPERTY_BOOL("readonly", FileBackend, read_only, "off", "only off: a guest writes its RAM",
                      .set = set_off),
    QOM_PROPERTY_BOOL("pmem", FileBackend, persistent, "off", "only off: there are no NVDIMMs",
                      .set = set_off),
    { NULL },
};

static const MemoryBackendOps file_ops = { .open = file_open };

const QomType memory_backend_file_type = {
    .name = "memory-backend-file", .parent = &memory_backend_type, .size = sizeof(FileBackend),
    .user_creatable = true,
    .description = "memory that is a file", .properties = file_properties, .ops = &file_ops,
    .check = file_check,
    .finalize = file_finalize,
};
