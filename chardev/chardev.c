/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: front ends, input from the main loop with flow control, output that never
 * waits.
 */
#include "chardev/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev-internal.h"
#include "util/error.h"

/*
 * What a pipe or a terminal that says it is ready takes without blocking (POSIX: PIPE_BUF is at
 * least this).
 */
#define SAFE_CHUNK 512
/* What fits into a datagram that is not cut on an Ethernet. */
#define DATAGRAM_CHUNK 1400
/* At the end a reader has this long to take what is queued. */
#define FAREWELL_MS 200

static void watch_input(Chardev *chardev);
static void flush_locked(Chardev *chardev);

void chardev_drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

void chardev_set_filename(Chardev *chardev, char *filename)
{
    g_free(chardev->filename);
    chardev->filename = filename;
}

/* Front ends */

static const FrontendSlot *focused(const Chardev *chardev)
{
    return chardev->num_slots ? &chardev->slots[chardev->focus] : NULL;
}

static void tell_one(const FrontendSlot *slot, ChardevEvent event)
{
    if (slot->ops->event) {
        slot->ops->event(slot->opaque, event);
    }
}

void chardev_tell(Chardev *chardev, ChardevEvent event)
{
    for (unsigned i = 0; i < chardev->num_slots; i++) {
        tell_one(&chardev->slots[i], event);
    }
}

bool chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, void *opaque)
{
    if (chardev->num_slots == (chardev->mux ? CHARDEV_MAX_FRONTENDS : 1)) {
        return false;
    }
    if (chardev->num_slots) {
        tell_one(&chardev->slots[chardev->focus], CHARDEV_FOCUS_OUT);
    }
    chardev->focus = chardev->num_slots++;
    g_atomic_int_set(&chardev->frontend_closed, false);
    chardev->slots[chardev->focus] = (FrontendSlot) { frontend, opaque };
    if (chardev->open) {
        tell_one(&chardev->slots[chardev->focus], CHARDEV_OPENED);
    }
    chardev_accept_input(chardev);
    return true;
}

void chardev_detach(Chardev *chardev, void *opaque)
{
    for (unsigned i = 0; i < chardev->num_slots; i++) {
        if (chardev->slots[i].opaque == opaque) {
            chardev->num_slots--;
            memmove(&chardev->slots[i], &chardev->slots[i + 1],
                    (chardev->num_slots - i) * sizeof(chardev->slots[0]));
            chardev->focus = chardev->num_slots ? chardev->num_slots - 1 : 0;
            chardev->raw = false;
            return;
        }
    }
}

bool chardev_may_move(const Chardev *chardev)
{
    return !chardev->raw && (!chardev->num_slots || chardev->slots[0].ops->moved);
}

void chardev_move(Chardev *from, Chardev *to)
{
    if (from->num_slots) {
        FrontendSlot slot = from->slots[0];

        from->num_slots = 0;
        g_atomic_int_set(&to->frontend_closed, g_atomic_int_get(&from->frontend_closed));
        to->slots[to->num_slots++] = slot;
        slot.ops->moved(slot.opaque, to);
        tell_one(&slot, to->open ? CHARDEV_OPENED : CHARDEV_CLOSED);
        if (slot.ops->writable) {
            slot.ops->writable(slot.opaque); /* what waited for the former one */
        }
        chardev_accept_input(to);
    }
}

void chardev_send_break(Chardev *chardev)
{
    if (focused(chardev)) {
        tell_one(focused(chardev), CHARDEV_BREAK);
    }
}

bool chardev_attach_raw(Chardev *chardev, const ChardevFrontend *frontend, void *opaque)
{
    if (!chardev->address || chardev->num_slots || chardev->mux) {
        return false;
    }
    g_mutex_lock(&chardev->lock);
    chardev_drop_source(&chardev->input);
    g_mutex_unlock(&chardev->lock);
    chardev->raw = true;
    return chardev_attach(chardev, frontend, opaque);
}

