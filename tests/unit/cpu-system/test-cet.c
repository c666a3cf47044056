/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control-flow enforcement within a level: near branches, tracking, the instructions of shadow
 * stacks, their pages.
 */
#include "cet-machine.h"
#include "swtdx/host/cpu/shadow-stack.h"

#define SS CET_SH_STK_EN
#define WR (CET_SH_STK_EN | CET_WR_SHSTK_EN)
#define IBT CET_ENDBR_EN

/* ---- near branches ---- */

/* Programs end in UD2 where all is well; they do the same at any level. */
PROGRAM64(calls, "mov $30, %ecx\n 0: call 1f\n lea 2f(%rip), %rax\n call *%rax\n push %rax\n"
                 "call *(%rsp)\n pop %rax\n"
                 "dec %ecx\n jnz 0b\n ud2\n 1: call 2f\n ret\n 2: endbr64\n ret $0");
PROGRAM64(smashed, "call 1f\n ud2\n 1: lea 2f(%rip), %rax\n mov %rax, (%rsp)\n ret\n 2: ud2");
PROGRAM64(smashed_imm, "push $0\n call 1f\n ud2\n 1: addq $1, (%rsp)\n ret $8");
PROGRAM64(call_next, "call 1f\n 1: pop %rax\n rdsspq %rbx\n rdsspd %edx\n ud2");
PROGRAM64(smashed_far_away, "call 1f\n ud2\n 1: mov $1, %eax\n"
                            "shl $60, %rax\n mov %rax, (%rsp)\n ret");
PROGRAM64(not_called, "lea 1f(%rip), %rax\n push %rax\n ret\n 1: ud2");
PROGRAM64(to_endbr, "lea 1f(%rip), %rax\n jmp *%rax\n ud2\n 1: endbr64\n ud2");
PROGRAM64(to_other, "lea 1f(%rip), %rax\n jmp *%rax\n ud2\n 1: nop\n ud2");
PROGRAM64(call_other, "lea 1f(%rip), %rax\n call *%rax\n ud2\n 1: nop\n ud2");
PROGRAM64(memory_other, "lea 1f(%rip), %rax\n push %rax\n jmp *(%rsp)\n ud2\n 1: nop\n ud2");
PROGRAM64(to_endbr32, "lea 1f(%rip), %rax\n jmp *%rax\n 1: endbr32\n ud2");
PROGRAM64(to_undefined, "lea 1f(%rip), %rax\n jmp *%rax\n 1: .byte 0x06\n ud2");
PROGRAM64(notrack, "lea 1f(%rip), %rax\n notrack jmp *%rax\n 1: nop\n ud2");
PROGRAM64(to_int3, "lea 1f(%rip), %rax\n jmp *%rax\n 1: int3");
PROGRAM64(to_int1, "lea 1f(%rip), %rax\n jmp *%rax\n 1: .byte 0xf1");
PROGRAM64(unsuppress, "lea 1f(%rip), %rax\n jmp *%rax\n 1: nop\n endbr64\n"
                      "lea 2f(%rip), %rax\n jmp *%rax\n 2: nop");
/* In a loop, so that host code does it: to ENDBR64 thirty times, then to what stands behind it. */
PROGRAM64(then_other, "mov $30, %ecx\n lea 1f(%rip), %rax\n 0: call *%rax\n dec %ecx\n jnz 0b\n"
                      "mov $2, %ecx\n lea 2f(%rip), %rax\n jmp 0b\n 1: endbr64\n 2: ret");
PROGRAM64(then_other_jump, "mov $30, %ecx\n lea 1f(%rip), %rax\n 0: push %rax\n jmp *(%rsp)\n"
                           "1: endbr64\n pop %rdx\n dec %ecx\n jnz 0b\n mov $2, %ecx\n"
                           "add $4, %rax\n jmp 0b");
PROGRAM64(notrack_loop, "mov $30, %ecx\n lea 1f(%rip), %rax\n 0: notrack call *%rax\n dec %ecx\n"
                        "jnz 0b\n ud2\n 1: ret");
