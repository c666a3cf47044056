/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tests' machine with control-flow enforcement: shadow-stack pages, and handlers that begin
 * with ENDBR64.
 */
#ifndef TEST_CPU_CET_MACHINE_H
#define TEST_CPU_CET_MACHINE_H

#include "program.h"
#include "swtdx/host/cpu/cet.h"
#include "swtdx/host/cpu/walk.h"

enum {
    AT_USER_SHADOW = 0x50000,
    AT_KERNEL_SHADOW = 0x52000,
    AT_IST_SHADOW = 0x53000,
    AT_SSP_TABLE = 0x54000,
    USER_SSP = AT_USER_SHADOW + 0x800,
    KERNEL_SSP = AT_KERNEL_SHADOW + 0x800,
    TOKEN0 = AT_KERNEL_SHADOW + 0xff8, /* token and frame in one group of 32 bytes */
    TOKEN_IST = AT_IST_SHADOW + 0xff8,
};

/* Rights and bits of a shadow-stack page: present, dirty, and read-only. */
#define PTE_SHADOW 0x41u
#define PTE_USER 4u

/*
 * 64-bit code with CR4.CET, IA32_U_CET and IA32_S_CET as given; at level 3 if user. SSP is the
 * level's stack.
 */
void cet_start(Machine *m, bool user, uint64_t u_cet, uint64_t s_cet);
/* Runs to the HLT of a handler; gives its vector. */
unsigned cet_run(Machine *m);
/* Error code that the handler finds. */
uint64_t cet_error(const Machine *m);

#endif
