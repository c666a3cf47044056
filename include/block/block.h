/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks as devices see them: a node with a size that takes reads, writes, flushes, discards, and
 * answers each later. Nodes are objects of the tree, so that devices name them (drive=ID is a link
 * into BLOCK_CONTAINER).
 *
 * A device attaches to a node as its client and submits requests; buffers are host memory and the
 * request's until it is done. What is behind a node is its driver's business: a driver either runs
 * a request on a thread of the node's pool (run) or takes it and completes it later itself (submit,
 * take). It completes without the main loop and without the machine lock: block_drain() is called
 * with that lock held, which the main loop may be waiting for.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "qom/object.h"
#include "qom/property.h"

#define BLOCK_CONTAINER "/block-nodes"
#define BLOCK_SECTOR_SIZE 512

typedef struct BlockNode BlockNode;
typedef struct BlockClient BlockClient;
typedef struct BlockRequest BlockRequest;

typedef enum BlockOp { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD,
                       BLOCK_WRITE_ZEROES } BlockOp;

#define BLOCK_NUM_OPS (BLOCK_WRITE_ZEROES + 1)

enum {
    BLOCK_MAY_UNMAP = 1, /* write zeroes: the space may be given back */
    BLOCK_FUA = 2,       /* write, write zeroes: stable before it is done */
};

/* Ways of using a node, as bits. */
enum { BLOCK_PERM_READ = 1, BLOCK_PERM_WRITE = 2 };

/*
 * werror= and rerror=: AUTO is what the node says, and then ENOSPC for what writes, REPORT for
 * reads.
 */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_AUTO, BLOCK_ON_ERROR_REPORT, BLOCK_ON_ERROR_IGNORE, BLOCK_ON_ERROR_ENOSPC,
    BLOCK_ON_ERROR_STOP,
} BlockOnError;
extern const char *const block_on_error_names[]; /* by value; NULL terminated */
/* Rows of the properties of devices with a disk; on_read_error, on_write_error: int. */
#define BLOCK_ON_ERROR_PROPERTIES(type)                                             \
    QOM_PROPERTY_ENUM("rerror", type, on_read_error, block_on_error_names, "auto",  \
                      "what follows from an error of a read",                       \
                      .type_name = "BlockdevOnError"),                              \
    QOM_PROPERTY_ENUM("werror", type, on_write_error, block_on_error_names, "auto", \
                      "what follows from an error of a write or flush",             \
                      .type_name = "BlockdevOnError")

/*
 * What becomes of a request that failed: its client hears of it, hears of success, or hears nothing
 * until it was tried again.
 */
typedef enum BlockErrorAction { BLOCK_ACTION_REPORT, BLOCK_ACTION_IGNORE,
                                BLOCK_ACTION_STOP } BlockErrorAction;

/* The state of a disk whose errors may stop the machine: of the first one since it ran. */
typedef enum BlockIoStatus { BLOCK_IO_STATUS_NONE, BLOCK_IO_STATUS_OK, BLOCK_IO_STATUS_FAILED,
                             BLOCK_IO_STATUS_NOSPACE } BlockIoStatus;

typedef struct BlockIoError {
    const char *path;      /* of the device's object, as clients of monitors know it */
    const char *node_name; /* "" = it has none */
    bool is_write;
    BlockErrorAction action;
    int error;             /* errno */
} BlockIoError;

/*
 * A port: who hears of errors, and stops the machine for them. Any thread, which may hold a node's
 * lock. What stopped requests wait for is block_retry().
 */
typedef struct BlockErrorPort {
    /* NULL: nobody; no request waits then */
    void (*failed)(void *opaque, const BlockIoError *error);
    void *opaque;
} BlockErrorPort;

typedef enum BlockDetectZeroes { BLOCK_DETECT_OFF, BLOCK_DETECT_ON,
                                 BLOCK_DETECT_UNMAP } BlockDetectZeroes;

/* The client's, until done. Filled in by the client but for the last part. */
struct BlockRequest {
    BlockOp op;
    unsigned flags;
    /* bytes; size is the iovecs' sum for reads and writes, both 0 for a flush */
    uint64_t offset, size;
    const struct iovec *iov;  /* reads and writes */
    unsigned iov_count;
    int result;               /* 0 or -errno, when done */
    /*
     * Of a request that a driver makes of nodes below its own (block_forward()), without a client:
     * who hears of its end, on any thread. block_submit() has none.
     */
    void (*ended)(BlockRequest *request, int result);
    BlockClient *client;      /* block.c's from here on */
    int64_t started;          /* CLOCK_MONOTONIC, ns */
    BlockRequest *next;
    struct BlockCopy *copy;
};

/* ---- Clients (block.c) ---- */

typedef struct BlockClientOps {
    /* Requests are done; in the client's context, no lock held. The array is borrowed. */
    void (*done)(void *opaque, BlockRequest *const *requests, unsigned count);
    /* The node has another size. Same context. NULL = the client does not care. */
    void (*resized)(void *opaque);
} BlockClientOps;

