/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Measurements of a TD as text and as JSON, and the replay of its event log. */
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "../host/module/event-log.h"
#include "../host/module/sha.h"
#include "measure.h"

/* ---- replay ---- */

static uint32_t count_extends(const Record *r)
{
    uint32_t n = atomic_load(&r->num_extends);
    return n < RECORD_MAX_EXTENDS ? n : RECORD_MAX_EXTENDS;
}

static size_t log_size(const Record *r)
{
    return r->log_bytes < RECORD_MAX_LOG ? r->log_bytes : RECORD_MAX_LOG;
}

/* The n-th extend (from 0) of a register that was recorded, or NULL. */
static const uint8_t *nth_extend(const Record *r, unsigned index, unsigned n)
{
    for (uint32_t i = 0; i < count_extends(r); i++) {
        if (r->extends[i].index == index && n-- == 0) {
            return r->extends[i].digest;
        }
    }
    return NULL;
}

static void replay(Measurement *m, unsigned index, const uint8_t digest[48])
{
    uint8_t both[96];
    const uint8_t *told = nth_extend(m->record, index, m->events[index]++);
    memcpy(both, m->replay[index], 48);
    memcpy(both + 48, digest, 48);
    sha384(both, sizeof(both), m->replay[index]);
    if (!m->differs[index] && (!told || memcmp(told, digest, 48))) {
        m->differs[index] = m->events[index];
    }
}

void measurement_init(Measurement *m, const Record *record, const char *host, const char *until,
                      bool reached)
{
    EventLogEntry entry;
    *m = (Measurement){ .record = record, .host = host, .until = until, .reached = reached };
    for (uint32_t i = 0; i < count_extends(record); i++) {
        m->extends[record->extends[i].index & 3]++;
    }
    for (size_t at = 0; event_log_next(record->log, log_size(record), &at, &entry);) {
        if (event_log_extended(&entry)) {
            replay(m, entry.mr - 1, entry.digest);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        if (!m->differs[i] && m->events[i] != m->extends[i]) {
            m->differs[i] = m->events[i] + 1;
        }
    }
}

static bool has_log(const Measurement *m)
{
    return m->record->log_gpa && m->record->log_bytes;
}

static unsigned total_extends(const Measurement *m)
{
    return m->extends[0] + m->extends[1] + m->extends[2] + m->extends[3];
}

/* How a register and the log agree. Free with g_free(). */
static char *verdict(const Measurement *m, unsigned i)
{
    if (!has_log(m)) {
        return g_strdup_printf("%u extends", m->extends[i]);
    }
    if (!m->differs[i] && !memcmp(m->replay[i], m->record->rtmr[i], 48)) {
        return g_strdup_printf("%u extends, as the log says", m->extends[i]);
    }
    if (m->events[i] < m->extends[i] && m->differs[i] == m->events[i] + 1) {
        return g_strdup_printf("%u extends, of which the log has the first %u", m->extends[i],
                               m->events[i]);
    }
    return g_strdup_printf("%u extends, the log differs from number %u on (it has %u)",
                           m->extends[i], m->differs[i], m->events[i]);
}

/* What the reader must know besides. */
static GPtrArray *notes(const Measurement *m)
{
    const Record *r = m->record;
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    if (!m->reached) {
        g_ptr_array_add(list, g_strdup_printf("'%s' did not come%s: the values are those of the "
                                              "moment the TD was stopped or ended",
                                              m->until, atomic_load(&r->asked) ? " in time" : ""));
    }
    if (r->until == RECORD_UNTIL_LAUNCH) {
        return list;
    }
    if (!total_extends(m)) {
        g_ptr_array_add(list, g_strdup("the guest extended no RTMR: its firmware has no measured "
                                       "boot for TDs (Debian's OVMF has it from Debian 13 "
                                       "on), or it did not get that far"));
    } else if (!has_log(m)) {
        g_ptr_array_add(list, g_strdup("no event log was found in the guest's memory, by an ACPI "
                                       "table CCEL or by its header: the extends alone are told"));
    } else if (!r->log_ccel) {
        g_ptr_array_add(list,
                        g_strdup(
                            "the log was found by its header: no ACPI table CCEL names it (yet)"));
    }
    if (r->extends_lost || r->ranges_lost) {
        g_ptr_array_add(list, g_strdup("there were more extends or pages than the record holds"));
    }
    if (r->tds > 1) {
        g_ptr_array_add(list,
                        g_strdup_printf("the program made %u TDs, or reset one; this is the last",
                                        r->tds));
    }
    return list;
}

/* ---- what an event is about ---- */

static uint64_t get_le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    while (n--) {
        v = v << 8 | p[n];
    }
    return v;
}

