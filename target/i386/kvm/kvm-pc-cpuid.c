/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID of an ordinary VM (Intel SDM vol. 2A, CPUID; Linux Documentation/virt/kvm/api.rst,
 * KVM_GET_SUPPORTED_CPUID).
 */
#include <string.h>

#include "target/i386/kvm/kvm-pc.h"
#include "target/i386/kvm/tdx-cpuid.h"

#define LEAF1_EDX_HTT (1u << 28)
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF1_ECX_X2APIC (1u << 21)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define KVM_FEATURES_LEAF 0x40000001u

static bool is_named(const CpuModelRequest *cpu)
{
    return cpu->model_features != NULL;
}

static CpuidEntry *entry_of(CpuidTable *table, const CpuFeature *feature)
{
    return cpuid_table_find(table, feature->function, feature->index);
}

/*
 * A named model has its own features and no others; leaves that hold no features stay the host's.
 */
static void limit_to_model(CpuidTable *table, const CpuModelRequest *cpu,
                           const CpuidTable *supported)
{
    unsigned count;
    const CpuFeature *all = cpu_features(&count);

    for (unsigned i = 0; i < count; i++) {
        CpuidEntry *e = CPU_FEATURE_IS_MSR(all[i].function) || all[i].function == KVM_FEATURES_LEAF
                            ? NULL
                            : entry_of(table, &all[i]);
        if (e) {
            e->regs[all[i].reg] &= ~(1u << all[i].bit);
        }
    }
    for (unsigned i = 0; i < cpu->model_features->len; i++) {
        const CpuFeature *f = g_array_index(cpu->model_features, const CpuFeature *, i);
        const CpuidEntry *host = CPU_FEATURE_IS_MSR(f->function)
                                     ? NULL
                                     : cpuid_table_find(supported, f->function, f->index);
        if (host) {
            entry_of(table, f)->regs[f->reg] |= host->regs[f->reg] & 1u << f->bit;
        }
    }
    CpuidEntry *one = cpuid_table_ensure(table, 1, 0, 0);
    const CpuidEntry *host = cpuid_table_find(supported, 1, 0);
    one->regs[CPUID_ECX] |= host ? host->regs[CPUID_ECX] &
                                       (LEAF1_ECX_X2APIC | LEAF1_ECX_TSC_DEADLINE)
                                 : 0;
}

static void warn(GPtrArray *warnings, const CpuFeature *f)
{
    static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };
    const char *reg = registers[f->reg];

    g_ptr_array_add(
        warnings,
        f->has_index
            ? g_strdup_printf(
                  "host doesn't support requested feature: CPUID.(%02XH,%02XH):%s.%s [bit %u]",
                  f->function, f->index, reg, f->name, f->bit)
            : g_strdup_printf("host doesn't support requested feature: CPUID.%02XH:%s.%s [bit %u]",
                              f->function, reg, f->name, f->bit));
}

static void apply_request(CpuidTable *table, const CpuFeatureRequest *request,
                          const CpuidTable *supported, GPtrArray *warnings)
{
    const CpuFeature *f = request->feature;
    const CpuidEntry *host = CPU_FEATURE_IS_MSR(f->function)
                                 ? NULL
                                 : cpuid_table_find(supported, f->function, f->index);
    uint32_t bit = 1u << f->bit;

    if (request->on && (!host || !(host->regs[f->reg] & bit))) {
        warn(warnings, f);
    } else if (host) {
        uint32_t *reg = &entry_of(table, f)->regs[f->reg];
        *reg = request->on ? *reg | bit : *reg & ~bit;
    }
}

CpuidTable *kvm_pc_cpuid(const CpuModelRequest *cpu, const CpuTopology *topology,
                         const CpuidTable *supported, GPtrArray *warnings)
{
    CpuidTable *table = cpuid_table_copy(supported);

    if (is_named(cpu)) {
        limit_to_model(table, cpu, supported);
        for (unsigned i = 0; i < cpu->model_features->len; i++) {
            const CpuFeature *f = g_array_index(cpu->model_features, const CpuFeature *, i);
            const CpuidEntry *host = CPU_FEATURE_IS_MSR(f->function)
                                         ? NULL
                                         : cpuid_table_find(supported, f->function, f->index);
            if (!CPU_FEATURE_IS_MSR(f->function) &&
                (!host || !(host->regs[f->reg] & 1u << f->bit))) {
                warn(warnings, f);
            }
        }
    }
    for (unsigned i = 0; i < cpu->features->len; i++) {
        apply_request(table, &g_array_index(cpu->features, CpuFeatureRequest, i), supported,
                      warnings);
    }
    tdx_topology_fill(table, topology, supported);
    return table;
}

void kvm_pc_cpuid_place(CpuidTable *table, const CpuTopology *topology, uint32_t apic_id)
{
    CpuidEntry *one = cpuid_table_ensure(table, 1, 0, 0);
    bool several = cpu_topology_shift_die(topology) > 0;

    one->regs[CPUID_EBX] = (one->regs[CPUID_EBX] & 0xffff) |
                           tdx_topology_logical_ids(topology) << 16 | (apic_id & 0xff) << 24;
    one->regs[CPUID_EDX] = several ? one->regs[CPUID_EDX] | LEAF1_EDX_HTT
                                   : one->regs[CPUID_EDX] & ~LEAF1_EDX_HTT;
    one->regs[CPUID_ECX] |= LEAF1_ECX_HYPERVISOR;
    tdx_topology_fill_vcpu(table, topology, apic_id);
}
