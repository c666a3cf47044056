/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDCALL: which leaf, TDG.VP.VMCALL, and the leaves about the vCPU itself. */
#include <string.h>

#include "module.h"

enum {
    TDG_VP_VMCALL = 0, TDG_VP_INFO = 1, TDG_MR_RTMR_EXTEND = 2, TDG_VP_VEINFO_GET = 3,
    TDG_MR_REPORT = 4, TDG_VP_CPUIDVE_SET = 5, TDG_MEM_PAGE_ACCEPT = 6, TDG_VM_RD = 7,
    TDG_VM_WR = 8, TDG_VP_RD = 9, TDG_VP_WR = 10, TDG_SYS_RD = 11, TDG_SYS_RDALL = 12,
    TDG_SERVTD_RD = 18, TDG_SERVTD_WR = 20, TDG_MR_VERIFYREPORT = 22, TDG_MEM_PAGE_ATTR_RD = 23,
    TDG_MEM_PAGE_ATTR_WR = 24, TDG_VP_ENTER = 25, TDG_VP_INVEPT = 26, TDG_VP_INVVPID = 27,
};

uint64_t tdcall_vp_info(TdVcpu *vcpu)
{
    Td *td = vcpu->td;
    uint64_t *regs = vcpu->cpu->regs;
    pthread_mutex_lock(&td->lock);
    uint64_t vcpus = td->num_vcpus;
    pthread_mutex_unlock(&td->lock);
    regs[GPR_RCX] = td->gpaw;
    regs[GPR_RDX] = td->params.attributes;
    regs[GPR_R8] = vcpus | (td->profile->max_vcpus_told ? td->params.max_vcpus : vcpus) << 32;
    if (!td->profile->max_vcpus_told && vcpus != td->params.max_vcpus) {
        atomic_store_explicit(&td->max_vcpus_hidden, true, memory_order_relaxed);
    }
    regs[GPR_R9] = vcpu->index;
    regs[GPR_R10] = 1; /* TDG.SYS.RD exists */
    regs[GPR_R11] = 0;
    return TDX_SUCCESS;
}

uint64_t tdcall_veinfo_get(TdVcpu *vcpu)
{
    uint64_t *regs = vcpu->cpu->regs;
    bool valid = vcpu->ve_valid;
    regs[GPR_RCX] = valid ? vcpu->ve_reason : 0;
    regs[GPR_RDX] = valid ? vcpu->ve_qualification : 0;
    regs[GPR_R8] = valid ? vcpu->ve_gla : 0;
    regs[GPR_R9] = valid ? vcpu->ve_gpa : 0;
    regs[GPR_R10] = valid ? vcpu->ve_length | (uint64_t)vcpu->ve_info << 32 : 0;
    if (!valid) {
        return TDX_NO_VALID_VE_INFO;
    }
    ve_release(vcpu);
    return TDX_SUCCESS;
}

