/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts a program with -accel qtest and speaks with it. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define FIRST_FREE 0x100000
#define PAGE 4096

/* ---- Sockets ---- */

static struct sockaddr_un address_in(const Client *client, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", client->directory, name);
    return address;
}

int client_listen(const Client *client, const char *name)
{
    struct sockaddr_un address = address_in(client, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

int client_accept(const Client *client, int listener)
{
    struct pollfd ready = { listener, POLLIN, 0 };
    gint64 deadline = g_get_monotonic_time() + PATIENCE_MS * 1000;

    while (poll(&ready, 1, 100) != 1) {
        if (g_get_monotonic_time() > deadline ||
            waitpid(client->pid, NULL, WNOHANG) == client->pid) {
            g_error("the program does not connect");
        }
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    close(listener);
    return fd;
}

int client_connect(const Client *client, const char *name)
{
    struct sockaddr_un address = address_in(client, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

/* ---- Files ---- */

GByteArray *client_file(const Client *client, const char *name)
{
    g_autofree char *path = g_build_filename(client->directory, name, NULL);
    char *bytes = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    return g_byte_array_new_take((guint8 *)bytes, size);
}

void client_make_file(const Client *client, const char *name, const void *bytes, size_t size)
{
    g_autofree char *path = g_build_filename(client->directory, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
}

static void send_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            g_error("the program has gone: %s", g_strerror(errno));
        }
        text += sent;
        size -= (size_t)sent;
    }
}

static char *take_line(GString *received)
{
    char *end = memchr(received->str, '\n', received->len);
    if (!end) {
        return NULL;
    }
    char *line = g_strchomp(g_strndup(received->str, (gsize)(end - received->str)));
    g_string_erase(received, 0, end + 1 - received->str);
    return line;
}

static char *read_line(int fd, GString *received)
{
    char *line;

    while (!(line = take_line(received))) {
        char data[65536];
        struct pollfd ready = { fd, POLLIN, 0 };
        if (poll(&ready, 1, PATIENCE_MS) == 0) {
            g_error("the program does not answer");
        }
        ssize_t got = read(fd, data, sizeof(data));
        if (got <= 0) {
            g_error("the program has gone");
        }
        g_string_append_len(received, data, got);
    }
    return line;
}

/* ---- Life ---- */

const char *client_program(void)
{
    const char *program = g_getenv("QTEST_PROGRAM");

    g_assert_nonnull(program);
    return program;
}

static void map_ram(Client *client)
{
    g_autofree char *path = g_build_filename(client->directory, "ram", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, CLIENT_RAM_SIZE), ==, 0);
    client->ram = mmap(NULL, CLIENT_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(client->ram != MAP_FAILED);
    close(fd);
}

Client *client_new(void)
{
    Client *client = g_new0(Client, 1);

    client->own_directory = directory_new();
    client->directory = client->own_directory.path;
    client->next_free = FIRST_FREE;
    client->connection = client->qmp = -1;
    client->received = g_string_new(NULL);
    client->qmp_received = g_string_new(NULL);
    client->events = g_ptr_array_new_with_free_func(g_free);
    map_ram(client);
    return client;
}

static char *expand(const Client *client, const char *argument)
{
    g_auto(GStrv) parts = g_strsplit(argument, "%D", -1);

    return g_strjoinv(client->directory, parts);
}

static GPtrArray *make_argv(const Client *client, const char *program, const char *const *arguments)
{
    static const char *const fixed[] = {
        "-accel", "qtest", "-qtest", "unix:%D/qtest", "-qtest-log", "none", "-nodefaults",
        "-display", "none",
        "-chardev", "socket,id=qmp,path=%D/qmp,server=off", "-mon", "chardev=qmp,mode=control",
        "-object", "memory-backend-file,id=ram0,mem-path=%D/ram,size=64M,share=on", "-machine",
        "q35,memory-backend=ram0",
        "-m", "64M",
    };
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(program));
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_ptr_array_add(argv, expand(client, fixed[i]));
    }
    for (; *arguments; arguments++) {
        g_ptr_array_add(argv, expand(client, *arguments));
    }
    g_ptr_array_add(argv, NULL);
    return argv;
}

static void run_program(char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nothing behind */
    execv(argv[0], argv);
    _exit(127);
}

void client_launch(Client *client, const char *program, const char *const *arguments)
{
    g_autoptr(GPtrArray) argv = make_argv(client, program, arguments);
    int qtest = client_listen(client, "qtest"), qmp = client_listen(client, "qmp");

    client->pid = fork();
    g_assert_cmpint(client->pid, >=, 0);
    if (client->pid == 0) {
        run_program((char **)argv->pdata);
    }
    client->qmp = client_accept(client, qmp);
    client->connection = client_accept(client, qtest);
    g_free(read_line(client->qmp, client->qmp_received)); /* the greeting */
    g_free(client_qmp(client, "{\"execute\":\"qmp_capabilities\"}"));
}

Client *client_start(const char *program, const char *const *arguments)
{
    Client *client = client_new();

    client_launch(client, program, arguments);
    return client;
}

static void reap(const Client *client)
{
    int status;
    pid_t pid;

    do {
        pid = waitpid(client->pid, &status, 0);
    } while (pid < 0 && errno == EINTR);
    g_assert_cmpint(pid, ==, client->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        g_error("the program ended with wait status 0x%x", (unsigned)status);
    }
}

void client_stop(Client *client)
{
    g_free(client_qmp(client, "{\"execute\":\"quit\"}"));
    reap(client);
    close(client->connection);
    close(client->qmp);
    client->pid = 0;
}

void client_end(Client *client)
{
    if (!client) {
        return;
    }
    if (client->pid) {
        client_stop(client);
    }
    munmap(client->ram, CLIENT_RAM_SIZE);
    directory_clear(&client->own_directory);
    g_string_free(client->received, TRUE);
    g_string_free(client->qmp_received, TRUE);
    g_ptr_array_unref(client->events);
    g_free(client);
}

/* ---- The qtest protocol ---- */

static char *G_GNUC_PRINTF(2, 0) ask(Client *client, const char *format, va_list args)
{
    g_autofree char *command = g_strdup_vprintf(format, args);
    g_autofree char *line = g_strconcat(command, "\n", NULL);

    send_all(client->connection, line, strlen(line));
    for (;;) {
        char *answer = read_line(client->connection, client->received);
        if (!g_str_has_prefix(answer, "IRQ ")) {
            return answer;
        }
        uint64_t bit = UINT64_C(1) << (g_ascii_strtoull(strrchr(answer, ' '), NULL, 10) & 63);
        client->levels = strstr(answer, "raise") ? client->levels | bit : client->levels & ~bit;
        g_free(answer);
    }
}

char *client_try(Client *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *answer = ask(client, format, args);
    va_end(args);
    return answer;
}

char *client_ask(Client *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *answer = ask(client, format, args);
    va_end(args);
    if (!g_str_has_prefix(answer, "OK")) {
        g_error("%s: %s", format, answer);
    }
    return g_strdup(answer[2] ? answer + 3 : "");
}

static char suffix(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

uint32_t client_in(Client *client, uint16_t port, unsigned size)
{
    g_autofree char *answer = client_ask(client, "in%c 0x%x", suffix(size), port);

    return (uint32_t)g_ascii_strtoull(answer, NULL, 0);
}

void client_out(Client *client, uint16_t port, uint32_t value, unsigned size)
{
    g_free(client_ask(client, "out%c 0x%x 0x%x", suffix(size), port, value));
}

uint64_t client_read(Client *client, uint64_t address, unsigned size)
{
    g_autofree char *answer = client_ask(client, "read%c 0x%" G_GINT64_MODIFIER "x", suffix(size),
                                         address);

    return g_ascii_strtoull(answer, NULL, 0);
}

void client_write(Client *client, uint64_t address, uint64_t value, unsigned size)
{
    g_free(client_ask(client, "write%c 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x",
                      suffix(size), address, value));
}

void client_clock_step(Client *client, uint64_t ns)
{
    g_free(client_ask(client, "clock_step %" G_GUINT64_FORMAT, ns));
}

uint64_t client_alloc(Client *client, uint64_t size)
{
    uint64_t address = client->next_free;

    client->next_free += (size + PAGE - 1) / PAGE * PAGE;
    g_assert_cmpuint(client->next_free, <=, CLIENT_RAM_SIZE);
    return address;
}

/* ---- QMP ---- */

static char *G_GNUC_PRINTF(2, 0) ask_qmp(Client *client, const char *format, va_list args)
{
    g_autofree char *command = g_strdup_vprintf(format, args);
    /* at once: `quit` is carried out before its end of line comes */
    g_autofree char *line = g_strconcat(command, "\n", NULL);

    send_all(client->qmp, line, strlen(line));
    for (;;) {
        char *answer = read_line(client->qmp, client->qmp_received);
        if (!strstr(answer, "\"event\":")) {
            return answer;
        }
        g_ptr_array_add(client->events, answer);
    }
}

char *client_qmp_try(Client *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *answer = ask_qmp(client, format, args);
    va_end(args);
    return answer;
}

char *client_qmp(Client *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *answer = ask_qmp(client, format, args);
    va_end(args);
    if (!strstr(answer, "\"return\":")) {
        g_error("%s: %s", format, answer);
    }
    return answer;
}

char *client_event(Client *client, const char *name)
{
    g_autofree char *member = g_strdup_printf("\"event\": \"%s\"", name);

    for (;;) {
        for (guint i = 0; i < client->events->len; i++) {
            if (strstr(client->events->pdata[i], member)) {
                return g_ptr_array_steal_index(client->events, i);
            }
        }
        g_ptr_array_add(client->events, read_line(client->qmp, client->qmp_received));
    }
}

void client_wait(bool (*done)(void *opaque), void *opaque, const char *what)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_MS * 1000;

    while (!done(opaque)) {
        if (g_get_monotonic_time() > deadline) {
            g_error("waited too long for %s", what);
        }
        g_usleep(20);
    }
}
