/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks on calls that take a path: /dev/kvm, and the host's files as the profile has them. */
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "preload.h"

/* Hooks whose prototypes the headers keep to themselves. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);

typedef enum PathKind { PATH_OTHER, PATH_KVM, PATH_FILE, PATH_DIRECTORY, PATH_ABSENT } PathKind;

/*
 * What a path is on the profile's host. Only absolute paths: the host's files are always named so.
 */
static PathKind classify(const char *path, const ProfileFile **file)
{
    const Profile *profile = preload_profile();
    if (!path || path[0] != '/' || !profile) {
        return PATH_OTHER;
    }
    if (!strcmp(path, "/dev/kvm")) {
        return PATH_KVM;
    }
    /* Nearly every path a program names ends here. */
    if (strncmp(path, "/sys/", 5) && strncmp(path, "/proc/", 6) && strcmp(path, "/dev/kmsg")) {
        return PATH_OTHER;
    }
    size_t n = strlen(path);
    PathKind kind = PATH_OTHER;
    for (uint32_t i = 0; i < profile->num_files; i++) {
        const ProfileFile *f = &profile->files[i];
        if (!strcmp(path, f->path)) {
            *file = f;
            return PATH_FILE;
        }
        /* A module of which no parameter exists is not loaded. */
        if (!strncmp(path, "/sys/module/kvm", 15) && !strncmp(path, f->path, n) &&
            f->path[n] == '/' && kind != PATH_DIRECTORY) {
            kind = f->error == ENOENT ? PATH_ABSENT : PATH_DIRECTORY;
        }
    }
    return kind;
}

/* The profile's text; to what misc.current counts, the TDs of this host's processes are added. */
static size_t file_text(const ProfileFile *file, char text[sizeof(file->text)])
{
    size_t n = strnlen(file->text, sizeof(file->text));
    const char *name = strrchr(file->path, '/');
    unsigned long count;
    memcpy(text, file->text, n);
    if (name && !strcmp(name, "/misc.current") && sscanf(file->text, "tdx %lu\n", &count) == 1) {
        count += kvm_keyids_in_use(preload_profile(), getenv("SWTDX_KEYIDS"));
        n = (size_t)snprintf(text, sizeof(file->text), "tdx %lu\n", count);
    }
    return n;
}

