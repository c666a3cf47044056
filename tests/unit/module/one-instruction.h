/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDs of every profile that execute one instruction on the real core, as their kernel would. */
#ifndef TEST_MODULE_ONE_INSTRUCTION_H
#define TEST_MODULE_ONE_INSTRUCTION_H

#include <glib.h>

#include "../../../swtdx/host/cpu/core.h"
#include "../../../swtdx/host/cpu/features.h"
#include "../../../swtdx/host/module/module.h"

enum { EAX, EBX, ECX, EDX };
#define L1(reg, bit) FEATURE(1u, 0u, reg, bit)
#define L7(reg, bit) FEATURE(7u, 0u, reg, bit)
#define L71(reg, bit) FEATURE(7u, 1u, reg, bit)
#define L72(reg, bit) FEATURE(7u, 2u, reg, bit)
#define LD1(reg, bit) FEATURE(0xdu, 1u, reg, bit)
#define X1(reg, bit) FEATURE(0x80000001u, 0u, reg, bit)

enum { NOTHING = -2 }; /* for a vector: the instruction completes */

typedef struct Guest {
    Profile profile;
    TdParams params;
    Td *td;
    Lapic lapic;
    TdVcpu *vcpu;
} Guest;

/*
 * What a VMM may ask for at most under KVM: which withholds TSX and WAITPKG
 * (arch/x86/kvm/vmx/tdx.c, 6.16). all: the module's own limit. without: a feature that is not asked
 * for, or 0.
 */
void td_ask_for(Guest *g, bool all, unsigned without);
/* A TD as asked for, with one vCPU; td_close() frees it. */
void td_open(Guest *g);
void td_close(Guest *g);
/*
 * The vector that the code ended in, or NOTHING, in a TD of its own as asked for. Zeros at the end
 * are not part of the code. Memory operands are at [RSI], 64-byte aligned, where a tile
 * configuration stands at 40h; RAX has the address of another page.
 */
int td_execute(Guest *g, const char *name, const uint8_t *code, size_t n);
/* Each profile that can have TDs, with its own module and, for processors, with the latest. */
void td_each_profile(void (*check)(const Profile *profile));

#endif
