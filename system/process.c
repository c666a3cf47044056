/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -daemonize, -run-with, -overcommit mem-lock: what the options do to the process. */
#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"

void process_fill_standard_files(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

/*
 * The child writes one byte when it is ready; a pipe that ends without one says that it could not.
 */
static G_GNUC_NORETURN void wait_for_child(int fd)
{
    char byte;
    ssize_t got;

    do {
        got = read(fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    _exit(got == 1 ? 0 : 1);
}

/*
 * Two forks: the first child leads a session without a terminal, the second is no session leader
 * and cannot get one by opening a terminal device (POSIX.1-2017, section 11.1.3).
 */
int process_daemonize(GError **errp)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_set(errp, "-daemonize: no pipe to the child: %s", g_strerror(errno));
        return -1;
    }
    pid_t child = fork();
    if (child > 0) {
        close(fds[1]);
        wait_for_child(fds[0]);
    }
    if (child == 0) {
        close(fds[0]);
        setsid();
        child = fork();
        if (child > 0) {
            _exit(0);
        }
    }
    if (child < 0) {
        error_set(errp, "-daemonize: cannot fork: %s", g_strerror(errno));
        close(fds[1]);
        return -1;
    }
    umask(027);
    return fds[1];
}

void process_ready(int fd)
{
    char byte = 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ssize_t done;

    if (null >= 0) {
        for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++) {
            dup2(null, standard);
        }
        if (null > STDERR_FILENO) {
            close(null);
        }
    }
    do {
        done = write(fd, &byte, 1);
    } while (done < 0 && errno == EINTR);
    close(fd);
}

static bool end_with_parent(const ProcessOptions *options, GError **errp)
{
    return !options->exit_with_parent || prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 ||
           error_set(errp, "-run-with exit-with-parent=on: %s", g_strerror(errno));
}

bool process_set_up(const ProcessOptions *options, GError **errp)
{
    if (options->process_name && prctl(PR_SET_NAME, options->process_name) < 0) {
        return error_set(errp, "-name process=%s: %s", options->process_name, g_strerror(errno));
    }
    if (!end_with_parent(options, errp)) {
        return false;
    }
    if (options->lock_memory &&
        mlockall(MCL_CURRENT | MCL_FUTURE | (options->lock_on_fault ? MCL_ONFAULT : 0)) < 0) {
        error_set(errp, "-overcommit mem-lock: locking memory failed: %s", g_strerror(errno));
        error_hint(errp, "Raise the limit on locked memory (ulimit -l), or leave mem-lock out: a "
                         "TD's private memory is never swapped");
        return false;
    }
    return true;
}

/* "NAME" or "UID:GID". */
static bool find_user(const char *text, uid_t *uid, gid_t *gid, const char **name, GError **errp)
{
    g_auto(GStrv) ids = g_strsplit(text, ":", 2);
    guint64 u, g;

    *name = NULL;
    if (ids[0] && ids[1]) {
        if (!g_ascii_string_to_unsigned(ids[0], 10, 0, UINT32_MAX - 1, &u, NULL) ||
            !g_ascii_string_to_unsigned(ids[1], 10, 0, UINT32_MAX - 1, &g, NULL)) {
            return error_set(errp, "-run-with user=%s: expected a user's name, or UID:GID", text);
        }
        *uid = (uid_t)u;
        *gid = (gid_t)g;
        return true;
    }
    const struct passwd *user = getpwnam(text);
    if (!user) {
        return error_set(errp, "-run-with user=%s: there is no such user", text);
    }
    *uid = user->pw_uid;
    *gid = user->pw_gid;
    *name = text;
    return true;
}

static bool become(uid_t uid, gid_t gid, const char *text, GError **errp)
{
    if (setgid(gid) < 0 || setuid(uid) < 0) {
        return error_set(errp, "-run-with user=%s: %s", text, g_strerror(errno));
    }
    if (uid != 0 && setuid(0) == 0) {
        return error_set(errp, "-run-with user=%s: the privileges of root came back", text);
    }
    return true;
}

bool process_confine(const ProcessOptions *options, GError **errp)
{
    const char *text = options->user, *name;
    uid_t uid = 0;
    gid_t gid = 0;

    /* The files that know users and groups may be out of reach afterwards. */
    if (text && !find_user(text, &uid, &gid, &name, errp)) {
        return false;
    }
    if (text && (name ? initgroups(name, gid) : setgroups(1, &gid)) < 0) {
        return error_set(errp, "-run-with user=%s: %s", text, g_strerror(errno));
    }
    if (options->chroot && (chroot(options->chroot) < 0 || chdir("/") < 0)) {
        return error_set(errp, "-run-with chroot=%s: %s", options->chroot, g_strerror(errno));
    }
    /* Another user is not told of the parent's end any more (PR_SET_PDEATHSIG in prctl(2)). */
    if (text && (!become(uid, gid, text, errp) || !end_with_parent(options, errp))) {
        return false;
    }
    return !options->daemonize || chdir("/") == 0 ||
           error_set(errp, "-daemonize: not able to go to /: %s", g_strerror(errno));
}
