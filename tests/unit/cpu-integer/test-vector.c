/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector instructions in host code against their handlers: short programs of random instructions,
 * in loops and not, with random MXCSR and operands, run in both ways from the same state. That the
 * handlers do what the host does is cpu-vector-native's matter.
 *
 * SWTDX_TEST_PROGRAMS: how many; SWTDX_TEST_SEED: another seed.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "swtdx/host/cpu/vector.h"

#define PROGRAMS 3000u
#define ROOM 0x200u       /* bytes of a program */
#define DATA_SIZE 0x3000u /* compared */
#define MAX_INSNS 12u

static uint64_t rng = 0x5eed;

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

typedef struct Program {
    uint8_t bytes[ROOM];
    unsigned length;
} Program;

typedef struct State {
    uint64_t regs[16];
    uint64_t rflags, cr0, cr4;
    uint8_t xstate[CPU_XSTATE_SIZE];
    uint8_t data[DATA_SIZE];
} State;

/* ---- instructions ---- */

static unsigned put_legacy(uint8_t *p)
{
    static const uint8_t prefix[4] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned n = 0, pp = rnd() & 3, map = rnd() % 4;
    if (pp != 0) {
        p[n++] = prefix[pp];
    }
    if (rnd() & 1) {
        p[n++] = (uint8_t)(0x40 | (rnd() & 15));
    }
    p[n++] = 0x0f;
    if (map > 1) {
        p[n++] = map == 2 ? 0x38 : 0x3a;
    }
    return n;
}

static unsigned put_vex(uint8_t *p)
{
    p[0] = 0xc4;
    p[1] = (uint8_t)((rnd() & 0xe0) | (1 + rnd() % 3));
    p[2] = (uint8_t)rnd();
    return 3;
}

static unsigned put_evex(uint8_t *p)
{
    p[0] = 0x62;
    p[1] = (uint8_t)((rnd() & 0xf0) | (1 + rnd() % 3));
    p[2] = (uint8_t)(rnd() | 4);
    p[3] = (uint8_t)(rnd() & (rnd() & 1 ? 0xf8 : 0xff));
    return 4;
}

typedef enum HostSets { HOST_SSE, HOST_AVX, HOST_AVX512 } HostSets;

/* Memory is [RSI] and a small displacement. */
static unsigned put_random(uint8_t *p, HostSets host)
{
    unsigned how = rnd() % (host == HOST_SSE ? 2 : host == HOST_AVX ? 4 : 5);
    unsigned n = how < 2 ? put_legacy(p) : how < 4 ? put_vex(p) : put_evex(p);
    p[n++] = (uint8_t)rnd();
    uint8_t modrm = (uint8_t)rnd();
    if (rnd() & 1) {
        p[n++] = (modrm & 0x38) | 0x46;
        p[n++] = (uint8_t)(rnd() & (rnd() % 4 ? 0x70 : 0x7f));
    } else {
        p[n++] = modrm | 0xc0;
    }
    for (unsigned i = 0; i < 4; i++) {
        p[n++] = (uint8_t)rnd();
    }
    return n;
}

static bool is_fit(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operand)
{
    VecFeatures f;
    bool control = insn->mnemonic == ZYDIS_MNEMONIC_LDMXCSR ||
                   insn->mnemonic == ZYDIS_MNEMONIC_STMXCSR;
    if ((!vec_features(insn, &f) && !control) || insn->meta.isa_ext == ZYDIS_ISA_EXT_AMX_TILE) {
        return false;
    }
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const ZydisDecodedOperand *o = &operand[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (o->mem.base != ZYDIS_REGISTER_RSI || o->mem.type != ZYDIS_MEMOP_TYPE_MEM)) {
            return false;
        }
        unsigned id = vec_is_gpr(o) ? (unsigned)ZydisRegisterGetId(o->reg.value) : 0;
        if (id == GPR_RBX || id == GPR_RSP || id == GPR_RSI) {
            return false;
        }
    }
    return true;
}

/* One that is of the vector families; its length. */
static unsigned put_instruction(uint8_t *p, HostSets host)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (;;) {
        unsigned n = put_random(p, host);
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, p, n, &insn, operand)) &&
            is_fit(&insn, operand)) {
            return insn.length;
        }
    }
}

