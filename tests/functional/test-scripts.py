#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts tell how they are called, from any directory and without doing anything; and find the
archive of packages."""

import glob
import os
import subprocess
import tempfile

import vmm

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       "scripts")
PROGRAMS = sorted(p for p in glob.glob(os.path.join(SCRIPTS, "*")) if os.access(p, os.X_OK))


def run(argv, cwd, **env):
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60, check=False,
                          encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def usage(path):
    def check():
        with tempfile.TemporaryDirectory() as directory:
            relative = os.path.relpath(path, directory)
            for option in "--help", "-h":
                status, out, err = run([relative, option], directory,
                                       BUILD=os.path.join(directory, "build"),
                                       XDG_CACHE_HOME=directory)
                assert status == 0 and err == "", (option, status, err)
                assert os.path.basename(path) in out or "FIRMWARE (" in out, out
            assert os.listdir(directory) == [], os.listdir(directory)
    return check


# An apt-get that knows these sources: by their lists, by their names alone.
APT = """#!/bin/sh
case $* in
*no-release-info*) printf '%s\n' {names} ;;
*) printf '%s\n' {lists} ;;
esac
"""
DEBIAN, OTHER = "http://mirror.example/debian/", "https://download.example/linux/debian/"
MIRRORS = [
    ("lists",
     [f"Docker/Docker {OTHER}", f"Debian/Debian-Security {OTHER}", f"Debian/Debian {DEBIAN}"],
     [f"{OTHER} bookworm"], {}, DEBIAN),
    ("names", [], ["http://mirror.example/debian-security/ trixie-security", f"{DEBIAN} trixie"],
     {}, DEBIAN),
    ("updates", [], [f"{DEBIAN} forky-updates"], {}, DEBIAN),
    ("named", [], [], {"DEBIAN_MIRROR": "file:/mirror"}, "file:/mirror"),
    ("other system", ["Ubuntu/Ubuntu http://archive.example/ubuntu/"],
     ["http://archive.example/ubuntu/ noble"], {}, None),
    ("nothing", [], [], {}, None),
]


def mirror(lists, names, env, expected):
    def check():
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "apt-get")
            with open(path, "w", encoding="utf-8") as f:
                f.write(APT.format(lists=" ".join(f"'{x}'" for x in lists),
                                   names=" ".join(f"'{x}'" for x in names)))
            os.chmod(path, 0o755)
            status, out, err = run([os.path.join(SCRIPTS, "apt-mirror")], directory,
                                   **{"DEBIAN_MIRROR": "", **env,
                                      "PATH": directory + ":" + os.environ["PATH"]})
            if expected:
                assert (status, out, err) == (0, expected + "\n", ""), (status, out, err)
            else:
                assert status == 1 and "DEBIAN_MIRROR=" in err, (status, out, err)
    return check


if __name__ == "__main__":
    assert len(PROGRAMS) > 10, PROGRAMS
    vmm.tap([(f"/scripts/usage/{os.path.basename(p)}", usage(p)) for p in PROGRAMS] +
            [(f"/scripts/mirror/{n.replace(' ', '-')}", mirror(*row)) for n, *row in MIRRORS])
