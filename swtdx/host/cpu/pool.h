/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for what a processor makes while it runs. malloc() would ask the kernel for more in the
 * middle of a vCPU's run, where the program's sandbox may allow no such call: a pool reserves its
 * address space when it is made, and nothing is behind it until it is touched.
 */
#ifndef SWTDX_POOL_H
#define SWTDX_POOL_H

#include <stddef.h>
#include <stdint.h>

typedef struct Pool Pool;

/*
 * Room for `size` bytes, less where address space is short. NULL: there is none. Not for several
 * threads at once.
 */
Pool *pool_new(size_t size);
void pool_free(Pool *pool); /* with all that came from it; NULL is allowed */
/* Zeroed, 16-byte aligned; NULL: the pool is used up. */
void *pool_take(Pool *pool, size_t size);
/* size: as it was taken. The memory serves later requests of about that size. */
void pool_give(Pool *pool, void *p, size_t size);

#endif
