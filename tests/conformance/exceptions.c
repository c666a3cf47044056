/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions: each vector, error codes, priorities, double fault and shutdown, floating point
 * (Intel SDM vol. 3, ch. 6).
 */
#include "guest.h"
#include "swtdx/host/cpu/vector.h"

PROGRAM(e_div, 64, "xor %ecx, %ecx\n div %ecx");
PROGRAM(e_div_overflow, 64, "mov $1, %edx\n mov $1, %ecx\n div %ecx");
PROGRAM(e_idiv_min, 64, "mov $0x80000000, %eax\n cdq\n mov $-1, %ecx\n idiv %ecx");
PROGRAM(e_int3, 64, "int3");
PROGRAM(e_icebp, 64, ".byte 0xf1");
PROGRAM(e_ud2, 64, "ud2");
PROGRAM(e_lock, 64, ".byte 0xf0\n nop");
PROGRAM(e_long, 64, ".fill 15, 1, 0x66\n nop");
PROGRAM(e_fld, 64, "fld1\n int $0x80");
PROGRAM(e_sse, 64, "addps %xmm0, %xmm0\n int $0x80");
PROGRAM(e_avx, 64, "vaddps %ymm0, %ymm0, %ymm0\n int $0x80");
PROGRAM(e_fwait, 64, "fwait\n int $0x80");
PROGRAM(e_fdiv, 64, "movw $0x33b, (%rbx)\n fldcw (%rbx)\n fld1\n fldz\n fdivrp\n nop\n fld1");
PROGRAM(
    e_xm, 64,
    "movl $0x1f00, (%rbx)\n ldmxcsr (%rbx)\n xorps %xmm0, %xmm0\n divps %xmm0, %xmm0\n int $0x80");
PROGRAM(e_ldmxcsr, 64, "movl $0x10000, (%rbx)\n ldmxcsr (%rbx)");
PROGRAM(e_movaps, 64, "movaps 8(%rbx), %xmm0");
PROGRAM(e_align, 64, "pushfq\n orl $0x40000, (%rsp)\n popfq\n mov 1(%rbx), %eax\n int $0x80");
PROGRAM(e_align_ok, 64,
        "pushfq\n orl $0x40000, (%rsp)\n popfq\n mov 4(%rbx), %eax\n movb 1(%rbx), %al\n movups "
        "1(%rbx), %xmm0\n int $0x80");
PROGRAM(e_selector, 64, "mov $0x200, %eax\n mov %eax, %ds");
PROGRAM(e_ldt, 64, "mov $0xc, %eax\n mov %eax, %ds");
PROGRAM(e_null_ss, 64, "xor %eax, %eax\n mov %eax, %ss\n int $0x80");
PROGRAM(e_absent, 64, "mov $0x10, %eax\n mov %eax, %ds");
PROGRAM(e_absent_ss, 64, "mov $0x10, %eax\n mov %eax, %ss");
PROGRAM(e_int, 64, "int $0x90");
PROGRAM(e_into32, 32, "mov $0x7fffffff, %eax\n inc %eax\n into");
PROGRAM(e_bound32, 32, "mov $5, %eax\n movl $0, (%ebx)\n movl $4, 4(%ebx)\n bound %eax, (%ebx)");
PROGRAM(e_limit32, 32, "mov %fs:0x10000, %eax");
PROGRAM(e_gp, 64, "mov $0x8000, %ecx\n shl $32, %rcx\n mov (%rcx), %eax");
PROGRAM(e_pf, 64, "mov 0x20000, %eax");
PROGRAM(e_cmpxchg16b, 64, "cmpxchg16b 8(%rbx)");
PROGRAM(e_xsetbv, 64, "xor %ecx, %ecx\n xor %edx, %edx\n mov $2, %eax\n xsetbv");
PROGRAM(
    e_xrstor, 64,
    "movq $0, 0x200(%rbx)\n movq $1, 0x208(%rbx)\n mov $3, %eax\n xor %edx, %edx\n xrstor (%rbx)");
PROGRAM(e_xsave, 64, "mov $3, %eax\n xor %edx, %edx\n xsave 8(%rbx)");
PROGRAM(e_sti, 64, "sti\n nop\n int $0x80");

PROGRAM(
    e_xinuse, 64,
    "mov $1, %ecx\n xgetbv\n mov %eax, %ebp\n fld1\n pcmpeqd %xmm1, %xmm1\n xgetbv\n int $0x80");

