/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every opcode of the vector maps, with random operands, against the host executing the same bytes:
 * once as the host would run it (C handlers and thunks), once with everything above SSE2 in plain
 * C.
 *
 * SWTDX_TEST_FORM_CASES: at least so many states in all for each opcode that there is;
 * SWTDX_TEST_SEED: another seed.
 */
#include "guest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SEED 0x7d5eed01u

typedef struct Native {
    VecFrame frame;
    uint8_t *code;
    _Alignas(64) uint8_t xstate[CPU_XSTATE_SIZE];
    _Alignas(64) uint8_t memory[128];
} Native;

static uint64_t rng_state = SEED;
static uint64_t seed = SEED;

static uint64_t rnd(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* Random bits, with floating point values worth meeting mixed in */
static void fill(uint8_t *p, size_t n)
{
    static const uint32_t singles[] = {0, 0x80000000, 0x3f800000, 0xbf000000, 0x7f800000,
                                       0xff800000, 0x7fc00000, 0x7f800001,
                                       1, 0x807fffff, 0x00800000, 0x4b000001, 0x3fc00000,
                                       0x40200000, 0x7f7fffff};
    static const uint64_t doubles[] = {0, UINT64_C(1) << 63, 0x3ff0000000000000, 0xbfe0000000000000,
                                       0x7ff0000000000000,
                                       0x7ff8000000000000, 0x7ff0000000000001, 1,
                                       0x4004000000000000, 0x4330000000000001};
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t v = rnd() ^ rnd() << 32;
        switch (rnd() % 5) {
        case 0:
            v = singles[rnd() % G_N_ELEMENTS(singles)] |
                (uint64_t)singles[rnd() % G_N_ELEMENTS(singles)] << 32;
            break;
        case 1:
            v = doubles[rnd() % G_N_ELEMENTS(doubles)];
            break;
        case 2: /* small elements: string compares, shift counts, indices */
            v &= 0x0303030303030303;
            break;
        default:
            break;
        }
        memcpy(p + i, &v, 8);
    }
}

static void randomize(Guest *g)
{
    Cpu *cpu = g->cpu;
    uint16_t fcw = (uint16_t)(0x7f | (rnd() & 0xf00)),
             fsw = (uint16_t)((rnd() & 7) << 11 | (rnd() & 0x4700));

    fill(cpu->xstate + XSTATE_XMM, 256);
    fill(cpu->xstate + XSTATE_YMMH, 256);
    fill(cpu->xstate + XSTATE_OPMASK, CPU_XSTATE_SIZE - XSTATE_OPMASK - 128);
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, 2);
    memcpy(cpu->xstate + XSTATE_FSW, &fsw, 2);
    cpu->xstate[XSTATE_FTW] = (uint8_t)rnd();
    for (unsigned i = 0; i < 8; i++) {
        long double values[] = {1.5L, -2.25L, 0.0L, 1e300L, 3.0L, -0.75L, 1234567.0L, 1e-4900L};
        long double v = values[rnd() % 8];
        memset(cpu->xstate + XSTATE_ST + 16 * i, 0, 16);
        memcpy(cpu->xstate + XSTATE_ST + 16 * i, &v, 10);
    }
    vec_set_mxcsr(cpu, MXCSR_INIT | (uint32_t)(rnd() & 0x603f) | (rnd() % 4 == 0 ? 0x8040 : 0));
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs[i] = rnd() % 2 ? rnd() % 24 : rnd() << 20 ^ rnd();
    }
    cpu->regs[GPR_RSI] = GUEST_MEMORY + 512;
    cpu->rflags = 2 | (rnd() & FLAG_ARITH);
    fill(g->memory + 448, 256);
}

