/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TD HOB list: what the firmware is told about memory (PI specification vol. 3; section 2 of
 * TDVF design). Pure.
 */
#ifndef HW_I386_TDVF_HOB_H
#define HW_I386_TDVF_HOB_H

#include "hw/i386/tdvf.h"

/*
 * Writes the list for `ram` into buf (size bytes, zero filled beyond the list). One resource
 * descriptor per piece of RAM, sorted: system memory where a TD_HOB or TempMem section is added
 * before launch, unaccepted elsewhere; never across 4 GiB. False: the list does not fit (the
 * message says how many bytes it needs).
 */
bool tdvf_hob_write(const TdvfImage *image, const E820Layout *ram, uint8_t *buf, size_t size,
                    GError **errp);

/* The pieces themselves, for printing. */
typedef struct TdvfHobPiece {
    hwaddr base;
    uint64_t size;
    bool unaccepted;
} TdvfHobPiece;
/* of TdvfHobPiece; caller unrefs */
GArray *tdvf_hob_pieces(const TdvfImage *image, const E820Layout *ram);

#endif
