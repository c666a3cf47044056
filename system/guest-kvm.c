/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ordinary VM as the machine's guest. */
#include "hw/i386/q35-devices.h"
#include "system/core/log.h"
#include "system/guest.h"
#include "target/i386/kvm/kvm-pc.h"

typedef struct GuestKvm {
    Guest guest;
    GuestEnv env;
    KvmPc *pc;
    bool warned;
} GuestKvm;

static void set_gsis(GuestKvm *g, KvmPc *pc)
{
    Q35Machine *machine = g->env.machine;

    g_mutex_lock(&machine->lock);
    for (unsigned i = 0; i < Q35_NUM_GSI; i++) {
        machine->devices->gsi[i] = pc ? kvm_pc_gsi(pc, i) : (IrqLine) { NULL, NULL };
    }
    g_mutex_unlock(&machine->lock);
}

static void warn_once(GuestKvm *g, const GPtrArray *warnings)
{
    for (unsigned i = 0; !g->warned && i < warnings->len; i++) {
        report_warning(g_ptr_array_index(warnings, i));
    }
    g->warned = true;
}

static bool kvm_guest_launch(Guest *guest, GError **errp)
{
    GuestKvm *g = (GuestKvm *)guest;
    Q35Machine *machine = g->env.machine;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    const KvmPcConfig config = {
        .cpu = g->env.config->cpu,
        .topology = &g->env.config->topology,
        .ram = machine->ram,
        .num_ram = machine->num_ram,
        .memory = machine->memory,
        .ports = machine->ports,
        .machine_lock = &machine->lock,
        .runstate = g->env.runstate,
        .runstate_opaque = g->env.runstate_opaque,
    };

    g->pc = kvm_pc_new(g->env.kvm, &config, warnings, errp);
    if (!g->pc) {
        return false;
    }
    warn_once(g, warnings);
    set_gsis(g, g->pc);
    return true;
}

static void kvm_guest_end(Guest *guest)
{
    GuestKvm *g = (GuestKvm *)guest;

    if (g->pc) {
        set_gsis(g, NULL);
        kvm_pc_free(g_steal_pointer(&g->pc));
    }
}

static void kvm_guest_resume(Guest *guest)
{
    kvm_pc_resume(((GuestKvm *)guest)->pc);
}

static void kvm_guest_pause(Guest *guest)
{
    GuestKvm *g = (GuestKvm *)guest;

    if (g->pc) {
        kvm_pc_pause(g->pc);
    }
}

static bool kvm_guest_signal_msi(Guest *guest, uint64_t address, uint32_t data)
{
    return kvm_pc_signal_msi(((GuestKvm *)guest)->pc, address, data);
}

static unsigned kvm_guest_num_vcpus(Guest *guest)
{
    GuestKvm *g = (GuestKvm *)guest;

    return g->pc ? kvm_pc_num_vcpus(g->pc) : 0;
}

static const CpuidTable *kvm_guest_cpuid(Guest *guest)
{
    const GuestKvm *g = (GuestKvm *)guest;

    return g->pc ? kvm_pc_vcpu_cpuid(g->pc) : NULL;
}

static int kvm_guest_thread_id(Guest *guest, unsigned vcpu)
{
    return kvm_pc_thread_id(((GuestKvm *)guest)->pc, vcpu);
}

static void kvm_guest_connect(Guest *guest, EventPort *events, SharedMemoryPort *memory)
{
    *events = kvm_pc_event_port(((GuestKvm *)guest)->pc);
}

static void kvm_guest_free(Guest *guest)
{
    GuestKvm *g = (GuestKvm *)guest;

    kvm_guest_end(guest);
    g_free(g);
}

static const GuestOps kvm_guest_ops = {
    .launch = kvm_guest_launch,
    .end = kvm_guest_end,
    .resume = kvm_guest_resume,
    .pause = kvm_guest_pause,
    .signal_msi = kvm_guest_signal_msi,
    .num_vcpus = kvm_guest_num_vcpus,
    .thread_id = kvm_guest_thread_id,
    .cpuid = kvm_guest_cpuid,
    .connect = kvm_guest_connect,
    .free = kvm_guest_free,
};

Guest *guest_kvm_new(const GuestEnv *env, GError **errp)
{
    GuestKvm *g = g_new0(GuestKvm, 1);

    g->guest.ops = &kvm_guest_ops;
    g->env = *env;
    return &g->guest;
}
