/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GetQuote requests of a TD: checked, answered in the background, their buffers' status kept.
 * Layout and status words of the buffer: GHCI for Intel TDX, section 3.3,
 * "TDG.VP.VMCALL<GetQuote>".
 */
#include "target/i386/kvm/tdx-quote.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "standard-headers/linux-kvm-tdx.h"
#include "system/core/log.h"
#include "tdx-quote-internal.h"

#define PAGE_SIZE UINT64_C(4096)
#define QUOTE_VERSION 1
#define HEADER_SIZE 24
enum { AT_VERSION = 0, AT_STATUS = 8, AT_IN_LENGTH = 16, AT_OUT_LENGTH = 20 };

#define STATUS_SUCCESS UINT64_C(0)
#define STATUS_IN_FLIGHT UINT64_MAX
#define STATUS_ERROR UINT64_C(0x8000000000000000)
#define STATUS_UNAVAILABLE UINT64_C(0x8000000000000001)

/* Not in the kernel's header: GHCI's status for a buffer that is in use. */
#define VMCALL_GPA_INUSE UINT64_C(0x8000000000000001)

/*
 * How long a vCPU is kept in its exit: Linux looks at the buffer at once, and from then on every
 * second.
 */
#define WAIT_IN_EXIT (20 * G_TIME_SPAN_MILLISECOND)

typedef struct Request {
    unsigned number;
    hwaddr gpa;
    uint64_t size;
    uint8_t *buffer;     /* the guest's memory */
    uint8_t *input;      /* snapshot of what it gave */
    uint32_t in_length;
    gint64 start;
    bool started, dropped;
} Request;

struct TdxQuotes {
    TdxQuoteService *service, *own; /* own: where none was given */
    AddressSpace *memory;
    void (*finished)(void *opaque);
    void *opaque;
    GCancellable *cancellable;

    GMutex lock; /* all below */
    GCond work, done;
    GPtrArray *requests; /* of Request: accepted and not finished, in order */
    GPtrArray *workers;  /* of GThread */
    unsigned idle;
    bool closing;
    TdxQuoteStats stats;
};

static void request_free(gpointer data)
{
    Request *r = data;

    g_free(r->input);
    g_free(r);
}

TdxQuotes *tdx_quotes_new(TdxQuoteService *service, AddressSpace *memory,
                          void (*finished)(void *opaque), void *opaque)
{
    TdxQuotes *quotes = g_new0(TdxQuotes, 1);

    quotes->own = service ? NULL : tdx_quote_service_new("tdx-guest", NULL);
    quotes->service = service ? service : quotes->own;
    quotes->memory = memory;
    quotes->finished = finished;
    quotes->opaque = opaque;
    quotes->cancellable = g_cancellable_new();
    g_mutex_init(&quotes->lock);
    g_cond_init(&quotes->work);
    g_cond_init(&quotes->done);
    quotes->requests = g_ptr_array_new_with_free_func(request_free);
    quotes->workers = g_ptr_array_new();
    return quotes;
}

void tdx_quotes_stop(TdxQuotes *quotes)
{
    g_mutex_lock(&quotes->lock);
    quotes->closing = true;
    g_cancellable_cancel(quotes->cancellable);
    g_cond_broadcast(&quotes->work);
    g_cond_broadcast(&quotes->done);
    g_mutex_unlock(&quotes->lock);
    /* No worker is added after closing was set */
    for (unsigned i = 0; i < quotes->workers->len; i++) {
        g_thread_join(g_ptr_array_index(quotes->workers, i));
    }
    g_ptr_array_set_size(quotes->workers, 0);
}

void tdx_quotes_free(TdxQuotes *quotes)
{
    if (quotes) {
        tdx_quotes_stop(quotes);
        g_ptr_array_unref(quotes->requests);
        g_ptr_array_unref(quotes->workers);
        g_object_unref(quotes->cancellable);
        g_mutex_clear(&quotes->lock);
        g_cond_clear(&quotes->work);
        g_cond_clear(&quotes->done);
        tdx_quote_service_free(quotes->own);
        g_free(quotes);
    }
}

/*
 * The guest may look at any time: the status is the last thing it sees change. Buffers are page
 * aligned.
 */
static void store_status(uint8_t *buffer, uint32_t out_length, uint64_t status)
{
    store_le32(buffer + AT_OUT_LENGTH, out_length);
    __atomic_store_n((uint64_t *)(void *)(buffer + AT_STATUS), htole64(status), __ATOMIC_RELEASE);
}

static void note_failure_locked(TdxQuotes *quotes, const char *why)
{
    quotes->stats.failed++;
    g_strlcpy(quotes->stats.last_error, why, sizeof(quotes->stats.last_error));
    *strchrnul(quotes->stats.last_error, '\n') = '\0';
}

/*
 * What became of a request, to the buffer, the statistics and the log. Returns whether the guest is
 * to be told.
 */
