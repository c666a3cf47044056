/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enabling bits, alignment, precise faults, MXCSR and x87 exceptions, operand rewriting, masked
 * memory forms.
 */
#include "guest.h"

#define END (GUEST_MEMORY + GUEST_MEMORY_SIZE)
#define BYTES(...) {__VA_ARGS__}

typedef struct Refusal {
    const char *label;
    uint8_t bytes[12];
    uint64_t cr0, cr4, xcr0; /* bits to turn over */
    int expected;
} Refusal;

static const Refusal refusals[] = {
    {"PXOR runs", BYTES(0x66, 0x0f, 0xef, 0xc1), 0, 0, 0, STEP_OK},
    {"PXOR EM", BYTES(0x66, 0x0f, 0xef, 0xc1), CR0_EM, 0, 0, VEC_UD},
    {"PXOR TS", BYTES(0x66, 0x0f, 0xef, 0xc1), CR0_TS, 0, 0, VEC_NM},
    {"PXOR EM TS", BYTES(0x66, 0x0f, 0xef, 0xc1), CR0_EM | CR0_TS, 0, 0, VEC_UD},
    {"PXOR no OSFXSR", BYTES(0x66, 0x0f, 0xef, 0xc1), 0, CR4_OSFXSR, 0, VEC_UD},
    {"PXOR no OSXSAVE", BYTES(0x66, 0x0f, 0xef, 0xc1), 0, CR4_OSXSAVE, 0, STEP_OK},
    {"ADDPS TS", BYTES(0x0f, 0x58, 0xc1), CR0_TS, 0, 0, VEC_NM},
    {"ADDPS no OSFXSR", BYTES(0x0f, 0x58, 0xc1), 0, CR4_OSFXSR, 0, VEC_UD},
    {"VPXOR runs", BYTES(0xc5, 0xf1, 0xef, 0xc1), 0, 0, 0, STEP_OK},
    {"VPXOR EM", BYTES(0xc5, 0xf1, 0xef, 0xc1), CR0_EM, 0, 0, STEP_OK},
    {"VPXOR TS", BYTES(0xc5, 0xf1, 0xef, 0xc1), CR0_TS, 0, 0, VEC_NM},
    {"VPXOR no OSXSAVE", BYTES(0xc5, 0xf1, 0xef, 0xc1), 0, CR4_OSXSAVE, 0, VEC_UD},
    {"VPXOR no AVX state", BYTES(0xc5, 0xf1, 0xef, 0xc1), 0, 0, XFEATURE_AVX, VEC_UD},
    {"VPXOR no AVX state, TS", BYTES(0xc5, 0xf1, 0xef, 0xc1), CR0_TS, 0, XFEATURE_AVX, VEC_UD},
    {"VPXOR real mode", BYTES(0xc5, 0xf1, 0xef, 0xc1), CR0_PE, 0, 0, VEC_UD},
    {"VADDPS no OSXSAVE", BYTES(0xc5, 0xf0, 0x58, 0xc1), 0, CR4_OSXSAVE, 0, VEC_UD},
    {"EVEX VADDPS no opmask state", BYTES(0x62, 0xf1, 0x74, 0x48, 0x58, 0xc1), 0, 0, 1u << 5,
     VEC_UD},
    {"EVEX VADDPS TS", BYTES(0x62, 0xf1, 0x74, 0x48, 0x58, 0xc1), CR0_TS, 0, 0, VEC_NM},
    {"PADDB mm EM", BYTES(0x0f, 0xfc, 0xc1), CR0_EM, 0, 0, VEC_UD},
    {"PADDB mm TS", BYTES(0x0f, 0xfc, 0xc1), CR0_TS, 0, 0, VEC_NM},
    {"PADDB mm no OSFXSR", BYTES(0x0f, 0xfc, 0xc1), 0, CR4_OSFXSR, 0, STEP_OK},
    {"EMMS EM", BYTES(0x0f, 0x77), CR0_EM, 0, 0, VEC_UD},
    {"FLD1 runs", BYTES(0xd9, 0xe8), 0, 0, 0, STEP_OK},
    {"FLD1 EM", BYTES(0xd9, 0xe8), CR0_EM, 0, 0, VEC_NM},
    {"FLD1 TS", BYTES(0xd9, 0xe8), CR0_TS, 0, 0, VEC_NM},
    {"FCOMI runs", BYTES(0xdb, 0xf0), 0, 0, 0, STEP_OK},
    {"FCOMIP runs", BYTES(0xdf, 0xf0), 0, 0, 0, STEP_OK},
    {"FUCOMI runs", BYTES(0xdb, 0xe8), 0, 0, 0, STEP_OK},
    {"FUCOMIP runs", BYTES(0xdf, 0xe8), 0, 0, 0, STEP_OK},
    {"FNINIT TS", BYTES(0xdb, 0xe3), CR0_TS, 0, 0, VEC_NM},
    {"FWAIT TS MP", BYTES(0x9b), CR0_TS, 0, 0, VEC_NM},
    {"FWAIT TS only", BYTES(0x9b), CR0_TS | CR0_MP, 0, 0, STEP_OK},
    {"FWAIT EM", BYTES(0x9b), CR0_EM, 0, 0, STEP_OK},
    {"MOVNTI TS EM no OSFXSR", BYTES(0x0f, 0xc3, 0x06), CR0_TS | CR0_EM, CR4_OSFXSR, 0, STEP_OK},
    {"LDMXCSR TS", BYTES(0x0f, 0xae, 0x16), CR0_TS, 0, 0, VEC_NM},
    {"STMXCSR EM", BYTES(0x0f, 0xae, 0x1e), CR0_EM, 0, 0, VEC_UD},
    {"VSTMXCSR no OSXSAVE", BYTES(0xc5, 0xf8, 0xae, 0x1e), 0, CR4_OSXSAVE, 0, VEC_UD},
    {"FXSAVE TS", BYTES(0x0f, 0xae, 0x06), CR0_TS, 0, 0, VEC_NM},
    {"FXSAVE EM", BYTES(0x0f, 0xae, 0x06), CR0_EM, 0, 0, VEC_NM},
    {"XSAVE no OSXSAVE", BYTES(0x0f, 0xae, 0x26), 0, CR4_OSXSAVE, 0, VEC_UD},
    {"XSAVE TS", BYTES(0x0f, 0xae, 0x26), CR0_TS, 0, 0, VEC_NM},
    {"EXTRQ of AMD", BYTES(0x66, 0x0f, 0x79, 0xc1), 0, 0, 0, VEC_UD},
};

