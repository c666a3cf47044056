/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDG.VM.*, TDG.VP.RD and WR, TDG.SYS.RD: metadata. Outputs of a call that fails are 0, or the null
 * id.
 */
#include "metadata.h"
#include "module.h"

uint64_t tdcall_vm_rd(TdVcpu *vcpu, unsigned version)
{
    Td *td = vcpu->td;
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t id = regs[GPR_RDX], value = 0;
    if (regs[GPR_RCX]) { /* the calling TD itself is VM 0 */
        regs[GPR_R8] = 0;
        regs[GPR_RDX] = version >= 1 ? METADATA_END : id;
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
        regs[GPR_R8] = 0;
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    pthread_mutex_lock(&td->lock);
    TdxStatus status = metadata_td_write(td, regs[GPR_RDX], regs[GPR_R8], regs[GPR_R9], &old);
    pthread_mutex_unlock(&td->lock);
    regs[GPR_R8] = status ? 0 : old;
    return status;
}

uint64_t tdcall_vp_rd(TdVcpu *vcpu)
{
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t id = regs[GPR_RDX], value = 0;
    TdxStatus status;
    if (regs[GPR_RCX]) {
        status = TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    } else if (id == METADATA_FIRST) {
        status = TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT;
    } else {
        status = metadata_vp_read(vcpu, id, &value);
    }
    regs[GPR_R8] = value;
    regs[GPR_RDX] = !status || status == TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT
                        ? metadata_vp_next(id)
                        : METADATA_END;
    return status;
}

uint64_t tdcall_vp_wr(TdVcpu *vcpu)
{
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t old = 0;
    TdxStatus status = TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    if (!regs[GPR_RCX]) {
        status = metadata_vp_write(vcpu, regs[GPR_RDX], regs[GPR_R8], regs[GPR_R9], &old);
    }
    regs[GPR_R8] = status ? 0 : old;
    return status;
}

uint64_t tdcall_sys_rd(TdVcpu *vcpu)
{
    const Profile *profile = vcpu->td->profile;
    uint64_t *regs = vcpu->cpu->regs;
    uint64_t id = regs[GPR_RDX], value = 0;
    TdxStatus status = id == METADATA_FIRST ? TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT
                                            : metadata_sys_read(profile, id, &value);
    regs[GPR_R8] = value;
    regs[GPR_RDX] = !status || id == METADATA_FIRST ? metadata_sys_next(id) : METADATA_END;
    return status;
}

/*
 * A binding handle is a TDR's page and a slot, with the UUID of the service TD added; there is one
 * slot, and nobody bound it.
 */
uint64_t tdcall_servtd(TdVcpu *vcpu, bool write)
{
    uint64_t *regs = vcpu->cpu->regs;
    regs[GPR_R8] = 0;
    if (!write) {
        regs[GPR_RDX] = METADATA_END;
    }
    return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
}