static bool finish(TdxQuotes *quotes, Request *r, uint64_t status, Bytes quote, const char *why)
{
    g_mutex_lock(&quotes->lock);
    bool closing = quotes->closing, dropped = r->dropped;
    unsigned number = r->number;
    gint64 took = g_get_monotonic_time() - r->start;

    if (!closing) {
        if (!dropped) {
            if (status == STATUS_SUCCESS) {
                memcpy(r->buffer + HEADER_SIZE, quote.data, quote.size);
            }
            store_status(r->buffer, (uint32_t)quote.size, status);
        }
        if (dropped || status != STATUS_SUCCESS) {
            why = dropped ? "dropped: the guest made the buffer's memory private while the request "
                            "was in flight"
                          : why;
            note_failure_locked(quotes, why);
        } else {
            quotes->stats.succeeded++;
        }
    }
    g_ptr_array_remove(quotes->requests, r);
    quotes->stats.in_flight = quotes->requests->len;
    g_cond_broadcast(&quotes->done);
    g_mutex_unlock(&quotes->lock);
    if (closing) {
        return false;
    }
    if (dropped || status != STATUS_SUCCESS) {
        quote_service_warn(quotes->service, number, why);
    } else if (log_on(LOG_TDVMCALL)) {
        g_autofree char *what = quote_service_describe(quotes->service, number);
        log_item(LOG_TDVMCALL, "%s: %zu bytes after %" PRId64 " ms", what, quote.size,
                 (int64_t)(took / 1000));
    }
    return !dropped;
}

static void process(TdxQuotes *quotes, Request *r)
{
    g_autoptr(GError) err = NULL;
    Bytes input = { r->input, r->in_length };
    size_t size = 0;
    bool connected = false;
    g_autofree uint8_t *quote = quote_service_ask(quotes->service, input, r->size - HEADER_SIZE,
                                                  r->start + quote_service_timeout(quotes->service),
                                                  quotes->cancellable, &size, &connected, &err);
    uint64_t status = quote ? STATUS_SUCCESS : connected ? STATUS_ERROR : STATUS_UNAVAILABLE;

    if (finish(quotes, r, status, (Bytes){ quote, quote ? size : 0 }, err ? err->message : NULL)) {
        quotes->finished(quotes->opaque);
    }
}

static Request *next_queued(TdxQuotes *quotes)
{
    for (unsigned i = 0; i < quotes->requests->len; i++) {
        Request *r = g_ptr_array_index(quotes->requests, i);

        if (!r->started) {
            return r;
        }
    }
    return NULL;
}

static gpointer worker(gpointer data)
{
    TdxQuotes *quotes = data;
    Request *r;

    g_mutex_lock(&quotes->lock);
    while (!quotes->closing) {
        r = next_queued(quotes);
        if (!r) {
            quotes->idle++;
            g_cond_wait(&quotes->work, &quotes->lock);
            quotes->idle--;
            continue;
        }
        r->started = true;
        g_mutex_unlock(&quotes->lock);
        process(quotes, r);
        g_mutex_lock(&quotes->lock);
    }
    g_mutex_unlock(&quotes->lock);
    return NULL;
}

/* False: there is nobody to work on requests, and nobody can be found. */
static bool wake_worker_locked(TdxQuotes *quotes)
{
    unsigned queued = 0;

    for (unsigned i = 0; i < quotes->requests->len; i++) {
        queued += !((Request *)g_ptr_array_index(quotes->requests, i))->started;
    }
    if (queued > quotes->idle && quotes->workers->len < TDX_QUOTE_MAX_CONNECTIONS) {
        GThread *thread = g_thread_try_new("TDX quote", worker, quotes, NULL);

        if (thread) {
            g_ptr_array_add(quotes->workers, thread);
        }
    }
    g_cond_signal(&quotes->work);
    return quotes->workers->len > 0;
}

static bool overlaps_one(TdxQuotes *quotes, hwaddr gpa, uint64_t size)
{
    for (unsigned i = 0; i < quotes->requests->len; i++) {
        const Request *r = g_ptr_array_index(quotes->requests, i);

        if (!r->dropped && ranges_overlap(r->gpa, r->size, gpa, size)) {
            return true;
        }
    }
    return false;
}

static bool is_open(TdxQuotes *quotes, unsigned number)
{
    for (unsigned i = 0; i < quotes->requests->len; i++) {
        if (((Request *)g_ptr_array_index(quotes->requests, i))->number == number) {
            return true;
        }
    }
    return false;
}

