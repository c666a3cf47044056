/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a TD after its launch: running, pausing, failing, ending. */
#include <string.h>

#include "system/core/log.h"
#include "target/i386/kvm/tdx-status.h"
#include "tdx-internal.h"
#include "tdx-launch.h"

/* A word of KVM's internal error 4 is the TDX module's status of the failed entry. */
static void run_failed(void *opaque, KvmVcpu *vcpu, const char *message)
{
    TdxTd *td = opaque;
    struct kvm_run *run = kvm_vcpu_run_page(vcpu);
    g_autoptr(GString) text = g_string_new(message);

    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
        g_str_has_prefix(message, "KVM internal error") &&
        run->internal.suberror == KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON &&
        run->internal.ndata >= 1 && run->internal.data[0]) {
        g_autofree char *status = tdx_status_describe(run->internal.data[0]);
        const char *advice = tdx_status_advice(run->internal.data[0]);

        g_string_append_printf(text, "\nEntering vCPU %u, the TDX module answered %s",
                               kvm_vcpu_id(vcpu), status);
        if (advice) {
            g_string_append_printf(text, "\n%s", advice);
        }
    }
    td->ports.runstate->internal_error(td->ports.runstate_opaque, text->str);
}

static void triple_fault(void *opaque, KvmVcpu *vcpu)
{
    TdxTd *td = opaque;
    g_autofree char *text = g_strdup_printf(
        "vCPU %u: the TD ended by a triple fault; a kernel that was not built for TDs (Linux: "
        "CONFIG_INTEL_TDX_GUEST) ends so at its first #VE",
        kvm_vcpu_id(vcpu));

    report_warning(text);
    td->ports.runstate->reset(td->ports.runstate_opaque, SHUTDOWN_GUEST_RESET);
}

bool tdx_td_start_vcpus(TdxTd *td, GError **errp)
{
    const KvmRunPorts ports = {
        .memory = td->ports.memory,
        .ports = td->ports.ports,
        .machine_lock = td->ports.machine_lock,
        .special = tdx_vmcall_exit,
        .failed = run_failed,
        .triple_fault = triple_fault,
        .opaque = td,
    };

    for (unsigned i = 0; i < td->num_vcpus; i++) {
        g_autofree char *name = g_strdup_printf("CPU %u/KVM", i);

        if (!kvm_vcpu_start(td->vcpus[i], &ports, true, name, errp)) {
            return false;
        }
    }
    return true;
}

void tdx_td_resume(TdxTd *td)
{
    for (unsigned i = 0; i < td->num_vcpus; i++) {
        kvm_vcpu_resume(td->vcpus[i]);
    }
}

void tdx_td_pause(TdxTd *td)
{
    for (unsigned i = 0; i < td->num_vcpus; i++) {
        kvm_vcpu_pause(td->vcpus[i]);
    }
}

bool tdx_td_signal_msi(TdxTd *td, uint64_t address, uint32_t data)
{
    return kvm_vm_signal_msi(td->vm, address, data);
}

KvmVm *tdx_td_vm(TdxTd *td)
{
    return td->vm;
}

unsigned tdx_td_num_vcpus(const TdxTd *td)
{
    return td->num_vcpus;
}

const CpuidTable *tdx_td_cpuid(const TdxTd *td)
{
    return td->cpuid;
}

int tdx_td_thread_id(const TdxTd *td, unsigned vcpu)
{
    return vcpu < td->num_vcpus ? kvm_vcpu_thread_id(td->vcpus[vcpu]) : 0;
}

/* Any thread. */
static void tdx_td_vmcall_counts(TdxTd *td, TdxVmcallCounts *counts)
{
    g_mutex_lock(&td->lock);
    *counts = td->counts;
    g_mutex_unlock(&td->lock);
    for (unsigned i = 0; i < td->num_vcpus; i++) {
        counts->io += kvm_vcpu_exit_count(td->vcpus[i], KVM_EXIT_IO);
        counts->mmio += kvm_vcpu_exit_count(td->vcpus[i], KVM_EXIT_MMIO);
    }
}

void tdx_td_stats(TdxTd *td, TdxTdStats *stats)
{
    memset(stats, 0, sizeof(*stats));
    tdx_td_vmcall_counts(td, &stats->vmcalls);
    kvm_vm_memory_stats(td->vm, &stats->memory);
    tdx_quotes_stats(td->quotes, &stats->quotes);
    g_mutex_lock(&td->lock);
    stats->has_fatal_error = td->has_fatal_error;
    stats->fatal_error = td->fatal_error;
    g_mutex_unlock(&td->lock);
}

void tdx_td_free(TdxTd *td)
{
    if (td) {
        if (td->quotes) { /* their ends raise interrupts in the VM */
            tdx_quotes_stop(td->quotes);
        }
        kvm_vm_free(td->vm);
        tdx_quotes_free(td->quotes); /* no vCPU is left that could ask */
        g_free(td->vcpus);
        g_clear_pointer(&td->cpuid, cpuid_table_free);
        g_mutex_clear(&td->lock);
        g_free(td);
    }
}
