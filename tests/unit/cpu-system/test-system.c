/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of a few instructions on the tests' machine: mode changes, exceptions, interrupts, far
 * transfers, system registers.
 */
#include "program.h"
#include "swtdx/host/cpu/block.h"

#define NX (UINT64_C(1) << 63)

static uint32_t stack_dword(Machine *m, unsigned n)
{
    return (uint32_t)machine_word(m, m->cpu->regs[GPR_RSP] + n * 4);
}

/* ---- into long mode ---- */

/*
 * The way a TDVF goes: GDT, far jump, PAE, CR3, paging, far jump (with 4-level or, if EBP is not 0,
 * 5-level paging).
 */
PROGRAM(enter_long, 32,
        "lgdt 0x7000\n"
        "ljmp $0x08, $0x20010\n"
        ".org enter_long + 0x10\n"
        "mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
        "mov %cr4, %eax\n or $0x20, %eax\n test %ebp, %ebp\n jz 1f\n or $0x1000, %eax\n 1: mov "
        "%eax, %cr4\n"
        "mov %esi, %eax\n mov %eax, %cr3\n"
        "mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
        "ljmp $0x18, $0x20080\n"
        ".org enter_long + 0x80\n"
        ".code64\n movabs $0x1122334455667788, %r9\n mov %cr0, %rdx\n hlt\n");

static void test_enter_long(void)
{
    for (unsigned la57 = 0; la57 < 2; la57++) {
        g_autoptr(Machine) m = machine_new();
        static const uint16_t limit = 0x47;
        static const uint32_t base = AT_GDT;
        machine_start32(m);
        LOAD(m, AT_CODE, enter_long);
        machine_code(m, 0x7000, &limit, 2);
        machine_code(m, 0x7002, &base, 4);
        m->cpu->regs[GPR_RBP] = la57;
        m->cpu->regs[GPR_RSI] = la57 ? AT_PML5 : AT_PML4;
        machine_run(m);
        g_assert_cmphex(m->cpu->regs[GPR_R9], ==, 0x1122334455667788);
        g_assert_true(m->cpu->efer & EFER_LMA);
        g_assert_true(m->cpu->mode & CPU_MODE_CS64);
        g_assert_cmphex(m->cpu->regs[GPR_RDX], ==, 0x80000031);
        g_assert_cmphex(m->cpu->seg[SEG_CS].selector, ==, SEL_CODE64);
    }
}

/* ---- exceptions in 64-bit mode ---- */

PROGRAM(read_rbx, 64, "mov (%rbx), %rax\n hlt");
PROGRAM(write_rbx, 64, "movl $1, (%rbx)\n hlt");
PROGRAM(undefined, 64, "ud2");
PROGRAM(divide, 64, "xor %ecx, %ecx\n div %ecx");
PROGRAM(int80, 64, "int $0x80\n hlt");
PROGRAM(breakpoint, 64, "int3\n hlt");
PROGRAM(bad_segment, 64, "mov $0x50, %eax\n mov %eax, %ds");
PROGRAM(bad_cr0, 64, "xor %eax, %eax\n mov %rax, %cr0");
PROGRAM(bad_cr4, 64, "mov $1, %eax\n shl $40, %rax\n mov %rax, %cr4");
PROGRAM(bad_wrmsr, 64, "mov $0xc0000082, %ecx\n mov $0x80000000, %edx\n wrmsr");
PROGRAM(bad_xfd, 64, "mov $0x1c4, %ecx\n mov $0x20000, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(xfd_without, 64, "mov $0x1c5, %ecx\n mov $0x40000, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(ve_rdmsr, 64, "mov $0x1234, %ecx\n rdmsr");
PROGRAM(jump_away, 64, "jmp *%rbx");
PROGRAM(push_away, 64, "mov %rbx, %rsp\n push %rax");

static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint64_t rbx;
    unsigned vector;
    int64_t error;  /* -1: none */
    unsigned offset; /* of the saved RIP; ~0: it is rbx */
    bool rf;
} faults[] = {
    {"page fault", CODE(read_rbx), 0x300000, VEC_PF, 0, 0, true},
    {"page fault, write", CODE(write_rbx), 0x300000, VEC_PF, 2, 0, true},
    {"not canonical", CODE(read_rbx), UINT64_C(0x0000900000000000), VEC_GP, 0, 0, true},
    {"#UD", CODE(undefined), 0, VEC_UD, -1, 0, true},
    {"#DE", CODE(divide), 0, VEC_DE, -1, 2, true},
    {"INT 80h", CODE(int80), 0, 0x80, -1, 2, false},
    {"INT3", CODE(breakpoint), 0, VEC_BP, -1, 1, false},
    {"selector beyond the GDT", CODE(bad_segment), 0, VEC_GP, 0x50, 5, true},
    {"PG off in 64-bit mode", CODE(bad_cr0), 0, VEC_GP, 0, 2, true},
    {"reserved CR4 bit", CODE(bad_cr4), 0, VEC_GP, 0, 9, true},
    {"LSTAR not canonical", CODE(bad_wrmsr), 0, VEC_GP, 0, 10, true},
    {"XFD of TILECFG", CODE(bad_xfd), 0, VEC_GP, 0, 12, true},
    {"XFD_ERR without AMX", CODE(xfd_without), 0, VEC_GP, 0, 12, true},
    {"#VE of the world", CODE(ve_rdmsr), 0, VEC_VE, -1, 5, true},
    {"jump to a hole", CODE(jump_away), 0x300123, VEC_PF, 0x10, ~0u, true},
};

