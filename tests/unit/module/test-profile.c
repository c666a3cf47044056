/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in profile is spr-1.5.json, and blobs are checked. */
#include <json-c/json.h>
#include <string.h>

#include "fixture.h"

static uint64_t number(struct json_object *v)
{
    if (json_object_is_type(v, json_type_string)) {
        char *end;
        uint64_t n = g_ascii_strtoull(json_object_get_string(v), &end, 0);
        g_assert_cmpint(*end, ==, 0);
        return n;
    }
    if (json_object_is_type(v, json_type_boolean)) {
        return (uint64_t)json_object_get_boolean(v);
    }
    g_assert_true(json_object_is_type(v, json_type_int));
    return (uint64_t)json_object_get_int64(v);
}

static struct json_object *get(struct json_object *object, const char *name)
{
    struct json_object *v = NULL;
    g_test_message("%s", name);
    g_assert_true(json_object_object_get_ex(object, name, &v));
    return v;
}

static struct json_object *load(void)
{
    struct json_object *p = json_object_from_file(PROFILES_DIR "/spr-1.5.json");
    g_assert_nonnull(p);
    return p;
}

#define CHECK_NUMBER(field) g_assert_cmphex(number(get(j, #field)), ==, (uint64_t)(p->field))
#define CHECK_STRING(field) g_assert_cmpstr(json_object_get_string(get(j, #field)), ==, p->field)

static void test_fields(void)
{
    struct json_object *j = load();
    const Profile *p = profile_builtin();
    CHECK_STRING(name);
    CHECK_STRING(description);
    CHECK_STRING(kernel_release);
    CHECK_NUMBER(native_tsc_khz);
    CHECK_NUMBER(phys_bits);
    CHECK_NUMBER(ept5);
    CHECK_NUMBER(logical_cpus);
    CHECK_NUMBER(xcr0);
    CHECK_NUMBER(xss);
    CHECK_NUMBER(arch_capabilities);
    CHECK_NUMBER(module_major);
    CHECK_NUMBER(module_minor);
    CHECK_NUMBER(module_update);
    CHECK_NUMBER(max_vcpus_per_td);
    CHECK_NUMBER(vmcall_rbp_refused);
    CHECK_NUMBER(max_vcpus_told);
    CHECK_NUMBER(accept_2m);
    CHECK_NUMBER(kernel_major);
    CHECK_NUMBER(kernel_minor);
    CHECK_NUMBER(tdx_enabled);
    CHECK_NUMBER(keyids);
    CHECK_NUMBER(cgroup_max);
    CHECK_NUMBER(kvm_xcr0);
    CHECK_NUMBER(kvm_xss);
    CHECK_NUMBER(dev_kvm_error);
    json_object_put(j);
}

static void test_lists(void)
{
    struct json_object *root = load(), *list = get(root, "cpuid");
    const Profile *builtin = profile_builtin();
    g_assert_cmpint(json_object_array_length(list), ==, builtin->num_cpuid);
    for (unsigned i = 0; i < builtin->num_cpuid; i++) {
        struct json_object *j = json_object_array_get_idx(list, i);
        const ProfileCpuid *p = &builtin->cpuid[i];
        CHECK_NUMBER(leaf);
        CHECK_NUMBER(subleaf);
        CHECK_NUMBER(has_subleaf);
        CHECK_NUMBER(assumed);
        for (unsigned r = 0; r < 4; r++) {
            g_assert_cmphex(number(json_object_array_get_idx(get(j, "regs"), r)), ==, p->regs[r]);
        }
    }
    list = get(root, "files");
    g_assert_cmpint(json_object_array_length(list), ==, builtin->num_files);
    for (unsigned i = 0; i < builtin->num_files; i++) {
        struct json_object *j = json_object_array_get_idx(list, i);
        const ProfileFile *p = &builtin->files[i];
        CHECK_STRING(path);
        CHECK_STRING(text);
        CHECK_NUMBER(error);
    }
    json_object_put(root);
}

