/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What system instructions of 64-bit mode make of their operands: widths of addresses, of
 * registers, of returns.
 */
#include "program.h"

PROGRAM(widest_wrmsr, 64,
        "mov %ebx, %eax\n mov %rbx, %rdx\n shr $32, %rdx\n mov $0xc0000082, %ecx\n wrmsr\n hlt");
PROGRAM(widest_wrfsbase, 64, "wrfsbase %rbx\n hlt");
PROGRAM(widest_lgdt, 64, "mov %rbx, 0x40102\n lgdt 0x40100\n hlt");
PROGRAM(widest_lidt, 64, "mov %rbx, 0x40102\n lidt 0x40100\n hlt");
PROGRAM(widest_lldt, 64, "shr $32, %rbx\n mov %ebx, 0x1048\n mov $0x40, %eax\n lldt %ax\n hlt");
PROGRAM(widest_ltr, 64, "shr $32, %rbx\n mov %ebx, 0x1048\n mov $0x40, %eax\n ltr %ax\n hlt");
PROGRAM(widest_invpcid, 64, "mov %rbx, 0x40108\n xor %eax, %eax\n invpcid 0x40100, %rax\n hlt");

/*
 * Registers that hold linear addresses take 57 bits of any processor that has 5 levels, also while
 * it uses 4.
 */
static void test_widest_address(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        uint8_t type; /* of the descriptor at 40h */
        uint64_t error;
    } rows[] = {
        { "LSTAR", CODE(widest_wrmsr), 0, 0 },
        { "WRFSBASE", CODE(widest_wrfsbase), 0, 0 },
        { "LGDT", CODE(widest_lgdt), 0, 0 },
        { "LIDT", CODE(widest_lidt), 0, 0 },
        { "LLDT", CODE(widest_lldt), 0x82, 0x40 },
        { "LTR", CODE(widest_ltr), 0x89, 0x40 },
        { "INVPCID", CODE(widest_invpcid), 0, 0 },
    };
    static const struct {
        uint64_t address;
        bool la57, taken;
    } addresses[] = {
        { UINT64_C(0xffff800000000000), false, true }, { UINT64_C(0xff80000000000000), true, true },
        { UINT64_C(0xff80000000000000), false, false },
        { UINT64_C(0x00ff800000000000), true, true },
        { UINT64_C(0x0180000000000000), true, false },
        { UINT64_C(0xaaaaaaaa00000000), true, false },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(addresses); k++) {
            g_autoptr(Machine) m = machine_new();
            g_test_message("%s, %" G_GINT64_MODIFIER "x", rows[i].label, addresses[k].address);
            machine_long(m);
            machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
            machine_set_word(m, AT_GDT + 0x40, UINT64_C(0x67) | (uint64_t)rows[i].type << 40);
            m->cpu->gdtr.limit = 0x4f;
            m->cpu->cr4 |= CR4_FSGSBASE;
            m->cpu->la57 = addresses[k].la57;
            m->cpu->regs[GPR_RBX] = addresses[k].address;
            machine_run(m);
            g_assert_cmpint(m->cpu->rip == machine_handler(VEC_GP), ==, !addresses[k].taken);
            if (!addresses[k].taken) {
                g_assert_cmphex(machine_stack(m, 0), ==, rows[i].error);
            }
        }
    }
}

/*
 * SYSRET, SYSEXIT and IRET without REX.W leave 64-bit mode: to 32-bit code, with what 32 bits hold.
 */
PROGRAM(narrow_sysret, 64, "mov $0x24000, %ecx\n mov $2, %r11d\n bts $40, %rcx\n sysretl");
PROGRAM(narrow_sysexit, 64,
        "mov $0x24000, %edx\n mov $0x38000, %ecx\n bts $40, %rdx\n .byte 0x0f, 0x35");
PROGRAM(narrow_iret, 64, "mov $0x28100, %esp\n iretl");
/* in 64-bit mode that is a REX prefix before NOP */
PROGRAM(user_mode_of, 32, "dec %eax\n nop\n int $0x80");

