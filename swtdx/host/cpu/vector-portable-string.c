/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM in plain C (SDM vol. 2, 4.1). */
#include "vector-portable.h"

/* Op fields: dst = first vector register, size = second, imm = control; flags */
enum { S_MEM = 1, S_EXPLICIT = 2, S_MASK = 4, S_WIDE_LENGTH = 8 };

typedef struct Compare {
    Vec128 a, b;
    unsigned control;
    unsigned n;            /* elements in a register */
    unsigned len_a, len_b; /* valid elements */
} Compare;

static int64_t element(const Vec128 *v, unsigned control, unsigned i)
{
    switch (control & 3) {
    case 0:
        return v->b[i];
    case 1:
        return v->w[i];
    case 2:
        return v->sb[i];
    default:
        return v->sw[i];
    }
}

static unsigned implicit_length(const Vec128 *v, unsigned control, unsigned n)
{
    unsigned i = 0;

    while (i < n && element(v, control, i) != 0) {
        i++;
    }
    return i;
}

/* |length| saturated to the number of elements */
static unsigned explicit_length(int64_t length, unsigned n)
{
    uint64_t magnitude = length < 0 ? 0 - (uint64_t)length : (uint64_t)length;
    return magnitude > n ? n : (unsigned)magnitude;
}

static bool any_of(const Compare *c, unsigned j, bool ranges)
{
    int64_t x = element(&c->b, c->control, j);

    for (unsigned i = 0; i + (ranges ? 1 : 0) < c->len_a; i += ranges ? 2 : 1) {
        int64_t low = element(&c->a, c->control, i);
        int64_t high = ranges ? element(&c->a, c->control, i + 1) : low;
        if (low <= x && x <= high) {
            return true;
        }
    }
    return false;
}

static bool ordered_at(const Compare *c, unsigned j)
{
    for (unsigned i = 0; i < c->len_a && i + j < c->n; i++) {
        if (i + j >= c->len_b ||
            element(&c->a, c->control, i) != element(&c->b, c->control, i + j)) {
            return false;
        }
    }
    return true;
}

/* IntRes1: SDM vol. 2, 4.1.5 and table 4-6 for invalid elements */
static uint32_t aggregate(const Compare *c)
{
    uint32_t res = 0;

    for (unsigned j = 0; j < c->n; j++) {
        bool bit, valid_a = j < c->len_a, valid_b = j < c->len_b;
        switch (c->control >> 2 & 3) {
        case 0:
        case 1:
            bit = valid_b && any_of(c, j, c->control >> 2 & 1);
            break;
        case 2:
            bit = valid_a == valid_b &&
                  (!valid_a || element(&c->a, c->control, j) == element(&c->b, c->control, j));
            break;
        default:
            bit = ordered_at(c, j);
            break;
        }
        res |= (uint32_t)bit << j;
    }
    return res;
}

/* IntRes2: polarity (4.1.6) */
static uint32_t polarize(const Compare *c, uint32_t res)
{
    uint32_t all = (1u << c->n) - 1;

    switch (c->control >> 4 & 3) {
    case 1:
        return res ^ all;
    case 3:
        return res ^ ((1u << c->len_b) - 1);
    default:
        return res;
    }
}

static void fetch(Cpu *cpu, const Op *op, Compare *c)
{
    c->control = (unsigned)op->imm & 0xff;
    c->n = c->control & 1 ? 8 : 16;
    memcpy(c->a.b, vec_xmm(cpu, op->dst), 16);
    if (op->flags & S_MEM) {
        mmu_read(cpu, op, op_linear(cpu, op, 16, false), c->b.b, 16);
    } else {
        memcpy(c->b.b, vec_xmm(cpu, op->size), 16);
    }
    if (!(op->flags & S_EXPLICIT)) {
        c->len_a = implicit_length(&c->a, c->control, c->n);
        c->len_b = implicit_length(&c->b, c->control, c->n);
    } else if (op->flags & S_WIDE_LENGTH) {
        c->len_a = explicit_length((int64_t)cpu->regs[GPR_RAX], c->n);
        c->len_b = explicit_length((int64_t)cpu->regs[GPR_RDX], c->n);
    } else {
        c->len_a = explicit_length((int32_t)cpu->regs[GPR_RAX], c->n);
        c->len_b = explicit_length((int32_t)cpu->regs[GPR_RDX], c->n);
    }
}

static void put_mask(Cpu *cpu, const Compare *c, uint32_t res)
{
    Vec128 r = {.q = {res, 0}};

    if (c->control & 0x40) {
        for (unsigned i = 0; i < 16; i++) {
            r.b[i] = res >> (c->n == 8 ? i / 2 : i) & 1 ? 0xff : 0;
        }
    }
    memcpy(vec_xmm(cpu, 0), r.b, 16);
}

static __attribute__((noinline)) void compare(Cpu *cpu, const Op *op)
{
    Compare c;
    uint32_t res;
    uint64_t flags;

    vec_check_sse(cpu, op);
    fetch(cpu, op, &c);
    res = polarize(&c, aggregate(&c));
    if (op->flags & S_MASK) {
        put_mask(cpu, &c, res);
    } else if (res == 0) {
        cpu->regs[GPR_RCX] = c.n;
    } else {
        cpu->regs[GPR_RCX] = (unsigned)(c.control & 0x40 ? 31 - __builtin_clz(res)
                                                         : __builtin_ctz(res));
    }
    flags = (res ? FLAG_CF : 0) | (res & 1 ? FLAG_OF : 0);
    flags |= (c.len_b < c.n ? FLAG_ZF : 0) | (c.len_a < c.n ? FLAG_SF : 0);
    cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | flags);
}

static const Op *op_pcmpstr(Cpu *cpu, const Op *op)
{
    compare(cpu, op);
    NEXT(cpu, op);
}

bool vec_choose_portable_string(Cpu *cpu, const Decoded *d, Op *op)
{
    const ZydisDecodedOperand *b = &d->operand[1];

    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_PCMPESTRI:
        op->flags = S_EXPLICIT;
        break;
    case ZYDIS_MNEMONIC_PCMPESTRM:
        op->flags = S_EXPLICIT | S_MASK;
        break;
    case ZYDIS_MNEMONIC_PCMPISTRI:
        op->flags = 0;
        break;
    case ZYDIS_MNEMONIC_PCMPISTRM:
        op->flags = S_MASK;
        break;
    default:
        return false;
    }
    if ((op->flags & S_EXPLICIT) && (d->mode & CPU_MODE_CS64) &&
        (d->insn.attributes & ZYDIS_ATTRIB_HAS_REX) && d->insn.raw.rex.W) {
        op->flags |= S_WIDE_LENGTH;
    }
    op->dst = (uint8_t)vec_reg(&d->operand[0]);
    op->size = (uint8_t)vec_reg(b);
    op->flags |= b->type == ZYDIS_OPERAND_TYPE_MEMORY ? S_MEM : 0;
    op->fn = op_pcmpstr;
    return true;
}
