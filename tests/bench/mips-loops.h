/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loops of mips-guest.c, as every program that runs them does. */
#ifndef BENCH_MIPS_LOOPS_H
#define BENCH_MIPS_LOOPS_H

#include <stdint.h>
#include <time.h>

#define MIPS_CODE UINT64_C(0x20000)   /* where the flat binary stands and starts */
#define MIPS_STACK UINT64_C(0x1f0000) /* holds the return address */
#define MIPS_END UINT64_C(0x10000)    /* where the code returns to */
#define MIPS_RAM (UINT64_C(4) << 20)

typedef struct MipsLoop {
    const char *name;
    uint64_t rounds;
} MipsLoop;

static const MipsLoop mips_loops[] = { { "memcpy", 2000 }, { "crc32", 3000 }, { "range", 3000 },
                                       { "sha256", 10000 }, { "doubles", 10000 },
                                       { "floats", 5000 } };
#define MIPS_LOOPS (sizeof(mips_loops) / sizeof(mips_loops[0]))

/* Of this process: what else the machine does is left out. */
static inline double mips_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
