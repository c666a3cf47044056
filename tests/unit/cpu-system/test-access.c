/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which address an operand has, and what its access raises: #SS or #GP, and what comes before #AC.
 */
#include "machine.h"

#define NOWHERE UINT64_C(0x8000000000000000) /* not canonical */
#define ABSENT 0x50000u                      /* the page there is not present */
#define DONE 0x80                            /* vector of the INT behind each row's instruction */

typedef struct Instruction {
    uint8_t bytes[9], n;
} Instruction;
#define I(...) { { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }) }

static void put_code(Machine *m, uint64_t at, const Instruction *instruction)
{
    static const uint8_t done[] = { 0xcd, DONE };
    machine_code(m, at, instruction->bytes, instruction->n);
    machine_code(m, at + instruction->n, done, sizeof(done));
}

static unsigned vector_of(const Machine *m)
{
    return (unsigned)((m->cpu->rip - AT_HANDLERS) / 16);
}

typedef struct StackRow {
    const char *label;
    Instruction code;
    uint64_t rsp, rbp, rbx;
    unsigned vector;
} StackRow;

static const StackRow stack_rows[] = {
    { "push rax", I(0x50), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "pop rax", I(0x58), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "push [rbx]", I(0xff, 0x33), AT_KERNEL_STACK, AT_DATA, NOWHERE, VEC_GP },
    { "push [rbp]", I(0xff, 0x75, 0), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "push [rbx] to nowhere", I(0xff, 0x33), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "pop [rbx]", I(0x8f, 0x03), AT_KERNEL_STACK, AT_DATA, NOWHERE, VEC_GP },
    { "pushf, 16 bits", I(0x66, 0x9c), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "pushfq", I(0x9c), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "popf, 16 bits", I(0x66, 0x9d), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "popfq", I(0x9d), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "leave", I(0xc9), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "leave, 16 bits", I(0x66, 0xc9), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "enter", I(0xc8, 0, 0, 0), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "enter with levels", I(0xc8, 0, 0, 2), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "call", I(0xe8, 0, 0, 0, 0), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "call [rbx]", I(0xff, 0x13), AT_KERNEL_STACK, AT_DATA, NOWHERE, VEC_GP },
    { "call [rbp]", I(0xff, 0x55, 0), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "ret", I(0xc3), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "ret far", I(0xcb), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "iretq", I(0x48, 0xcf), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "iretd", I(0xcf), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "iret, 16 bits", I(0x66, 0xcf), NOWHERE, AT_DATA, AT_DATA, VEC_SS },
    { "mov [rbx]", I(0x8b, 0x03), AT_KERNEL_STACK, AT_DATA, NOWHERE, VEC_GP },
    { "mov [rbp]", I(0x8b, 0x45, 0), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "mov [rbp + rbp]", I(0x8b, 0x44, 0x2d, 0), AT_KERNEL_STACK, NOWHERE >> 1, AT_DATA, VEC_SS },
    { "mov ds:[rbp]", I(0x3e, 0x8b, 0x45, 0), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_SS },
    { "mov fs:[rbp]", I(0x64, 0x8b, 0x45, 0), AT_KERNEL_STACK, NOWHERE, AT_DATA, VEC_GP },
};

static void test_stack(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(stack_rows); i++) {
        const StackRow *row = &stack_rows[i];
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", row->label);
        machine_long(m);
        machine_gate64(m, VEC_SS, 0, 1, 14);
        machine_gate64(m, VEC_GP, 0, 1, 14);
        put_code(m, AT_CODE, &row->code);
        m->cpu->regs[GPR_RSP] = row->rsp;
        m->cpu->regs[GPR_RBP] = row->rbp;
        m->cpu->regs[GPR_RBX] = row->rbx;
        machine_run(m);
        g_assert_cmpuint(vector_of(m), ==, row->vector);
        g_assert_cmphex(machine_stack(m, 0), ==, 0);       /* error code */
        g_assert_cmphex(machine_stack(m, 1), ==, AT_CODE); /* RIP */
        g_assert_cmphex(machine_stack(m, 4), ==, row->rsp);
        g_assert_cmphex(m->cpu->regs[GPR_RBP], ==, row->rbp);
    }
}

typedef struct AlignRow {
    const char *label;
    Instruction code;
    uint64_t rbx;
    unsigned vector;
} AlignRow;

