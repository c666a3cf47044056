/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ThreadSanitizer has to be told of GLib, which is not compiled for it: the order that its
 * locks, thread pools and event loops make.
 * Linked by --wrap into tests whose subject is threads, in builds with ThreadSanitizer alone.
 */
#include <glib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

/*
 * all event loops as one: what was attached or made ready before a poll returns is known after it
 */
static char events;

void __real_g_mutex_lock(GMutex *mutex);
void __real_g_mutex_unlock(GMutex *mutex);
void __real_g_cond_wait(GCond *cond, GMutex *mutex);
guint __real_g_source_attach(GSource *source, GMainContext *context);
void __real_g_source_set_ready_time(GSource *source, gint64 ready_time);
void __real_g_source_destroy(GSource *source);
GMainContext *__real_g_main_context_new(void);
GThreadPool *__real_g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads,
                                      gboolean exclusive, GError **error);
gboolean __real_g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error);

void __wrap_g_mutex_lock(GMutex *mutex);
void __wrap_g_mutex_unlock(GMutex *mutex);
void __wrap_g_cond_wait(GCond *cond, GMutex *mutex);
guint __wrap_g_source_attach(GSource *source, GMainContext *context);
void __wrap_g_source_set_ready_time(GSource *source, gint64 ready_time);
void __wrap_g_source_destroy(GSource *source);
GMainContext *__wrap_g_main_context_new(void);
GThreadPool *__wrap_g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads,
                                      gboolean exclusive, GError **error);
gboolean __wrap_g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error);

void __wrap_g_mutex_lock(GMutex *mutex)
{
    __real_g_mutex_lock(mutex);
    __tsan_acquire(mutex);
}

void __wrap_g_mutex_unlock(GMutex *mutex)
{
    __tsan_release(mutex);
    __real_g_mutex_unlock(mutex);
}

void __wrap_g_cond_wait(GCond *cond, GMutex *mutex)
{
    __tsan_release(mutex);
    __real_g_cond_wait(cond, mutex);
    __tsan_acquire(mutex);
}

guint __wrap_g_source_attach(GSource *source, GMainContext *context)
{
    __tsan_release(&events);
    return __real_g_source_attach(source, context);
}

void __wrap_g_source_set_ready_time(GSource *source, gint64 ready_time)
{
    __tsan_release(&events);
    __real_g_source_set_ready_time(source, ready_time);
}

void __wrap_g_source_destroy(GSource *source)
{
    __tsan_release(&events);
    __real_g_source_destroy(source);
}

static gint poll_then_know(GPollFD *fds, guint count, gint timeout)
{
    gint n = g_poll(fds, count, timeout);

    __tsan_acquire(&events);
    return n;
}

GMainContext *__wrap_g_main_context_new(void)
{
    GMainContext *context = __real_g_main_context_new();

    g_main_context_set_poll_func(context, poll_then_know);
    return context;
}

typedef struct Work {
    GFunc func;
    gpointer user_data;
} Work;

static void run(gpointer data, gpointer opaque)
{
    const Work *work = opaque;

    __tsan_acquire(data);
    work->func(data, work->user_data);
}

/* The pool's Work lives as long as the test. */
GThreadPool *__wrap_g_thread_pool_new(GFunc func, gpointer user_data, gint max_threads,
                                      gboolean exclusive, GError **error)
{
    static Work works[4096];
    static unsigned used;
    Work *work = &works[used++ % G_N_ELEMENTS(works)];

    *work = (Work) { func, user_data };
    return __real_g_thread_pool_new(run, work, max_threads, exclusive, error);
}

gboolean __wrap_g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    __tsan_release(data);
    return __real_g_thread_pool_push(pool, data, error);
}

static void __attribute__((constructor)) watch_default_context(void)
{
    g_main_context_set_poll_func(NULL, poll_then_know);
}
