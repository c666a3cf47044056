/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far transfers through call gates, and those that mean a task switch (Intel SDM vol. 3, 5.8 and
 * ch. 8).
 */
#include "cet.h"
#include "far-stack.h"
#include "system-gate.h"
#include "system-ops.h"

#define VMX_EXIT_TASK_SWITCH 9u

enum { TYPE_TSS16 = 1, TYPE_GATE16 = 4, TYPE_TASK_GATE = 5, TYPE_TSS = 9, TYPE_GATE = 12 };

typedef struct Gate {
    uint64_t offset;
    uint16_t selector;  /* of the code segment */
    unsigned params;
    unsigned word;      /* 2, 4 or 8: size of what is pushed */
    uint32_t error;     /* of faults about the gate itself */
    Descriptor code;
} Gate;

_Noreturn void gate_task_switch(Cpu *cpu)
{
    cpu->world->instruction(cpu, VMX_EXIT_TASK_SWITCH);
    cpu_unsupported(cpu, "task switch");
}

/* The rights to a gate or TSS are those to data (5.8.3, 8.2.5). */
static void check_rights(Cpu *cpu, uint16_t selector, uint32_t access)
{
    unsigned dpl = access_dpl(access);
    if (dpl < cpu->cpl || dpl < (selector & 3u)) {
        cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
    }
    if (!(access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, selector & 0xfffcu);
    }
}

static void read_gate(Cpu *cpu, const Op *op, uint16_t selector, const Descriptor *d, Gate *g)
{
    uint32_t raw[4] = { 0 };
    unsigned size = cpu_long(cpu) ? 16 : 8;
    uint32_t limit = selector & 4 ? cpu->ldtr.limit : cpu->gdtr.limit;
    if ((selector & ~7u) + size - 1 > limit) {
        cpu_raise(cpu, VEC_GP, g->error);
    }
    mmu_read_system(cpu, op, d->linear, raw, size);
    if (raw[3] & 0x1f00) { /* type of the upper half: SDM vol. 3, figure 5-8 */
        cpu_raise(cpu, VEC_GP, g->error);
    }
    g->word = cpu_long(cpu) ? 8 : (d->segment.access & ACCESS_TYPE) == TYPE_GATE ? 4 : 2;
    g->offset = (raw[0] & 0xffff) | (g->word >= 4 ? raw[1] & 0xffff0000 : 0) |
                (uint64_t)raw[2] << 32;
    g->selector = (uint16_t)(raw[0] >> 16);
    g->params = cpu_long(cpu) ? 0 : raw[1] & 0x1f;
}