static void test_faults(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t rip = faults[i].offset == ~0u ? faults[i].rbx : AT_CODE + faults[i].offset;
        unsigned n = faults[i].error >= 0;
        g_test_message("%s", faults[i].label);
        machine_long(m);
        machine_code(m, AT_CODE, faults[i].code, (size_t)(faults[i].end - faults[i].code));
        m->cpu->regs[GPR_RBX] = faults[i].rbx;
        m->cpu->regs[GPR_RSP] = AT_KERNEL_STACK - 4; /* the frame is aligned */
        machine_run(m);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(faults[i].vector));
        g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK - 16 - 40 - n * 8);
        if (n) {
            g_assert_cmphex(machine_stack(m, 0), ==, (uint64_t)faults[i].error);
        }
        g_assert_cmphex(machine_stack(m, n), ==, rip);
        g_assert_cmphex(machine_stack(m, n + 1), ==, SEL_CODE64);
        g_assert_cmpint((machine_stack(m, n + 2) & FLAG_RF) != 0, ==, faults[i].rf);
        g_assert_cmphex(machine_stack(m, n + 3), ==, AT_KERNEL_STACK - 4);
        g_assert_cmphex(machine_stack(m, n + 4), ==, SEL_DATA);
        if (faults[i].vector == VEC_PF) {
            g_assert_cmphex(m->cpu->cr2, ==, faults[i].rbx);
        }
    }
}

static void test_stack_fault(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, push_away);
    m->cpu->regs[GPR_RBX] = UINT64_C(0x0000900000000000);
    machine_gate64(m, VEC_SS, 0, 1, 14);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_SS));
    g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_IST1 - 48);
}

/* ---- faults while a fault is delivered ---- */

static void close_gate(Machine *m, unsigned vector)
{
    machine_set_word(m, AT_IDT + vector * 16,
                     machine_word(m, AT_IDT + vector * 16) & ~(UINT64_C(0x80) << 40));
}

