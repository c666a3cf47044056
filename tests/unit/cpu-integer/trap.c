/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals of native test code turned into return values.
 */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "trap.h"

static sigjmp_buf escape;

static void on_signal(int number)
{
    siglongjmp(escape, number);
}

void trap_set_up(void)
{
    static char alternate[65536];
    stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
    sigaltstack(&ss, NULL);
    sigaction(SIGFPE, &sa, NULL);
}

int trap_call(void (*fn)(void))
{
    int number = sigsetjmp(escape, 1);
    if (number == 0) {
        fn();
    }
    return number;
}
