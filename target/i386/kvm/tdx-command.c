/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM_MEMORY_ENCRYPT_OP on a TD: the envelope around every TDX sub-command, and its errors. */
#include <errno.h>
#include <inttypes.h>

#include "target/i386/kvm/tdx-status.h"
#include "tdx-command.h"
#include "util/error.h"

/*
 * The whole envelope is copied in, and refused if hw_error is not 0: a repeated command needs a new
 * one.
 */
int tdx_vm_command(KvmVm *vm, enum kvm_tdx_cmd_id id, uint32_t flags, uint64_t data,
                   uint64_t *hw_error)
{
    struct kvm_tdx_cmd command = { .id = id, .flags = flags, .data = data };
    int ret = kvm_vm_ioctl(vm, KVM_MEMORY_ENCRYPT_OP, &command);

    *hw_error = ret < 0 ? command.hw_error : 0;
    return MIN(ret, 0);
}

int tdx_vcpu_command(KvmVcpu *vcpu, enum kvm_tdx_cmd_id id, uint32_t flags, uint64_t data,
                     uint64_t *hw_error)
{
    struct kvm_tdx_cmd command = { .id = id, .flags = flags, .data = data };
    int ret = kvm_vcpu_ioctl(vcpu, KVM_MEMORY_ENCRYPT_OP, &command);

    *hw_error = ret < 0 ? command.hw_error : 0;
    return MIN(ret, 0);
}

static const char *tdx_command_name(enum kvm_tdx_cmd_id id)
{
    static const char *const names[] = {
        [KVM_TDX_CAPABILITIES] = "KVM_TDX_CAPABILITIES",
        [KVM_TDX_INIT_VM] = "KVM_TDX_INIT_VM",
        [KVM_TDX_INIT_VCPU] = "KVM_TDX_INIT_VCPU",
        [KVM_TDX_INIT_MEM_REGION] = "KVM_TDX_INIT_MEM_REGION",
        [KVM_TDX_FINALIZE_VM] = "KVM_TDX_FINALIZE_VM",
        [KVM_TDX_GET_CPUID] = "KVM_TDX_GET_CPUID",
    };

    return (unsigned)id < G_N_ELEMENTS(names) ? names[id] : "unknown TDX command";
}

bool tdx_command_failed(enum kvm_tdx_cmd_id id, int ret, uint64_t hw_error, GError **errp)
{
    error_set(errp, "TDX ioctl %s failed, hw_errors: 0x%" PRIx64 ": %s", tdx_command_name(id),
              hw_error, g_strerror(-ret));
    if (hw_error) {
        g_autofree char *status = tdx_status_describe(hw_error);
        const char *advice = tdx_status_advice(hw_error);

        error_hint(errp, "The TDX module answered %s", status);
        if (advice) {
            error_hint(errp, "%s", advice);
        }
    } else if (ret == -EIO) {
        error_hint(errp, "A call of the TDX module failed, and the kernel has the details in its "
                         "log: dmesg | grep -i -E 'kvm|tdx'");
    }
    return false;
}
