/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of monitor/ share. */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor/monitor.h"

/* A new VersionInfo. */
JsonValue *qmp_version(void);
/* MRTD in hexadecimal, computed once. Caller frees. */
char *context_mrtd(QapiContext *context);
/* The type of the machine's vCPUs, a new string. */
JsonValue *context_cpu_type(const QapiContext *context);
/* Is there a TD? False: *errp says that the machine has none. */
bool context_has_td(const QapiContext *context, GError **errp);
/* The TD's life, as TdxState names it. */
const char *context_tdx_state(const QapiContext *context);

/* One place that clients come from (qmp-server.c). */
typedef struct QmpServer QmpServer;
QmpServer *qmp_server_new(const MonitorConfig *config, QapiContext *context, GError **errp);
void qmp_server_free(QmpServer *server);
void qmp_server_event(QmpServer *server, const char *line);

/* A listening socket that takes no connection by surprise: made at a path, or the one that fd is. -1: *errp. */
int qmp_listen(const MonitorConfig *config, GError **errp);

#endif
