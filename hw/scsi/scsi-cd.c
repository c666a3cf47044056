/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CD drive's tray, which the guest and the monitor's clients move, and its medium, which the
 * clients change (MMC-6).
 */
#include "scsi-internal.h"

#include "util/error.h"

static void set(unsigned *where, unsigned value)
{
    __atomic_store_n(where, value, __ATOMIC_RELAXED);
}

ScsiTray scsi_tray(const ScsiDisk *disk)
{
    return (ScsiTray) {
        .open = __atomic_load_n(&disk->tray_open, __ATOMIC_RELAXED),
        .locked = __atomic_load_n(&disk->tray_locked, __ATOMIC_RELAXED),
    };
}

void scsi_tray_move(ScsiDisk *disk, bool open)
{
    if (__atomic_exchange_n(&disk->tray_open, open, __ATOMIC_RELAXED) == (unsigned)open) {
        return;
    }
    set(&disk->media_event, open ? MEDIA_REMOVAL : MEDIA_NEW);
    if (!open) {
        scsi_disk_attention(disk, ATTENTION_MEDIUM);
    }
    if (disk->config.tray_moved) {
        disk->config.tray_moved(disk->config.opaque, open);
    }
}

void scsi_tray_request(ScsiDisk *disk)
{
    set(&disk->media_event, MEDIA_EJECT_REQUEST);
}

void scsi_tray_reset(ScsiDisk *disk)
{
    set(&disk->tray_locked, 0);
    scsi_tray_move(disk, false);
    set(&disk->media_event, MEDIA_NO_CHANGE);
}

/* ---- The medium ---- */

static void lock_bus(GMutex *lock)
{
    if (lock) {
        g_mutex_lock(lock);
    }
}

static void unlock_bus(GMutex *lock)
{
    if (lock) {
        g_mutex_unlock(lock);
    }
}

bool scsi_medium_insert(ScsiDisk *disk, BlockNode *node, GMutex *lock, GError **errp)
{
    lock_bus(lock); /* nobody looks at the node before there is a client */
    disk->config.node = node;
    bool ok = scsi_disk_attach(disk, errp);
    if (ok) {
        disk->leaving = false;
        if (!scsi_tray(disk).open) {
            set(&disk->media_event, MEDIA_NEW);
            scsi_disk_attention(disk, ATTENTION_MEDIUM);
        }
    } else {
        disk->config.node = NULL;
    }
    unlock_bus(lock);
    return ok;
}

/* What waits for requests that run does so without the lock, and a reset of the adapter with it. */
BlockNode *scsi_medium_remove(ScsiDisk *disk, GMutex *lock)
{
    BlockNode *node = disk->config.node;

    if (!disk->client) {
        return NULL;
    }
    lock_bus(lock);
    disk->leaving = true;
    unlock_bus(lock);
    block_drain(disk->client);
    lock_bus(lock);
    BlockClient *client = g_steal_pointer(&disk->client);
    disk->config.node = NULL;
    if (!scsi_tray(disk).open) {
        set(&disk->media_event, MEDIA_REMOVAL);
    }
    unlock_bus(lock);
    block_detach(client, scsi_disk_drop);
    return node;
}

/* ---- Commands ---- */

static bool has_medium(const ScsiDisk *disk)
{
    return disk->client && !disk->leaving;
}

static uint64_t blocks_of(const ScsiDisk *disk)
{
    return has_medium(disk)
               ? block_size(disk->config.node) / disk->config.topology.logical_block_size
               : 0;
}

/* MMC-6, 6.42: the lock holds as long as the tray is closed. */
static void start_stop(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    ScsiTray tray = scsi_tray(disk);

    if (c->load_eject && !c->start && tray.locked && !tray.open) {
        scsi_check_condition(r, has_medium(disk) ? ILLEGAL_REQUEST : NOT_READY, 0x53, 2);
        return;
    }
    if (c->load_eject) {
        scsi_tray_move(disk, !c->start);
    }
    scsi_good(r);
}

static void not_ready(const ScsiDisk *disk, ScsiRequest *r)
{
    scsi_check_condition(r, NOT_READY, 0x3a, scsi_tray(disk).open ? 2 : 1); /* medium not present */
}

/* An answer that was put together; 0: the command has a bad field. */
static void answer(ScsiRequest *r, const ScsiCommand *c, const uint8_t *data, unsigned size)
{
    if (size) {
        scsi_answer(r, data, size, c->allocated);
    } else {
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x24, 0);
    }
}

static bool needs_medium(ScsiKind kind)
{
    return kind == SCSI_TEST_READY || kind == SCSI_READ || kind == SCSI_VERIFY ||
           kind == SCSI_READ_CAPACITY || kind == SCSI_READ_TOC ||
           kind == SCSI_READ_DISC_INFORMATION || kind == SCSI_SYNCHRONIZE;
}

bool scsi_cd_run(ScsiDisk *disk, ScsiRequest *r, const ScsiCommand *c)
{
    uint8_t data[SCSI_PAGE_SIZE];
    bool open = scsi_tray(disk).open;

    if (needs_medium(c->kind) && (!has_medium(disk) || open)) {
        not_ready(disk, r);
        return true;
    }
    switch (c->kind) {
    case SCSI_START_STOP:
        start_stop(disk, r, c);
        return true;
    case SCSI_PREVENT_REMOVAL:
        set(&disk->tray_locked, c->prevent);
        scsi_good(r);
        return true;
    case SCSI_READ_TOC:
        answer(r, c, data, scsi_toc(c, blocks_of(disk), data));
        return true;
    case SCSI_GET_CONFIGURATION:
        answer(r, c, data, scsi_configuration(c, open ? 0 : blocks_of(disk), data));
        return true;
    case SCSI_GET_EVENT:
        answer(r, c, data,
               scsi_media_event(c,
                                c->classes & 0x10
                                    ? __atomic_exchange_n(&disk->media_event, MEDIA_NO_CHANGE,
                                                          __ATOMIC_RELAXED)
                                    : MEDIA_NO_CHANGE,
                                open, has_medium(disk), data));
        return true;
    case SCSI_READ_DISC_INFORMATION:
        answer(r, c, data, scsi_disc_information(data));
        return true;
    case SCSI_MECHANISM_STATUS:
        answer(r, c, data, scsi_mechanism_status(open, data));
        return true;
    case SCSI_WRITE: case SCSI_UNMAP: case SCSI_WRITE_SAME: case SCSI_MODE_SELECT:
        scsi_check_condition(r, ILLEGAL_REQUEST, 0x20, 0);
        return true;
    default:
        return false;
    }
}
