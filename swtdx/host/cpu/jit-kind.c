/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which template, if any, suits a decoded instruction. */
#include "jit.h"

#include "int.h"
#include "jit-state.h"
#include "thunk.h"

static bool is_sized(const Op *op)
{
    return op->size == 2 || op->size == 4 || op->size == 8;
}

/* AH, CH, DH, BH: host registers are laid out otherwise. */
static bool has_high_byte(const Op *op)
{
    return (op->dst | op->src) & 7;
}

/* Two operands: sets op->form; JIT_NONE for what is neither register, memory nor immediate. */
static unsigned two_operands(const Decoded *d, Op *op, unsigned kind)
{
    int form = int_form(d);
    op->form = (uint8_t)form;
    return form < 0 || has_high_byte(op) ? JIT_NONE : kind;
}

static unsigned one_operand(const Decoded *d, Op *op, unsigned kind)
{
    int form = int_unary_form(d);
    op->form = (uint8_t)form;
    return form < 0 || has_high_byte(op) ? JIT_NONE : kind;
}

static unsigned extension(const Decoded *d, Op *op, bool sign)
{
    unsigned from = d->operand[1].size;
    unsigned kind = from == 8 ? sign ? JIT_MOVSX8 : JIT_MOVZX8
                    : from == 16 ? sign ? JIT_MOVSX16 : JIT_MOVZX16
                                 : sign && from == 32 ? JIT_MOVSX32 : JIT_NONE;
    return d->operand[0].size <= from ? JIT_NONE : two_operands(d, op, kind);
}

/* A count of 0 is the handler's: it changes no flags. */
static unsigned shift(const Decoded *d, Op *op, unsigned digit)
{
    bool memory = is_memory(d, 0), by_cl = decode_is_register(d, 1);
    if (has_high_byte(op) || (by_cl ? memory : op->imm == 0)) {
        return JIT_NONE;
    }
    op->form = by_cl ? FORM_RR : memory ? FORM_MI : FORM_RI;
    return JIT_SHIFT + digit;
}

static unsigned multiplication(const Decoded *d, Op *op)
{
    bool wide = d->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d->insn.opcode & 0xfe) == 0xf6;
    if (wide) {
        return op->size < 4 ? JIT_NONE : one_operand(d, op, JIT_IMUL1);
    }
    return !is_sized(op) ? JIT_NONE
                         : two_operands(d, op, is_immediate(d, 2) ? JIT_IMUL3 : JIT_IMUL);
}

static unsigned stack(const Decoded *d, Op *op, unsigned reg, unsigned imm)
{
    op->form = FORM_MR;
    return op->size != 8              ? JIT_NONE
           : decode_is_register(d, 0) ? reg
           : is_immediate(d, 0)       ? imm
                                      : JIT_NONE;
}

/* Jumps: op->size is 8 in 64-bit code. */
static unsigned branch(const Decoded *d, unsigned direct, unsigned reg, unsigned memory)
{
    if (d->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        return JIT_NONE;
    }
    return is_immediate(d, 0) ? direct : is_memory(d, 0) ? memory : reg;
}

static unsigned exchange(const Decoded *d, Op *op)
{
    return op->size < 4 || int_form(d) != FORM_RR ? JIT_NONE : two_operands(d, op, JIT_XCHG);
}

static unsigned bit_test(const Decoded *d, Op *op)
{
    unsigned kind = two_operands(d, op, JIT_BT);
    return op->form == FORM_RR || op->form == FORM_RI ? kind : JIT_NONE;
}

static unsigned test(const Decoded *d, Op *op)
{
    unsigned kind = two_operands(d, op, JIT_TEST);
    return op->form == FORM_RM ? JIT_NONE : kind;
}

/* The operand that may be memory is the second; a register is in op->base (int-bmi.c). */
static unsigned bmi(const Decoded *d, Op *op, unsigned kind)
{
    op->form = is_memory(d, 1) ? FORM_RM : FORM_RR;
    op->size = (uint8_t)(d->operand[0].size / 8);
    return kind;
}

static unsigned vector(const Op *op)
{
    return thunk_meta(op).flags & THUNK_FLAGS ? JIT_VECTOR_FLAGS : JIT_VECTOR;
}

static unsigned by_category(const Decoded *d, Op *op)
{
    unsigned cond = int_condition(d);
    switch (d->insn.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
        /* E0 to E3 are LOOP and JRCXZ. */
        return d->insn.meta.isa_set == ZYDIS_ISA_SET_I86 && (d->insn.opcode & 0xf0) != 0xe0
                   ? JIT_JCC + cond
                   : JIT_NONE;
    case ZYDIS_CATEGORY_SETCC:
        return one_operand(d, op, JIT_SETCC + cond);
    case ZYDIS_CATEGORY_CMOV:
        return two_operands(d, op, JIT_CMOV + cond);
    default:
        return JIT_NONE;
    }
}

