/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI disks, CD drives, and the bus between them and a host adapter. The adapter fills in a
 * ScsiRequest, scsi_submit() has it carried out, and done() tells status and sense data; buffers
 * are host memory and the request's until then.
 *
 * scsi_submit() is called with the bus's lock held; done() at once from scsi_submit(), or later
 * from the thread of the bus's context without the lock. Which commands there are: SPC-5, SBC-4
 * and, of CD drives, MMC-6 (T10).
 */
#ifndef HW_SCSI_SCSI_H
#define HW_SCSI_SCSI_H

#include "block/topology.h"
#include "hw/core/device.h"

#define SCSI_CDB_SIZE 32
#define SCSI_SENSE_SIZE 18 /* fixed format: SPC-5, 4.5.3 */
#define SCSI_MAX_TARGET 255
#define SCSI_MAX_LUN 16383

/* Status: SAM-6, 5.3.1 */
enum { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2, SCSI_BUSY = 8, SCSI_TASK_ABORTED = 0x40 };

typedef struct ScsiRequest ScsiRequest;
struct ScsiRequest {
    /* The adapter's */
    uint8_t cdb[SCSI_CDB_SIZE];
    const struct iovec *out, *in; /* data for the disk to read and to write */
    unsigned num_out, num_in;
    uint64_t out_size, in_size;   /* sums */
    void (*done)(ScsiRequest *request, bool locked); /* locked: from within scsi_submit() */
    /* The answer */
    uint8_t status;
    uint8_t sense[SCSI_SENSE_SIZE]; /* with SCSI_CHECK_CONDITION */
    uint64_t moved;                 /* bytes of data, either way */
    /* the command moves more data than there is room for: nothing was done */
    bool overrun;
    /* scsi-disk.c's */
    BlockRequest block;
    struct ScsiDisk *disk;
    struct ScsiSteps *steps;
    struct iovec *parts;
};

/* ---- A disk (scsi-disk.c) ---- */

typedef struct ScsiDisk ScsiDisk;

typedef struct ScsiDiskConfig {
    BlockNode *node;                /* of a CD drive: its medium; NULL = none yet */
    bool cd;                        /* a CD drive: read-only, with a tray */
    const char *name;               /* the device's, for messages */
    const char *vendor, *product, *version; /* up to 8, 16 and 4 characters are shown */
    const char *serial, *device_id; /* NULL = none; up to 36 and 20 characters */
    uint64_t wwn;                   /* 0 = none */
    BlockTopology topology;         /* blocks of up to 32 KiB */
    uint16_t rotation_rate;         /* per minute; 1: it does not rotate; 0: nothing said */
    /* bytes in one request; 0: the most that is sensible, and nothing said */
    uint64_t max_unmap, max_io;
    bool no_fua;                    /* mode pages tell of no DPO and FUA */
    bool shared, write_through, removable;
    BlockOnError on_read_error, on_write_error;
    /* of the device's object, for what is told of errors; NULL: none is. Copied */
    const char *path;
    GMainContext *context;          /* where requests end; NULL = the default one */
    void (*resized)(void *opaque);  /* in that context, no lock held. NULL: nobody wants to know */
    /* Of a CD drive. Any thread, the bus's lock perhaps held. NULL: nobody wants to know */
    void (*tray_moved)(void *opaque, bool open);
    void *opaque;
} ScsiDiskConfig;

/* NULL: *errp. config is copied, but for its strings, which must live as long. */
ScsiDisk *scsi_disk_new(const ScsiDiskConfig *config, GError **errp);
/*
 * Requests that are under way end with SCSI_TASK_ABORTED. Main loop thread; neither the machine
 * lock nor the bus's is held.
 */
void scsi_disk_free(ScsiDisk *disk);
void scsi_submit(ScsiDisk *disk, ScsiRequest *request);
/*
 * Requests under way end soon. Those that come after hear of the reset (unit attention). Any
 * thread.
 */
