/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher: sets the environment that loads libswtdx.so into a program, and becomes that program. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../host/kvm/kvm.h"
#include "qgs.h"
#include "run.h"

#define EXIT_USAGE 2
#define EXIT_CANNOT_RUN 126
#define PROFILE_FD_FLOOR 700 /* out of the way of programs that count on low descriptor numbers */

static const char general_help[] =
    "usage: swtdx run [OPTIONS] -- PROGRAM [ARGS]   run PROGRAM on a software TDX host\n"
    "       swtdx profiles [NAME]                   list the hosts that can be played, or show one\n"
    "       swtdx qgs --socket PATH                 make quotes of software TDs (see 'swtdx qgs --help')\n"
    "       swtdx --help | --version\n"
    "\n"
    "PROGRAM finds a /dev/kvm that offers TDX guests and executes them in software. Nothing is confidential:\n"
    "the TD's memory is PROGRAM's.\n";

static const char run_help[] =
    "usage: swtdx run [OPTIONS] -- PROGRAM [ARGS]\n"
    "\n"
    "  --host PROFILE    the host to play: a name of 'swtdx profiles', several parts as in gnr/2.0.08/7.3, or a JSON file\n"
    "                    (default: spr-1.5)\n"
    "  --trace FILE      write ioctls, TDVMCALLs, TDCALLs, #VEs and EPT violations to FILE\n"
    "  --summary         tell counters on stderr at the end\n"
    "  --interpret       make no host code for the guest: slower, and no executable memory is asked for\n"
    "  --fault SPEC      NAME[:n]=ERRNO or NAME[:n]=0xSTATUS: the n-th (or every) call of NAME fails so. NAME: an ioctl\n"
    "                    (KVM_CREATE_VM), a TDX command (KVM_TDX_INIT_VM), TDH_MNG_INIT, TDH_MEM_PAGE_ADD,\n"
    "                    TDH_MR_FINALIZE, open, or mmap. May be given several times\n"
    "  --help            this text\n";

typedef struct RunOptions {
    const char *host, *trace;
    GString *faults;
    bool summary, interpret;
    char **program; /* argv of the program */
} RunOptions;

