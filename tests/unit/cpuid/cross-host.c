/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's part between the VMM and the software host's TDX module, without ioctls: what it adds,
 * strips and checks.
 */
#include "cross-host.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

#include "kvm/host.h"
#include "module/module.h"
#include "../run/run.h"

#define LEAF_ADDRESS_SIZES 0x80000008u
#define GPAW_FIELD 0x00ff0000u

_Static_assert(sizeof(CrossEntry) == sizeof(AbiCpuidEntry), "one layout");

static ProfileCpuid *row_of(Profile *p, uint32_t leaf, uint32_t subleaf)
{
    for (uint32_t i = 0; i < p->num_cpuid; i++) {
        if (p->cpuid[i].leaf == leaf && p->cpuid[i].subleaf == subleaf) {
            return &p->cpuid[i];
        }
    }
    assert(false);
    return NULL;
}

static GPtrArray *profiles; /* of Profile; filled once by cross_host_load() */

static Profile variation(CrossKind kind)
{
    Profile p = *profile_builtin();

    switch (kind) {
    case CROSS_CET:
        p.kvm_xss |= 0x1800;
        break;
    case CROSS_NO_AMX:
        p.kvm_xcr0 &= ~UINT64_C(0x60000);
        break;
    case CROSS_NO_AVX512:
        p.kvm_xcr0 &= ~UINT64_C(0x600e0);
        break;
    case CROSS_NO_AVX:
        p.kvm_xcr0 &= ~UINT64_C(0x600e4);
        break;
    case CROSS_SMALL:
        row_of(&p, 7, 0)->regs[1] &= ~(1u << 8 | 1u << 19);
        row_of(&p, 7, 0)->regs[2] &= ~(1u << 16);
        row_of(&p, 7, 0)->regs[3] &= ~(1u << 14);
        break;
    default:
        break;
    }
    return p;
}

static Profile profile_of(CrossKind kind)
{
    return kind < CROSS_PROFILES ? variation(kind)
                                 : *(const Profile *)profiles->pdata[kind - CROSS_PROFILES];
}

const char *cross_host_name(CrossKind kind)
{
    static const char *const names[] = { "full", "cet", "no-amx", "no-avx512", "no-avx", "small",
                                         "old-kvm" };

    return kind < CROSS_PROFILES ? names[kind]
                                 : ((const Profile *)profiles->pdata[kind - CROSS_PROFILES])->name;
}

/* Can INIT_VM and CPUID tell the two apart? */
static bool same_to_init_vm(const Profile *a, const Profile *b)
{
    return a->num_cpuid == b->num_cpuid &&
           !memcmp(a->cpuid, b->cpuid, a->num_cpuid * sizeof(a->cpuid[0])) &&
           a->native_tsc_khz == b->native_tsc_khz && a->phys_bits == b->phys_bits &&
           a->ept5 == b->ept5 && a->logical_cpus == b->logical_cpus && a->xcr0 == b->xcr0 &&
           a->xss == b->xss && a->arch_capabilities == b->arch_capabilities &&
           a->kvm_xcr0 == b->kvm_xcr0 && a->kvm_xss == b->kvm_xss &&
           module_version(a) == module_version(b);
}