/* Another state of the same instruction: some of each kind of register, and memory. */
static void perturb(Guest *g)
{
    Cpu *cpu = g->cpu;

    for (unsigned i = 0; i < 8; i++) {
        fill(cpu->xstate + XSTATE_XMM + (rnd() & 0xf0), 16);
        fill(cpu->xstate + XSTATE_YMMH + (rnd() & 0xf0), 16);
    }
    if (cpu->vec->host_avx512) {
        fill(cpu->xstate + XSTATE_OPMASK, 64);
        for (unsigned i = 0; i < 4; i++) {
            fill(cpu->xstate + XSTATE_ZMMH + (rnd() & 0x1e0), 32);
            fill(cpu->xstate + XSTATE_HI16_ZMM + (rnd() & 0x3c0), 64);
        }
    }
    uint16_t fcw = (uint16_t)(0x7f | (rnd() & 0xf00)),
             exponent = (uint16_t)(0x3fff + rnd() % 64 - 32);
    memcpy(cpu->xstate + XSTATE_FCW, &fcw, 2);
    uint8_t *st = cpu->xstate + XSTATE_ST + (rnd() & 0x70);
    fill(st, 8);
    st[7] |= 0x80; /* a number, not an unnormal */
    memcpy(st + 8, &exponent, 2);
    cpu->regs[rnd() % 3] = rnd() << 20 ^ rnd();
    cpu->rflags = 2 | (rnd() & FLAG_ARITH);
    fill(g->memory + 512, 64);
}

static bool uses_foreign_gpr(const Decoded *d)
{
    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        const ZydisDecodedOperand *o = &d->operand[i];
        if (vec_is_gpr(o) && ZydisRegisterGetId(o->reg.value) > 2) {
            return true;
        }
    }
    return false;
}

/* What cannot be run here as it stands, or is tested elsewhere */
static bool skipped(const Decoded *d)
{
    switch (d->insn.mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
        return true;
    default:
        return d->memory < ZYDIS_MAX_OPERAND_COUNT &&
               d->operand[d->memory].mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    }
}

/*
 * W counts only in 64-bit code when a general register is involved; VZEROUPPER and VZEROALL clear 8
 * or 16 registers; is4 selects one of 8 or 16.
 */
static bool differs_by_mode(const Decoded *d)
{
    bool w = d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX    ? d->insn.raw.vex.W
             : d->insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ? d->insn.raw.evex.W : 0;
    bool gpr = d->memory < ZYDIS_MAX_OPERAND_COUNT; /* VPINSRQ from memory is VPINSRD */

    for (unsigned i = 0; i < d->insn.operand_count; i++) {
        gpr |= vec_is_gpr(&d->operand[i]);
        if (d->operand[i].encoding == ZYDIS_OPERAND_ENCODING_IS4) {
            return true;
        }
    }
    return (w && gpr) || d->insn.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER ||
           d->insn.mnemonic == ZYDIS_MNEMONIC_VZEROALL;
}

static bool host_runs(const Guest *g)
{
    const VecState *vec = g->cpu->vec;
    VecFeatures f;

    if (!vec_features(&g->d.insn, &f)) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (f.feature[i] == VEC_FEATURE_NEVER || !vec_host_has(vec, f.feature[i])) {
            return false;
        }
    }
    if (g->d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
        g->d.insn.meta.isa_ext != ZYDIS_ISA_EXT_AVX512VEX) {
        return vec->host_avx;
    }
    return g->d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY || vec->host_avx512;
}

static void run_native(Native *n, const Guest *g, const uint8_t *bytes)
{
    Cpu *cpu = g->cpu;
    VecFrame *f = &n->frame;
    uint32_t guest = vec_mxcsr(cpu);

    memcpy(n->code, bytes, g->d.insn.length);
    n->code[g->d.insn.length] = 0xc3;
    memcpy(n->xstate, cpu->xstate, CPU_XSTATE_SIZE);
    memcpy(n->memory, g->memory + 512, sizeof(n->memory));
    f->rax = cpu->regs[GPR_RAX];
    f->rcx = cpu->regs[GPR_RCX];
    f->rdx = cpu->regs[GPR_RDX];
    f->rflags = 0x202 | (cpu->rflags & FLAG_ARITH);
    f->xstate = n->xstate;
    f->scratch = n->memory;
    f->code = n->code;
    f->mxcsr_in = guest;
    if (g->d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
        vec_run_fpu(f);
    } else if (cpu->vec->host_avx512) {
        vec_run_avx512(f);
    } else {
        vec_run_avx(f);
    }
}

static uint64_t compared_flags(const ZydisDecodedInstruction *insn)
{
    if (!insn->cpu_flags) {
        return 0;
    }
    return FLAG_ARITH & ~(uint64_t)insn->cpu_flags->undefined;
}

