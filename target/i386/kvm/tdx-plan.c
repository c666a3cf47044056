/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the plan of a TD from the user's configuration, the firmware and the host's capabilities.
 */
#include "target/i386/kvm/tdx-plan.h"

#include <string.h>

#include "target/i386/kvm/tdx-cpuid.h"
#include "target/i386/kvm/tdx-xfam.h"
#include "tdx-cpuid-internal.h"
#include "util/error.h"

#define TSC_UNIT_KHZ 25000u /* TD_PARAMS.TSC_FREQUENCY counts 25 MHz, 4 to 400 of them */
#define TSC_MIN_KHZ 100000u
#define TSC_MAX_KHZ 10000000u

#define LEAF_ADDRESS_SIZES 0x80000008u
#define LEAF_KVM 0x40000000u

void tdx_capabilities_free(TdxCapabilities *caps)
{
    if (caps) {
        cpuid_table_free(caps->configurable);
        cpuid_table_free(caps->supported);
        g_free(caps);
    }
}

static bool plan_measured_ids(TdxPlan *plan, const TdxGuestConfig *guest, GError **errp)
{
    const struct {
        const char *name, *text;
        uint8_t *bytes;
    } ids[] = {
        { "mrconfigid", guest->mrconfigid, plan->mrconfigid },
        { "mrowner", guest->mrowner, plan->mrowner },
        { "mrownerconfig", guest->mrownerconfig, plan->mrownerconfig },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        if (!tdx_guest_config_measurement(ids[i].text, ids[i].bytes)) {
            return error_set(errp, "tdx-guest '%s': %s is not the base64 text of 48 bytes",
                             guest->id, ids[i].name);
        }
    }
    return true;
}

static bool plan_vcpus(TdxPlan *plan, const TdxPlanInput *in, GError **errp)
{
    plan->topology = *in->topology;
    plan->num_vcpus = in->topology->cpus;
    if (!plan->num_vcpus || !plan->topology.threads || !plan->topology.cores ||
        !plan->topology.modules || !plan->topology.dies || !plan->topology.sockets) {
        return error_set(errp, "CPU topology is incomplete");
    }
    if (in->caps && in->caps->max_vcpus && plan->num_vcpus > in->caps->max_vcpus) {
        error_set(errp,
                  "Number of SMP cpus requested (%u) exceeds the maximum cpus supported by KVM for "
                  "a TD (%u)",
                  plan->num_vcpus, in->caps->max_vcpus);
        error_hint(errp, "A TD cannot have more vCPUs than the host has logical processors");
        return false;
    }
    plan->apic_ids = g_new(uint32_t, plan->num_vcpus);
    for (unsigned i = 0; i < plan->num_vcpus; i++) {
        plan->apic_ids[i] = cpu_topology_apic_id(&plan->topology, i);
    }
    return true;
}

static bool plan_memory(TdxPlan *plan, const TdxPlanInput *in, GError **errp)
{
    plan->ram = e820_layout(in->ram_size);
    plan->firmware = tdvf_parse(in->firmware, in->firmware_name, &plan->ram, errp);
    if (!plan->firmware) {
        return false;
    }
    plan->hob_address = plan->firmware->hob->memory_address;
    plan->regions = tdx_memory_regions(plan->firmware, &plan->ram, errp);
    return plan->regions;
}

/*
 * The user's frequency to the letter, or the host's rounded down to what the module can count in.
 */
static bool plan_tsc(TdxPlan *plan, const TdxPlanInput *in, GError **errp)
{
    uint64_t hz = in->cpu->tsc_hz;

    if (hz) {
        if (hz % (TSC_UNIT_KHZ * 1000) || hz / 1000 < TSC_MIN_KHZ || hz / 1000 > TSC_MAX_KHZ) {
            error_set(errp,
                      "CPU property tsc-frequency=%" G_GUINT64_FORMAT " is not permitted for a TD: "
                      "a multiple of 25000000 from 100000000 to 10000000000 is",
                      hz);
            error_hint(errp, "Nearest: tsc-frequency=%" G_GUINT64_FORMAT,
                       CLAMP(hz / 1000 / TSC_UNIT_KHZ, TSC_MIN_KHZ / TSC_UNIT_KHZ,
                             TSC_MAX_KHZ / TSC_UNIT_KHZ) *
                           TSC_UNIT_KHZ * 1000);
            return false;
        }
        plan->tsc_khz = hz / 1000;
    } else if (in->caps && in->caps->tsc_khz) {
        plan->tsc_khz = in->caps->tsc_khz / TSC_UNIT_KHZ * TSC_UNIT_KHZ;
        if (plan->tsc_khz < TSC_MIN_KHZ || plan->tsc_khz > TSC_MAX_KHZ) {
            error_set(errp, "TSC of the host, %u kHz, is not permitted for a TD: %u to %u kHz is",
                      in->caps->tsc_khz, TSC_MIN_KHZ, TSC_MAX_KHZ);
            error_hint(errp, "Set -cpu host,tsc-frequency= to a multiple of 25 MHz");
            return false;
        }
    }
    return true;
}