int chardev_raw_socket(const Chardev *chardev)
{
    return chardev->raw ? chardev->in : -1;
}

void chardev_raw_hang_up(Chardev *chardev)
{
    if (chardev->address && chardev->in >= 0) {
        chardev->backend->hang_up(chardev);
    }
}

bool chardev_terminal_size(Chardev *chardev, uint16_t *columns, uint16_t *rows)
{
    struct winsize size = { 0 };

    g_mutex_lock(&chardev->lock);
    bool known = chardev->in >= 0 && ioctl(chardev->in, TIOCGWINSZ, &size) == 0;
    g_mutex_unlock(&chardev->lock);
    *columns = size.ws_col;
    *rows = size.ws_row;
    return known && size.ws_col && size.ws_row;
}

bool chardev_is_open(const Chardev *chardev)
{
    return chardev->open;
}

bool chardev_may_return(const Chardev *chardev)
{
    return chardev->server || chardev->reconnect_ms;
}

bool chardev_is_mux(const Chardev *chardev)
{
    return chardev->mux;
}

bool chardev_in_use(const Chardev *chardev)
{
    return chardev->num_slots;
}

bool chardev_frontend_open(const Chardev *chardev)
{
    return chardev->num_slots && !g_atomic_int_get(&chardev->frontend_closed);
}

void chardev_set_frontend_open(Chardev *chardev, bool open)
{
    g_atomic_int_set(&chardev->frontend_closed, !open);
}

const char *chardev_label(const Chardev *chardev)
{
    return chardev->label;
}

const char *chardev_filename(const Chardev *chardev)
{
    return chardev->filename;
}

/* Input */

/*
 * Hands pending bytes over as far as there is room. The focus may change, and the other end may go,
 * under way.
 */
static void deliver(Chardev *chardev)
{
    while (chardev->num_pending) {
        const FrontendSlot *slot = focused(chardev);
        unsigned room = slot ? slot->ops->can_receive(slot->opaque) : 0;

        if (!room) {
            g_mutex_lock(&chardev->lock);
            chardev->blocked = true;
            g_mutex_unlock(&chardev->lock);
            /* Room made between the question and the mark woke nobody: ask again. */
            if (!slot || !slot->ops->can_receive(slot->opaque)) {
                return;
            }
            continue;
        }
        uint8_t data[512];
        unsigned n = MIN(MIN(room, sizeof(data)), chardev->num_pending);
        memcpy(data, chardev->pending, n);
        chardev->num_pending -= n;
        memmove(chardev->pending, chardev->pending + n, chardev->num_pending);
        slot->ops->receive(slot->opaque, data, n);
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
static gboolean stop_watching(Chardev *chardev)
{
    g_mutex_lock(&chardev->lock);
    chardev_drop_source(&chardev->input);
    g_mutex_unlock(&chardev->lock);
    return G_SOURCE_REMOVE;
}

void chardev_input_ended(Chardev *chardev)
{
    g_mutex_lock(&chardev->lock);
    chardev_drop_source(&chardev->input);
    chardev->ended = true;
    g_mutex_unlock(&chardev->lock);
    chardev_tell(chardev, CHARDEV_INPUT_ENDED);
}

int chardev_take_fd(Chardev *chardev)
{
    if (!chardev->num_fds) {
        return -1;
    }
    int fd = chardev->fds[0];
    memmove(chardev->fds, chardev->fds + 1, --chardev->num_fds * sizeof(chardev->fds[0]));
    return fd;
}

static void close_fds(Chardev *chardev)
{
    for (int fd; (fd = chardev_take_fd(chardev)) >= 0;) {
        close(fd);
    }
}

static void keep_fds(Chardev *chardev, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        unsigned n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (unsigned i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (chardev->num_fds < CHARDEV_MAX_FDS) {
                chardev->fds[chardev->num_fds++] = fd;
            } else {
                close(fd); /* more than anybody asked for */
            }
        }
    }
}

/* As read(). Descriptors that come along are kept. */
static ssize_t read_some(Chardev *chardev, int fd, uint8_t *data, size_t size)
{
    char control[CMSG_SPACE(CHARDEV_MAX_FDS * sizeof(int))];
    struct iovec vector = { data, size };
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = sizeof(control),
    };

    if (!chardev->in_is_socket) {
        return read(fd, data, size);
    }
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got >= 0) {
        keep_fds(chardev, &message);
    }
    return got;
}

