/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiles a host profile from JSON into the blob that libswtdx.so reads. A profile with the member
 * "base" is that profile with the members it gives itself: numbers and texts replace the base's,
 * CPUID leaves replace by leaf and sub-leaf, files by path.
 */
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

static bool has(json_object *object, const char *name)
{
    return json_object_object_get_ex(object, name, NULL);
}

static bool get_number(json_object *object, const char *name, uint64_t max, uint64_t *number,
                       GError **error)
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
    if (!json_object_object_get_ex(object, name, &value)) {
        return fail(error, name, "missing");
    }
    if (json_object_get_type(value) != json_type_string) {
        return fail(error, name, "not a string");
    }
    if (strlen(json_object_get_string(value)) >= size) {
        return fail(error, name, "too long");
    }
    g_strlcpy(text, json_object_get_string(value), size);
    return true;
}

static bool get_array(json_object *object, const char *name, size_t max, json_object **array,
                      GError **error)
{
    if (!json_object_object_get_ex(object, name, array)) {
        return fail(error, name, "missing");
    }
    if (json_object_get_type(*array) != json_type_array) {
        return fail(error, name, "not an array");
    }
    return json_object_array_length(*array) <= max || fail(error, name, "too many elements");
}

/* Scalar members and where they go. */
typedef struct Member {
    const char *name;
    size_t offset;
    unsigned size;
} Member;

#define MEMBER(field) { #field, offsetof(Profile, field), sizeof(((Profile *)NULL)->field) },
static const Member members[] = { PROFILE_MEMBERS(MEMBER) };

/* A member nobody reads is most likely misspelt. */
static bool check_names(json_object *object, const char *const *names, bool scalars, GError **error)
{
    json_object_object_foreach(object, name, value) {
        bool known = g_strv_contains(names, name);
        for (size_t i = 0; scalars && !known && i < G_N_ELEMENTS(members); i++) {
            known = !strcmp(members[i].name, name);
        }
        (void)value;
        if (!known) {
            return fail(error, name, "there is no such member");
        }
    }
    return true;
}

static bool read_members(json_object *root, bool based, Profile *profile, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        const Member *m = &members[i];
        uint64_t value, max = m->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * m->size)) - 1;
        if (based && !has(root, m->name)) {
            continue;
        }
        if (!get_number(root, m->name, max, &value, error)) {
            return false;
        }
        /* little endian, as the only machine this runs on */
        memcpy((uint8_t *)profile + m->offset, &value, m->size);
        profile->assumed &= ~(UINT64_C(1) << i);
    }
    return true;
}

/* Names of members whose values were not read off such a host. */
static bool read_assumed(json_object *root, Profile *profile, GError **error)
{
    json_object *array;
    if (!has(root, "assumed")) {
        return true;
    }
    if (!get_array(root, "assumed", G_N_ELEMENTS(members), &array, error)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *item = json_object_array_get_idx(array, i);
        size_t m = 0;
        while (m < G_N_ELEMENTS(members) &&
               g_strcmp0(members[m].name, json_object_get_string(item))) {
            m++;
        }
        if (m == G_N_ELEMENTS(members)) {
            return fail(error, "assumed", "names a member that there is not");
        }
        profile->assumed |= UINT64_C(1) << m;
    }
    return true;
}

static bool read_cpuid_entry(json_object *item, ProfileCpuid *entry, GError **error)
{
    static const char *const names[] = { "leaf", "subleaf", "has_subleaf", "assumed", "regs",
                                         NULL };
    json_object *regs;
    uint64_t leaf, subleaf, has_subleaf, assumed, value;
    if (json_object_get_type(item) != json_type_object) {
        return fail(error, "cpuid", "an element is not an object");
    }
    if (!check_names(item, names, false, error) ||
        !get_number(item, "leaf", UINT32_MAX, &leaf, error) ||
        !get_number(item, "subleaf", UINT32_MAX, &subleaf, error) ||
        !get_number(item, "has_subleaf", 1, &has_subleaf, error) ||
        !get_number(item, "assumed", 1, &assumed, error) ||
        !get_array(item, "regs", 4, &regs, error)) {
        return false;
    }
    *entry = (ProfileCpuid){ .leaf = (uint32_t)leaf, .subleaf = (uint32_t)subleaf,
                             .has_subleaf = (uint8_t)has_subleaf, .assumed = (uint8_t)assumed };
    for (size_t r = 0; r < 4; r++) {
        json_object *reg = json_object_array_get_idx(regs, r);
        if (!reg || !to_number(reg, &value) || value > UINT32_MAX) {
            return fail(error, "regs", "four 32-bit numbers are needed");
        }
        entry->regs[r] = (uint32_t)value;
    }
    return true;
}

static bool read_cpuid(json_object *root, bool based, Profile *profile, GError **error)
{
    json_object *array;
    if (based && !has(root, "cpuid")) {
        return true;
    }
    if (!get_array(root, "cpuid", PROFILE_MAX_CPUID, &array, error)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        ProfileCpuid entry;
        uint32_t at = 0;
        if (!read_cpuid_entry(json_object_array_get_idx(array, i), &entry, error)) {
            return false;
        }
        while (at < profile->num_cpuid && (profile->cpuid[at].leaf != entry.leaf ||
                                           profile->cpuid[at].subleaf != entry.subleaf)) {
            at++;
        }
        if (at == PROFILE_MAX_CPUID) {
            return fail(error, "cpuid", "too many elements together with those of the base");
        }
        profile->cpuid[at] = entry;
        profile->num_cpuid = MAX(profile->num_cpuid, at + 1);
    }
    return true;
}

