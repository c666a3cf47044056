/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is peculiar to host code: memory for it that is refused or full, loops that go on in it,
 * code that changes under it, faults and slow ways in the middle of it. That it computes what the
 * interpreter computes is the other tests' matter, which run with it too.
 */
#include <glib.h>
#include <string.h>
#include <sys/resource.h>

#include "guest.h"
#include "swtdx/host/cpu/block-exit.h"
#include "swtdx/host/cpu/jit.h"

#define WORD 0x100000 /* a word of RAM for tests, far from code */

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}
#define PUT(at, ...) \
    put(at, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool is_translated(const Guest *g, const Block *b)
{
    return b->body != jit_no_body(g->cpu);
}

/* mov ecx, 1000; again: inc rax; dec ecx; jnz again; hlt */
static void put_loop(Guest *g)
{
    uint8_t *p = g->low + GUEST_CODE;
    p = PUT(p, 0xb9, 0xe8, 0x03, 0x00, 0x00);
    p = PUT(p, 0x48, 0xff, 0xc0);
    p = PUT(p, 0xff, 0xc9);
    p = PUT(p, 0x75, 0xf9);
    PUT(p, 0xf4);
}

static void test_loop(void)
{
    Guest g;
    guest_init_heat(&g, 2);
    g_assert_cmpint(cpu_group_jit_error(g.group), ==, 0);
    put_loop(&g);
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 1000);
    g_assert_cmpuint(g.cpu->instructions, ==, 1 + 3 * 1000 + 1);
    const JumpEntry *e = jump_entry(g.cpu, GUEST_CODE);
    g_assert_cmphex(e->key, ==, GUEST_CODE ^ g.cpu->jump_salt);
    guest_fini(&g);
}

/* A kick ends a loop that never leaves its host code. */
static gpointer kick(gpointer data)
{
    Cpu *cpu = data;
    g_usleep(20000);
    cpu_request(cpu, CPU_PENDING_EXIT);
    return NULL;
}

static void test_kick(void)
{
    Guest g;
    guest_init_heat(&g, 2);
    uint8_t *p = PUT(g.low + GUEST_CODE, 0x48, 0xff, 0xc0); /* again: inc rax; jmp again */
    PUT(p, 0xeb, 0xfb);
    g.cpu->rip = GUEST_CODE;
    GThread *thread = g_thread_new("kick", kick, g.cpu);
    g_assert_cmpint(cpu_run(g.cpu), ==, CPU_EXIT_KICKED);
    g_thread_join(thread);
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], >, 1000);
    g_assert_cmphex(g.cpu->rip, ==, GUEST_CODE);
    g_assert_true(is_translated(&g, g.cpu->block));
    guest_fini(&g);
}

/* Code that changes an instruction behind itself in its own block, each time round. */
static void test_own_code(void)
{
    Guest g;
    guest_init_heat(&g, 2);
    uint8_t *p = g.low + GUEST_CODE;
    p = PUT(p, 0xb9, 100, 0x00, 0x00, 0x00);             /* mov ecx, 100 */
    uint8_t *again = p;
    p = PUT(p, 0x88, 0x0c, 0x25, 0, 0, 0, 0);            /* mov [byte of the immediate below], cl */
    uint8_t *place = p - 4;
    p = PUT(p, 0x48, 0x05, 0, 0, 0, 0);                  /* add rax, imm32 */
    uint32_t at = (uint32_t)(GUEST_CODE + (uint64_t)(p - 4 - (g.low + GUEST_CODE)));
    memcpy(place, &at, 4);
    p = PUT(p, 0xff, 0xc9);                              /* dec ecx */
    p = PUT(p, 0x75, (uint8_t)(again - (p + 2)), 0xf4);  /* jnz again; hlt */
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 5050);
    guest_fini(&g);
}

/*
 * A load over the end of a page, which host code leaves to its handler, between arithmetic whose
 * flags are used behind it.
 */
static void test_handler_between(void)
{
    Guest g;
    guest_init_heat(&g, 2);
    uint64_t v = UINT64_C(0x1122334455667788);
    memcpy(g.low + WORD + 0xffc, &v, 8);
    uint8_t *p = g.low + GUEST_CODE;
    p = PUT(p, 0xb9, 50, 0x00, 0x00, 0x00);                   /* mov ecx, 50 */
    uint8_t *again = p;
    /* sub rax, 1: carry the first time only */
    p = PUT(p, 0x48, 0x83, 0xe8, 0x01);
    p = PUT(p, 0x48, 0x8b, 0x14, 0x25, 0xfc, 0x0f, 0x10, 0x00); /* mov rdx, [WORD + 0xffc] */
    p = PUT(p, 0x48, 0x83, 0xd3, 0x00);                       /* adc rbx, 0 */
    p = PUT(p, 0xff, 0xc9);                                   /* dec ecx */
    p = PUT(p, 0x75, (uint8_t)(again - (p + 2)), 0xf4);
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RDX], ==, v);
    g_assert_cmpuint(g.cpu->regs[GPR_RBX], ==, 1);
    guest_fini(&g);
}

