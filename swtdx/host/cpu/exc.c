/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and interrupts: raising, combining, delivery through the IDT (Intel SDM vol. 3, ch.
 * 6).
 */
#include "exc.h"

#include <stdio.h>
#include <string.h>

#include "block-exit.h"
#include "cet.h"
#include "core.h"
#include "debug.h"
#include "mmu.h"
#include "segment.h"
#include "system-gate.h"
#include "system.h"

#define GATE_TASK 5u
#define GATE_INTERRUPT 14u /* 32- or 64-bit; trap gate is one more; 16-bit gates are 8 less */
#define GATE_TRAP 15u

/* ---- raising ---- */

static _Noreturn void escape(Cpu *cpu, int why)
{
    mmu_split_unlock(cpu); /* an access between lock and unlock may have had to wait for the VMM */
    longjmp(cpu->escape, why);
}

/*
 * While an event is being delivered RIP is the event's already. The block is left in its middle:
 * counts what was done.
 */
static void settle_rip(Cpu *cpu, bool retire)
{
    if (cpu->core->event.kind == EVENT_NONE && cpu->op) {
        cpu->rip = retire ? cpu_op_next_rip(cpu, cpu->op) : cpu_op_rip(cpu, cpu->op);
        cpu->instructions += (uint64_t)(cpu->op - cpu->block->ops) + retire;
    }
    cpu->op = NULL;
}

static bool has_error_code(uint8_t vector)
{
    static const uint32_t with_error = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS |
                                       1u << VEC_GP | 1u << VEC_PF | 1u << VEC_AC | 1u << VEC_CP;
    return vector < 32 && (with_error >> vector & 1);
}

void cpu_raise(Cpu *cpu, uint8_t vector, uint32_t error)
{
    settle_rip(cpu, false);
    cpu->core->raise_kind = EVENT_FAULT;
    cpu->raise_vector = vector;
    cpu->raise_has_error = has_error_code(vector);
    cpu->raise_error = error;
    cpu->raise_soft = false;
    escape(cpu, ESCAPE_RAISE);
}

void cpu_raise_trap(Cpu *cpu, uint8_t vector, bool software)
{
    cpu->core->raise_rip = cpu->op ? cpu_op_rip(cpu, cpu->op) : cpu->rip;
    settle_rip(cpu, true);
    cpu->core->raise_kind = software ? EVENT_SOFTWARE : EVENT_TRAP;
    cpu->raise_vector = vector;
    cpu->raise_has_error = false;
    cpu->raise_error = 0;
    cpu->raise_soft = software;
    escape(cpu, ESCAPE_RAISE);
}

void cpu_leave(Cpu *cpu, CpuExit why, bool retire)
{
    settle_rip(cpu, retire);
    if (retire && (cpu->rflags & FLAG_TF)) {
        cpu->core->debug_hits |= DR6_BS;
    }
    cpu->exit = why;
    escape(cpu, ESCAPE_LEAVE);
}

void cpu_restart(Cpu *cpu)
{
    settle_rip(cpu, false);
    escape(cpu, ESCAPE_RESTART);
}

void cpu_unsupported(Cpu *cpu, const char *what)
{
    const Op *op = cpu->op;
    uint64_t rip = op && cpu->core->event.kind == EVENT_NONE ? cpu_op_rip(cpu, op) : cpu->rip;
    const char *name = op ? ZydisMnemonicGetString((ZydisMnemonic)op->mnemonic) : NULL;
    snprintf(cpu->unsupported, sizeof(cpu->unsupported), "%s (%s at RIP 0x%llx)", what,
             name ? name : "no instruction", (unsigned long long)rip);
    cpu_leave(cpu, CPU_EXIT_UNSUPPORTED, false);
}

/*
 * The frame by the rights of the handler's level. Its top first: that is where processors begin,
 * and what CR2 then tells.
 */
