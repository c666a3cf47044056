/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan becomes a TD: a straight list of steps, each one checked and logged. The order is what KVM
 * requires (INIT_VM before vCPUs; CPUID before INIT_VCPU; private attributes before
 * INIT_MEM_REGION; no KVM_RUN before FINALIZE).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "system/core/log.h"
#include "target/i386/kvm/tdx-diagnose.h"
#include "tdx-command.h"
#include "tdx-internal.h"
#include "tdx-launch.h"
#include "util/error.h"

#define PAGE_SIZE UINT64_C(4096)

/* Pins of the I/O APIC that is emulated outside the kernel. */
#define IOAPIC_PINS 24
/*
 * The TDX module shows a core crystal of 25 MHz in CPUID 0x15; the APIC timer counts in its cycles.
 */
#define APIC_BUS_CYCLES_NS 40

typedef struct Launch {
    TdxTd *td;
    KvmVm *vm;                 /* the TD's */
    TdxPlan *plan;
    const TdxCapabilities *caps;
    const GuestRam *ram;
    unsigned num_ram;
    unsigned num_vcpus;        /* to create */
    CpuidTable *module;        /* KVM_TDX_GET_CPUID */
} Launch;

/* What must be on before there are vCPUs, or any of it is too late. */
static bool step_capabilities(Launch *launch, GError **errp)
{
    static const struct {
        unsigned cap;
        const char *name;
        uint64_t arg;
    } wanted[] = {
        { KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", IOAPIC_PINS },
        { KVM_CAP_X86_APIC_BUS_CYCLES_NS, "KVM_CAP_X86_APIC_BUS_CYCLES_NS", APIC_BUS_CYCLES_NS },
        { KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API",
          KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
        { KVM_CAP_EXIT_HYPERCALL, "KVM_CAP_EXIT_HYPERCALL", 1 << KVM_HC_MAP_GPA_RANGE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (kvm_vm_check_extension(launch->vm, wanted[i].cap) <= 0) {
            return error_set(errp, "KVM doesn't support %s, which a TD needs", wanted[i].name);
        }
        if (!kvm_vm_enable_cap(launch->vm, wanted[i].cap, wanted[i].arg, wanted[i].name, errp)) {
            return false;
        }
    }
    return true;
}

static bool step_tsc(Launch *launch, GError **errp)
{
    uint32_t khz = launch->plan->tsc_khz;

    return khz == 0 || kvm_vm_set_tsc_khz(launch->vm, khz, errp);
}

/*
 * With no status from the module, KVM itself refused the call: which of its rules is broken can be
 * seen from here.
 */
static void explain_init_vm_einval(const Launch *launch, GError **errp)
{
    const TdxPlan *plan = launch->plan;
    const TdxCapabilities *caps = launch->caps;
    const CpuidEntry *sizes = cpuid_table_find(plan->init_cpuid, 0x80000008, 0);

    if (plan->attributes & ~caps->supported_attrs) {
        error_hint(errp,
                   "Invalid attributes 0x%" PRIx64 " for TDX VM (KVM supported: 0x%" PRIx64 ")",
                   plan->attributes, caps->supported_attrs);
    }
    if (plan->xfam & ~caps->supported_xfam) {
        error_hint(errp, "Invalid XFAM 0x%" PRIx64 " for TDX VM (supported: 0x%" PRIx64 ")",
                   plan->xfam, caps->supported_xfam);
    }
    if (!sizes) {
        error_hint(errp,
                   "CPUID leaf 0x80000008 with the guest's physical address width is not among the "
                   "%u entries",
                   cpuid_table_size(plan->init_cpuid));
    }
    for (unsigned i = 0; i < cpuid_table_size(plan->init_cpuid); i++) {
        const CpuidEntry *entry = cpuid_table_at(plan->init_cpuid, i);

        if (!cpuid_table_find_exact(caps->configurable, entry->function, entry->index)) {
            error_hint(errp, "CPUID leaf 0x%x sub-leaf 0x%x cannot be configured on this host",
                       entry->function, entry->index);
        }
    }
    error_hint(errp,
               "Asked for: attributes 0x%" PRIx64 ", XFAM 0x%" PRIx64
               ", %u address bits, TSC %u kHz, %u CPUID entries",
               plan->attributes, plan->xfam, plan->gpaw, plan->tsc_khz,
               cpuid_table_size(plan->init_cpuid));
}

static void explain_init_vm(const Launch *launch, int ret, uint64_t hw_error, GError **errp)
{
    switch (-ret) {
    case EINVAL:
        explain_init_vm_einval(launch, errp);
        break;
    case ENOSPC:
        tdx_hint_keyids(errp);
        break;
    case EBUSY:
        tdx_hint_cgroup(errp);
        break;
    case EAGAIN:
        error_hint(errp,
                   "The processor's random number generator had no entropy in %d tries: something "
                   "on this host drains RDRAND or RDSEED",
                   TDX_MAX_RETRIES);
        break;
    case EIO:
        error_hint(errp, "%s",
                   hw_error ? "The VM cannot be used any more"
                            : "One cause: a CPU package without any online CPU (every package must "
                              "have one to create a TD)");
        break;
    default:
        break;
    }
}

/*
 * KVM_TDX_INIT_VM, since Linux 6.16. EAGAIN: no entropy, the same call again; EINTR, EBUSY: another
 * call in the way.
 */
static bool step_init_vm(Launch *launch, GError **errp)
{
    const TdxPlan *plan = launch->plan;

    if (!plan->init_cpuid) {
        return error_set(
            errp, "The plan was made without a TDX host's capabilities and cannot be launched");
    }
    unsigned n = cpuid_table_size(plan->init_cpuid);
    g_autofree struct kvm_tdx_init_vm *init = g_malloc0(sizeof(*init) +
                                                        n * sizeof(struct kvm_cpuid_entry2));
    uint64_t hw_error = 0;
    int ret = 0;

    init->attributes = plan->attributes;
    init->xfam = plan->xfam;
    memcpy(init->mrconfigid, plan->mrconfigid, sizeof(init->mrconfigid));
    memcpy(init->mrowner, plan->mrowner, sizeof(init->mrowner));
    memcpy(init->mrownerconfig, plan->mrownerconfig, sizeof(init->mrownerconfig));
    init->cpuid.nent = n;
    for (unsigned i = 0; i < n; i++) {
        memcpy(&init->cpuid.entries[i], cpuid_table_at(plan->init_cpuid, i),
               sizeof(init->cpuid.entries[i]));
    }
    for (unsigned tries = 0; tries < TDX_MAX_RETRIES; tries++) {
        ret = tdx_vm_command(launch->vm, KVM_TDX_INIT_VM, 0, (uintptr_t)init, &hw_error);
        if (ret != -EAGAIN && ret != -EINTR) {
            break;
        }
    }
    if (ret < 0) {
        tdx_command_failed(KVM_TDX_INIT_VM, ret, hw_error, errp);
        explain_init_vm(launch, ret, hw_error, errp);
        return false;
    }
    return true;
}

/* What a vCPU may have is settled when the first one is made. */
static bool step_guest_state(Launch *launch, GError **errp)
{
    return kvm_request_guest_state(launch->plan->xfam, errp);
}

static bool step_create_vcpus(Launch *launch, GError **errp)
{
    TdxTd *td = launch->td;

    td->vcpus = g_new0(KvmVcpu *, launch->num_vcpus);
    for (unsigned i = 0; i < launch->num_vcpus; i++) {
        td->vcpus[i] = kvm_vcpu_new(launch->vm, launch->plan->apic_ids[i], errp);
        if (!td->vcpus[i]) {
            error_hint(errp, "This was vCPU %u of %u; a TD on this host has at most %u", i + 1,
                       launch->num_vcpus, launch->caps->max_vcpus);
            return false;
        }
        td->num_vcpus++;
    }
    return true;
}

/*
 * KVM_TDX_GET_CPUID answers for the TD, not for a vCPU: asked once. E2BIG tells the size it needs.
 */
static bool step_get_cpuid(Launch *launch, GError **errp)
{
    uint32_t capacity = 128;
    uint64_t hw_error = 0;
    int ret = 0;

    for (unsigned tries = 0; tries < 8; tries++) {
        g_autofree struct kvm_cpuid2 *reply =
            g_malloc0(sizeof(*reply) + capacity * sizeof(struct kvm_cpuid_entry2));

        reply->nent = capacity;
        ret = tdx_vcpu_command(launch->td->vcpus[0], KVM_TDX_GET_CPUID, 0, (uintptr_t)reply,
                               &hw_error);
        if (ret == -EINTR || ret == -EBUSY) {
            continue;
        }
        if (ret == -E2BIG && reply->nent > capacity && reply->nent <= 4096) {
            capacity = reply->nent;
            continue;
        }
        if (ret < 0) {
            return tdx_command_failed(KVM_TDX_GET_CPUID, ret, hw_error, errp);
        }
        if (reply->nent > capacity) {
            return error_set(errp, "KVM_TDX_GET_CPUID answers %u entries in room for %u",
                             reply->nent, capacity);
        }
        launch->module = cpuid_table_new();
        g_array_append_vals(launch->module->entries, reply->entries, reply->nent);
        return true;
    }
    return tdx_command_failed(KVM_TDX_GET_CPUID, ret, hw_error, errp);
}

static bool step_settle(Launch *launch, GError **errp)
{
    return tdx_plan_settle(launch->plan, launch->module, launch->caps, errp);
}

static bool step_set_cpuid(Launch *launch, GError **errp)
{
    for (unsigned i = 0; i < launch->td->num_vcpus; i++) {
        g_autoptr(CpuidTable)
            table = tdx_plan_vcpu_cpuid(launch->plan, launch->module, launch->caps, i);

        if (!kvm_vcpu_set_cpuid(launch->td->vcpus[i], table, errp)) {
            return false;
        }
        if (i == 0) {
            launch->td->cpuid = g_steal_pointer(&table);
        }
    }
    return true;
}

/*
 * KVM_TDX_INIT_VCPU: the immediate is RCX at the reset vector, where a TDVF looks for the HOB list.
 */
static bool step_init_vcpus(Launch *launch, GError **errp)
{
    for (unsigned i = 0; i < launch->td->num_vcpus; i++) {
        KvmVcpu *vcpu = launch->td->vcpus[i];
        uint64_t hw_error = 0;
        int ret = -EINTR;

        for (unsigned tries = 0; tries < TDX_MAX_RETRIES && (ret == -EINTR || ret == -EBUSY);
             tries++) {
            ret = tdx_vcpu_command(vcpu, KVM_TDX_INIT_VCPU, 0, launch->plan->hob_address,
                                   &hw_error);
        }
        if (ret < 0) {
            tdx_command_failed(KVM_TDX_INIT_VCPU, ret, hw_error, errp);
            error_hint(errp, "This was vCPU %u, x2APIC id %u", i, kvm_vcpu_id(vcpu));
            if (ret == -EINVAL) {
                error_hint(errp, "One cause: its CPUID lacks x2APIC, which a TD must have");
            }
            return false;
        }
    }
    return true;
}

static bool step_memory_slots(Launch *launch, GError **errp)
{
    for (unsigned i = 0; i < launch->num_ram; i++) {
        const GuestRam *ram = &launch->ram[i];

        if (!kvm_vm_add_memory(launch->vm, ram->name, ram->gpa, ram->size, ram->host, true, errp)) {
            return false;
        }
    }
    return true;
}

static bool make_private(Launch *launch, const char *what, hwaddr gpa, uint64_t size, GError **errp)
{
    int ret = kvm_vm_convert(launch->vm, gpa, size, true);

    if (ret < 0) {
        return error_set(errp,
                         "KVM_SET_MEMORY_ATTRIBUTES private for %s at 0x%" PRIx64
                         ", size 0x%" PRIx64 " failed: %s",
                         what, gpa, size, g_strerror(-ret));
    }
    return true;
}

/*
 * KVM's cost is one step for each page, so only what launch and firmware need at once is set here:
 * everything below 4 GiB and the pages to be added. The rest becomes private when the guest first
 * touches it.
 */
static bool step_private_attributes(Launch *launch, GError **errp)
{
    for (unsigned i = 0; i < launch->num_ram; i++) {
        const GuestRam *ram = &launch->ram[i];

        if (ram->gpa < 4 * GiB && !make_private(launch, ram->name, ram->gpa, ram->size, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < launch->plan->regions->len; i++) {
        const TdxMemoryRegion *region = g_ptr_array_index(launch->plan->regions, i);

        if (region->gpa >= 4 * GiB && !make_private(launch, tdvf_section_name(region->type),
                                                    region->gpa, region->size, errp)) {
            return false;
        }
    }
    return true;
}

static void explain_add_region(const TdxMemoryRegion *region,
                               const struct kvm_tdx_init_mem_region *left, int ret, GError **errp)
{
    error_hint(errp,
               "Firmware section %u (%s, 0x%" PRIx64 ", size 0x%" PRIx64
               ") stopped at page 0x%llx, with %llu pages left",
               region->section, tdvf_section_name(region->type), region->gpa, region->size,
               left->gpa, left->nr_pages);
    switch (-ret) {
    case EINVAL:
        error_hint(errp, "The page must lie in guest memory with a private half, and have its "
                         "private attribute set");
        break;
    case EEXIST:
        error_hint(errp, "The page was added before: two sections of the firmware overlap");
        break;
    case EAGAIN:
    case EBUSY:
    case EINTR:
        error_hint(errp, "%d tries in a row made no progress", TDX_MAX_RETRIES);
        break;
    case ENOMEM:
        error_hint(errp, "The host has not enough free memory for the TD's private pages");
        break;
    default:
        break;
    }
}

/*
 * KVM_TDX_INIT_MEM_REGION, since Linux 6.16: page by page; KVM advances the structure, so that an
 * interrupted command is continued by giving it again (EINTR; EAGAIN and EBUSY: the module or a
 * vCPU's creation was in the way).
 */
static bool add_region(Launch *launch, const TdxMemoryRegion *region, GError **errp)
{
    struct kvm_tdx_init_mem_region left = {
        .source_addr = (uintptr_t)region->content,
        .gpa = region->gpa,
        .nr_pages = region->size / PAGE_SIZE,
    };
    uint32_t flags = region->measure ? KVM_TDX_MEASURE_MEMORY_REGION : 0;
    unsigned tries = 0;

    while (left.nr_pages) {
        uint64_t before = left.nr_pages, hw_error;
        int ret = tdx_vcpu_command(launch->td->vcpus[0], KVM_TDX_INIT_MEM_REGION, flags,
                                   (uintptr_t)&left, &hw_error);
        bool again = ret == 0 || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY;

        tries = left.nr_pages < before ? 0 : tries + 1;
        if (!again || tries >= TDX_MAX_RETRIES) {
            tdx_command_failed(KVM_TDX_INIT_MEM_REGION, ret, hw_error, errp);
            explain_add_region(region, &left, ret, errp);
            return false;
        }
        if (tries > 16) {
            g_usleep(50);
        }
    }
    return true;
}

static bool step_add_memory(Launch *launch, GError **errp)
{
    for (unsigned i = 0; i < launch->plan->regions->len; i++) {
        const TdxMemoryRegion *region = g_ptr_array_index(launch->plan->regions, i);
        gint64 start = g_get_monotonic_time();

        if (!add_region(launch, region, errp)) {
            return false;
        }
        log_item(LOG_TDX, "  %s at 0x%" PRIx64 ", size 0x%" PRIx64 "%s: %.3f ms",
                 tdvf_section_name(region->type), region->gpa, region->size,
                 region->measure ? ", measured" : "",
                 (double)(g_get_monotonic_time() - start) / 1000);
    }
    return true;
}

static bool step_finalize(Launch *launch, GError **errp)
{
    uint64_t hw_error = 0;
    int ret = -EBUSY;

    for (unsigned tries = 0; tries < TDX_MAX_RETRIES && (ret == -EBUSY || ret == -EINTR); tries++) {
        ret = tdx_vm_command(launch->vm, KVM_TDX_FINALIZE_VM, 0, 0, &hw_error);
    }
    return ret == 0 || tdx_command_failed(KVM_TDX_FINALIZE_VM, ret, hw_error, errp);
}

static bool step_threads(Launch *launch, GError **errp)
{
    return tdx_td_start_vcpus(launch->td, errp);
}

static bool step_check(Launch *launch, GError **errp)
{
    const TdxPlan *plan = launch->plan;
    unsigned max = launch->caps->max_vcpus;

    if (plan->num_vcpus == 0) {
        return error_set(errp, "A TD needs at least one vCPU");
    }
    if (max && plan->num_vcpus > max) {
        error_set(errp, "%u vCPUs are asked for, and a TD on this host has at most %u",
                  plan->num_vcpus, max);
        error_hint(errp, "Use -smp %u or less", max);
        return false;
    }
    return true;
}

typedef struct LaunchStep {
    const char *name;
    bool (*run)(Launch *launch, GError **errp);
} LaunchStep;

/* As far as the module has answered; nothing is measured yet. */
static const LaunchStep settle_steps[] = {
    { "check the plan", step_check },
    { "enable capabilities", step_capabilities },
    { "set the TSC frequency", step_tsc },
    { "initialise the TD", step_init_vm },
    { "ask for AMX state", step_guest_state },
    { "create vCPUs", step_create_vcpus },
    { "read the TD's CPUID", step_get_cpuid },
    { "settle the plan", step_settle },
};

static const LaunchStep build_steps[] = {
    { "set each vCPU's CPUID", step_set_cpuid },
    { "initialise vCPUs", step_init_vcpus },
    { "make memory slots", step_memory_slots },
    { "set private attributes", step_private_attributes },
    { "add measured and initial memory", step_add_memory },
    { "finalise the TD", step_finalize },
    { "start vCPU threads", step_threads },
};

static bool run_steps(Launch *launch, const LaunchStep *steps, unsigned count, GError **errp)
{
    for (unsigned i = 0; i < count; i++) {
        gint64 start = g_get_monotonic_time();
        bool ok = steps[i].run(launch, errp);

        log_item(LOG_TDX, "launch: %s: %s, %.3f ms", steps[i].name, ok ? "done" : "failed",
                 (double)(g_get_monotonic_time() - start) / 1000);
        if (!ok) {
            error_hint(errp, "The launch of the TD stopped at the step: %s", steps[i].name);
            return false;
        }
    }
    return true;
}

bool tdx_settle_on_host(Kvm *kvm, TdxPlan *plan, const TdxCapabilities *caps, GError **errp)
{
    KvmVm *vm = kvm_vm_new(kvm, KVM_X86_TDX_VM, errp);

    if (!vm) {
        return false;
    }
    TdxTd *td = g_new0(TdxTd, 1);
    Launch launch = { .td = td, .vm = vm, .plan = plan, .caps = caps, .num_vcpus = 1 };

    td->vm = vm;
    g_mutex_init(&td->lock);
    bool ok = run_steps(&launch, settle_steps, G_N_ELEMENTS(settle_steps), errp);
    g_clear_pointer(&launch.module, cpuid_table_free);
    tdx_td_free(td);
    return ok;
}

TdxTd *tdx_launch(KvmVm *vm, TdxPlan *plan, const TdxCapabilities *caps, const GuestRam *ram,
                  unsigned num_ram, const TdxTdPorts *ports, GError **errp)
{
    TdxTd *td = g_new0(TdxTd, 1);
    Launch launch = { .td = td, .vm = vm, .plan = plan, .caps = caps, .ram = ram,
                      .num_ram = num_ram,
                      .num_vcpus = plan->num_vcpus };

    td->vm = vm;
    td->ports = *ports;
    td->shared_bit = UINT64_C(1) << (plan->gpaw == 52 ? 51 : 47);
    td->vmcall_info = caps->user_tdvmcallinfo_1_r11;
    g_mutex_init(&td->lock);
    td->quotes = tdx_quotes_new(ports->quotes, ports->memory, tdx_vmcall_notify, td);
    bool ok = run_steps(&launch, settle_steps, G_N_ELEMENTS(settle_steps), errp) &&
              run_steps(&launch, build_steps, G_N_ELEMENTS(build_steps), errp);
    g_clear_pointer(&launch.module, cpuid_table_free);
    if (!ok) {
        tdx_td_free(td);
        return NULL;
    }
    return td;
}
