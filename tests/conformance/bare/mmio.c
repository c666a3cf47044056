/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that access the xAPIC's registers: moves of 32 bits to and from memory, and TEST
 * with a mask.
 */
#include <string.h>

#include <Zydis/Zydis.h>

#include "bare.h"
#include "swtdx/host/cpu/mmu.h"

static size_t fetch(BareCpu *c, uint8_t *buf, size_t n)
{
    size_t i = 0;
    for (; i < n; i++) {
        uint64_t gpa, linear = c->cpu->rip + c->cpu->seg[SEG_CS].base + i;
        const uint8_t *page = mmu_peek(c->cpu, linear, &gpa) ? c->cpu->world->peek(c->cpu, gpa)
                                                             : NULL;
        if (!page) {
            break;
        }
        buf[i] = page[gpa & 0xfff];
    }
    return i;
}

static bool decode(BareCpu *c, ZydisDecodedInstruction *insn,
                   ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT])
{
    bool wide = c->cpu->mode & CPU_MODE_CS64;
    uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    size_t n = fetch(c, bytes, sizeof(bytes));
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder,
                     wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                     wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, insn, ops));
}

/* Number of a 32-bit general register, or -1. */
static int register_number(const ZydisDecodedOperand *operand)
{
    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
                   ZydisRegisterGetClass(operand->reg.value) == ZYDIS_REGCLASS_GPR32
               ? ZydisRegisterGetId(operand->reg.value)
               : -1;
}

static bool source(const BareCpu *c, const ZydisDecodedOperand *operand, uint32_t *value)
{
    int reg = register_number(operand);
    if (reg >= 0) {
        *value = (uint32_t)c->cpu->regs[reg];
        return true;
    }
    *value = (uint32_t)operand->imm.value.u;
    return operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static void set_logic_flags(Cpu *cpu, uint32_t result)
{
    uint64_t flags = cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH;
    flags |= (result == 0 ? FLAG_ZF : 0) | (result >> 31 ? FLAG_SF : 0) |
             (__builtin_parity(result & 0xff) ? 0 : FLAG_PF);
    cpu_set_rflags(cpu, flags);
}

bool bare_apic_access(BareCpu *c)
{
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction insn;
    unsigned offset = c->apic_linear & 0xfff;
    uint32_t value;
    if (!decode(c, &insn, ops) || offset % 16) {
        return false;
    }
    if (insn.mnemonic == ZYDIS_MNEMONIC_MOV && ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
        ops[0].size == 32 && source(c, &ops[1], &value)) {
        bare_xapic_write(c, offset, value);
    } else if (insn.mnemonic == ZYDIS_MNEMONIC_MOV && ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
               register_number(&ops[0]) >= 0) {
        c->cpu->regs[register_number(&ops[0])] = bare_xapic_read(c, offset);
    } else if (insn.mnemonic == ZYDIS_MNEMONIC_TEST && ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
               ops[0].size == 32 && source(c, &ops[1], &value)) {
        set_logic_flags(c->cpu, bare_xapic_read(c, offset) & value);
    } else {
        return false;
    }
    c->cpu->rip += insn.length;
    return true;
}
