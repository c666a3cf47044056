/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM_MEMORY_ENCRYPT_OP on a TD: the envelope around every TDX sub-command, and its errors. */
#ifndef TDX_COMMAND_H
#define TDX_COMMAND_H

#include "accel/kvm/kvm.h"
#include "standard-headers/linux-kvm-tdx.h"

/*
 * How often a command that may be tried again is, without any progress, before it counts as failed.
 */
#define TDX_MAX_RETRIES 10000

/* -errno, or 0. hw_error: the status of the TDX module where KVM passes it on, else 0. */
int tdx_vm_command(KvmVm *vm, enum kvm_tdx_cmd_id id, uint32_t flags, uint64_t data,
                   uint64_t *hw_error);
int tdx_vcpu_command(KvmVcpu *vcpu, enum kvm_tdx_cmd_id id, uint32_t flags, uint64_t data,
                     uint64_t *hw_error);
/*
 * Sets the error in the form all of them share, with the module's status in words. Returns false.
 */
bool tdx_command_failed(enum kvm_tdx_cmd_id id, int ret, uint64_t hw_error, GError **errp);

#endif