/* In user mode with CR0.AM and RFLAGS.AC (SDM vol. 3, 6.15 and table 6-2). */
static const AlignRow align_rows[] = {
    { "mov at 4", I(0x8b, 0x03), AT_DATA + 4, DONE },
    { "mov at 2", I(0x8b, 0x03), AT_DATA + 2, VEC_AC },
    { "mov at 2, not there", I(0x8b, 0x03), ABSENT + 2, VEC_PF },
    { "mov at 2, nowhere", I(0x8b, 0x03), NOWHERE + 2, VEC_GP },
    { "mov, half not there", I(0x8b, 0x03), ABSENT - 2, VEC_PF },
    { "mov to 2, not there", I(0x89, 0x03), ABSENT + 2, VEC_PF },
    { "mov to 2", I(0x89, 0x03), AT_DATA + 2, VEC_AC },
    { "add to 2, nowhere", I(0x01, 0x03), NOWHERE + 2, VEC_GP },
    { "lock add at 2", I(0xf0, 0x01, 0x03), AT_DATA + 2, VEC_AC },
    { "lock add at 2, not there", I(0xf0, 0x01, 0x03), ABSENT + 2, VEC_PF },
    { "lock add at 2, nowhere", I(0xf0, 0x01, 0x03), NOWHERE + 2, VEC_GP },
    { "lock add over two pages", I(0xf0, 0x01, 0x03), AT_DATA + 0xffe, VEC_AC },
    { "lock add, half not there", I(0xf0, 0x01, 0x03), ABSENT - 2, VEC_PF },
    { "movups at 2", I(0x0f, 0x10, 0x03), AT_DATA + 2, DONE },
    { "fld, extended, at 8", I(0xdb, 0x2b), AT_DATA + 8, DONE },
    { "fld, extended, at 4", I(0xdb, 0x2b), AT_DATA + 4, VEC_AC },
    { "fstp, extended, at 4", I(0xdb, 0x3b), AT_DATA + 4, VEC_AC },
    { "fbstp at 2", I(0xdf, 0x33), AT_DATA + 2, VEC_AC },
    { "fnstenv at 4", I(0xd9, 0x33), AT_DATA + 4, DONE },
    { "fnstenv at 2", I(0xd9, 0x33), AT_DATA + 2, VEC_AC },
    { "fnstenv, 16 bits, at 2", I(0x66, 0xd9, 0x33), AT_DATA + 2, DONE },
    { "fnstenv, 16 bits, at 1", I(0x66, 0xd9, 0x33), AT_DATA + 1, VEC_AC },
    { "fldenv at 2", I(0xd9, 0x23), AT_DATA + 2, VEC_AC },
    { "fnsave at 2", I(0xdd, 0x33), AT_DATA + 2, VEC_AC },
    { "frstor, 16 bits, at 1", I(0x66, 0xdd, 0x23), AT_DATA + 1, VEC_AC },
};

static void test_alignment(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(align_rows); i++) {
        const AlignRow *row = &align_rows[i];
        g_autoptr(Machine) m = machine_new();
        Cpu *cpu = m->cpu;
        g_test_message("%s", row->label);
        machine_long(m);
        machine_gate64(m, DONE, 3, 0, 14);
        *machine_pte(m, ABSENT) = 0;
        put_code(m, AT_USER_CODE, &row->code);
        cpu->cr0 |= CR0_AM;
        cpu->cr4 |= CR4_OSFXSR;
        cpu->rflags |= FLAG_AC;
        cpu->cpl = 3;
        cpu->seg[SEG_CS] = (Segment){ SEL_USER64 | 3, 0xa0fb, 0xffffffff, 0 };
        cpu->seg[SEG_SS] = (Segment){ SEL_USER_DATA | 3, 0xc0f3, 0xffffffff, 0 };
        cpu->rip = AT_USER_CODE;
        cpu->regs[GPR_RSP] = AT_USER_STACK;
        cpu->regs[GPR_RBX] = row->rbx;
        cpu_update_mode(cpu);
        machine_run(m);
        g_assert_cmpuint(vector_of(m), ==, row->vector);
        /* the x87 has neither popped nor pushed */
        g_assert_cmphex(row->vector == DONE ? 0 : cpu->xstate[XSTATE_FSW + 1], ==, 0);
    }
}

typedef struct CodeRow {
    const char *label;
    Instruction code;
    unsigned vector;
} CodeRow;

