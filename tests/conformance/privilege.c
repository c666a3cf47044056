/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privilege: instructions of level 0, gates, returns, system calls, I/O rights (Intel SDM vol. 3,
 * ch. 5; vol. 2).
 */
#include "guest.h"

PROGRAM(p_hlt, 64, "hlt");
PROGRAM(p_cli, 64, "cli");
PROGRAM(p_in, 64, "in $0x10, %al");
PROGRAM(p_rdmsr, 64, "rdmsr");
PROGRAM(p_wrmsr, 64, "wrmsr");
PROGRAM(p_mov_cr, 64, "mov %cr0, %rax");
PROGRAM(p_mov_dr, 64, "mov %dr7, %rax");
PROGRAM(p_lgdt, 64, "lgdt (%rbx)");
PROGRAM(p_lidt, 64, "lidt (%rbx)");
PROGRAM(p_lldt, 64, "lldt %ax");
PROGRAM(p_ltr, 64, "ltr %ax");
PROGRAM(p_lmsw, 64, "lmsw %ax");
PROGRAM(p_clts, 64, "clts");
PROGRAM(p_invlpg, 64, "invlpg (%rbx)");
PROGRAM(p_invpcid, 64, "invpcid (%rbx), %rax");
PROGRAM(p_wbinvd, 64, "wbinvd");
PROGRAM(p_invd, 64, "invd");
PROGRAM(p_xsetbv, 64, "xsetbv");
PROGRAM(p_swapgs, 64, "swapgs");
PROGRAM(p_sysret, 64, "sysretq");
PROGRAM(p_tdcall, 64, "tdcall");
PROGRAM(p_stac, 64, "stac");
PROGRAM(p_sgdt, 64, "sgdt (%rbx)\n int $0x80");
PROGRAM(p_sidt, 64, "sidt (%rbx)\n int $0x80");
PROGRAM(p_sldt, 64, "sldt %eax\n int $0x80");
PROGRAM(p_str, 64, "str %eax\n int $0x80");
PROGRAM(p_smsw, 64, "smsw %eax\n int $0x80");
PROGRAM(p_rdtsc, 64, "rdtsc\n int $0x80");
PROGRAM(p_rdpmc, 64, "rdpmc");
PROGRAM(p_monitor, 64, "monitor");
PROGRAM(p_xsaves, 64, "xsaves (%rbx)");
PROGRAM(p_int81, 64, "int $0x81");
PROGRAM(p_int3, 64, "int3");
PROGRAM(p_popf, 64, "pushq $0x3202\n popfq\n pushfq\n pop %rax\n int $0x80");
PROGRAM(p_cr8, 64, "mov $16, %eax\n mov %rax, %cr8");
PROGRAM(p_vmx, 64, "vmcall");
PROGRAM(p_vmxoff, 64, "vmxoff");
PROGRAM(p_getsec, 64, "getsec");
PROGRAM(p_rsm, 64, "rsm");

static void umip(Guest *g) { g->cpu->cr4 |= CR4_UMIP; }
static void tsd(Guest *g) { g->cpu->cr4 |= CR4_TSD; }
static void iopl3(Guest *g) { g->cpu->rflags |= FLAG_IOPL; }
static void port_map(Guest *g)
{
    g->cpu->tr.limit = 0xff;
    put64(g, AT_TSS + 0x66, 0x68);
    put64(g, AT_TSS + 0x6e, 0);
}
static void flags_kept(Guest *g) { g_assert_cmphex(g->cpu->regs[GPR_RAX] & 0x3200, ==, 0); }

/* Gates. The target is CODE + 800h: INT 80h there, else the caller's faults. */
PROGRAM(g_call, 64, "lcall *(%rbx)\n nop");
PROGRAM(g_jump, 64, "ljmp *(%rbx)\n nop");
PROGRAM(g_call32, 32, "lcall $0x48, $0\n nop");
PROGRAM(g_call32_user, 32, "lcall $0x48, $0\n nop");
PROGRAM(g_tss32, 32, "ljmp $0x58, $0\n nop");
PROGRAM(g_int80_there, 64, "int $0x80");

