/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiles a host profile from JSON into the blob that libswtdx.so reads. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "run.h"

GQuark run_error_quark(void)
{
    return g_quark_from_static_string("swtdx-run-error");
}

static bool fail(GError **error, const char *name, const char *what)
{
    g_set_error(error, RUN_ERROR, 0, "profile member '%s': %s", name, what);
    return false;
}

/* Integers may be written as numbers, booleans, or strings in any C base ("0x602e7"). */
static bool to_number(json_object *value, uint64_t *number)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        *number = json_object_get_boolean(value);
        return true;
    case json_type_int:
        if (json_object_get_int64(value) < 0) {
            return false;
        }
        *number = json_object_get_uint64(value);
        return true;
    case json_type_string: {
        char *end;
        const char *text = json_object_get_string(value);
        errno = 0;
        *number = strtoull(text, &end, 0);
        return *text && *text != '-' && !*end && !errno;
    }
    default:
        return false;
    }
}

static bool get_number(json_object *object, const char *name, uint64_t max, uint64_t *number, GError **error)
{
    json_object *value;
    if (!json_object_object_get_ex(object, name, &value)) {
        return fail(error, name, "missing");
    }
    if (!to_number(value, number) || *number > max) {
        return fail(error, name, "not a number in range");
    }
    return true;
}

static bool get_text(json_object *object, const char *name, char *text, size_t size, GError **error)
{
    json_object *value;
    if (!json_object_object_get_ex(object, name, &value) || json_object_get_type(value) != json_type_string) {
        return fail(error, name, "missing, or not a string");
    }
    if (strlen(json_object_get_string(value)) >= size) {
        return fail(error, name, "too long");
    }
    g_strlcpy(text, json_object_get_string(value), size);
    return true;
}

static bool get_array(json_object *object, const char *name, size_t max, json_object **array, GError **error)
{
    if (!json_object_object_get_ex(object, name, array) || json_object_get_type(*array) != json_type_array) {
        return fail(error, name, "missing, or not an array");
    }
    return json_object_array_length(*array) <= max || fail(error, name, "too many elements");
}

/* Scalar members and where they go. */
typedef struct Member {
    const char *name;
    size_t offset;
    unsigned size;
} Member;

#define MEMBER(field) { #field, offsetof(Profile, field), sizeof(((Profile *)NULL)->field) }
static const Member members[] = {
    MEMBER(native_tsc_khz), MEMBER(phys_bits), MEMBER(ept5), MEMBER(logical_cpus), MEMBER(xcr0), MEMBER(xss), MEMBER(arch_capabilities),
    MEMBER(module_major), MEMBER(module_minor), MEMBER(module_update), MEMBER(max_vcpus_per_td), MEMBER(vmcall_rbp_refused), MEMBER(kernel_major), MEMBER(kernel_minor),
    MEMBER(tdx_enabled), MEMBER(keyids), MEMBER(cgroup_max), MEMBER(kvm_xcr0), MEMBER(kvm_xss), MEMBER(dev_kvm_error),
};

static bool read_members(json_object *root, Profile *profile, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        const Member *m = &members[i];
        uint64_t value, max = m->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * m->size)) - 1;
        if (!get_number(root, m->name, max, &value, error)) {
            return false;
        }
        memcpy((uint8_t *)profile + m->offset, &value, m->size); /* little endian, as the only machine this runs on */
    }
    return true;
}

static bool read_cpuid(json_object *root, Profile *profile, GError **error)
{
    json_object *array;
    if (!get_array(root, "cpuid", PROFILE_MAX_CPUID, &array, error)) {
        return false;
    }
    profile->num_cpuid = (uint32_t)json_object_array_length(array);
    for (uint32_t i = 0; i < profile->num_cpuid; i++) {
        json_object *item = json_object_array_get_idx(array, i), *regs;
        uint64_t leaf, subleaf, has, assumed, value;
        if (json_object_get_type(item) != json_type_object) {
            return fail(error, "cpuid", "an element is not an object");
        }
        if (!get_number(item, "leaf", UINT32_MAX, &leaf, error) || !get_number(item, "subleaf", UINT32_MAX, &subleaf, error) ||
            !get_number(item, "has_subleaf", 1, &has, error) || !get_number(item, "assumed", 1, &assumed, error) ||
            !get_array(item, "regs", 4, &regs, error)) {
            return false;
        }
        ProfileCpuid *c = &profile->cpuid[i];
        *c = (ProfileCpuid){ .leaf = (uint32_t)leaf, .subleaf = (uint32_t)subleaf, .has_subleaf = (uint8_t)has, .assumed = (uint8_t)assumed };
        for (size_t r = 0; r < 4; r++) {
            json_object *reg = json_object_array_get_idx(regs, r);
            if (!reg || !to_number(reg, &value) || value > UINT32_MAX) {
                return fail(error, "regs", "four 32-bit numbers are needed");
            }
            c->regs[r] = (uint32_t)value;
        }
    }
    return true;
}

