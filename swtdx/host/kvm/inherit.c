/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that the launcher hands over by descriptor. Programs close descriptors that they do not
 * know before they start others (Python's subprocess does): the launcher's own process, which
 * became the first program, still has them.
 */
#include <stdio.h>

#include "kvm.h"
#include "raw.h"

typedef struct Place {
    int fd, pid;
    unsigned long long dev, ino;
} Place;

static bool is_file(int fd, const Place *place)
{
    struct stat st;
    return !raw_result(syscall(SYS_fstat, fd, &st)) &&
           (unsigned long long)st.st_dev == place->dev &&
           (unsigned long long)st.st_ino == place->ino;
}

/* To where it was handed over, for programs that this one starts; false: that number is taken. */
static bool put_back(int fd, int number)
{
    int again = raw_fcntl(fd, F_DUPFD, number);
    if (again >= 0 && again != number) {
        raw_close(again);
    }
    return again == number;
}

static bool parse(const char *where, Place *place)
{
    return where && sscanf(where, "fd:%d:%llu:%llu:%d", &place->fd, &place->dev, &place->ino,
                           &place->pid) == 4;
}

bool kvm_inherited_is(const char *where, int fd)
{
    Place place;
    return parse(where, &place) && is_file(fd, &place);
}

int kvm_inherited(const char *where, bool *opened)
{
    Place place;
    char path[48];
    *opened = false;
    if (!parse(where, &place)) {
        return -1;
    }
    if (is_file(place.fd, &place)) {
        return place.fd;
    }
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", place.pid, place.fd);
    int fd = raw_open(path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0 || !is_file(fd, &place)) {
        if (fd >= 0) {
            raw_close(fd);
        }
        return -1;
    }
    if (put_back(fd, place.fd)) {
        raw_close(fd);
        return place.fd;
    }
    *opened = true;
    return fd;
}
