/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instructions the host executes itself, and what becomes of them for that: without segment
 * and address size prefixes, the memory operand [RSI], the general register RAX.
 */
#include "thunk.h"

typedef struct Rewrite {
    uint8_t bytes[16];
    unsigned len, modrm;
    bool memory, gpr_rm, gpr_reg, long_mode;
} Rewrite;

static void emit(Rewrite *r, uint8_t b)
{
    if (r->len < sizeof(r->bytes)) {
        r->bytes[r->len++] = b;
    }
}

static void emit_legacy_prefix(Rewrite *r, const Decoded *d)
{
    const ZydisDecodedInstruction *insn = &d->insn;

    for (unsigned i = 0; i < insn->raw.prefix_count; i++) {
        if (insn->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY) {
            emit(r, insn->raw.prefixes[i].value);
        }
    }
    /* REX means nothing to x87 instructions once the address registers are gone. */
    if ((insn->attributes & ZYDIS_ATTRIB_HAS_REX) && insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) {
        uint8_t rex = d->bytes[insn->raw.rex.offset];
        if (r->memory || r->gpr_rm) {
            rex &= (uint8_t)~3;
        }
        if (r->gpr_reg) {
            rex &= (uint8_t)~4;
        }
        emit(r, rex);
    }
    if (insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) {
        emit(r, 0x0f);
    }
    if (insn->opcode_map == ZYDIS_OPCODE_MAP_0F38) {
        emit(r, 0x38);
    } else if (insn->opcode_map == ZYDIS_OPCODE_MAP_0F3A) {
        emit(r, 0x3a);
    }
}

/*
 * Whether VEX.W and EVEX.W stand for the width of a general register, or of what stands in memory
 * in its place. Outside 64-bit mode there is one width, and they do not count (SDM vol. 2,
 * VCVTSI2SD).
 */
static bool w_is_width(const Rewrite *r, const Decoded *d)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSI2SH:
    case ZYDIS_MNEMONIC_VCVTUSI2SH:
    case ZYDIS_MNEMONIC_VCVTUSI2SS:
    case ZYDIS_MNEMONIC_VCVTUSI2SD:
    case ZYDIS_MNEMONIC_VPINSRD:
    case ZYDIS_MNEMONIC_VPEXTRD:
    case ZYDIS_MNEMONIC_VMOVD:
        return true;
    default:
        return r->gpr_reg || r->gpr_rm;
    }
}

/*
 * R, X, B and vvvv are inverted in the prefix; outside 64-bit mode their high bits do not select
 * registers.
 */
static void emit_vex_prefix(Rewrite *r, const Decoded *d)
{
    const uint8_t *p = d->bytes + d->insn.raw.vex.offset;
    uint8_t p1 = p[0] == 0xc5 ? (uint8_t)((p[1] & 0x80) | 0x61) : p[1];
    uint8_t p2 = p[0] == 0xc5 ? (uint8_t)(p[1] & 0x7f) : p[2];

    if (r->memory || r->gpr_rm) {
        p1 |= 0x60;
    }
    if (r->gpr_reg) {
        p1 |= 0x80;
    }
    if (!r->long_mode) {
        p1 |= 0xe0;
        p2 |= 0x40;
        if (w_is_width(r, d)) {
            p2 &= 0x7f;
        }
    }
    emit(r, 0xc4);
    emit(r, p1);
    emit(r, p2);
}

static void emit_evex_prefix(Rewrite *r, const Decoded *d)
{
    const uint8_t *p = d->bytes + d->insn.raw.evex.offset;
    uint8_t p0 = p[1], p1 = p[2], p2 = p[3];

    if (r->memory || r->gpr_rm) {
        p0 |= 0x60;
    }
    if (r->gpr_reg) {
        p0 |= 0x90;
    }
    if (!r->long_mode) {
        p0 |= 0xf0;
        p1 |= 0x40;
        p2 |= 0x08;
        if (w_is_width(r, d)) {
            p1 &= 0x7f;
        }
    }
    emit(r, 0x62);
    emit(r, p0);
    emit(r, p1);
    emit(r, p2);
}

