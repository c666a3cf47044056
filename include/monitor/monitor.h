/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors: where clients of QMP come from, what they may see of the machine, and what they are
 * told. Main loop thread only.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "chardev/chardev.h"
#include "net/netdev.h"
#include "qapi/qapi.h"
#include "qom/object.h"
#include "system/core/guest.h"
#include "system/runstate.h"
#include "target/i386/kvm/tdx.h"
#include "util/fd-sets.h"

typedef struct QmpSession QmpSession;

/* What query-command-line-options tells of an option; one with name NULL ends a list. */
typedef struct OptionParameter {
    const char *name, *type; /* of CommandLineParameterType */
} OptionParameter;
typedef struct OptionInfo {
    const char *name;
    const OptionParameter *parameters; /* NULL: none */
} OptionInfo;

/* What query-machines tells of a machine; one with name NULL ends a list. */
typedef struct MachineInfo {
    const char *name, *alias;
    unsigned max_cpus;
    bool is_default, acpi;
    const char *default_ram_id; /* of the memory backend that is made without one; NULL = no RAM */
} MachineInfo;

/*
 * What commands act on. The program fills it once the machine is made; a pointer to a const object
 * is borrowed.
 */
/* blockdev-add and blockdev-del, which the options' owner carries out. */
typedef struct BlockdevPort {
    bool (*add)(void *opaque, JsonValue *options, GError **errp);
    bool (*remove)(void *opaque, const char *name, GError **errp);
    void *opaque;
} BlockdevPort;

struct QapiContext {
    bool ready;                          /* the rest is there: requests are served */
    const char *name, *uuid;             /* -name and -uuid; NULL = not given */
    ChardevSet *chardevs;
    FdSets *fds;
    AddressSpace *memory, *ports;        /* NULL: none */
    QmpSession *session;                 /* whose request is being served */
    struct Q35Machine *board;            /* NULL: there is none */
    /* "pc-q35-11.1", or "none": then there is no guest, plan, TD, cpu or topology */
    const char *machine;
    const MachineInfo *machines;
    QomObject *objects;                  /* the root of the tree */
    BlockdevPort blockdev;
    NetdevPort netdevs;                  /* for netdevs that are added */
    const TdxGuestConfig *guest;
    const CpuModelRequest *cpu;
    const CpuTopology *topology;
    uint64_t ram_size;
    const OptionInfo *options;
    RunState *runstate;
    Guest *running;                      /* the machine's guest, whatever it is; NULL = none */
    QapiAccelerator accelerator;
    Kvm *kvm;                            /* NULL: none */
    const TdxPlan *plan;                 /* of a TD, or NULL */
    const TdxCapabilities *caps;         /* NULL: asked for when needed */
    /* where the TD of the moment is; it may be NULL during a reset, and if the guest is none */
    TdxTd *const *td;
    uint8_t mrtd[TDX_MEASUREMENT_SIZE];  /* computed when first asked for */
    bool has_mrtd;
    bool migration_events;               /* the only migration capability, switched on */
};

/* Errors with a class of their own; those of other domains are GenericError. */
#define QMP_ERROR (qmp_error_quark())
GQuark qmp_error_quark(void);
typedef enum QmpErrorClass { QMP_COMMAND_NOT_FOUND, QMP_DEVICE_NOT_FOUND,
                             QMP_DEVICE_NOT_ACTIVE } QmpErrorClass;
bool qmp_error_set(GError **errp, QmpErrorClass error_class, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* One client's conversation, apart from how the bytes travel. */
typedef void QmpOutputFn(void *opaque, const char *line, bool is_event);
/* commands: ends with name NULL. The context must outlive the session. */
QmpSession *qmp_session_new(const QapiCommand *commands, QapiContext *context, QmpOutputFn *output,
                            void *opaque);
void qmp_session_free(QmpSession *session);
/*
 * What of a client matters besides bytes: its next file descriptor or -1; and that it may send more
 * again. Either may be NULL.
 */
void qmp_session_set_client(QmpSession *session, int (*take_fd)(void *opaque),
                            void (*progress)(void *opaque));
/* Requests that wait. With QMP_QUEUE_SIZE or more of them no input should be fed. */
#define QMP_QUEUE_SIZE 8
unsigned qmp_session_backlog(const QmpSession *session);
/* A client has come: everything of the one before is forgotten, and the greeting goes out. */
void qmp_session_start(QmpSession *session);
/* The client has gone. */
void qmp_session_stop(QmpSession *session);
void qmp_session_feed(QmpSession *session, const uint8_t *data, size_t size);
void qmp_session_end_of_input(QmpSession *session);
/* Nothing is sent before the client has ended the negotiation. */
void qmp_session_event(QmpSession *session, const char *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpSession, qmp_session_free)

/* A monitor, as options give it. */
typedef struct MonitorConfig {
    char *id;
    char *chardev;    /* id of the chardev that it speaks on */
    bool for_people;  /* lines and a prompt, not QMP */
    bool pretty;      /* QMP with one member a line */
} MonitorConfig;
void monitor_config_free(MonitorConfig *config);

/*
 * All monitors of a machine. Their clients are greeted at once, and served when monitors_ready()
 * has been called.
 */
typedef struct Monitors Monitors;
Monitors *monitors_new(QapiContext *context); /* context->chardevs are there already */
void monitors_free(Monitors *monitors); /* before the chardevs */
bool monitors_add(Monitors *monitors, const MonitorConfig *config, GError **errp);
void monitors_ready(Monitors *monitors);
/* To all clients of QMP, with the time. data: taken; NULL = none. */
void monitors_event(Monitors *monitors, const QapiEvent *event, JsonValue *data);

/* A command for people (human-monitor-command): its text, errors included. Caller frees. */
char *hmp_command(QapiContext *context, const char *line);

#endif
