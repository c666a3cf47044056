/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM's file descriptor: its making and end, capabilities, time stamp counter, interrupts. */
#include <errno.h>
#include <inttypes.h>

#include "kvm-internal.h"
#include "kvm-sys.h"
#include "system/core/log.h"
#include "util/error.h"

KvmVm *kvm_vm_new(Kvm *kvm, unsigned type, GError **errp)
{
    int fd;

    do { /* a signal may interrupt the allocation of what a VM is made of */
        fd = kvm_sys_ioctl(kvm->fd, KVM_CREATE_VM, type);
    } while (fd == -EINTR);
    if (fd < 0) {
        error_set(errp, "KVM_CREATE_VM for VM type %u failed: %s", type, g_strerror(-fd));
        return NULL;
    }
    KvmVm *vm = g_new0(KvmVm, 1);
    vm->kvm = kvm;
    vm->fd = fd;
    g_mutex_init(&vm->slots_lock);
    vm->slots = g_ptr_array_new_with_free_func((GDestroyNotify)kvm_slot_free);
    vm->msi_routes = kvm_routes_new();
    vm->vcpus = g_ptr_array_new_with_free_func((GDestroyNotify)kvm_vcpu_free);
    return vm;
}

void kvm_vm_free(KvmVm *vm)
{
    if (!vm) {
        return;
    }
    for (unsigned i = 0; i < vm->vcpus->len; i++) {
        kvm_vcpu_stop(g_ptr_array_index(vm->vcpus, i));
    }
    g_ptr_array_free(vm->vcpus, TRUE);
    g_ptr_array_free(vm->slots, TRUE);
    g_array_free(vm->msi_routes, TRUE);
    g_mutex_clear(&vm->slots_lock);
    kvm_sys_close(vm->fd);
    g_free(vm);
}

int kvm_vm_check_extension(KvmVm *vm, unsigned cap)
{
    return kvm_sys_ioctl(vm->fd, KVM_CHECK_EXTENSION, cap);
}

int kvm_vm_ioctl(KvmVm *vm, unsigned long request, void *arg)
{
    return kvm_sys_ioctl(vm->fd, request, (uintptr_t)arg);
}

bool kvm_vm_enable_cap(KvmVm *vm, unsigned cap, uint64_t arg0, const char *name, GError **errp)
{
    struct kvm_enable_cap enable = { .cap = cap, .args = { arg0 } };
    int ret = kvm_vm_ioctl(vm, KVM_ENABLE_CAP, &enable);

    if (ret < 0) {
        return error_set(errp, "KVM_ENABLE_CAP %s = 0x%" PRIx64 " failed: %s", name, arg0,
                         g_strerror(-ret));
    }
    return true;
}

bool kvm_vm_set_tsc_khz(KvmVm *vm, uint32_t khz, GError **errp)
{
    int ret = kvm_sys_ioctl(vm->fd, KVM_SET_TSC_KHZ, khz);

    if (ret < 0) {
        return error_set(errp, "Unable to set TSC frequency to %u kHz: %s", khz, g_strerror(-ret));
    }
    return true;
}

int kvm_vm_get_tsc_khz(KvmVm *vm)
{
    return kvm_sys_ioctl(vm->fd, KVM_GET_TSC_KHZ, 0);
}

bool kvm_vm_signal_msi(KvmVm *vm, uint64_t address, uint32_t data)
{
    struct kvm_msi msi = { .address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32),
                           .data = data };

    int ret = kvm_vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);

    /* no such destination, no such message: the guest's to say (Linux irq_comm.c) */
    if (ret == -EPERM || ret == -EINVAL) {
        log_item(LOG_GUEST_ERRORS,
                 "KVM_SIGNAL_MSI: the message 0x%" PRIx32 " to 0x%" PRIx64 " reaches no vCPU: %s",
                 data, address, g_strerror(-ret));
    } else if (ret < 0) {
        kvm_vm_tell_failure(vm, KVM_TOLD_MSI, "KVM_SIGNAL_MSI", -ret,
                            "the guest has lost an interrupt");
    }
    /* 0: the guest's interrupt controller blocked it; that is no failure of the host */
    return ret >= 0;
}

void kvm_vm_tell_failure(KvmVm *vm, unsigned kind, const char *call, int error,
                         const char *consequence)
{
    g_autofree char *text = g_strdup_printf("%s failed: %s; %s", call, g_strerror(error),
                                            consequence);

    log_item(LOG_TDX, "%s", text);
    if (!(__atomic_fetch_or(&vm->told, kind, __ATOMIC_RELAXED) & kind)) {
        g_autofree char *once =
            g_strconcat(text, ". Further failures of this kind are logged with -d tdx", NULL);
        report_warning(once);
    }
}
