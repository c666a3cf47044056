/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several processors, each on a thread of its own: locked counters come out exact, code written by
 * one is seen by the others, also where it is host code already.
 */
#include <glib.h>
#include <string.h>

#include "../../assembled.h"
#include "guest.h"

#define ROUNDS 20000
#define CPUS 4

typedef struct Runner {
    Guest *guest;
    uint64_t rip;
    bool halted;
} Runner;

static gpointer run(gpointer data)
{
    Runner *r = data;
    r->halted = guest_run(r->guest, r->rip);
    return NULL;
}

/* All of them at once, each from its address, until each has halted. */
static void run_all(Guest guests[CPUS], const uint64_t rip[CPUS])
{
    Runner runners[CPUS];
    GThread *threads[CPUS];
    for (unsigned i = 0; i < CPUS; i++) {
        runners[i] = (Runner){ &guests[i], rip[i], false };
        threads[i] = g_thread_new("cpu", run, &runners[i]);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        g_thread_join(threads[i]);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_true(runners[i].halted);
    }
}

static void open_all(Guest guests[CPUS])
{
    guest_init(&guests[0]);
    for (unsigned i = 1; i < CPUS; i++) {
        guest_join(&guests[i], &guests[0]);
    }
}

static void close_all(Guest guests[CPUS])
{
    for (unsigned i = CPUS; i-- > 0;) {
        guest_fini(&guests[i]);
    }
}

typedef struct CounterCase {
    const char *label;
    uint8_t code[16];
    uint64_t at;
} CounterCase;

static const CounterCase counters[] = {
    { "inc", { 0xf0, 0x48, 0xff, 0x03, 0xff, 0xc9, 0x75, 0xf8, 0xf4 }, GUEST_DATA + 0x100 },
    { "inc-line", { 0xf0, 0x48, 0xff, 0x03, 0xff, 0xc9, 0x75, 0xf8, 0xf4 }, GUEST_DATA + 0x13d },
    { "inc-page", { 0xf0, 0x48, 0xff, 0x03, 0xff, 0xc9, 0x75, 0xf8, 0xf4 }, GUEST_DATA + 0xffd },
    { "xadd", { 0xba, 1, 0, 0, 0, 0xf0, 0x48, 0x0f, 0xc1, 0x13, 0xff, 0xc9, 0x75, 0xf2, 0xf4 },
      GUEST_DATA + 0x100 },
    { "add-code-page", { 0xf0, 0x48, 0x83, 0x03, 0x01, 0xff, 0xc9, 0x75, 0xf7, 0xf4 },
      GUEST_CODE + 0x800 },
};

static void test_counter(gconstpointer data)
{
    static const uint64_t rip[CPUS] = { GUEST_CODE, GUEST_CODE, GUEST_CODE, GUEST_CODE };
    const CounterCase *c = data;
    Guest g[CPUS];
    uint64_t v;
    open_all(g);
    memcpy(g[0].low + GUEST_CODE, c->code, sizeof(c->code));
    for (unsigned i = 0; i < CPUS; i++) {
        g[i].cpu->regs[GPR_RBX] = c->at;
        g[i].cpu->regs[GPR_RCX] = ROUNDS;
    }
    run_all(g, rip);
    memcpy(&v, c->at >= GUEST_DATA ? g[0].data + (c->at - GUEST_DATA) : g[0].low + c->at, 8);
    g_assert_cmpuint(v, ==, CPUS * ROUNDS);
    close_all(g);
}

#define PUT(g, at, name) memcpy((g)->low + (at), name, (size_t)(name##_end - name))

#define FUNCTION (GUEST_CODE + 0x1000)
#define WRITER (GUEST_CODE + 0x2000)
#define LAST_VALUE 200

/* Calls a function until it gives the last value; never may it give less than before. */
PROGRAM64(caller,
          "call_it: call *%rbx\n cmp %edx, %eax\n jb 1f\n mov %eax, %edx\n cmp $200, %eax\n "
                "jne call_it\n hlt\n 1: ud2");
PROGRAM64(function, "mov $1, %eax\n ret");
/* Writes 2, 3, … into the function's immediate, RDX turns of doing nothing before each. */
PROGRAM64(writer,
          "mov $1, %eax\n next_value: mov %edx, %ecx\n 1: dec %ecx\n jnz 1b\n inc %eax\n mov "
                "%eax, 1(%rbx)\n cmp $200, %eax\n jne next_value\n hlt");

static void test_cross_modifying(void)
{
    static const uint64_t rip[CPUS] = { GUEST_CODE, GUEST_CODE, GUEST_CODE, WRITER };
    Guest g[CPUS];
    open_all(g);
    PUT(&g[0], GUEST_CODE, caller);
    PUT(&g[0], FUNCTION, function);
    PUT(&g[0], WRITER, writer);
    for (unsigned i = 0; i < CPUS; i++) {
        g[i].cpu->regs[GPR_RSP] = 0x80000 + i * 0x1000;
        g[i].cpu->regs[GPR_RBX] = FUNCTION;
    }
    g[CPUS - 1].cpu->regs[GPR_RDX] = 5000;
    run_all(g, rip);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(g[i].cpu->regs[GPR_RAX], ==, LAST_VALUE);
    }
    close_all(g);
}

/*
 * Each changes an instruction in a place of its own and runs it. The places are on one page, so
 * host code goes again and again under all of them, and each must see its own changes at once.
 */
PROGRAM64(self_modifying,
        "mov $1000, %ecx\n"
        "self_again: mov %cl, 1(%rbx)\n"      /* the immediate of this processor's place */
        "call *%rbx\n"                        /* which adds it */
        "dec %ecx\n jnz self_again\n hlt");
PROGRAM64(place, ".byte 0x05, 0, 0, 0, 0\n ret"); /* add $0, %eax */

static void test_self_modifying(void)
{
    static const uint64_t rip[CPUS] = { GUEST_CODE, GUEST_CODE, GUEST_CODE, GUEST_CODE };
    Guest g[CPUS];
    uint32_t sum = 0;
    open_all(g);
    PUT(&g[0], GUEST_CODE, self_modifying);
    for (unsigned i = 0; i < CPUS; i++) {
        uint64_t at = FUNCTION + i * 0x40; /* all on one page */
        PUT(&g[0], at, place);
        g[i].cpu->regs[GPR_RBX] = at;
        g[i].cpu->regs[GPR_RSP] = 0x80000 + i * 0x1000;
    }
    run_all(g, rip);
    for (unsigned n = 1; n <= 1000; n++) {
        sum += n & 0xff;
    }
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(g[i].cpu->regs[GPR_RAX], ==, sum);
    }
    close_all(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(counters); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/smp/counter/%s", counters[i].label);
        g_test_add_data_func(path, &counters[i], test_counter);
    }
    g_test_add_func("/cpu-integer/smp/cross-modifying", test_cross_modifying);
    g_test_add_func("/cpu-integer/smp/self-modifying", test_self_modifying);
    return g_test_run();
}
