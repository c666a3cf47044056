/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control-flow enforcement across levels and segments: events, IRET, far calls, SYSCALL; its
 * registers and their XSAVE state.
 */
#include "cet-machine.h"

#define SS CET_SH_STK_EN
#define IBT CET_ENDBR_EN

PROGRAM64(skip_and_return, "endbr64\n addq $2, (%rsp)\n iretq");
PROGRAM64(skip_wrongly, "endbr64\n addq $3, (%rsp)\n iretq");
PROGRAM64(wrong_selector, "endbr64\n movq $0x08, 8(%rsp)\n iretq");
PROGRAM64(ud2_int3, "ud2\n int3");

/* ---- events ---- */

/* SSP of a handler, and the frame that it finds there. */
static void check_frame(const Machine *m, uint64_t ssp, uint64_t cs, uint64_t rip,
                        uint64_t previous)
{
    g_assert_cmphex(m->cpu->ssp, ==, ssp);
    g_assert_cmphex(machine_word(m, ssp), ==, previous);
    g_assert_cmphex(machine_word(m, ssp + 8), ==, rip);
    g_assert_cmphex(machine_word(m, ssp + 16), ==, cs);
}

static void test_same_level(void)
{
    g_autoptr(Machine) m = machine_new();
    cet_start(m, false, 0, SS);
    LOAD(m, AT_CODE, ud2_int3);
    g_assert_cmpuint(cet_run(m), ==, VEC_UD);
    check_frame(m, KERNEL_SSP - 24, SEL_CODE64, AT_CODE, KERNEL_SSP);

    g_autoptr(Machine) odd = machine_new(); /* a hole of 4 bytes keeps the frame aligned */
    cet_start(odd, false, 0, SS);
    odd->cpu->ssp = KERNEL_SSP - 4;
    machine_set_word(odd, KERNEL_SSP - 8, UINT64_MAX);
    LOAD(odd, AT_CODE, ud2_int3);
    g_assert_cmpuint(cet_run(odd), ==, VEC_UD);
    check_frame(odd, KERNEL_SSP - 32, SEL_CODE64, AT_CODE, KERNEL_SSP - 4);
    g_assert_cmphex(machine_word(odd, KERNEL_SSP - 8), ==, UINT64_C(0xffffffff00000000));
}

static void test_ist(void)
{
    for (unsigned busy = 0; busy < 2; busy++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, false, 0, SS);
        machine_gate64(m, VEC_UD, 0, 1, 14);
        machine_set_word(m, TOKEN_IST, TOKEN_IST | busy);
        LOAD(m, AT_CODE, ud2_int3);
        if (busy) { /* #GP meanwhile: contributory, but to a benign one */
            g_assert_cmpuint(cet_run(m), ==, VEC_GP);
            g_assert_cmphex(cet_error(m), ==, 0);
            check_frame(m, KERNEL_SSP - 24, SEL_CODE64, AT_CODE, KERNEL_SSP);
            continue;
        }
        g_assert_cmpuint(cet_run(m), ==, VEC_UD);
        check_frame(m, TOKEN_IST - 24, SEL_CODE64, AT_CODE, KERNEL_SSP);
        g_assert_cmphex(machine_word(m, TOKEN_IST), ==, TOKEN_IST | 1);
    }
}