static bool read_file(json_object *item, ProfileFile *file, GError **error)
{
    static const char *const names[] = { "path", "text", "error", NULL };
    uint64_t code;
    memset(file, 0, sizeof(*file));
    if (json_object_get_type(item) != json_type_object) {
        return fail(error, "files", "an element is not an object");
    }
    if (!check_names(item, names, false, error) ||
        !get_text(item, "path", file->path, sizeof(file->path), error) ||
        !get_text(item, "text", file->text, sizeof(file->text), error) ||
        !get_number(item, "error", 4095, &code, error)) {
        return false;
    }
    file->error = (int32_t)code;
    /* The only places where programs look through our hooks. */
    return g_str_has_prefix(file->path, "/sys/") || g_str_has_prefix(file->path, "/proc/") ||
           g_str_equal(file->path, "/dev/kmsg") ||
           fail(error, "path", "only files below /sys/ and /proc/, and /dev/kmsg, can be played");
}

static bool read_files(json_object *root, bool based, Profile *profile, GError **error)
{
    json_object *array;
    if (based && !has(root, "files")) {
        return true;
    }
    if (!get_array(root, "files", PROFILE_MAX_FILES, &array, error)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        ProfileFile file;
        uint32_t at = 0;
        if (!read_file(json_object_array_get_idx(array, i), &file, error)) {
            return false;
        }
        while (at < profile->num_files && strcmp(profile->files[at].path, file.path)) {
            at++;
        }
        if (at == PROFILE_MAX_FILES) {
            return fail(error, "files", "too many elements together with those of the base");
        }
        profile->files[at] = file;
        profile->num_files = MAX(profile->num_files, at + 1);
    }
    return true;
}

/* profile_valid() says yes or no; this names the member. */
static bool check_ranges(const Profile *profile, GError **error)
{
    if (profile->phys_bits < 32 || profile->phys_bits > 52) {
        return fail(error, "phys_bits", "not between 32 and 52");
    }
    if (!profile->native_tsc_khz) {
        return fail(error, "native_tsc_khz", "is 0");
    }
    if (!profile->logical_cpus) {
        return fail(error, "logical_cpus", "is 0");
    }
    if (profile->dev_kvm_error < 0 || profile->dev_kvm_error > 4095) {
        return fail(error, "dev_kvm_error", "not an errno");
    }
    if (!profile->name[0]) {
        return fail(error, "name", "is empty");
    }
    if (!profile_valid(profile, sizeof(*profile))) {
        g_set_error(error, RUN_ERROR, 0, "profile '%s': a value is out of range", profile->name);
        return false;
    }
    return true;
}

static bool read_base(json_object *root, ProfileLoader *load, void *opaque, Profile *profile,
                      GError **error)
{
    char base[256];
    GError *inner = NULL;
    if (!get_text(root, "base", base, sizeof(base), error)) {
        return false;
    }
    if (!load) {
        return fail(error, "base", "profiles with a base cannot be read here");
    }
    if (!load(base, opaque, profile, &inner)) {
        g_propagate_prefixed_error(error, inner, "profile member 'base': ");
        return false;
    }
    return true;
}

/* above: on top of what *profile holds already. */
static bool read_root(json_object *root, bool above, ProfileLoader *load, void *opaque,
                      Profile *profile, GError **error)
{
    static const char *const names[] = { "name", "description", "base", "kernel_release", "cpuid",
                                         "files", "assumed", NULL };
    bool based = above || has(root, "base");
    if (!check_names(root, names, true, error) ||
        (has(root, "base") && !read_base(root, load, opaque, profile, error))) {
        return false;
    }
    return get_text(root, "name", profile->name, sizeof(profile->name), error) &&
           get_text(root, "description", profile->description, sizeof(profile->description),
                    error) &&
           ((based && !has(root, "kernel_release")) ||
            get_text(root, "kernel_release", profile->kernel_release,
                     sizeof(profile->kernel_release), error)) &&
           read_members(root, based, profile, error) && read_assumed(root, profile, error) &&
           read_cpuid(root, based, profile, error) && read_files(root, based, profile, error) &&
           check_ranges(profile, error);
}

/* NULL, or what is wrong; *root may be NULL all the same (the text is "null"). */
static const char *parse(const char *text, json_object **root)
{
    json_tokener *tokener = json_tokener_new();
    const char *wrong = NULL;
    *root = json_tokener_parse_ex(tokener, text, -1);
    enum json_tokener_error status = json_tokener_get_error(tokener);
    if (status != json_tokener_success) {
        wrong = json_tokener_error_desc(status);
    } else if (text[json_tokener_get_parse_end(tokener) +
                    strspn(text + json_tokener_get_parse_end(tokener), " \t\r\n")]) {
        wrong = "something stands after its end";
    }
    json_tokener_free(tokener);
    return wrong;
}

static bool read_text(const char *text, bool above, ProfileLoader *load, void *opaque,
                      Profile *profile, GError **error)
{
    json_object *root;
    const char *wrong = parse(text, &root);
    bool ok = false;
    if (wrong) {
        g_set_error(error, RUN_ERROR, 0, "not JSON: %s", wrong);
    } else if (!root || json_object_get_type(root) != json_type_object) {
        g_set_error(error, RUN_ERROR, 0, "not a JSON object");
    } else {
        ok = read_root(root, above, load, opaque, profile, error);
    }
    json_object_put(root);
    return ok;
}

bool profile_from_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile,
                       GError **error)
{
    memset(profile, 0, sizeof(*profile));
    profile->magic = PROFILE_MAGIC;
    profile->version = PROFILE_VERSION;
    profile->size = sizeof(*profile);
    return read_text(text, false, load, opaque, profile, error);
}

bool profile_add_json(const char *text, ProfileLoader *load, void *opaque, Profile *profile,
                      GError **error)
{
    return read_text(text, true, load, opaque, profile, error);
}
