/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Speed of the executing core: four loops of guest code, in millions of guest instructions per second.
 *
 * Usage: mips GUEST-BINARY [ROUNDS-FACTOR]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "guest.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool load(Guest *g, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(g->low + GUEST_CODE, 1, 0x10000, f);
    fclose(f);
    return n != 0;
}

/* false: the guest stopped in some other way than by HLT */
static bool measure(Guest *g, const char *name, unsigned which, uint64_t rounds, double *seconds)
{
    Cpu *cpu = g->cpu;
    const uint64_t end = 0x10000, stack = 0x1f0000;
    g->low[end] = 0xf4;
    *(uint64_t *)(void *)(g->low + stack) = end; /* where start() returns to */
    cpu->regs[REG_RSP] = stack;
    cpu->regs[REG_RDI] = which;
    cpu->regs[REG_RSI] = rounds;
    uint64_t before = cpu->instructions;
    double t = now();
    if (!guest_run(g, GUEST_CODE)) {
        fprintf(stderr, "%s: stopped at 0x%" PRIx64 ": %s\n", name, cpu->rip, cpu->unsupported);
        return false;
    }
    t = now() - t;
    *seconds += t;
    uint64_t n = cpu->instructions - before;
    printf("%-8s %8.0f MIPS (%" PRIu64 " instructions, result 0x%" PRIx64 ")\n", name, (double)n / t / 1e6, n, cpu->regs[REG_RAX]);
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t rounds;
    } loops[] = { { "memcpy", 2000 }, { "crc32", 3000 }, { "range", 3000 }, { "sha256", 10000 } };
    Guest g;
    double seconds = 0;
    guest_init(&g);
    if (argc < 2 || !load(&g, argv[1])) {
        fprintf(stderr, "usage: mips GUEST-BINARY [ROUNDS-FACTOR]\n");
        return 2;
    }
    uint64_t factor = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (unsigned i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        if (!measure(&g, loops[i].name, i, loops[i].rounds * factor, &seconds)) {
            return 1;
        }
    }
    printf("%-8s %8.0f MIPS\n", "all", (double)g.cpu->instructions / seconds / 1e6);
    guest_fini(&g);
    return 0;
}
