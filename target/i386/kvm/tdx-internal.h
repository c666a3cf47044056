/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TD that has been launched, or is being: what launching, running and its TDVMCALLs share. */
#ifndef TDX_INTERNAL_H
#define TDX_INTERNAL_H

#include "standard-headers/linux-kvm-tdx.h"
#include "target/i386/kvm/tdx.h"

struct TdxTd {
    KvmVm *vm;
    KvmVcpu **vcpus;      /* [num_vcpus], owned by vm */
    unsigned num_vcpus;
    CpuidTable *cpuid;    /* of vCPU 0, as it was set */
    TdxTdPorts ports;
    hwaddr shared_bit;    /* of guest physical addresses: bit 47 or 51 */
    uint64_t vmcall_info; /* GetTdVmCallInfo leaf 1, R11 */

    GMutex lock;          /* all below */
    bool has_notify;      /* SetupEventNotifyInterrupt was called */
    uint8_t notify_vector;
    uint32_t notify_apic_id;
    TdxVmcallCounts counts;
    bool has_fatal_error;
    TdxFatalError fatal_error;

    TdxQuotes *quotes;    /* has its own lock */
};

/* tdx-vmcall.c: KvmRunPorts.special of a TD; opaque is the TdxTd. */
bool tdx_vmcall_exit(void *opaque, KvmVcpu *vcpu, struct kvm_run *run);
/*
 * Raises the interrupt that the guest asked for with SetupEventNotifyInterrupt, if it did. opaque
 * is the TdxTd. Any thread.
 */
void tdx_vmcall_notify(void *opaque);

#endif
