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

#include "vector.h"

/* Op.aux */
typedef struct ThunkMeta {
    uint16_t slot;
    uint16_t mem_size;
    uint8_t len;       /* of the rewritten instruction in Op.imm */
    uint8_t flags;     /* THUNK_* */
    uint8_t kind;      /* KIND_*, and log2 of the alignment asked of the memory operand << 4 */
    /* opmask register of a masked memory operand 1..7, log2 of the element size << 4; 0: none */
    uint8_t mask;
} ThunkMeta;
_Static_assert(sizeof(ThunkMeta) == sizeof(uint64_t), "stands in Op.aux");

enum {
    THUNK_READ = 1,
    THUNK_WRITE = 2,
    THUNK_GPR_IN = 4,
    THUNK_GPR_OUT = 8,
    THUNK_STRING = 16,   /* PCMPESTRx, PCMPISTRx: EAX, EDX in, ECX out */
    THUNK_FLAGS = 32,    /* reads or writes the arithmetic flags */
    THUNK_PACKED = 64,   /* masked elements stand in a row: expand and compress */
    THUNK_FPU_ADDRESS = 128, /* sets FOP, FIP, FDP */
};
/* Op.flags: log2 of how many elements a mask covers; X87_TRUNCATE */
enum { X87_TRUNCATE = 1 };
enum { KIND_X87, KIND_MMX, KIND_SSE, KIND_SSE_MMX, KIND_VEX, KIND_EVEX };

static ThunkMeta meta_of(const Op *op)
{
    ThunkMeta m;
    memcpy(&m, &op->aux, sizeof(m));
    return m;
}

/* Running */

static const void *thunk_code(VecState *vec, const Op *op, const ThunkMeta *m)
{
    uint8_t *at = vec->code + (size_t)m->slot * VEC_SLOT_SIZE;

    if (unlikely(vec->key[m->slot] != op->imm || vec->key_len[m->slot] != m->len)) {
        uint8_t *rw = vec->code_rw + (size_t)m->slot * VEC_SLOT_SIZE;
        uint32_t a, b, c, d;

        memcpy(rw, &op->imm, m->len);
        rw[m->len] = 0xc3;
        vec->key[m->slot] = op->imm;
        vec->key_len[m->slot] = m->len;
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
    unsigned covered = 1u << op->flags;
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
    ThunkMeta m = meta_of(op);
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

static const Op *op_thunk(Cpu *cpu, const Op *op)
{
    vec_thunk_execute(cpu, op);
    NEXT(cpu, op);
}

/* Rewriting */

typedef struct Rewrite {
    uint8_t bytes[16];
    unsigned len;
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
        if (r->gpr_reg || r->gpr_rm) {
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
        if (r->gpr_reg || r->gpr_rm) {
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
 * Opmask of a memory operand that must be accessed by elements. False: a form that cannot be done.
 */
static bool choose_mask(const Decoded *d, const ZydisDecodedOperand *mem, Op *op, ThunkMeta *m)
{
    unsigned k = ZydisRegisterGetId(d->insn.avx.mask.reg) & 7;
    const ZydisDecodedOperand *v = NULL;
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
    /*
     * A broadcast has fewer elements in memory than the mask covers: those of the first vector
     * register.
     */
    for (unsigned i = 0; i < d->insn.operand_count_visible && !v; i++) {
        if (d->operand[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            !vec_is_class(&d->operand[i], ZYDIS_REGCLASS_MASK)) {
            v = &d->operand[i];
        }
    }
    if (v && (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ) &&
        (d->insn.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) &&
        v->element_count > elements) {
        elements = v->element_count;
    }
    /* Scalars: only bit 0 of the mask counts, and memory holds one element. */
    op->flags = (uint8_t)(elements > 1 ? 32 - __builtin_clz(elements - 1) : 0);
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
            m->mem_size = (uint16_t)(o->size / 8);
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

bool vec_choose_thunk(Cpu *cpu, const Decoded *d, Op *op)
{
    VecState *vec = cpu->vec;
    Rewrite r = {.long_mode = d->mode & CPU_MODE_CS64};
    unsigned kind = kind_of(d);
    ThunkMeta m = {.kind = (uint8_t)kind};
    uint64_t bytes = 0;

    if (!host_can(vec, d, kind) || !choose_operands(d, op, &r, &m) || !rewrite(&r, d)) {
        return false;
    }
    if (d->insn.mnemonic == ZYDIS_MNEMONIC_FISTTP && (vec->portable || !(vec->host_leaf1[2] & 1))) {
        rewrite_fisttp(&r, op);
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
    if (kind == KIND_X87) {
        m.flags |= THUNK_FPU_ADDRESS;
        op->size = d->bytes[d->insn.raw.modrm.offset];
    }
    memcpy(&bytes, r.bytes, r.len);
    m.len = (uint8_t)r.len;
    m.slot = (uint16_t)((bytes * UINT64_C(0x9e3779b97f4a7c15)) >> 52);
    op->imm = bytes;
    memcpy(&op->aux, &m, sizeof(m));
    op->fn = op_thunk;
    return true;
}