static unsigned by_mnemonic(const Decoded *d, Op *op)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_ADD: return two_operands(d, op, JIT_ALU + 0);
    case ZYDIS_MNEMONIC_OR: return two_operands(d, op, JIT_ALU + 1);
    case ZYDIS_MNEMONIC_ADC: return two_operands(d, op, JIT_ALU + 2);
    case ZYDIS_MNEMONIC_SBB: return two_operands(d, op, JIT_ALU + 3);
    case ZYDIS_MNEMONIC_AND: return two_operands(d, op, JIT_ALU + 4);
    case ZYDIS_MNEMONIC_SUB: return two_operands(d, op, JIT_ALU + 5);
    case ZYDIS_MNEMONIC_XOR: return two_operands(d, op, JIT_ALU + 6);
    case ZYDIS_MNEMONIC_CMP: return two_operands(d, op, JIT_ALU + 7);
    case ZYDIS_MNEMONIC_TEST: return test(d, op);
    case ZYDIS_MNEMONIC_INC: return one_operand(d, op, JIT_INC);
    case ZYDIS_MNEMONIC_DEC: return one_operand(d, op, JIT_DEC);
    case ZYDIS_MNEMONIC_NOT: return one_operand(d, op, JIT_NOT);
    case ZYDIS_MNEMONIC_NEG: return one_operand(d, op, JIT_NEG);
    case ZYDIS_MNEMONIC_ROL: return shift(d, op, 0);
    case ZYDIS_MNEMONIC_ROR: return shift(d, op, 1);
    case ZYDIS_MNEMONIC_SHL: return shift(d, op, 4);
    case ZYDIS_MNEMONIC_SHR: return shift(d, op, 5);
    case ZYDIS_MNEMONIC_SAR: return shift(d, op, 7);
    case ZYDIS_MNEMONIC_IMUL: return multiplication(d, op);
    case ZYDIS_MNEMONIC_MUL: return op->size < 4 ? JIT_NONE : one_operand(d, op, JIT_MUL);
    case ZYDIS_MNEMONIC_SHLX: return bmi(d, op, JIT_SHLX);
    case ZYDIS_MNEMONIC_SHRX: return bmi(d, op, JIT_SHRX);
    case ZYDIS_MNEMONIC_SARX: return bmi(d, op, JIT_SARX);
    case ZYDIS_MNEMONIC_RORX: return bmi(d, op, JIT_RORX);
    case ZYDIS_MNEMONIC_BZHI: return bmi(d, op, JIT_BZHI);
    case ZYDIS_MNEMONIC_BT: return bit_test(d, op);
    case ZYDIS_MNEMONIC_MOV: return two_operands(d, op, JIT_MOV);
    case ZYDIS_MNEMONIC_MOVZX: return extension(d, op, false);
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD: return extension(d, op, true);
    case ZYDIS_MNEMONIC_LEA: return op->size < 4 ? JIT_NONE : JIT_LEA;
    case ZYDIS_MNEMONIC_XCHG: return exchange(d, op);
    case ZYDIS_MNEMONIC_BSWAP: return op->size < 4 ? JIT_NONE : JIT_BSWAP;
    case ZYDIS_MNEMONIC_CWDE: return JIT_CWDE;
    case ZYDIS_MNEMONIC_CDQE: return JIT_CDQE;
    case ZYDIS_MNEMONIC_CDQ: return JIT_CDQ;
    case ZYDIS_MNEMONIC_CQO: return JIT_CQO;
    case ZYDIS_MNEMONIC_NOP: return JIT_NOP;
    case ZYDIS_MNEMONIC_ENDBR64: return d->mode & CPU_MODE_SUPPRESSED ? JIT_NONE : JIT_NOP;
    case ZYDIS_MNEMONIC_VZEROUPPER: return JIT_VZEROUPPER;
    case ZYDIS_MNEMONIC_PUSH: return stack(d, op, JIT_PUSH_R, JIT_PUSH_I);
    case ZYDIS_MNEMONIC_POP: return stack(d, op, JIT_POP_R, JIT_NONE);
    case ZYDIS_MNEMONIC_LEAVE: op->form = FORM_RM; return op->size == 8 ? JIT_LEAVE : JIT_NONE;
    case ZYDIS_MNEMONIC_JMP: return branch(d, JIT_JMP, JIT_JMP_R, JIT_JMP_M);
    case ZYDIS_MNEMONIC_CALL: return branch(d, JIT_CALL, JIT_CALL_R, JIT_CALL_M);
    case ZYDIS_MNEMONIC_RET: return branch(d, JIT_RET, JIT_RET, JIT_RET);
    default: return by_category(d, op);
    }
}

void jit_classify(const Decoded *d, Op *op)
{
    bool memory = d->memory != ZYDIS_MAX_OPERAND_COUNT;
    bool usual = (d->mode & (CPU_MODE_CS64 | CPU_MODE_WAIT)) == CPU_MODE_CS64;
    if (!usual || is_locked(d) || op->fn == op_ud
        || (memory && (!fits32(op->disp) || op->addr_size < 4))) {
        return;
    }
    op->jit = (uint8_t)(op->form == FORM_HOST ? vector(op) : by_mnemonic(d, op));
}
