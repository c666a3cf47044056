/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor-table registers, the task register, and the instructions that inspect descriptors. */
#include "segment.h"
#include "system-ops.h"

enum { TYPE_TSS16 = 1, TYPE_LDT = 2, TYPE_TSS = 9, TYPE_TSS_BUSY_BIT = 2 };

/* ---- GDTR and IDTR ---- */

static void load_table(Cpu *cpu, const Op *op, DescriptorTable *table)
{
    unsigned size = cpu_64(cpu) ? 8 : 4;
    uint8_t bytes[10];
    uint64_t base = 0;
    require_cpl0(cpu, op);
    mmu_read(cpu, op, op_linear(cpu, op, 2 + size, false), bytes, 2 + size);
    memcpy(&base, bytes + 2, size);
    if (size == 4 && op->size == 2) {
        base &= 0xffffff; /* SDM vol. 2, LGDT: 16-bit operand size */
    }
    if (size == 8 && !cpu_canonical_widest(cpu, base)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    table->base = base;
    memcpy(&table->limit, bytes, 2);
}

static void store_table(Cpu *cpu, const Op *op, const DescriptorTable *table)
{
    unsigned size = cpu_64(cpu) ? 8 : 4;
    uint8_t bytes[10];
    require_umip(cpu, op);
    memcpy(bytes, &table->limit, 2);
    memcpy(bytes + 2, &table->base, size);
    mmu_write(cpu, op, op_linear(cpu, op, 2 + size, true), bytes, 2 + size);
}

const Op *op_lgdt(Cpu *cpu, const Op *op)
{
    load_table(cpu, op, &cpu->gdtr);
    NEXT(cpu, op);
}

const Op *op_lidt(Cpu *cpu, const Op *op)
{
    load_table(cpu, op, &cpu->idtr);
    NEXT(cpu, op);
}

const Op *op_sgdt(Cpu *cpu, const Op *op)
{
    store_table(cpu, op, &cpu->gdtr);
    NEXT(cpu, op);
}

const Op *op_sidt(Cpu *cpu, const Op *op)
{
    store_table(cpu, op, &cpu->idtr);
    NEXT(cpu, op);
}

/* ---- LDTR and TR ---- */

static uint16_t read_selector(Cpu *cpu, const Op *op, uint8_t reg)
{
    if (op->flags & SYS_MEMORY) {
        return mmu_load16(cpu, op, op_linear(cpu, op, 2, false));
    }
    return CPU_REG(cpu, uint16_t, reg);
}

static void write_selector(Cpu *cpu, const Op *op, uint16_t selector)
{
    if (op->flags & SYS_MEMORY) {
        mmu_store16(cpu, op, op_linear(cpu, op, 2, true), selector);
    } else {
        system_write_register(cpu, op->dst, op->size, selector);
    }
}

/* A system descriptor of the GDT, whole; #GP(selector) unless it has the type. */
static void system_descriptor(Cpu *cpu, const Op *op, uint16_t selector, unsigned type,
                              Descriptor *d)
{
    uint32_t error = selector & 0xfffcu;
    if (selector & 4) {
        cpu_raise(cpu, VEC_GP, error);
    }
    segment_descriptor(cpu, op, selector, VEC_GP, 0, d);
    if ((d->segment.access & (ACCESS_S | ACCESS_TYPE)) != type &&
        (cpu_long(cpu) || type != TYPE_TSS ||
         (d->segment.access & (ACCESS_S | ACCESS_TYPE)) != TYPE_TSS16)) {
        cpu_raise(cpu, VEC_GP, error);
    }
    if (!(d->segment.access & ACCESS_P)) {
        cpu_raise(cpu, VEC_NP, error);
    }
    if (cpu_long(cpu)) {
        segment_descriptor_high(cpu, op, d);
    }
}

static CPU_APART void load_ldtr(Cpu *cpu, const Op *op)
{
    Descriptor d;
    uint16_t selector;
    require_cpl0(cpu, op);
    selector = read_selector(cpu, op, op->dst);
    if (selector_is_null(selector)) {
        cpu->ldtr = (Segment){ .selector = selector, .access = SEG_ACCESS_UNUSABLE };
    } else {
        system_descriptor(cpu, op, selector, TYPE_LDT, &d);
        cpu->ldtr = d.segment;
    }
}

const Op *op_lldt(Cpu *cpu, const Op *op)
{
    load_ldtr(cpu, op);
    NEXT(cpu, op);
}

static CPU_APART void load_tr(Cpu *cpu, const Op *op)
{
    Descriptor d;
    uint16_t selector;
    uint8_t byte;
    require_cpl0(cpu, op);
    selector = read_selector(cpu, op, op->dst);
    if (selector_is_null(selector)) {
        cpu_raise(cpu, VEC_GP, 0);
    }
    system_descriptor(cpu, op, selector, TYPE_TSS, &d);
    d.segment.access |= TYPE_TSS_BUSY_BIT;
    byte = (uint8_t)d.segment.access;
    mmu_write_system(cpu, op, d.linear + 5, &byte, 1);
    cpu->tr = d.segment;
}

const Op *op_ltr(Cpu *cpu, const Op *op)
{
    load_tr(cpu, op);
    NEXT(cpu, op);
}

const Op *op_sldt(Cpu *cpu, const Op *op)
{
    require_umip(cpu, op);
    write_selector(cpu, op, cpu->ldtr.selector);
    NEXT(cpu, op);
}

const Op *op_str(Cpu *cpu, const Op *op)
{
    require_umip(cpu, op);
    write_selector(cpu, op, cpu->tr.selector);
    NEXT(cpu, op);
}

/* ---- LAR, LSL, VERR, VERW ---- */

static void set_zero_flag(Cpu *cpu, bool zf)
{
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ZF) | (zf ? FLAG_ZF : 0));
}

