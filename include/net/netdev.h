/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netdevs: the host's end of a guest's network, what -netdev makes. Each is an object of a type
 * "netdev-TYPE" (qom/object.h) that stands at /netdevs/ID; a network card takes one, and frames
 * travel between the two.
 *
 * Frames are Ethernet frames without preamble and check sequence. All calls are made with the
 * machine lock held, unless said; a netdev that hears from the host on the main loop takes it, from
 * the card that it serves.
 */
#ifndef NET_NETDEV_H
#define NET_NETDEV_H

#include <sys/uio.h>

#include "qapi/qapi.h"
#include "qom/object.h"

/*
 * The largest frame either side sends: an IP packet of 64 KiB that has not been cut yet, with its
 * header.
 */
#define NET_MAX_FRAME (65536 + 32)

typedef struct Netdev Netdev;

/* The card. */
typedef struct NetCard {
    /* A frame for the guest. False: there is no room; netdev_card_ready() will tell. */
    bool (*receive)(void *opaque, const uint8_t *frame, size_t size);
    /* The link went up or down (set_link). NULL = the card does not care. */
    void (*link_changed)(void *opaque);
    void *opaque;
    GMutex *machine_lock; /* NULL: there is one thread (tests) */
} NetCard;

/* What netdevs need of the program; members may be NULL. It outlives them. */
typedef struct NetdevPort {
    /* For clients of QMP. data: taken; NULL = none. Main loop thread. */
    void (*event)(void *opaque, const QapiEvent *event, JsonValue *data);
    /* The descriptor that a monitor's getfd gave this name, the caller's; -1: there is none. */
    int (*named_fd)(void *opaque, const char *name);
    void *opaque;
} NetdevPort;

struct Netdev {
    QomObject object;
    char *id;
    const NetdevPort *port; /* NULL: none. Before it is opened */
    const NetCard *card;  /* NULL: no card has it */
    bool link_down;       /* by set_link: nothing passes */
    GQueue waiting;       /* of GBytes: frames for a card that had no room */
    uint64_t dropped;     /* frames for the guest that nobody took */
};

/* Operations of a netdev type (QomType.ops). */
typedef struct NetdevOps {
    /* Takes effect; the card's lock is known from attach on, not here. Machine lock not held. */
    bool (*open)(Netdev *netdev, GError **errp);
    /* The reverse, also after a failed open. No card has it. Machine lock not held. */
    void (*close)(Netdev *netdev);
    /* A frame from the guest, in pieces. What cannot be sent is lost, as on a wire. */
    void (*send)(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size);
    /* A card came, or went (netdev->card). NULL = nothing to do. */
    void (*card_changed)(Netdev *netdev);
    /* One line for info network: "net=10.0.2.0,restrict=off". Caller frees. */
    char *(*describe)(Netdev *netdev);
} NetdevOps;

extern const QomType netdev_type;        /* "netdev", abstract */
/* "netdev-user": a network of its own behind this process (libslirp) */
extern const QomType netdev_user_type;
/* "netdev-stream": a stream socket, as passt and other VMMs speak it */
extern const QomType netdev_stream_type;
extern const QomType netdev_tap_type;    /* "netdev-tap" */
extern const QomType netdev_dgram_type;  /* "netdev-dgram": datagrams, one a frame */
extern const QomType netdev_passt_type;  /* "netdev-passt": a stream to passt, which it starts */

#define NETDEV(object) QOM_CAST(Netdev, &netdev_type, object)

/*
 * What -netdev and netdev_add make: settings hold type (as "user"), id and the properties. At
 * /netdevs/ID; opened by netdev_open(). Borrowed; NULL: *errp, and nothing is left. Machine lock
 * not held.
 */
Netdev *netdev_create(QomObject *root, const QomSettings *settings, GError **errp);
/* False: *errp, and the netdev is gone. Machine lock not held. */
bool netdev_open(Netdev *netdev, GError **errp);
/* For all netdevs that there are. */
void netdevs_set_port(QomObject *root, const NetdevPort *port);
/* netdev_del. False: there is none of that id, or a card has it. Machine lock not held. */
bool netdev_delete(QomObject *root, const char *id, GError **errp);
/* -netdev help, -netdev TYPE,help. Callers free; NULL: there is no such type. */
char *netdevs_help(QomTypes types);
char *netdev_help(QomTypes types, const char *type);

/* A card takes the netdev. False: another has it. card: borrowed until netdev_detach(). */
bool netdev_attach(Netdev *netdev, const NetCard *card, GError **errp);
void netdev_detach(Netdev *netdev);
/* From the card: a frame of the guest's. */
void netdev_send(Netdev *netdev, const struct iovec *pieces, unsigned count, size_t size);
/* From the card: there is room again. */
void netdev_card_ready(Netdev *netdev);
/*
 * From the netdev: a frame for the guest. It waits while the card has no room, as long as not too
 * many do.
 */
void netdev_deliver(Netdev *netdev, const uint8_t *frame, size_t size);
/* set_link */
void netdev_set_link(Netdev *netdev, bool up);
/* For work that begins on the main loop. */
void netdev_lock(Netdev *netdev);
void netdev_unlock(Netdev *netdev);

#endif