/*
 * 52 needs a 52-bit host with 5-level EPT. KVM tells EPT's width in EAX[23:16] where it fills that
 * field.
 */
static unsigned host_gpaw(const TdxCapabilities *caps)
{
    const CpuidEntry *sizes = cpuid_table_find(caps->supported, LEAF_ADDRESS_SIZES, 0);
    const CpuidEntry *features = cpuid_table_find(caps->supported, 7, 0);
    bool la57 = features && (features->regs[CPUID_ECX] >> 16 & 1);
    unsigned physical = sizes ? sizes->regs[CPUID_EAX] & 0xff : 0,
             ept = sizes ? sizes->regs[CPUID_EAX] >> 16 & 0xff : 0;

    return physical == 52 && la57 && (ept == 0 || ept >= 52) ? 52 : 48;
}

static bool plan_gpaw(TdxPlan *plan, const TdxPlanInput *in, GError **errp)
{
    const CpuidEntry *sizes =
        in->caps ? cpuid_table_find(in->caps->supported, LEAF_ADDRESS_SIZES, 0) : NULL;
    unsigned asked = in->cpu->phys_bits, host = in->caps      ? host_gpaw(in->caps)
                                                : asked == 52 ? 52
                                                              : 48;
    bool is_hosts = sizes && asked == (sizes->regs[CPUID_EAX] & 0xff);

    plan->gpaw = asked == 48 ? 48 : host;
    if (asked && asked != 48 && asked != host && !is_hosts) {
        error_set(errp, "CPU property phys-bits=%u is not permitted for a TD: %s is", asked,
                  host == 52 || !in->caps ? "48 or 52" : "48");
        return false;
    }
    hwaddr top = plan->ram.above_4g ? 4 * GiB + plan->ram.above_4g : plan->ram.below_4g;
    if (top > UINT64_C(1) << (plan->gpaw - 1)) {
        return error_set(errp,
                         "RAM up to 0x%" G_GINT64_MODIFIER
                         "x is not permitted: below the shared bit, 0x%" G_GINT64_MODIFIER "x, is",
                         top, UINT64_C(1) << (plan->gpaw - 1));
    }
    return true;
}

/*
 * A TD takes 0 or exactly the processor's family, model and stepping (TDX module, TDH.MNG.INIT,
 * CPUID leaf 1).
 */
static bool plan_signature(const TdxPlanInput *in, GError **errp)
{
    const CpuidEntry *e = in->caps ? cpuid_table_find(in->caps->supported, 1, 0) : NULL;
    uint32_t eax = e ? e->regs[CPUID_EAX] : 0;
    unsigned family = eax >> 8 & 0xf;
    const struct {
        const char *name;
        unsigned asked, native;
    } parts[] = {
        { "family", in->cpu->family, family == 0xf ? family + (eax >> 20 & 0xff) : family },
        { "model", in->cpu->model_number, (eax >> 4 & 0xf) |
          (family == 6 || family == 0xf ? eax >> 12 & 0xf0 : 0) },
        { "stepping", in->cpu->stepping, eax & 0xf },
    };

    for (unsigned i = 0; e && i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].asked && parts[i].asked != parts[i].native) {
            error_set(errp, "CPU property %s=%u is not permitted for a TD: %u is", parts[i].name,
                      parts[i].asked, parts[i].native);
            error_hint(errp, "A TD shows this processor's %s; leave the property out",
                       parts[i].name);
            return false;
        }
    }
    return true;
}

/* A raw bit of attributes= against the feature that stands for it. */
static bool check_contradictions(const TdxPlanInput *in, uint64_t attributes, GError **errp)
{
    const TdxFeatureWord word = { 0x7, 0, CPUID_ECX };
    uint32_t plus, minus;

    if (attributes & TDX_ATTRIBUTE_PERFMON && in->cpu->has_pmu && !in->cpu->pmu) {
        error_set(errp,
                  "attributes=0x%" G_GINT64_MODIFIER
                  "x (bit 63, PERFMON, set) contradicts -cpu ...,pmu=off",
                  attributes);
        error_hint(errp, "Give one of the two");
        return false;
    }
    tdx_cpuid_wishes(in->cpu, &word, &plus, &minus);
    if (attributes & TDX_ATTRIBUTE_PKS && minus >> 31) {
        error_set(errp,
                  "attributes=0x%" G_GINT64_MODIFIER
                  "x (bit 30, PKS, set) contradicts -cpu ...,-pks",
                  attributes);
        error_hint(errp, "Give one of the two");
        return false;
    }
    return true;
}

