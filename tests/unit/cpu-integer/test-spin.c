/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which loops count as waiting for memory, that such a wait ends and costs little, and the count of
 * instructions.
 */
#include <glib.h>
#include <string.h>
#include <time.h>

#include "guest.h"
#include "swtdx/host/cpu/decode.h"

typedef struct LoopCase {
    const char *label;
    uint8_t code[24];
    unsigned length;
    bool spins;
} LoopCase;

static const LoopCase loops[] = {
    /* mov eax,[rbx]; cmp eax,1; jne */
    { "load-compare", { 0x8b, 0x03, 0x83, 0xf8, 0x01, 0x75, 0xf9 }, 7, true },
    /* cmp [rbx],1; jne */
    { "compare-memory", { 0x83, 0x3b, 0x01, 0x75, 0xfb }, 5, true },
    /* cmp eax,r8d; je out; mov eax,[rbx]; jmp */
    { "compare-first", { 0x44, 0x39, 0xc0, 0x74, 0x04, 0x8b, 0x03, 0xeb, 0xf7 }, 9, true },
    /* mov eax,[rbx]; and eax,1; jz */
    { "mask", { 0x8b, 0x03, 0x83, 0xe0, 0x01, 0x74, 0xf9 }, 7, true },
    { "for-ever", { 0xeb, 0xfe }, 2, true },
    /* mov rbx,[rbx]; test rbx,rbx; jnz */
    { "list-walk", { 0x48, 0x8b, 0x1b, 0x48, 0x85, 0xdb, 0x75, 0xf8 }, 8, false },
    /* by way of rax */
    { "list-walk-2", { 0x48, 0x8b, 0x03, 0x48, 0x89, 0xc3, 0x48, 0x85, 0xc0, 0x75, 0xf5 }, 11,
      false },
    /* dec ecx; jnz */
    { "count", { 0xff, 0xc9, 0x75, 0xfc }, 4, false },
    { "loop", { 0xe2, 0xfe }, 2, false },
    /* mov [rbx],eax between */
    { "store", { 0x8b, 0x03, 0x89, 0x03, 0x83, 0xf8, 0x01, 0x75, 0xf7 }, 9, false },
    /* and eax,7; jz */
    { "and-carried", { 0x83, 0xe0, 0x07, 0x74, 0xfb }, 5, false },
    /* lock cmpxchg [rbx],ecx; jne */
    { "locked", { 0xf0, 0x0f, 0xb1, 0x0b, 0x75, 0xfa }, 6, false },
    { "rdtsc", { 0x0f, 0x31, 0x39, 0xc8, 0x75, 0xfa }, 6, false },
    /* lodsb; cmp al,1; jne */
    { "string", { 0xac, 0x3c, 0x01, 0x75, 0xfb }, 5, false },
    /* jumps behind the load */
    { "elsewhere", { 0x8b, 0x03, 0x83, 0xf8, 0x01, 0x75, 0xfb }, 7, false },
    { "straight", { 0x8b, 0x03, 0xf4 }, 3, false },
};

static void test_loop(gconstpointer data)
{
    const LoopCase *c = data;
    Guest g;
    Decoder decoder;
    guest_init(&g);
    decoder_init(&decoder);
    Block *b = g_malloc0(sizeof(Block) + (BLOCK_MAX_OPS + 1) * sizeof(Op));
    uint8_t code[64] = { 0 };
    memcpy(code, c->code, c->length);
    code[c->length] = 0xf4;
    b->mode = g.cpu->mode;
    b->offset = 0x100;
    g_assert_true(decode_block(&decoder, g.cpu, b, code, sizeof(code), BLOCK_MAX_OPS));
    g_assert_cmpint(b->spins, ==, c->spins);
    g_free(b);
    guest_fini(&g);
}

typedef struct Waiter {
    Guest *guest;
    bool halted;
    double cpu_seconds;
} Waiter;

static gpointer wait_for_one(gpointer data)
{
    Waiter *w = data;
    struct timespec t;
    w->halted = guest_run(w->guest, GUEST_CODE);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    w->cpu_seconds = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    return NULL;
}

/*
 * A processor parked without PAUSE leaves most of the time to others, and notices when memory
 * changes.
 */
static void test_wait(void)
{
    static const uint8_t code[] = { 0x8b, 0x03, 0x83, 0xf8, 0x01, 0x75, 0xf9, 0xf4 };
    Guest g;
    guest_init(&g);
    memcpy(g.low + GUEST_CODE, code, sizeof(code));
    g.cpu->regs[GPR_RBX] = GUEST_DATA;
    Waiter w = { .guest = &g };
    GThread *thread = g_thread_new("waiter", wait_for_one, &w);
    g_usleep(300000);
    __atomic_store_n((uint32_t *)(void *)g.data, 1, __ATOMIC_SEQ_CST);
    g_thread_join(thread);
    g_assert_true(w.halted);
    g_assert_cmpuint(g.cpu->regs[GPR_RAX], ==, 1);
    g_assert_cmpfloat(w.cpu_seconds, <, 0.2);
    guest_fini(&g);
}

typedef struct CountCase {
    const char *label;
    uint8_t code[16];
    uint64_t instructions;
} CountCase;

static const CountCase counts[] = {
    { "halt", { 0xf4 }, 1 },
    { "straight", { 0x90, 0x90, 0xf4 }, 3 },
    { "jump", { 0x90, 0xeb, 0x00, 0x90, 0xf4 }, 4 },
    { "not-taken", { 0x31, 0xc0, 0x75, 0x01, 0x90, 0xf4 }, 4 },
    { "loop", { 0xb9, 3, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xf4 }, 8 },
};

static void test_count(gconstpointer data)
{
    const CountCase *c = data;
    Guest g;
    guest_init(&g);
    memcpy(g.low + GUEST_CODE, c->code, sizeof(c->code));
    g_assert_true(guest_run(&g, GUEST_CODE));
    g_assert_cmpuint(g.cpu->instructions, ==, c->instructions);
    guest_fini(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(loops); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/spin/%s", loops[i].label);
        g_test_add_data_func(path, &loops[i], test_loop);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autofree char *path = g_strdup_printf("/cpu-integer/count/%s", counts[i].label);
        g_test_add_data_func(path, &counts[i], test_count);
    }
    g_test_add_func("/cpu-integer/spin/wait", test_wait);
    return g_test_run();
}
