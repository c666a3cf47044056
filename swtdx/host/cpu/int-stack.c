/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE.
 */
#include "stack.h"

/* ---- 64-bit code, 64-bit operands: the usual ---- */

HANDLER(op_push_r64)
{
    uint64_t pointer = cpu->regs[GPR_RSP] - 8;
    mmu_store64(cpu, op, pointer, REG_READ(64, op->dst));
    cpu->regs[GPR_RSP] = pointer;
    NEXT(cpu, op);
}

HANDLER(op_push_i64)
{
    uint64_t pointer = cpu->regs[GPR_RSP] - 8;
    mmu_store64(cpu, op, pointer, op->imm);
    cpu->regs[GPR_RSP] = pointer;
    NEXT(cpu, op);
}

HANDLER(op_pop_r64)
{
    uint64_t v = mmu_load64(cpu, op, cpu->regs[GPR_RSP]);
    cpu->regs[GPR_RSP] += 8;
    reg_write64(cpu, op->dst, v); /* after: POP RSP */
    NEXT(cpu, op);
}

HANDLER(op_leave64)
{
    uint64_t pointer = cpu->regs[GPR_RBP];
    uint64_t v = mmu_load64(cpu, op, pointer);
    cpu->regs[GPR_RSP] = pointer + 8;
    cpu->regs[GPR_RBP] = v;
    NEXT(cpu, op);
}

/* ---- any mode and size ---- */

static void write_sized(Cpu *cpu, unsigned offset, uint64_t v, unsigned size)
{
    if (size == 8) {
        reg_write64(cpu, offset, v);
    } else if (size == 4) {
        reg_write32(cpu, offset, v);
    } else {
        reg_write16(cpu, offset, v);
    }
}

HANDLER(op_push_r)
{
    stack_push(cpu, op, CPU_REG(cpu, uint64_t, op->dst), op->size);
    NEXT(cpu, op);
}

HANDLER(op_push_i)
{
    stack_push(cpu, op, op->imm, op->size);
    NEXT(cpu, op);
}

HANDLER(op_push_m)
{
    stack_push(cpu, op, mmu_load_sized(cpu, op, op_linear(cpu, op, op->size, false), op->size),
               op->size);
    NEXT(cpu, op);
}

HANDLER(op_pop_r)
{
    uint64_t v = stack_peek(cpu, op, 0, op->size);
    stack_set(cpu, cpu->regs[GPR_RSP] + op->size);
    write_sized(cpu, op->dst, v, op->size);
    NEXT(cpu, op);
}

/*
 * The address is computed with the stack pointer already moved: the chooser added op->size where
 * RSP is the base.
 */
HANDLER(op_pop_m)
{
    uint64_t v = stack_peek(cpu, op, 0, op->size);
    mmu_store_sized(cpu, op, op_linear(cpu, op, op->size, true), v, op->size);
    stack_set(cpu, cpu->regs[GPR_RSP] + op->size);
    NEXT(cpu, op);
}

HANDLER(op_leave)
{
    uint64_t mask = stack_mask(cpu), pointer = cpu->regs[GPR_RBP] & mask;
    uint64_t v = mmu_load_sized(cpu, op, stack_linear(cpu, op, pointer, op->size, false), op->size);
    stack_set(cpu, pointer + op->size);
    write_sized(cpu, GPR_RBP * 8, v, op->size);
    NEXT(cpu, op);
}

static uint64_t load_frame(Cpu *cpu, const Op *op, uint64_t pointer)
{
    pointer &= stack_mask(cpu);
    return mmu_load_sized(cpu, op, stack_linear(cpu, op, pointer, op->size, false), op->size);
}

static void store_frame(Cpu *cpu, const Op *op, uint64_t pointer, uint64_t v)
{
    pointer &= stack_mask(cpu);
    mmu_store_sized(cpu, op, stack_linear(cpu, op, pointer, op->size, true), v, op->size);
}

/* imm: bytes to reserve; aux: nesting level (SDM vol. 2, ENTER) */
HANDLER(op_enter)
{
    unsigned size = op->size, level = op->aux & 31;
    uint64_t pointer = cpu->regs[GPR_RSP] - size;
    store_frame(cpu, op, pointer, cpu->regs[GPR_RBP]);
    uint64_t frame = pointer;
    for (unsigned i = 1; i < level; i++) {
        uint64_t v = load_frame(cpu, op, cpu->regs[GPR_RBP] - i * size);
        pointer -= size;
        store_frame(cpu, op, pointer, v);
    }
    if (level != 0) {
        pointer -= size;
        store_frame(cpu, op, pointer, frame);
    }
    pointer -= op->imm & 0xffff;
    uint64_t last = pointer & stack_mask(cpu);
    mmu_probe(cpu, op, stack_linear(cpu, op, last, size, true), 1, CPU_WRITE);
    stack_set(cpu, pointer);
    write_sized(cpu, GPR_RBP * 8, frame, size);
    NEXT(cpu, op);
}

