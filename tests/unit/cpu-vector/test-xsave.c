/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FXSAVE, XSAVE and their kin: formats, round trips, what raises #GP, initial optimisation. */
#include "guest.h"

#define AREA GUEST_MEMORY
#define ALL (XFEATURE_X87 | XFEATURE_SSE | XFEATURE_AVX | XFEATURE_AVX512 | XFEATURE_PKRU)
#define COMPACTED (UINT64_C(1) << 63)

enum { FXSAVE, FXRSTOR, XSAVE, XRSTOR, XSAVEOPT, XSAVEC, XSAVES, XRSTORS };
static const uint8_t forms[][4] = {
    [FXSAVE] = {0x48, 0x0f, 0xae, 0x06},   [FXRSTOR] = {0x48, 0x0f, 0xae, 0x0e},
    [XSAVE] = {0x48, 0x0f, 0xae, 0x26},
    [XRSTOR] = {0x48, 0x0f, 0xae, 0x2e},   [XSAVEOPT] = {0x48, 0x0f, 0xae, 0x36},
    [XSAVEC] = {0x48, 0x0f, 0xc7, 0x26},
    [XSAVES] = {0x48, 0x0f, 0xc7, 0x2e},   [XRSTORS] = {0x48, 0x0f, 0xc7, 0x1e},
};

static int step(Guest *g, unsigned form, uint64_t mask)
{
    g->cpu->regs[GPR_RAX] = mask | UINT64_C(0xdead) << 32; /* only EAX counts */
    g->cpu->regs[GPR_RDX] = 0;
    return guest_step(g, forms[form], 4);
}

static uint64_t load64(const Guest *g, unsigned at)
{
    uint64_t v;
    memcpy(&v, g->memory + at, 8);
    return v;
}

static void store64(Guest *g, unsigned at, uint64_t v)
{
    memcpy(g->memory + at, &v, 8);
}

static Guest *setup(void)
{
    Guest *g = guest_new();
    g->cpu->regs[GPR_RSI] = AREA;
    return g;
}

static void fill(Guest *g, uint8_t salt)
{
    uint8_t *x = g->cpu->xstate;

    vec_reset(g->cpu);
    x[XSTATE_FSW + 1] = 3 << 3;
    x[XSTATE_FTW] = 0x18;
    x[XSTATE_FIP] = salt;
    for (unsigned i = 0; i < 8; i++) {
        memset(x + XSTATE_ST + 16 * i, salt + (int)i, 10);
    }
    for (unsigned i = 0; i < 256; i++) {
        x[XSTATE_XMM + i] = (uint8_t)(salt + i);
        x[XSTATE_YMMH + i] = (uint8_t)(salt + 3 * i);
    }
    for (unsigned i = XSTATE_OPMASK; i < XSTATE_PKRU; i++) {
        x[i] = (uint8_t)(salt + 5 * i);
    }
    vec_set_mxcsr(g->cpu, 0x1f80 | (salt & 0x3f));
    g->cpu->pkru = salt * 0x01010101u;
}

static void assert_same(const Guest *g, const uint8_t *want, uint32_t pkru)
{
    g_assert_cmpmem(want, 24, g->cpu->xstate, 24);
    g_assert_cmpmem(want + XSTATE_MXCSR, 4, g->cpu->xstate + XSTATE_MXCSR, 4);
    g_assert_cmpmem(want + 32, 384, g->cpu->xstate + 32, 384);
    g_assert_cmpmem(want + XSTATE_YMMH, 256, g->cpu->xstate + XSTATE_YMMH, 256);
    g_assert_cmpmem(want + XSTATE_OPMASK, XSTATE_PKRU - XSTATE_OPMASK,
                    g->cpu->xstate + XSTATE_OPMASK, XSTATE_PKRU - XSTATE_OPMASK);
    g_assert_cmphex(g->cpu->pkru, ==, pkru);
}

