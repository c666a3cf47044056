/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which objects' CPUIDs show the profile's processor: those of the program and of all its
 * libraries, also of those that it loads later, but for
 *  - the C library and the loader: they have chosen their functions before anything of ours ran,
 *    and must not think otherwise later;
 *  - this library, which asks about the machine; the run-times of sanitizers; the kernel's vDSO,
 *    which cannot be written.
 * Libraries that choose instructions by CPUID stay right: no instruction is shown that this machine
 * lacks (preload_cpuid()).
 */
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

#define MAX_OBJECTS 1024

/* What was looked at. An object may be unloaded, and another one stand in its place. */
typedef struct Object {
    uintptr_t base;
    const ElfW(Phdr) *headers;
    uintptr_t site;
} Object;

static Object objects[MAX_OBJECTS];
static unsigned num_objects;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool left_alone(const struct dl_phdr_info *info)
{
    static const char *const names[] = { "libc.so.", "ld-linux-x86-64.so.", "libasan.so.",
                                         "libtsan.so.", "libubsan.so.", "libclang_rt.",
                                         "linux-vdso.so." };
    const char *name = strrchr(info->dlpi_name, '/');
    uintptr_t own = (uintptr_t)&left_alone;
    name = name ? name + 1 : info->dlpi_name;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!strncmp(name, names[i], strlen(names[i]))) {
            return true;
        }
    }
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD && own - (info->dlpi_addr + h->p_vaddr) < h->p_memsz) {
            return true;
        }
    }
    return false;
}

static Object *known(const struct dl_phdr_info *info)
{
    for (unsigned i = 0; i < num_objects; i++) {
        Object *o = &objects[i];
        if (o->base == info->dlpi_addr && o->headers == info->dlpi_phdr) {
            return o;
        }
    }
    return NULL;
}

static int look(struct dl_phdr_info *info, size_t size, void *failed)
{
    Object *object = known(info);
    if (object ? !object->site || preload_site_stands(object->site) : left_alone(info)) {
        return 0;
    }
    if (!object && num_objects < MAX_OBJECTS) {
        object = &objects[num_objects++];
    }
    uintptr_t site;
    if (!preload_trap_object(info, &site)) {
        *(bool *)failed = true;
    }
    if (object) {
        *object = (Object){ info->dlpi_addr, info->dlpi_phdr, site };
    }
    return 0;
}

static void look_at_all(void)
{
    bool failed = false;
    int saved = errno;
    pthread_mutex_lock(&lock);
    dl_iterate_phdr(look, &failed);
    pthread_mutex_unlock(&lock);
    if (failed) {
        static const char text[] = "swtdx: the program's code cannot be changed: its CPUID "
                                   "instructions show this machine\n";
        syscall(SYS_write, 2, text, sizeof(text) - 1);
    }
    errno = saved;
}

void preload_trap_cpuid(void)
{
    preload_watch_cpuid();
    if (preload_cpuid_trapped()) {
        look_at_all();
    }
}

/* ---- dlopen() ---- */

typedef void *OpenFn(const char *, int);

static void *open_and_look(const char *name, int flags)
{
    void *handle = REAL(dlopen)(name, flags);
    if (handle && name && preload_cpuid_trapped()) {
        look_at_all();
    }
    return handle;
}

/*
 * Does the object that calls search places of its own (gABI, DT_RUNPATH, DT_RPATH)? The loader
 * knows the caller by its return address.
 */
static bool has_search_path(const void *caller)
{
    Dl_info info;
    struct link_map *map = NULL;
    if (!dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) {
        return true;
    }
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_RUNPATH || d->d_tag == DT_RPATH) {
            return true;
        }
    }
    return false;
}

/*
 * Where a call of dlopen() is to go: the hook jumps there, so that libc's sees its caller where
 * that matters.
 */
__attribute__((visibility("hidden"), used)) OpenFn *preload_dlopen_target(const char *name,
                                                                          const void *caller);
OpenFn *preload_dlopen_target(const char *name, const void *caller)
{
    bool searched = name && !strchr(name, '/');
    return searched && has_search_path(caller) ? REAL(dlopen) : open_and_look;
}

__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "push %rdi\n .cfi_adjust_cfa_offset 8\n"
        "push %rsi\n .cfi_adjust_cfa_offset 8\n"
        "mov 16(%rsp), %rsi\n"
        "sub $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
        "call preload_dlopen_target\n"
        "add $8, %rsp\n .cfi_adjust_cfa_offset -8\n"
        "pop %rsi\n .cfi_adjust_cfa_offset -8\n"
        "pop %rdi\n .cfi_adjust_cfa_offset -8\n"
        "jmp *%rax\n"
        ".cfi_endproc\n"
        ".size dlopen, .-dlopen\n"
        ".popsection\n");
