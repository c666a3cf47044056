/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where profiles lie, and how one of them leads to its base. */
#include <stdio.h>
#include <string.h>

#include "run.h"

/* The way from the profile that was asked for to the base being loaded; kept on the stack. */
typedef struct Chain {
    const char *name; /* as canonical_name() makes it */
    const char *dir;  /* of the file; NULL: it has none */
    bool on_top;      /* members go on top of the default profile, which is there already */
    const struct Chain *above;
} Chain;

/* What a part of a host describes, by the beginning of its file's name; users may leave it out. */
static const char *const axes[] = { "cpu-", "module-", "kernel-" };

/*
 * Where profiles lie: beside the program in the build tree, installed with it, and where it was to
 * be installed. Free with g_strfreev().
 */
static char **profile_dirs(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    char **dirs = g_new0(char *, 4);
    dirs[0] = self ? g_path_get_dirname(self) : g_strdup(".");
    dirs[1] = g_build_filename(dirs[0], "../share/swtdx/profiles", NULL);
    dirs[2] = g_strdup(SWTDX_DATADIR "/profiles");
    return dirs;
}

static bool is_file_name(const char *name)
{
    return name[0] == '/' || name[0] == '.' || g_str_has_suffix(name, ".json");
}

/* A base's file is looked for where the file that names it lies. */
static char *canonical_name(const char *name, const Chain *above)
{
    return is_file_name(name) ? g_canonicalize_filename(name, above ? above->dir : NULL)
                              : g_strdup(name);
}

static bool load_base(const char *name, void *opaque, Profile *profile, GError **error);

static bool load_file(const char *path, Chain *chain, Profile *profile, GError **error)
{
    g_autofree char *text = NULL;
    GError *inner = NULL;
    if (!g_file_get_contents(path, &text, NULL, error)) {
        return false;
    }
    if (!(chain->on_top ? profile_add_json : profile_from_json)(text, load_base, chain, profile,
                                                                &inner)) {
        g_propagate_prefixed_error(error, inner, "%s: ", path);
        return false;
    }
    return true;
}

static char *find_in(const char *dir, const char *name)
{
    for (size_t i = 0; i <= G_N_ELEMENTS(axes); i++) {
        g_autofree char *file = g_strconcat(i ? axes[i - 1] : "", name, ".json", NULL);
        char *path = g_build_filename(dir, file, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            return path;
        }
        g_free(path);
    }
    return NULL;
}

/*
 * The file of a profile: beside the one that names it (above, or NULL), else of a listed one. NULL:
 * there is none.
 */
static char *find_file(const char *name, const Chain *above)
{
    g_auto(GStrv) dirs = profile_dirs();
    char *path = above && above->dir ? find_in(above->dir, name) : NULL;
    for (char **dir = dirs; !path && *dir; dir++) {
        path = find_in(*dir, name);
    }
    return path;
}

static bool load_named(const char *name, Chain *chain, Profile *profile, GError **error)
{
    if (!strcmp(name, profile_builtin()->name)) {
        if (!chain->on_top) {
            *profile = *profile_builtin();
        }
        return true;
    }
    g_autofree char *path = find_file(name, chain->above),
                    *dir = path ? g_path_get_dirname(path) : NULL;
    if (path) {
        chain->dir = dir;
        return load_file(path, chain, profile, error);
    }
    g_set_error(error, RUN_ERROR, 0, "no host profile '%s'; 'swtdx profiles' lists them", name);
    return false;
}

static bool load(const char *name, bool on_top, const Chain *above, Profile *profile,
                 GError **error)
{
    g_autofree char *full = canonical_name(name, above), *dir = NULL;
    Chain chain = { .name = full, .on_top = on_top, .above = above };
    for (const Chain *c = above; c; c = c->above) {
        if (!strcmp(c->name, full)) {
            g_set_error(error, RUN_ERROR, 0, "'%s' is based on itself", name);
            return false;
        }
    }
    if (!is_file_name(name)) {
        return load_named(name, &chain, profile, error);
    }
    chain.dir = dir = g_path_get_dirname(full);
    return load_file(full, &chain, profile, error);
}

static bool load_base(const char *name, void *opaque, Profile *profile, GError **error)
{
    const Chain *chain = opaque;
    return load(name, chain->on_top, chain, profile, error);
}

/* Which axis a part belongs to, or -1. */
static int axis_of(const char *part)
{
    g_autofree char *path = find_file(part, NULL), *file = path ? g_path_get_basename(path) : NULL;
    for (size_t i = 0; file && i < G_N_ELEMENTS(axes); i++) {
        if (g_str_has_prefix(file, axes[i])) {
            return (int)i;
        }
    }
    return -1;
}

