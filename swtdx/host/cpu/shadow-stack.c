/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shadow-stack accesses: their translations, and the accesses themselves. */
#include "shadow-stack.h"

#include "block.h"
#include "debug.h"
#include "mmu.h"
#include "walk.h"

/* Fills the entry; returns where `linear` is. */
static uint8_t *look_up(Cpu *cpu, ShadowPage *e, uint64_t linear, CpuAccess access, bool user)
{
    WalkQuery query = { linear, access, user ? TLB_USER : TLB_SUPERVISOR, true };
    uint64_t offset = linear & 0xfff;
    WalkResult walk;
    uint32_t error;
    uint8_t *host;
    if (cpu_long(cpu) && !cpu_canonical(cpu, linear)) {
        cpu_raise(cpu, VEC_GP, exc_ext(cpu));
    }
    if (!walk_translate(cpu, &query, &walk, &error)) {
        cpu->cr2 = linear;
        cpu_raise(cpu, VEC_PF, error);
    }
    host = mmu_phys(cpu, walk.gpa | offset, linear, access);
    *e = (ShadowPage){ linear - offset, host - offset, cpu->linear_epoch, user,
                       access == CPU_WRITE };
    if (access == CPU_WRITE && code_page_test(cpu->group, walk.gpa)) {
        e->epoch = 0; /* each store there must be told */
    }
    return host;
}

/* For host code, which does aligned accesses of the present level to this page from now on. */
static void note_page(Cpu *cpu, const ShadowPage *e)
{
    if (e->writable && e->user == (cpu->cpl == 3) && !cpu->debug_armed) {
        cpu->shadow_page = e->page;
        cpu->shadow_addend = (uintptr_t)e->host - e->page;
    }
}

static uint8_t *host_of(Cpu *cpu, uint64_t linear, CpuAccess access, bool user)
{
    uint64_t page = linear & GUEST_PAGE_MASK;
    ShadowPage *e = &cpu->shadow_pages[(linear >> 12) % SHADOW_PAGES];
    if (likely(e->page == page && e->epoch == cpu->linear_epoch && e->user == user
               && (access == CPU_READ || e->writable))) {
        note_page(cpu, e);
        return e->host + (linear & 0xfff);
    }
    return look_up(cpu, e, linear, access, user);
}

/* The halves of 8 bytes on two pages, neither taken away while the other was looked up. */
static void two_halves(Cpu *cpu, uint64_t linear, CpuAccess access, bool user, uint8_t *host[2])
{
    uint32_t seen;
    do {
        seen = atomic_load(&cpu->core->flush_done);
        host[0] = host_of(cpu, linear, access, user);
        host[1] = host_of(cpu, shadow_address(cpu, linear + 4), access, user);
    } while (atomic_load(&cpu->core->flush_done) != seen);
}

static bool crosses(uint64_t linear, unsigned size)
{
    return (linear & 0xfff) + size > GUEST_PAGE_SIZE;
}

static void watch(Cpu *cpu, uint64_t linear, unsigned size, CpuAccess access)
{
    if (unlikely(cpu->debug_armed)) {
        debug_access(cpu, linear, size, access);
    }
}

uint64_t shadow_load(Cpu *cpu, const Op *op, uint64_t linear, unsigned size, bool user)
{
    uint64_t value = 0;
    cpu->op = op;
    if (unlikely(crosses(linear, size))) {
        uint8_t *host[2];
        two_halves(cpu, linear, CPU_READ, user, host);
        memcpy(&value, host[0], 4);
        memcpy((uint8_t *)&value + 4, host[1], 4);
    } else if (size == 8) {
        memcpy(&value, host_of(cpu, linear, CPU_READ, user), 8);
    } else {
        memcpy(&value, host_of(cpu, linear, CPU_READ, user), 4);
    }
    watch(cpu, linear, size, CPU_READ);
    return value;
}

void shadow_store(Cpu *cpu, const Op *op, uint64_t linear, uint64_t value, unsigned size, bool user)
{
    cpu->op = op;
    if (unlikely(crosses(linear, size))) {
        uint8_t *host[2];
        two_halves(cpu, linear, CPU_WRITE, user, host);
        memcpy(host[0], &value, 4);
        memcpy(host[1], (const uint8_t *)&value + 4, 4);
    } else if (size == 8) {
        memcpy(host_of(cpu, linear, CPU_WRITE, user), &value, 8);
    } else {
        memcpy(host_of(cpu, linear, CPU_WRITE, user), &value, 4);
    }
    watch(cpu, linear, size, CPU_WRITE);
}

bool shadow_exchange(Cpu *cpu, const Op *op, uint64_t linear, uint64_t *expected, uint64_t value,
                     bool user)
{
    _Atomic uint64_t *host;
    bool done;
    cpu->op = op;
    host = (_Atomic uint64_t *)(void *)host_of(cpu, linear, CPU_WRITE, user);
    done = atomic_compare_exchange_strong(host, expected, value);
    watch(cpu, linear, 8, CPU_WRITE);
    return done;
}
