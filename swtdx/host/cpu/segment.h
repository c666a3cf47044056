/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment descriptors: reading them, checking them, stack accesses through SS (Intel SDM vol. 3,
 * ch. 3 and 5).
 */
#ifndef SWTDX_SEGMENT_H
#define SWTDX_SEGMENT_H

#include "cpu.h"

/* Parts of Segment.access and of a descriptor's access byte. */
#define ACCESS_TYPE 0xfu
#define ACCESS_ACCESSED 0x1u
#define ACCESS_RW 0x2u          /* code: readable, data: writable */
#define ACCESS_DC 0x4u          /* code: conforming, data: expand down */
#define ACCESS_CODE 0x8u
#define ACCESS_S 0x10u
#define ACCESS_P 0x80u
#define ACCESS_G (1u << 15)

static inline unsigned access_dpl(uint32_t access)
{
    return access >> 5 & 3;
}

static inline bool access_is_code(uint32_t access)
{
    return (access & (ACCESS_S | ACCESS_CODE)) == (ACCESS_S | ACCESS_CODE);
}

static inline bool access_is_writable_data(uint32_t access)
{
    return (access & (ACCESS_S | ACCESS_CODE | ACCESS_RW)) == (ACCESS_S | ACCESS_RW);
}

static inline bool selector_is_null(uint16_t selector)
{
    return (selector & ~3u) == 0;
}

/* A descriptor as it stands in its table. */
typedef struct Descriptor {
    uint64_t linear; /* where */
    Segment segment; /* base of 32 bits */
} Descriptor;

/*
 * Reads the descriptor of a selector that is not null; raises vector(selector | ext) if the table
 * ends before it.
 */
void segment_descriptor(Cpu *cpu, const Op *op, uint16_t selector, uint8_t vector, uint32_t ext,
                        Descriptor *d);
/* The same without a fault for a bad selector (LAR, VERR). Page faults still raise. */
bool segment_descriptor_try(Cpu *cpu, const Op *op, uint16_t selector, Descriptor *d);
/*
 * High half of the base of a 16-byte system descriptor in long mode; raises #GP(selector) if it
 * does not fit.
 */
void segment_descriptor_high(Cpu *cpu, const Op *op, Descriptor *d);
/* Sets the accessed bit in the table and in d->segment. */
void segment_mark_accessed(Cpu *cpu, const Op *op, Descriptor *d);
/*
 * Segment registers after a return to a less privileged level: what that level may not use becomes
 * null.
 */
void segment_drop_privileged(Cpu *cpu);

/* The stack segment for privilege level `level`: raises vector (#TS, #GP; #SS when not present). */
void segment_check_stack(Cpu *cpu, const Op *op, uint16_t selector, unsigned level, uint8_t vector,
                         uint32_t ext, Descriptor *d);
/* A flat segment as SYSCALL and the like load it. access without P and S. */
Segment segment_flat(uint16_t selector, uint32_t type, unsigned dpl, uint32_t extra);

/*
 * Linear address of `size` bytes at `pointer` in a stack segment other than the present one: raises
 * #SS(error).
 */
uint64_t segment_stack_linear(Cpu *cpu, const Segment *ss, uint64_t pointer, unsigned size,
                              uint32_t error);
/* RSPn or ISTn of a 64-bit TSS at `offset` in it; raises #TS. */
uint64_t segment_task_rsp(Cpu *cpu, uint32_t offset, uint32_t ext);
/* SS:ESP for a level, from a 32-bit or 16-bit TSS (SDM vol. 3, 8.2.1); raises #TS, #SS. */
uint32_t segment_task_stack(Cpu *cpu, unsigned level, uint32_t ext, Descriptor *ss);
/* Bits of the stack pointer that count. */
uint64_t segment_stack_mask(const Cpu *cpu);

#endif
