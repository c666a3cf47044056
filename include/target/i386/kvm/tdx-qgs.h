/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of Intel's quote generation service: a length of 4 bytes, big-endian, then that many
 * bytes, little-endian inside (SGXDataCenterAttestationPrimitives,
 * QuoteGeneration/quote_wrapper/qgs_msg_lib/inc/qgs_msg_lib.h). Pure.
 */
#ifndef TDX_QGS_H
#define TDX_QGS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bytes.h"

#define QGS_PREFIX_SIZE 4
#define QGS_HEADER_SIZE 16
/* of a reply with a quote: header, size of the selected id, size of the quote */
#define QGS_REPLY_HEADER_SIZE 24
#define QGS_REPORT_SIZE 1024     /* TDREPORT */

enum { QGS_GET_QUOTE_REQ, QGS_GET_QUOTE_RESP, QGS_GET_COLLATERAL_REQ, QGS_GET_COLLATERAL_RESP,
       QGS_GET_PLATFORM_INFO_REQ,
       QGS_GET_PLATFORM_INFO_RESP };

/*
 * A request for a quote over the report, prefix included: 28 bytes more than the report. Caller
 * frees.
 */
uint8_t *qgs_quote_request(Bytes report, size_t *size);

/*
 * Is what a guest hands over a whole message for the service, prefix included, as Intel's
 * libtdx_attest and MigTD send it, and no report? It is relayed as it is then, and so is the reply.
 */
bool qgs_is_framed(Bytes data);

/*
 * The size of the reply that a prefix announces, at most max. False: it cannot be a reply's, or max
 * is too small.
 */
bool qgs_reply_size(const uint8_t prefix[QGS_PREFIX_SIZE], size_t max, uint32_t *size,
                    GError **errp);

/*
 * The quote in a reply (without prefix). False: an error that the service reports, by name, or what
 * is wrong with the reply.
 */
bool qgs_quote_in_reply(Bytes reply, Bytes *quote, GError **errp);

#endif
