/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs in a TD's Linux to prove AMX there: without leave it is a signal, with it tiles
 * multiply right, also while signal handlers and other processes use tiles of their own. Says so in
 * one line; exit status 0 if all of it holds.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Linux, Documentation/arch/x86/xstate.rst */
#define ARCH_GET_XCOMP_SUPP 0x1021
#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILEDATA 18

#define AMX __attribute__((target("amx-tile,amx-int8,amx-bf16")))
#define PROCESSES 3
#define ROUNDS 40

typedef struct Matrices {
    int8_t a[16][64], b[16][64];
    int32_t c[16][16];
} Matrices;

static const char *failed; /* the first thing that was wrong */

static void check(int right, const char *what)
{
    if (!right && !failed) {
        failed = what;
    }
}

static AMX void configure(void)
{
    uint8_t config[64] __attribute__((aligned(64))) = {1};
    for (unsigned i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
}

static void fill(Matrices *m, unsigned seed)
{
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 64; k++) {
            m->a[i][k] = (int8_t)(seed = seed * 1103515245u + 12345u, seed >> 16);
            m->b[i][k] = (int8_t)(seed >> 24);
        }
    }
    memset(m->c, 0, sizeof(m->c));
}

static int product_right(const Matrices *m)
{
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned n = 0; n < 16; n++) {
            int32_t sum = 0;
            for (unsigned k = 0; k < 64; k++) {
                sum += m->a[i][k] * m->b[k / 4][4 * n + k % 4];
            }
            if (sum != m->c[i][n]) {
                return 0;
            }
        }
    }
    return 1;
}

static AMX void load(const Matrices *m)
{
    __asm__ volatile(
        "tilezero %%tmm0\n\ttileloadd (%0,%2,1), %%tmm1\n\ttileloaddt1 (%1,%2,1), %%tmm2"
        :
        : "r"(m->a), "r"(m->b), "r"((long)64)
        : "memory");
}

static AMX void multiply(Matrices *m)
{
    __asm__ volatile("tdpbssd %%tmm2, %%tmm1, %%tmm0\n\ttilestored %%tmm0, (%0,%1,1)"
                     :
                     : "r"(m->c), "r"((long)64)
                     : "memory");
}

/* Uses tiles of its own between another's loads and product. */
static void on_signal(int number)
{
    Matrices m;
    (void)number;
    configure();
    fill(&m, 77);
    load(&m);
    multiply(&m);
    check(product_right(&m), "the signal handler's product");
}

static AMX void check_bf16(void)
{
    static uint16_t a[16][32], b[16][32];
    static float c[16][16];
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 32; k++) {
            a[i][k] = b[i][k] = i == k / 2 ? 0x3f80 : 0x4000; /* 1 and 2 */
        }
    }
    __asm__ volatile(
        "tilezero %%tmm0\n\ttileloadd (%0,%2,1), %%tmm1\n\ttileloadd (%1,%2,1), %%tmm2\n\t"
        "tdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\ttilestored %%tmm0, (%3,%2,1)"
        :
        : "r"(a), "r"(b), "r"((long)64), "r"(c)
        : "memory");
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned n = 0; n < 16; n++) {
            /* 32 terms: 4 each, but 2 where one factor is 1, and 1 where both are */
            check(c[i][n] == (i == n ? 30 * 4 + 2 * 1 : 28 * 4 + 4 * 2), "the product of bfloat16");
        }
    }
}

static int work(unsigned seed)
{
    Matrices m;
    configure();
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(&m, seed + i);
        load(&m);
        if (i % 4 == 0) {
            raise(SIGUSR1);
        }
        sched_yield(); /* to a process whose tiles are others */
        multiply(&m);
        check(product_right(&m), "a product");
    }
    check_bf16();
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
    if (failed) {
        printf("amx: wrong: %s\n", failed);
    }
    return failed ? 1 : 0;
}

static int status_of(pid_t child)
{
    int status = -1;
    return waitpid(child, &status, 0) == child ? status : -1;
}

int main(void)
{
    unsigned long supported = 0;
    pid_t children[PROCESSES];
    Matrices m;

    check(syscall(SYS_arch_prctl, ARCH_GET_XCOMP_SUPP, &supported) == 0 &&
              (supported >> 17 & 3) == 3,
          "what the kernel supports");
    pid_t child = fork();
    if (child == 0) {
        configure();
        fill(&m, 1);
        load(&m); /* nobody gave leave */
        _exit(0);
    }
    int status = status_of(child);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "tiles without leave");
    check(syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILEDATA) == 0, "leave for tiles");
    signal(SIGUSR1, on_signal);
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int result = work(1000 * i + 1);
            fflush(stdout);
            _exit(result);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        status = status_of(children[i]);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a process");
    }
    if (failed) {
        printf("amx: wrong: %s\n", failed);
        return 1;
    }
    printf("amx: %u products in %u processes are right\n", PROCESSES * ROUNDS, PROCESSES);
    return 0;
}
