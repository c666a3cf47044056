/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ordinary VM under KVM: interrupt controllers and timer of the kernel, RAM that both sides see.
 * Main loop thread, unless said.
 */
#ifndef TARGET_I386_KVM_KVM_PC_H
#define TARGET_I386_KVM_KVM_PC_H

#include "accel/kvm/kvm.h"
#include "system/core/guest-ram.h"
#include "system/core/irq.h"
#include "system/core/runstate.h"
#include "target/i386/cpu-model.h"
#include "target/i386/topology.h"

typedef struct KvmPc KvmPc;

/* What it is made from; pointers are borrowed for its life. */
typedef struct KvmPcConfig {
    const CpuModelRequest *cpu;
    const CpuTopology *topology;
    const GuestRam *ram;
    unsigned num_ram;
    AddressSpace *memory, *ports;
    GMutex *machine_lock;
    const RunStatePort *runstate;
    void *runstate_opaque;
} KvmPcConfig;

/*
 * VM type 0, in-kernel PIC, I/O APIC and PIT, memory slots, vCPUs with their CPUID at the reset
 * vector, threads paused. *warnings: what of the CPU model this host cannot give (of char*, caller
 * frees); `enforce` makes the first of them an error.
 */
KvmPc *kvm_pc_new(Kvm *kvm, const KvmPcConfig *config, GPtrArray *warnings, GError **errp);
void kvm_pc_free(KvmPc *pc); /* never from a vCPU's thread */
void kvm_pc_resume(KvmPc *pc);
void kvm_pc_pause(KvmPc *pc);
bool kvm_pc_signal_msi(KvmPc *pc, uint64_t address, uint32_t data); /* any thread */
/*
 * An input of the kernel's interrupt controllers, for a device to drive; valid until the PC goes.
 */
IrqLine kvm_pc_gsi(KvmPc *pc, unsigned gsi);
EventPort kvm_pc_event_port(KvmPc *pc); /* valid until the PC goes */
unsigned kvm_pc_num_vcpus(const KvmPc *pc);
int kvm_pc_thread_id(const KvmPc *pc, unsigned vcpu);
const CpuidTable *kvm_pc_vcpu_cpuid(const KvmPc *pc); /* vCPU 0's, borrowed */

/*
 * CPUID of a vCPU: what KVM supports, less what the model or the user leaves out, with this vCPU's
 * place in the topology. Pure. Bits asked for that KVM does not support are appended to warnings as
 * texts. Caller frees.
 */
CpuidTable *kvm_pc_cpuid(const CpuModelRequest *cpu, const CpuTopology *topology,
                         const CpuidTable *supported, GPtrArray *warnings);
void kvm_pc_cpuid_place(CpuidTable *table, const CpuTopology *topology, uint32_t apic_id);

#endif