static void ts(Guest *g) { g->cpu->cr0 |= CR0_TS; }
static void ts_mp(Guest *g) { g->cpu->cr0 |= CR0_TS | CR0_MP; }
static void em(Guest *g) { g->cpu->cr0 |= CR0_EM; }
static void no_fxsr(Guest *g) { g->cpu->cr4 &= ~(uint64_t)CR4_OSFXSR; }
static void no_xm(Guest *g) { g->cpu->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT; }
static void no_xsave(Guest *g) { g->cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE; }
static void no_avx_state(Guest *g) { g->cpu->xcr0 = 3; }
static void am(Guest *g) { g->cpu->cr0 |= CR0_AM; }
static void absent(Guest *g)
{
    put64(g, AT_GDT + SEL_DATA, get64(g, AT_GDT + SEL_DATA) & ~(UINT64_C(1) << 47));
}
static void fs_limit(Guest *g) { g->cpu->seg[SEG_FS] = (Segment){SEL_DATA, 0x4093, 0xffff, 0}; }
static void no_gate(Guest *g, unsigned vector)
{
    put64(g, AT_IDT + vector * 16, get64(g, AT_IDT + vector * 16) & ~(UINT64_C(1) << 47));
}
static void gate_type(Guest *g, unsigned vector)
{
    put64(g, AT_IDT + vector * 16, get64(g, AT_IDT + vector * 16) ^ UINT64_C(3) << 40);
}
static void int_absent(Guest *g) { no_gate(g, 0x90); }
static void int_type(Guest *g) { gate_type(g, 0x90); }
static void int_beyond(Guest *g) { g->cpu->idtr.limit = 0x8ff; }
static void gp_absent(Guest *g) { no_gate(g, VEC_GP); }
static void ud_absent(Guest *g) { no_gate(g, VEC_UD); }
static void pf_absent(Guest *g) { no_gate(g, VEC_PF); }
static void pf_then_pf(Guest *g)
{
    g->cpu->regs[GPR_RSP] = 0x21800;
    put64(g, AT_IDT + 8 * 16, get64(g, AT_IDT + 8 * 16) | UINT64_C(1) << 32);
}
static void df_absent(Guest *g) { gp_absent(g); no_gate(g, VEC_NP); no_gate(g, VEC_DF); }
static void all_absent(Guest *g) { g->cpu->idtr.limit = 0; }
static void break_here(Guest *g)
{
    g->cpu->dr[0] = AT_CODE;
    g->cpu->dr[7] = 0x401;
    debug_update(g->cpu);
}

static void no_rf(Guest *g) { g_assert_cmphex(guest_stack(g, 2) & FLAG_RF, ==, 0); }
static void rf(Guest *g) { g_assert_cmphex(guest_stack(g, 2) & FLAG_RF, ==, FLAG_RF); }
static void rf_after_error(Guest *g) { g_assert_cmphex(guest_stack(g, 3) & FLAG_RF, ==, FLAG_RF); }
static void on_ist(Guest *g) { g_assert_cmphex(g->cpu->regs[GPR_RSP], ==, IST_TOP - 48); }
static void invalid(Guest *g) { g_assert_cmphex(vec_mxcsr(g->cpu), ==, 0x1f00 | 1); }

static void in_use(Guest *g)
{
    g_assert_cmphex(g->cpu->regs[GPR_RBP], ==, 0);
    g_assert_cmphex(g->cpu->regs[GPR_RAX], ==, XFEATURE_X87 | XFEATURE_SSE);
}