static void report(const Guest *g, const uint8_t *bytes, const char *what, unsigned at)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < g->d.insn.length; i++) {
        g_string_append_printf(s, "%02x ", bytes[i]);
    }
    g_test_message("%s: %s(%s at %u)", ZydisMnemonicGetString(g->d.insn.mnemonic), s->str, what,
                   at);
    g_string_free(s, TRUE);
}

/* All but pointers, padding and what is reserved. */
static bool same_xstate(const uint8_t *a, const uint8_t *b)
{
    bool same = !memcmp(a, b, XSTATE_FOP) && !memcmp(a + XSTATE_XMM, b + XSTATE_XMM, 256) &&
                !memcmp(a + XSTATE_YMMH, b + XSTATE_YMMH, XSTATE_PKRU - XSTATE_YMMH);

    for (unsigned at = XSTATE_ST; at < XSTATE_XMM; at += 16) {
        same &= !memcmp(a + at, b + at, 10);
    }
    return same;
}

static bool same_state(const Guest *g, const Native *n, const uint8_t *bytes)
{
    const Cpu *cpu = g->cpu;
    uint32_t mxcsr = vec_mxcsr(cpu);
    bool same = same_xstate(cpu->xstate, n->xstate);

    for (unsigned i = 0; !same && i < XSTATE_PKRU; i++) {
        bool pointers = i >= XSTATE_FOP && i < XSTATE_ST;
        bool padding = i >= XSTATE_ST && i < XSTATE_XMM && (i & 15) >= 10;
        bool reserved = i >= 416 && i < XSTATE_YMMH;
        if (!pointers && !padding && !reserved && cpu->xstate[i] != n->xstate[i]) {
            report(g, bytes, "state differs", i);
            return false;
        }
    }
    if (mxcsr != n->frame.mxcsr_out) {
        report(g, bytes, "MXCSR differs", mxcsr ^ n->frame.mxcsr_out);
        return false;
    }
    if (memcmp(n->memory, g->memory + 512, sizeof(n->memory)) != 0) {
        report(g, bytes, "memory differs", 0);
        return false;
    }
    if (cpu->regs[GPR_RAX] != n->frame.rax || cpu->regs[GPR_RCX] != n->frame.rcx ||
        cpu->regs[GPR_RDX] != n->frame.rdx) {
        report(g, bytes, "registers differ", 0);
        return false;
    }
    uint64_t flags = compared_flags(&g->d.insn);
    if ((cpu->rflags ^ n->frame.rflags) & flags) {
        report(g, bytes, "flags differ", (unsigned)((cpu->rflags ^ n->frame.rflags) & flags));
        return false;
    }
    return true;
}

/* narrow: an encoding that means the same in 32-bit and 64-bit code */
static unsigned build(uint8_t *out, bool narrow, unsigned encoding, unsigned map, unsigned pp,
                      unsigned opcode)
{
    static const uint8_t prefix[4] = {0, 0x66, 0xf3, 0xf2};
    unsigned n = 0;
    uint8_t modrm = (uint8_t)rnd();

    switch (encoding) {
    case 0:
        if (prefix[pp]) {
            out[n++] = prefix[pp];
        }
        if (!narrow && rnd() % 3 == 0) {
            out[n++] = (uint8_t)(0x40 | (rnd() & 15));
        }
        if (map == 0) {
            opcode = 0xd8 | (opcode & 7);
        } else {
            out[n++] = 0x0f;
            if (map > 1) {
                out[n++] = map == 2 ? 0x38 : 0x3a;
            }
        }
        break;
    case 1:
        out[n++] = 0xc4;
        out[n++] = (uint8_t)((narrow ? 0xe0 : rnd() & 0xe0) | map);
        out[n++] = (uint8_t)((rnd() & 0xfc) | (narrow ? 0x40 : 0) | pp);
        break;
    default:
        out[n++] = 0x62;
        out[n++] = (uint8_t)((narrow ? 0xf0 : rnd() & 0xf0) | map);
        out[n++] = (uint8_t)((rnd() & 0xf8) | (narrow ? 0x44 : 4) | pp);
        out[n++] = (uint8_t)(rnd() | (narrow ? 8 : 0));
        break;
    }
    out[n++] = (uint8_t)opcode;
    if (rnd() & 1) {
        modrm = (modrm & 0x38) | 6; /* [RSI] */
        if (encoding == 1) {
            out[1] |= 0x60;
        } else if (encoding == 2) {
            out[1] |= 0x60;
        } else if (n >= 2) {
            for (unsigned i = 0; i < n; i++) {
                if ((out[i] & 0xf0) == 0x40 && i + 1 < n) {
                    out[i] &= 0xfc;
                    break;
                }
            }
        }
    } else {
        modrm |= 0xc0;
    }
    out[n++] = modrm;
    for (unsigned i = 0; i < 4; i++) {
        out[n + i] = (uint8_t)rnd(); /* immediate */
    }
    return n + 4;
}