static bool privileged_enough(const Cpu *cpu, const Segment *s)
{
    unsigned dpl = access_dpl(s->access);
    if (access_is_code(s->access) && (s->access & ACCESS_DC)) {
        return true;
    }
    return dpl >= cpu->cpl && dpl >= (s->selector & 3u);
}

/* types: bit n set if a system descriptor of type n may be looked at. */
static bool look_up(Cpu *cpu, const Op *op, uint16_t selector, uint32_t types, Segment *s)
{
    Descriptor d;
    if (selector_is_null(selector) || !segment_descriptor_try(cpu, op, selector, &d)) {
        return false;
    }
    *s = d.segment;
    if (!(s->access & ACCESS_S) && !(types >> (s->access & ACCESS_TYPE) & 1)) {
        return false;
    }
    return privileged_enough(cpu, s);
}

/* SDM vol. 2, LAR table 3-53 and LSL table 3-56: legacy and long mode differ. */
const Op *op_lar(Cpu *cpu, const Op *op)
{
    uint32_t types = cpu_long(cpu) ? 0x1a04 : 0x1a3e;
    Segment s;
    begin(cpu, op);
    if (look_up(cpu, op, read_selector(cpu, op, op->src), types, &s)) {
        uint32_t rights = (s.access & 0xff) << 8 | (s.access & 0xf000) << 8;
        system_write_register(cpu, op->dst, op->size, op->size == 2 ? rights & 0xff00 : rights);
        set_zero_flag(cpu, true);
    } else {
        set_zero_flag(cpu, false);
    }
    NEXT(cpu, op);
}

const Op *op_lsl(Cpu *cpu, const Op *op)
{
    uint32_t types = cpu_long(cpu) ? 0x0a04 : 0x0a0e;
    Segment s;
    begin(cpu, op);
    if (look_up(cpu, op, read_selector(cpu, op, op->src), types, &s)) {
        system_write_register(cpu, op->dst, op->size, s.limit);
        set_zero_flag(cpu, true);
    } else {
        set_zero_flag(cpu, false);
    }
    NEXT(cpu, op);
}

const Op *op_verr(Cpu *cpu, const Op *op)
{
    Segment s;
    bool good;
    begin(cpu, op);
    good = look_up(cpu, op, read_selector(cpu, op, op->dst), 0, &s)
           && (!(s.access & ACCESS_CODE) || (s.access & ACCESS_RW));
    set_zero_flag(cpu, good);
    NEXT(cpu, op);
}

const Op *op_verw(Cpu *cpu, const Op *op)
{
    Segment s;
    bool good;
    begin(cpu, op);
    good = look_up(cpu, op, read_selector(cpu, op, op->dst), 0, &s) &&
           access_is_writable_data(s.access);
    set_zero_flag(cpu, good);
    NEXT(cpu, op);
}

/* Raises the RPL of the destination to the source's (SDM vol. 2, ARPL). */
const Op *op_arpl(Cpu *cpu, const Op *op)
{
    bool memory = op->flags & SYS_MEMORY;
    uint16_t rpl = CPU_REG(cpu, uint16_t, memory ? op->dst : op->src) & 3u;
    uint16_t selector, result;
    uint64_t linear = 0;
    begin(cpu, op);
    if (!(cpu->cr0 & CR0_PE)) {
        cpu_raise(cpu, VEC_UD, 0);
    }
    if (memory) {
        linear = op_linear(cpu, op, 2, true);
        selector = mmu_load16(cpu, op, linear);
    } else {
        selector = CPU_REG(cpu, uint16_t, op->dst);
    }
    result = (selector & 3u) < rpl ? (uint16_t)((selector & ~3u) | rpl) : selector;
    if (memory) {
        mmu_store16(cpu, op, linear, result);
    } else {
        CPU_REG(cpu, uint16_t, op->dst) = result;
    }
    cpu_set_rflags(cpu,
                   (cpu_rflags(cpu) & ~(uint64_t)FLAG_ZF) | (result != selector ? FLAG_ZF : 0));
    NEXT(cpu, op);
}
