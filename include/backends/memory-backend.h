/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object memory-backend-ram, -memfd and -file: host memory for a machine's RAM. For a TD it is the
 * half that the guest shares with the host; its private half is KVM's.
 *
 * Memory costs nothing until it is touched, unless prealloc asks for it. Main loop thread.
 */
#ifndef BACKENDS_MEMORY_BACKEND_H
#define BACKENDS_MEMORY_BACKEND_H

#include "qom/object.h"

typedef struct MemoryBackend {
    QomObject object;
    uint64_t size;
    bool share, prealloc, reserve;
    uint32_t prealloc_threads;
    QomOnOffAuto merge, dump; /* auto: as the machine says */
    int policy;               /* an index into HostMemPolicy's names */
    GArray *host_nodes;       /* of uint16_t, ascending */
    /* From completion on */
    uint8_t *host;            /* the mapping */
    int fd;                   /* what is mapped, for those who share it; -1: anonymous memory */
    uint64_t offset;          /* of the mapping in fd */
    uint64_t mapped;          /* bytes, a multiple of the page size */
    uint64_t page_size;
} MemoryBackend;

typedef struct MemoryBackendOps {
    /*
     * Opens what there is to open: fd, offset, page size. False: *errp. NULL: memory is anonymous.
     */
    bool (*open)(MemoryBackend *backend, GError **errp);
} MemoryBackendOps;

extern const QomType memory_backend_type;       /* "memory-backend", abstract */
extern const QomType memory_backend_ram_type;   /* "memory-backend-ram" */
extern const QomType memory_backend_memfd_type; /* "memory-backend-memfd" */
extern const QomType memory_backend_file_type;  /* "memory-backend-file" */

#define MEMORY_BACKEND(object) QOM_CAST(MemoryBackend, &memory_backend_type, object)

/*
 * What the machine says where the backend says auto: core dumps with or without it, merging of
 * equal pages. The backend is complete.
 */
bool memory_backend_advise(MemoryBackend *backend, bool dump, bool merge, GError **errp);

#endif