static void test_valid(void)
{
    Profile *p = g_memdup2(profile_builtin(), sizeof(Profile));
    g_assert_true(profile_valid(p, sizeof(*p)));
    g_assert_false(profile_valid(p, sizeof(*p) - 1));
    g_assert_false(profile_valid(NULL, sizeof(*p)));
#define BAD(statement)                               \
    do {                                             \
        *p = *profile_builtin();                     \
        statement;                                   \
        g_assert_false(profile_valid(p, sizeof(*p))); \
    } while (0)
    BAD(p->magic++);
    BAD(p->version++);
    BAD(p->size--);
    BAD(p->num_cpuid = PROFILE_MAX_CPUID + 1);
    BAD(p->num_files = PROFILE_MAX_FILES + 1);
    BAD(memset(p->name, 'x', sizeof(p->name)));
    BAD(memset(p->files[0].path, 'x', sizeof(p->files[0].path)));
    BAD(memset(p->files[0].text, 'x', sizeof(p->files[0].text)));
    BAD(p->phys_bits = 64);
    BAD(p->native_tsc_khz = 0);
    BAD(p->logical_cpus = 0);
    g_free(p);
}

static void test_cpuid(void)
{
    const Profile *p = profile_builtin();
    uint32_t out[4];
    profile_cpuid(p, 0, 0, out);
    g_assert_cmphex(out[1], ==, 0x756e6547);
    profile_cpuid(p, 4, 3, out);
    g_assert_cmphex(out[0] >> 5 & 7, ==, 3);
    profile_cpuid(p, 0x24, 0, out); /* beyond the processor's maximum */
    g_assert_cmphex(out[0] | out[1] | out[2] | out[3], ==, 0);
    profile_cpuid(p, 0x80000009, 0, out);
    g_assert_cmphex(out[0], ==, 0);
}

static void test_executable(void)
{
    const Profile *p = profile_builtin();
    uint64_t xfam = profile_executable_xfam(p);
    Profile narrowed = *p;
    char missing[256];
    uint32_t leaf, subleaf, before[4], after[4];
    g_assert_cmphex(xfam & 3, ==, 3);
    g_assert_cmphex(xfam & ~UINT64_C(0x602e7), ==, 0);
    g_assert_cmphex(xfam & 0x60200, ==, 0x60200); /* on any host: PKRU, AMX */
    g_assert_true(xfam_valid(xfam, 0x602e7));
    g_assert_cmpuint(profile_narrow(&narrowed, missing, sizeof(missing)), ==, strlen(missing));
    g_assert_null(strstr(missing, "AMX"));
    /* still a processor that the module takes, and no bit more than before */
    g_assert_true(module_cpuid_platform_ok(&narrowed, &leaf, &subleaf));
    for (subleaf = 0; subleaf < 2; subleaf++) {
        profile_cpuid(p, 7, subleaf, before);
        profile_cpuid(&narrowed, 7, subleaf, after);
        for (unsigned r = 0; r < 4; r++) {
            g_assert_cmphex(after[r] & ~before[r], ==, 0);
        }
    }
    /* a second time there is nothing left to take but state components */
    g_assert_cmpuint(profile_narrow(&narrowed, missing, sizeof(missing)), <=,
                     strlen("AVX, AVX-512"));
    /* what KVM of this kernel reports: no CET yet */
    g_assert_cmphex(module_xfam_fixed0(p) & (p->kvm_xcr0 | p->kvm_xss), ==, 0x602e7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/profile/fields", test_fields);
    g_test_add_func("/profile/lists", test_lists);
    g_test_add_func("/profile/valid", test_valid);
    g_test_add_func("/profile/cpuid", test_cpuid);
    g_test_add_func("/profile/executable-xfam", test_executable);
    return g_test_run();
}
