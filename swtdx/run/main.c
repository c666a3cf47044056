/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of swtdx: `run` sets the environment that loads libswtdx.so into a program, and
 * becomes that program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qgs.h"
#include "run.h"

static const char general_help[] =
    "usage: swtdx run [OPTIONS] -- PROGRAM [ARGS]       run PROGRAM on a software TDX host\n"
    "       swtdx measure [OPTIONS] -- PROGRAM [ARGS]   MRTD, RTMRs and event log of the TD that "
    "PROGRAM launches\n"
    "       swtdx profiles [NAME]                       list the hosts that can be played, or show "
    "one\n"
    "       swtdx qgs --socket PATH                     make quotes of software TDs (see 'swtdx "
    "qgs --help')\n"
    "       swtdx selftest                              does this machine let swtdx do what it "
    "needs\n"
    "       swtdx --help | --version\n"
    "\n"
    "PROGRAM finds a /dev/kvm that offers TDX guests and executes them in software. Nothing is "
    "confidential:\n"
    "the TD's memory is PROGRAM's.\n";

static const char run_help[] =
    "usage: swtdx run [OPTIONS] -- PROGRAM [ARGS]\n"
    "\n"
    "  --host PROFILE    the host to play: a name of 'swtdx profiles', several parts as in "
    "gnr/2.0.08/7.3, or a JSON file\n"
    "                    (default: spr-1.5)\n"
    "  --trace FILE      write ioctls, TDVMCALLs, TDCALLs, #VEs, EPT violations, page states and "
    "extends to FILE, a line\n"
    "                    each; as JSON if its name ends in .json\n"
    "  --trace-json FILE the same, always as JSON\n"
    "  --summary         tell counters on stderr at the end\n"
    "  --interpret       make no host code for the guest: slower, and no executable memory is "
    "asked for\n"
    "  --deterministic   the same TD does the same each time: one vCPU at a time, virtual time, no "
    "chance\n"
    "  --fault SPEC      NAME[:n]=ERRNO or NAME[:n]=0xSTATUS: the n-th (or every) call of NAME "
    "fails so. NAME: an ioctl\n"
    "                    (KVM_CREATE_VM), a TDX command (KVM_TDX_INIT_VM), TDH_MNG_INIT, "
    "TDH_MEM_PAGE_ADD,\n"
    "                    TDH_MR_FINALIZE, open, or mmap. May be given several times\n"
    "  --help            this text\n";

static int command_run(char **argv)
{
    RunOptions options;
    int status = run_options_parse(argv, &options, run_help, NULL);
    if (status < 0) {
        status = run_prepare(&options);
    }
    if (status < 0) {
        fprintf(stderr, "swtdx: software TDX host %s; TDs run here without any confidentiality\n",
                options.host);
        execv(options.path, options.program);
        fprintf(stderr, "swtdx: %s: %s\n", options.path, g_strerror(errno));
        status = RUN_CANNOT;
    }
    run_options_clear(&options);
    return status;
}

static int command_profiles(char **argv)
{
    if (argv[0] && argv[1]) {
        return run_complain("'profiles' takes one name at most");
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
        return RUN_USAGE;
    }
    if (!strcmp(argv[1], "run")) {
        return command_run(argv + 2);
    }
    if (!strcmp(argv[1], "measure")) {
        return command_measure(argv + 2);
    }
    if (!strcmp(argv[1], "selftest")) {
        return command_selftest(argv + 2);
    }
    if (!strcmp(argv[1], "profiles")) {
        return command_profiles(argv + 2);
    }
    if (!strcmp(argv[1], "qgs")) {
#ifdef SWTDX_QGS
        return command_qgs(argv + 2);
#else
        return run_complain(
            "'qgs' is not built in this version: it needs GnuTLS (package libgnutls28-dev)");
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
    return run_complain(text);
}