/* Parts of a host on top of the default one: "gnr/2.0.08/7.3". */
static bool load_parts(const char *name, char **parts, Profile *profile, GError **error)
{
    g_autoptr(GString) description = g_string_new(NULL);
    const char *taken[G_N_ELEMENTS(axes)] = { NULL };
    *profile = *profile_builtin();
    for (; *parts; parts++) {
        int axis = axis_of(*parts);
        if (axis >= 0 && taken[axis]) {
            g_set_error(error, RUN_ERROR, 0, "host '%s': '%s' and '%s' are both a %.*s", name,
                        taken[axis], *parts, (int)strlen(axes[axis]) - 1, axes[axis]);
            return false;
        }
        if (axis >= 0) {
            taken[axis] = *parts;
        }
        if (!load(*parts, true, NULL, profile, error)) {
            return false;
        }
        g_string_append_printf(description, "%s%s", description->len ? "; " : "",
                               profile->description);
    }
    if (strlen(name) >= sizeof(profile->name)) {
        g_set_error(error, RUN_ERROR, 0, "host '%s': its name is too long", name);
        return false;
    }
    g_strlcpy(profile->name, name, sizeof(profile->name));
    g_strlcpy(profile->description, description->str, sizeof(profile->description));
    return true;
}

/* What a file's text may leave to the other parts of the host. */
static char *placeholder(const Profile *p, const char *name)
{
    uint32_t signature[4], brand[13] = { 0 };
    profile_cpuid(p, 1, 0, signature);
    if (!strcmp(name, "@module@")) {
        return g_strdup_printf("%u.%u.%02u", p->module_major, p->module_minor, p->module_update);
    }
    if (!strcmp(name, "@model@")) {
        return g_strdup_printf("%u", (signature[0] >> 4 & 0xf) | (signature[0] >> 12 & 0xf0));
    }
    if (!strcmp(name, "@stepping@")) {
        return g_strdup_printf("%u", signature[0] & 0xf);
    }
    for (uint32_t i = 0; i < 3; i++) {
        profile_cpuid(p, 0x80000002 + i, 0, brand + i * 4);
    }
    return g_strdup((const char *)brand);
}

static bool fill_files(Profile *p, GError **error)
{
    static const char *const names[] = { "@module@", "@model@", "@stepping@", "@model_name@" };
    for (uint32_t i = 0; i < p->num_files; i++) {
        g_autoptr(GString) text = g_string_new(p->files[i].text);
        for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
            g_autofree char *value = placeholder(p, names[k]);
            g_string_replace(text, names[k], value, 0);
        }
        if (text->len >= sizeof(p->files[i].text)) {
            g_set_error(error, RUN_ERROR, 0, "profile '%s': the text of %s is too long", p->name,
                        p->files[i].path);
            return false;
        }
        memset(p->files[i].text, 0, sizeof(p->files[i].text));
        memcpy(p->files[i].text, text->str, text->len);
    }
    return true;
}

bool profile_load(const char *name, Profile *profile, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    bool several = !is_file_name(name) && g_strv_length(parts) > 1;
    return (several ? load_parts(name, parts, profile, error)
                    : load(name, false, NULL, profile, error)) &&
           fill_files(profile, error);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the profiles in a directory: all files of JSON that say to be one. */
static void add_names(const char *dir, GPtrArray *names)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *entry;
    while (entries && (entry = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, entry, NULL), *text = NULL;
        if (g_str_has_suffix(entry, ".json") && g_file_get_contents(path, &text, NULL, NULL) &&
            strstr(text, "\"description\"")) {
            g_autofree char *name = g_strndup(entry, strlen(entry) - strlen(".json"));
            if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL)) {
                g_ptr_array_add(names, g_steal_pointer(&name));
            }
        }
    }
}

void profile_list(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) dirs = profile_dirs();
    const char *standard = profile_builtin()->name;
    printf("%-20s %s (default)\n", standard, profile_builtin()->description);
    for (char **dir = dirs; *dir; dir++) {
        add_names(*dir, names);
    }
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        Profile profile;
        g_autoptr(GError) error = NULL;
        if (!strcmp(name, standard)) {
            continue;
        }
        if (profile_load(name, &profile, &error)) {
            printf("%-20s %s\n", name, profile.description);
        } else {
            fprintf(stderr, "swtdx: %s\n", error->message);
        }
    }
}
