/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing and printing of sizes. */
#include "util/units.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static bool suffix_unit(const char *suffix, uint64_t default_unit, uint64_t *unit)
{
    static const char letters[] = "bkmgtpe";

    if (*suffix == '\0') {
        *unit = default_unit;
        return true;
    }
    const char *at = strchr(letters, g_ascii_tolower(*suffix));
    if (!at || suffix[1] != '\0') {
        return false;
    }
    *unit = UINT64_C(1) << (10 * (at - letters));
    return true;
}

bool parse_size(const char *text, uint64_t default_unit, uint64_t *size)
{
    char *end;
    uint64_t unit;

    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    errno = 0;
    uint64_t whole = g_ascii_strtoull(text, &end,
                                      text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    if (errno) {
        return false;
    }
    double fraction = 0;
    if (*end == '.') {
        char *point = end;
        fraction = g_ascii_strtod(point, &end);
        if (end == point + 1) {
            return false;
        }
    }
    if (!suffix_unit(end, default_unit, &unit) || (whole && unit > UINT64_MAX / whole)) {
        return false;
    }
    uint64_t part = (uint64_t)(fraction * (double)unit);
    return !__builtin_add_overflow(whole * unit, part, size);
}

char *format_size(uint64_t size)
{
    static const char *const names[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;

    while (unit < G_N_ELEMENTS(names) - 1 && size && size % 1024 == 0) {
        size /= 1024;
        unit++;
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", size, names[unit]);
}