static void push_frame(Cpu *cpu, unsigned cpl, uint64_t linear, const void *frame, size_t n,
                       size_t word)
{
    const uint8_t *top = (const uint8_t *)frame + n - word;
    if (cpl == 3) {
        mmu_write(cpu, NULL, linear + n - word, top, word);
        mmu_write(cpu, NULL, linear, frame, n);
    } else {
        mmu_write_system(cpu, NULL, linear + n - word, top, word);
        mmu_write_system(cpu, NULL, linear, frame, n);
    }
}

/* ---- 64-bit delivery ---- */

/* What both kinds of delivery work out first. */
typedef struct Entry {
    Event event;
    uint32_t ext;      /* EXT bit of error codes */
    uint32_t gate_error;
    unsigned type;     /* of the gate */
    unsigned ist;
    uint64_t offset;
    Descriptor code;
    unsigned cpl;      /* of the handler */
    uint64_t flags;    /* image to be pushed */
} Entry;

static void check_gate(Cpu *cpu, Entry *e, uint32_t high)
{
    unsigned dpl = high >> 13 & 3;
    e->type = high >> 8 & 0x1f;
    if (e->event.kind == EVENT_SOFTWARE && dpl < cpu->cpl) {
        cpu_raise(cpu, VEC_GP, e->gate_error);
    }
    if (e->type == GATE_TASK && !cpu_long(cpu)) {
        if (!(high & 0x8000)) {
            cpu_raise(cpu, VEC_NP, e->gate_error);
        }
        gate_task_switch(cpu);
    }
    if ((e->type | 1) != GATE_TRAP && (cpu_long(cpu) || (e->type | 1) != GATE_TRAP - 8)) {
        cpu_raise(cpu, VEC_GP, e->gate_error);
    }
    if (!(high & 0x8000)) {
        cpu_raise(cpu, VEC_NP, e->gate_error);
    }
}

static void read_gate(Cpu *cpu, Entry *e)
{
    unsigned size = cpu_long(cpu) ? 16 : 8;
    uint32_t gate[4] = { 0 };
    e->gate_error = e->event.vector * 8u + 2 + e->ext;
    if (e->event.vector * size + size - 1 > cpu->idtr.limit) {
        cpu_raise(cpu, VEC_GP, e->gate_error);
    }
    mmu_read_system(cpu, NULL, cpu->idtr.base + e->event.vector * size, gate, size);
    check_gate(cpu, e, gate[1]);
    e->offset = (gate[0] & 0xffff) | (uint64_t)gate[2] << 32;
    if (e->type >= GATE_INTERRUPT) {
        e->offset |= gate[1] & 0xffff0000;
    }
    e->ist = cpu_long(cpu) ? gate[1] & 7 : 0;
    e->code.segment.selector = gate[0] >> 16;
}

/* The handler's code segment, and the privilege it runs at. */
static void check_handler(Cpu *cpu, Entry *e)
{
    uint16_t selector = e->code.segment.selector;
    uint32_t error = (selector & 0xfffcu) | e->ext;
    uint32_t access;
    if (selector_is_null(selector)) {
        cpu_raise(cpu, VEC_GP, e->ext);
    }
    segment_descriptor(cpu, NULL, selector, VEC_GP, e->ext, &e->code);
    access = e->code.segment.access;
    if (!access_is_code(access) || access_dpl(access) > cpu->cpl) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (cpu_long(cpu) && (access & (SEG_ACCESS_L | SEG_ACCESS_DB)) != SEG_ACCESS_L) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (!(access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, error);
    }
    e->cpl = access & ACCESS_DC ? cpu->cpl : access_dpl(access);
    segment_mark_accessed(cpu, NULL, &e->code);
    e->code.segment.selector = (uint16_t)((selector & ~3u) | e->cpl);
}

/* SDM vol. 3, 6.12.1.2; RF stays as an interrupt found it, and is set for faults (17.3.1.1). */
static void enter_handler(Cpu *cpu, const Entry *e)
{
    uint64_t clear = FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM;
    if ((e->type & 1) == 0) {
        clear |= FLAG_IF;
    }
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~clear);
    cpu->seg[SEG_CS] = e->code.segment;
    cpu->cpl = (uint8_t)e->cpl;
    cpu->rip = e->offset;
    cpu_update_mode(cpu);
}

