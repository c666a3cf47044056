/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU's file descriptor and the page it shares with KVM. */
#include <errno.h>
#include <string.h>

#include "kvm-internal.h"
#include "kvm-sys.h"
#include "util/error.h"

KvmVcpu *kvm_vcpu_new(KvmVm *vm, unsigned id, GError **errp)
{
    void *run;
    int fd = kvm_sys_ioctl(vm->fd, KVM_CREATE_VCPU, id);

    if (fd < 0) {
        error_set(errp, "KVM_CREATE_VCPU for vCPU id %u failed: %s", id, g_strerror(-fd));
        return NULL;
    }
    int ret = kvm_sys_map(fd, vm->kvm->run_size, &run);
    if (ret < 0) {
        error_set(errp, "Mapping the run page of vCPU id %u failed: %s", id, g_strerror(-ret));
        kvm_sys_close(fd);
        return NULL;
    }
    KvmVcpu *vcpu = g_new0(KvmVcpu, 1);
    vcpu->vm = vm;
    vcpu->id = id;
    vcpu->fd = fd;
    vcpu->run = run;
    g_mutex_init(&vcpu->lock);
    g_cond_init(&vcpu->changed);
    g_ptr_array_add(vm->vcpus, vcpu);
    return vcpu;
}

/*
 * A mapping of the run page holds the vCPU, that the VM, and that the TD's KeyID: unmap before
 * closing.
 */
void kvm_vcpu_free(KvmVcpu *vcpu)
{
    kvm_sys_unmap(vcpu->run, vcpu->vm->kvm->run_size);
    kvm_sys_close(vcpu->fd);
    g_cond_clear(&vcpu->changed);
    g_mutex_clear(&vcpu->lock);
    g_free(vcpu);
}

unsigned kvm_vcpu_id(const KvmVcpu *vcpu)
{
    return vcpu->id;
}

struct kvm_run *kvm_vcpu_run_page(KvmVcpu *vcpu)
{
    return vcpu->run;
}

int kvm_vcpu_ioctl(KvmVcpu *vcpu, unsigned long request, void *arg)
{
    return kvm_sys_ioctl(vcpu->fd, request, (uintptr_t)arg);
}

bool kvm_vcpu_set_cpuid(KvmVcpu *vcpu, const CpuidTable *table, GError **errp)
{
    unsigned n = cpuid_table_size(table);
    g_autofree struct kvm_cpuid2 *cpuid = g_malloc0(sizeof(*cpuid) +
                                                    n * sizeof(struct kvm_cpuid_entry2));

    cpuid->nent = n;
    for (unsigned i = 0; i < n; i++) {
        memcpy(&cpuid->entries[i], cpuid_table_at(table, i), sizeof(cpuid->entries[i]));
        memset(cpuid->entries[i].padding, 0, sizeof(cpuid->entries[i].padding));
    }
    int ret = kvm_vcpu_ioctl(vcpu, KVM_SET_CPUID2, cpuid);
    if (ret < 0) {
        error_set(errp, "KVM_SET_CPUID2 with %u entries for vCPU id %u failed: %s", n, vcpu->id,
                  g_strerror(-ret));
        if (ret == -E2BIG) {
            error_hint(errp, "KVM takes at most 256 entries");
        }
        return false;
    }
    return true;
}

_Static_assert(sizeof(CpuidEntry) == sizeof(struct kvm_cpuid_entry2),
               "a CPUID entry has KVM's layout");
_Static_assert(offsetof(CpuidEntry, regs) == offsetof(struct kvm_cpuid_entry2, eax),
               "a CPUID entry has KVM's layout");
