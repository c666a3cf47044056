/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ordinary VM: a straight list of steps, and its life (Linux Documentation/virt/kvm/api.rst). */
#include "target/i386/kvm/kvm-pc.h"

#include <errno.h>

#include "standard-headers/linux-kvm-tdx.h"
#include "system/core/log.h"
#include "util/error.h"

/*
 * Three pages that KVM needs on some Intel processors, in the hole below the firmware
 * (KVM_SET_TSS_ADDR).
 */
#define TSS_ADDRESS 0xfeffd000u
#define IDENTITY_MAP_ADDRESS 0xfeffc000u
#define NUM_GSI 24

typedef struct GsiLine {
    KvmPc *pc;
    unsigned gsi;
} GsiLine;

struct KvmPc {
    KvmPcConfig config;
    KvmVm *vm;
    KvmVcpu **vcpus;   /* [num_vcpus], owned by vm */
    unsigned num_vcpus;
    CpuidTable *cpuid; /* of vCPU 0, as it was set */
    GsiLine lines[NUM_GSI];
};

static bool check(int ret, const char *what, GError **errp)
{
    return ret >= 0 || error_set(errp, "%s failed: %s", what, g_strerror(-ret));
}

static bool make_irqchip(KvmPc *pc, GError **errp)
{
    uint64_t identity = IDENTITY_MAP_ADDRESS;
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

    return check(kvm_vm_ioctl(pc->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity),
                 "KVM_SET_IDENTITY_MAP_ADDR", errp) &&
           check(kvm_vm_ioctl(pc->vm, KVM_SET_TSS_ADDR, (void *)(uintptr_t)TSS_ADDRESS),
                 "KVM_SET_TSS_ADDR", errp) &&
           check(kvm_vm_ioctl(pc->vm, KVM_CREATE_IRQCHIP, NULL), "KVM_CREATE_IRQCHIP", errp) &&
           check(kvm_vm_ioctl(pc->vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2", errp);
}

static bool add_memory(KvmPc *pc, GError **errp)
{
    for (unsigned i = 0; i < pc->config.num_ram; i++) {
        const GuestRam *ram = &pc->config.ram[i];
        bool ok = ram->rom ? kvm_vm_add_rom(pc->vm, ram->name, ram->gpa, ram->size, ram->host, errp)
                           : kvm_vm_add_memory(pc->vm, ram->name, ram->gpa, ram->size, ram->host,
                                               false, errp);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* KVM puts a new vCPU into its reset state; all but the first wait for a start-up IPI. */
static bool make_vcpus(KvmPc *pc, const CpuidTable *cpuid, GError **errp)
{
    const CpuTopology *topology = pc->config.topology;

    pc->vcpus = g_new0(KvmVcpu *, topology->cpus);
    for (unsigned i = 0; i < topology->cpus; i++) {
        uint32_t apic_id = cpu_topology_apic_id(topology, i);
        g_autoptr(CpuidTable) table = cpuid_table_copy(cpuid);

        pc->vcpus[i] = kvm_vcpu_new(pc->vm, apic_id, errp);
        if (!pc->vcpus[i]) {
            return false;
        }
        pc->num_vcpus++;
        kvm_pc_cpuid_place(table, topology, apic_id);
        if (!kvm_vcpu_set_cpuid(pc->vcpus[i], table, errp)) {
            return false;
        }
        if (i == 0) {
            pc->cpuid = g_steal_pointer(&table);
        }
    }
    return true;
}

static void run_failed(void *opaque, KvmVcpu *vcpu, const char *message)
{
    KvmPc *pc = opaque;

    pc->config.runstate->internal_error(pc->config.runstate_opaque, message);
}

static void triple_fault(void *opaque, KvmVcpu *vcpu)
{
    KvmPc *pc = opaque;

    pc->config.runstate->reset(pc->config.runstate_opaque, SHUTDOWN_GUEST_RESET);
}

static bool start_threads(KvmPc *pc, GError **errp)
{
    const KvmRunPorts ports = {
        .memory = pc->config.memory,
        .ports = pc->config.ports,
        .machine_lock = pc->config.machine_lock,
        .failed = run_failed,
        .triple_fault = triple_fault,
        .opaque = pc,
    };

    for (unsigned i = 0; i < pc->num_vcpus; i++) {
        g_autofree char *name = g_strdup_printf("CPU %u/KVM", i);

        if (!kvm_vcpu_start(pc->vcpus[i], &ports, true, name, errp)) {
            return false;
        }
    }
    return true;
}

static bool build(KvmPc *pc, const CpuidTable *cpuid, GError **errp)
{
    return make_irqchip(pc, errp) && add_memory(pc, errp) && make_vcpus(pc, cpuid, errp) &&
           start_threads(pc, errp);
}

KvmPc *kvm_pc_new(Kvm *kvm, const KvmPcConfig *config, GPtrArray *warnings, GError **errp)
{
    g_autoptr(CpuidTable) supported = kvm_supported_cpuid(kvm, errp);

    if (!supported) {
        return NULL;
    }
    g_autoptr(CpuidTable) cpuid = kvm_pc_cpuid(config->cpu, config->topology, supported, warnings);
    if (config->cpu->enforce && warnings->len) {
        error_set(errp, "%s", (char *)g_ptr_array_index(warnings, 0));
        error_hint(errp, "Host doesn't support requested features, and -cpu has enforce");
        return NULL;
    }
    KvmPc *pc = g_new0(KvmPc, 1);
    pc->config = *config;
    pc->vm = kvm_vm_new(kvm, KVM_X86_DEFAULT_VM, errp);
    if (!pc->vm || !build(pc, cpuid, errp)) {
        kvm_pc_free(pc);
        return NULL;
    }
    return pc;
}

void kvm_pc_free(KvmPc *pc)
{
    if (pc) {
        kvm_vm_free(pc->vm);
        g_free(pc->vcpus);
        g_clear_pointer(&pc->cpuid, cpuid_table_free);
        g_free(pc);
    }
}

const CpuidTable *kvm_pc_vcpu_cpuid(const KvmPc *pc)
{
    return pc->cpuid;
}

void kvm_pc_resume(KvmPc *pc)
{
    for (unsigned i = 0; i < pc->num_vcpus; i++) {
        kvm_vcpu_resume(pc->vcpus[i]);
    }
}

void kvm_pc_pause(KvmPc *pc)
{
    for (unsigned i = 0; i < pc->num_vcpus; i++) {
        kvm_vcpu_pause(pc->vcpus[i]);
    }
}

bool kvm_pc_signal_msi(KvmPc *pc, uint64_t address, uint32_t data)
{
    return kvm_vm_signal_msi(pc->vm, address, data);
}

static void set_gsi(void *opaque, bool level)
{
    GsiLine *line = opaque;
    struct kvm_irq_level irq = { .irq = line->gsi, .level = level };

    kvm_vm_ioctl(line->pc->vm, KVM_IRQ_LINE, &irq);
}

IrqLine kvm_pc_gsi(KvmPc *pc, unsigned gsi)
{
    if (gsi >= NUM_GSI) {
        return (IrqLine) { NULL, NULL };
    }
    pc->lines[gsi] = (GsiLine) { pc, gsi };
    return (IrqLine) { set_gsi, &pc->lines[gsi] };
}

EventPort kvm_pc_event_port(KvmPc *pc)
{
    return kvm_vm_event_port(pc->vm, true);
}

unsigned kvm_pc_num_vcpus(const KvmPc *pc)
{
    return pc->num_vcpus;
}

int kvm_pc_thread_id(const KvmPc *pc, unsigned vcpu)
{
    return vcpu < pc->num_vcpus ? kvm_vcpu_thread_id(pc->vcpus[vcpu]) : 0;
}