static void test_refusals(void)
{
    Guest *g = guest_new();

    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        const Refusal *r = &refusals[i];
        uint64_t cr0 = g->cpu->cr0, cr4 = g->cpu->cr4, xcr0 = g->cpu->xcr0;

        g->cpu->cr0 ^= r->cr0;
        g->cpu->cr4 ^= r->cr4;
        g->cpu->xcr0 ^= r->xcr0;
        g->cpu->regs[GPR_RSI] = GUEST_MEMORY;
        int got = guest_step(g, r->bytes, sizeof(r->bytes));
        if (g->d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && !g->cpu->vec->host_avx512) {
            got = r->expected;
        }
        if (got != r->expected) {
            g_error("%s: %d, expected %d", r->label, got, r->expected);
        }
        g->cpu->cr0 = cr0;
        g->cpu->cr4 = cr4;
        g->cpu->xcr0 = xcr0;
    }
    g->no_feature = true;
    const uint8_t paddb[] = {0x66, 0x0f, 0xfc, 0xc1};
    g_assert_cmpint(guest_step(g, paddb, sizeof(paddb)), ==, VEC_UD);
    const uint8_t fxsave[] = {0x0f, 0xae, 0x06};
    g_assert_cmpint(guest_step(g, fxsave, sizeof(fxsave)), ==, VEC_UD);
    guest_free(g);
}

typedef struct Access {
    const char *label;
    uint8_t bytes[12];
    uint64_t address;
    int expected;
} Access;

