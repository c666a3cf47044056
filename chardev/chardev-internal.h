/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a back end gives chardev.c: file descriptors, a way to look at input, and a way to close. Private to
 * chardev/.
 */
#ifndef CHARDEV_INTERNAL_H
#define CHARDEV_INTERNAL_H

#include "chardev/chardev.h"

/* Input that has been read and waits until the front end has room. */
#define CHARDEV_PENDING_SIZE 4096

typedef struct ChardevBackend {
    /*
     * Looks at n bytes just read, in place: takes out what is not for the front end (escapes) and returns how many
     * are left. NULL: all is for the front end.
     */
    unsigned (*filter)(Chardev *chardev, uint8_t *data, unsigned n);
    void (*close)(Chardev *chardev);
} ChardevBackend;

struct Chardev {
    const ChardevBackend *backend;
    int in, out;     /* -1: none */
    bool keep_reading; /* also when nobody has room: then input is lost, but escapes work */

    bool escape;     /* C-a keys */
    bool after_escape;
    void (*quit)(void *opaque);
    void *quit_opaque;

    const ChardevFrontend *frontend;
    void *frontend_opaque;

    /* Main loop thread only */
    uint8_t pending[CHARDEV_PENDING_SIZE];
    unsigned num_pending;

    GMutex lock;     /* what follows */
    GSource *input;  /* watches `in`; NULL while reading is stopped or ended */
    GSource *kick;   /* delivers pending input after the front end made room */
    bool blocked;    /* pending input waits for room */
    bool ended;      /* end of file on `in` */
    bool output_gone;
};

/* chardev-stdio.c. False and *errp if standard input and output are taken already. */
bool chardev_stdio_open(Chardev *chardev, GError **errp);
/* chardev-file.c */
bool chardev_file_open(Chardev *chardev, const char *path, GError **errp);

/* chardev-escape.c: acts on C-a keys, returns how many bytes are left. */
unsigned chardev_escape_filter(Chardev *chardev, uint8_t *data, unsigned n);

#endif
