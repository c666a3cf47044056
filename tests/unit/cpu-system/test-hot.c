/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changes while a loop goes round that is host code already, without leaving it: rights and
 * targets of its pages, by itself and by other threads; breakpoints and single steps; its own
 * instructions.
 */
#include "program.h"
#include "swtdx/host/cpu/debug.h"

#define ROUNDS 2000
#define SOME 100 /* rounds after which the loop is host code again that finds its pages */
#define PLACE (AT_DATA + 0x100)
#define OTHER (AT_DATA + 0x4000)    /* a page that PLACE's is moved to */
#define FLAG (AT_DATA + 0x8000)     /* not 0: the loop may end */
#define COUNT_AT (AT_DATA + 0x9000) /* of what the handlers saw */
#define RIP_AT (AT_DATA + 0x9008)
#define MXCSR_AT (AT_DATA + 0x9010)
#define ROUND_AT (AT_DATA + 0x9018)
#define SUM_AT (AT_DATA + 0x9020)

/* From a vector's place to its handler's, which is longer than the gap between vectors. */
PROGRAM64(to_handler, "jmp . + 0x4000");

static void start(Machine *m, const uint8_t *code, const uint8_t *end)
{
    machine_long(m);
    m->cpu->cr4 |= CR4_OSFXSR;
    m->cpu->dr[6] = 0xffff0ff0;
    m->cpu->dr[7] = 0x400;
    machine_code(m, AT_CODE, code, (size_t)(end - code));
    m->cpu->regs[GPR_RBX] = PLACE;
    m->cpu->regs[GPR_RCX] = ROUNDS;
    m->cpu->regs[GPR_RSI] = (uint64_t)((uint8_t *)machine_pte(m, PLACE) - m->ram);
}

static void handle(Machine *m, unsigned vector, const uint8_t *code, const uint8_t *end)
{
    LOAD(m, machine_handler(vector), to_handler);
    machine_code(m, machine_handler(vector) + 0x4000, code, (size_t)(end - code));
}

static void run(Machine *m)
{
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, >=, AT_CODE);
    g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
    g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK);
}

/* ---- page tables ---- */

/* Every 64 rounds takes the bits in RDX from its page's entry; stores and adds up what it loads. */
PROGRAM64(losing_rights, "rights_again: test $63, %cl\n jnz 1f\n"
                         "andq %rdx, (%rsi)\n invlpg (%rbx)\n"
                         "1: mov %rcx, (%rbx)\n add (%rbx), %rax\n dec %ecx\n jnz rights_again\n "
                         "hlt");
/* #PF: counts, adds up the error codes, gives the page back. */
PROGRAM64(give_back, "incq 0x49000\n push %rax\n mov 8(%rsp), %rax\n add %rax, 0x49020\n"
                     "mov 16(%rsp), %rax\n mov %rax, 0x49008\n"
                     "orq $3, (%rsi)\n invlpg (%rbx)\n pop %rax\n add $8, %rsp\n iretq");

static void test_rights(void)
{
    static const struct {
        const char *label;
        uint64_t taken;
        unsigned error;
    } rows[] = {
        { "not present", 1, 2 },
        { "read-only", 2, 3 },
        { "accessed and dirty", 0x60, 0 }, /* no fault: they are set again */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        unsigned faults = rows[i].error != 0 ? ROUNDS / 64 : 0;
        g_test_message("%s", rows[i].label);
        start(m, CODE(losing_rights));
        handle(m, VEC_PF, CODE(give_back));
        m->cpu->cr0 |= CR0_WP;
        m->cpu->regs[GPR_RDX] = ~rows[i].taken;
        run(m);
        g_assert_cmpuint(machine_word(m, COUNT_AT), ==, faults);
        g_assert_cmpuint(machine_word(m, SUM_AT), ==, faults * rows[i].error);
        g_assert_cmphex(machine_word(m, RIP_AT), ==, faults != 0 ? AT_CODE + 11 : 0);
        g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, ROUNDS * (ROUNDS + 1) / 2);
        g_assert_cmphex(*machine_pte(m, PLACE) & 0x63, ==, 0x63);
    }
}

/* Every 16 rounds its page goes to the other place and back; adds up what it finds there. */
PROGRAM64(moving, "moving_again: test $15, %cl\n jnz 1f\n"
                  "xorq $0x4000, (%rsi)\n invlpg (%rbx)\n"
                  "1: add (%rbx), %rax\n incq (%rbx)\n push (%rbx)\n pop %rdx\n add %rdx, %rdi\n"
                  "dec %ecx\n jnz moving_again\n hlt");