static bool rewrite(Rewrite *r, const Decoded *d)
{
    const ZydisDecodedInstruction *insn = &d->insn;
    unsigned tail;

    switch (insn->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
        emit_legacy_prefix(r, d);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        emit_vex_prefix(r, d);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        emit_evex_prefix(r, d);
        break;
    default:
        return false;
    }
    emit(r, insn->opcode);
    if (insn->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
        uint8_t modrm = d->bytes[insn->raw.modrm.offset];

        tail = insn->raw.modrm.offset + 1u;
        if (r->memory) {
            modrm = (uint8_t)((modrm & 0x38) | 6);
            if (insn->attributes & ZYDIS_ATTRIB_HAS_SIB) {
                tail = insn->raw.sib.offset + 1u;
            }
            if (insn->raw.disp.size) {
                tail = insn->raw.disp.offset + insn->raw.disp.size / 8u;
            }
        } else if (r->gpr_rm) {
            modrm &= 0xf8;
        }
        if (r->gpr_reg) {
            modrm &= 0xc7;
        }
        r->modrm = r->len;
        emit(r, modrm);
    } else {
        return false; /* every instruction of these sets that gets here has one */
    }
    for (; tail < insn->length; tail++) {
        emit(r, d->bytes[tail]);
    }
    return r->len <= 8;
}

/* Choosing */

static unsigned kind_of(const Decoded *d)
{
    bool mmx = false, xmm = false;

    if (d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
        d->insn.meta.isa_ext == ZYDIS_ISA_EXT_AVX512VEX) {
        return KIND_EVEX;
    }
    if (d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return KIND_VEX;
    }
    if (d->insn.meta.isa_ext == ZYDIS_ISA_EXT_X87 ||
        d->insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ||
        d->insn.meta.isa_set == ZYDIS_ISA_SET_FCMOV) {
        return KIND_X87;
    }
    for (unsigned i = 0; i < d->insn.operand_count_visible; i++) {
        mmx |= vec_is_class(&d->operand[i], ZYDIS_REGCLASS_MMX);
        xmm |= vec_is_class(&d->operand[i], ZYDIS_REGCLASS_XMM);
    }
    if (!mmx) {
        return KIND_SSE;
    }
    /* CVTPI2PS with a memory operand has no MMX register and no x87 effect either. */
    return xmm || d->insn.mnemonic == ZYDIS_MNEMONIC_CVTPS2PI ||
                   d->insn.mnemonic == ZYDIS_MNEMONIC_CVTTPS2PI ||
                   d->insn.mnemonic == ZYDIS_MNEMONIC_CVTPD2PI ||
                   d->insn.mnemonic == ZYDIS_MNEMONIC_CVTTPD2PI
               ? KIND_SSE_MMX
               : KIND_MMX;
}

static bool is_string(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_PCMPESTRI || m == ZYDIS_MNEMONIC_PCMPESTRM ||
           m == ZYDIS_MNEMONIC_PCMPISTRI || m == ZYDIS_MNEMONIC_PCMPISTRM ||
           m == ZYDIS_MNEMONIC_VPCMPESTRI || m == ZYDIS_MNEMONIC_VPCMPESTRM ||
           m == ZYDIS_MNEMONIC_VPCMPISTRI || m == ZYDIS_MNEMONIC_VPCMPISTRM;
}

/*
 * SDM vol. 2, 2.4: legacy 16-byte operands are aligned except those made to be unaligned; VEX and
 * EVEX by class.
 */
static unsigned alignment_of(const Decoded *d, unsigned bytes)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
        return 0;
    default:
        break;
    }
    switch (d->insn.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_AVX1:
    case ZYDIS_EXCEPTION_CLASS_E1:
    case ZYDIS_EXCEPTION_CLASS_E1NF:
        return (unsigned)__builtin_ctz(bytes);
    default:
        break;
    }
    return d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && bytes == 16 &&
                   !is_string(d->insn.mnemonic)
               ? 4
               : 0;
}

