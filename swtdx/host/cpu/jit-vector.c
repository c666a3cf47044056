/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector instructions in host code: the host's own, on registers of the same numbers, which hold
 * the guest's for as long as the straight line lasts; a loop keeps them from round to round. What
 * vector-host.c does not let through is a handler's.
 *
 * Instructions that heed MXCSR run with the guest's, which is loaded before the first of them and
 * stays until host code is left (jit-thunk.c), provided that it masks all exceptions: flags then
 * gather in it as the guest's would. Unmasked ones are the handler's.
 */
#include "jit-state.h"
#include "thunk.h"
#include "vector.h"

typedef struct Uses {
    uint32_t read, written;
    uint8_t k_read, k_written;
} Uses;

static JitRm state_at(unsigned at)
{
    return rm_mem(H_RDI, (int64_t)offsetof(Cpu, xstate) + at);
}

static bool has_avx512(const JitCode *c)
{
    return c->cpu->vec->host_avx512;
}

/* ---- what an instruction uses ---- */

typedef struct Fields {
    unsigned reg, rm, vvvv, mask;
} Fields;

/* Numbers in the encoding that rewrite() left: prefixes, 0F, ...; C4; or 62. */
static Fields fields_of(const uint8_t *p, unsigned modrm)
{
    Fields f = { p[modrm] >> 3 & 7, p[modrm] & 7, 0, 0 };
    if (p[0] == 0xc4) {
        f.reg |= (~p[1] & 0x80u) >> 4;
        f.rm |= (~p[1] & 0x20u) >> 2;
        f.vvvv = ~p[2] >> 3 & 15;
    } else if (p[0] == 0x62) {
        f.reg |= (~p[1] & 0x80u) >> 4 | (~p[1] & 0x10u);
        f.rm |= (~p[1] & 0x20u) >> 2 | (~p[1] & 0x40u) >> 2;
        f.vvvv = (~p[2] >> 3 & 15) | (~p[3] & 8u) << 1;
        f.mask = p[3] & 7;
    } else {
        while (*p == 0x66 || *p == 0xf2 || *p == 0xf3) {
            p++;
        }
        unsigned rex = (*p & 0xf0) == 0x40 ? *p : 0;
        f.reg |= (rex & 4) << 1;
        f.rm |= (rex & 1) << 3;
    }
    return f;
}

static Uses uses_of(const Op *op, const ThunkMeta *m)
{
    const uint8_t *bytes = (const uint8_t *)&op->imm;
    Fields f = fields_of(bytes, m->modrm);
    unsigned number[3] = { f.reg, f.rm, f.vvvv }, written = m->fields >> 6;
    Uses u = { 0 };
    for (unsigned i = 0; i < 3; i++) {
        unsigned kind = m->fields >> 2 * i & 3;
        uint32_t v = kind == FIELD_VECTOR ? UINT32_C(1) << number[i] : 0;
        uint8_t k = kind == FIELD_OPMASK ? (uint8_t)(1u << (number[i] & 7)) : 0;
        if (i + 1 == written) {
            u.written |= v;
            u.k_written |= k;
        }
        if (i + 1 != written || !(m->host & HOST_WHOLE)) {
            u.read |= v;
            u.k_read |= k;
        }
    }
    u.read |= m->host & HOST_XMM0 ? 1 : 0;
    u.read |= m->host & HOST_IS4 ? UINT32_C(1) << (bytes[m->len - 1] >> 4) : 0;
    u.k_read |= f.mask != 0 ? (uint8_t)(1u << f.mask) : 0;
    return u;
}

/* Legacy instructions keep what is above 128 bits, all others clear what they do not write. */
static void note_written(JitCode *c, const Uses *u, bool legacy)
{
    JitVector *v = &c->vector;
    v->loaded |= u->written;
    v->dirty |= u->written;
    v->k_loaded |= u->k_written;
    v->k_dirty |= u->k_written;
    if (!legacy) {
        v->wide |= u->written;
        v->full |= has_avx512(c) ? u->written : 0;
        v->dirty_all |= u->written;
    }
}

/* ---- may it be executed ---- */

/* To the handler unless all `bits` of a field of 8 bytes are as wanted. Uses RAX. */
static void require(JitCode *c, JitRm field, uint8_t set, uint8_t clear)
{
    emit_rm(&c->b, 4, 0x0fb6, H_RAX, field);
    emit_alu_imm(&c->b, 4, 4, rm_reg(H_RAX), set | clear);
    emit_alu_imm(&c->b, 4, 7, rm_reg(H_RAX), set);
    c->host_flags = false;
    jit_handler_if(c, CC_NE);
}

