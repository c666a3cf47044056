/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells what CPUID shows in a library that the program is linked with, and in those that it is
 * given as arguments: each is loaded, asked, unloaded, loaded again and asked again. One without
 * '/' is found by the search path in this program.
 */
#include <dlfcn.h>
#include <stdio.h>

typedef unsigned LibraryCpuid(char vendor[13]);
LibraryCpuid library_cpuid;

static void print(const char *name, LibraryCpuid *ask)
{
    char vendor[13];
    unsigned signature = ask(vendor);
    printf("%s %s 0x%x\n", name, vendor, signature);
}

int main(int argc, char **argv)
{
    print("linked", library_cpuid);
    for (int i = 1; i < argc; i++) {
        for (int turn = 0; turn < 2; turn++) {
            void *handle = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
            LibraryCpuid *ask = handle ? (LibraryCpuid *)dlsym(handle, "library_cpuid") : NULL;
            if (!ask) {
                fprintf(stderr, "%s\n", dlerror());
                return 1;
            }
            print("loaded", ask);
            dlclose(handle);
        }
    }
    return dlopen("no-such-library.so", RTLD_NOW) != NULL ||
           dlopen("/no/such/library.so", RTLD_NOW) != NULL;
}