uint64_t tdcall_cpuidve_set(TdVcpu *vcpu)
{
    uint64_t flags = vcpu->cpu->regs[GPR_RCX];
    if (flags & ~UINT64_C(3)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    vcpu->cpuid_ve = (uint8_t)flags;
    return TDX_SUCCESS;
}

static void remember(TdVcpu *vcpu, uint64_t leaf, const uint64_t in[16], uint64_t status)
{
    TdRecentCall *call = &vcpu->recent[vcpu->num_calls++ % TD_RECENT_CALLS];
    const TdObserver *observer = vcpu->td->observer;
    *call = (TdRecentCall){.leaf = leaf, .status = status, .r11 = in[GPR_R11]};
    if (vcpu->cpu->op) {
        call->rip = cpu_op_rip(vcpu->cpu, vcpu->cpu->op);
    }
    if (observer && observer->tdcall) {
        observer->tdcall(vcpu->td->observer_opaque, vcpu, leaf, in, status);
    }
}

/*
 * RCX: general registers in 15:0, XMM in 31:16. RAX, RCX and RSP are never passed, RBP not with
 * NO_RBP_MOD: its bit is then refused, or taken out of *mask (Profile.vmcall_rbp_refused).
 */
static bool vmcall_mask_valid(Td *td, uint64_t *mask)
{
    if ((td->params.config_flags & TD_FLAG_NO_RBP_MOD) && (*mask & 1u << GPR_RBP)) {
        if (td->profile->vmcall_rbp_refused) {
            return false;
        }
        atomic_store_explicit(&td->rbp_bit_seen, true, memory_order_relaxed);
        *mask &= ~(UINT64_C(1) << GPR_RBP);
    }
    return !(*mask >> 32) && !(*mask & (1u << GPR_RAX | 1u << GPR_RCX | 1u << GPR_RSP));
}

static _Noreturn void vmcall(TdVcpu *vcpu, const uint64_t in[16], uint64_t mask)
{
    vcpu->exit = (TdExit){.kind = TD_EXIT_VMCALL, .status = VMX_EXIT_TDCALL, .mask = mask};
    for (unsigned i = 0; i < 16; i++) {
        vcpu->exit.regs[i] = mask >> i & 1 ? in[i] : 0;
    }
    vcpu->vmcall_mask = mask;
    vcpu->vmcall_pending = true;
    remember(vcpu, TDG_VP_VMCALL, in, TDX_SUCCESS);
    cpu_leave(vcpu->cpu, CPU_EXIT_WORLD, true);
}

/* RDX: 256 bytes of L2 state. RCX: the L2 VM; there is none. */
uint64_t tdcall_vp_enter(TdVcpu *vcpu)
{
    uint64_t gpa = vcpu->cpu->regs[GPR_RDX];
    bool valid = !(gpa & 0xff) && gpa < vcpu->td->shared_bit;
    return TDX_OPERAND_INVALID | (valid ? TDX_OPERAND_RCX : TDX_OPERAND_RDX);
}

/* RCX: a bit for each L2 VM. No bit, nothing to do. */
uint64_t tdcall_vp_invept(TdVcpu *vcpu)
{
    return vcpu->cpu->regs[GPR_RCX] ? TDX_OPERAND_INVALID | TDX_OPERAND_RCX : TDX_SUCCESS;
}

static uint64_t dispatch(TdVcpu *vcpu, uint64_t leaf, unsigned version)
{
    if (version > (leaf == TDG_VM_RD ? 1u : 0u)) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
    }
    switch (leaf) {
    case TDG_VP_INFO:
        return tdcall_vp_info(vcpu);
    case TDG_MR_RTMR_EXTEND:
        return tdcall_rtmr_extend(vcpu);
    case TDG_VP_VEINFO_GET:
        return tdcall_veinfo_get(vcpu);
    case TDG_MR_REPORT:
        return tdcall_report(vcpu);
    case TDG_VP_CPUIDVE_SET:
        return tdcall_cpuidve_set(vcpu);
    case TDG_MEM_PAGE_ACCEPT:
        return tdcall_page_accept(vcpu);
    case TDG_VM_RD:
        return tdcall_vm_rd(vcpu, version);
    case TDG_VM_WR:
        return tdcall_vm_wr(vcpu);
    case TDG_VP_RD:
        return tdcall_vp_rd(vcpu);
    case TDG_VP_WR:
        return tdcall_vp_wr(vcpu);
    case TDG_SYS_RD:
        return tdcall_sys_rd(vcpu);
    case TDG_SYS_RDALL:
        return tdcall_sys_rdall(vcpu);
    case TDG_MR_VERIFYREPORT:
        return tdcall_verify_report(vcpu);
    case TDG_MEM_PAGE_ATTR_RD:
        return tdcall_page_attr_rd(vcpu);
    case TDG_MEM_PAGE_ATTR_WR:
        return tdcall_page_attr_wr(vcpu);
    case TDG_SERVTD_RD:
    case TDG_SERVTD_WR:
        return tdcall_servtd(vcpu, leaf == TDG_SERVTD_WR);
    case TDG_VP_ENTER:
        return tdcall_vp_enter(vcpu);
    case TDG_VP_INVEPT:
        return tdcall_vp_invept(vcpu);
    case TDG_VP_INVVPID: /* RCX: number of an L2 VM */
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    default:
        return TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
    }
}

void tdcall_execute(Cpu *cpu)
{
    TdVcpu *vcpu = vcpu_of(cpu);
    uint64_t in[16], rax = cpu->regs[GPR_RAX];
    uint64_t leaf = rax & 0xffff, status;
    if (!(cpu->mode & CPU_MODE_CS64) || cpu->cpl) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    memcpy(in, cpu->regs, sizeof(in));
    if (rax >> 24) {
        status = TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
    } else if (leaf == TDG_VP_VMCALL && !(rax >> 16)) {
        uint64_t mask = in[GPR_RCX];
        if (vmcall_mask_valid(vcpu->td, &mask)) {
            vmcall(vcpu, in, mask);
        }
        status = TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    } else {
        status = dispatch(vcpu, leaf, (unsigned)(rax >> 16 & 0xff));
    }
    cpu->regs[GPR_RAX] = status;
    remember(vcpu, leaf, in, status);
}
