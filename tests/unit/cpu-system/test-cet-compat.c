/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control-flow enforcement in 32-bit code of IA-32e mode, and on the way into and out of it. */
#include "cet-machine.h"

#define SS CET_SH_STK_EN
#define IBT CET_ENDBR_EN

PROGRAM32(calls, "call 1f\n mov $(2f - calls + 0x20000), %eax\n call *%eax\n ud2\n"
                 "1: ret\n 2: endbr32\n ret");
PROGRAM32(smashed, "call 1f\n nop\n 1: incl (%esp)\n ret");
PROGRAM32(to_endbr64, "mov $0x20007, %eax\n jmp *%eax\n endbr64\n ud2");
PROGRAM32(rdssp, "call 1f\n 1: nop\n call 2f\n 2: nop\n call 3f\n ud2\n 3: rdsspd %ebx\n ud2");
PROGRAM32(incssp, "call 1f\n ud2\n 1: mov $1, %eax\n incsspd %eax\n ud2");
PROGRAM32(rstorssp, "rstorssp 0x500f8\n setc %dl\n ud2");
PROGRAM32(switch_back, "rstorssp 0x500f8\n saveprevssp\n ud2");
PROGRAM32(wrss, "mov $5, %eax\n wrssd %eax, 0x50000\n ud2");

static void start_compat(Machine *m, uint64_t u_cet)
{
    cet_start(m, true, u_cet, 0);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        m->cpu->seg[i] = (Segment){ SEL_USER_DATA | 3, 0xc0f3, 0xffffffff, 0 };
    }
    m->cpu->seg[SEG_CS] = (Segment){ SEL_USER32 | 3, 0xc0fb, 0xffffffff, 0 };
    cpu_update_mode(m->cpu);
}

static const struct {
    const char *label;
    const uint8_t *code, *end;
    uint64_t control;
    uint64_t token;     /* at f8h in the shadow page */
    unsigned vector;
    uint32_t error;
    int ssp;            /* moved by */
} rows[] = {
    { "calls", CODE(calls), SS | IBT, 0, VEC_UD, 0, 0 },
    { "smashed", CODE(smashed), SS, 0, VEC_CP, CP_NEAR_RET, -4 },
    { "to ENDBR64", CODE(to_endbr64), IBT, 0, VEC_CP, CP_ENDBRANCH, 0 },
    { "4 bytes a call", CODE(rdssp), SS, 0, VEC_UD, 0, -4 },
    { "INCSSPD", CODE(incssp), SS, 0, VEC_UD, 0, 0 },
    { "WRSSD", CODE(wrss), SS | CET_WR_SHSTK_EN, 0, VEC_UD, 0, 0 },
    { "RSTORSSP", CODE(rstorssp), SS, AT_USER_SHADOW + 0x100, VEC_UD, 0, 0xf8 - 0x800 },
    { "RSTORSSP over a hole", CODE(rstorssp), SS, AT_USER_SHADOW + 0x104, VEC_UD, 1, 0xf8 - 0x800 },
    { "RSTORSSP of 64-bit code's token", CODE(rstorssp), SS, (AT_USER_SHADOW + 0x100) | 1, VEC_CP,
      CP_RSTORSSP, 0 },
    { "RSTORSSP above 4 GiB", CODE(rstorssp), SS, (AT_USER_SHADOW + 0x100) | UINT64_C(1) << 32,
      VEC_CP, CP_RSTORSSP, 0 },
    { "SAVEPREVSSP", CODE(switch_back), SS, AT_USER_SHADOW + 0x100, VEC_UD, 0, 0x100 - 0x800 },
    { "SAVEPREVSSP over a hole", CODE(switch_back), SS, AT_USER_SHADOW + 0x104, VEC_UD, 0,
      0x104 - 0x800 },
};

