/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Garbage as guest code: whatever the bytes say, in whatever mode, decoding gives a well-formed
 * block.
 *
 * The first byte chooses features and mode, the second the offset in the page, the rest is code.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fuzz.h"
#include "guest.h"
#include "swtdx/host/cpu/decode.h"

#define MAX_CODE 512

static const uint32_t modes[] = {
    CPU_MODE_CS64 | CPU_MODE_LONG,
    CPU_MODE_CS64 | CPU_MODE_LONG | CPU_MODE_USER,
    CPU_MODE_CS32 | CPU_MODE_SS32 | CPU_MODE_FLAT,
    CPU_MODE_CS32 | CPU_MODE_SS32,
    CPU_MODE_CS32,
    CPU_MODE_SS32,
    0,
    CPU_MODE_CS32 | CPU_MODE_SS32 | CPU_MODE_LONG,
};

static void check(const Block *b, size_t n)
{
    unsigned at = b->offset;
    for (unsigned i = 0; i < b->count; i++) {
        if (b->ops[i].fn == NULL || b->ops[i].off != at || b->ops[i].len == 0) {
            abort();
        }
        at += b->ops[i].len;
    }
    if (b->count == 0 || b->count > BLOCK_MAX_OPS || b->length > n ||
        b->ops[b->count].fn != op_end || b->ops[b->count].off != b->offset + b->length) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    size_t n = size - 2 < MAX_CODE ? size - 2 : MAX_CODE;
    static Guest g; /* decoding leaves nothing in it */
    if (g.cpu == NULL) {
        guest_init(&g);
    }
    g.features = data[0] & 1;
    g.cpu->mode = modes[(data[0] >> 1) % (sizeof(modes) / sizeof(modes[0]))];
    Decoder decoder;
    decoder_init(&decoder);
    Block *b = calloc(1, sizeof(Block) + (BLOCK_MAX_OPS + 1) * sizeof(Op));
    b->mode = g.cpu->mode;
    b->offset = (uint16_t)(data[1] * 14u);
    if (decode_block(&decoder, g.cpu, b, data + 2, n, data[0] & 0x10 ? 1 : BLOCK_MAX_OPS)) {
        check(b, n);
    }
    free(b);
    return 0;
}
