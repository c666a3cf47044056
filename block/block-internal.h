/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What block.c and on-error.c share: a client. */
#ifndef BLOCK_BLOCK_INTERNAL_H
#define BLOCK_BLOCK_INTERNAL_H

#include "block/block.h"

struct BlockClient {
    BlockNode *node; /* a reference */
    char *name;
    bool writable, shared;
    const BlockClientOps *ops;
    void *opaque;
    GMainContext *context; /* a reference; NULL = the default one */
    GSource *source;      /* ready while there is something to deliver */
    GMutex lock;          /* all below */
    GCond idle;
    /* an eventfd that says the same to who waits for results too; -1: nobody does */
    int idle_fd;
    unsigned running;     /* submitted, not completed */
    unsigned draining;    /* who wait by idle_fd */
    BlockRequest *done, **done_end;
    /* to be carried out when the machine goes on: failed, or submitted while it stood */
    BlockRequest *held, **held_end;
    bool paused;          /* the machine stands */
    bool resized;
    bool delivering;      /* what is completed now is delivered without another turn of the loop */
    BlockIoStatus status;
    bool batching;        /* the submitter's */
    /* Set before the first request */
    bool has_policy;
    BlockOnError on_error[2]; /* of reads, of all else */
    char *path;
};

/* With the client's lock held: the request is delivered. */
void block_client_append_done(BlockClient *client, BlockRequest *request);

/* What follows from an error. Any thread. */
BlockIoError block_client_judge(const BlockClient *client, const BlockRequest *request, int error);
void block_client_tell(const BlockClient *client, const BlockIoError *what);
/* With the client's lock held: the request waits for block_retry(). */
void block_client_hold(BlockClient *client, BlockRequest *request, int error);
/* With the client's lock held: the request waits for block_retry(), without being an error. */
void block_client_postpone(BlockClient *client, BlockRequest *request);
/* With the client's lock held: those that wait are delivered with their errors. */
void block_client_end_held(BlockClient *client);

#endif