static void check_moving(const uint8_t *code, const uint8_t *end)
{
    g_autoptr(Machine) m = machine_new();
    uint64_t at[2] = { 1000, 2000000 }, sum = 0, after = 0;
    unsigned which = 0;
    _Static_assert((AT_DATA & 0x4000) == 0 && OTHER == AT_DATA + 0x4000, "the program flips it");
    start(m, code, end);
    machine_set_word(m, PLACE, at[0]);
    machine_set_word(m, OTHER + 0x100, at[1]);
    for (unsigned i = ROUNDS; i != 0; i--) {
        which ^= i % 16 == 0;
        sum += at[which]++;
        after += at[which];
    }
    run(m);
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, sum);
    g_assert_cmpuint(m->cpu->regs[GPR_RDI], ==, after);
    g_assert_cmpuint(machine_word(m, PLACE), ==, at[0]);
    g_assert_cmpuint(machine_word(m, OTHER + 0x100), ==, at[1]);
}

static void test_moving(void)
{
    check_moving(CODE(moving));
}

/* ---- another thread ---- */

PROGRAM64(counting, "1: add $1, %rax\n mov %rax, (%rbx)\n cmpb $0, (%rdx)\n je 1b\n hlt");
PROGRAM64(counting_stack,
          "mov %rbx, %rsp\n 1: add $1, %rax\n mov %rax, (%rsp)\n cmpb $0, (%rdx)\n"
          "je 1b\n hlt");

static void *run_thread(void *opaque)
{
    Machine *m = opaque;
    return GINT_TO_POINTER(cpu_run(m->cpu));
}

/* The word, once it is so much: it is counted up. */
static uint64_t test_wait_word(const uint8_t *at, uint64_t least)
{
    const uint64_t *word = (const uint64_t *)(const void *)at;
    uint64_t now;
    while ((now = __atomic_load_n(word, __ATOMIC_RELAXED)) < least) {
        g_thread_yield();
    }
    return now;
}

static void test_wait_flag(uint8_t *at)
{
    __atomic_store_n(at, 1, __ATOMIC_RELAXED);
}

/*
 * The page's memory is exchanged under the loop. From the moment that the flush is over, nothing
 * more comes to where it was.
 */
static void check_taken_away(const uint8_t *code, const uint8_t *end)
{
    g_autoptr(Machine) m = machine_new();
    uint8_t *pages = g_malloc0(2 * 4096);
    GThread *thread;
    start(m, code, end);
    m->cpu->regs[GPR_RDX] = FLAG;
    m->moved_page = PLACE >> 12;
    m->moved_to = pages;
    thread = g_thread_new("cpu", run_thread, m);
    test_wait_word(pages + 0x100, SOME);
    for (unsigned i = 1; i <= 100; i++) {
        const uint8_t *old = pages + (i + 1) % 2 * 4096;
        uint64_t last;
        m->moved_to = pages + i % 2 * 4096;
        cpu_group_flush(m->group, NULL, AT_DATA, 4096);
        last = test_wait_word(old + 0x100, 0);
        test_wait_word(pages + i % 2 * 4096 + 0x100, last + SOME);
        g_assert_cmpuint(test_wait_word(old + 0x100, 0), ==, last);
    }
    test_wait_flag(m->ram + FLAG);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, CPU_EXIT_WORLD);
    g_free(pages);
}

static void test_taken_away(void)
{
    check_taken_away(CODE(counting));
    check_taken_away(CODE(counting_stack));
}

/* ---- the stack, whose page host code keeps at hand ---- */

/* As `moving`, by RSP. */
PROGRAM64(stack_moving, "mov %rbx, %rsp\n 1: test $15, %cl\n jnz 2f\n"
                        "xorq $0x4000, (%rsi)\n invlpg (%rbx)\n"
                        "2: add (%rsp), %rax\n incq (%rsp)\n push (%rsp)\n pop %rdx\n"
                        "add %rdx, %rdi\n dec %ecx\n jnz 1b\n lea 0x30000, %rsp\n hlt");

