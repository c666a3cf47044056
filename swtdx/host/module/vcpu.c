/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPUs: TDH.VP.CREATE, INIT and ENTER, and the state in which a TD's processors start. */
#include <stdlib.h>
#include <string.h>

#include "../cpu/core.h"
#include "module.h"

#define VMX_EXIT_EXTERNAL_INTERRUPT 1u

/* Access rights of the start state, in VMCS format (SDM vol. 3, 24.4.1). */
#define ACCESS_CODE 0xc09bu
#define ACCESS_DATA 0xc093u
#define ACCESS_TSS 0x8bu
#define ACCESS_LDT (0x82u | SEG_ACCESS_UNUSABLE)

TdVcpu *td_vcpu_new(Td *td, Lapic *lapic, void *opaque)
{
    if (atomic_load(&td->op_state) != TD_OP_INITIALIZED) {
        return NULL;
    }
    TdVcpu *vcpu = calloc(1, sizeof(*vcpu));
    if (!vcpu) {
        return NULL;
    }
    vcpu->td = td;
    vcpu->lapic = lapic;
    vcpu->opaque = opaque;
    vcpu->cpu = cpu_new(td->group, &td_world, vcpu);
    if (!vcpu->cpu) {
        free(vcpu);
        return NULL;
    }
    return vcpu;
}

void td_vcpu_free(TdVcpu *vcpu)
{
    if (!vcpu) {
        return;
    }
    Td *td = vcpu->td;
    pthread_mutex_lock(&td->lock);
    if (vcpu->initialised) {
        td->vcpus[vcpu->index] = NULL;
    }
    pthread_mutex_unlock(&td->lock);
    cpu_free(vcpu->cpu);
    free(vcpu);
}

Cpu *td_vcpu_cpu(TdVcpu *vcpu)
{
    return vcpu->cpu;
}

void *td_vcpu_opaque(TdVcpu *vcpu)
{
    return vcpu->opaque;
}

static void start_segments(Cpu *cpu)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){.access = i == SEG_CS ? ACCESS_CODE : ACCESS_DATA,
                                .limit = 0xffffffff};
    }
    cpu->ldtr = (Segment){.access = ACCESS_LDT, .limit = 0xffff};
    cpu->tr = (Segment){.access = ACCESS_TSS, .limit = 0xffff};
    cpu->gdtr = (DescriptorTable){.limit = 0xffff};
    cpu->idtr = (DescriptorTable){0};
}

/*
 * TDX module base specification, "Initial state of guest GPRs and CRs" (4.1 of the module
 * reference).
 */
static void start_state(TdVcpu *vcpu, uint64_t rcx)
{
    Cpu *cpu = vcpu->cpu;
    const Td *td = vcpu->td;
    uint32_t signature[4], native7[4];
    uint16_t fcw = 0x37f;
    uint32_t mxcsr = 0x1f80;
    profile_cpuid(td->profile, 1, 0, signature);
    profile_cpuid(td->profile, 7, 0, native7);
    memset(cpu->regs, 0, sizeof(cpu->regs));
    cpu->regs[GPR_RBX] = td->gpaw;
    cpu->regs[GPR_RCX] = cpu->regs[GPR_R8] = rcx;
    cpu->regs[GPR_RDX] = signature[0];
    cpu->regs[GPR_RSI] = vcpu->index;
    cpu->rip = 0xfffffff0;
    cpu_set_rflags(cpu, 2);
    start_segments(cpu);
    memset(vcpu->l2_deadline, 0xff, sizeof(vcpu->l2_deadline)); /* none */
    cpu->cr0 = CR0_PE | CR0_NE;
    cpu->cr4 = CR4_MCE; /* VMXE is set too, and hidden: the guest reads 0x40 */
    vcpu->misc_enable = MSR_MISC_ENABLE_START;
    cpu->cr2 = cpu->cr3 = 0;
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->efer = EFER_SCE | EFER_LME | EFER_NXE;
    cpu->xcr0 = 1;
    cpu->xss = 0;
    cpu->u_cet = cpu->s_cet = cpu->ssp = cpu->ssp_table = 0;
    memset(cpu->pl_ssp, 0, sizeof(cpu->pl_ssp));
    cpu->pat = UINT64_C(0x0007040600070406);
    cpu->fmask = 0x20200;
    memset(cpu->xstate, 0, sizeof(cpu->xstate));
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, sizeof(fcw));
    memcpy(cpu->xstate + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));
    cpu->phys_bits = (uint8_t)td->profile->phys_bits;
    cpu->shared_bit = td->shared_bit;
    cpu->gb_pages = true; /* PDPE1GB is 1 on any TDX processor */
    cpu->la57 = native7[2] & 1u << 16;
    cpu->xcr0_mask = td->params.xfam & XFAM_USER;
    cpu->xss_mask = td->params.xfam & XFAM_SUPERVISOR;
    cpu_update_mode(cpu);
}

