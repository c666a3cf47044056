/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recognises programs that a preloaded library cannot reach (ELF: System V ABI, gABI chapter 5;
 * ld.so(8), secure execution).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "run.h"

static bool refuse(GError **error, const char *path, const char *why)
{
    g_set_error(error, RUN_ERROR, 0, "%s: %s", path, why);
    return false;
}

#define LOADER_MAX 256

/* The dynamic loader that it names; false: none. */
static bool find_loader(int fd, const Elf64_Ehdr *header, char loader[LOADER_MAX])
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(header->e_phoff + (uint64_t)i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment)) {
            return false;
        }
        if (segment.p_type == PT_INTERP) {
            ssize_t n = pread(fd, loader, MIN(segment.p_filesz, LOADER_MAX - 1),
                              (off_t)segment.p_offset);
            loader[MAX(n, 0)] = '\0';
            return true;
        }
    }
    return false;
}

#define NOTES_MAX 65536
#define NT_GO_BUILD_ID 4 /* cmd/link, ELF_NOTE_GOBUILDID_TAG */

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* Is a note of the Go linker among these? (gABI, Note Section) */
static bool names_go(const uint8_t *notes, size_t size)
{
    Elf64_Nhdr note;
    while (size >= sizeof(note)) {
        memcpy(&note, notes, sizeof(note));
        size_t whole = sizeof(note) + padded(note.n_namesz) + padded(note.n_descsz);
        if (whole > size) {
            return false;
        }
        if (note.n_type == NT_GO_BUILD_ID && note.n_namesz == 4 &&
            !memcmp(notes + sizeof(note), "Go\0", 4)) {
            return true;
        }
        notes += whole;
        size -= whole;
    }
    return false;
}

/* Their run-time makes its system calls by itself, also where it links with libc. */
static bool is_go(int fd, const Elf64_Ehdr *header)
{
    g_autofree uint8_t *notes = g_malloc(NOTES_MAX);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(header->e_phoff + (uint64_t)i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment)) {
            return false;
        }
        ssize_t n = segment.p_type == PT_NOTE ? pread(fd, notes, MIN(segment.p_filesz, NOTES_MAX),
                                                      (off_t)segment.p_offset)
                                              : 0;
        if (n > 0 && names_go(notes, (size_t)n)) {
            return true;
        }
    }
    return false;
}

/*
 * Will it run as somebody else than who starts it? (execve(2); a group that may not execute it
 * makes no difference)
 */
static bool changes_user(const struct stat *st)
{
    return ((st->st_mode & S_ISUID) && st->st_uid != getuid()) ||
           ((st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP) && st->st_gid != getgid());
}

/*
 * The GNU C library's loader, given the program as its argument: it has no loader itself, and
 * preloads as ever (ld.so(8)). Before glibc 2.34 the file had the version in its name.
 */
static bool is_loader(const char *path)
{
    char *resolved = realpath(path, NULL);
    g_autofree char *name = resolved ? g_path_get_basename(resolved) : NULL;
    free(resolved);
    return name && (g_str_has_prefix(name, "ld-linux-x86-64.so.") ||
                    (g_str_has_prefix(name, "ld-2.") && g_str_has_suffix(name, ".so")));
}

bool program_check(const char *path, GError **error)
{
    struct stat st;
    Elf64_Ehdr header;
    char loader[LOADER_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == EACCES
                   ? true
                   : refuse(error, path,
                            g_strerror(errno)); /* executable but not readable: exec will tell */
    }
    bool ok = true;
    if (fstat(fd, &st) == 0 && changes_user(&st)) {
        ok = refuse(error, path,
                    "changes its user or group (setuid, setgid): the loader ignores LD_PRELOAD for "
                    "such programs");
    } else if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0) {
        ok = refuse(error, path,
                    "has file capabilities: the loader ignores LD_PRELOAD for such programs");
    } else if (pread(fd, &header, sizeof(header), 0) == sizeof(header) &&
               !memcmp(header.e_ident, ELFMAG, SELFMAG)) {
        if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
            ok = refuse(error, path, "is not an x86-64 program");
        } else if (header.e_type == ET_DYN && is_loader(path)) {
            ok = true;
        } else if (header.e_phentsize != sizeof(Elf64_Phdr) || !find_loader(fd, &header, loader)) {
            ok = refuse(
                error, path,
                "is statically linked: swtdx reaches programs through the dynamic loader only");
        } else if (strstr(loader, "ld-musl")) {
            ok = refuse(
                error, path,
                "is linked with the C library musl: swtdx is for programs of the GNU C library");
        } else if (is_go(fd, &header)) {
            ok = refuse(error, path,
                        "is a Go program: it makes its system calls by itself, and swtdx reaches "
                        "programs through libc only");
        }
    }
    close(fd);
    return ok; /* scripts: their interpreter is found by the kernel, and inherits the environment */
}
