/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices: the specification text, input from the main loop with flow control, blocking output. */
#include "chardev/chardev.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

static void watch_input(Chardev *chardev);

/*
 * Hands pending bytes over as far as there is room. Main loop thread, without chardev->lock: the front end takes
 * its own.
 */
static void deliver(Chardev *chardev)
{
    while (chardev->num_pending) {
        unsigned room = chardev->frontend ? chardev->frontend->can_receive(chardev->frontend_opaque) : 0;
        if (!room) {
            g_mutex_lock(&chardev->lock);
            chardev->blocked = true;
            g_mutex_unlock(&chardev->lock);
            /* Room made between the question and the mark woke nobody: ask again. */
            if (!chardev->frontend || !chardev->frontend->can_receive(chardev->frontend_opaque)) {
                return;
            }
            continue;
        }
        unsigned n = MIN(room, chardev->num_pending);
        chardev->frontend->receive(chardev->frontend_opaque, chardev->pending, n);
        chardev->num_pending -= n;
        memmove(chardev->pending, chardev->pending + n, chardev->num_pending);
    }
    g_mutex_lock(&chardev->lock);
    chardev->blocked = false;
    g_mutex_unlock(&chardev->lock);
}

static gboolean on_kick(gpointer opaque)
{
    Chardev *chardev = opaque;

    g_mutex_lock(&chardev->lock);
    g_clear_pointer(&chardev->kick, g_source_unref);
    g_mutex_unlock(&chardev->lock);
    deliver(chardev);
    watch_input(chardev);
    return G_SOURCE_REMOVE;
}

void chardev_accept_input(Chardev *chardev)
{
    if (!chardev) {
        return;
    }
    g_mutex_lock(&chardev->lock);
    if (chardev->blocked && !chardev->kick) {
        chardev->blocked = false;
        chardev->kick = g_idle_source_new();
        g_source_set_priority(chardev->kick, G_PRIORITY_DEFAULT);
        g_source_set_callback(chardev->kick, on_kick, chardev, NULL);
        g_source_attach(chardev->kick, NULL);
    }
    g_mutex_unlock(&chardev->lock);
}

/* Stops watching; the caller is the source's callback and returns G_SOURCE_REMOVE. */
static gboolean stop_watching(Chardev *chardev, bool ended)
{
    g_mutex_lock(&chardev->lock);
    g_clear_pointer(&chardev->input, g_source_unref);
    chardev->ended |= ended;
    g_mutex_unlock(&chardev->lock);
    return G_SOURCE_REMOVE;
}

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chardev = opaque;
    uint8_t data[512];
    unsigned room = CHARDEV_PENDING_SIZE - chardev->num_pending;

    if (!room && !chardev->keep_reading) {
        return stop_watching(chardev, false);
    }
    ssize_t got = read(fd, data, chardev->keep_reading ? sizeof(data) : MIN(sizeof(data), room));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return G_SOURCE_CONTINUE;
    }
    if (got <= 0) {
        return stop_watching(chardev, true);
    }
    unsigned n = got;
    if (chardev->backend->filter) {
        n = chardev->backend->filter(chardev, data, n);
    }
    n = MIN(n, room);
    memcpy(chardev->pending + chardev->num_pending, data, n);
    chardev->num_pending += n;
    deliver(chardev);
    return G_SOURCE_CONTINUE;
}

static void watch_input(Chardev *chardev)
{
    g_mutex_lock(&chardev->lock);
    if (chardev->in >= 0 && !chardev->input && !chardev->ended) {
        chardev->input = g_unix_fd_source_new(chardev->in, G_IO_IN | G_IO_HUP | G_IO_ERR);
        g_source_set_callback(chardev->input, G_SOURCE_FUNC(on_input), chardev, NULL);
        g_source_attach(chardev->input, NULL);
    }
    g_mutex_unlock(&chardev->lock);
}

void chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, void *opaque)
{
    chardev->frontend = frontend;
    chardev->frontend_opaque = opaque;
    if (frontend) {
        chardev_accept_input(chardev);
    }
}

/* Waits until a non-blocking descriptor takes bytes again; false if it never will. */
static bool wait_writable(int fd)
{
    struct pollfd poller = { .fd = fd, .events = POLLOUT };

    return (poll(&poller, 1, -1) > 0 && (poller.revents & POLLOUT)) || errno == EINTR;
}

void chardev_write(Chardev *chardev, const uint8_t *data, unsigned n)
{
    if (!chardev || chardev->out < 0 || __atomic_load_n(&chardev->output_gone, __ATOMIC_RELAXED)) {
        return;
    }
    while (n) {
        errno = 0;
        ssize_t done = write(chardev->out, data, n);
        if (done > 0) {
            data += done;
            n -= done;
        } else if (errno == EINTR || (errno == EAGAIN && wait_writable(chardev->out))) {
            continue;
        } else {
            /* The reader is gone or the disk is full: the guest goes on, its words are lost. */
            __atomic_store_n(&chardev->output_gone, errno != ENOSPC, __ATOMIC_RELAXED);
            return;
        }
    }
}

/* A reader that goes away must be an error of write(), not the end of the program. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;

    if (!sigaction(SIGPIPE, NULL, &action) && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

static const ChardevBackend null_backend = { 0 };

static bool open_backend(Chardev *chardev, const char *spec, GError **errp)
{
    if (!strcmp(spec, "null")) {
        chardev->backend = &null_backend;
        return true;
    }
    if (!strcmp(spec, "stdio") || !strcmp(spec, "mon:stdio")) {
        chardev->escape |= spec[0] == 'm';
        return chardev_stdio_open(chardev, errp);
    }
    if (g_str_has_prefix(spec, "file:")) {
        return chardev_file_open(chardev, spec + strlen("file:"), errp);
    }
    error_set(errp, "character device '%s' is not supported", spec);
    error_hint(errp, "Supported: stdio, mon:stdio, null, none, file:PATH");
    return false;
}

Chardev *chardev_open(const char *spec, bool escape, void (*quit)(void *opaque), void *opaque, GError **errp)
{
    if (!strcmp(spec, "none")) {
        return NULL;
    }
    Chardev *chardev = g_new0(Chardev, 1);
    g_mutex_init(&chardev->lock);
    chardev->in = chardev->out = -1;
    chardev->escape = escape;
    chardev->quit = quit;
    chardev->quit_opaque = opaque;
    ignore_broken_pipes();
    if (!open_backend(chardev, spec, errp)) {
        g_mutex_clear(&chardev->lock);
        g_free(chardev);
        return NULL;
    }
    watch_input(chardev);
    return chardev;
}

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

void chardev_close(Chardev *chardev)
{
    if (!chardev) {
        return;
    }
    drop_source(&chardev->input);
    drop_source(&chardev->kick);
    if (chardev->backend->close) {
        chardev->backend->close(chardev);
    }
    g_mutex_clear(&chardev->lock);
    g_free(chardev);
}
