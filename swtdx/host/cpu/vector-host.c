/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which vector instructions host code can execute as the host's own (jit-vector.c): what they read
 * and write must be told by the fields of their encoding.
 */
#include "thunk.h"

static unsigned class_of(const ZydisDecodedOperand *o)
{
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return FIELD_NONE;
    }
    switch (ZydisRegisterGetClass(o->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
        return FIELD_VECTOR;
    case ZYDIS_REGCLASS_MASK:
        return FIELD_OPMASK;
    default:
        return FIELD_NONE;
    }
}

/* By the register's name: the size of VEXTRACTF128's source is given as 128. */
static unsigned level_of(const ZydisDecodedOperand *o)
{
    return vec_is_class(o, ZYDIS_REGCLASS_ZMM) ? 3 : vec_is_class(o, ZYDIS_REGCLASS_YMM) ? 2 : 1;
}

/* Legacy instructions that replace the whole register: the decoder tells only that they write. */
static bool replaces_register(const Decoded *d)
{
    bool memory = d->memory != ZYDIS_MAX_OPERAND_COUNT;
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOVSS:
    case ZYDIS_MNEMONIC_MOVSD:
        return memory;
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ:
    case ZYDIS_MNEMONIC_PSHUFD:
    case ZYDIS_MNEMONIC_PSHUFLW:
    case ZYDIS_MNEMONIC_PSHUFHW:
    case ZYDIS_MNEMONIC_CVTDQ2PD:
    case ZYDIS_MNEMONIC_CVTDQ2PS:
    case ZYDIS_MNEMONIC_CVTPS2DQ:
    case ZYDIS_MNEMONIC_CVTTPS2DQ:
    case ZYDIS_MNEMONIC_CVTPS2PD:
        return true;
    default:
        return false;
    }
}

/* Those of which the manual says that they have no SIMD floating-point exceptions. */
static bool heeds_mxcsr(const Decoded *d)
{
    switch (d->insn.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE1:
    case ZYDIS_EXCEPTION_CLASS_SSE4:
    case ZYDIS_EXCEPTION_CLASS_SSE5:
    case ZYDIS_EXCEPTION_CLASS_SSE7:
    case ZYDIS_EXCEPTION_CLASS_AVX1:
    case ZYDIS_EXCEPTION_CLASS_AVX4:
    case ZYDIS_EXCEPTION_CLASS_AVX5:
    case ZYDIS_EXCEPTION_CLASS_AVX6:
    case ZYDIS_EXCEPTION_CLASS_AVX7:
    case ZYDIS_EXCEPTION_CLASS_AVX8:
    case ZYDIS_EXCEPTION_CLASS_E1:
    case ZYDIS_EXCEPTION_CLASS_E1NF:
    case ZYDIS_EXCEPTION_CLASS_E4:
    case ZYDIS_EXCEPTION_CLASS_E4NF:
    case ZYDIS_EXCEPTION_CLASS_E5:
    case ZYDIS_EXCEPTION_CLASS_E5NF:
    case ZYDIS_EXCEPTION_CLASS_E6:
    case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E7NM:
    case ZYDIS_EXCEPTION_CLASS_E9NF:
    case ZYDIS_EXCEPTION_CLASS_K20:
    case ZYDIS_EXCEPTION_CLASS_K21:
        return false;
    default:
        return true;
    }
}

/* Instructions with registers that no field names, or more than one that they write. */
static bool is_odd(const Decoded *d)
{
    switch (d->insn.meta.isa_set) {
    case ZYDIS_ISA_SET_AVX512_4FMAPS_512:
    case ZYDIS_ISA_SET_AVX512_4FMAPS_SCALAR:
    case ZYDIS_ISA_SET_AVX512_4VNNIW_512:
    case ZYDIS_ISA_SET_AVX512_VP2INTERSECT_128:
    case ZYDIS_ISA_SET_AVX512_VP2INTERSECT_256:
    case ZYDIS_ISA_SET_AVX512_VP2INTERSECT_512:
        return true;
    default:
        return false;
    }
}

/* One operand; false: it cannot be told. */
static bool add_operand(const Decoded *d, const ZydisDecodedOperand *o, ThunkMeta *m)
{
    unsigned kind = class_of(o), place;
    bool written = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

    if (kind == FIELD_NONE || o->encoding == ZYDIS_OPERAND_ENCODING_MASK) {
        return true; /* the opmask stands in the prefix */
    }
    switch (o->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        place = 0;
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        place = 1;
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        place = 2;
        break;
    case ZYDIS_OPERAND_ENCODING_IS4:
        m->host |= HOST_IS4;
        return !written;
    default:
        m->host |= HOST_XMM0;
        return !written && o->reg.value == ZYDIS_REGISTER_XMM0;
    }
    m->fields |= (uint8_t)(kind << 2 * place);
    if (written) {
        bool read = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
        bool masked = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
                      ZydisRegisterGetId(d->insn.avx.mask.reg) > 0;
        bool whole = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ? replaces_register(d)
                                                                           : !read && !masked;
        if (m->fields >> 6) {
            return false;
        }
        m->fields |= (uint8_t)((place + 1) << 6);
        m->host |= whole ? HOST_WHOLE : 0;
    }
    return true;
}

bool thunk_host_fields(const Decoded *d, ThunkMeta *m)
{
    unsigned kind = m->kind & 15, level = 1;

    if (!(d->mode & CPU_MODE_CS64) || (kind != KIND_SSE && kind != KIND_VEX && kind != KIND_EVEX) ||
        m->mask != 0 || (m->flags & THUNK_STRING) || is_odd(d) ||
        (m->mem_size != 0 && (m->flags & THUNK_GPR_IN) && !(m->flags & THUNK_GPR_OUT))) {
        return false;
    }
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (!add_operand(d, o, m)) {
            return false;
        }
        unsigned needed = level_of(o);
        level = needed > level ? needed : level;
    }
    m->host |= heeds_mxcsr(d) ? HOST_MXCSR : 0;
    m->host |= (uint8_t)(level << HOST_LEVEL_SHIFT);
    return true;
}
