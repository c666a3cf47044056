/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what is seen of a host to the cause why it offers no TDX. */
#include <errno.h>
#include <string.h>

#include "target/i386/kvm/tdx-diagnose.h"

#define INTEL "GenuineIntel"
/* A host where everything was done, as far as files tell */
#define READY                                                                                 \
    .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL, .vmx = true, .kvm_intel = true, \
              .tdx_host_platform = true, .eptad = 'Y', .mmio_caching = 'Y'
#define KERNEL .kernel = "6.17.3-amd64"
#define ASKED .cmdline = "ro quiet nohibernate kvm_intel.tdx=1"

static const struct {
    const char *label;
    TdxHostFacts facts;
    TdxHostCause cause;
    const char *message[5];
} rows[] = {
    { "no device", { .kvm_error = ENOENT, .cpu_vendor = INTEL, .kernel = "6.17.0" },
      TDX_HOST_NO_KVM,
      { "there is no /dev/kvm", "No such file or directory", "modprobe" } },
    { "no module", { .kvm_error = ENODEV, .cpu_vendor = INTEL }, TDX_HOST_NO_KVM,
      { "kernel unknown" } },
    { "denied", { .kvm_error = EACCES, .cpu_vendor = INTEL }, TDX_HOST_KVM_DENIED,
      { "may not open", "group" } },
    { "AMD without KVM", { .kvm_error = ENOENT, .cpu_vendor = "AuthenticAMD" }, TDX_HOST_NOT_INTEL,
      { "AuthenticAMD" } },
    { "AMD", { .has_vm_types = true, .vm_types = 0x1d, .cpu_vendor = "AuthenticAMD",
               .kernel = "6.17.0", .kvm_amd = true },
      TDX_HOST_NOT_INTEL, { "not Intel", "VM types 0x1d" } },
    { "kernel before VM types", { .has_vm_types = true, .vm_types = 0, .cpu_vendor = INTEL,
                                  .kernel = "6.1.0-40-amd64",
      .kvm_intel = true }, TDX_HOST_KERNEL_OLD,
      { "too old", "kernel 6.1.0-40-amd64", "6.16 or later" } },
    { "kernel 5.x", { .has_vm_types = true, .cpu_vendor = INTEL, .kernel = "5.15.0" },
      TDX_HOST_KERNEL_OLD, { "too old" } },
    { "kernel 6.15", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL,
                       .kernel = "6.15.9" }, TDX_HOST_KERNEL_OLD,
      { "too old" } },
    { "vendor kernel", { .has_vm_types = true, .vm_types = 0x21 & ~0x20, .cpu_vendor = INTEL,
                         .kernel = "6.8.0-1004-intel",
      .tdx = 'Y', .tdx_host_platform = true }, TDX_HOST_KERNEL_VENDOR,
      { "older vendor's interface", "kvm_intel.tdx=Y" } },
    { "nested", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL, .kernel = "6.17.0",
                  .hypervisor = true, .tdx = 'N' },
      TDX_HOST_IN_VM, { "virtual machine itself", "under a hypervisor" } },
    { "hibernation", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL, .kernel = "6.17.0",
                       .can_hibernate = true,
      .tdx = 'N', .cmdline = "ro quiet" }, TDX_HOST_HIBERNATION, { "hibernation", "nohibernate" } },
    { "firmware", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL, .kernel = "6.17.0",
                    .tdx = 'N',
      .cmdline = "kvm_intel.tdx=1" }, TDX_HOST_FIRMWARE,
      { "firmware did not enable", "tdx_host_platform absent", "KeyIDs" } },
    { "firmware, hibernation off", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL,
                                     .kernel = "7.1.2", .tdx = 'N',
      .can_hibernate = true, .cmdline = "ro nohibernate" }, TDX_HOST_FIRMWARE, { "firmware" } },
    { "built without", { READY, KERNEL, ASKED }, TDX_HOST_KERNEL_CONFIG,
      { "built without TDX", "no parameter kvm_intel.tdx" } },
    { "requested in vain", { READY, KERNEL, ASKED, .tdx = 'N' }, TDX_HOST_MODULE,
      { "loaded no TDX module", "too old", "initialization failed", "kvm_intel.tdx=N", "dmesg" } },
    { "no module, the log says", { READY, KERNEL, ASKED, .tdx = 'N',
                                   .log = "virt/tdx: BIOS enabled: private KeyID range [32, "
                                          "64)\nvirt/tdx: module not loaded" },
      TDX_HOST_MODULE_ABSENT, { "did not load one",
                                "log: virt/tdx: BIOS enabled: private KeyID range [32, 64); "
                                "virt/tdx: module not loaded", "SEAM loader" } },
    { "old module, the log says", { READY, KERNEL, ASKED, .tdx = 'N',
                                    .log = "virt/tdx: frame pointer (RBP) clobber bug present, "
                                           "upgrade TDX module\n"
      "virt/tdx: module initialization failed (-22)" }, TDX_HOST_MODULE_OLD,
      { "older than KVM permits", "1.5.05" } },
    { "failed, the log says", { READY, KERNEL, ASKED, .tdx = 'N',
                                .log = "virt/tdx: TDX-Module initialization failed (-12)" },
      TDX_HOST_MODULE_FAILED, { "could not initialize", "(-12)" } },
    { "a log that says nothing of it", { READY, KERNEL, ASKED, .tdx = 'N',
                                         .log = "virt/tdx: BIOS enabled: private KeyID range [32, "
                                                "64)" },
      TDX_HOST_MODULE, { "initialization failed", "log: virt/tdx: BIOS" } },
    { "not requested, whatever the log says", { READY, KERNEL, .tdx = 'N', .cmdline = "ro",
                                                .log = "virt/tdx: module not loaded" },
      TDX_HOST_NOT_REQUESTED, { "without tdx=1" } },
    { "no EPT", { READY, KERNEL, ASKED, .tdx = 'N', .ept = 'N' }, TDX_HOST_KVM_PARAMETER,
      { "(kvm_intel.ept=N)" } },
    { "no TDP MMU", { READY, KERNEL, ASKED, .tdx = 'N', .tdp_mmu = 'N' }, TDX_HOST_KVM_PARAMETER,
      { "(kvm.tdp_mmu=N)" } },
    { "no APICv", { READY, KERNEL, ASKED, .tdx = 'N', .apicv = 'N' }, TDX_HOST_KVM_PARAMETER,
      { "(kvm_intel.enable_apicv=N)" } },
    { "no virtualization at load", { READY, KERNEL, ASKED, .tdx = 'N', .virt_at_load = 'N' },
      TDX_HOST_KVM_PARAMETER,
      { "(kvm.enable_virt_at_load=N)" } },
    { "no virtualization at load, Linux 7.1", { READY, ASKED, .kernel = "7.1.0", .tdx = 'N',
                                                .virt_at_load = 'N' }, TDX_HOST_MODULE,
      { "initialization failed" } },
    { "neither flag nor parameter", { .has_vm_types = true, .vm_types = 1, .cpu_vendor = INTEL,
                                      .kernel = "6.17.0" },
      TDX_HOST_PLATFORM, { "CONFIG_INTEL_TDX_HOST", "firmware" } },
    { "not requested", { READY, KERNEL, .tdx = 'N', .cmdline = "ro" }, TDX_HOST_NOT_REQUESTED,
      { "without tdx=1", "kvm_intel.tdx=1" } },
    { "no command line", { READY, KERNEL, .tdx = 'N', .cmdline = NULL }, TDX_HOST_NOT_REQUESTED,
      { "without tdx=1" } },
    { "another /dev/kvm", { READY, KERNEL, ASKED, .tdx = 'Y', .module_version = "1.5.06" },
      TDX_HOST_OTHER_KVM,
      { "this /dev/kvm does not offer", "TDX module 1.5.06" } },
    { "odd release", { READY, ASKED, .tdx = 'Y', .kernel = "mainline" }, TDX_HOST_OTHER_KVM,
      { "kernel mainline" } },
    { "nothing known", { 0 }, TDX_HOST_PLATFORM,
      { "vm-type TDX not supported by KVM", "VM types not asked for" } },
};

