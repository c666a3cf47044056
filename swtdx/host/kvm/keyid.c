/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDX private KeyIDs, and with each a charge to the misc cgroup. The processes that one `swtdx run`
 * started are one host's: they share a file, and a KeyID is taken by a lock on the byte of its
 * number. The locks are those of open file descriptions (fcntl(2), F_OFD_SETLK), each process
 * having one of its own: whatever way a process ends, the kernel gives its KeyIDs back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "raw.h"

/* 15 bits of a physical address at most (IA32_TME_CAPABILITY, SDM vol. 4) */
#define MOST_KEYIDS 32768u
#define TURN_BYTE (1 << 20) /* locked while a process counts and takes */
#define FD_FLOOR 700        /* out of the way of programs that count on low descriptor numbers */

uint32_t keyid_limit(const Profile *profile)
{
    return profile->keyids < MOST_KEYIDS ? profile->keyids : MOST_KEYIDS;
}

/* -errno; type F_WRLCK or F_UNLCK. */
static int lock_byte(int fd, int command, short type, uint32_t byte)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    int r;
    do {
        r = raw_fcntl(fd, command, (long)&lock);
    } while (r == -EINTR);
    return r;
}

/* Is the byte locked through another open file description than fd's? */
static bool locked_elsewhere(int fd, uint32_t byte)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return raw_fcntl(fd, F_OFD_GETLK, (long)&lock) >= 0 && lock.l_type != F_UNLCK;
}

uint32_t kvm_keyids_in_use(const Profile *profile, const char *where)
{
    bool opened;
    int fd = kvm_inherited(where, &opened);
    uint32_t used = 0;
    for (uint32_t i = 0; fd >= 0 && i < keyid_limit(profile); i++) {
        used += locked_elsewhere(fd, i); /* nobody locks through the inherited descriptor itself */
    }
    if (opened) {
        raw_close(fd);
    }
    return used;
}

/* A description of our own of the launcher's file. */
static int open_own(KvmHost *host)
{
    char path[40];
    bool opened;
    int fd = kvm_inherited(host->keyids_where, &opened), own = fd;
    if (fd < 0) {
        return -1;
    }
    if (!opened) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = raw_open(path, O_RDWR | O_CLOEXEC, 0);
    }
    if (own < 0) {
        host_message(
            host,
            "the file of KeyIDs cannot be opened (%s): they are counted in this process alone",
            strerror(-own));
        return -1;
    }
    int high = raw_fcntl(own, F_DUPFD_CLOEXEC, FD_FLOOR);
    if (high >= 0) {
        raw_close(own);
        own = high;
    }
    return own;
}

bool keyid_init(KvmHost *host)
{
    uint32_t n = keyid_limit(host->profile);
    host->keyids_held = calloc(n ? n : 1, sizeof(*host->keyids_held));
    /* Read again in a forked child, when the environment it came from may be another. */
    host->keyids_where = host->options.keyids ? strdup(host->options.keyids) : NULL;
    host->keyid_fd = host->keyids_held ? open_own(host) : -1;
    return host->keyids_held && (host->keyids_where || !host->options.keyids);
}

void keyid_fini(KvmHost *host)
{
    if (host->keyid_fd >= 0) {
        raw_close(host->keyid_fd);
    }
    free(host->keyids_held);
    free(host->keyids_where);
}

void keyid_after_fork_child(KvmHost *host)
{
    /* The parent's description came with the fork: locks through it would be the parent's. */
    if (host->keyid_fd >= 0) {
        raw_close(host->keyid_fd);
        host->keyid_fd = open_own(host);
    }
    memset(host->keyids_held, 0, keyid_limit(host->profile) * sizeof(*host->keyids_held));
}

static bool take(KvmHost *host, uint32_t keyid)
{
    if (host->keyids_held[keyid] ||
        (host->keyid_fd >= 0 && lock_byte(host->keyid_fd, F_OFD_SETLK, F_WRLCK, keyid))) {
        return false;
    }
    host->keyids_held[keyid] = true;
    return true;
}

static uint32_t in_use(const KvmHost *host)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < keyid_limit(host->profile); i++) {
        used += host->keyids_held[i] ||
                (host->keyid_fd >= 0 && locked_elsewhere(host->keyid_fd, i));
    }
    return used;
}

/* Kernel's order: KeyID first, then the charge (tdx_td_init(), misc_cg_try_charge()). */
static int take_any(KvmHost *host)
{
    const Profile *p = host->profile;
    uint32_t n = keyid_limit(p), keyid = 0;
    while (keyid < n && !take(host, keyid)) {
        keyid++;
    }
    if (keyid == n) {
        return -ENOSPC;
    }
    if (p->cgroup_max < n && in_use(host) > p->cgroup_max) {
        keyid_return(host, (int)keyid);
        return -EBUSY;
    }
    return (int)keyid;
}

/*
 * A program that becomes a daemon closes all there is, and does not know of our descriptor; its
 * number may be another file's by now.
 */
static void open_again(KvmHost *host)
{
    if (host->keyid_fd < 0 || kvm_inherited_is(host->keyids_where, host->keyid_fd)) {
        return;
    }
    host->keyid_fd = open_own(host);
    for (uint32_t i = 0; host->keyid_fd >= 0 && i < keyid_limit(host->profile); i++) {
        if (host->keyids_held[i]) {
            lock_byte(host->keyid_fd, F_OFD_SETLK, F_WRLCK, i);
        }
    }
}

int keyid_take(KvmHost *host)
{
    open_again(host);
    if (host->keyid_fd < 0) {
        return take_any(host);
    }
    int r = lock_byte(host->keyid_fd, F_OFD_SETLKW, F_WRLCK, TURN_BYTE);
    if (r < 0) {
        return r;
    }
    r = take_any(host);
    lock_byte(host->keyid_fd, F_OFD_SETLK, F_UNLCK, TURN_BYTE);
    return r;
}

void keyid_return(KvmHost *host, int keyid)
{
    host->keyids_held[keyid] = false;
    if (host->keyid_fd >= 0) {
        lock_byte(host->keyid_fd, F_OFD_SETLK, F_UNLCK, (uint32_t)keyid);
    }
}
