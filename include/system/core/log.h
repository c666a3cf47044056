/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -d ITEM: what is logged, and where. The set is fixed before the machine is made; log_*() may be
 * called from any thread.
 */
#ifndef SYSTEM_CORE_LOG_H
#define SYSTEM_CORE_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

enum { LOG_TDX = 1u << 0, LOG_GUEST_ERRORS = 1u << 1, LOG_UNIMP = 1u << 2, LOG_TDVMCALL = 1u << 3 };

/*
 * items as in -d: comma separated; unknown names are an error that lists the valid ones. file NULL
 * = stderr.
 */
bool log_set(const char *items, const char *file, GError **errp);
/* The names alone; nothing is set. */
bool log_check(const char *items, GError **errp);
bool log_on(unsigned item);
void log_item(unsigned item, const char *format, ...) G_GNUC_PRINTF(2, 3); /* adds a newline */
char *log_help(void);
/*
 * error, warning and info lines on stderr, QEMU's form: "PROGRAM: [warning: ]TEXT"; only the first
 * line of text is prefixed.
 */
void report_program(const char *argv0);
/*
 * -msg: the time, and the guest's name (NULL: none), in front of each message. Before other threads
 * exist.
 */
void report_style(bool timestamps, const char *guest);
/* location such as "-object tdx-guest,…" or NULL */
void report_error(const char *location, const char *text);
void report_warning(const char *text);
void report_info(const char *text);

#endif
