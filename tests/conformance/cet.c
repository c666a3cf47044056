/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control-flow enforcement in a TD that has it in XFAM: registers and CPUID by the module's rules,
 * #CP and its codes, shadow-stack accesses, beside #VE and TDCALL (Intel SDM vol. 1, ch. 18).
 */
#include "swtdx/host/cpu/cet.h"

#include "guest.h"

#define SSP (AT_DATA2 + 0x800)

PROGRAM(set_cr4, 64, "mov %cr4, %rax\n bts $23, %rax\n mov %rax, %cr4\n"
                     "mov %cr4, %rbx\n int $0x80");
PROGRAM(clear_wp, 64, "mov %cr0, %rax\n btr $16, %rax\n mov %rax, %cr0");
PROGRAM(rdmsr, 64, "mov $0x6a8, %ecx\n rdmsr\n int $0x80");
PROGRAM(rdmsr_gap, 64, "mov $0x6a1, %ecx\n rdmsr");
PROGRAM(wrmsr, 64, "mov $0x6a0, %ecx\n mov $0x3f, %eax\n xor %edx, %edx\n wrmsr\n int $0x80");
PROGRAM(wrmsr_reserved, 64, "mov $0x6a0, %ecx\n mov $0x40, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(wrmsr_odd, 64, "mov $0x6a7, %ecx\n mov $2, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(wrmsr_xss, 64, "mov $0xda0, %ecx\n mov $0x1800, %eax\n xor %edx, %edx\n wrmsr\n"
                       "mov $0xd, %eax\n mov $1, %ecx\n cpuid\n int $0x80");
PROGRAM(wrmsr_more, 64, "mov $0xda0, %ecx\n mov $0x5800, %eax\n xor %edx, %edx\n wrmsr");
PROGRAM(cpuid7, 64, "mov $7, %eax\n xor %ecx, %ecx\n cpuid\n int $0x80");
PROGRAM(cpuid_cet_s, 64, "mov $0xd, %eax\n mov $12, %ecx\n cpuid\n int $0x80");
PROGRAM(good, 64, "call 1f\n int $0x80\n 1: ret");
PROGRAM(smashed, 64, "call 1f\n 1: push $5\n ret");
PROGRAM(jump, 64, "lea 1f(%rip), %rax\n jmp *%rax\n 1: int $0x80");
PROGRAM(jump_endbr, 64, "lea 1f(%rip), %rax\n jmp *%rax\n 1: endbr64\n int $0x80");
PROGRAM(store, 64, "movq $0, 0x11000");
PROGRAM(wruss, 64, "wrussq %rax, 0x10000");
PROGRAM(rstorssp, 64, "rstorssp 0x11000");
PROGRAM(setssbsy, 64, "setssbsy");
PROGRAM(incssp, 64, "mov $1, %eax\n incsspq %rax");
PROGRAM(return_far, 64, "push $0x18\n call 1f\n 1: lretq");
PROGRAM(vmcall, 64, "call 1f\n int $0x80\n"
                    "1: xor %eax, %eax\n mov $0x400, %ecx\n xor %r10d, %r10d\n tdcall\n ret");
PROGRAM(ve, 64, "mov $0x40000000, %eax\n cpuid");
PROGRAM(undefined, 64, "ud2");
PROGRAM(code32, 32, "call 1f\n int $0x80\n 1: ret");
PROGRAM(smashed32, 32, "call 1f\n nop\n 1: incl (%esp)\n ret");

static void enable(Guest *g, bool user, uint64_t control)
{
    put64(g, AT_PT + (AT_DATA2 >> 12) * 8, AT_DATA2 | (user ? 0x45 : 0x41));
    g->cpu->cr4 |= CR4_CET;
    g->cpu->ssp = SSP;
    *(user ? &g->cpu->u_cet : &g->cpu->s_cet) = control;
}

static void supervisor(Guest *g) { enable(g, false, CET_SH_STK_EN | CET_WR_SHSTK_EN); }
static void user(Guest *g) { enable(g, true, CET_SH_STK_EN); }
static void user_tracked(Guest *g) { enable(g, true, CET_ENDBR_EN); }
static void only_cr4(Guest *g) { enable(g, false, 0); }
static void off(Guest *g) { g->cpu->cr4 |= CR4_CET; }
static void no_stack(Guest *g)
{
    supervisor(g);
    g->cpu->ssp = AT_DATA; /* not a shadow-stack page: no event can be delivered */
}
/* Without paging any page will do. */
static void legacy(Guest *g)
{
    g->cpu->cr0 |= CR0_WP;
    enable(g, false, CET_SH_STK_EN);
}

static void cr4_read(Guest *g) { g_assert_true(g->cpu->regs[GPR_RBX] & CR4_CET); }
static void cpuid7_bits(Guest *g)
{
    g_assert_true(g->cpu->regs[GPR_RCX] & 1u << 7);
    g_assert_true(g->cpu->regs[GPR_RDX] & 1u << 20);
}
static void leaf_d1(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RCX], ==, 0x1800);
    g_assert_cmphex(g->cpu->xss, ==, 0x1800);
}
static void leaf_d12(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RAX], ==, 24);
    g_assert_cmphex(g->cpu->regs[GPR_RCX], ==, 1);
}
static void written(Guest *g) { g_assert_cmphex(g->cpu->u_cet, ==, 0x3f); }
static void ssp_kept(Guest *g) { g_assert_cmphex(g->cpu->pl_ssp[3], ==, SSP); }
static void frame(Guest *g)
{
    g_assert_cmphex(g->cpu->ssp, ==, SSP - 24);
    g_assert_cmphex(guest_word(g, SSP - 24), ==, SSP);
    g_assert_cmphex(guest_word(g, SSP - 8), ==, SEL_CODE64);
}
static void waiting(Guest *g) { g_assert_true(g->cpu->u_cet & CET_TRACKER); }