static bool read_files(json_object *root, Profile *profile, GError **error)
{
    json_object *array;
    if (!get_array(root, "files", PROFILE_MAX_FILES, &array, error)) {
        return false;
    }
    profile->num_files = (uint32_t)json_object_array_length(array);
    for (uint32_t i = 0; i < profile->num_files; i++) {
        json_object *item = json_object_array_get_idx(array, i);
        ProfileFile *f = &profile->files[i];
        uint64_t code;
        if (json_object_get_type(item) != json_type_object) {
            return fail(error, "files", "an element is not an object");
        }
        if (!get_text(item, "path", f->path, sizeof(f->path), error) || !get_text(item, "text", f->text, sizeof(f->text), error) ||
            !get_number(item, "error", 4095, &code, error)) {
            return false;
        }
        f->error = (int32_t)code;
    }
    return true;
}

bool profile_from_json(const char *text, Profile *profile, GError **error)
{
    enum json_tokener_error status;
    json_object *root = json_tokener_parse_verbose(text, &status);
    bool ok = false;
    memset(profile, 0, sizeof(*profile));
    profile->magic = PROFILE_MAGIC;
    profile->version = PROFILE_VERSION;
    profile->size = sizeof(*profile);
    if (!root || json_object_get_type(root) != json_type_object) {
        g_set_error(error, RUN_ERROR, 0, "not a JSON object: %s", json_tokener_error_desc(status));
    } else {
        ok = get_text(root, "name", profile->name, sizeof(profile->name), error) &&
             get_text(root, "description", profile->description, sizeof(profile->description), error) &&
             get_text(root, "kernel_release", profile->kernel_release, sizeof(profile->kernel_release), error) &&
             read_members(root, profile, error) && read_cpuid(root, profile, error) && read_files(root, profile, error);
        if (ok && !profile_valid(profile, sizeof(*profile))) {
            g_set_error(error, RUN_ERROR, 0, "profile '%s': a value is out of range", profile->name);
            ok = false;
        }
    }
    json_object_put(root);
    return ok;
}

void profile_print(const Profile *p, FILE *out)
{
    fprintf(out, "%s: %s\n", p->name, p->description);
    fprintf(out, "  module   %u.%u.%02u, at most %u vCPUs per TD\n", p->module_major, p->module_minor, p->module_update, p->max_vcpus_per_td);
    fprintf(out, "  kernel   %s (behaves as %u.%u), TDX %s\n", p->kernel_release, p->kernel_major, p->kernel_minor, p->tdx_enabled ? "on" : "off");
    fprintf(out, "  CPUs     %u, %u bits of physical address, %s EPT, TSC %u kHz\n", p->logical_cpus, p->phys_bits,
            p->ept5 ? "5-level" : "4-level", p->native_tsc_khz);
    fprintf(out, "  KeyIDs   %u", p->keyids);
    fprintf(out, p->cgroup_max == UINT32_MAX ? "\n" : ", cgroup limit %u\n", p->cgroup_max);
    fprintf(out, "  XCR0     0x%" PRIx64 " (KVM 0x%" PRIx64 "), XSS 0x%" PRIx64 " (KVM 0x%" PRIx64 ")\n", p->xcr0, p->kvm_xcr0, p->xss, p->kvm_xss);
    if (p->dev_kvm_error) {
        fprintf(out, "  /dev/kvm %s\n", g_strerror(p->dev_kvm_error));
    }
    for (uint32_t i = 0; i < p->num_cpuid; i++) {
        const ProfileCpuid *c = &p->cpuid[i];
        char sub[24] = "";
        if (c->has_subleaf) {
            snprintf(sub, sizeof(sub), ".%u", c->subleaf);
        }
        fprintf(out, "  cpuid    0x%x%s: %08x %08x %08x %08x%s\n", c->leaf, sub, c->regs[0], c->regs[1], c->regs[2], c->regs[3],
                c->assumed ? " (assumed)" : "");
    }
    for (uint32_t i = 0; i < p->num_files; i++) {
        const char *end = strchr(p->files[i].text, '\n');
        fprintf(out, "  file     %s: %.*s\n", p->files[i].path,
                p->files[i].error ? 60 : (int)(end ? end - p->files[i].text : (long)strlen(p->files[i].text)),
                p->files[i].error ? g_strerror(p->files[i].error) : p->files[i].text);
    }
}
