/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a host offers no TDX, or no more of it: known causes, told from what the kernel publishes
 * without privileges.
 */
#ifndef TDX_DIAGNOSE_H
#define TDX_DIAGNOSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What was seen. Strings are NULL where the file is not there; 'Y', 'N', or 0 (absent) for module
 * parameters.
 */
typedef struct TdxHostFacts {
    int kvm_error;              /* errno of opening /dev/kvm; 0: it opens */
    bool has_vm_types;
    uint32_t vm_types;          /* KVM_CAP_VM_TYPES; 0 if KVM does not know it */
    char *kernel;               /* release, such as "6.16.1-1-amd64" */
    char *cpu_vendor;           /* "GenuineIntel", … */
    char *cmdline;              /* of the kernel */
    bool hypervisor;            /* this host is a virtual machine itself */
    /* the CPU flag that Linux sets when firmware and kernel are ready for TDX */
    bool tdx_host_platform;
    bool vmx;
    bool can_hibernate;         /* /sys/power/state offers "disk" */
    bool kvm_intel, kvm_amd;    /* modules loaded or built in */
    char tdx, ept, eptad, apicv, tdp_mmu, mmio_caching, virt_at_load;
    char *module_version;       /* of the TDX module, Linux 7.2 and later */
    char *log;                  /* lines of the kernel's log about TDX, if this user may read it */
} TdxHostFacts;

typedef enum TdxHostCause {
    TDX_HOST_READY,
    TDX_HOST_NO_KVM, TDX_HOST_KVM_DENIED, TDX_HOST_NOT_INTEL, TDX_HOST_IN_VM, TDX_HOST_KERNEL_OLD,
    TDX_HOST_KERNEL_VENDOR,
    TDX_HOST_KERNEL_CONFIG, TDX_HOST_HIBERNATION, TDX_HOST_FIRMWARE, TDX_HOST_PLATFORM,
    TDX_HOST_KVM_PARAMETER, TDX_HOST_NOT_REQUESTED,
    /* The log says which of the module's troubles it is; without it they look alike (the first). */
    TDX_HOST_MODULE, TDX_HOST_MODULE_ABSENT, TDX_HOST_MODULE_OLD, TDX_HOST_MODULE_FAILED,
    TDX_HOST_OTHER_KVM,
} TdxHostCause;

/* Which cause explains the facts best. Pure. */
TdxHostCause tdx_host_cause(const TdxHostFacts *facts);
/*
 * Sets *errp to the cause, what was seen, and the remedy; true if the host is ready (nothing is
 * set). Pure.
 */
bool tdx_diagnose_host(const TdxHostFacts *facts, GError **errp);

/* Reads the files; vm_types is the caller's to fill in. Never NULL. */
TdxHostFacts *tdx_host_facts_read(void);
void tdx_host_facts_free(TdxHostFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxHostFacts, tdx_host_facts_free)

/*
 * The lines about TDX of records as /dev/kmsg gives them ("6,339,5140900,-;virt/tdx: module not
 * loaded"); NULL: none. Pure.
 */
char *tdx_log_lines(const char *records);
/*
 * The number in the line "tdx N" of a file of the misc cgroup controller; "max" is UINT64_MAX.
 * False: no such line. Pure.
 */
bool tdx_misc_value(const char *text, uint64_t *value);
/*
 * Adds to *errp what is known about KeyIDs in use (KVM_TDX_INIT_VM: ENOSPC) or about a cgroup's
 * limit (EBUSY).
 */
void tdx_hint_keyids(GError **errp);
void tdx_hint_cgroup(GError **errp);

#endif
