/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for another thread's callbacks. */
#include "util/context.h"

#include <stdbool.h>

typedef struct Barrier {
    GMutex lock;
    GCond cond;
    bool passed;
} Barrier;

static gboolean pass(gpointer opaque)
{
    Barrier *barrier = opaque;

    g_mutex_lock(&barrier->lock);
    barrier->passed = true;
    g_cond_signal(&barrier->cond);
    g_mutex_unlock(&barrier->lock);
    return G_SOURCE_REMOVE;
}

void context_barrier(GMainContext *context)
{
    Barrier barrier = { .passed = false };

    if (!context || context == g_main_context_default() || g_main_context_is_owner(context)) {
        return;
    }
    g_mutex_init(&barrier.lock);
    g_cond_init(&barrier.cond);
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, pass, &barrier, NULL);
    g_source_attach(source, context);
    g_mutex_lock(&barrier.lock);
    while (!barrier.passed) {
        g_cond_wait(&barrier.cond, &barrier.lock);
    }
    g_mutex_unlock(&barrier.lock);
    g_mutex_clear(&barrier.lock);
    g_cond_clear(&barrier.cond);
}
