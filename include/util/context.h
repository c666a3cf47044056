/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contexts that other threads run. */
#ifndef UTIL_CONTEXT_H
#define UTIL_CONTEXT_H

#include <glib.h>

/*
 * Returns when no callback of the context's that ran at the time of the call runs any more: what
 * was a destroyed source's may be freed
 * then. NULL (the default context), and a context that the calling thread runs itself: returns at
 * once, as nothing else can be running.
 * Somebody must run the context. The caller holds no lock that its callbacks take.
 */
void context_barrier(GMainContext *context);

#endif