static void append_ascii(GString *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n && p[i]; i++) {
        g_string_append_c(s, p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '?');
    }
}

static void append_utf16(GString *s, const uint8_t *p, size_t chars)
{
    for (size_t i = 0; i < chars && (p[2 * i] || p[2 * i + 1]); i++) {
        g_string_append_c(s, !p[2 * i + 1] && p[2 * i] >= 0x20 && p[2 * i] < 0x7f ? (char)p[2 * i]
                                                                                  : '?');
    }
}

/* UEFI_VARIABLE_DATA: GUID, length of the name in characters, of the data in bytes, name, data. */
static void append_variable(GString *s, const EventLogEntry *e)
{
    uint64_t chars = e->size >= 32 ? get_le(e->data + 16, 8) : 0,
             bytes = e->size >= 32 ? get_le(e->data + 24, 8) : 0;
    if (chars && chars <= (e->size - 32) / 2) {
        append_utf16(s, e->data + 32, (size_t)chars);
        g_string_append_printf(s, " (%" PRIu64 " bytes)", bytes);
    }
}

/* Texts with zeros between and behind them. */
static bool printable(const EventLogEntry *e)
{
    for (uint32_t i = 0; i < e->size; i++) {
        if (e->data[i] && (e->data[i] < 0x20 || e->data[i] >= 0x7f)) {
            return false;
        }
    }
    return e->size && e->data[0];
}

static void append_texts(GString *s, const EventLogEntry *e)
{
    for (uint32_t i = 0; i < e->size;) {
        size_t n = strnlen((const char *)e->data + i, e->size - i);
        if (n) {
            g_string_append_printf(s, "%s%.*s", s->len ? " " : "", (int)n,
                                   (const char *)e->data + i);
        }
        i += (uint32_t)n + 1;
    }
}

/* Length byte, text: EFI_PLATFORM_FIRMWARE_BLOB2 and HANDOFF_TABLE_POINTERS2 (TCG PFP, 10.4). */
static void append_described(GString *s, const EventLogEntry *e)
{
    uint32_t n = e->size ? e->data[0] : 0;
    if (n && n < e->size) {
        append_ascii(s, e->data + 1, n);
    }
    if (e->type == 0x8000000a && e->size >= n + 17) {
        g_string_append_printf(s, " at 0x%" PRIx64 ", 0x%" PRIx64 " bytes",
                               get_le(e->data + 1 + n, 8), get_le(e->data + 9 + n, 8));
    }
}

static char *describe(const EventLogEntry *e)
{
    GString *s = g_string_new(NULL);
    switch (e->type) {
    case EVENT_LOG_NO_ACTION:
        append_ascii(s, e->data, e->size < 16 ? e->size : 16);
        break;
    case 6: /* EV_EVENT_TAG: id, size, text */
        if (e->size > 8) {
            append_ascii(s, e->data + 8, e->size - 8);
        }
        break;
    case 0x80000001: case 0x80000002: case 0x8000000c: case 0x800000e0:
        append_variable(s, e);
        break;
    case 0x8000000a: case 0x8000000b:
        append_described(s, e);
        break;
    case 0x80000003:
    case 0x80000004:
    case 0x80000005: /* EFI_IMAGE_LOAD_EVENT: address, length, link address, path length */
        if (e->size >= 32) {
            g_string_append_printf(s, "image of 0x%" PRIx64 " bytes at 0x%" PRIx64,
                                   get_le(e->data + 8, 8), get_le(e->data, 8));
        }
        break;
    default:
        if (printable(e)) {
            append_texts(s, e);
        } else if (e->size) {
            for (uint32_t i = 0; i < e->size && i < 16; i++) {
                g_string_append_printf(s, "%02x", e->data[i]);
            }
            g_string_append(s, e->size > 16 ? "..." : "");
        }
    }
    return g_string_free(s, false);
}