/* The same for returns, one of which goes elsewhere, and calls beyond the shadow stack. */
PROGRAM64(then_smashed, "mov $40, %ecx\n 0: call 1f\n dec %ecx\n jnz 0b\n ud2\n"
                        "1: cmp $2, %ecx\n jne 2f\n incq (%rsp)\n 2: ret");
PROGRAM64(deep, "mov $30, %edx\n 0: mov $200, %ecx\n call 1f\n dec %edx\n jnz 0b\n ud2\n"
                "1: dec %ecx\n jz 2f\n lea 1b(%rip), %rax\n call *%rax\n 2: ret");
PROGRAM64(too_deep, "mov $30, %edx\n 0: mov $255, %ecx\n call 1f\n dec %edx\n jnz 0b\n"
                    "mov $300, %ecx\n call 1f\n ud2\n 1: dec %ecx\n jz 2f\n call 1b\n 2: ret");
PROGRAM64(tracked_ret, "call 1f\n ud2\n 1: ret");
PROGRAM64(direct, "jmp 1f\n ud2\n 1: call 2f\n 2: ud2");

typedef struct Row {
    const char *label;
    const uint8_t *code, *end;
    uint64_t control;
    unsigned vector;
    uint32_t error;
    int ssp; /* what SSP is to have moved by when the handler is reached */
} Row;

static const Row rows[] = {
    { "calls and returns", CODE(calls), SS, VEC_UD, 0, 0 },
    { "calls and returns, tracked", CODE(calls), SS | IBT, VEC_UD, 0, 0 },
    { "calls, tracked only", CODE(calls), IBT, VEC_UD, 0, 0 },
    { "nothing is on", CODE(smashed), 0, VEC_UD, 0, 0 },
    { "smashed return address", CODE(smashed), SS, VEC_CP, CP_NEAR_RET, -8 },
    { "smashed, RET imm", CODE(smashed_imm), SS, VEC_CP, CP_NEAR_RET, -8 },
    { "smashed, not canonical", CODE(smashed_far_away), SS, VEC_CP, CP_NEAR_RET, -8 },
    { "return without call", CODE(not_called), SS, VEC_CP, CP_NEAR_RET, 0 },
    { "return without call, tracked", CODE(not_called), IBT, VEC_UD, 0, 0 },
    { "call of the next instruction", CODE(call_next), SS, VEC_UD, 0, 0 },
    { "jump to ENDBR64", CODE(to_endbr), IBT, VEC_UD, 0, 0 },
    { "jump to another", CODE(to_other), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "call of another", CODE(call_other), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "call of another, both", CODE(call_other), IBT | SS, VEC_CP, CP_ENDBRANCH, -8 },
    { "jump through memory", CODE(memory_other), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "jump to another, not tracked", CODE(to_other), SS, VEC_UD, 0, 0 },
    { "jump to ENDBR32", CODE(to_endbr32), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "comes before #UD", CODE(to_undefined), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "NOTRACK is not enabled", CODE(notrack), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "NOTRACK", CODE(notrack), IBT | CET_NO_TRACK_EN, VEC_UD, 0, 0 },
    { "NO_TRACK_EN without NOTRACK", CODE(to_other), IBT | CET_NO_TRACK_EN, VEC_CP, CP_ENDBRANCH,
      0 },
    { "INT3 for ENDBR64", CODE(to_int3), IBT, VEC_BP, 0, 0 },
    { "INT1 for ENDBR64", CODE(to_int1), IBT, VEC_DB, 0, 0 },
    { "suppressed", CODE(to_other), IBT | CET_SUPPRESS, VEC_UD, 0, 0 },
    { "ENDBR64 ends suppression", CODE(unsuppress), IBT | CET_SUPPRESS, VEC_CP, CP_ENDBRANCH, 0 },
    { "others after many good ones", CODE(then_other), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "others after many good ones, both", CODE(then_other), IBT | SS, VEC_CP, CP_ENDBRANCH, -8 },
    { "jumps to others after good ones", CODE(then_other_jump), IBT, VEC_CP, CP_ENDBRANCH, 0 },
    { "many NOTRACK", CODE(notrack_loop), IBT | CET_NO_TRACK_EN, VEC_UD, 0, 0 },
    { "smashed after many good ones", CODE(then_smashed), SS, VEC_CP, CP_NEAR_RET, -8 },
    { "deep", CODE(deep), SS, VEC_UD, 0, 0 },
    { "returns are not tracked", CODE(tracked_ret), IBT, VEC_UD, 0, 0 },
    { "direct branches are not tracked", CODE(direct), IBT, VEC_UD, 0, 0 },
    { "waits from the start", CODE(direct), IBT | CET_TRACKER, VEC_CP, CP_ENDBRANCH, 0 },
};

