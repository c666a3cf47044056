/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page walks: 5-level, 4-level, PAE and 32-bit paging, rights, accessed and dirty bits. */
#include "walk.h"

#include "core.h"

#define PTE_P (UINT64_C(1) << 0)
#define PTE_W (UINT64_C(1) << 1)
#define PTE_U (UINT64_C(1) << 2)
#define PTE_A (UINT64_C(1) << 5)
#define PTE_D (UINT64_C(1) << 6)
#define PTE_PS (UINT64_C(1) << 7)
#define PTE_G (UINT64_C(1) << 8)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

#define MAX_LEVELS 5

/* One entry on the way down. */
typedef struct Step {
    uint64_t gpa;
    uint64_t entry;
} Step;

typedef struct Walk {
    Step step[MAX_LEVELS];
    unsigned steps;
    uint64_t leaf_gpa;      /* first byte of the page, of whatever size */
    unsigned page_shift;
    bool user, writable, nx;
    bool peek;              /* without effects */
} Walk;

static const uint8_t *peek_phys(Cpu *cpu, uint64_t gpa)
{
    const uint8_t *page = cpu->world->peek ? cpu->world->peek(cpu, gpa & ~UINT64_C(0xfff)) : NULL;
    return page ? page + (gpa & 0xfff) : NULL;
}

static uint64_t read_entry(Cpu *cpu, const Walk *walk, uint64_t gpa, uint64_t linear, unsigned size)
{
    const uint8_t *host = walk->peek ? peek_phys(cpu, gpa) : mmu_phys(cpu, gpa, linear, CPU_READ);
    if (!host) {
        return 0;
    }
    if (size == 4) {
        return atomic_load_explicit((const _Atomic uint32_t *)(const void *)host,
                                    memory_order_relaxed);
    }
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)host, memory_order_relaxed);
}

/*
 * Bits 51:phys_bits, where the shared bit is an address bit whatever its place (TDX module
 * specification, GPA width).
 */
static uint64_t reserved_address(const Cpu *cpu)
{
    return PTE_ADDRESS & ~((UINT64_C(1) << cpu->phys_bits) - 1) & ~cpu->shared_bit;
}

static void add_step(Walk *walk, uint64_t gpa, uint64_t entry)
{
    walk->step[walk->steps++] = (Step){ gpa, entry };
    walk->user = walk->user && (entry & PTE_U);
    walk->writable = walk->writable && (entry & PTE_W);
    walk->nx = walk->nx || (entry & PTE_NX);
}

/* SDM vol. 3, 4.5.4 tables 4-14 to 4-20: what must be 0 in an entry at `shift` (12 = PTE). */
static uint64_t reserved_long(const Cpu *cpu, uint64_t entry, unsigned shift)
{
    uint64_t reserved = reserved_address(cpu);
    if (!(cpu->efer & EFER_NXE)) {
        reserved |= PTE_NX;
    }
    if (shift >= 39 || (shift == 30 && !cpu->gb_pages)) {
        reserved |= PTE_PS;
    } else if (shift > 12 && (entry & PTE_PS)) {
        reserved |= ((UINT64_C(1) << shift) - 1) & ~UINT64_C(0x1fff);
    }
    return reserved;
}

/* Levels of 8-byte entries from `shift` down. False: *error has P or RSVD. */
static bool descend(Cpu *cpu, Walk *walk, uint64_t table, unsigned shift, uint64_t linear, bool pae,
                    uint32_t *error)
{
    for (;; shift -= 9) {
        uint64_t gpa = table + ((linear >> shift) & 0x1ff) * 8;
        uint64_t entry = read_entry(cpu, walk, gpa, linear, 8);
        uint64_t reserved = reserved_long(cpu, entry, shift);
        if (!(entry & PTE_P)) {
            *error = 0;
            return false;
        }
        if (pae) {
            reserved |= UINT64_C(0x7ff0000000000000); /* SDM vol. 3, table 4-11: bits 62:52 are
                                                         reserved with PAE paging */
        }
        if (entry & reserved) {
            *error = PF_P | PF_RSVD;
            return false;
        }
        add_step(walk, gpa, entry);
        if (shift == 12 || (entry & PTE_PS)) {
            walk->page_shift = shift;
            walk->leaf_gpa = entry & PTE_ADDRESS & ~((UINT64_C(1) << shift) - 1);
            return true;
        }
        table = entry & PTE_ADDRESS;
    }
}

/*
 * SDM vol. 3, 4.4.1. The PDPTEs are read here, not at MOV to CR3: a guest that edits them reloads
 * CR3 anyway.
 */
