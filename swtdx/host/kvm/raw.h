/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls by number: inside libswtdx.so the libc names are our own hooks. Answers are values
 * or -errno.
 */
#ifndef SWTDX_KVM_RAW_H
#define SWTDX_KVM_RAW_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline long raw_result(long r)
{
    return r == -1 ? -errno : r;
}

static inline int raw_close(int fd)
{
    return (int)raw_result(syscall(SYS_close, fd));
}

static inline int raw_pipe2(int fds[2], int flags)
{
    return (int)raw_result(syscall(SYS_pipe2, fds, flags));
}

static inline int raw_fcntl(int fd, int cmd, long arg)
{
    return (int)raw_result(syscall(SYS_fcntl, fd, cmd, arg));
}

static inline ssize_t raw_read(int fd, void *buf, size_t n)
{
    return raw_result(syscall(SYS_read, fd, buf, n));
}

static inline ssize_t raw_write(int fd, const void *buf, size_t n)
{
    return raw_result(syscall(SYS_write, fd, buf, n));
}

static inline int raw_open(const char *path, int flags, int mode)
{
    return (int)raw_result(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

static inline int raw_ppoll(struct pollfd *fds, size_t n, const struct timespec *timeout)
{
    struct timespec copy;
    if (timeout) {
        copy = *timeout;
    }
    return (int)raw_result(syscall(SYS_ppoll, fds, n, timeout ? &copy : NULL, NULL, 0));
}

static inline int raw_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    return (int)raw_result(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0));
}

/* At most `ns` from now on. */
static inline int raw_futex_wait_for(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec limit = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    return (int)raw_result(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &limit, NULL, 0));
}

static inline void raw_futex_wake(_Atomic uint32_t *word)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    errno = saved;
}

#define RAW_SIG_SETMASK 2 /* <signal.h> clashes with the register names of cpu.h */
/*
 * All but 32 and 33, by which glibc ends threads and has every thread change its user (nptl(7)):
 * setuid() waits for all of them.
 */
#define RAW_SIG_ALL (~(UINT64_C(3) << 31))
#define RAW_SIGQUIT 3
#define RAW_SIGKILL 9
#define RAW_SIGSTOP 19
#define RAW_SIGINFO_SIZE 128

static inline int raw_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
    return (int)raw_result(syscall(SYS_rt_sigprocmask, how, set, old, sizeof(uint64_t)));
}

/* This clock alone is the machine's also where the preload's hooks show programs a virtual one. */
static inline uint64_t raw_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
