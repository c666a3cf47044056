/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options that management software gives with every machine, about what this one has in one form
 * only: -rtc, -boot, -audiodev; and -watchdog-action. What says so is accepted, and everything else
 * refused.
 */
#include <string.h>

#include "system/core/log.h"
#include "system/options.h"
#include "util/error.h"
#include "util/json.h"
#include "util/keyval.h"

/*
 * The clock follows the host's when it is read, so that no tick is ever lost: driftfix has nothing
 * to do.
 */
/* Seconds that the host's local time is ahead of UTC now. */
static int64_t local_offset(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return now ? g_date_time_get_utc_offset(now) / G_TIME_SPAN_SECOND : 0;
}

/* "2006-06-17T16:01:21" or "2006-06-17", as UTC. */
static bool parse_date(const char *text, int64_t *seconds, GError **errp)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autofree char *iso = g_strdup_printf(strchr(text, 'T') ? "%sZ" : "%sT00:00:00Z", text);
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(iso, utc);

    if (!date) {
        error_set(errp, "invalid datetime format");
        error_hint(errp,
                   "valid formats: '2006-06-17T16:01:21' or '2006-06-17', and utc, localtime");
        return false;
    }
    *seconds = g_date_time_to_unix(date);
    return true;
}

static bool set_rtc_base(MachineConfig *config, const char *value, GError **errp)
{
    bool local = !strcmp(value, "localtime");

    config->rtc_begins = !local && strcmp(value, "utc");
    config->rtc_offset = local ? local_offset() : 0;
    return !config->rtc_begins || parse_date(value, &config->rtc_offset, errp);
}

bool option_rtc(MachineConfig *config, const char *text, GError **errp)
{
    static const char *const driftfix[] = { "none", "slew", NULL };
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (!strcmp(pair->key, "base")) {
            if (!set_rtc_base(config, pair->value, errp)) {
                return false;
            }
        } else if (!strcmp(pair->key, "driftfix")) {
            if (!g_strv_contains(driftfix, pair->value)) {
                return error_set(
                    errp, "Parameter 'driftfix' does not accept value '%s': use none or slew",
                    pair->value);
            }
        } else if (strcmp(pair->key, "clock")) {
            return error_set(errp, "Invalid parameter '%s': -rtc takes base, clock and driftfix",
                             pair->key);
        } else if (strcmp(pair->value, "host")) {
            return error_set(errp,
                             "clock=%s is not available: this machine's clock follows the host's; "
                             "use clock=host",
                             pair->value);
        }
    }
    return kv;
}

static bool check_boot_order(const char *order, GError **errp)
{
    unsigned seen = 0;

    for (const char *device = order; *device; device++) {
        if (*device < 'a' || *device > 'p') {
            return error_set(errp, "Invalid boot device '%c'", *device);
        }
        if (seen & 1u << (*device - 'a')) {
            return error_set(errp, "Boot device '%c' was given twice", *device);
        }
        seen |= 1u << (*device - 'a');
    }
    report_warning("-boot order= and once= are for BIOS: UEFI firmware keeps an order of its own");
    return true;
}

/*
 * Values that the machine leaves to the firmware are 16 bits wide (splash-time) or may be -1, for
 * ever (reboot-timeout).
 */
static bool boot_time(const char *key, const char *value, int min, int max, int *result,
                      GError **errp)
{
    gint64 number;

    if (!g_ascii_string_to_signed(value, 10, min, max, &number, NULL)) {
        return error_set(errp, "Parameter '%s' expects milliseconds from %d to %d, not '%s'", key,
                         min, max, value);
    }
    *result = (int)number;
    return true;
}

bool option_boot(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "order", errp);
    BootFiles *boot = &config->boot;
    int time = 0;

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (!strcmp(pair->key, "order") || !strcmp(pair->key, "once")) {
            if (!check_boot_order(pair->value, errp)) {
                return false;
            }
        } else if (!strcmp(pair->key, "strict")) {
            if (!keyval_bool(pair->key, pair->value, &boot->strict, errp)) {
                return false;
            }
        } else if (!strcmp(pair->key, "menu")) {
            if (!keyval_bool(pair->key, pair->value, &boot->menu, errp)) {
                return false;
            }
        } else if (!strcmp(pair->key, "splash-time")) {
            if (!boot_time(pair->key, pair->value, 0, G_MAXUINT16, &time, errp)) {
                return false;
            }
            boot->menu_ms = (unsigned)time;
        } else if (!strcmp(pair->key, "reboot-timeout")) {
            if (!boot_time(pair->key, pair->value, -1, G_MAXUINT16, &boot->fail_ms, errp)) {
                return false;
            }
            boot->fail_given = true;
        } else if (!strcmp(pair->key, "splash")) {
            error_set(errp, "splash=%s is not available", pair->value);
            error_hint(errp, "There is no graphics card that could show a picture: leave it out");
            return false;
        } else {
            return error_set(errp,
                             "Invalid parameter '%s': -boot takes order, once, strict, menu, "
                             "splash-time and reboot-timeout",
                             pair->key);
        }
    }
    return kv;
}

/* The former spelling of -action watchdog=. */
bool option_watchdog_action(MachineConfig *config, const char *text, GError **errp)
{
    for (unsigned i = 0; qapi_WatchdogAction_names[i]; i++) {
        if (!strcmp(qapi_WatchdogAction_names[i], text)) {
            config->life.actions.watchdog = (QapiWatchdogAction)i;
            return i != QAPI_WATCHDOG_ACTION_INJECT_NMI || runstate_refuse_nmi(errp);
        }
    }
    return error_set(errp, "'%s' is no action of a watchdog", text);
}

/* All interfaces are accepted and shown: the policy that QEMU has unless it is told another. */
bool option_compat(MachineConfig *config, const char *text, GError **errp)
{
    static const char *const keys[] = {
        "deprecated-input", "deprecated-output", "unstable-input", "unstable-output", NULL,
    };
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, errp);

    for (unsigned i = 0; kv && i < kv->pairs->len; i++) {
        const KeyValPair *pair = &g_array_index(kv->pairs, KeyValPair, i);

        if (!g_strv_contains(keys, pair->key)) {
            error_set(errp, "Invalid parameter '%s'", pair->key);
            error_hint_names(errp, pair->key, keys);
            return false;
        }
        if (strcmp(pair->value, "accept")) {
            return error_set(errp, "%s=%s is not available: every interface that there is stays in "
                             "use; use %s=accept", pair->key, pair->value, pair->key);
        }
    }
    return kv;
}

bool option_audiodev(MachineConfig *config, const char *text, GError **errp)
{
    g_autoptr(JsonValue) json = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (*text == '{' ? !json_parse(text, strlen(text), &json, errp)
                     : !(kv = keyval_parse(text, "driver", errp))) {
        return false;
    }
    const char *driver = kv ? keyval_get(kv, "driver") : json_member_string(json, "driver");
    const char *id = kv ? keyval_get(kv, "id") : json_member_string(json, "id");
    if (!driver || !id) {
        return error_set(errp, "Parameter '%s' is missing", driver ? "id" : "driver");
    }
    return !strcmp(driver, "none") ||
           error_set(
               errp,
               "Parameter 'driver' does not accept value '%s': this machine has no sound; use none",
               driver);
}
