/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -sandbox: system calls that the program gives up, by libseccomp. Groups as in QEMU's
 * documentation of -sandbox.
 */
#include <errno.h>
#include <fcntl.h>

#include "config-host.h"
#include "system/process.h"
#include "util/error.h"

#ifdef HAVE_SECCOMP
#include <sched.h>
#include <seccomp.h>

/* Of the system: no VMM has a use for them, whatever the options say. */
static const int always[] = {
    SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(syslog), SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(acct), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
    SCMP_SYS(ptrace),
    SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(bpf),
};

/* Linux answers ENOSYS, or keeps them for programs of another age (man 2 syscalls). */
static const int obsolete[] = {
    SCMP_SYS(_sysctl), SCMP_SYS(uselib), SCMP_SYS(ustat), SCMP_SYS(sysfs), SCMP_SYS(create_module),
    SCMP_SYS(get_kernel_syms),
    SCMP_SYS(query_module), SCMP_SYS(nfsservctl), SCMP_SYS(afs_syscall), SCMP_SYS(getpmsg),
    SCMP_SYS(putpmsg),
    SCMP_SYS(security), SCMP_SYS(tuxcall), SCMP_SYS(vserver), SCMP_SYS(epoll_ctl_old),
    SCMP_SYS(epoll_wait_old),
    SCMP_SYS(quotactl), SCMP_SYS(readahead), SCMP_SYS(modify_ldt),
};

static const int elevate[] = {
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setpgid), SCMP_SYS(setsid), SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
};

/* clone is looked at by its flags (below); clone3's lie in memory, which a filter cannot read. */
static const int spawn[] = { SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(execve),
                             SCMP_SYS(execveat) };

/*
 * Affinity and priorities. Not mbind(): policy= of a memory backend is the user's word, and takes
 * effect later.
 */
static const int resource_control[] = {
    SCMP_SYS(setpriority), SCMP_SYS(sched_setparam), SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setaffinity), SCMP_SYS(ioprio_set),
};

static int deny(scmp_filter_ctx filter, const int *calls, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int ret = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, calls[i], 0);

        /* A call that this architecture does not have cannot be made */
        if (ret < 0 && ret != -EDOM && ret != -EFAULT) {
            return ret;
        }
    }
    return 0;
}

/*
 * A clone() that makes a process, not a thread; clone3() says that it is not there, and libc uses
 * clone().
 */
static int deny_processes(scmp_filter_ctx filter)
{
    int ret = deny(filter, spawn, G_N_ELEMENTS(spawn));

    if (ret == 0) {
        ret = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }
    return ret < 0 ? ret : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/*
 * GLib asks with sched_setattr() whether it may hand its threads' priority on when the first shared
 * thread pool is made (glib/gthread-posix.c), and goes on without when it may not.
 */
static int deny_resource_control(scmp_filter_ctx filter)
{
    int ret = deny(filter, resource_control, G_N_ELEMENTS(resource_control));

    return ret < 0 ? ret
                   : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sched_setattr), 0);
}

static int fill(scmp_filter_ctx filter, const SandboxOptions *options)
{
    int ret = deny(filter, always, G_N_ELEMENTS(always));

    if (ret == 0 && options->deny_obsolete) {
        ret = deny(filter, obsolete, G_N_ELEMENTS(obsolete));
    }
    if (ret == 0 && options->deny_elevate) {
        ret = deny(filter, elevate, G_N_ELEMENTS(elevate));
    }
    if (ret == 0 && options->deny_spawn) {
        ret = deny_processes(filter);
    }
    if (ret == 0 && options->deny_resource_control) {
        ret = deny_resource_control(filter);
    }
    return ret;
}

bool sandbox_enter(const SandboxOptions *options, GError **errp)
{
    if (!options->on) {
        return true;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int ret = filter ? fill(filter, options) : -ENOMEM;

    if (ret == 0) {
        ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    /*
     * Programs that are executed could gain privileges by their files: with elevateprivileges=allow
     * they may
     */
    if (ret == 0 && !options->deny_elevate && !options->allow_elevate_children) {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    }
    if (ret == 0) {
        ret = seccomp_load(filter);
    }
    /* Without CAP_SYS_ADMIN a filter needs no_new_privs (seccomp(2)). */
    if (ret == -EACCES || ret == -EPERM) {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
        ret = seccomp_load(filter);
    }
    if (filter) {
        seccomp_release(filter);
    }
    return ret == 0 ||
           error_set(errp, "-sandbox on: the kernel took no filter: %s", g_strerror(-ret));
}
#else
bool sandbox_enter(const SandboxOptions *options, GError **errp)
{
    if (options->on) {
        error_set(errp, "-sandbox on: this program was built without libseccomp");
        error_hint(errp,
                   "Build it with the package libseccomp-dev installed, or leave -sandbox out");
    }
    return !options->on;
}
#endif
