/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Sapphire Rapids host with TDX module 1.5.05. */
#include "host.h"

#include <string.h>

#include "tdvf-builder.h"

typedef struct Row {
    uint32_t function, index, regs[4];
} Row;

/* What the processor has, where it matters here. */
static const Row native[] = {
    { 0x1, 0, { 0x000806f8, 0x00800800, 0x7ffefbff, 0xbfebfbff } },
    { 0x4, 0, { 0xfc004121, 0x02c0003f, 0x3f, 0 } },
    { 0x4, 1, { 0xfc004122, 0x01c0003f, 0x3f, 0 } },
    { 0x4, 2, { 0xfc01c143, 0x03c0003f, 0x7ff, 0 } },
    { 0x4, 3, { 0xfc1fc163, 0x0380003f, 0x1bfff, 4 } },
    { 0x7, 0, { 2, 0xf3bfbfff, 0xfb417ffe, 0xffdd4432 } },
    { 0x7, 1, { 0x00201c30, 0, 0, 0 } },
    { 0x7, 2, { 0, 0, 0, 0x00000037 } },
    { 0xd, 0, { 0x000602e7, 0, 0x2b00, 0 } },
    { 0xd, 1, { 0x1f, 0, 0x00019900, 0 } },
    { 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
    { 0x80000007, 0, { 0, 0, 0, 0x100 } },
    { 0x80000008, 0, { 0x3934, 0x200, 0, 0 } },
};

/* KVM_TDX_CAPABILITIES: direct masks, and allowed masks AND native; HLE, RTM, WAITPKG out. */
static const Row configurable[] = {
    { 0x1, 0, { 0x0fff3fff, 0x00ff0000, 0x31044d88, 0xb8440000 } },
    { 0x4, 0, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 1, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 2, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0xfffffffb } },
    { 0x4, 3, { 0xffffc3ff, 0xfffff000, 0xffffffff, 0x00000007 } },
    { 0x7, 0, { 0, 0xd02b9308, 0x02417f44, 0x00054010 } },
    { 0x7, 1, { 0x00001c30, 0, 0, 0 } },
    { 0xa, 0, { 0, 0, 0, 0 } },
    { 0x1c, 0, { 0x0000000b, 0, 0, 0 } },
    { 0x80000008, 0, { 0x00ff0000, 0x200, 0, 0 } },
    { 0x7, 2, { 0, 0, 0, 0x20 } },
    { 0x23, 0, { 0, 0, 0, 0 } },
    { 0x1f, 0, { 0x1f, 0xffff, 0xffff, 0 } },
    { 0x1f, 1, { 0x1f, 0xffff, 0xffff, 0 } },
    { 0x1f, 2, { 0x1f, 0xffff, 0xffff, 0 } },
    { 0x1f, 3, { 0x1f, 0xffff, 0xffff, 0 } },
    { 0x1f, 4, { 0x1f, 0xffff, 0xffff, 0 } },
    { 0x1f, 5, { 0x1f, 0xffff, 0xffff, 0 } },
};