static const Access accesses[] = {
    {"MOVAPS load", BYTES(0x0f, 0x28, 0x06), GUEST_MEMORY + 16, STEP_OK},
    {"MOVAPS load unaligned", BYTES(0x0f, 0x28, 0x06), GUEST_MEMORY + 8, VEC_GP},
    {"MOVAPS store unaligned", BYTES(0x0f, 0x29, 0x06), GUEST_MEMORY + 1, VEC_GP},
    {"MOVNTDQ unaligned", BYTES(0x66, 0x0f, 0xe7, 0x06), GUEST_MEMORY + 4, VEC_GP},
    {"MOVUPS load unaligned", BYTES(0x0f, 0x10, 0x06), GUEST_MEMORY + 1, STEP_OK},
    {"MOVUPS over a page", BYTES(0x0f, 0x10, 0x06), GUEST_MEMORY + 0xff8, STEP_OK},
    {"MOVUPS over the end", BYTES(0x0f, 0x10, 0x06), END - 8, VEC_PF},
    {"MOVUPS store over the end", BYTES(0x0f, 0x11, 0x06), END - 1, VEC_PF},
    {"PXOR unaligned", BYTES(0x66, 0x0f, 0xef, 0x06), GUEST_MEMORY + 2, VEC_GP},
    {"PSHUFD unaligned", BYTES(0x66, 0x0f, 0x70, 0x06, 0), GUEST_MEMORY + 2, VEC_GP},
    {"ADDPS unaligned", BYTES(0x0f, 0x58, 0x06), GUEST_MEMORY + 4, VEC_GP},
    {"ADDPS beyond", BYTES(0x0f, 0x58, 0x06), END, VEC_PF},
    {"ADDSS unaligned", BYTES(0xf3, 0x0f, 0x58, 0x06), GUEST_MEMORY + 1, STEP_OK},
    {"ADDSS over the end", BYTES(0xf3, 0x0f, 0x58, 0x06), END - 3, VEC_PF},
    {"ADDSS before the end", BYTES(0xf3, 0x0f, 0x58, 0x06), END - 4, STEP_OK},
    {"VPXOR unaligned", BYTES(0xc5, 0xf1, 0xef, 0x06), GUEST_MEMORY + 2, STEP_OK},
    {"VPXOR ymm over the end", BYTES(0xc5, 0xf5, 0xef, 0x06), END - 16, VEC_PF},
    {"VMOVAPS ymm at 16", BYTES(0xc5, 0xfc, 0x28, 0x06), GUEST_MEMORY + 16, VEC_GP},
    {"VMOVAPS xmm at 16", BYTES(0xc5, 0xf8, 0x28, 0x06), GUEST_MEMORY + 16, STEP_OK},
    {"VMOVUPS ymm store over the end", BYTES(0xc5, 0xfc, 0x11, 0x06), END - 16, VEC_PF},
    {"MOVQ store over the end", BYTES(0x66, 0x0f, 0xd6, 0x06), END - 7, VEC_PF},
    {"MOVQ mm load over the end", BYTES(0x0f, 0x6f, 0x06), END - 7, VEC_PF},
    {"FSTP m80 over the end", BYTES(0xdb, 0x3e), END - 9, VEC_PF},
    {"FLD m64 over the end", BYTES(0xdd, 0x06), END - 7, VEC_PF},
    {"FNSTENV over the end", BYTES(0xd9, 0x36), END - 27, VEC_PF},
    {"FNSAVE over the end", BYTES(0xdd, 0x36), END - 107, VEC_PF},
    {"FXSAVE unaligned", BYTES(0x0f, 0xae, 0x06), GUEST_MEMORY + 8, VEC_GP},
    {"FXSAVE over the end", BYTES(0x0f, 0xae, 0x06), END - 256, VEC_PF},
    {"PCMPISTRI unaligned", BYTES(0x66, 0x0f, 0x3a, 0x63, 0x06, 0x0c), GUEST_MEMORY + 3, STEP_OK},
    {"STMXCSR over the end", BYTES(0x0f, 0xae, 0x1e), END - 3, VEC_PF},
};

static void check_accesses(Guest *g, const char *how)
{
    uint8_t before[CPU_XSTATE_SIZE];
    uint64_t flags;

    for (size_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        const Access *a = &accesses[i];
        for (size_t k = XSTATE_ST; k < 416; k++) {
            g->cpu->xstate[k] = (uint8_t)(k * 7);
        }
        g->cpu->xstate[XSTATE_FTW] = 0xff;
        g->cpu->regs[GPR_RSI] = a->address;
        flags = g->cpu->rflags;
        memcpy(before, g->cpu->xstate, sizeof(before));
        int got = guest_step(g, a->bytes, sizeof(a->bytes));
        if (got != a->expected) {
            g_error("%s %s: %d, expected %d", how, a->label, got, a->expected);
        }
        if (got != STEP_OK &&
            (memcmp(before, g->cpu->xstate, sizeof(before)) != 0 || flags != g->cpu->rflags)) {
            g_error("%s %s: state changed by a fault", how, a->label);
        }
        vec_reset(g->cpu);
    }
}

static void test_accesses(void)
{
    Guest *g = guest_new();

    check_accesses(g, "slow");
    guest_enable_tlb(g, true);
    check_accesses(g, "TLB");
    vec_set_portable(g->cpu, true);
    check_accesses(g, "portable");
    guest_free(g);
}

