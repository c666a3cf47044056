/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions whose elements are accessed one by one: VMASKMOV, VPMASKMOV, MASKMOVDQU, MASKMOVQ,
 * gathers, scatters.
 *
 * Loads are all done before anything is written and stores all checked before the first, so a fault
 * leaves the instruction not begun; the architecture allows that as well as partial progress (SDM
 * vol. 2, VPGATHERDD).
 */
#include "vector.h"

/* Op.aux */
typedef struct Elements {
    uint8_t data;    /* register loaded or stored */
    uint8_t mask;    /* vector or opmask register */
    uint8_t index;   /* vector register of a VSIB operand */
    uint8_t count;
    uint8_t size;    /* bytes of an element */
    uint8_t index_size;
    uint8_t scale;   /* log2 */
    uint8_t flags;
} Elements;
_Static_assert(sizeof(Elements) == sizeof(uint64_t), "stands in Op.aux");
enum { EL_STORE = 1, EL_OPMASK = 2, EL_VSIB = 4, EL_MMX = 8, EL_LEGACY = 16 };

#define VECTOR_BYTES 64

static void read_vector(const Cpu *cpu, unsigned n, uint8_t out[VECTOR_BYTES])
{
    if (n >= 16) {
        memcpy(out, cpu->xstate + XSTATE_HI16_ZMM + 64 * (n - 16), 64);
        return;
    }
    memcpy(out, cpu->xstate + XSTATE_XMM + 16 * n, 16);
    memcpy(out + 16, cpu->xstate + XSTATE_YMMH + 16 * n, 16);
    memcpy(out + 32, cpu->xstate + XSTATE_ZMMH + 32 * n, 32);
}

static void write_vector(Cpu *cpu, unsigned n, const uint8_t in[VECTOR_BYTES])
{
    if (n >= 16) {
        memcpy(cpu->xstate + XSTATE_HI16_ZMM + 64 * (n - 16), in, 64);
        return;
    }
    memcpy(cpu->xstate + XSTATE_XMM + 16 * n, in, 16);
    memcpy(cpu->xstate + XSTATE_YMMH + 16 * n, in + 16, 16);
    memcpy(cpu->xstate + XSTATE_ZMMH + 32 * n, in + 32, 32);
}

static uint64_t linear_at(Cpu *cpu, const Op *op, uint64_t ea, unsigned size, bool write)
{
    if (op->addr_size != 8) {
        ea &= op->addr_size == 4 ? UINT64_C(0xffffffff) : UINT64_C(0xffff);
    }
    if (cpu->mode & CPU_MODE_CS64) {
        return op->seg < SEG_FS ? ea : ea + cpu->seg[op->seg].base;
    }
    return segment_linear_slow(cpu, op, op->seg, ea, size, write);
}

static uint64_t active_of(Cpu *cpu, const Elements *e)
{
    uint8_t v[VECTOR_BYTES];
    uint64_t active = 0;

    if (e->flags & EL_OPMASK) {
        memcpy(&active, cpu->xstate + XSTATE_OPMASK + 8 * e->mask, 8);
        return active & ((UINT64_C(1) << e->count) - 1);
    }
    if (e->flags & EL_MMX) {
        memcpy(v, mmx_at(cpu, e->mask), 8);
    } else {
        read_vector(cpu, e->mask, v);
    }
    for (unsigned i = 0; i < e->count; i++) {
        active |= (uint64_t)(v[i * e->size + e->size - 1] >> 7) << i;
    }
    return active;
}