static const Case cases[] = {
    {"#DE: zero", CODE(e_div), LONG, VEC_DE, NO_ERROR, 2, NULL, rf},
    {"#DE: overflow", CODE(e_div_overflow), LONG, VEC_DE, NO_ERROR, 10, NULL, NULL},
    {"#DE: smallest by -1", CODE(e_idiv_min), LONG, VEC_DE, NO_ERROR, 11, NULL, NULL},
    {"#DB: instruction breakpoint before #UD", CODE(e_ud2), LONG, VEC_DB, NO_ERROR, 0, break_here,
     no_rf},
    {"#DB: ICEBP", CODE(e_icebp), LONG, VEC_DB, NO_ERROR, 1, NULL, NULL},
    {"#BP", CODE(e_int3), LONG, VEC_BP, NO_ERROR, 1, NULL, no_rf},
    {"#OF", CODE(e_into32), PROTECTED, VEC_OF, NO_ERROR, 7, NULL, NULL},
    {"#BR", CODE(e_bound32), PROTECTED, VEC_BR, NO_ERROR, ANY, NULL, NULL},
    {"#UD", CODE(e_ud2), LONG, VEC_UD, NO_ERROR, 0, NULL, rf},
    {"#UD: LOCK where it may not be", CODE(e_lock), LONG, VEC_UD, NO_ERROR, 0, NULL, NULL},
    {"#GP: sixteen bytes", CODE(e_long), LONG, VEC_GP, 0, 0, NULL, rf_after_error},
    {"#NM: x87 with TS", CODE(e_fld), LONG, VEC_NM, NO_ERROR, 0, ts, NULL},
    {"#NM: x87 with EM", CODE(e_fld), LONG, VEC_NM, NO_ERROR, 0, em, NULL},
    {"#NM: SSE with TS", CODE(e_sse), LONG, VEC_NM, NO_ERROR, 0, ts, NULL},
    {"#UD: SSE with EM", CODE(e_sse), LONG, VEC_UD, NO_ERROR, 0, em, NULL},
    {"#UD: SSE without OSFXSR", CODE(e_sse), LONG, VEC_UD, NO_ERROR, 0, no_fxsr, NULL},
    {"FWAIT with TS alone", CODE(e_fwait), LONG, DONE, NO_ERROR, ANY, ts, NULL},
    {"#NM: FWAIT with TS and MP", CODE(e_fwait), LONG, VEC_NM, NO_ERROR, 0, ts_mp, NULL},
    {"#UD: AVX without OSXSAVE", CODE(e_avx), LONG, VEC_UD, NO_ERROR, 0, no_xsave, NULL},
    {"#UD: AVX without its state", CODE(e_avx), LONG, VEC_UD, NO_ERROR, 0, no_avx_state, NULL},
    {"#MF at the next instruction", CODE(e_fdiv), LONG, VEC_MF, NO_ERROR, 14, NULL, rf},
    {"#XM", CODE(e_xm), LONG, VEC_XM, NO_ERROR, 12, NULL, invalid},
    {"#UD: #XM without OSXMMEXCPT", CODE(e_xm), LONG, VEC_UD, NO_ERROR, 12, no_xm, NULL},
    {"#GP: reserved MXCSR", CODE(e_ldmxcsr), LONG, VEC_GP, 0, 6, NULL, NULL},
    {"#GP: MOVAPS off its alignment", CODE(e_movaps), LONG, VEC_GP, 0, 0, NULL, NULL},
    {"#GP: CMPXCHG16B off its alignment", CODE(e_cmpxchg16b), LONG, VEC_GP, 0, 0, NULL, NULL},
    {"#AC", CODE(e_align), USER, VEC_AC, 0, 9, am, NULL},
    {"no #AC without AM", CODE(e_align), USER, DONE, NO_ERROR, ANY, NULL, NULL},
    {"no #AC at level 0", CODE(e_align), LONG, DONE, NO_ERROR, ANY, am, NULL},
    {"no #AC where aligned", CODE(e_align_ok), USER, DONE, NO_ERROR, ANY, am, NULL},
    {"#GP: selector beyond the GDT", CODE(e_selector), LONG, VEC_GP, 0x200, 5, NULL, NULL},
    {"#GP: selector of no LDT", CODE(e_ldt), LONG, VEC_GP, 0xc, 5, NULL, NULL},
    {"null SS at level 0", CODE(e_null_ss), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
    {"#GP: null SS at level 3", CODE(e_null_ss), USER, VEC_GP, 0, 2, NULL, NULL},
    {"#NP: DS", CODE(e_absent), LONG, VEC_NP, 0x10, 5, absent, NULL},
    {"#SS: SS not present", CODE(e_absent_ss), LONG, VEC_SS, 0x10, 5, absent, NULL},
    {"#GP: beyond a limit", CODE(e_limit32), PROTECTED, VEC_GP, 0, 0, fs_limit, NULL},
    {"#NP: gate not present", CODE(e_int), LONG, VEC_NP, 0x90 * 8 + 2, 0, int_absent, NULL},
    {"#GP: gate of another type", CODE(e_int), LONG, VEC_GP, 0x90 * 8 + 2, 0, int_type, NULL},
    {"#GP: beyond the IDT", CODE(e_int), LONG, VEC_GP, 0x90 * 8 + 2, 0, int_beyond, NULL},
    {"#NP with EXT: #UD without a gate", CODE(e_ud2), LONG, VEC_NP, VEC_UD * 8 + 3, 0, ud_absent,
     NULL},
    {"#DF: #GP without a gate", CODE(e_gp), LONG, VEC_DF, 0, 9, gp_absent, NULL},
    {"#DF: #PF without a gate", CODE(e_pf), LONG, VEC_DF, 0, 0, pf_absent, NULL},
    {"#DF on its own stack: #PF in #PF", CODE(e_pf), LONG, VEC_DF, 0, 0, pf_then_pf, on_ist},
    {"shutdown: #DF without a gate", CODE(e_gp), LONG, SHUTDOWN, NO_ERROR, ANY, df_absent, NULL},
    {"shutdown: no IDT", CODE(e_ud2), LONG, SHUTDOWN, NO_ERROR, ANY, all_absent, NULL},
    {"#GP: XCR0 without x87", CODE(e_xsetbv), LONG, VEC_GP, 0, 9, NULL, NULL},
    {"#GP: XRSTOR of a bad header", CODE(e_xrstor), LONG, VEC_GP, 0, ANY, NULL, NULL},
    {"#GP: XSAVE off its alignment", CODE(e_xsave), LONG, VEC_GP, 0, 7, NULL, NULL},
    {"#UD: XSAVE without OSXSAVE", CODE(e_xsave), LONG, VEC_UD, NO_ERROR, 7, no_xsave, NULL},
    {"XGETBV tells what is in use", CODE(e_xinuse), LONG, DONE, NO_ERROR, ANY, NULL, in_use},
    {"STI", CODE(e_sti), LONG, DONE, NO_ERROR, ANY, NULL, NULL},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    conformance_run("exceptions", cases, G_N_ELEMENTS(cases));
    return g_test_run();
}