static gboolean hang_up(Chardev *chardev)
{
    (chardev->backend->hang_up ? chardev->backend->hang_up : chardev_input_ended)(chardev);
    return G_SOURCE_REMOVE;
}

static gboolean on_input(int fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chardev = opaque;
    uint8_t data[CHARDEV_PENDING_SIZE];
    unsigned room = CHARDEV_PENDING_SIZE - chardev->num_pending;

    if ((!room || (chardev->datagrams && chardev->num_pending)) && !chardev->keep_reading) {
        return stop_watching(chardev);
    }
    ssize_t got = read_some(chardev, fd, data,
                            chardev->keep_reading ? sizeof(data) : MIN(sizeof(data), room));
    if ((got < 0 && (errno == EINTR || errno == EAGAIN)) || (got <= 0 && chardev->datagrams)) {
        return G_SOURCE_CONTINUE;
    }
    if (got <= 0) {
        return hang_up(chardev);
    }
    unsigned n = got;
    if (chardev->backend->filter) {
        n = chardev->backend->filter(chardev, data, n);
    }
    if (chardev->escape) {
        n = chardev_escape_filter(chardev, data, n);
    }
    n = MIN(n, CHARDEV_PENDING_SIZE - chardev->num_pending);
    memcpy(chardev->pending + chardev->num_pending, data, n);
    chardev->num_pending += n;
    deliver(chardev);
    return G_SOURCE_CONTINUE; /* of no effect if destroyed meanwhile */
}

static void watch_input(Chardev *chardev)
{
    g_mutex_lock(&chardev->lock);
    if (chardev->in >= 0 && !chardev->input && !chardev->ended && !chardev->raw) {
        chardev->input = g_unix_fd_source_new(chardev->in, G_IO_IN | G_IO_HUP | G_IO_ERR);
        g_source_set_callback(chardev->input, G_SOURCE_FUNC(on_input), chardev, NULL);
        g_source_attach(chardev->input, NULL);
    }
    g_mutex_unlock(&chardev->lock);
}

/* Output */

