/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging structures: linear to guest physical address and rights (Intel SDM vol. 3, ch. 4).
 */
#ifndef SWTDX_WALK_H
#define SWTDX_WALK_H

#include "cpu.h"

/* Bits of a page-fault error code. */
enum {
    PF_P = 1u << 0, PF_W = 1u << 1, PF_U = 1u << 2, PF_RSVD = 1u << 3, PF_I = 1u << 4,
    PF_PK = 1u << 5, PF_SS = 1u << 6,
};

/* Who asks, and for what. */
typedef struct WalkQuery {
    uint64_t linear;
    CpuAccess access;
    unsigned kind; /* TLB_SUPERVISOR, TLB_SUPERVISOR_AC, TLB_USER */
    bool shadow;   /* a shadow-stack access */
} WalkQuery;

typedef struct WalkResult {
    uint64_t gpa;    /* of the 4 KiB page, shared bit included */
    bool writable;   /* a write of the same kind would be allowed */
    bool dirty;      /* and needs no D bit any more */
    bool user;
    bool global;
    bool large;      /* the mapping is larger than 4 KiB */
} WalkResult;

/*
 * Walks with rights check and sets A and D bits. False: page fault with *error, nothing was
 * changed. Reads the structures through mmu_phys(): may leave through the world.
 */
bool walk_translate(Cpu *cpu, const WalkQuery *query, WalkResult *result, uint32_t *error);

/*
 * Without rights and without side effects: by world->peek. False: unmapped, or in a page that
 * cannot be looked at.
 */
bool walk_peek(Cpu *cpu, uint64_t linear, uint64_t *gpa);

/*
 * Host address of a guest physical byte (no TLB, for paging structures); valid until the next call
 * that can map.
 */
uint8_t *mmu_phys(Cpu *cpu, uint64_t gpa, uint64_t linear, CpuAccess access);
/* Forgets all that was known of a range of guest physical pages. Own thread. */
void mmu_flush_physical(Cpu *cpu, uint64_t gpa, uint64_t size);

#endif
