/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector and x87 state: what the vector-*.c, thunk.c, x87.c and xsave.c files share, and what run.c
 * calls.
 *
 * The architectural state is Cpu.xstate. VecState holds only what running it needs: which
 * instructions the host has, code memory for thunks, and a scratch buffer. Everything belongs to
 * the Cpu's thread.
 */
#ifndef SWTDX_VECTOR_H
#define SWTDX_VECTOR_H

#include <emmintrin.h>

#include "cpu.h"
#include "features.h"
#include "mmu.h"
#include "system.h"

/*
 * Called by cpu_new() and cpu_free(). vec_init() makes the code memory and sets the initial state;
 * false: no memory.
 */
bool vec_init(Cpu *cpu);
void vec_fini(Cpu *cpu);
/* FCW 37Fh, MXCSR 1F80h, everything else 0: the state a TD's processor starts with. */
void vec_reset(Cpu *cpu);
/* true: never use instructions of the host above SSE2, as on an x86-64-v1 host. For tests. */
void vec_set_portable(Cpu *cpu, bool portable);

/*
 * A thunk is at most 8 bytes of instruction and a RET; slots are direct mapped by a hash of the
 * instruction.
 */
#define VEC_SLOTS 4096
#define VEC_SLOT_SIZE 16
#define VEC_SCRATCH 128

/* What the assembler routines of vector-run.c load and store; they know the offsets. */
typedef struct VecFrame {
    uint64_t rax;      /* 0 */
    uint64_t rcx;      /* 8 */
    uint64_t rdx;      /* 16 */
    uint64_t rflags;   /* 24: the six arithmetic flags */
    uint8_t *xstate;   /* 32 */
    uint8_t *scratch;  /* 40: what the memory operand, [RSI], points at */
    const void *code;  /* 48 */
    uint32_t mxcsr_in; /* 56 */
    uint32_t mxcsr_out;/* 60 */
    uint32_t host_mxcsr; /* 64 */
    uint16_t host_fcw; /* 68 */
} VecFrame;

typedef struct VecState {
    VecFrame frame;
    uint8_t *code;     /* VEC_SLOTS slots, executable */
    uint8_t *code_rw;  /* the same memory, writable; may be the same mapping */
    uint64_t key[VEC_SLOTS];
    uint8_t key_len[VEC_SLOTS]; /* 0: empty */
    bool portable;
    bool host_avx, host_avx512; /* usable: instruction set, OSXSAVE and XCR0 */
    uint32_t host_leaf1[4], host_leaf7[4], host_leaf7_1[4], host_leaf81[4];
    _Alignas(64) uint8_t scratch[VEC_SCRATCH];
    _Alignas(64) uint8_t backup[XSTATE_TILECFG]; /* of what thunks change */
} VecState;

/*
 * Does the host have a CPUID bit: FEATURE of leaf 1, 7.0, 7.1 or 80000001 (state: host_avx,
 * host_avx512)?
 */
bool vec_host_has(const VecState *vec, unsigned feature);

/* vector-run.c: load the state of frame->xstate, run frame->code, store the state back. */
void vec_run_fpu(VecFrame *frame);    /* x87, MMX, XMM */
void vec_run_sse(VecFrame *frame);    /* XMM */
void vec_run_avx(VecFrame *frame);    /* and YMM */
void vec_run_avx512(VecFrame *frame); /* and ZMM, opmasks */