static void test_double_fault(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        int closed[3];
        unsigned vector; /* 0: triple fault */
        unsigned error;
    } rows[] = {
        { "#PF, then #NP", CODE(read_rbx), { VEC_PF, -1, -1 }, VEC_DF, 0 },
        { "#GP, then #NP", CODE(bad_wrmsr), { VEC_GP, -1, -1 }, VEC_DF, 0 },
        { "#VE, then #NP", CODE(ve_rdmsr), { VEC_VE, -1, -1 }, VEC_DF, 0 },
        { "#UD, then #NP", CODE(undefined), { VEC_UD, -1, -1 }, VEC_NP, VEC_UD * 8 + 3 },
        { "INT n, then #NP", CODE(int80), { 0x80, -1, -1 }, VEC_NP, 0x80 * 8 + 2 },
        { "#UD, #NP, #NP", CODE(undefined), { VEC_UD, VEC_NP, -1 }, VEC_DF, 0 },
        { "#PF and #DF closed", CODE(read_rbx), { VEC_PF, VEC_DF, -1 }, 0, 0 },
        { "#UD, #NP, #DF closed", CODE(undefined), { VEC_UD, VEC_NP, VEC_DF }, 0, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", rows[i].label);
        machine_long(m);
        machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        m->cpu->regs[GPR_RBX] = 0x300000;
        for (unsigned k = 0; k < 3 && rows[i].closed[k] >= 0; k++) {
            close_gate(m, (unsigned)rows[i].closed[k]);
        }
        if (!rows[i].vector) {
            g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_TRIPLE_FAULT);
            continue;
        }
        machine_run(m);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(rows[i].vector));
        g_assert_cmphex(machine_stack(m, 0), ==, rows[i].error);
        if (rows[i].code == int80) {
            g_assert_cmphex(machine_stack(m, 1), ==, AT_CODE); /* the INT did not complete */
        }
    }
}

static void test_no_stack(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, undefined);
    m->cpu->regs[GPR_RSP] = 0x300000; /* #UD, #PF, then #DF on its own stack */
    machine_gate64(m, VEC_DF, 0, 1, 14);
    machine_set_word(m, AT_IDT + VEC_PF * 16, 0);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_DF));
    g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_IST1 - 48);
    g_assert_cmphex(machine_stack(m, 1), ==, AT_CODE);
    g_assert_cmphex(m->cpu->cr2, ==, 0x300000 - 8);
}

/* A page of the stack that only the VMM can bring: the event waits for it. */
static void test_delivery_resumes(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, int80);
    m->unmapped_once = AT_KERNEL_STACK >> 12;
    m->cpu->regs[GPR_RSP] = AT_KERNEL_STACK + 0x100;
    machine_run(m);
    g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK + 0x100);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x80));
    g_assert_cmphex(machine_stack(m, 0), ==, AT_CODE + 2);
}

/* ---- privilege changes ---- */

PROGRAM(to_user, 64,
        "push $0x2b\n push $0x38000\n push $0x3202\n push $0x33\n push $0x24000\n iretq");
PROGRAM(to_user32, 64,
        "push $0x2b\n push $0x38000\n push $0x3202\n push $0x23\n push $0x24000\n iretq");
PROGRAM(user_int, 64, "int $0x80");
PROGRAM(user_hlt, 64, "hlt");
PROGRAM(user_cli, 64, "cli\n int $0x80");
PROGRAM(user_page, 64, "mov 0x40000, %eax");
PROGRAM(user_syscall, 64, "syscall\n int $0x80");
PROGRAM(user_in, 64, "in %dx, %eax");
PROGRAM(user_sgdt, 64, "sgdt -16(%rsp)");

static void test_user(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        unsigned vector;
        int64_t error;
        unsigned offset;
    } rows[] = {
        { "INT 80h", CODE(user_int), 0x80, -1, 2 },
        { "HLT", CODE(user_hlt), VEC_GP, 0, 0 },
        { "CLI with IOPL 3", CODE(user_cli), 0x80, -1, 3 },
        { "supervisor page", CODE(user_page), VEC_PF, 5, 0 },
        { "SGDT under UMIP", CODE(user_sgdt), VEC_GP, 0, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        unsigned n = rows[i].error >= 0;
        g_test_message("%s", rows[i].label);
        machine_long(m);
        m->cpu->cr4 |= CR4_UMIP;
        machine_gate64(m, 0x80, 3, 0, 15);
        *machine_pte(m, AT_DATA) &= ~UINT64_C(4);
        LOAD(m, AT_CODE, to_user);
        machine_code(m, AT_USER_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        machine_run(m);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(rows[i].vector));
        g_assert_cmpuint(m->cpu->cpl, ==, 0);
        g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_RSP0 - 40 - n * 8);
        g_assert_cmphex(machine_stack(m, n), ==, AT_USER_CODE + rows[i].offset);
        g_assert_cmphex(machine_stack(m, n + 1), ==, SEL_USER64 | 3);
        g_assert_cmphex(machine_stack(m, n + 3), ==, AT_USER_STACK);
        g_assert_cmphex(machine_stack(m, n + 4), ==, SEL_USER_DATA | 3);
        if (n) {
            g_assert_cmphex(machine_stack(m, 0), ==, (uint64_t)rows[i].error);
        }
    }
}

