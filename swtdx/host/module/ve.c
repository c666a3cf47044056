/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtualization exceptions: one buffer of information per vCPU; a #VE that finds it full is a
 * double fault.
 */
#include "../cpu/core.h"
#include "module.h"

static void record(TdVcpu *vcpu, uint32_t reason, uint64_t qualification, uint64_t gla,
                   uint64_t gpa)
{
    Cpu *cpu = vcpu->cpu;
    const TdObserver *observer = vcpu->td->observer;
    vcpu->num_ve++;
    if (observer && observer->ve) {
        observer->ve(vcpu->td->observer_opaque, vcpu, reason, qualification, gpa);
    }
    if (vcpu->ve_valid) {
        cpu_raise(cpu, VEC_DF, 0);
    }
    vcpu->ve_valid = true;
    vcpu->ve_reason = reason;
    vcpu->ve_qualification = qualification;
    vcpu->ve_gla = gla;
    vcpu->ve_gpa = gpa;
    vcpu->ve_length = cpu->op ? cpu->op->len : 0;
    vcpu->ve_info = 0;
    /* An NMI handler's own #VE would find the buffer full: NMIs wait until it was read. */
    if (!cpu->nmi_blocked) {
        cpu->nmi_blocked = true;
        vcpu->ve_blocks_nmi = true;
    }
}

_Noreturn void ve_inject(TdVcpu *vcpu, uint32_t reason, uint64_t qualification, uint64_t gla,
                         uint64_t gpa)
{
    record(vcpu, reason, qualification, gla, gpa);
    cpu_raise(vcpu->cpu, VEC_VE, 0);
}

_Noreturn void ve_apic_write(TdVcpu *vcpu, uint32_t offset)
{
    record(vcpu, VMX_EXIT_APIC_WRITE, offset, 0, 0);
    vcpu->ve_length = 0; /* nothing is left to be skipped */
    cpu_raise_trap(vcpu->cpu, VEC_VE, false);
}

_Noreturn void ve_instruction(Cpu *cpu, uint32_t reason)
{
    ve_inject(vcpu_of(cpu), reason, 0, 0, 0);
}

void ve_release(TdVcpu *vcpu)
{
    vcpu->ve_valid = false;
    if (vcpu->ve_blocks_nmi) {
        vcpu->ve_blocks_nmi = false;
        vcpu->cpu->nmi_blocked = false;
    }
}