/* *number: of the request if it was accepted, else 0; accepted ones are owned by the list. */
static uint64_t accept_locked(TdxQuotes *quotes, Request *r, unsigned *number)
{
    *number = 0;
    if (quotes->closing || quotes->requests->len >= TDX_QUOTE_MAX_REQUESTS) {
        log_item(LOG_GUEST_ERRORS,
                 "GetQuote: %u requests are in flight: the guest is told to try again",
                 quotes->requests->len);
        return TDVMCALL_RETRY;
    }
    if (overlaps_one(quotes, r->gpa, r->size)) {
        log_item(LOG_GUEST_ERRORS, "GetQuote: the buffer at 0x%" PRIx64 " is in flight already",
                 r->gpa);
        return VMCALL_GPA_INUSE;
    }
    *number = r->number = quote_service_next_number(quotes->service);
    g_ptr_array_add(quotes->requests, r);
    quotes->stats.in_flight = quotes->requests->len;
    store_status(r->buffer, 0, STATUS_IN_FLIGHT);
    if (!wake_worker_locked(quotes)) {
        static const char why[] = "there is no thread to work on it";

        store_status(r->buffer, 0, STATUS_ERROR);
        note_failure_locked(quotes, why);
        quote_service_warn(quotes->service, r->number, why);
        g_ptr_array_remove(quotes->requests, r);
        quotes->stats.in_flight = quotes->requests->len;
    }
    return TDVMCALL_SUCCESS;
}

static uint64_t accept_request(TdxQuotes *quotes, Request *r)
{
    unsigned number;

    g_mutex_lock(&quotes->lock);
    uint64_t ret = accept_locked(quotes, r, &number);
    if (number) {
        gint64 until = g_get_monotonic_time() + WAIT_IN_EXIT;

        while (!quotes->closing && is_open(quotes, number) &&
               g_cond_wait_until(&quotes->done, &quotes->lock, until)) {
            continue;
        }
    }
    g_mutex_unlock(&quotes->lock);
    if (!number) {
        request_free(r);
    }
    return ret;
}

static uint64_t refuse(hwaddr gpa, uint64_t size, const char *why, uint64_t status)
{
    log_item(LOG_GUEST_ERRORS, "GetQuote: buffer 0x%" PRIx64 ", size 0x%" PRIx64 " is refused: %s",
             gpa, size, why);
    return status;
}

static void answer_unconfigured(TdxQuotes *quotes, uint8_t *buffer)
{
    g_autofree char *why = quote_service_no_service_text();

    store_status(buffer, 0, STATUS_UNAVAILABLE);
    g_mutex_lock(&quotes->lock);
    note_failure_locked(quotes, why);
    g_mutex_unlock(&quotes->lock);
    quote_service_warn(quotes->service, quote_service_next_number(quotes->service), why);
}

uint64_t tdx_quotes_request(TdxQuotes *quotes, hwaddr gpa, uint64_t size)
{
    uint8_t header[HEADER_SIZE];

    g_mutex_lock(&quotes->lock);
    quotes->stats.requests++;
    g_mutex_unlock(&quotes->lock);
    if (size == 0) {
        return refuse(gpa, size, "it is empty", TDVMCALL_INVALID_OPERAND);
    }
    if (gpa % PAGE_SIZE || size % PAGE_SIZE) {
        return refuse(gpa, size, "it is not made of whole pages", TDVMCALL_ALIGN_ERROR);
    }
    uint8_t *buffer = size <= TDX_QUOTE_MAX_SIZE ? address_space_ram(quotes->memory, gpa, size)
                                                 : NULL;
    if (!buffer) {
        return refuse(gpa, size, "it is larger than 128 KiB, or not memory",
                      TDVMCALL_INVALID_OPERAND);
    }
    memcpy(header, buffer, sizeof(header)); /* once: the guest can change it at any time */
    uint32_t in_length = load_le32(header + AT_IN_LENGTH);
    if (load_le64(header + AT_VERSION) != QUOTE_VERSION) {
        return refuse(gpa, size, "its version is not 1", TDVMCALL_INVALID_OPERAND);
    }
    if (in_length > size - HEADER_SIZE) {
        return refuse(gpa, size, "its data end behind it", TDVMCALL_INVALID_OPERAND);
    }
    if (!quote_service_configured(quotes->service)) {
        answer_unconfigured(quotes, buffer);
        return TDVMCALL_SUCCESS;
    }
    Request *r = g_new0(Request, 1);
    r->gpa = gpa;
    r->size = size;
    r->buffer = buffer;
    r->in_length = in_length;
    r->input = g_memdup2(buffer + HEADER_SIZE, in_length);
    r->start = g_get_monotonic_time();
    return accept_request(quotes, r);
}

void tdx_quotes_forget(TdxQuotes *quotes, hwaddr gpa, uint64_t size)
{
    g_mutex_lock(&quotes->lock);
    for (unsigned i = 0; i < quotes->requests->len; i++) {
        Request *r = g_ptr_array_index(quotes->requests, i);

        r->dropped |= ranges_overlap(r->gpa, r->size, gpa, size);
    }
    g_mutex_unlock(&quotes->lock);
}

void tdx_quotes_stats(TdxQuotes *quotes, TdxQuoteStats *stats)
{
    g_mutex_lock(&quotes->lock);
    *stats = quotes->stats;
    g_mutex_unlock(&quotes->lock);
}