static void test_readonly(void)
{
    Guest *g = guest_new();
    const uint8_t fstp[] = {0xd9, 0x1e}, extract[] = {0x66, 0x0f, 0x3a, 0x16, 0x06, 1};
    uint8_t before[CPU_XSTATE_SIZE];

    g->readonly = true;
    g->cpu->regs[GPR_RSI] = GUEST_MEMORY;
    memcpy(before, g->cpu->xstate, sizeof(before));
    g_assert_cmpint(guest_step(g, fstp, sizeof(fstp)), ==, VEC_PF);
    g_assert_cmpint(guest_step(g, extract, sizeof(extract)), ==, VEC_PF);
    g_assert_cmpmem(before, sizeof(before), g->cpu->xstate, sizeof(before));
    guest_free(g);
}

static void set_floats(uint8_t *p, float a, float b, float c, float d)
{
    float v[4] = {a, b, c, d};
    memcpy(p, v, sizeof(v));
}

typedef struct MxcsrCase {
    const char *label;
    uint8_t bytes[8];
    float a, b;
    uint32_t mxcsr;
    int expected;
    uint32_t flags; /* MXCSR[5:0] after */
} MxcsrCase;

static const MxcsrCase mxcsr_cases[] = {
    {"divide by zero masked", BYTES(0x0f, 0x5e, 0xc1), 1, 0, 0x1f80, STEP_OK, 4},
    {"divide by zero", BYTES(0x0f, 0x5e, 0xc1), 1, 0, 0x1d80, VEC_XM, 4},
    {"0 / 0", BYTES(0x0f, 0x5e, 0xc1), 0, 0, 0x1f00, VEC_XM, 1},
    {"0 / 0, only ZM clear", BYTES(0x0f, 0x5e, 0xc1), 0, 0, 0x1d80, STEP_OK, 1},
    {"inexact", BYTES(0x0f, 0x5e, 0xc1), 1, 3, 0x0f80, VEC_XM, 0x20},
    {"inexact masked", BYTES(0x0f, 0x5e, 0xc1), 1, 3, 0x1f80, STEP_OK, 0x20},
    {"overflow", BYTES(0x0f, 0x59, 0xc1), 3e38f, 10, 0x1b80, VEC_XM, 0x28},
    {"underflow, exact", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x1780, VEC_XM, 0x10},
    {"underflow, exact, masked", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x1f80, STEP_OK, 0},
    {"underflow, exact, masked, flushed", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x9f80, STEP_OK,
     0x30},
    {"underflow, exact, FTZ not heeded", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x9780, VEC_XM,
     0x10},
    {"underflow, inexact", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 1 / 3.0f, 0x1780, VEC_XM, 0x30},
    {"underflow, inexact, masked", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 1 / 3.0f, 0x1f80, STEP_OK,
     0x30},
    {"no underflow: the smallest normal number", BYTES(0x0f, 0x59, 0xc1), 0x1p-125f, 0.5f, 0x1780,
     STEP_OK, 0},
    {"no underflow: zero", BYTES(0x0f, 0x59, 0xc1), 0x1p-126f, 0, 0x1780, STEP_OK, 0},
    {"underflow, difference", BYTES(0x0f, 0x5c, 0xc1), 0x1.8p-126f, 0x1p-126f, 0x1780, VEC_XM,
     0x10},
    {"underflow, scalar", BYTES(0xf3, 0x0f, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x1780, VEC_XM, 0x10},
    {"underflow, VEX", BYTES(0xc5, 0xf8, 0x59, 0xc1), 0x1p-126f, 0.5f, 0x1780, VEC_XM, 0x10},
    {"underflow, ADDSUBPS", BYTES(0xf2, 0x0f, 0xd0, 0xc1), 0x1.8p-126f, 0x1p-126f, 0x1780, VEC_XM,
     0x10},
    {"divide by zero before underflow", BYTES(0x0f, 0x5e, 0xc1), 1, 0, 0x1580, VEC_XM, 4},
    {"old flags do not raise", BYTES(0x0f, 0x58, 0xc1), 1, 1, 0x003f, STEP_OK, 0x3f},
    {"old flags stay", BYTES(0x0f, 0x58, 0xc1), 1, 1, 0x1f81, STEP_OK, 1},
    {"VEX", BYTES(0xc5, 0xf8, 0x5e, 0xc1), 1, 0, 0x1d80, VEC_XM, 4},
    {"HADDPS", BYTES(0xf2, 0x0f, 0x7c, 0xc0), 3e38f, 3e38f, 0x1b80, VEC_XM, 0x28},
};

static void check_mxcsr(Guest *g)
{
    for (size_t i = 0; i < G_N_ELEMENTS(mxcsr_cases); i++) {
        const MxcsrCase *c = &mxcsr_cases[i];
        uint8_t before[CPU_XSTATE_SIZE];

        set_floats(vec_xmm(g->cpu, 0), c->a, i == G_N_ELEMENTS(mxcsr_cases) - 1 ? c->b : c->a, c->a,
                   c->a);
        set_floats(vec_xmm(g->cpu, 1), c->b, c->b, c->b, c->b);
        vec_set_mxcsr(g->cpu, c->mxcsr);
        memcpy(before, g->cpu->xstate, sizeof(before));
        int got = guest_step(g, c->bytes, sizeof(c->bytes));
        if (got == STEP_NOT_TAKEN) {
            continue;
        }
        if (got != c->expected || (vec_mxcsr(g->cpu) & 0x3f) != c->flags) {
            g_error("%s: %d, MXCSR %#x", c->label, got, vec_mxcsr(g->cpu));
        }
        if (got != STEP_OK) {
            g_assert_cmpmem(before + 32, sizeof(before) - 32, g->cpu->xstate + 32,
                            sizeof(before) - 32);
            g->cpu->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
            g_assert_cmpint(guest_run(g), ==, VEC_UD);
            g->cpu->cr4 |= CR4_OSXMMEXCPT;
        }
    }
}

static void test_mxcsr(void)
{
    Guest *g = guest_new();

    check_mxcsr(g);
    vec_set_portable(g->cpu, true);
    check_mxcsr(g);
    guest_free(g);
}

static uint16_t get16(const Guest *g, unsigned offset)
{
    uint16_t v;
    memcpy(&v, g->cpu->xstate + offset, 2);
    return v;
}

#define STEP(g, ...) guest_step((g), (const uint8_t[16]){__VA_ARGS__}, 16)

static void test_x87_exceptions(void)
{
    Guest *g = guest_new();
    Cpu *cpu = g->cpu;
    const uint16_t zero_divide_unmasked = 0x37b;

    cpu->regs[GPR_RSI] = GUEST_MEMORY;
    cpu->regs[GPR_PAGE] = 0x401000;
    memcpy(g->memory, &zero_divide_unmasked, 2);
    g_assert_cmpint(STEP(g, 0xd9, 0x2e), ==, STEP_OK); /* FLDCW */
    g_assert_cmpint(STEP(g, 0xd9, 0xe8), ==, STEP_OK); /* FLD1 */
    g_assert_cmpint(STEP(g, 0xd9, 0xee), ==, STEP_OK); /* FLDZ */
    g_assert_cmpint(STEP(g, 0xde, 0xf9), ==, STEP_OK); /* FDIVP: pends */
    g_assert_cmphex(get16(g, XSTATE_FSW) & 0x8084, ==, 0x8084);
    g_assert_cmpint(STEP(g, 0xd9, 0xe8), ==, VEC_MF);
    g_assert_cmpint(STEP(g, 0x0f, 0xfc, 0xc1), ==, VEC_MF); /* PADDB mm */
    g_assert_cmpint(STEP(g, 0x9b), ==, VEC_MF);
    /* ADDPS does not care, and loses nothing */
    g_assert_cmpint(STEP(g, 0x0f, 0x58, 0xc1), ==, STEP_OK);
    g_assert_cmphex(get16(g, XSTATE_FSW) & 0x8084, ==, 0x8084);
    g_assert_cmphex(cpu->xstate[XSTATE_FIP] | cpu->xstate[XSTATE_FIP + 1] << 8, ==, 0x1000);
    g_assert_cmphex(get16(g, XSTATE_FOP), ==, 0x6f9);
    cpu->regs[GPR_RAX] = UINT64_C(0x1122334455667788);
    g_assert_cmpint(STEP(g, 0xdf, 0xe0), ==, STEP_OK); /* FNSTSW AX */
    g_assert_cmphex(cpu->regs[GPR_RAX], ==, UINT64_C(0x1122334455660000) | get16(g, XSTATE_FSW));
    g_assert_cmpint(STEP(g, 0xdb, 0xe2), ==, STEP_OK); /* FNCLEX */
    g_assert_cmpint(STEP(g, 0xd9, 0xe8), ==, STEP_OK);
    guest_free(g);
}

/* FNSAVE and FNSTENV against the host's, in the fields that do not hold addresses */
static void test_x87_environment(void)
{
    Guest *g = guest_new();
    uint8_t host[108], saved[CPU_XSTATE_SIZE];

    g->cpu->regs[GPR_RSI] = GUEST_MEMORY;
    STEP(g, 0xd9, 0xeb); /* FLDPI */
    STEP(g, 0xd9, 0xee); /* FLDZ */
    STEP(g, 0xd9, 0xe8); /* FLD1 */
    __asm__ volatile("fldpi\n\tfldz\n\tfld1\n\tfnsave %0" : "=m"(host));
    memcpy(saved, g->cpu->xstate, sizeof(saved));
    g_assert_cmpint(STEP(g, 0xdd, 0x36), ==, STEP_OK); /* FNSAVE */
    g_assert_cmpmem(host, 12, g->memory, 12);
    g_assert_cmpmem(host + 28, 30, g->memory + 28, 30);
    g_assert_cmphex(get16(g, XSTATE_FCW), ==, 0x37f);
    g_assert_cmphex(g->cpu->xstate[XSTATE_FTW], ==, 0);
    g_assert_cmpint(STEP(g, 0xdd, 0x26), ==, STEP_OK); /* FRSTOR */
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpmem(saved + XSTATE_ST + 16 * i, 10, g->cpu->xstate + XSTATE_ST + 16 * i, 10);
    }
    g_assert_cmpmem(saved, 5, g->cpu->xstate, 5);
    g_assert_cmpint(STEP(g, 0x66, 0xd9, 0x36), ==, STEP_OK); /* 14 bytes */
    g_assert_cmpmem(host + 8, 2, g->memory + 4, 2);
    g_assert_cmpint(STEP(g, 0xd9, 0x36), ==, STEP_OK);
    memset(g->cpu->xstate, 0, 8);
    g_assert_cmpint(STEP(g, 0xd9, 0x26), ==, STEP_OK); /* FLDENV */
    g_assert_cmphex(g->cpu->xstate[XSTATE_FTW], ==, saved[XSTATE_FTW]);
    g_assert_cmpmem(saved + 2, 2, g->cpu->xstate + 2, 2);
    guest_free(g);
}