static void test_int_privilege(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, to_user);
    LOAD(m, AT_USER_CODE, user_int);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_GP));
    g_assert_cmphex(machine_stack(m, 0), ==, 0x80 * 8 + 2);
    g_assert_cmphex(machine_stack(m, 1), ==, AT_USER_CODE);
}

PROGRAM(kernel_entry, 64, "mov %r11, %r8\n mov %rcx, %r9\n sysretq");

static void test_syscall(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    machine_gate64(m, 0x80, 3, 0, 14);
    LOAD(m, AT_CODE, to_user);
    LOAD(m, AT_USER_CODE, user_syscall);
    LOAD(m, 0x28000, kernel_entry);
    m->cpu->star = (uint64_t)(SEL_USER32 | 3) << 48 | (uint64_t)SEL_CODE64 << 32;
    m->cpu->lstar = 0x28000;
    m->cpu->fmask = FLAG_IF;
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x80));
    g_assert_cmphex(m->cpu->regs[GPR_R8], ==, 0x3202);
    g_assert_cmphex(m->cpu->regs[GPR_R9], ==, AT_USER_CODE + 2);
    g_assert_cmphex(machine_stack(m, 1), ==, SEL_USER64 | 3);
    g_assert_cmphex(machine_stack(m, 2), ==, 0x3202);
}

PROGRAM(sysenter32, 32, "mov $0x88888888, %eax\n sysenter\n hlt\n int $0x80");
PROGRAM(kernel_entry32, 64,
        "mov %cs, %r8d\n mov %rsp, %r9\n"
        "mov $0x24000 + 8, %ecx\n mov $0x3202, %r11d\n mov $0x37000, %esp\n sysretl");

/*
 * How Linux serves 32-bit programs: in by SYSENTER, which saves nothing, out by SYSRET without
 * REX.W.
 */
static void test_compatible_syscall(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    machine_gate64(m, 0x80, 3, 0, 14);
    LOAD(m, AT_CODE, to_user32);
    LOAD(m, AT_USER_CODE, sysenter32);
    LOAD(m, 0x28000, kernel_entry32);
    m->cpu->star = (uint64_t)(SEL_USER32 | 3) << 48 | (uint64_t)SEL_CODE64 << 32;
    m->cpu->sysenter_cs = SEL_CODE64;
    m->cpu->sysenter_esp = AT_RSP0 - 64;
    m->cpu->sysenter_eip = 0x28000;
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x80));
    g_assert_cmphex(m->cpu->regs[GPR_R8], ==, SEL_CODE64);
    g_assert_cmphex(m->cpu->regs[GPR_R9], ==, AT_RSP0 - 64);
    g_assert_cmphex(machine_stack(m, 0), ==, AT_USER_CODE + 10);
    g_assert_cmphex(machine_stack(m, 1), ==, SEL_USER32 | 3);
    g_assert_cmphex(machine_stack(m, 3), ==, 0x37000);
    g_assert_cmphex(machine_stack(m, 4), ==, SEL_USER_DATA | 3);
}

