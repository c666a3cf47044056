/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `swtdx run` and `swtdx measure` share: their options, and the environment that loads
 * libswtdx.so into a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../host/kvm/kvm.h"
#include "run.h"

int run_complain(const char *text)
{
    fprintf(stderr, "swtdx: %s\n", text);
    return RUN_USAGE;
}

#define INHERITED_FD_FLOOR 700 /* out of the way of programs that count on low descriptor numbers */

/* The library: in the build tree beside us, else where it is installed. */
static char *find_library(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (self) {
        g_autofree char *dir = g_path_get_dirname(self);
        static const char *const places[] = { "../preload/libswtdx.so", "swtdx/preload/libswtdx.so",
                                              "libswtdx.so", "../lib/swtdx/libswtdx.so",
                                              "../lib/x86_64-linux-gnu/swtdx/libswtdx.so",
                                              "../lib64/swtdx/libswtdx.so" };
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
            g_autofree char *path = g_build_filename(dir, places[i], NULL);
            if (g_file_test(path, G_FILE_TEST_EXISTS)) {
                return g_canonicalize_filename(path, NULL);
            }
        }
    }
    char *installed = g_build_filename(SWTDX_LIBDIR, "libswtdx.so", NULL);
    if (!g_file_test(installed, G_FILE_TEST_EXISTS)) {
        g_clear_pointer(&installed, g_free);
    }
    return installed;
}

/* Moves a descriptor out of the program's way; its new number. */
static int move_high(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD, INHERITED_FD_FLOOR);
    if (high < 0 && fd >= 0) { /* the limit on open files is lower */
        high = fcntl(fd, F_DUPFD, STDERR_FILENO + 1);
    }
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    return fd;
}

bool run_hand_over(const char *variable, int fd)
{
    struct stat st;
    fd = move_high(fd);
    if (fd < 0 || fstat(fd, &st)) {
        return false;
    }
    /* kvm_inherited() of swtdx/host/kvm/kvm.h */
    g_autofree char *value = g_strdup_printf("fd:%d:%llu:%llu:%d", fd,
                                             (unsigned long long)st.st_dev,
                                             (unsigned long long)st.st_ino, (int)getpid());
    g_setenv(variable, value, true);
    return true;
}

/* Into an inherited memory file: the program's children have the same host. */
static bool hand_over_profile(const Profile *profile, GError **error)
{
    int fd = memfd_create("swtdx-profile", 0);
    if (fd < 0 || write(fd, profile, sizeof(*profile)) != (ssize_t)sizeof(*profile) ||
        !run_hand_over("SWTDX_PROFILE", fd)) {
        g_set_error(error, RUN_ERROR, 0, "cannot hand over the profile: %s", g_strerror(errno));
        return false;
    }
    return true;
}

/*
 * A file without contents, whose bytes the program's processes lock: one for each KeyID of the
 * host.
 */
static bool hand_over_keyids(GError **error)
{
    if (!run_hand_over("SWTDX_KEYIDS", memfd_create("swtdx-keyids", 0))) {
        g_set_error(error, RUN_ERROR, 0, "cannot make the file of KeyIDs: %s", g_strerror(errno));
        return false;
    }
    return true;
}

static void put_in_front(const char *variable, const char *value)
{
    const char *others = g_getenv(variable);
    g_autofree char *all = g_strdup_printf("%s%s%s", value, others && *others ? ":" : "",
                                           others ? others : "");
    g_setenv(variable, all, true);
}

/*
 * LD_PRELOAD cannot name a path with blanks or colons, and expands dollars; LD_LIBRARY_PATH, for
 * which a name without directory is enough, can have blanks (ld.so(8)).
 */
static bool preload(const char *library, GError **error)
{
#ifdef SWTDX_ASAN_RUNTIME
    const char *first = SWTDX_ASAN_RUNTIME ":";
#else
    const char *first = "";
#endif
    const char *name = library;
    if (strpbrk(library, " \t\n:$")) {
        g_autofree char *directory = g_path_get_dirname(library);
        if (strpbrk(directory, ":;$")) {
            g_set_error(error, RUN_ERROR, 0,
                        "libswtdx.so lies in '%s': the loader takes no path with ':', ';' or '$'. "
                        "Move or install the programs elsewhere",
                        directory);
            return false;
        }
        put_in_front("LD_LIBRARY_PATH", directory);
        name = strrchr(library, '/') + 1;
    }
    g_autofree char *libraries = g_strconcat(first, name, NULL);
    put_in_front("LD_PRELOAD", libraries);
    return true;
}

