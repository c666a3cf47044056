/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events where instructions run many at a time: single steps through a loop that host code has
 * taken over, interrupts inside repeated string instructions (Intel SDM vol. 3, 18.3.1.4 and 6.12;
 * vol. 2, REP).
 */
#include "program.h"

#define COUNT_AT 0x48000     /* how often the handler ran */
#define LAST_AT 0x48008      /* RIP it last returned to */
#define SUM_AT 0x48010       /* of the saved RIPs */
#define RCX_AT 0x48018       /* RCX when it last ran */

/*
 * Counts, keeps where it was called and RCX, goes back. Longer than the gap between handlers: it
 * stands on its own.
 */
PROGRAM64(counting, "incq 0x48000\n push %rax\n mov 8(%rsp), %rax\n mov %rax, 0x48008\n add %rax, "
                    "0x48010\n mov %rcx, 0x48018\n"
                    " pop %rax\n iretq");
/* from AT_HANDLERS + n * 16 to AT_HANDLERS + 4000h + n * 16 */
PROGRAM64(to_counting, "jmp . + 0x4000");

static void count_vector(Machine *m, unsigned vector)
{
    LOAD(m, machine_handler(vector), to_counting);
    LOAD(m, machine_handler(vector) + 0x4000, counting);
}

static void start(Machine *m, const uint8_t *code, const uint8_t *end)
{
    machine_long(m);
    machine_code(m, AT_CODE, code, (size_t)(end - code));
}

static void run(Machine *m)
{
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
}

/* ---- single steps ---- */

/* The same loop twice: without the trap flag until it is hot, then with it. */
PROGRAM64(stepped_loop, "mov $1000, %ecx\n call loop_begins\n"
                        "mov %ebx, %ecx\n pushfq\n orl $0x100, (%rsp)\n popfq\n call loop_begins\n"
                        "pushfq\n andl $~0x100, (%rsp)\n popfq\n hlt\n"
                        "loop_begins: inc %rax\n mov %rax, (%rdi)\n add (%rdi), %rdx\n dec %ecx\n "
                        "jnz loop_begins\n ret");

static void test_loop(void)
{
    g_autoptr(Machine) m = machine_new();
    const unsigned rounds = 50;
    start(m, stepped_loop, stepped_loop_end);
    count_vector(m, VEC_DB);
    m->cpu->regs[GPR_RBX] = rounds;
    m->cpu->regs[GPR_RDI] = AT_DATA;
    run(m);
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, 1000 + rounds);
    /* CALL, the loop, RET, PUSHF, AND, and POPF, which was begun with TF set */
    g_assert_cmpuint(machine_word(m, COUNT_AT), ==, 1 + 5 * rounds + 1 + 3);
    g_assert_false(m->cpu->rflags & FLAG_TF);
    g_assert_cmphex(m->cpu->dr[6] & 0x4000, ==, 0x4000);
}

/* Each element of a repeated instruction is a step: RIP stays on it until the last. */
PROGRAM64(stepped_rep, "pushfq\n orl $0x100, (%rsp)\n popfq\n here_rep: rep stosb\n nop\n pushfq\n "
                       "andl $~0x100, (%rsp)\n popfq\n hlt");

static void test_rep(void)
{
    for (unsigned n = 0; n < 5; n++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t rep, expected = 0;
        start(m, stepped_rep, stepped_rep_end);
        count_vector(m, VEC_DB);
        m->cpu->regs[GPR_RCX] = n;
        m->cpu->regs[GPR_RDI] = AT_DATA;
        m->cpu->regs[GPR_RAX] = 0x5a;
        run(m);
        g_assert_cmpuint(machine_word(m, COUNT_AT), ==, (n ? n : 1) + 1 + 3);
        rep = AT_CODE + 9; /* PUSHF, OR, POPF */
        for (unsigned i = 1; i < n; i++) {
            expected += rep;
        }
        expected += rep + 2; /* behind REP STOSB */
        expected += rep + 3; /* NOP */
        expected += rep + 4; /* PUSHF */
        expected += rep + 11; /* AND */
        expected += rep + 12; /* POPF */
        g_assert_cmphex(machine_word(m, SUM_AT), ==, expected);
        g_assert_cmpuint(m->ram[AT_DATA + n], ==, 0);
        g_assert_true(n == 0 || m->ram[AT_DATA + n - 1] == 0x5a);
    }
}

/* ---- interrupts inside string instructions ---- */

PROGRAM64(rep_movsb, "rep movsb\n hlt");
PROGRAM64(rep_movsq, "rep movsq\n hlt");
PROGRAM64(rep_movsb_down, "std\n rep movsb\n hlt");
PROGRAM64(rep_stosl, "rep stosl\n hlt");
PROGRAM64(rep_lodsb, "rep lodsb\n hlt");
PROGRAM64(repe_scasb, "repe scasb\n hlt");
PROGRAM64(repne_scasw, "repne scasw\n hlt");
PROGRAM64(repe_cmpsl, "repe cmpsl\n hlt");
PROGRAM64(rep_movsb_32, "addr32 rep movsb\n hlt");

