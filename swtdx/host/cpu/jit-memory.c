/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for host code: one memfd mapped twice, once writable and once executable, so that no
 * address is ever both. Made with the group: later, a vCPU's thread may be forbidden to map
 * anything. Pages that are never used cost nothing.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jit-state.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* linux/memfd.h since Linux 6.3 */
#endif

/*
 * A few processors have room for all a boot of Linux executes; of very many, each has enough to
 * drop it when it is full.
 */
#define FULL_SLICES 16u
#define FULL_SLICE (UINT64_C(32) << 20)
#define SMALL_SLICE (UINT64_C(2) << 20)

/*
 * vm.memfd_noexec = 2 refuses files that could be made executable; mapping them so stays allowed
 * (memfd_create(2)).
 */
static int open_memory(void)
{
    int fd = (int)syscall(SYS_memfd_create, "swtdx-code", (long)(MFD_CLOEXEC | MFD_NOEXEC_SEAL));
    return fd >= 0 || errno != EINVAL
               ? fd
               : (int)syscall(SYS_memfd_create, "swtdx-code", (long)MFD_CLOEXEC);
}

static uint64_t slice_start(unsigned index)
{
    return index <= FULL_SLICES ? index * FULL_SLICE
                                : FULL_SLICES * FULL_SLICE + (index - FULL_SLICES) * SMALL_SLICE;
}

void jit_arena_slice(const JitArena *arena, unsigned index, uint8_t **start, uint8_t **end)
{
    *start = arena->write + slice_start(index);
    *end = arena->write + slice_start(index + 1);
}

static bool map_twice(JitArena *arena)
{
    int fd = open_memory();
    if (fd < 0) {
        return false;
    }
    bool done = false;
    if (ftruncate(fd, (off_t)arena->bytes) == 0) {
        arena->write = mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                            fd, 0);
        arena->run = mmap(NULL, arena->bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd,
                          0);
        done = arena->write != MAP_FAILED && arena->run != MAP_FAILED;
    }
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

JitArena *jit_arena_new(unsigned cpus, int *error)
{
    *error = ENOMEM;
    JitArena *arena = calloc(1, sizeof(*arena));
    if (arena == NULL) {
        return NULL;
    }
    arena->write = arena->run = MAP_FAILED;
    arena->bytes = slice_start(cpus);
    if (!map_twice(arena)) {
        *error = errno;
        jit_arena_free(arena);
        return NULL;
    }
    return arena;
}

void jit_arena_free(JitArena *arena)
{
    if (arena == NULL) {
        return;
    }
    if (arena->write != MAP_FAILED) {
        munmap(arena->write, arena->bytes);
    }
    if (arena->run != MAP_FAILED) {
        munmap(arena->run, arena->bytes);
    }
    free(arena);
}
