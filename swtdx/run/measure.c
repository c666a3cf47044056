/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `swtdx measure`: runs a program until its TD has measured what was asked for, ends it, and tells
 * the measurements.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../host/module/event-log.h"
#include "../host/module/sha.h"
#include "measure.h"
#include "run.h"

#define DEFAULT_TIMEOUT 180 /* seconds */
#define TERM_SECONDS 10     /* between SIGTERM and SIGKILL */
#define POLL_MS 50
#define EXIT_NO_TD 1
#define EXIT_NOT_REACHED 3

static const char measure_help[] =
    "usage: swtdx measure [OPTIONS] -- PROGRAM [ARGS]\n"
    "\n"
    "Runs PROGRAM, any VMM, on a software TDX host until its TD has measured what is asked for, "
    "ends it, and prints\n"
    "MRTD, RTMR0 to RTMR3 and the firmware's event log on standard output. PROGRAM's own output "
    "goes to stderr.\n"
    "\n"
    "  --until WHAT      EBS (default): the firmware left boot services, as it measures that "
    "itself; launch: the TD is\n"
    "                    ready, no vCPU runs; extend=N: N extends of RTMRs; EV_NAME: the log has "
    "an event of that type;\n"
    "                    end: PROGRAM ended; anything else: the log has an event whose data "
    "contain that text\n"
    "  --timeout SECONDS give up waiting, and print what there is (default 180)\n"
    "  --json            print JSON\n"
    "  --host PROFILE, --trace FILE, --trace-json FILE, --fault SPEC, --summary, --interpret,\n"
    "  --deterministic: as for 'swtdx run'\n"
    "  --help            this text\n"
    "\n"
    "Exit status: 0, 3 if PROGRAM ended or the time was over before, 1 if it launched no TD.\n";

/* Text that edk2 measures when ExitBootServices() has succeeded (MdePkg, UefiTcgPlatform.h). */
static const char exit_boot_services[] = "Exit Boot Services Returned with Success";

static bool fill_until(Record *record, const char *until)
{
    char *end;
    if (!strcmp(until, "EBS")) {
        record->until = RECORD_UNTIL_DIGEST;
        sha384(exit_boot_services, strlen(exit_boot_services), record->digest);
    } else if (!strcmp(until, "launch")) {
        record->until = RECORD_UNTIL_LAUNCH;
    } else if (!strcmp(until, "end")) {
        record->until = RECORD_UNTIL_END;
    } else if (g_str_has_prefix(until, "extend=")) {
        record->until = RECORD_UNTIL_COUNT;
        record->number = (uint32_t)strtoul(until + 7, &end, 10);
        return until[7] >= '1' && until[7] <= '9' && !*end;
    } else if (g_str_has_prefix(until, "EV_")) {
        record->until = RECORD_UNTIL_TYPE;
        return event_log_type_by_name(until, &record->number);
    } else {
        record->until = RECORD_UNTIL_TEXT;
        return *until &&
               g_strlcpy(record->text, until, sizeof(record->text)) < sizeof(record->text);
    }
    return true;
}

static bool own_option(char **argv, int *i, RunOptions *options, const char **value)
{
    if (!strcmp(argv[*i], "--json")) {
        options->json = true;
    } else if (run_option_value(argv, i, "--until", value)) {
        options->until = *value;
    } else if (run_option_value(argv, i, "--timeout", value)) {
        char *end = NULL;
        unsigned long seconds = *value ? strtoul(*value, &end, 10) : 0;
        if (*value && (*end || !seconds || seconds > 86400)) {
            fprintf(stderr,
                    "swtdx: --timeout '%s': a number of seconds from 1 to 86400 is needed\n",
                    *value);
            *value = NULL;
        }
        options->timeout = (unsigned)seconds;
    } else {
        return false;
    }
    return true;
}