PROGRAM(rdrand16, 64, "rdrand %bx\n hlt");
PROGRAM(rdrand32, 64, "rdrand %ebx\n hlt");
PROGRAM(rdfsbase32, 64, "rdfsbase %ebx\n hlt");
PROGRAM(wrfsbase32, 64, "wrfsbase %ebx\n rdfsbase %rbx\n hlt");
PROGRAM(smsw16, 64, "smsw %bx\n hlt");
PROGRAM(str16, 64, "str %bx\n hlt");
PROGRAM(str32, 64, "str %ebx\n hlt");
PROGRAM(from_ss16, 64, "mov %ss, %bx\n hlt");
PROGRAM(from_ss32, 64, "mov %ss, %ebx\n hlt");
PROGRAM(lar16, 64, "mov $0x10, %ecx\n lar %cx, %bx\n hlt");
PROGRAM(lsl16, 64, "mov $0x10, %ecx\n lsl %cx, %bx\n hlt");
PROGRAM(lsl32, 64, "mov $0x10, %ecx\n lsl %ecx, %ebx\n hlt");

/* 16-bit results keep the rest of the register, 32-bit ones clear its upper half. */
static void test_operand_size(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        uint64_t kept;
    } rows[] = {
        { "RDRAND, 16 bits", CODE(rdrand16), ~UINT64_C(0xffff) },
        { "RDRAND, 32 bits", CODE(rdrand32), 0 },
        { "RDFSBASE, 32 bits", CODE(rdfsbase32), 0 },
        { "WRFSBASE, 32 bits", CODE(wrfsbase32), 0 },
        { "SMSW, 16 bits", CODE(smsw16), ~UINT64_C(0xffff) },
        { "STR, 16 bits", CODE(str16), ~UINT64_C(0xffff) },
        { "STR, 32 bits", CODE(str32), 0 },
        { "MOV from SS, 16 bits", CODE(from_ss16), ~UINT64_C(0xffff) },
        { "MOV from SS, 32 bits", CODE(from_ss32), 0 },
        { "LAR, 16 bits", CODE(lar16), ~UINT64_C(0xffff) },
        { "LSL, 16 bits", CODE(lsl16), ~UINT64_C(0xffff) },
        { "LSL, 32 bits", CODE(lsl32), 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t start = 0x8123456789abcdef;
        g_test_message("%s", rows[i].label);
        machine_long(m);
        m->cpu->cr4 |= CR4_FSGSBASE;
        m->cpu->seg[SEG_FS].base = 0x7fffffffffff;
        m->cpu->regs[GPR_RBX] = start;
        machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        machine_run(m);
        g_assert_cmphex(m->cpu->regs[GPR_RBX], !=, start);
        m->cpu->regs[GPR_RBX] &= rows[i].kept | UINT64_C(0xffffffff00000000);
        g_assert_cmphex(m->cpu->regs[GPR_RBX], ==, start & rows[i].kept);
    }
}

static void test_port_map(void)
{
    for (unsigned open = 0; open < 2; open++) {
        g_autoptr(Machine) m = machine_new();
        machine_long(m);
        m->cpu->cpl = 3;
        m->cpu->seg[SEG_CS] = (Segment){ SEL_USER64 | 3, 0xa0fb, 0xffffffff, 0 };
        cpu_update_mode(m->cpu);
        LOAD(m, AT_CODE, user_in);
        m->cpu->tr.limit = 0x67 + 0x100;
        machine_set_word(m, AT_TSS + 0x66, 0x68 | UINT64_C(0xffffffffffff0000));
        machine_set_word(m, AT_TSS + 0x68 + 0xa, open ? 0 : 0x10);
        m->cpu->regs[GPR_RDX] = 0x52;
        machine_run(m);
        if (open) {
            g_assert_cmphex(m->exit_reason, ==, 0x40052);
        } else {
            g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_GP));
        }
    }
}

/* ---- interrupts ---- */

PROGRAM(sti_two, 64, "sti\n inc %eax\n inc %eax\n hlt");

static void test_interrupt(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, sti_two);
    m->vectors[0] = 0x41;
    cpu_request(m->cpu, CPU_PENDING_INTERRUPT);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x41));
    g_assert_cmpuint(m->cpu->regs[GPR_RAX], ==, 1); /* the shadow of STI: one instruction */
    g_assert_cmphex(machine_stack(m, 0), ==, AT_CODE + 3);
    g_assert_cmphex(machine_stack(m, 2), ==, 0x202);
    g_assert_false(m->cpu->rflags & FLAG_IF);
}