static void test_causes(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", rows[i].label);
        g_assert_cmpint(tdx_host_cause(&rows[i].facts), ==, rows[i].cause);
        g_assert_false(tdx_diagnose_host(&rows[i].facts, &error));
        g_assert_true(g_str_has_prefix(error->message, "vm-type TDX not supported by KVM: "));
        for (unsigned j = 0; j < G_N_ELEMENTS(rows[i].message) && rows[i].message[j]; j++) {
            if (!strstr(error->message, rows[i].message[j])) {
                g_error("\"%s\" lacks \"%s\"", error->message, rows[i].message[j]);
            }
        }
    }
}

static void test_log(void)
{
    static const struct {
        const char *records, *lines;
    } table[] = {
        { NULL, NULL }, { "", NULL }, { "virt/tdx: module not loaded\n", NULL },
        { "6,1,2,-;usb 1-1: new device\n", NULL },
        { "6,1,2,-;virt/tdx: module not loaded\n", "virt/tdx: module not loaded" },
        { "4,1,2,-;a\n KEY=virt/tdx: x;virt/tdx: y\n3,2,3,-;virt/tdx: b\n", "virt/tdx: b" },
        { "6,1,2,-;kvm_intel: tdx: no TDX private KeyIDs available\n6,2,3,-;kvm_intel: something "
          "else\n",
          "kvm_intel: tdx: no TDX private KeyIDs available" },
        { "6,1,2,-;virt/tdx: a\n6,2,3,-;virt/tdx: b", "virt/tdx: a\nvirt/tdx: b" },
        { "6,1,2,-;xvirt/tdx: a\n", NULL },
        { ";virt/tdx: a\n;;\n\n6", NULL },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *lines = tdx_log_lines(table[i].records);
        g_test_message("%s", table[i].records ? table[i].records : "(none)");
        g_assert_cmpstr(lines, ==, table[i].lines);
    }
}