#define CET(label) "with CET: " label
static const Case cases[] = {
    {CET("CR4"), CODE(set_cr4), LONG, DONE, NO_ERROR, ANY, NULL, cr4_read},
    {CET("CR0.WP off"), CODE(clear_wp), LONG, VEC_GP, 0, 8, only_cr4, NULL},
    {CET("rdmsr INTERRUPT_SSP_TABLE_ADDR"), CODE(rdmsr), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
    {CET("rdmsr 6A1h"), CODE(rdmsr_gap), LONG, VEC_VE, NO_ERROR, 5, NULL, NULL},
    {CET("wrmsr U_CET"), CODE(wrmsr), LONG, DONE, NO_ERROR, ANY, NULL, written},
    {CET("wrmsr U_CET, reserved bit"), CODE(wrmsr_reserved), LONG, VEC_GP, 0, 12, NULL, NULL},
    {CET("wrmsr PL3_SSP, misaligned"), CODE(wrmsr_odd), LONG, VEC_GP, 0, 12, NULL, NULL},
    {CET("wrmsr XSS"), CODE(wrmsr_xss), LONG, DONE, NO_ERROR, ANY, NULL, leaf_d1},
    {CET("wrmsr XSS beyond XFAM"), CODE(wrmsr_more), LONG, VEC_GP, 0, 12, NULL, NULL},
    {CET("cpuid 7"), CODE(cpuid7), LONG, DONE, NO_ERROR, ANY, NULL, cpuid7_bits},
    {CET("cpuid Dh.12"), CODE(cpuid_cet_s), LONG, DONE, NO_ERROR, ANY, NULL, leaf_d12},
    {CET("call and return"), CODE(good), LONG, DONE, NO_ERROR, ANY, supervisor, frame},
    {CET("call and return, user"), CODE(good), USER, DONE, NO_ERROR, ANY, user, ssp_kept},
    {CET("smashed return"), CODE(smashed), LONG, VEC_CP, CP_NEAR_RET, 7, supervisor, NULL},
    {CET("smashed return, user"), CODE(smashed), USER, VEC_CP, CP_NEAR_RET, 7, user, ssp_kept},
    {CET("32-bit call and return"), CODE(code32), PROTECTED, DONE, NO_ERROR, ANY, legacy, NULL},
    {CET("32-bit smashed return"), CODE(smashed32), PROTECTED, VEC_CP, CP_NEAR_RET, 9, legacy,
     NULL},
    {CET("far return from a near call"), CODE(return_far), LONG, VEC_CP, CP_FAR_RET, 7,
     supervisor, NULL},
    {CET("indirect jump"), CODE(jump), USER, VEC_CP, CP_ENDBRANCH, 9, user_tracked, waiting},
    {CET("indirect jump to ENDBR64"), CODE(jump_endbr), USER, DONE, NO_ERROR, ANY, user_tracked,
     NULL},
    {CET("indirect jump, off"), CODE(jump), USER, DONE, NO_ERROR, ANY, off, NULL},
    {CET("store to a shadow stack"), CODE(store), LONG, VEC_PF, 3, 0, supervisor, NULL},
    {CET("store to a shadow stack, user"), CODE(store), USER, VEC_PF, 7, 0, user, ssp_kept},
    {CET("wrussq to data"), CODE(wruss), LONG, VEC_PF, 0x47, 0, only_cr4, NULL},
    {CET("wrussq, user"), CODE(wruss), USER, VEC_GP, 0, 0, user, NULL},
    {CET("wrussq without CR4.CET"), CODE(wruss), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {CET("rstorssp without a token"), CODE(rstorssp), LONG, VEC_CP, CP_RSTORSSP, 0, supervisor,
     NULL},
    {CET("setssbsy without a token"), CODE(setssbsy), LONG, VEC_PF, 0x43, 0, supervisor, NULL},
    {CET("incsspq, off"), CODE(incssp), USER, VEC_UD, NO_ERROR, 5, off, NULL},
    {CET("TDG.VP.VMCALL within a call"), CODE(vmcall), LONG, DONE, NO_ERROR, ANY, supervisor,
     frame},
    {CET("#VE"), CODE(ve), LONG, VEC_VE, NO_ERROR, 5, supervisor, frame},
    {CET("#VE, user"), CODE(ve), USER, VEC_VE, NO_ERROR, 5, user, ssp_kept},
    {CET("no shadow stack to deliver to"), CODE(undefined), LONG, SHUTDOWN, NO_ERROR, ANY,
     no_stack, NULL},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    conformance_run("cet", cases, G_N_ELEMENTS(cases));
    return g_test_run();
}
