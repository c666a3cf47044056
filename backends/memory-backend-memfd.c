/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that other processes can be given by a descriptor: memfd_create(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/memory-backend.h"
#include "util/error.h"
#include "util/units.h"

typedef struct MemfdBackend {
    MemoryBackend backend;
    bool hugetlb, seal;
    uint64_t hugetlbsize; /* 0: the system's default */
} MemfdBackend;

static bool memfd_check(QomObject *object, GError **errp)
{
    const MemfdBackend *memfd = (MemfdBackend *)object;

    if (memfd->hugetlbsize && !memfd->hugetlb) {
        error_set(errp, "hugetlbsize needs hugetlb=on");
        return false;
    }
    if (memfd->hugetlbsize & (memfd->hugetlbsize - 1)) {
        return error_set(errp, "property 'hugetlbsize' expects a power of two");
    }
    return true;
}

static bool memfd_open(MemoryBackend *backend, GError **errp)
{
    const MemfdBackend *memfd = (MemfdBackend *)backend;
    unsigned flags = MFD_CLOEXEC | (memfd->seal ? MFD_ALLOW_SEALING : 0) |
                     (memfd->hugetlb ? MFD_HUGETLB : 0);
    struct statfs fs;

    if (memfd->hugetlbsize) {
        flags |= (unsigned)__builtin_ctzll(memfd->hugetlbsize) << MFD_HUGE_SHIFT;
    }
    backend->fd = memfd_create("memory-backend-memfd", flags);
    if (backend->fd < 0) {
        error_set(errp, "memory-backend-memfd: memfd_create failed: %s", g_strerror(errno));
        if (memfd->hugetlb) {
            error_hint(errp,
                       "The host must have huge pages of this size: see /sys/kernel/mm/hugepages");
        }
        return false;
    }
    if (memfd->hugetlb && !fstatfs(backend->fd, &fs)) {
        backend->page_size = (uint64_t)fs.f_bsize;
    }
    if (backend->size > INT64_MAX - backend->page_size) {
        return error_set(errp, "memory-backend-memfd: %" G_GUINT64_FORMAT " bytes are too many",
                         backend->size);
    }
    uint64_t size = (backend->size + backend->page_size - 1) / backend->page_size *
                    backend->page_size;
    if (ftruncate(backend->fd, (off_t)size)) {
        return error_set(errp,
                         "memory-backend-memfd: cannot make it %" G_GUINT64_FORMAT
                         " bytes long: %s",
                         size, g_strerror(errno));
    }
    if (memfd->seal && fcntl(backend->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
        return error_set(errp, "memory-backend-memfd: cannot seal it: %s", g_strerror(errno));
    }
    return true;
}

static const QomProperty memfd_properties[] = {
    QOM_PROPERTY_BOOL("hugetlb", MemfdBackend, hugetlb, "off", "Use huge pages"),
    QOM_PROPERTY_SIZE("hugetlbsize", MemfdBackend, hugetlbsize, NULL,
                      "Huge pages size (ex: 2M, 1G)"),
    QOM_PROPERTY_BOOL("seal", MemfdBackend, seal, "on", "Seal growing & shrinking"),
    { NULL },
};

static const QomDefault memfd_defaults[] = { { "share", "on" }, { NULL, NULL } };
static const MemoryBackendOps memfd_ops = { .open = memfd_open };

const QomType memory_backend_memfd_type = {
    .name = "memory-backend-memfd", .parent = &memory_backend_type, .size = sizeof(MemfdBackend),
    .user_creatable = true,
    .description = "memory with a descriptor", .properties = memfd_properties,
    .defaults = memfd_defaults, .ops = &memfd_ops,
    .check = memfd_check,
};