#define MAX_WRONG 20 /* then a sweep ends */

typedef struct Totals {
    uint64_t compared;
    unsigned not_done, wrong;
} Totals;

static void one_state(Guest *g, Native *n, const uint8_t *bytes, Totals *t)
{
    run_native(n, g, bytes);
    int r = guest_run(g);
    t->compared++;
    if (r != STEP_OK) {
        report(g, bytes, "raised", (unsigned)r);
        t->wrong++;
    } else if (!same_state(g, n, bytes)) {
        t->wrong++;
    }
}

static void one_case(Guest *g, Native *n, unsigned encoding, unsigned map, unsigned pp,
                     unsigned opcode, unsigned states, Totals *t)
{
    uint8_t bytes[16];
    bool narrow = !(g->cpu->mode & CPU_MODE_CS64);
    unsigned len = build(bytes, narrow, encoding, map, pp, opcode);
    int r;

    randomize(g);
    r = guest_decode(g, bytes, len);
    if (r == STEP_BAD_ENCODING || uses_foreign_gpr(&g->d) || skipped(&g->d) || !host_runs(g) ||
        (narrow && differs_by_mode(&g->d))) {
        return;
    }
    if (g->d.memory < ZYDIS_MAX_OPERAND_COUNT &&
        ((g->d.operand[g->d.memory].mem.base != ZYDIS_REGISTER_RSI &&
          g->d.operand[g->d.memory].mem.base != ZYDIS_REGISTER_ESI) || g->d.insn.raw.disp.size ||
         (g->d.insn.attributes & ZYDIS_ATTRIB_HAS_SIB))) {
        return;
    }
    if (r != STEP_OK) {
        /* of what is not SSE ... SSE4.2, AES, PCLMULQDQ, SHA there is no portable form */
        if (!g->cpu->vec->portable ||
            (encoding == 0 && g->d.insn.meta.isa_set != ZYDIS_ISA_SET_GFNI)) {
            report(g, bytes, "not done", 0);
            t->not_done++;
        }
        return;
    }
    one_state(g, n, bytes, t);
    for (unsigned i = 1; i < states && t->wrong < MAX_WRONG; i++) {
        perturb(g);
        one_state(g, n, bytes, t);
    }
}

/*
 * Gathers and scatters: indices are kept small, so that every element lies in the 128 bytes that
 * both sides have
 */
static void one_vsib(Guest *g, Native *n, bool evex, unsigned opcode, Totals *t)
{
    unsigned index = (unsigned)rnd() & 7, w = (unsigned)rnd() & 1, reg = (unsigned)rnd() & 7,
             vvvv = (unsigned)rnd() & 7;
    uint8_t bytes[16] = {0xc4, 0xe2, (uint8_t)(w << 7 | (15 - vvvv) << 3 | (rnd() & 1) << 2 | 1)};
    unsigned len = 3;
    int r;

    if (evex) {
        bytes[0] = 0x62;
        bytes[1] = 0xf2;
        bytes[2] = (uint8_t)(w << 7 | 0x7d);
        bytes[3] = (uint8_t)((rnd() % 3) << 5 | 8 | (1 + rnd() % 7));
        len = 4;
    }
    bytes[len++] = (uint8_t)opcode;
    bytes[len++] = (uint8_t)(reg << 3 | 4);
    bytes[len++] = (uint8_t)((rnd() & 3) << 6 | index << 3 | 6);
    randomize(g);
    for (unsigned i = 0; i < 16; i++) {
        uint32_t v = (opcode & 1) && (i & 1) ? 0 : (uint32_t)rnd() % 15;
        unsigned at = i < 4   ? XSTATE_XMM + 16 * index + 4 * i
                      : i < 8 ? XSTATE_YMMH + 16 * index + 4 * (i - 4)
                              : XSTATE_ZMMH + 32 * index + 4 * (i - 8);
        memcpy(g->cpu->xstate + at, &v, 4);
    }
    r = guest_decode(g, bytes, len);
    if (r == STEP_BAD_ENCODING || !host_runs(g)) {
        return;
    }
    run_native(n, g, bytes);
    t->compared++;
    if (r != STEP_OK || guest_run(g) != STEP_OK || !same_state(g, n, bytes)) {
        report(g, bytes, "wrong", 0);
        t->wrong++;
    }
}