static bool walk_pae(Cpu *cpu, Walk *walk, uint64_t linear, uint32_t *error)
{
    uint64_t gpa = (cpu->cr3 & UINT64_C(0xffffffe0)) + ((linear >> 30) & 3) * 8;
    uint64_t entry = read_entry(cpu, walk, gpa, linear, 8);
    if (!(entry & PTE_P)) {
        *error = 0;
        return false;
    }
    if (entry & (reserved_address(cpu) | UINT64_C(0xfff00000000001e6))) {
        *error = PF_P | PF_RSVD;
        return false;
    }
    return descend(cpu, walk, entry & PTE_ADDRESS, 21, linear, true, error);
}

/* SDM vol. 3, 4.3, with PSE-36. */
static bool walk_32(Cpu *cpu, Walk *walk, uint64_t linear, uint32_t *error)
{
    uint64_t gpa = (cpu->cr3 & UINT64_C(0xfffff000)) + ((linear >> 22) & 0x3ff) * 4;
    uint64_t entry = read_entry(cpu, walk, gpa, linear, 4);
    if (!(entry & PTE_P)) {
        *error = 0;
        return false;
    }
    if ((entry & PTE_PS) && (cpu->cr4 & CR4_PSE)) {
        if (entry & (UINT64_C(1) << 21)) {
            *error = PF_P | PF_RSVD;
            return false;
        }
        add_step(walk, gpa, entry);
        walk->page_shift = 22;
        walk->leaf_gpa = (entry & UINT64_C(0xffc00000)) | ((entry >> 13) & 0xff) << 32;
        return true;
    }
    add_step(walk, gpa, entry);
    gpa = (entry & UINT64_C(0xfffff000)) + ((linear >> 12) & 0x3ff) * 4;
    entry = read_entry(cpu, walk, gpa, linear, 4);
    if (!(entry & PTE_P)) {
        *error = 0;
        return false;
    }
    add_step(walk, gpa, entry);
    walk->page_shift = 12;
    walk->leaf_gpa = entry & UINT64_C(0xfffff000);
    return true;
}

static bool walk_structures(Cpu *cpu, Walk *walk, uint64_t linear, bool peek, uint32_t *error)
{
    *walk = (Walk){ .user = true, .writable = true, .peek = peek };
    if (cpu_long(cpu)) {
        return descend(cpu, walk, cpu->cr3 & PTE_ADDRESS, cpu->cr4 & CR4_LA57 ? 48 : 39, linear,
                       false, error);
    }
    if (cpu->cr4 & CR4_PAE) {
        return walk_pae(cpu, walk, linear, error);
    }
    return walk_32(cpu, walk, linear, error);
}

/*
 * Access-disable and write-disable of the page's protection key (SDM vol. 3, 4.6.2): bit 0 and bit
 * 1.
 */
static unsigned key_rights(const Cpu *cpu, const Walk *walk)
{
    unsigned key = walk->step[walk->steps - 1].entry >> 59 & 15;
    if (!cpu_long(cpu) || !(cpu->cr4 & (walk->user ? CR4_PKE : CR4_PKS))) {
        return 0;
    }
    return (walk->user ? cpu->pkru : (uint32_t)cpu->pkrs) >> (2 * key) & 3;
}

/*
 * SDM vol. 3, 4.6: the entry that maps a shadow-stack page is read-only and dirty, those above it
 * allow writes.
 */
static bool is_shadow_page(const Walk *walk)
{
    unsigned last = walk->steps - 1;
    for (unsigned i = 0; i < last; i++) {
        if (!(walk->step[i].entry & PTE_W)) {
            return false;
        }
    }
    return (walk->step[last].entry & (PTE_W | PTE_D)) == PTE_D;
}

/* SDM vol. 3, 4.6.1, without protection keys. */
static bool refused_by_mode(const Cpu *cpu, const Walk *walk, CpuAccess access, unsigned kind)
{
    bool user = kind == TLB_USER;
    if (user && !walk->user) {
        return true;
    }
    if (access == CPU_FETCH) {
        return walk->nx || (!user && walk->user && (cpu->cr4 & CR4_SMEP));
    }
    if (!user && walk->user && kind != TLB_SUPERVISOR_AC && (cpu->cr4 & CR4_SMAP)) {
        return true;
    }
    return access == CPU_WRITE && !walk->writable && (user || (cpu->cr0 & CR0_WP));
}

static bool refused_by_key(const Cpu *cpu, const Walk *walk, CpuAccess access, unsigned kind)
{
    unsigned key;
    if (access == CPU_FETCH || (kind == TLB_USER && !walk->user)) {
        return false;
    }
    key = key_rights(cpu, walk);
    return (key & 1) ||
           ((key & 2) && access == CPU_WRITE && (kind == TLB_USER || (cpu->cr0 & CR0_WP)));
}

/*
 * 0 = allowed, else the error bits beside W, U, I. What a key forbids is told also when more is
 * forbidden (SDM vol. 3, 4.7).
 */
