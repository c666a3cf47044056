/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks: code that writes itself, instructions across pages, chaining, repeated strings that stop
 * in the middle, 32-bit code.
 */
#include <glib.h>
#include <string.h>

#include "guest.h"
#include "swtdx/host/cpu/block.h"
#include "swtdx/host/cpu/mmu.h"

#define CODE(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static void put(Guest *g, uint64_t at, const uint8_t *bytes, size_t n)
{
    memcpy(g->low + at, bytes, n);
    code_page_discard(g->group, at, n);
}

/* mov byte [rip + n], imm8 of the instruction behind it: takes effect at once */
static void test_self_next(void)
{
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, CODE(0xc6, 0x05, 0x01, 0, 0, 0, 0x55, /* mov byte [rip+1], 55h */
                             0xb0, 0x11,                       /* mov al, 11h */
                             0xf4));
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RAX] & 0xff, ==, 0x55);
    guest_fini(&g);
}

/* A loop whose body increments its own immediate: mov al, imm; inc byte [rip-6]; dec ecx; jnz. */
static void test_self_loop(void)
{
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, CODE(0xb9, 10, 0, 0, 0,                     /* mov ecx, 10 */
                             0xb0, 0x00,                             /* L: mov al, 0 */
                             0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff,     /* inc byte [L+1] */
                             0xff, 0xc9,                             /* dec ecx */
                             0x75, 0xf4,                             /* jnz L */
                             0xf4));
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RAX] & 0xff, ==, 9);
    g_assert_cmpuint(g.cpu->instructions, >=, 30);
    guest_fini(&g);
}

/* Code called, overwritten by a string store, called again. */
static void test_self_string(void)
{
    Guest g;
    guest_init(&g);
    const uint64_t function = GUEST_CODE + 0x1000;
    put(&g, function, CODE(0xff, 0xc3, 0x90, 0x90, 0xc3)); /* inc ebx; nop; nop; ret */
    put(&g, GUEST_CODE, CODE(0xe8, 0xfb, 0x0f, 0, 0,        /* call function */
                             0xb0, 0x90, 0xb9, 2, 0, 0, 0,  /* mov al, nop; mov ecx, 2 */
                             0xf3, 0xaa,                    /* rep stosb */
                             0xe8, 0xed, 0x0f, 0, 0,        /* call function */
                             0xf4));
    g.cpu->regs[GPR_RSP] = 0x80000;
    g.cpu->regs[GPR_RDI] = function;
    g.cpu->regs[GPR_RBX] = 0;
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RBX], ==, 1);
    g_assert_cmphex(g.cpu->regs[GPR_RSP], ==, 0x80000);
    guest_fini(&g);
}

/* mov eax, imm32 at each place around a page's end; then its second half changes. */
static void test_page_crossing(void)
{
    for (unsigned before = 1; before <= 5; before++) {
        Guest g;
        guest_init(&g);
        uint64_t at = GUEST_CODE + 0x1000 - before;
        put(&g, at, CODE(0xb8, 1, 2, 3, 4, 0xf4));
        g_assert_true(guest_run(&g, at));
        g_assert_cmphex(g.cpu->regs[GPR_RAX], ==, 0x04030201);
        g_assert_true(guest_run(&g, at));
        g.low[at + 4] = 0x77; /* without telling: crossing blocks compare their bytes */
        if (before < 5) {
            g_assert_true(guest_run(&g, at));
            g_assert_cmphex(g.cpu->regs[GPR_RAX], ==, 0x77030201);
        }
        guest_fini(&g);
    }
}

/*
 * The second page of an instruction is missing: the access that fails is the second page's, nothing
 * is executed.
 */
static void test_page_crossing_fault(void)
{
    Guest g;
    guest_init(&g);
    uint64_t at = g.low_size - 2;
    put(&g, at, CODE(0xb8, 1));
    g.cpu->regs[GPR_RAX] = 42;
    g_assert_false(guest_run(&g, at));
    g_assert_cmphex(g.cpu->rip, ==, at);
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 42);
    guest_fini(&g);
}

