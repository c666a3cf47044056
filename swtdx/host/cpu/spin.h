/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loops that only wait for memory to change, without a PAUSE to tell of it (processors parked by
 * firmware).
 *
 * A loop is one if a block jumps back to its own first instruction, stores nothing, and no turn
 * computes from what the turn before left in a register: then each turn does the same until another
 * processor writes, and the host processor can be given away in between.
 */
#ifndef SWTDX_SPIN_H
#define SWTDX_SPIN_H

#include "decode.h"

/* What the instructions of a block did so far; starts as zeroes. */
typedef struct SpinScan {
    uint32_t written; /* registers, by number */
    uint32_t used;    /* registers that had a value from before the block */
    bool spoilt;      /* something else than looking at memory */
} SpinScan;

/*
 * Adds the next instruction. True if it closes such a loop; `start` is the offset of the block in
 * its page.
 */
bool spin_step(SpinScan *scan, const Decoded *d, const Op *op, unsigned start);

#endif