static const Row off_the_stack = { "off the shadow stack", CODE(too_deep), SS, VEC_PF, 0, -0x800 };

/* Handlers at the kernel's level push a frame of their own on its shadow stack. */
static uint64_t ssp_before(const Machine *m, bool user)
{
    if (user) {
        return m->cpu->u_cet & SS ? m->cpu->pl_ssp[3] : USER_SSP;
    }
    return m->cpu->s_cet & SS ? m->cpu->ssp + 24 : KERNEL_SSP;
}

static void run_row(const Row *row, bool user)
{
    g_autoptr(Machine) m = machine_new();
    cet_start(m, user, user ? row->control : 0, user ? 0 : row->control);
    machine_code(m, AT_CODE, row->code, (size_t)(row->end - row->code));
    g_test_message("%s%s", row->label, user ? ", user" : "");
    g_assert_cmpuint(cet_run(m), ==, row->vector);
    if (row->vector == VEC_CP) {
        g_assert_cmphex(cet_error(m), ==, row->error);
    }
    g_assert_cmphex(ssp_before(m, user), ==, (user ? USER_SSP : KERNEL_SSP) + (uint64_t)row->ssp);
    if (user && row->vector == VEC_CP && row->error == CP_ENDBRANCH) {
        g_assert_true(m->cpu->u_cet & CET_TRACKER); /* the fault changed nothing */
    }
}

static void test_branches(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        run_row(&rows[i], false);
        run_row(&rows[i], true);
    }
    run_row(&off_the_stack, true); /* at the kernel's level no handler could be reached */
}

static void test_ssp_seen(void)
{
    for (unsigned on = 0; on < 2; on++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, true, on ? SS : 0, 0);
        LOAD(m, AT_CODE, call_next);
        m->cpu->regs[GPR_RBX] = m->cpu->regs[GPR_RDX] = UINT64_C(0x1234567800000000);
        g_assert_cmpuint(cet_run(m), ==, VEC_UD);
        g_assert_cmphex(m->cpu->regs[GPR_RBX], ==, on ? USER_SSP : UINT64_C(0x1234567800000000));
        g_assert_cmphex(m->cpu->regs[GPR_RDX], ==, on ? USER_SSP : UINT64_C(0x1234567800000000));
    }
}

/* A bit for each page at the address in IA32_U_CET. */
static void test_legacy_bitmap(void)
{
    static const uint8_t bit = 1u << (AT_CODE >> 12 & 7);
    for (unsigned how = 0; how < 4; how++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, true, IBT | CET_LEG_IW_EN | (how & 2 ? CET_SUPPRESS_DIS : 0) | AT_DATA, 0);
        LOAD(m, AT_CODE, to_other);
        m->ram[AT_DATA + (AT_CODE >> 15)] = how & 1 ? bit : (uint8_t)~bit;
        g_assert_cmpuint(cet_run(m), ==, how & 1 ? VEC_UD : VEC_CP);
        g_assert_cmphex(m->cpu->u_cet & (CET_TRACKER | CET_SUPPRESS), ==,
                        !(how & 1) ? CET_TRACKER : how & 2 ? 0 : CET_SUPPRESS);
    }
}

/* ---- instructions ---- */

PROGRAM64(incssp, "call 1f\n 1: endbr64\n call 2f\n ud2\n"
                  "2: mov $1, %eax\n incsspq %rax\n pop %rcx\n ud2");