/* A loop over three pages, direct jumps between them. */
static void test_chain_pages(void)
{
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, CODE(0xff, 0xc0, 0xe9, 0xf9, 0x0f, 0, 0)); /* inc eax; jmp +1000h */
    /* dec ecx; jnz start; hlt */
    put(&g, GUEST_CODE + 0x1000, CODE(0xff, 0xc9, 0x0f, 0x85, 0xf8, 0xef, 0xff, 0xff, 0xf4));
    g.cpu->regs[GPR_RAX] = 0;
    g.cpu->regs[GPR_RCX] = 100000;
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 100000);
    g_assert_cmpuint(g.cpu->instructions, >=, 399990);
    guest_fini(&g);
}

/*
 * One physical page at two linear addresses, with a jump to the next page, which differs: links
 * must not mix them up.
 */
static void test_alias(void)
{
    Guest g;
    guest_init(&g);
    uint64_t *tables = (uint64_t *)(void *)g.low;
    const uint64_t alias = UINT64_C(1) << 30; /* second GiB: page table at 4000h.. */
    tables[0x2000 / 8 + 1] = 0x4000 | 7;
    tables[0x4000 / 8] = 0x5000 | 7;
    tables[0x5000 / 8 + 0] = 0x40000 | 0x67;
    tables[0x5000 / 8 + 1] = 0x50000 | 0x67;
    put(&g, 0x40000, CODE(0xe9, 0xfb, 0x0f, 0, 0)); /* jmp next page */
    put(&g, 0x41000, CODE(0xb8, 1, 0, 0, 0, 0xf4));
    put(&g, 0x50000, CODE(0xb8, 2, 0, 0, 0, 0xf4));
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(guest_run(&g, 0x40000));
        g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 1);
        g_assert_true(guest_run(&g, alias));
        g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 2);
    }
    guest_fini(&g);
}

/* A page is given another content behind the guest's back. */
static void test_discard(void)
{
    Guest g;
    guest_init(&g);
    for (uint8_t v = 1; v < 5; v++) {
        put(&g, GUEST_CODE, CODE(0xb8, 0, 0, 0, 0, 0xf4));
        g.low[GUEST_CODE + 1] = v;
        g_assert_true(guest_run(&g, GUEST_CODE));
        g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, v);
        g_assert_true(code_page_test(g.group, GUEST_CODE));
    }
    code_page_discard(g.group, 0, UINT64_MAX);
    g_assert_false(code_page_test(g.group, GUEST_CODE));
    g_assert_false(code_page_test(g.group, UINT64_MAX));
    guest_fini(&g);
}

typedef struct RepCase {
    const char *label;
    uint8_t prefix, opcode;
    bool down;
    uint64_t rsi, rdi, rcx;
    uint64_t done; /* bytes when the unmapped page is met */
} RepCase;

static void test_rep_fault(gconstpointer data)
{
    const RepCase *c = data;
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, CODE(c->prefix, c->opcode, 0xf4));
    g.cpu->regs[GPR_RSI] = c->rsi;
    g.cpu->regs[GPR_RDI] = c->rdi;
    g.cpu->regs[GPR_RCX] = c->rcx;
    g.cpu->regs[GPR_RAX] = 0;
    cpu_set_rflags(g.cpu, c->down ? 2 | FLAG_DF : 2);
    g_assert_false(guest_run(&g, GUEST_CODE));
    uint64_t step = c->down ? -c->done : c->done;
    unsigned size = c->opcode & 1 ? 4 : 1;
    bool source = c->opcode == 0xa4 || c->opcode == 0xa5 || c->opcode == 0xa6;
    g_assert_cmphex(g.cpu->rip, ==, GUEST_CODE);
    g_assert_cmphex(g.cpu->regs[GPR_RCX], ==, c->rcx - c->done / size);
    g_assert_cmphex(g.cpu->regs[GPR_RDI], ==, c->rdi + step);
    g_assert_cmphex(g.cpu->regs[GPR_RSI], ==, source ? c->rsi + step : c->rsi);
    guest_fini(&g);
}

