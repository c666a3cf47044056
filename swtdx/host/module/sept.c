/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page states and contents of private memory, in lazily touched reservations. */
#include <string.h>
#include <sys/mman.h>

#include "sept.h"

/* As much as a guest may use; less where address space is short (RLIMIT_AS, strict overcommit). */
#define MOST_CHUNKS (16u << 10)
#define LEAST_CHUNKS 4u

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    madvise(p, size, MADV_DONTDUMP);
    /* a forked child has no business with a TD: its VM belongs to the parent's mm */
    madvise(p, size, MADV_DONTFORK);
    return p;
}

static size_t directory_size(const Sept *sept)
{
    return (size_t)(sept->limit >> SEPT_CHUNK_SHIFT) * sizeof(sept->directory[0]);
}

bool sept_init(Sept *sept, uint64_t limit)
{
    memset(sept, 0, sizeof(*sept));
    sept->limit = limit;
    sept->directory = reserve(directory_size(sept));
    if (!sept->directory) {
        return false;
    }
    for (uint32_t n = MOST_CHUNKS; n >= LEAST_CHUNKS; n /= 2) {
        sept->contents = reserve((size_t)n << SEPT_CHUNK_SHIFT);
        sept->states = sept->contents ? reserve((size_t)n * SEPT_CHUNK_PAGES) : NULL;
        if (sept->states) {
            /* A huge page of states would cost 2 MiB for the first private page. */
            madvise((void *)sept->states, (size_t)n * SEPT_CHUNK_PAGES, MADV_NOHUGEPAGE);
            madvise((void *)sept->directory, directory_size(sept), MADV_NOHUGEPAGE);
            sept->num_chunks = n;
            pthread_mutex_init(&sept->lock, NULL);
            return true;
        }
        if (sept->contents) {
            munmap(sept->contents, (size_t)n << SEPT_CHUNK_SHIFT);
            sept->contents = NULL;
        }
    }
    munmap((void *)sept->directory, directory_size(sept));
    sept->directory = NULL;
    return false;
}

void sept_fini(Sept *sept)
{
    if (!sept->directory) {
        return;
    }
    munmap((void *)sept->directory, directory_size(sept));
    munmap(sept->contents, (size_t)sept->num_chunks << SEPT_CHUNK_SHIFT);
    munmap((void *)sept->states, (size_t)sept->num_chunks * SEPT_CHUNK_PAGES);
    pthread_mutex_destroy(&sept->lock);
    sept->directory = NULL;
}

bool sept_place(Sept *sept, uint64_t gpa, _Atomic uint8_t **state, uint8_t **contents)
{
    if (gpa >= sept->limit) {
        return false;
    }
    if (sept_lookup(sept, gpa, state, contents)) {
        return true;
    }
    pthread_mutex_lock(&sept->lock);
    _Atomic uint32_t *entry = &sept->directory[gpa >> SEPT_CHUNK_SHIFT];
    if (!atomic_load(entry) && sept->used < sept->num_chunks) {
        sept->used++;
        atomic_store_explicit(entry, sept->used, memory_order_release);
    }
    pthread_mutex_unlock(&sept->lock);
    return sept_lookup(sept, gpa, state, contents);
}

SeptState sept_state(const Sept *sept, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents;
    return sept_lookup(sept, gpa, &state, &contents) ? (SeptState)atomic_load(state) : SEPT_FREE;
}

bool sept_aug(Sept *sept, uint64_t gpa, bool *error)
{
    _Atomic uint8_t *state;
    uint8_t *contents, expected = SEPT_FREE;
    *error = !sept_place(sept, gpa, &state, &contents);
    return !*error && atomic_compare_exchange_strong(state, &expected, SEPT_PENDING);
}

SeptState sept_accept(Sept *sept, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents, expected = SEPT_PENDING;
    if (!sept_lookup(sept, gpa, &state, &contents)) {
        return SEPT_FREE;
    }
    atomic_compare_exchange_strong(state, &expected, SEPT_MAPPED);
    return expected;
}

