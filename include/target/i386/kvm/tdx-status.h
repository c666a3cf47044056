/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEAMCALL completion status and hw_error words as text (TDX module specification, completion
 * status codes). Pure.
 */
#ifndef TDX_STATUS_H
#define TDX_STATUS_H

#include <stdint.h>

/*
 * "OPERAND_INVALID (0xc000010000000045): CPUID_CONFIG: a CPUID bit the module does not let the VMM
 * set, …". Never NULL; caller frees.
 */
char *tdx_status_describe(uint64_t status);
/* What to do about it, one line, or NULL. */
const char *tdx_status_advice(uint64_t status);

#endif