#define DATA_END (GUEST_DATA + GUEST_DATA_SIZE)
static const RepCase rep_cases[] = {
    { "movsb-up", 0xf3, 0xa4, false, GUEST_DATA, DATA_END - 0x1234, 0x4000, 0x1234 },
    { "movsd-up", 0xf3, 0xa5, false, GUEST_DATA, DATA_END - 0x1000, 0x4000, 0x1000 },
    { "movsd-up-split", 0xf3, 0xa5, false, GUEST_DATA, DATA_END - 0x1002, 0x4000, 0x1000 },
    { "movsb-source", 0xf3, 0xa4, false, DATA_END - 0x800, GUEST_DATA, 0x4000, 0x800 },
    { "movsb-down", 0xf3, 0xa4, true, DATA_END - 1, GUEST_DATA + 0x10, 0x4000, 0x11 },
    { "movsb-overlap", 0xf3, 0xa4, false, DATA_END - 0x801, DATA_END - 0x800, 0x4000, 0x800 },
    { "stosb-up", 0xf3, 0xaa, false, 0, DATA_END - 0x2345, 0x40000, 0x2345 },
    { "stosd-down", 0xf3, 0xab, true, 0, GUEST_DATA + 0x100, 0x4000, 0x104 },
    { "repe-scasb", 0xf3, 0xae, false, 0, DATA_END - 0x20, 0x4000, 0x20 },
    { "repe-cmpsb", 0xf3, 0xa6, false, GUEST_DATA, DATA_END - 0x20, 0x4000, 0x20 },
};

/* A request to leave in the middle of a long REP: goes on where it was. */
static void test_rep_pending(void)
{
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, CODE(0xf3, 0xae, 0xf4)); /* repe scasb, element by element */
    g.cpu->regs[GPR_RDI] = GUEST_DATA;
    g.cpu->regs[GPR_RCX] = GUEST_DATA_SIZE;
    g.cpu->regs[GPR_RAX] = 0;
    unsigned kicks = 0;
    g.cpu->rip = GUEST_CODE;
    for (;;) {
        cpu_request(g.cpu, CPU_PENDING_EXIT);
        CpuExit e = cpu_run(g.cpu);
        if (e == CPU_EXIT_WORLD) {
            break;
        }
        g_assert_cmpint(e, ==, CPU_EXIT_KICKED);
        if (++kicks > 4) {
            g_assert_true(guest_run(&g, g.cpu->rip));
            break;
        }
    }
    g_assert_cmphex(g.cpu->regs[GPR_RCX], ==, 0);
    g_assert_cmphex(g.cpu->regs[GPR_RDI], ==, GUEST_DATA + GUEST_DATA_SIZE);
    guest_fini(&g);
}

typedef struct LegacyCase {
    const char *label;
    uint8_t code[32];
    uint64_t eax, ebx, ecx; /* before */
    uint64_t want;          /* EAX after */
} LegacyCase;

static const LegacyCase legacy_cases[] = {
    { "inc-40", { 0x40, 0xf4 }, 0xffffffff, 0, 0, 0 },
    { "push-pop", { 0x53, 0x58, 0xf4 }, 1, 0x12345678, 0, 0x12345678 },
    { "push-pop-16", { 0x66, 0x53, 0x66, 0x58, 0xf4 }, 0x11110000, 0x12345678, 0, 0x11115678 },
    { "call-ret", { 0xe8, 1, 0, 0, 0, 0xf4, 0xb8, 7, 0, 0, 0, 0xc3 }, 0, 0, 0, 7 },
    { "call-indirect", { 0xff, 0xd3, 0xf4 }, 5, 0x30000, 0, 6 },
    { "pusha-popa", { 0x60, 0x31, 0xc0, 0x61, 0xf4 }, 0x99, 0, 0, 0x99 },
    { "jcxz", { 0x67, 0xe3, 2, 0xb0, 1, 0xf4 }, 9, 0, 0xffff0000, 9 },
    { "loop", { 0x40, 0xe2, 0xfd, 0xf4 }, 0, 0, 5, 5 },
    { "daa", { 0x04, 0x19, 0x27, 0xf4 }, 0x28, 0, 0, 0x47 },
    { "das", { 0x2c, 0x19, 0x2f, 0xf4 }, 0x28, 0, 0, 0x09 },
    { "aam", { 0xd4, 0x0a, 0xf4 }, 0x3f, 0, 0, 0x0603 },
    { "aad", { 0xd5, 0x0a, 0xf4 }, 0x0603, 0, 0, 0x3f },
    { "aaa", { 0x04, 0x08, 0x37, 0xf4 }, 0x07, 0, 0, 0x0105 },
    { "lea-16-address", { 0x67, 0x8d, 0x07, 0xf4 }, 0, 0x1fffe, 0, 0xfffe }, /* lea eax, [bx] */
    { "enter-leave", { 0xc8, 0x10, 0, 0, 0x89, 0xe0, 0xc9, 0x29, 0xe0, 0xf7, 0xd8, 0xf4 }, 0, 0, 0,
      0x14 },
    { "xlat", { 0xd7, 0xf4 }, 3, 0x30010, 0, 0x33 },
};

