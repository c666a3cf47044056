/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TD as the machine's guest: planned once, launched from the same plan again and again. */
#include "accel/kvm/kvm.h"
#include "system/core/log.h"
#include "system/guest.h"
#include "target/i386/kvm/tdx.h"

typedef struct GuestTdx {
    Guest guest;
    GuestEnv env;
    KvmVm *first; /* the VM that capabilities were read from, until it is launched */
    TdxCapabilities *caps;
    TdxPlan *plan;
    TdxQuoteService *quotes;
    TdxTd *td;
} GuestTdx;

/* Decides everything about the TD from values; prints what the user asked to see. */
static bool make_plan(GuestTdx *t, GError **errp)
{
    const MachineConfig *config = t->env.config;
    TdxPlanInput input = {
        .guest = config->guest,
        .cpu = config->cpu,
        .topology = &config->topology,
        .ram_size = config->ram_size,
        .firmware = t->env.firmware,
        .firmware_name = t->env.firmware_path,
        .caps = t->caps,
    };

    t->plan = tdx_plan_new(&input, errp);
    if (t->plan && log_on(LOG_TDX)) {
        g_autofree char *sections = tdx_plan_format_sections(t->plan);
        uint8_t mrtd[TDX_MEASUREMENT_SIZE];
        tdx_plan_mrtd(t->plan, mrtd);
        g_autofree char *hex = tdx_measurement_hex(mrtd);
        log_item(LOG_TDX, "%sMRTD %s", sections, hex);
    }
    return t->plan;
}

/* A reset is a new VM built by the same plan: a TD cannot be reset. */
static bool td_launch(Guest *guest, GError **errp)
{
    GuestTdx *t = (GuestTdx *)guest;
    const Q35Machine *machine = t->env.machine;
    g_autoptr(TdxCapabilities) caps = NULL;
    KvmVm *vm = t->first ? g_steal_pointer(&t->first) : tdx_vm_new(t->env.kvm, &caps, errp);
    TdxTdPorts ports = {
        .memory = machine->memory,
        .ports = machine->ports,
        .machine_lock = &t->env.machine->lock,
        .runstate = t->env.runstate,
        .runstate_opaque = t->env.runstate_opaque,
        .quotes = t->quotes,
    };

    if (vm) {
        t->td = tdx_launch(vm, t->plan, t->caps, machine->ram, machine->num_ram, &ports, errp);
    }
    return t->td;
}

static void td_end(Guest *guest)
{
    GuestTdx *t = (GuestTdx *)guest;

    tdx_td_free(g_steal_pointer(&t->td));
}

static void td_resume(Guest *guest)
{
    tdx_td_resume(((GuestTdx *)guest)->td);
}

static void td_pause(Guest *guest)
{
    GuestTdx *t = (GuestTdx *)guest;

    if (t->td) {
        tdx_td_pause(t->td);
    }
}

static bool td_signal_msi(Guest *guest, uint64_t address, uint32_t data)
{
    return tdx_td_signal_msi(((GuestTdx *)guest)->td, address, data);
}

static unsigned td_num_vcpus(Guest *guest)
{
    GuestTdx *t = (GuestTdx *)guest;

    return t->td ? tdx_td_num_vcpus(t->td) : 0;
}

static const CpuidTable *td_cpuid(Guest *guest)
{
    const GuestTdx *t = (GuestTdx *)guest;

    return t->td ? tdx_td_cpuid(t->td) : NULL;
}

static int td_thread_id(Guest *guest, unsigned vcpu)
{
    return tdx_td_thread_id(((GuestTdx *)guest)->td, vcpu);
}

static void td_connect(Guest *guest, EventPort *events, SharedMemoryPort *memory)
{
    KvmVm *vm = tdx_td_vm(((GuestTdx *)guest)->td);

    *events = kvm_vm_event_port(vm, false);
    *memory = kvm_vm_shared_memory(vm);
}

static void td_free(Guest *guest)
{
    GuestTdx *t = (GuestTdx *)guest;

    td_end(guest);
    tdx_quote_service_free(t->quotes);
    kvm_vm_free(t->first);
    tdx_plan_free(t->plan);
    tdx_capabilities_free(t->caps);
    g_free(t);
}

static const GuestOps td_ops = {
    .launch = td_launch,
    .end = td_end,
    .resume = td_resume,
    .pause = td_pause,
    .signal_msi = td_signal_msi,
    .num_vcpus = td_num_vcpus,
    .thread_id = td_thread_id,
    .cpuid = td_cpuid,
    .connect = td_connect,
    .free = td_free,
};

Guest *guest_tdx_new(const GuestEnv *env, GError **errp)
{
    GuestTdx *t = g_new0(GuestTdx, 1);

    t->guest.ops = &td_ops;
    t->env = *env;
    if (!(t->first = tdx_vm_new(env->kvm, &t->caps, errp)) || !make_plan(t, errp)) {
        td_free(&t->guest);
        return NULL;
    }
    t->quotes = tdx_quote_service_new(env->config->guest->id,
                                      env->config->guest->quote_generation_socket);
    return &t->guest;
}

const TdxPlan *guest_tdx_plan(const Guest *guest)
{
    return ((const GuestTdx *)guest)->plan;
}

const TdxCapabilities *guest_tdx_capabilities(const Guest *guest)
{
    return ((const GuestTdx *)guest)->caps;
}

TdxTd *guest_tdx_td(const Guest *guest)
{
    return ((const GuestTdx *)guest)->td;
}

void guest_tdx_warn(const Guest *guest)
{
    const GPtrArray *warnings = guest_tdx_plan(guest)->warnings;

    for (unsigned i = 0; i < warnings->len; i++) {
        report_warning(g_ptr_array_index(warnings, i));
    }
}