static bool set_environment(const RunOptions *options, GError **error)
{
    Profile profile;
    g_autofree char *library = find_library();
    if (!library) {
        g_set_error(error, RUN_ERROR, 0, "libswtdx.so was not found in %s", SWTDX_LIBDIR);
        return false;
    }
    char fault_error[256];
    if (!profile_load(options->host, &profile, error)) {
        return false;
    }
    if (options->faults->len &&
        !kvm_fault_check(options->faults->str, fault_error, sizeof(fault_error))) {
        g_set_error(error, RUN_ERROR, 0, "%s", fault_error);
        return false;
    }
    g_unsetenv("SWTDX_PROFILE");
    if (memcmp(&profile, profile_builtin(), sizeof(profile)) &&
        !hand_over_profile(&profile, error)) {
        return false;
    }
    if (!hand_over_keyids(error)) {
        return false;
    }
    if (!preload(library, error)) {
        return false;
    }
    if (options->trace) {
        g_autofree char *path = g_canonicalize_filename(options->trace, NULL);
        g_setenv("SWTDX_TRACE", path, true);
        if (options->trace_json) {
            g_setenv("SWTDX_TRACE_JSON", "1", true);
        } else {
            g_unsetenv("SWTDX_TRACE_JSON");
        }
    }
    if (options->faults->len) {
        g_setenv("SWTDX_FAULT", options->faults->str, true);
    }
    if (options->summary) {
        g_setenv("SWTDX_SUMMARY", "1", true);
    }
    if (options->deterministic) {
        g_setenv("SWTDX_DETERMINISTIC", "1", true);
    }
    if (options->interpret) {
        g_setenv("SWTDX_INTERPRET", "1", true);
    }
    return true;
}

bool run_option_value(char **argv, int *i, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (!strncmp(argv[*i], name, n) && argv[*i][n] == '=') {
        *value = argv[*i] + n + 1;
        return true;
    }
    if (!strcmp(argv[*i], name)) {
        *value = argv[*i + 1] ? argv[++*i] : NULL;
        return true;
    }
    return false;
}

int run_options_parse(char **argv, RunOptions *options, const char *help, RunOptionHook *more)
{
    int i;
    *options = (RunOptions){ .host = profile_builtin()->name, .faults = g_string_new(NULL) };
    for (i = 0; argv[i] && argv[i][0] == '-'; i++) {
        const char *value = "";
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        } else if (!strcmp(argv[i], "--help")) {
            fputs(help, stdout);
            return 0;
        } else if (!strcmp(argv[i], "--summary")) {
            options->summary = true;
        } else if (!strcmp(argv[i], "--interpret")) {
            options->interpret = true;
        } else if (!strcmp(argv[i], "--deterministic")) {
            options->deterministic = true;
        } else if (run_option_value(argv, &i, "--host", &value)) {
            options->host = value;
        } else if (run_option_value(argv, &i, "--trace", &value)) {
            options->trace = value;
        } else if (run_option_value(argv, &i, "--trace-json", &value)) {
            options->trace = value;
            options->trace_json = true;
        } else if (run_option_value(argv, &i, "--fault", &value)) {
            if (value) {
                g_string_append_printf(options->faults, "%s%s", options->faults->len ? "," : "",
                                       value);
            }
        } else if (!more || !more(argv, &i, options, &value)) {
            g_autofree char *text = g_strdup_printf("unknown option '%s'; see its --help", argv[i]);
            return run_complain(text);
        }
        if (!value) {
            return run_complain("an option lacks its value; see its --help");
        }
    }
    if (!argv[i]) {
        return run_complain("no program given; see its --help");
    }
    options->program = &argv[i];
    return -1;
}

int run_prepare(RunOptions *options)
{
    g_autoptr(GError) error = NULL;
    options->path = g_find_program_in_path(options->program[0]);
    if (!options->path) {
        fprintf(stderr, "swtdx: %s: no such program\n", options->program[0]);
        return RUN_NO_PROGRAM;
    }
    if (!program_check(options->path, &error) || !set_environment(options, &error)) {
        fprintf(stderr, "swtdx: %s\n", error->message);
        return RUN_CANNOT;
    }
    return -1;
}

void run_options_clear(RunOptions *options)
{
    g_string_free(options->faults, true);
    g_clear_pointer(&options->path, g_free);
}
