/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zydis' view of an instruction turned into an Op; the families choose its handler.
 */
#include <stdio.h>
#include <string.h>

#include "cet.h"
#include "decode.h"
#include "flags.h"
#include "int.h"
#include "jit.h"
#include "mmu.h"
#include "spin.h"
#include "vector.h"

void decoder_init(Decoder *decoder)
{
    ZydisDecoderInit(&decoder->long64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderInit(&decoder->code32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoder->code32_stack16, ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                     ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoder->code16, ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoder->code16_stack32, ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
                     ZYDIS_STACK_WIDTH_32);
    ZydisDecoder *all[] = {
        &decoder->long64, &decoder->code32, &decoder->code32_stack16, &decoder->code16,
        &decoder->code16_stack32,
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        /* TDX offers no MPX: its encodings are NOPs then (SDM vol. 1, 17.4). */
        ZydisDecoderEnableMode(all[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
#ifdef ZYDIS_HAS_IPREFETCH
        /* Prefetches of code do nothing here, as the NOPs that they were before (SDM vol. 2). */
        ZydisDecoderEnableMode(all[i], ZYDIS_DECODER_MODE_IPREFETCH, ZYAN_FALSE);
#endif
    }
}

_Static_assert(ZYDIS_MNEMONIC_MAX_VALUE <= UINT16_MAX, "Op.mnemonic");

static const ZydisDecoder *decoder_of(const Decoder *decoder, uint32_t mode)
{
    if (mode & CPU_MODE_CS64) {
        return &decoder->long64;
    }
    if (mode & CPU_MODE_CS32) {
        return mode & CPU_MODE_SS32 ? &decoder->code32 : &decoder->code32_stack16;
    }
    return mode & CPU_MODE_SS32 ? &decoder->code16_stack32 : &decoder->code16;
}

uint8_t decode_register(ZydisRegister reg)
{
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL) {
        return (uint8_t)((reg - ZYDIS_REGISTER_AL) * 8);
    }
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
        return (uint8_t)((reg - ZYDIS_REGISTER_AH) * 8 + 1);
    }
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) {
        return (uint8_t)((reg - ZYDIS_REGISTER_SPL + GPR_RSP) * 8);
    }
    if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) {
        return (uint8_t)((reg - ZYDIS_REGISTER_AX) * 8);
    }
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
        return (uint8_t)((reg - ZYDIS_REGISTER_EAX) * 8);
    }
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
        return (uint8_t)((reg - ZYDIS_REGISTER_RAX) * 8);
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
        return GPR_PAGE * 8;
    }
    return GPR_ZERO * 8;
}

static bool is_general(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_R15;
}

bool decode_is_register(const Decoded *d, unsigned k)
{
    return k < d->insn.operand_count_visible && d->operand[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           is_general(d->operand[k].reg.value);
}

static uint8_t scale_shift(uint8_t scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

static void fill_memory(const ZydisDecodedOperandMem *mem, uint32_t mode, Op *op)
{
    op->base = decode_register(mem->base);
    op->index = decode_register(mem->index);
    op->shift = scale_shift(mem->scale);
    op->disp = mem->disp.value;
    if (op->base == GPR_PAGE * 8) {
        op->disp += op->off + op->len;
    }
    if (mem->segment >= ZYDIS_REGISTER_ES && mem->segment <= ZYDIS_REGISTER_GS) {
        op->seg = (uint8_t)(mem->segment - ZYDIS_REGISTER_ES);
        if (op->seg == SEG_CS && (mode & CPU_MODE_CS64)) {
            op->seg = SEG_DS; /* its prefix is ignored (SDM vol. 2, 2.1.1) */
        }
    }
}

/*
 * Without a displacement's mod, 101b in SIB.base means no base and 32 bits of displacement,
 * whatever REX.B is (SDM vol. 2, 2.2.1.2); Zydis 4.0 names R13 there when addresses have 32 bits.
 */
static void correct_base(const ZydisDecodedInstruction *insn, ZydisDecodedOperandMem *mem)
{
    if ((insn->attributes & ZYDIS_ATTRIB_HAS_SIB) && insn->raw.modrm.mod == 0
        && insn->raw.sib.base == 5) {
        mem->base = ZYDIS_REGISTER_NONE;
        mem->disp.value = insn->raw.disp.value;
    }
}

static void fill_op(Decoded *d, Op *op)
{
    bool have_dst = false, have_src = false, have_imm = false;
    d->memory = ZYDIS_MAX_OPERAND_COUNT;
    for (unsigned i = 0; i < d->insn.operand_count_visible; i++) {
        ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && is_general(o->reg.value)) {
            if (!have_dst) {
                op->dst = decode_register(o->reg.value);
                have_dst = true;
            } else if (!have_src) {
                op->src = decode_register(o->reg.value);
                have_src = true;
            }
        } else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && d->memory == ZYDIS_MAX_OPERAND_COUNT) {
            d->memory = i;
            correct_base(&d->insn, &o->mem);
            fill_memory(&o->mem, d->mode, op);
        } else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !have_imm) {
            op->imm = o->imm.value.u;
            have_imm = true;
        }
    }
}

static const Op *op_too_long(Cpu *cpu, const Op *op)
{
    cpu->op = op;
    cpu_raise(cpu, VEC_GP, 0);
}

/* Offered by CPUID, done by no family: the bytes are in imm (first eight) and aux. */
static const Op *op_unsupported(Cpu *cpu, const Op *op)
{
    char what[96];
    int n = snprintf(what, sizeof(what), "%s:", ZydisMnemonicGetString(op->mnemonic));
    for (unsigned i = 0; i < op->len && n > 0 && (size_t)n < sizeof(what); i++) {
        uint64_t word = i < 8 ? op->imm : op->aux;
        n += snprintf(what + n, sizeof(what) - (size_t)n, " %02x",
                      (unsigned)(word >> (i % 8 * 8)) & 0xff);
    }
    cpu->op = op;
    cpu_unsupported(cpu, what);
}

