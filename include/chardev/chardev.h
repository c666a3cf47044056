/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: streams of bytes between a front end (a serial port, a monitor) and the host
 * (a terminal, a file, a socket).
 *
 * Threads: everything but chardev_write() and chardev_accept_input() belongs to the main loop's
 * thread, and front ends are called there alone, with no lock of the chardev held. Nothing waits
 * for the reader: what it does not take is queued up to a bound, and then chardev_write() takes
 * less than it was given.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/json.h"
#include "util/socket.h"

typedef struct Chardev Chardev;

/* Output that waits for its reader, at most. */
#define CHARDEV_QUEUE_SIZE (64u << 10)
/* Front ends that may share one chardev with mux=on. */
#define CHARDEV_MAX_FRONTENDS 4

typedef enum ChardevEvent {
    CHARDEV_OPENED,      /* somebody is at the other end */
    CHARDEV_INPUT_ENDED, /* nothing comes any more, but what is written still has a reader */
    CHARDEV_CLOSED,
    CHARDEV_BREAK,       /* a break condition of the line */
    CHARDEV_FOCUS_IN,    /* mux=on: the keys go to this front end now */
    CHARDEV_FOCUS_OUT,
    CHARDEV_RESIZED,     /* the terminal has another size: chardev_terminal_size() */
} ChardevEvent;

typedef struct ChardevFrontend {
    /* How many bytes the front end can take now. */
    unsigned (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *data, unsigned n);
    void (*event)(void *opaque, ChardevEvent event); /* NULL: of no interest */
    /* There is room again after chardev_write() took less than all. NULL: of no interest. */
    void (*writable)(void *opaque);
    /*
     * chardev-change: this is its chardev from now on; the former is told nothing any more. NULL:
     * it keeps to one.
     */
    void (*moved)(void *opaque, Chardev *chardev);
} ChardevFrontend;

typedef enum ChardevKind {
    CHARDEV_NULL, CHARDEV_STDIO, CHARDEV_FILE, CHARDEV_SOCKET, CHARDEV_PTY, CHARDEV_RINGBUF,
    CHARDEV_PIPE, CHARDEV_UDP,
} ChardevKind;

/* What the options say of one; a value. */
typedef struct ChardevConfig {
    char *id;
    ChardevKind kind;
    bool mux;                /* several front ends; C-a keys */
    bool monitor;            /* "mon:…": a monitor for people shares it */
    bool keep_signals;       /* stdio: C-c and its like act on this program */
    char *log_path;          /* a copy of the output goes there; NULL: nowhere */
    bool log_append;
    char *path;              /* file, pipe; pty: of a link to it, or NULL */
    char *input_path;        /* file: where input comes from; NULL: there is none */
    bool append;
    SocketAddress *address;  /* socket; udp: the other side */
    SocketAddress *local;    /* udp: this side; NULL: the system chooses */
    bool server, wait, telnet;
    unsigned reconnect_ms;   /* 0: a connection that is lost stays so */
    uint64_t size;           /* ring buffer: a power of two */
} ChardevConfig;

/* "BACKEND,id=ID,KEY=VALUE…", the argument of -chardev. */
ChardevConfig *chardev_config_parse(const char *text, GError **errp);
/*
 * "stdio", "unix:PATH,server=on", …: the argument of -serial, -monitor and -qmp. Not "none" and
 * "chardev:ID".
 */
ChardevConfig *chardev_config_parse_device(const char *id, const char *text, GError **errp);
/* What chardev-add takes: a ChardevBackend of the schema, checked before. */
ChardevConfig *chardev_config_from_json(const char *id, JsonValue *backend, GError **errp);
/* What holds whatever form it came in. */
bool chardev_config_check(const ChardevConfig *config, GError **errp);
void chardev_config_free(ChardevConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ChardevConfig, chardev_config_free)
/* The words that name back ends, for help. */
const char *chardev_help(void);

/* What a chardev needs of the program. All may be NULL. It must outlive the chardevs. */
typedef struct ChardevHost {
    void (*quit)(void *opaque);                          /* C-a x */
    /* asked while wait=on waits: the program is to end */
    bool (*ended)(void *opaque);
    int (*named_fd)(void *opaque, const char *name);     /* as SocketContext's */
    /* a pseudo-terminal has got its name */
    void (*announce)(void *opaque, const char *label, const char *name);
    /*
     * May one as this be opened at all? NULL: yes. For tests, whose inputs must not reach the
     * host's files.
     */
    bool (*permits)(void *opaque, const ChardevConfig *config, GError **errp);
    /* A file of an fd set (/dev/fdset/N), opened with these flags. -1: *errp. */
    int (*open_fdset)(void *opaque, const char *path, int flags, GError **errp);
    void *opaque;
} ChardevHost;