/* Choosers, in the order in which vector.c asks them; each returns false when it has no handler. */
bool vec_choose_move(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_int(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_x87(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_masked(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_portable(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_approximate(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_thunk(Cpu *cpu, const Decoded *d, Op *op);
bool vec_choose_tile(Cpu *cpu, const Decoded *d, Op *op);
/*
 * What the handler of an op that vec_choose_thunk() took does; VecState.scratch then has what was
 * read from memory.
 */
void vec_thunk_execute(Cpu *cpu, const Op *op);

/* vector.c: Zydis' set; Zydis 4.1 has one of its own for FCOMI and its kin, 4.0 has not. */
ZydisISASet vec_set(const ZydisDecodedInstruction *insn);

/*
 * vector.c: the CPUID bits a decoded instruction needs, 0 for none; VEC_FEATURE_NEVER: no TD has
 * it, so #UD.
 */
#define VEC_FEATURE_NEVER 0xffffffffu
typedef struct VecFeatures {
    unsigned feature[3];
} VecFeatures;
bool vec_features(const ZydisDecodedInstruction *insn, VecFeatures *out);

/*
 * AMX (vector-tile.c). vec_choose_unknown() takes what Zydis does not know, 64-bit code of n bytes:
 * fills op and its len. tile_config_valid(): what LDTILECFG loads without #GP. tile_require(): #NM
 * for components that IA32_XFD disables.
 */
bool vec_choose_unknown(Cpu *cpu, const uint8_t *bytes, size_t n, Op *op);
bool tile_config_valid(const uint8_t config[64]);
void tile_require(Cpu *cpu, const Op *op, uint64_t components);

enum { VEC_REG_NONE = 0xff };
/* Number of an XMM, YMM, ZMM (0..31), MMX, opmask or ST register (0..7) */
static inline unsigned vec_reg(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER ? (unsigned)ZydisRegisterGetId(o->reg.value)
                                                  : VEC_REG_NONE;
}

static inline bool vec_is_class(const ZydisDecodedOperand *o, ZydisRegisterClass c)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o->reg.value) == c;
}

static inline bool vec_is_gpr(const ZydisDecodedOperand *o)
{
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return false;
    }
    ZydisRegisterClass c = ZydisRegisterGetClass(o->reg.value);
    return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
           c == ZYDIS_REGCLASS_GPR64;
}

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_OSXSAVE (1u << 18)

#define XFEATURE_X87 (1u << 0)
#define XFEATURE_SSE (1u << 1)
#define XFEATURE_AVX (1u << 2)
#define XFEATURE_AVX512 (7u << 5)
#define XFEATURE_PKRU (1u << 9)
#define XFEATURE_TILECFG (1u << 17)
#define XFEATURE_TILEDATA (1u << 18)
#define XFEATURE_AMX (XFEATURE_TILECFG | XFEATURE_TILEDATA)

#define MXCSR_INIT 0x1f80u
#define MXCSR_VALID 0xffffu
#define MXCSR_UE 0x10u    /* underflow: flag, mask, and flushing of tiny results to zero */
#define MXCSR_UM 0x800u
#define MXCSR_FTZ 0x8000u
#define FCW_INIT 0x37fu

static inline _Noreturn void vec_raise(Cpu *cpu, const Op *op, uint8_t vector)
{
    cpu->op = op;
    cpu_raise(cpu, vector, 0);
}

/*
 * The common checks (SDM vol. 2, section 2.6 "exception types", vol. 3, table 2-2). Cold parts in
 * vector.c.
 */
_Noreturn void vec_refuse_sse(Cpu *cpu, const Op *op);
_Noreturn void vec_refuse_avx(Cpu *cpu, const Op *op, uint64_t xcr0_need);

static inline void vec_check_sse(Cpu *cpu, const Op *op)
{
    if (unlikely((cpu->cr0 & (CR0_EM | CR0_TS)) | (~cpu->cr4 & CR4_OSFXSR))) {
        vec_refuse_sse(cpu, op);
    }
}

static inline void vec_check_state(Cpu *cpu, const Op *op, uint64_t need)
{
    if (unlikely((cpu->cr0 & CR0_TS) | (~cpu->cr0 & CR0_PE) | (~cpu->cr4 & CR4_OSXSAVE) |
                 (~cpu->xcr0 & need))) {
        vec_refuse_avx(cpu, op, need);
    }
}

static inline void vec_check_avx(Cpu *cpu, const Op *op)
{
    vec_check_state(cpu, op, XFEATURE_SSE | XFEATURE_AVX);
}

static inline uint32_t vec_mxcsr(const Cpu *cpu)
{
    uint32_t v;
    memcpy(&v, cpu->xstate + XSTATE_MXCSR, 4);
    return v;
}

static inline void vec_set_mxcsr(Cpu *cpu, uint32_t v)
{
    memcpy(cpu->xstate + XSTATE_MXCSR, &v, 4);
}

static inline uint8_t *vec_xmm(Cpu *cpu, unsigned n)
{
    return cpu->xstate + XSTATE_XMM + 16 * n;
}

static inline uint8_t *vec_ymmh(Cpu *cpu, unsigned n)
{
    return cpu->xstate + XSTATE_YMMH + 16 * n;
}

static inline __m128i vec_get(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline void vec_put(void *p, __m128i v)
{
    _mm_storeu_si128((__m128i *)p, v);
}

/* VEX writes clear the destination above their length (SDM vol. 1, section 14.1.2). */
static inline void vec_clear_zmmh(Cpu *cpu, unsigned n)
{
    memset(cpu->xstate + XSTATE_ZMMH + 32 * n, 0, 32);
}

static inline void vec_put_vex128(Cpu *cpu, unsigned n, __m128i v)
{
    vec_put(vec_xmm(cpu, n), v);
    vec_put(vec_ymmh(cpu, n), _mm_setzero_si128());
    vec_clear_zmmh(cpu, n);
}

static inline void vec_put_vex256(Cpu *cpu, unsigned n, __m128i lo, __m128i hi)
{
    vec_put(vec_xmm(cpu, n), lo);
    vec_put(vec_ymmh(cpu, n), hi);
    vec_clear_zmmh(cpu, n);
}

/*
 * Memory operands of 16 bytes; the slow halves are in vector.c so that callers keep their tail
 * calls.
 */
__m128i vec_load_slow(Cpu *cpu, const Op *op, uint64_t linear);
void vec_store_slow(Cpu *cpu, const Op *op, uint64_t linear, __m128i v);
void vec_store256_slow(Cpu *cpu, const Op *op, uint64_t linear, __m128i lo, __m128i hi);

static inline __m128i vec_load(Cpu *cpu, const Op *op, uint64_t linear)
{
    TlbEntry *e = mmu_entry(cpu, linear);
    if (likely(e->read == (linear & GUEST_PAGE_MASK) && (linear & 0xfff) <= 0xff0)) {
        return vec_get((const void *)(uintptr_t)(linear + e->addend));
    }
    return vec_load_slow(cpu, op, linear);
}

static inline void vec_store(Cpu *cpu, const Op *op, uint64_t linear, __m128i v)
{
    TlbEntry *e = mmu_entry(cpu, linear);
    if (likely(e->write == (linear & GUEST_PAGE_MASK) && (linear & 0xfff) <= 0xff0)) {
        vec_put((void *)(uintptr_t)(linear + e->addend), v);
        return;
    }
    vec_store_slow(cpu, op, linear, v);
}

static inline uint64_t vec_align(Cpu *cpu, const Op *op, uint64_t linear, unsigned bytes)
{
    if (unlikely(linear & (bytes - 1))) {
        vec_raise(cpu, op, VEC_GP);
    }
    return linear;
}

/* x87.c: #MF for a pending unmasked x87 exception; #NM, #UD of MMX. */
void x87_check_pending(Cpu *cpu, const Op *op);
/* Recomputes FSW.ES and B from flags and masks. */
void x87_update_summary(Cpu *cpu);

/*
 * MMX register n, in FXSAVE order relative to TOP; what an MMX instruction does on entry: TOP 0,
 * all tags valid.
 */
uint8_t *mmx_at(Cpu *cpu, unsigned n);
void mmx_enter(Cpu *cpu);

#endif
