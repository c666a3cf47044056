/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment registers and descriptor tables. */
#include "segment.h"

#include "core.h"
#include "mmu.h"
#include "system.h"

/* ---- addresses ---- */

static uint8_t limit_vector(unsigned seg)
{
    return seg == SEG_SS ? VEC_SS : VEC_GP;
}

/* SDM vol. 3, 5.3: an expand-down segment is valid above its limit. */
static bool within_limit(const Segment *s, uint64_t ea, unsigned size)
{
    uint64_t last = ea + size - 1;
    if ((s->access & (ACCESS_S | ACCESS_CODE | ACCESS_DC)) == (ACCESS_S | ACCESS_DC)) {
        uint64_t top = s->access & SEG_ACCESS_DB ? 0xffffffff : 0xffff;
        return ea > s->limit && last <= top;
    }
    return last <= s->limit;
}

static bool type_allows(const Segment *s, bool write)
{
    if (s->access & ACCESS_CODE) {
        return !write && (s->access & ACCESS_RW);
    }
    return !write || (s->access & ACCESS_RW);
}

uint64_t segment_linear_slow(Cpu *cpu, const Op *op, unsigned seg, uint64_t ea, unsigned size,
                             bool write)
{
    const Segment *s = &cpu->seg[seg];
    if (cpu_64(cpu)) {
        return seg >= SEG_FS ? ea + s->base : ea;
    }
    if ((s->access & SEG_ACCESS_UNUSABLE) || !type_allows(s, write)) {
        cpu->op = op;
        cpu_raise(cpu, limit_vector(seg), 0);
    }
    if (!within_limit(s, ea, size)) {
        cpu->op = op;
        cpu_raise(cpu, limit_vector(seg), 0);
    }
    return (uint32_t)(s->base + ea);
}

uint64_t segment_stack_linear(Cpu *cpu, const Segment *ss, uint64_t pointer, unsigned size,
                              uint32_t error)
{
    if (!within_limit(ss, pointer, size)) {
        cpu_raise(cpu, VEC_SS, error);
    }
    return (uint32_t)(ss->base + pointer);
}

uint64_t segment_stack_mask(const Cpu *cpu)
{
    if (cpu->mode & CPU_MODE_CS64) {
        return UINT64_MAX;
    }
    return cpu->mode & CPU_MODE_SS32 ? 0xffffffff : 0xffff;
}

/* ---- descriptors ---- */

/* SDM vol. 3, figure 3-8, into the form of Segment.access. */
static Segment unpack(uint64_t raw, uint16_t selector)
{
    uint32_t low = (uint32_t)raw;
    uint32_t high = (uint32_t)(raw >> 32);
    Segment s = {
        .selector = selector,
        .access = (high >> 8) & 0xf0ff,
        .limit = (low & 0xffff) | (high & 0xf0000),
        .base = (low >> 16) | (high & 0xff) << 16 | (high & 0xff000000),
    };
    if (s.access & ACCESS_G) {
        s.limit = s.limit << 12 | 0xfff;
    }
    return s;
}

bool segment_descriptor_try(Cpu *cpu, const Op *op, uint16_t selector, Descriptor *d)
{
    uint64_t base = cpu->gdtr.base;
    uint32_t limit = cpu->gdtr.limit;
    uint32_t offset = selector & ~7u;
    uint64_t raw;

    if (selector & 4) {
        if (cpu->ldtr.access & SEG_ACCESS_UNUSABLE) {
            return false;
        }
        base = cpu->ldtr.base;
        limit = cpu->ldtr.limit;
    }
    if (offset + 7 > limit) {
        return false;
    }
    d->linear = base + offset;
    if (!cpu_long(cpu)) {
        d->linear = (uint32_t)d->linear;
    }
    mmu_read_system(cpu, op, d->linear, &raw, sizeof(raw));
    d->segment = unpack(raw, selector);
    return true;
}

void segment_descriptor(Cpu *cpu, const Op *op, uint16_t selector, uint8_t vector, uint32_t ext,
                        Descriptor *d)
{
    if (!segment_descriptor_try(cpu, op, selector, d)) {
        cpu->op = op;
        cpu_raise(cpu, vector, (selector & 0xfffcu) | ext);
    }
}

void segment_descriptor_high(Cpu *cpu, const Op *op, Descriptor *d)
{
    uint16_t selector = d->segment.selector;
    uint32_t limit = selector & 4 ? cpu->ldtr.limit : cpu->gdtr.limit;
    uint32_t high[2];
    cpu->op = op;
    if ((selector & ~7u) + 15 > limit) {
        cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
    }
    mmu_read_system(cpu, op, d->linear + 8, high, sizeof(high));
    if (high[1] & 0x1f00) { /* SDM vol. 3, figure 7-4: must be 0 */
        cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
    }
    d->segment.base |= (uint64_t)high[0] << 32;
    if (!cpu_canonical_widest(cpu, d->segment.base)) {
        cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
    }
}

void segment_mark_accessed(Cpu *cpu, const Op *op, Descriptor *d)
{
    if (!(d->segment.access & ACCESS_ACCESSED)) {
        uint8_t byte;
        mmu_read_system(cpu, op, d->linear + 5, &byte, 1);
        byte |= ACCESS_ACCESSED;
        mmu_write_system(cpu, op, d->linear + 5, &byte, 1);
        d->segment.access |= ACCESS_ACCESSED;
    }
}

