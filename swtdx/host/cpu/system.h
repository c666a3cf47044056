/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entry points between the decoder (decode.c) and the families of instructions. Each family's
 * file exports handlers of type OpFn, named op_<mnemonic>[_<form>], and a function that chooses
 * one.
 */
#ifndef SWTDX_SYSTEM_H
#define SWTDX_SYSTEM_H

#include <Zydis/Zydis.h>

#include "cpu.h"

/* A decoded instruction on its way to becoming an Op: what a family's chooser gets. */
typedef struct Decoded {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    const uint8_t *bytes;
    unsigned memory;  /* index of the memory operand in operand[], or ZYDIS_MAX_OPERAND_COUNT */
    uint32_t mode;    /* Cpu.mode */
} Decoded;

/*
 * A chooser fills op->fn and whatever else its handler needs. decode.c has already filled len, off,
 * mnemonic, size (operand width), addr_size, seg, base, index, shift, disp (the memory operand),
 * imm (first immediate), dst and src (first and second explicit register operands, as byte offsets,
 * when they are general registers). Returns false when the instruction is not of its family. An
 * instruction that no family takes, or that has_feature() denies, becomes op_ud. A chooser that
 * sets *ends makes it the last Op of its block.
 */
typedef bool (*FamilyChooser)(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/* int-*.c: ALU, moves, shifts, mul/div, bits, BMI, atomics, flags, stack. */
bool family_integer(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/* control.c: near jumps, calls, returns, loops. */
bool family_control(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/* string.c: MOVS STOS CMPS SCAS LODS. */
bool family_string(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/*
 * system*.c: everything privileged, far transfers, INT, IRET, I/O, CPUID, TDCALL, RDTSC, RDRAND,
 * fences, cache control, hints.
 */
bool family_system(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/* xsave.c: FXSAVE, XSAVE*, LDMXCSR, ... */
bool family_xsave(Cpu *cpu, const Decoded *d, Op *op, bool *ends);
/* vector*.c, x87: native code first, else thunks. */
bool family_vector(Cpu *cpu, const Decoded *d, Op *op, bool *ends);

const Op *op_ud(Cpu *cpu, const Op *op); /* raises #UD (system.c) */

/*
 * exc.c, run.c: called by cpu_run() after a raise; delivers through the IDT; false = triple fault.
 */
bool exception_deliver(Cpu *cpu);
/*
 * Delivers an external interrupt or NMI at an instruction boundary; cpu->rip is valid. May raise.
 */
void interrupt_deliver(Cpu *cpu, uint8_t vector);
/* MOV/POP to a data segment register; raises. */
void segment_load(Cpu *cpu, const Op *op, unsigned seg, uint16_t selector);

#endif