/* 32-bit code in flat segments: code may be read, not written (SDM vol. 3, 5.6). */
static const CodeRow code_rows[] = {
    { "mov eax, cs:[ebx]", I(0x2e, 0x8b, 0x03), DONE },
    { "mov cs:[ebx], eax", I(0x2e, 0x89, 0x03), VEC_GP },
    { "mov ds:[ebx], eax", I(0x3e, 0x89, 0x03), DONE },
    { "mov cs:[40000h], al", I(0x2e, 0xa2, 0, 0, 4, 0), VEC_GP },
    { "inc cs:[ebx]", I(0x2e, 0xff, 0x03), VEC_GP },
    { "cmp cs:[ebx], eax", I(0x2e, 0x39, 0x03), DONE },
    { "lock add cs:[ebx], eax", I(0x2e, 0xf0, 0x01, 0x03), VEC_GP },
    { "xchg cs:[ebx], eax", I(0x2e, 0x87, 0x03), VEC_GP },
    { "setz cs:[ebx]", I(0x2e, 0x0f, 0x94, 0x03), VEC_GP },
    { "fnstcw cs:[ebx]", I(0x2e, 0xd9, 0x3b), VEC_GP },
    { "fldcw cs:[ebx]", I(0x2e, 0xd9, 0x2b), DONE },
    { "movups cs:[ebx], xmm0", I(0x2e, 0x0f, 0x11, 0x03), VEC_GP },
    { "movups xmm0, cs:[ebx]", I(0x2e, 0x0f, 0x10, 0x03), DONE },
};

static void test_code_segment(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(code_rows); i++) {
        const CodeRow *row = &code_rows[i];
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", row->label);
        machine_start32(m);
        m->cpu->gdtr = (DescriptorTable){ AT_GDT, 0x47 };
        m->cpu->idtr = (DescriptorTable){ AT_IDT, 0x7ff };
        m->cpu->seg[SEG_SS].selector = SEL_DATA;
        m->cpu->cr4 |= CR4_OSFXSR;
        machine_gate32(m, VEC_GP, 0, 14);
        machine_gate32(m, DONE, 0, 14);
        put_code(m, AT_CODE, &row->code);
        machine_set_word(m, AT_DATA, 0x37f);
        m->cpu->regs[GPR_RBX] = AT_DATA;
        machine_run(m);
        g_assert_cmpuint(vector_of(m), ==, row->vector);
        if (row->vector != DONE) {
            g_assert_cmphex(machine_word(m, AT_DATA), ==, 0x37f);
        }
    }
}

typedef struct BaseRow {
    const char *label;
    Instruction code;
    unsigned reg;
} BaseRow;

/* SIB.base 101b without a displacement's mod: none, whatever REX.B is (SDM vol. 2, 2.2.1.2). */
static const BaseRow base_rows[] = {
    { "mov eax, [r8 + 40000h]", I(0x43, 0x8b, 0x04, 0x05, 0, 0, 4, 0), GPR_RAX },
    { "mov eax, [r8d + 40000h]", I(0x67, 0x43, 0x8b, 0x04, 0x05, 0, 0, 4, 0), GPR_RAX },
    { "mov eax, [40010h], 32-bit address",
      I(0x67, 0x41, 0x8b, 0x04, 0x25, 0x10, 0, 4, 0), GPR_RAX },
    { "mov ecx, [eax + 40010h]", I(0x67, 0x41, 0x8b, 0x0c, 0x05, 0x10, 0, 4, 0), GPR_RCX },
    { "lea rcx, [r8d + 40000h]", I(0x67, 0x4b, 0x8d, 0x0c, 0x05, 0, 0, 4, 0), GPR_RCX },
};

static void test_no_base(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(base_rows); i++) {
        const BaseRow *row = &base_rows[i];
        g_autoptr(Machine) m = machine_new();
        bool address = row->code.bytes[2] == 0x8d;
        g_test_message("%s", row->label);
        machine_long(m);
        put_code(m, AT_CODE, &row->code);
        machine_set_word(m, AT_DATA + 0x10, 0x12345678);
        m->cpu->regs[GPR_R8] = 0x10;
        m->cpu->regs[GPR_R13] = 0x1000;
        machine_run(m);
        g_assert_cmpuint(vector_of(m), ==, DONE);
        g_assert_cmphex(m->cpu->regs[row->reg], ==, address ? AT_DATA + 0x10 : 0x12345678);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/access/stack", test_stack);
    g_test_add_func("/access/alignment", test_alignment);
    g_test_add_func("/access/code-segment", test_code_segment);
    g_test_add_func("/access/no-base", test_no_base);
    return g_test_run();
}
