/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector and x87 instructions that the host executes itself.
 *
 * The instruction is rewritten at decode time: without segment and address size prefixes, its
 * memory operand [RSI] (the scratch buffer), its general register RAX. That leaves at most eight
 * bytes, which the Op carries (imm); the code memory is a direct-mapped cache of them, so nothing
 * has to be invalidated when blocks go.
 *
 * Exceptions: MXCSR is run with all of them masked and the flags are then held against the guest's
 * masks; see run_unmasked_underflow() for the one that masking changes. x87 exceptions are left in
 * FSW.
 */
#include <cpuid.h>

#include "thunk.h"

static const void *thunk_code(VecState *vec, const Op *op, const ThunkMeta *m)
{
    size_t slot = (op->imm * UINT64_C(0x9e3779b97f4a7c15)) >> 52;
    uint8_t *at = vec->code + slot * VEC_SLOT_SIZE;

    if (unlikely(vec->key[slot] != op->imm || vec->key_len[slot] != m->len)) {
        uint8_t *rw = vec->code_rw + slot * VEC_SLOT_SIZE;
        uint32_t a, b, c, d;

        memcpy(rw, &op->imm, m->len);
        rw[m->len] = 0xc3;
        vec->key[slot] = op->imm;
        vec->key_len[slot] = m->len;
        /*
         * Code was changed through another linear address: a serialising instruction is due (SDM
         * vol. 3, 8.1.3).
         */
        __asm__ volatile("" ::: "memory");
        __cpuid(0, a, b, c, d);
        (void)(a + b + c + d);
    }
    return at;
}

static void check_state(Cpu *cpu, const Op *op, unsigned kind)
{
    switch (kind) {
    case KIND_X87:
        if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS))) {
            vec_raise(cpu, op, VEC_NM);
        }
        x87_check_pending(cpu, op);
        break;
    case KIND_MMX:
        if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS))) {
            vec_raise(cpu, op, cpu->cr0 & CR0_EM ? VEC_UD : VEC_NM);
        }
        x87_check_pending(cpu, op);
        break;
    case KIND_SSE_MMX:
        vec_check_sse(cpu, op);
        x87_check_pending(cpu, op);
        break;
    case KIND_SSE:
        vec_check_sse(cpu, op);
        break;
    case KIND_VEX:
        vec_check_avx(cpu, op);
        break;
    default:
        vec_check_state(cpu, op, XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512);
        break;
    }
}

/* Which elements of the memory operand are accessed: bit i for the element at i * size. */
static uint64_t active_elements(Cpu *cpu, const Op *op, const ThunkMeta *m)
{
    unsigned covered = 1u << (op->flags & ~(unsigned)MASK_UNSUPPRESSED);
    unsigned in_memory = m->mem_size >> (m->mask >> 4);
    uint64_t k, all = covered == 64 ? ~UINT64_C(0) : (UINT64_C(1) << covered) - 1;

    memcpy(&k, cpu->xstate + XSTATE_OPMASK + 8 * (m->mask & 7), sizeof(k));
    k &= all;
    if (m->flags & THUNK_PACKED) {
        unsigned n = (unsigned)__builtin_popcountll(k);
        return n == 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
    }
    if (in_memory < covered) { /* broadcast: one element, or a tuple, serves them all */
        return k ? (UINT64_C(1) << in_memory) - 1 : 0;
    }
    return k;
}

/*
 * Fault suppression (SDM vol. 2, 2.7.3): only active elements are touched; the stores are all
 * checked first.
 */
static void masked_access(Cpu *cpu, const Op *op, const ThunkMeta *m, uint64_t linear, int phase)
{
    unsigned size = 1u << (m->mask >> 4);
    uint64_t active = active_elements(cpu, op, m);

    for (; active; active &= active - 1) {
        unsigned offset = (unsigned)__builtin_ctzll(active) * size;
        uint8_t *p = cpu->vec->scratch + offset;

        if (phase == THUNK_READ) {
            mmu_read(cpu, op, linear + offset, p, size);
        } else if (phase == THUNK_WRITE) {
            mmu_write(cpu, op, linear + offset, p, size);
        } else {
            mmu_probe(cpu, op, linear + offset, size, CPU_WRITE);
        }
    }
}

