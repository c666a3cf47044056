/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The face of TDX to the rest of the VMM: capabilities, launch, life of one TD. */
#ifndef TDX_H
#define TDX_H

#include "accel/kvm/kvm.h"
#include "system/core/runstate.h"
#include "target/i386/kvm/tdx-plan.h"

/* A VM of type TDX on this host, and what it offers; NULL with a diagnosis (which known cause, what was seen, what to do). */
KvmVm *tdx_vm_new(Kvm *kvm, TdxCapabilities **caps, GError **errp);
/* Only the capabilities, by a throw-away VM. */
TdxCapabilities *tdx_host_capabilities(Kvm *kvm, GError **errp);

/* One piece of guest RAM or firmware memory: shared half mapped at host. */
typedef struct TdxRam {
    const char *name;
    hwaddr gpa;
    uint64_t size;
    uint8_t *host;
} TdxRam;

typedef struct TdxTd TdxTd;

typedef struct TdxTdPorts {
    AddressSpace *memory, *ports;
    GMutex *machine_lock;
    const RunStatePort *runstate;
    void *runstate_opaque;
} TdxTdPorts;

/*
 * INIT_VM, vCPUs, GET_CPUID, settle, SET_CPUID2, INIT_VCPU, memory, INIT_MEM_REGION, FINALIZE: each step logged (-d tdx) and checked.
 * Takes the VM over, also on failure. The plan must outlive the TD. vCPU threads exist afterwards but are paused.
 */
TdxTd *tdx_launch(KvmVm *vm, TdxPlan *plan, const TdxCapabilities *caps, const TdxRam *ram, unsigned num_ram,
                  const TdxTdPorts *ports, GError **errp);
void tdx_td_resume(TdxTd *td);
void tdx_td_pause(TdxTd *td);
/* Stops and frees everything, the KVM VM included. Never from a vCPU thread. */
void tdx_td_free(TdxTd *td);

#endif
