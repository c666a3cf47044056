/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses and runs the portable forms: fetches operands, handles MXCSR, stores the result. */
#include "vector-portable.h"

/* Op fields: dst, src (first source), size (second source register), ptr = row, flags, imm */
enum { P_MEM = 1, P_VEX = 2, P_MMX = 4, P_UNALIGNED = 8, P_BYTES_SHIFT = 4 };

static const PortableRow *row_of(const Op *op)
{
    return op->ptr;
}

static Vec128 second_operand(Cpu *cpu, const Op *op, unsigned mem_bytes)
{
    Vec128 v = {.q = {0, 0}};

    if (op->flags & P_MEM) {
        uint64_t linear = op_linear(cpu, op, mem_bytes, false);
        if (mem_bytes == 16 && !(op->flags & (P_VEX | P_UNALIGNED))) {
            vec_align(cpu, op, linear, 16);
        }
        mmu_read(cpu, op, linear, v.b, mem_bytes);
    } else {
        memcpy(v.b, vec_xmm(cpu, op->size), 16);
    }
    return v;
}

static void check(Cpu *cpu, const Op *op)
{
    if (op->flags & P_VEX) {
        vec_check_avx(cpu, op);
    } else {
        vec_check_sse(cpu, op);
    }
}

/* fn with an MXCSR of the host's, all exceptions masked; `flags`: those it raised. */
static Vec128 call_with(const PortableRow *row, uint32_t run, Vec128 a, Vec128 b,
                        PortableArgs *args, uint32_t *flags)
{
    uint32_t host, raised;
    Vec128 r;

    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(host) : "m"(run) : "memory");
    r = row->fn(a, b, args);
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(raised) : "m"(host) : "memory");
    *flags = raised & 0x3f;
    return r;
}

/*
 * Runs fn with the guest's rounding; raises as hardware does (compare thunk.c, also for underflow).
 */
static Vec128 call_fp(Cpu *cpu, const Op *op, Vec128 a, Vec128 b, PortableArgs *args)
{
    uint32_t guest = args->mxcsr, run = (guest & 0xe040) | MXCSR_INIT, raised, tiny = 0, unmasked;
    Vec128 r;

    if (unlikely(!(guest & MXCSR_UM))) {
        call_with(row_of(op), run | MXCSR_FTZ, a, b, args, &tiny);
        tiny &= MXCSR_UE;
        run &= ~MXCSR_FTZ;
    }
    r = call_with(row_of(op), run, a, b, args, &raised);
    raised |= tiny;
    unmasked = raised & ~(guest >> 7) & 0x3f;
    if (unmasked & 7) {
        raised &= 7;
    }
    vec_set_mxcsr(cpu, guest | raised);
    if (unmasked) {
        vec_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
    }
    return r;
}

static __attribute__((noinline)) void execute(Cpu *cpu, const Op *op)
{
    PortableArgs args = {.imm = (unsigned)op->imm & 0xff, .bytes = 16, .mxcsr = vec_mxcsr(cpu)};
    Vec128 a, b, r;

    check(cpu, op);
    b = second_operand(cpu, op, 1u << (op->flags >> P_BYTES_SHIFT));
    memcpy(a.b, vec_xmm(cpu, op->src), 16);
    memcpy(args.xmm0.b, vec_xmm(cpu, 0), 16);
    r = row_of(op)->flags & PORTABLE_FP ? call_fp(cpu, op, a, b, &args)
                                        : row_of(op)->fn(a, b, &args);
    if (op->flags & P_VEX) {
        vec_put_vex128(cpu, op->dst, vec_get(r.b));
    } else {
        memcpy(vec_xmm(cpu, op->dst), r.b, 16);
    }
}

static const Op *op_portable(Cpu *cpu, const Op *op)
{
    execute(cpu, op);
    NEXT(cpu, op);
}

static __attribute__((noinline)) void execute_mmx(Cpu *cpu, const Op *op)
{
    PortableArgs args = {.imm = (unsigned)op->imm & 0xff, .bytes = 8, .mxcsr = vec_mxcsr(cpu)};
    Vec128 a = {.q = {0, 0}}, b = {.q = {0, 0}}, r;

    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS))) {
        vec_raise(cpu, op, cpu->cr0 & CR0_EM ? VEC_UD : VEC_NM);
    }
    x87_check_pending(cpu, op);
    if (op->flags & P_MEM) {
        b.q[0] = mmu_load64(cpu, op, op_linear(cpu, op, 8, false));
    } else {
        memcpy(b.b, mmx_at(cpu, op->size), 8);
    }
    memcpy(a.b, mmx_at(cpu, op->src), 8);
    r = row_of(op)->fn(a, b, &args);
    mmx_enter(cpu);
    memcpy(mmx_at(cpu, op->dst), r.b, 8);
    memset(mmx_at(cpu, op->dst) + 8, 0xff, 2); /* SDM vol. 1, 9.6.2: sign and exponent all ones */
}

static const Op *op_portable_mmx(Cpu *cpu, const Op *op)
{
    execute_mmx(cpu, op);
    NEXT(cpu, op);
}

static bool choose_row(const Decoded *d, Op *op, const PortableRow *row)
{
    bool vex = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    unsigned visible = 0;
    const ZydisDecodedOperand *last = NULL;

    if (vex ? d->insn.avx.vector_length != 128 || row->vex != d->insn.mnemonic
            : row->sse != d->insn.mnemonic) {
        return false;
    }
    for (unsigned i = 0; i < d->insn.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
            o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            last = o;
            visible++;
        }
    }
    if (visible < 2) {
        return false;
    }
    op->dst = (uint8_t)vec_reg(&d->operand[0]);
    op->src = visible == 3 ? (uint8_t)vec_reg(&d->operand[1]) : op->dst;
    op->size = (uint8_t)vec_reg(last);
    op->flags = vex ? P_VEX : 0;
    if (last->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        op->flags |= (uint8_t)(P_MEM | (unsigned)__builtin_ctz(last->size / 8u) << P_BYTES_SHIFT);
    }
    op->ptr = (void *)(uintptr_t)row;
    op->fn = vec_is_class(&d->operand[0], ZYDIS_REGCLASS_MMX) ? op_portable_mmx : op_portable;
    return true;
}

bool vec_choose_portable(Cpu *cpu, const Decoded *d, Op *op)
{
    static const PortableRow *const tables[] = {portable_aes, portable_sha, portable_int,
                                                portable_float};

    if (d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        d->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return false;
    }
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const PortableRow *row = tables[t]; row->fn; row++) {
            if (choose_row(d, op, row)) {
                return true;
            }
        }
    }
    return vec_choose_portable_gpr(cpu, d, op) || vec_choose_portable_string(cpu, d, op);
}