static void test_narrow_returns(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
    } rows[] = {
        { "SYSRET", CODE(narrow_sysret) },
        { "SYSEXIT", CODE(narrow_sysexit) },
        { "IRETD", CODE(narrow_iret) },
    };
    static const uint32_t frame[] = { AT_USER_CODE, SEL_USER32 | 3, 2, AT_USER_STACK,
                                      SEL_USER_DATA | 3 };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        g_test_message("%s", rows[i].label);
        machine_long(m);
        machine_gate64(m, 0x80, 3, 0, 14);
        machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        LOAD(m, AT_USER_CODE, user_mode_of);
        machine_code(m, 0x28100, frame, sizeof(frame));
        m->cpu->star = (uint64_t)(SEL_USER32 | 3) << 48;
        m->cpu->sysenter_cs = SEL_USER32 - 16;
        m->cpu->regs[GPR_RAX] = 5;
        machine_run(m);
        g_assert_cmphex(m->cpu->rip, ==, machine_handler(0x80));
        g_assert_cmphex(m->cpu->regs[GPR_RAX], ==, 4);
        g_assert_cmphex(machine_stack(m, 0), ==, AT_USER_CODE + 4);
        g_assert_cmphex(machine_stack(m, 1), ==, SEL_USER32 | 3);
    }
}

PROGRAM(narrow_rdrand16, 64, "rdrand %ax\n hlt");
PROGRAM(narrow_rdrand, 64, "rdrand %eax\n hlt");
PROGRAM(narrow_rdfsbase, 64, "rdfsbase %eax\n hlt");
PROGRAM(narrow_wrfsbase, 64, "wrfsbase %eax\n rdfsbase %rax\n hlt");
PROGRAM(narrow_rdfsbase16, 64, ".byte 0x66\n rdfsbase %eax\n hlt");
PROGRAM(narrow_wrfsbase16, 64, ".byte 0x66\n wrfsbase %eax\n rdfsbase %rax\n hlt");
PROGRAM(narrow_mov, 64, "mov %ss, %ax\n hlt");
PROGRAM(narrow_mov32, 64, "mov %ss, %eax\n hlt");
PROGRAM(narrow_str, 64, "str %ax\n hlt");
PROGRAM(narrow_sldt, 64, "sldt %ax\n hlt");
PROGRAM(narrow_smsw, 64, "smsw %ax\n hlt");
PROGRAM(narrow_lsl, 64, "mov $0x18, %ecx\n lsl %cx, %ax\n hlt");
PROGRAM(narrow_lar, 64, "mov $0x18, %ecx\n lar %cx, %ax\n hlt");

/*
 * Operand sizes of system instructions in 64-bit mode: 16 bits keep the rest of the register, 32
 * bits clear it.
 */
static void test_operand_sizes(void)
{
    static const uint64_t before = UINT64_C(0x1122334455667788);
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        unsigned bits;
        int64_t low; /* -1: random */
    } rows[] = {
        { "RDRAND, 16 bits", CODE(narrow_rdrand16), 16, -1 },
        { "RDRAND, 32 bits", CODE(narrow_rdrand), 32, -1 },
        { "RDFSBASE", CODE(narrow_rdfsbase), 32, 0x56789abc },
        { "WRFSBASE", CODE(narrow_wrfsbase), 32, 0x55667788 },
        { "RDFSBASE after 66h", CODE(narrow_rdfsbase16), 32, 0x56789abc },
        { "WRFSBASE after 66h", CODE(narrow_wrfsbase16), 32, 0x55667788 },
        { "MOV from SS, 16 bits", CODE(narrow_mov), 16, SEL_DATA },
        { "MOV from SS, 32 bits", CODE(narrow_mov32), 32, SEL_DATA },
        { "STR", CODE(narrow_str), 16, SEL_TSS },
        { "SLDT", CODE(narrow_sldt), 16, 0 },
        { "SMSW", CODE(narrow_smsw), 16, CR0_PE | CR0_ET | CR0_NE },
        { "LSL", CODE(narrow_lsl), 16, 0xffff },
        { "LAR", CODE(narrow_lar), 16, 0x9b00 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t mask = rows[i].bits == 16 ? 0xffff : 0xffffffff;
        g_test_message("%s", rows[i].label);
        machine_long(m);
        machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        m->cpu->cr4 |= CR4_FSGSBASE;
        m->cpu->seg[SEG_FS].base = UINT64_C(0x123456789abc);
        m->cpu->regs[GPR_RAX] = before;
        machine_run(m);
        g_assert_cmphex(m->cpu->regs[GPR_RAX] & ~mask, ==, rows[i].bits == 16 ? before & ~mask : 0);
        if (rows[i].low >= 0) {
            g_assert_cmphex(m->cpu->regs[GPR_RAX] & mask, ==, (uint64_t)rows[i].low);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/operands/widest-address", test_widest_address);
    g_test_add_func("/operands/narrow-returns", test_narrow_returns);
    g_test_add_func("/operands/sizes", test_operand_sizes);
    return g_test_run();
}