/* A memory file that the program inherits. */
static Record *new_record(void)
{
    int fd = memfd_create("swtdx-record", 0);
    if (fd < 0 || ftruncate(fd, sizeof(Record))) {
        return NULL;
    }
    Record *record = mmap(NULL, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (record == MAP_FAILED) {
        return NULL;
    }
    record->magic = RECORD_MAGIC;
    return run_hand_over("SWTDX_RECORD", fd) ? record : NULL;
}

/* Standard output is the result's. */
static _Noreturn void become_program(const RunOptions *options)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execv(options->path, options->program);
    fprintf(stderr, "swtdx: %s: %s\n", options->path, g_strerror(errno));
    _exit(RUN_CANNOT);
}

/*
 * All processes that came of the program: one that became a daemon is ours too
 * (PR_SET_CHILD_SUBREAPER).
 */
static bool all_ended(void)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
    }
    return pid < 0 && errno == ECHILD;
}

static void wait_a_moment(Record *record, uint32_t state)
{
    struct timespec t = { 0, POLL_MS * 1000000L };
    syscall(SYS_futex, &record->state, FUTEX_WAIT, state, &t, NULL, 0);
}

/* Until the record is final or the program has ended. */
static void follow(Record *record, unsigned timeout)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout * G_USEC_PER_SEC;
    while (!all_ended()) {
        uint32_t state = atomic_load(&record->state);
        if (state == RECORD_STOPPED) {
            return;
        }
        gint64 now = g_get_monotonic_time();
        if (now > end) {
            atomic_store(&record->asked, 1);
        }
        if (now > end + 5 * G_USEC_PER_SEC) { /* nobody there to ask: no TD, or another process's */
            return;
        }
        wait_a_moment(record, state);
    }
}

static void end_program(const Record *record, pid_t child)
{
    gint64 end = g_get_monotonic_time() + TERM_SECONDS * G_USEC_PER_SEC;
    pid_t vmm = atomic_load(&record->pid);
    for (int signo = SIGTERM; !all_ended(); signo = SIGKILL) {
        kill(child, signo);
        if (vmm > 0 && vmm != child) {
            kill(vmm, signo);
        }
        while (!all_ended() && g_get_monotonic_time() < end) {
            g_usleep(POLL_MS * 1000 / 5);
        }
        end = g_get_monotonic_time() + TERM_SECONDS * G_USEC_PER_SEC;
        if (signo == SIGKILL) {
            return; /* what is left is not of the program's own making */
        }
    }
}

static int measure(const RunOptions *options, Record *record)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "swtdx: cannot start %s: %s\n", options->path, g_strerror(errno));
        return RUN_CANNOT;
    }
    if (child == 0) {
        become_program(options);
    }
    /* Ctrl-C is the program's to obey; what was measured by then is told. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    follow(record, options->timeout);
    bool reached = atomic_load(&record->reached) ||
                   (record->until == RECORD_UNTIL_END && !atomic_load(&record->asked));
    end_program(record, child);
    if (!atomic_load(&record->finalised)) {
        fprintf(stderr, "swtdx: %s launched no TD%s\n", options->path,
                atomic_load(&record->state) != RECORD_NO_TD
                    ? ": it stopped before KVM_TDX_FINALIZE_VM"
                    : "");
        return EXIT_NO_TD;
    }
    Measurement m;
    measurement_init(&m, record, options->host, options->until, reached);
    (options->json ? measurement_print_json : measurement_print)(&m, stdout);
    return reached ? 0 : EXIT_NOT_REACHED;
}

int command_measure(char **argv)
{
    RunOptions options;
    int status = run_options_parse(argv, &options, measure_help, own_option);
    options.until = options.until ? options.until : "EBS";
    options.timeout = options.timeout ? options.timeout : DEFAULT_TIMEOUT;
    if (status < 0) {
        Record *record = new_record();
        if (!record) {
            fprintf(stderr, "swtdx: no memory for the record: %s\n", g_strerror(errno));
            status = RUN_CANNOT;
        } else if (!fill_until(record, options.until)) {
            fprintf(stderr,
                    "swtdx: --until '%s': EBS, launch, end, extend=N, the name of an event type "
                    "(EV_SEPARATOR), or a text of up to %d bytes is needed\n",
                    options.until, RECORD_TEXT - 1);
            status = RUN_USAGE;
        } else {
            status = run_prepare(&options);
        }
        status = status < 0 ? measure(&options, record) : status;
    }
    run_options_clear(&options);
    return status;
}
