/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher's parts. Functions that can fail set `error` (g_set_error) and return false. */
#ifndef SWTDX_RUN_H
#define SWTDX_RUN_H

#include <glib.h>
#include <stdio.h>

#include "../host/module/profile.h"

/* Finds the profile that the member "base" names: a listed name, or a file. */
typedef bool ProfileLoader(const char *name, void *opaque, Profile *profile, GError **error);
/*
 * Reads a profile from JSON text (swtdx/profiles). Unknown members and values out of range are
 * errors, and so are missing members unless there is a "base". load (NULL: no bases) gets opaque.
 */
bool profile_from_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile,
                       GError **error);
/*
 * The same on top of *profile: members that the text does not give stay as they are, and its base
 * is added first.
 */
bool profile_add_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile,
                      GError **error);
/*
 * Loads a profile with its bases. name: a listed one, also without the "cpu-", "module-" or
 * "kernel-" in front of a part's; several with '/' between them, of which each puts its own members
 * on top of the earlier ones' (at most one processor, module and kernel); or a file (ending in
 * .json, or beginning with '/' or '.').
 */
bool profile_load(const char *name, Profile *profile, GError **error);
/*
 * Lists on stdout the profiles that profile_load() finds by name; tells on stderr of those that are
 * broken.
 */
void profile_list(void);
/* profile-print.c: prints a profile, one fact per line. */
void profile_print(const Profile *profile, FILE *out);
/* ---- launch.c ---- */

/* Exit statuses of our own; else it is the program's. */
enum { RUN_USAGE = 2, RUN_CANNOT = 126, RUN_NO_PROGRAM = 127 };

typedef struct RunOptions {
    const char *host, *trace; /* of argv */
    GString *faults;
    bool summary, trace_json, interpret, deterministic;
    char **program;           /* argv of the program */
    char *path;               /* where it is: run_prepare() */
    /* of `measure` */
    const char *until;
    unsigned timeout;         /* seconds */
    bool json;
} RunOptions;

/*
 * Options that only one command has, at argv[*i]: false if there is no such. *value becomes NULL
 * when a value is missing; *i moves over it.
 */
typedef bool RunOptionHook(char **argv, int *i, RunOptions *options, const char **value);
/*
 * -1: go on; else the exit status (after --help, or a message). run_options_clear() in either case.
 * `more` may be NULL.
 */
int run_options_parse(char **argv, RunOptions *options, const char *help, RunOptionHook *more);
void run_options_clear(RunOptions *options);
/* Value of an option at argv[*i]: "--name VALUE" or "--name=VALUE". */
bool run_option_value(char **argv, int *i, const char *name, const char **value);
/*
 * Finds and checks the program, and sets this process's environment for it. -1, or the exit status
 * after a message.
 */
int run_prepare(RunOptions *options);
/*
 * The program inherits the file, by a descriptor out of its way, which an environment variable
 * tells of (kvm_inherited()). The process must live on as long as others are to find it. False:
 * errno, or there is none (fd -1).
 */
bool run_hand_over(const char *variable, int fd);
/* Prints a message about the command line; answers RUN_USAGE. */
int run_complain(const char *text);

/* ---- measure.c ---- */
int command_measure(char **argv);

/* ---- selftest.c ---- */
/* A line for each check on stdout; 0, or 1 if one failed. */
int command_selftest(char **argv);

/*
 * Can a preloaded library reach this program? It must be dynamically linked and not change
 * identity.
 */
bool program_check(const char *path, GError **error);

GQuark run_error_quark(void);
#define RUN_ERROR run_error_quark()

#endif
