/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loops of mips.c on Unicorn, the same binary: paging off and no hooks, which is its fastest
 * way.
 *
 * Usage: mips-unicorn GUEST-BINARY [ROUNDS-FACTOR]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <unicorn/unicorn.h>

#include "mips-loops.h"

static bool ok(uc_err error, const char *what)
{
    if (error != UC_ERR_OK) {
        fprintf(stderr, "%s: %s\n", what, uc_strerror(error));
    }
    return error == UC_ERR_OK;
}

static uc_engine *load(const char *path)
{
    static uint8_t code[0x10000];
    uc_engine *uc;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }
    size_t n = fread(code, 1, sizeof(code), f);
    fclose(f);
    if (n == 0 || !ok(uc_open(UC_ARCH_X86, UC_MODE_64, &uc), "uc_open")) {
        return NULL;
    }
    if (!ok(uc_mem_map(uc, 0, MIPS_RAM, UC_PROT_ALL), "uc_mem_map") ||
        !ok(uc_mem_write(uc, MIPS_CODE, code, n), "uc_mem_write")) {
        uc_close(uc);
        return NULL;
    }
    return uc;
}

static bool measure(uc_engine *uc, const MipsLoop *loop, uint64_t which, uint64_t factor,
                    double *seconds)
{
    uint64_t end = MIPS_END, stack = MIPS_STACK, rounds = loop->rounds * factor, result = 0;
    if (!ok(uc_mem_write(uc, stack, &end, sizeof(end)), "stack") ||
        !ok(uc_reg_write(uc, UC_X86_REG_RSP, &stack), "RSP") ||
        !ok(uc_reg_write(uc, UC_X86_REG_RDI, &which), "RDI") ||
        !ok(uc_reg_write(uc, UC_X86_REG_RSI, &rounds), "RSI")) {
        return false;
    }
    double t = mips_now();
    if (!ok(uc_emu_start(uc, MIPS_CODE, MIPS_END, 0, 0), loop->name)) {
        return false;
    }
    t = mips_now() - t;
    *seconds += t;
    if (!ok(uc_reg_read(uc, UC_X86_REG_RAX, &result), "RAX")) {
        return false;
    }
    printf("%-8s %8.3f s (result 0x%" PRIx64 ")\n", loop->name, t, result);
    return true;
}

int main(int argc, char **argv)
{
    uc_engine *uc = argc > 1 ? load(argv[1]) : NULL;
    uint64_t factor = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    double seconds = 0;
    if (uc == NULL) {
        fprintf(stderr, "usage: mips-unicorn GUEST-BINARY [ROUNDS-FACTOR]\n");
        return 2;
    }
    for (unsigned i = 0; i < MIPS_LOOPS; i++) {
        if (!measure(uc, &mips_loops[i], i, factor, &seconds)) {
            uc_close(uc);
            return 1;
        }
    }
    printf("%-8s %8.3f s\n", "all", seconds);
    uc_close(uc);
    return 0;
}
