/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `swtdx selftest`: does this machine let swtdx do what it needs. Each check runs in a process of
 * its own, most of them under `swtdx run`, as a program would: this program is both.
 */
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../host/kvm/abi.h"
#include "run.h"

#define RESERVE \
    (UINT64_C(64) << 30) /* address space of a TD with some vCPUs; nothing is behind it */
#define INSIDE "--inside"

/* Checks answer NULL, or what is wrong. */
typedef const char *Check(void);

static const char *check_preload(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return "/dev/kvm does not open: is LD_PRELOAD ignored here?";
    }
    int types = ioctl(kvm, KVM_CHECK_EXTENSION, ABI_CAP_VM_TYPES);
    close(kvm);
    return types > 0 && (types & (1 << ABI_VM_TDX))
               ? NULL
               : "/dev/kvm is the machine's own, or offers no TDs";
}

static const char *check_vm(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, ABI_VM_TDX);
    if (vm >= 0) {
        close(vm);
    }
    if (kvm >= 0) {
        close(kvm);
    }
    return vm >= 0 ? NULL : "no VM of type TDX can be made: are threads or descriptors limited?";
}

/* CPUID of this program itself: the profile's, Intel's on any machine. */
static const char *check_cpuid(void)
{
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    return b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx
               ? NULL
               : "CPUID shows this machine's processor: programs that execute it choose by it";
}

static volatile sig_atomic_t arrived;

static void on_signal(int signo)
{
    arrived = 1;
}

static const char *check_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal };
    return sigaction(SIGUSR1, &act, NULL) || raise(SIGUSR1) || !arrived
               ? "a handler set under swtdx is not called"
               : NULL;
}

/*
 * Instructions that the interpreter leaves to the processor are called in memory made for them
 * (thunks).
 */
static const char *check_code(void)
{
    static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */
    unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return "no memory";
    }
    memcpy(p, code, sizeof(code));
    if (mprotect(p, 4096, PROT_READ | PROT_EXEC)) {
        return "memory that was written cannot be made executable: a security policy (SELinux "
               "execmem) forbids it";
    }
    int (*function)(void);
    memcpy(&function, &p, sizeof(function));
    return function() == 42 ? NULL : "code that was made does not run";
}

static const char *check_memory(void)
{
    void *p = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return "64 GiB of address space cannot be reserved: see ulimit -v and "
               "/proc/sys/vm/overcommit_memory; only small TDs run";
    }
    munmap(p, RESERVE);
    return NULL;
}

static const char *check_files(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < 768
               ? "fewer than 768 descriptors are allowed: see ulimit -n"
               : NULL;
}

static const struct {
    const char *name, *what;
    Check *check;
    bool inside; /* under swtdx run */
} checks[] = {
    { "preload", "the library is loaded, and /dev/kvm offers TDs", check_preload, true },
    { "vm", "a VM of type TDX is made, with the thread that serves it", check_vm, true },
    { "cpuid", "a program's CPUID shows the processor of the host that is played", check_cpuid,
      true },
    { "signals", "a program's signal handlers run", check_signals, true },
    { "thunks", "code can be made and executed", check_code, true },
    { "memory", "address space for a TD can be reserved", check_memory, false },
    { "descriptors", "enough descriptors are allowed", check_files, false },
};

/* Exit status 0, or 1 after its reason on stderr. */
static int run_check(size_t i)
{
    const char *wrong = checks[i].check();
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
    }
    return wrong != NULL;
}

/*
 * Runs one check in a process of its own; answers what it said, or NULL if all is well. Free with
 * g_free().
 */
static char *ask(size_t i)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL),
                    *number = g_strdup_printf("%zu", i);
    char *inside[] = { self, (char *)"run", (char *)"--", self, (char *)"selftest", (char *)INSIDE,
                       number, NULL };
    char *outside[] = { self, (char *)"selftest", (char *)INSIDE, number, NULL };
    char *said = NULL;
    int status;
    g_autoptr(GError) error = NULL;
    if (!self ||
        !g_spawn_sync(NULL, checks[i].inside ? inside : outside, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
                      NULL, NULL, NULL, &said, &status, &error)) {
        return g_strdup(error ? error->message : "this program's file is not to be found");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        g_free(said);
        return NULL;
    }
    g_strchomp(said);
    const char *line = strrchr(said, '\n');
    char *last = WIFSIGNALED(status) ? g_strdup_printf("ended by signal %d", WTERMSIG(status))
                                     : g_strdup(line ? line + 1 : said);
    g_free(said);
    return last;
}

int command_selftest(char **argv)
{
    bool all = true;
    if (argv[0] && !strcmp(argv[0], INSIDE) && argv[1]) {
        unsigned long i = strtoul(argv[1], NULL, 10);
        return i < G_N_ELEMENTS(checks) ? run_check(i) : RUN_USAGE;
    }
    if (argv[0]) {
        return run_complain("'selftest' takes no arguments");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autofree char *wrong = ask(i);
        printf("%-6s %-12s %s\n", wrong ? "FAILED" : "ok", checks[i].name,
               wrong ? wrong : checks[i].what);
        fflush(stdout);
        all &= wrong == NULL;
    }
    return all ? 0 : 1;
}