static void test_code32(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Machine) m = machine_new();
        start_compat(m, rows[i].control);
        machine_set_word(m, AT_USER_SHADOW + 0xf8, rows[i].token);
        machine_code(m, AT_CODE, rows[i].code, (size_t)(rows[i].end - rows[i].code));
        g_test_message("%s", rows[i].label);
        g_assert_cmpuint(cet_run(m), ==, rows[i].vector);
        if (rows[i].vector == VEC_CP) {
            g_assert_cmphex(cet_error(m), ==, rows[i].error);
        } else if (rows[i].code == rstorssp) {
            g_assert_cmpuint(m->cpu->regs[GPR_RDX] & 1, ==, rows[i].error);
        }
        if (rows[i].control & SS) {
            g_assert_cmphex(m->cpu->pl_ssp[3], ==, USER_SSP + (uint64_t)rows[i].ssp);
        }
    }
}

/* The old stack's token says which mode it was left in, and is 8 bytes at a multiple of 8. */
static void test_saved_token(void)
{
    for (unsigned odd = 0; odd < 2; odd++) {
        g_autoptr(Machine) m = machine_new();
        uint64_t ssp = USER_SSP + 4 * odd;
        start_compat(m, SS);
        m->cpu->ssp = ssp;
        machine_set_word(m, AT_USER_SHADOW + 0xf8, AT_USER_SHADOW + 0x100);
        machine_set_word(m, USER_SSP, UINT64_MAX);
        LOAD(m, AT_CODE, switch_back);
        g_assert_cmpuint(cet_run(m), ==, VEC_UD);
        g_assert_cmphex(machine_word(m, USER_SSP - 8), ==, ssp);
        g_assert_cmphex((uint32_t)machine_word(m, USER_SSP), ==, odd ? 0 : 0xffffffff);
    }
}

static void test_slots(void)
{
    g_autoptr(Machine) m = machine_new();
    start_compat(m, SS);
    m->cpu->regs[GPR_RBX] = UINT64_MAX;
    LOAD(m, AT_CODE, rdssp);
    g_assert_cmpuint(cet_run(m), ==, VEC_UD);
    /* Calls of the next instruction don't count. */
    g_assert_cmphex(m->cpu->regs[GPR_RBX], ==, USER_SSP - 4);
    g_assert_cmphex((uint32_t)machine_word(m, USER_SSP - 4), ==, AT_CODE + 17);
}

/* ---- between the widths: the shadow stack must be below 4 GiB ---- */

PROGRAM64(iret_to_32, "push $0x2b\n push $0x38000\n push $2\n push $0x23\n push $0x20100\n iretq");
PROGRAM64(jump_to_32, "movl $0x23, 0x40004\n movl $0x20100, 0x40000\n ljmpl *0x40000");
PROGRAM32(there, "endbr32\n ud2");

static void test_into_32(void)
{
    for (unsigned high = 0; high < 2; high++) {
        g_autoptr(Machine) m = machine_new();
        cet_start(m, false, SS | IBT, 0);
        m->cpu->pl_ssp[3] = high ? UINT64_C(0x100000800) : USER_SSP;
        LOAD(m, AT_CODE, iret_to_32);
        LOAD(m, AT_CODE + 0x100, there);
        g_assert_cmpuint(cet_run(m), ==, high ? VEC_GP : VEC_UD);

        g_autoptr(Machine) j = machine_new();
        cet_start(j, true, SS | IBT, 0);
        j->cpu->ssp = high ? UINT64_C(0x100000800) : USER_SSP;
        LOAD(j, AT_CODE, jump_to_32);
        LOAD(j, AT_CODE + 0x100, there);
        g_assert_cmpuint(cet_run(j), ==, high ? VEC_GP : VEC_UD);
        g_assert_cmphex(j->cpu->pl_ssp[3], ==, high ? UINT64_C(0x100000800) : USER_SSP);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cet/code32", test_code32);
    g_test_add_func("/cet/saved-token", test_saved_token);
    g_test_add_func("/cet/slots", test_slots);
    g_test_add_func("/cet/into-32", test_into_32);
    return g_test_run();
}
