/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's vector registers in the host's, and back: what jit-vector.c's code has at hand. */
#include "jit-state.h"
#include "vector.h"

static const JitWide load_128 = { 1, 0, 0, 0, 0x28 }, store_256 = { 1, 0, 0, 1, 0x29 },
                     load_512 = { 1, 0, 0, 2, 0x28 }, store_512 = { 1, 0, 0, 2, 0x29 },
                     insert_128 = { 3, 1, 0, 1, 0x18 }, extract_128 = { 3, 1, 0, 1, 0x19 },
                     insert_256 = { 3, 1, 1, 2, 0x1a }, extract_256 = { 3, 1, 1, 2, 0x1b },
                     load_k = { 1, 0, 1, 0, 0x90 }, store_k = { 1, 0, 1, 0, 0x91 };

static JitRm state_at(unsigned at)
{
    return rm_mem(H_RDI, (int64_t)offsetof(Cpu, xstate) + at);
}

static JitRm xmm_at(unsigned n)
{
    return state_at(XSTATE_XMM + 16 * n);
}

static JitRm ymmh_at(unsigned n)
{
    return state_at(XSTATE_YMMH + 16 * n);
}

static JitRm zmmh_at(unsigned n)
{
    return state_at(XSTATE_ZMMH + 32 * n);
}

static JitRm zmm_at(unsigned n)
{
    return state_at(XSTATE_HI16_ZMM + 64 * (n - 16));
}

static bool has_avx512(const JitCode *c)
{
    return c->cpu->vec->host_avx512;
}

/* The low 128, 256 or 512 bits (level 1, 2, 3) of a register in the host's. */
static void load(JitCode *c, unsigned n, unsigned level)
{
    JitVector *v = &c->vector;
    uint32_t bit = UINT32_C(1) << n;
    if (n >= 16 && !(v->loaded & bit)) {
        emit_wide(&c->b, &load_512, n, 0, zmm_at(n));
        v->wide |= bit;
        v->full |= bit;
    } else if (!(v->loaded & bit)) {
        if (c->cpu->vec->host_avx) {
            emit_wide(&c->b, &load_128, n, 0, xmm_at(n));
        } else {
            emit_rm(&c->b, 4, 0x0f28, n, xmm_at(n));
        }
    }
    v->loaded |= bit;
    if (level >= 2 && !(v->wide & bit)) {
        emit_wide(&c->b, &insert_128, n, n, ymmh_at(n));
        emit8(&c->b, 1);
        v->wide |= bit;
    }
    if (level >= 3 && !(v->full & bit)) {
        emit_wide(&c->b, &insert_256, n, n, zmmh_at(n));
        emit8(&c->b, 1);
        v->full |= bit;
    }
}

void jit_vector_load(JitCode *c, uint32_t set, unsigned level)
{
    for (; set != 0; set &= set - 1) {
        load(c, (unsigned)__builtin_ctz(set), level);
    }
}

void jit_vector_load_opmasks(JitCode *c, unsigned set)
{
    for (set &= ~(unsigned)c->vector.k_loaded; set != 0; set &= set - 1) {
        unsigned n = (unsigned)__builtin_ctz(set);
        emit_wide(&c->b, &load_k, n, 0, state_at(XSTATE_OPMASK + 8 * n));
        c->vector.k_loaded |= (uint8_t)(1u << n);
    }
}

static void store(JitCode *c, unsigned n)
{
    bool all = c->vector.dirty_all >> n & 1;
    if (n >= 16) {
        emit_wide(&c->b, &store_512, n, 0, zmm_at(n));
        return;
    }
    emit_rm(&c->b, 4, 0x0f29, n, xmm_at(n));
    if (all) {
        emit_wide(&c->b, &extract_128, n, 0, ymmh_at(n));
        emit8(&c->b, 1);
    }
    if (all && has_avx512(c)) {
        emit_wide(&c->b, &extract_256, n, 0, zmmh_at(n));
        emit8(&c->b, 1);
    }
}

void jit_vector_clear_xmm0(JitCode *c)
{
    static const uint8_t vpxor[] = { 0xc5, 0xf9, 0xef, 0xc0 };
    emit_bytes(&c->b, vpxor, sizeof(vpxor));
}

static void store_zeroes_above_256(JitCode *c, uint32_t set)
{
    if (set != 0) {
        jit_vector_clear_xmm0(c);
    }
    for (; set != 0; set &= set - 1) {
        emit_wide(&c->b, &store_256, 0, 0, zmmh_at((unsigned)__builtin_ctz(set)));
    }
}

void jit_vector_spill(JitCode *c)
{
    static const uint8_t vzeroupper[] = { 0xc5, 0xf8, 0x77 };
    JitVector *v = &c->vector;
    for (uint32_t set = v->dirty; set != 0; set &= set - 1) {
        store(c, (unsigned)__builtin_ctz(set));
    }
    for (unsigned set = v->k_dirty; set != 0; set &= set - 1) {
        unsigned n = (unsigned)__builtin_ctz(set);
        emit_wide(&c->b, &store_k, n, 0, state_at(XSTATE_OPMASK + 8 * n));
    }
    if (!has_avx512(c)) {
        store_zeroes_above_256(c, v->dirty_all);
    }
    if (v->wide & 0xffff) {
        emit_bytes(&c->b, vzeroupper, sizeof(vzeroupper));
    }
    v->loaded = v->wide = v->full = v->dirty = v->dirty_all = 0;
    v->k_loaded = v->k_dirty = 0;
}