PROGRAM64(incssp_d, "call 1f\n ud2\n 1: mov $2, %eax\n incsspd %eax\n ud2");
PROGRAM64(incssp_0, "xor %eax, %eax\n incsspq %rax\n ud2");
/* The second reaches beyond the page. */
PROGRAM64(incssp_over, "mov $255, %eax\n incsspq %rax\n incsspq %rax\n ud2");
PROGRAM64(wrssq, "mov $0x1122, %eax\n wrssq %rax, (%rbx)\n ud2");
PROGRAM64(wrssd, "mov $-1, %rax\n wrssd %eax, 4(%rbx)\n ud2");
PROGRAM64(wrss_odd, "wrssq %rax, 4(%rbx)\n ud2");
PROGRAM64(wrss_data, "wrssq %rax, 0x40000\n ud2");
PROGRAM64(wruss, "mov $0x50100, %ebx\n mov $0x77, %eax\n wrussq %rax, (%rbx)\n ud2");
PROGRAM64(wruss_kernel, "mov $0x52100, %ebx\n wrussq %rax, (%rbx)\n ud2");
PROGRAM64(store, "movq $1, (%rbx)\n ud2");
PROGRAM64(load, "mov (%rbx), %rax\n ud2");
PROGRAM64(setssbsy, "setssbsy\n ud2");
PROGRAM64(clrssbsy, "stc\n clrssbsy 0x52ff8\n ud2");
PROGRAM64(clrssbsy_odd, "clrssbsy 0x52ffc\n ud2");
PROGRAM64(rstorssp, "stc\n rstorssp 0xf8(%rbx)\n setc %dl\n ud2");
PROGRAM64(rstorssp_odd, "rstorssp 0xfc(%rbx)\n ud2");
PROGRAM64(rstorssp_none, "rstorssp 0xf0(%rbx)\n ud2");
PROGRAM64(switch_stacks, "rstorssp 0xf8(%rbx)\n clc\n saveprevssp\n ud2");
PROGRAM64(saveprev_hole, "rstorssp 0xf8(%rbx)\n stc\n saveprevssp\n ud2");
PROGRAM64(saveprev_none, "clc\n saveprevssp\n ud2");

enum { AT_ANY, ONLY_KERNEL, ONLY_USER };