Segment segment_flat(uint16_t selector, uint32_t type, unsigned dpl, uint32_t extra)
{
    return (Segment){
        .selector = selector,
        .access = type | ACCESS_S | dpl << 5 | ACCESS_P | ACCESS_G | extra,
        .limit = 0xffffffff,
    };
}

/* ---- loads ---- */

void segment_check_stack(Cpu *cpu, const Op *op, uint16_t selector, unsigned level, uint8_t vector,
                         uint32_t ext, Descriptor *d)
{
    uint32_t error = (selector & 0xfffcu) | ext;
    if (selector_is_null(selector)) {
        cpu->op = op;
        cpu_raise(cpu, vector, ext);
    }
    segment_descriptor(cpu, op, selector, vector, ext, d);
    cpu->op = op;
    if ((selector & 3u) != level || access_dpl(d->segment.access) != level
        || !access_is_writable_data(d->segment.access)) {
        cpu_raise(cpu, vector, error);
    }
    if (!(d->segment.access & ACCESS_P)) {
        cpu_raise(cpu, VEC_SS, error);
    }
}

uint64_t segment_task_rsp(Cpu *cpu, uint32_t offset, uint32_t ext)
{
    uint64_t rsp;
    if (offset + 7 > cpu->tr.limit) {
        cpu_raise(cpu, VEC_TS, (cpu->tr.selector & 0xfffcu) | ext);
    }
    mmu_read_system(cpu, cpu->op, cpu->tr.base + offset, &rsp, sizeof(rsp));
    return rsp;
}

uint32_t segment_task_stack(Cpu *cpu, unsigned level, uint32_t ext, Descriptor *ss)
{
    const Op *op = cpu->op;
    bool wide = cpu->tr.access & 8;
    uint32_t offset = wide ? 4 + level * 8 : 2 + level * 4;
    uint32_t need = wide ? 6 : 4;
    uint8_t bytes[6] = { 0 };
    uint32_t esp = 0;
    uint16_t selector;

    if ((cpu->tr.access & SEG_ACCESS_UNUSABLE) || offset + need - 1 > cpu->tr.limit) {
        cpu_raise(cpu, VEC_TS, (cpu->tr.selector & 0xfffcu) | ext);
    }
    mmu_read_system(cpu, op, (uint32_t)(cpu->tr.base + offset), bytes, need);
    memcpy(&esp, bytes, need - 2);
    memcpy(&selector, bytes + need - 2, 2);
    segment_check_stack(cpu, op, selector, level, VEC_TS, ext, ss);
    segment_mark_accessed(cpu, op, ss);
    return esp;
}

static void load_null(Cpu *cpu, const Op *op, unsigned seg, uint16_t selector)
{
    uint32_t access = SEG_ACCESS_UNUSABLE;
    if (seg == SEG_SS) {
        /* SDM vol. 2, MOV: a null SS is for 64-bit mode below CPL 3, with RPL = CPL. */
        if (!cpu_64(cpu) || cpu->cpl == 3 || (selector & 3u) != cpu->cpl) {
            cpu->op = op;
            cpu_raise(cpu, VEC_GP, 0);
        }
        access |= (uint32_t)cpu->cpl << 5 | SEG_ACCESS_DB;
    }
    cpu->seg[seg] = (Segment){ .selector = selector, .access = access };
    cpu_update_mode(cpu);
}

void segment_load(Cpu *cpu, const Op *op, unsigned seg, uint16_t selector)
{
    Descriptor d;
    uint32_t access;

    if (selector_is_null(selector)) {
        load_null(cpu, op, seg, selector);
        return;
    }
    if (seg == SEG_SS) {
        segment_check_stack(cpu, op, selector, cpu->cpl, VEC_GP, 0, &d);
    } else {
        segment_descriptor(cpu, op, selector, VEC_GP, 0, &d);
        access = d.segment.access;
        cpu->op = op;
        if (!(access & ACCESS_S) || (access & (ACCESS_CODE | ACCESS_RW)) == ACCESS_CODE) {
            cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
        }
        if ((access & (ACCESS_CODE | ACCESS_DC)) != (ACCESS_CODE | ACCESS_DC)
            && (access_dpl(access) < (selector & 3u) || access_dpl(access) < cpu->cpl)) {
            cpu_raise(cpu, VEC_GP, selector & 0xfffcu);
        }
        if (!(access & ACCESS_P)) {
            cpu_raise(cpu, VEC_NP, selector & 0xfffcu);
        }
    }
    segment_mark_accessed(cpu, op, &d);
    cpu->seg[seg] = d.segment;
    cpu_update_mode(cpu);
}

void segment_drop_privileged(Cpu *cpu)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    for (unsigned i = 0; i < sizeof(data); i++) {
        Segment *s = &cpu->seg[data[i]];
        bool conforming = (s->access & (ACCESS_CODE | ACCESS_DC)) == (ACCESS_CODE | ACCESS_DC);
        if (!(s->access & SEG_ACCESS_UNUSABLE) && !conforming && access_dpl(s->access) < cpu->cpl) {
            s->selector = 0;
            s->access = SEG_ACCESS_UNUSABLE;
        }
    }
}
