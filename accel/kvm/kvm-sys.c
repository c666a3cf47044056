/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls KVM is driven with. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm-sys.h"

int kvm_sys_open(const char *path)
{
    int fd;

    do {
        fd = open(path, O_RDWR | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* ARCH_REQ_XCOMP_GUEST_PERM of asm/prctl.h, Linux 5.17 on */
#define REQUEST_GUEST_STATE 0x1025

int kvm_sys_request_guest_state(unsigned component)
{
    long ret = syscall(SYS_arch_prctl, REQUEST_GUEST_STATE, (unsigned long)component);

    return ret < 0 ? -errno : 0;
}

void kvm_sys_close(int fd)
{
    close(fd);
}

int kvm_sys_ioctl(int fd, unsigned long request, uintptr_t arg)
{
    int ret = ioctl(fd, request, arg);

    return ret < 0 ? -errno : ret;
}

int kvm_sys_map(int fd, size_t size, void **address)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        return -errno;
    }
    *address = p;
    return 0;
}

void kvm_sys_unmap(void *address, size_t size)
{
    munmap(address, size);
}

int kvm_sys_set_cloexec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int kvm_sys_punch(int fd, uint64_t offset, uint64_t size)
{
    int ret;

    do {
        ret = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/*
 * A shared file mapping (memfd, tmpfs) gives its pages back only to MADV_REMOVE; private anonymous
 * memory refuses that one (EINVAL, or EACCES for a private file mapping) and wants MADV_DONTNEED.
 */
int kvm_sys_discard(void *address, size_t size)
{
    if (madvise(address, size, MADV_REMOVE) == 0 || madvise(address, size, MADV_DONTNEED) == 0) {
        return 0;
    }
    return -errno;
}
