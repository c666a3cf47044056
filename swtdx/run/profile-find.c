/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where profiles lie, and how one of them leads to its base. */
#include <stdio.h>
#include <string.h>

#include "run.h"

/* The way from the profile that was asked for to the base being loaded; kept on the stack. */
typedef struct Chain {
    const char *name; /* as canonical_name() makes it */
    const char *dir;  /* of the file; NULL: found by name */
    const struct Chain *above;
} Chain;

/* Where profiles lie: beside the program in the build tree, and where they are installed. Free with g_strfreev(). */
static char **profile_dirs(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    char **dirs = g_new0(char *, 3);
    dirs[0] = self ? g_path_get_dirname(self) : g_strdup(".");
    dirs[1] = g_strdup(SWTDX_DATADIR "/profiles");
    return dirs;
}

static bool is_file_name(const char *name)
{
    return strchr(name, '/') || g_str_has_suffix(name, ".json");
}

/* A base's file is looked for where the file that names it lies. */
static char *canonical_name(const char *name, const Chain *above)
{
    return is_file_name(name) ? g_canonicalize_filename(name, above ? above->dir : NULL) : g_strdup(name);
}

static bool load_base(const char *name, void *opaque, Profile *profile, GError **error);

static bool load_file(const char *path, Chain *chain, Profile *profile, GError **error)
{
    g_autofree char *text = NULL;
    GError *inner = NULL;
    if (!g_file_get_contents(path, &text, NULL, error)) {
        return false;
    }
    if (!profile_from_json(text, load_base, chain, profile, &inner)) {
        g_propagate_prefixed_error(error, inner, "%s: ", path);
        return false;
    }
    return true;
}

static bool load_named(const char *name, Chain *chain, Profile *profile, GError **error)
{
    g_auto(GStrv) dirs = profile_dirs();
    if (!strcmp(name, profile_builtin()->name)) {
        *profile = *profile_builtin();
        return true;
    }
    for (char **dir = dirs; *dir; dir++) {
        g_autofree char *file = g_strconcat(name, ".json", NULL), *path = g_build_filename(*dir, file, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            return load_file(path, chain, profile, error);
        }
    }
    g_set_error(error, RUN_ERROR, 0, "no host profile '%s'; 'swtdx profiles' lists them", name);
    return false;
}

static bool load(const char *name, const Chain *above, Profile *profile, GError **error)
{
    g_autofree char *full = canonical_name(name, above), *dir = NULL;
    Chain chain = { .name = full, .above = above };
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
    return load(name, opaque, profile, error);
}

bool profile_load(const char *name, Profile *profile, GError **error)
{
    return load(name, NULL, profile, error);
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
        if (g_str_has_suffix(entry, ".json") && g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "\"description\"")) {
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