static int open_text(const ProfileFile *file, int flags)
{
    if (file->error) {
        errno = file->error;
        return -1;
    }
    if ((flags & O_ACCMODE) != O_RDONLY) {
        errno = EACCES;
        return -1;
    }
    int fd = memfd_create("swtdx-file", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0) {
        return -1;
    }
    char text[sizeof(file->text)];
    size_t n = file_text(file, text);
    if (REAL(write)(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0) {
        REAL(close)(fd);
        errno = EIO;
        return -1;
    }
    return fd;
}

/* True: answered in *fd. */
static bool open_ours(const char *path, int flags, int *fd)
{
    const ProfileFile *file = NULL;
    KvmHost *host;
    switch (classify(path, &file)) {
    case PATH_KVM:
        host = preload_make_host();
        *fd = (int)preload_result(host ? kvm_host_open(host, flags) : -EIO);
        return true;
    case PATH_FILE:
        *fd = open_text(file, flags);
        return true;
    case PATH_ABSENT:
        *fd = (int)preload_result(-ENOENT);
        return true;
    default:
        return false;
    }
}

static mode_t mode_argument(int flags, va_list args)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN_HOOK(name) \
    HOOK int name(const char *path, int flags, ...) \
    { \
        int fd; \
        va_list args; \
        va_start(args, flags); \
        mode_t mode = mode_argument(flags, args); \
        va_end(args); \
        return open_ours(path, flags, &fd) ? fd : REAL(name)(path, flags, mode); \
    }
OPEN_HOOK(open)
OPEN_HOOK(open64)

#define OPENAT_HOOK(name) \
    HOOK int name(int dir, const char *path, int flags, ...) \
    { \
        int fd; \
        va_list args; \
        va_start(args, flags); \
        mode_t mode = mode_argument(flags, args); \
        va_end(args); \
        return open_ours(path, flags, &fd) ? fd : REAL(name)(dir, path, flags, mode); \
    }
OPENAT_HOOK(openat)
OPENAT_HOOK(openat64)

HOOK int __open_2(const char *path, int flags)
{
    int fd;
    return open_ours(path, flags, &fd) ? fd : REAL(__open_2)(path, flags);
}

HOOK int __open64_2(const char *path, int flags)
{
    int fd;
    return open_ours(path, flags, &fd) ? fd : REAL(__open64_2)(path, flags);
}

HOOK int __openat_2(int dir, const char *path, int flags)
{
    int fd;
    return open_ours(path, flags, &fd) ? fd : REAL(__openat_2)(dir, path, flags);
}

HOOK int __openat64_2(int dir, const char *path, int flags)
{
    int fd;
    return open_ours(path, flags, &fd) ? fd : REAL(__openat64_2)(dir, path, flags);
}

static bool fopen_ours(const char *path, const char *mode, FILE **stream)
{
    const ProfileFile *file = NULL;
    PathKind kind = classify(path, &file);
    if (kind != PATH_FILE && kind != PATH_KVM) {
        return false;
    }
    int flags = mode[0] == 'r' && !strchr(mode, '+') ? O_RDONLY : O_RDWR, fd = -1;
    open_ours(path, flags | (strchr(mode, 'e') ? O_CLOEXEC : 0), &fd);
    *stream = fd < 0 ? NULL : fdopen(fd, mode);
    return true;
}

HOOK FILE *fopen(const char *path, const char *mode)
{
    FILE *stream;
    return fopen_ours(path, mode, &stream) ? stream : REAL(fopen)(path, mode);
}

HOOK FILE *fopen64(const char *path, const char *mode)
{
    FILE *stream;
    return fopen_ours(path, mode, &stream) ? stream : REAL(fopen64)(path, mode);
}

/* ---- attributes ---- */

/* 0: not ours; 1: ours and there; -errno: ours, and an error. */
static int attributes(const char *path, mode_t *mode)
{
    const ProfileFile *file = NULL;
    const Profile *profile = preload_profile();
    switch (classify(path, &file)) {
    case PATH_KVM:
        *mode = S_IFCHR | 0660;
        return profile->dev_kvm_error == ENOENT ? -ENOENT : 1;
    case PATH_FILE:
        *mode = S_IFREG | 0444;
        return file->error == EACCES ? 1 : file->error ? -file->error : 1;
    case PATH_DIRECTORY:
        *mode = S_IFDIR | 0555;
        return 1;
    case PATH_ABSENT:
        return -ENOENT;
    default:
        return 0;
    }
}

static void fill_stat(struct stat *st, mode_t mode)
{
    memset(st, 0, sizeof(*st));
    st->st_mode = mode;
    st->st_nlink = 1;
    st->st_blksize = 4096;
    if (S_ISCHR(mode)) {
        st->st_rdev = makedev(10, 232); /* KVM_MINOR */
    } else if (S_ISREG(mode)) {
        st->st_size = 4096; /* as sysfs */
    }
}

static bool stat_ours(const char *path, struct stat *st, int *result)
{
    mode_t mode;
    int r = attributes(path, &mode);
    if (!r) {
        return false;
    }
    if (r > 0) {
        fill_stat(st, mode);
    }
    *result = (int)preload_result(r > 0 ? 0 : r);
    return true;
}

static bool access_ours(const char *path, int how, int *result)
{
    const ProfileFile *file = NULL;
    const Profile *profile = preload_profile();
    mode_t mode;
    int r = attributes(path, &mode);
    if (!r) {
        return false;
    }
    if (r > 0) {
        PathKind kind = classify(path, &file);
        bool refused = kind == PATH_KVM ? profile->dev_kvm_error == EACCES && how != F_OK
                                        : kind == PATH_FILE && ((how & (W_OK | X_OK)) ||
                                                                (how && file->error == EACCES));
        r = refused ? -EACCES : 0;
    }
    *result = (int)preload_result(r);
    return true;
}

HOOK int access(const char *path, int how)
{
    int r;
    return access_ours(path, how, &r) ? r : REAL(access)(path, how);
}

HOOK int eaccess(const char *path, int how)
{
    int r;
    return access_ours(path, how, &r) ? r : REAL(eaccess)(path, how);
}

HOOK int euidaccess(const char *path, int how)
{
    int r;
    return access_ours(path, how, &r) ? r : REAL(euidaccess)(path, how);
}

HOOK int faccessat(int dir, const char *path, int how, int flags)
{
    int r;
    return access_ours(path, how, &r) ? r : REAL(faccessat)(dir, path, how, flags);
}

/* struct stat and struct stat64 are the same on x86-64. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "stat64");

#define STAT_HOOK(name, type) \
    HOOK int name(const char *path, type *st) \
    { \
        int r; \
        return stat_ours(path, (struct stat *)st, &r) ? r : REAL(name)(path, st); \
    }
STAT_HOOK(stat, struct stat)
STAT_HOOK(stat64, struct stat64)
STAT_HOOK(lstat, struct stat)
STAT_HOOK(lstat64, struct stat64)

#define XSTAT_HOOK(name, type) \
    HOOK int name(int version, const char *path, type *st) \
    { \
        int r; \
        return stat_ours(path, (struct stat *)st, &r) ? r : REAL(name)(version, path, st); \
    }
XSTAT_HOOK(__xstat, struct stat)
XSTAT_HOOK(__xstat64, struct stat64)
XSTAT_HOOK(__lxstat, struct stat)
XSTAT_HOOK(__lxstat64, struct stat64)

/* A descriptor of ours shows as what it stands for, not as a pipe. */
static void fix_fstat(int fd, struct stat *st)
{
    int64_t size = kvm_fd_guest_memfd_size(preload_host, fd);
    st->st_mode = size >= 0 ? S_IFREG | 0600 : S_IFCHR | 0660;
    st->st_size = size >= 0 ? size : 0;
    st->st_rdev = size >= 0 ? 0 : makedev(10, 232);
}

#define FSTAT_HOOK(name, type) \
    HOOK int name(int fd, type *st) \
    { \
        int r = REAL(name)(fd, st); \
        if (!r && preload_ours(fd)) { \
            fix_fstat(fd, (struct stat *)st); \
        } \
        return r; \
    }
FSTAT_HOOK(fstat, struct stat)
FSTAT_HOOK(fstat64, struct stat64)

#define FXSTAT_HOOK(name, type) \
    HOOK int name(int version, int fd, type *st) \
    { \
        int r = REAL(name)(version, fd, st); \
        if (!r && preload_ours(fd)) { \
            fix_fstat(fd, (struct stat *)st); \
        } \
        return r; \
    }
FXSTAT_HOOK(__fxstat, struct stat)
FXSTAT_HOOK(__fxstat64, struct stat64)

#define FSTATAT_HOOK(name, type) \
    HOOK int name(int dir, const char *path, type *st, int flags) \
    { \
        int r; \
        if (stat_ours(path, (struct stat *)st, &r)) { \
            return r; \
        } \
        r = REAL(name)(dir, path, st, flags); \
        if (!r && !*path && preload_ours(dir)) { \
            fix_fstat(dir, (struct stat *)st); \
        } \
        return r; \
    }
FSTATAT_HOOK(fstatat, struct stat)
FSTATAT_HOOK(fstatat64, struct stat64)

HOOK int statx(int dir, const char *path, int flags, unsigned mask, struct statx *st)
{
    struct stat plain;
    int r;
    if (!stat_ours(path, &plain, &r)) {
        return REAL(statx)(dir, path, flags, mask, st);
    }
    if (!r) {
        memset(st, 0, sizeof(*st));
        st->stx_mask = STATX_BASIC_STATS;
        st->stx_mode = (uint16_t)plain.st_mode;
        st->stx_nlink = 1;
        st->stx_blksize = 4096;
        st->stx_size = (uint64_t)plain.st_size;
        st->stx_rdev_major = major(plain.st_rdev);
        st->stx_rdev_minor = minor(plain.st_rdev);
    }
    return r;
}

/* The host's files are no symbolic links. */
HOOK ssize_t readlink(const char *path, char *buf, size_t n)
{
    mode_t mode;
    int r = attributes(path, &mode);
    return r ? preload_result(r > 0 ? -EINVAL : r) : REAL(readlink)(path, buf, n);
}

HOOK int uname(struct utsname *name)
{
    const Profile *profile = preload_profile();
    int r = REAL(uname)(name);
    if (!r && profile && profile->kernel_release[0]) {
        snprintf(name->release, sizeof(name->release), "%.*s",
                 (int)sizeof(profile->kernel_release) - 1, profile->kernel_release);
    }
    return r;
}
