/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: specifications, a serial port fed from standard input, escapes, and the
 * terminal's mode afterwards.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "fixture.h"
#include "hw/isa/serial.h"

static void test_specs(void)
{
    static const struct {
        const char *spec;
        bool opens, fails;
    } rows[] = {
        { "null", true, false }, { "none", false, false }, { "", false, true },
        { "file:", false, true },
        { "file:/nonexistent/x", false, true }, { "file:/", false, true }, { "pty", true, false },
        { "unix:/nonexistent/x,server=on,wait=off", false, true }, { "Stdio", false, true },
        { "mon:null", true, false },
        { "unix:/nonexistent/x", false, true }, { "tcp:x", false, true },
        { "ringbuf", true, false }, { "mon:", false, true },
        { "ringbuf,size=3", false, true }, { "vc", false, true }, { "telnet:", false, true },
        { "file", false, true }, { "stdio ", false, true }, { "null,x", false, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_test_message("'%s'", rows[i].spec);
        Chardev *chardev = chardev_open(rows[i].spec, false, NULL, NULL, &error);
        g_assert_true(!!chardev == rows[i].opens);
        g_assert_true(!!error == rows[i].fails);
        chardev_write(chardev, (const uint8_t *)"x", 1);
        chardev_accept_input(chardev);
        chardev_close(chardev);
    }
}

/* Standard input and output are replaced in a child, so that the test program keeps its own. */
typedef struct Console {
    int keys, screen; /* our ends */
    pid_t child;
} Console;

typedef struct Guest {
    GMainLoop *loop;
    AddressSpace *ports;
    GMutex lock;
} Guest;

static void on_quit(void *opaque)
{
    exit(42);
}

/* A guest that polls slowly and echoes; 'q' ends it. */
static gboolean guest_step(gpointer opaque)
{
    Guest *guest = opaque;

    g_mutex_lock(&guest->lock);
    for (unsigned i = 0; i < 16 && (in(guest->ports, 0x3fd, 1) & 1); i++) {
        uint8_t byte = in(guest->ports, 0x3f8, 1);
        if (byte == 'q') {
            g_main_loop_quit(guest->loop);
        }
        out(guest->ports, 0x3f8, byte, 1);
    }
    g_mutex_unlock(&guest->lock);
    return G_SOURCE_CONTINUE;
}

static int run_guest(const char *spec)
{
    Guest guest = { .loop = g_main_loop_new(NULL, FALSE), .ports = address_space_new("ports") };
    Chardev *chardev = chardev_open(spec, false, on_quit, NULL, NULL);
    Chardev *second = chardev_open("stdio", false, NULL, NULL, NULL);

    if (!chardev || second) {
        return 1;
    }
    g_mutex_init(&guest.lock);
    Serial *serial = serial_new(guest.ports, "serial0", 0x3f8, chardev, &guest.lock, NULL);
    out(guest.ports, 0x3fa, 0x01, 1); /* FIFOs on */
    chardev_write(chardev, (const uint8_t *)">", 1);
    g_timeout_add(1, guest_step, &guest);
    g_main_loop_run(guest.loop);
    serial_free(serial);
    chardev_close(chardev);
    address_space_free(guest.ports);
    g_main_loop_unref(guest.loop);
    return 0;
}

static Console start(const char *spec, int in_fd, int out_fd, int our_in, int our_out)
{
    Console console = { our_in, our_out, fork() };

    if (console.child == 0) {
        dup2(in_fd, 0);
        dup2(out_fd, 1);
        if (our_in > 1) { /* else it has been replaced: standard input was closed */
            close(our_in);
        }
        if (our_out != our_in && our_out > 1) {
            close(our_out);
        }
        _exit(run_guest(spec));
    }
    g_assert_cmpint(console.child, >, 0);
    close(in_fd);
    if (out_fd != in_fd) {
        close(out_fd);
    }
    return console;
}

static Console start_on_pipes(const char *spec)
{
    int keys[2], screen[2];

    g_assert_cmpint(pipe(keys), ==, 0);
    g_assert_cmpint(pipe(screen), ==, 0);
    return start(spec, keys[0], screen[1], keys[1], screen[0]);
}

static void type_keys(const Console *console, const char *keys, size_t n)
{
    g_assert_cmpint(write(console->keys, keys, n), ==, n);
}

/* Reads until the text has appeared n bytes long or the other side is gone. */
static char *read_screen(const Console *console, size_t n)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t got;

    while (text->len < n &&
           (got = read(console->screen, buffer, MIN(sizeof(buffer), n - text->len))) > 0) {
        g_string_append_len(text, buffer, got);
    }
    return g_string_free(text, FALSE);
}

