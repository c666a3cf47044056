/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In a TD's Linux: switches its own shadow stack on, then calls, forks, runs threads, takes signals
 * and changes stacks under it, and has children do what must not work. Statically linked; nothing
 * here returns from where the shadow stack was empty.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* arch/x86/include/uapi/asm/prctl.h; include/uapi/asm-generic/siginfo.h */
#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_SHSTK 1
#define ARCH_SHSTK_WRSS 2
#define SEGV_CODE_CPERR 10
#define MAP_SHADOW_STACK 453
#define SHADOW_STACK_SET_TOKEN 1

/* As a system call in place: a function could not return to its caller afterwards. */
static inline __attribute__((always_inline)) long shadow_control(long code, long feature)
{
    long result = SYS_arch_prctl;
    __asm__ volatile("syscall" : "+a"(result) : "D"(code), "S"(feature) : "rcx", "r11", "memory");
    return result;
}

static uint64_t shadow_pointer(void)
{
    uint64_t ssp = 0;
    __asm__ volatile("rdsspq %0" : "+r"(ssp));
    return ssp;
}

static unsigned depth(unsigned n);
static unsigned (*volatile deeper)(unsigned) = depth; /* so that it is a call */

static unsigned depth(unsigned n)
{
    return n == 0 ? 0 : 1 + deeper(n - 1);
}

/* Returns to `target` instead of to the caller. */
void smash(void (*target)(void));
__asm__("smash:\n mov %rdi, (%rsp)\n ret\n");

static void attacked(void)
{
    static const char text[] = "cet: a return went elsewhere\n";
    if (write(1, text, sizeof(text) - 1) != 0) {
        _exit(1);
    }
}

static volatile sig_atomic_t signals;

static void count(int number)
{
    signals += depth(20) == 20 && number == SIGUSR1;
}

/* Exit status of a child: the code of its SIGSEGV. */
static void tell_code(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    _exit(100 + info->si_code);
}

static void write_own_stack(void)
{
    *(volatile uint64_t *)shadow_pointer() = 1;
}

static void return_elsewhere(void)
{
    smash(attacked);
}

static void without_wrss(void)
{
    __asm__ volatile("wrssq %0, (%1)" : : "r"(0L), "r"(shadow_pointer()) : "memory");
}

/* What became of a child that does `what`. */
static int child_end(void (*what)(void), int number)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct sigaction action = { .sa_sigaction = tell_code, .sa_flags = SA_SIGINFO };
        sigaction(number, &action, NULL);
        what();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* To a new shadow stack with a token, a call there, and back by the token left here. */
static bool change_stacks(void)
{
    long size = 0x4000;
    uint64_t base = (uint64_t)syscall(MAP_SHADOW_STACK, 0, size, SHADOW_STACK_SET_TOKEN);
    uint64_t token = base + (uint64_t)size - 8, before = shadow_pointer(), there, after;
    if (base == UINT64_MAX) {
        return false;
    }
    __asm__ volatile("rstorssp (%3)\n saveprevssp\n"
                     "rdsspq %0\n call 1f\n jmp 2f\n 1: ret\n 2:\n"
                     "rstorssp -8(%2)\n saveprevssp\n rdsspq %1\n"
                     : "=&r"(there), "=&r"(after)
                     : "r"(before), "r"(token), "0"(0), "1"(0) : "memory", "cc");
    return there == token + 8 && after == before && *(uint64_t *)token == ((token + 8) | 1);
}

static void check(const char *what, bool good)
{
    if (!good) {
        printf("cet: %s: wrong\n", what);
        fflush(stdout);
        _exit(1);
    }
}

static void call_on(void)
{
    check("calls of a child", depth(100) == 100);
}

/* A thread has a shadow stack of its own. */
static void *thread(void *others)
{
    unsigned long wrong = shadow_pointer() == 0 || shadow_pointer() == *(uint64_t *)others;
    for (unsigned i = 0; i < 2000; i++) {
        wrong += depth(100) != 100;
    }
    return (void *)wrong;
}

static void run_threads(void)
{
    uint64_t own = shadow_pointer();
    pthread_t threads[3];
    void *wrong;
    for (unsigned i = 0; i < 3; i++) {
        check("start of a thread", pthread_create(&threads[i], NULL, thread, &own) == 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        check("end of a thread", pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
}

static void run(void)
{
    uint64_t ssp = shadow_pointer();
    int code;
    check("shadow-stack pointer", ssp != 0 && ssp % 8 == 0);
    check("calls", depth(300) == 300);
    signal(SIGUSR1, count);
    for (unsigned i = 0; i < 20; i++) {
        raise(SIGUSR1);
    }
    check("signals", signals == 20);
    check("change of stacks", change_stacks());
    run_threads();
    check("pointer at the end", shadow_pointer() == ssp);
    code = child_end(return_elsewhere, SIGSEGV);
    printf("cet: smashed return: SIGSEGV with si_code %d\n", code - 100);
    check("smashed return", code == 100 + SEGV_CODE_CPERR);
    check("store to the shadow stack", child_end(write_own_stack, SIGSEGV) == 100 + SEGV_ACCERR);
    check("WRSS", child_end(without_wrss, SIGILL) == 100 + ILL_ILLOPN);
    check("children", child_end(call_on, SIGSEGV) == 0);
    printf("cet: shadow stacks are right\n");
}

int main(void)
{
    long result = shadow_control(ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK);
    if (result != 0) {
        printf("cet: ARCH_SHSTK_ENABLE: error %ld\n", -result);
        exit(1);
    }
    run();
    exit(0);
}
