/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID leaves that tell the guest how its vCPUs lie together: 4, 0xB, 0x1F (Intel SDM vol. 2A,
 * CPUID).
 */
#include "target/i386/kvm/tdx-cpuid.h"

#include <string.h>

#define LEVEL_SMT 1u
#define LEVEL_CORE 2u
#define LEVEL_MODULE 3u
#define LEVEL_DIE 5u

#define CACHE_SUBLEAVES 4u /* the module lets the VMM describe four caches */

unsigned tdx_topology_logical_ids(const CpuTopology *topology)
{
    return MIN(1u << MIN(cpu_topology_shift_die(topology), 8), 255u);
}

static CpuidEntry *set_level(CpuidTable *table, uint32_t leaf, unsigned *sub, unsigned type,
                             unsigned shift, unsigned count)
{
    CpuidEntry *e = cpuid_table_ensure(table, leaf, *sub, CPUID_FLAG_SIGNIFICANT_INDEX);

    e->regs[CPUID_EAX] = shift;
    e->regs[CPUID_EBX] = MIN(count, 0xffffu);
    e->regs[CPUID_ECX] = *sub | type << 8;
    (*sub)++;
    return e;
}

/*
 * Sub-leaves up to and including the one of type 0 that ends the list. Only levels that -smp names
 * exist.
 */
static void fill_1f(CpuidTable *table, const CpuTopology *t)
{
    unsigned sub = 0, count = t->threads;

    set_level(table, 0x1f, &sub, LEVEL_SMT, cpu_topology_shift_smt(t), count);
    count *= t->cores;
    set_level(table, 0x1f, &sub, LEVEL_CORE, cpu_topology_shift_core(t), count);
    count *= t->modules;
    if (t->modules > 1) {
        set_level(table, 0x1f, &sub, LEVEL_MODULE, cpu_topology_shift_module(t), count);
    }
    count *= t->dies;
    if (t->dies > 1) {
        set_level(table, 0x1f, &sub, LEVEL_DIE, cpu_topology_shift_die(t), count);
    }
    set_level(table, 0x1f, &sub, 0, 0, 0);
}

/* Leaf 0xB knows threads and cores only: the core level reaches up to the package. */
static void fill_b(CpuidTable *table, const CpuTopology *t)
{
    unsigned sub = 0;

    set_level(table, 0xb, &sub, LEVEL_SMT, cpu_topology_shift_smt(t), t->threads);
    set_level(table, 0xb, &sub, LEVEL_CORE, cpu_topology_shift_die(t),
              t->threads * t->cores * t->modules * t->dies);
    set_level(table, 0xb, &sub, 0, 0, 0);
}

/*
 * The host's cache geometry, shared as the guest's topology has it: levels 1 and 2 in a core,
 * higher ones in a die.
 */
static void fill_4(CpuidTable *table, const CpuTopology *t, const CpuidTable *supported)
{
    unsigned cores = MIN(1u << (cpu_topology_shift_die(t) - cpu_topology_shift_smt(t)), 64u);

    for (unsigned sub = 0; sub < CACHE_SUBLEAVES; sub++) {
        const CpuidEntry *host = cpuid_table_find(supported, 4, sub);
        if (!host || (host->regs[CPUID_EAX] & 0x1f) == 0) {
            continue;
        }
        unsigned level = host->regs[CPUID_EAX] >> 5 & 7;
        unsigned shift = level >= 3 ? cpu_topology_shift_module(t) : cpu_topology_shift_smt(t);
        CpuidEntry *e = cpuid_table_ensure(table, 4, sub, CPUID_FLAG_SIGNIFICANT_INDEX);
        memcpy(e->regs, host->regs, sizeof(e->regs));
        e->regs[CPUID_EAX] = (host->regs[CPUID_EAX] & 0x3fff) |
                             MIN((1u << shift) - 1, 0xfffu) << 14 | (cores - 1) << 26;
    }
}

void tdx_topology_fill(CpuidTable *table, const CpuTopology *topology, const CpuidTable *supported)
{
    fill_4(table, topology, supported);
    fill_1f(table, topology);
}

void tdx_topology_fill_vcpu(CpuidTable *table, const CpuTopology *topology, uint32_t apic_id)
{
    cpuid_table_remove(table, 0xb);
    cpuid_table_remove(table, 0x1f);
    fill_b(table, topology);
    fill_1f(table, topology);
    for (unsigned i = 0; i < cpuid_table_size(table); i++) {
        CpuidEntry *e = cpuid_table_at(table, i);
        if (e->function == 0xb || e->function == 0x1f) {
            e->regs[CPUID_EDX] = apic_id;
        }
    }
}