/* Host code has scalars, moves and comparisons more often than chance. */
static unsigned put_usual(uint8_t *p)
{
    static const uint8_t opcodes[] = { 0x10, 0x11, 0x28, 0x29, 0x2a, 0x2c, 0x2d, 0x2e, 0x2f,
                                       0x51, 0x54, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e,
                                       0x5f, 0x6e, 0x6f, 0x70, 0x7e, 0x7f, 0xae, 0xc6, 0xef, 0xfe };
    static const uint8_t prefix[4] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned n = 0, pp = rnd() & 3;
    if (pp != 0) {
        p[n++] = prefix[pp];
    }
    if (rnd() % 4 == 0) {
        p[n++] = (uint8_t)(0x40 | (rnd() & 14));
    }
    p[n++] = 0x0f;
    p[n++] = opcodes[rnd() % G_N_ELEMENTS(opcodes)];
    if (rnd() % 3 == 0) {
        p[n++] = (uint8_t)((rnd() & 0x38) | 0x46);
        p[n++] = (uint8_t)(rnd() & 0x70);
    } else {
        p[n++] = (uint8_t)(0xc0 | (rnd() & 0x3f));
    }
    p[n++] = (uint8_t)rnd();
    ZydisDecoder decoder;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, p, n, &insn, operand)) &&
                   is_fit(&insn, operand)
               ? insn.length
               : 0;
}

/* What stands between: arithmetic, uses of flags, another load. */
static unsigned put_integer(uint8_t *p, HostSets host)
{
    static const uint8_t some[][5] = {
        { 3, 0x48, 0xff, 0xc7 },       /* inc rdi */
        { 4, 0x41, 0x0f, 0x90, 0xc1 }, /* seto r9b */
        { 3, 0x48, 0x11, 0xd7 },       /* adc rdi, rdx */
        { 3, 0x48, 0x03, 0x3e },       /* add rdi, [rsi] */
        { 2, 0x31, 0xff },             /* xor edi, edi */
        { 3, 0x0f, 0x9a, 0xc2 },       /* setp dl */
        { 3, 0xc5, 0xf8, 0x77 },       /* vzeroupper */
    };
    const uint8_t *one = some[rnd() % (G_N_ELEMENTS(some) - (host == HOST_SSE))];
    memcpy(p, one + 1, one[0]);
    return one[0];
}

/* mov ebx, rounds; again: ...; sub ebx, 1; jnz again; hlt */
static void make_program(Program *p, HostSets host)
{
    uint8_t *at = p->bytes;
    unsigned count = 1 + rnd() % MAX_INSNS;
    bool loop = rnd() % 3 != 0, usual = rnd() & 1;
    *at++ = 0xbb;
    uint32_t rounds = 4;
    memcpy(at, &rounds, 4);
    at += 4;
    *at++ = 0xeb; /* jmp again: a block of its own */
    *at++ = 0;
    uint8_t *again = at;
    for (unsigned i = 0; i < count; i++) {
        at += rnd() % 6 == 0 ? put_integer(at, host)
              : usual        ? put_usual(at)
                             : put_instruction(at, host);
    }
    if (loop) {
        static const uint8_t sub[] = { 0x83, 0xeb, 0x01, 0x0f, 0x85 };
        memcpy(at, sub, sizeof(sub));
        at += sizeof(sub);
        int32_t back = (int32_t)(again - (at + 4));
        memcpy(at, &back, 4);
        at += 4;
    }
    *at++ = 0xf4;
    p->length = (unsigned)(at - p->bytes);
    g_assert_cmpuint(p->length, <=, ROOM);
}

/* ---- states ---- */

static void fill(uint8_t *p, size_t n)
{
    static const uint64_t values[] = {
        0, UINT64_C(1) << 63, 0x3ff0000000000000, 0xbfe0000000000000, 0x7ff0000000000000,
        0x7ff8000000000000, 0x7ff0000000000001, 1, 0x4004000000000000, 0x4330000000000001,
        0x3f8000003f800000, 0x7f800001ff800000, 0x00000001807fffff, 0x0010000000000000 };
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t v = rnd() % 2 ? values[rnd() % G_N_ELEMENTS(values)] : rnd() ^ rnd() << 32;
        memcpy(p + i, &v, 8);
    }
}