static uint32_t refuse(const Cpu *cpu, const Walk *walk, CpuAccess access, unsigned kind)
{
    if (refused_by_key(cpu, walk, access, kind)) {
        return PF_P | PF_PK;
    }
    return refused_by_mode(cpu, walk, access, kind) ? PF_P : 0;
}

/* They are to shadow-stack pages of their own level's kind (4.6.1). CR0.WP is set then. */
static uint32_t refuse_shadow(const Cpu *cpu, const Walk *walk, CpuAccess access, unsigned kind)
{
    if (refused_by_key(cpu, walk, access, kind)) {
        return PF_P | PF_PK;
    }
    return (kind == TLB_USER) != walk->user || !is_shadow_page(walk) ? PF_P : 0;
}

/* Sets bits in an entry that must still be what was read. */
static bool mark_entry(Cpu *cpu, Step *step, uint64_t bits, uint64_t linear, bool wide)
{
    uint8_t *host;
    bool done;
    if ((step->entry & bits) == bits) {
        return true;
    }
    host = mmu_phys(cpu, step->gpa, linear, CPU_WRITE);
    if (wide) {
        uint64_t expected = step->entry;
        done = atomic_compare_exchange_strong((_Atomic uint64_t *)(void *)host, &expected,
                                              expected | bits);
    } else {
        uint32_t expected = (uint32_t)step->entry;
        done = atomic_compare_exchange_strong((_Atomic uint32_t *)(void *)host, &expected,
                                              expected | (uint32_t)bits);
    }
    step->entry |= bits;
    return done;
}

static bool mark_walk(Cpu *cpu, Walk *walk, const WalkQuery *query)
{
    bool wide = cpu_long(cpu) || (cpu->cr4 & CR4_PAE);
    for (unsigned i = 0; i < walk->steps; i++) {
        bool leaf = i + 1 == walk->steps;
        uint64_t bits = PTE_A | (leaf && query->access == CPU_WRITE ? PTE_D : 0);
        if (!mark_entry(cpu, &walk->step[i], bits, query->linear, wide)) {
            return false;
        }
    }
    return true;
}

static uint32_t access_error(const Cpu *cpu, const WalkQuery *query)
{
    uint32_t error = (query->kind == TLB_USER ? PF_U : 0) | (query->shadow ? PF_SS : 0);
    if (query->access == CPU_WRITE) {
        error |= PF_W;
    }
    /* SDM vol. 3, 4.7: I/D is reported only where fetches are told apart. */
    if (query->access == CPU_FETCH &&
        ((cpu->cr4 & CR4_SMEP) || ((cpu->efer & EFER_NXE) && (cpu->cr4 & CR4_PAE)))) {
        error |= PF_I;
    }
    return error;
}

static uint64_t leaf_page(const Walk *walk, uint64_t linear)
{
    return walk->leaf_gpa | (linear & ((UINT64_C(1) << walk->page_shift) - 1) & ~UINT64_C(0xfff));
}

bool walk_peek(Cpu *cpu, uint64_t linear, uint64_t *gpa)
{
    Walk walk;
    uint32_t error;
    if (!(cpu->cr0 & CR0_PG)) {
        *gpa = linear & UINT64_C(0xffffffff);
        return true;
    }
    if (!walk_structures(cpu, &walk, linear, true, &error)) {
        return false;
    }
    *gpa = leaf_page(&walk, linear) | (linear & 0xfff);
    return true;
}

bool walk_translate(Cpu *cpu, const WalkQuery *query, WalkResult *result, uint32_t *error)
{
    Walk walk;
    uint64_t leaf;

    if (!(cpu->cr0 & CR0_PG)) {
        *result = (WalkResult){ .gpa = query->linear & UINT64_C(0xfffff000), .writable = true,
                                .dirty = true, .user = true };
        return true;
    }
    do {
        if (!walk_structures(cpu, &walk, query->linear, false, error)) {
            *error |= access_error(cpu, query);
            return false;
        }
        *error = query->shadow ? refuse_shadow(cpu, &walk, query->access, query->kind)
                               : refuse(cpu, &walk, query->access, query->kind);
        if (*error) {
            *error |= access_error(cpu, query);
            return false;
        }
    } while (!mark_walk(cpu, &walk, query));

    leaf = walk.step[walk.steps - 1].entry;
    *result = (WalkResult){
        .gpa = leaf_page(&walk, query->linear),
        .writable = refuse(cpu, &walk, CPU_WRITE, query->kind) == 0,
        .dirty = leaf & PTE_D,
        .user = walk.user,
        .global = (leaf & PTE_G) && (cpu->cr4 & CR4_PGE),
        .large = walk.page_shift > 12,
    };
    return true;
}