static bool host_can(const VecState *vec, const Decoded *d, unsigned kind)
{
    VecFeatures f;

    if (kind == KIND_X87 || kind == KIND_MMX) {
        /* base x86-64, but for SSSE3 on MMX registers and FISTTP */
    } else if (kind == KIND_VEX && !vec->host_avx) {
        return false;
    } else if (kind == KIND_EVEX && !vec->host_avx512) {
        return false;
    }
    if (!vec_features(&d->insn, &f)) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (!vec_host_has(vec, f.feature[i]) && d->insn.mnemonic != ZYDIS_MNEMONIC_FISTTP) {
            return false;
        }
    }
    if (vec->portable && d->insn.mnemonic != ZYDIS_MNEMONIC_FISTTP) {
        switch (vec_set(&d->insn)) {
        case ZYDIS_ISA_SET_X87:
        case ZYDIS_ISA_SET_FCMOV:
        case ZYDIS_ISA_SET_PPRO:
        case ZYDIS_ISA_SET_PENTIUMMMX:
        case ZYDIS_ISA_SET_SSE:
        case ZYDIS_ISA_SET_SSE2:
        case ZYDIS_ISA_SET_SSE2MMX:
            break;
        default:
            return false;
        }
    }
    return true;
}

/*
 * Where elements do not correspond, faults are not suppressed and the whole operand is read (SDM
 * vol. 2, 2.8).
 */
static bool suppresses_faults(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) { /* E4NF by the manual, E4 in Zydis */
    case ZYDIS_MNEMONIC_VDBPSADBW:
    case ZYDIS_MNEMONIC_VGF2P8AFFINEQB:
    case ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB:
    case ZYDIS_MNEMONIC_VCVTNE2PS2BF16:
        return false;
    default:
        break;
    }
    switch (insn->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_E1NF:
    case ZYDIS_EXCEPTION_CLASS_E2NF:
    case ZYDIS_EXCEPTION_CLASS_E3NF:
    case ZYDIS_EXCEPTION_CLASS_E4NF:
    case ZYDIS_EXCEPTION_CLASS_E5NF:
    case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E9NF:
    case ZYDIS_EXCEPTION_CLASS_E10NF:
    case ZYDIS_EXCEPTION_CLASS_E11NF:
        return false;
    default:
        return true;
    }
}

/*
 * How many elements the mask covers. A broadcast has fewer in memory: one is for as many as it says
 * (a result may be narrower than its register), a tuple for those of the first vector register.
 */
static unsigned covered_by_mask(const Decoded *d, unsigned in_memory)
{
    ZydisBroadcastMode mode = d->insn.avx.broadcast.mode;
    if (mode == ZYDIS_BROADCAST_MODE_INVALID) {
        return in_memory;
    }
    if (mode >= ZYDIS_BROADCAST_MODE_1_TO_2 && mode <= ZYDIS_BROADCAST_MODE_1_TO_64) {
        return 2u << (mode - ZYDIS_BROADCAST_MODE_1_TO_2);
    }
    for (unsigned i = 0; i < d->insn.operand_count_visible; i++) {
        if (d->operand[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            !vec_is_class(&d->operand[i], ZYDIS_REGCLASS_MASK)) {
            return d->operand[i].element_count;
        }
    }
    return in_memory;
}

/*
 * Opmask of a memory operand that must be accessed by elements. False: a form that cannot be done.
 */
static bool choose_mask(const Decoded *d, const ZydisDecodedOperand *mem, Op *op, ThunkMeta *m)
{
    unsigned k = ZydisRegisterGetId(d->insn.avx.mask.reg) & 7;
    unsigned elements = mem->element_count;

    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX ||
        d->insn.avx.mask.reg == ZYDIS_REGISTER_NONE || k == 0 ||
        (!suppresses_faults(&d->insn) && !(mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))) {
        return true;
    }
    if (mem->element_size < 8 || mem->element_size > 64 ||
        (mem->element_size & (mem->element_size - 1))) {
        return false;
    }
    if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ) {
        elements = covered_by_mask(d, elements);
    }
    /* Scalars: only bit 0 of the mask counts, and memory holds one element. */
    op->flags = (uint8_t)(elements > 1 ? 32 - __builtin_clz(elements - 1) : 0);
    op->flags |= suppresses_faults(&d->insn) ? 0 : MASK_UNSUPPRESSED;
    m->mask = (uint8_t)(k | (unsigned)__builtin_ctz(mem->element_size / 8u) << 4);
    if (d->insn.meta.category == ZYDIS_CATEGORY_COMPRESS ||
        d->insn.meta.category == ZYDIS_CATEGORY_EXPAND) {
        m->flags |= THUNK_PACKED;
    }
    return true;
}