/*
 * context NULL: the default one. False to NULL and *errp: the node is in use by a client that does
 * not share it, or writable is asked of a read-only node. name: the device's, for messages.
 */
BlockClient *block_attach(BlockNode *node, const char *name, bool writable, bool shared,
                          const BlockClientOps *ops, void *opaque, GMainContext *context,
                          GError **errp);
/*
 * Waits for requests that run. Those that are done and were not delivered are given to `drop`
 * instead, and nothing of the client's runs when this returns. In the context's thread; or in
 * another that holds no lock which done() and resized() take, while somebody runs the context.
 */
void block_detach(BlockClient *client, void (*drop)(void *opaque, BlockRequest *request));
/*
 * What follows from errors of the client's requests; before the first one. Without it each is given
 * to done(), as are those of requests that could not have been carried out. path: copied; see
 * BlockIoError.
 */
void block_set_on_error(BlockClient *client, BlockOnError on_read, BlockOnError on_write,
                        const char *path);
/*
 * Any thread. A request outside the node, or a change of a read-only one, is done with an error
 * like any other.
 */
void block_submit(BlockClient *client, BlockRequest *request);
/*
 * Requests that are submitted between these two may be carried out together, from the second on.
 * Not nested; the caller sees to it that no other thread submits meanwhile.
 */
void block_batch_begin(BlockClient *client);
void block_batch_end(BlockClient *client);
/*
 * Returns when no submitted request touches its buffers any more; they are delivered as ever. Those
 * that wait to be tried again end with the error that they had, and those that wait for the machine
 * to go on with ECANCELED. Any thread.
 */
void block_drain(BlockClient *client);

/* ---- Nodes (block.c) ---- */

uint64_t block_size(const BlockNode *node); /* bytes; any thread */
bool block_is_read_only(const BlockNode *node);
/* Granularity of discards, 0 = the node can't discard (a discard is then done without effect). */
uint32_t block_discard_granularity(const BlockNode *node);
/*
 * What was asked of the node since it is there, by its clients and by nodes above it; of its
 * clients' requests alone how many failed, how many could not have been carried out, and the time
 * from their submission to their end. Any thread.
 */
typedef struct BlockCounters {
    uint64_t operations, bytes, failed, invalid, nanoseconds;
} BlockCounters;
BlockCounters block_counters(const BlockNode *node, BlockOp op);
/* Where the last byte that was ever written ends; 0: nothing was. Any thread. */
uint64_t block_highest_write(const BlockNode *node);
/*
 * The machine stands: returns when none of the clients' requests runs. Those that come from now on
 * wait for block_retry(). Main loop thread.
 */
void block_pause(BlockNode *node);
/*
 * The machine goes on: what waits is carried out, or tried again, and io-status is ok. Main loop
 * thread.
 */
void block_retry(BlockNode *node);
BlockIoStatus block_io_status(const BlockNode *node);
/* New size, where the driver can; clients are told. Main loop thread. False: *errp. */
bool block_resize(BlockNode *node, uint64_t size, GError **errp);

/* ---- Drivers ---- */

typedef struct BlockDriver {
    const char *name;
    /*
     * Carries a request out on a pool thread: 0 or -errno. Bounds and permissions are checked.
     * NULL: see submit.
     */
    int (*run)(BlockNode *node, const BlockRequest *request);
    /*
     * Takes a request, and calls block_complete() from any thread, at once or later. NULL: see run.
     */
    void (*submit)(BlockNode *node, BlockRequest *request);
    /* Before `run`, after try_now: as submit; false: run it. NULL = never. */
    bool (*take)(BlockNode *node, BlockRequest *request);
    /*
     * Of drivers that gather what they take: kick gives it to whoever carries it out; what was
     * carried out is completed by reap, which is to be called when completion_fd (-1: there is
     * none) is readable. Any thread. All NULL: nothing is gathered.
     */
    void (*kick)(BlockNode *node);
    int (*completion_fd)(const BlockNode *node);
    void (*reap)(BlockNode *node);
    /*
     * Before `run`, on the thread that submits, which must not wait: true = done, with *result;
     * false = run it. NULL = never.
     */
    bool (*try_now)(BlockNode *node, const BlockRequest *request, int *result);
    /*
     * Clients use the node in these ways from now on (BLOCK_PERM_*), and let others do so but in
     * the ways `unshared`: checks it against other programs. Main loop thread. False: *errp, all is
     * as it was. NULL = there are no others.
     */
    bool (*claim)(BlockNode *node, unsigned used, unsigned unshared, GError **errp);
    /* NULL = can't. */
    bool (*resize)(BlockNode *node, uint64_t size, GError **errp);
    /* The node goes; it has no clients. */
    void (*close)(BlockNode *node);
} BlockDriver;