/* RSP at the beginning of a page that does not lie behind the one below it; and to another page. */
PROGRAM64(stack_crossing,
          "mov %rbx, %rsp\n mov %rcx, %rbp\n"
          "1: add (%rsp), %rax\n push %rbp\n pop %rdi\n add -4(%rsp), %rdx\n push %rbp\n pop %rdi\n"
          "mov %rbp, -4(%rsp)\n push %rbp\n pop %rdi\n add %ecx, -2(%rsp)\n"
          "push %rbp\n pop %rdi\n mov %rcx, (%rsp)\n add 0x2000(%rsp), %rax\n"
          "xchg %rsp, %rsi\n push %rcx\n add (%rsp), %rax\n pop %rbp\n xchg %rsp, %rsi\n"
          "dec %ecx\n jnz 1b\n lea 0x30000, %rsp\n hlt");

static void test_stack_moving(void)
{
    check_moving(CODE(stack_moving));
}

static void test_stack_crossing(void)
{
    g_autoptr(Machine) m = machine_new();
    uint8_t below[8] = { 0 }, at[8] = { 0 };
    uint64_t rax = 0, rdx = 0, rbp = ROUNDS, v;
    start(m, CODE(stack_crossing));
    m->cpu->regs[GPR_RBX] = AT_DATA + 0x1000;
    m->cpu->regs[GPR_RSI] = AT_DATA + 0x6000;
    *machine_pte(m, AT_DATA + 0x1000) = OTHER | 7;
    machine_set_word(m, AT_DATA + 0x3000, 5);
    for (uint64_t i = ROUNDS; i != 0; i--) {
        uint8_t both[8];
        uint32_t part;
        memcpy(&v, at, 8);
        rax += v;
        memcpy(below, &rbp, 8); /* each push */
        memcpy(both, below + 4, 4);
        memcpy(both + 4, at, 4);
        memcpy(&v, both, 8);
        rdx += v;
        memcpy(both, &rbp, 8);
        memcpy(&part, both + 2, 4);
        part += (uint32_t)i;
        memcpy(both + 2, &part, 4);
        memcpy(below, &rbp, 8);
        memcpy(at, &i, 8);
        rax += 5 + i;
        rbp = i;
    }
    run(m);
    g_assert_cmphex(m->cpu->regs[GPR_RAX], ==, rax);
    g_assert_cmphex(m->cpu->regs[GPR_RDX], ==, rdx);
    g_assert_cmpmem(m->ram + AT_DATA + 0xff8, 8, below, 8);
    g_assert_cmpmem(m->ram + OTHER, 8, at, 8);
}

/* Each loop reaches the stack, then loses the right to: #PF comes on a stack of its own. */
PROGRAM64(loses_ac, "mov %rbx, %rsp\n stac\n 1: mov (%rsp), %rax\n dec %ecx\n jnz 1b\n clac\n"
                    "mov (%rsp), %rax\n hlt");
PROGRAM64(gains_wp, "mov %rbx, %rsp\n 1: push %rcx\n pop %rax\n dec %ecx\n jnz 1b\n"
                    "mov %cr0, %rdx\n bts $16, %rdx\n mov %rdx, %cr0\n push %rcx\n hlt");
PROGRAM64(loses_page, "mov %rbx, %rsp\n 1: push %rcx\n pop %rax\n dec %ecx\n jnz 1b\n"
                      "andq $~1, (%rsi)\n invlpg (%rbx)\n pop %rax\n hlt");
PROGRAM64(loses_rights, "mov %rbx, %rsp\n 1: push %rcx\n pop %rax\n dec %ecx\n jnz 1b\n"
                        "andq $~2, (%rsi)\n mov %cr3, %rdx\n mov %rdx, %cr3\n push %rax\n hlt");

static void test_stack_rights(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        uint64_t cr0, cr4, taken, error;
    } rows[] = {
        { "AC", CODE(loses_ac), 0, CR4_SMAP, 0, 1 },
        { "WP", CODE(gains_wp), 0, 0, 2, 3 },
        { "INVLPG", CODE(loses_page), 0, 0, 0, 0 },
        { "MOV to CR3", CODE(loses_rights), CR0_WP, 0, 0, 3 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", rows[i].label);
        start(m, rows[i].code, rows[i].end);
        for (uint64_t page = 0; page < AT_DATA; page += 4096) {
            *machine_pte(m, page) &= ~UINT64_C(4); /* the supervisor's, for SMAP */
        }
        machine_gate64(m, VEC_PF, 0, 1, 0xe);
        *machine_pte(m, PLACE) &= ~rows[i].taken;
        m->cpu->cr0 = (m->cpu->cr0 & ~(uint64_t)CR0_WP) | rows[i].cr0;
        m->cpu->cr4 |= rows[i].cr4;
        cpu_update_mode(m->cpu);
        machine_run(m);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_PF));
        g_assert_cmpuint(m->cpu->regs[GPR_RCX], ==, 0);
        g_assert_cmphex(machine_stack(m, 0), ==, rows[i].error);
        g_assert_cmphex(machine_stack(m, 4), ==, PLACE);
    }
}

