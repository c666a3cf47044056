/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as instructions see it: linear addresses, through paging and the soft TLB (Intel SDM
 * vol. 3, ch. 4).
 *
 * All functions raise #PF, #GP or #SS, or leave through the world, instead of returning a failure;
 * `op` is the instruction on whose behalf the access is made. Unaligned accesses and races between
 * guest processors are the guest's right: every host access is a single memcpy-like or atomic
 * access of the operand's size where it lies in one page.
 */
#ifndef SWTDX_MMU_H
#define SWTDX_MMU_H

#include <string.h>

#include "cpu.h"

#define GUEST_PAGE_SIZE 4096u
#define GUEST_PAGE_MASK (~UINT64_C(0xfff))

/* Slow paths (mmu.c): TLB miss, page crossing, code page. size 1..8. */
uint64_t mmu_load_slow(Cpu *cpu, const Op *op, uint64_t linear, unsigned size);
void mmu_store_slow(Cpu *cpu, const Op *op, uint64_t linear, uint64_t value, unsigned size);

/*
 * Any size, also across pages; a store is all or nothing (both pages are checked first). n <= 4096.
 */
void mmu_read(Cpu *cpu, const Op *op, uint64_t linear, void *buf, size_t n);
void mmu_write(Cpu *cpu, const Op *op, uint64_t linear, const void *buf, size_t n);
/*
 * The same with supervisor rights whatever CPL is: descriptor tables, TSS, stack of a more
 * privileged level.
 */
void mmu_read_system(Cpu *cpu, const Op *op, uint64_t linear, void *buf, size_t n);
void mmu_write_system(Cpu *cpu, const Op *op, uint64_t linear, const void *buf, size_t n);
/* Raises unless the whole range can be accessed. */
void mmu_probe(Cpu *cpu, const Op *op, uint64_t linear, size_t n, CpuAccess access);

/*
 * Host pointer for an access of `size` bytes that lies in one page, or NULL if it crosses a page
 * (LOCK then takes the group's slow lock: mmu_split_lock). A writable pointer to a code page has
 * had its blocks dropped.
 */
void *mmu_host(Cpu *cpu, const Op *op, uint64_t linear, unsigned size, CpuAccess access);
/*
 * Host pointer and how many bytes may be used from `linear` to its page's end (at most *n): REP
 * MOVS, STOS.
 */
void *mmu_span(Cpu *cpu, const Op *op, uint64_t linear, CpuAccess access, size_t *n);
/*
 * Locked read-modify-write across a page: between lock and unlock no other processor of the group
 * runs a locked access. Nothing between may raise.
 */
void mmu_split_lock(Cpu *cpu);
void mmu_split_unlock(Cpu *cpu);

/*
 * Instruction fetch: copies up to n bytes from linear, stopping at the page's end; returns how
 * many; *gpa = physical address of the first. Raises #PF.
 */
size_t mmu_fetch(Cpu *cpu, uint64_t linear, uint8_t *buf, size_t n, uint64_t *gpa);
/*
 * Physical address of the instruction at `linear`: what block lookup needs. Raises. Fast when the
 * page is the last one fetched.
 */
uint64_t mmu_fetch_gpa(Cpu *cpu, uint64_t linear);

/* Translation without side effects, for dumps: false if unmapped. Never raises. */
bool mmu_peek(Cpu *cpu, uint64_t linear, uint64_t *gpa);

/* The next access to the stack looks into the soft TLB again. */
static inline void mmu_forget_stack(Cpu *cpu)
{
    cpu->stack_read = cpu->stack_write = TLB_INVALID;
}

/*
 * Flushing: INVLPG, MOV CR3 (keep_global), CR0/CR4/EFER changes (all). Also forgets GPR_PAGE-based
 * chaining across pages.
 */
