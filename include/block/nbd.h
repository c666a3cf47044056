/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes whose contents another process has, by the NBD protocol on a stream socket. */
#ifndef BLOCK_NBD_H
#define BLOCK_NBD_H

#include "block/block.h"

typedef struct NbdEnd {
    /* The node is closed, the connection too. */
    void (*closed)(void *opaque);
    void *opaque;
} NbdEnd;

/*
 * A node that is export `name` of the server at fd, a blocking socket, which the node closes, as it
 * does on failure. what: the image, for messages. The server has timeout_s seconds for its greeting
 * and what follows up to the node's size. NULL: *errp, end is not told.
 */
BlockNode *block_nbd_new(int fd, const char *name, const char *what, bool read_only,
                         unsigned timeout_s, NbdEnd end, GError **errp);

#endif