/* A push that overwrites the operand of an instruction, which is then executed on another stack. */
PROGRAM64(stack_code, "mov %rbx, %rsp\n 1: push %rcx\n lea 8(%rsp), %rbp\n mov %rdi, %rsp\n"
                      "call *%rsi\n add %rax, %rdx\n mov %rbp, %rsp\n dec %ecx\n jnz 1b\n"
                      "lea 0x30000, %rsp\n hlt");
PROGRAM64(load_constant, "movabs $0x1122334455667788, %rax\n ret");

static void test_stack_code(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(stack_code));
    LOAD(m, PLACE - 2, load_constant);
    m->cpu->regs[GPR_RBX] = PLACE + 8;
    m->cpu->regs[GPR_RSI] = PLACE - 2;
    m->cpu->regs[GPR_RDI] = AT_DATA + 0x6000;
    m->cpu->regs[GPR_RDX] = 0;
    run(m);
    g_assert_cmpuint(m->cpu->regs[GPR_RDX], ==, ROUNDS * (ROUNDS + 1) / 2);
}

/* ---- breakpoints and steps ---- */

/* Goes round with DR7 as it is, then with what is in R9, then again as it was. */
PROGRAM64(watched, "jmp 1f\n"
                   "watched_loop: add $1, %rax\n mov %rax, (%rbx)\n add %rax, 0x200(%rbx)\n"
                   "dec %ecx\n"
                   "jnz watched_loop\n ret\n"
                   "1: call watched_loop\n mov %dr7, %r8\n mov %r9, %dr7\n mov $200, %ecx\n"
                   "call watched_loop\n mov %r8, %dr7\n mov $200, %ecx\n call watched_loop\n hlt");
#define WATCHED_LOOP (AT_CODE + 2)
/* #DB: counts, adds up what is in the loop's place, goes on with RF set. */
PROGRAM64(count_hit, "incq 0x49000\n push %rax\n mov 8(%rsp), %rax\n mov %rax, 0x49008\n"
                     "mov %dr6, %rax\n add %rax, 0x49020\n mov $0xffff0ff0, %eax\n mov %rax, "
                     "%dr6\n orl $0x10000, 24(%rsp)\n pop %rax\n iretq");

static void test_breakpoints(void)
{
    enum { WRITE8 = 2u << 18 | 1u << 16, ACCESS1 = 3u << 16, FETCH = 0 };
    static const struct {
        const char *label;
        uint64_t at;
        unsigned dr7, hits, rip;
    } rows[] = {
        { "store", PLACE, WRITE8, 200, 7 },
        { "its last byte", PLACE + 7, ACCESS1, 200, 7 },
        { "load and store", PLACE + 0x203, ACCESS1, 200, 14 },
        { "on the page, untouched", PLACE + 8, ACCESS1, 0, 0 },
        { "the loop's first instruction", WATCHED_LOOP, FETCH, 200, 0 },
        { "one in its middle", WATCHED_LOOP + 7, FETCH, 200, 7 },
        { "no instruction", WATCHED_LOOP + 1, FETCH, 0, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", rows[i].label);
        start(m, CODE(watched));
        handle(m, VEC_DB, CODE(count_hit));
        m->cpu->dr[0] = rows[i].at;
        m->cpu->regs[GPR_R9] = 0x401 | rows[i].dr7;
        run(m);
        g_assert_cmpuint(machine_word(m, COUNT_AT), ==, rows[i].hits);
        g_assert_cmphex(machine_word(m, SUM_AT), ==, rows[i].hits * UINT64_C(0xffff0ff1));
        g_assert_cmphex(machine_word(m, RIP_AT), ==,
                        rows[i].hits != 0 ? WATCHED_LOOP + rows[i].rip : 0);
        g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, ROUNDS + 400);
        g_assert_cmpuint(machine_word(m, PLACE), ==, ROUNDS + 400);
    }
}