/*
 * 64-bit code, with RDI = GUEST_DATA + 0x100 (8 bytes 1122334455667788h there), FS base =
 * GUEST_DATA.
 */
static const LegacyCase long_cases[] = {
    { "moffs", { 0x48, 0xa1, 0x00, 0x01, 0x00, 0x10, 0, 0, 0, 0, 0xf4 }, 0, 0, 0,
      0x1122334455667788 },
    { "moffs-al", { 0xa0, 0x00, 0x01, 0x00, 0x10, 0, 0, 0, 0, 0xf4 }, 0x5500, 0, 0, 0x5588 },
    { "fs", { 0x64, 0x48, 0x8b, 0x04, 0x25, 0x00, 0x01, 0, 0, 0xf4 }, 0, 0, 0, 0x1122334455667788 },
    { "fs-rep-lods", { 0xbe, 0x00, 0x01, 0, 0, 0x64, 0xac, 0xf4 }, 0, 0, 0, 0x88 },
    { "address-32", { 0x67, 0x8b, 0x03, 0xf4 }, 0, UINT64_C(0xffffffff10000100), 0, 0x55667788 },
    { "address-32-wrap", { 0x67, 0x8b, 0x44, 0x0b, 0x00, 0xf4 }, 0, UINT64_C(0xffffff00),
      UINT64_C(0x10000200), 0x55667788 },
    { "rip-relative", { 0x8b, 0x05, 0xfa, 0xff, 0xff, 0xff, 0xf4 }, 0, 0, 0, 0xfffa058b },
    { "lea-rip", { 0x48, 0x8d, 0x05, 0x10, 0, 0, 0, 0xf4 }, 0, 0, 0, GUEST_CODE + 0x17 },
    { "loop", { 0xff, 0xc0, 0xe2, 0xfc, 0xf4 }, 0, 0, 1000, 1000 },
    { "loop-32", { 0xff, 0xc0, 0x67, 0xe2, 0xfb, 0xf4 }, 0, 0, UINT64_C(0xff00000003), 3 },
    { "loope", { 0xff, 0xc0, 0x83, 0xf8, 0x01, 0xe1, 0xf9, 0xf4 }, 0, 0, 10, 2 },
    { "loopne", { 0xff, 0xc0, 0x83, 0xf8, 0x04, 0xe0, 0xf9, 0xf4 }, 0, 0, 10, 4 },
    { "jrcxz", { 0xe3, 0x02, 0xb0, 0x01, 0xf4 }, 9, 0, 0, 9 },
    { "call-memory", { 0x48, 0xc7, 0x07, 0x00, 0x00, 0x03, 0x00, 0xff, 0x17, 0xf4 }, 5, 0, 0, 6 },
    { "call-register", { 0xff, 0xd3, 0xf4 }, 5, 0x30000, 0, 6 },
    { "jmp-register", { 0x53, 0x5b, 0xff, 0xe3 }, 5, 0x30002, 0, 5 },
    { "ret-imm", { 0x50, 0x68, 0x0a, 0x00, 0x02, 0x00, 0xc2, 0x08, 0x00, 0x90, 0xf4 }, 5, 0, 0, 5 },
    { "popf", { 0x68, 0xd7, 0x08, 0, 0, 0x9d, 0x9c, 0x58, 0xf4 }, 0, 0, 0, 0x8d7 },
    { "popf-16", { 0x66, 0x68, 0x01, 0x00, 0x66, 0x9d, 0x66, 0x9c, 0x66, 0x58, 0xf4 }, 0xffff0000,
      0, 0, 0xffff0003 },
    { "xlat", { 0xd7, 0xf4 }, 0x01, GUEST_DATA + 0x100, 0, 0x77 },
    { "movdiri", { 0x0f, 0x38, 0xf9, 0x1f, 0x8b, 0x07, 0xf4 }, 0, 0x12345678, 0, 0x12345678 },
    { "movdir64b", { 0x48, 0x8d, 0x5f, 0x40, 0x66, 0x0f, 0x38, 0xf8, 0x1f, 0x8b, 0x47, 0x40, 0xf4 },
      0, 0, 0, 0x55667788 },
    { "serialize", { 0x0f, 0x01, 0xe8, 0xff, 0xc0, 0xf4 }, 1, 0, 0, 2 },
    { "high-bytes", { 0x88, 0xe0, 0x00, 0xfb, 0x30, 0xdc, 0xf4 }, 0x1234, 0x5678, 0, 0xdc12 },
    { "enter-nested", { 0x48, 0x89, 0xe5, 0xc8, 0, 0, 2, 0x48, 0x89, 0xe8, 0x48, 0x29, 0xe0, 0xc9,
                        0xf4 }, 0, 0, 0, 0x10 },
};