static JitRm byte_of(size_t field, unsigned byte)
{
    return rm_mem(H_RDI, (int64_t)(field + byte));
}

/* What vec_check_sse() and vec_check_state() ask, once: only a handler can change the answer. */
static void require_enabled(JitCode *c, unsigned kind)
{
    JitVector *v = &c->vector;
    size_t cr0 = offsetof(Cpu, cr0), cr4 = offsetof(Cpu, cr4), xcr0 = offsetof(Cpu, xcr0);
    if (kind == KIND_SSE && !v->sse) {
        require(c, byte_of(cr0, 0), 0, CR0_EM | CR0_TS);
        require(c, byte_of(cr4, 1), CR4_OSFXSR >> 8, 0);
        v->sse = true;
    }
    if (kind != KIND_SSE && !v->avx) {
        require(c, byte_of(cr0, 0), CR0_PE, CR0_TS);
        require(c, byte_of(cr4, 2), CR4_OSXSAVE >> 16, 0);
        require(c, byte_of(xcr0, 0), XFEATURE_SSE | XFEATURE_AVX, 0);
        v->avx = true;
    }
    if (kind == KIND_EVEX && !v->avx512) {
        require(c, byte_of(xcr0, 0), XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512, 0);
        v->avx512 = true;
    }
}

static void require_mxcsr(JitCode *c)
{
    if (c->vector.mxcsr) {
        return;
    }
    emit_alu_imm(&c->b, 1, 7, JIT_FIELD(mxcsr_loaded), 0);
    c->host_flags = false;
    jit_side(c, SIDE_MXCSR, emit_jcc(&c->b, CC_E));
    c->sides[c->n_sides - 1].back = c->b.at;
    c->vector.mxcsr = true;
}

void jit_vector_side(JitCode *c, const JitSide *side)
{
    JitBuffer *b = &c->b;
    JitRm mxcsr = state_at(XSTATE_MXCSR);
    emit_rm(b, 4, 0x8b, H_RAX, mxcsr);
    emit_rm(b, 4, 0xf7, 2, rm_reg(H_RAX)); /* not */
    emit_rm_imm(b, 4, 0xf7, 0, rm_reg(H_RAX), MXCSR_INIT, 4);
    jit_handler_if(c, CC_NE);
    emit_rm(b, 4, 0x0fae, 3, JIT_FIELD(host_mxcsr));
    emit_rm(b, 4, 0x0fae, 2, mxcsr);
    emit_rm_imm(b, 1, 0xc6, 0, JIT_FIELD(mxcsr_loaded), 1, 1);
    emit_jmp_to(b, side->back);
}

/* ---- the instructions ---- */

/* RAX <- host address of the memory operand */
static void reach_memory(JitCode *c, const ThunkMeta *m)
{
    unsigned alignment = 1u << (m->kind >> 4);
    jit_linear(c);
    jit_lookup(c, m->mem_size, m->flags & THUNK_WRITE);
    if (alignment > 1) {
        emit_rm_imm(&c->b, 1, 0xf6, 0, rm_reg(H_RAX), alignment - 1, 1);
        jit_handler_if(c, CC_NE);
    }
}

/* Memory is [RSI] as rewritten, and [RAX] here, where a general register is RAX anyway. */
static void write_instruction(JitCode *c, const ThunkMeta *m)
{
    uint8_t bytes[8];
    memcpy(bytes, &c->op->imm, sizeof(bytes));
    if (m->mem_size != 0) {
        bytes[m->modrm] &= 0xf8;
    }
    emit_bytes(&c->b, bytes, m->len);
}

static void vector(JitCode *c)
{
    const Op *op = c->op;
    ThunkMeta m = thunk_meta(op);
    Uses u = uses_of(op, &m);
    unsigned kind = m.kind & 15;
    require_enabled(c, kind);
    if (m.host & HOST_MXCSR) {
        require_mxcsr(c);
    }
    if (m.mem_size != 0) {
        reach_memory(c, &m);
    } else if (m.flags & THUNK_GPR_IN) {
        emit_rm(&c->b, 8, 0x8b, H_RAX, jit_guest(op->dst));
    }
    jit_vector_load(c, u.read, m.host >> HOST_LEVEL_SHIFT);
    jit_vector_load_opmasks(c, u.k_read);
    write_instruction(c, &m);
    note_written(c, &u, kind == KIND_SSE);
    if (m.flags & THUNK_GPR_OUT) {
        emit_rm(&c->b, 8, 0x89, H_RAX, jit_guest(op->dst));
    }
    if (op->jit == JIT_VECTOR_FLAGS) {
        jit_flags_made(c);
    }
}