static char *hex(const uint8_t *p, size_t n)
{
    GString *s = g_string_sized_new(2 * n);
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%02x", p[i]);
    }
    return g_string_free(s, false);
}

static char *type_name(uint32_t type)
{
    const char *name = event_log_type_name(type);
    return name ? g_strdup(name) : g_strdup_printf("0x%x", type);
}

/* ---- text ---- */

static void print_ranges(const Record *r, FILE *out)
{
    for (uint32_t i = 0; i < r->num_ranges && i < RECORD_MAX_RANGES; i++) {
        const RecordRange *range = &r->ranges[i];
        fprintf(out, "  0x%09" PRIx64 "  %6" PRIu64 " page%s%s\n", range->gpa, range->pages,
                range->pages == 1 ? "" : "s", range->measured ? ", contents measured" : "");
    }
}

static void print_log(const Record *r, FILE *out)
{
    EventLogEntry e;
    static const char *const registers[] = { "MRTD", "RTMR0", "RTMR1", "RTMR2", "RTMR3" };
    for (size_t at = 0; event_log_next(r->log, log_size(r), &at, &e);) {
        if (!e.digest) {
            continue; /* the header */
        }
        g_autofree char *digest = hex(e.digest, 48), *type = type_name(e.type),
                        *text = describe(&e);
        fprintf(out, "  %-5s  %-32s  %s\n         %s\n",
                e.type == EVENT_LOG_NO_ACTION ? "-" : registers[e.mr], type, text, digest);
    }
}

static void print_extends(const Record *r, FILE *out)
{
    for (uint32_t i = 0; i < count_extends(r); i++) {
        g_autofree char *digest = hex(r->extends[i].digest, 48);
        fprintf(out, "  RTMR%u  %s\n", r->extends[i].index & 3, digest);
    }
}

void measurement_print(const Measurement *m, FILE *out)
{
    const Record *r = m->record;
    g_autofree char *mrtd = hex(r->mrtd, 48);
    fprintf(
        out,
        "host        %s (software: no quote vouches for these values)\nmeasured    until %s%s\n",
        m->host, m->until, m->reached ? "" : ", which did not come");
    fprintf(out,
            "TD          attributes 0x%" PRIx64 ", XFAM 0x%" PRIx64 ", %u vCPU%s\nMRTD        %s\n",
            r->attributes, r->xfam, r->vcpus, r->vcpus == 1 ? "" : "s", mrtd);
    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *value = hex(r->rtmr[i], 48), *text = verdict(m, i);
        fprintf(out, "RTMR%u       %s\n            %s\n", i, value, text);
    }
    g_autoptr(GPtrArray) list = notes(m);
    for (unsigned i = 0; i < list->len; i++) {
        fprintf(out, "note        %s\n", (const char *)g_ptr_array_index(list, i));
    }
    fprintf(out, "\npages added before the launch:\n");
    print_ranges(r, out);
    if (has_log(m)) {
        fprintf(out, "\nevent log at 0x%" PRIx64 ", %u of %" PRIu64 " bytes", r->log_gpa,
                r->log_bytes, r->log_size);
        if (r->log_ccel) {
            fprintf(out, ", named by the table CCEL at 0x%" PRIx64, r->log_ccel);
        }
        fprintf(out, ":\n");
        print_log(r, out);
    } else if (total_extends(m)) {
        fprintf(out, "\nextends:\n");
        print_extends(r, out);
    }
}