/* What IRET of the #UD handler does: to the INT3 behind, with the token of its stack free again. */
static void test_iret(void)
{
    static const struct {
        const char *label;
        const uint8_t *code, *end;
        bool user;
        unsigned ist, vector;
    } iret[] = {
        { "user", CODE(skip_and_return), true, 0, VEC_BP },
        { "user, IST", CODE(skip_and_return), true, 1, VEC_BP },
        { "user, elsewhere: its stack knows nothing of it", CODE(skip_wrongly), true, 0, VEC_GP },
        { "same level, elsewhere", CODE(skip_and_return), false, 0, VEC_CP },
        { "same level, other code segment", CODE(wrong_selector), false, 0, VEC_CP },
        { "same level, IST, elsewhere", CODE(skip_wrongly), false, 1, VEC_CP },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(iret); i++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, iret[i].user, SS, SS | IBT);
        g_test_message("%s", iret[i].label);
        machine_gate64(m, VEC_UD, 0, iret[i].ist, 14);
        machine_code(m, machine_handler(VEC_UD), iret[i].code,
                     (size_t)(iret[i].end - iret[i].code));
        LOAD(m, AT_CODE, ud2_int3);
        m->ram[AT_CODE + 3] = 0xf4; /* HLT at level 3: #GP */
        g_assert_cmpuint(cet_run(m), ==, iret[i].vector);
        if (iret[i].vector == VEC_CP) {
            g_assert_cmphex(cet_error(m), ==, CP_FAR_RET);
        }
        if (iret[i].user) {
            g_assert_cmphex(m->cpu->pl_ssp[3], ==, USER_SSP);
            g_assert_cmphex(m->cpu->ssp, ==, TOKEN0);
            g_assert_cmphex(machine_word(m, TOKEN0), ==, TOKEN0 | 1);
            g_assert_cmphex(machine_word(m, TOKEN_IST), ==, TOKEN_IST);
        }
    }
}

PROGRAM64(just_return, "endbr64\n iretq");

/* Back to where it was, at the same level: the IST's stack is left, its token free. */
static void test_iret_ist(void)
{
    g_autoptr(Machine) m = machine_new();
    cet_start(m, false, 0, SS | IBT);
    machine_gate64(m, VEC_BP, 0, 1, 14);
    LOAD(m, machine_handler(VEC_BP), just_return);
    m->ram[AT_CODE] = 0xcc;
    machine_code(m, AT_CODE + 1, "\x0f\x0b", 2);
    g_assert_cmpuint(cet_run(m), ==, VEC_UD);
    check_frame(m, KERNEL_SSP - 24, SEL_CODE64, AT_CODE + 1, KERNEL_SSP);
    g_assert_cmphex(machine_word(m, TOKEN_IST), ==, TOKEN_IST);
}

/* From level 3: which SSP the handler gets, and where the user's is kept. */
static void test_from_user(void)
{
    static const struct {
        const char *label;
        uint64_t u_cet, s_cet, token;
        unsigned vector; /* reached, or 256: no handler can be */
        uint64_t ssp, pl3;
    } rows[] = {
        { "shadow stack of users only", SS, 0, 0, VEC_UD, USER_SSP, USER_SSP },
        { "both", SS, SS, TOKEN0, VEC_UD, TOKEN0, USER_SSP },
        { "supervisor's only", 0, SS, TOKEN0, VEC_UD, TOKEN0, 0 },
        { "none", 0, 0, 0, VEC_UD, USER_SSP, 0 },
        { "busy", SS, SS, TOKEN0 | 1, 256, 0, 0 },
        { "no token", SS, SS, 0, 256, 0, 0 },
        { "another's token", SS, SS, TOKEN0 - 32, 256, 0, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, true, rows[i].u_cet, rows[i].s_cet);
        machine_set_word(m, TOKEN0, rows[i].token);
        LOAD(m, AT_CODE, ud2_int3);
        g_test_message("%s", rows[i].label);
        g_assert_cmpuint(cet_run(m), ==, rows[i].vector);
        if (rows[i].vector != 256) {
            g_assert_cmphex(m->cpu->ssp, ==, rows[i].ssp);
            g_assert_cmphex(m->cpu->pl_ssp[3], ==, rows[i].pl3);
        }
    }
}