static void test_long(gconstpointer data)
{
    const LegacyCase *c = data;
    Guest g;
    guest_init(&g);
    put(&g, GUEST_CODE, c->code, sizeof(c->code));
    put(&g, 0x30000, CODE(0xff, 0xc0, 0xc3, 0xf4)); /* inc eax; ret; (30002h: ret) */
    put(&g, 0, CODE(0xf4));
    uint64_t v = UINT64_C(0x1122334455667788);
    memcpy(g.data + 0x100, &v, 8);
    g.cpu->seg[SEG_FS].base = GUEST_DATA;
    g.cpu->regs[GPR_RAX] = c->eax;
    g.cpu->regs[GPR_RBX] = c->ebx;
    g.cpu->regs[GPR_RCX] = c->ecx;
    g.cpu->regs[GPR_RSP] = 0x80000;
    g.cpu->regs[GPR_RDI] = GUEST_DATA + 0x100;
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RAX], ==, c->want);
    guest_fini(&g);
}

/* Code that one processor has decoded is written by another. */
static void test_two_processors(void)
{
    Guest g, other;
    guest_init(&g);
    guest_join(&other, &g);
    put(&g, GUEST_CODE, CODE(0xb8, 1, 0, 0, 0, 0xf4));           /* mov eax, 1; hlt */
    /* inc byte [GUEST_CODE + 1]; hlt */
    put(&g, GUEST_CODE + 0x1000, CODE(0xfe, 0x05, 0xfb, 0xef, 0xff, 0xff, 0xf4));
    /* now has a write translation of the page */
    g_assert_true(guest_run(&other, GUEST_CODE + 0x1000));
    for (unsigned i = 2; i < 6; i++) {
        g_assert_true(guest_run(&g, GUEST_CODE));
        g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, i);
        g_assert_true(guest_run(&other, GUEST_CODE + 0x1000));
    }
    guest_fini(&other);
    guest_fini(&g);
}

static void test_legacy(gconstpointer data)
{
    const LegacyCase *c = data;
    Guest g;
    guest_init(&g);
    guest_legacy32(&g);
    put(&g, GUEST_CODE, c->code, sizeof(c->code));
    put(&g, 0x30000, CODE(0x40, 0xc3)); /* inc eax; ret */
    g.low[0x30013] = 0x33;
    g.cpu->regs[GPR_RAX] = c->eax;
    g.cpu->regs[GPR_RBX] = c->ebx;
    g.cpu->regs[GPR_RCX] = c->ecx;
    g.cpu->regs[GPR_RSP] = 0x80000;
    g.cpu->regs[GPR_RDI] = 0;
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RAX], ==, c->want);
    g_assert_cmphex(g.cpu->regs[GPR_RSP], ==, 0x80000);
    guest_fini(&g);
}

typedef struct RefusedCase {
    const char *label;
    uint8_t code[16];
    bool features;
} RefusedCase;