static void element_addresses(Cpu *cpu, const Op *op, const Elements *e, uint64_t active,
                              uint64_t out[])
{
    uint64_t base = CPU_REG(cpu, uint64_t, op->base) + (uint64_t)op->disp;
    uint8_t index[VECTOR_BYTES];

    if (!(e->flags & EL_VSIB)) {
        base += CPU_REG(cpu, uint64_t, op->index) << op->shift;
    } else {
        read_vector(cpu, e->index, index);
    }
    for (unsigned i = 0; i < e->count; i++) {
        int64_t offset = i * e->size;

        if (!(active >> i & 1)) {
            continue;
        }
        if (e->flags & EL_VSIB && e->index_size == 4) {
            int32_t v;
            memcpy(&v, index + 4 * i, 4);
            offset = (int64_t)((uint64_t)v << e->scale);
        } else if (e->flags & EL_VSIB) {
            memcpy(&offset, index + 8 * i, 8);
            offset = (int64_t)((uint64_t)offset << e->scale);
        }
        out[i] = linear_at(cpu, op, base + (uint64_t)offset, e->size, e->flags & EL_STORE);
    }
}

static void check(Cpu *cpu, const Op *op, const Elements *e)
{
    if (e->flags & EL_OPMASK) {
        vec_check_state(cpu, op, XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512);
    } else if (e->flags & EL_MMX) {
        if (cpu->cr0 & (CR0_EM | CR0_TS)) {
            vec_raise(cpu, op, cpu->cr0 & CR0_EM ? VEC_UD : VEC_NM);
        }
        x87_check_pending(cpu, op);
    } else if (e->flags & EL_LEGACY) {
        vec_check_sse(cpu, op);
    } else {
        vec_check_avx(cpu, op);
    }
}

static void store_elements(Cpu *cpu, const Op *op, const Elements *e, uint64_t active,
                           const uint64_t *linear)
{
    uint8_t data[VECTOR_BYTES];

    for (unsigned i = 0; i < e->count; i++) {
        if (active >> i & 1) {
            mmu_probe(cpu, op, linear[i], e->size, CPU_WRITE);
        }
    }
    if (e->flags & EL_MMX) {
        memcpy(data, mmx_at(cpu, e->data), 8);
    } else {
        read_vector(cpu, e->data, data);
    }
    for (unsigned i = 0; i < e->count; i++) {
        if (active >> i & 1) {
            mmu_write(cpu, op, linear[i], data + i * e->size, e->size);
        }
    }
}

static void load_elements(Cpu *cpu, const Op *op, const Elements *e, uint64_t active,
                          const uint64_t *linear)
{
    uint8_t data[VECTOR_BYTES];

    read_vector(cpu, e->data, data);
    for (unsigned i = 0; i < e->count; i++) {
        if (active >> i & 1) {
            mmu_read(cpu, op, linear[i], data + i * e->size, e->size);
        } else if (!(e->flags & EL_VSIB)) {
            memset(data + i * e->size, 0, e->size);
        }
    }
    memset(data + e->count * e->size, 0, VECTOR_BYTES - e->count * e->size);
    write_vector(cpu, e->data, data);
}

static __attribute__((noinline)) void do_elements(Cpu *cpu, const Op *op)
{
    static const uint8_t zero[VECTOR_BYTES];
    uint64_t linear[VECTOR_BYTES];
    Elements e;

    memcpy(&e, &op->aux, sizeof(e));
    check(cpu, op, &e);
    uint64_t active = active_of(cpu, &e);
    element_addresses(cpu, op, &e, active, linear);
    if (e.flags & EL_STORE) {
        store_elements(cpu, op, &e, active, linear);
    } else {
        load_elements(cpu, op, &e, active, linear);
    }
    if (e.flags & EL_MMX) {
        mmx_enter(cpu);
    } else if (e.flags & EL_OPMASK) {
        memset(cpu->xstate + XSTATE_OPMASK + 8 * e.mask, 0, 8);
    } else if (e.flags & EL_VSIB) {
        write_vector(cpu, e.mask, zero);
    }
}

static const Op *op_elements(Cpu *cpu, const Op *op)
{
    do_elements(cpu, op);
    NEXT(cpu, op);
}