/* The code segment of the gate; returns the privilege to run at. */
static unsigned check_code(Cpu *cpu, const Op *op, Gate *g, bool call)
{
    uint32_t error = g->selector & 0xfffcu;
    uint32_t access;
    bool conforming;
    if (selector_is_null(g->selector)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    segment_descriptor(cpu, op, g->selector, VEC_GP, 0, &g->code);
    access = g->code.segment.access;
    conforming = access & ACCESS_DC;
    if (!access_is_code(access) || access_dpl(access) > cpu->cpl ||
        (!call && !conforming && access_dpl(access) != cpu->cpl)) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (cpu_long(cpu) && (access & (SEG_ACCESS_L | SEG_ACCESS_DB)) != SEG_ACCESS_L) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (!(access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, error);
    }
    return conforming ? cpu->cpl : access_dpl(access);
}

static void check_offset(Cpu *cpu, const Gate *g)
{
    if (cpu_long(cpu) ? !cpu_canonical(cpu, g->offset) : g->offset > g->code.segment.limit) {
        cpu_raise(cpu, VEC_GP, 0);
    }
}

/*
 * Frame of a call to an inner level, lowest word first: RIP, CS, parameters, RSP, SS. Returns the
 * number of words.
 */
static unsigned inner_frame(Cpu *cpu, const Op *op, const Gate *g, uint64_t words[36])
{
    unsigned n = 0;
    words[n++] = cpu_op_next_rip(cpu, op);
    words[n++] = cpu->seg[SEG_CS].selector;
    for (unsigned i = 0; i < g->params; i++) {
        uint64_t value = 0;
        uint64_t at = (cpu->regs[GPR_RSP] + i * g->word) & segment_stack_mask(cpu);
        mmu_read(cpu, op, segment_linear_slow(cpu, op, SEG_SS, at, g->word, false), &value,
                 g->word);
        words[n++] = value;
    }
    words[n++] = cpu->regs[GPR_RSP];
    words[n++] = cpu->seg[SEG_SS].selector;
    return n;
}

/* Stack switch and pushes of a call to level cpl < CPL. */
static void call_inner(Cpu *cpu, const Op *op, const Gate *g, unsigned cpl)
{
    uint64_t words[36], pointer, linear;
    uint8_t frame[36 * 8];
    CetEntry cet = { .cpl = cpl, .token = true, .wide = cpu_long(cpu),
                     .rip = cpu_op_next_rip(cpu, op) };
    Descriptor ss;
    unsigned n;
    if (cpu_long(cpu)) {
        pointer = segment_task_rsp(cpu, 4 + cpl * 8, 0);
        ss.segment = (Segment){ .selector = (uint16_t)cpl,
                                .access = SEG_ACCESS_UNUSABLE | SEG_ACCESS_DB | cpl << 5 };
    } else {
        pointer = segment_task_stack(cpu, cpl, 0, &ss);
    }
    n = inner_frame(cpu, op, g, words);
    for (unsigned i = 0; i < n; i++) {
        memcpy(frame + i * g->word, &words[i], g->word);
    }
    pointer -= n * g->word;
    if (cpu_long(cpu)) {
        if (!cpu_canonical(cpu, pointer)) {
            cpu_raise(cpu, VEC_SS, cpl);
        }
        linear = pointer;
    } else {
        uint32_t mask = ss.segment.access & SEG_ACCESS_DB ? 0xffffffff : 0xffff;
        linear = segment_stack_linear(cpu, &ss.segment, pointer & mask, n * g->word,
                                      ss.segment.selector & 0xfffcu);
        pointer = (cpu->regs[GPR_RSP] & ~(uint64_t)mask & 0xffffffff) | (pointer & mask);
    }
    check_offset(cpu, g);
    cet.ssp = cet_entry_ssp(cpu, cpl, 0);
    mmu_write_system(cpu, op, linear, frame, n * g->word);
    cet_enter(cpu, op, &cet);
    block_leave(cpu, op);
    cpu->regs[GPR_RSP] = pointer;
    cpu->seg[SEG_SS] = ss.segment;
    cpu->cpl = (uint8_t)cpl;
}

static void call_same(Cpu *cpu, const Op *op, const Gate *g)
{
    FarStack stack = far_begin(cpu, op);
    check_offset(cpu, g);
    far_push(&stack, cpu->seg[SEG_CS].selector, g->word);
    far_push(&stack, cpu_op_next_rip(cpu, op), g->word);
    cet_enter(cpu, op, &(CetEntry){ .cpl = cpu->cpl, .ssp = cpu->ssp, .wide = cpu_long(cpu),
                                    .rip = cpu_op_next_rip(cpu, op) });
    far_commit(&stack);
    block_leave(cpu, op);
}

static void through_gate(Cpu *cpu, const Op *op, uint16_t selector, const Descriptor *d, bool call)
{
    Gate g = { .error = selector & 0xfffcu };
    unsigned cpl;
    check_rights(cpu, selector, d->segment.access);
    read_gate(cpu, op, selector, d, &g);
    cpl = check_code(cpu, op, &g, call);
    segment_mark_accessed(cpu, op, &g.code);
    if (!call) {
        check_offset(cpu, &g);
        cet_jump(cpu, &g.code.segment);
        block_leave(cpu, op);
    } else if (cpl < cpu->cpl) {
        call_inner(cpu, op, &g, cpl);
    } else {
        call_same(cpu, op, &g);
    }
    g.code.segment.selector = (uint16_t)((g.selector & ~3u) | cpl);
    cpu->seg[SEG_CS] = g.code.segment;
    cpu->rip = g.offset;
    cpu_update_mode(cpu);
}

/* A task gate leads to a TSS of the GDT. */
static void through_task_gate(Cpu *cpu, const Op *op, uint16_t selector, Descriptor *d)
{
    uint32_t raw;
    uint16_t tss;
    check_rights(cpu, selector, d->segment.access);
    mmu_read_system(cpu, op, d->linear, &raw, sizeof(raw));
    tss = (uint16_t)(raw >> 16);
    if ((tss & 4) || selector_is_null(tss)) {
        cpu_raise(cpu, VEC_GP, tss & 0xfffcu);
    }
    segment_descriptor(cpu, op, tss, VEC_GP, 0, d);
    if ((d->segment.access & (ACCESS_S | 7u)) != TYPE_TSS16) {
        cpu_raise(cpu, VEC_GP, tss & 0xfffcu);
    }
    if (!(d->segment.access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, tss & 0xfffcu);
    }
    gate_task_switch(cpu);
}

void gate_transfer(Cpu *cpu, const Op *op, uint16_t selector, Descriptor *d, bool call)
{
    unsigned type = d->segment.access & ACCESS_TYPE;
    if (type == TYPE_GATE || (type == TYPE_GATE16 && !cpu_long(cpu))) {
        through_gate(cpu, op, selector, d, call);
        return;
    }
    if (cpu_long(cpu) || (type != TYPE_TSS16 && type != TYPE_TSS && type != TYPE_TASK_GATE)) {
        cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
    }
    if (type == TYPE_TASK_GATE) {
        through_task_gate(cpu, op, selector, d);
        return;
    }
    check_rights(cpu, selector, d->segment.access);
    gate_task_switch(cpu);
}
