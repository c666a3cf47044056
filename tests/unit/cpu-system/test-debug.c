/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints on data and instructions, single steps, and what holds them back (Intel SDM vol. 3,
 * ch. 18).
 */
#include "program.h"
#include "swtdx/host/cpu/debug.h"

#define ENABLE(n) (1u << (2 * (n)))
#define FETCH 0u
#define WRITE 1u
#define ACCESS 3u
enum { LEN1, LEN2, LEN8, LEN4 };
#define BREAK(n, kind, len) \
    (ENABLE(n) | (kind) << (16 + 4 * (n)) | (uint32_t)(len) << (18 + 4 * (n)))

PROGRAM64(store4, "movl $1, (%rbx)\n nop\n hlt");
PROGRAM64(load4, "movl (%rbx), %eax\n nop\n hlt");
PROGRAM64(store16, "movups %xmm0, (%rbx)\n nop\n hlt");
PROGRAM64(locked, "lock incl (%rbx)\n nop\n hlt");
PROGRAM64(stores, "mov $16, %ecx\n mov %rbx, %rdi\n rep stosb\n nop\n hlt");
PROGRAM64(pushes, "lea 8(%rbx), %rsp\n push %rax\n nop\n hlt");
PROGRAM64(faults_late, "mov (%rbx), %eax\n hlt");
PROGRAM64(stack_load,
        "mov $0x10, %ecx\n mov %rbx, %rsi\n movw %cx, (%rsi)\n mov (%rbx), %ss\n nop\n nop\n hlt");

static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint32_t dr7;
    int offset;        /* of DR0 from the address that the program uses */
    unsigned length;   /* of the program up to the saved RIP; 0: no #DB */
} accesses[] = {
    { "store on its byte", CODE(store4), BREAK(0, WRITE, LEN1), 0, 6 },
    { "store on its last byte", CODE(store4), BREAK(0, WRITE, LEN1), 3, 6 },
    { "store before", CODE(store4), BREAK(0, WRITE, LEN1), 4, 0 },
    { "store behind", CODE(store4), BREAK(0, WRITE, LEN1), -1, 0 },
    { "store into eight", CODE(store4), BREAK(0, WRITE, LEN8), 0, 6 },
    { "address is cut to the length", CODE(store4), BREAK(0, WRITE, LEN4), 2, 6 },
    { "store, any access", CODE(store4), BREAK(0, ACCESS, LEN4), 0, 6 },
    { "load, writes only", CODE(load4), BREAK(0, WRITE, LEN4), 0, 0 },
    { "load, any access", CODE(load4), BREAK(0, ACCESS, LEN4), 0, 2 },
    { "load, breakpoint for instructions", CODE(load4), BREAK(0, FETCH, LEN1), 0, 0 },
    { "load, breakpoint for ports", CODE(load4), BREAK(0, 2u, LEN4), 0, 0 },
    { "global enable", CODE(store4), BREAK(0, WRITE, LEN4) << 1 & 0xff, 0, 0 },
    { "not enabled", CODE(store4), BREAK(0, WRITE, LEN4) & ~0xffu, 0, 0 },
    { "vector store", CODE(store16), BREAK(0, WRITE, LEN4), 12, 3 },
    { "locked", CODE(locked), BREAK(0, WRITE, LEN4), 0, 3 },
    { "string, at the element", CODE(stores), BREAK(0, WRITE, LEN1), 5, 8 },
    { "push", CODE(pushes), BREAK(0, WRITE, LEN8), 0, 5 },
};

static void start(Machine *m, const uint8_t *code, const uint8_t *end)
{
    machine_long(m);
    m->cpu->cr4 |= CR4_OSFXSR;
    machine_code(m, AT_CODE, code, (size_t)(end - code));
    m->cpu->regs[GPR_RBX] = AT_DATA + 0x100;
    m->cpu->dr[6] = 0xffff0ff0;
    m->cpu->dr[7] = 0x400;
}

static void arm(Machine *m, uint64_t dr0, uint32_t dr7)
{
    m->cpu->dr[0] = dr0;
    m->cpu->dr[7] = 0x400 | dr7;
    debug_update(m->cpu);
}

