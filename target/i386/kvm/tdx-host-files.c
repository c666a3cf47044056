/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel publishes about TDX in files that need no privileges. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "target/i386/kvm/tdx-diagnose.h"
#include "util/error.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static char *read_text(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* Boolean module parameters read as "Y\n" or "N\n"; older ones of kvm_intel as 1 or 0. */
static char read_parameter(const char *path)
{
    g_autofree char *text = read_text(path);

    if (!text || !*text) {
        return 0;
    }
    return text[0] == 'Y' || text[0] == '1' ? 'Y' : 'N';
}

static bool line_has_word(const char *line, const char *word)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);

    return g_strv_contains((const char *const *)words, word);
}

/* The first processor speaks for all. */
static void read_cpuinfo(TdxHostFacts *facts)
{
    g_autofree char *text = read_text("/proc/cpuinfo");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", 64);

    for (unsigned i = 0; lines[i] && lines[i][0]; i++) {
        const char *colon = strchr(lines[i], ':');

        if (!colon) {
            continue;
        }
        if (g_str_has_prefix(lines[i], "vendor_id") && !facts->cpu_vendor) {
            facts->cpu_vendor = g_strstrip(g_strdup(colon + 1));
        } else if (g_str_has_prefix(lines[i], "flags")) {
            facts->tdx_host_platform = line_has_word(colon + 1, "tdx_host_platform");
            facts->hypervisor = line_has_word(colon + 1, "hypervisor");
            facts->vmx = line_has_word(colon + 1, "vmx");
        }
    }
}

#define LOG_MOST (1u << 20) /* the ring buffer of a kernel with many processors */

/*
 * A read gives one record and fails when there is no further one; most distributions let root alone
 * open it.
 */
static char *read_log(void)
{
    g_autoptr(GString) records = g_string_new(NULL);
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    while (fd >= 0 && records->len < LOG_MOST) {
        char record[8192];
        ssize_t n = read(fd, record, sizeof(record));
        if (n > 0) {
            g_string_append_len(records, record, n);
        } else if (n == 0 || (errno != EPIPE && errno != EINTR)) {
            break; /* EPIPE: records were overwritten meanwhile */
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return tdx_log_lines(records->str);
}

TdxHostFacts *tdx_host_facts_read(void)
{
    TdxHostFacts *facts = g_new0(TdxHostFacts, 1);
    g_autofree char *power = read_text("/sys/power/state");
    struct utsname name;

    if (uname(&name) == 0) {
        facts->kernel = g_strdup(name.release);
    }
    read_cpuinfo(facts);
    facts->cmdline = read_text("/proc/cmdline");
    facts->can_hibernate = power && line_has_word(power, "disk");
    facts->kvm_intel = g_file_test("/sys/module/kvm_intel", G_FILE_TEST_IS_DIR);
    facts->kvm_amd = g_file_test("/sys/module/kvm_amd", G_FILE_TEST_IS_DIR);
    facts->tdx = read_parameter("/sys/module/kvm_intel/parameters/tdx");
    facts->ept = read_parameter("/sys/module/kvm_intel/parameters/ept");
    facts->eptad = read_parameter("/sys/module/kvm_intel/parameters/eptad");
    facts->apicv = read_parameter("/sys/module/kvm_intel/parameters/enable_apicv");
    facts->tdp_mmu = read_parameter("/sys/module/kvm/parameters/tdp_mmu");
    facts->mmio_caching = read_parameter("/sys/module/kvm/parameters/mmio_caching");
    facts->virt_at_load = read_parameter("/sys/module/kvm/parameters/enable_virt_at_load");
    facts->module_version = read_text("/sys/devices/faux/tdx_host/version");
    facts->log = read_log();
    return facts;
}

void tdx_host_facts_free(TdxHostFacts *facts)
{
    if (facts) {
        g_free(facts->kernel);
        g_free(facts->cpu_vendor);
        g_free(facts->cmdline);
        g_free(facts->module_version);
        g_free(facts->log);
        g_free(facts);
    }
}

static bool read_misc(const char *directory, const char *file, uint64_t *value)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    g_autofree char *text = read_text(path);

    return tdx_misc_value(text, value);
}

/*
 * The root of cgroup v2 shows how many TDs the host can hold, and how many it holds
 * (Documentation/admin-guide/cgroup-v2, misc).
 */
void tdx_hint_keyids(GError **errp)
{
    uint64_t capacity, current;
    bool has_capacity = read_misc(CGROUP_ROOT, "misc.capacity", &capacity);
    bool has_current = read_misc(CGROUP_ROOT, "misc.current", &current);

    if (has_capacity && has_current) {
        error_hint(errp,
                   "No free TDX private KeyID: %" PRIu64 " of %" PRIu64
                   " are in use (misc.current and misc.capacity of the root cgroup)",
                   current, capacity);
    } else if (has_capacity) {
        error_hint(errp,
                   "No free TDX private KeyID: the host has %" PRIu64
                   " for TDs (misc.capacity of the root cgroup)",
                   capacity);
    } else {
        error_hint(errp, "No free TDX private KeyID");
    }
    error_hint(errp, "Stop another TD, or give TDX more KeyIDs in the host's firmware; a TD's "
                     "KeyID is free when all of its file descriptors are closed");
}

/* Own cgroup in the unified hierarchy: the line "0::/path" of /proc/self/cgroup. */
static char *own_cgroup(void)
{
    g_autofree char *text = read_text("/proc/self/cgroup");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], "0::")) {
            return g_build_filename(CGROUP_ROOT, lines[i] + strlen("0::"), NULL);
        }
    }
    return NULL;
}

/* The limit that is reached may be an ancestor's. */
void tdx_hint_cgroup(GError **errp)
{
    g_autofree char *group = own_cgroup();

    while (group && strlen(group) > strlen(CGROUP_ROOT)) {
        uint64_t max, current;

        if (read_misc(group, "misc.max", &max) && read_misc(group, "misc.current", &current) &&
            current >= max) {
            error_hint(errp,
                       "The cgroup %s allows %" PRIu64 " TDs (misc.max, line tdx) and has %" PRIu64,
                       group, max, current);
            error_hint(errp, "Raise misc.max there, or stop another TD of this cgroup");
            return;
        }
        char *parent = g_path_get_dirname(group);
        g_free(group);
        group = parent;
    }
    error_hint(errp, "A limit of the misc cgroup controller is reached (misc.max, line tdx) in "
                     "this process's cgroup or one above it: raise it, or stop another TD there");
}
