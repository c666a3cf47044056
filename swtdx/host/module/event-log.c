/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of an event log: TCG_PCR_EVENT first, TCG_PCR_EVENT2 from then on, little-endian and
 * without alignment.
 */
#include <string.h>

#include "event-log.h"

#define ALGORITHM_SHA384 0x000cu
#define SHA384_SIZE 48u
#define FIRST_HEADER 32u  /* index, type, SHA-1 digest, event size */

static const char signature[16] = "Spec ID Event03";

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool event_log_valid(const uint8_t *log, size_t size)
{
    return size >= EVENT_LOG_HEADER && get_u32(log) <= 1 &&
           get_u32(log + 4) == EVENT_LOG_NO_ACTION &&
           !memcmp(log + FIRST_HEADER, signature, sizeof(signature));
}

static bool first_entry(const uint8_t *log, size_t size, size_t *at, EventLogEntry *entry)
{
    if (!event_log_valid(log, size)) {
        return false;
    }
    uint32_t n = get_u32(log + FIRST_HEADER - 4);
    if (n > size - FIRST_HEADER) {
        return false;
    }
    *entry = (EventLogEntry){ .mr = get_u32(log), .type = EVENT_LOG_NO_ACTION,
                              .data = log + FIRST_HEADER, .size = n };
    *at = FIRST_HEADER + n;
    return true;
}

bool event_log_next(const uint8_t *log, size_t size, size_t *at, EventLogEntry *entry)
{
    enum { MR = 0, TYPE = 4, COUNT = 8, ALGORITHM = 12, DIGEST = 14,
           EVENT_SIZE = DIGEST + SHA384_SIZE, EVENT = EVENT_SIZE + 4 };
    if (!*at) {
        return first_entry(log, size, at, entry);
    }
    if (*at > size || size - *at < EVENT) {
        return false;
    }
    const uint8_t *p = log + *at;
    uint32_t n = get_u32(p + EVENT_SIZE);
    if (get_u32(p + MR) > 4 || get_u32(p + COUNT) != 1 ||
        (p[ALGORITHM] | p[ALGORITHM + 1] << 8) != ALGORITHM_SHA384 || n > size - *at - EVENT) {
        return false;
    }
    *entry = (EventLogEntry){ .mr = get_u32(p), .type = get_u32(p + TYPE), .digest = p + DIGEST,
                              .data = p + EVENT, .size = n };
    *at += EVENT + n;
    return true;
}

size_t event_log_used(const uint8_t *log, size_t size)
{
    EventLogEntry entry;
    size_t at = 0;
    while (event_log_next(log, size, &at, &entry)) {
    }
    return at;
}

bool event_log_extended(const EventLogEntry *entry)
{
    return entry->type != EVENT_LOG_NO_ACTION && entry->digest && entry->mr >= 1 && entry->mr <= 4;
}

/* TCG PC Client Platform Firmware Profile 1.05, table 27. */
static const struct {
    uint32_t type;
    const char *name;
} types[] = {
    { 0, "EV_PREBOOT_CERT" }, { 1, "EV_POST_CODE" }, { 3, "EV_NO_ACTION" }, { 4, "EV_SEPARATOR" },
    { 5, "EV_ACTION" },
    { 6, "EV_EVENT_TAG" }, { 7, "EV_S_CRTM_CONTENTS" }, { 8, "EV_S_CRTM_VERSION" },
    { 9, "EV_CPU_MICROCODE" },
    { 0xa, "EV_PLATFORM_CONFIG_FLAGS" }, { 0xb, "EV_TABLE_OF_DEVICES" }, { 0xc, "EV_COMPACT_HASH" },
    { 0xd, "EV_IPL" },
    { 0xe, "EV_IPL_PARTITION_DATA" }, { 0xf, "EV_NONHOST_CODE" }, { 0x10, "EV_NONHOST_CONFIG" },
    { 0x11, "EV_NONHOST_INFO" },
    { 0x12, "EV_OMIT_BOOT_DEVICE_EVENTS" }, { 0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
    { 0x80000002, "EV_EFI_VARIABLE_BOOT" },
    { 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION" },
    { 0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER" },
    { 0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER" }, { 0x80000006, "EV_EFI_GPT_EVENT" },
    { 0x80000007, "EV_EFI_ACTION" },
    { 0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB" }, { 0x80000009, "EV_EFI_HANDOFF_TABLES" },
    { 0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" }, { 0x8000000b, "EV_EFI_HANDOFF_TABLES2" },
    { 0x8000000c, "EV_EFI_VARIABLE_BOOT2" }, { 0x80000010, "EV_EFI_HCRTM_EVENT" },
    { 0x800000e0, "EV_EFI_VARIABLE_AUTHORITY" },
    { 0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB" }, { 0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG" },
};

const char *event_log_type_name(uint32_t type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return NULL;
}

bool event_log_type_by_name(const char *name, uint32_t *type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (!strcmp(types[i].name, name)) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

bool event_log_contains(const EventLogEntry *entry, const char *text)
{
    size_t n = strlen(text);
    if (memmem(entry->data, entry->size, text, n)) {
        return true;
    }
    for (size_t at = 0; n && at + 2 * n <= entry->size; at++) {
        size_t k = 0;
        while (k < n && entry->data[at + 2 * k] == (uint8_t)text[k] &&
               !entry->data[at + 2 * k + 1]) {
            k++;
        }
        if (k == n) {
            return true;
        }
    }
    return false;
}