/* RBX is the level's shadow page, with a restore token at f8h in it. */
static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint64_t control;
    unsigned level, vector;
    uint32_t error; /* of #PF without its U bit where the level decides */
    int ssp;
} instructions[] = {
    { "INCSSPQ", CODE(incssp), SS, AT_ANY, VEC_UD, 0, 0 },
    { "INCSSPD", CODE(incssp_d), SS, AT_ANY, VEC_UD, 0, 0 },
    { "INCSSPQ 0", CODE(incssp_0), SS, AT_ANY, VEC_UD, 0, 0 },
    { "INCSSPQ off", CODE(incssp_0), IBT, AT_ANY, VEC_UD, 0, 0 },
    { "INCSSPQ beyond the page", CODE(incssp_over), SS, ONLY_USER, VEC_PF, PF_P | PF_SS, 255 * 8 },
    { "WRSSQ", CODE(wrssq), WR, AT_ANY, VEC_UD, 1, 0 },
    { "WRSSD", CODE(wrssd), WR, AT_ANY, VEC_UD, 2, 0 },
    { "WRSSQ misaligned", CODE(wrss_odd), WR, AT_ANY, VEC_GP, 0, 0 },
    { "WRSSQ to data", CODE(wrss_data), WR, AT_ANY, VEC_PF, PF_P | PF_W | PF_SS, 0 },
    { "WRSSQ without WR_SHSTK_EN", CODE(wrss_odd), SS, AT_ANY, VEC_UD, 0, 0 },
    { "WRUSSQ", CODE(wruss), 0, ONLY_KERNEL, VEC_UD, 3, 0 },
    { "WRUSSQ to a supervisor's page", CODE(wruss_kernel), 0, ONLY_KERNEL, VEC_PF,
      PF_P | PF_W | PF_SS | PF_U, 0 },
    { "WRUSSQ by a user", CODE(wruss), WR, ONLY_USER, VEC_GP, 0, 0 },
    { "ordinary store", CODE(store), WR, AT_ANY, VEC_PF, PF_P | PF_W, 0 },
    { "ordinary load", CODE(load), SS, AT_ANY, VEC_UD, 0, 0 },
    { "SETSSBSY", CODE(setssbsy), SS, ONLY_KERNEL, VEC_UD, 0, TOKEN0 - KERNEL_SSP },
    { "SETSSBSY off", CODE(setssbsy), IBT, ONLY_KERNEL, VEC_UD, 0, 0 },
    { "SETSSBSY by a user", CODE(setssbsy), SS, ONLY_USER, VEC_UD, 0, 0 },
    { "CLRSSBSY misaligned", CODE(clrssbsy_odd), SS, ONLY_KERNEL, VEC_GP, 0, 0 },
    { "RSTORSSP", CODE(rstorssp), SS, AT_ANY, VEC_UD, 0, 0xf8 - 0x800 },
    { "RSTORSSP misaligned", CODE(rstorssp_odd), SS, AT_ANY, VEC_GP, 0, 0 },
    { "RSTORSSP without token", CODE(rstorssp_none), SS, AT_ANY, VEC_CP, CP_RSTORSSP, 0 },
    { "RSTORSSP off", CODE(rstorssp), IBT, AT_ANY, VEC_UD, 0, 0 },
    { "SAVEPREVSSP", CODE(switch_stacks), SS, AT_ANY, VEC_UD, 4, 0x100 - 0x800 },
    { "SAVEPREVSSP with CF", CODE(saveprev_hole), SS, AT_ANY, VEC_GP, 0, 0xf8 - 0x800 },
    { "SAVEPREVSSP without token", CODE(saveprev_none), SS, AT_ANY, VEC_GP, 0, 0 },
};

static void check_memory(const Machine *m, uint64_t page, unsigned what)
{
    switch (what) {
    case 1:
        g_assert_cmphex(machine_word(m, page), ==, 0x1122);
        break;
    case 2:
        g_assert_cmphex(machine_word(m, page), ==, UINT64_C(0xffffffff00000000));
        break;
    case 3:
        g_assert_cmphex(machine_word(m, AT_USER_SHADOW + 0x100), ==, 0x77);
        break;
    case 4: /* the old stack can be restored, the new one had the previous SSP */
        g_assert_cmphex(machine_word(m, page + 0x7f8), ==, (page + 0x800) | 1);
        if (page == AT_USER_SHADOW) { /* where no handler's frame lies on it */
            g_assert_cmphex(machine_word(m, page + 0xf8), ==, (page + 0x800) | 3);
        }
        break;
    default:
        break;
    }
}

static void run_instruction(unsigned i, bool user)
{
    g_autoptr(Machine) m = machine_new();
    uint64_t page = user ? AT_USER_SHADOW : AT_KERNEL_SHADOW, control = instructions[i].control;
    uint32_t error = instructions[i].error;
    cet_start(m, user, user ? control : 0, user ? 0 : control);
    machine_set_word(m, page + 0xf8, (page + 0x100) | 1);
    m->cpu->regs[GPR_RBX] = page;
    machine_code(m, AT_CODE, instructions[i].code,
                 (size_t)(instructions[i].end - instructions[i].code));
    g_test_message("%s%s", instructions[i].label, user ? ", user" : "");
    g_assert_cmpuint(cet_run(m), ==, instructions[i].vector);
    if (instructions[i].vector == VEC_PF) {
        g_assert_cmphex(cet_error(m), ==, error | (user ? PF_U : 0));
    } else if (instructions[i].vector != VEC_UD) {
        g_assert_cmphex(cet_error(m), ==, error);
    } else {
        check_memory(m, page, error);
    }
    g_assert_cmphex(ssp_before(m, user), ==,
                    (user ? USER_SSP : KERNEL_SSP) + (uint64_t)instructions[i].ssp);
}