/* Token and frame must lie in one aligned group of 32 bytes. */
static void test_token_place(void)
{
    for (unsigned offset = 0; offset < 32; offset += 4) {
        g_autoptr(Machine) m = machine_new();
        uint64_t at = AT_KERNEL_SHADOW + 0x400 + offset;
        cet_start(m, true, SS, SS);
        m->cpu->pl_ssp[0] = at;
        machine_set_word(m, at, at);
        LOAD(m, AT_CODE, ud2_int3);
        g_assert_cmpuint(cet_run(m), ==, offset == 24 ? VEC_UD : 256);
    }
}

/* Handlers must begin with ENDBR64; the user's tracker waits on meanwhile. */
static void test_handler_without_endbranch(void)
{
    g_autoptr(Machine) m = machine_new();
    cet_start(m, true, IBT | CET_TRACKER, IBT);
    LOAD(m, AT_CODE, ud2_int3);
    m->ram[machine_handler(VEC_CP)] = 0x90; /* not the start of ENDBR64: #CP again, there */
    m->ram[machine_handler(VEC_CP) + 1] = 0x90;
    machine_gate64(m, VEC_CP, 0, 0, 14);
    m->cpu->idtr.limit = 16 * VEC_CP + 15;
    *machine_pte(m, AT_RSP0 - 0x1000) = 0; /* ends the nesting */
    *machine_pte(m, AT_RSP0 - 0x2000) = 0;
    g_assert_cmpint(cpu_run(m->cpu), ==, CPU_EXIT_TRIPLE_FAULT);
    g_assert_true(m->cpu->u_cet & CET_TRACKER);
}

/* ---- far transfers ---- */

PROGRAM64(far_calls, "mov %ebx, 0x40008\n lea 2f(%rip), %rax\n mov %rax, 0x40000\n"
                     ".byte 0x48, 0xff, 0x1c, 0x25, 0, 0, 4, 0\n ud2\n 2: endbr64\n lretq");
PROGRAM64(far_smashed, "mov %ebx, 0x40008\n lea 2f(%rip), %rax\n mov %rax, 0x40000\n"
                       ".byte 0x48, 0xff, 0x1c, 0x25, 0, 0, 4, 0\n ud2\n 2: endbr64\n"
                       "incq (%rsp)\n lretq");
PROGRAM64(far_to_nop, "mov %ebx, 0x40008\n lea 2f(%rip), %rax\n mov %rax, 0x40000\n"
                      ".byte 0x48, 0xff, 0x2c, 0x25, 0, 0, 4, 0\n 2: nop");
PROGRAM64(near_then_far, "push %rbx\n call 1f\n 1: lretq");

typedef struct FarRow {
    const char *label;
    const uint8_t *code, *end;
    uint64_t control;
    unsigned vector;
    uint32_t error;
} FarRow;

/* RBX: the level's code segment. */
static void test_far(void)
{
    static const FarRow rows[] = {
        { "far call and return", CODE(far_calls), SS | IBT, VEC_UD, 0 },
        { "smashed", CODE(far_smashed), SS | IBT, VEC_CP, CP_FAR_RET },
        { "far jump to another than ENDBR64", CODE(far_to_nop), IBT, VEC_CP, CP_ENDBRANCH },
        { "far jump, suppressed before", CODE(far_to_nop), IBT | CET_SUPPRESS, VEC_CP,
          CP_ENDBRANCH },
        { "far return from a near call", CODE(near_then_far), SS, VEC_CP, CP_FAR_RET },
    };
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
        const FarRow *row = &rows[i / 2];
        bool user = i & 1;
        g_autoptr(Machine) m = machine_new();
        cet_start(m, user, user ? row->control : 0, user ? 0 : row->control);
        m->cpu->regs[GPR_RBX] = user ? SEL_USER64 | 3 : SEL_CODE64;
        machine_code(m, AT_CODE, row->code, (size_t)(row->end - row->code));
        g_test_message("%s%s", row->label, user ? ", user" : "");
        g_assert_cmpuint(cet_run(m), ==, row->vector);
        if (row->vector == VEC_CP) {
            g_assert_cmphex(cet_error(m), ==, row->error);
        } else if (user) {
            g_assert_cmphex(m->cpu->pl_ssp[3], ==, USER_SSP);
        } else {
            check_frame(m, KERNEL_SSP - 24, SEL_CODE64, machine_word(m, m->cpu->regs[GPR_RSP]),
                        KERNEL_SSP);
        }
    }
}

