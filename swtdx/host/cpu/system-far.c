/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far transfers: JMP, CALL, RET and IRET between segments, INT, SYSCALL, SYSENTER and their
 * returns.
 */
#include "cet.h"
#include "far-stack.h"
#include "system-gate.h"
#include "system-ops.h"

#define RFLAGS_SYSRET UINT64_C(0x3c7fd7)
#define FLAG_VIF (1u << 19)
#define FLAG_VIP (1u << 20)

/* ---- code segments ---- */

static bool offset_valid(const Cpu *cpu, const Segment *cs, uint64_t offset)
{
    if (cpu_long(cpu) && (cs->access & SEG_ACCESS_L)) {
        return cpu_canonical(cpu, offset);
    }
    return offset <= cs->limit;
}

static void check_code(Cpu *cpu, const Descriptor *d, uint32_t error)
{
    uint32_t both = SEG_ACCESS_L | SEG_ACCESS_DB;
    if (cpu_long(cpu) && (d->segment.access & both) == both) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (!(d->segment.access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, error);
    }
}

/*
 * Target of a far JMP or CALL (SDM vol. 3, 5.8.1): same privilege. False: it was a gate, and all is
 * done.
 */
static bool direct_target(Cpu *cpu, const Op *op, uint16_t selector, uint64_t offset, bool call,
                          Descriptor *d)
{
    uint32_t error = selector & 0xfffcu;
    uint32_t access;
    begin(cpu, op);
    if (selector_is_null(selector)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    segment_descriptor(cpu, op, selector, VEC_GP, 0, d);
    access = d->segment.access;
    if (!(access & ACCESS_S)) {
        gate_transfer(cpu, op, selector, d, call);
        return false;
    }
    if (!access_is_code(access)) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (access & ACCESS_DC ? access_dpl(access) > cpu->cpl
                           : (selector & 3u) > cpu->cpl || access_dpl(access) != cpu->cpl) {
        cpu_raise(cpu, VEC_GP, error);
    }
    check_code(cpu, d, error);
    if (!offset_valid(cpu, &d->segment, offset)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    segment_mark_accessed(cpu, op, d);
    d->segment.selector = (uint16_t)((selector & ~3u) | cpu->cpl);
    return true;
}

/* Target of a far return: to the level in the selector. */
static void return_target(Cpu *cpu, const Op *op, uint16_t selector, uint64_t offset, Descriptor *d)
{
    uint32_t error = selector & 0xfffcu;
    unsigned rpl = selector & 3u;
    uint32_t access;
    begin(cpu, op);
    if (selector_is_null(selector)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    segment_descriptor(cpu, op, selector, VEC_GP, 0, d);
    access = d->segment.access;
    if (!access_is_code(access) || rpl < cpu->cpl
        || (access & ACCESS_DC ? access_dpl(access) > rpl : access_dpl(access) != rpl)) {
        cpu_raise(cpu, VEC_GP, error);
    }
    check_code(cpu, d, error);
    if (!offset_valid(cpu, &d->segment, offset)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    segment_mark_accessed(cpu, op, d);
}

/* Stack segment that a return brings back. Null is good for 64-bit code above level 3. */
static Segment return_stack(Cpu *cpu, const Op *op, uint16_t selector, const Segment *cs)
{
    unsigned level = cs->selector & 3u;
    Descriptor d;
    if (selector_is_null(selector) && cpu_long(cpu) && (cs->access & SEG_ACCESS_L) && level != 3
        && (selector & 3u) == level) {
        return (Segment){ .selector = selector,
                          .access = SEG_ACCESS_UNUSABLE | SEG_ACCESS_DB | level << 5 };
    }
    segment_check_stack(cpu, op, selector, level, VEC_GP, 0, &d);
    segment_mark_accessed(cpu, op, &d);
    return d.segment;
}

static uint64_t truncate(uint64_t value, unsigned size)
{
    return size == 8 ? value : size == 4 ? (uint32_t)value : (uint16_t)value;
}

static void set_code(Cpu *cpu, const Segment *cs, uint64_t rip)
{
    cpu->seg[SEG_CS] = *cs;
    cpu->rip = rip;
    cpu_update_mode(cpu);
}

/* New stack pointer by the width of the stack it belongs to. */
static void set_stack(Cpu *cpu, const Segment *ss, uint64_t pointer, bool to_64)
{
    cpu->seg[SEG_SS] = *ss;
    if (to_64) {
        cpu->regs[GPR_RSP] = pointer;
    } else if (ss->access & SEG_ACCESS_DB) {
        cpu->regs[GPR_RSP] = (uint32_t)pointer;
    } else {
        CPU_REG(cpu, uint16_t, GPR_RSP * 8) = (uint16_t)pointer;
    }
}

static bool is_code64(const Cpu *cpu, const Segment *cs)
{
    return cpu_long(cpu) && (cs->access & SEG_ACCESS_L);
}

/* ---- JMP, CALL, RET ---- */

/* Op.imm and Op.aux hold offset and selector of a direct transfer. */
static uint16_t far_operand(Cpu *cpu, const Op *op, uint64_t *offset)
{
    uint8_t bytes[10];
    uint16_t selector;
    begin(cpu, op);
    if (!(op->flags & SYS_MEMORY)) {
        *offset = truncate(op->imm, op->size);
        return (uint16_t)op->aux;
    }
    *offset = 0;
    mmu_read(cpu, op, op_linear(cpu, op, op->size + 2u, false), bytes, op->size + 2u);
    memcpy(offset, bytes, op->size);
    memcpy(&selector, bytes + op->size, 2);
    return selector;
}

const Op *op_jmp_far(Cpu *cpu, const Op *op)
{
    Descriptor d;
    uint64_t offset;
    uint16_t selector = far_operand(cpu, op, &offset);
    if (!direct_target(cpu, op, selector, offset, false, &d)) {
        return NULL;
    }
    cet_jump(cpu, &d.segment);
    block_leave(cpu, op);
    set_code(cpu, &d.segment, offset);
    return NULL;
}

const Op *op_call_far(Cpu *cpu, const Op *op)
{
    Descriptor d;
    uint64_t offset;
    uint16_t selector = far_operand(cpu, op, &offset);
    FarStack stack = far_begin(cpu, op);
    if (!direct_target(cpu, op, selector, offset, true, &d)) {
        return NULL;
    }
    far_push(&stack, cpu->seg[SEG_CS].selector, op->size);
    far_push(&stack, cpu_op_next_rip(cpu, op), op->size);
    cet_enter(cpu, op, &(CetEntry){ .cpl = cpu->cpl, .ssp = cpu->ssp,
                                    .wide = is_code64(cpu, &d.segment),
                                    .rip = cpu_op_next_rip(cpu, op) });
    far_commit(&stack);
    block_leave(cpu, op);
    set_code(cpu, &d.segment, offset);
    return NULL;
}

const Op *op_ret_far(Cpu *cpu, const Op *op)
{
    FarStack stack = far_begin(cpu, op);
    uint64_t rip = far_pop(&stack, op->size);
    uint16_t selector = (uint16_t)far_pop(&stack, op->size);
    CetReturn cet;
    Descriptor d;
    return_target(cpu, op, selector, rip, &d);
    stack.pointer += op->imm;
    if ((selector & 3u) == cpu->cpl) {
        cet = cet_return(cpu, op, &d.segment, rip, false);
        far_commit(&stack);
        block_leave(cpu, op);
    } else {
        uint64_t pointer = far_pop(&stack, op->size);
        Segment ss = return_stack(cpu, op, (uint16_t)far_pop(&stack, op->size), &d.segment);
        cet = cet_return(cpu, op, &d.segment, rip, false);
        block_leave(cpu, op);
        set_stack(cpu, &ss, pointer + op->imm, is_code64(cpu, &d.segment));
        cpu->cpl = selector & 3u;
        segment_drop_privileged(cpu);
    }
    cet_return_done(cpu, cet);
    set_code(cpu, &d.segment, rip);
    return NULL;
}

/* ---- IRET ---- */

typedef struct Frame {
    uint64_t rip, flags, rsp;
    uint16_t cs, ss;
    bool has_stack;
} Frame;

static Frame pop_frame(Cpu *cpu, const Op *op, FarStack *stack)
{
    Frame f = { 0 };
    f.rip = far_pop(stack, op->size);
    f.cs = (uint16_t)far_pop(stack, op->size);
    f.flags = far_pop(stack, op->size);
    if (!cpu_long(cpu) && op->size == 4 && (f.flags & FLAG_VM) && cpu->cpl == 0) {
        cpu_unsupported(cpu, "return to virtual-8086 mode");
    }
    f.has_stack = cpu_64(cpu) || (f.cs & 3u) > cpu->cpl;
    if (f.has_stack) {
        f.rsp = far_pop(stack, op->size);
        f.ss = (uint16_t)far_pop(stack, op->size);
    }
    return f;
}

/*
 * Which flags IRET changes, by the privilege it starts from (SDM vol. 2, IRET). RF goes into
 * CoreState.resume_flag, and from there nowhere: PUSHF hides it.
 */
static uint64_t iret_flags(Cpu *cpu, const Op *op, uint64_t image)
{
    uint64_t mask = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;
    uint64_t old = cpu_rflags(cpu);
    if (op->size >= 4) {
        mask |= FLAG_AC | FLAG_ID;
    }
    if (cpu->cpl <= (old & FLAG_IOPL) >> 12) {
        mask |= FLAG_IF;
    }
    if (cpu->cpl == 0) {
        mask |= FLAG_IOPL | (op->size >= 4 ? FLAG_VIF | FLAG_VIP : 0);
    }
    return (old & ~mask) | (image & mask);
}

const Op *op_iret(Cpu *cpu, const Op *op)
{
    FarStack stack = far_begin(cpu, op);
    Descriptor d;
    Segment ss = cpu->seg[SEG_SS];
    uint64_t flags;
    CetReturn cet;
    Frame f;

    cpu->nmi_blocked = false; /* SDM vol. 3, 6.7.1: also by an IRET that faults */
    if (cpu->rflags & FLAG_VM) {
        cpu_unsupported(cpu, "virtual-8086 mode");
    }
    if (cpu->rflags & FLAG_NT) {
        if (cpu_long(cpu)) {
            cpu_raise(cpu, VEC_GP, 0);
        }
        gate_task_switch(cpu);
    }
    f = pop_frame(cpu, op, &stack);
    return_target(cpu, op, f.cs, f.rip, &d);
    if (f.has_stack) {
        ss = return_stack(cpu, op, f.ss, &d.segment);
    }
    flags = iret_flags(cpu, op, f.flags);
    cet = cet_return(cpu, op, &d.segment, f.rip, true);

    block_leave(cpu, op);
    if (f.has_stack) {
        set_stack(cpu, &ss, f.rsp, is_code64(cpu, &d.segment));
    } else {
        far_commit(&stack);
    }
    cpu_set_rflags(cpu, flags);
    cpu->core->resume_flag = op->size >= 4 && (f.flags & FLAG_RF);
    if ((f.cs & 3u) != cpu->cpl) {
        cpu->cpl = f.cs & 3u;
        segment_drop_privileged(cpu);
    }
    cet_return_done(cpu, cet);
    set_code(cpu, &d.segment, f.rip);
    return NULL;
}

/* ---- INT ---- */

const Op *op_int_n(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    cpu_raise_trap(cpu, (uint8_t)op->imm, true);
}

const Op *op_int1(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    /* what a load of SS held back: one #DB, which tells of nothing, is all that comes */
    cpu->core->debug_hits = 0;
    cpu_raise_trap(cpu, VEC_DB, false);
}

const Op *op_into(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (cpu_rflags(cpu) & FLAG_OF) {
        cpu_raise_trap(cpu, VEC_OF, true);
    }
    NEXT(cpu, op);
}

/* ---- SYSCALL and SYSENTER ---- */

#define TYPE_CODE 11u
#define TYPE_DATA 3u

/* Flat CS and SS. wide: 64-bit code. */
static void load_flat(Cpu *cpu, uint16_t cs, uint16_t ss, unsigned cpl, bool wide, uint64_t rip)
{
    Segment code = segment_flat(cs, TYPE_CODE, cpl, wide ? SEG_ACCESS_L : SEG_ACCESS_DB);
    cpu->seg[SEG_SS] = segment_flat(ss, TYPE_DATA, cpl, SEG_ACCESS_DB);
    cpu->cpl = (uint8_t)cpl;
    set_code(cpu, &code, rip);
}

static void require_syscall(Cpu *cpu, const Op *op)
{
    begin(cpu, op);
    if (!cpu_64(cpu) || !(cpu->efer & EFER_SCE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
}

const Op *op_syscall(Cpu *cpu, const Op *op)
{
    uint16_t cs = (cpu->star >> 32) & 0xfffc;
    uint64_t flags;
    require_syscall(cpu, op);
    flags = cpu_rflags(cpu) & ~(uint64_t)FLAG_RF;
    cpu->regs[GPR_RCX] = cpu_op_next_rip(cpu, op);
    cpu->regs[GPR_R11] = flags;
    block_leave(cpu, op);
    cpu_set_rflags(cpu, (flags & ~cpu->fmask) | 2);
    cpu->core->skip_trap = !(cpu->rflags & FLAG_TF);
    cet_system_call(cpu);
    load_flat(cpu, cs, (uint16_t)(cs + 8), 0, true, cpu->lstar);
    return NULL;
}

const Op *op_sysret(Cpu *cpu, const Op *op)
{
    uint16_t selector = (uint16_t)(cpu->star >> 48);
    bool wide = op->size == 8;
    uint64_t rip = wide ? cpu->regs[GPR_RCX] : (uint32_t)cpu->regs[GPR_RCX];
    require_syscall(cpu, op);
    if (cpu->cpl || !cpu_canonical(cpu, rip)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    block_leave(cpu, op);
    cpu_set_rflags(cpu, (cpu->regs[GPR_R11] & RFLAGS_SYSRET & ~(uint64_t)FLAG_RF) | 2);
    cet_system_return(cpu);
    load_flat(cpu, (uint16_t)((selector + (wide ? 16 : 0)) | 3), (uint16_t)((selector + 8) | 3), 3,
              wide, rip);
    return NULL;
}

const Op *op_sysenter(Cpu *cpu, const Op *op)
{
    uint16_t cs = cpu->sysenter_cs & 0xfffc;
    bool wide = cpu_long(cpu);
    begin(cpu, op);
    if (!(cpu->cr0 & CR0_PE) || !cs) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    block_leave(cpu, op);
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(uint64_t)(FLAG_VM | FLAG_IF | FLAG_RF));
    cpu->core->skip_trap = true;
    cet_system_call(cpu);
    cpu->regs[GPR_RSP] = wide ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
    load_flat(cpu, cs, (uint16_t)(cs + 8), 0, wide,
              wide ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip);
    return NULL;
}

const Op *op_sysexit(Cpu *cpu, const Op *op)
{
    uint16_t base = cpu->sysenter_cs & 0xfffc;
    bool wide = op->size == 8;
    uint64_t rip = truncate(cpu->regs[GPR_RDX], wide ? 8 : 4);
    uint64_t rsp = truncate(cpu->regs[GPR_RCX], wide ? 8 : 4);
    begin(cpu, op);
    if (!(cpu->cr0 & CR0_PE) || !base || cpu->cpl ||
        (wide && (!cpu_canonical(cpu, rip) || !cpu_canonical(cpu, rsp)))) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    block_leave(cpu, op);
    cet_system_return(cpu);
    cpu->regs[GPR_RSP] = rsp;
    load_flat(cpu, (uint16_t)((base + (wide ? 32 : 16)) | 3),
              (uint16_t)((base + (wide ? 40 : 24)) | 3), 3, wide, rip);
    return NULL;
}
