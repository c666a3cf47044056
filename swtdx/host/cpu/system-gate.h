/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far transfers whose selector names a system descriptor. */
#ifndef SWTDX_SYSTEM_GATE_H
#define SWTDX_SYSTEM_GATE_H

#include "segment.h"

/*
 * JMP or CALL through the system descriptor d of selector: a call gate is gone through, RIP set and
 * the block left.
 */
void gate_transfer(Cpu *cpu, const Op *op, uint16_t selector, Descriptor *d, bool call);
/*
 * A task switch always leaves a VMX guest (SDM vol. 3, 27.2). All checks that come first are done.
 */
_Noreturn void gate_task_switch(Cpu *cpu);

#endif
