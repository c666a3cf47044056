/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts `swtdx measure` for qemu-tdx-plan --run, and compares what both know. */
#include "system/plan-run.h"

#include <string.h>
#include <sys/wait.h>

#include "target/i386/kvm/tdx-measure.h"
#include "util/error.h"

/* Exit status of `swtdx measure` when the awaited event did not come (swtdx(1)). */
#define MEASURE_NOT_REACHED 3

static char *find_program(const char *name, GError **errp)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = g_path_get_dirname(self ? self : ".");
    char *path = g_build_filename(dir, name, NULL);

    if (!g_file_test(path, G_FILE_TEST_IS_EXECUTABLE)) {
        g_free(path);
        path = g_find_program_in_path(name);
    }
    if (!path) {
        error_set(errp, "--run needs the program '%s', which is neither in %s nor in PATH", name,
                  dir);
        error_hint(errp, "Install it, or leave --run out: MRTD and CPUID are planned without it");
    }
    return path;
}

static GPtrArray *measure_command(char **argv, const char *until, bool json, GError **errp)
{
    char *swtdx = find_program("swtdx", errp);
    char *vmm = swtdx ? find_program("qemu-system-x86_64", errp) : NULL;
    g_autoptr(GPtrArray) command = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(command, swtdx);
    if (!vmm) {
        return NULL;
    }
    g_ptr_array_add(command, g_strdup("measure"));
    g_ptr_array_add(command, g_strdup_printf("--until=%s", until));
    if (json) {
        g_ptr_array_add(command, g_strdup("--json"));
    }
    g_ptr_array_add(command, g_strdup("--"));
    g_ptr_array_add(command, vmm);
    for (; *argv; argv++) {
        g_ptr_array_add(command, g_strdup(*argv));
    }
    g_ptr_array_add(command, NULL);
    return g_steal_pointer(&command);
}

/* A launch that measured something else than the plan says would make both worthless. */
static bool check_mrtd(const TdxPlan *plan, const char *out, GError **errp)
{
    uint8_t mrtd[TDX_MEASUREMENT_SIZE];

    tdx_plan_mrtd(plan, mrtd);
    g_autofree char *hex = tdx_measurement_hex(mrtd);
    if (!strstr(out, hex)) {
        return error_set(errp, "--run: the TD that was launched does not have the planned MRTD %s",
                         hex);
    }
    return true;
}

bool plan_run(const TdxPlan *plan, char **argv, const char *until, bool json, char **out,
              bool *reached, GError **errp)
{
    g_autoptr(GPtrArray) command = measure_command(argv, until, json, errp);
    g_autoptr(GError) err = NULL;
    int status;

    *out = NULL;
    if (!command) {
        return false;
    }
    if (!g_spawn_sync(NULL, (char **)command->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, NULL,
                      &status, &err)) {
        error_set(errp, "--run: %s", err->message);
        return false;
    }
    *reached = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!WIFEXITED(status) || (!*reached && WEXITSTATUS(status) != MEASURE_NOT_REACHED)) {
        error_set(errp, "--run: the TD could not be measured; swtdx said why");
        g_clear_pointer(out, g_free);
        return false;
    }
    return check_mrtd(plan, *out, errp);
}
