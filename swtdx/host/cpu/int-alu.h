/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the plain and the locked arithmetic have in common.
 */
#ifndef SWTDX_INT_ALU_H
#define SWTDX_INT_ALU_H

#include "int.h"

/* For each operation: its result from a and b, and what it leaves for the flags. */
#define RESULT_ADD (a + b)
#define FLAGS_ADD flags_set(cpu, CC_ADD, res, a, b)
#define RESULT_SUB (a - b)
#define FLAGS_SUB flags_set(cpu, CC_SUB, res, a, b)
#define RESULT_ADC (a + b + flags_cf(cpu))
#define FLAGS_ADC flags_set(cpu, CC_ADC, res, a, b)
#define RESULT_SBB (a - b - flags_cf(cpu))
#define FLAGS_SBB flags_set(cpu, CC_SBB, res, a, b)
#define RESULT_AND (a & b)
#define FLAGS_AND flags_set_logic(cpu, res)
#define RESULT_OR (a | b)
#define FLAGS_OR flags_set_logic(cpu, res)
#define RESULT_XOR (a ^ b)
#define FLAGS_XOR flags_set_logic(cpu, res)

#define RESULT_INC (a + 1)
#define FLAGS_INC flags_set(cpu, CC_INC, res, a, carry)
#define RESULT_DEC (a - 1)
#define FLAGS_DEC flags_set(cpu, CC_DEC, res, a, carry)
#define RESULT_NEG (-a)
#define FLAGS_NEG flags_set(cpu, CC_SUB, res, 0, a)
#define RESULT_NOT (~a)
#define FLAGS_NOT ((void)0)

#endif
