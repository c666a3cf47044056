/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the launcher handed over in the environment, and the process's one host. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

KvmHost *preload_host;
bool preload_deterministic;

static Profile loaded_profile;
static char missing[256];      /* what this machine cannot execute of it */
static const Profile *profile; /* set once, before main() */
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *what, const char *detail)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "swtdx: %s%s%s\n", what, detail ? ": " : "",
                     detail ? detail : "");
    if (n > 0) {
        syscall(SYS_write, 2, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    }
}

/*
 * A blob in a file, or in one that the launcher handed over, which stays open for programs that
 * this one starts.
 */
static bool load_profile(const char *where)
{
    bool handed = !strncmp(where, "fd:", 3), opened = !handed;
    long fd = handed ? kvm_inherited(where, &opened)
                     : syscall(SYS_openat, AT_FDCWD, where, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    long n = syscall(SYS_pread64, (int)fd, &loaded_profile, sizeof(loaded_profile), (off_t)0);
    if (opened) {
        syscall(SYS_close, (int)fd);
    }
    return n > 0 && profile_valid(&loaded_profile, (size_t)n);
}

__attribute__((constructor)) static void preload_init(void)
{
    const char *where = getenv("SWTDX_PROFILE");
    if (!where || !*where || !strcmp(where, "builtin")) {
        loaded_profile = *profile_builtin();
        profile = &loaded_profile;
    } else if (load_profile(where)) {
        profile = &loaded_profile;
    } else {
        say("cannot read the host profile of SWTDX_PROFILE; /dev/kvm will not open", where);
    }
    preload_deterministic = profile && getenv("SWTDX_DETERMINISTIC");
    if (profile) {
        profile_narrow(&loaded_profile, missing, sizeof(missing));
    }
    preload_trap_cpuid();
}

__attribute__((destructor)) static void preload_fini(void)
{
    if (preload_host) {
        kvm_host_report(preload_host);
    }
}

const Profile *preload_profile(void)
{
    return profile;
}

static void before_fork(void)
{
    kvm_host_before_fork(preload_host);
}

static void after_fork_parent(void)
{
    kvm_host_after_fork_parent(preload_host);
}

static void after_fork_child(void)
{
    kvm_host_after_fork_child(preload_host);
}

KvmHost *preload_make_host(void)
{
    pthread_mutex_lock(&host_lock);
    if (!preload_host && profile) {
        KvmHostOptions options = { .missing = missing, .trace = getenv("SWTDX_TRACE"),
                                   .trace_json = getenv("SWTDX_TRACE_JSON") != NULL,
                                   .fault = getenv("SWTDX_FAULT"), .record = getenv("SWTDX_RECORD"),
                                   .keyids = getenv("SWTDX_KEYIDS"),
                                   .summary = getenv("SWTDX_SUMMARY") != NULL,
                                   .interpret = getenv("SWTDX_INTERPRET") != NULL,
                                   .deterministic = preload_deterministic };
        char error[256];
        KvmHost *host = kvm_host_new(profile, &options, error, sizeof(error));
        if (!host) {
            say(error, NULL);
        } else {
            __atomic_store_n(&preload_host, host, __ATOMIC_RELEASE);
            pthread_atfork(before_fork, after_fork_parent, after_fork_child);
            preload_watch_quit();
        }
    }
    pthread_mutex_unlock(&host_lock);
    return preload_host;
}