/* Registers and addressing that rewriting changes */
static void test_rewriting(void)
{
    Guest *g = guest_new();
    Cpu *cpu = g->cpu;

    set_floats(vec_xmm(cpu, 9), 1, 2, 3, 4);
    cpu->regs[GPR_R14] = GUEST_MEMORY;
    cpu->regs[GPR_RSP] = 32;
    cpu->regs[GPR_R13] = 8;
    set_floats(g->memory + 0x20 + 0x40, 10, 20, 30, 40);
    /* ADDPS XMM9, [R14 + R13 * 4 + 40h] */
    g_assert_cmpint(STEP(g, 0x47, 0x0f, 0x58, 0x4c, 0xae, 0x40), ==, STEP_OK);
    float v[4];
    memcpy(v, vec_xmm(cpu, 9), 16);
    g_assert_cmpfloat(v[0], ==, 11);
    g_assert_cmpfloat(v[3], ==, 44);
    /* CVTTSS2SI RSP, XMM9 and CVTSI2SD XMM8, RSP */
    g_assert_cmpint(STEP(g, 0xf3, 0x49, 0x0f, 0x2c, 0xe1), ==, STEP_OK);
    g_assert_cmpuint(cpu->regs[GPR_RSP], ==, 11);
    g_assert_cmpint(STEP(g, 0xf2, 0x4c, 0x0f, 0x2a, 0xc4), ==, STEP_OK);
    double dbl;
    memcpy(&dbl, vec_xmm(cpu, 8), 8);
    g_assert_cmpfloat(dbl, ==, 11);
    /* MOVMSKPS R15D clears the upper half */
    cpu->regs[GPR_R15] = ~UINT64_C(0);
    g_assert_cmpint(STEP(g, 0x45, 0x0f, 0x50, 0xf9), ==, STEP_OK);
    g_assert_cmphex(cpu->regs[GPR_R15], ==, 0);
    /* FS:[RIP + disp32] and a prefix that must go */
    cpu->seg[SEG_FS].base = 0x100;
    cpu->regs[GPR_PAGE] = GUEST_MEMORY;
    set_floats(g->memory + 0x300, 5, 5, 5, 5);
    memset(vec_xmm(cpu, 0), 0, 16);
    guest_decode(g, (const uint8_t[16]){0x64, 0x0f, 0x58, 0x05, 0xf8, 1, 0, 0}, 16);
    g_assert_cmpint(guest_run(g), ==, STEP_OK);
    memcpy(v, vec_xmm(cpu, 0), 16);
    g_assert_cmpfloat(v[2], ==, 5);
    /*
     * 32-bit code: VEX.W and VEX.vvvv[3] do not count: VCVTSI2SD XMM0, XMM1 (9 in 64-bit mode), EAX
     */
    cpu->mode = CPU_MODE_CS32 | CPU_MODE_FLAT;
    cpu->regs[GPR_RAX] = 7;
    if (cpu->vec->host_avx && STEP(g, 0xc4, 0xe1, 0xf3, 0x2a, 0xc0) != STEP_BAD_ENCODING) {
        memcpy(&dbl, vec_xmm(cpu, 0), 8);
        g_assert_cmpfloat(dbl, ==, 7);
        /* and 32 bits of memory: VCVTSI2SD XMM0, XMM1, [ESI] */
        cpu->regs[GPR_RSI] = GUEST_MEMORY;
        memcpy(g->memory, "\x09\0\0\0\1\1\1\1", 8);
        memset(cpu->vec->scratch, 0x55, 8);
        g_assert_cmpint(STEP(g, 0xc4, 0xe1, 0xf3, 0x2a, 0x06), ==, STEP_OK);
        memcpy(&dbl, vec_xmm(cpu, 0), 8);
        g_assert_cmpfloat(dbl, ==, 9);
    }
    guest_free(g);
}