static int wait_status(const Console *console)
{
    int status;

    g_assert_cmpint(waitpid(console->child, &status, 0), ==, console->child);
    return status;
}

static void wait_for_prompt(const Console *console)
{
    g_autofree char *prompt = read_screen(console, 1);

    g_assert_cmpstr(prompt, ==, ">");
}

static void test_flow(void)
{
    Console console = start_on_pipes("stdio");
    GString *keys = g_string_new(NULL);

    /* Far more than the FIFO and the pending buffer hold: nothing may be lost or reordered. */
    for (unsigned i = 0; i < 3000; i++) {
        g_string_append_printf(keys, "%04u ", i);
    }
    wait_for_prompt(&console);
    type_keys(&console, keys->str, keys->len);
    g_autofree char *echo = read_screen(&console, keys->len);
    g_assert_cmpstr(echo, ==, keys->str);
    type_keys(&console, "\1q", 2); /* no escapes: C-a goes through */
    g_autofree char *last = read_screen(&console, 2);
    g_assert_cmpstr(last, ==, "\1q");
    g_assert_cmpint(wait_status(&console), ==, 0);
    g_string_free(keys, TRUE);
    close(console.keys);
    close(console.screen);
}

static void test_escapes(void)
{
    Console console = start_on_pipes("mon:stdio");
    wait_for_prompt(&console);

    type_keys(&console, "a\1\1b\1zc", 7);
    g_autofree char *echo = read_screen(&console, 4);
    g_assert_cmpstr(echo, ==, "a\1bc");
    type_keys(&console, "\1h", 2);
    g_autofree char *help = read_screen(&console, 20);
    g_assert_nonnull(strstr(help, "C-a h"));
    type_keys(&console, "\1", 1); /* the two keys may come apart */
    g_usleep(20000);
    type_keys(&console, "x", 1);
    int status = wait_status(&console);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    close(console.keys);
    close(console.screen);
}

static void test_gone(void)
{
    Console console = start_on_pipes("stdio");
    wait_for_prompt(&console);

    close(console.screen); /* nobody reads: the guest must go on */
    type_keys(&console, "abcq", 4);
    close(console.keys);
    g_assert_cmpint(wait_status(&console), ==, 0);
}

typedef struct TtyRow {
    const char *label, *spec, *keys;
    int signal, exit_status;
    bool isig;
} TtyRow;

static void test_terminal(void)
{
    static const TtyRow rows[] = {
        { "close", "stdio", "q", 0, 0, true }, { "escape", "mon:stdio", "\1x", 0, 42, false },
        { "SIGTERM", "mon:stdio", NULL, SIGTERM, 0, false },
        { "SIGINT", "stdio", NULL, SIGINT, 0, true },
        { "SIGABRT", "stdio", NULL, SIGABRT, 0, true },
        { "C-c goes through", "mon:stdio", "\3q", 0, 0, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const TtyRow *row = &rows[i];
        struct termios before, during, after;
        int master = posix_openpt(O_RDWR | O_NOCTTY);
        if (master < 0 || grantpt(master) || unlockpt(master)) {
            g_test_skip("no pseudo-terminals here");
            return;
        }
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY),
            spare = open(ptsname(master), O_RDWR | O_NOCTTY);
        g_test_message("%s", row->label);
        g_assert_cmpint(tcgetattr(spare, &before), ==, 0);
        Console console = start(row->spec, slave, slave, master, master);
        wait_for_prompt(&console);
        g_assert_cmpint(tcgetattr(spare, &during), ==, 0);
        g_assert_cmphex(during.c_lflag & (ICANON | ECHO), ==, 0);
        g_assert_true(!!(during.c_lflag & ISIG) == row->isig);
        if (row->keys) {
            type_keys(&console, row->keys, strlen(row->keys));
        } else {
            kill(console.child, row->signal);
        }
        int status = wait_status(&console);
        g_assert_cmpint(row->signal ? WIFSIGNALED(status) && WTERMSIG(status) == row->signal
                                    : WIFEXITED(status) && WEXITSTATUS(status) == row->exit_status,
                        ==, 1);
        g_assert_cmpint(tcgetattr(spare, &after), ==, 0);
        g_assert_cmphex(after.c_lflag, ==, before.c_lflag);
        g_assert_cmphex(after.c_iflag, ==, before.c_iflag);
        g_assert_cmphex(after.c_cflag, ==, before.c_cflag);
        close(spare);
        close(master);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_DFL);
    g_test_add_func("/chardev/specs", test_specs);
    g_test_add_func("/chardev/flow", test_flow);
    g_test_add_func("/chardev/escapes", test_escapes);
    g_test_add_func("/chardev/gone", test_gone);
    g_test_add_func("/chardev/terminal", test_terminal);
    return g_test_run();
}