static unsigned segment_of(ZydisRegister r)
{
    return r == ZYDIS_REGISTER_NONE ? SEG_DS : (unsigned)ZydisRegisterGetId(r);
}

static bool choose_vsib(const Decoded *d, Op *op, Elements *e)
{
    const ZydisDecodedOperand *mem = NULL, *data = NULL;
    bool evex = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;

    for (unsigned i = 0; i < d->insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
            mem = o;
        } else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) {
            data = o;
        }
    }
    if (!mem || !data) {
        return false; /* also the prefetching forms */
    }
    const char *name = ZydisMnemonicGetString(d->insn.mnemonic);
    const char *kind = strstr(name, "gather");
    kind = kind ? kind + 6 : strstr(name, "scatter") + 7;
    /* the name ends in D or Q for the index, then S, D (PS, PD) or D, Q for the data */
    e->index_size = kind[0] == 'q' ? 8 : 4;
    char last = kind[strlen(kind) - 1];
    bool floating = strlen(kind) == 3; /* "dps", against "dd" */
    e->size = (floating ? last == 'd' : last == 'q') ? 8 : 4;
    unsigned wider = e->size > e->index_size ? e->size : e->index_size;
    e->count = (uint8_t)(d->insn.avx.vector_length / 8 / wider);
    e->data = (uint8_t)vec_reg(data);
    e->index = (uint8_t)ZydisRegisterGetId(mem->mem.index);
    e->scale = (uint8_t)(mem->mem.scale ? __builtin_ctz(mem->mem.scale) : 0);
    e->flags = EL_VSIB | (evex ? EL_OPMASK : 0) | (strstr(name, "scatter") ? EL_STORE : 0);
    e->mask = evex ? (uint8_t)(ZydisRegisterGetId(d->insn.avx.mask.reg) & 7)
                   : (uint8_t)vec_reg(&d->operand[2]);
    op->index = GPR_ZERO * 8;
    op->shift = 0;
    return true;
}

static void choose_maskmov(const Decoded *d, Op *op, Elements *e)
{
    const ZydisDecodedOperand *first = &d->operand[0];

    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
        for (unsigned i = 0; i < d->insn.operand_count; i++) {
            const ZydisDecodedOperand *o = &d->operand[i];
            if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
                op->seg = (uint8_t)segment_of(o->mem.segment);
            } else if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
                *(e->count++ ? &e->mask : &e->data) = (uint8_t)vec_reg(o);
            }
        }
        op->base = GPR_RDI * 8;
        op->index = GPR_ZERO * 8;
        op->shift = 0;
        op->disp = 0;
        e->size = 1;
        e->count = d->insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ? 8 : 16;
        e->flags = EL_STORE | (d->insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ? EL_MMX : 0) |
                   (d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ? EL_LEGACY : 0);
        break;
    default:
        e->flags = first->type == ZYDIS_OPERAND_TYPE_MEMORY ? EL_STORE : 0;
        e->data = (uint8_t)vec_reg(e->flags & EL_STORE ? &d->operand[2] : first);
        e->mask = (uint8_t)vec_reg(&d->operand[1]);
        e->size = 4;
        if (d->insn.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD ||
            d->insn.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ) {
            e->size = 8;
        }
        e->count = (uint8_t)(d->insn.avx.vector_length / 8 / e->size);
        break;
    }
}

bool vec_choose_masked(Cpu *cpu, const Decoded *d, Op *op)
{
    Elements e = {0};

    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
        choose_maskmov(d, op, &e);
        break;
    default:
        if (d->insn.meta.category != ZYDIS_CATEGORY_AVX2GATHER &&
            d->insn.meta.category != ZYDIS_CATEGORY_GATHER &&
            d->insn.meta.category != ZYDIS_CATEGORY_SCATTER) {
            return false;
        }
        if (!choose_vsib(d, op, &e)) {
            return false;
        }
        break;
    }
    memcpy(&op->aux, &e, sizeof(e));
    op->fn = op_elements;
    return true;
}