static void make_state(State *s)
{
    static const uint32_t masks[] = { 0x1f80, 0x1f80, 0x1f80, 0x1f80,
                                      0x9fc0, 0x7f80, 0x1f00, 0x0f80 };
    uint32_t mxcsr = masks[rnd() % G_N_ELEMENTS(masks)] | (rnd() % 4 ? 0 : rnd() & 0x603f);
    uint16_t fcw = 0x37f;
    memset(s->xstate, 0, sizeof(s->xstate));
    fill(s->xstate + XSTATE_XMM, 256);
    fill(s->xstate + XSTATE_YMMH, 256);
    fill(s->xstate + XSTATE_OPMASK, 64);
    if (rnd() & 1) {
        fill(s->xstate + XSTATE_ZMMH, 512);
        fill(s->xstate + XSTATE_HI16_ZMM, 1024);
    }
    memcpy(s->xstate + XSTATE_FCW, &fcw, 2);
    memcpy(s->xstate + XSTATE_MXCSR, &mxcsr, 4);
    for (unsigned i = 0; i < 16; i++) {
        s->regs[i] = rnd() % 2 ? rnd() % 24 : rnd() << 20 ^ rnd();
    }
    s->regs[GPR_RSI] = GUEST_DATA + (rnd() % 4 ? 0x800 : rnd() % 2 ? 0xfc0 : 0x7f1);
    s->regs[GPR_RSP] = 0x1f0000;
    s->rflags = 2 | (rnd() & FLAG_ARITH);
    s->cr0 = 0x80050033 | (rnd() % 64 == 0 ? CR0_TS : 0);
    s->cr4 = 0x6e0 | (rnd() % 8 == 0 ? 0 : CR4_OSXSAVE);
    fill(s->data, sizeof(s->data));
}

typedef struct Machine {
    Guest g;
    CpuExit exit;
    State end;
} Machine;

static void run(Machine *m, const State *s, uint64_t rip, uint64_t xcr0)
{
    Cpu *cpu = m->g.cpu;
    memcpy(cpu->regs, s->regs, sizeof(s->regs));
    memcpy(cpu->xstate, s->xstate, sizeof(s->xstate));
    memcpy(m->g.data, s->data, sizeof(s->data));
    cpu_set_rflags(cpu, s->rflags);
    cpu->cr0 = s->cr0;
    cpu->cr4 = s->cr4;
    cpu->xcr0 = xcr0;
    cpu->cr2 = 0;
    cpu_update_mode(cpu);
    cpu->rip = rip;
    m->exit = cpu_run(cpu);
    memset(&m->end, 0, sizeof(m->end));
    memcpy(m->end.regs, cpu->regs, sizeof(m->end.regs));
    memcpy(m->end.xstate, cpu->xstate, sizeof(m->end.xstate));
    memcpy(m->end.data, m->g.data, sizeof(m->end.data));
    m->end.rflags = cpu_rflags(cpu);
    m->end.cr0 = cpu->rip;
    m->end.cr4 = cpu->raise_vector;
}

static char *text_of(const Program *p)
{
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    GString *s = g_string_new(NULL);
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    for (unsigned at = 0; at < p->length; at += insn.length) {
        char line[128];
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, p->bytes + at, p->length - at, &insn,
                                                 operand))) {
            break;
        }
        ZydisFormatterFormatInstruction(&formatter, &insn, operand, insn.operand_count_visible,
                                        line, sizeof(line), at, NULL);
        g_string_append_printf(s, "%s; ", line);
    }
    return g_string_free(s, FALSE);
}

static bool same(const Machine *a, const Machine *b, const Program *p)
{
    const uint8_t *x = (const uint8_t *)&a->end, *y = (const uint8_t *)&b->end;
    if (a->exit == b->exit && memcmp(x, y, sizeof(State)) == 0) {
        return true;
    }
    size_t at = 0;
    while (at < sizeof(State) && x[at] == y[at]) {
        at++;
    }
    char *text = text_of(p);
    g_test_message("differ at %zu (xstate at %zu, data at %zu; exits %d, %d): %s", at,
                   offsetof(State, xstate), offsetof(State, data), a->exit, b->exit, text);
    g_free(text);
    return false;
}