static void test_instructions(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(instructions); i++) {
        if (instructions[i].level != ONLY_USER) {
            run_instruction(i, false);
        }
        if (instructions[i].level != ONLY_KERNEL) {
            run_instruction(i, true);
        }
    }
}

static void test_busy(void)
{
    for (unsigned busy = 0; busy < 2; busy++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, false, 0, SS);
        machine_set_word(m, TOKEN0, TOKEN0 | busy);
        LOAD(m, AT_CODE, setssbsy);
        g_assert_cmpuint(cet_run(m), ==, busy ? VEC_CP : VEC_UD);
        if (busy) {
            g_assert_cmphex(cet_error(m), ==, CP_SETSSBSY);
        }
        g_assert_cmphex(machine_word(m, TOKEN0), ==, TOKEN0 | 1);

        g_autoptr(Machine) c = machine_new();
        cet_start(c, false, 0, SS);
        machine_set_word(c, TOKEN0, TOKEN0 | busy);
        LOAD(c, AT_CODE, clrssbsy);
        *machine_pte(c, 0) |= 2;
        /* SSP is 0 afterwards: another stack for the handler. */
        machine_gate64(c, VEC_UD, 0, 1, 14);
        g_assert_cmpuint(cet_run(c), ==, VEC_UD);
        g_assert_cmphex(machine_word(c, TOKEN0), ==, TOKEN0);
        uint64_t flags = machine_word(c, c->cpu->regs[GPR_RSP] + 16);
        g_assert_cmphex(flags & FLAG_CF, ==, busy ? 0 : FLAG_CF);
        g_assert_cmphex(machine_word(c, TOKEN_IST - 24), ==, 0); /* the SSP it came from */
    }
}

/* ---- pages ---- */

typedef struct Access {
    uint64_t linear, value;
    CpuAccess kind;
    bool user;
    unsigned size;
} Access;

static void access_body(Cpu *cpu, void *opaque)
{
    Access *a = opaque;
    if (a->kind == CPU_WRITE) {
        shadow_store(cpu, NULL, a->linear, a->value, a->size, a->user);
    } else {
        a->value = shadow_load(cpu, NULL, a->linear, a->size, a->user);
    }
}

#define OK UINT32_MAX
#define NEVER_USER (PF_P | PF_U | PF_SS)

static const struct {
    const char *label;
    uint64_t bits;       /* of the page's entry */
    uint64_t above;      /* of the one above */
    bool user;
    CpuAccess access;
    uint32_t error;
} pages[] = {
    { "supervisor reads", 0x41, 7, false, CPU_READ, OK },
    { "supervisor writes", 0x41, 7, false, CPU_WRITE, OK },
    { "user reads", 0x45, 7, true, CPU_READ, OK },
    { "user writes", 0x45, 7, true, CPU_WRITE, OK },
    { "user, supervisor's page", 0x41, 7, true, CPU_READ, NEVER_USER },
    { "user, supervisor's page by the entry above", 0x45, 3, true, CPU_WRITE, NEVER_USER | PF_W },
    { "supervisor, user's page", 0x45, 7, false, CPU_READ, PF_P | PF_SS },
    { "supervisor, user's page, write", 0x45, 7, false, CPU_WRITE, PF_P | PF_SS | PF_W },
    { "not dirty", 0x01, 7, false, CPU_READ, PF_P | PF_SS },
    { "not dirty, user", 0x05, 7, true, CPU_WRITE, NEVER_USER | PF_W },
    { "writable", 0x43, 7, false, CPU_WRITE, PF_P | PF_SS | PF_W },
    { "writable, user", 0x47, 7, true, CPU_READ, NEVER_USER },
    { "read-only above", 0x41, 5, false, CPU_READ, PF_P | PF_SS },
    { "not present", 0x40, 7, false, CPU_READ, PF_SS },
    { "not present, user, write", 0x44, 7, true, CPU_WRITE, PF_SS | PF_W | PF_U },
    { "not present above", 0x41, 6, false, CPU_WRITE, PF_SS | PF_W },
    { "reserved bit", 0x41 | UINT64_C(1) << 51, 7, false, CPU_READ, PF_P | PF_RSVD | PF_SS },
    { "key 1, user", 0x45 | UINT64_C(1) << 59, 7, true, CPU_READ, NEVER_USER | PF_PK },
    { "key 2, user reads", 0x45 | UINT64_C(2) << 59, 7, true, CPU_READ, OK },
    { "key 2, user writes", 0x45 | UINT64_C(2) << 59, 7, true, CPU_WRITE,
      NEVER_USER | PF_PK | PF_W },
};

