/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program as a process of the host: in the background, with locked memory, in a directory of
 * its own, as another user. Everything here acts on the process as a whole and is called by main()
 * and the machine's start-up alone.
 */
#ifndef SYSTEM_PROCESS_H
#define SYSTEM_PROCESS_H

#include <glib.h>
#include <stdbool.h>

/* -sandbox: groups of system calls that the program gives up. */
typedef struct SandboxOptions {
    bool on;
    bool deny_obsolete, deny_elevate, deny_spawn, deny_resource_control;
    /* elevateprivileges=children: only what is executed may gain privileges */
    bool allow_elevate_children;
} SandboxOptions;

/* What the options ask for; strings are NULL where nothing was asked. */
typedef struct ProcessOptions {
    bool daemonize;
    bool lock_memory, lock_on_fault; /* -overcommit mem-lock=on, on-fault */
    bool timestamps, guest_names;    /* -msg */
    bool exit_with_parent;           /* -run-with */
    char *process_name;              /* -name process= */
    char *chroot, *user;             /* -run-with */
    SandboxOptions sandbox;
} ProcessOptions;
void process_options_clear(ProcessOptions *options); /* options-process.c */

/*
 * Of standard input, output and error those that are closed become /dev/null, before any file is
 * open: a file that got such a number would be taken for them.
 */
void process_fill_standard_files(void);

/*
 * -daemonize, before any thread exists and any file is open: goes on in a child that has no
 * terminal. The parent waits for process_ready() and ends with status 0, or with 1 if the child
 * ends before that; it never returns from here. Returns the descriptor for process_ready(); -1:
 * *errp.
 */
int process_daemonize(GError **errp);
/*
 * The program serves its clients from now on: standard input, output and error are let go of, and
 * the parent ends.
 */
void process_ready(int fd);

/* Before the machine is made: name, death with the parent, memory locks. False: *errp. */
bool process_set_up(const ProcessOptions *options, GError **errp);
/* After everything is open: -run-with chroot= and user=. False: *errp. */
bool process_confine(const ProcessOptions *options, GError **errp);

/*
 * Gives up the groups of system calls for all threads; a thread that makes such a call ends the
 * process with SIGSYS (sandbox.c). False: *errp, and that the program was built without libseccomp
 * is one of the reasons.
 */
bool sandbox_enter(const SandboxOptions *options, GError **errp);

#endif
