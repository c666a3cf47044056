/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID as values: entries, tables, look-up. The layout of an entry is that of struct
 * kvm_cpuid_entry2 (40 bytes).
 */
#ifndef TARGET_I386_CPUID_H
#define TARGET_I386_CPUID_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum CpuidReg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX } CpuidReg;
#define CPUID_FLAG_SIGNIFICANT_INDEX 1u

typedef struct CpuidEntry {
    uint32_t function, index, flags;
    uint32_t regs[4]; /* by CpuidReg */
    uint32_t padding[3];
} CpuidEntry;

/* Owns its entries; order is that of insertion until cpuid_table_sort(). */
typedef struct CpuidTable {
    GArray *entries; /* of CpuidEntry */
} CpuidTable;

CpuidTable *cpuid_table_new(void);
CpuidTable *cpuid_table_copy(const CpuidTable *table);
void cpuid_table_free(CpuidTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CpuidTable, cpuid_table_free)

unsigned cpuid_table_size(const CpuidTable *table);
CpuidEntry *cpuid_table_at(const CpuidTable *table, unsigned i);
/*
 * The entry of a leaf and sub-leaf (index is ignored where the entry's flag says it is not
 * significant), or NULL.
 */
CpuidEntry *cpuid_table_find(const CpuidTable *table, uint32_t function, uint32_t index);
/*
 * The entry of exactly this leaf and sub-leaf, whatever its flag: for KVM_TDX_CAPABILITIES, which
 * never sets it.
 */
CpuidEntry *cpuid_table_find_exact(const CpuidTable *table, uint32_t function, uint32_t index);
/*
 * Whether Intel defines sub-leaves for the leaf, so that its entries carry
 * CPUID_FLAG_SIGNIFICANT_INDEX.
 */
bool cpuid_has_subleaves(uint32_t function);
/*
 * The same as cpuid_table_find(), made with zeroes if absent. flags: CPUID_FLAG_SIGNIFICANT_INDEX
 * or 0.
 */
CpuidEntry *cpuid_table_ensure(CpuidTable *table, uint32_t function, uint32_t index,
                               uint32_t flags);
/* Removes all sub-leaves of a leaf. */
void cpuid_table_remove(CpuidTable *table, uint32_t function);
/* By function, then index. */
void cpuid_table_sort(CpuidTable *table);

#endif