/* The library: in the build tree beside us, else where it is installed. */
static char *find_library(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (self) {
        g_autofree char *dir = g_path_get_dirname(self);
        static const char *const places[] = { "../preload/libswtdx.so", "swtdx/preload/libswtdx.so", "libswtdx.so", "../lib/swtdx/libswtdx.so",
                                              "../lib/x86_64-linux-gnu/swtdx/libswtdx.so", "../lib64/swtdx/libswtdx.so" };
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

/* Into an inherited memory file: the program's children have the same host. */
static bool hand_over_profile(const Profile *profile, GError **error)
{
    int fd = memfd_create("swtdx-profile", 0);
    if (fd < 0 || write(fd, profile, sizeof(*profile)) != (ssize_t)sizeof(*profile)) {
        g_set_error(error, RUN_ERROR, 0, "cannot hand over the profile: %s", g_strerror(errno));
        return false;
    }
    int high = fcntl(fd, F_DUPFD, PROFILE_FD_FLOOR);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    g_autofree char *value = g_strdup_printf("fd:%d", fd);
    g_setenv("SWTDX_PROFILE", value, true);
    return true;
}

/* A file without contents, whose bytes the program's processes lock: one for each KeyID of the host. */
static bool hand_over_keyids(GError **error)
{
    struct stat st;
    int fd = memfd_create("swtdx-keyids", 0), high = fd < 0 ? -1 : fcntl(fd, F_DUPFD, PROFILE_FD_FLOOR);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    if (fd < 0 || fstat(fd, &st)) {
        g_set_error(error, RUN_ERROR, 0, "cannot make the file of KeyIDs: %s", g_strerror(errno));
        return false;
    }
    g_autofree char *value = g_strdup_printf("fd:%d:%llu:%llu", fd, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    g_setenv("SWTDX_KEYIDS", value, true);
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
    if (options->faults->len && !kvm_fault_check(options->faults->str, fault_error, sizeof(fault_error))) {
        g_set_error(error, RUN_ERROR, 0, "%s", fault_error);
        return false;
    }
    g_unsetenv("SWTDX_PROFILE");
    if (memcmp(&profile, profile_builtin(), sizeof(profile)) && !hand_over_profile(&profile, error)) {
        return false;
    }
    if (!hand_over_keyids(error)) {
        return false;
    }
    const char *others = g_getenv("LD_PRELOAD");
#ifdef SWTDX_ASAN_RUNTIME
    const char *first = SWTDX_ASAN_RUNTIME ":";
#else
    const char *first = "";
#endif
    g_autofree char *preload = g_strdup_printf("%s%s%s%s", first, library, others && *others ? ":" : "", others ? others : "");
    g_setenv("LD_PRELOAD", preload, true);
    if (options->trace) {
        g_autofree char *path = g_canonicalize_filename(options->trace, NULL);
        g_setenv("SWTDX_TRACE", path, true);
    }
    if (options->faults->len) {
        g_setenv("SWTDX_FAULT", options->faults->str, true);
    }
    if (options->summary) {
        g_setenv("SWTDX_SUMMARY", "1", true);
    }
    if (options->interpret) {
        g_setenv("SWTDX_INTERPRET", "1", true);
    }
    return true;
}

static int complain(const char *text)
{
    fprintf(stderr, "swtdx: %s\n", text);
    return EXIT_USAGE;
}

/* Value of an option at argv[*i]: "--name VALUE" or "--name=VALUE". */
static bool option_value(char **argv, int *i, const char *name, const char **value)
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

/* -1: go on; else the exit status. */
static int parse_run(char **argv, RunOptions *options)
{
    int i;
    for (i = 0; argv[i] && argv[i][0] == '-'; i++) {
        const char *value = "";
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        } else if (!strcmp(argv[i], "--help")) {
            fputs(run_help, stdout);
            return 0;
        } else if (!strcmp(argv[i], "--summary")) {
            options->summary = true;
        } else if (!strcmp(argv[i], "--interpret")) {
            options->interpret = true;
        } else if (!strcmp(argv[i], "--deterministic")) {
            return complain("--deterministic is not built in this version: TDs run in real time only");
        } else if (option_value(argv, &i, "--host", &value)) {
            options->host = value;
        } else if (option_value(argv, &i, "--trace", &value)) {
            options->trace = value;
        } else if (option_value(argv, &i, "--fault", &value)) {
            if (value) {
                g_string_append_printf(options->faults, "%s%s", options->faults->len ? "," : "", value);
            }
        } else {
            g_autofree char *text = g_strdup_printf("unknown option '%s'; see 'swtdx run --help'", argv[i]);
            return complain(text);
        }
        if (!value) {
            return complain("an option lacks its value; see 'swtdx run --help'");
        }
    }
    if (!argv[i]) {
        return complain("no program given; see 'swtdx run --help'");
    }
    options->program = &argv[i];
    return -1;
}

static int command_run(char **argv)
{
    g_autoptr(GError) error = NULL;
    RunOptions options = { .host = profile_builtin()->name, .faults = g_string_new(NULL) };
    int status = parse_run(argv, &options);
    if (status >= 0) {
        g_string_free(options.faults, true);
        return status;
    }
    g_autofree char *path = g_find_program_in_path(options.program[0]);
    if (!path) {
        fprintf(stderr, "swtdx: %s: no such program\n", options.program[0]);
        status = 127;
    } else if (!program_check(path, &error) || !set_environment(&options, &error)) {
        fprintf(stderr, "swtdx: %s\n", error->message);
        status = EXIT_CANNOT_RUN;
    }
    g_string_free(options.faults, true);
    if (status >= 0) {
        return status;
    }
    fprintf(stderr, "swtdx: software TDX host %s; TDs run here without any confidentiality\n", options.host);
    execv(path, options.program);
    fprintf(stderr, "swtdx: %s: %s\n", path, g_strerror(errno));
    return EXIT_CANNOT_RUN;
}

static int command_profiles(char **argv)
{
    if (argv[0] && argv[1]) {
        return complain("'profiles' takes one name at most");
    }
    if (argv[0]) {
        Profile profile;
        g_autoptr(GError) error = NULL;
        if (!profile_load(argv[0], &profile, &error)) {
            fprintf(stderr, "swtdx: %s\n", error->message);
            return 1;
        }
        profile_print(&profile, stdout);
        return 0;
    }
    profile_list();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(general_help, stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "run")) {
        return command_run(argv + 2);
    }
    if (!strcmp(argv[1], "profiles")) {
        return command_profiles(argv + 2);
    }
    if (!strcmp(argv[1], "qgs")) {
#ifdef SWTDX_QGS
        return command_qgs(argv + 2);
#else
        return complain("'qgs' is not built in this version: it needs GnuTLS (package libgnutls28-dev)");
#endif
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
        fputs(general_help, stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("swtdx %s\n", SWTDX_VERSION);
        return 0;
    }
    g_autofree char *text = g_strdup_printf("unknown command '%s'; see 'swtdx --help'", argv[1]);
    return complain(text);
}