static void pointer(Guest *g, uint16_t selector)
{
    put64(g, AT_DATA, (uint64_t)selector << 32);
    memcpy(g->memory + AT_CODE + 0x800, g_int80_there, 2);
}
static void gate(Guest *g) { pointer(g, SEL_GATE); }
static void gate_user(Guest *g) { pointer(g, SEL_GATE | 3); }
static void gate_dpl0(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE, get64(g, AT_GDT + SEL_GATE) & ~(UINT64_C(3) << 45));
}
static void gate_absent(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE, get64(g, AT_GDT + SEL_GATE) & ~(UINT64_C(1) << 47));
}
static void gate_null(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE, get64(g, AT_GDT + SEL_GATE) & ~UINT64_C(0xffff0000));
}
static void gate_data(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE,
          (get64(g, AT_GDT + SEL_GATE) & ~UINT64_C(0xffff0000)) | SEL_DATA << 16);
}
static void gate_code32(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE,
          (get64(g, AT_GDT + SEL_GATE) & ~UINT64_C(0xffff0000)) | SEL_CODE32 << 16);
}
static void gate_upper(Guest *g)
{
    gate_user(g);
    put64(g, AT_GDT + SEL_GATE + 8, UINT64_C(0x0000010000000000));
}
static void gate_far(Guest *g) { gate_user(g); put64(g, AT_GDT + SEL_GATE + 8, 0x00008000); }
static void gate_tss_short(Guest *g) { gate_user(g); g->cpu->tr.limit = 8; }
static void tss_in_long(Guest *g) { pointer(g, SEL_TSS2); }
static void gate32(Guest *g)
{
    memcpy(g->memory + AT_CODE + 0x800, g_int80_there, 2);
    /* two parameters */
    put64(g, AT_GDT + SEL_GATE, UINT64_C(0x0000ec0200080000) | AT_CODE | 0x800);
}
static void gate32_user(Guest *g)
{
    gate32(g);
    put64(g, AT_TSS + 4, (uint64_t)SEL_DATA << 32 | TSS_STACK_TOP);
    put64(g, AT_USER_STACK + 0xf00, UINT64_C(0x2222222211111111));
}
static void gate32_bad_stack(Guest *g)
{
    gate32_user(g);
    put64(g, AT_TSS + 4, (uint64_t)SEL_USER_DATA << 32 | TSS_STACK_TOP);
}

static void came_from_user(Guest *g)
{
    uint64_t frame = TSS_STACK_TOP - 32;
    g_assert_cmphex(guest_stack(g, 3), ==, frame);
    g_assert_cmphex(guest_word(g, frame), ==, AT_CODE + 2);
    g_assert_cmphex(guest_word(g, frame + 8), ==, SEL_USER64);
    g_assert_cmphex(guest_word(g, frame + 16), ==, USER_STACK_TOP);
    g_assert_cmphex(guest_word(g, frame + 24), ==, SEL_USER_DATA);
    g_assert_cmphex(guest_stack(g, 4), ==, 0); /* SS was null with RPL 0 */
}
static void came_same(Guest *g)
{
    g_assert_cmphex(guest_word(g, STACK_TOP - 16), ==, AT_CODE + 2);
    g_assert_cmphex(guest_word(g, STACK_TOP - 8), ==, SEL_CODE64);
}
static void parameters(Guest *g)
{
    uint32_t expected[] = {AT_CODE + 7, SEL_USER32, 0x11111111, 0x22222222, USER_STACK_TOP,
                           SEL_USER_DATA};
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmphex((uint32_t)guest_word(g, TSS_STACK_TOP - 24 + i * 4), ==, expected[i]);
    }
}

/* Returns */
PROGRAM(r_iret, 64, "iretq");
static void frame(Guest *g, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
    uint64_t words[] = {rip, cs, flags, rsp, ss};
    g->cpu->regs[GPR_RSP] = AT_STACK + 0x200;
    memcpy(g->memory + AT_STACK + 0x200, words, sizeof(words));
    memcpy(g->memory + AT_CODE + 0x800, g_int80_there, 2);
}
static void to_user(Guest *g)
{
    frame(g, AT_CODE + 0x800, SEL_USER64, 0x202, USER_STACK_TOP, SEL_USER_DATA);
}
static void to_user_iopl(Guest *g)
{
    frame(g, AT_CODE + 0x800, SEL_USER64, 0x3202, USER_STACK_TOP, SEL_USER_DATA);
}
static void to_hole(Guest *g)
{
    frame(g, UINT64_C(1) << 47, SEL_USER64, 0x202, USER_STACK_TOP, SEL_USER_DATA);
}
static void to_null_code(Guest *g) { frame(g, AT_CODE, 0, 2, STACK_TOP, 0); }
static void to_null_stack(Guest *g) { frame(g, AT_CODE + 0x800, SEL_CODE64, 2, STACK_TOP, 0); }
static void to_user_null_stack(Guest *g) { frame(g, AT_CODE + 0x800, SEL_USER64, 2, STACK_TOP, 3); }
static void to_data(Guest *g) { frame(g, AT_CODE, SEL_DATA, 2, STACK_TOP, SEL_DATA); }
static void to_free(Guest *g) { frame(g, AT_CODE, SEL_FREE + 0x100, 2, STACK_TOP, SEL_DATA); }
static void to_wrong_stack(Guest *g)
{
    frame(g, AT_CODE + 0x800, SEL_USER64, 2, STACK_TOP, SEL_DATA);
}
static void nested(Guest *g) { to_null_stack(g); g->cpu->rflags |= FLAG_NT; }
static void is_user(Guest *g) { g_assert_cmphex(guest_stack(g, 1), ==, SEL_USER64); }

