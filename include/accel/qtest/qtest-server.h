/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a test's program is: a socket or standard input and output, and the log of what was said.
 * Main loop thread.
 */
#ifndef ACCEL_QTEST_QTEST_SERVER_H
#define ACCEL_QTEST_QTEST_SERVER_H

#include "accel/qtest/qtest.h"

typedef struct QtestServer QtestServer;

/*
 * channel: "stdio", or a socket's text (util/socket.h) with ",server=on" if we are to listen;
 * otherwise it is connected to, as tests' programs expect. log: a file, "none", or NULL for stderr.
 * closed(): the program is gone. NULL: *errp.
 */
QtestServer *qtest_server_new(const char *channel, const char *log, const QtestMachine *machine,
                              void (*closed)(void *opaque), void *opaque, GError **errp);
void qtest_server_free(QtestServer *server);

#endif
