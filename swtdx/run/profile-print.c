/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A profile as text: one fact per line, those that were not read off such a host marked. */
#include <inttypes.h>
#include <string.h>

#include "../host/module/version.h"
#include "run.h"

/* After a fact: whether it was read somewhere. */
static const char *mark(const Profile *p, uint64_t members)
{
    return p->assumed & members ? " (assumed)" : "";
}
#define MARK(p, member) mark((p), PROFILE_ASSUMED(member))

static void print_module(const Profile *p, FILE *out)
{
    const ModuleVersion *version = module_version(p);
    fprintf(out, "  module   %u.%u.%02u, at most %u vCPUs per TD%s\n", p->module_major,
            p->module_minor, p->module_update, p->max_vcpus_per_td, MARK(p, max_vcpus_per_td));
    if (!version) {
        fprintf(out, "  module   not described: no TD can be made with it\n");
        return;
    }
    fprintf(out, "  module   known: %s\n", version->known);
    fprintf(out, "  module   assumed: %s\n", version->assumed);
}

/* Where this host is more lenient than a real one, or otherwise than KVM makes it. */
static void print_leniencies(const Profile *p, FILE *out)
{
    if (!p->vmcall_rbp_refused) {
        fprintf(out, "  lenient  TDG.VP.VMCALL lets RBP's bit pass (vmcall_rbp_refused)\n");
    }
    if (!p->max_vcpus_told) {
        fprintf(out,
                "  lenient  TDG.VP.INFO tells NUM_VCPUS in place of MAX_VCPUS (max_vcpus_told)\n");
    }
    if (p->accept_2m) {
        fprintf(out, "  lenient  TDG.MEM.PAGE.ACCEPT takes 2 MiB pages (accept_2m)\n");
    }
}

static void print_processor(const Profile *p, FILE *out)
{
    fprintf(out, "  CPUs     %u%s, %u bits of physical address%s, %s EPT%s, TSC %u kHz%s\n",
            p->logical_cpus, MARK(p, logical_cpus), p->phys_bits, MARK(p, phys_bits),
            p->ept5 ? "5-level" : "4-level", MARK(p, ept5), p->native_tsc_khz,
            MARK(p, native_tsc_khz));
    fprintf(out,
            "  XCR0     0x%" PRIx64 "%s (KVM 0x%" PRIx64 "%s), XSS 0x%" PRIx64 "%s (KVM 0x%" PRIx64
            "%s)\n",
            p->xcr0, MARK(p, xcr0), p->kvm_xcr0, MARK(p, kvm_xcr0), p->xss, MARK(p, xss),
            p->kvm_xss, MARK(p, kvm_xss));
    fprintf(out, "  MSR      IA32_ARCH_CAPABILITIES 0x%" PRIx64 "%s\n", p->arch_capabilities,
            MARK(p, arch_capabilities));
}

static void print_limits(const Profile *p, FILE *out)
{
    fprintf(out, "  KeyIDs   %u%s", p->keyids, MARK(p, keyids));
    fprintf(out, p->cgroup_max == UINT32_MAX ? "\n" : ", cgroup limit %u\n", p->cgroup_max);
    if (p->dev_kvm_error) {
        fprintf(out, "  /dev/kvm %s\n", g_strerror(p->dev_kvm_error));
    }
}

static void print_cpuid(const Profile *p, FILE *out)
{
    for (uint32_t i = 0; i < p->num_cpuid; i++) {
        const ProfileCpuid *c = &p->cpuid[i];
        char sub[24] = "";
        if (c->has_subleaf) {
            snprintf(sub, sizeof(sub), ".%u", c->subleaf);
        }
        fprintf(out, "  cpuid    0x%x%s: %08x %08x %08x %08x%s\n", c->leaf, sub, c->regs[0],
                c->regs[1], c->regs[2], c->regs[3], c->assumed ? " (assumed)" : "");
    }
}

static void print_files(const Profile *p, FILE *out)
{
    for (uint32_t i = 0; i < p->num_files; i++) {
        const ProfileFile *f = &p->files[i];
        fprintf(out, "  file     %s: %.*s\n", f->path, f->error ? 60 : (int)strcspn(f->text, "\n"),
                f->error ? g_strerror(f->error) : f->text);
    }
}

void profile_print(const Profile *p, FILE *out)
{
    fprintf(out, "%s: %s\n", p->name, p->description);
    print_module(p, out);
    fprintf(out, "  kernel   %s (behaves as %u.%u), TDX %s\n", p->kernel_release, p->kernel_major,
            p->kernel_minor, p->tdx_enabled ? "on" : "off");
    print_processor(p, out);
    print_limits(p, out);
    print_leniencies(p, out);
    print_cpuid(p, out);
    print_files(p, out);
}