static void test_round_trips(void)
{
    static const struct {
        unsigned save, restore;
    } pairs[] = {{XSAVE, XRSTOR}, {XSAVEOPT, XRSTOR}, {XSAVEC, XRSTOR}, {XSAVES, XRSTORS},
                 {XSAVEC, XRSTORS}};
    Guest *g = setup();
    uint8_t saved[CPU_XSTATE_SIZE], initial[CPU_XSTATE_SIZE];

    vec_reset(g->cpu);
    memcpy(initial, g->cpu->xstate, sizeof(initial));
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        memset(g->memory, 0, GUEST_MEMORY_SIZE);
        fill(g, 0x11);
        memcpy(saved, g->cpu->xstate, sizeof(saved));
        g_assert_cmpint(step(g, pairs[i].save, ALL), ==, STEP_OK);
        fill(g, 0x22);
        g_assert_cmpint(step(g, pairs[i].restore, ALL), ==, STEP_OK);
        assert_same(g, saved, 0x11111111);

        /* everything initial: no component in use */
        vec_reset(g->cpu);
        g->cpu->pkru = 0;
        memset(g->memory, 0xa5, 2816);
        memset(g->memory + 512, 0, 64);
        g_assert_cmpint(step(g, pairs[i].save, ALL), ==, STEP_OK);
        g_assert_cmphex(load64(g, 512), ==, 0);
        if (pairs[i].save != XSAVE) {
            g_assert_cmphex(load64(g, 576), ==, UINT64_C(0xa5a5a5a5a5a5a5a5));
        }
        fill(g, 0x33);
        g_assert_cmpint(step(g, pairs[i].restore, ALL), ==, STEP_OK);
        assert_same(g, initial, 0);
    }
    guest_free(g);
}

static void test_partial(void)
{
    Guest *g = setup();

    fill(g, 0x40);
    store64(g, 512, XFEATURE_SSE | XFEATURE_X87);
    g_assert_cmpint(step(g, XSAVE, XFEATURE_AVX), ==, STEP_OK);
    g_assert_cmphex(load64(g, 512), ==, XFEATURE_SSE | XFEATURE_X87 | XFEATURE_AVX);
    g_assert_cmphex(load64(g, XSTATE_XMM), ==, 0);
    g_assert_cmphex(g->memory[XSTATE_MXCSR], ==, 0x80); /* MXCSR goes with AVX too */
    g_assert_cmpmem(g->memory + XSTATE_YMMH, 256, g->cpu->xstate + XSTATE_YMMH, 256);
    /* compacted: PKRU directly behind AVX */
    g_assert_cmpint(step(g, XSAVEC, XFEATURE_AVX | XFEATURE_PKRU), ==, STEP_OK);
    g_assert_cmphex(load64(g, 512), ==, XFEATURE_AVX | XFEATURE_PKRU);
    g_assert_cmphex(load64(g, 520), ==, XFEATURE_AVX | XFEATURE_PKRU | COMPACTED);
    g_assert_cmphex(load64(g, 576 + 256), ==, 0x40404040);
    /* MXCSR alone makes SSE "in use" for XSAVEC, not for XSAVEOPT */
    vec_reset(g->cpu);
    vec_set_mxcsr(g->cpu, 0x1fa0);
    memset(g->memory, 0, 4096);
    g_assert_cmpint(step(g, XSAVEC, XFEATURE_SSE), ==, STEP_OK);
    g_assert_cmphex(load64(g, 512), ==, XFEATURE_SSE);
    memset(g->memory, 0, 4096);
    g_assert_cmpint(step(g, XSAVEOPT, XFEATURE_SSE), ==, STEP_OK);
    g_assert_cmphex(load64(g, 512), ==, 0);
    g_assert_cmphex(load64(g, XSTATE_MXCSR) & 0xffff, ==, 0x1fa0);
    /* standard format loads MXCSR although SSE is initialised; compacted format initialises it */
    vec_set_mxcsr(g->cpu, 0x1f80);
    g_assert_cmpint(step(g, XRSTOR, XFEATURE_SSE), ==, STEP_OK);
    g_assert_cmphex(vec_mxcsr(g->cpu), ==, 0x1fa0);
    store64(g, 520, COMPACTED | XFEATURE_SSE);
    g_assert_cmpint(step(g, XRSTOR, XFEATURE_SSE), ==, STEP_OK);
    g_assert_cmphex(vec_mxcsr(g->cpu), ==, 0x1f80);
    guest_free(g);
}