bool sept_has_table(const Sept *sept, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents;
    if (!sept_lookup(sept, gpa & ~UINT64_C(0x1fffff), &state, &contents)) {
        return false;
    }
    for (unsigned i = 0; i < 512; i++) {
        if (atomic_load_explicit(&state[i], memory_order_relaxed) != SEPT_FREE) {
            return true;
        }
    }
    return false;
}

SeptState sept_region_state(const Sept *sept, uint64_t gpa)
{
    _Atomic uint8_t *state;
    uint8_t *contents;
    if (!sept_lookup(sept, gpa & ~(SEPT_REGION_SIZE - 1), &state, &contents)) {
        return SEPT_FREE;
    }
    uint8_t first = atomic_load(&state[0]);
    for (unsigned i = 1; i < SEPT_REGION_PAGES; i++) {
        if (atomic_load_explicit(&state[i], memory_order_relaxed) != first) {
            return SEPT_BLOCKED;
        }
    }
    return (SeptState)first;
}

void sept_accept_region(Sept *sept, uint64_t gpa)
{
    for (uint64_t offset = 0; offset < SEPT_REGION_SIZE; offset += 4096) {
        sept_accept(sept, (gpa & ~(SEPT_REGION_SIZE - 1)) + offset);
    }
}

/*
 * Calls fn for each part of the range that lies in one GiB which has a place; true if one of the
 * calls was.
 */
typedef bool (*RangeFn)(_Atomic uint8_t *states, uint8_t *contents, size_t pages);

static bool for_range(Sept *sept, uint64_t gpa, uint64_t size, RangeFn fn)
{
    bool any = false;
    if (gpa >= sept->limit) {
        return false;
    }
    uint64_t end = size > sept->limit - gpa ? sept->limit : gpa + size;
    while (gpa < end) {
        uint64_t next = (gpa | (SEPT_CHUNK_SIZE - 1)) + 1;
        uint64_t stop = next < end ? next : end;
        _Atomic uint8_t *state;
        uint8_t *contents;
        if (sept_lookup(sept, gpa, &state, &contents)) {
            any |= fn(state, contents, (size_t)((stop - gpa) >> 12));
        }
        gpa = stop;
    }
    return any;
}

/* Reads before it writes: states that were never touched stay without memory. */
static bool block_pages(_Atomic uint8_t *states, uint8_t *contents, size_t pages)
{
    bool any = false;
    for (size_t i = 0; i < pages; i++) {
        if (atomic_load_explicit(&states[i], memory_order_relaxed) != SEPT_FREE) {
            atomic_store(&states[i], SEPT_BLOCKED);
            any = true;
        }
    }
    return any;
}

static bool drop_pages(_Atomic uint8_t *states, uint8_t *contents, size_t pages)
{
    for (size_t i = 0; i < pages;) {
        size_t n = 0;
        while (i + n < pages &&
               atomic_load_explicit(&states[i + n], memory_order_relaxed) == SEPT_BLOCKED) {
            n++;
        }
        if (n) {
            madvise(contents + i * 4096, n * 4096, MADV_DONTNEED);
            for (size_t k = 0; k < n; k++) {
                atomic_store(&states[i + k], SEPT_FREE);
            }
        }
        i += n ? n : 1;
    }
    return true;
}

bool sept_block_range(Sept *sept, uint64_t gpa, uint64_t size)
{
    return for_range(sept, gpa, size, block_pages);
}

void sept_drop_range(Sept *sept, uint64_t gpa, uint64_t size)
{
    for_range(sept, gpa, size, drop_pages);
}

const char *sept_state_name(SeptState state)
{
    switch (state) {
    case SEPT_FREE:
        return "FREE";
    case SEPT_BLOCKED:
        return "BLOCKED";
    case SEPT_PENDING:
        return "PENDING";
    case SEPT_MAPPED:
        return "MAPPED";
    case SEPT_REMOVED:
        return "REMOVED";
    }
    return "?";
}
