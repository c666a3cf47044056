/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tests' machine with control-flow enforcement. */
#include "cet-machine.h"

static const uint8_t handler[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xf4 }; /* endbr64; hlt */

void cet_start(Machine *m, bool user, uint64_t u_cet, uint64_t s_cet)
{
    Cpu *cpu = m->cpu;
    machine_long(m);
    for (unsigned i = 0; i < 256; i++) {
        machine_code(m, machine_handler(i), handler, sizeof(handler));
        machine_gate64(m, i, 3, 0, 14);
    }
    *machine_pte(m, AT_USER_SHADOW) = AT_USER_SHADOW | PTE_SHADOW | PTE_USER;
    *machine_pte(m, AT_KERNEL_SHADOW) = AT_KERNEL_SHADOW | PTE_SHADOW;
    *machine_pte(m, AT_IST_SHADOW) = AT_IST_SHADOW | PTE_SHADOW;
    machine_set_word(m, TOKEN0, TOKEN0);
    machine_set_word(m, TOKEN_IST, TOKEN_IST);
    machine_set_word(m, AT_SSP_TABLE + 8, TOKEN_IST);
    cpu->cr4 |= CR4_CET;
    cpu->u_cet = u_cet;
    cpu->s_cet = s_cet;
    cpu->pl_ssp[0] = TOKEN0;
    cpu->ssp_table = AT_SSP_TABLE;
    cpu->ssp = user ? USER_SSP : KERNEL_SSP;
    if (user) {
        cpu->cpl = 3;
        cpu->seg[SEG_CS] = (Segment){ SEL_USER64 | 3, 0xa0fb, 0xffffffff, 0 };
        cpu->seg[SEG_SS] = (Segment){ SEL_USER_DATA | 3, 0xc0f3, 0xffffffff, 0 };
        cpu->regs[GPR_RSP] = AT_USER_STACK;
    }
    cpu_update_mode(cpu);
}

unsigned cet_run(Machine *m)
{
    CpuExit why = cpu_run(m->cpu);
    if (why == CPU_EXIT_TRIPLE_FAULT) {
        return 256;
    }
    g_assert_cmpint(why, ==, CPU_EXIT_WORLD);
    g_assert_cmphex(m->cpu->rip % 16, ==, 4);
    return (unsigned)(m->cpu->rip - AT_HANDLERS) / 16;
}

uint64_t cet_error(const Machine *m)
{
    return machine_word(m, m->cpu->regs[GPR_RSP]);
}
