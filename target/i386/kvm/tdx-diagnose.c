/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which known cause keeps a host from offering TDX, and what to do about it. Pure: facts in, words
 * out.
 */
#include <inttypes.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "standard-headers/linux-kvm-tdx.h"
#include "target/i386/kvm/tdx-diagnose.h"
#include "util/error.h"

/* The first kernel whose KVM creates TDs through the interface this program speaks. */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 16

static bool kernel_is_before(const char *release, unsigned want_major, unsigned want_minor)
{
    unsigned major, minor;

    if (!release || sscanf(release, "%u.%u", &major, &minor) != 2) {
        return false;
    }
    return major < want_major || (major == want_major && minor < want_minor);
}

static bool kernel_is_old(const char *release)
{
    return kernel_is_before(release, KERNEL_MAJOR, KERNEL_MINOR);
}

static bool has_word(const char *text, const char *word)
{
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \n", -1);

    return g_strv_contains((const char *const *)words, word);
}

/* The module parameter that made KVM switch TDX off when it was loaded, or NULL. */
static const char *bad_parameter(const TdxHostFacts *facts)
{
    const struct {
        const char *name;
        char value;
    } needed[] = {
        { "kvm_intel.ept", facts->ept }, { "kvm_intel.eptad", facts->eptad },
        { "kvm_intel.enable_apicv", facts->apicv },
        { "kvm.tdp_mmu", facts->tdp_mmu }, { "kvm.mmio_caching", facts->mmio_caching },
        /* From 7.1 the core kernel starts the module at boot, and this does not matter. */
        { "kvm.enable_virt_at_load", kernel_is_before(facts->kernel, 7,
                                                      1) ? facts->virt_at_load : 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (needed[i].value == 'N') {
            return needed[i].name;
        }
    }
    return NULL;
}

static bool requested_on_cmdline(const TdxHostFacts *facts)
{
    return has_word(facts->cmdline, "kvm_intel.tdx=1") ||
           has_word(facts->cmdline, "kvm_intel.tdx=Y") ||
           has_word(facts->cmdline, "kvm_intel.tdx=y") ||
           has_word(facts->cmdline, "kvm_intel.tdx=on");
}

static TdxHostCause cause_without_kvm(const TdxHostFacts *facts)
{
    if (facts->kvm_error == EACCES || facts->kvm_error == EPERM) {
        return TDX_HOST_KVM_DENIED;
    }
    if (facts->cpu_vendor && strcmp(facts->cpu_vendor, "GenuineIntel") != 0) {
        return TDX_HOST_NOT_INTEL;
    }
    return TDX_HOST_NO_KVM;
}

/*
 * The CPU flag is the kernel's word that firmware and kernel did their part: without it, KVM's
 * parameters do not matter.
 */
static TdxHostCause cause_without_platform(const TdxHostFacts *facts)
{
    if (facts->hypervisor) {
        return TDX_HOST_IN_VM;
    }
    if (facts->can_hibernate && !has_word(facts->cmdline, "nohibernate")) {
        return TDX_HOST_HIBERNATION;
    }
    /*
     * The parameter exists with CONFIG_KVM_INTEL_TDX only, which needs CONFIG_INTEL_TDX_HOST: the
     * kernel is not to blame.
     */
    return facts->tdx ? TDX_HOST_FIRMWARE : TDX_HOST_PLATFORM;
}

/*
 * Messages of arch/x86/virt/vmx/tdx/tdx.c; an old module fails to initialize, so that it comes
 * before the failure.
 */
static TdxHostCause cause_in_module(const TdxHostFacts *facts)
{
    static const struct {
        const char *message;
        TdxHostCause cause;
    } messages[] = {
        { "module not loaded", TDX_HOST_MODULE_ABSENT },
        { "clobber bug present", TDX_HOST_MODULE_OLD },
        { "initialization failed", TDX_HOST_MODULE_FAILED },
    };

    for (unsigned i = 0; facts->log && i < G_N_ELEMENTS(messages); i++) {
        if (strstr(facts->log, messages[i].message)) {
            return messages[i].cause;
        }
    }
    return TDX_HOST_MODULE;
}

TdxHostCause tdx_host_cause(const TdxHostFacts *facts)
{
    if (facts->kvm_error) {
        return cause_without_kvm(facts);
    }
    if (facts->has_vm_types && facts->vm_types & (1u << KVM_X86_TDX_VM)) {
        return TDX_HOST_READY;
    }
    if ((facts->cpu_vendor && strcmp(facts->cpu_vendor, "GenuineIntel") != 0) ||
        (facts->kvm_amd && !facts->kvm_intel)) {
        return TDX_HOST_NOT_INTEL;
    }
    if (kernel_is_old(facts->kernel)) {
        return facts->tdx == 'Y' ? TDX_HOST_KERNEL_VENDOR : TDX_HOST_KERNEL_OLD;
    }
    if (!facts->tdx_host_platform) {
        return cause_without_platform(facts);
    }
    if (!facts->tdx) {
        return TDX_HOST_KERNEL_CONFIG;
    }
    if (facts->tdx == 'Y') {
        return TDX_HOST_OTHER_KVM;
    }
    if (bad_parameter(facts)) {
        return TDX_HOST_KVM_PARAMETER;
    }
    return requested_on_cmdline(facts) ? cause_in_module(facts) : TDX_HOST_NOT_REQUESTED;
}

/* What is wrong, and what to do. */
static const struct {
    const char *text, *remedy;
} causes[] = {
    [TDX_HOST_NO_KVM] = {
        "there is no /dev/kvm",
        "Load kvm_intel (modprobe kvm_intel tdx=1) and enable virtualization in the host's "
        "firmware; in a container, pass /dev/kvm in" },
    [TDX_HOST_KVM_DENIED] = {
        "this user may not open /dev/kvm",
        "Add the user to the group that owns /dev/kvm, usually kvm" },
    [TDX_HOST_NOT_INTEL] = {
        "the host's processor is not Intel's",
        "A TD needs an Intel Xeon processor of the 5th generation or later (some of the 4th)" },
    [TDX_HOST_IN_VM] = {
        "the host is a virtual machine itself, and TDX cannot be nested",
        "Run this on the physical host" },
    [TDX_HOST_KERNEL_OLD] = {
        "the host's kernel is too old",
        "Boot Linux 6.16 or later with CONFIG_INTEL_TDX_HOST and CONFIG_KVM_INTEL_TDX" },
    [TDX_HOST_KERNEL_VENDOR] = {
        "the host's kernel has TDX with an older vendor's interface",
        "Kernels before 6.16 number VM types and TDX commands in another way: boot Linux 6.16 or "
        "later" },
    [TDX_HOST_KERNEL_CONFIG] = {
        "the host's kvm_intel module was built without TDX",
        "Boot a kernel with CONFIG_KVM_INTEL_TDX, and load kvm_intel" },
    [TDX_HOST_HIBERNATION] = {
        "the host's kernel supports hibernation, which switches TDX off at boot",
        "Add nohibernate to the kernel's command line and boot again" },
    [TDX_HOST_FIRMWARE] = {
        "the host's firmware did not enable TDX",
        "Enable TDX in the host's firmware (memory encryption, TDX, at least 2 TDX private "
        "KeyIDs, SEAM loader); dmesg | grep -i tdx tells what is missing" },
    [TDX_HOST_PLATFORM] = {
        "the host's firmware did not enable TDX, or the kernel lacks CONFIG_INTEL_TDX_HOST",
        "Boot a kernel with CONFIG_INTEL_TDX_HOST and CONFIG_KVM_INTEL_TDX, and enable TDX in the "
        "host's firmware (memory encryption, TDX, at least 2 TDX private KeyIDs, SEAM loader); "
        "dmesg | grep -i tdx tells what is missing" },
    [TDX_HOST_KVM_PARAMETER] = {
        "KVM switched TDX off because of another module parameter",
        "Remove that setting from the kernel's command line or /etc/modprobe.d, and load "
        "kvm_intel again with tdx=1" },
    [TDX_HOST_NOT_REQUESTED] = {
        "kvm_intel was loaded without tdx=1, or switched TDX off while loading",
        "Add kvm_intel.tdx=1 to the kernel's command line and boot again, or: modprobe -r "
        "kvm_intel; modprobe kvm_intel tdx=1. If it stays N, dmesg | grep -i tdx tells why" },
    [TDX_HOST_MODULE] = {
        "kvm_intel.tdx=1 was asked for, and KVM switched it off: the firmware loaded no TDX "
        "module, or the module is too old, or its initialization failed",
        "dmesg | grep -i tdx tells which: 'module not loaded' (enable the SEAM loader in the "
        "firmware), 'RBP clobber bug' (update the TDX module), or 'initialization failed' with "
        "its error" },
    [TDX_HOST_MODULE_ABSENT] = {
        "the host has no TDX module: its firmware did not load one",
        "Enable the SEAM loader in the host's firmware, or install a TDX module where the "
        "firmware looks for it, and boot again" },
    [TDX_HOST_MODULE_OLD] = {
        "the host's TDX module is older than KVM permits",
        "Update the host's firmware or its TDX module: 1.5.05 is the first that Linux's KVM "
        "takes" },
    [TDX_HOST_MODULE_FAILED] = {
        "the host's kernel could not initialize the TDX module",
        "The log's number is an errno: -12 is memory, -22 a firmware that describes memory "
        "wrongly; update the firmware" },
    [TDX_HOST_OTHER_KVM] = {
        "kvm_intel.tdx is on, but this /dev/kvm does not offer it",
        "Check that /dev/kvm belongs to this kernel (containers, namespaces), and the host's log: "
        "dmesg | grep -i tdx" },
};
_Static_assert(G_N_ELEMENTS(causes) == TDX_HOST_OTHER_KVM + 1, "a row for each cause");

static void append_parameter(GString *text, const char *name, char value)
{
    if (value) {
        g_string_append_printf(text, ", %s=%c", name, value);
    }
}

static char *describe_facts(const TdxHostFacts *facts)
{
    GString *text = g_string_new(NULL);

    if (facts->kvm_error) {
        g_string_append_printf(text, "/dev/kvm: %s", g_strerror(facts->kvm_error));
    } else if (facts->has_vm_types) {
        g_string_append_printf(text, "VM types 0x%x (TDX is 0x%x)", facts->vm_types,
                               1u << KVM_X86_TDX_VM);
    } else {
        g_string_append(text, "VM types not asked for");
    }
    g_string_append_printf(text, ", kernel %s", facts->kernel ? facts->kernel : "unknown");
    g_string_append_printf(text, ", processor %s%s",
                           facts->cpu_vendor ? facts->cpu_vendor : "unknown",
                           facts->hypervisor ? " under a hypervisor" : "");
    g_string_append_printf(text, ", CPU flag tdx_host_platform %s",
                           facts->tdx_host_platform ? "present" : "absent");
    if (facts->tdx) {
        append_parameter(text, "kvm_intel.tdx", facts->tdx);
    } else {
        g_string_append(text, ", no parameter kvm_intel.tdx");
    }
    append_parameter(text, "kvm_intel.ept", facts->ept);
    append_parameter(text, "kvm_intel.eptad", facts->eptad);
    append_parameter(text, "kvm_intel.enable_apicv", facts->apicv);
    append_parameter(text, "kvm.tdp_mmu", facts->tdp_mmu);
    append_parameter(text, "kvm.mmio_caching", facts->mmio_caching);
    append_parameter(text, "kvm.enable_virt_at_load", facts->virt_at_load);
    if (facts->module_version) {
        g_string_append_printf(text, ", TDX module %s", facts->module_version);
    }
    if (facts->log) {
        g_auto(GStrv) lines = g_strsplit(facts->log, "\n", -1);
        g_autofree char *log = g_strjoinv("; ", lines);
        g_string_append_printf(text, ", log: %s", log);
    }
    return g_string_free(text, FALSE);
}

/*
 * Messages of the core kernel ("virt/tdx: ") and of KVM ("kvm_intel: tdx: ", "kvm_intel: Disable
 * TDX: ").
 */
static bool about_tdx(const char *message)
{
    return g_str_has_prefix(message, "virt/tdx: ") ||
           (g_str_has_prefix(message, "kvm_intel: ") && strcasestr(message, "tdx"));
}

#define LOG_LINES 8 /* of the boot's first; what else there is repeats them */

char *tdx_log_lines(const char *records)
{
    g_auto(GStrv) lines = g_strsplit(records ? records : "", "\n", -1);
    GString *text = g_string_new(NULL);
    unsigned n = 0;

    for (unsigned i = 0; lines[i] && n < LOG_LINES; i++) {
        const char *message = strchr(lines[i], ';');
        if (message && g_ascii_isdigit(lines[i][0]) && about_tdx(message + 1)) {
            g_string_append_printf(text, "%s%s", n++ ? "\n" : "", message + 1);
        }
    }
    return g_string_free(text, n == 0);
}

bool tdx_diagnose_host(const TdxHostFacts *facts, GError **errp)
{
    TdxHostCause cause = tdx_host_cause(facts);

    if (cause == TDX_HOST_READY) {
        return true;
    }
    g_autofree char *seen = describe_facts(facts);
    const char *parameter = cause == TDX_HOST_KVM_PARAMETER ? bad_parameter(facts) : NULL;

    error_set(errp, "vm-type TDX not supported by KVM: %s%s%s%s", causes[cause].text,
              parameter ? " (" : "", parameter ? parameter : "", parameter ? "=N)" : "");
    error_hint(errp, "Seen: %s", seen);
    error_hint(errp, "%s", causes[cause].remedy);
    return false;
}

bool tdx_misc_value(const char *text, uint64_t *value)
{
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", 3);

        if (g_strv_length(words) < 2 || strcmp(words[0], "tdx") != 0) {
            continue;
        }
        if (strcmp(words[1], "max") == 0) {
            *value = UINT64_MAX;
            return true;
        }
        return g_ascii_string_to_unsigned(words[1], 10, 0, UINT64_MAX, value, NULL);
    }
    return false;
}