static bool plan_attributes(TdxPlan *plan, const TdxPlanInput *in, GError **errp)
{
    const TdxCapabilities *caps = in->caps;

    plan->attributes = tdx_guest_config_attributes(in->guest);
    if (!check_contradictions(in, plan->attributes, errp)) {
        return false;
    }
    if (in->cpu->has_pmu && in->cpu->pmu) {
        plan->attributes |= TDX_ATTRIBUTE_PERFMON;
    }
    if (!caps) {
        return true;
    }
    if (tdx_cpuid_wants_pks(in->cpu, caps)) {
        plan->attributes |= TDX_ATTRIBUTE_PKS;
    }
    uint64_t bad = plan->attributes & ~caps->supported_attrs;
    if (bad) {
        g_autofree char *names = tdx_attributes_describe(bad),
                        *permitted = tdx_attributes_describe(caps->supported_attrs);
        error_set(errp,
                  "Invalid attributes 0x%" G_GINT64_MODIFIER
                  "x for TDX VM: %s is not supported (KVM supported: 0x%" G_GINT64_MODIFIER
                  "x, %s)",
                  plan->attributes, names, caps->supported_attrs, permitted);
        if (bad & TDX_ATTRIBUTE_PERFMON) {
            error_hint(errp,
                       "PERFMON comes from -cpu ...,pmu=on or attributes bit 63: leave them out");
        }
        if (bad & TDX_ATTRIBUTE_PKS) {
            error_hint(errp, "PKS comes from -cpu ...,+pks or attributes bit 30: leave them out");
        }
        if (bad & TDX_ATTRIBUTE_SEPT_VE_DISABLE) {
            error_hint(
                errp, "Set sept-ve-disable=off only for a guest that handles #VE of pending pages");
        }
        return false;
    }
    return true;
}

static void free_text(void *text)
{
    g_free(text);
}

TdxPlan *tdx_plan_new(const TdxPlanInput *in, GError **errp)
{
    g_autoptr(TdxPlan) plan = g_new0(TdxPlan, 1);

    plan->verdicts = g_array_new(FALSE, FALSE, sizeof(TdxVerdict));
    plan->warnings = g_ptr_array_new_with_free_func(free_text);
    plan->notes = g_ptr_array_new_with_free_func(free_text);
    plan->cpu = cpu_model_copy(in->cpu);
    if (!plan_measured_ids(plan, in->guest, errp) || !plan_vcpus(plan, in, errp) ||
        !plan_memory(plan, in, errp) || !plan_tsc(plan, in, errp) || !plan_gpaw(plan, in, errp) ||
        !plan_signature(in, errp) || !plan_attributes(plan, in, errp)) {
        return NULL;
    }
    if (in->caps) {
        plan->xfam = tdx_cpuid_xfam(in->cpu, in->caps);
        tdx_cpuid_plan(plan, in->caps);
        tdx_cpuid_judge(plan, NULL, in->caps);
    }
    return g_steal_pointer(&plan);
}

void tdx_plan_free(TdxPlan *plan)
{
    if (!plan) {
        return;
    }
    g_clear_pointer(&plan->regions, g_ptr_array_unref);
    g_clear_pointer(&plan->verdicts, g_array_unref);
    g_clear_pointer(&plan->warnings, g_ptr_array_unref);
    g_clear_pointer(&plan->notes, g_ptr_array_unref);
    cpuid_table_free(plan->init_cpuid);
    cpuid_table_free(plan->requested);
    tdvf_free(plan->firmware);
    cpu_model_free(plan->cpu);
    g_free(plan->apic_ids);
    g_free(plan);
}

/*
 * Every bit the user named and did not get, or got against their word. What a model has by its name
 * does not count.
 */
static bool check_enforce(const TdxPlan *plan, GError **errp)
{
    bool failed = false;

    for (unsigned i = 0; i < plan->verdicts->len && plan->cpu->enforce; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (!tdx_verdict_is_against_user(v)) {
            continue;
        }
        g_autofree char *text = tdx_verdict_warning(v);
        if (!failed) {
            error_set(errp, "Host doesn't support requested features");
            failed = true;
        }
        error_hint(errp, "%s", text);
    }
    return !failed;
}