/*
 * Opens it; with wait=on it returns when a client is there, or host->ended(). Standard input and
 * output serve one at a time.
 */
Chardev *chardev_new(const ChardevConfig *config, const ChardevHost *host, GError **errp);
/*
 * Sends what is queued, but waits for no reader longer than a moment; gives the terminal back. NULL
 * is fine.
 */
void chardev_close(Chardev *chardev);
/*
 * The argument of -serial alone, with C-a keys if `escape` or "mon:". NULL for "none" without an
 * error.
 */
Chardev *chardev_open(const char *spec, bool escape, void (*quit)(void *opaque), void *opaque,
                      GError **errp);

const char *chardev_label(const Chardev *chardev);
/* As query-chardev shows it: "pty:/dev/pts/3", "unix:/path,server=on", … */
const char *chardev_filename(const Chardev *chardev);
bool chardev_in_use(const Chardev *chardev);
/* Is there somebody at this end: a front end is, from attach on, unless it said otherwise since. */
bool chardev_frontend_open(const Chardev *chardev);
/* Any thread. */
void chardev_set_frontend_open(Chardev *chardev, bool open);
/*
 * The focus of C-a c is at the one attached last. False: it has as many as it can. opened is told
 * at once if it is open.
 */
bool chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, void *opaque);
void chardev_detach(Chardev *chardev, void *opaque);
bool chardev_is_mux(const Chardev *chardev);

/*
 * For front ends that speak on a socket's connections themselves, with descriptors in their
 * messages: only events are told. False: it is no chardev of sockets, or it has a front end.
 */
bool chardev_attach_raw(Chardev *chardev, const ChardevFrontend *frontend, void *opaque);
/* The connection's descriptor, borrowed until CHARDEV_CLOSED; -1: there is none. */
int chardev_raw_socket(const Chardev *chardev);
/*
 * The front end found that the connection has ended, or wants no more of it. An attached one is
 * told CHARDEV_CLOSED before this returns.
 */
void chardev_raw_hang_up(Chardev *chardev);
/*
 * How many columns and rows the terminal at the other end has. False: it is none, or nobody knows.
 */
bool chardev_terminal_size(Chardev *chardev, uint16_t *columns, uint16_t *rows);
/* Is there somebody at the other end? */
bool chardev_is_open(const Chardev *chardev);
/* Will there perhaps be another connection after this one, or after none? */
bool chardev_may_return(const Chardev *chardev);

/* The front end has room again. Any thread. NULL is fine. */
void chardev_accept_input(Chardev *chardev);
/* How many of the bytes it took. What nobody can ever read counts as taken. Any thread. */
unsigned chardev_write(Chardev *chardev, const uint8_t *data, unsigned n);
/*
 * The next descriptor that came with the input (SCM_RIGHTS), the caller's from then on; -1: none.
 */
int chardev_take_fd(Chardev *chardev);

/* All chardevs of a program, by id. */
typedef struct ChardevSet ChardevSet;
ChardevSet *chardev_set_new(const ChardevHost *host);
void chardev_set_free(ChardevSet *set);
Chardev *chardev_set_add(ChardevSet *set, const ChardevConfig *config, GError **errp);
Chardev *chardev_set_find(const ChardevSet *set, const char *id);
unsigned chardev_set_size(const ChardevSet *set);
Chardev *chardev_set_at(const ChardevSet *set, unsigned i);

/* Closes one that nobody uses. False: there is none of that id, or it is in use. */
bool chardev_set_remove(ChardevSet *set, const char *id, GError **errp);
/*
 * Another back end in place of one: the front end moves to it, and the former is closed. NULL:
 * *errp, and nothing has changed.
 */
Chardev *chardev_set_replace(ChardevSet *set, const ChardevConfig *config, GError **errp);
/* A break condition for whoever has the focus. */
void chardev_send_break(Chardev *chardev);

/* A ring buffer's contents, oldest first, taken out; the caller frees. False: it is none. */
bool chardev_ringbuf_read(Chardev *chardev, uint8_t *data, unsigned *n);

#endif