/* Elements that the mask leaves out may lie in memory that is not there. */
static void test_fault_suppression(void)
{
    Guest *g = guest_new();
    Cpu *cpu = g->cpu;
    uint64_t k = 0x000f;

    if (!cpu->vec->host_avx512) {
        g_test_skip("host without AVX-512");
        guest_free(g);
        return;
    }
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    cpu->regs[GPR_RSI] = END - 16;
    /* VMOVDQU32 ZMM0{K1}{z}, [RSI] */
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x7e, 0xc9, 0x6f, 0x06), ==, STEP_OK);
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x7e, 0x49, 0x7f, 0x06), ==, STEP_OK); /* store */
    /* VADDPS ZMM0{K1}, ZMM1, [RSI] */
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x74, 0x49, 0x58, 0x06), ==, STEP_OK);
    k = 0x8080;
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    /* VPCOMPRESSD [RSI]{K1}: two elements */
    g_assert_cmpint(STEP(g, 0x62, 0xf2, 0x7d, 0x49, 0x8b, 0x06), ==, STEP_OK);
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x7e, 0x49, 0x7f, 0x06), ==, VEC_PF);
    k = 0;
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    cpu->regs[GPR_RSI] = END;
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x7e, 0x49, 0x7f, 0x06), ==, STEP_OK);
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0x74, 0x59, 0x58, 0x06), ==, STEP_OK); /* broadcast */
    k = 0xc; /* beyond VCVTPD2PS XMM0{K1}, [RSI]{1to2}, whose result is half a register */
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    g_assert_cmpint(STEP(g, 0x62, 0xf1, 0xfd, 0x19, 0x5a, 0x06), ==, STEP_OK);
    /* VFPCLASSPS K2{K1}, [RSI]{1to16}, 1: which of two elements is a quiet NaN, both are */
    cpu->regs[GPR_RSI] = GUEST_MEMORY;
    memcpy(g->memory, "\0\0\xc0\x7f", 4);
    g_assert_cmpint(STEP(g, 0x62, 0xf3, 0x7d, 0x59, 0x66, 0x16, 0x01), ==, STEP_OK);
    memcpy(&k, cpu->xstate + XSTATE_OPMASK + 16, 8);
    g_assert_cmphex(k, ==, 0xc);
    k = 0;
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    cpu->regs[GPR_RSI] = END;
    /* types E4NF and E6NF: VCVTNE2PS2BF16 ZMM0{K1}, ZMM1, [RSI]; VEXTRACTI32X4 [RSI]{K1}, ZMM2, 3 */
    g_assert_cmpint(STEP(g, 0x62, 0xf2, 0x77, 0x49, 0x72, 0x06), ==, VEC_PF);
    g_assert_cmpint(STEP(g, 0x62, 0xf3, 0x7d, 0x49, 0x39, 0x16, 0x03), ==, VEC_PF);
    cpu->regs[GPR_RSI] = END - 16;
    k = 2;
    memcpy(cpu->xstate + XSTATE_OPMASK + 8, &k, 8);
    memset(g->memory + GUEST_MEMORY_SIZE - 16, 0x5a, 16);
    memset(vec_xmm(cpu, 2), 0x11, 16);
    g_assert_cmpint(STEP(g, 0x62, 0xf3, 0x7d, 0x49, 0x39, 0x16, 0x00), ==, STEP_OK);
    g_assert_cmphex(g->memory[GUEST_MEMORY_SIZE - 13], ==, 0x5a);
    g_assert_cmphex(g->memory[GUEST_MEMORY_SIZE - 12], ==, 0x11);
    g_assert_cmphex(g->memory[GUEST_MEMORY_SIZE - 8], ==, 0x5a);
    guest_free(g);
}