bool tdx_plan_settle(TdxPlan *plan, const CpuidTable *module, const TdxCapabilities *caps,
                     GError **errp)
{
    const CpuidEntry *sizes = cpuid_table_find(module, LEAF_ADDRESS_SIZES, 0);
    unsigned width = sizes ? sizes->regs[CPUID_EAX] >> 16 & 0xff : 0;

    tdx_cpuid_judge(plan, module, caps);
    plan->settled = true;
    /* KVM writes the GPAW it uses into its answer. */
    if (width && width != plan->gpaw) {
        return error_set(errp, "KVM gave the TD a guest address width of %u bits: %u was asked for",
                         width, plan->gpaw);
    }
    return check_enforce(plan, errp);
}

static void fill_kvm_leaves(const TdxPlan *plan, CpuidTable *table)
{
    static const char signature[13] = "KVMKVMKVM\0\0\0";
    CpuidEntry *e = cpuid_table_ensure(table, LEAF_KVM, 0, 0);

    e->regs[CPUID_EAX] = LEAF_KVM + 1;
    memcpy(&e->regs[CPUID_EBX], signature, 12); /* EBX, ECX, EDX */
    e = cpuid_table_ensure(table, LEAF_KVM + 1, 0, 0);
    memset(e->regs, 0, sizeof(e->regs));
    for (unsigned i = 0; i < plan->verdicts->len; i++) {
        const TdxVerdict *v = &g_array_index(plan->verdicts, TdxVerdict, i);
        if (v->function == LEAF_KVM + 1 && v->kind == TDX_VERDICT_GRANTED) {
            e->regs[v->reg] |= 1u << v->bit;
        }
    }
}

/*
 * KVM derives the EPT level from EAX[23:16] and checks the addresses of MapGPA, shared bit
 * included, against EAX[7:0]; a difference kills the VM or makes every conversion fail (Linux,
 * arch/x86/kvm/vmx/tdx.c).
 */
static void fill_address_sizes(const TdxPlan *plan, CpuidTable *table)
{
    CpuidEntry *e = cpuid_table_ensure(table, LEAF_ADDRESS_SIZES, 0, 0);
    uint32_t eax = e->regs[CPUID_EAX];
    uint32_t physical = MAX(eax & 0xff, plan->gpaw),
             linear = eax & 0xff00 ? eax & 0xff00 : 48u << 8;

    e->regs[CPUID_EAX] = physical | linear | plan->gpaw << 16;
    e = cpuid_table_ensure(table, 0x80000000, 0, 0);
    e->regs[CPUID_EAX] = MAX(e->regs[CPUID_EAX], LEAF_ADDRESS_SIZES);
}

CpuidTable *tdx_plan_vcpu_cpuid(const TdxPlan *plan, const CpuidTable *module,
                                const TdxCapabilities *caps, unsigned i)
{
    CpuidTable *table = cpuid_table_copy(module);
    uint32_t apic_id = plan->apic_ids[i];
    CpuidEntry *e = cpuid_table_ensure(table, 1, 0, 0);

    e->regs[CPUID_EBX] = (e->regs[CPUID_EBX] & 0xff00) |
                         tdx_topology_logical_ids(&plan->topology) << 16 | apic_id << 24;
    e->regs[CPUID_ECX] |= 1u << 21 |
                          1u << 31; /* x2APIC, without which KVM refuses INIT_VCPU; HYPERVISOR */
    e = cpuid_table_ensure(table, 0, 0, 0);
    e->regs[CPUID_EAX] = MAX(e->regs[CPUID_EAX], 0x1f);
    tdx_topology_fill_vcpu(table, &plan->topology, apic_id);
    fill_kvm_leaves(plan, table);
    fill_address_sizes(plan, table);
    for (unsigned n = 0; n < cpuid_table_size(table); n++) {
        memset(cpuid_table_at(table, n)->padding, 0, sizeof(e->padding));
    }
    cpuid_table_sort(table);
    return table;
}

void tdx_plan_mrtd(const TdxPlan *plan, uint8_t mrtd[TDX_MEASUREMENT_SIZE])
{
    TdxMrtd *hash = tdx_mrtd_new();

    for (unsigned i = 0; i < plan->regions->len; i++) {
        const TdxMemoryRegion *r = g_ptr_array_index(plan->regions, i);
        tdx_mrtd_region(hash, r->gpa, r->content, r->size, r->measure);
    }
    tdx_mrtd_finish(hash, mrtd);
}