static uint64_t prepare_memory(Cpu *cpu, const Op *op, const ThunkMeta *m)
{
    VecState *vec = cpu->vec;
    uint64_t linear = op_linear(cpu, op, m->mem_size, m->flags & THUNK_WRITE);

    vec_align(cpu, op, linear, 1u << (m->kind >> 4));
    if (m->mask) {
        memset(vec->scratch, 0, m->mem_size);
        masked_access(cpu, op, m, linear, m->flags & THUNK_READ ? THUNK_READ : 0);
        if (op->flags & MASK_UNSUPPRESSED) {
            mmu_probe(cpu, op, linear, m->mem_size, CPU_WRITE);
        }
    } else if (m->flags & THUNK_READ) {
        mmu_read(cpu, op, linear, vec->scratch, m->mem_size);
    }
    if (!m->mask && (m->flags & THUNK_WRITE)) {
        mmu_probe(cpu, op, linear, m->mem_size, CPU_WRITE);
    }
    return linear;
}

/* Guest exceptions that the run raised; #XM leaves the destination as it was. */
static void finish_mxcsr(Cpu *cpu, const Op *op, uint32_t before)
{
    VecState *vec = cpu->vec;
    uint32_t raised = vec->frame.mxcsr_out & 0x3f;
    uint32_t unmasked = raised & ~(before >> 7) & 0x3f;

    if (likely(!unmasked)) {
        vec_set_mxcsr(cpu, before | raised);
        return;
    }
    memcpy(cpu->xstate, vec->backup, sizeof(vec->backup));
    if (unmasked & 7) {
        /* found before the operation, which then is not done: SDM vol. 1, 4.9.2 and 11.5.2 */
        raised &= 7;
    }
    vec_set_mxcsr(cpu, before | raised);
    vec_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

static void set_fpu_address(Cpu *cpu, const Op *op, const ThunkMeta *m)
{
    uint64_t rip = cpu_op_rip(cpu, op);
    uint64_t ea = op_effective(cpu, op);
    const uint8_t *insn = (const uint8_t *)&op->imm;
    uint16_t fop = (uint16_t)((insn[0] & 7) << 8 | op->size); /* ModRM as the guest wrote it */
    uint16_t fsw;

    memcpy(&fsw, cpu->xstate + XSTATE_FSW, 2);
    memcpy(cpu->xstate + XSTATE_FOP, &fop, 2);
    memcpy(cpu->xstate + XSTATE_FIP, &rip, 8);
    /* FDP_EXCPTN_ONLY is 1 in every TD: FDP changes only with an unmasked exception. */
    if ((fsw & 0x80) && m->mem_size) {
        memcpy(cpu->xstate + XSTATE_FDP, &ea, 8);
    }
}

/*
 * An unmasked exception other than "inexact" keeps an x87 store from happening (SDM vol. 1, 8.5).
 */
static bool x87_store_happens(const Cpu *cpu)
{
    uint16_t fcw, fsw;

    memcpy(&fcw, cpu->xstate + XSTATE_FCW, 2);
    memcpy(&fsw, cpu->xstate + XSTATE_FSW, 2);
    return !(fsw & ~fcw & 0x1f);
}

/* Rounding control of FCW "toward zero"; returns what it was, for set_rounding() */
static uint8_t set_rounding(Cpu *cpu, uint8_t high)
{
    uint8_t old = cpu->xstate[XSTATE_FCW + 1];
    cpu->xstate[XSTATE_FCW + 1] = (old & ~0x0c) | (high & 0x0c);
    return old;
}

static void run_with_fpu(Cpu *cpu, const Op *op, unsigned kind)
{
    VecFrame *f = &cpu->vec->frame;
    uint8_t pointers[XSTATE_MXCSR - XSTATE_FOP];
    bool truncate = kind == KIND_X87 && op->flags & X87_TRUNCATE;
    uint8_t rounding = truncate ? set_rounding(cpu, 0x0c) : 0;

    /* FXSAVE writes the host's pointers (or, on AMD, none). */
    memcpy(pointers, cpu->xstate + XSTATE_FOP, sizeof(pointers));
    vec_set_mxcsr(cpu, f->mxcsr_in); /* FXRSTOR loads it from there */
    vec_run_fpu(f);
    memcpy(cpu->xstate + XSTATE_FOP, pointers, sizeof(pointers));
    if (truncate) {
        set_rounding(cpu, rounding);
    }
}

static void run_on_host(Cpu *cpu, const Op *op, const ThunkMeta *m, uint32_t mxcsr)
{
    VecState *vec = cpu->vec;
    VecFrame *f = &vec->frame;
    unsigned kind = m->kind & 15;

    f->code = thunk_code(vec, op, m);
    f->rax = m->flags & THUNK_STRING ? cpu->regs[GPR_RAX]
             : m->flags & THUNK_GPR_IN ? CPU_REG(cpu, uint64_t, op->dst) : 0;
    f->rcx = cpu->regs[GPR_RCX];
    f->rdx = cpu->regs[GPR_RDX];
    f->rflags = 0x202 | (m->flags & THUNK_FLAGS ? cpu_rflags(cpu) & FLAG_ARITH : 0);
    f->mxcsr_in = (mxcsr & 0xe040) | MXCSR_INIT;
    if (kind == KIND_SSE) {
        vec_run_sse(f);
    } else if (kind < KIND_VEX) {
        run_with_fpu(cpu, op, kind);
    } else if (vec->host_avx512 && (kind == KIND_EVEX || (cpu->xcr0 & XFEATURE_AVX512))) {
        vec_run_avx512(f);
    } else {
        vec_run_avx(f);
    }
    vec_set_mxcsr(cpu, mxcsr);
}

/*
 * While underflow is unmasked, each tiny result raises it; masked, only one that is inexact does
 * (SDM vol. 1, 4.9.1.5). Flushing to zero has the flag set for each tiny result, so a run with it
 * tells, and a second one has the other flags: FTZ is not heeded by a guest that unmasks underflow
 * (SDM vol. 1, 10.2.3.3), unless the instruction itself masks (SAE), and then no flag is set.
 * Half-precision results heed no FTZ: what is tiny and exact goes unseen there.
 */
static __attribute__((noinline)) void run_unmasked_underflow(Cpu *cpu, const Op *op,
                                                             const ThunkMeta *m, uint32_t mxcsr)
{
    VecState *vec = cpu->vec;
    uint32_t tiny;

    run_on_host(cpu, op, m, mxcsr | MXCSR_FTZ);
    tiny = vec->frame.mxcsr_out & MXCSR_UE;
    memcpy(cpu->xstate, vec->backup, sizeof(vec->backup));
    run_on_host(cpu, op, m, tiny ? mxcsr & ~MXCSR_FTZ : mxcsr);
    vec->frame.mxcsr_out |= tiny;
}

static void store_results(Cpu *cpu, const Op *op, const ThunkMeta *m)
{
    const VecFrame *f = &cpu->vec->frame;

    if (m->flags & THUNK_GPR_OUT) {
        CPU_REG(cpu, uint64_t, op->dst) = f->rax;
    }
    if (m->flags & THUNK_STRING) {
        cpu->regs[GPR_RCX] = f->rcx;
    }
    if (m->flags & THUNK_FLAGS) {
        cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~(uint64_t)FLAG_ARITH) | (f->rflags & FLAG_ARITH));
    }
}

