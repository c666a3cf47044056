/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A character device on standard input and output; a terminal is put in raw mode and given back
 * however the program ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <glib-unix.h>

#include "chardev-internal.h"
#include "util/error.h"

/*
 * A process has one standard input, and its terminal must be restored by an atexit function and by
 * signal handlers, which have no other way to know it.
 */
static struct {
    bool taken;
    bool handlers;               /* installed once, for good */
    volatile sig_atomic_t raw;   /* the terminal is to be raw now */
    struct termios saved, wanted;
} terminal;

/* Signals that end the program by default and that nobody else handles. */
static const int deadly[] = {
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGXCPU,
    SIGXFSZ,
};

static void restore(void)
{
    if (terminal.raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.saved); /* async-signal-safe by POSIX */
    }
}

static void on_deadly(int number)
{
    restore();
    signal(number, SIG_DFL);
    /* delivered when this handler returns, with the default effect and exit status */
    raise(number);
}

static void on_stop(int number)
{
    int saved = errno;

    restore();
    raise(SIGSTOP);
    errno = saved;
}

static void on_continue(int number)
{
    int saved = errno;

    if (terminal.raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.wanted);
    }
    errno = saved;
}

static void handle_if_default(int number, void (*handler)(int number))
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) || action.sa_handler != SIG_DFL) {
        return;
    }
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, NULL);
}

static void install_handlers(void)
{
    if (terminal.handlers) {
        return;
    }
    terminal.handlers = true;
    atexit(restore);
    for (unsigned i = 0; i < G_N_ELEMENTS(deadly); i++) {
        handle_if_default(deadly[i], on_deadly);
    }
    handle_if_default(SIGTSTP, on_stop);
    handle_if_default(SIGCONT, on_continue);
}

/*
 * Keys reach the guest one by one and unchanged; with `signals` C-c and its like still act on this
 * program.
 */
static void make_raw(bool signals)
{
    if (tcgetattr(STDIN_FILENO, &terminal.saved)) {
        return; /* not a terminal */
    }
    terminal.wanted = terminal.saved;
    terminal.wanted.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    terminal.wanted.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!signals) {
        terminal.wanted.c_lflag &= ~ISIG;
    }
    terminal.wanted.c_cflag = (terminal.wanted.c_cflag & ~(CSIZE | PARENB)) | CS8;
    terminal.wanted.c_cc[VMIN] = 1;
    terminal.wanted.c_cc[VTIME] = 0;
    install_handlers();
    terminal.raw = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.wanted);
}

static gboolean on_resize(gpointer opaque)
{
    chardev_tell(opaque, CHARDEV_RESIZED);
    return G_SOURCE_CONTINUE;
}

static void watch_size(Chardev *chardev)
{
    chardev->resized = g_unix_signal_source_new(SIGWINCH);
    g_source_set_callback(chardev->resized, on_resize, chardev, NULL);
    g_source_attach(chardev->resized, NULL);
}

static void stdio_close(Chardev *chardev)
{
    chardev_drop_source(&chardev->resized);
    restore();
    terminal.raw = 0;
    terminal.taken = false;
    if (chardev->out != STDOUT_FILENO) {
        close(chardev->out);
    }
}

static const ChardevBackend stdio_backend = { .close = stdio_close };

/*
 * Whether writes may block belongs to an open file description, which standard output shares with
 * the shell and others: a pipe or a terminal is therefore opened once more, if that is permitted.
 * Where it is not, chardev.c writes little at a time.
 */
static int open_output(void)
{
    struct stat status;

    if (fstat(STDOUT_FILENO, &status) == 0 &&
        (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0) {
            return fd;
        }
    }
    return STDOUT_FILENO;
}

bool chardev_stdio_open(Chardev *chardev, const ChardevConfig *config, GError **errp)
{
    if (terminal.taken) {
        error_set(errp, "cannot use stdio by multiple character devices");
        error_hint(errp, "Give only one of -serial, -monitor, -qmp and -chardev stdio, or use "
                         "file:PATH or null");
        return false;
    }
    terminal.taken = true;
    chardev->backend = &stdio_backend;
    chardev->keep_reading = chardev->escape && isatty(STDIN_FILENO);
    chardev_set_filename(chardev, g_strdup("stdio"));
    make_raw(config->keep_signals);
    if (isatty(STDIN_FILENO)) {
        watch_size(chardev);
    }
    chardev_connected(chardev, STDIN_FILENO, open_output());
    return true;
}