TdxStatus td_vp_init(TdVcpu *vcpu, uint32_t x2apic_id, uint64_t rcx)
{
    Td *td = vcpu->td;
    TdxStatus status = TDX_SUCCESS;
    pthread_mutex_lock(&td->lock);
    if (atomic_load(&td->op_state) != TD_OP_INITIALIZED) {
        status = TDX_OP_STATE_INCORRECT;
    } else if (vcpu->initialised) {
        status = TDX_VCPU_STATE_INCORRECT;
    } else if (td->num_vcpus >= td->params.max_vcpus) {
        status = TDX_MAX_VCPUS_EXCEEDED;
    }
    for (uint32_t i = 0; !status && i < td->num_vcpus; i++) {
        if (td->vcpus[i] && td->vcpus[i]->x2apic_id == x2apic_id) {
            status = TDX_X2APIC_ID_NOT_UNIQUE;
        }
    }
    if (!status) {
        vcpu->index = td->num_vcpus;
        vcpu->x2apic_id = x2apic_id;
        td->vcpus[td->num_vcpus++] = vcpu;
        vcpu->initialised = true;
        start_state(vcpu, rcx);
    }
    pthread_mutex_unlock(&td->lock);
    return status;
}

void td_vmcall_return(TdVcpu *vcpu, const uint64_t regs[16])
{
    if (!vcpu->vmcall_pending) {
        return;
    }
    vcpu->vmcall_pending = false;
    for (unsigned i = 0; i < 16; i++) {
        if (vcpu->vmcall_mask >> i & 1) {
            vcpu->cpu->regs[i] = regs[i];
        }
    }
    vcpu->cpu->regs[GPR_RAX] = TDX_SUCCESS;
}

static void exit_from_core(TdVcpu *vcpu, CpuExit reason)
{
    TdExit *exit = &vcpu->exit;
    switch (reason) {
    case CPU_EXIT_WORLD:
        break; /* a callback filled it */
    case CPU_EXIT_NONE:
    case CPU_EXIT_KICKED:
        exit->kind = TD_EXIT_INTERRUPTED;
        exit->status = VMX_EXIT_EXTERNAL_INTERRUPT;
        break;
    case CPU_EXIT_TRIPLE_FAULT:
        vcpu->dead = true;
        exit->kind = TD_EXIT_TRIPLE_FAULT;
        exit->status = TDX_NON_RECOVERABLE_VCPU | VMX_EXIT_TRIPLE_FAULT;
        break;
    case CPU_EXIT_UNSUPPORTED:
        atomic_store(&vcpu->td->fatal, true);
        exit->kind = TD_EXIT_UNSUPPORTED;
        exit->status = TDX_NON_RECOVERABLE_TD;
        break;
    }
}

TdxStatus td_vp_enter(TdVcpu *vcpu, TdExit *exit)
{
    Td *td = vcpu->td;
    memset(exit, 0, sizeof(*exit));
    if (atomic_load(&td->op_state) != TD_OP_RUNNABLE) {
        return TDX_OP_STATE_INCORRECT;
    }
    if (!vcpu->initialised || vcpu->dead) {
        return TDX_VCPU_STATE_INCORRECT;
    }
    if (atomic_load(&td->fatal)) {
        return TDX_TD_FATAL;
    }
    if (vcpu->vmcall_pending) { /* not answered: the registers stay as the guest passed them */
        td_vmcall_return(vcpu, vcpu->cpu->regs);
    }
    /* An NMI that ended the vCPU's sleep has set CPU_PENDING_NMI too, which is what delivers it. */
    atomic_store(&vcpu->lapic->nmi_pending, 0);
    memset(&vcpu->exit, 0, sizeof(vcpu->exit));
    vcpu->running = true;
    CpuExit reason = cpu_run(vcpu->cpu);
    vcpu->running = false;
    exit_from_core(vcpu, reason);
    *exit = vcpu->exit;
    return TDX_SUCCESS;
}