void scsi_reset(ScsiDisk *disk);
/* Returns when no request touches its buffers any more; done() may come after. */
void scsi_drain(ScsiDisk *disk);
/* Ends a request with sense data. */
void scsi_check_condition(ScsiRequest *request, uint8_t key, uint8_t code, uint8_t qualifier);
/* ---- A CD drive's tray and medium (scsi-cd.c) ---- */

typedef struct ScsiTray {
    bool open, locked; /* locked: the guest wants the medium to stay */
} ScsiTray;

ScsiTray scsi_tray(const ScsiDisk *disk); /* any thread */
/* The tray as it is told to be, locked or not. Any thread. */
void scsi_tray_move(ScsiDisk *disk, bool open);
/* The guest hears that somebody wants the medium, the next time that it asks. Any thread. */
void scsi_tray_request(ScsiDisk *disk);
/* As at power-on. Any thread. */
void scsi_tray_reset(ScsiDisk *disk);
/*
 * A medium for a drive that has none; lock: the bus's, not held. False: *errp. Main loop thread, as
 * the next.
 */
bool scsi_medium_insert(ScsiDisk *disk, BlockNode *node, GMutex *lock, GError **errp);
/* Requests under way have ended when it returns. NULL: there was none. The node: borrowed. */
BlockNode *scsi_medium_remove(ScsiDisk *disk, GMutex *lock);

/* ---- What adapters need besides (scsi-disk.c) ---- */

/* The answer of a LUN that there is not, at a target that there is: SPC-5, 6.6.2. */
void scsi_submit_absent(ScsiRequest *request);
/* Puts data into the request's in part, at most `allocated` bytes, and ends it. */
void scsi_answer(ScsiRequest *request, const uint8_t *data, size_t size, uint64_t allocated);

/* ---- Commands (scsi-cdb.c, pure) ---- */

typedef enum ScsiKind {
    SCSI_UNKNOWN, SCSI_TEST_READY, SCSI_REQUEST_SENSE, SCSI_INQUIRY, SCSI_MODE_SENSE,
    SCSI_READ_CAPACITY, SCSI_READ, SCSI_WRITE, SCSI_SYNCHRONIZE,
    SCSI_UNMAP, SCSI_WRITE_SAME, SCSI_VERIFY, SCSI_REPORT_LUNS, SCSI_START_STOP, SCSI_MODE_SELECT,
    SCSI_PREVENT_REMOVAL,
    /* CD drives' alone */
    SCSI_READ_TOC, SCSI_GET_CONFIGURATION, SCSI_GET_EVENT, SCSI_READ_DISC_INFORMATION,
    SCSI_MECHANISM_STATUS,
} ScsiKind;

typedef struct ScsiCommand {
    ScsiKind kind;
    bool bad_field;      /* of a known command: ILLEGAL REQUEST, INVALID FIELD IN CDB */
    bool is_long;        /* MODE SENSE(10), MODE SELECT(10), READ CAPACITY(16) */
    bool fua, unmap, no_data_out; /* no_data_out: WRITE SAME of zeroes */
    bool vital;          /* INQUIRY: a page of vital product data */
    bool no_descriptors; /* MODE SENSE: DBD */
    uint8_t page, page_control; /* INQUIRY, MODE SENSE */
    uint64_t block;      /* first */
    uint64_t blocks;     /* 0 = none; WRITE SAME: to the end */
    uint64_t allocated;  /* bytes that the initiator takes, or of the parameter list */
    bool start, load_eject; /* START STOP UNIT */
    bool prevent;        /* PREVENT ALLOW MEDIUM REMOVAL */
    bool msf;            /* READ TOC: addresses as minute, second, frame */
    uint8_t format, track; /* READ TOC; GET CONFIGURATION: which features */
    uint16_t feature;    /* GET CONFIGURATION: the first */
    uint8_t classes;     /* GET EVENT STATUS NOTIFICATION */
} ScsiCommand;

/* Pure. */
ScsiCommand scsi_parse(const uint8_t cdb[SCSI_CDB_SIZE]);

/* ---- Vital product data, mode pages (scsi-pages.c, pure) ---- */

