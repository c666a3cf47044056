/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delivery of events through the IDT, between exc.c and run.c.
 */
#ifndef SWTDX_EXC_H
#define SWTDX_EXC_H

#include "cpu.h"

/* An event that was under way when cpu_run() was left goes on. May raise. */
void exception_resume(Cpu *cpu);

#endif