static bool choose_operands(const Decoded *d, Op *op, Rewrite *r, ThunkMeta *m)
{
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN || r->memory ||
                o->mem.type == ZYDIS_MEMOP_TYPE_VSIB || o->size == 0 || o->size / 8 > VEC_SCRATCH) {
                return false;
            }
            r->memory = true;
            m->mem_size = (uint8_t)(o->size / 8);
            m->flags |= (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? THUNK_READ : 0) |
                        (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? THUNK_WRITE : 0);
            m->kind |= (uint8_t)(alignment_of(d, m->mem_size) << 4);
            if (!choose_mask(d, o, op, m)) {
                return false;
            }
        } else if (vec_is_gpr(o) && o->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            r->gpr_rm |= o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
            r->gpr_reg |= o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG;
            if (o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM &&
                o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG) {
                return false;
            }
            op->dst = (uint8_t)(ZydisRegisterGetId(o->reg.value) * 8);
            m->flags |= THUNK_GPR_IN |
                        (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? THUNK_GPR_OUT : 0);
        }
    }
    return true;
}

/*
 * FISTTP without SSE3 is FISTP, rounding toward zero: opcodes DF/1, DB/1, DD/1 become DF/3, DB/3,
 * DF/7.
 */
static void rewrite_fisttp(Rewrite *r, Op *op)
{
    unsigned reg = r->bytes[0] == 0xdd ? 7 : 3;

    r->bytes[0] = r->bytes[0] == 0xdd ? 0xdf : r->bytes[0];
    r->bytes[1] = (uint8_t)((r->bytes[1] & 0xc7) | reg << 3);
    op->flags = X87_TRUNCATE;
}

/* Fills op->imm, m and, where there is a general register, op->dst. */
static bool prepare(const VecState *vec, const Decoded *d, Op *op, ThunkMeta *m)
{
    Rewrite r = {.long_mode = d->mode & CPU_MODE_CS64};
    unsigned kind = kind_of(d);
    uint64_t bytes = 0;

    *m = (ThunkMeta){.kind = (uint8_t)kind};
    if (!host_can(vec, d, kind) || !choose_operands(d, op, &r, m) || !rewrite(&r, d)) {
        return false;
    }
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_FISTTP && (vec->portable || !(vec->host_leaf1[2] & 1))) {
        rewrite_fisttp(&r, op);
    }
    memcpy(&bytes, r.bytes, r.len);
    op->imm = bytes;
    m->len = (uint8_t)r.len;
    m->modrm = (uint8_t)r.modrm;
    return true;
}

bool vec_choose_thunk(Cpu *cpu, const Decoded *d, Op *op)
{
    ThunkMeta m;

    if (!prepare(cpu->vec, d, op, &m)) {
        return false;
    }
    if (is_string(d->insn.mnemonic)) {
        m.flags |= THUNK_STRING;
    }
    if (d->insn.cpu_flags) {
        uint32_t all = d->insn.cpu_flags->tested | d->insn.cpu_flags->modified |
                       d->insn.cpu_flags->set_0 | d->insn.cpu_flags->set_1 |
                       d->insn.cpu_flags->undefined;
        m.flags |= all & FLAG_ARITH ? THUNK_FLAGS : 0;
    }
    if ((m.kind & 15) == KIND_X87) {
        m.flags |= THUNK_FPU_ADDRESS;
        op->size = d->bytes[d->insn.raw.modrm.offset];
    }
    op->form = thunk_host_fields(d, &m) ? FORM_HOST : 0;
    memcpy(&op->aux, &m, sizeof(m));
    op->fn = op_thunk;
    return true;
}

void vec_host_form(Cpu *cpu, const Decoded *d, Op *op)
{
    Op rewritten = *op;
    ThunkMeta m;

    if (prepare(cpu->vec, d, &rewritten, &m) && thunk_host_fields(d, &m)) {
        op->imm = rewritten.imm;
        memcpy(&op->aux, &m, sizeof(m));
        op->form = FORM_HOST;
    }
}