enum { FROM = 0x100000, TO = 0x140000, LENGTH = 0x10000 };
enum { SOURCE = 1, TARGET = 2, DOWN = 4, COPIES = 8, FILLS = 16 };
static const struct {
    const char *label;
    const uint8_t *code, *end;
    unsigned size, what, at;    /* at: offset of the instruction in the code */
} strings[] = {
    { "REP MOVSB", rep_movsb, rep_movsb_end, 1, SOURCE | TARGET | COPIES, 0 },
    { "REP MOVSQ", rep_movsq, rep_movsq_end, 8, SOURCE | TARGET | COPIES, 0 },
    { "REP MOVSB downwards", rep_movsb_down, rep_movsb_down_end, 1, SOURCE | TARGET | COPIES | DOWN,
      1 },
    { "REP MOVSB, 32-bit addresses", rep_movsb_32, rep_movsb_32_end, 1, SOURCE | TARGET | COPIES,
      0 },
    { "REP STOSL", rep_stosl, rep_stosl_end, 4, TARGET | FILLS, 0 },
    { "REP LODSB", rep_lodsb, rep_lodsb_end, 1, SOURCE, 0 },
    { "REPE SCASB", repe_scasb, repe_scasb_end, 1, TARGET, 0 },
    { "REPNE SCASW", repne_scasw, repne_scasw_end, 2, TARGET, 0 },
    { "REPE CMPSL", repe_cmpsl, repe_cmpsl_end, 4, SOURCE | TARGET, 0 },
};

static void check_interrupted(unsigned i)
{
    g_autoptr(Machine) m = machine_new();
    unsigned what = strings[i].what, size = strings[i].size, reached = 0x8000;
    unsigned base = what & SOURCE ? FROM : TO,
             page = base + (what & DOWN ? LENGTH - 1 - reached : reached);
    uint64_t *regs = m->cpu->regs, left;
    start(m, strings[i].code, strings[i].end);
    count_vector(m, 0x41);
    m->vectors[0] = 0x41;
    m->interrupt_at = page >> 12;
    m->cpu->rflags |= FLAG_IF;
    if (what & COPIES) {
        for (unsigned at = 0; at < LENGTH; at++) {
            m->ram[FROM + at] = (uint8_t)(at * 7 + (at >> 8));
        }
    }
    regs[GPR_RAX] = what & FILLS ? 0x11223344 : i == 7 ? 0xffff : 0;
    regs[GPR_RSI] = what & DOWN ? FROM + LENGTH - 1 : FROM;
    regs[GPR_RDI] = what & DOWN ? TO + LENGTH - 1 : TO;
    regs[GPR_RCX] = LENGTH / size;
    run(m);
    g_assert_cmpuint(machine_word(m, COUNT_AT), ==, 1);
    /* back to the instruction */
    g_assert_cmphex(machine_word(m, LAST_AT), ==, AT_CODE + strings[i].at);
    left = machine_word(m, RCX_AT);
    g_assert_cmpuint(left, >, 0);
    g_assert_cmpuint(left * size, <=, LENGTH - reached);
    g_assert_cmpuint(regs[GPR_RCX], ==, 0);
    if (what & SOURCE) {
        g_assert_cmphex(regs[GPR_RSI], ==, what & DOWN ? FROM - 1 : FROM + LENGTH);
    }
    if (what & TARGET) {
        g_assert_cmphex(regs[GPR_RDI], ==, what & DOWN ? TO - 1 : TO + LENGTH);
    }
    if (what & COPIES) {
        g_assert_cmpmem(m->ram + FROM, LENGTH, m->ram + TO, LENGTH);
    }
    for (unsigned at = 0; (what & FILLS) && at < LENGTH; at += 4) {
        g_assert_cmphex((uint32_t)machine_word(m, TO + at), ==, 0x11223344);
    }
}

static void test_interrupted(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_test_message("%s", strings[i].label);
        check_interrupted(i);
    }
}

/*
 * An interrupt that comes while host code goes round: between two instructions, with all registers
 * as they are there.
 */
PROGRAM64(busy, "sti\n busy_again: inc %rax\n lea (%rax,%rax), %rdx\n add $4096, %rdi\n mov "
                "(%rdi), %r8\n dec %ecx\n jnz busy_again\n hlt");
PROGRAM64(check_pair, "incq 0x48000\n push %rbx\n lea (%rax,%rax), %rbx\n cmp %rbx, %rdx\n je 1f\n "
                      "lea -2(%rax,%rax), %rbx\n cmp %rbx, %rdx\n je 1f\n"
                      " incq 0x48008\n 1: pop %rbx\n iretq");

static void test_in_loop(void)
{
    g_autoptr(Machine) m = machine_new();
    const unsigned rounds = 0x100;
    start(m, busy, busy_end);
    LOAD(m, machine_handler(0x41), to_counting);
    LOAD(m, machine_handler(0x41) + 0x4000, check_pair);
    m->vectors[0] = 0x41;
    m->interrupt_at = (FROM >> 12) + 0x80;
    m->cpu->regs[GPR_RDI] = FROM;
    m->cpu->regs[GPR_RCX] = rounds - 1;
    run(m);
    g_assert_cmpuint(machine_word(m, COUNT_AT), ==, 1);
    g_assert_cmpuint(machine_word(m, LAST_AT), ==, 0);
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, rounds - 1);
    g_assert_true(m->cpu->rflags & FLAG_IF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/step/loop", test_loop);
    g_test_add_func("/step/rep", test_rep);
    g_test_add_func("/step/interrupted-string", test_interrupted);
    g_test_add_func("/step/interrupted-loop", test_in_loop);
    return g_test_run();
}
