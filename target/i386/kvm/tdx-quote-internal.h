/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the requests of a TD need of the quote generation service. Any thread. */
#ifndef TDX_QUOTE_INTERNAL_H
#define TDX_QUOTE_INTERNAL_H

#include "target/i386/kvm/tdx-quote.h"
#include "util/bytes.h"

bool quote_service_configured(const TdxQuoteService *service);
gint64 quote_service_timeout(const TdxQuoteService *service);
unsigned quote_service_next_number(TdxQuoteService *service);
/* "tdx0: TDX quote request 3 to vsock:1:4050": how each message begins. Caller frees. */
char *quote_service_describe(const TdxQuoteService *service, unsigned number);
/* A warning about a request, unless there were too many. */
void quote_service_warn(TdxQuoteService *service, unsigned number, const char *why);
char *quote_service_no_service_text(void); /* caller frees */

/*
 * One exchange, blocking: connects, sends the report (or the framed message that the guest gave),
 * returns the quote (or the framed answer), at most `capacity` bytes. NULL with an error;
 * *connected tells whether the service was there at all.
 */
uint8_t *quote_service_ask(TdxQuoteService *service, Bytes input, size_t capacity, gint64 deadline,
                           GCancellable *cancellable, size_t *size, bool *connected, GError **errp);

#endif
