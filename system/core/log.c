/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logging by item, and the program's messages on stderr. */
#include "system/core/log.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"
#include "util/names.h"

static const struct {
    unsigned bit;
    const char *name, *help;
} items[] = {
    { LOG_TDX, "tdx", "each step of a TD's launch, its firmware's sections, MRTD" },
    { LOG_TDVMCALL, "tdvmcall",
      "TDVMCALLs that reach the VMM, and conversions between private and shared memory" },
    { LOG_GUEST_ERRORS, "guest_errors", "what the guest does wrong" },
    { LOG_UNIMP, "unimp", "registers and ports that no device claims" },
};

/* QEMU's items about its translator and its interpreters, which recipes carry along. */
static const char *const silent[] = {
    "out_asm", "in_asm",       "op",     "op_opt", "op_ind",     "op_plugin", "int",    "exec",
    "cpu",     "fpu",          "mmu",    "pcall",  "cpu_reset",  "page",      "nochain", "plugin",
    "strace",  "invalid_mem",  "tid",    "vpu",    NULL,
};

/* The process's one log: written before any thread exists. */
static struct {
    unsigned on;
    FILE *file;
    char *program;
    bool timestamps;
    char *guest; /* NULL: not shown */
} state;

char *log_help(void)
{
    GString *text = g_string_new("Log items (comma separated):\n");

    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++) {
        g_string_append_printf(text, "%-15s %s\n", items[i].name, items[i].help);
    }
    return g_string_free(text, FALSE);
}

static void set_one(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++) {
        if (!strcmp(name, items[i].name)) {
            state.on |= items[i].bit;
            return;
        }
    }
    g_autofree char *text = g_strdup_printf("-d %s: there is nothing that this would log; -d help "
                                            "lists what can be logged",
                                            name);
    report_warning(text);
}

static bool check_one(const char *name, GError **errp)
{
    const char *names[G_N_ELEMENTS(items) + 1] = { NULL };

    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++) {
        names[i] = items[i].name;
    }
    if (g_strv_contains(names, name) || g_strv_contains(silent, name)) {
        return true;
    }
    error_set(errp, "unknown log item '%s'", name);
    if (nearest_name(name, names)) {
        error_hint_names(errp, name, names);
    }
    error_hint(errp, "Known items: tdx, tdvmcall, guest_errors, unimp; see -d help");
    return false;
}

bool log_check(const char *text, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    bool ok = true;

    for (char **name = names; ok && *name; name++) {
        ok = check_one(*name, errp);
    }
    return ok;
}

bool log_set(const char *text, const char *file, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(text, ",", -1);

    if (!log_check(text, errp)) {
        return false;
    }
    for (char **name = names; *name; name++) {
        set_one(*name);
    }
    if (file) {
        state.file = fopen(file, "ae");
        if (!state.file) {
            return error_set(errp, "cannot open log file '%s': %s", file, g_strerror(errno));
        }
        setvbuf(state.file, NULL, _IOLBF, 0);
    }
    return true;
}

bool log_on(unsigned item)
{
    return state.on & item;
}

void log_item(unsigned item, const char *format, ...)
{
    if (!log_on(item)) {
        return;
    }
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(state.file ? state.file : stderr, "%s\n", text);
}

void report_program(const char *argv0)
{
    g_free(state.program);
    state.program = g_path_get_basename(argv0);
}

void report_style(bool timestamps, const char *guest)
{
    state.timestamps = timestamps;
    g_free(state.guest);
    state.guest = g_strdup(guest);
}

/* ISO 8601, in UTC and with microseconds; empty without -msg timestamp=on. */
static char *timestamp(void)
{
    g_autoptr(GDateTime) now = state.timestamps ? g_date_time_new_now_utc() : NULL;
    g_autofree char *seconds = now ? g_date_time_format(now, "%Y-%m-%dT%H:%M:%S") : NULL;

    return now ? g_strdup_printf("%s.%06dZ ", seconds, g_date_time_get_microsecond(now))
               : g_strdup("");
}

static void report(const char *location, const char *kind, const char *text)
{
    g_autofree char *time = timestamp();

    fprintf(stderr, "%s%s%s%s: %s%s%s%s\n", time, state.guest ? state.guest : "",
            state.guest ? " " : "", state.program ? state.program : "qemu-system-x86_64",
            location ? location : "", location ? ": " : "", kind, text);
}

void report_error(const char *location, const char *text)
{
    report(location, "", text);
}

void report_warning(const char *text)
{
    report(NULL, "warning: ", text);
}

void report_info(const char *text)
{
    report(NULL, "info: ", text);
}
