/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into libvirt's daemon by test-libvirt-daemon.py: libvirt's data files are in the tree
 * it was unpacked into.
 */
#include <stddef.h>

char *virFileFindResource(const char *filename, const char *builddir, const char *installdir);

/*
 * Of libc and GLib, which the daemon brings along: those of another system than this library is
 * built on.
 */
char *getenv(const char *name);
char *g_strconcat(const char *first, ...);

char *virFileFindResource(const char *filename, const char *builddir, const char *installdir)
{
    (void)builddir;
    return g_strconcat(getenv("LIBVIRT_TREE"), installdir, "/", filename, NULL);
}