static void test_vsib(void)
{
    static Native n;
    Guest *g = guest_new();
    Totals t = {0};

    n.code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0);
    g_assert_true(n.code != MAP_FAILED);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned store = i & 4 ? 0xa0 : 0x90;
        one_vsib(g, &n, store == 0xa0 || (i & 8), store | (i & 3), &t);
    }
    munmap(n.code, 4096);
    g_test_message("seed %#" PRIx64 ": %" PRIu64 " compared, %u wrong", seed, t.compared, t.wrong);
    g_assert_cmpuint(t.wrong, ==, 0);
    guest_free(g);
}

static void sweep(Guest *g, unsigned encoding, unsigned rounds, unsigned states, Totals *t)
{
    static Native n;

    n.code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0);
    g_assert_true(n.code != MAP_FAILED);
    for (unsigned map = encoding ? 1 : 0; map <= 3; map++) {
        for (unsigned pp = 0; pp < (map ? 4 : 1); pp++) {
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                for (unsigned i = 0; i < rounds && t->wrong < MAX_WRONG; i++) {
                    one_case(g, &n, encoding, map, pp, opcode, states, t);
                }
            }
        }
    }
    munmap(n.code, 4096);
    g_test_message("seed %#" PRIx64 ": %" PRIu64 " compared, %u not done, %u wrong", seed,
                   t->compared, t->not_done, t->wrong);
}

static void test_sweep(gconstpointer data)
{
    unsigned encoding = GPOINTER_TO_UINT(data) & 3;
    bool portable = GPOINTER_TO_UINT(data) & 4;
    Guest *g = guest_new();
    Totals t = {0};

    guest_enable_tlb(g, true);
    vec_set_portable(g->cpu, portable);
    if (GPOINTER_TO_UINT(data) & 8) {
        g->cpu->mode = CPU_MODE_CS32 | CPU_MODE_FLAT | CPU_MODE_LONG;
    }
    const char *wanted = g_getenv("SWTDX_TEST_FORM_CASES");
    unsigned rounds = g_test_thorough() ? 400 : portable ? 16 : 10;
    sweep(g, encoding, rounds, wanted ? MAX((unsigned)strtoul(wanted, NULL, 0) / rounds, 1) : 1,
          &t);
    g_assert_cmpuint(t.wrong, ==, 0);
    g_assert_cmpuint(t.not_done, ==, 0);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    const char *text = g_getenv("SWTDX_TEST_SEED");
    rng_state = seed = text ? strtoull(text, NULL, 0) | 1 : SEED;
    g_test_add_data_func("/cpu-vector/native/legacy", GUINT_TO_POINTER(0), test_sweep);
    g_test_add_data_func("/cpu-vector/native/vex", GUINT_TO_POINTER(1), test_sweep);
    g_test_add_data_func("/cpu-vector/native/evex", GUINT_TO_POINTER(2), test_sweep);
    g_test_add_data_func("/cpu-vector/native/legacy-32-bit", GUINT_TO_POINTER(8), test_sweep);
    g_test_add_data_func("/cpu-vector/native/vex-32-bit", GUINT_TO_POINTER(9), test_sweep);
    g_test_add_data_func("/cpu-vector/native/evex-32-bit", GUINT_TO_POINTER(10), test_sweep);
    g_test_add_data_func("/cpu-vector/portable/legacy", GUINT_TO_POINTER(4), test_sweep);
    g_test_add_data_func("/cpu-vector/portable/vex", GUINT_TO_POINTER(5), test_sweep);
    g_test_add_func("/cpu-vector/native/gather", test_vsib);
    return g_test_run();
}