static void add_profile(const char *name)
{
    g_autoptr(GError) err = NULL;
    g_autofree Profile *p = g_new0(Profile, 1);

    if (!profile_load(name, p, &err)) {
        g_error("%s", err->message);
    }
    bool broken = !p->tdx_enabled || !module_version(p);
    for (unsigned i = 0; !broken && i < profiles->len; i++) {
        broken = same_to_init_vm(p, profiles->pdata[i]);
    }
    if (!broken) {
        g_ptr_array_add(profiles, g_steal_pointer(&p));
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the files that begin with prefix, sorted. */
static GPtrArray *names_of(const char *prefix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(SWTDX_DATADIR "/profiles", 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, ".json") && g_str_has_prefix(file, prefix)) {
            g_ptr_array_add(names, g_strndup(file, strlen(file) - strlen(".json")));
        }
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

unsigned cross_host_load(void)
{
    g_autoptr(GPtrArray) all = names_of(""), cpus = names_of("cpu-"), modules = names_of("module-"),
                         kernels = names_of("kernel-");

    profiles = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < all->len; i++) {
        add_profile(all->pdata[i]);
    }
    for (unsigned i = 0; i < cpus->len * modules->len * kernels->len; i++) {
        g_autofree char *name = g_strdup_printf(
            "%s/%s/%s", (char *)cpus->pdata[i % cpus->len] + strlen("cpu-"),
            (char *)modules->pdata[i / cpus->len % modules->len] + strlen("module-"),
            (char *)kernels->pdata[i / cpus->len / modules->len] + strlen("kernel-"));
        add_profile(name);
    }
    return CROSS_PROFILES + profiles->len;
}

void cross_host_unload(void)
{
    g_clear_pointer(&profiles, g_ptr_array_unref);
}

/* KVM takes HLE, RTM and WAITPKG away and lets the VMM choose GPAW in the address sizes. */
static void kvm_mask(uint32_t leaf, uint32_t subleaf, uint32_t mask[4])
{
    if (leaf == LEAF_ADDRESS_SIZES) {
        mask[0] |= GPAW_FIELD;
    } else if (leaf == 7 && subleaf == 0) {
        mask[1] &= ~(1u << 4 | 1u << 11);
        mask[2] &= ~(1u << 5);
    }
}

/* What KVM tells of leaf 7, where it is of another generation than the profile's. */
static void kvm_generation(CrossKind kind, const Profile *p, CrossEntry *e)
{
    if (e->function != 7 || e->index) {
        return;
    }
    if (p->kvm_xss & 0x1800) {
        e->regs[2] |= 1u << 7;
        e->regs[3] |= 1u << 20;
    } else if (kind == CROSS_OLD_KVM) {
        /* SERIALIZE, TSXLDTRK, AVX512-FP16, AMX-INT8 */
        e->regs[3] &= ~(1u << 14 | 1u << 16 | 1u << 23 | 1u << 25);
    }
}

void cross_host_describe(CrossKind kind, CrossHost *host)
{
    static AbiCpuidEntry supported[ABI_MAX_CPUID_ENTRIES];
    Profile p = profile_of(kind);
    TdxSysInfo info;

    memset(host, 0, sizeof(*host));
    tdx_sys_info(&p, &info);
    host->attributes = (UINT64_C(1) << 28) &
                       info.attributes_fixed0; /* what Linux 6.16 lets through */
    host->xfam = (p.kvm_xcr0 | p.kvm_xss) & info.xfam_fixed0;
    host->tsc_khz = p.native_tsc_khz;
    host->max_vcpus = p.logical_cpus;
    host->num_configurable = info.num_cpuid_config;
    for (uint32_t i = 0; i < info.num_cpuid_config; i++) {
        CrossEntry *e = &host->configurable[i];
        e->function = info.cpuid_config[i].leaf;
        e->index = info.cpuid_config[i].has_subleaf ? info.cpuid_config[i].subleaf : 0;
        memcpy(e->regs, info.cpuid_config[i].mask, sizeof(e->regs));
        kvm_mask(e->function, e->index, e->regs);
    }
    memset(supported, 0, sizeof(supported));
    host->num_supported = cpuid_supported(&p, true, supported);
    assert(host->num_supported <= CROSS_MAX_ENTRIES);
    memcpy(host->supported, supported, host->num_supported * sizeof(*supported));
    for (unsigned i = 0; i < host->num_supported; i++) {
        kvm_generation(kind, &p, &host->supported[i]);
    }
}

static const CrossEntry *entry_of(const CrossInit *init, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < init->num_cpuid; i++) {
        if (init->cpuid[i].function == leaf &&
            (!(init->cpuid[i].flags & 1) || init->cpuid[i].index == subleaf)) {
            return &init->cpuid[i];
        }
    }
    return NULL;
}

