/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment registers as operands, and the FS and GS bases. */
#include "segment.h"
#include "far-stack.h"
#include "system.h"
#include "system-ops.h"

/*
 * No interrupt, NMI or #DB between a load of SS and the next instruction, which loads RSP (SDM vol.
 * 3, 6.8.3).
 */
static void shadow_stack_segment(Cpu *cpu, const Op *op)
{
    cpu->interruptibility = op->imm == SEG_SS;
    cpu->core->stack_shadow = op->imm == SEG_SS;
}

const Op *op_mov_to_sreg(Cpu *cpu, const Op *op)
{
    uint16_t selector;
    begin(cpu, op);
    if (op->flags & SYS_MEMORY) {
        selector = mmu_load16(cpu, op, op_linear(cpu, op, 2, false));
    } else {
        selector = CPU_REG(cpu, uint16_t, op->dst);
    }
    block_leave(cpu, op); /* RIP by the mode that the instruction ran in */
    segment_load(cpu, op, (unsigned)op->imm, selector);
    shadow_stack_segment(cpu, op);
    return NULL;
}

const Op *op_mov_from_sreg(Cpu *cpu, const Op *op)
{
    uint16_t selector = cpu->seg[op->imm].selector;
    if (op->flags & SYS_MEMORY) {
        mmu_store16(cpu, op, op_linear(cpu, op, 2, true), selector);
    } else {
        system_write_register(cpu, op->dst, op->size, selector);
    }
    NEXT(cpu, op);
}

const Op *op_push_sreg(Cpu *cpu, const Op *op)
{
    uint64_t value = cpu->seg[op->imm].selector;
    FarStack stack = far_begin(cpu, op);
    far_push(&stack, value, op->size);
    far_commit(&stack);
    NEXT(cpu, op);
}

const Op *op_pop_sreg(Cpu *cpu, const Op *op)
{
    FarStack stack = far_begin(cpu, op);
    uint64_t value = far_pop(&stack, op->size);
    block_leave(cpu, op);
    segment_load(cpu, op, (unsigned)op->imm, (uint16_t)value);
    far_commit(&stack);
    shadow_stack_segment(cpu, op);
    return NULL;
}

/* LDS, LES, LFS, LGS, LSS. */
const Op *op_load_far_pointer(Cpu *cpu, const Op *op)
{
    uint8_t bytes[10];
    uint64_t offset = 0;
    uint16_t selector;
    mmu_read(cpu, op, op_linear(cpu, op, op->size + 2u, false), bytes, op->size + 2u);
    memcpy(&offset, bytes, op->size);
    memcpy(&selector, bytes + op->size, 2);
    block_leave(cpu, op);
    segment_load(cpu, op, (unsigned)op->imm, selector);
    system_write_register(cpu, op->dst, op->size, offset);
    return NULL;
}

const Op *op_swapgs(Cpu *cpu, const Op *op)
{
    uint64_t base = cpu->seg[SEG_GS].base;
    require_cpl0(cpu, op);
    cpu->seg[SEG_GS].base = cpu->kernel_gs_base;
    cpu->kernel_gs_base = base;
    NEXT(cpu, op);
}

static void require_fsgsbase(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (!(cpu->cr4 & CR4_FSGSBASE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
}

const Op *op_rdbase(Cpu *cpu, const Op *op)
{
    require_fsgsbase(cpu, op);
    /* 32 bits without REX.W, whatever 66h says */
    system_write_register(cpu, op->dst, op->size == 8 ? 8 : 4, cpu->seg[op->imm].base);
    NEXT(cpu, op);
}

const Op *op_wrbase(Cpu *cpu, const Op *op)
{
    uint64_t base = CPU_REG(cpu, uint64_t, op->dst);
    require_fsgsbase(cpu, op);
    if (op->size != 8) {
        base = (uint32_t)base;
    }
    if (!cpu_canonical_widest(cpu, base)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    cpu->seg[op->imm].base = base;
    NEXT(cpu, op);
}