PROGRAM(s_syscall, 64, "syscall\n nop");
PROGRAM(s_sysret_far, 64, "mov $1, %ecx\n shl $47, %rcx\n sysretq");
static void syscall_set(Guest *g)
{
    g->cpu->star = (uint64_t)SEL_CODE64 << 32 | (uint64_t)SEL_USER32 << 48;
    g->cpu->lstar = AT_CODE + 0x800;
    g->cpu->fmask = FLAG_IF | FLAG_DF;
    g->cpu->rflags |= FLAG_DF;
    memcpy(g->memory + AT_CODE + 0x800, g_int80_there, 2);
}
static void syscall_off(Guest *g) { syscall_set(g); g->cpu->efer &= ~(uint64_t)EFER_SCE; }
static void syscall_done(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RCX], ==, AT_CODE + 2);
    g_assert_cmphex(g->cpu->regs[GPR_R11], ==, FLAG_DF | 2);
    g_assert_cmphex(guest_stack(g, 2), ==, 2);
    g_assert_cmphex(guest_stack(g, 1), ==, SEL_CODE64);
}

#define USER_GP(name) {"user: " #name, CODE(p_##name), USER, VEC_GP, 0, 0, NULL, NULL}
static const Case cases[] = {
    USER_GP(hlt), USER_GP(cli), USER_GP(in), USER_GP(rdmsr), USER_GP(wrmsr), USER_GP(mov_cr),
    USER_GP(mov_dr), USER_GP(lgdt),
    USER_GP(lidt), USER_GP(lldt), USER_GP(ltr), USER_GP(lmsw), USER_GP(clts), USER_GP(invlpg),
    USER_GP(invpcid), USER_GP(wbinvd),
    USER_GP(invd), USER_GP(xsetbv), USER_GP(swapgs), USER_GP(sysret), USER_GP(tdcall),
    USER_GP(rdpmc), USER_GP(xsaves),
    {"user: stac", CODE(p_stac), USER, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"user: monitor", CODE(p_monitor), USER, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"user: sgdt", CODE(p_sgdt), USER, DONE, NO_ERROR, ANY, NULL, NULL},
    {"user: sgdt, UMIP", CODE(p_sgdt), USER, VEC_GP, 0, 0, umip, NULL},
    {"user: sidt, UMIP", CODE(p_sidt), USER, VEC_GP, 0, 0, umip, NULL},
    {"user: sldt, UMIP", CODE(p_sldt), USER, VEC_GP, 0, 0, umip, NULL},
    {"user: str, UMIP", CODE(p_str), USER, VEC_GP, 0, 0, umip, NULL},
    {"user: smsw, UMIP", CODE(p_smsw), USER, VEC_GP, 0, 0, umip, NULL},
    {"user: rdtsc", CODE(p_rdtsc), USER, DONE, NO_ERROR, ANY, NULL, NULL},
    {"user: rdtsc, TSD", CODE(p_rdtsc), USER, VEC_GP, 0, 0, tsd, NULL},
    {"kernel: rdtsc, TSD", CODE(p_rdtsc), LONG, DONE, NO_ERROR, ANY, tsd, NULL},
    {"kernel: rdpmc without PERFMON", CODE(p_rdpmc), LONG, VEC_GP, 0, 0, NULL, NULL},
    {"user: in with IOPL 3 is the module's", CODE(p_in), USER, VEC_VE, NO_ERROR, 0, iopl3, NULL},
    {"user: in by the TSS's map is the module's", CODE(p_in), USER, VEC_VE, NO_ERROR, 0, port_map,
     NULL},
    {"user: int of DPL 0", CODE(p_int81), USER, VEC_GP, 0x81 * 8 + 2, 0, NULL, NULL},
    {"user: int3", CODE(p_int3), USER, VEC_BP, NO_ERROR, 1, NULL, NULL},
    {"user: popf changes neither IF nor IOPL", CODE(p_popf), USER, DONE, NO_ERROR, ANY, NULL,
     flags_kept},
    {"kernel: cr8 above 15", CODE(p_cr8), LONG, VEC_GP, 0, 5, NULL, NULL},
    {"kernel: vmcall is the module's", CODE(p_vmx), LONG, VEC_VE, NO_ERROR, 0, NULL, NULL},
    {"kernel: vmxoff", CODE(p_vmxoff), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"kernel: getsec", CODE(p_getsec), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"kernel: rsm", CODE(p_rsm), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},

    {"call gate to the same level", CODE(g_call), LONG, DONE, NO_ERROR, 0x802, gate, came_same},
    {"call gate to level 0", CODE(g_call), USER, DONE, NO_ERROR, 0x802, gate_user, came_from_user},
    {"jump through a gate to level 0", CODE(g_jump), USER, VEC_GP, SEL_CODE64, 0, gate_user, NULL},
    {"jump through a gate to the same level", CODE(g_jump), LONG, DONE, NO_ERROR, 0x802, gate,
     NULL},
    {"gate of DPL 0", CODE(g_call), USER, VEC_GP, SEL_GATE, 0, gate_dpl0, NULL},
    {"gate not present", CODE(g_call), USER, VEC_NP, SEL_GATE, 0, gate_absent, NULL},
    {"gate to a null selector", CODE(g_call), USER, VEC_GP, 0, 0, gate_null, NULL},
    {"gate to data", CODE(g_call), USER, VEC_GP, SEL_DATA, 0, gate_data, NULL},
    {"gate to 32-bit code in long mode", CODE(g_call), USER, VEC_GP, SEL_CODE32, 0, gate_code32,
     NULL},
    {"gate with a type in its upper half", CODE(g_call), USER, VEC_GP, SEL_GATE, 0, gate_upper,
     NULL},
    {"gate to an address that is not canonical", CODE(g_call), USER, VEC_GP, 0, 0, gate_far, NULL},
    {"gate, TSS too short for any stack", CODE(g_call), USER, SHUTDOWN, NO_ERROR, ANY,
     gate_tss_short, NULL},
    {"TSS in long mode", CODE(g_call), LONG, VEC_GP, SEL_TSS2, 0, tss_in_long, NULL},
    {"32-bit gate to the same level", CODE(g_call32), PROTECTED, DONE, NO_ERROR, 0x802, gate32,
     NULL},
    {"32-bit gate with parameters", CODE(g_call32_user), PROTECTED_USER, DONE, NO_ERROR, 0x802,
     gate32_user, parameters},
    {"32-bit gate, no stack for the fault either", CODE(g_call32_user), PROTECTED_USER, SHUTDOWN,
     NO_ERROR, ANY, gate32_bad_stack, NULL},
    {"task switch leaves to the host", CODE(g_tss32), PROTECTED, EXIT_TASK_SWITCH, NO_ERROR, ANY,
     NULL, NULL},

    {"iret to user", CODE(r_iret), LONG, DONE, NO_ERROR, 0x802, to_user, is_user},
    {"iret sets IOPL from level 0", CODE(r_iret), LONG, DONE, NO_ERROR, 0x802, to_user_iopl,
     is_user},
    {"iret to an address that is not canonical", CODE(r_iret), LONG, VEC_GP, 0, 0, to_hole, NULL},
    {"iret to null code", CODE(r_iret), LONG, VEC_GP, 0, 0, to_null_code, NULL},
    {"iret to a null stack", CODE(r_iret), LONG, DONE, NO_ERROR, 0x802, to_null_stack, NULL},
    {"iret to user with a null stack", CODE(r_iret), LONG, VEC_GP, 0, 0, to_user_null_stack, NULL},
    {"iret to data", CODE(r_iret), LONG, VEC_GP, SEL_DATA, 0, to_data, NULL},
    {"iret beyond the GDT", CODE(r_iret), LONG, VEC_GP, SEL_FREE + 0x100, 0, to_free, NULL},
    {"iret to user with the kernel's stack", CODE(r_iret), LONG, VEC_GP, SEL_DATA, 0,
     to_wrong_stack, NULL},
    {"iret with NT in long mode", CODE(r_iret), LONG, VEC_GP, 0, 0, nested, NULL},
    {"syscall", CODE(s_syscall), USER, DONE, NO_ERROR, 0x802, syscall_set, syscall_done},
    {"syscall without SCE", CODE(s_syscall), USER, VEC_UD, NO_ERROR, 0, syscall_off, NULL},
    {"sysret to an address that is not canonical", CODE(s_sysret_far), LONG, VEC_GP, 0, 9,
     syscall_set, NULL},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    conformance_run("privilege", cases, G_N_ELEMENTS(cases));
    return g_test_run();
}
