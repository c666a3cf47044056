/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -m and -numa: how much RAM there is, in one node. */
#include <inttypes.h>
#include <string.h>

#include "system/core/log.h"
#include "system/options.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

/* Room for memory that is plugged later. */
static bool check_growth(const char *text, uint64_t size, uint64_t slots, uint64_t most,
                         GError **errp)
{
    if (most && most < size) {
        return error_set(errp,
                         "invalid value of maxmem: maximum memory size (0x%" PRIx64
                         ") must be at least the initial memory size (0x%" PRIx64 ")",
                         most, size);
    }
    if (slots && !most) {
        return error_set(errp, "missing 'maxmem' for slots=%" PRIu64, slots);
    }
    if (slots || most > size) {
        g_autofree char *warning = g_strdup_printf(
            "-m %s: slots= and maxmem= are without effect: a TD's memory cannot be grown", text);
        report_warning(warning);
    }
    return true;
}

bool option_memory(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "size", errp);
    uint64_t slots = 0, most = 0;

    if (!kv) {
        return false;
    }
    for (unsigned i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        bool is_slots = !strcmp(pair->key, "slots"), is_size = !strcmp(pair->key, "size");
        uint64_t *where = is_slots ? &slots : is_size ? &config->ram_size : &most;
        if (!is_slots && !is_size && strcmp(pair->key, "maxmem")) {
            return error_set(errp, "Invalid parameter '%s': -m takes size, slots and maxmem",
                             pair->key);
        }
        if (!parse_size(pair->value, is_slots ? 1 : MiB, where)) {
            error_set(errp, "Parameter '%s' expects a non-negative number below 2^64", pair->key);
            error_hint(
                errp, "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
                      "and exabytes, respectively.");
            return false;
        }
    }
    return check_growth(text, config->ram_size, slots, most, errp);
}

/* "node": there is one, whatever it is called and whichever vCPUs it is said to have. */
static bool add_numa_node(MachineConfig *config, const KeyVal *kv, GError **errp)
{
    static const char *const known[] = { "type", "nodeid", "cpus", "mem", "memdev", NULL };

    for (unsigned i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);
        if (!g_strv_contains(known, pair->key)) {
            error_set(errp, "Invalid parameter '%s'", pair->key);
            error_hint_names(errp, pair->key, known + 1);
            return false;
        }
    }
    const char *id = keyval_get(kv, "nodeid"), *size = keyval_get(kv, "mem"),
               *backend = keyval_get(kv, "memdev");
    if (config->numa_given || (id && strcmp(id, "0"))) {
        error_set(errp, "there is one NUMA node, node 0");
        error_hint(errp, "Give the whole memory in one memory backend: -machine memory-backend=ID; "
                         "host-nodes= of the backend says where on the host it lies");
        return false;
    }
    config->numa_given = true;
    if (size && !parse_size(size, MiB, &config->numa_size)) {
        return error_set(errp, "Parameter 'mem' expects a size, not '%s'", size);
    }
    g_autofree char *property = g_strdup_printf("memory-backend=%s", backend ? backend : "");
    return !backend || (qom_check_id(backend, errp) && option_machine(config, property, errp));
}

bool option_numa(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "type", errp);
    const char *type = kv ? keyval_get(kv, "type") : NULL;

    if (!type) {
        return !kv ? false : error_set(errp, "Parameter 'type' is missing");
    }
    if (!strcmp(type, "node")) {
        return add_numa_node(config, kv, errp);
    }
    error_set(errp, "Parameter 'type' does not accept value '%s': only node", type);
    error_hint(errp, "The guest sees one NUMA node, which has every vCPU: leave it out");
    return false;
}
