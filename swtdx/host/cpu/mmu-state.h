/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mmu.c and mmu-flush.c keep about a processor's soft TLBs between themselves.
 */
#ifndef SWTDX_MMU_STATE_H
#define SWTDX_MMU_STATE_H

#include "mmu.h"

#define FETCH_ENTRIES 256
#define PHYS_ENTRIES 4096
#define GPA_INVALID UINT64_C(1)
#define FILLED_MAX 1024

typedef struct FetchEntry {
    uint64_t page; /* linear, or TLB_INVALID */
    uint64_t gpa;
    const uint8_t *host;
    bool global;
} FetchEntry;

typedef struct PhysEntry {
    uint64_t gpa;        /* or GPA_INVALID */
    uint64_t generation; /* holds only while it is MmuState.phys_generation */
    uint8_t *host;
    bool writable;
} PhysEntry;

/*
 * Which entries of the soft TLB may be valid, as kind * TLB_ENTRIES + index, so that a flush need
 * not look at all.
 */
typedef struct Filled {
    unsigned n; /* FILLED_MAX: any */
    uint16_t which[FILLED_MAX];
} Filled;

struct MmuState {
    FetchEntry fetch[2][FETCH_ENTRIES]; /* supervisor, user */
    /* pages the world told us of: spares asking for each paging structure */
    PhysEntry phys[PHYS_ENTRIES];
    uint64_t phys_generation;
    bool global[TLB_KINDS][TLB_ENTRIES];
    bool large[2]; /* some entry came from a mapping larger than 4 KiB; by mmu_upper() */
    /* supervisor code was fetched from a page that is not global */
    bool local_code;
    bool lower_code;                    /* supervisor code was fetched from the lower half */
    Filled filled[2];                   /* not global, global */
    uint16_t fetched[FETCH_ENTRIES]; /* the same for `fetch`; never more than that, or it is any */
    unsigned n_fetched;
};
_Static_assert(TLB_KINDS * TLB_ENTRIES <= UINT16_MAX, "MmuState.filled");

/* Which half of the canonical addresses: operating systems keep users and themselves apart by it.
 */
static inline bool mmu_upper(uint64_t linear)
{
    return linear >> 63;
}

static inline PhysEntry *mmu_phys_entry(Cpu *cpu, uint64_t gpa)
{
    return &cpu->mmu->phys[(gpa >> 12) & (PHYS_ENTRIES - 1)];
}

#endif