static void vzeroupper(JitCode *c)
{
    bool avx512 = has_avx512(c);
    unsigned step = avx512 ? 64 : 32;
    const JitWide store = { 1, 0, 0, avx512 ? 2 : 1, 0x29 };
    require_enabled(c, KIND_VEX);
    jit_vector_spill(c);
    jit_vector_clear_xmm0(c);
    for (unsigned at = 0; at < 16 * 16; at += step) {
        emit_wide(&c->b, &store, 0, 0, state_at(XSTATE_YMMH + at));
    }
    for (unsigned at = 0; at < 16 * 32; at += step) {
        emit_wide(&c->b, &store, 0, 0, state_at(XSTATE_ZMMH + at));
    }
}

bool jit_template_vector(JitCode *c)
{
    switch (c->op->jit) {
    case JIT_VECTOR:
    case JIT_VECTOR_FLAGS:
        vector(c);
        return true;
    case JIT_VZEROUPPER:
        vzeroupper(c);
        return true;
    default:
        return false;
    }
}

/* ---- loops ---- */

static bool has_loop(const JitCode *c)
{
    for (unsigned i = 0; i <= c->block->count; i++) {
        const Op *op = &c->block->ops[i];
        if ((JIT_IS(op->jit, JIT_JCC, 16) || op->jit == JIT_JMP) &&
            op->imm == c->block->offset && !c->block->spins) {
            return true;
        }
    }
    return false;
}

/*
 * Everything that the block writes counts as changed from the first round on, so it must be there;
 * where that cannot be had of bits above 256, because the host has no such registers, they must be
 * 0 already.
 */
static void load_written(JitCode *c, const Uses *u, bool legacy)
{
    JitVector *v = &c->vector;
    jit_vector_load(c, u->written, legacy ? 1 : has_avx512(c) ? 3 : 2);
    jit_vector_load_opmasks(c, u->k_written);
    if (legacy || has_avx512(c)) {
        return;
    }
    for (uint32_t set = u->written; set != 0; set &= set - 1) {
        JitRm at = state_at(XSTATE_ZMMH + 32 * (unsigned)__builtin_ctz(set));
        emit_rm(&c->b, 8, 0x8b, H_RAX, at);
        for (unsigned i = 1; i < 4; i++) {
            at.disp += 8;
            emit_rm(&c->b, 8, 0x0b, H_RAX, at);
        }
        emit_rm(&c->b, 8, 0x85, H_RAX, rm_reg(H_RAX));
        jit_handler_if(c, CC_NE);
    }
    v->wide |= u->written;
}

/* The first op's handler stands for all that cannot be had here. */
static void prepare_loop(JitCode *c)
{
    JitVector changed = { 0 };
    c->op = c->block->ops;
    c->index = 0;
    for (unsigned i = 0; i < c->block->count; i++) {
        const Op *op = &c->block->ops[i];
        if (op->jit != JIT_VECTOR && op->jit != JIT_VECTOR_FLAGS) {
            continue;
        }
        ThunkMeta m = thunk_meta(op);
        Uses u = uses_of(op, &m);
        bool legacy = (m.kind & 15) == KIND_SSE;
        require_enabled(c, m.kind & 15);
        if (m.host & HOST_MXCSR) {
            require_mxcsr(c);
        }
        jit_vector_load(c, u.read, m.host >> HOST_LEVEL_SHIFT);
        jit_vector_load_opmasks(c, u.k_read);
        load_written(c, &u, legacy);
        changed.dirty |= u.written;
        changed.dirty_all |= legacy ? 0 : u.written;
        changed.k_dirty |= u.k_written;
    }
    c->vector.dirty = changed.dirty;
    c->vector.dirty_all = changed.dirty_all;
    c->vector.k_dirty = changed.k_dirty;
}

void jit_vector_begin(JitCode *c)
{
    if (has_loop(c)) {
        prepare_loop(c);
    }
    c->loop = c->b.at;
    c->loop_vector = c->vector;
}

bool jit_vector_again(JitCode *c)
{
    const JitVector *want = &c->loop_vector, *have = &c->vector;
    if (want->sse > have->sse || want->avx > have->avx || want->avx512 > have->avx512 ||
        want->mxcsr > have->mxcsr) {
        jit_vector_spill(c);
        return false;
    }
    jit_vector_load(c, want->loaded, 1);
    jit_vector_load(c, want->wide, 2);
    jit_vector_load(c, want->full, 3);
    jit_vector_load_opmasks(c, want->k_loaded);
    return true;
}