/* Three runs each: the second and third meet host code from their beginning. */
static bool compare(Machine m[2], const Program *p, uint64_t rip, HostSets host)
{
    State s;
    for (unsigned i = 0; i < 2; i++) {
        memcpy(m[i].g.low + rip, p->bytes, p->length);
    }
    for (unsigned round = 0; round < 3; round++) {
        uint64_t xcr0 = rnd() % 8 == 0 ? 3 : rnd() % 4 == 0 ? 7 : 0xe7;
        make_state(&s);
        /* whether VEX clears what is not enabled is not told */
        if (!(xcr0 & XFEATURE_AVX512) || host != HOST_AVX512) {
            memset(s.xstate + XSTATE_ZMMH, 0, 512);
        }
        run(&m[0], &s, rip, xcr0);
        run(&m[1], &s, rip, xcr0);
        if (!same(&m[0], &m[1], p)) {
            return false;
        }
    }
    return true;
}

/* As if the host had no more than that. */
static void start(Machine m[2], HostSets host)
{
    for (unsigned i = 0; i < 2; i++) {
        guest_init_heat(&m[i].g, i); /* never; at the first entry */
        VecState *vec = m[i].g.cpu->vec;
        vec->host_avx = vec->host_avx && host >= HOST_AVX;
        vec->host_avx512 = vec->host_avx512 && host >= HOST_AVX512;
    }
}

static void stop(Machine m[2])
{
    guest_fini(&m[0].g);
    guest_fini(&m[1].g);
}

static bool host_has(HostSets host)
{
    Machine *m = g_new0(Machine, 2);
    start(m, host);
    bool has = host == HOST_SSE || (host == HOST_AVX ? m[0].g.cpu->vec->host_avx
                                                     : m[0].g.cpu->vec->host_avx512);
    stop(m);
    g_free(m);
    return has;
}

static void test_programs(gconstpointer data)
{
    HostSets host = (HostSets)GPOINTER_TO_UINT(data);
    const char *programs = getenv("SWTDX_TEST_PROGRAMS"), *seed = getenv("SWTDX_TEST_SEED");
    unsigned count = programs != NULL ? (unsigned)atoi(programs) : PROGRAMS, wrong = 0, halted = 0;
    if (!host_has(host)) {
        g_test_skip("the host has no such registers");
        return;
    }
    rng = seed != NULL ? strtoull(seed, NULL, 0) : rng;
    Machine *m = g_new0(Machine, 2);
    const uint64_t end = 0x1c0000;
    uint64_t rip = end;
    for (unsigned i = 0; i < count && wrong < 10; i++) {
        Program p;
        if (rip == end) {
            if (i != 0) {
                stop(m);
            }
            start(m, host);
            rip = GUEST_CODE;
        }
        make_program(&p, host);
        wrong += !compare(m, &p, rip, host);
        halted += m[0].exit == CPU_EXIT_WORLD;
        rip += ROOM;
    }
    stop(m);
    g_free(m);
    g_test_message("%u programs, of which %u got to their end", count, halted);
    g_assert_cmpuint(wrong, ==, 0);
    g_assert_cmpuint(halted, >, count / 4);
}

typedef struct Row {
    const char *name;
    HostSets host;
    uint8_t code[40];
    unsigned length;
    uint32_t mxcsr;
    CpuExit exit;
} Row;