/* As write(), but does not block. */
static ssize_t write_some(const Chardev *chardev, const uint8_t *data, size_t n)
{
    struct pollfd poller = { .fd = chardev->out, .events = POLLOUT };

    if (chardev->out_is_socket) {
        return send(chardev->out, data, chardev->datagrams ? MIN(n, DATAGRAM_CHUNK) : n,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (!chardev->out_may_block) {
        return write(chardev->out, data, n);
    }
    if (poll(&poller, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(chardev->out, data, MIN(n, SAFE_CHUNK));
}

/* Bytes that are done with: written, or lost because nobody will ever read them. */
static unsigned write_now(Chardev *chardev, const uint8_t *data, unsigned n)
{
    unsigned done = 0;

    while (done < n) {
        ssize_t now = write_some(chardev, data + done, n - done);
        if (now > 0) {
            done += now;
        } else if (now < 0 && errno == EAGAIN) {
            break;
        } else if (!(now < 0 && errno == EINTR)) {
            /* The reader is gone or the disk is full: the guest goes on, its words are lost. */
            chardev->output_gone = errno != ENOSPC && !chardev->datagrams;
            return n;
        }
    }
    return done;
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chardev = opaque;

    g_mutex_lock(&chardev->lock);
    flush_locked(chardev);
    bool tell = chardev->starved && chardev->queue->len <= CHARDEV_QUEUE_SIZE / 2;
    if (tell) {
        chardev->starved = false;
    }
    g_mutex_unlock(&chardev->lock);
    for (unsigned i = 0; tell && i < chardev->num_slots; i++) {
        if (chardev->slots[i].ops->writable) {
            chardev->slots[i].ops->writable(chardev->slots[i].opaque);
        }
    }
    return G_SOURCE_CONTINUE;
}

static void flush_locked(Chardev *chardev)
{
    if (chardev->queue->len) {
        g_byte_array_remove_range(chardev->queue, 0,
                                  write_now(chardev, chardev->queue->data, chardev->queue->len));
    }
    if (!chardev->queue->len) {
        chardev_drop_source(&chardev->output);
    } else if (!chardev->output) {
        chardev->output = g_unix_fd_source_new(chardev->out, G_IO_OUT | G_IO_HUP | G_IO_ERR);
        g_source_set_callback(chardev->output, G_SOURCE_FUNC(on_writable), chardev, NULL);
        g_source_attach(chardev->output, NULL);
    }
}

static unsigned write_locked(Chardev *chardev, const uint8_t *data, unsigned n)
{
    if (chardev->backend->write) {
        chardev->backend->write(chardev, data, n);
        return n;
    }
    if (chardev->out < 0 || chardev->output_gone) {
        return n;
    }
    unsigned done = chardev->queue->len ? 0 : write_now(chardev, data, n);
    /*
     * The reader may empty the queue while it is filled. What is left over must not wait then: only
     * a full queue wakes up who waits.
     */
    do {
        unsigned queued = MIN(n - done, CHARDEV_QUEUE_SIZE - chardev->queue->len);
        if (queued) {
            g_byte_array_append(chardev->queue, data + done, queued);
            flush_locked(chardev);
        }
        done += queued;
    } while (done < n && chardev->queue->len < CHARDEV_QUEUE_SIZE && !chardev->output_gone);
    if (chardev->output_gone) {
        return n;
    }
    chardev->starved |= done < n;
    return done;
}

unsigned chardev_write(Chardev *chardev, const uint8_t *data, unsigned n)
{
    if (chardev) {
        g_mutex_lock(&chardev->lock);
        n = write_locked(chardev, data, n);
        chardev_log(chardev, data, n);
        g_mutex_unlock(&chardev->lock);
    }
    return n;
}

/* Connections */

void chardev_connected(Chardev *chardev, int in, int out)
{
    struct stat status;
    int flags = out >= 0 ? fcntl(out, F_GETFL) : 0;

    g_mutex_lock(&chardev->lock);
    chardev->in = in;
    chardev->out = out;
    chardev->in_is_socket = in >= 0 && fstat(in, &status) == 0 && S_ISSOCK(status.st_mode);
    chardev->out_is_socket = chardev->out_may_block = false;
    if (out >= 0 && fstat(out, &status) == 0) {
        chardev->out_is_socket = S_ISSOCK(status.st_mode);
        chardev->out_may_block = !S_ISREG(status.st_mode) && !(flags & O_NONBLOCK);
    }
    chardev->ended = chardev->output_gone = false;
    g_mutex_unlock(&chardev->lock);
    chardev->open = true;
    watch_input(chardev);
    chardev_tell(chardev, CHARDEV_OPENED);
}

void chardev_disconnected(Chardev *chardev)
{
    bool was_open = chardev->open;

    g_mutex_lock(&chardev->lock);
    chardev_drop_source(&chardev->input);
    chardev_drop_source(&chardev->output);
    chardev->in = chardev->out = -1;
    g_byte_array_set_size(chardev->queue, 0);
    bool starved = chardev->starved;
    chardev->starved = chardev->blocked = false;
    g_mutex_unlock(&chardev->lock);
    chardev->open = false;
    chardev->num_pending = 0;
    close_fds(chardev);
    if (was_open) {
        chardev_tell(chardev, CHARDEV_CLOSED);
    }
    for (unsigned i = 0; starved && i < chardev->num_slots; i++) {
        if (chardev->slots[i].ops->writable) {
            chardev->slots[i].ops->writable(chardev->slots[i].opaque);
        }
    }
}

/* Life */

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

static bool open_null(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    chardev->backend = &null_backend;
    chardev_set_filename(chardev, g_strdup("null"));
    return true;
}

static bool (*const openers[])(Chardev *chardev, const ChardevConfig *config, GError **errp) = {
    [CHARDEV_NULL] = open_null,
    [CHARDEV_STDIO] = chardev_stdio_open,
    [CHARDEV_FILE] = chardev_file_open,
    [CHARDEV_SOCKET] = chardev_socket_open,
    [CHARDEV_PTY] = chardev_pty_open,
    [CHARDEV_RINGBUF] = chardev_ringbuf_open,
    [CHARDEV_PIPE] = chardev_pipe_open,
    [CHARDEV_UDP] = chardev_udp_open,
};

static void free_chardev(Chardev *chardev)
{
    close_fds(chardev);
    if (chardev->log >= 0) {
        close(chardev->log);
    }
    g_byte_array_unref(chardev->queue);
    g_mutex_clear(&chardev->lock);
    g_free(chardev->label);
    g_free(chardev->filename);
    g_free(chardev->ring);
    g_free(chardev);
}

static Chardev *new_chardev(const ChardevConfig *config, const ChardevHost *host, bool escape,
                            GError **errp)
{
    if (host->permits && !host->permits(host->opaque, config, errp)) {
        return NULL;
    }
    Chardev *chardev = g_new0(Chardev, 1);

    g_mutex_init(&chardev->lock);
    chardev->in = chardev->out = chardev->listener = chardev->log = -1;
    chardev->queue = g_byte_array_new();
    chardev->label = g_strdup(config->id);
    chardev->own_host = *host;
    chardev->host = &chardev->own_host;
    chardev->mux = config->mux;
    chardev->escape = escape || config->mux;
    ignore_broken_pipes();
    if (!chardev_log_open(chardev, config, errp) || !openers[config->kind](chardev, config, errp)) {
        free_chardev(chardev);
        return NULL;
    }
    return chardev;
}

Chardev *chardev_new(const ChardevConfig *config, const ChardevHost *host, GError **errp)
{
    return new_chardev(config, host, false, errp);
}

Chardev *chardev_open(const char *spec, bool escape, void (*quit)(void *opaque), void *opaque,
                      GError **errp)
{
    ChardevHost host = { .quit = quit, .opaque = opaque };

    if (!strcmp(spec, "none")) {
        return NULL;
    }
    g_autoptr(ChardevConfig) config = chardev_config_parse_device("serial", spec, errp);
    if (!config) {
        return NULL;
    }
    config->keep_signals = !escape && !config->mux;
    return new_chardev(config, &host, escape, errp);
}

/* The last words shall not be missed for the speed of our end. */
static void say_farewell(Chardev *chardev)
{
    gint64 until = g_get_monotonic_time() + FAREWELL_MS * 1000;

    g_mutex_lock(&chardev->lock);
    while (chardev->out >= 0 && chardev->queue->len && g_get_monotonic_time() < until) {
        struct pollfd poller = { .fd = chardev->out, .events = POLLOUT };
        poll(&poller, 1, 10);
        flush_locked(chardev);
    }
    g_mutex_unlock(&chardev->lock);
}

void chardev_close(Chardev *chardev)
{
    if (!chardev) {
        return;
    }
    chardev->num_slots = 0;
    say_farewell(chardev);
    chardev_drop_source(&chardev->input);
    chardev_drop_source(&chardev->output);
    chardev_drop_source(&chardev->kick);
    if (chardev->backend->close) {
        chardev->backend->close(chardev);
    }
    free_chardev(chardev);
}
