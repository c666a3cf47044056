/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the event log in a TD's private memory: by the ACPI table CCEL, else by the header that a
 * log starts with.
 */
#include <string.h>

#include "event-log.h"
#include "module.h"

#define PAGE_SIZE UINT64_C(4096)
#define MAX_LOG (UINT64_C(16) << 20)

/*
 * ACPI 6.5, 5.2.34: header of 36 bytes, CC type, subtype, reserved, minimum length, start address.
 */
enum { CCEL_SIZE = 56, CCEL_LENGTH = 4, CCEL_TYPE = 36, CCEL_LAML = 40, CCEL_LASA = 48,
       CC_TYPE_TDX = 2 };

size_t td_read_private(Td *td, uint64_t gpa, uint8_t *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        _Atomic uint8_t *state;
        uint8_t *contents;
        size_t offset = (gpa + done) & (PAGE_SIZE - 1), part = PAGE_SIZE - offset;
        if (!sept_lookup(&td->sept, gpa + done, &state, &contents) ||
            atomic_load(state) != SEPT_MAPPED) {
            break;
        }
        part = part < size - done ? part : size - done;
        memcpy(to + done, contents + offset, part);
        done += part;
    }
    return done;
}

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 8; i--;) {
        v = v << 8 | p[i];
    }
    return v;
}

static bool log_at(Td *td, uint64_t gpa, uint64_t size)
{
    uint8_t header[EVENT_LOG_HEADER];
    return size >= EVENT_LOG_HEADER &&
           td_read_private(td, gpa, header, sizeof(header)) == sizeof(header) &&
           event_log_valid(header, sizeof(header));
}

/* Is there such a table at gpa, and a log where it says? */
static bool table_at(Td *td, uint64_t gpa, EventLogPlace *place)
{
    uint8_t t[CCEL_SIZE], sum = 0;
    if (td_read_private(td, gpa, t, sizeof(t)) != sizeof(t) || memcmp(t, "CCEL", 4) ||
        t[CCEL_LENGTH] != CCEL_SIZE || t[CCEL_LENGTH + 1] || t[CCEL_LENGTH + 2] ||
        t[CCEL_LENGTH + 3] || t[CCEL_TYPE] != CC_TYPE_TDX) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(t); i++) {
        sum = (uint8_t)(sum + t[i]);
    }
    uint64_t size = get_u64(t + CCEL_LAML), start = get_u64(t + CCEL_LASA);
    if (sum || size > MAX_LOG || !log_at(td, start, size)) {
        return false;
    }
    *place = (EventLogPlace){ .gpa = start, .size = size, .ccel = gpa };
    return true;
}

/* How far accepted pages reach from a log without a table: no further than logs are long. */
static uint64_t extent(Td *td, uint64_t gpa)
{
    uint64_t size = 0;
    while (size < MAX_LOG && sept_state(&td->sept, gpa + size) == SEPT_MAPPED) {
        size += PAGE_SIZE;
    }
    return size;
}

static bool search_page(Td *td, uint64_t gpa, const uint8_t *contents, bool tables,
                        EventLogPlace *place)
{
    if (!tables) {
        if (!event_log_valid(contents, EVENT_LOG_HEADER)) {
            return false;
        }
        *place = (EventLogPlace){ .gpa = gpa, .size = extent(td, gpa) };
        return true;
    }
    const uint8_t *p = contents, *end = contents + PAGE_SIZE;
    while ((p = memmem(p, (size_t)(end - p), "CCEL", 4))) {
        if (table_at(td, gpa + (uint64_t)(p - contents), place)) {
            return true;
        }
        p++;
    }
    return false;
}

static bool search(Td *td, bool tables, EventLogPlace *place)
{
    const Sept *sept = &td->sept;
    for (uint64_t chunk = 0, left = sept->used; left && chunk < sept->limit;
         chunk += SEPT_CHUNK_SIZE) {
        if (!atomic_load_explicit(&sept->directory[chunk >> SEPT_CHUNK_SHIFT],
                                  memory_order_acquire)) {
            continue;
        }
        left--;
        for (uint64_t gpa = chunk; gpa < chunk + SEPT_CHUNK_SIZE; gpa += PAGE_SIZE) {
            _Atomic uint8_t *state;
            uint8_t *contents;
            if (sept_lookup(sept, gpa, &state, &contents) && atomic_load(state) == SEPT_MAPPED &&
                search_page(td, gpa, contents, tables, place)) {
                return true;
            }
        }
    }
    return false;
}

bool td_find_event_log(Td *td, bool tables, EventLogPlace *place)
{
    if (atomic_load(&td->op_state) == TD_OP_UNINITIALIZED) {
        return false;
    }
    return (tables && search(td, true, place)) || search(td, false, place);
}