/* SDM vol. 3, 6.14. */
static void deliver_long(Cpu *cpu, Entry *e)
{
    uint64_t frame[6];
    unsigned first = e->event.has_error ? 0 : 1;
    uint64_t rsp = cpu->regs[GPR_RSP];
    bool inner = e->cpl < cpu->cpl;
    CetEntry cet = { .cpl = e->cpl, .token = inner || e->ist, .wide = true, .rip = cpu->rip };

    if (!cpu_canonical(cpu, e->offset)) {
        cpu_raise(cpu, VEC_GP, e->ext);
    }
    if (e->ist) {
        rsp = segment_task_rsp(cpu, 0x24 + (e->ist - 1) * 8, e->ext); /* SDM vol. 3, figure 7-11 */
    } else if (inner) {
        rsp = segment_task_rsp(cpu, 4 + e->cpl * 8, e->ext);
    }
    cet.ssp = cet_entry_ssp(cpu, e->cpl, e->ist);
    rsp = (rsp & ~UINT64_C(15)) - (6 - first) * 8;
    if (!cpu_canonical(cpu, rsp) || !cpu_canonical(cpu, rsp + 47 - first * 8)) {
        cpu_raise(cpu, VEC_SS, e->ext);
    }
    frame[0] = e->event.error;
    frame[1] = cpu->rip;
    frame[2] = cpu->seg[SEG_CS].selector;
    frame[3] = e->flags;
    frame[4] = cpu->regs[GPR_RSP];
    frame[5] = cpu->seg[SEG_SS].selector;
    push_frame(cpu, e->cpl, rsp, &frame[first], (6 - first) * 8, 8);
    cet_enter(cpu, NULL, &cet);

    cpu->regs[GPR_RSP] = rsp;
    if (inner) {
        cpu->seg[SEG_SS] = (Segment){ .selector = (uint16_t)e->cpl,
                                      .access = SEG_ACCESS_UNUSABLE | SEG_ACCESS_DB | e->cpl << 5 };
    }
    enter_handler(cpu, e);
}

/* ---- 32-bit delivery ---- */

/* SDM vol. 3, 6.12.1. */
static void deliver_protected(Cpu *cpu, Entry *e)
{
    bool inner = e->cpl < cpu->cpl;
    CetEntry cet = { .cpl = e->cpl, .token = inner, .rip = cpu->rip };
    unsigned word = e->type >= GATE_INTERRUPT ? 4 : 2;
    Descriptor ss = { .segment = cpu->seg[SEG_SS] };
    uint32_t esp = (uint32_t)cpu->regs[GPR_RSP];
    uint32_t values[6];
    uint8_t frame[24];
    unsigned n = 0;
    uint32_t mask, top;
    uint64_t linear;

    if (cpu->rflags & FLAG_VM) {
        cpu_unsupported(cpu, "virtual-8086 mode");
    }
    if (inner) {
        esp = segment_task_stack(cpu, e->cpl, e->ext, &ss);
    }
    if (e->offset > e->code.segment.limit) {
        cpu_raise(cpu, VEC_GP, e->ext);
    }
    if (e->event.has_error) {
        values[n++] = e->event.error;
    }
    values[n++] = (uint32_t)cpu->rip;
    values[n++] = cpu->seg[SEG_CS].selector;
    values[n++] = (uint32_t)e->flags;
    if (inner) {
        values[n++] = (uint32_t)cpu->regs[GPR_RSP];
        values[n++] = cpu->seg[SEG_SS].selector;
    }
    for (unsigned i = 0; i < n; i++) {
        memcpy(frame + i * word, &values[i], word);
    }
    mask = ss.segment.access & SEG_ACCESS_DB ? 0xffffffff : 0xffff;
    top = (esp - n * word) & mask;
    linear = segment_stack_linear(cpu, &ss.segment, top, n * word,
                                  inner ? (ss.segment.selector & 0xfffcu) | e->ext : e->ext);
    cet.ssp = cet_entry_ssp(cpu, e->cpl, 0);
    push_frame(cpu, e->cpl, linear, frame, n * word, word);
    cet_enter(cpu, NULL, &cet);

    cpu->regs[GPR_RSP] = (esp & ~mask) | top;
    cpu->seg[SEG_SS] = ss.segment;
    enter_handler(cpu, e);
}