static void test_nmi(void)
{
    static const uint8_t iretq[] = { 0x48, 0xcf };
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, sti_two);
    cpu_request(m->cpu, CPU_PENDING_NMI);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_NMI));
    g_assert_true(m->cpu->nmi_blocked);
    cpu_request(m->cpu, CPU_PENDING_NMI);
    machine_code(m, machine_handler(VEC_NMI), iretq, sizeof(iretq));
    code_page_discard(m->group, machine_handler(VEC_NMI), 16);
    cpu_request(m->cpu, CPU_PENDING_EXIT); /* the second is held back until the IRET */
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_KICKED);
    machine_code(m, machine_handler(VEC_NMI), "\xf4\xf4", 2);
    code_page_discard(m->group, machine_handler(VEC_NMI), 16);
    machine_code(m, machine_handler(VEC_NMI), iretq, sizeof(iretq));
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + 5);
    g_assert_false(m->cpu->nmi_blocked);
}

PROGRAM(trap_flag, 64, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n hlt");

static void test_single_step(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, trap_flag);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(VEC_DB));
    g_assert_cmphex(machine_stack(m, 0), ==, AT_CODE + (uint64_t)(trap_flag_end - trap_flag) - 1);
    g_assert_cmphex(m->cpu->dr[6] & 0x4000, ==, 0x4000);
    g_assert_false(m->cpu->rflags & FLAG_TF);
}

/* ---- 32-bit protected mode ---- */

PROGRAM(idt32, 32, "int $0x30\n hlt");
PROGRAM(ud32, 32, "ud2");
PROGRAM(far32, 32,
        "lcall $0x08, $0x20020\n mov $7, %ebx\n hlt\n"
        ".org far32 + 0x20\n push %ds\n pop %es\n mov $5, %ecx\n lret");

static void protected(Machine *m)
{
    machine_start32(m);
    m->cpu->gdtr = (DescriptorTable){ AT_GDT, 0x47 };
    m->cpu->idtr = (DescriptorTable){ AT_IDT, 0x7ff };
    m->cpu->seg[SEG_CS].selector = SEL_CODE32;
    m->cpu->seg[SEG_SS].selector = SEL_DATA;
    m->cpu->seg[SEG_DS].selector = SEL_DATA;
    for (unsigned i = 0; i < 256; i++) {
        machine_gate32(m, i, 0, 14);
    }
}

static void test_protected_mode(void)
{
    g_autoptr(Machine) m = machine_new();
    protected(m);
    LOAD(m, AT_CODE, idt32);
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x30));
    g_assert_cmphex(m->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK - 12);
    g_assert_cmphex(stack_dword(m, 0), ==, AT_CODE + 2);
    g_assert_cmphex(stack_dword(m, 1), ==, SEL_CODE32);

    g_autoptr(Machine) far = machine_new();
    protected(far);
    LOAD(far, AT_CODE, far32);
    machine_run(far);
    g_assert_cmpuint(far->cpu->regs[GPR_RCX], ==, 5);
    g_assert_cmpuint(far->cpu->regs[GPR_RBX], ==, 7);
    g_assert_cmphex(far->cpu->regs[GPR_RSP], ==, AT_KERNEL_STACK);
    g_assert_cmphex(far->cpu->seg[SEG_ES].selector, ==, SEL_DATA);

    /* IDT limit 0, as a TD starts: the first exception is the end */
    g_autoptr(Machine) none = machine_new();
    protected(none);
    none->cpu->idtr.limit = 0;
    LOAD(none, AT_CODE, ud32);
    g_assert_cmpint(cpu_run(none->cpu), ==, CPU_EXIT_TRIPLE_FAULT);
}

/* ---- registers ---- */

