/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test's side of the qtest protocol: a machine of some program, started with -accel qtest,
 * whose guest the test plays. Guest RAM is a file that both map, so that what a guest does with
 * memory costs no conversation.
 *
 * A program that ends, or answers FAIL where success is expected, ends the test. One thread.
 */
#ifndef TESTS_QTEST_CLIENT_H
#define TESTS_QTEST_CLIENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "directory.h"

#define CLIENT_RAM_SIZE (UINT64_C(64) << 20)

typedef struct Client {
    pid_t pid;
    /* for sockets and images; removed with the client, and if the test fails */
    const char *directory;
    Directory own_directory;
    uint8_t *ram;        /* [CLIENT_RAM_SIZE], guest physical 0 on */
    uint64_t next_free;  /* client_alloc() */
    int connection, qmp; /* qmp: -1 until it is used */
    GString *received, *qmp_received;
    GPtrArray *events;   /* of QMP, lines not asked for yet */
    uint64_t levels;     /* of the lines that were told (irq_intercept_in) */
} Client;

/* The program under test: $QTEST_PROGRAM, or the one of this build. */
const char *client_program(void);
/*
 * A machine q35 with these arguments more; %D in them is the client's directory. NULL-terminated.
 */
Client *client_start(const char *program, const char *const *arguments);
/* In two steps, for files that arguments name: the directory is there, nothing runs. */
Client *client_new(void);
void client_launch(Client *client, const char *program, const char *const *arguments);
/* Ends the program, whose status must be 0; the directory stays. */
void client_stop(Client *client);
/* The same, if it runs, and removes everything. */
void client_end(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_end)

/* One command; the answer's line without "OK ". Caller frees. */
char *client_ask(Client *client, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The whole answer, whatever it is. Caller frees. */
char *client_try(Client *client, const char *format, ...) G_GNUC_PRINTF(2, 3);

uint32_t client_in(Client *client, uint16_t port, unsigned size);
void client_out(Client *client, uint16_t port, uint32_t value, unsigned size);
uint64_t client_read(Client *client, uint64_t address, unsigned size);
void client_write(Client *client, uint64_t address, uint64_t value, unsigned size);
void client_clock_step(Client *client, uint64_t ns);

/* Guest memory that nobody uses yet, zero, aligned to 4 KiB: its physical address. */
uint64_t client_alloc(Client *client, uint64_t size);

/*
 * A socket in the directory that a -netdev or a chardev with server=off connects to: listening; the
 * connection. The test's.
 */
int client_listen(const Client *client, const char *name);
int client_accept(const Client *client, int listener);
/* To a chardev with server=on in the directory. */
int client_connect(const Client *client, const char *name);
/* A file of the directory: its bytes. Caller frees. */
GByteArray *client_file(const Client *client, const char *name);
void client_make_file(const Client *client, const char *name, const void *bytes, size_t size);

/* A QMP command as JSON text; the answer's line, which has "return". Caller frees. */
char *client_qmp(Client *client, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same, but the answer may be an error. */
char *client_qmp_try(Client *client, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Waits for an event of the name: its line. Caller frees. */
char *client_event(Client *client, const char *name);

/* Waits until `done` says so; a test that waits too long ends. */
void client_wait(bool (*done)(void *opaque), void *opaque, const char *what);

#endif
