/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between chardev.c, which moves bytes, and the back ends, which know where from and where to.
 * Private to chardev/.
 */
#ifndef CHARDEV_INTERNAL_H
#define CHARDEV_INTERNAL_H

#include "chardev/chardev.h"

/* Input that has been read and waits until the front end has room. */
#define CHARDEV_PENDING_SIZE 4096
/* Descriptors that came with input and were not taken. */
#define CHARDEV_MAX_FDS 16

typedef struct ChardevBackend {
    /*
     * Looks at n bytes just read, in place: takes out what is not for the front end, returns how
     * many are left. NULL: all is.
     */
    unsigned (*filter)(Chardev *chardev, uint8_t *data, unsigned n);
    /* Takes all output, instead of a descriptor. Lock held. NULL: a descriptor does. */
    void (*write)(Chardev *chardev, const uint8_t *data, unsigned n);
    /* The input ended, or an error. NULL: chardev_input_ended(). */
    void (*hang_up)(Chardev *chardev);
    void (*close)(Chardev *chardev);
} ChardevBackend;

typedef struct FrontendSlot {
    const ChardevFrontend *ops;
    void *opaque;
} FrontendSlot;

struct Chardev {
    const ChardevBackend *backend;
    const ChardevHost *host;
    ChardevHost own_host;    /* of chardev_open() */
    char *label, *filename;

    /* Main loop thread only */
    FrontendSlot slots[CHARDEV_MAX_FRONTENDS];
    unsigned num_slots, focus;
    bool mux, escape, after_escape, stamps, line_began;
    gint64 start;            /* of the time stamps */
    bool open;
    bool raw;                /* the front end reads and writes the socket itself */
    bool keep_reading;       /* also when nobody has room: then input is lost, but escapes work */
    uint8_t pending[CHARDEV_PENDING_SIZE];
    unsigned num_pending;
    int fds[CHARDEV_MAX_FDS];
    unsigned num_fds;
    /* socket */
    SocketAddress *address;
    int listener;            /* -1: none */
    GSource *accepting, *timer;
    struct ConnectJob *connecting; /* an attempt under way; NULL: none */
    bool server, telnet;
    unsigned reconnect_ms, telnet_state;
    char *unlink_path;
    /* pty */
    GSource *poller;
    /* stdio */
    GSource *resized;
    /* ring buffer; lock held */
    uint8_t *ring;
    uint64_t ring_size, ring_in, ring_out;

    int frontend_closed;     /* atomic: the front end that there is says that nobody uses it */

    GMutex lock;             /* what follows */
    int in, out;             /* -1: none */
    bool in_is_socket, out_is_socket, out_may_block;
    GSource *input;          /* watches `in`; NULL while reading is stopped or ended */
    GSource *output;         /* watches `out` while something is queued */
    GSource *kick;           /* delivers pending input after the front end made room */
    GByteArray *queue;       /* unsent output */
    int log;                 /* a copy of the output; -1: none */
    bool datagrams;          /* a read gives one whole; errors are those of one, not the end */
    bool blocked;            /* pending input waits for room */
    bool ended;              /* end of file on `in` */
    bool output_gone;
    bool starved;            /* somebody waits for room in the queue */
};

/* For back ends, on the main loop's thread. */
/* There is somebody at the other end. in and out stay the back end's to close. */
void chardev_connected(Chardev *chardev, int in, int out);
/* Nobody is any more: no descriptor is used after this, what is queued is lost. */
void chardev_disconnected(Chardev *chardev);
/* Nothing comes any more, but output goes on. */
void chardev_input_ended(Chardev *chardev);
void chardev_tell(Chardev *chardev, ChardevEvent event);
void chardev_drop_source(GSource **source);
void chardev_set_filename(Chardev *chardev, char *filename); /* taken over */

/* Can the front end of it, if there is one, get another chardev; it gets it. */
bool chardev_may_move(const Chardev *chardev);
void chardev_move(Chardev *from, Chardev *to);

/* chardev-escape.c: the C-a keys. */
unsigned chardev_escape_filter(Chardev *chardev, uint8_t *data, unsigned n);

/* One function each to open: false and *errp. */
bool chardev_stdio_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_file_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_socket_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_pty_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_pipe_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_udp_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
bool chardev_ringbuf_open(Chardev *chardev, const ChardevConfig *config, GError **errp);

/* logfile= (chardev-file.c): everything that was taken of what was written. Lock held. */
bool chardev_log_open(Chardev *chardev, const ChardevConfig *config, GError **errp);
void chardev_log(Chardev *chardev, const uint8_t *data, unsigned n);

/*
 * chardev-config.c: a ring buffer's size unless another is asked for; the kind that -chardev means
 * by a name.
 */
#define CHARDEV_RING_SIZE (64u << 10)
bool chardev_kind_find(const char *name, ChardevKind *kind);

/*
 * chardev-absent.c: what to use instead of a back end, or a key of one, that is not there; NULL: it
 * is not known.
 */
const char *chardev_instead_of_backend(const char *name);
const char *chardev_instead_of_key(const char *key);
/* The same for the short form of -serial: by its beginning. */
const char *chardev_instead_of_device(const char *text);

#endif