PROGRAM(registers, 64,
        "mov $0x38, %eax\n ltr %ax\n str %ecx\n"
        "mov $0xc0000101, %ecx\n mov $0x1000, %eax\n xor %edx, %edx\n wrmsr\n"
        "mov $0x2000, %ebx\n wrfsbase %rbx\n rdgsbase %rsi\n swapgs\n rdgsbase %rdi\n swapgs\n"
        "sgdt 0x40000\n lar %ax, %r10d\n"
        "mov $0x18, %r8d\n lar %r8d, %r8d\n mov $0x10, %r9d\n lsl %r9d, %r9d\n"
        "mov %gs:0x40, %r11\n rdtsc\n hlt");

static void test_registers(void)
{
    g_autoptr(Machine) m = machine_new();
    Cpu *cpu = m->cpu;
    machine_long(m);
    cpu->cr4 |= CR4_FSGSBASE;
    cpu->kernel_gs_base = 0x5000;
    cpu->tr = (Segment){ 0 };
    LOAD(m, AT_CODE, registers);
    machine_run(m);
    g_assert_cmphex(cpu->rip, ==, AT_CODE + (uint64_t)(registers_end - registers) - 1);
    g_assert_cmphex(cpu->tr.selector, ==, SEL_TSS);
    g_assert_cmphex(cpu->tr.base, ==, AT_TSS);
    g_assert_cmphex(m->ram[AT_GDT + SEL_TSS + 5], ==, 0x8b);
    g_assert_cmphex(cpu->seg[SEG_FS].base, ==, 0x2000);
    g_assert_cmphex(cpu->regs[GPR_RSI], ==, 0x1000);
    g_assert_cmphex(cpu->regs[GPR_RDI], ==, 0x5000);
    g_assert_cmphex(machine_word(m, AT_DATA), ==, UINT64_C(0x10000047));
    g_assert_cmphex(cpu->regs[GPR_R8], ==, 0xaf9b00 & 0xf0ff00);
    g_assert_cmphex(cpu->regs[GPR_R9], ==, 0xffffffff);
    g_assert_cmphex(cpu->regs[GPR_RDX], ==, 0x12);
}

/* IA32_XFD, an instruction that it disables, and IA32_XFD_ERR, which says what was missing. */
PROGRAM(xfd, 64,
        "mov $0x1c4, %ecx\n mov $0x40000, %eax\n xor %edx, %edx\n wrmsr\n"
        ".byte 0xc4, 0xe2, 0x78, 0x49, 0x03\n" /* ldtilecfg (%rbx) */
        ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n" /* tilezero %tmm0 */
        "hlt");
PROGRAM(xfd_handler, 64,
        "mov $0x1c5, %ecx\n rdmsr\n mov %eax, %esi\n xor %eax, %eax\n wrmsr\n"
        "mov $0x1c4, %ecx\n rdmsr\n mov %eax, %edi\n xor %eax, %eax\n wrmsr\n iretq");

static void test_xfd(void)
{
    g_autoptr(Machine) m = machine_new();
    Cpu *cpu = m->cpu;
    machine_long(m);
    cpu->xcr0_mask |= 0x60000;
    cpu->xcr0 = 0x60003;
    cpu->cr4 |= CR4_OSXSAVE;
    m->ram[AT_DATA] = 1; /* tile 0 has one row of 4 bytes */
    m->ram[AT_DATA + 16] = 4;
    m->ram[AT_DATA + 48] = 1;
    cpu->regs[GPR_RBX] = AT_DATA;
    LOAD(m, AT_CODE, xfd);
    machine_code(m, machine_handler(VEC_NM), xfd_handler, (size_t)(xfd_handler_end - xfd_handler));
    machine_run(m);
    g_assert_cmphex(cpu->rip, ==, AT_CODE + (uint64_t)(xfd_end - xfd) - 1);
    g_assert_cmphex(cpu->regs[GPR_RSI], ==, 0x40000);
    g_assert_cmphex(cpu->regs[GPR_RDI], ==, 0x40000);
    g_assert_cmphex(cpu->xfd | cpu->xfd_err, ==, 0);
}

