/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDG.VM.*, TDG.VP.RD and WR, TDG.SYS.RD: metadata. */
#include "metadata.h"
#include "module.h"

uint64_t tdcall_vm_rd(TdVcpu *vcpu, unsigned version)
{
    Td *td = vcpu->td;
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t id = regs[GPR_RDX], value = 0;
    if (regs[GPR_RCX]) { /* the calling TD itself is VM 0 */
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (version >= 1 && id == METADATA_FIRST) {
        regs[GPR_RDX] = metadata_td_next(td, id);
        regs[GPR_R8] = 0;
        return TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT;
    }
    pthread_mutex_lock(&td->lock);
    TdxStatus status = metadata_td_read(td, id, &value);
    pthread_mutex_unlock(&td->lock);
    regs[GPR_R8] = value;
    if (version >= 1) {
        regs[GPR_RDX] = status ? METADATA_END : metadata_td_next(td, id);
    }
    return status;
}

uint64_t tdcall_vm_wr(TdVcpu *vcpu)
{
    Td *td = vcpu->td;
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t old = 0;
    if (regs[GPR_RCX]) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    pthread_mutex_lock(&td->lock);
    TdxStatus status = metadata_td_write(td, regs[GPR_RDX], regs[GPR_R8], regs[GPR_R9], &old);
    pthread_mutex_unlock(&td->lock);
    regs[GPR_R8] = status ? 0 : old;
    return status;
}

/* A vCPU's fields that a guest may reach belong to L2 VMs, which this TD has none of. */
uint64_t tdcall_vp_rd(TdVcpu *vcpu)
{
    vcpu->cpu->regs[GPR_R8] = 0;
    return TDX_METADATA_FIELD_ID_INCORRECT;
}

uint64_t tdcall_vp_wr(TdVcpu *vcpu)
{
    vcpu->cpu->regs[GPR_R8] = 0;
    return TDX_METADATA_FIELD_ID_INCORRECT;
}

uint64_t tdcall_sys_rd(TdVcpu *vcpu)
{
    const Profile *profile = vcpu->td->profile;
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t id = regs[GPR_RDX], value = 0;
    TdxStatus status = id == METADATA_FIRST ? TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT : metadata_sys_read(profile, id, &value);
    regs[GPR_R8] = value;
    regs[GPR_RDX] = !status || id == METADATA_FIRST ? metadata_sys_next(id) : METADATA_END;
    return status;
}
