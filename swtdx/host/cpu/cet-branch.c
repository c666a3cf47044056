/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Near CALL, RET and indirect JMP where shadow stacks or indirect branch tracking are on, in any
 * mode.
 */
#include "block-exit.h"
#include "branch.h"
#include "cet.h"
#include "shadow-stack.h"
#include "stack.h"

/* Return addresses take 8 bytes of the shadow stack in 64-bit code, else 4 (SDM vol. 1, 18.2.2). */
static unsigned shadow_size(const Op *op)
{
    return op->size == 8 ? 8 : 4;
}

/* Pushes the return address, on the shadow stack too where there is one. */
static void push_return(Cpu *cpu, const Op *op, bool shadow)
{
    uint64_t next = branch_cut(op, cpu_op_next_rip(cpu, op));
    uint64_t pointer = (cpu->regs[GPR_RSP] - op->size) & stack_mask(cpu);
    mmu_store_sized(cpu, op, stack_linear(cpu, op, pointer, op->size, true), next, op->size);
    if (shadow && (cpu->mode & CPU_MODE_SHSTK)) {
        unsigned size = shadow_size(op);
        uint64_t ssp = shadow_address(cpu, cpu->ssp - size);
        shadow_store(cpu, op, ssp, next, size, cpu->cpl == 3);
        cpu->ssp = ssp;
    }
    stack_set(cpu, pointer);
}

/* A call of the next instruction is no call: code finds its own address so. */
HANDLER(op_call_direct)
{
    uint64_t rip = branch_cut(op, branch_direct(cpu, op));
    branch_check(cpu, op, rip);
    push_return(cpu, op, op->imm != (uint64_t)op->off + op->len);
    EXIT_DIRECT(cpu, op, rip);
}

/* src: the target is in memory */
static uint64_t indirect_target(Cpu *cpu, const Op *op)
{
    uint64_t rip = op->src ? mmu_load_sized(cpu, op, op_linear(cpu, op, op->size, false), op->size)
                           : branch_cut(op, CPU_REG(cpu, uint64_t, op->dst));
    branch_check(cpu, op, rip);
    return rip;
}

static bool lands_on_endbranch(const Cpu *cpu, uint64_t rip)
{
    const JumpEntry *e = jump_entry(cpu, rip);
    return e->key == (rip ^ cpu->jump_salt) && e->block->mode == cpu->mode && e->block->endbranch
           && !block_pending(cpu);
}

/* aux: the branch has a NOTRACK prefix */
static void track(Cpu *cpu, const Op *op, uint64_t rip)
{
    uint64_t *control = cet_control(cpu, cpu->cpl);
    if (lands_on_endbranch(cpu, rip)) {
        return;
    }
    if ((cpu->mode & CPU_MODE_IBT) && !(op->aux && (*control & CET_NO_TRACK_EN))) {
        *control |= CET_TRACKER;
        cpu->mode |= CPU_MODE_WAIT;
    }
}

HANDLER(op_jmp_indirect)
{
    uint64_t rip = indirect_target(cpu, op);
    track(cpu, op, rip);
    EXIT_INDIRECT(cpu, op, rip);
}

HANDLER(op_call_indirect)
{
    uint64_t rip = indirect_target(cpu, op);
    push_return(cpu, op, true);
    track(cpu, op, rip);
    EXIT_INDIRECT(cpu, op, rip);
}

/* imm: bytes to release besides the return address */
HANDLER(op_ret)
{
    uint64_t rip = stack_peek(cpu, op, 0, op->size);
    unsigned size = shadow_size(op);
    if (shadow_load(cpu, op, cpu->ssp, size, cpu->cpl == 3) != rip) {
        op_raise(cpu, op, VEC_CP, CP_NEAR_RET);
    }
    branch_check(cpu, op, rip);
    cpu->ssp = shadow_address(cpu, cpu->ssp + size);
    stack_set(cpu, cpu->regs[GPR_RSP] + op->size + op->imm);
    EXIT_INDIRECT(cpu, op, rip);
}

void cet_choose_branch(const Decoded *d, Op *op)
{
    bool shadow = d->mode & CPU_MODE_SHSTK, jump = d->insn.mnemonic == ZYDIS_MNEMONIC_JMP;
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_RET) {
        op->fn = shadow ? op_ret : op->fn;
    } else if (is_immediate(d, 0)) {
        op->fn = shadow && !jump ? op_call_direct : op->fn;
    } else {
        op->src = is_memory(d, 0);
        op->aux = (d->insn.attributes & ZYDIS_ATTRIB_HAS_NOTRACK) != 0;
        op->fn = jump ? op_jmp_indirect : op_call_indirect;
    }
}
