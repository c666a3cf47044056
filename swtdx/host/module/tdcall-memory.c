/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDG.MEM.*: accepting pages and reading their attributes. */
#include "module.h"

#define LEVEL_MASK UINT64_C(7)
#define GPA_BITS UINT64_C(0x000ffffffffff000)

/* GPA mapping operand: GPA in 51:12, level in 2:0, the rest 0; private. */
static bool mapping_valid(const Td *td, uint64_t operand)
{
    uint64_t gpa = operand & GPA_BITS;
    return !(operand & ~(GPA_BITS | LEVEL_MASK)) && gpa < td->shared_bit;
}

/* A hole: the host adds what it will, and the instruction runs again. */
static _Noreturn void leave_for_region(TdVcpu *vcpu, uint64_t gpa)
{
    vcpu->accept_level = 1;
    world_ept_violation(vcpu, gpa, CPU_WRITE, TD_EXIT_EPT_VIOLATION);
}

/*
 * ACCEPT of 2 MiB where the profile allows it: the host maps such pages while the region is empty.
 */
static uint64_t accept_region(TdVcpu *vcpu, uint64_t gpa)
{
    Sept *sept = &vcpu->td->sept;
    switch (sept_region_state(sept, gpa)) {
    case SEPT_PENDING:
        sept_accept_region(sept, gpa);
        return TDX_SUCCESS;
    case SEPT_MAPPED:
        return TDX_PAGE_ALREADY_ACCEPTED | 1;
    case SEPT_FREE:
        leave_for_region(vcpu, gpa);
    default:
        return TDX_PAGE_SIZE_MISMATCH | TDX_OPERAND_RCX;
    }
}

uint64_t tdcall_page_accept(TdVcpu *vcpu)
{
    Td *td = vcpu->td;
    uint64_t operand = vcpu->cpu->regs[GPR_RCX];
    uint64_t gpa = operand & GPA_BITS, level = operand & LEVEL_MASK;
    if (!mapping_valid(td, operand) || level > 1 ||
        (level == 1 && (gpa & (SEPT_REGION_SIZE - 1)))) {
        return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
    }
    if (level == 1 && td->profile->accept_2m) {
        return accept_region(vcpu, gpa);
    }
    if (level == 1) {
        /*
         * The host maps 4 KiB pages: once it did so anywhere in the region, a table stands in the
         * entry's place.
         */
        if (sept_has_table(&td->sept, gpa)) {
            return TDX_PAGE_SIZE_MISMATCH | TDX_OPERAND_RCX;
        }
        leave_for_region(vcpu, gpa);
    }
    switch (sept_accept(&td->sept, gpa)) {
    case SEPT_PENDING:
        observe_page(td, gpa, 4096, TD_PAGE_ACCEPTED);
        return TDX_SUCCESS;
    case SEPT_MAPPED:
        return TDX_PAGE_ALREADY_ACCEPTED | level;
    default:
        /* A hole: the host adds the page and the instruction runs again. */
        world_ept_violation(vcpu, gpa, CPU_WRITE, TD_EXIT_EPT_VIOLATION);
    }
}

#define MAPPING_PENDING (UINT64_C(1) << 62)

/*
 * What both answer: the mapping that holds the page, and attributes, of which a TD has none for
 * itself.
 */
static uint64_t answer_attributes(TdVcpu *vcpu, uint64_t gpa, SeptState state)
{
    uint64_t *regs = vcpu->cpu->regs;
    regs[GPR_RCX] = gpa | (state == SEPT_PENDING ? MAPPING_PENDING : 0);
    regs[GPR_RDX] = 0;
    return TDX_SUCCESS;
}

static uint64_t refuse_attributes(TdVcpu *vcpu, uint64_t operand)
{
    uint64_t *regs = vcpu->cpu->regs;
    regs[GPR_RCX] = regs[GPR_RDX] = 0;
    return TDX_OPERAND_INVALID | operand;
}

uint64_t tdcall_page_attr_rd(TdVcpu *vcpu)
{
    uint64_t operand = vcpu->cpu->regs[GPR_RCX], gpa = operand & GPA_BITS;
    if (operand >= vcpu->td->shared_bit) { /* any address in a private page */
        return refuse_attributes(vcpu, TDX_OPERAND_RCX);
    }
    SeptState state = sept_state(&vcpu->td->sept, gpa);
    if (state != SEPT_MAPPED && state != SEPT_PENDING) {
        world_ept_violation(vcpu, gpa, CPU_READ, TD_EXIT_EPT_VIOLATION);
    }
    return answer_attributes(vcpu, gpa, state);
}

/*
 * RDX: attributes by VM, R8: which of them to change; VM 0 is the TD itself, and there are no
 * others.
 */
uint64_t tdcall_page_attr_wr(TdVcpu *vcpu)
{
    const uint64_t *regs = vcpu->cpu->regs;
    uint64_t operand = regs[GPR_RCX], gpa = operand & GPA_BITS, level = operand & LEVEL_MASK;
    for (unsigned vm = 0; vm < TD_VMS; vm++) {
        if (regs[GPR_RDX] >> 16 * vm & 0xffff) {
            return refuse_attributes(vcpu, TDX_OPERAND_RDX);
        }
        if (regs[GPR_R8] >> 16 * vm & 0xffff) {
            return refuse_attributes(vcpu, TDX_OPERAND_R8);
        }
    }
    if (!mapping_valid(vcpu->td, operand) || level > 2 ||
        (gpa & ((UINT64_C(0x1000) << 9 * level) - 1))) {
        return refuse_attributes(vcpu, TDX_OPERAND_RCX);
    }
    SeptState state = sept_state(&vcpu->td->sept, gpa);
    if (level && sept_has_table(&vcpu->td->sept, gpa)) {
        uint64_t *out = vcpu->cpu->regs;
        out[GPR_RCX] = out[GPR_RDX] = 0;
        return TDX_PAGE_SIZE_MISMATCH | level;
    }
    if (level || (state != SEPT_MAPPED && state != SEPT_PENDING)) {
        world_ept_violation(vcpu, gpa, CPU_WRITE, TD_EXIT_EPT_VIOLATION);
    }
    return answer_attributes(vcpu, gpa, state);
}
