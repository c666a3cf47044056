/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processors on two threads: locked counters come out exact, code written by one is seen by the other.
 */
#include <glib.h>
#include <string.h>

#include "guest.h"

#define ROUNDS 20000

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

static void run_both(Guest *a, uint64_t a_rip, Guest *b, uint64_t b_rip)
{
    Runner ra = { a, a_rip, false }, rb = { b, b_rip, false };
    GThread *thread = g_thread_new("second", run, &rb);
    run(&ra);
    g_thread_join(thread);
    g_assert_true(ra.halted && rb.halted);
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
    { "xadd", { 0xba, 1, 0, 0, 0, 0xf0, 0x48, 0x0f, 0xc1, 0x13, 0xff, 0xc9, 0x75, 0xf2, 0xf4 }, GUEST_DATA + 0x100 },
    { "add-code-page", { 0xf0, 0x48, 0x83, 0x03, 0x01, 0xff, 0xc9, 0x75, 0xf7, 0xf4 }, GUEST_CODE + 0x800 },
};

static void test_counter(gconstpointer data)
{
    const CounterCase *c = data;
    Guest a, b;
    guest_init(&a);
    guest_join(&b, &a);
    memcpy(a.low + GUEST_CODE, c->code, sizeof(c->code));
    a.cpu->regs[GPR_RBX] = b.cpu->regs[GPR_RBX] = c->at;
    a.cpu->regs[GPR_RCX] = b.cpu->regs[GPR_RCX] = ROUNDS;
    run_both(&a, GUEST_CODE, &b, GUEST_CODE);
    uint64_t v;
    memcpy(&v, c->at >= GUEST_DATA ? a.data + (c->at - GUEST_DATA) : a.low + c->at, 8);
    g_assert_cmpuint(v, ==, 2 * ROUNDS);
    guest_fini(&b);
    guest_fini(&a);
}

/* One calls a function for ever until its immediate becomes 2, which the other writes after a while. */
static void test_cross_modifying(void)
{
    Guest a, b;
    guest_init(&a);
    guest_join(&b, &a);
    static const uint8_t caller[] = { 0xe8, 0xfb, 0x0f, 0, 0, 0x83, 0xf8, 0x02, 0x75, 0xf6, 0xf4 };
    static const uint8_t function[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
    static const uint8_t writer[] = { 0xff, 0xc9, 0x75, 0xfc, 0xc6, 0x03, 0x02, 0xf4 };
    memcpy(a.low + GUEST_CODE, caller, sizeof(caller));
    memcpy(a.low + GUEST_CODE + 0x1000, function, sizeof(function));
    memcpy(a.low + GUEST_CODE + 0x2000, writer, sizeof(writer));
    a.cpu->regs[GPR_RSP] = 0x80000;
    b.cpu->regs[GPR_RBX] = GUEST_CODE + 0x1001;
    b.cpu->regs[GPR_RCX] = 1000000;
    run_both(&a, GUEST_CODE, &b, GUEST_CODE + 0x2000);
    g_assert_cmpuint(a.cpu->regs[GPR_RAX], ==, 2);
    guest_fini(&b);
    guest_fini(&a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(counters); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/smp/counter/%s", counters[i].label);
        g_test_add_data_func(path, &counters[i], test_counter);
    }
    g_test_add_func("/cpu-integer/smp/cross-modifying", test_cross_modifying);
    return g_test_run();
}