/* Where the program stopped: 0 at its end, else the saved RIP of #DB, from the program's start. */
static uint64_t stopped(Machine *m)
{
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    if (m->cpu->rip != machine_handler(VEC_DB)) {
        g_assert_cmphex(m->cpu->rip, <, AT_CODE + 0x100);
        return 0;
    }
    return machine_word(m, m->cpu->regs[GPR_RSP]) - AT_CODE;
}

static void test_accesses(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(accesses); i++) {
        for (unsigned warm = 0; warm < 2; warm++) { /* with the page in the TLB, or not */
            g_autoptr(Machine) m = machine_new();
            uint64_t bits;
            g_test_message("%s%s", accesses[i].label, warm ? ", warm" : "");
            start(m, accesses[i].code, accesses[i].end);
            if (warm) {
                g_assert_cmpuint(stopped(m), ==, 0);
                m->cpu->rip = AT_CODE;
            }
            arm(m, AT_DATA + 0x100 + (uint64_t)(int64_t)accesses[i].offset, accesses[i].dr7);
            g_assert_cmpuint(stopped(m), ==, accesses[i].length);
            bits = m->cpu->dr[6];
            g_assert_cmphex(bits, ==, accesses[i].length ? 0xffff0ff1 : 0xffff0ff0);
        }
    }
}

/* A string instruction stops behind the element that was hit, not at its end. */
static void test_string_counts(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(stores));
    arm(m, AT_DATA + 0x105, BREAK(0, WRITE, LEN1));
    g_assert_cmpuint(stopped(m), ==, 8); /* on REP STOSB, which goes on */
    g_assert_cmpuint(m->cpu->regs[GPR_RCX], ==, 10);
}

static void test_fault_drops_hits(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(faults_late));
    m->cpu->regs[GPR_RBX] = AT_DATA + 0xffe;
    *machine_pte(m, AT_DATA + 0x1000) = 0;
    arm(m, AT_DATA + 0xffe, BREAK(0, ACCESS, LEN1));
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_PF));
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff0);
}

PROGRAM64(general_detect, "mov %dr0, %rax\n hlt");
PROGRAM64(three, "nop\n inc %eax\n hlt");

static void test_instruction(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(three));
    arm(m, AT_CODE + 1, BREAK(0, FETCH, LEN1));
    g_assert_cmpuint(stopped(m), ==, 1);
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff1);
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, 0);
    g_assert_false(machine_word(m, m->cpu->regs[GPR_RSP] + 16) & FLAG_RF);
}

PROGRAM64(iretq, "iretq");

/* A return with RF in the image: the instruction runs once, the next time it stops again. */
static void test_resume(void)
{
    g_autoptr(Machine) m = machine_new();
    uint64_t image;
    start(m, CODE(three));
    machine_code(m, AT_CODE + 0x40, iretq, 2);
    arm(m, AT_CODE + 1, BREAK(0, FETCH, LEN1));
    m->cpu->rip = AT_CODE + 0x40;
    m->cpu->regs[GPR_RSP] = AT_KERNEL_STACK - 40;
    image = m->cpu->regs[GPR_RSP];
    machine_set_word(m, image, AT_CODE + 1);
    machine_set_word(m, image + 8, SEL_CODE64);
    machine_set_word(m, image + 16, 2 | FLAG_RF);
    machine_set_word(m, image + 24, AT_KERNEL_STACK);
    machine_set_word(m, image + 32, SEL_DATA);
    g_assert_cmpuint(stopped(m), ==, 0);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + 3);
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, 1);
    m->cpu->rip = AT_CODE;
    g_assert_cmpuint(stopped(m), ==, 1);
}

/* A hit by the load of SS itself waits for one more instruction. */
static void test_stack_shadow(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(stack_load));
    arm(m, AT_DATA + 0x100, BREAK(0, ACCESS, LEN1));
    m->cpu->dr[7] = 0x400; /* armed behind the store */
    debug_update(m->cpu);
    machine_set_word(m, AT_DATA + 0x100, SEL_DATA);
    m->cpu->rip = AT_CODE + 11;
    arm(m, AT_DATA + 0x100, BREAK(0, ACCESS, LEN1));
    m->cpu->rflags |= FLAG_TF;
    g_assert_cmpuint(stopped(m), ==, 14); /* 2 bytes of MOV SS, one NOP */
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff1 | DR6_BS);
}

PROGRAM64(stack_load_int1, "mov (%rbx), %ss\n .byte 0xf1\n nop\n hlt");