/* KVM_GET_SUPPORTED_CPUID. */
static const Row supported[] = {
    { 0x1, 0, { 0x000806f8, 0x00800800, 0xfffa3203 | 1u << 31, 0x0f8bfbff } },
    { 0x4, 0, { 0xfc004121, 0x02c0003f, 0x3f, 0 } },
    { 0x4, 1, { 0xfc004122, 0x01c0003f, 0x3f, 0 } },
    { 0x4, 2, { 0xfc01c143, 0x03c0003f, 0x7ff, 0 } },
    { 0x4, 3, { 0xfc1fc163, 0x0380003f, 0x1bfff, 4 } },
    { 0x7, 0, { 2, 0xf1bf07ab, 0x1b415f6e, 0xffc04410 } },
    { 0x7, 1, { 0x00001c30, 0, 0, 0 } },
    { 0x7, 2, { 0, 0, 0, 0x37 } },
    { 0xd, 0, { 0x000602e7, 0, 0x2b00, 0 } },
    { 0xd, 1, { 0x1f, 0, 0, 0 } },
    { 0x40000000, 0, { 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d } },
    { 0x40000001, 0, { 0x0100fefb, 0, 0, 0 } },
    { 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
    { 0x80000007, 0, { 0, 0, 0, 0x100 } },
    { 0x80000008, 0, { 0x00343934, 0x0100d200, 0, 0 } },
};

static CpuidTable *make_table(const Row *rows, unsigned count, bool with_flags)
{
    CpuidTable *table = cpuid_table_new();

    for (unsigned i = 0; i < count; i++) {
        CpuidEntry e = { rows[i].function, rows[i].index, 0 };
        e.flags = with_flags && cpuid_has_subleaves(rows[i].function) ? CPUID_FLAG_SIGNIFICANT_INDEX
                                                                      : 0;
        memcpy(e.regs, rows[i].regs, sizeof(e.regs));
        g_array_append_val(table->entries, e);
    }
    return table;
}

TdxCapabilities *test_host_new(bool cet)
{
    TdxCapabilities *host = g_new0(TdxCapabilities, 1);

    host->supported_attrs = 0x10000000;
    host->supported_xfam = cet ? 0x61ae7 : 0x602e7;
    host->user_tdvmcallinfo_1_r11 = 2;
    host->configurable = make_table(configurable, G_N_ELEMENTS(configurable), false);
    host->supported = make_table(supported, G_N_ELEMENTS(supported), true);
    if (cet) {
        CpuidEntry *e = cpuid_table_find(host->supported, 7, 0);
        e->regs[CPUID_ECX] |= 1u << 7;
        e->regs[CPUID_EDX] |= 1u << 20;
    }
    host->tsc_khz = 2112345;
    host->max_vcpus = 64;
    return host;
}

static uint32_t native_value(uint32_t function, uint32_t index, unsigned reg)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(native); i++) {
        if (native[i].function == function && native[i].index == index) {
            return native[i].regs[reg];
        }
    }
    return 0;
}

/* Fixed bits of the words the tests look at. */
static const struct {
    uint32_t function, index;
    unsigned reg;
    uint32_t fixed1, native; /* always 1; shown as the processor has it */
} word_rules[] = {
    { 1, 0, CPUID_ECX, 0xc6faa217, 0x00001000 }, { 1, 0, CPUID_EDX, 0x07a9fbff, 0 },
    { 7, 0, CPUID_EBX, 0x219424c1, 0x02000020 }, { 7, 0, CPUID_ECX, 0x19000000, 0x0000008a },
    { 7, 0, CPUID_EDX, 0xfc000400, 0x03d80020 }, { 7, 1, CPUID_EAX, 0, 0 },
    { 7, 2, CPUID_EDX, 0x17, 0 },
    { 0xd, 1, CPUID_EAX, 0xf, 0x10 }, { 0x80000001, 0, CPUID_ECX, 0x121, 0 },
    { 0x80000001, 0, CPUID_EDX, 0x2c100000, 0 }, { 0x80000007, 0, CPUID_EDX, 0x100, 0 },
};

/* Bits gone when an XFAM component is off. */
static const struct {
    uint64_t xfam;
    uint32_t function, index;
    unsigned reg;
    uint32_t mask;
} gates[] = {
    { 1 << 2, 1, 0, CPUID_ECX, 0x30001000 }, { 1 << 2, 7, 0, CPUID_EBX, 0x20 },
    { 1 << 2, 7, 0, CPUID_ECX, 0x600 },
    { 1 << 2, 7, 1, CPUID_EAX, 0x10 }, { 0xe0, 7, 0, CPUID_EBX, 0xdc230000 },
    { 0xe0, 7, 0, CPUID_ECX, 0x5842 },
    { 0xe0, 7, 0, CPUID_EDX, 0x0080010c }, { 0xe0, 7, 1, CPUID_EAX, 0x20 },
    { 1 << 8, 7, 0, CPUID_EBX, 0x02000000 },
    { 1 << 9, 7, 0, CPUID_ECX, 8 }, { 0x1800, 7, 0, CPUID_ECX, 0x80 },
    { 0x1800, 7, 0, CPUID_EDX, 0x100000 },
    { 1 << 14, 7, 0, CPUID_EDX, 0x20 }, { 1 << 15, 7, 0, CPUID_EDX, 0x80000 },
    { 0x60000, 7, 0, CPUID_EDX, 0x03400000 },
    { 0x60000, 0xd, 1, CPUID_EAX, 0x10 },
};