__attribute__((noinline)) void vec_thunk_execute(Cpu *cpu, const Op *op)
{
    ThunkMeta m = thunk_meta(op);
    VecState *vec = cpu->vec;
    uint32_t mxcsr = vec_mxcsr(cpu);
    unsigned kind = m.kind & 15;
    uint64_t linear = 0;

    check_state(cpu, op, kind);
    if (m.mem_size) {
        linear = prepare_memory(cpu, op, &m);
    }
    if (unlikely((mxcsr & 0x1f80) != 0x1f80)) {
        memcpy(vec->backup, cpu->xstate, sizeof(vec->backup));
    }
    if (unlikely(!(mxcsr & MXCSR_UM)) && kind != KIND_X87 && kind != KIND_MMX) {
        run_unmasked_underflow(cpu, op, &m, mxcsr);
    } else {
        run_on_host(cpu, op, &m, mxcsr);
    }
    if (kind != KIND_X87 && kind != KIND_MMX) {
        finish_mxcsr(cpu, op, mxcsr);
    } else if (m.flags & THUNK_FPU_ADDRESS) {
        set_fpu_address(cpu, op, &m);
    }
    store_results(cpu, op, &m);
    if (m.flags & THUNK_WRITE) {
        if (m.mask) {
            masked_access(cpu, op, &m, linear, THUNK_WRITE);
        } else if (kind != KIND_X87 || x87_store_happens(cpu)) {
            mmu_write(cpu, op, linear, vec->scratch, m.mem_size);
        }
    }
}

const Op *op_thunk(Cpu *cpu, const Op *op)
{
    vec_thunk_execute(cpu, op);
    NEXT(cpu, op);
}
