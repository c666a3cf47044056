/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of monitor/ share. */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor/monitor.h"

/* A new VersionInfo. */
JsonValue *qmp_version(void);
/* MRTD in hexadecimal, computed once. Caller frees. */
char *context_mrtd(QapiContext *context);
/* The TD's life, as TdxState names it. */
const char *context_tdx_state(const QapiContext *context);

/*
 * For commands: the session gives up order where a client asks for it; a descriptor that came with
 * the request, or -1.
 */
void qmp_session_enable_oob(QmpSession *session);
int qmp_session_take_fd(QmpSession *session);

/* Text that waits until a chardev takes it. */
typedef struct MonitorOutput {
    Chardev *chardev;
    GString *queue;
} MonitorOutput;
void monitor_output_add(MonitorOutput *output, const char *text);
void monitor_output_flush(MonitorOutput *output);

/*
 * A monitor that speaks QMP (qmp-monitor.c), or with people (hmp-monitor.c), on a chardev. NULL:
 * the chardev is in use.
 */
typedef struct QmpMonitor QmpMonitor;
QmpMonitor *qmp_monitor_new(Chardev *chardev, bool pretty, QapiContext *context);
void qmp_monitor_free(QmpMonitor *monitor);
void qmp_monitor_event(QmpMonitor *monitor, const char *line);
typedef struct HmpMonitor HmpMonitor;
HmpMonitor *hmp_monitor_new(Chardev *chardev, QapiContext *context);
void hmp_monitor_free(HmpMonitor *monitor);

/*
 * Names that continue a line of hmp_command(), NULL terminated: the caller frees. *start: where the
 * last word begins.
 */
char **hmp_completions(const char *line, size_t *start);
/* Answers for people, below "info" (hmp-info.c); an entry with name NULL ends the table. */
typedef struct HmpCommand {
    const char *name, *arguments, *help;
    void (*run)(QapiContext *context, const char *arguments, GString *out);
} HmpCommand;
extern const HmpCommand hmp_infos[];

/*
 * Why a command, or one below "info", that QEMU has is not there (hmp-absent.c); NULL: QEMU has
 * none of that name either.
 */
const char *hmp_why_not(const char *name);
const char *hmp_why_no_info(const char *name);

/* Editing a line in a terminal (readline.c). */
typedef struct Readline Readline;
typedef struct ReadlineClient {
    void (*write)(void *opaque, const char *text);
    void (*line)(void *opaque, const char *line);
    char **(*complete)(const char *line, size_t *start); /* as hmp_completions() */
    void *opaque;
} ReadlineClient;
Readline *readline_new(const char *prompt, const ReadlineClient *client);
void readline_free(Readline *readline);
void readline_show_prompt(Readline *readline); /* a new, empty line */
void readline_feed(Readline *readline, const uint8_t *data, size_t n);

/* info block, info blockstats (qmp-cmds-block.c) */
void hmp_info_block(QapiContext *context, const char *arguments, GString *out);
void hmp_info_blockstats(QapiContext *context, const char *arguments, GString *out);
/* info network (hmp-net.c) */
void hmp_info_network(QapiContext *context, const char *arguments, GString *out);

#endif
