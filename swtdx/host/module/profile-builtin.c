/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in profile, made by scripts/swtdx-profile-builtin.py of spr-1.5.json. */
#include "profile.h"

static const Profile builtin = {
    .magic = PROFILE_MAGIC, .version = PROFILE_VERSION, .size = sizeof(Profile),
    .name = "spr-1.5",
    .description = "Sapphire Rapids, 8 cores with 2 threads, TDX module 1.5.05, Linux "
                   "6.16; CPUID values marked assumed were not read off such a processor",
    .kernel_release = "6.16.0-swtdx",
    .native_tsc_khz = 0x387520,
    .phys_bits = 52,
    .ept5 = 1,
    .logical_cpus = 16,
    .xcr0 = 0x602e7,
    .xss = 0x1fd00,
    .arch_capabilities = 0xd28fdeb,
    .module_major = 1,
    .module_minor = 5,
    .module_update = 5,
    .max_vcpus_per_td = 0x240,
    .vmcall_rbp_refused = 0,
    .max_vcpus_told = 0,
    .accept_2m = 0,
    .kernel_major = 6,
    .kernel_minor = 16,
    .tdx_enabled = 1,
    .keyids = 31,
    .cgroup_max = 0xffffffff,
    .kvm_xcr0 = 0x602e7,
    .kvm_xss = 0,
    .dev_kvm_error = 0,
    .assumed = PROFILE_ASSUMED(native_tsc_khz) |
               PROFILE_ASSUMED(xss) |
               PROFILE_ASSUMED(arch_capabilities) |
               PROFILE_ASSUMED(keyids),
    .num_cpuid = 50,
    .cpuid = {
        {0, 0, {0x00000020, 0x756e6547, 0x6c65746e, 0x49656e69}, 0, 0},
        {1, 0, {0x000806f8, 0x00100800, 0x7ffefbff, 0xbfebfbff}, 0, 1},
        {2, 0, {0x00feff01, 0x000000f0, 0x00000000, 0x00000000}, 0, 1},
        {4, 0, {0x1c004121, 0x02c0003f, 0x0000003f, 0x00000000}, 1, 1},
        {4, 1, {0x1c004122, 0x01c0003f, 0x0000003f, 0x00000000}, 1, 1},
        {4, 2, {0x1c004143, 0x03c0003f, 0x000007ff, 0x00000000}, 1, 1},
        {4, 3, {0x1c03c163, 0x0380003f, 0x00005fff, 0x00000004}, 1, 1},
        {5, 0, {0x00000040, 0x00000040, 0x00000003, 0x00002020}, 0, 1},
        {6, 0, {0x00df8ff7, 0x00000002, 0x00000009, 0x00000000}, 0, 1},
        {7, 0, {0x00000002, 0xf3bfbfff, 0xfb417ffe, 0xffdd4432}, 1, 1},
        {7, 1, {0x00001c30, 0x00000000, 0x00000000, 0x00040000}, 1, 1},
        {7, 2, {0x00000000, 0x00000000, 0x00000000, 0x00000017}, 1, 1},
        {10, 0, {0x08300805, 0x00000000, 0x0000000f, 0x00008604}, 0, 1},
        {11, 0, {0x00000001, 0x00000002, 0x00000100, 0x00000000}, 1, 1},
        {11, 1, {0x00000004, 0x00000010, 0x00000201, 0x00000000}, 1, 1},
        {13, 0, {0x000602e7, 0x00002b00, 0x00002b00, 0x00000000}, 1, 1},
        {13, 1, {0x0000001f, 0x00003540, 0x0001fd00, 0x00000000}, 1, 1},
        {13, 2, {0x00000100, 0x00000240, 0x00000000, 0x00000000}, 1, 0},
        {13, 5, {0x00000040, 0x00000440, 0x00000000, 0x00000000}, 1, 0},
        {13, 6, {0x00000200, 0x00000480, 0x00000000, 0x00000000}, 1, 0},
        {13, 7, {0x00000400, 0x00000680, 0x00000000, 0x00000000}, 1, 0},
        {13, 8, {0x00000080, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 9, {0x00000008, 0x00000a80, 0x00000000, 0x00000000}, 1, 0},
        {13, 10, {0x00000008, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 11, {0x00000010, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 12, {0x00000018, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 13, {0x00000008, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 14, {0x00000030, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 15, {0x00000328, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 16, {0x00000008, 0x00000000, 0x00000001, 0x00000000}, 1, 1},
        {13, 17, {0x00000040, 0x00000ac0, 0x00000002, 0x00000000}, 1, 0},
        {13, 18, {0x00002000, 0x00000b00, 0x00000006, 0x00000000}, 1, 0},
        {20, 0, {0x00000001, 0x0000005f, 0x80000007, 0x00000000}, 1, 1},
        {20, 1, {0x02490002, 0x003f3fff, 0x00000000, 0x00000000}, 1, 1},
        {21, 0, {0x00000002, 0x00000128, 0x017d7840, 0x00000000}, 0, 1},
        {22, 0, {0x00000e74, 0x00001004, 0x00000064, 0x00000000}, 0, 1},
        {28, 0, {0x4000000b, 0x00000007, 0x00000007, 0x00000000}, 0, 1},
        {29, 0, {0x00000001, 0x00000000, 0x00000000, 0x00000000}, 1, 1},
        {29, 1, {0x04002000, 0x00080040, 0x00000010, 0x00000000}, 1, 0},
        {30, 0, {0x00000000, 0x00004010, 0x00000000, 0x00000000}, 0, 0},
        {31, 0, {0x00000001, 0x00000002, 0x00000100, 0x00000000}, 1, 1},
        {31, 1, {0x00000004, 0x00000010, 0x00000201, 0x00000000}, 1, 1},
        {0x80000000, 0, {0x80000008, 0x00000000, 0x00000000, 0x00000000}, 0, 0},
        {0x80000001, 0, {0x00000000, 0x00000000, 0x00000121, 0x2c100800}, 0, 0},
        {0x80000002, 0, {0x65746e49, 0x2952286c, 0x6f655820, 0x2952286e}, 0, 1},
        {0x80000003, 0, {0x6c6f4720, 0x34362064, 0x00003433, 0x00000000}, 0, 1},
        {0x80000004, 0, {0x00000000, 0x00000000, 0x00000000, 0x00000000}, 0, 1},
        {0x80000006, 0, {0x00000000, 0x00000000, 0x08007040, 0x00000000}, 0, 1},
        {0x80000007, 0, {0x00000000, 0x00000000, 0x00000000, 0x00000100}, 0, 0},
        {0x80000008, 0, {0x00003934, 0x00000200, 0x00000000, 0x00000000}, 0, 0},
    },
    .num_files = 14,
    .files = {
        {"/proc/cpuinfo",
         "processor\t: 0\n"
         "vendor_id\t: GenuineIntel\n"
         "cpu family\t: 6\n"
         "model\t\t: 143\n"
         "model name\t: Intel(R) Xeon(R) Gold 6434\n"
         "stepping\t: 8\n"
         "flags\t\t: fpu tsc msr pae apic cx8 cmov pat clflush sse sse2 ht syscall nx pdpe1gb "
         "rdtscp lm vmx tdx_host_platform\n"
         "bugs\t\t: tdx_pw_mce\n"
         "address sizes\t: 52 bits physical, 57 bits virtual\n"
         "\n", 0},
        {"/sys/module/kvm_intel/parameters/tdx",
         "Y\n", 0},
        {"/sys/module/kvm_intel/parameters/ept",
         "Y\n", 0},
        {"/sys/module/kvm_intel/parameters/enable_apicv",
         "Y\n", 0},
        {"/sys/module/kvm_intel/parameters/eptad",
         "Y\n", 0},
        {"/sys/module/kvm/parameters/tdp_mmu",
         "Y\n", 0},
        {"/sys/module/kvm/parameters/mmio_caching",
         "Y\n", 0},
        {"/sys/module/kvm/parameters/enable_virt_at_load",
         "Y\n", 0},
        {"/sys/fs/cgroup/misc.capacity",
         "tdx 31\n", 0},
        {"/sys/fs/cgroup/misc.current",
         "tdx 0\n", 0},
        {"/proc/cmdline",
         "BOOT_IMAGE=/vmlinuz-6.16.0 root=/dev/sda1 ro nohibernate kvm_intel.tdx=1\n", 0},
        {"/sys/power/state",
         "freeze mem\n", 0},
        {"/sys/devices/faux/tdx_host/version",
         "", 2},
        {"/dev/kmsg",
         "", 1},
    },
};

const Profile *profile_builtin(void)
{
    return &builtin;
}