/* No family takes it: #UD when CPUID does not offer it, else a confession. */
static void refuse(Cpu *cpu, const Decoded *d, Op *op)
{
    uint32_t feature = isa_feature(d->insn.meta.isa_set);
    if (vec_choose_unknown(cpu, d->bytes, d->insn.length, op)) {
        return;
    }
    if (feature == DECODE_NEVER || d->insn.mnemonic == ZYDIS_MNEMONIC_UD0 ||
        d->insn.mnemonic == ZYDIS_MNEMONIC_UD1 || d->insn.mnemonic == ZYDIS_MNEMONIC_UD2 ||
        (feature != 0 && !cpu->world->has_feature(cpu, feature))) {
        op->fn = op_ud;
        return;
    }
    op->fn = op_unsupported;
    op->imm = 0;
    op->aux = 0;
    memcpy(&op->imm, d->bytes, op->len < 8 ? op->len : 8);
    if (op->len > 8) {
        memcpy(&op->aux, d->bytes + 8, op->len - 8u);
    }
}

/*
 * Asks the families. Sets *ends when nothing may follow in the block. `nth`: 1 for the first
 * instruction.
 */
static void choose(Cpu *cpu, const Decoded *d, Op *op, bool *ends, unsigned nth)
{
    static const FamilyChooser others[] = { family_string, family_system, family_xsave,
                                            family_vector };
    if (family_integer(cpu, d, op, ends)) {
        return;
    }
    if (family_control(cpu, d, op, ends)) {
        op->flags = (uint8_t)nth; /* block-exit.h: EXIT_DIRECT */
        return;
    }
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i](cpu, d, op, ends)) {
            return;
        }
    }
    refuse(cpu, d, op);
    *ends = true;
}

static void init_op(Op *op, unsigned off, unsigned len)
{
    memset(op, 0, sizeof(*op));
    op->off = (uint16_t)off;
    op->len = (uint8_t)len;
    op->base = op->index = GPR_ZERO * 8;
    op->seg = SEG_DS;
}

/* The Op behind the last instruction: goes on at the following address. */
static void finish(Block *b, unsigned at)
{
    Op *op = &b->ops[b->count];
    init_op(op, b->offset + at, 0);
    op->fn = op_end;
    op->jit = JIT_END;
    op->imm = op->off;
    op->disp = JUMP_NOWHERE;
    op->flags = (uint8_t)b->count;
    b->length = (uint16_t)at;
}

/*
 * The last Op of a block, for bytes that Zydis makes no instruction of; `left` of them are there.
 * How many it takes up.
 */
static unsigned add_unknown(Block *b, Cpu *cpu, unsigned at, const uint8_t *bytes, size_t left,
                            ZyanStatus status)
{
    Op *op = &b->ops[b->count++];

    init_op(op, b->offset + at, 1);
    if ((b->mode & CPU_MODE_CS64) && vec_choose_unknown(cpu, bytes, left, op)) {
        return op->len;
    }
    op->fn = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA
                 ? op_too_long
                 : op_ud;
    if (b->mode & CPU_MODE_WAIT) {
        cet_expect_endbranch(NULL, op);
    }
    return 1;
}

/* The next Op, for the instruction in *d. True: the block ends behind it. */
static bool add_instruction(Block *b, Cpu *cpu, unsigned at, Decoded *d, SpinScan *scan)
{
    Op *op = &b->ops[b->count];
    bool ends = false;

    init_op(op, b->offset + at, d->insn.length);
    op->size = d->insn.operand_width / 8;
    op->addr_size = d->insn.address_width / 8;
    op->mnemonic = (uint16_t)d->insn.mnemonic;
    fill_op(d, op);
    choose(cpu, d, op, &ends, b->count + 1u);
    b->endbranch = b->endbranch || (b->count == 0 && cet_is_endbranch(d));
    if (b->mode & CPU_MODE_WAIT) {
        cet_expect_endbranch(d, op);
        ends = true;
    }
    jit_classify(d, op);
    b->spins = b->spins || spin_step(scan, d, op, b->offset);
    if (b->count != 0) {
        int_fuse(op - 1, op);
    }
    b->count++;
    return ends;
}

bool decode_block(const Decoder *decoder, Cpu *cpu, Block *block, const uint8_t *bytes, size_t n,
                  unsigned max_ops)
{
    const ZydisDecoder *zydis = decoder_of(decoder, block->mode);
    Decoded d = { .mode = block->mode };
    SpinScan scan = { 0 };
    unsigned at = 0;
    bool ends = false;

    block->count = 0;
    block->spins = false;
    block->endbranch = false;
    while (!ends && block->count < max_ops) {
        size_t left = n - at < BLOCK_MAX_INSN ? n - at : BLOCK_MAX_INSN;
        ZyanStatus status = ZydisDecoderDecodeFull(zydis, bytes + at, left, &d.insn, d.operand);

        if (status == ZYDIS_STATUS_NO_MORE_DATA && left < BLOCK_MAX_INSN) {
            if (block->count == 0) {
                return false;
            }
            break;
        }
        if (!ZYAN_SUCCESS(status)) {
            at += add_unknown(block, cpu, at, bytes + at, left, status);
            break;
        }
        d.bytes = bytes + at;
        ends = add_instruction(block, cpu, at, &d, &scan);
        at += d.insn.length;
    }
    finish(block, at);
    return true;
}
