/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The face of TDX to the rest of the VMM: capabilities, launch, life of one TD. */
#ifndef TDX_H
#define TDX_H

#include "accel/kvm/kvm.h"
#include "system/core/guest-ram.h"
#include "system/core/runstate.h"
#include "target/i386/kvm/tdx-plan.h"
#include "target/i386/kvm/tdx-quote.h"

/*
 * A VM of type TDX on this host, and what it offers; NULL with a diagnosis (known cause, what was
 * seen, what to do).
 */
KvmVm *tdx_vm_new(Kvm *kvm, TdxCapabilities **caps, GError **errp);
/* Only the capabilities, by a throw-away VM. */
TdxCapabilities *tdx_host_capabilities(Kvm *kvm, GError **errp);

/*
 * Makes the plan's verdicts final by a TD that is thrown away: VM, INIT_VM, one vCPU, GET_CPUID,
 * settle. Takes a KeyID for that time, measures nothing. False: as tdx_plan_settle(), or the TD
 * could not be made (plan->settled tells which).
 */
bool tdx_settle_on_host(Kvm *kvm, TdxPlan *plan, const TdxCapabilities *caps, GError **errp);

typedef struct TdxTd TdxTd;

typedef struct TdxTdPorts {
    AddressSpace *memory, *ports;
    GMutex *machine_lock;
    const RunStatePort *runstate;
    void *runstate_opaque;
    TdxQuoteService *quotes; /* NULL: no service is configured */
} TdxTdPorts;

/*
 * INIT_VM, vCPUs, GET_CPUID, settle, SET_CPUID2, INIT_VCPU, memory, INIT_MEM_REGION, FINALIZE: each
 * step logged (-d tdx) and checked. Takes the VM over, also on failure. The plan must outlive the
 * TD. vCPU threads exist afterwards but are paused.
 */
TdxTd *tdx_launch(KvmVm *vm, TdxPlan *plan, const TdxCapabilities *caps, const GuestRam *ram,
                  unsigned num_ram, const TdxTdPorts *ports, GError **errp);
void tdx_td_resume(TdxTd *td);
void tdx_td_pause(TdxTd *td);
/* An MSI to the TD's local APICs. Any thread. False: the kernel refused it, or no vCPU took it. */
bool tdx_td_signal_msi(TdxTd *td, uint64_t address, uint32_t data);
KvmVm *tdx_td_vm(TdxTd *td); /* borrowed */
unsigned tdx_td_num_vcpus(const TdxTd *td);
const CpuidTable *tdx_td_cpuid(const TdxTd *td); /* vCPU 0's, borrowed */
int tdx_td_thread_id(const TdxTd *td, unsigned vcpu); /* the host's id of a vCPU's thread */

/*
 * How often the guest made each TDVMCALL that reaches the VMM. io, mmio: instructions on devices,
 * each a TDVMCALL too.
 */
typedef struct TdxVmcallCounts {
    uint64_t map_gpa, get_quote, get_info, setup_event_notify, report_fatal_error, unknown, io,
        mmio;
} TdxVmcallCounts;

/* What a guest said with TDVMCALL ReportFatalError. */
typedef struct TdxFatalError {
    uint32_t code;
    bool has_gpa;
    uint64_t gpa;     /* of a page with more, shared bit removed */
    char text[65];    /* printable, and not to be trusted */
} TdxFatalError;

/* What has happened to a TD since its launch. */
typedef struct TdxTdStats {
    TdxVmcallCounts vmcalls;
    KvmMemoryStats memory;
    TdxQuoteStats quotes;
    bool has_fatal_error;      /* the guest called ReportFatalError: the last one */
    TdxFatalError fatal_error;
} TdxTdStats;
void tdx_td_stats(TdxTd *td, TdxTdStats *stats); /* any thread */
/* Stops and frees everything, the KVM VM included. Never from a vCPU thread. */
void tdx_td_free(TdxTd *td);

#endif
