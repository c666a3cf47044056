/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host's KVM and TDX module offer a TD. */
#include <errno.h>
#include <inttypes.h>

#include "system/core/log.h"
#include "target/i386/kvm/tdx-diagnose.h"
#include "target/i386/kvm/tdx.h"
#include "tdx-command.h"
#include "util/error.h"

/* Upper bound for the grow-and-retry below: KVM's own array holds 128 entries. */
#define MAX_CPUID_CONFIG 4096

/*
 * KVM_TDX_CAPABILITIES, since Linux 6.16. A too small buffer is E2BIG, and the needed size is not
 * told.
 */
static struct kvm_tdx_capabilities *read_tdx_capabilities(KvmVm *vm, GError **errp)
{
    for (uint32_t capacity = 64; capacity <= MAX_CPUID_CONFIG; capacity *= 2) {
        g_autofree struct kvm_tdx_capabilities *raw =
            g_malloc0(sizeof(*raw) + capacity * sizeof(struct kvm_cpuid_entry2));
        uint64_t hw_error;

        raw->cpuid.nent = capacity;
        int ret = tdx_vm_command(vm, KVM_TDX_CAPABILITIES, 0, (uintptr_t)raw, &hw_error);
        if (ret == -E2BIG) {
            continue;
        }
        if (ret < 0) {
            tdx_command_failed(KVM_TDX_CAPABILITIES, ret, hw_error, errp);
            if (ret == -ENOTTY || ret == -EINVAL) {
                error_hint(errp, "This kernel's TDX interface is not that of Linux 6.16 and later");
            }
            return NULL;
        }
        if (raw->cpuid.nent > capacity) {
            error_set(errp, "KVM_TDX_CAPABILITIES answers %u CPUID entries in room for %u",
                      raw->cpuid.nent, capacity);
            return NULL;
        }
        return g_steal_pointer(&raw);
    }
    error_set(errp, "KVM TDX seems broken: KVM_TDX_CAPABILITIES has more than %d CPUID entries",
              MAX_CPUID_CONFIG);
    return NULL;
}

static TdxCapabilities *read_capabilities(Kvm *kvm, KvmVm *vm, GError **errp)
{
    g_autofree struct kvm_tdx_capabilities *raw = read_tdx_capabilities(vm, errp);

    if (!raw) {
        return NULL;
    }
    g_autoptr(CpuidTable) supported = kvm_supported_cpuid(kvm, errp);
    if (!supported) {
        return NULL;
    }
    int max_vcpus = kvm_vm_check_extension(vm, KVM_CAP_MAX_VCPUS);
    int tsc_khz = kvm_vm_get_tsc_khz(vm);
    TdxCapabilities *caps = g_new0(TdxCapabilities, 1);

    caps->supported_attrs = raw->supported_attrs;
    caps->supported_xfam = raw->supported_xfam;
    caps->kernel_tdvmcallinfo_1_r11 = raw->kernel_tdvmcallinfo_1_r11;
    caps->user_tdvmcallinfo_1_r11 = raw->user_tdvmcallinfo_1_r11;
    caps->configurable = cpuid_table_new();
    g_array_append_vals(caps->configurable->entries, raw->cpuid.entries, raw->cpuid.nent);
    caps->supported = g_steal_pointer(&supported);
    caps->tsc_khz = tsc_khz > 0 ? (uint32_t)tsc_khz : 0;
    caps->max_vcpus = max_vcpus > 0 ? (unsigned)max_vcpus : 0;
    log_item(LOG_TDX,
             "capabilities: attributes 0x%" PRIx64 ", xfam 0x%" PRIx64
             ", %u configurable CPUID entries, TSC %u kHz, at most %u vCPUs",
             caps->supported_attrs, caps->supported_xfam, raw->cpuid.nent, caps->tsc_khz,
             caps->max_vcpus);
    return caps;
}

static void log_host(int types)
{
    if (log_on(LOG_TDX)) {
        g_autoptr(TdxHostFacts) facts = tdx_host_facts_read();

        log_item(LOG_TDX, "host: kernel %s, VM types 0x%x, TDX module %s",
                 facts->kernel ? facts->kernel : "unknown", types,
                 facts->module_version ? facts->module_version : "of unpublished version");
    }
}

KvmVm *tdx_vm_new(Kvm *kvm, TdxCapabilities **caps, GError **errp)
{
    int types = kvm_check_extension(kvm, KVM_CAP_VM_TYPES);

    *caps = NULL;
    if (types < 0 || !(types & (1 << KVM_X86_TDX_VM))) {
        g_autoptr(TdxHostFacts) facts = tdx_host_facts_read();

        facts->vm_types = types < 0 ? 0 : (uint32_t)types;
        facts->has_vm_types = true;
        tdx_diagnose_host(facts, errp);
        return NULL;
    }
    log_host(types);
    KvmVm *vm = kvm_vm_new(kvm, KVM_X86_TDX_VM, errp);
    if (!vm) {
        return NULL;
    }
    *caps = read_capabilities(kvm, vm, errp);
    if (!*caps) {
        kvm_vm_free(vm);
        return NULL;
    }
    return vm;
}

TdxCapabilities *tdx_host_capabilities(Kvm *kvm, GError **errp)
{
    TdxCapabilities *caps;
    KvmVm *vm = tdx_vm_new(kvm, &caps, errp);

    kvm_vm_free(vm);
    return caps;
}