/* How firmware reloads CS, and the stack forms of FS. */
PROGRAM(far64, 64,
        "push $0x18\n lea 1f(%rip), %rax\n push %rax\n lretq\n"
        "1: movl $0x18, 0x40008\n lea 2f(%rip), %rax\n mov %rax, 0x40000\n .byte 0x48, 0xff, 0x2c, "
        "0x25, 0, 0, 4, 0\n"
        "2: mov $0x10, %ecx\n mov %ecx, %fs\n push %fs\n pop %gs\n mov %gs, %edx\n mov %rsp, %rsi\n"
        "lidt 0x40010\n sidt 0x40020\n"
        "mov $0x40100, %eax\n xor %ecx, %ecx\n xor %edx, %edx\n monitor\n hlt\n");

static void test_far64(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, far64);
    machine_set_word(m, AT_DATA + 0x10, UINT64_C(0x20000fff));
    *machine_pte(m, 0) = 0;
    machine_run(m);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + (uint64_t)(far64_end - far64) - 1);
    g_assert_cmphex(m->cpu->regs[GPR_RSI], ==, AT_KERNEL_STACK);
    g_assert_cmphex(m->cpu->seg[SEG_GS].selector, ==, SEL_DATA);
    g_assert_cmphex(m->cpu->idtr.base, ==, AT_IDT);
    g_assert_cmphex(machine_word(m, AT_DATA + 0x20), ==, UINT64_C(0x20000fff));
}

PROGRAM(gated, 64, "rdrand %rax\n hlt");

static void test_gate(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, gated);
    machine_run(m);
    g_assert_true(cpu_rflags(m->cpu) & FLAG_CF);
    g_assert_cmphex(m->cpu->regs[GPR_RAX], !=, 0);

    g_autoptr(Machine) without = machine_new();
    without->no_features = true;
    machine_long(without);
    LOAD(without, AT_CODE, gated);
    machine_run(without);
    g_assert_cmphex(without->cpu->rip, ==, machine_handler(VEC_UD));
}

PROGRAM(vmcall, 64, "vmcall\n hlt");
PROGRAM(tdcall, 64, ".byte 0x66, 0x0f, 0x01, 0xcc\n hlt");

static void test_world(void)
{
    g_autoptr(Machine) m = machine_new();
    machine_long(m);
    LOAD(m, AT_CODE, vmcall);
    machine_run(m);
    g_assert_cmpuint(m->exit_reason, ==, 18);
    g_assert_cmphex(m->cpu->rip, ==, AT_CODE + 3);

    g_autoptr(Machine) t = machine_new();
    machine_long(t);
    LOAD(t, AT_CODE, tdcall);
    machine_run(t);
    g_assert_cmphex(t->cpu->rip, ==, AT_CODE + 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/system/enter-long", test_enter_long);
    g_test_add_func("/system/faults", test_faults);
    g_test_add_func("/system/stack-fault", test_stack_fault);
    g_test_add_func("/system/double-fault", test_double_fault);
    g_test_add_func("/system/no-stack", test_no_stack);
    g_test_add_func("/system/delivery-resumes", test_delivery_resumes);
    g_test_add_func("/system/user", test_user);
    g_test_add_func("/system/int-privilege", test_int_privilege);
    g_test_add_func("/system/syscall", test_syscall);
    g_test_add_func("/system/syscall/compatible", test_compatible_syscall);
    g_test_add_func("/system/operand-size", test_operand_size);
    g_test_add_func("/system/port-map", test_port_map);
    g_test_add_func("/system/interrupt", test_interrupt);
    g_test_add_func("/system/nmi", test_nmi);
    g_test_add_func("/system/single-step", test_single_step);
    g_test_add_func("/system/protected-mode", test_protected_mode);
    g_test_add_func("/system/registers", test_registers);
    g_test_add_func("/system/xfd", test_xfd);
    g_test_add_func("/system/far64", test_far64);
    g_test_add_func("/system/feature-gate", test_gate);
    g_test_add_func("/system/world", test_world);
    return g_test_run();
}