struct BlockNode {
    QomObject object;
    /* with the rest below: set by whoever makes the node, constant after, but for size */
    const BlockDriver *driver;
    void *data;                 /* the driver's */
    uint64_t size;
    bool read_only;
    /* nobody said that it is raw: a guest may not make it look like another format */
    bool guessed_raw;
    bool of_drive; /* of a -drive: it goes when the drive that it is the medium of loses it */
    BlockDetectZeroes detect_zeroes;
    uint32_t discard_granularity;
    BlockOnError on_read_error, on_write_error; /* of clients that leave it to the node */
    const BlockErrorPort *errors;               /* borrowed; NULL: nobody */
    bool direct, no_flush; /* how the file was opened (BlockFileOptions) */
    char *filename; /* of the file that it lies in, for queries; NULL = unknown. The node's */
    /* block.c's */
    GMutex lock;
    GPtrArray *clients;
    bool paused;
    GThreadPool *pool;
    BlockCounters counters[BLOCK_NUM_OPS];
    uint64_t highest_write;
};

extern const QomType block_node_type; /* "block-node" */

/* A node outside the tree, one reference. */
BlockNode *block_node_new(const BlockDriver *driver, void *data, uint64_t size, bool read_only);
/* The name of a drive without a medium: no client may attach. One reference. */
BlockNode *block_empty_new(void);
bool block_is_empty(const BlockNode *node);
/*
 * For drivers over another node: hands a request down as it is; the client hears of it from there.
 */
void block_forward(BlockNode *below, BlockRequest *request);
void block_kick(BlockNode *below);
int block_completion_fd(const BlockNode *below);
void block_reap(BlockNode *below);
/* A driver's: a request that it took is carried out by `run` after all. Any thread. */
void block_run(BlockNode *node, BlockRequest *request);
bool block_forward_claim(BlockNode *below, unsigned used, unsigned unshared, GError **errp);
/* A driver's answer to submit. Any thread. */
void block_complete(BlockRequest *request, int result);

/* ---- Raw files and block devices (file.c) ---- */

/*
 * Who carries out what cannot be done at once. AUTO: io_uring for direct access where the host
 * permits it, else threads.
 */
typedef enum BlockAio { BLOCK_AIO_AUTO, BLOCK_AIO_THREADS, BLOCK_AIO_NATIVE,
                        BLOCK_AIO_IO_URING } BlockAio;
extern const char *const block_aio_names[]; /* by value from THREADS on; NULL terminated */

/* A port: names of files that other processes opened (/dev/fdset/N). */
#define BLOCK_FDSET "/dev/fdset/"
typedef struct BlockFilePort {
    /* -1: *errp. NULL: none are known */
    int (*open)(void *opaque, const char *path, int flags, GError **errp);
    void *opaque;
} BlockFilePort;

typedef struct BlockFileOptions {
    const char *filename;
    bool read_only;
    bool direct;    /* past the host's page cache */
    unsigned direct_alignment; /* that direct access needs; 0 = the kernel is asked */
    bool no_flush;  /* flushes do nothing: what the host has not written is lost if it crashes */
    bool discard;   /* guests' discards give space back */
    bool unlocked;  /* other programs are neither told nor looked for */
    /* of an image: it is opened without the one that its header says it lies over */
    bool no_backing;
    BlockAio aio;
    const BlockFilePort *port; /* NULL: no names but the host's */
} BlockFileOptions;

/* NULL: *errp ("Could not open 'F': …"). One reference. */
BlockNode *block_file_open(const BlockFileOptions *options, GError **errp);

/* ---- Images of other formats, through qemu-storage-daemon (daemon.c) ---- */

bool block_format_is_known(const char *format); /* "qcow2" … */
/*
 * As block_file_open(). The thread that calls it must live as long as the node: the daemon ends
 * with it.
 */
BlockNode *block_image_open(const char *format, const BlockFileOptions *options, GError **errp);

/* ---- Formats that nobody named (probe.c) ---- */

/* The format that an image with these first bytes has; NULL: none that is known, so raw. */
const char *block_probe(const uint8_t *start, size_t size);
/* The same of a file; NULL also where it cannot be read, which opening it will tell. */
const char *block_probe_file(const char *filename);

/* ---- Temporary layers (snapshot.c) ---- */

/*
 * A node that reads as the one below until it is written, which it can be; nothing of it stays.
 * Takes a reference of its own to the node below. One reference; NULL: *errp.
 */
BlockNode *block_snapshot_new(BlockNode *below, GError **errp);

/* ---- The raw format (raw.c) ---- */

/* Takes a reference of its own to the node below, and counts as one of its users. One reference. */
BlockNode *block_raw_new(BlockNode *below, bool read_only);
/* The node that such a node is over; NULL: the node is of another driver. */
const BlockNode *block_raw_below(const BlockNode *node);

#endif