/* INT1 brings its own #DB, and nothing of what the load of SS before it held back. */
static void test_stack_shadow_int1(void)
{
    for (unsigned step = 0; step < 2; step++) {
        g_autoptr(Machine) m = machine_new();
        start(m, CODE(stack_load_int1));
        /* something that came after would come before the HLT */
        machine_code(m, machine_handler(VEC_DB), "\x90\xf4", 2);
        machine_set_word(m, AT_DATA + 0x100, SEL_DATA);
        arm(m, AT_DATA + 0x100, BREAK(0, ACCESS, LEN1));
        m->cpu->rflags |= step ? FLAG_TF : 0;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_DB) + 1);
        g_assert_cmphex(machine_word(m, m->cpu->regs[GPR_RSP]), ==, AT_CODE + 3);
        g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK - 40);
        g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff0);
    }
}

PROGRAM64(stack_load_int3, "mov (%rbx), %ss\n int3\n hlt");

/* Behind INT3 it comes before the first instruction of #BP's handler. */
static void test_stack_shadow_int3(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(stack_load_int3));
    machine_set_word(m, AT_DATA + 0x100, SEL_DATA);
    arm(m, AT_DATA + 0x100, BREAK(0, ACCESS, LEN1));
    g_assert_cmphex(AT_CODE + stopped(m), ==, machine_handler(VEC_BP));
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff1);
}

/* Matches of earlier #DBs go, what else software left in DR6 stays. */
static void test_status(void)
{
    static const struct {
        uint32_t dr7, before, after;
    } rows[] = {
        { BREAK(0, FETCH, LEN1), DR6_BS | 0xe, DR6_BS | 1 },
        { BREAK(0, FETCH, LEN1), DR6_BD, DR6_BD | 1 },
        { BREAK(1, FETCH, LEN1), 5, 2 },
        { DR7_GD, 0xf, DR6_BD },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        start(m, CODE(general_detect));
        m->cpu->dr[1] = AT_CODE;
        arm(m, AT_CODE, rows[i].dr7);
        m->cpu->dr[6] |= rows[i].before;
        g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_DB));
        g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff0 | rows[i].after);
    }
}

PROGRAM64(branches, "nop\n jmp 1f\n nop\n 1: nop\n hlt");

static void test_branch_step(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(branches));
    m->cpu->rflags |= FLAG_TF;
    m->cpu->debugctl = DEBUGCTL_BTF;
    g_assert_cmpuint(stopped(m), ==, 4);
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff0 | DR6_BS);
    g_assert_cmphex(m->cpu->debugctl, ==, 0);
}

PROGRAM64(call_world, "tdcall\n nop\n hlt");

/* The step of an instruction that left to the world is due when the processor comes back. */
static void test_step_over_exit(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(call_world));
    m->cpu->rflags |= FLAG_TF;
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + 4);
    g_assert_cmpuint(stopped(m), ==, 4);
}

static void test_general_detect(void)
{
    g_autoptr(Machine) m = machine_new();
    start(m, CODE(general_detect));
    m->cpu->dr[7] |= DR7_GD;
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_WORLD);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_DB));
    g_assert_cmphex(machine_word(m, m->cpu->regs[GPR_RSP]), ==, AT_CODE);
    g_assert_cmphex(m->cpu->dr[6], ==, 0xffff0ff0 | DR6_BD);
    g_assert_cmphex(m->cpu->dr[7], ==, 0x400);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu/debug/accesses", test_accesses);
    g_test_add_func("/cpu/debug/string", test_string_counts);
    g_test_add_func("/cpu/debug/fault-drops-hits", test_fault_drops_hits);
    g_test_add_func("/cpu/debug/instruction", test_instruction);
    g_test_add_func("/cpu/debug/resume-flag", test_resume);
    g_test_add_func("/cpu/debug/stack-shadow", test_stack_shadow);
    g_test_add_func("/cpu/debug/stack-shadow-int1", test_stack_shadow_int1);
    g_test_add_func("/cpu/debug/stack-shadow-int3", test_stack_shadow_int3);
    g_test_add_func("/cpu/debug/status", test_status);
    g_test_add_func("/cpu/debug/branch-step", test_branch_step);
    g_test_add_func("/cpu/debug/step-over-exit", test_step_over_exit);
    g_test_add_func("/cpu/debug/general-detect", test_general_detect);
    return g_test_run();
}