/* ---- events ---- */

/* cpu->core->event through the IDT. Raises with the event still under way, or completes it. */
static void deliver(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    Entry e = { .event = core->event };

    cpu->op = NULL;
    e.ext = exc_ext(cpu);
    e.flags = cpu_rflags(cpu) & ~(uint64_t)FLAG_RF;
    if (core->event.kind == EVENT_FAULT && core->event.vector != VEC_DB) {
        e.flags |= FLAG_RF;
    }
    if (!(cpu->cr0 & CR0_PE)) {
        cpu_unsupported(cpu, "interrupt or exception in real-address mode");
    }
    read_gate(cpu, &e);
    check_handler(cpu, &e);
    if (cpu_long(cpu)) {
        deliver_long(cpu, &e);
    } else {
        deliver_protected(cpu, &e);
    }
    core->event.kind = EVENT_NONE;
    if (e.event.vector == VEC_DB && e.event.kind != EVENT_SOFTWARE) {
        cpu->debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF); /* SDM vol. 3, 18.4.1 */
        cpu->dr[7] &= ~(uint64_t)DR7_GD;
    }
}

enum { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE, CLASS_DOUBLE };

/* SDM vol. 3, table 6-4; #VE counts with page faults (25.5.7.3). */
static unsigned event_class(const Event *event)
{
    if (event->kind != EVENT_FAULT) {
        return CLASS_BENIGN;
    }
    switch (event->vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
    case VEC_CP:
        return CLASS_CONTRIBUTORY;
    case VEC_PF:
    case VEC_VE:
        return CLASS_PAGE;
    case VEC_DF:
        return CLASS_DOUBLE;
    default:
        return CLASS_BENIGN;
    }
}

/* SDM vol. 3, table 6-5. False: shutdown. */
static bool combine(const Event *first, Event *second)
{
    unsigned a = event_class(first);
    unsigned b = event_class(second);
    if (b == CLASS_BENIGN || a == CLASS_BENIGN) {
        return true;
    }
    if (a == CLASS_DOUBLE) {
        return false;
    }
    if (a == CLASS_PAGE || b == CLASS_CONTRIBUTORY) {
        *second = (Event){ .kind = EVENT_FAULT, .vector = VEC_DF, .has_error = true };
    }
    return true;
}

bool exception_deliver(Cpu *cpu)
{
    struct CoreState *core = cpu->core;
    Event event = {
        .kind = core->raise_kind,
        .vector = cpu->raise_vector,
        .has_error = cpu->raise_has_error,
        .error = cpu->raise_error,
        .rip = core->raise_rip,
    };
    if (event.kind == EVENT_FAULT) {
        core->debug_hits = 0; /* the instruction did not complete */
    }
    if (core->event.kind != EVENT_NONE) {
        if (!combine(&core->event, &event)) {
            core->event.kind = EVENT_NONE;
            return false;
        }
        if (core->event.kind == EVENT_SOFTWARE) {
            cpu->rip = core->event.rip; /* INT n did not complete: its fault is on itself */
        }
    }
    core->event = event;
    deliver(cpu);
    return true;
}

void exception_resume(Cpu *cpu)
{
    if (cpu->core->event.kind != EVENT_NONE) {
        deliver(cpu);
    }
}

void interrupt_deliver(Cpu *cpu, uint8_t vector)
{
    cpu->core->event = (Event){ .kind = EVENT_EXTERNAL, .vector = vector };
    deliver(cpu);
}
