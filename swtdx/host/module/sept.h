/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private memory: a state byte and the contents of each 4 KiB page (Secure EPT; KVM maps TDs with 4
 * KiB pages only).
 *
 * Address space is reserved once, without memory behind it; a GiB of guest memory is given its
 * place in it when its first page is added. So an untouched TD of any size costs nothing, and no
 * system call but madvise is made later. A page that is FREE has zero contents: accepting it writes
 * nothing.
 */
#ifndef SWTDX_SEPT_H
#define SWTDX_SEPT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers of TDH.MEM.SEPT.RD's level_state. */
typedef enum SeptState { SEPT_FREE = 0, SEPT_BLOCKED = 1, SEPT_PENDING = 2, SEPT_MAPPED = 4,
                         SEPT_REMOVED = 5 } SeptState;

#define SEPT_CHUNK_SHIFT 30
#define SEPT_CHUNK_SIZE (UINT64_C(1) << SEPT_CHUNK_SHIFT)
#define SEPT_CHUNK_PAGES (SEPT_CHUNK_SIZE >> 12)
#define SEPT_REGION_SIZE UINT64_C(0x200000) /* of a level 1 entry */
#define SEPT_REGION_PAGES (SEPT_REGION_SIZE >> 12)

typedef struct Sept {
    uint64_t limit;               /* first GPA that is not private: 1 << 47 or 1 << 51 */
    _Atomic uint32_t *directory;  /* by GPA >> 30: 0, or 1 + number of its chunk */
    uint8_t *contents;            /* num_chunks GiB */
    _Atomic uint8_t *states;
    uint32_t num_chunks, used;
    pthread_mutex_t lock;         /* of `used` */
} Sept;

bool sept_init(Sept *sept, uint64_t limit); /* false: no address space */
void sept_fini(Sept *sept);

/*
 * The state byte of a page and its contents; false if its GiB has no place yet (the page is FREE).
 */
static inline bool sept_lookup(const Sept *sept, uint64_t gpa, _Atomic uint8_t **state,
                               uint8_t **contents)
{
    if (__builtin_expect(gpa >= sept->limit, 0)) {
        return false;
    }
    uint32_t chunk = atomic_load_explicit(&sept->directory[gpa >> SEPT_CHUNK_SHIFT],
                                          memory_order_acquire);
    if (__builtin_expect(!chunk, 0)) {
        return false;
    }
    uint64_t offset = (uint64_t)(chunk - 1) << SEPT_CHUNK_SHIFT |
                      (gpa & (SEPT_CHUNK_SIZE - 1) & ~UINT64_C(0xfff));
    *state = &sept->states[offset >> 12];
    *contents = sept->contents + offset;
    return true;
}

/*
 * The same, giving the GiB a place: false when gpa is not private or address space is used up. Any
 * thread.
 */
bool sept_place(Sept *sept, uint64_t gpa, _Atomic uint8_t **state, uint8_t **contents);

SeptState sept_state(const Sept *sept, uint64_t gpa);
/* FREE -> PENDING. False: not FREE. *error: no place. */
bool sept_aug(Sept *sept, uint64_t gpa, bool *error);
/* PENDING -> MAPPED; returns the state that was found. */
SeptState sept_accept(Sept *sept, uint64_t gpa);
/* Whether the 2 MiB region of gpa has a 4 KiB table, as far as page states tell. */
bool sept_has_table(const Sept *sept, uint64_t gpa);
/*
 * What the 2 MiB region of gpa is as one page: FREE, PENDING or MAPPED if all of its pages are, or
 * BLOCKED: a table of smaller pages. (Page states are of 4 KiB; a region that the host filled page
 * by page looks as one that it mapped whole.)
 */
SeptState sept_region_state(const Sept *sept, uint64_t gpa);
/* PENDING -> MAPPED for each page of the region. */
void sept_accept_region(Sept *sept, uint64_t gpa);
/*
 * Two steps of a removal: take the pages away from the guest, then (no processor uses them any
 * more) drop contents. The first tells whether there was any page to take.
 */
bool sept_block_range(Sept *sept, uint64_t gpa, uint64_t size);
void sept_drop_range(Sept *sept, uint64_t gpa, uint64_t size);

const char *sept_state_name(SeptState state);

#endif
