/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dispatch of guest physical addresses and I/O ports by an immutable sorted view. */
#include "system/core/address-space.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "system/core/log.h"

/*
 * RAM lies above every device: the kernel maps it into the guest and never exits for it, whatever a
 * BAR says.
 */
#define RAM_PRIORITY INT_MAX
#define LARGEST_ACCESS 8

struct IoRegion {
    AddressSpace *as;
    char *name;
    hwaddr base;
    uint64_t size;
    int priority;
    bool enabled;
    unsigned max_access;
    const IoRegionOps *ops; /* NULL for RAM */
    void *opaque;
    uint8_t *host;          /* RAM only */
};

/*
 * A run of addresses that one region answers. Holds all that dispatch needs, so that it may be
 * copied out of a view.
 */
typedef struct Piece {
    hwaddr first, last; /* inclusive: the last byte may be 2^64 - 1 */
    hwaddr base;        /* of the region */
    unsigned max_access;
    const IoRegionOps *ops;
    void *opaque;
    uint8_t *host;
} Piece;

typedef struct View {
    uint64_t serial; /* unique in the process */
    unsigned count;
    Piece pieces[];
} View;

struct AddressSpace {
    char *name;
    /* in the order of their making: the later one wins among equal priorities */
    GPtrArray *regions;
    unsigned transactions; /* open ones */
    bool stale;            /* the view waits for the last of them to end */
    unsigned cache_slot;
    View *view;
    uint64_t serial;    /* of the view: what a thread's cache is compared with */
    unsigned epoch;
    unsigned readers[2]; /* inside a look-up that began in an even or odd epoch */
};

/*
 * The piece this thread found last, for a few address spaces. A view's serial number is never used
 * again, so an entry cannot be taken for one of a newer view, nor of another address space at the
 * same place in host memory.
 */
#define CACHE_SLOTS 4
static _Thread_local struct {
    uint64_t serial;
    Piece piece;
} last_hit[CACHE_SLOTS];

