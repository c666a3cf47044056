/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XSAVE components that are registers of the processor rather than part of Cpu.xstate: PKRU, and
 * the user's and the supervisor's state of control-flow enforcement.
 */
#ifndef SWTDX_XSAVE_REGISTER_H
#define SWTDX_XSAVE_REGISTER_H

#include "cpu.h"

enum { COMPONENT_PKRU = 9, COMPONENT_CET_U = 11, COMPONENT_CET_S = 12 };
#define XFEATURE_CET UINT64_C(0x1800)

static inline bool xsave_is_register(unsigned i)
{
    return i == COMPONENT_PKRU || i == COMPONENT_CET_U || i == COMPONENT_CET_S;
}

/* As they stand in memory (SDM vol. 1, 13.5.7 and 13.5.9): 8, 16 or 24 bytes. */
void xsave_read_register(const Cpu *cpu, unsigned i, uint64_t image[3]);
void xsave_write_register(Cpu *cpu, unsigned i, const uint64_t image[3]);
/* What WRMSR would refuse, XRSTORS refuses too. */
bool xsave_register_valid(const Cpu *cpu, unsigned i, const uint64_t image[3]);

#endif