/*
 * Every choice of components in the compacted format: each stands behind those chosen before it, if
 * in use or not.
 */
static void test_compaction(void)
{
    static const struct {
        uint64_t bit;
        unsigned size, from;    /* CPUID leaf Dh; where Cpu.xstate has it */
    } parts[] = {
        { XFEATURE_AVX, 256, XSTATE_YMMH }, { 1u << 5, 64, XSTATE_OPMASK },
        { 1u << 6, 512, XSTATE_ZMMH },
        { 1u << 7, 1024, XSTATE_HI16_ZMM }, { XFEATURE_PKRU, 8, 0 },
    };
    Guest *g = setup();
    for (unsigned choice = 0; choice < 1u << G_N_ELEMENTS(parts); choice++) {
        for (unsigned form = XSAVEC; form <= XSAVES; form++) {
            uint64_t mask = XFEATURE_X87 | XFEATURE_SSE;
            unsigned at = 576;
            for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
                mask |= choice >> i & 1 ? parts[i].bit : 0;
            }
            fill(g, 0x35);
            memset(g->memory, 0xa5, 4096);
            memset(g->memory + 512, 0, 64);
            g_assert_cmpint(step(g, form, mask), ==, STEP_OK);
            g_assert_cmphex(load64(g, 512), ==, mask);
            g_assert_cmphex(load64(g, 520), ==, mask | COMPACTED);
            for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
                if (!(choice >> i & 1)) {
                    continue;
                }
                if (parts[i].from) {
                    g_assert_cmpmem(g->memory + at, parts[i].size, g->cpu->xstate + parts[i].from,
                                    parts[i].size);
                } else {
                    g_assert_cmphex(load64(g, at), ==, g->cpu->pkru);
                }
                at += parts[i].size;
            }
            g_assert_cmphex(g->memory[at], ==, 0xa5); /* and nothing behind the last */
            /* without AVX in use its room stays, untouched */
            memset(g->cpu->xstate + XSTATE_YMMH, 0, 256);
            memset(g->memory + 576, 0xa5, 4096 - 576);
            g_assert_cmpint(step(g, form, mask), ==, STEP_OK);
            g_assert_cmphex(load64(g, 512), ==, mask & ~(uint64_t)XFEATURE_AVX);
            g_assert_cmphex(load64(g, 520), ==, mask | COMPACTED);
            if (choice & 1) {
                g_assert_cmphex(g->memory[576], ==, 0xa5);
                g_assert_cmphex(g->memory[576 + 255], ==, 0xa5);
            }
            if (choice & 2) {
                g_assert_cmpmem(g->memory + 576 + (choice & 1 ? 256 : 0), 64,
                                g->cpu->xstate + XSTATE_OPMASK, 64);
            }
        }
    }
    guest_free(g);
}

typedef struct BadHeader {
    const char *label;
    unsigned form;
    uint64_t bv, xcomp, third, last; /* header words 0, 1, 2, 7 */
    uint32_t mxcsr;
    uint64_t rsi;
    int expected;
} BadHeader;