PROGRAM64(system_call, "call 1f\n 1: nop\n call 2f\n ud2\n 2: syscall\n ret");
PROGRAM64(system_return, "endbr64\n rdsspq %r8\n sysretq");

static void test_syscall(void)
{
    for (unsigned s_cet = 0; s_cet < 2; s_cet++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, true, SS, s_cet ? SS | IBT : IBT);
        m->cpu->star = (uint64_t)(SEL_USER32) << 48 | (uint64_t)SEL_CODE64 << 32;
        m->cpu->lstar = AT_CODE + 0x100;
        m->cpu->regs[GPR_R8] = 1;
        LOAD(m, AT_CODE, system_call);
        LOAD(m, AT_CODE + 0x100, system_return);
        g_assert_cmpuint(cet_run(m), ==, VEC_UD);
        /* SSP is 0 until the kernel sets it */
        g_assert_cmphex(m->cpu->regs[GPR_R8], ==, s_cet ? 0 : 1);
        g_assert_cmphex(m->cpu->pl_ssp[3], ==, USER_SSP);
    }
}

/* ---- registers ---- */

static void test_registers(void)
{
    static const struct {
        const char *label;
        uint32_t index;
        uint64_t value;
        bool good;
    } rows[] = {
        { "U_CET", 0x6a0, 0x3f, true },
        { "U_CET, bitmap", 0x6a0, UINT64_C(0x7ffffffff00f), true },
        { "U_CET, bitmap not canonical", 0x6a0, UINT64_C(0x800000000008), false },
        { "U_CET, reserved bit 6", 0x6a0, 0x40, false },
        { "U_CET, reserved bit 9", 0x6a0, 0x200, false },
        { "U_CET, suppressed", 0x6a0, 0x404, true },
        { "U_CET, waiting", 0x6a0, 0x804, true },
        { "U_CET, waiting and suppressed", 0x6a0, 0xc04, false },
        { "S_CET, reserved bit 7", 0x6a2, 0x84, false },
        { "S_CET, WR_SHSTK_EN", 0x6a2, 2, true },
        { "PL0_SSP", 0x6a4, TOKEN0, true },
        { "PL0_SSP misaligned", 0x6a4, TOKEN0 | 2, false },
        { "PL1_SSP, multiple of 4", 0x6a5, 4, true },
        { "PL2_SSP not canonical", 0x6a6, UINT64_C(1) << 47, false },
        { "PL3_SSP, odd", 0x6a7, 1, false },
        { "SSP table", 0x6a8, UINT64_C(0xffff800000000000), true },
        { "SSP table not canonical", 0x6a8, UINT64_C(0xff00000000000000), false },
    };
    static const uint8_t wrmsr[] = { 0x0f, 0x30, 0x0f, 0x32, 0x0f, 0x0b }; /* wrmsr; rdmsr; ud2 */
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, false, 0, 0);
        machine_code(m, AT_CODE, wrmsr, sizeof(wrmsr));
        m->cpu->regs[GPR_RCX] = rows[i].index;
        m->cpu->regs[GPR_RAX] = (uint32_t)rows[i].value;
        m->cpu->regs[GPR_RDX] = rows[i].value >> 32;
        g_test_message("%s", rows[i].label);
        g_assert_cmpuint(cet_run(m), ==, rows[i].good ? VEC_UD : VEC_GP);
        if (rows[i].good) {
            g_assert_cmphex(m->cpu->regs[GPR_RAX] | m->cpu->regs[GPR_RDX] << 32, ==, rows[i].value);
        }
    }
}