/* One instruction that goes to pages which lie apart in the host's memory, by turns. */
static void test_pages_apart(void)
{
    Guest g;
    guest_init_heat(&g, 2);
    uint8_t *p = g.low + GUEST_CODE;
    p = PUT(p, 0xb9, 100, 0x00, 0x00, 0x00);      /* mov ecx, 100 */
    uint8_t *again = p;
    p = PUT(p, 0x48, 0xff, 0x04, 0x0b);           /* inc qword [rbx + rcx] */
    p = PUT(p, 0x48, 0x03, 0x04, 0x0b);           /* add rax, [rbx + rcx] */
    p = PUT(p, 0x48, 0x87, 0xd3);                 /* xchg rbx, rdx */
    p = PUT(p, 0x83, 0xe9, 0x01);                 /* sub ecx, 1 */
    p = PUT(p, 0x75, (uint8_t)(again - (p + 2))); /* jnz again */
    PUT(p, 0xf4);
    memset(g.low + WORD, 0, 256);
    memset(g.data, 0, 256);
    g.cpu->regs[GPR_RAX] = 0;
    g.cpu->regs[GPR_RBX] = WORD;
    g.cpu->regs[GPR_RDX] = GUEST_DATA;
    uint64_t sum = 0;
    uint8_t low[256] = { 0 }, data[256] = { 0 };
    for (unsigned i = 100; i != 0; i--) {
        uint8_t *at = i % 2 == 0 ? low + i : data + i;
        uint64_t v;
        memcpy(&v, at, 8);
        v++;
        memcpy(at, &v, 8);
        sum += v;
    }
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmphex(g.cpu->regs[GPR_RAX], ==, sum);
    g_assert_cmpmem(g.low + WORD, 208, low, 208);
    g_assert_cmpmem(g.data, 208, data, 208);
    guest_fini(&g);
}

/* More code than a small slice has room for: it is emptied, and everything goes on. */
static void test_full(void)
{
    Guest first, g[GUEST_CPUS];
    guest_init_heat(&first, 2);
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        guest_join(&g[i], &first);
    }
    Guest *last = &g[GUEST_CPUS - 1];
    enum { COUNT = 60000 };
    uint8_t *p = first.low + GUEST_CODE;
    for (unsigned i = 0; i < COUNT; i++) {
        p = PUT(p, 0x48, 0x01, 0x83, 0x00, 0x01, 0x00, 0x00); /* add [rbx + 0x100], rax */
    }
    PUT(p, 0xf4);
    bool emptied = false;
    for (unsigned i = 1; i <= 3; i++) {
        last->cpu->regs[GPR_RAX] = 1;
        last->cpu->regs[GPR_RBX] = GUEST_DATA;
        uint64_t before = last->cpu->instructions;
        g_assert_true(guest_run(last, GUEST_CODE));
        g_assert_cmpuint(last->cpu->instructions - before, ==, COUNT + 1);
        uint64_t sum;
        memcpy(&sum, first.data + 0x100, 8);
        g_assert_cmpuint(sum, ==, (uint64_t)i * COUNT);
        emptied = emptied || jit_resets(last->cpu) != 0;
    }
    g_assert_true(emptied);
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        guest_fini(&g[i]);
    }
    guest_fini(&first);
}

/* The host has no room for the mapping: guests are interpreted, and one can ask why. */
static void test_refused(void)
{
#ifndef SWTDX_TAILCALLS
    g_test_skip("sanitizers want memory for themselves: optimised builds only");
    return;
#endif
    struct rlimit old, none;
    g_assert_cmpint(getrlimit(RLIMIT_AS, &old), ==, 0);
    none = (struct rlimit){ .rlim_cur = UINT64_C(1) << 20, .rlim_max = old.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_AS, &none), ==, 0);
    int error = 0;
    JitArena *arena = jit_arena_new(1, &error);
    g_assert_cmpint(setrlimit(RLIMIT_AS, &old), ==, 0);
    g_assert_null(arena);
    g_assert_cmpint(error, !=, 0);
}

static void test_never(void)
{
    Guest g;
    guest_init_heat(&g, 0);
    put_loop(&g);
    g_assert_null(g.cpu->jit);
    g_assert_cmpint(cpu_group_jit_error(g.group), ==, 0);
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 1000);
    guest_fini(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-jit/never", test_never);
    g_test_add_func("/cpu-jit/loop", test_loop);
    g_test_add_func("/cpu-jit/kick", test_kick);
    g_test_add_func("/cpu-jit/own-code", test_own_code);
    g_test_add_func("/cpu-jit/handler-between", test_handler_between);
    g_test_add_func("/cpu-jit/pages-apart", test_pages_apart);
    g_test_add_func("/cpu-jit/full", test_full);
    g_test_add_func("/cpu-jit/refused", test_refused);
    return g_test_run();
}
