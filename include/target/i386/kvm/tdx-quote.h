/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDVMCALL GetQuote: from a guest's shared buffer to the quote generation service and back. The
 * service outlives the TDs of a machine (one after each reset); the requests of a TD end with it.
 */
#ifndef TDX_QUOTE_H
#define TDX_QUOTE_H

#include "system/core/address-space.h"
#include "util/socket.h"

/*
 * Seconds until a request ends with an error. Linux guests give up after 30, and are never answered
 * again if a request is left open.
 */
#define TDX_QUOTE_TIMEOUT 25
#define TDX_QUOTE_MAX_CONNECTIONS 16 /* at a time; further requests wait */
/* accepted and not finished; further ones are told to try again */
#define TDX_QUOTE_MAX_REQUESTS 64
/* of a buffer: Linux 7.0 and MigTD use this much, QEMU takes no more */
#define TDX_QUOTE_MAX_SIZE (128 * KiB)

/* Where quotes come from. Any thread. */
typedef struct TdxQuoteService TdxQuoteService;

/*
 * id: of the tdx-guest object, for messages. address: copied; NULL: no service is configured, and
 * each request is told so. The socket is tried once, in the background: if nobody answers, a
 * warning says so now and not when the first quote is needed. A descriptor (kind fd) is taken over;
 * it serves one request, because a service answers one in each connection.
 */
TdxQuoteService *tdx_quote_service_new(const char *id, const SocketAddress *address);
void tdx_quote_service_free(TdxQuoteService *service); /* after the TDs that use it; NULL is fine */
/* For tests: how long a request may take. */
void tdx_quote_service_set_timeout(TdxQuoteService *service, gint64 microseconds);

typedef struct TdxQuoteStats {
    /* of this TD; those refused at once are in none but requests */
    uint64_t requests, succeeded, failed;
    unsigned in_flight;
    char last_error[256];                 /* empty: none */
} TdxQuoteStats;

/* The requests of one TD. */
typedef struct TdxQuotes TdxQuotes;

/*
 * finished: told after the buffer's status is final, on a thread of its own. service may be NULL,
 * as one without address.
 */
TdxQuotes *tdx_quotes_new(TdxQuoteService *service, AddressSpace *memory,
                          void (*finished)(void *opaque), void *opaque);
/*
 * Ends all requests, and waits for that: nothing is written to the guest's memory, and finished()
 * is not called, after it returns.
 */
void tdx_quotes_stop(TdxQuotes *quotes);
void tdx_quotes_free(TdxQuotes *quotes); /* stopped, and no vCPU can call any more */

/*
 * One GetQuote, on the vCPU's thread; gpa without shared bit. Returns the TDVMCALL status. An
 * accepted request goes on in the background; a fast service's answer is waited for, some
 * milliseconds at most, because Linux looks at the buffer before it sleeps.
 */
uint64_t tdx_quotes_request(TdxQuotes *quotes, hwaddr gpa, uint64_t size);
/* The guest makes the range private: what is in flight for a buffer there will be dropped. */
void tdx_quotes_forget(TdxQuotes *quotes, hwaddr gpa, uint64_t size);
void tdx_quotes_stats(TdxQuotes *quotes, TdxQuoteStats *stats);

#endif
