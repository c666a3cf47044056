/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event log that a TD's firmware keeps beside its RTMRs (ACPI 6.5, table CCEL; TCG PC Client
 * Platform Firmware Profile, section 10.2): reading it, and finding it in a TD's private memory.
 *
 * Reading is pure and takes hostile bytes; entries point into the caller's buffer.
 */
#ifndef SWTDX_EVENT_LOG_H
#define SWTDX_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Td Td;

#define EVENT_LOG_HEADER 65u   /* bytes that event_log_valid() needs */
#define EVENT_LOG_NO_ACTION 3u /* EV_NO_ACTION: logged, never extended */

typedef struct EventLogEntry {
    uint32_t mr;           /* 1..4: RTMR0..3; 0: MRTD */
    uint32_t type;
    const uint8_t *digest; /* SHA-384, 48 bytes; NULL in the first entry */
    const uint8_t *data;
    uint32_t size;
} EventLogEntry;

/*
 * The entry at *at, which becomes the next one's place; start with 0. False at the end of the log:
 * unused bytes (all ones), the end of the area, or what is no entry.
 */
bool event_log_next(const uint8_t *log, size_t size, size_t *at, EventLogEntry *entry);
/* Does the log begin with the header that all such logs have? */
bool event_log_valid(const uint8_t *log, size_t size);
/* Bytes that the entries take. */
size_t event_log_used(const uint8_t *log, size_t size);
/* Was this entry extended into an RTMR? */
bool event_log_extended(const EventLogEntry *entry);
/* "EV_SEPARATOR", or NULL. */
const char *event_log_type_name(uint32_t type);
/* False: no such name. */
bool event_log_type_by_name(const char *name, uint32_t *type);
/* Does `text` stand in the event's data, in ASCII or UTF-16? */
bool event_log_contains(const EventLogEntry *entry, const char *text);

/* Where the log is. */
typedef struct EventLogPlace {
    uint64_t gpa, size;
    uint64_t ccel;         /* the ACPI table that names it; 0: found by its header in memory */
} EventLogPlace;

/*
 * Looks through the TD's accepted private pages: for the ACPI table if `tables`, else and otherwise
 * for the log itself at page starts. The vCPUs may run. False: there is none.
 */
bool td_find_event_log(Td *td, bool tables, EventLogPlace *place);
/* Copies private memory; answers the bytes copied before the first page that is not accepted. */
size_t td_read_private(Td *td, uint64_t gpa, uint8_t *to, size_t size);

#endif
