/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `swtdx measure`: what was recorded of a TD, and how it is told. */
#ifndef SWTDX_MEASURE_H
#define SWTDX_MEASURE_H

#include <glib.h>
#include <stdio.h>

#include "../host/kvm/record.h"

/* A record when nothing writes to it any more, checked: counts are within their arrays. */
typedef struct Measurement {
    const Record *record;
    const char *host, *until; /* names, as given */
    bool reached;             /* what was waited for has come */
    uint8_t replay[4][48];    /* RTMRs by the log */
    unsigned extends[4], events[4];
    /* number of the first extend (from 1) that the log tells otherwise; 0: none */
    unsigned differs[4];
} Measurement;

/* Replays the event log and compares. The record must outlive it. */
void measurement_init(Measurement *m, const Record *record, const char *host, const char *until,
                      bool reached);
void measurement_print(const Measurement *m, FILE *out);
/* one line; docs/system/swtdx.rst has the members */
void measurement_print_json(const Measurement *m, FILE *out);

#endif
