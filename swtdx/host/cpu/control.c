/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Near jumps, calls, returns, loops. Direct ones hold their target in imm, relative to GPR_PAGE.
 *
 * Conditional jumps do not end a block: not taken, they go on to the next Op.
 */
#include "block-exit.h"
#include "branch.h"
#include "cet.h"
#include "stack.h"

/* ---- conditional ---- */

#define DEFINE_JCC(cond)                                                    \
    HANDLER(op_j##cond)                                                     \
    {                                                                       \
        if (flags_condition(cpu, cond)) {                                   \
            EXIT_DIRECT(cpu, op, branch_direct(cpu, op));                   \
        }                                                                   \
        NEXT(cpu, op);                                                      \
    }
#define ALL_CONDITIONS(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
ALL_CONDITIONS(DEFINE_JCC)
#define JCC_ENTRY(cond) op_j##cond,
static const OpFn jcc[16] = { ALL_CONDITIONS(JCC_ENTRY) };

int control_jump_condition(const Op *jump)
{
    for (int cond = 0; cond < 16; cond++) {
        if (jump->fn == jcc[cond]) {
            return cond;
        }
    }
    return -1;
}

/* Legacy code: the condition stands in src. */
HANDLER(op_jcc_legacy)
{
    if (flags_condition(cpu, op->src)) {
        uint64_t rip = branch_cut(op, branch_direct(cpu, op));
        branch_check(cpu, op, rip);
        EXIT_DIRECT(cpu, op, rip);
    }
    NEXT(cpu, op);
}

/* JCXZ (src 0), LOOP (1), LOOPE (2), LOOPNE (3): the counter is rCX cut to the address size. */
HANDLER(op_loop)
{
    uint64_t mask = op->addr_size == 8 ? UINT64_MAX : op->addr_size == 4 ? UINT32_MAX : UINT16_MAX;
    uint64_t count = cpu->regs[GPR_RCX] & mask;
    bool taken;
    if (op->src == 0) {
        taken = count == 0;
    } else {
        count = (count - 1) & mask;
        taken = count != 0 && (op->src == 1 || flags_zf(cpu) == (op->src == 2));
    }
    uint64_t rip = branch_cut(op, branch_direct(cpu, op));
    if (taken) {
        branch_check(cpu, op, rip);
    }
    if (op->src != 0) {
        uint64_t keep = op->addr_size == 2 ? cpu->regs[GPR_RCX] & ~mask : 0;
        cpu->regs[GPR_RCX] = keep | count;
    }
    if (taken) {
        EXIT_DIRECT(cpu, op, rip);
    }
    NEXT(cpu, op);
}

/* ---- 64-bit code ---- */

HANDLER(op_jmp_direct)
{
    EXIT_DIRECT(cpu, op, branch_direct(cpu, op));
}

HANDLER(op_jmp_r)
{
    uint64_t rip = CPU_REG(cpu, uint64_t, op->dst);
    branch_check(cpu, op, rip);
    EXIT_INDIRECT(cpu, op, rip);
}

HANDLER(op_jmp_m)
{
    uint64_t rip = mmu_load64(cpu, op, LINEAR(64, false));
    branch_check(cpu, op, rip);
    EXIT_INDIRECT(cpu, op, rip);
}

static inline void push_return(Cpu *cpu, const Op *op)
{
    uint64_t pointer = cpu->regs[GPR_RSP] - 8;
    mmu_store64(cpu, op, pointer, cpu->regs[GPR_PAGE] + op->off + op->len);
    cpu->regs[GPR_RSP] = pointer;
}

HANDLER(op_call_direct)
{
    push_return(cpu, op);
    EXIT_DIRECT(cpu, op, branch_direct(cpu, op));
}

HANDLER(op_call_r)
{
    uint64_t rip = CPU_REG(cpu, uint64_t, op->dst);
    branch_check(cpu, op, rip);
    push_return(cpu, op);
    EXIT_INDIRECT(cpu, op, rip);
}

HANDLER(op_call_m)
{
    uint64_t rip = mmu_load64(cpu, op, LINEAR(64, false));
    branch_check(cpu, op, rip);
    push_return(cpu, op);
    EXIT_INDIRECT(cpu, op, rip);
}

/* imm: bytes to release besides the return address */
HANDLER(op_ret)
{
    uint64_t rip = mmu_load64(cpu, op, cpu->regs[GPR_RSP]);
    branch_check(cpu, op, rip);
    cpu->regs[GPR_RSP] += 8 + op->imm;
    EXIT_INDIRECT(cpu, op, rip);
}

/* ---- 32- and 16-bit code ---- */

HANDLER(op_jmp_direct_legacy)
{
    uint64_t rip = branch_cut(op, branch_direct(cpu, op));
    branch_check(cpu, op, rip);
    EXIT_DIRECT(cpu, op, rip);
}

HANDLER(op_call_direct_legacy)
{
    uint64_t rip = branch_cut(op, branch_direct(cpu, op));
    branch_check(cpu, op, rip);
    stack_push(cpu, op, cpu_op_next_rip(cpu, op), op->size);
    EXIT_DIRECT(cpu, op, rip);
}

static uint64_t indirect_target(Cpu *cpu, const Op *op)
{
    uint64_t rip = op->src != 0
                       ? mmu_load_sized(cpu, op, op_linear(cpu, op, op->size, false), op->size)
                       : branch_cut(op, CPU_REG(cpu, uint64_t, op->dst));
    branch_check(cpu, op, rip);
    return rip;
}

/* src: the target is in memory */
HANDLER(op_jmp_indirect_legacy)
{
    EXIT_INDIRECT(cpu, op, indirect_target(cpu, op));
}

HANDLER(op_call_indirect_legacy)
{
    uint64_t rip = indirect_target(cpu, op);
    stack_push(cpu, op, cpu_op_next_rip(cpu, op), op->size);
    EXIT_INDIRECT(cpu, op, rip);
}

HANDLER(op_ret_legacy)
{
    uint64_t rip = stack_peek(cpu, op, 0, op->size);
    branch_check(cpu, op, rip);
    stack_set(cpu, cpu->regs[GPR_RSP] + op->size + op->imm);
    EXIT_INDIRECT(cpu, op, rip);
}

/* ---- choosing ---- */

static bool is_far(const Decoded *d)
{
    return d->insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

static void set_direct(const Decoded *d, Op *op)
{
    op->imm = (uint64_t)op->off + op->len + d->operand[0].imm.value.u;
    op->disp = JUMP_NOWHERE;
    op->ptr = NULL;
}

static void choose_jump(const Decoded *d, Op *op, bool call)
{
    bool long64 = d->mode & CPU_MODE_CS64;
    if (is_immediate(d, 0)) {
        set_direct(d, op);
        op->fn = call     ? long64 ? op_call_direct : op_call_direct_legacy
                 : long64 ? op_jmp_direct
                          : op_jmp_direct_legacy;
        return;
    }
    bool memory = is_memory(d, 0);
    if (long64) {
        op->fn = call ? memory ? op_call_m : op_call_r : memory ? op_jmp_m : op_jmp_r;
    } else {
        op->src = memory;
        op->fn = call ? op_call_indirect_legacy : op_jmp_indirect_legacy;
    }
}

static int loop_kind(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        return 0;
    case ZYDIS_MNEMONIC_LOOP:
        return 1;
    case ZYDIS_MNEMONIC_LOOPE:
        return 2;
    case ZYDIS_MNEMONIC_LOOPNE:
        return 3;
    default:
        return -1;
    }
}

static bool is_near_branch(const Decoded *d)
{
    ZydisMnemonic m = d->insn.mnemonic;
    bool conditional = d->insn.meta.category == ZYDIS_CATEGORY_COND_BR &&
                       d->insn.meta.isa_set == ZYDIS_ISA_SET_I86;
    bool always = m == ZYDIS_MNEMONIC_JMP || m == ZYDIS_MNEMONIC_CALL || m == ZYDIS_MNEMONIC_RET;
    return (always && !is_far(d)) || conditional || loop_kind(m) >= 0;
}

bool family_control(Cpu *cpu, const Decoded *d, Op *op, bool *ends)
{
    (void)cpu;
    bool long64 = d->mode & CPU_MODE_CS64;
    if (!is_near_branch(d)) {
        return false; /* and op is as it was, for the other families */
    }
    /*
     * The operand size of branches is 64 bits in 64-bit code whatever the prefixes (Intel: SDM vol.
     * 2, JMP).
     */
    op->size = long64 ? 8 : op->size;
    if (op->seg != SEG_FS && op->seg != SEG_GS && d->memory == ZYDIS_MAX_OPERAND_COUNT) {
        op->seg = SEG_SS;
    }
    int loop = loop_kind(d->insn.mnemonic);
    if (loop >= 0) {
        set_direct(d, op);
        op->src = (uint8_t)loop;
        op->fn = op_loop;
        return true;
    }
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
        choose_jump(d, op, d->insn.mnemonic == ZYDIS_MNEMONIC_CALL);
        *ends = true;
        break;
    case ZYDIS_MNEMONIC_RET:
        op->imm &= 0xffff;
        op->fn = long64 ? op_ret : op_ret_legacy;
        *ends = true;
        break;
    default:
        set_direct(d, op);
        op->src = (uint8_t)int_condition(d);
        op->fn = long64 ? jcc[op->src] : op_jcc_legacy;
        return true;
    }
    if (unlikely(d->mode & (CPU_MODE_SHSTK | CPU_MODE_IBT))) {
        cet_choose_branch(d, op);
    }
    return true;
}