static void test_maskmov(void)
{
    Guest *g = guest_new();
    Cpu *cpu = g->cpu;

    for (unsigned i = 0; i < 16; i++) {
        vec_xmm(cpu, 1)[i] = (uint8_t)(i + 1);
        vec_xmm(cpu, 2)[i] = i & 1 ? 0x80 : 0x7f;
    }
    cpu->regs[GPR_RDI] = END - 8;
    g_assert_cmpint(STEP(g, 0x66, 0x0f, 0xf7, 0xca), ==, VEC_PF); /* MASKMOVDQU XMM1, XMM2 */
    g_assert_cmphex(g->memory[GUEST_MEMORY_SIZE - 7], ==, 0);
    cpu->regs[GPR_RDI] = GUEST_MEMORY;
    g_assert_cmpint(STEP(g, 0x66, 0x0f, 0xf7, 0xca), ==, STEP_OK);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(g->memory[i], ==, i & 1 ? i + 1 : 0);
    }
    memset(vec_xmm(cpu, 2), 0, 16);
    cpu->regs[GPR_RDI] = END;
    g_assert_cmpint(STEP(g, 0x66, 0x0f, 0xf7, 0xca), ==, STEP_OK);
    /* VMASKMOVPS XMM3, XMM2, [RSI]: only element 1, the others beyond the end */
    cpu->regs[GPR_RSI] = END - 8;
    vec_xmm(cpu, 2)[7] = 0x80;
    memset(g->memory + GUEST_MEMORY_SIZE - 8, 0x5a, 8);
    g_assert_cmpint(STEP(g, 0xc4, 0xe2, 0x69, 0x2c, 0x1e), ==, STEP_OK);
    g_assert_cmphex(vec_xmm(cpu, 3)[3], ==, 0);
    g_assert_cmphex(vec_xmm(cpu, 3)[4], ==, 0x5a);
    /* MASKMOVQ MM1, MM2 with TOP = 2: MM1 is ST(7), MM2 is ST(0) */
    cpu->xstate[XSTATE_FSW + 1] = 2 << 3;
    memset(cpu->xstate + XSTATE_ST + 16 * 7, 0x33, 8);
    memset(cpu->xstate + XSTATE_ST, 0x80, 8);
    cpu->regs[GPR_RDI] = GUEST_MEMORY + 64;
    g_assert_cmpint(STEP(g, 0x0f, 0xf7, 0xca), ==, STEP_OK);
    g_assert_cmphex(g->memory[64], ==, 0x33);
    g_assert_cmphex(g->memory[71], ==, 0x33);
    g_assert_cmphex(cpu->xstate[XSTATE_FSW + 1], ==, 0);
    g_assert_cmphex(cpu->xstate[XSTATE_ST + 16], ==, 0x33);
    g_assert_cmphex(cpu->xstate[XSTATE_FTW], ==, 0xff);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-vector/control/refusals", test_refusals);
    g_test_add_func("/cpu-vector/control/accesses", test_accesses);
    g_test_add_func("/cpu-vector/control/readonly", test_readonly);
    g_test_add_func("/cpu-vector/control/mxcsr", test_mxcsr);
    g_test_add_func("/cpu-vector/control/x87-exceptions", test_x87_exceptions);
    g_test_add_func("/cpu-vector/control/x87-environment", test_x87_environment);
    g_test_add_func("/cpu-vector/control/rewriting", test_rewriting);
    g_test_add_func("/cpu-vector/control/fault-suppression", test_fault_suppression);
    g_test_add_func("/cpu-vector/control/maskmov", test_maskmov);
    return g_test_run();
}