void mmu_flush_all(Cpu *cpu);
void mmu_flush_nonglobal(Cpu *cpu);
void mmu_flush_page(Cpu *cpu, uint64_t linear);
/* CR0.WP was set: what may be written is to be found out anew. */
void mmu_forget_writable(Cpu *cpu);
/* Makes write entries of a guest physical page invalid in this Cpu: the page now holds code. */
void mmu_protect_code(Cpu *cpu, uint64_t gpa);
void mmu_init(Cpu *cpu);
void mmu_fini(Cpu *cpu);

static inline TlbEntry *mmu_entry(Cpu *cpu, uint64_t linear)
{
    return &cpu->tlb[(linear >> 12) & (TLB_ENTRIES - 1)];
}

#define MMU_DEFINE_ACCESS(bits)                                                                    \
    static inline uint##bits##_t mmu_load##bits(Cpu *cpu, const Op *op, uint64_t linear)           \
    {                                                                                              \
        TlbEntry *e = mmu_entry(cpu, linear);                                                      \
        if (likely(e->read == (linear & GUEST_PAGE_MASK) &&                                        \
                   (linear & 0xfff) <= 0x1000 - (bits) / 8)) {                                     \
            uint##bits##_t v;                                                                      \
            memcpy(&v, (const void *)(uintptr_t)(linear + e->addend), sizeof(v));                  \
            return v;                                                                              \
        }                                                                                          \
        return (uint##bits##_t)mmu_load_slow(cpu, op, linear, (bits) / 8);                         \
    }                                                                                              \
    static inline void mmu_store##bits(Cpu *cpu, const Op *op, uint64_t linear, uint##bits##_t v)  \
    {                                                                                              \
        TlbEntry *e = mmu_entry(cpu, linear);                                                      \
        if (likely(e->write == (linear & GUEST_PAGE_MASK) &&                                       \
                   (linear & 0xfff) <= 0x1000 - (bits) / 8)) {                                     \
            memcpy((void *)(uintptr_t)(linear + e->addend), &v, sizeof(v));                        \
            return;                                                                                \
        }                                                                                          \
        mmu_store_slow(cpu, op, linear, v, (bits) / 8);                                            \
    }
MMU_DEFINE_ACCESS(8)
MMU_DEFINE_ACCESS(16)
MMU_DEFINE_ACCESS(32)
MMU_DEFINE_ACCESS(64)
#undef MMU_DEFINE_ACCESS

/* The effective address of an Op's memory operand, before the segment base. */
static inline uint64_t op_effective(const Cpu *cpu, const Op *op)
{
    uint64_t ea = CPU_REG(cpu, uint64_t, op->base) +
                  (CPU_REG(cpu, uint64_t, op->index) << op->shift) + (uint64_t)op->disp;
    if (unlikely(op->addr_size != 8)) {
        ea &= op->addr_size == 4 ? UINT64_C(0xffffffff) : UINT64_C(0xffff);
    }
    return ea;
}

/*
 * Linear address in segment `seg` of `size` bytes at effective address `ea`; checks limits outside
 * 64-bit mode (raises #GP/#SS). (segment.c)
 */
uint64_t segment_linear_slow(Cpu *cpu, const Op *op, unsigned seg, uint64_t ea, unsigned size,
                             bool write);

/*
 * Segments whose bases and limits need no look in 64-bit and flat modes. Code is never written,
 * which segment_linear_slow() sees to; Op.seg is not SEG_CS in 64-bit mode.
 */
#define FLAT_SEGMENTS (1u << SEG_ES | 1u << SEG_SS | 1u << SEG_DS)

/*
 * A non-canonical linear address misses the TLB and is refused (#GP, or #SS for SEG_SS) in the slow
 * path.
 */
static inline uint64_t op_linear(Cpu *cpu, const Op *op, unsigned size, bool write)
{
    uint64_t ea = op_effective(cpu, op);
    if (likely((cpu->mode & (CPU_MODE_CS64 | CPU_MODE_FLAT)) && (FLAT_SEGMENTS >> op->seg & 1))) {
        return ea;
    }
    if (likely(cpu->mode & CPU_MODE_CS64)) {
        return ea + cpu->seg[op->seg].base;
    }
    return segment_linear_slow(cpu, op, op->seg, ea, size, write);
}

#endif