/* ---- JSON ---- */

static void add_text(json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, text ? json_object_new_string(text) : NULL);
}

static void add_hex(json_object *object, const char *name, const uint8_t *p, size_t n)
{
    g_autofree char *text = hex(p, n);
    add_text(object, name, text);
}

static void add_number(json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static json_object *json_ranges(const Record *r)
{
    json_object *list = json_object_new_array();
    for (uint32_t i = 0; i < r->num_ranges && i < RECORD_MAX_RANGES; i++) {
        json_object *o = json_object_new_object();
        add_number(o, "gpa", r->ranges[i].gpa);
        add_number(o, "pages", r->ranges[i].pages);
        json_object_object_add(o, "measured", json_object_new_boolean(r->ranges[i].measured != 0));
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *json_extends(const Record *r)
{
    json_object *list = json_object_new_array();
    for (uint32_t i = 0; i < count_extends(r); i++) {
        json_object *o = json_object_new_object();
        add_number(o, "rtmr", r->extends[i].index & 3);
        add_hex(o, "digest", r->extends[i].digest, 48);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *json_events(const Record *r)
{
    json_object *list = json_object_new_array();
    EventLogEntry e;
    for (size_t at = 0; event_log_next(r->log, log_size(r), &at, &e);) {
        g_autofree char *type = type_name(e.type), *text = describe(&e);
        json_object *o = json_object_new_object();
        if (event_log_extended(&e)) {
            add_number(o, "rtmr", e.mr - 1);
        }
        add_text(o, "type", type);
        add_number(o, "type-number", e.type);
        if (e.digest) {
            add_hex(o, "digest", e.digest, 48);
        }
        add_text(o, "description", text);
        add_hex(o, "data", e.data, e.size);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *json_log(const Measurement *m)
{
    const Record *r = m->record;
    if (!has_log(m)) {
        return NULL;
    }
    json_object *o = json_object_new_object();
    add_text(o, "found-by", r->log_ccel ? "CCEL" : "header");
    add_number(o, "address", r->log_gpa);
    add_number(o, "size", r->log_size);
    if (r->log_ccel) {
        add_number(o, "ccel", r->log_ccel);
    }
    json_object *replays = json_object_new_array();
    for (unsigned i = 0; i < 4; i++) {
        json_object_array_add(replays,
                              json_object_new_boolean(!memcmp(m->replay[i], r->rtmr[i], 48)));
    }
    json_object_object_add(o, "replays", replays);
    json_object_object_add(o, "events", json_events(r));
    return o;
}

void measurement_print_json(const Measurement *m, FILE *out)
{
    const Record *r = m->record;
    json_object *o = json_object_new_object(), *rtmrs = json_object_new_array(),
                *texts = json_object_new_array();
    add_text(o, "host", m->host);
    add_text(o, "until", m->until);
    json_object_object_add(o, "reached", json_object_new_boolean(m->reached));
    add_number(o, "attributes", r->attributes);
    add_number(o, "xfam", r->xfam);
    add_number(o, "vcpus", r->vcpus);
    add_hex(o, "mrconfigid", r->mrconfigid, 48);
    add_hex(o, "mrowner", r->mrowner, 48);
    add_hex(o, "mrownerconfig", r->mrownerconfig, 48);
    add_hex(o, "mrtd", r->mrtd, 48);
    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *value = hex(r->rtmr[i], 48);
        json_object_array_add(rtmrs, json_object_new_string(value));
    }
    json_object_object_add(o, "rtmr", rtmrs);
    json_object_object_add(o, "memory", json_ranges(r));
    json_object_object_add(o, "extends", json_extends(r));
    json_object_object_add(o, "event-log", json_log(m));
    g_autoptr(GPtrArray) list = notes(m);
    for (unsigned i = 0; i < list->len; i++) {
        json_object_array_add(texts, json_object_new_string(g_ptr_array_index(list, i)));
    }
    json_object_object_add(o, "notes", texts);
    fprintf(out, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
