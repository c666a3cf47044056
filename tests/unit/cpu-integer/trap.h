/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calling native code that may raise SIGFPE.
 */
#ifndef TEST_TRAP_H
#define TEST_TRAP_H

void trap_set_up(void);
/* 0, or the signal that ended fn. fn may have changed the stack pointer. */
int trap_call(void (*fn)(void));

#endif