/* What must not run: exits by triple fault (no IDT), nothing else. */
static const RefusedCase refused_cases[] = {
    { "ud2", { 0x0f, 0x0b }, true },
    { "lock-mov", { 0xf0, 0x48, 0x89, 0x00 }, true },
    { "lock-register", { 0xf0, 0x01, 0xc0 }, true },
    { "push-es-64", { 0x06 }, true },
    { "too-long", { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                    0x66, 0x66, 0x90 }, true },
    { "xop", { 0x8f, 0xe9, 0x78, 0x01, 0xc8 }, true },
    { "popcnt-vex", { 0xc4, 0x61, 0x7a, 0xb8, 0xc5 }, true }, /* Knights Corner's */
    { "lzcnt-vex", { 0xc4, 0x81, 0x7a, 0xbd, 0xda }, true },
    { "tzcnt-vex", { 0xc4, 0xc1, 0x7a, 0xbc, 0xd2 }, true },
    { "popcnt-hidden", { 0xf3, 0x0f, 0xb8, 0xc1 }, false },
    { "andn-hidden", { 0xc4, 0xe2, 0x70, 0xf2, 0xc2 }, false },
    { "adcx-hidden", { 0x66, 0x0f, 0x38, 0xf6, 0xc1 }, false },
    { "movbe-hidden", { 0x0f, 0x38, 0xf0, 0x00 }, false },
    { "cmpxchg16b-hidden", { 0x48, 0x0f, 0xc7, 0x08 }, false },
    { "cmpxchg16b-unaligned", { 0x48, 0x0f, 0xc7, 0x49, 0x08 }, true },
    { "div-0", { 0x31, 0xc9, 0xf7, 0xf1 }, true },
    { "jmp-noncanonical", { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x70, 0xff, 0xe0 }, true },
};

static void test_refused(gconstpointer data)
{
    const RefusedCase *c = data;
    Guest g;
    guest_init(&g);
    g.features = c->features;
    put(&g, GUEST_CODE, c->code, sizeof(c->code));
    g.low[GUEST_CODE + 16] = 0xf4;
    memset(g.cpu->regs, 0, sizeof(g.cpu->regs));
    g.cpu->regs[GPR_RSP] = 0x80000;
    g.cpu->rip = GUEST_CODE;
    g_assert_cmpint(cpu_run(g.cpu), ==, CPU_EXIT_TRIPLE_FAULT);
    guest_fini(&g);
}

/* TZCNT without its feature is BSF: of 0 leaves the destination. */
static void test_tzcnt_hidden(void)
{
    Guest g;
    guest_init(&g);
    g.features = false;
    put(&g, GUEST_CODE, CODE(0xf3, 0x0f, 0xbc, 0xc1, 0xf4)); /* tzcnt eax, ecx */
    g.cpu->regs[GPR_RAX] = 77;
    g.cpu->regs[GPR_RCX] = 0;
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 77);
    guest_fini(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-integer/block/self-next", test_self_next);
    g_test_add_func("/cpu-integer/block/self-loop", test_self_loop);
    g_test_add_func("/cpu-integer/block/self-string", test_self_string);
    g_test_add_func("/cpu-integer/block/page-crossing", test_page_crossing);
    g_test_add_func("/cpu-integer/block/page-crossing-fault", test_page_crossing_fault);
    g_test_add_func("/cpu-integer/block/chain-pages", test_chain_pages);
    g_test_add_func("/cpu-integer/block/alias", test_alias);
    g_test_add_func("/cpu-integer/block/discard", test_discard);
    g_test_add_func("/cpu-integer/string/pending", test_rep_pending);
    g_test_add_func("/cpu-integer/tzcnt-hidden", test_tzcnt_hidden);
    for (unsigned i = 0; i < G_N_ELEMENTS(rep_cases); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/string/fault/%s", rep_cases[i].label);
        g_test_add_data_func(path, &rep_cases[i], test_rep_fault);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(legacy_cases); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/legacy/%s", legacy_cases[i].label);
        g_test_add_data_func(path, &legacy_cases[i], test_legacy);
    }
    g_test_add_func("/cpu-integer/block/two-processors", test_two_processors);
    for (unsigned i = 0; i < G_N_ELEMENTS(long_cases); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/long/%s", long_cases[i].label);
        g_test_add_data_func(path, &long_cases[i], test_long);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(refused_cases); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/refused/%s", refused_cases[i].label);
        g_test_add_data_func(path, &refused_cases[i], test_refused);
    }
    return g_test_run();
}