/* Loops of which the beginning, or the leaving, is peculiar: mov ebx, 4 comes before each. */
#define LOOP_END(back) 0x83, 0xeb, 0x01, 0x75, (uint8_t)(back), 0xf4
#define CODE(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
static const Row rows[] = {
    { "above 256 bits is something before the first write", HOST_AVX,
      /* vpaddd ymm0, ymm0, ymm1 */
      CODE(0xc5, 0xfd, 0xfe, 0xc1, LOOP_END(-9)), 0x1f80, CPU_EXIT_WORLD },
    { "a write that a jump passes by", HOST_AVX,
      /* cmp ebx, 9; jb out; vpaddd ymm0, ymm0, ymm1; ...; out: hlt */
      CODE(0x83, 0xfb, 0x09, 0x72, 0x09, 0xc5, 0xfd, 0xfe, 0xc1, LOOP_END(-14)), 0x1f80,
      CPU_EXIT_WORLD },
    { "the same on a host with 512 bits", HOST_AVX512,
      CODE(0x83, 0xfb, 0x09, 0x72, 0x09, 0xc5, 0xfd, 0xfe, 0xc1, LOOP_END(-14)), 0x1f80,
      CPU_EXIT_WORLD },
    { "flags gather in the loop and are stored behind it", HOST_SSE,
      /* divsd xmm0, xmm1; ...; stmxcsr [rsi] */
      CODE(0xf2, 0x0f, 0x5e, 0xc1, 0x83, 0xeb, 0x01, 0x75, 0xf7, 0x0f, 0xae, 0x1e, 0xf4), 0x1f80,
      CPU_EXIT_WORLD },
    { "they are stored in the loop", HOST_SSE,
      /* divsd xmm0, xmm1; stmxcsr [rsi + rbx * 4] */
      CODE(0xf2, 0x0f, 0x5e, 0xc1, 0x0f, 0xae, 0x1c, 0x9e, LOOP_END(-13)), 0x1f80,
      CPU_EXIT_WORLD },
    { "inexact is not masked", HOST_SSE, CODE(0xf2, 0x0f, 0x5e, 0xc1, LOOP_END(-9)), 0x0f80,
      CPU_EXIT_TRIPLE_FAULT },
    { "the loop unmasks it", HOST_SSE,
      /* divsd xmm0, xmm1; ldmxcsr [rsi + 2048] */
      CODE(0xf2, 0x0f, 0x5e, 0xc1, 0x0f, 0xae, 0x96, 0x00, 0x08, 0x00, 0x00, LOOP_END(-16)),
      0x1f80, CPU_EXIT_TRIPLE_FAULT },
    { "rounding changes in the loop", HOST_SSE,
      /* divsd xmm0, xmm1; ldmxcsr [rsi + 2052] */
      CODE(0xf2, 0x0f, 0x5e, 0xc1, 0x0f, 0xae, 0x96, 0x04, 0x08, 0x00, 0x00, LOOP_END(-16)),
      0x1f80, CPU_EXIT_WORLD },
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    const double one = 1, divisor = 3.7; /* inexact each time */
    const uint32_t other[2] = { 0x0f80, 0x7f80 };
    if (!host_has(row->host)) {
        g_test_skip("the host has no such registers");
        return;
    }
    Machine *m = g_new0(Machine, 2);
    Program p = { .length = 5 + row->length };
    State s;
    start(m, row->host);
    memcpy(p.bytes, (const uint8_t[]){ 0xbb, 4, 0, 0, 0 }, 5);
    memcpy(p.bytes + 5, row->code, row->length);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(m[i].g.low + GUEST_CODE, p.bytes, p.length);
    }
    for (unsigned i = 0; i < 4; i++) {
        make_state(&s);
        s.cr0 = 0x80050033;
        s.cr4 = 0x6e0 | CR4_OSXSAVE;
        s.regs[GPR_RSI] = GUEST_DATA;
        memset(s.xstate + XSTATE_ZMMH, 0x5a, 512);
        memcpy(s.xstate + XSTATE_MXCSR, &row->mxcsr, 4);
        memcpy(s.xstate + XSTATE_XMM, &one, 8);
        memcpy(s.xstate + XSTATE_XMM + 16, &divisor, 8);
        memcpy(s.data + 2048, other, 8);
        run(&m[0], &s, GUEST_CODE, 0xe7);
        run(&m[1], &s, GUEST_CODE, 0xe7);
        g_assert_true(same(&m[0], &m[1], &p));
        g_assert_cmpint(m[1].exit, ==, row->exit);
    }
    stop(m);
    g_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/cpu-jit-vector/programs/sse", GUINT_TO_POINTER(HOST_SSE),
                         test_programs);
    g_test_add_data_func("/cpu-jit-vector/programs/avx", GUINT_TO_POINTER(HOST_AVX),
                         test_programs);
    g_test_add_data_func("/cpu-jit-vector/programs/avx512", GUINT_TO_POINTER(HOST_AVX512),
                         test_programs);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *name = g_strdup_printf("/cpu-jit-vector/loop/%s", rows[i].name);
        g_test_add_data_func(name, &rows[i], test_row);
        g_free(name);
    }
    return g_test_run();
}