static uint64_t new_serial(void)
{
    static uint64_t last;

    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/*
 * Readers: an old view is freed only after everybody who may have seen it is out of its (short)
 * look-up.
 */

static unsigned reader_enter(AddressSpace *as)
{
    for (;;) {
        unsigned half = __atomic_load_n(&as->epoch, __ATOMIC_SEQ_CST) & 1;
        __atomic_add_fetch(&as->readers[half], 1, __ATOMIC_SEQ_CST);
        /*
         * If the epoch is still ours, the writer that ends it will count us; else it may already
         * have looked.
         */
        if ((__atomic_load_n(&as->epoch, __ATOMIC_SEQ_CST) & 1) == half) {
            return half;
        }
        __atomic_sub_fetch(&as->readers[half], 1, __ATOMIC_SEQ_CST);
    }
}

static void reader_leave(AddressSpace *as, unsigned half)
{
    __atomic_sub_fetch(&as->readers[half], 1, __ATOMIC_RELEASE);
}

static void publish(AddressSpace *as, View *view)
{
    View *old = __atomic_exchange_n(&as->view, view, __ATOMIC_SEQ_CST);

    __atomic_store_n(&as->serial, view->serial, __ATOMIC_SEQ_CST);
    unsigned half = __atomic_fetch_add(&as->epoch, 1, __ATOMIC_SEQ_CST) & 1;
    while (__atomic_load_n(&as->readers[half], __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    g_free(old);
}

/* Making a view */

static hwaddr region_last(const IoRegion *region)
{
    hwaddr last = region->base + (region->size - 1);

    return last < region->base ? UINT64_MAX : last; /* a BAR may be put where its end would wrap */
}

static int compare_addresses(const void *a, const void *b)
{
    hwaddr x = *(const hwaddr *)a, y = *(const hwaddr *)b;

    return x < y ? -1 : x > y;
}

static const IoRegion *winner_at(const AddressSpace *as, hwaddr addr)
{
    const IoRegion *best = NULL;

    for (guint i = 0; i < as->regions->len; i++) {
        const IoRegion *region = as->regions->pdata[i];
        if (region->enabled && region->base <= addr && addr <= region_last(region) &&
            (!best || region->priority >= best->priority)) {
            best = region;
        }
    }
    return best;
}

/* All addresses at which the winner may change, sorted. Caller frees. */
static hwaddr *edges_of(const AddressSpace *as, unsigned *count)
{
    hwaddr *edges = g_new(hwaddr, 2 * as->regions->len + 1);
    unsigned n = 0;

    for (guint i = 0; i < as->regions->len; i++) {
        const IoRegion *region = as->regions->pdata[i];
        if (!region->enabled) {
            continue;
        }
        edges[n++] = region->base;
        if (region_last(region) != UINT64_MAX) {
            edges[n++] = region_last(region) + 1;
        }
    }
    qsort(edges, n, sizeof(edges[0]), compare_addresses);
    *count = n;
    return edges;
}

static void rebuild(AddressSpace *as)
{
    unsigned count;

    if (as->transactions) {
        as->stale = true;
        return;
    }
    as->stale = false;
    g_autofree hwaddr *edges = edges_of(as, &count);
    View *view = g_malloc0(sizeof(*view) + count * sizeof(Piece));
    const IoRegion *previous = NULL;

    view->serial = new_serial();
    for (unsigned i = 0; i < count; i++) {
        if (i && edges[i] == edges[i - 1]) {
            continue;
        }
        const IoRegion *region = winner_at(as, edges[i]);
        hwaddr last = UINT64_MAX;
        for (unsigned next = i + 1; next < count; next++) {
            if (edges[next] != edges[i]) {
                last = edges[next] - 1;
                break;
            }
        }
        if (region && region == previous) {
            view->pieces[view->count - 1].last = last;
        } else if (region) {
            view->pieces[view->count++] = (Piece) {
                .first = edges[i], .last = last, .base = region->base,
                .max_access = region->max_access,
                .ops = region->ops, .opaque = region->opaque, .host = region->host,
            };
        }
        previous = region;
    }
    publish(as, view);
}

AddressSpace *address_space_new(const char *name)
{
    AddressSpace *as = g_new0(AddressSpace, 1);

    as->name = g_strdup(name);
    as->regions = g_ptr_array_new();
    as->view = g_new0(View, 1);
    as->serial = as->view->serial = new_serial();
    as->cache_slot = as->serial % CACHE_SLOTS;
    return as;
}

static void region_free(IoRegion *region)
{
    g_free(region->name);
    g_free(region);
}

void address_space_free(AddressSpace *as)
{
    if (!as) {
        return;
    }
    for (guint i = 0; i < as->regions->len; i++) {
        region_free(as->regions->pdata[i]);
    }
    g_ptr_array_free(as->regions, TRUE);
    g_free(as->view);
    g_free(as->name);
    g_free(as);
}

static IoRegion *add_region(AddressSpace *as, const IoRegion *model)
{
    IoRegion *region = g_new(IoRegion, 1);

    *region = *model;
    region->as = as;
    region->name = g_strdup(model->name);
    region->enabled = region->size != 0;
    g_ptr_array_add(as->regions, region);
    rebuild(as);
    return region;
}

static unsigned power_of_two_up_to(uint64_t n)
{
    return n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;
}

IoRegion *address_space_add_io(AddressSpace *as, const char *name, hwaddr base, uint64_t size,
                               int priority, const IoRegionOps *ops, void *opaque)
{
    unsigned max_access = ops->max_access ? power_of_two_up_to(ops->max_access) : LARGEST_ACCESS;

    return add_region(as, &(IoRegion) {
        .name = (char *)name, .base = base, .size = size,
        .priority = MIN(priority, RAM_PRIORITY - 1),
        .max_access = max_access, .ops = ops, .opaque = opaque,
    });
}

void address_space_add_ram(AddressSpace *as, const char *name, hwaddr base, uint64_t size,
                           uint8_t *host)
{
    add_region(as, &(IoRegion) {
        .name = (char *)name, .base = base, .size = size, .priority = RAM_PRIORITY,
        .max_access = LARGEST_ACCESS, .host = host,
    });
}

void io_region_set(IoRegion *region, bool enabled, hwaddr base)
{
    enabled = enabled && region->size;
    bool seen = region->enabled || enabled;
    bool changed = region->enabled != enabled || region->base != base;

    region->enabled = enabled;
    region->base = base;
    if (seen && changed) {
        rebuild(region->as);
    }
}

void io_region_remove(IoRegion *region)
{
    AddressSpace *as = region->as;

    g_ptr_array_remove(as->regions, region);
    rebuild(as);
    region_free(region);
}

void address_space_begin(AddressSpace *as)
{
    as->transactions++;
}

void address_space_commit(AddressSpace *as)
{
    g_assert(as->transactions);
    if (--as->transactions == 0 && as->stale) {
        rebuild(as);
    }
}

/* Look-up */

/* Index of the first piece that ends at or after addr; count if there is none. */
static unsigned search(const View *view, hwaddr addr)
{
    unsigned low = 0, high = view->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (view->pieces[middle].last < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/*
 * The piece at addr, or NULL and the number of bytes up to the next one (at most LARGEST_ACCESS).
 */
static const Piece *find_slow(AddressSpace *as, hwaddr addr, unsigned *gap)
{
    const Piece *found = NULL;
    unsigned half = reader_enter(as);
    const View *view = __atomic_load_n(&as->view, __ATOMIC_SEQ_CST);
    unsigned i = search(view, addr);

    if (i < view->count && view->pieces[i].first <= addr) {
        last_hit[as->cache_slot].serial = view->serial;
        last_hit[as->cache_slot].piece = view->pieces[i];
        found = &last_hit[as->cache_slot].piece;
    } else {
        *gap = i < view->count ? MIN(view->pieces[i].first - addr, LARGEST_ACCESS) : LARGEST_ACCESS;
    }
    reader_leave(as, half);
    return found;
}

/*
 * The result is this thread's and valid until its next look-up: read all of it before calling a
 * device.
 */
static inline const Piece *find(AddressSpace *as, hwaddr addr, unsigned *gap)
{
    const Piece *piece = &last_hit[as->cache_slot].piece;

    if (G_LIKELY(last_hit[as->cache_slot].serial ==
                     __atomic_load_n(&as->serial, __ATOMIC_ACQUIRE) &&
                 piece->first <= addr && addr <= piece->last)) {
        return piece;
    }
    return find_slow(as, addr, gap);
}

static inline uint64_t all_ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

static uint64_t ram_read(const Piece *piece, hwaddr addr, unsigned size)
{
    uint8_t bytes[8];
    uint64_t value = 0;

    memcpy(bytes, piece->host + (addr - piece->base), size);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << 8 * i;
    }
    return value;
}

static void ram_write(const Piece *piece, hwaddr addr, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    for (unsigned i = 0; i < size; i++) {
        bytes[i] = value >> 8 * i;
    }
    memcpy(piece->host + (addr - piece->base), bytes, size);
}

/* size bytes at addr lie in the piece and may be passed on as one access. */
static inline bool fits(const Piece *piece, hwaddr addr, unsigned size)
{
    return size <= piece->max_access && size - 1 <= piece->last - addr;
}

static uint64_t piece_read(const Piece *piece, hwaddr addr, unsigned size)
{
    if (piece->host) {
        return ram_read(piece, addr, size);
    }
    if (!piece->ops->read) {
        return all_ones(size);
    }
    return piece->ops->read(piece->opaque, addr - piece->base, size) & all_ones(size);
}

static void piece_write(const Piece *piece, hwaddr addr, uint64_t value, unsigned size)
{
    if (piece->host) {
        ram_write(piece, addr, value, size);
    } else if (piece->ops->write) {
        piece->ops->write(piece->opaque, addr - piece->base, value & all_ones(size), size);
    }
}

/* The largest access the piece takes of `left` bytes at addr. */
static unsigned part_size(const Piece *piece, hwaddr addr, unsigned left)
{
    unsigned n = MIN(left, piece->max_access);

    if (n - 1 > piece->last - addr) {
        n = piece->last - addr + 1;
    }
    return power_of_two_up_to(n);
}

static void log_unclaimed(const AddressSpace *as, const char *what, hwaddr addr, unsigned size)
{
    if (log_on(LOG_UNIMP)) {
        log_item(LOG_UNIMP, "%s: %s of %u bytes at 0x%" PRIx64 ", which no device claims", as->name,
                 what, size, addr);
    }
}

static uint64_t read_parts(AddressSpace *as, hwaddr addr, unsigned size)
{
    uint64_t value = all_ones(size);

    for (unsigned done = 0, n; done < size; done += n) {
        hwaddr at = addr + done;
        unsigned gap = 0;
        if (at < addr) {
            break; /* past the end of the address space */
        }
        const Piece *piece = find(as, at, &gap);
        if (!piece) {
            n = MIN(gap, size - done);
            log_unclaimed(as, "read", at, n);
            continue;
        }
        n = part_size(piece, at, size - done);
        value &= ~(all_ones(n) << 8 * done);
        value |= piece_read(piece, at, n) << 8 * done;
    }
    return value;
}

static void write_parts(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size)
{
    for (unsigned done = 0, n; done < size; done += n) {
        hwaddr at = addr + done;
        unsigned gap = 0;
        if (at < addr) {
            break;
        }
        const Piece *piece = find(as, at, &gap);
        if (!piece) {
            n = MIN(gap, size - done);
            log_unclaimed(as, "write", at, n);
            continue;
        }
        n = part_size(piece, at, size - done);
        piece_write(piece, at, value >> 8 * done, n);
    }
}

static bool is_access_size(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

uint64_t address_space_read(AddressSpace *as, hwaddr addr, unsigned size)
{
    unsigned gap;

    if (G_UNLIKELY(!is_access_size(size))) {
        return UINT64_MAX;
    }
    const Piece *piece = find(as, addr, &gap);
    if (G_LIKELY(piece && fits(piece, addr, size))) {
        return piece_read(piece, addr, size);
    }
    return read_parts(as, addr, size);
}

void address_space_write(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size)
{
    unsigned gap;

    if (G_UNLIKELY(!is_access_size(size))) {
        return;
    }
    const Piece *piece = find(as, addr, &gap);
    if (G_LIKELY(piece && fits(piece, addr, size))) {
        piece_write(piece, addr, value, size);
    } else {
        write_parts(as, addr, value, size);
    }
}

uint8_t *address_space_ram(AddressSpace *as, hwaddr addr, uint64_t size)
{
    unsigned gap;
    const Piece *piece = find(as, addr, &gap);

    if (!piece || !piece->host || (size && size - 1 > piece->last - addr)) {
        return NULL;
    }
    return piece->host + (addr - piece->base);
}

static int compare_regions(const void *a, const void *b)
{
    const IoRegion *x = *(IoRegion *const *)a, *y = *(IoRegion *const *)b;

    return x->base < y->base ? -1 : x->base > y->base;
}

char *address_space_describe(AddressSpace *as)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_copy(as->regions, NULL, NULL);
    GString *text = g_string_new(NULL);

    g_ptr_array_sort(sorted, compare_regions);
    g_string_append_printf(text, "address-space: %s\n", as->name);
    for (guint i = 0; i < sorted->len; i++) {
        const IoRegion *region = sorted->pdata[i];
        g_string_append_printf(text, "  %016" PRIx64 "-%016" PRIx64, region->base,
                               region->size ? region_last(region) : region->base);
        if (region->host) {
            g_string_append(text, " (ram)");
        } else {
            g_string_append_printf(text, " (prio %d, i/o)", region->priority);
        }
        g_string_append_printf(text, ": %s%s\n", region->name,
                               region->enabled ? "" : " [disabled]");
    }
    return g_string_free(text, FALSE);
}