#define SCSI_PAGE_SIZE 256

typedef struct ScsiIdentity {
    const char *vendor, *product, *version, *serial, *device_id;
    uint64_t wwn;
    uint32_t logical_block_size, physical_block_size;
    /* blocks; 0 = nothing said */
    uint32_t min_io, opt_io, max_io, discard_granularity, max_unmap;
    uint16_t rotation_rate;
    bool fua;
    bool discard, removable, read_only;
    bool write_cache, default_write_cache; /* as it is, and as it was at first */
    bool cd, locked; /* a CD drive, and whether its tray is locked */
    uint64_t num_blocks;
    uint32_t max_write_same; /* blocks */
} ScsiIdentity;

/* Sizes of what was written to data (SCSI_PAGE_SIZE bytes). 0: there is no such page. */
unsigned scsi_inquiry(const ScsiIdentity *identity, uint8_t *data);
unsigned scsi_vital_page(const ScsiIdentity *identity, uint8_t page, uint8_t *data);
unsigned scsi_mode_sense(const ScsiIdentity *identity, const ScsiCommand *command, uint8_t *data);
/*
 * The parameter list of a disk's MODE SELECT. *write_cache: what it asks for. False: *code is the
 * additional sense code (ILLEGAL REQUEST), and nothing is to be changed.
 */
bool scsi_mode_select(const ScsiIdentity *identity, const ScsiCommand *command, const uint8_t *data,
                      size_t size, bool *write_cache, uint8_t *code);

/* ---- Bus and types (scsi-bus.c) ---- */

typedef struct ScsiDevice ScsiDevice;
typedef enum ScsiChange { SCSI_ADDED, SCSI_REMOVED, SCSI_RESIZED } ScsiChange;

typedef struct ScsiBus {
    Bus bus;
    GPtrArray *disks;      /* of ScsiDevice, those that requests can go to; guarded by the lock */
    /* The adapter's: what the guest may be told. Lock held, any thread. NULL: it does not care. */
    void (*changed)(void *opaque, const ScsiDevice *device, ScsiChange change);
    void *opaque;
    GMutex *lock;          /* of requests: the machine lock, or the adapter's own; NULL in tests */
    GMainContext *context; /* where requests end; NULL = the default one */
} ScsiBus;

struct ScsiDevice {
    Device device;
    uint32_t channel, target, lun;
    int32_t bootindex;   /* the firmware's order of boot; -1 = not in it */
    ScsiDisk *disk; /* while realized */
};

/* ---- Devices (scsi-disk-device.c) ---- */

/* What monitors tell of a CD drive. */
typedef struct ScsiCdState {
    ScsiTray tray;
    BlockNode *medium; /* NULL = none */
    const char *drive; /* the -drive that it was made with; "" = none */
} ScsiCdState;

extern const QomType scsi_bus_type;    /* "SCSI" */
extern const QomType scsi_device_type; /* "scsi-device", abstract */
extern const QomType scsi_disk_base_type; /* "scsi-disk-base", abstract */
extern const QomType scsi_hd_type;     /* "scsi-hd" */
extern const QomType scsi_cd_type;     /* "scsi-cd" */

/* Of a realized scsi-cd. Main loop thread, no lock held; so the rest. */
ScsiCdState scsi_cd_state(const Device *device);
/* A medium for an empty drive. False: *errp. */
bool scsi_cd_insert(Device *device, BlockNode *node, GError **errp);
/* It is empty afterwards. */
void scsi_cd_remove(Device *device);
void scsi_cd_move_tray(Device *device, bool open);
/* The guest is asked to let the medium go. */
void scsi_cd_request(Device *device);

/*
 * The disk at an address; NULL: there is none. *target_exists: some LUN of that target does. With
 * the bus's lock held, as the next.
 */
ScsiDisk *scsi_bus_find(const ScsiBus *bus, unsigned target, unsigned lun, bool *target_exists);
/* The data of REPORT LUNS for a target; caller frees. */
GByteArray *scsi_bus_luns(const ScsiBus *bus, unsigned target);

#endif