/* A loop of floating point, hot, then step by step: what the handler finds in MXCSR. */
PROGRAM64(stepped_floats,
          "call float_loop\n mov $50, %ecx\n movups (%rbx), %xmm0\n ldmxcsr (%rdi)\n"
          "pushfq\n orl $0x100, (%rsp)\n popfq\n call float_loop\n"
          "pushfq\n andl $~0x100, (%rsp)\n popfq\n stmxcsr 4(%rdi)\n hlt\n"
          "float_loop: divsd %xmm1, %xmm0\n mulsd %xmm2, %xmm0\n dec %ecx\n jnz float_loop\n ret");
PROGRAM64(count_step, "incq 0x49000\n sub $8, %rsp\n stmxcsr (%rsp)\n push %rax\n"
                      "mov 8(%rsp), %eax\n or %eax, 0x49010\n and $32, %eax\n add %rax, 0x49020\n"
                      "pop %rax\n add $8, %rsp\n iretq");

static void test_stepped_floats(void)
{
    const double values[6] = { 1, 0, 3.7, 0, 3.7, 0 };
    double expected = 1;
    uint32_t mxcsr = 0x1f80;
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(stepped_floats));
    handle(m, VEC_DB, CODE(count_step));
    memcpy(m->ram + PLACE, values, sizeof(values));
    memcpy(m->cpu->xstate + XSTATE_XMM, values, sizeof(values));
    memcpy(m->cpu->xstate + XSTATE_MXCSR, &mxcsr, 4);
    memcpy(m->ram + MXCSR_AT + 0x100, &mxcsr, 4);
    m->cpu->regs[GPR_RDI] = MXCSR_AT + 0x100;
    run(m);
    /* CALL, the loop, RET, PUSHF, AND, POPF */
    g_assert_cmpuint(machine_word(m, COUNT_AT), ==, 1 + 4 * 50 + 1 + 3);
    g_assert_cmphex(machine_word(m, MXCSR_AT), ==, 0x1fa0); /* inexact */
    /* all steps but CALL have it: the first division is not exact */
    g_assert_cmpuint(machine_word(m, SUM_AT), ==, 32 * (4 * 50 + 1 + 3));
    g_assert_cmphex((uint32_t)machine_word(m, MXCSR_AT + 0x104), ==, 0x1fa0);
    for (unsigned i = 0; i < 50; i++) {
        expected = expected / values[2] * values[4];
    }
    g_assert_cmpmem(m->cpu->xstate + XSTATE_XMM, 8, &expected, 8);
}

/* ---- its own instructions ---- */

/* Writes the immediate of its own ADD each time, from a vector register, at RBX. */
PROGRAM64(own_vector, "own_again: movd %xmm0, (%rbx)\n paddd %xmm1, %xmm0\n"
                      ".byte 0x48, 0x05, 0, 0, 0, 0\n" /* add $0, %rax */
                      "dec %ecx\n jnz own_again\n hlt");
#define OWN_IMMEDIATE (AT_CODE + 4 + 4 + 2)

static void test_own_vector(void)
{
    for (unsigned alias = 0; alias < 2; alias++) {
        const uint32_t first[8] = { 7, 0, 0, 0, 3, 0, 0, 0 };
        uint64_t sum = 0;
        g_autoptr(Machine) m = machine_new();
        start(m, CODE(own_vector));
        m->cpu->regs[GPR_RBX] = OWN_IMMEDIATE;
        if (alias) { /* the code's page a second time, where the loop's first rounds do not go */
            m->cpu->regs[GPR_RBX] = AT_DATA + (OWN_IMMEDIATE & 0xfff);
            *machine_pte(m, AT_DATA) = AT_CODE | 7;
        }
        memcpy(m->cpu->xstate + XSTATE_XMM, first, sizeof(first));
        for (unsigned i = 0; i < ROUNDS; i++) {
            sum += 7 + 3 * i;
        }
        run(m);
        g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, sum);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hot/rights", test_rights);
    g_test_add_func("/hot/moving", test_moving);
    g_test_add_func("/hot/taken-away", test_taken_away);
    g_test_add_func("/hot/stack/moving", test_stack_moving);
    g_test_add_func("/hot/stack/crossing", test_stack_crossing);
    g_test_add_func("/hot/stack/rights", test_stack_rights);
    g_test_add_func("/hot/stack/code", test_stack_code);
    g_test_add_func("/hot/breakpoints", test_breakpoints);
    g_test_add_func("/hot/stepped-floats", test_stepped_floats);
    g_test_add_func("/hot/own-vector", test_own_vector);
    return g_test_run();
}
