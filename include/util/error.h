/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors are GError in the domain VMM_ERROR. The message's first line says object, value, permitted
 * value; every further line (after '\n') is a hint: what to do next. No full stop at the end of the
 * first line. Who prints puts program name and location before the first line only (error_report in
 * system/report.h).
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <stdbool.h>

#include <glib.h>

#define VMM_ERROR (vmm_error_quark())
GQuark vmm_error_quark(void);

/*
 * Sets *errp (if errp is not NULL) and returns false, so that a check can end in `return
 * error_set(errp, …)`.
 */
bool error_set(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Adds a hint line to *errp. */
void error_hint(GError **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
