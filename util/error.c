/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The project's GError domain. */
#include <stdbool.h>

#include "util/error.h"

G_DEFINE_QUARK(vmm-error, vmm_error)

bool error_set(GError **errp, const char *format, ...)
{
    if (errp) {
        va_list args;

        va_start(args, format);
        g_autofree char *text = g_strdup_vprintf(format, args);
        va_end(args);
        g_set_error_literal(errp, VMM_ERROR, 0, text);
    }
    return false;
}

void error_hint(GError **errp, const char *format, ...)
{
    if (errp && *errp) {
        va_list args;

        va_start(args, format);
        g_autofree char *hint = g_strdup_vprintf(format, args);
        va_end(args);
        char *joined = g_strconcat((*errp)->message, "\n", hint, NULL);
        g_free((*errp)->message);
        (*errp)->message = joined;
    }
}