static void test_ready(void)
{
    const TdxHostFacts facts = { .has_vm_types = true, .vm_types = 0x21 };
    GError *error = NULL;

    g_assert_true(tdx_diagnose_host(&facts, &error));
    g_assert_no_error(error);
}

static void test_misc(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } table[] = {
        { "tdx 31", true, 31 }, { "sev 99\ntdx 0\n", true, 0 }, { "tdx max\n", true, UINT64_MAX },
        { "tdx_x 4\ntdx 7", true, 7 },
        { NULL, false, 0 }, { "", false, 0 }, { "tdx", false, 0 }, { "tdx ", false, 0 },
        { "tdx -1", false, 0 },
        { "tdx 0x10", false, 0 }, { "sev 12", false, 0 },
        { "tdx 99999999999999999999999", false, 0 }, { "\n\n", false, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        uint64_t value = 4711;

        g_test_message("%s", table[i].text ? table[i].text : "(none)");
        g_assert_cmpint(tdx_misc_value(table[i].text, &value), ==, table[i].good);
        if (table[i].good) {
            g_assert_cmpuint(value, ==, table[i].value);
        }
    }
}

/* The reader works on any host, whatever it finds. */
static void test_read(void)
{
    g_autoptr(TdxHostFacts) facts = tdx_host_facts_read();
    GError *error = NULL;

    g_assert_nonnull(facts->kernel);
    tdx_hint_keyids(&error);
    tdx_hint_cgroup(&error);
    g_assert_null(error); /* hints need an error to hang on */
    g_set_error_literal(&error, g_quark_from_string("test"), 0, "x");
    tdx_hint_keyids(&error);
    tdx_hint_cgroup(&error);
    g_assert_nonnull(strstr(error->message, "KeyID"));
    g_assert_nonnull(strstr(error->message, "misc.max"));
    g_error_free(error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tdx/diagnose/causes", test_causes);
    g_test_add_func("/tdx/diagnose/log", test_log);
    g_test_add_func("/tdx/diagnose/ready", test_ready);
    g_test_add_func("/tdx/diagnose/misc", test_misc);
    g_test_add_func("/tdx/diagnose/read", test_read);
    return g_test_run();
}
