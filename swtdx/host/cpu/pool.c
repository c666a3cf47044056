/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reserved range handed out from its start; what is given back waits in a list of its size. */
#include <string.h>
#include <sys/mman.h>

#include "pool.h"

#define UNIT 64u
#define CLASSES 128u /* lists: up to 8 KiB; what is larger is not used again */
#define LEAST (1u << 20)

typedef struct Free Free;
struct Free {
    Free *next;
};

struct Pool {
    size_t size, used;
    Free *lists[CLASSES];
};

Pool *pool_new(size_t size)
{
    for (; size >= LEAST; size /= 2) {
        Pool *pool = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pool != MAP_FAILED) {
            pool->size = size;
            pool->used = (sizeof(*pool) + UNIT - 1) & ~(size_t)(UNIT - 1);
            return pool;
        }
    }
    return NULL;
}

void pool_free(Pool *pool)
{
    if (pool) {
        munmap(pool, pool->size);
    }
}

void *pool_take(Pool *pool, size_t size)
{
    size_t units = (size + UNIT - 1) / UNIT;
    if (units && units < CLASSES && pool->lists[units]) {
        Free *p = pool->lists[units];
        pool->lists[units] = p->next;
        return memset(p, 0, size);
    }
    if (!units || units > (pool->size - pool->used) / UNIT) {
        return NULL;
    }
    void *p = (uint8_t *)pool + pool->used;
    pool->used += units * UNIT;
    return p;
}

void pool_give(Pool *pool, void *p, size_t size)
{
    size_t units = (size + UNIT - 1) / UNIT;
    if (p && units < CLASSES) {
        Free *f = p;
        f->next = pool->lists[units];
        pool->lists[units] = f;
    }
}
