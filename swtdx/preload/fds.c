/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks on calls that take a descriptor: ours go to the host library, all others to libc after one
 * table look-up.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload.h"

static bool preload_ours_after_all(int fd)
{
    KvmHost *host = __atomic_load_n(&preload_host, __ATOMIC_ACQUIRE);
    return host && kvm_fd_look_again(host, fd);
}

HOOK int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    uintptr_t arg = va_arg(args, uintptr_t);
    va_end(args);
    if (preload_ours(fd) || (_IOC_TYPE(request) == KVMIO && preload_ours_after_all(fd))) {
        int saved = errno;
        int r = kvm_fd_ioctl(preload_host, fd, request, arg);
        errno = saved;
        return (int)preload_result(r);
    }
    return REAL(ioctl)(fd, request, arg);
}

static void *map(int fd, void *addr, size_t length, int prot, int flags, off_t offset)
{
    intptr_t r = kvm_fd_mmap(preload_host, fd, addr, length, prot, flags, offset);
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return MAP_FAILED;
    }
    return (void *)r;
}

/* What was there is gone, as after munmap(). */
static void mapped_over(void *addr, size_t length)
{
    KvmHost *host = __atomic_load_n(&preload_host, __ATOMIC_ACQUIRE);
    if (host) {
        kvm_unmapped(host, addr, length);
    }
}

HOOK void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    if (!(flags & MAP_ANONYMOUS) && preload_ours(fd)) {
        return map(fd, addr, length, prot, flags, offset);
    }
    void *at = REAL(mmap)(addr, length, prot, flags, fd, offset);
    if (at != MAP_FAILED && (flags & MAP_FIXED)) {
        mapped_over(addr, length);
    }
    return at;
}

HOOK void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
    if (!(flags & MAP_ANONYMOUS) && preload_ours(fd)) {
        return map(fd, addr, length, prot, flags, offset);
    }
    void *at = REAL(mmap64)(addr, length, prot, flags, fd, offset);
    if (at != MAP_FAILED && (flags & MAP_FIXED)) {
        mapped_over(addr, length);
    }
    return at;
}

HOOK int munmap(void *addr, size_t length)
{
    int r = REAL(munmap)(addr, length);
    if (!r && preload_host) {
        kvm_unmapped(preload_host, addr, length);
    }
    return r;
}

HOOK int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (preload_ours(fd)) {
        return (int)preload_result(kvm_fd_fallocate(preload_host, fd, mode, offset, length));
    }
    return REAL(fallocate)(fd, mode, offset, length);
}

HOOK int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return fallocate(fd, mode, offset, length);
}

/* glibc's answers an error number, and asks for mode 0, which a guest_memfd refuses. */
HOOK int posix_fallocate(int fd, off_t offset, off_t length)
{
    return preload_ours(fd) ? -kvm_fd_fallocate(preload_host, fd, 0, offset, length)
                            : REAL(posix_fallocate)(fd, offset, length);
}

HOOK int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    return posix_fallocate(fd, offset, length);
}

HOOK int ftruncate(int fd, off_t length)
{
    if (preload_ours(fd)) {
        return (int)preload_result(-EINVAL);
    }
    return REAL(ftruncate)(fd, length);
}

HOOK int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

/* Not looked up: vCPU threads read and write, too, and a sandbox may allow them no fstat(). */
static bool known(int fd)
{
    KvmHost *host = __atomic_load_n(&preload_host, __ATOMIC_ACQUIRE);
    return host && kvm_fd_known(host, fd);
}

/* Files of KVM have neither read nor write operations: EINVAL. */
HOOK ssize_t read(int fd, void *buf, size_t n)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(read)(fd, buf, n);
}

HOOK ssize_t write(int fd, const void *buf, size_t n)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(write)(fd, buf, n);
}

HOOK ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(pread)(fd, buf, n, offset);
}

HOOK ssize_t pread64(int fd, void *buf, size_t n, off64_t offset)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(pread64)(fd, buf, n, offset);
}

HOOK ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(pwrite)(fd, buf, n, offset);
}

HOOK ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t offset)
{
    return known(fd) ? preload_result(-EINVAL) : REAL(pwrite64)(fd, buf, n, offset);
}

/* ---- what changes the meaning of a number ---- */

static void forget(int fd)
{
    if (preload_host && fd >= 0) {
        kvm_fd_forget(preload_host, fd);
    }
}

HOOK int close(int fd)
{
    KvmHost *host = preload_host;
    if (!host) {
        return REAL(close)(fd);
    }
    bool ours = preload_ours(fd);
    forget(fd);
    int r = REAL(close)(fd);
    forget(fd);
    if (ours) {
        int saved = errno;
        kvm_host_reap(host);
        errno = saved;
    }
    return r;
}

HOOK int close_range(unsigned first, unsigned last, int flags)
{
    int r = REAL(close_range)(first, last, flags);
    if (preload_host && !r) {
        kvm_fd_forget_range(preload_host, first, last);
    }
    return r;
}

HOOK void closefrom(int low)
{
    REAL(closefrom)(low);
    if (preload_host) {
        kvm_fd_forget_range(preload_host, low < 0 ? 0 : (unsigned)low, UINT32_MAX);
    }
}

HOOK int dup(int fd)
{
    int r = REAL(dup)(fd);
    forget(r);
    return r;
}

HOOK int dup2(int fd, int to)
{
    int r = REAL(dup2)(fd, to);
    forget(r);
    return r;
}

HOOK int dup3(int fd, int to, int flags)
{
    int r = REAL(dup3)(fd, to, flags);
    forget(r);
    return r;
}

HOOK int fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    void *arg = va_arg(args, void *);
    va_end(args);
    int r = REAL(fcntl)(fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        forget(r);
    }
    return r;
}

HOOK int fcntl64(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    void *arg = va_arg(args, void *);
    va_end(args);
    int r = REAL(fcntl64)(fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        forget(r);
    }
    return r;
}

/*
 * The tables of TDs are reserved for the largest there can be, terabytes of addresses: locking them
 * in advance would make every page of them. What is used is locked as it comes.
 */
HOOK int mlockall(int flags)
{
    return REAL(mlockall)(flags | ((flags & (MCL_CURRENT | MCL_FUTURE)) ? MCL_ONFAULT : 0));
}