static const BadHeader headers[] = {
    {"standard", XRSTOR, 7, 0, 0, 0, 0x1f80, AREA, STEP_OK},
    {"standard, word 7 set", XRSTOR, 7, 0, 0, 1, 0x1f80, AREA, STEP_OK},
    {"standard, word 2 set", XRSTOR, 7, 0, 1, 0, 0x1f80, AREA, VEC_GP},
    {"XCOMP_BV without bit 63", XRSTOR, 7, 7, 0, 0, 0x1f80, AREA, VEC_GP},
    {"XSTATE_BV outside XCR0", XRSTOR, 0x1007, 0, 0, 0, 0x1f80, AREA, VEC_GP},
    {"XSTATE_BV bit 63", XRSTOR, COMPACTED, 0, 0, 0, 0x1f80, AREA, VEC_GP},
    {"MXCSR reserved bit", XRSTOR, 7, 0, 0, 0, 0x11f80, AREA, VEC_GP},
    {"MXCSR reserved bit, SSE initialised", XRSTOR, 4, 0, 0, 0, 0x11f80, AREA, VEC_GP},
    {"unaligned", XRSTOR, 7, 0, 0, 0, 0x1f80, AREA + 32, VEC_GP},
    {"compacted", XRSTOR, 7, COMPACTED | 7, 0, 0, 0x1f80, AREA, STEP_OK},
    {"compacted, fewer in XSTATE_BV", XRSTOR, 2, COMPACTED | 7, 0, 0, 0x1f80, AREA, STEP_OK},
    {"compacted, XSTATE_BV beyond XCOMP_BV", XRSTOR, 7, COMPACTED | 3, 0, 0, 0x1f80, AREA, VEC_GP},
    {"compacted, XCOMP_BV beyond XCR0", XRSTOR, 7, COMPACTED | 0x1007, 0, 0, 0x1f80, AREA, VEC_GP},
    {"compacted, word 2 set", XRSTOR, 7, COMPACTED | 7, 1, 0, 0x1f80, AREA, VEC_GP},
    {"compacted, word 7 set", XRSTOR, 7, COMPACTED | 7, 0, 1, 0x1f80, AREA, VEC_GP},
    {"compacted, MXCSR reserved bit", XRSTOR, 7, COMPACTED | 7, 0, 0, 0x11f80, AREA, VEC_GP},
    {"compacted, SSE initialised, MXCSR not read", XRSTOR, 5, COMPACTED | 7, 0, 0, 0x11f80, AREA,
     STEP_OK},
    {"XRSTORS standard", XRSTORS, 7, 0, 0, 0, 0x1f80, AREA, VEC_GP},
    {"XRSTORS compacted", XRSTORS, 7, COMPACTED | 7, 0, 0, 0x1f80, AREA, STEP_OK},
    {"XRSTORS beyond XSS", XRSTORS, 7, COMPACTED | 0x807, 0, 0, 0x1f80, AREA, VEC_GP},
    {"XSAVE unaligned", XSAVE, 0, 0, 0, 0, 0x1f80, AREA + 16, VEC_GP},
    {"XSAVEC unaligned", XSAVEC, 0, 0, 0, 0, 0x1f80, AREA + 32, VEC_GP},
    {"XSAVE over the end", XSAVE, 0, 0, 0, 0, 0x1f80, AREA + GUEST_MEMORY_SIZE - 576, VEC_PF},
    {"XRSTOR over the end", XRSTOR, 0, 0, 0, 0, 0x1f80, AREA + GUEST_MEMORY_SIZE - 512, VEC_PF},
    {"FXRSTOR MXCSR reserved bit", FXRSTOR, 0, 0, 0, 0, 0x80000000, AREA, VEC_GP},
    {"FXRSTOR unaligned", FXRSTOR, 0, 0, 0, 0, 0x1f80, AREA + 8, VEC_GP},
};

static void test_headers(void)
{
    Guest *g = setup();
    uint8_t before[CPU_XSTATE_SIZE];

    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
        const BadHeader *h = &headers[i];

        memset(g->memory, 0, GUEST_MEMORY_SIZE);
        memcpy(g->memory + XSTATE_MXCSR, &h->mxcsr, 4);
        store64(g, 512, h->bv);
        store64(g, 520, h->xcomp);
        store64(g, 528, h->third);
        store64(g, 568, h->last);
        fill(g, 0x55);
        memcpy(before, g->cpu->xstate, sizeof(before));
        g->cpu->regs[GPR_RSI] = h->rsi;
        int got = step(g, h->form, ALL);
        if (got != h->expected) {
            g_error("%s: %d, expected %d", h->label, got, h->expected);
        }
        if (got != STEP_OK) {
            g_assert_cmpmem(before, sizeof(before), g->cpu->xstate, sizeof(before));
        }
    }
    g->cpu->regs[GPR_RSI] = AREA;
    g->cpu->cpl = 3;
    g_assert_cmpint(step(g, XSAVES, ALL), ==, VEC_GP);
    g_assert_cmpint(step(g, XRSTORS, ALL), ==, VEC_GP);
    g_assert_cmpint(step(g, XSAVEC, ALL), ==, STEP_OK);
    guest_free(g);
}

