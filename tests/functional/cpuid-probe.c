/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells what CPUID shows a program: with SIGILL blocked, ignored and handled by the program, which
 * must make no difference.
 */
#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t own_signals;

static void on_ill(int signo)
{
    own_signals++;
}

static void *print(void *what)
{
    unsigned a, b, c, d;
    char vendor[13] = "";
    __cpuid(0, a, b, c, d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    __cpuid_count(1, 0, a, b, c, d);
    printf("%s %s 0x%x%s\n", (const char *)what, vendor, a, c & 1u << 5 ? " vmx" : "");
    return NULL;
}

int main(void)
{
    pthread_t thread;
    sigset_t all;
    print((void *)"plain");
    signal(SIGILL, SIG_IGN);
    print((void *)"ignored");
    signal(SIGILL, on_ill);
    print((void *)"handled");
    if (own_signals) {
        return 1;
    }
    raise(SIGILL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    print((void *)"blocked");
    if (pthread_create(&thread, NULL, print, (void *)"thread") || pthread_join(thread, NULL)) {
        return 1;
    }
    return own_signals != 1;
}
