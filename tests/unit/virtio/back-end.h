/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vhost-user back end in small, on a thread of its own: it maps the memory it is given, answers
 * each buffer of queue 0 by adding one to every byte the driver wants written, and tells a
 * configuration. What it does wrong is up to the test.
 */
#ifndef BACK_END_H
#define BACK_END_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct BackEnd {
    /* Set by the test, before back_end_start() */
    uint64_t features, protocol;
    uint32_t refuse;     /* request that is answered with an error */
    uint32_t close_at;   /* request at which the connection is closed instead */
    uint32_t queues;
    /* Seen */
    unsigned seen[64];   /* requests by number */
    uint64_t set_features;
    uint32_t num, base;
    uint64_t requests;   /* buffers answered */
    bool ended;          /* the connection is closed */
    /* Own */
    int fd, kick, call, memory;
    bool enabled;
    uint8_t *ram;
    uint64_t ram_size, ram_address;
    uint64_t descriptors, available, used;
    uint16_t next;
    GThread *thread;
} BackEnd;

/* fd: the connection, the back end's from now on. */
void back_end_start(BackEnd *b, int fd);
/* Ends it: the front end sees the connection close. */
void back_end_stop(BackEnd *b);

#endif