CpuidTable *test_host_module(const TdxPlan *plan, const TdxCapabilities *host)
{
    CpuidTable *table = cpuid_table_new();

    for (unsigned i = 0; i < cpuid_table_size(plan->init_cpuid); i++) {
        const CpuidEntry *c = cpuid_table_at(plan->init_cpuid, i);
        const CpuidEntry *d = cpuid_table_find_exact(host->configurable, c->function, c->index);
        CpuidEntry *e = cpuid_table_ensure(table, c->function, c->index, c->flags);
        for (unsigned reg = 0; reg < 4; reg++) {
            /* what KVM or the module would refuse */
            g_assert_cmphex(c->regs[reg] & ~d->regs[reg], ==, 0);
            e->regs[reg] = c->regs[reg];
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(word_rules); i++) {
        uint32_t flags = cpuid_has_subleaves(word_rules[i].function) ? CPUID_FLAG_SIGNIFICANT_INDEX
                                                                     : 0;
        CpuidEntry *e = cpuid_table_ensure(table, word_rules[i].function, word_rules[i].index,
                                           flags);
        unsigned reg = word_rules[i].reg;
        e->regs[reg] |= word_rules[i].fixed1 |
                        (native_value(word_rules[i].function, word_rules[i].index, reg) &
                         word_rules[i].native);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(gates); i++) {
        CpuidEntry *e = cpuid_table_find(table, gates[i].function, gates[i].index);
        if (e && (plan->xfam & gates[i].xfam) != gates[i].xfam) {
            e->regs[gates[i].reg] &= ~gates[i].mask;
        }
    }
    CpuidEntry *e = cpuid_table_ensure(table, 0, 0, 0);
    memcpy(e->regs, (uint32_t[]){ 0x23, 0x756e6547, 0x6c65746e, 0x49656e69 }, sizeof(e->regs));
    e = cpuid_table_find(table, 1, 0);
    e->regs[CPUID_EAX] = 0x806f8;
    e->regs[CPUID_EBX] |= 0x800;
    e = cpuid_table_ensure(table, 0x80000000, 0, 0);
    e->regs[CPUID_EAX] = 0x80000008;
    e = cpuid_table_find(table, 0x80000008, 0);
    e->regs[CPUID_EAX] = 52 | 57 << 8 | plan->gpaw << 16;
    cpuid_table_sort(table);
    return table;
}

TdxPlan *test_host_plan_with(const char *cpu, unsigned vcpus, const TdxCapabilities *host,
                             Bytes firmware, GError **errp)
{
    g_autoptr(TdxGuestConfig) guest = tdx_guest_config_new("tdx0");
    g_autoptr(CpuModelRequest) model = cpu_model_parse(cpu, errp);
    CpuTopology topology = { .cpus = vcpus };

    if (!model) {
        return NULL;
    }
    g_assert_true(cpu_topology_complete(&topology, NULL));
    TdxPlanInput in = { guest, model, &topology, 2 * GiB, firmware, "fw", host };
    return tdx_plan_new(&in, errp);
}

TdxPlan *test_host_plan(const char *cpu, unsigned vcpus, const TdxCapabilities *host,
                        uint8_t **file, GError **errp)
{
    g_autoptr(TdvfBuilder) b = tdvf_builder_new(1);

    tdvf_builder_build(b);
    *file = g_steal_pointer(&b->file);
    return test_host_plan_with(cpu, vcpus, host, (Bytes){ *file, b->size }, errp);
}
