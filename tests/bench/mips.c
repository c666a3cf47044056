/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Speed of the executing core: loops of guest code, in millions of guest instructions per
 * second.
 *
 * Usage: mips GUEST-BINARY [ROUNDS-FACTOR]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"
#include "mips-loops.h"

static bool load(Guest *g, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(g->low + MIPS_CODE, 1, 0x10000, f);
    fclose(f);
    return n != 0;
}

/* false: the guest stopped in some other way than by HLT */
static bool measure(Guest *g, const MipsLoop *loop, unsigned which, uint64_t factor,
                    double *seconds)
{
    Cpu *cpu = g->cpu;
    g->low[MIPS_END] = 0xf4;
    *(uint64_t *)(void *)(g->low + MIPS_STACK) = MIPS_END;
    cpu->regs[GPR_RSP] = MIPS_STACK;
    cpu->regs[GPR_RDI] = which;
    cpu->regs[GPR_RSI] = loop->rounds * factor;
    uint64_t before = cpu->instructions;
    double t = mips_now();
    if (!guest_run(g, MIPS_CODE)) {
        fprintf(stderr, "%s: stopped at 0x%" PRIx64 ": %s\n", loop->name, cpu->rip,
                cpu->unsupported);
        return false;
    }
    t = mips_now() - t;
    *seconds += t;
    uint64_t n = cpu->instructions - before;
    printf("%-8s %8.3f s %8.0f MIPS (%" PRIu64 " instructions, result 0x%" PRIx64 ")\n", loop->name,
           t, (double)n / t / 1e6, n, cpu->regs[GPR_RAX]);
    return true;
}

int main(int argc, char **argv)
{
    Guest g;
    double seconds = 0;
    guest_init(&g);
    if (argc < 2 || !load(&g, argv[1])) {
        fprintf(stderr, "usage: mips GUEST-BINARY [ROUNDS-FACTOR]\n");
        return 2;
    }
    uint64_t factor = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (unsigned i = 0; i < MIPS_LOOPS; i++) {
        if (!measure(&g, &mips_loops[i], i, factor, &seconds)) {
            return 1;
        }
    }
    printf("%-8s %8.3f s %8.0f MIPS\n", "all", seconds,
           (double)g.cpu->instructions / seconds / 1e6);
    guest_fini(&g);
    return 0;
}