/* Addresses are judged by what the processor has bits for, not by CR4.LA57. */
static void test_wide_addresses(void)
{
    static const uint8_t wrmsr[] = { 0x0f, 0x30, 0x0f, 0x0b }; /* wrmsr; ud2 */
    for (unsigned la57 = 0; la57 < 2; la57++) {
        for (uint32_t index = 0x6a0; index <= 0x6a8; index++) {
            g_autoptr(Machine) m = machine_new();
            if (index == 0x6a1 || index == 0x6a3) {
                continue; /* no such registers */
            }
            cet_start(m, false, 0, 0);
            m->cpu->la57 = la57;
            machine_code(m, AT_CODE, wrmsr, sizeof(wrmsr));
            m->cpu->regs[GPR_RCX] = index;
            m->cpu->regs[GPR_RDX] = 0x8000; /* 2^47 */
            g_assert_cmpuint(cet_run(m), ==, la57 ? VEC_UD : VEC_GP);
        }
    }
}

PROGRAM64(clear_wp, "mov %cr0, %rax\n btr $16, %rax\n mov %rax, %cr0\n ud2");
PROGRAM64(set_cet, "mov %cr4, %rax\n bts $23, %rax\n mov %rax, %cr4\n mov %cr4, %rbx\n ud2");
PROGRAM64(enable, "mov $0x6a2, %ecx\n mov $4, %eax\n xor %edx, %edx\n wrmsr\n"
                  "lea 1f(%rip), %rax\n jmp *%rax\n 1: nop\n ud2");

static void test_control(void)
{
    g_autoptr(Machine) wp = machine_new();
    cet_start(wp, false, 0, 0);
    LOAD(wp, AT_CODE, clear_wp);
    g_assert_cmpuint(cet_run(wp), ==, VEC_GP);

    for (unsigned on = 0; on < 2; on++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, false, 0, 0);
        m->cpu->cr4 &= ~(uint64_t)CR4_CET;
        m->cpu->cr0 &= ~(uint64_t)(on ? 0 : CR0_WP);
        LOAD(m, AT_CODE, set_cet);
        g_assert_cmpuint(cet_run(m), ==, on ? VEC_UD : VEC_GP);
        if (on) {
            g_assert_true(m->cpu->regs[GPR_RBX] & CR4_CET);
        }
    }
    g_autoptr(Machine) now = machine_new(); /* takes effect with the next instruction */
    cet_start(now, false, 0, 0);
    LOAD(now, AT_CODE, enable);
    g_assert_cmpuint(cet_run(now), ==, VEC_CP);
}

/* ---- XSAVES and XRSTORS ---- */

PROGRAM64(save_restore, "mov $0x1800, %eax\n xor %edx, %edx\n xsaves 0x40000\n"
                        "xrstors 0x41000\n ud2");

static void set_up_xsave(Machine *m)
{
    Cpu *cpu = m->cpu;
    cet_start(m, false, 0, 0);
    cpu->cr4 |= CR4_OSXSAVE | CR4_OSFXSR;
    cpu->xcr0 = 3;
    cpu->xss = cpu->xss_mask = 0x1800;
    cpu->u_cet = SS | IBT;
    cpu->pl_ssp[0] = 0x1000;
    cpu->pl_ssp[1] = 0x2000;
    cpu->pl_ssp[2] = 0x3000;
    cpu->pl_ssp[3] = 0x4000;
    LOAD(m, AT_CODE, save_restore);
    memset(m->ram + AT_DATA, 0xee, 0x1000);
    machine_set_word(m, AT_DATA + 0x1000 + 512, 0x1800);
    machine_set_word(m, AT_DATA + 0x1000 + 520, UINT64_C(1) << 63 | 0x1800);
    for (unsigned i = 0; i < 5; i++) {
        machine_set_word(m, AT_DATA + 0x1000 + 576 + i * 8, (i + 1) * 0x10000);
    }
    machine_set_word(m, AT_DATA + 0x1000 + 576, SS);
}