/* KVM_TDX_INIT_VM's own checks, and TD_PARAMS in the module's order. False: KVM refuses. */
static bool fill_params(const Profile *p, const CrossInit *init, TdParams *params)
{
    TdxSysInfo info;
    unsigned used = 0;

    tdx_sys_info(p, &info);
    for (uint32_t i = 0; i < info.num_cpuid_config; i++) {
        uint32_t index = info.cpuid_config[i].has_subleaf ? info.cpuid_config[i].subleaf : 0;
        const CrossEntry *e = entry_of(init, info.cpuid_config[i].leaf, index);
        uint32_t never[4] = { ~0u, ~0u, ~0u, ~0u };
        if (!e) {
            continue;
        }
        used++;
        memcpy(params->cpuid_config[i], e->regs, sizeof(e->regs));
        kvm_mask(e->function, index, never);
        for (unsigned r = 0; r < 4; r++) {
            if (e->regs[r] & ~never[r]) {
                return false;
            }
        }
        if (e->function == LEAF_ADDRESS_SIZES) {
            if ((e->regs[0] & GPAW_FIELD) >> 16 != init->gpaw) {
                return false;
            }
            params->cpuid_config[i][0] &= ~GPAW_FIELD;
        }
    }
    params->attributes = init->attributes;
    params->xfam = init->xfam;
    params->max_vcpus = (uint16_t)p->logical_cpus;
    params->tsc_frequency = (uint16_t)(init->tsc_khz / 25000);
    params->eptp_controls = init->gpaw == 52 ? 0x26 : 0x1e;
    params->config_flags = 4 | (init->gpaw == 52 ? 1 : 0);
    return used == init->num_cpuid && (init->gpaw == 48 || (init->gpaw == 52 && p->ept5));
}

/*
 * KVM_TDX_GET_CPUID: basic and extended leaves up to their maxima, sub-leaves until the module has
 * no further one.
 */
static unsigned walk(Td *td, unsigned gpaw, CrossEntry *answer, CrossEntry *guest)
{
    static Cpu cpu = { .mode = CPU_MODE_CS64 };
    const TdVcpu vcpu = { .td = td, .cpu = &cpu };
    unsigned n = 0;

    for (unsigned extended = 0; extended < 2; extended++) {
        uint32_t base = extended ? 0x80000000u : 0, top[4];
        if (!td_cpuid_value(td, base, 0, false, top)) {
            return 0;
        }
        for (uint32_t leaf = base; leaf <= top[0]; leaf++) {
            bool has = td_cpuid_has_subleaves(td, leaf);
            uint32_t out[4];
            for (uint32_t sub = 0; (has || sub == 0) && td_cpuid_value(td, leaf, sub, has, out);
                 sub++) {
                assert(n < CROSS_MAX_ENTRIES);
                CrossEntry *e = &answer[n++];
                *e = (CrossEntry){ .function = leaf, .index = sub, .flags = has };
                memcpy(e->regs, out, sizeof(out));
                if (leaf == LEAF_ADDRESS_SIZES) {
                    e->regs[0] = (e->regs[0] & ~GPAW_FIELD) | gpaw << 16;
                }
                guest[n - 1] = *e;
                if (!module_cpuid_execute(&vcpu, leaf, sub, guest[n - 1].regs)) {
                    memset(guest[n - 1].regs, 0, sizeof(out));
                }
            }
        }
    }
    return n;
}

static uint64_t no_time(void *opaque)
{
    return 0;
}

static uint8_t *no_page(void *opaque, uint64_t gpa, bool *writable)
{
    return NULL;
}

uint64_t cross_host_init(CrossKind kind, const CrossInit *init, uint64_t *detail,
                         CrossEntry *answer, CrossEntry *guest, unsigned *count)
{
    static const TdPort port = { .shared_page = no_page, .now_ns = no_time };
    Profile p = profile_of(kind);
    TdParams params;

    *count = 0;
    *detail = 0;
    memset(&params, 0, sizeof(params));
    if (!fill_params(&p, init, &params)) {
        return UINT64_MAX;
    }
    Td *td = td_new(&p, &port, NULL);
    uint64_t status = td_init(td, &params, detail);
    if (!status) {
        *count = walk(td, init->gpaw, answer, guest);
    }
    td_free(td);
    return status;
}