static void test_pages(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_autoptr(Machine) m = machine_new();
        Access a = { AT_DATA + 8, 5, pages[i].access, pages[i].user, 8 };
        cet_start(m, pages[i].user, 0, 0);
        m->cpu->cr4 |= CR4_PKE;
        m->cpu->pkru = 0x8 << 2 | 0x4; /* key 1: no access; key 2: no write */
        *machine_pte(m, AT_DATA) = AT_DATA | pages[i].bits;
        machine_set_word(m, AT_PD, AT_PT | pages[i].above);
        g_test_message("%s", pages[i].label);
        g_assert_cmpint(machine_raises(m, access_body, &a), ==, pages[i].error != OK);
        if (pages[i].error != OK) {
            g_assert_cmpuint(m->cpu->raise_vector, ==, VEC_PF);
            g_assert_cmphex(m->cpu->raise_error, ==, pages[i].error);
            g_assert_cmphex(m->cpu->cr2, ==, AT_DATA + 8);
        } else {
            g_assert_cmphex(*machine_pte(m, AT_DATA) & 0x20, ==, 0x20);
            g_assert_cmphex(machine_word(m, AT_DATA + 8), ==, a.value);
        }
    }
}

/* Entries are kept by level and kind, and forgotten with the translations. */
static void test_page_changes(void)
{
    g_autoptr(Machine) m = machine_new();
    Access get = { AT_DATA, 0, CPU_READ, false, 8 }, set = { AT_DATA, 7, CPU_WRITE, false, 8 };
    Access user = { AT_DATA, 0, CPU_READ, true, 8 };
    Access edge = { AT_DATA + 0xffc, UINT64_C(0x1111111122222222), CPU_WRITE, false, 8 };
    cet_start(m, false, 0, 0);
    *machine_pte(m, AT_DATA) = AT_DATA | PTE_SHADOW;
    *machine_pte(m, AT_DATA + 0x1000) = (AT_DATA + 0x1000) | PTE_SHADOW;
    g_assert_false(machine_raises(m, access_body, &get));
    g_assert_false(machine_raises(m, access_body, &set));
    g_assert_true(machine_raises(m, access_body, &user));
    g_assert_false(machine_raises(m, access_body, &edge));
    g_assert_cmphex(machine_word(m, AT_DATA + 0xffc), ==, edge.value);
    edge.kind = CPU_READ;
    edge.value = 0;
    g_assert_false(machine_raises(m, access_body, &edge));
    g_assert_cmphex(edge.value, ==, UINT64_C(0x1111111122222222));
    *machine_pte(m, AT_DATA) = (AT_DATA + 0x2000) | PTE_SHADOW;
    mmu_flush_page(m->cpu, AT_DATA);
    g_assert_false(machine_raises(m, access_body, &set));
    g_assert_cmphex(machine_word(m, AT_DATA + 0x2000), ==, 7);
    *machine_pte(m, AT_DATA) = AT_DATA | 0x43;
    mmu_flush_all(m->cpu);
    g_assert_true(machine_raises(m, access_body, &get));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cet/branches", test_branches);
    g_test_add_func("/cet/ssp", test_ssp_seen);
    g_test_add_func("/cet/legacy-bitmap", test_legacy_bitmap);
    g_test_add_func("/cet/instructions", test_instructions);
    g_test_add_func("/cet/busy", test_busy);
    g_test_add_func("/cet/pages", test_pages);
    g_test_add_func("/cet/page-changes", test_page_changes);
    return g_test_run();
}