HANDLER(op_pusha)
{
    unsigned size = op->size;
    uint64_t pointer = cpu->regs[GPR_RSP];
    for (unsigned i = GPR_RAX; i <= GPR_RDI; i++) {
        pointer -= size;
        store_frame(cpu, op, pointer, cpu->regs[i]); /* RSP as before: not yet moved */
    }
    stack_set(cpu, pointer);
    NEXT(cpu, op);
}

HANDLER(op_popa)
{
    unsigned size = op->size;
    uint64_t v[8];
    for (unsigned i = 0; i < 8; i++) {
        v[GPR_RDI - i] = load_frame(cpu, op, cpu->regs[GPR_RSP] + i * size);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i != GPR_RSP) {
            write_sized(cpu, i * 8, v[i], size);
        }
    }
    stack_set(cpu, cpu->regs[GPR_RSP] + 8 * size);
    return op + 1;
}

/* VM and RF are never seen (SDM vol. 2, PUSHF). */
HANDLER(op_pushf)
{
    stack_push(cpu, op, cpu_rflags(cpu) & ~(uint64_t)(FLAG_VM | FLAG_RF), op->size);
    NEXT(cpu, op);
}

/* SDM vol. 2, POPF, table 4-17: IOPL at CPL 0 only, IF where CPL <= IOPL, RF becomes 0. */
HANDLER(op_popf)
{
    uint64_t v = stack_peek(cpu, op, 0, op->size);
    uint64_t old = cpu_rflags(cpu);
    uint64_t mask = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    if (cpu->cpl == 0) {
        mask |= FLAG_IOPL;
    }
    if (cpu->cpl <= (old & FLAG_IOPL) >> 12) {
        mask |= FLAG_IF;
    }
    if (op->size == 2) {
        mask &= 0xffff;
    }
    uint64_t fresh = ((old & ~mask) | (v & mask)) & ~(uint64_t)FLAG_RF;
    stack_set(cpu, cpu->regs[GPR_RSP] + op->size);
    cpu_set_rflags(cpu, fresh);
    uint64_t changed = old ^ fresh;
    if (likely((changed & (FLAG_IF | FLAG_TF | FLAG_AC)) == 0)) {
        NEXT(cpu, op);
    }
    if (changed & FLAG_AC) {
        cpu_update_mode(cpu);
    }
    return block_leave(cpu, op);
}

static bool choose_push(const Decoded *d, Op *op)
{
    bool usual = (d->mode & CPU_MODE_CS64) && op->size == 8;
    if (decode_is_register(d, 0)) {
        op->seg = SEG_SS;
        op->fn = usual ? op_push_r64 : op_push_r;
    } else if (is_immediate(d, 0)) {
        op->seg = SEG_SS;
        op->fn = usual ? op_push_i64 : op_push_i;
    } else if (is_memory(d, 0)) {
        op->fn = op_push_m;
    } else {
        return false;
    }
    return true;
}

/* Segment registers are the system family's. */
static bool choose_pop(const Decoded *d, Op *op)
{
    if (decode_is_register(d, 0)) {
        op->seg = SEG_SS;
        op->fn = (d->mode & CPU_MODE_CS64) && op->size == 8 ? op_pop_r64 : op_pop_r;
        return true;
    }
    if (is_memory(d, 0)) {
        if (op->base == GPR_RSP * 8) {
            op->disp += op->size;
        }
        op->fn = op_pop_m;
        return true;
    }
    return false;
}

bool int_choose_stack(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)cpu;
    (void)ends;
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
        return choose_push(d, op);
    case ZYDIS_MNEMONIC_POP:
        return choose_pop(d, op);
    case ZYDIS_MNEMONIC_LEAVE:
        op->fn = (d->mode & CPU_MODE_CS64) && op->size == 8 ? op_leave64 : op_leave;
        break;
    case ZYDIS_MNEMONIC_ENTER:
        op->aux = d->operand[1].imm.value.u;
        op->fn = op_enter;
        break;
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
        op->fn = op_pusha;
        break;
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
        op->fn = op_popa;
        break;
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        op->fn = op_pushf;
        break;
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
        op->fn = op_popf;
        break;
    default:
        return false;
    }
    op->seg = SEG_SS;
    return true;
}