static void test_xsaves(void)
{
    static const uint64_t saved[] = { SS | IBT, 0x4000, 0x1000, 0x2000, 0x3000 };
    g_autoptr(Machine) m = machine_new();
    set_up_xsave(m);
    g_assert_cmpuint(cet_run(m), ==, VEC_UD);
    g_assert_cmphex(machine_word(m, AT_DATA + 512), ==, 0x1800);
    g_assert_cmphex(machine_word(m, AT_DATA + 520), ==, UINT64_C(1) << 63 | 0x1800);
    for (unsigned i = 0; i < G_N_ELEMENTS(saved); i++) {
        g_assert_cmphex(machine_word(m, AT_DATA + 576 + i * 8), ==, saved[i]);
    }
    g_assert_cmphex(machine_word(m, AT_DATA + 576 + 40), ==, UINT64_C(0xeeeeeeeeeeeeeeee));
    g_assert_cmphex(m->cpu->u_cet, ==, SS);
    g_assert_cmphex(m->cpu->pl_ssp[3], ==, 0x20000);
    g_assert_cmphex(m->cpu->pl_ssp[0], ==, 0x30000);
    g_assert_cmphex(m->cpu->pl_ssp[2], ==, 0x50000);

    g_autoptr(Machine) init = machine_new(); /* not in XSTATE_BV: initial values */
    set_up_xsave(init);
    machine_set_word(init, AT_DATA + 0x1000 + 512, 0x1000);
    g_assert_cmpuint(cet_run(init), ==, VEC_UD);
    g_assert_cmphex(init->cpu->u_cet | init->cpu->pl_ssp[3], ==, 0);
    g_assert_cmphex(init->cpu->pl_ssp[1], ==, 0x40000);
}

static void test_xrstors_refused(void)
{
    static const struct {
        unsigned word;
        uint64_t value;
    } bad[] = {
        { 0, 0x40 }, { 0, 0xc04 }, { 1, 2 }, { 1, UINT64_C(1) << 47 }, { 2, 1 },
        { 3, UINT64_C(1) << 60 }, { 4, 3 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Machine) m = machine_new();
        set_up_xsave(m);
        machine_set_word(m, AT_DATA + 0x1000 + 576 + bad[i].word * 8, bad[i].value);
        g_assert_cmpuint(cet_run(m), ==, VEC_GP);
        g_assert_cmphex(m->cpu->u_cet, ==, SS | IBT);
        g_assert_cmphex(m->cpu->pl_ssp[3], ==, 0x4000);
    }
    g_autoptr(Machine) idle = machine_new(); /* XINUSE: nothing to save */
    set_up_xsave(idle);
    idle->cpu->u_cet = 0;
    memset(idle->cpu->pl_ssp, 0, sizeof(idle->cpu->pl_ssp));
    g_assert_cmpuint(cet_run(idle), ==, VEC_UD);
    g_assert_cmphex(machine_word(idle, AT_DATA + 512), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cet/same-level", test_same_level);
    g_test_add_func("/cet/ist", test_ist);
    g_test_add_func("/cet/iret", test_iret);
    g_test_add_func("/cet/iret-ist", test_iret_ist);
    g_test_add_func("/cet/from-user", test_from_user);
    g_test_add_func("/cet/token-place", test_token_place);
    g_test_add_func("/cet/handler-without-endbranch", test_handler_without_endbranch);
    g_test_add_func("/cet/far", test_far);
    g_test_add_func("/cet/syscall", test_syscall);
    g_test_add_func("/cet/registers", test_registers);
    g_test_add_func("/cet/wide-addresses", test_wide_addresses);
    g_test_add_func("/cet/control", test_control);
    g_test_add_func("/cet/xsaves", test_xsaves);
    g_test_add_func("/cet/xrstors-refused", test_xrstors_refused);
    return g_test_run();
}