/*
 * A supervisor component that the core does not keep stops the guest with its name instead of
 * losing state.
 */
static void test_not_held(void)
{
    Guest *g = setup();

    g->cpu->xss = 1u << 8;
    g_assert_cmpint(step(g, XSAVES, 1u << 8 | ALL), ==, STEP_UNSUPPORTED);
    g_assert_cmpint(step(g, XSAVES, ALL), ==, STEP_OK);
    g_assert_cmpint(step(g, XSAVEC, 1u << 8 | ALL), ==, STEP_OK);
    guest_free(g);
}

static void test_fxsave(void)
{
    Guest *g = setup();
    uint8_t saved[CPU_XSTATE_SIZE];

    fill(g, 0x60);
    memcpy(saved, g->cpu->xstate, sizeof(saved));
    memset(g->memory, 0xa5, 512);
    g_assert_cmpint(step(g, FXSAVE, 0), ==, STEP_OK);
    g_assert_cmphex(load64(g, 28) & 0xffffffff, ==, 0xffff);
    g_assert_cmphex(g->memory[416], ==, 0xa5);
    fill(g, 0x70);
    g_assert_cmpint(step(g, FXRSTOR, 0), ==, STEP_OK);
    g_assert_cmpmem(saved, 28, g->cpu->xstate, 28);
    g_assert_cmpmem(saved + 32, 384, g->cpu->xstate + 32, 384);
    g_assert_cmphex(g->cpu->xstate[XSTATE_YMMH], ==, 0x70);
    /* 32-bit code: XMM8 and up stay, in memory and in registers */
    g->cpu->mode = CPU_MODE_CS32 | CPU_MODE_FLAT;
    memset(g->memory, 0xa5, 512);
    g_assert_cmpint(guest_step(g, forms[FXSAVE] + 1, 3), ==, STEP_OK);
    g_assert_cmphex(g->memory[XSTATE_XMM + 128], ==, 0xa5);
    fill(g, 0x20);
    g_assert_cmpint(guest_step(g, forms[FXRSTOR] + 1, 3), ==, STEP_OK);
    g_assert_cmphex(g->cpu->xstate[XSTATE_XMM], ==, 0x60);
    g_assert_cmphex(g->cpu->xstate[XSTATE_XMM + 128], ==, (0x20 + 128) & 0xff);
    /* pending x87 exception: ES follows flags and masks, not the image */
    g->memory[XSTATE_FCW] = 0x7b;
    g->memory[XSTATE_FSW] = 0x04;
    g_assert_cmpint(guest_step(g, forms[FXRSTOR] + 1, 3), ==, STEP_OK);
    g_assert_cmphex(g->cpu->xstate[XSTATE_FSW], ==, 0x84);
    guest_free(g);
}

static void test_mxcsr(void)
{
    Guest *g = setup();
    const uint8_t load[] = {0x0f, 0xae, 0x16}, store[] = {0x0f, 0xae, 0x1e};

    store64(g, 0, 0xffbf);
    g_assert_cmpint(guest_step(g, load, 3), ==, STEP_OK);
    store64(g, 0, 0);
    g_assert_cmpint(guest_step(g, store, 3), ==, STEP_OK);
    g_assert_cmphex(load64(g, 0), ==, 0xffbf);
    store64(g, 0, 0x10000);
    g_assert_cmpint(guest_step(g, load, 3), ==, VEC_GP);
    g_assert_cmphex(vec_mxcsr(g->cpu), ==, 0xffbf);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-vector/xsave/round-trips", test_round_trips);
    g_test_add_func("/cpu-vector/xsave/partial", test_partial);
    g_test_add_func("/cpu-vector/xsave/compaction", test_compaction);
    g_test_add_func("/cpu-vector/xsave/headers", test_headers);
    g_test_add_func("/cpu-vector/xsave/not-held", test_not_held);
    g_test_add_func("/cpu-vector/xsave/fxsave", test_fxsave);
    g_test_add_func("/cpu-vector/xsave/mxcsr", test_mxcsr);
    return g_test_run();
}
