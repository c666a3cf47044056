/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what is read of a quote generation service: the answer's length, the answer; and what a
 * guest gives in place of a report.
 */
#include <string.h>

#include "fuzz.h"
#include "target/i386/kvm/tdx-qgs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) err = NULL;
    uint32_t reply_size = 0;
    Bytes quote = { NULL, 0 };

    qgs_is_framed((Bytes){ data, size });
    if (size < QGS_PREFIX_SIZE) {
        return 0;
    }
    /* As a socket delivers it: so many bytes as the prefix says, and no more than there are */
    if (!qgs_reply_size(data, 128 << 10, &reply_size, &err)) {
        g_assert_nonnull(err);
        return 0;
    }
    size_t have = MIN(size - QGS_PREFIX_SIZE, reply_size);
    g_autofree uint8_t *copy = g_memdup2(data + QGS_PREFIX_SIZE, have);
    if (qgs_quote_in_reply((Bytes){ copy, have }, &quote, &err)) {
        g_assert_no_error(err);
        g_assert_true(quote.data == copy + QGS_REPLY_HEADER_SIZE &&
                      quote.size == have - QGS_REPLY_HEADER_SIZE && quote.size > 0);
    } else {
        g_assert_nonnull(err);
    }
    return 0;
}
