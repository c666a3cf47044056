/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that swtdx plays: processor, TDX module, kernel, limits, files. Plain data without
 * pointers, so that the launcher can compile it from JSON (swtdx/profiles/) and hand it to the host
 * library as a blob.
 */
#ifndef SWTDX_PROFILE_H
#define SWTDX_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_MAGIC 0x46505854u
#define PROFILE_VERSION 2u
#define PROFILE_MAX_CPUID 128
#define PROFILE_MAX_CPUID_CONFIG 48
#define PROFILE_MAX_FILES 48

typedef struct ProfileCpuid {
    uint32_t leaf, subleaf, regs[4];
    uint8_t has_subleaf, assumed; /* assumed: not read off such a processor */
    uint8_t pad[2];
} ProfileCpuid;

/* A host file that programs see instead of the real one (or that is absent). */
typedef struct ProfileFile {
    char path[96];
    char text[384];
    int32_t error; /* errno on open; 0 = exists */
} ProfileFile;

typedef struct Profile {
    uint32_t magic, version, size;
    char name[32];
    char description[320];
    /* Processor */
    uint32_t num_cpuid;
    ProfileCpuid cpuid[PROFILE_MAX_CPUID];
    uint32_t native_tsc_khz;
    uint32_t phys_bits;       /* MAXPA, e.g. 52 */
    uint8_t ept5;             /* 5-level EPT */
    uint32_t logical_cpus;    /* present: MAX_VCPUS of a TD */
    uint64_t xcr0, xss;       /* of the processor */
    uint64_t arch_capabilities;
    /* Module */
    uint32_t module_major, module_minor, module_update;
    uint32_t max_vcpus_per_td;
    /*
     * TDG.VP.VMCALL refuses RBP's bit in its mask when the TD has NO_RBP_MOD, as real modules do,
     * and KVM sets NO_RBP_MOD on all TDs. But edk2 before stable202405 (pull request 5479) sets the
     * bit in every call: with 1 no such firmware runs. With 0 the bit is let pass and ignored, and
     * td_rbp_bit_seen() tells that a guest needed it.
     */
    uint8_t vmcall_rbp_refused;
    /*
     * TDG.VP.INFO tells MAX_VCPUS in R8 63:32, as real modules do; Linux makes TDs with MAX_VCPUS =
     * logical_cpus. But edk2 before stable202408 (pull request 5828) takes it for the number of
     * vCPUs and waits for so many. With 0 the field holds what such firmware expects, NUM_VCPUS
     * once more.
     */
    uint8_t max_vcpus_told;
    /*
     * TDG.MEM.PAGE.ACCEPT of 2 MiB succeeds where nothing of the region was mapped in smaller pages
     * before. KVM up to 7.3 maps TDs with 4 KiB pages only, so that on a real host it is
     * PAGE_SIZE_MISMATCH and guests go on with 4 KiB.
     */
    uint8_t accept_2m;
    /* Kernel */
    uint32_t kernel_major, kernel_minor;
    char kernel_release[64];
    uint8_t tdx_enabled;      /* KVM offers VM type 5 */
    uint32_t keyids;          /* for TDs */
    uint32_t cgroup_max;      /* TDs this cgroup may have; UINT32_MAX = max */
    uint64_t kvm_xcr0, kvm_xss; /* what KVM supports */
    int32_t dev_kvm_error;    /* errno of open("/dev/kvm"), 0 = fine */
    /*
     * Members not read off such a host: bits by number in PROFILE_MEMBERS. CPUID leaves and the
     * module say so themselves.
     */
    uint64_t assumed;
    /* Files */
    uint32_t num_files;
    ProfileFile files[PROFILE_MAX_FILES];
} Profile;

/* The members that are numbers, in the order of a profile's text. */
#define PROFILE_MEMBERS(M)                                                                         \
    M(native_tsc_khz) M(phys_bits) M(ept5) M(logical_cpus) M(xcr0) M(xss) M(arch_capabilities)     \
    M(module_major) M(module_minor) M(module_update) M(max_vcpus_per_td) M(vmcall_rbp_refused)     \
    M(max_vcpus_told) M(accept_2m) M(kernel_major) M(kernel_minor) M(tdx_enabled) M(keyids)        \
    M(cgroup_max) M(kvm_xcr0) M(kvm_xss) M(dev_kvm_error)
#define PROFILE_NUMBER_OF(member) PROFILE_MEMBER_##member,
enum { PROFILE_MEMBERS(PROFILE_NUMBER_OF) PROFILE_NUM_MEMBERS };
#define PROFILE_ASSUMED(member) (UINT64_C(1) << PROFILE_MEMBER_##member)

/* Checks a blob: size, magic, version, counts in range. */
bool profile_valid(const void *blob, size_t size);
/* Native CPUID of the profile's processor; a leaf beyond its maximum counts as zero. */
void profile_cpuid(const Profile *profile, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/*
 * The built-in default, spr-1.5: Sapphire Rapids, module 1.5.05, kernel 6.16. Same content as
 * swtdx/profiles/spr-1.5.json.
 */
const Profile *profile_builtin(void);
/*
 * The part of KVM's supported_xfam that the executing core can do on this machine. A launcher that
 * executes, rather than plans, narrows the profile to it.
 */
uint64_t profile_executable_xfam(const Profile *profile);
/*
 * Takes out of the profile's native CPUID the instructions that the core cannot execute on this
 * machine, as if on a lesser processor, and writes what TDs miss, state components included, into
 * buf ("CET, AVX512_FP16", or ""); returns the length it needs.
 */
size_t profile_narrow(Profile *profile, char *buf, size_t size);

#endif
