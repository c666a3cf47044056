/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of CPUID entries. */
#include "target/i386/cpuid.h"

CpuidTable *cpuid_table_new(void)
{
    CpuidTable *table = g_new0(CpuidTable, 1);

    table->entries = g_array_new(FALSE, TRUE, sizeof(CpuidEntry));
    return table;
}

CpuidTable *cpuid_table_copy(const CpuidTable *table)
{
    CpuidTable *copy = cpuid_table_new();

    if (table->entries->len) {
        g_array_append_vals(copy->entries, table->entries->data, table->entries->len);
    }
    return copy;
}

void cpuid_table_free(CpuidTable *table)
{
    if (table) {
        g_array_unref(table->entries);
        g_free(table);
    }
}

unsigned cpuid_table_size(const CpuidTable *table)
{
    return table->entries->len;
}

CpuidEntry *cpuid_table_at(const CpuidTable *table, unsigned i)
{
    return &g_array_index(table->entries, CpuidEntry, i);
}

CpuidEntry *cpuid_table_find(const CpuidTable *table, uint32_t function, uint32_t index)
{
    for (unsigned i = 0; i < table->entries->len; i++) {
        CpuidEntry *entry = cpuid_table_at(table, i);
        if (entry->function == function &&
            (!(entry->flags & CPUID_FLAG_SIGNIFICANT_INDEX) || entry->index == index)) {
            return entry;
        }
    }
    return NULL;
}

CpuidEntry *cpuid_table_find_exact(const CpuidTable *table, uint32_t function, uint32_t index)
{
    for (unsigned i = 0; i < table->entries->len; i++) {
        CpuidEntry *entry = cpuid_table_at(table, i);
        if (entry->function == function && entry->index == index) {
            return entry;
        }
    }
    return NULL;
}

bool cpuid_has_subleaves(uint32_t function)
{
    static const uint32_t leaves[] = { 0x4, 0x7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1b,
                                       0x1d, 0x1e, 0x1f,
                                       0x20, 0x23, 0x24, 0x29, 0x8000001d };

    for (unsigned i = 0; i < G_N_ELEMENTS(leaves); i++) {
        if (leaves[i] == function) {
            return true;
        }
    }
    return false;
}

void cpuid_table_remove(CpuidTable *table, uint32_t function)
{
    for (unsigned i = table->entries->len; i-- > 0;) {
        if (cpuid_table_at(table, i)->function == function) {
            g_array_remove_index(table->entries, i);
        }
    }
}

CpuidEntry *cpuid_table_ensure(CpuidTable *table, uint32_t function, uint32_t index, uint32_t flags)
{
    CpuidEntry *found = cpuid_table_find(table, function, index);

    if (found) {
        return found;
    }
    CpuidEntry entry = { .function = function, .index = index, .flags = flags };
    g_array_append_val(table->entries, entry);
    return cpuid_table_at(table, table->entries->len - 1);
}

static int compare_entries(const void *a, const void *b)
{
    const CpuidEntry *x = a, *y = b;

    if (x->function != y->function) {
        return x->function < y->function ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

void cpuid_table_sort(CpuidTable *table)
{
    g_array_sort(table->entries, compare_entries);
}
